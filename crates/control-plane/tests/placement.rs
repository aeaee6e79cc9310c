//! Where replicas are while members die, return and hang and the control plane restarts: nothing is moved on what was true
//! before, and nothing that was asked for is forgotten.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Service;
use kfed_cluster_emulator::{ApiFault, Faults, LbFault};
use kfed_control_plane::overview::{Placed, explain, overview};
use kfed_replica_scheduler::{Member, Request, Scheduler, Verdict};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::{API_SILENT, BOUNDED, FINE, Fleet, HANG, MINUTE, SECOND, SPREAD};

/// The same, with `roaming`, which may be anywhere.
async fn roaming() -> Fleet {
    let fleet = Fleet::published().await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    fleet
}

/// As many members as there are names, each in a region of its own, with `replicas` spread over them.
async fn spread_over(members: &[&str], replicas: i32) -> Fleet {
    let fleet = Fleet::start().await;
    for member in members {
        fleet.join(member, member, &["1"]).await;
    }
    fleet.replica_set("roaming", replicas, Some(SPREAD)).await;
    let each = replicas / i32::try_from(members.len()).unwrap();
    let wanted: Vec<_> = members.iter().map(|member| (*member, each)).collect();
    fleet.is_spread("roaming", &wanted).await;
    fleet
}

/// Taints a member's Cluster, or takes all taints away.
async fn taint(fleet: &Fleet, member: &str, taints: Value) -> kube::Result<()> {
    let patch = Patch::Merge(json!({"spec": {"taints": taints}}));
    fleet.clusters().patch(member, &PatchParams::default(), &patch).await.map(drop)
}

async fn gone(fleet: &Fleet, name: &str) {
    fleet.eventually("it is gone", async || fleet.replica_sets().get_opt(name).await.unwrap().is_none()).await;
}

