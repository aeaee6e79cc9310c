//! One cluster under two names.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use kfed_api::keys;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use support::{Fleet, HOSTNAME, MINUTE, SECOND, SPREAD};

/// A member with a Service, and another Cluster that leads to the same cluster.
async fn twins() -> Fleet {
    let fleet = Fleet::start().await.serving(&["fed-west"]).await;
    fleet.call_also("fed-west", "a-twin");
    fleet.join_again("a-twin").await;
    fleet.says("Cluster", "a-twin", "Ready", "False SameCluster: it is the same cluster as fed-west").await;
    fleet
}

async fn uid(fleet: &Fleet, name: &str) -> Option<String> {
    fleet.clusters().get(name).await.unwrap().status.and_then(|status| status.cluster_uid)
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_joins_under_a_second_name_is_no_second_member() {
    let mut fleet = twins().await;
    assert!(uid(&fleet, "fed-west").await.is_some());
    assert_eq!(uid(&fleet, "fed-west").await, uid(&fleet, "a-twin").await);
    let is_one = async |fleet: &Fleet| {
        let placement = fleet.replica_sets().get("hostname").await.unwrap().metadata.annotations.unwrap_or_default();
        fleet.held("hostname", "fed-west").await == (4, 4)
            && !placement[keys::PLACEMENT].contains("twin")
            && fleet.answer(HOSTNAME).len() == 1
    };
    fleet.always(MINUTE, "the cluster is one member", async || is_one(&fleet).await).await;
    // What is known of both is in their status: also who starts anew takes the older one.
    fleet.kill().await;
    fleet.run();
    fleet.always(MINUTE, "the cluster is one member", async || is_one(&fleet).await).await;
    assert!(fleet.condition("Cluster", "a-twin", "Ready").await.contains("SameCluster"));
    assert_eq!(fleet.phase("fed-west").await, "Ready");
}

#[tokio::test(start_paused = true)]
async fn the_second_name_leaves_and_takes_nothing_with_it() {
    let fleet = twins().await;
    let wish = Patch::Merge(json!({"spec": {"unjoin": {"force": false, "orphan": false}}}));
    fleet.clusters().patch("a-twin", &PatchParams::default(), &wish).await.unwrap();
    let gone = async || fleet.clusters().get_opt("a-twin").await.unwrap().is_none();
    assert!(fleet.eventually("it has left", gone).await < 10 * SECOND);
    let stays = async || fleet.held("hostname", "fed-west").await == (4, 4) && fleet.answer(HOSTNAME).len() == 1;
    fleet.always(MINUTE, "all is as it was", stays).await;
}

#[tokio::test(start_paused = true)]
async fn when_the_first_name_leaves_the_second_takes_its_place() {
    let fleet = twins().await;
    let wish = Patch::Merge(json!({"spec": {"unjoin": {"force": true, "orphan": false}}}));
    fleet.clusters().patch("fed-west", &PatchParams::default(), &wish).await.unwrap();
    fleet
        .eventually("the first has left", async || fleet.clusters().get_opt("fed-west").await.unwrap().is_none())
        .await;
    fleet.eventually("the second is Ready", async || fleet.phase("a-twin").await == "Ready").await;
    fleet.eventually("it holds all", async || fleet.held("hostname", "a-twin").await == (4, 4)).await;
    fleet.eventually("and answers", async || fleet.answer(HOSTNAME).len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_that_nobody_has_asked_yet_one_is_a_member() {
    let mut fleet = Fleet::idle().await;
    fleet.emulate(kfed_cluster_emulator::ClusterEmulator::builder("fed-west").region("westus")).await;
    fleet.call_also("fed-west", "a-twin");
    fleet.join_again("fed-west").await;
    // The times of creation are whole seconds: the other one is to be younger, and not just behind by its name.
    tokio::time::advance(SECOND).await;
    fleet.join_again("a-twin").await;
    fleet.replica_set("hostname", 4, Some(SPREAD)).await;
    fleet.run();
    fleet.says("Cluster", "a-twin", "Ready", "SameCluster").await;
    fleet.eventually("the first is Ready", async || fleet.phase("fed-west").await == "Ready").await;
    fleet.eventually("it holds all", async || fleet.held("hostname", "fed-west").await == (4, 4)).await;
}
