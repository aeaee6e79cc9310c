//! A member that does not let kfed list a kind, or watch it: of that kind nothing is written there, and all else goes on. What it
//! does not show of endpoints its addresses tell.

use std::time::Duration;

use kfed_cluster_emulator::LbFault;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::support::tap::Tap;
use crate::support::{API_SILENT, BOUNDED, FINE, Fleet, HANG, HOSTNAME, LB_SILENT, MINUTE};

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

/// What can be listed and not watched may be old in the next moment.
#[tokio::test(start_paused = true)]
async fn a_kind_that_cannot_be_watched_stops_alone_and_is_told_once() {
    let mut fleet = Fleet::idle().await;
    let tap = Tap::new();
    tap.forbid_watch("fed-west", "ingresses", true);
    fleet.run_as(fleet.tapped(&tap));
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    let told = "True KindForbidden: kfed may not watch Ingress, so that none of these";
    fleet.says("Cluster", "fed-west", "KindsForbidden", told).await;
    fleet.apply("Ingress", ingress("one")).await;
    fleet.apply("ConfigMap", config_map("one")).await;
    fleet.is_in("ConfigMap", "one", &["fed-west", "fed-east"]).await;
    fleet.is_in("Ingress", "one", &["fed-east"]).await;
    let words = "False KindForbidden: fed-west: its API server does not let kfed watch ingresses.networking.k8s.io";
    fleet.is_told("Ingress", "one", "Propagated", words).await;
    // It is asked again and again, and nobody hears of it.
    tap.rests(MINUTE).await;
    let (writes, says) = (tap.writes().len(), async || fleet.condition("Cluster", "fed-west", "KindsForbidden").await);
    fleet.always(10 * MINUTE, "it says the same", async || says().await.contains(told)).await;
    assert_eq!(tap.writes().len(), writes, "{:#?}", &tap.writes()[writes..]);
    // Nor when the member has been away meanwhile.
    fleet.member("fed-west").set_faults(HANG);
    let phase = async |phase: &str| fleet.phase("fed-west").await == phase;
    fleet.eventually("it is away", async || phase("Offline").await).await;
    fleet.always(MINUTE, "it says the same", async || says().await.contains(told)).await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.eventually("it is back", async || phase("Ready").await).await;
    fleet.always(10 * MINUTE, "it says the same", async || says().await.contains(told)).await;
    let events = fleet.events("fed-west").await;
    assert_eq!(events.iter().filter(|event| event.contains("KindsForbidden")).count(), 1, "{events:#?}");
    assert!(!events.iter().any(|event| event.contains("KindsPermitted")), "{events:#?}");
    tap.forbid_watch("fed-west", "ingresses", false);
    fleet.is_in("Ingress", "one", &["fed-west", "fed-east"]).await;
    fleet.says("Cluster", "fed-west", "KindsForbidden", "False KindsPermitted").await;
    // And now it is followed.
    let copies = fleet.in_member("fed-west", "Ingress");
    copies.delete("one", &DeleteParams::default()).await.unwrap();
    fleet.is_in("Ingress", "one", &["fed-west", "fed-east"]).await;
}

const ENDPOINTS: &str =
    "kfed may not list EndpointSlice, so that nobody knows whether endpoints of its Services are ready";

