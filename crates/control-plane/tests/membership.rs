//! How members join, are renewed and leave, and what becomes of what they hold; and what a control plane survives.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::convert::Infallible;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Secret, Service};
use k8s_openapi::api::events::v1::Event;
use kfed_api::{SYSTEM_NAMESPACE, Unjoin};
use kfed_control_plane::membership::{Departed, UnjoinError, unjoin};
use kfed_control_plane::{Connect, MemberConnector};
use kfed_dnsprovider::memory::Fault;
use kfed_dnsprovider::{DnsError, ErrorClass};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::{Client, ResourceExt as _};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use support::{FINE, Fleet, HANG, HOSTNAME, MINUTE, SECOND, SPREAD};
use tower::BoxError;
use tower::util::BoxCloneSyncService;

const FORCED: Unjoin = Unjoin { force: true, orphan: false };

/// One member, which is handed out by `connector`.
async fn one_member(connector: impl FnOnce(&Fleet) -> MemberConnector) -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.kill().await;
    let parts = fleet.builder(fleet.clock()).connector(connector(&fleet));
    fleet.run_as(parts);
    fleet
}

fn connector(client: impl Fn(Connect) -> Client + Clone + Send + Sync + 'static) -> MemberConnector {
    BoxCloneSyncService::new(tower::service_fn(move |connect: Connect| {
        let client = client(connect);
        async move { Ok::<_, BoxError>(client) }
    }))
}

/// An answer of an API server that refuses.
fn refusal(code: u16, reason: &str) -> http::Response<Body> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason
    });
    http::Response::builder().status(code).body(Body::from(status.to_string().into_bytes())).unwrap()
}

async fn dies(fleet: &Fleet, member: &str) {
    fleet.member(member).set_faults(HANG);
    fleet.eventually("it is Offline", async || fleet.phase(member).await == "Offline").await;
    tokio::time::sleep(2 * MINUTE).await;
}

async fn leaves(fleet: &Fleet, member: &str) {
    fleet.eventually("it is gone", async || fleet.clusters().get_opt(member).await.unwrap().is_none()).await;
}

/// Namespaces, and namespace `shop` in them.
async fn shop(fleet: &Fleet) -> Api<Namespace> {
    let namespaces = Api::<Namespace>::all(fleet.client.clone());
    let shop = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    namespaces.create(&PostParams::default(), &shop).await.unwrap();
    let members = Api::<Namespace>::all(fleet.member("fed-west").client());
    fleet.eventually("it is in the member", async || members.get_opt("shop").await.unwrap().is_some()).await;
    namespaces
}

async fn shop_closes(fleet: &Fleet, namespaces: &Api<Namespace>) {
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    fleet.eventually("the namespace is gone", async || namespaces.get_opt("shop").await.unwrap().is_none()).await;
}

/// What events say of namespace `shop`.
async fn said_of_shop(fleet: &Fleet) -> String {
    let events = Api::<Event>::all(fleet.client.clone()).list(&Default::default()).await.unwrap();
    let of_shop = events.into_iter().filter(|event| {
        let about = event.regarding.as_ref().and_then(|object| object.name.as_deref());
        about == Some("shop") && event.reason.as_deref() == Some("NamespaceLeftToOthers")
    });
    of_shop.filter_map(|event| event.note).collect::<Vec<_>>().join("; ")
}

fn secrets(fleet: &Fleet) -> Api<Secret> {
    Api::namespaced(fleet.client.clone(), SYSTEM_NAMESPACE)
}

