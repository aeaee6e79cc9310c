use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::json;

use crate::support::{
    builder, create, member, pod_names, pods, replica_set, scale, sets, template, until, until_ready,
};

#[tokio::test(start_paused = true)]
async fn nodes_tell_their_region_zones_capacity_and_readiness() {
    let member = builder("fed-west").nodes(3).pods_per_node(30).start().await.unwrap();
    let nodes = Api::<Node>::all(member.outside_client()).list(&ListParams::default()).await.unwrap();
    let zones: Vec<(String, String)> =
        nodes.iter().map(|node| (node.name_any(), node.labels()["topology.kubernetes.io/zone"].clone())).collect();
    let expected = [("fed-west-node-1", "1"), ("fed-west-node-2", "2"), ("fed-west-node-3", "1")];
    assert_eq!(zones, expected.map(|(name, zone)| (name.to_owned(), zone.to_owned())));
    for node in &nodes {
        assert_eq!(node.labels()["topology.kubernetes.io/region"], "westus");
        let status = node.status.as_ref().unwrap();
        assert_eq!(status.allocatable.as_ref().unwrap()["pods"].0, "30");
        assert!(status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True"));
        assert!(status.node_info.as_ref().unwrap().kubelet_version.starts_with("v1."));
    }
}

#[tokio::test(start_paused = true)]
async fn eight_replicas_come_up_on_the_nodes_and_the_status_says_so() {
    let member = member().await;
    create(&sets(&member), &replica_set("web", 8)).await;
    let set = until_ready(&member.outside_client(), "web", 8).await;
    let status = set.status.clone().unwrap();
    assert_eq!((status.replicas, status.fully_labeled_replicas), (8, Some(8)));
    assert_eq!((status.ready_replicas, status.available_replicas), (Some(8), Some(8)));

    let mut on_node: BTreeMap<String, usize> = BTreeMap::new();
    let mut ips = Vec::new();
    for pod in pods(&member).list(&ListParams::default()).await.unwrap() {
        let owner = &pod.owner_references()[0];
        assert_eq!((owner.kind.as_str(), Some(&owner.uid)), ("ReplicaSet", set.metadata.uid.as_ref()));
        assert_eq!(pod.labels()["app"], "web");
        assert!(pod.annotations().is_empty());
        let (prefix, suffix) = pod.metadata.name.as_ref().unwrap().split_at("web-".len());
        assert_eq!((prefix, suffix.len()), ("web-", 5));
        let (spec, status) = (pod.spec.as_ref().unwrap(), pod.status.as_ref().unwrap());
        assert_eq!(status.phase.as_deref(), Some("Running"));
        assert!(status.container_statuses.iter().flatten().all(|container| container.ready));
        *on_node.entry(spec.node_name.clone().unwrap()).or_default() += 1;
        ips.push(status.pod_ip.clone().unwrap());
    }
    assert_eq!(on_node.into_values().collect::<Vec<_>>(), [3, 3, 2]);
    assert!(ips.iter().all(|ip| ip.starts_with("10.")));
    ips.sort();
    ips.dedup();
    assert_eq!(ips.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_pod_goes_through_pending_before_it_is_ready() {
    let member = builder("m").startup(Duration::from_secs(5)).start().await.unwrap();
    let api = pods(&member);
    let mut events = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    create(&sets(&member), &replica_set("web", 1)).await;
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        let (WatchEvent::Added(pod) | WatchEvent::Modified(pod)) = event.unwrap() else { continue };
        let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        let status = pod.status.unwrap();
        let is = |type_: &str| status.conditions.iter().flatten().any(|c| c.type_ == type_ && c.status == "True");
        seen.push((status.phase.clone().unwrap(), bound, is("PodScheduled"), is("Ready")));
        if is("Ready") {
            break;
        }
    }
    seen.dedup();
    let pending = || "Pending".to_owned();
    assert_eq!(
        seen,
        [(pending(), false, false, false), (pending(), true, true, false), ("Running".to_owned(), true, true, true)]
    );
}

#[tokio::test(start_paused = true)]
async fn scaling_down_takes_pods_that_are_not_ready_first_and_then_the_youngest() {
    let member = builder("m").startup(Duration::from_secs(3)).start().await.unwrap();
    create(&sets(&member), &replica_set("web", 3)).await;
    until_ready(&member.client(), "web", 3).await;
    let oldest = pod_names(&member).await;

    scale(&member, "web", 5).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(pod_names(&member).await.len(), 5);
    scale(&member, "web", 3).await;
    until_ready(&member.client(), "web", 3).await;
    assert_eq!(pod_names(&member).await, oldest, "the two that still started went");

    tokio::time::sleep(Duration::from_secs(10)).await;
    scale(&member, "web", 4).await;
    until_ready(&member.client(), "web", 4).await;
    scale(&member, "web", 3).await;
    until_ready(&member.client(), "web", 3).await;
    assert_eq!(pod_names(&member).await, oldest, "the youngest went");

    scale(&member, "web", 0).await;
    until_ready(&member.client(), "web", 0).await;
    assert!(pod_names(&member).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn pods_beyond_the_capacity_are_unschedulable_until_there_is_room() {
    let member = builder("m").nodes(2).pods_per_node(3).start().await.unwrap();
    create(&sets(&member), &replica_set("web", 8)).await;
    let api = sets(&member);
    let api = &api;
    until("6 of 8 ready", || async {
        let status = api.get("web").await.unwrap().status.unwrap_or_default();
        (status.replicas == 8 && status.ready_replicas == Some(6)).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let list = pods(&member).list(&ListParams::default()).await.unwrap();
    let waiting: Vec<&Pod> = list.iter().filter(|pod| pod.spec.as_ref().unwrap().node_name.is_none()).collect();
    assert_eq!(waiting.len(), 2);
    for pod in waiting {
        let conditions = pod.status.as_ref().unwrap().conditions.clone().unwrap();
        let scheduled = conditions.iter().find(|c| c.type_ == "PodScheduled").unwrap();
        assert_eq!((scheduled.status.as_str(), scheduled.reason.as_deref()), ("False", Some("Unschedulable")));
        assert_eq!(scheduled.message.as_deref(), Some("0/2 nodes are available: 2 Too many pods."));
    }

    create(&sets(&member), &replica_set("other", 1)).await;
    scale(&member, "web", 5).await;
    until_ready(&member.client(), "web", 5).await;
    until_ready(&member.client(), "other", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_node_gets_no_pods_and_a_removed_one_loses_its_own() {
    let member = builder("m").nodes(2).start().await.unwrap();
    let nodes = Api::<Node>::all(member.client());
    let cordon = Patch::Merge(json!({ "spec": { "unschedulable": true } }));
    nodes.patch("m-node-1", &PatchParams::default(), &cordon).await.unwrap();
    create(&sets(&member), &replica_set("web", 4)).await;
    until_ready(&member.client(), "web", 4).await;
    let on = |list: &kube::api::ObjectList<Pod>, node: &str| {
        list.iter().filter(|pod| pod.spec.as_ref().unwrap().node_name.as_deref() == Some(node)).count()
    };
    assert_eq!(on(&pods(&member).list(&ListParams::default()).await.unwrap(), "m-node-2"), 4);

    let uncordon = Patch::Merge(json!({ "spec": { "unschedulable": null } }));
    nodes.patch("m-node-1", &PatchParams::default(), &uncordon).await.unwrap();
    nodes.delete("m-node-2", &DeleteParams::default()).await.unwrap();
    let api = pods(&member);
    let api = &api;
    until("all pods on the node that is left", || async {
        let list = api.list(&ListParams::default()).await.unwrap();
        (list.items.len() == 4 && on(&list, "m-node-1") == 4).then_some(())
    })
    .await;
    until_ready(&member.client(), "web", 4).await;
}

#[tokio::test(start_paused = true)]
async fn the_pods_of_a_deleted_set_go_and_orphans_stay_until_a_set_adopts_them() {
    let member = member().await;
    create(&sets(&member), &replica_set("web", 4)).await;
    until_ready(&member.client(), "web", 4).await;
    let names = pod_names(&member).await;
    sets(&member).delete("web", &DeleteParams::orphan()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(pod_names(&member).await, names);

    create(&sets(&member), &replica_set("web", 4)).await;
    until_ready(&member.client(), "web", 4).await;
    assert_eq!(pod_names(&member).await, names, "adopted, not replaced");

    for how in [DeleteParams::background(), DeleteParams::foreground()] {
        sets(&member).delete("web", &how).await.unwrap();
        let (member, all) = (&member, sets(&member));
        let all = &all;
        until("no pod and no set", || async move {
            (pod_names(member).await.is_empty() && all.get_opt("web").await.unwrap().is_none()).then_some(())
        })
        .await;
        create(all, &replica_set("web", 4)).await;
        until_ready(&member.client(), "web", 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_is_replaced_under_another_name() {
    let member = member().await;
    create(&sets(&member), &replica_set("web", 2)).await;
    until_ready(&member.client(), "web", 2).await;
    let before = pod_names(&member).await;
    pods(&member).delete(&before[0], &DeleteParams::default()).await.unwrap();
    let (member, gone) = (&member, &before[0]);
    let after = until("a replacement", || async move {
        let names = pod_names(member).await;
        (names.len() == 2 && !names.contains(gone)).then_some(names)
    })
    .await;
    assert!(after.contains(&before[1]), "{before:?} {after:?}");
    until_ready(&member.client(), "web", 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_nobody_runs_too() {
    let member = member().await;
    let mut pod = template("lone");
    pod["metadata"]["name"] = json!("lone");
    let api = pods(&member);
    create(&api, &serde_json::from_value(pod).unwrap()).await;
    let api = &api;
    until("the pod runs", || async move {
        let status = api.get("lone").await.unwrap().status?;
        (status.phase.as_deref() == Some("Running")).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_seed_decides_the_names() {
    let run = async |seed: u64| {
        let member = builder("m").seed(seed).start().await.unwrap();
        create(&sets(&member), &replica_set("web", 5)).await;
        until_ready(&member.client(), "web", 5).await;
        let list = pods(&member).list(&ListParams::default()).await.unwrap();
        list.iter()
            .map(|pod| {
                let status = pod.status.clone().unwrap();
                (pod.name_any(), pod.spec.clone().unwrap().node_name, status.pod_ip, status.start_time)
            })
            .collect::<Vec<_>>()
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_start_up_delay_pods_are_ready_at_once() {
    let member = builder("m").startup(Duration::ZERO).start().await.unwrap();
    create(&sets(&member), &replica_set("web", 3)).await;
    let began = tokio::time::Instant::now();
    until_ready(&member.client(), "web", 3).await;
    assert!(began.elapsed() < Duration::from_millis(100), "virtual time: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn ready_pods_are_available_after_min_ready_seconds() {
    let member = builder("m").startup(Duration::ZERO).start().await.unwrap();
    let mut set = replica_set("web", 2);
    set.spec.min_ready_seconds = Some(30);
    create(&sets(&member), &set).await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    let status = sets(&member).get("web").await.unwrap().status.unwrap();
    assert_eq!((status.ready_replicas, status.available_replicas), (Some(2), None));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = sets(&member).get("web").await.unwrap().status.unwrap();
    assert_eq!((status.ready_replicas, status.available_replicas), (Some(2), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_member_at_rest_writes_nothing() {
    let member = member().await;
    create(&sets(&member), &replica_set("web", 8)).await;
    let set = until_ready(&member.client(), "web", 8).await;
    let api = pods(&member);
    let list = api.list(&ListParams::default()).await.unwrap();
    let revision = list.metadata.resource_version.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(sets(&member).get("web").await.unwrap().resource_version(), set.resource_version());
    assert_eq!(api.list(&ListParams::default()).await.unwrap().metadata.resource_version, Some(revision));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_member_starts_nothing_any_more() {
    let member = member().await;
    let client = member.client();
    member.stop().await;
    let api: Api<k8s_openapi::api::apps::v1::ReplicaSet> = Api::namespaced(client.clone(), "default");
    api.create(&PostParams::default(), &replica_set("web", 1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let pods: Api<Pod> = Api::namespaced(client, "default");
    assert!(pods.list(&ListParams::default()).await.unwrap().items.is_empty());
}
