//! What an audit finds by the federation API and the zone alone, while members, addresses and the zone come and go.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::collections::BTreeMap;

use kfed_api::{Unjoin, keys};
use kfed_control_plane::membership::unjoin;
use kfed_control_plane::published::read;
use kfed_dnsprovider::memory::Call;
use kfed_dnsprovider::{
    ErrorClass, MemoryProvider, OperationKind, RecordData, RecordSet, RecordSetKey, RecordType, TxtNames, apply,
};
use kfed_service_dns::{Audit, Verdict, adopt, audit};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::{API_SILENT, FINE, Fleet, HANG, HOSTNAME, LB_SILENT, MINUTE, SECOND, ZONE};

async fn audited(fleet: &Fleet) -> Audit {
    let dns = fleet.dns.provider().with_txt_registry(TxtNames::default());
    let zone = dns.find_zone(&ZONE.parse().unwrap()).await.unwrap();
    let snapshot = dns.snapshot(&zone.id).await.unwrap();
    audit(&snapshot, &read(&fleet.client).await.unwrap().view(&zone, &snapshot))
}

/// How many sets stand how and why.
async fn found(fleet: &Fleet) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for set in audited(fleet).await.sets {
        *found.entry(format!("{} {}", set.verdict, set.why).trim().to_owned()).or_default() += 1;
    }
    found
}

async fn finds(fleet: &Fleet, wanted: &[(&str, usize)]) {
    let wanted: BTreeMap<_, _> = wanted.iter().map(|(what, n)| ((*what).to_owned(), *n)).collect();
    let looks = async || {
        // An audit is work for the machine, and time passes without it.
        tokio::time::sleep(2 * SECOND).await;
        found(fleet).await == wanted
    };
    fleet.eventually(&format!("{wanted:?} is found"), looks).await;
}

/// From now on nobody can write to the zone.
fn lock(fleet: &Fleet) {
    let is_write =
        |call: &Call| matches!(call.kind, OperationKind::Create | OperationKind::Update | OperationKind::Delete);
    fleet.refuse(ErrorClass::Unavailable, is_write);
}

