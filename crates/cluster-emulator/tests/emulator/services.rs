use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use k8s_openapi::api::{
    core::v1::{Event, Service},
    discovery::v1::{Endpoint, EndpointSlice},
};
use kfed_cluster_emulator::{ClusterEmulator, LbAnswer, LoadBalancers};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::support::{builder, create, member, pod_names, replica_set, scale, service, services, sets, until};

async fn slices(member: &ClusterEmulator, service: &str) -> Vec<EndpointSlice> {
    let api = Api::<EndpointSlice>::namespaced(member.client(), "default");
    let params = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    api.list(&params).await.unwrap().items
}

async fn endpoints(member: &ClusterEmulator, service: &str) -> Vec<Endpoint> {
    slices(member, service).await.into_iter().flat_map(|slice| slice.endpoints.unwrap_or_default()).collect()
}

fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
}

async fn until_endpoints(member: &ClusterEmulator, service: &str, ready: usize) -> Vec<Endpoint> {
    until(&format!("{ready} ready endpoints of {service}"), || async move {
        let endpoints = endpoints(member, service).await;
        (endpoints.iter().filter(|endpoint| is_ready(endpoint)).count() == ready).then_some(endpoints)
    })
    .await
}

async fn until_address(member: &ClusterEmulator, name: &str) -> IpAddr {
    let api = services(member);
    let api = &api;
    until("a load-balancer address", || async move { ingress(&api.get(name).await.unwrap()) }).await
}