async fn patch_cluster(fleet: &Fleet, name: &str, patch: Value) {
    fleet.clusters().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_somebodys_pod_stays_and_an_event_says_so() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    let namespaces = shop(&fleet).await;
    let pods = Api::<Pod>::namespaced(fleet.member("fed-west").client(), "shop");
    let pod = json!({"metadata": {"name": "theirs"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    shop_closes(&fleet, &namespaces).await;
    tokio::time::sleep(MINUTE).await;
    assert!(pods.get_opt("theirs").await.unwrap().is_some(), "their pod");
    let said = said_of_shop(&fleet).await;
    assert!(said.contains("fed-west") && said.contains("Pod theirs"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn an_api_group_that_is_down_neither_holds_a_namespace_nor_lets_it_be_deleted() {
    let fleet = one_member(|fleet| {
        let member = fleet.member("fed-west").outside_client();
        connector(move |_| {
            let member = member.clone();
            let down = tower::service_fn(move |request: http::Request<Body>| {
                let member = member.clone();
                async move {
                    match request.uri().path() {
                        "/apis/apps" | "/apis/apps/v1" => Ok::<_, BoxError>(refusal(503, "ServiceUnavailable")),
                        _ => Ok(member.send(request).await?),
                    }
                }
            });
            Client::new(down, "default")
        })
    })
    .await;
    let namespaces = shop(&fleet).await;
    shop_closes(&fleet, &namespaces).await;
    tokio::time::sleep(MINUTE).await;
    let members = Api::<Namespace>::all(fleet.member("fed-west").client());
    let left = members.get("shop").await.unwrap();
    assert!(!left.metadata.labels.unwrap_or_default().contains_key("kfed.io/managed-by"), "it is no longer kfed's");
    let said = said_of_shop(&fleet).await;
    assert!(said.contains("API group apps"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_was_deleted_while_a_member_was_dead_goes_on_its_return() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    let namespaces = shop(&fleet).await;
    let service = json!({"metadata": {"name": "till"}, "spec": {"ports": [{"port": 80}], "selector": {"run": "till"}}});
    let services = Api::<Service>::namespaced(fleet.client.clone(), "shop");
    services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    let theirs = Api::<Service>::namespaced(fleet.member("fed-west").client(), "shop");
    fleet.eventually("it is in the member", async || theirs.get_opt("till").await.unwrap().is_some()).await;
    dies(&fleet, "fed-west").await;
    shop_closes(&fleet, &namespaces).await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.eventually("the Service is gone", async || theirs.get_opt("till").await.unwrap().is_none()).await;
    let members = Api::<Namespace>::all(fleet.member("fed-west").client());
    fleet.eventually("and its namespace", async || members.get_opt("shop").await.unwrap().is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_and_made_anew_never_counts_its_old_copies() {
    let fleet = Fleet::published().await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("evicted", async || fleet.held("roaming", "fed-east").await == (6, 6)).await;
    fleet.replica_sets().delete("roaming", &DeleteParams::default()).await.unwrap();
    fleet.eventually("it is gone", async || fleet.replica_sets().get_opt("roaming").await.unwrap().is_none()).await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.eventually("there again", async || fleet.held("roaming", "fed-east").await == (6, 6)).await;
    fleet.member("fed-west").set_faults(FINE);
    for _ in 0..5_000 {
        let spread = fleet.spread("roaming").await;
        assert!(spread.values().map(|(_, ready)| ready).sum::<i32>() >= 6, "{spread:?}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_departure_does_not_wait_for_preferences_that_cannot_be_read() {
    let fleet = Fleet::published().await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    fleet.replica_set("roaming", 6, Some("{oops")).await;
    fleet.says("ReplicaSet", "roaming", "Scheduled", "InvalidPreferences").await;
    let refused = unjoin(&fleet.client, "fed-west", Unjoin::default(), MINUTE, |_| ()).await.unwrap_err();
    assert!(matches!(&refused, UnjoinError::NoRoom { why, .. } if why.contains("3 of default/roaming")), "{refused}");
    let left = unjoin(&fleet.client, "fed-west", FORCED, MINUTE, |_| ()).await.unwrap();
    assert_eq!(left, Departed { left_behind: None });
    assert_eq!(fleet.held("roaming", "fed-east").await, (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_forced_departure_does_not_wait_for_replicas_that_never_become_ready_elsewhere() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1", "2"]).await;
    fleet.replica_set("hostname", 6, Some(SPREAD)).await;
    fleet.is_spread("hostname", &[("fed-west", 6)]).await;
    fleet.join_small("fed-small").await;
    tokio::time::sleep(MINUTE).await;
    unjoin(&fleet.client, "fed-west", FORCED, 2 * MINUTE, |_| ()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_only_live_member_leaves_by_force_and_takes_its_address_along() {
    let fleet = Fleet::published().await;
    dies(&fleet, "fed-west").await;
    let east = fleet.address("fed-east").await;
    assert!(fleet.answer(HOSTNAME).contains(&east));
    unjoin(&fleet.client, "fed-east", FORCED, 2 * MINUTE, |_| ()).await.unwrap();
    assert!(!fleet.answer(HOSTNAME).contains(&east), "{:?}", fleet.answer(HOSTNAME));
}

#[tokio::test(start_paused = true)]
async fn a_forced_departure_does_not_wait_for_a_zone_that_cannot_be_written() {
    let fleet = Fleet::published().await;
    let east = fleet.address("fed-east").await;
    fleet.dns.on_request(|_| Some(Fault::Fail(DnsError::new(ErrorClass::Unavailable, "any", "down"))));
    let left = unjoin(&fleet.client, "fed-east", FORCED, 2 * MINUTE, |_| ()).await.unwrap();
    assert!(left.left_behind.as_ref().is_some_and(|what| what.contains("zone")), "{left:?}");
    fleet.dns.on_request(|_| None);
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&east)).await;
    assert_eq!(fleet.answer(HOSTNAME).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_departure_that_was_cut_short_after_the_credentials_went_is_completed() {
    let mut fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.kill().await;
    patch_cluster(&fleet, "fed-west", json!({"spec": {"unjoin": {}}})).await;
    secrets(&fleet).delete("fed-west-credentials", &DeleteParams::default()).await.unwrap();
    fleet.clusters().delete("fed-west", &DeleteParams::default()).await.unwrap();
    fleet.run();
    leaves(&fleet, "fed-west").await;
}

#[tokio::test(start_paused = true)]
async fn a_departure_is_carried_through_restarts() {
    for after in [1, 20, 100, 200, 300, 500, 1000, 1100, 1500, 3000] {
        let mut fleet = Fleet::start().await;
        fleet.join("fed-west", "westus", &["1", "2"]).await;
        fleet.join("fed-east", "eastus", &["1"]).await;
        fleet.replica_set("hostname", 6, Some(SPREAD)).await;
        fleet.service().await;
        fleet.is_spread("hostname", &[("fed-west", 3), ("fed-east", 3)]).await;
        fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
        patch_cluster(&fleet, "fed-east", json!({"spec": {"unjoin": {}}})).await;
        tokio::time::sleep(Duration::from_millis(after)).await;
        fleet.kill().await;
        fleet.run();
        leaves(&fleet, "fed-east").await;
        assert!(secrets(&fleet).get_opt("fed-east-credentials").await.unwrap().is_none(), "killed after {after} ms");
        fleet.is_spread("hostname", &[("fed-west", 6)]).await;
        assert_eq!(fleet.answer(HOSTNAME).len(), 1, "killed after {after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn deleting_the_cluster_ends_a_departure_that_waits_for_a_dead_member() {
    let fleet = Fleet::published().await;
    fleet.replica_set("hostname", 4, None).await;
    dies(&fleet, "fed-west").await;
    let waits = unjoin(&fleet.client, "fed-west", Unjoin::default(), MINUTE, |_| ()).await.unwrap_err();
    assert!(matches!(&waits, UnjoinError::Timeout { progress, .. } if progress.contains("--force")), "{waits}");
    fleet.clusters().delete("fed-west", &DeleteParams::default()).await.unwrap();
    leaves(&fleet, "fed-west").await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_only_somebody_elses_finalizer_keeps_stops_no_dns() {
    let mut fleet = Fleet::published().await;
    fleet.join("fed-3", "x", &["1"]).await;
    let mut finalizers = fleet.clusters().get("fed-3").await.unwrap().metadata.finalizers.unwrap();
    finalizers.push("example.com/audit".to_owned());
    patch_cluster(&fleet, "fed-3", json!({"metadata": {"finalizers": finalizers}})).await;
    fleet.clusters().delete("fed-3", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let left = fleet.clusters().get("fed-3").await.unwrap().metadata.finalizers.unwrap();
    assert_eq!(left, ["example.com/audit"]);
    fleet.kill().await;
    fleet.run();
    tokio::time::sleep(MINUTE).await;
    let west = fleet.address("fed-west").await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
}

#[tokio::test(start_paused = true)]
async fn renewed_credentials_are_used_at_once() {
    let fleet = one_member(|fleet| {
        let member = fleet.member("fed-west").outside_client();
        connector(move |connect| match connect.kubeconfig.expose_secret() {
            "new" => member.clone(),
            _ => {
                let expired = |_: http::Request<Body>| async { Ok::<_, Infallible>(refusal(401, "Unauthorized")) };
                Client::new(tower::service_fn(expired), "default")
            }
        })
    })
    .await;
    fleet.eventually("it is NotReady", async || fleet.phase("fed-west").await == "NotReady").await;
    let patch = Patch::Merge(json!({"data": {"kubeconfig": ByteString(b"new".to_vec())}}));
    secrets(&fleet).patch("fed-west-credentials", &PatchParams::default(), &patch).await.unwrap();
    let took = fleet.eventually("it is Ready", async || fleet.phase("fed-west").await == "Ready").await;
    assert!(took < 10 * SECOND, "{took:?}");
    fleet.replica_set("hostname", 2, None).await;
    fleet.is_spread("hostname", &[("fed-west", 2)]).await;
}

#[tokio::test(start_paused = true)]
async fn renewing_the_credentials_of_a_dead_member_brings_nothing_back_to_it() {
    let fleet = Fleet::published().await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    dies(&fleet, "fed-west").await;
    fleet.eventually("evicted", async || fleet.held("roaming", "fed-east").await == (6, 6)).await;
    let patch = Patch::Merge(json!({"data": {"kubeconfig": ByteString(b"new".to_vec())}}));
    secrets(&fleet).patch("fed-west-credentials", &PatchParams::default(), &patch).await.unwrap();
    fleet.always(3 * MINUTE, "nothing moves", async || fleet.held("roaming", "fed-east").await == (6, 6)).await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_credentials_lead_nowhere_gets_nothing_new_and_can_die() {
    let fleet = Fleet::published().await;
    patch_cluster(&fleet, "fed-west", json!({"spec": {"secretRef": {"name": "nothing"}}})).await;
    fleet.says("Cluster", "fed-west", "Ready", "CredentialsInvalid").await;
    tokio::time::sleep(MINUTE).await;
    let west = fleet.address("fed-west").await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.eventually("it is placed where it can be", async || fleet.held("roaming", "fed-east").await == (6, 6)).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_departure_by_force_leaves_behind_is_said() {
    let fleet = Fleet::published().await;
    dies(&fleet, "fed-west").await;
    let left = unjoin(&fleet.client, "fed-west", FORCED, MINUTE, |_| ()).await.unwrap().left_behind.unwrap();
    assert!(left.contains("ReplicaSet default/hostname") && left.contains("Service default/hostname"), "{left}");
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_read_is_not_quoted() {
    let texts = [
        "s3cr3t-token-abc",
        "apiVersion: v1\nusers: s3cr3t-token-abc",
        "users:\n- name: u\n  user: s3cr3t-token-abc",
        "users:\n- name: u\n  user:\n    exec: s3cr3t-token-abc",
    ];
    for text in texts {
        let Err(error) = kfed_control_plane::connect::client(text, SECOND).await else { panic!("{text} was read") };
        let mut all = format!("{error} {error:?}");
        let mut next = error.source();
        while let Some(error) = next {
            all.push_str(&format!(": {error} {error:?}"));
            next = error.source();
        }
        assert!(!all.contains("s3cr3t"), "{all}");
        assert!(all.contains("line "), "the place is told: {all}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_another_member_uses_or_that_are_not_this_members_stay() {
    let fleet = Fleet::published().await;
    let mine = secrets(&fleet).get("fed-east-credentials").await.unwrap();
    patch_cluster(&fleet, "fed-east", json!({"spec": {"secretRef": {"name": "fed-west-credentials"}}})).await;
    tokio::time::sleep(MINUTE).await;
    fleet.clusters().delete("fed-east", &DeleteParams::default()).await.unwrap();
    leaves(&fleet, "fed-east").await;
    assert!(secrets(&fleet).get_opt("fed-west-credentials").await.unwrap().is_some(), "fed-west's credentials");
    assert!(secrets(&fleet).get_opt(mine.metadata.name.as_deref().unwrap()).await.unwrap().is_some());

    let patch = Patch::Merge(json!({"metadata": {"labels": {"kfed.io/member": null}}}));
    secrets(&fleet).patch("fed-west-credentials", &PatchParams::default(), &patch).await.unwrap();
    fleet.clusters().delete("fed-west", &DeleteParams::default()).await.unwrap();
    leaves(&fleet, "fed-west").await;
    assert!(secrets(&fleet).get_opt("fed-west-credentials").await.unwrap().is_some(), "somebody else made it");
}

#[tokio::test(start_paused = true)]
async fn a_refused_wish_is_not_carried_out_when_room_comes_later() {
    let fleet = Fleet::published().await;
    // Whoever asks is killed before the answer.
    patch_cluster(&fleet, "fed-east", json!({"spec": {"unjoin": {}}})).await;
    fleet.says("Cluster", "fed-east", "Draining", "NoRoom").await;
    fleet.replica_set("hostname", 8, Some(SPREAD)).await;
    tokio::time::sleep(10 * MINUTE).await;
    let cluster = fleet.clusters().get("fed-east").await.unwrap();
    assert_eq!(cluster.spec.unjoin, None, "the control plane has taken it back");
    assert_eq!(fleet.held("hostname", "fed-east").await, (4, 4));
    // Asked again, it leaves.
    unjoin(&fleet.client, "fed-east", Unjoin::default(), MINUTE, |_| ()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_neither_a_watch_nor_the_zones_keeper() {
    let mut fleet = Fleet::published().await;
    fleet.kill().await;
    let panics = Arc::new(AtomicUsize::new(0));
    let clock = fleet.clock();
    let parts = fleet.builder(Arc::new({
        let panics = panics.clone();
        move || {
            let left = panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            assert!(left.is_err(), "a panic that is asked for");
            clock()
        }
    }));
    fleet.run_as(parts);
    tokio::time::sleep(MINUTE).await;
    panics.store(20, Ordering::SeqCst);
    // Every part that looks at the clock does so now: the planners while they hold the world.
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("it was asked for the time", async || panics.load(Ordering::SeqCst) == 0).await;
    let west = fleet.address("fed-west").await;
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    fleet.eventually("it answers again", async || fleet.answer(HOSTNAME).contains(&west)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_control_plane_outlives_it() {
    let held = Arc::new(());
    let mut fleet = one_member(|fleet| {
        let (member, held) = (fleet.member("fed-west").outside_client(), held.clone());
        connector(move |_| {
            let _ = &held;
            member.clone()
        })
    })
    .await;
    fleet.replica_set("hostname", 2, None).await;
    fleet.service().await;
    fleet.is_spread("hostname", &[("fed-west", 2)]).await;
    fleet.eventually("it answers", async || fleet.answer(HOSTNAME).len() == 1).await;
    assert!(Arc::strong_count(&held) > 1);
    fleet.kill().await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(Arc::strong_count(&held), 1, "what it shared is gone");
}

#[tokio::test(start_paused = true)]
async fn another_cluster_of_the_same_name_inherits_nothing() {
    let fleet = Fleet::published().await;
    fleet.clusters().delete("fed-east", &DeleteParams::default()).await.unwrap();
    leaves(&fleet, "fed-east").await;
    fleet.join("fed-east", "northeurope", &["9"]).await;
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
    assert!(fleet.owned().keys().any(|name| name.contains("northeurope")));
    let sets = Api::<ReplicaSet>::namespaced(fleet.member("fed-east").client(), "default");
    assert!(sets.get_opt("hostname").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn nodes_that_move_take_names_and_replicas_along() {
    let fleet = Fleet::start().await;
    for (member, region) in [("fed-west", "westus"), ("fed-east", "eastus"), ("fed-north", "eastus")] {
        fleet.join(member, region, &["1"]).await;
    }
    let by_region = r#"{"mode": "proportional", "rebalance": true, "spread": [{"by": "region"}]}"#;
    fleet.replica_set("hostname", 8, Some(by_region)).await;
    fleet.service().await;
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 2), ("fed-north", 2)]).await;
    let west = "hostname.default.fed.svc.westus.example.com.";
    let answers = async |wanted| fleet.eventually("it is led to", async || fleet.answer(west).len() == wanted).await;
    answers(1).await;
    // Nothing else is under way that would have anything looked at.
    fleet.always(5 * MINUTE, "nobody else is led to", async || fleet.answer(west).len() == 1).await;
    let nodes = Api::<Node>::all(fleet.member("fed-north").client());
    let moved = json!({"metadata": {"labels": {"topology.kubernetes.io/region": "westus"}}});
    for node in nodes.list(&Default::default()).await.unwrap() {
        nodes.patch(&node.name_any(), &PatchParams::default(), &Patch::Merge(&moved)).await.unwrap();
    }
    answers(2).await;
    fleet.is_spread("hostname", &[("fed-west", 2), ("fed-east", 4), ("fed-north", 2)]).await;
}