fn copies(fleet: &Fleet, member: &str) -> Api<ReplicaSet> {
    Api::namespaced(fleet.member(member).client(), "default")
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_while_the_control_plane_is_down_leaves_no_copy() {
    let mut fleet = Fleet::published().await;
    fleet.kill().await;
    fleet.replica_sets().delete("hostname", &DeleteParams::default()).await.unwrap();
    fleet.run();
    gone(&fleet, "hostname").await;
    fleet.eventually("no copy is left", async || fleet.spread("hostname").await.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_is_left_for_a_member_that_has_been_dead_since_the_start() {
    let mut fleet = Fleet::published().await;
    fleet.kill().await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.run();
    fleet.eventually("it is Offline", async || fleet.phase("fed-west").await == "Offline").await;
    tokio::time::sleep(2 * MINUTE).await;
    fleet.replica_sets().delete("hostname", &DeleteParams::default()).await.unwrap();
    gone(&fleet, "hostname").await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.eventually("the copy is gone", async || fleet.spread("hostname").await.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_while_an_api_is_silent_moves_nothing() {
    let mut fleet = roaming().await;
    fleet.kill().await;
    fleet.member("fed-west").set_faults(API_SILENT);
    fleet.run();
    fleet.always(5 * MINUTE, "nothing moves", async || fleet.held("roaming", "fed-east").await == (3, 3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_while_most_members_are_dead_moves_nothing() {
    let mut fleet = spread_over(&["a", "b", "c"], 6).await;
    fleet.kill().await;
    fleet.member("a").set_faults(HANG);
    fleet.member("b").set_faults(HANG);
    fleet.run();
    fleet.always(5 * MINUTE, "nothing moves", async || fleet.held("roaming", "c").await == (2, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_death_does_not_scale_the_survivor_down() {
    let fleet = spread_over(&["a", "b", "c"], 9).await;
    fleet.member("a").set_faults(HANG);
    let ready = async || fleet.held("roaming", "b").await.1 + fleet.held("roaming", "c").await.1;
    fleet.eventually("the others have all", async || ready().await == 9).await;
    let before = fleet.held("roaming", "c").await;
    fleet.member("b").set_faults(HANG);
    fleet.always(5 * MINUTE, "c keeps what it has", async || fleet.held("roaming", "c").await.0 >= before.0).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_of_four_members_keeps_what_it_has_taken_over() {
    let fleet = spread_over(&["a", "b", "c", "d"], 8).await;
    fleet.member("a").set_faults(HANG);
    fleet.member("b").set_faults(HANG);
    let both = async || (fleet.held("roaming", "c").await, fleet.held("roaming", "d").await);
    fleet.eventually("two have all", async || both().await == ((4, 4), (4, 4))).await;
    fleet.member("c").set_faults(HANG);
    fleet.always(5 * MINUTE, "d keeps 4", async || fleet.held("roaming", "d").await.0 >= 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_returns_empty_takes_nothing_away_before_it_has_been_read() {
    let fleet = roaming().await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("it is evicted", async || fleet.held("roaming", "fed-east").await == (6, 6)).await;
    copies(&fleet, "fed-west").delete("roaming", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(5 * SECOND).await;
    fleet.member("fed-west").set_faults(FINE);
    for _ in 0..20_000 {
        let spread = fleet.spread("roaming").await;
        let ready: i32 = spread.values().map(|(_, ready)| ready).sum();
        assert!(ready >= 6, "only {ready} are ready: {spread:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_member_refused_is_forgotten_when_nothing_is_left_to_write() {
    let fleet = Fleet::published().await;
    fleet.says("ReplicaSet", "hostname", "Propagated", "True").await;
    fleet.member("fed-west").set_faults(API_SILENT);
    fleet.replica_set("hostname", 6, Some(BOUNDED)).await;
    fleet.says("ReplicaSet", "hostname", "Propagated", "False").await;
    fleet.replica_set("hostname", 8, Some(BOUNDED)).await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    fleet.says("ReplicaSet", "hostname", "Propagated", "True").await;
}

#[tokio::test(start_paused = true)]
async fn orphans_stay_although_garbage_collectors_take_the_mark_away() {
    let fleet = Fleet::published().await;
    fleet.services().delete("hostname", &DeleteParams::orphan()).await.unwrap();
    fleet.replica_sets().delete("hostname", &DeleteParams::orphan()).await.unwrap();
    fleet.eventually("it is gone", async || fleet.services().get_opt("hostname").await.unwrap().is_none()).await;
    gone(&fleet, "hostname").await;
    assert_eq!(fleet.spread("hostname").await.len(), 2);
    for member in ["fed-west", "fed-east"] {
        let services = Api::<Service>::namespaced(fleet.member(member).client(), "default");
        let labels = services.get("hostname").await.unwrap().metadata.labels.unwrap_or_default();
        assert!(!labels.contains_key("kfed.io/managed-by"), "it is no longer kfed's");
    }
    assert!(fleet.owned().is_empty(), "its names go all the same");
}

#[tokio::test(start_paused = true)]
async fn the_time_to_eviction_counts_from_the_second_signal() {
    let fleet = roaming().await;
    fleet.member("fed-west").set_faults(API_SILENT);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(fleet.held("roaming", "fed-east").await, (3, 3));
    fleet.member("fed-west").set_faults(HANG);
    let evicted = async || fleet.held("roaming", "fed-east").await.0 == 6;
    let took = fleet.eventually("it is evicted", evicted).await;
    assert!(took >= MINUTE, "{took:?} after the address stopped answering");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_delays_nobody() {
    let fleet = Fleet::published().await;
    fleet.member("fed-west").set_faults(API_SILENT);
    for n in 0..40 {
        fleet.replica_set(&format!("w{n}"), 2, Some(SPREAD)).await;
    }
    let arrived = async || copies(&fleet, "fed-east").list(&Default::default()).await.unwrap().items.len() == 41;
    let took = fleet.eventually("all are in the other", arrived).await;
    assert!(took < 2 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_was_made_while_a_watch_was_lost_is_not_left_behind() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.member("fed-west").set_faults(Faults { api: ApiFault::Status(500), lb: LbFault::Ok });
    tokio::time::sleep(12 * MINUTE).await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.eventually("it is Ready", async || fleet.phase("fed-west").await == "Ready").await;
    fleet.replica_set("brief", 2, None).await;
    let there = async || copies(&fleet, "fed-west").get_opt("brief").await.unwrap().is_some();
    fleet.eventually("it is there", there).await;
    fleet.replica_sets().delete("brief", &DeleteParams::default()).await.unwrap();
    gone(&fleet, "brief").await;
    fleet.eventually("its copy is gone", async || !there().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_of_the_assembler_is_asked() {
    let closed = |_: &Request<'_>, member: &Member<'_>| match member.name {
        "fed-west" => Verdict::reject("closed", "it is on trial"),
        _ => Verdict::Allow,
    };
    let scheduler = Arc::new(Scheduler::default().filter(closed));
    let fleet = Fleet::with(|settings| settings.scheduler = scheduler).await;
    fleet.join("fed-west", "fed-west", &["1"]).await;
    fleet.join("fed-east", "fed-east", &["1"]).await;
    fleet.replica_set("roaming", 4, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-east", 4)]).await;
    assert!(!fleet.spread("roaming").await.contains_key("fed-west"));
    fleet.says("ReplicaSet", "roaming", "Scheduled", "True Placed").await;
    // All have a place: that is no reason to keep quiet about who has none.
    let explained = explain(&fleet.client, "rs", "default", "roaming", 5 * SECOND).await.unwrap().unwrap();
    let west = Placed { why: "may run none: it is on trial (closed)".into(), ..Placed::default() };
    assert_eq!(explained.members["fed-west"], west);
    let held = overview(&fleet.client, 5 * SECOND).await.unwrap().members;
    let held: Vec<_> = held.iter().map(|member| (member.name.as_str(), member.objects)).collect();
    assert_eq!(held, [("fed-east", 1), ("fed-west", 0)]);
}

/// Whoever does not tolerate it: `NoSchedule` sends no more there, `NoExecute` takes away what is there when it is ready elsewhere.
#[tokio::test(start_paused = true)]
async fn taints_of_a_member_keep_replicas_away_that_do_not_tolerate_them() {
    let fleet = roaming().await;
    let tolerant = r#"{"mode": "proportional", "rebalance": true, "clusters": {"*": {"weight": 1}},
        "tolerations": [{"key": "maintenance", "operator": "Exists"}]}"#;
    fleet.replica_set("tolerant", 4, Some(tolerant)).await;
    fleet.is_spread("tolerant", &[("fed-west", 2), ("fed-east", 2)]).await;
    taint(&fleet, "fed-west", json!([{"key": "maintenance", "value": "tonight", "effect": "NoSchedule"}]))
        .await
        .unwrap();
    fleet.replica_set("roaming", 8, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 5)]).await;
    let why = async || {
        let explained = explain(&fleet.client, "rs", "default", "roaming", SECOND).await.unwrap().unwrap();
        explained.members["fed-west"].why.clone()
    };
    let says = "takes no new ones: taint maintenance=tonight:NoSchedule is not tolerated";
    fleet.eventually("it is told", async || why().await.contains(says)).await;
    // At rest nobody else looks at it.
    tokio::time::sleep(MINUTE).await;
    taint(&fleet, "fed-west", json!([{"key": "maintenance", "value": "tonight", "effect": "NoExecute"}]))
        .await
        .unwrap();
    let enough = async || fleet.held("roaming", "fed-west").await.1 + fleet.held("roaming", "fed-east").await.1 >= 8;
    let took = fleet
        .eventually("west is empty", async || {
            assert!(enough().await, "adding comes before removing");
            fleet.held("roaming", "fed-west").await == (0, 0) && fleet.held("roaming", "fed-east").await == (8, 8)
        })
        .await;
    assert!(took < MINUTE, "the Cluster tells of it, and no resync is waited for: {took:?}");
    let says = "may run none: taint maintenance=tonight:NoExecute is not tolerated";
    fleet.eventually("it is told", async || why().await.contains(says)).await;
    assert_eq!(fleet.held("tolerant", "fed-west").await, (2, 2), "who tolerates it stays");
    // What has no replicas is not moved.
    let service = async || {
        let services = Api::<Service>::namespaced(fleet.member("fed-west").client(), "default");
        services.get_opt("hostname").await.unwrap().is_some()
    };
    assert!(service().await);
    taint(&fleet, "fed-west", json!(null)).await.unwrap();
    fleet.is_spread("roaming", &[("fed-west", 4), ("fed-east", 4)]).await;
    assert!(service().await);
}

#[tokio::test(start_paused = true)]
async fn taints_that_make_no_sense_are_refused() {
    let fleet = Fleet::published().await;
    for (taint, words) in [
        (json!({"key": "k", "effect": "NoSchedul"}), "effect"),
        (json!({"key": "k"}), "effect"),
        (json!({"key": "", "effect": "NoExecute"}), "key"),
        (json!({"key": "a b", "effect": "NoExecute"}), "key"),
        (json!({"key": "k", "value": "v w", "effect": "NoExecute"}), "value"),
    ] {
        let refused = self::taint(&fleet, "fed-west", json!([taint])).await.unwrap_err().to_string();
        assert!(refused.contains("spec.taints[0]") && refused.contains(words), "{taint}: {refused}");
    }
    let twice = json!([{"key": "k", "effect": "NoExecute"}, {"key": "k", "value": "v", "effect": "NoExecute"}]);
    assert!(taint(&fleet, "fed-west", twice).await.is_err(), "an effect of a key is there once");
    taint(&fleet, "fed-west", json!([{"key": "example.com/k", "effect": "PreferNoSchedule"}])).await.unwrap();
}
