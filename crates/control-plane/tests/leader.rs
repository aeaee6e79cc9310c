//! Several control planes of one federation, of which one writes.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kfed_api::{LEASE, SYSTEM_NAMESPACE, keys};
use kfed_control_plane::LeaderElection;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use support::tap::{Tap, When, ZONE};
use support::{BOUNDED, Fleet, HOSTNAME, SECOND, SPREAD};

/// The default timings.
const LEASE_DURATION: Duration = Duration::from_secs(15);
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// No write begins with less left of the lease: the default deadline of a call.
const LONGEST_WRITE: Duration = Duration::from_secs(10);

/// Who has written nothing for so long has nothing left to write.
const QUIET: Duration = Duration::from_secs(15);

/// One of several control planes.
struct Candidate {
    tap: Tap,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Candidate {
    fn start(fleet: &Fleet, identity: &str) -> Self {
        let (tap, end) = (Tap::new(), CancellationToken::new());
        let control_plane = fleet.tapped(&tap).leader_election(LeaderElection::new(identity)).build();
        Self { tap, end: end.clone(), task: tokio::spawn(control_plane.run(end)) }
    }

    async fn kill(self) {
        self.task.abort();
        self.task.await.unwrap_err();
    }

    /// When it wrote last.
    fn wrote_last(&self) -> Option<Instant> {
        self.tap.writes().last().map(|write| write.at)
    }

    /// When it wrote first.
    fn wrote_first(&self) -> Option<Instant> {
        self.tap.writes().first().map(|write| write.at)
    }
}

async fn holder(fleet: &Fleet) -> String {
    let leases = Api::<Lease>::namespaced(fleet.client.clone(), SYSTEM_NAMESPACE);
    let spec = leases.get_opt(LEASE).await.unwrap().and_then(|lease| lease.spec);
    spec.and_then(|spec| spec.holder_identity).unwrap_or_default()
}

/// Two control planes, the first of which leads, and a federation that it has filled.
async fn two() -> (Fleet, Candidate, Candidate) {
    let fleet = Fleet::idle().await;
    let first = Candidate::start(&fleet, "first");
    fleet.eventually("the first leads", async || holder(&fleet).await == "first").await;
    let second = Candidate::start(&fleet, "second");
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    fleet.replica_set("hostname", 8, Some(BOUNDED)).await;
    fleet.service().await;
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
    first.tap.rests(QUIET).await;
    (fleet, first, second)
}

#[tokio::test(start_paused = true)]
async fn of_two_control_planes_one_writes() {
    let (fleet, first, second) = two().await;
    assert_eq!(holder(&fleet).await, "first");
    assert!(first.tap.writes().len() > 10);
    assert_eq!(second.tap.writes(), []);
}

#[tokio::test(start_paused = true)]
async fn when_the_leader_is_killed_the_other_takes_over_and_nothing_is_lost() {
    let (fleet, first, second) = two().await;
    first.kill().await;
    let died = Instant::now();
    // What nobody sees happen.
    fleet.replica_set("hostname", 6, Some(BOUNDED)).await;
    fleet.delete_service().await;
    fleet.eventually("the other leads", async || holder(&fleet).await == "second").await;
    assert!(died.elapsed() <= LEASE_DURATION + RETRY_PERIOD, "{:?}", died.elapsed());
    fleet.is_spread("hostname", &[("fed-west", 3), ("fed-east", 3)]).await;
    fleet.eventually("the names are gone", async || fleet.owned().is_empty()).await;
    assert!(second.wrote_first().unwrap() >= died + LEASE_DURATION - RETRY_PERIOD);
}

#[tokio::test(start_paused = true)]
async fn deaths_at_writes_of_the_lease_leave_it_to_the_next() {
    for when in [When::Before, When::After] {
        let (fleet, first, second) = two().await;
        // At rest it writes nothing else.
        first.tap.arm(1, when);
        let renewal = first.tap.died().await;
        assert!(renewal.what.contains("/leases"), "{renewal:?}");
        first.kill().await;
        second.tap.arm(0, when);
        let takeover = second.tap.died().await;
        assert!(takeover.what.contains("/leases"), "{takeover:?}");
        second.kill().await;
        assert_eq!(holder(&fleet).await, if when == When::Before { "first" } else { "second" });

        fleet.replica_set("hostname", 6, Some(BOUNDED)).await;
        let _third = Candidate::start(&fleet, "third");
        fleet.eventually("the third leads", async || holder(&fleet).await == "third").await;
        fleet.is_spread("hostname", &[("fed-west", 3), ("fed-east", 3)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_ends_gives_the_lease_back_and_the_next_takes_over_at_once() {
    let (fleet, first, second) = two().await;
    first.end.cancel();
    first.task.await.unwrap();
    let ended = Instant::now();
    fleet.replica_set("hostname", 6, Some(BOUNDED)).await;
    fleet.eventually("the other leads", async || holder(&fleet).await == "second").await;
    assert!(ended.elapsed() <= RETRY_PERIOD + SECOND, "{:?}", ended.elapsed());
    fleet.is_spread("hostname", &[("fed-west", 3), ("fed-east", 3)]).await;
    second.end.cancel();
    second.task.await.unwrap();
    assert_eq!(holder(&fleet).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_reach_the_federation_stops_writing_before_the_other_begins() {
    let (fleet, first, second) = two().await;
    let sets: Vec<_> = (0..12).map(|n| format!("set-{n}")).collect();
    for set in &sets {
        fleet.replica_set(set, 2, Some(SPREAD)).await;
    }
    for set in &sets {
        fleet.is_spread(set, &[("fed-west", 1), ("fed-east", 1)]).await;
    }
    first.tap.rests(QUIET).await;
    first.tap.hang(true);
    let hung = Instant::now();
    // Watches that are open still tell: there is always something to write to members, and to the zone.
    for (n, set) in sets.iter().enumerate() {
        fleet.replica_set(set, 4, Some(SPREAD)).await;
        let ttl = json!({"metadata": {"annotations": {keys::DNS_TTL: (31 + n).to_string()}}});
        fleet.services().patch("hostname", &PatchParams::default(), &Patch::Merge(ttl)).await.unwrap();
        tokio::time::sleep(SECOND / 2).await;
    }
    fleet.eventually("the other leads", async || holder(&fleet).await == "second").await;
    assert!(hung.elapsed() <= LEASE_DURATION + RETRY_PERIOD, "{:?}", hung.elapsed());
    for set in &sets {
        fleet.is_spread(set, &[("fed-west", 2), ("fed-east", 2)]).await;
    }
    let went_on = |to: &str| first.tap.writes().iter().any(|write| write.to == to && write.at > hung + SECOND);
    assert!(["fed-west", "fed-east", ZONE].into_iter().all(went_on), "as long as it might");
    let (last, begins) = (first.wrote_last().unwrap(), second.wrote_first().unwrap());
    assert!(last <= hung + LEASE_DURATION - LONGEST_WRITE, "{:?}", last - hung);
    assert!(last + LONGEST_WRITE <= begins, "{:?}", begins - last);

    // It is back, and stands by.
    let before = first.tap.writes().len();
    first.tap.hang(false);
    fleet.replica_set("hostname", 4, Some(BOUNDED)).await;
    fleet.is_spread("hostname", &[("fed-west", 2), ("fed-east", 2)]).await;
    fleet.always(60 * SECOND, "it writes nothing", async || first.tap.writes().len() == before).await;
    second.kill().await;
    fleet.replica_set("hostname", 8, Some(BOUNDED)).await;
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    assert_eq!(holder(&fleet).await, "first");
}

#[tokio::test(start_paused = true)]
async fn status_tells_who_leads() {
    let (fleet, first, _second) = two().await;
    let overview = kfed_control_plane::overview::overview(&fleet.client, SECOND).await.unwrap();
    let leader = overview.leader.unwrap();
    assert_eq!((leader.identity.as_str(), leader.transitions), ("first", 0));
    assert!(leader.renewed > leader.since, "{leader:?}");
    drop(first);
}
