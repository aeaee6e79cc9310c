//! The zone under trouble, on a paused clock: refusals, conflicts, failing reads; what is said of it, and who is not harmed by it.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kfed_api::Unjoin;
use kfed_control_plane::approval;
use kfed_control_plane::membership::{UnjoinError, unjoin};
use kfed_dnsprovider::memory::{Call, Fault};
use kfed_dnsprovider::{DnsError, ErrorClass, OperationKind};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::{API_SILENT, BOUNDED, FINE, Fleet, HANG, HOSTNAME, LB_SILENT, MINUTE, SPREAD};

/// Creates another Service of type LoadBalancer before `hostname`.
async fn another(fleet: &Fleet, name: &str, port: u16) {
    let service = json!({
        "metadata": {"name": name},
        "spec": {"type": "LoadBalancer", "selector": {"run": "hostname"}, "ports": [{"name": "http", "port": port}]}
    });
    fleet.services().create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
}

async fn change(fleet: &Fleet, patch: Value) {
    fleet.services().patch("hostname", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

/// The zone refuses, by `class`, every request that `concerns` tells of.
fn refuse(fleet: &Fleet, class: ErrorClass, concerns: impl Fn(&Call) -> bool + Send + 'static) {
    fleet.dns.on_request(move |call| concerns(call).then(|| Fault::Fail(DnsError::new(class, call.operation, "no"))));
}

/// The creation of what belongs to Service `other`.
fn creates_other(call: &Call) -> bool {
    let name = call.record_set.as_ref().map(ToString::to_string).unwrap_or_default();
    name.contains("other.default") && call.kind == OperationKind::Create
}

/// Condition `type_` of the Federation: `Status Reason: message`.
async fn federation_condition(fleet: &Fleet, type_: &str) -> String {
    let federations = Api::<kfed_api::Federation>::all(fleet.client.clone());
    let status = federations.get("fed").await.unwrap().status.unwrap_or_default();
    let condition = status.conditions.into_iter().find(|condition| condition.type_ == type_);
    condition.map_or_else(|| "none".to_owned(), |c| format!("{} {}: {}", c.status, c.reason, c.message))
}

async fn federation_says(fleet: &Fleet, type_: &str, words: &str) {
    let what = format!("{type_} of the Federation says `{words}`");
    fleet.eventually(&what, async || federation_condition(fleet, type_).await.contains(words)).await;
}

#[tokio::test(start_paused = true)]
async fn one_record_that_is_refused_delays_no_failover() {
    let fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    refuse(&fleet, ErrorClass::Invalid, creates_other);
    another(&fleet, "other", 8001).await;
    tokio::time::sleep(10 * MINUTE).await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("it is Offline", async || fleet.phase("fed-west").await == "Offline").await;
    let to_dns = fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    assert!(to_dns <= Duration::from_secs(2), "{to_dns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_is_told_on_its_own_service_alone_and_tried_again() {
    let fleet = Fleet::published().await;
    fleet.says("Service", "hostname", "Published", "True").await;
    refuse(&fleet, ErrorClass::Invalid, creates_other);
    another(&fleet, "other", 8001).await;
    fleet.says("Service", "other", "Published", "False ProviderFailed").await;
    // Nor does it fade while nothing is tried.
    tokio::time::sleep(Duration::from_secs(90)).await;
    fleet.says("Service", "other", "Published", "False ProviderFailed").await;
    let says = fleet.condition("Service", "hostname", "Published").await;
    assert!(says.starts_with("True"), "{says}");
    fleet.dns.on_request(|_| None);
    fleet.says("Service", "other", "Published", "True RecordsCurrent").await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_always_conflicts_is_asked_ever_more_rarely() {
    let fleet = Fleet::published().await;
    refuse(&fleet, ErrorClass::Conflict, creates_other);
    fleet.dns.forget_calls();
    another(&fleet, "other", 8001).await;
    tokio::time::sleep(10 * MINUTE).await;
    let requests = fleet.dns.calls().len();
    assert!(requests < 500, "{requests} requests in 10 minutes");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_does_not_stop_failover_and_is_told() {
    let fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    refuse(&fleet, ErrorClass::Throttled, |call| call.kind == OperationKind::List);
    tokio::time::sleep(15 * MINUTE).await;
    federation_says(&fleet, "DNSReady", "False ProviderFailed").await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.dns.on_request(|_| None);
    federation_says(&fleet, "DNSReady", "True").await;
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_hangs_does_not_stop_failover() {
    let fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    fleet.dns.on_request(|call| (call.kind == OperationKind::List).then_some(Fault::Hang));
    tokio::time::sleep(15 * MINUTE).await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_away_does_not_blind_the_second_signal() {
    let mut fleet = Fleet::published().await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    refuse(&fleet, ErrorClass::Unavailable, |_| true);
    fleet.kill().await;
    fleet.run();
    tokio::time::sleep(2 * MINUTE).await;
    fleet.member("fed-west").set_faults(API_SILENT);
    fleet.always(5 * MINUTE, "nothing moves", async || fleet.spread("roaming").await["fed-east"] == (3, 3)).await;
}

#[tokio::test(start_paused = true)]
async fn an_unjoin_with_many_services_needs_no_approval() {
    let fleet = Fleet::published().await;
    for n in 0..12 {
        another(&fleet, &format!("s{n}"), 9000 + n).await;
    }
    tokio::time::sleep(MINUTE).await;
    let forced = Unjoin { force: true, ..Unjoin::default() };
    unjoin(&fleet.client, "fed-west", forced, 10 * MINUTE, |_| {}).await.unwrap();
    assert!(fleet.owned().keys().all(|name| !name.contains("westus")), "{:?}", fleet.owned());
}

#[tokio::test(start_paused = true)]
async fn records_of_services_that_vanished_without_a_word_wait_for_approval() {
    let mut fleet = Fleet::published().await;
    for n in 0..12 {
        another(&fleet, &format!("s{n}"), 9000 + n).await;
    }
    fleet.eventually("all are named", async || fleet.owned().len() == 13 * 6).await;
    fleet.kill().await;
    let gone = json!({"metadata": {"finalizers": null}});
    for n in 0..12 {
        let name = format!("s{n}");
        fleet.services().patch(&name, &PatchParams::default(), &Patch::Merge(gone.clone())).await.unwrap();
        fleet.services().delete(&name, &Default::default()).await.unwrap();
    }
    fleet.run();
    federation_says(&fleet, "DNSDeletionsHeld", "True MassChange").await;
    assert_eq!(fleet.owned().len(), 13 * 6);
    let waiting = approval::waiting(&fleet.client).await.unwrap();
    let waits = &waiting.awaiting[0];
    // Nobody is left who wants them, and yet the zone leads to its members by them.
    let stays = unjoin(&fleet.client, "fed-west", Unjoin { orphan: true, ..Unjoin::default() }, MINUTE, |_| {})
        .await
        .unwrap_err();
    let named = "its addresses are being withdrawn from DNS";
    assert!(matches!(&stays, UnjoinError::Timeout { progress, .. } if progress.contains(named)), "{stays}");
    assert!(federation_condition(&fleet, "DNSDeletionsHeld").await.contains(&waits.approval));
    approval::approve(&fleet.client, "fed", waits, (fleet.clock())()).await.unwrap();
    fleet.eventually("they are gone", async || fleet.owned().keys().all(|name| name.contains("hostname"))).await;
    fleet.eventually("it has left", async || fleet.clusters().get_opt("fed-west").await.unwrap().is_none()).await;
    federation_says(&fleet, "DNSDeletionsHeld", "False NothingHeld").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_no_longer_published_does_not_say_that_it_is() {
    let fleet = Fleet::published().await;
    fleet.says("Service", "hostname", "Published", "True").await;
    change(&fleet, json!({"spec": {"type": "ClusterIP"}})).await;
    fleet.eventually("no names", async || fleet.owned().is_empty()).await;
    fleet
        .eventually("it says nothing", async || fleet.condition("Service", "hostname", "Published").await == "none")
        .await;
}

#[tokio::test(start_paused = true)]
async fn annotations_that_mean_nothing_are_told_and_harm_nobody() {
    let fleet = Fleet::published().await;
    for (annotation, value, names) in [
        ("kfed.io/health-check", r#"{"path": "/up""#, "line 1 column 14"),
        ("kfed.io/health-check", r#"{"expect": "399-200"}"#, "399-200"),
        ("kfed.io/dns-ttl", "soon", "soon"),
        ("kfed.io/dns-ttl", "0", "`0`"),
    ] {
        change(&fleet, json!({"metadata": {"annotations": {annotation: value}}})).await;
        fleet
            .says("Service", "hostname", "Published", &format!("False InvalidAnnotation: annotation {annotation}"))
            .await;
        fleet.says("Service", "hostname", "Published", names).await;
        fleet.always(MINUTE, "both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
        change(&fleet, json!({"metadata": {"annotations": {annotation: null}}})).await;
        fleet.says("Service", "hostname", "Published", "True").await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_hold_of_an_empty_service_starts_anew_each_time() {
    let fleet = Fleet::published().await;
    for _ in 0..2 {
        fleet.replica_set("hostname", 0, Some(BOUNDED)).await;
        fleet.says("Service", "hostname", "Published", "the names stay for a while").await;
        fleet.always(4 * MINUTE, "they stay", async || !fleet.owned().is_empty()).await;
        fleet.eventually("they go", async || fleet.owned().is_empty()).await;
        fleet.services().delete("hostname", &Default::default()).await.unwrap();
        fleet.eventually("gone", async || fleet.services().get_opt("hostname").await.unwrap().is_none()).await;
        fleet.replica_set("hostname", 8, Some(BOUNDED)).await;
        fleet.service().await;
        fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_stays_until_its_member_is_offline() {
    for offset in [0, 1, 2, 3, 4] {
        let fleet = Fleet::published().await;
        let west = fleet.address("fed-west").await;
        tokio::time::sleep(Duration::from_secs(offset)).await;
        fleet.member("fed-west").set_faults(HANG);
        fleet
            .eventually("its address is gone", async || {
                // The Cluster is written after the zone may have been: what the zone lost, it lost of a member that is Offline.
                !fleet.answer(HOSTNAME).contains(&west) && {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    assert_eq!(fleet.phase("fed-west").await, "Offline", "offset {offset} s");
                    true
                }
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_died_before_its_api_does_not_come_back_by_the_silence() {
    let fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    fleet.member("fed-west").set_faults(LB_SILENT);
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.always(MINUTE, "it stays away", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.eventually("it is back", async || fleet.answer(HOSTNAME).contains(&west)).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_died_before_a_restart_is_not_taken_for_a_private_one() {
    let mut fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    fleet.member("fed-west").set_faults(LB_SILENT);
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.kill().await;
    fleet.run();
    fleet.always(2 * MINUTE, "it stays away", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.member("fed-west").set_faults(FINE);
    fleet.eventually("it is back", async || fleet.answer(HOSTNAME).contains(&west)).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_dies_while_nobody_looks_is_withdrawn_afterwards() {
    let mut fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    fleet.kill().await;
    fleet.member("fed-west").set_faults(LB_SILENT);
    fleet.run();
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    assert_eq!(fleet.phase("fed-west").await, "Ready");
}

#[tokio::test(start_paused = true)]
async fn a_dead_members_region_keeps_its_names_over_a_restart() {
    let mut fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.kill().await;
    fleet.run();
    let region = "hostname.default.fed.svc.westus.example.com.";
    fleet.always(5 * MINUTE, "its region answers", async || fleet.answer(region).len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_slice_that_changes_sides_counts_for_its_new_service_alone() {
    use k8s_openapi::api::discovery::v1::EndpointSlice;
    let fleet = Fleet::published().await;
    another(&fleet, "other", 8001).await;
    let slices = Api::<EndpointSlice>::namespaced(fleet.member("fed-west").client(), "default");
    let slice = json!({
        "metadata": {"name": "extra", "labels": {"kubernetes.io/service-name": "hostname"}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.9.9.9"]}]
    });
    slices.create(&PostParams::default(), &serde_json::from_value(slice).unwrap()).await.unwrap();
    let moved = json!({"metadata": {"labels": {"kubernetes.io/service-name": "other"}}});
    slices.patch("extra", &PatchParams::default(), &Patch::Merge(moved)).await.unwrap();
    fleet.replica_set("hostname", 0, Some(BOUNDED)).await;
    let services = Api::<Service>::namespaced(fleet.member("fed-west").client(), "default");
    assert!(services.get_opt("hostname").await.unwrap().is_some());
    fleet.says("Service", "hostname", "Published", "the names stay for a while").await;
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_go_and_come_are_followed_where_nothing_else_changes() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    fleet.service().await;
    for member in ["fed-west", "fed-east"] {
        fleet.endpoints(member, 2).await;
    }
    fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
    fleet.always(MINUTE, "they do", async || fleet.answer(HOSTNAME).len() == 2).await;
    let west = fleet.address("fed-west").await;
    fleet.endpoints("fed-west", 0).await;
    let took = fleet.eventually("it is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    fleet.endpoints("fed-west", 1).await;
    let took = fleet.eventually("it is back", async || fleet.answer(HOSTNAME).contains(&west)).await;
    assert!(
        took <= fleet.settings.return_after + Duration::from_secs(2),
        "{took:?}: when it has been well for a while"
    );
}