async fn annotate(fleet: &Fleet, annotations: Value) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    fleet.services().patch("hostname", &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_dead_dangles_until_it_is_withdrawn() {
    let fleet = Fleet::published().await;
    finds(&fleet, &[("wanted", 6)]).await;
    for (faults, why) in [(HANG, "dangling member-dead"), (LB_SILENT, "dangling load-balancer-dead")] {
        lock(&fleet);
        fleet.set("fed-west", faults);
        // The federation, the region and two zones.
        finds(&fleet, &[("wanted", 2), (why, 4)]).await;
        fleet.heal_zone();
        finds(&fleet, &[("wanted", 6)]).await;
        fleet.set("fed-west", FINE);
        fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
        finds(&fleet, &[("wanted", 6)]).await;
    }
    // Its API alone is no death.
    fleet.set("fed-west", API_SILENT);
    fleet.eventually("it is Offline", async || fleet.phase("fed-west").await == "Offline").await;
    fleet.always(MINUTE, "nothing is found", async || found(&fleet).await == [("wanted".to_owned(), 6)].into()).await;
}

#[tokio::test(start_paused = true)]
async fn last_addresses_are_kept_and_told() {
    let fleet = Fleet::published().await;
    fleet.set("fed-west", HANG);
    fleet.eventually("its address is gone", async || fleet.answer(HOSTNAME).len() == 1).await;
    fleet.set("fed-east", HANG);
    finds(&fleet, &[("kept last-target", 6)]).await;
    assert!(audited(&fleet).await.is_clean());
    let findings = audited(&fleet).await.findings;
    assert!(
        findings.iter().any(|finding| finding.message.contains("no answer from fed-east, fed-west")),
        "{findings:?}"
    );
    fleet.set("fed-west", FINE);
    fleet.set("fed-east", FINE);
    finds(&fleet, &[("wanted", 6)]).await;

    fleet.replica_set("hostname", 0, Some(support::SPREAD)).await;
    finds(&fleet, &[("kept empty-hold", 6)]).await;
    finds(&fleet, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_nothing_is_found_that_is_not_so() {
    let mut fleet = Fleet::published().await;
    fleet.set("fed-west", HANG);
    fleet.eventually("its address is gone", async || fleet.answer(HOSTNAME).len() == 1).await;
    fleet.kill().await;
    finds(&fleet, &[("wanted", 6)]).await;
    fleet.run();
    let clean = async || {
        tokio::time::sleep(3 * SECOND).await;
        audited(&fleet).await.is_clean()
    };
    fleet.always(5 * MINUTE, "all is well", clean).await;
    fleet.set("fed-west", FINE);
    fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
    finds(&fleet, &[("wanted", 6)]).await;
}

/// The zone cannot be written while a member is made to leave; then the others die, and what is left are the last addresses.
#[tokio::test(start_paused = true)]
async fn what_a_member_has_left_behind_goes_even_from_the_last_answers() {
    let fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    lock(&fleet);
    let force = Unjoin { force: true, orphan: false };
    unjoin(&fleet.client, "fed-west", force, 10 * MINUTE, |_| {}).await.unwrap();
    finds(&fleet, &[("wanted", 2), ("dangling member-leaving", 1), ("orphaned level-gone", 3)]).await;
    fleet.set("fed-east", HANG);
    fleet.eventually("it is Offline", async || fleet.phase("fed-east").await == "Offline").await;
    tokio::time::sleep(10 * SECOND).await;
    let garbage = async || audited(&fleet).await.garbage().len();
    assert_eq!(garbage().await, 4, "{:?}", found(&fleet).await);
    assert!(fleet.answer(HOSTNAME).contains(&west));
    fleet.heal_zone();
    fleet.eventually("it is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    finds(&fleet, &[("kept last-target", 3)]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_written_down_comes_and_goes_with_the_names() {
    let fleet = Fleet::published().await;
    let written = async || {
        let annotations = fleet.services().get("hostname").await.unwrap().metadata.annotations.unwrap_or_default();
        annotations.get(keys::ADDRESSES).cloned()
    };
    let [west, east] = [fleet.address("fed-west").await, fleet.address("fed-east").await];
    let seen = json!({"members": {"fed-east": {"answering": [east]}, "fed-west": {"answering": [west]}}});
    assert_eq!(serde_json::from_str::<Value>(&written().await.unwrap()).unwrap(), seen);
    let version = async || fleet.services().get("hostname").await.unwrap().metadata.resource_version;
    let before = version().await;
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(version().await, before, "nothing is written while nothing happens");

    // Nobody else's word counts.
    annotate(&fleet, json!({keys::ADDRESSES: "{}"})).await;
    fleet.eventually("it is put right", async || written().await.is_some_and(|text| text != "{}")).await;
    annotate(&fleet, json!({keys::PUBLISH: "false"})).await;
    fleet.eventually("it goes", async || written().await.is_none()).await;
    finds(&fleet, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn the_settings_of_the_control_plane_are_known() {
    let fleet = Fleet::with(|settings| settings.dns_ttl = 77).await.serving(&["a", "b"]).await;
    finds(&fleet, &[("wanted", 5)]).await;
    let audit = audited(&fleet).await;
    assert!(audit.sets.iter().all(|set| set.ttl == Some(77) && set.verdict == Verdict::Wanted));
}

#[tokio::test(start_paused = true)]
async fn where_marks_are_texts_an_audit_reads_them_and_an_adoption_takes_an_entrys_place() {
    let mut fleet = Fleet::idle().await;
    fleet.dns = MemoryProvider::with_zone(ZONE.parse().unwrap()).without_metadata();
    fleet.run();
    let mut fleet = fleet.serving(&["a", "b"]).await;
    finds(&fleet, &[("wanted", 5)]).await;

    // What is withdrawn half stays to be seen, as a set that holds nothing.
    let texts = |call: &Call| call.record_set.as_ref().is_some_and(|key| key.record_type == RecordType::Txt);
    fleet.refuse(ErrorClass::Unavailable, move |call| call.kind == OperationKind::Delete && texts(call));
    annotate(&fleet, json!({keys::PUBLISH: "false"})).await;
    finds(&fleet, &[("orphaned not-published", 5)]).await;
    assert_eq!(fleet.answer(HOSTNAME).len(), 0);
    fleet.heal_zone();
    annotate(&fleet, json!({keys::PUBLISH: null})).await;
    finds(&fleet, &[("wanted", 5)]).await;

    // external-dns takes the name meanwhile.
    fleet.kill().await;
    let name = HOSTNAME.parse().unwrap();
    let key = RecordSetKey::new(name, RecordType::A);
    let place = RecordSetKey::new(TxtNames::default().mark(&key).unwrap(), RecordType::Txt);
    let theirs = fleet.plant(HOSTNAME);
    let entry = "heritage=external-dns,external-dns/owner=other,external-dns/resource=service/a/b";
    let entry =
        RecordSet { key: place.clone(), data: [RecordData::Txt(vec![entry.to_owned()])].into(), ..theirs.clone() };
    fleet.dns.insert(&fleet.zone, entry.clone());
    fleet.run();
    finds(&fleet, &[("wanted", 4), ("conflict foreign-owner", 1)]).await;
    assert_eq!(fleet.dns.contents(&fleet.zone).get(&key).map(|set| &set.data), Some(&theirs.data));

    let dns = fleet.dns.provider().with_txt_registry(TxtNames::default());
    let zone = dns.find_zone(&ZONE.parse().unwrap()).await.unwrap();
    let mut snapshot = dns.snapshot(&zone.id).await.unwrap();
    let view = read(&fleet.client).await.unwrap().view(&zone, &snapshot);
    let adoption = adopt(&snapshot, &view, &key.name, None, false).unwrap();
    for changes in [&adoption.marks, &adoption.registrations] {
        let applied = apply(&dns, &zone.id, changes, &mut snapshot).await;
        assert!(applied.failed.is_empty() && applied.done == 1, "{applied:?}");
    }
    finds(&fleet, &[("wanted", 5)]).await;
    assert_eq!(fleet.answer(HOSTNAME).len(), 2);
    assert_eq!(fleet.dns.contents(&fleet.zone).len(), 10, "a mark for each, and nothing else");
}