fn ingress(service: &Service) -> Option<IpAddr> {
    let ingress = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?;
    ingress.first()?.ip.as_ref()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn endpoint_slices_follow_the_ready_pods() {
    let member = member().await;
    create(&sets(&member), &replica_set("web", 3)).await;
    create(&services(&member), &service("web", "ClusterIP", 80)).await;
    let endpoints = until_endpoints(&member, "web", 3).await;
    let pods = pod_names(&member).await;
    for endpoint in &endpoints {
        assert!(endpoint.addresses[0].starts_with("10."));
        assert!(pods.contains(endpoint.target_ref.as_ref().unwrap().name.as_ref().unwrap()));
        assert!(["1", "2"].contains(&endpoint.zone.as_deref().unwrap()));
    }
    let slice = &slices(&member, "web").await[0];
    assert_eq!(slice.address_type, "IPv4");
    assert_eq!(slice.owner_references()[0].name, "web");
    let port = &slice.ports.as_ref().unwrap()[0];
    assert_eq!((port.name.as_deref(), port.port), (Some("http"), Some(9376)), "the container port named http");

    scale(&member, "web", 1).await;
    assert_eq!(until_endpoints(&member, "web", 1).await.len(), 1);
    scale(&member, "web", 0).await;
    until_endpoints(&member, "web", 0).await;
    assert_eq!(slices(&member, "web").await.len(), 1, "an empty slice says: none");
    services(&member).delete("web", &DeleteParams::default()).await.unwrap();
    let member = &member;
    until("no slices", || async move { slices(member, "web").await.is_empty().then_some(()) }).await;
}

#[tokio::test(start_paused = true)]
async fn a_slice_holds_a_hundred_endpoints_at_most() {
    let member = builder("m").startup(Duration::ZERO).start().await.unwrap();
    create(&services(&member), &service("web", "ClusterIP", 80)).await;
    create(&sets(&member), &replica_set("web", 230)).await;
    until_endpoints(&member, "web", 230).await;
    let mut sizes: Vec<usize> =
        slices(&member, "web").await.iter().map(|slice| slice.endpoints.as_ref().map_or(0, Vec::len)).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [30, 100, 100]);
    scale(&member, "web", 10).await;
    until_endpoints(&member, "web", 10).await;
    let member = &member;
    until("one slice", || async move { (slices(member, "web").await.len() == 1).then_some(()) }).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_selector_keeps_the_slices_that_others_made() {
    let member = member().await;
    let plain: Service =
        serde_json::from_value(json!({ "metadata": { "name": "ext" }, "spec": { "ports": [{ "port": 80 }] } }))
            .unwrap();
    create(&services(&member), &plain).await;
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": { "name": "ext-1", "labels": { "kubernetes.io/service-name": "ext" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["192.0.2.1"] }],
        "ports": [{ "port": 80 }],
    }))
    .unwrap();
    create(&Api::namespaced(member.client(), "default"), &slice).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(slices(&member, "ext").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_answers_with_ready_pods_in_turn() {
    let member = member().await;
    create(&services(&member), &service("web", "LoadBalancer", 8000)).await;
    let address = SocketAddr::new(until_address(&member, "web").await, 8000);
    assert_eq!(member.load_balancers().probe(address), LbAnswer::NoEndpoints);

    create(&sets(&member), &replica_set("web", 3)).await;
    until_endpoints(&member, "web", 3).await;
    let answers: BTreeSet<String> = (0..3)
        .map(|_| match member.load_balancers().probe(address) {
            LbAnswer::Answers(pod) => pod,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(Vec::from_iter(answers), pod_names(&member).await);
    assert_eq!(member.load_balancers().probe(SocketAddr::new(address.ip(), 80)), LbAnswer::Refused);
}

#[tokio::test(start_paused = true)]
async fn services_have_addresses_of_their_own_and_give_them_back() {
    let member = member().await;
    for name in ["a", "b"] {
        create(&services(&member), &service(name, "LoadBalancer", 80)).await;
    }
    let (a, b) = (until_address(&member, "a").await, until_address(&member, "b").await);
    assert_ne!(a, b);

    let patch = Patch::Merge(json!({ "spec": { "type": "ClusterIP" } }));
    services(&member).patch("a", &PatchParams::default(), &patch).await.unwrap();
    services(&member).delete("b", &DeleteParams::default()).await.unwrap();
    let (member, api) = (&member, services(&member));
    let api = &api;
    until("both addresses given back", || async move {
        (ingress(&api.get("a").await.unwrap()).is_none() && member.load_balancers().addresses().is_empty())
            .then_some(())
    })
    .await;
    for address in [a, b] {
        assert_eq!(member.load_balancers().probe(SocketAddr::new(address, 80)), LbAnswer::NoSuchAddress);
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_without_a_free_address_is_said_in_an_event_and_tried_again() {
    let kind = LoadBalancers::SimulatedIn("20.1.2.0/30".parse().unwrap());
    let member = builder("m").load_balancers(kind).start().await.unwrap();
    for name in ["a", "b", "c"] {
        create(&services(&member), &service(name, "LoadBalancer", 80)).await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let api = services(&member);
    let mut waiting = Vec::new();
    for name in ["a", "b", "c"] {
        if ingress(&api.get(name).await.unwrap()).is_none() {
            waiting.push(name);
        }
    }
    assert_eq!(waiting, ["c"]);
    let events = Api::<Event>::namespaced(member.client(), "default").list(&ListParams::default()).await.unwrap();
    let events: Vec<&Event> = events.iter().filter(|e| e.reason.as_deref() == Some("SyncLoadBalancerFailed")).collect();
    assert_eq!(events.len(), 1, "said once, however often it is tried");
    assert_eq!(events[0].involved_object.name.as_deref(), Some("c"));
    assert!(events[0].message.as_ref().unwrap().contains("no address is free in 20.1.2.0/30"));

    api.delete("a", &DeleteParams::default()).await.unwrap();
    until_address(&member, "c").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_of_another_load_balancer_class_is_left_alone() {
    let member = member().await;
    let mut foreign = service("web", "LoadBalancer", 80);
    foreign.spec.as_mut().unwrap().load_balancer_class = Some("example.com/other".to_owned());
    create(&services(&member), &foreign).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(ingress(&services(&member).get("web").await.unwrap()), None);
    assert!(member.load_balancers().addresses().is_empty());
}