/// A member that does not show its endpoints takes what it is given, and keeps what the zone has of it.
#[tokio::test(start_paused = true)]
async fn a_member_that_hides_its_endpoints_takes_writes_and_keeps_its_addresses() {
    let mut fleet = Fleet::published().await;
    fleet.kill().await;
    let tap = Tap::new();
    tap.forbid("fed-west", "endpointslices", true);
    fleet.run_as(fleet.tapped(&tap));
    fleet.says("Cluster", "fed-west", "KindsForbidden", &format!("True KindForbidden: {ENDPOINTS}")).await;
    fleet.says("Cluster", "fed-west", "KindsForbidden", "list and watch endpointslices.discovery.k8s.io").await;
    fleet.apply("ConfigMap", config_map("one")).await;
    fleet.is_in("ConfigMap", "one", &["fed-west", "fed-east"]).await;
    let (west, east) = (fleet.address("fed-west").await, fleet.address("fed-east").await);
    let answers = async |wanted: &[&String]| fleet.answer(HOSTNAME) == wanted.iter().map(|ip| (*ip).clone()).collect();
    fleet.always(10 * MINUTE, "both answer", async || answers(&[&west, &east]).await).await;
    // Its own answers are what is left to go by, with its API or without.
    fleet.set("fed-west", API_SILENT);
    fleet.eventually("its API is away", async || fleet.phase("fed-west").await == "Offline").await;
    fleet.always(5 * MINUTE, "both answer", async || answers(&[&west, &east]).await).await;
    fleet.set("fed-west", LB_SILENT);
    fleet.eventually("west is withdrawn", async || answers(&[&east]).await).await;
    fleet.set("fed-west", FINE);
    fleet.eventually("west is back", async || answers(&[&west, &east]).await).await;
    let seen = async || fleet.services().get("hostname").await.unwrap().annotations()["kfed.io/addresses"].clone();
    assert!(seen().await.contains(r#""untold":true"#), "{}", seen().await);
    // It may be seen again.
    tap.forbid("fed-west", "endpointslices", false);
    fleet.says("Cluster", "fed-west", "KindsForbidden", "False KindsPermitted").await;
    fleet.eventually("endpoints count", async || !seen().await.contains("untold")).await;
    fleet.always(MINUTE, "both answer", async || answers(&[&west, &east]).await).await;
}

/// What neither endpoints nor the address itself vouch for is not published, and what answers is.
#[tokio::test(start_paused = true)]
async fn a_new_address_of_a_member_that_hides_its_endpoints_waits_for_its_first_answer() {
    let mut fleet = Fleet::published().await;
    fleet.kill().await;
    let tap = Tap::new();
    tap.forbid_watch("fed-west", "endpointslices", true);
    fleet.run_as(fleet.tapped(&tap));
    fleet.says("Cluster", "fed-west", "KindsForbidden", "True KindForbidden: kfed may not watch EndpointSlice").await;
    let before = fleet.answer(HOSTNAME);
    fleet.set_addresses("fed-west", LbFault::Hang);
    fleet.eventually("west is withdrawn", async || fleet.answer(HOSTNAME).len() == 1).await;
    fleet.another("second", json!({})).await;
    let second = "second.default.fed.svc.example.com.";
    fleet.eventually("east answers", async || fleet.answer(second).len() == 1).await;
    fleet.always(10 * MINUTE, "nobody vouches for west", async || fleet.answer(second).len() == 1).await;
    let why =
        "of fed-west is not published: the member does not tell of its endpoints, and the address has not answered";
    fleet.says("Service", "second", "Published", why).await;
    fleet.set_addresses("fed-west", LbFault::Ok);
    fleet.eventually("both answer", async || fleet.answer(second).len() == 2).await;
    fleet.eventually("west is back", async || fleet.answer(HOSTNAME) == before).await;
}

/// Where pods are is told by EndpointSlices alone: what the zone holds of them stays.
#[tokio::test(start_paused = true)]
async fn pods_stay_named_where_their_endpoints_are_hidden() {
    let mut fleet = Fleet::published().await;
    let service = json!({
        "metadata": {"name": "pods", "annotations": {"kfed.io/publish": "true"}},
        "spec": {"clusterIP": "None", "selector": {"run": "hostname"}, "ports": [{"name": "http", "port": 8000}]}
    });
    fleet.apply("Service", service).await;
    let pods = "pods.default.fed.svc.example.com.";
    fleet.eventually("all pods are named", async || fleet.answer(pods).len() == 8).await;
    let before = fleet.answer(pods);
    fleet.kill().await;
    let tap = Tap::new();
    tap.forbid("fed-west", "endpointslices", true);
    fleet.run_as(fleet.tapped(&tap));
    fleet.says("Cluster", "fed-west", "KindsForbidden", "EndpointSlice").await;
    fleet.always(10 * MINUTE, "all pods are named", async || fleet.answer(pods) == before).await;
    // Of two that go, one is seen to.
    fleet.replica_set("hostname", 6, Some(BOUNDED)).await;
    fleet.eventually("east's is gone", async || fleet.answer(pods).len() == 7).await;
    fleet.always(MINUTE, "nobody sees west's", async || fleet.answer(pods).len() == 7).await;
    tap.forbid("fed-west", "endpointslices", false);
    fleet.eventually("it is seen", async || fleet.answer(pods).len() == 6).await;
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
