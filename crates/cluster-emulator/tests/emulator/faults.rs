use std::{io, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use http::Request;
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use kfed_cluster_emulator::{ApiFault, ClusterEmulator, EmulatorError, Faults, LbFault, LoadBalancers};
use kube::{
    Api,
    api::{ListParams, WatchParams},
};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::support::{builder, create, member, replica_set, scale, sets, until_ready};

const LONG: Duration = Duration::from_secs(3600);

fn api(fault: ApiFault) -> Faults {
    Faults { api: fault, lb: LbFault::Ok }
}

fn outside(member: &ClusterEmulator) -> Api<ReplicaSet> {
    Api::namespaced(member.outside_client(), "default")
}

/// What only the inside can have brought about while the outside saw nothing.
async fn works_inside(member: &ClusterEmulator, replicas: i32) {
    scale(member, "web", replicas).await;
    until_ready(&member.client(), "web", replicas).await;
}

async fn with_web(replicas: i32) -> ClusterEmulator {
    let member = member().await;
    create(&sets(&member), &replica_set("web", replicas)).await;
    until_ready(&member.client(), "web", replicas).await;
    member
}

#[tokio::test(start_paused = true)]
async fn a_hanging_api_answers_nobody_outside_until_it_is_repaired() {
    let member = with_web(1).await;
    member.set_faults(api(ApiFault::Hang));
    let asking = outside(&member);
    assert!(timeout(LONG, asking.get("web")).await.is_err());
    works_inside(&member, 4).await;

    let mut request = std::pin::pin!(asking.get("web"));
    assert!(timeout(LONG, request.as_mut()).await.is_err());
    member.set_faults(Faults::default());
    let set = timeout(LONG, request).await.unwrap().unwrap();
    assert_eq!(set.status.unwrap().replicas, 4, "answered with what is true then");
}

#[tokio::test(start_paused = true)]
async fn an_open_watch_stalls_while_the_api_hangs_and_goes_on_where_it_was() {
    let member = with_web(1).await;
    let pods: Api<Pod> = Api::namespaced(member.outside_client(), "default");
    let version = pods.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut watch = pods.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    member.set_faults(api(ApiFault::Hang));
    works_inside(&member, 2).await;
    assert!(timeout(Duration::from_secs(100), watch.next()).await.is_err(), "stalls, and is not closed");
    member.set_faults(Faults::default());
    assert!(timeout(LONG, watch.next()).await.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refusing_api_is_a_refused_connection_and_breaks_open_watches() {
    let member = with_web(1).await;
    let pods: Api<Pod> = Api::namespaced(member.outside_client(), "default");
    let mut watch = pods.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    assert!(watch.next().await.unwrap().is_ok());
    member.set_faults(api(ApiFault::Refuse));

    let error = outside(&member).get("web").await.unwrap_err();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut kinds = Vec::new();
    while let Some(error) = cause {
        kinds.extend(error.downcast_ref::<io::Error>().map(io::Error::kind));
        cause = error.source();
    }
    assert_eq!(kinds, [io::ErrorKind::ConnectionRefused], "{error:?}");
    let broken = async { while watch.next().await.is_some_and(|event| event.is_ok()) {} };
    timeout(LONG, broken).await.unwrap();

    works_inside(&member, 3).await;
    member.set_faults(Faults::default());
    assert_eq!(outside(&member).get("web").await.unwrap().status.unwrap().replicas, 3);
}

#[tokio::test(start_paused = true)]
async fn a_failing_api_answers_with_a_kubernetes_status() {
    let member = with_web(1).await;
    for (code, reason) in [(500, "InternalError"), (401, "Unauthorized"), (503, "ServiceUnavailable"), (418, "")] {
        member.set_faults(api(ApiFault::Status(code)));
        let kube::Error::Api(status) = outside(&member).get("web").await.unwrap_err() else {
            panic!("not answered by the API");
        };
        assert_eq!((status.code, status.reason.as_str()), (code, reason));
        let health = Request::get("/readyz").body(axum::body::Body::empty()).unwrap();
        assert_eq!(member.api().oneshot(health).await.unwrap().status().as_u16(), code);
    }
    works_inside(&member, 3).await;
    member.set_faults(Faults::default());
    assert_eq!(outside(&member).get("web").await.unwrap().status.unwrap().replicas, 3);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_begins_to_hang_keeps_the_answer_that_was_under_way() {
    let member = with_web(1).await;
    let asking = outside(&member);
    let request = asking.get("web");
    let mut request = std::pin::pin!(request);
    // The request is on its way, as far as it comes at once.
    assert!(request.as_mut().now_or_never().is_none());
    member.set_faults(api(ApiFault::Hang));
    assert!(timeout(LONG, request.as_mut()).await.is_err());
    member.set_faults(Faults::default());
    request.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_outside_needs_the_token_and_the_members_own_clients_carry_it() {
    let member = builder("m").bearer_token("sesame").start().await.unwrap();
    create(&sets(&member), &replica_set("web", 1)).await;
    until_ready(&member.outside_client(), "web", 1).await;
    let stranger: Api<Pod> = Api::namespaced(kube::Client::new(member.api(), "default"), "default");
    let kube::Error::Api(status) = stranger.list(&ListParams::default()).await.unwrap_err() else {
        panic!("not answered by the API");
    };
    assert_eq!(status.code, 401);
    assert!(!format!("{member:?}").contains("sesame"));
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_are_refused_by_name() {
    for name in ["", "Fed", "fed_west", "-fed", "fed-", "fed.west", &"x".repeat(51)] {
        let refused = ClusterEmulator::builder(name).load_balancers(LoadBalancers::Simulated).start().await;
        assert!(matches!(refused, Err(EmulatorError::InvalidName { name: said }) if said == name));
    }
    let refused = builder("m").zones(["1", "zone two"]).start().await.unwrap_err();
    assert_eq!(refused.to_string(), "\"zone two\" cannot be the value of label topology.kubernetes.io/zone");
}
