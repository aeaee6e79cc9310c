//! A member that does not let kfed list a kind: of that kind nothing is written there, and all else goes on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::tap::Tap;
use crate::support::{BOUNDED, Fleet, HOSTNAME, MINUTE};

const WORDS: &str = "fed-west: its API server does not let kfed list ingresses.networking.k8s.io";

fn ingress(name: &str) -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    json!({"metadata": {"name": name}, "spec": {"defaultBackend": backend}})
}

fn config_map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"k": "v"}})
}

#[tokio::test(start_paused = true)]
async fn it_stops_that_kind_there_and_nothing_else_and_is_told_with_the_remedy() {
    let mut fleet = Fleet::idle().await;
    let tap = Tap::new();
    tap.forbid("fed-west", "ingresses", true);
    fleet.run_as(fleet.tapped(&tap));
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    fleet.apply("Ingress", ingress("one")).await;
    fleet.apply("ConfigMap", config_map("one")).await;
    fleet.is_in("ConfigMap", "one", &["fed-west", "fed-east"]).await;
    fleet.is_in("Ingress", "one", &["fed-east"]).await;
    fleet.is_told("Ingress", "one", "Propagated", &format!("False KindForbidden: {WORDS}")).await;
    fleet.is_told("Ingress", "one", "Propagated", "allow kfed's user there to get, list, watch").await;
    assert!(fleet.events("one").await.iter().any(|event| event.starts_with("Warning KindForbidden")));
    fleet.says("Cluster", "fed-west", "KindsForbidden", "True KindForbidden: kfed may not list Ingress").await;
    // What cannot be seen there holds up nobody.
    fleet.delete("Ingress", "one").await;
    fleet.is_in("Ingress", "one", &[]).await;
    assert!(fleet.all("Ingress").get_opt("one").await.unwrap().is_none());
    fleet.apply("Ingress", ingress("two")).await;
    tap.forbid("fed-west", "ingresses", false);
    fleet.is_in("Ingress", "two", &["fed-west", "fed-east"]).await;
    fleet.is_told("Ingress", "two", "Propagated", "True InSync").await;
    fleet.says("Cluster", "fed-west", "KindsForbidden", "False KindsPermitted").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_meanwhile_goes_when_it_can_be_seen_again() {
    let mut fleet = Fleet::idle().await;
    let tap = Tap::new();
    fleet.run_as(fleet.tapped(&tap));
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    for name in ["goes", "stays"] {
        fleet.apply("Ingress", ingress(name)).await;
        fleet.is_in("Ingress", name, &["fed-west", "fed-east"]).await;
    }
    fleet.kill().await;
    tap.forbid("fed-west", "ingresses", true);
    fleet.run_as(fleet.tapped(&tap));
    fleet.is_told("Ingress", "goes", "Propagated", WORDS).await;
    fleet.delete("Ingress", "goes").await;
    fleet.eventually("it is gone", async || fleet.all("Ingress").get_opt("goes").await.unwrap().is_none()).await;
    fleet.is_in("Ingress", "goes", &["fed-west"]).await;
    tokio::time::sleep(MINUTE).await;
    tap.forbid("fed-west", "ingresses", false);
    fleet.is_in("Ingress", "goes", &[]).await;
    fleet.is_in("Ingress", "stays", &["fed-west", "fed-east"]).await;
}

/// Who may not see the Services of a member does not know that there are none.
#[tokio::test(start_paused = true)]
async fn names_stay_where_services_cannot_be_seen() {
    let mut fleet = Fleet::published().await;
    fleet.kill().await;
    let tap = Tap::new();
    tap.forbid("fed-west", "services", true);
    fleet.run_as(fleet.tapped(&tap));
    fleet.says("Cluster", "fed-west", "KindsForbidden", "True").await;
    let both = async || fleet.answer(HOSTNAME).len() == 2;
    fleet.always(Duration::from_secs(600), "both answer", both).await;
}

/// Who may not see the workloads of a member takes them to run on: nothing is moved for it.
#[tokio::test(start_paused = true)]
async fn replicas_stay_where_workloads_cannot_be_seen() {
    let mut fleet = Fleet::published().await;
    fleet.kill().await;
    let tap = Tap::new();
    tap.forbid("fed-west", "replicasets", true);
    fleet.run_as(fleet.tapped(&tap));
    fleet.says("Cluster", "fed-west", "KindsForbidden", "True").await;
    let as_before = async || {
        let (west, east) = (fleet.held("hostname", "fed-west").await, fleet.held("hostname", "fed-east").await);
        (west.0, east.0) == (4, 4)
    };
    fleet.always(Duration::from_secs(600), "four run in each", as_before).await;
    fleet.replica_set("hostname", 6, Some(BOUNDED)).await;
    fleet.eventually("the rest is elsewhere", async || fleet.held("hostname", "fed-east").await.0 == 2).await;
    assert_eq!(fleet.held("hostname", "fed-west").await.0, 4);
}
