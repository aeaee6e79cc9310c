//! Failover, from outside: what is answered for a name while members hang, refuse, flap and return, and while the zone takes its time.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::time::Duration;

use kfed_cluster_emulator::{ApiFault, Faults, LbFault};
use kfed_control_plane::approval;
use kfed_dnsprovider::layer::Limits;
use kfed_dnsprovider::memory::Fault;
use kfed_dnsprovider::{DnsError, ErrorClass, MemoryProvider, OperationKind};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use support::{API_SILENT, FINE, Fleet, HANG, HOSTNAME, LB_SILENT, MINUTE, REFUSE, SECOND, SPREAD, ZONE};

/// 3 periods, a deadline and what a period may be off by: what the defaults take to see a death.
const DETECTION: Duration = Duration::from_secs(18);

async fn three() -> Fleet {
    Fleet::start().await.serving(&["a", "b", "c"]).await
}

fn without(fleet: &Fleet, address: &str) -> bool {
    let answer = fleet.answer(HOSTNAME);
    !answer.is_empty() && !answer.contains(address)
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_or_refuses_leaves_the_answers_in_time() {
    for faults in [HANG, REFUSE] {
        let fleet = three().await;
        let a = fleet.address("a").await;
        fleet.set("a", faults);
        let took = fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
        assert!(took <= DETECTION + 2 * SECOND, "{took:?}");
        fleet.says("Cluster", "a", "Offline", "True").await;
        let all =
            async || fleet.spread("hostname").await.iter().filter(|(name, _)| *name != "a").all(|(_, n)| *n == (6, 6));
        let took = fleet.eventually("its replicas are elsewhere", all).await;
        assert!(took >= 50 * SECOND, "{took:?} after both signals");
    }
}

#[tokio::test(start_paused = true)]
async fn where_marks_are_texts_a_withdrawal_and_a_return_take_one_write_a_name() {
    let mut fleet = Fleet::idle().await;
    fleet.dns = MemoryProvider::with_zone(ZONE.parse().unwrap()).without_metadata();
    fleet.run();
    let fleet = fleet.serving(&["a", "b"]).await;
    let (a, zone) = (fleet.address("a").await, fleet.zone.clone());
    let strange = fleet.plant("a-hostname.example.com.");
    // The first time the names of its region and zone learn of the other's address.
    for (turn, most) in [(1, 1 + 2 + 2), (2, 3), (3, 3)] {
        fleet.dns.forget_calls();
        fleet.set("a", HANG);
        let took = fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
        assert!(took <= DETECTION + 2 * SECOND, "{took:?}");
        tokio::time::sleep(MINUTE).await;
        assert_eq!(fleet.writes(), most, "turn {turn}: {:?}", fleet.dns.calls());
        fleet.dns.forget_calls();
        fleet.set("a", FINE);
        fleet.eventually("it is back", async || fleet.answer(HOSTNAME).len() == 2).await;
        tokio::time::sleep(20 * MINUTE).await;
        assert_eq!(fleet.writes(), 3, "turn {turn}: {:?}", fleet.dns.calls());
    }
    fleet.services().delete("hostname", &DeleteParams::default()).await.unwrap();
    fleet.eventually("all marks go with their sets", async || fleet.dns.contents(&zone).len() == 1).await;
    assert_eq!(fleet.dns.contents(&zone).get(&strange.key), Some(&strange));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_answers_with_errors_moves_nothing() {
    for code in [401, 403, 500, 503] {
        let fleet = three().await;
        fleet.set_api("a", ApiFault::Status(code));
        fleet.says("Cluster", "a", "Ready", "False").await;
        fleet.says("Cluster", "a", "Offline", "False").await;
        let same = async || fleet.answer(HOSTNAME).len() == 3 && fleet.held("hostname", "b").await == (4, 4);
        fleet.always(5 * MINUTE, "nothing moves", same).await;
    }
}

#[tokio::test(start_paused = true)]
async fn flapping_at_any_period_is_few_writes_and_ends_well() {
    for (period, most) in [(2, 2), (6, 2), (20, 6), (60, 8), (120, 10), (300, 8)] {
        let fleet = Fleet::with(|settings| {
            settings.schedule = kfed_cluster_health::ProbeSchedule::every(SECOND);
        });
        let fleet = fleet.await.serving(&["a", "b"]).await;
        let b = fleet.address("b").await;
        fleet.dns.forget_calls();
        let half = Duration::from_secs(period) / 2;
        let flaps = fleet.flap("a", HANG, half, half, 10 * MINUTE);
        let serves = fleet.always(10 * MINUTE, "the other answers", async || fleet.answer(HOSTNAME).contains(&b));
        tokio::join!(flaps, serves);
        // A death or a return changes the name, its region and its zone.
        let changes = fleet.writes().div_ceil(3);
        assert!(changes <= most, "period {period} s: {changes} changes of 3 names");
        fleet.eventually("it is back", async || fleet.answer(HOSTNAME).len() == 2).await;
        let still = fleet.writes();
        tokio::time::sleep(10 * MINUTE).await;
        assert_eq!(fleet.writes(), still, "at rest nothing is written");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flapper_is_quarantined_and_that_is_said() {
    let fleet = three().await;
    let a = fleet.address("a").await;
    for _ in 0..3 {
        fleet.set("a", HANG);
        fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
        fleet.set("a", FINE);
        fleet.says("Cluster", "a", "Quarantined", "True").await;
        fleet.eventually("it is back", async || fleet.answer(HOSTNAME).contains(&a)).await;
    }
    fleet.set("a", HANG);
    fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
    fleet.set("a", FINE);
    fleet
        .says(
            "Cluster",
            "a",
            "Quarantined",
            "True Flapping: it has died 4 times in a short while: it counts from 2026-",
        )
        .await;
    fleet.says("Service", "hostname", "Published", "quarantined until 2026-").await;
    assert_eq!(fleet.phase("a").await, "Ready", "its API is well");
    fleet.always(MINUTE, "it stays away", async || without(&fleet, &a)).await;
    fleet.eventually("it is back", async || fleet.answer(HOSTNAME).contains(&a)).await;
    fleet.says("Cluster", "a", "Quarantined", "False Stable").await;
}

#[tokio::test(start_paused = true)]
async fn a_flapper_serves_where_nobody_else_does() {
    let fleet = Fleet::start().await.serving(&["a", "b"]).await;
    let (a, b) = (fleet.address("a").await, fleet.address("b").await);
    fleet.set("a", HANG);
    fleet.eventually("only b", async || without(&fleet, &a)).await;
    fleet.set_addresses("b", LbFault::Hang);
    fleet.says("Service", "hostname", "Published", "LastTargetKept").await;
    fleet.set("a", FINE);
    let took = fleet.eventually("a serves", async || fleet.answer(HOSTNAME).contains(&a) && without(&fleet, &b)).await;
    assert!(took <= Duration::from_secs(9), "{took:?}: it is not held back");
}

#[tokio::test(start_paused = true)]
async fn a_single_address_and_the_endpoints_behind_it_are_damped_as_well() {
    let fleet = Fleet::start().await.serving(&["a", "b"]).await;
    let a = fleet.address("a").await;
    fleet.set("a", LB_SILENT);
    fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
    fleet.set("a", FINE);
    fleet.says("Service", "hostname", "Published", &format!("address {a} of a is back and quarantined until")).await;
    fleet.eventually("it is back", async || fleet.answer(HOSTNAME).contains(&a)).await;
    fleet.says("Cluster", "a", "Quarantined", "none").await;

    // Endpoints that come and go every few seconds.
    let only_b = json!({"rebalance": true, "clusters": {"b": {"weight": 1}}}).to_string();
    fleet.replica_set("hostname", 8, Some(&only_b)).await;
    fleet.eventually("its endpoints are gone", async || without(&fleet, &a)).await;
    fleet.dns.forget_calls();
    for n in 0..10 {
        fleet.replica_set("hostname", 8, Some(if n % 2 == 0 { SPREAD } else { &only_b })).await;
        tokio::time::sleep(8 * SECOND).await;
    }
    assert_eq!(fleet.writes(), 0, "it stays away while it flaps");
    fleet.replica_set("hostname", 8, Some(SPREAD)).await;
    fleet.eventually("it is back", async || fleet.answer(HOSTNAME).contains(&a)).await;
}

#[tokio::test(start_paused = true)]
async fn half_of_the_endpoints_are_enough() {
    let fleet = three().await;
    fleet.endpoints("a", 6).await;
    fleet.dns.forget_calls();
    fleet.endpoints("a", 3).await;
    fleet.always(5 * MINUTE, "all answer", async || fleet.answer(HOSTNAME).len() == 3).await;
    assert_eq!(fleet.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_returns_with_old_state_changes_nothing_elsewhere_before_it_is_trusted() {
    let fleet = Fleet::with(|settings| settings.return_after = MINUTE).await.serving(&["a", "b", "c"]).await;
    fleet.set("a", HANG);
    fleet.eventually("its replicas are elsewhere", async || fleet.held("hostname", "b").await == (6, 6)).await;
    fleet.set("a", FINE);
    fleet.eventually("it is Ready", async || fleet.phase("a").await == "Ready").await;
    let same = async || fleet.held("hostname", "b").await == (6, 6) && fleet.held("hostname", "a").await == (4, 4);
    fleet.always(50 * SECOND, "all stay as they are", same).await;
    // What is no replica comes to it at once.
    fleet.another("other", json!({})).await;
    let services = kube::Api::<k8s_openapi::api::core::v1::Service>::namespaced(fleet.member("a").client(), "default");
    assert!(
        services.get_opt("other").await.unwrap().is_some() || {
            tokio::time::sleep(2 * SECOND).await;
            services.get_opt("other").await.unwrap().is_some()
        }
    );
    fleet.is_spread("hostname", &[("a", 4), ("b", 4), ("c", 4)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_moves_no_replica() {
    let fleet = three().await;
    fleet.set("a", HANG);
    fleet.eventually("it is Offline", async || fleet.phase("a").await == "Offline").await;
    fleet.set("a", FINE);
    let same = async || fleet.spread("hostname").await.values().all(|held| *held == (4, 4));
    fleet.always(3 * MINUTE, "nothing moves", same).await;
}

#[tokio::test(start_paused = true)]
async fn evictions_are_paced_by_priority() {
    let fleet = Fleet::with(|settings| settings.evict_rate = 6).await;
    for member in ["a", "b", "c"] {
        fleet.join(member, member, &["1"]).await;
    }
    let spread = [("a", 1), ("b", 1), ("c", 1)];
    for name in ["w0", "w1", "w2", "first"] {
        fleet.replica_set(name, 3, Some(SPREAD)).await;
        fleet.is_spread(name, &spread).await;
    }
    let urgent = json!({"metadata": {"annotations": {kfed_api::keys::PRIORITY: "10"}}});
    fleet.replica_sets().patch("first", &PatchParams::default(), &Patch::Merge(urgent)).await.unwrap();
    fleet.set("a", HANG);
    let moved = async |name: &str| {
        let spread = fleet.spread(name).await;
        spread["b"].0 + spread["c"].0 == 3
    };
    let mut order = Vec::new();
    let start = tokio::time::Instant::now();
    while order.len() < 4 && start.elapsed() < 10 * MINUTE {
        for name in ["w0", "w1", "w2", "first"] {
            if moved(name).await && !order.iter().any(|(moved, _)| *moved == name) {
                order.push((name, start.elapsed()));
            }
        }
        tokio::time::sleep(SECOND).await;
    }
    let names: Vec<_> = order.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["first", "w0", "w1", "w2"]);
    for pair in order.windows(2) {
        let between = pair[1].1 - pair[0].1;
        assert!((8 * SECOND..13 * SECOND).contains(&between), "one in ten seconds: {order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_gone_for_long_is_evicted_only_where_asked_for() {
    let asked = |after| async move {
        Fleet::with(|settings| settings.evict_api_only_after = after).await.serving(&["a", "b", "c"]).await
    };
    let fleet = asked(None).await;
    fleet.set("a", API_SILENT);
    fleet.always(20 * MINUTE, "nothing moves", async || fleet.held("hostname", "b").await == (4, 4)).await;
    let fleet = asked(Some(5 * MINUTE)).await;
    fleet.set("a", API_SILENT);
    let took = fleet.eventually("they move", async || fleet.held("hostname", "b").await == (6, 6)).await;
    assert!(took >= 5 * MINUTE && took < 6 * MINUTE, "{took:?}");
    assert_eq!(fleet.answer(HOSTNAME).len(), 3, "it still serves");
}

#[tokio::test(start_paused = true)]
async fn dns_hold_keeps_a_dead_address_for_a_while() {
    let fleet = Fleet::with(|settings| settings.dns_hold = MINUTE).await.serving(&["a", "b"]).await;
    let a = fleet.address("a").await;
    fleet.set("a", HANG);
    fleet.eventually("it is Offline", async || fleet.phase("a").await == "Offline").await;
    let took = fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
    assert!(took >= 58 * SECOND && took <= 62 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mass_failure_moves_nothing_until_it_is_approved() {
    let fleet = three().await;
    let (a, b) = (fleet.address("a").await, fleet.address("b").await);
    fleet.set("a", HANG);
    fleet.set("b", HANG);
    fleet.says("Federation", "fed", "MassFailure", "True OwnNetworkSuspected: a, b are dead").await;
    assert!(without(&fleet, &a) && without(&fleet, &b), "a dead address goes while another of the service answers");
    fleet.always(5 * MINUTE, "nothing moves", async || fleet.held("hostname", "c").await == (4, 4)).await;
    let waiting = approval::waiting(&fleet.client).await.unwrap();
    approval::approve(&fleet.client, "fed", waiting.find("mass-failover").unwrap(), (fleet.clock())()).await.unwrap();
    fleet.eventually("they move", async || fleet.held("hostname", "c").await == (12, 12)).await;
    fleet.says("Federation", "fed", "MassFailure", "True MassFailoverApproved").await;
    assert!(approval::waiting(&fleet.client).await.unwrap().awaiting.is_empty());

    // It is over by itself, and the approval with it.
    fleet.set("a", FINE);
    fleet.set("b", FINE);
    fleet.says("Federation", "fed", "MassFailure", "False").await;
    fleet.is_spread("hostname", &[("a", 4), ("b", 4), ("c", 4)]).await;
    fleet.set("b", HANG);
    fleet.set("c", HANG);
    fleet.says("Federation", "fed", "MassFailure", "True OwnNetworkSuspected").await;
    fleet.always(5 * MINUTE, "nothing moves", async || fleet.held("hostname", "a").await == (4, 4)).await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_worth_nothing_after_an_hour() {
    let fleet = three().await;
    fleet.set("a", HANG);
    fleet.set("b", HANG);
    fleet.says("Federation", "fed", "MassFailure", "True").await;
    let waiting = approval::waiting(&fleet.client).await.unwrap();
    let long_ago = (fleet.clock())() - jiff::SignedDuration::from_mins(61);
    approval::approve(&fleet.client, "fed", waiting.find("mass-failover").unwrap(), long_ago).await.unwrap();
    fleet.always(3 * MINUTE, "nothing moves", async || fleet.held("hostname", "c").await == (4, 4)).await;
    let federation = kube::Api::<kfed_api::Federation>::all(fleet.client.clone()).get("fed").await.unwrap();
    assert_eq!(federation.metadata.annotations.unwrap_or_default().len(), 0, "it is taken away");
}

#[tokio::test(start_paused = true)]
async fn wrong_answers_do_not_wait_for_a_bulk_change() {
    const SERVICES: usize = 120;
    let mut fleet = Fleet::start().await.serving(&["a", "b"]).await;
    for n in 0..SERVICES {
        let annotations = if n >= SERVICES - 2 { json!({kfed_api::keys::PRIORITY: "5"}) } else { json!({}) };
        fleet.another(&format!("s{n:03}"), annotations).await;
    }
    fleet.eventually("all are named", async || fleet.owned().len() == (SERVICES + 1) * 5).await;
    tokio::time::sleep(MINUTE).await;
    fleet.kill().await;
    fleet.limits = Limits::default().with(OperationKind::Update, 120, MINUTE);
    fleet.run();
    tokio::time::sleep(MINUTE).await;
    // A new TTL everywhere: five minutes of writes.
    for n in 0..SERVICES {
        let ttl = json!({"metadata": {"annotations": {kfed_api::keys::DNS_TTL: "77"}}});
        fleet.services().patch(&format!("s{n:03}"), &PatchParams::default(), &Patch::Merge(ttl)).await.unwrap();
    }
    tokio::time::sleep(30 * SECOND).await;
    let dead = fleet.services().get("hostname").await.unwrap().status.unwrap().load_balancer.unwrap().ingress.unwrap();
    assert_eq!(dead.len(), 2);
    let others = fleet.address("b").await;
    fleet.dns.forget_calls();
    fleet.set("a", HANG);
    fleet.eventually("it is Offline", async || fleet.phase("a").await == "Offline").await;
    tokio::time::sleep(2 * MINUTE).await;
    let calls = fleet.dns.calls().into_iter().filter(|call| call.kind == OperationKind::Update);
    let written: Vec<_> = calls.map(|call| call.record_set.unwrap()).collect();
    let is_high =
        |key: &kfed_dnsprovider::RecordSetKey| ["s118.", "s119."].iter().any(|s| key.name.as_str().starts_with(s));
    let first = written.iter().position(is_high).unwrap();
    let after = &written[first..];
    assert!(after.len() >= 120, "{} writes", after.len());
    let high: Vec<_> = after.iter().take(4).map(ToString::to_string).collect();
    assert!(after.iter().take(4).all(is_high), "what ranks high goes first: {high:?}");
    let sets = fleet.dns.contents(&fleet.zone);
    let of_the_dead = |key: &kfed_dnsprovider::RecordSetKey| !key.name.as_str().contains(".b.");
    for key in after.iter().take(120) {
        assert!(of_the_dead(key), "{key} was written while others are wrong: {:?}, beside {others}", sets.get(key));
    }
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_throttles_or_loses_answers_ends_right() {
    let fleet = three().await;
    let a = fleet.address("a").await;
    // Every third write is refused, every fifth is done and its answer lost.
    let mut n = 0;
    fleet.break_zone(move |call| {
        if matches!(call.kind, OperationKind::List | OperationKind::Get | OperationKind::ListZones) {
            return None;
        }
        n += 1;
        let throttled = || {
            let mut error = DnsError::new(ErrorClass::Throttled, call.operation, "slow down");
            error.retry_after = Some(3 * SECOND);
            Fault::Fail(error)
        };
        if n % 3 == 0 { Some(throttled()) } else { (n % 5 == 0).then_some(Fault::LoseAnswer) }
    });
    let foreign = fleet.plant("theirs.example.com");
    for _ in 0..3 {
        fleet.set("a", HANG);
        fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
        fleet.set("a", FINE);
        fleet.eventually("it is back", async || fleet.answer(HOSTNAME).len() == 3).await;
    }
    assert_eq!(fleet.dns.contents(&fleet.zone).get(&foreign.key), Some(&foreign));
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_away_for_an_hour_is_right_soon_after() {
    let fleet = three().await;
    let a = fleet.address("a").await;
    fleet.refuse(ErrorClass::Unavailable, |_| true);
    fleet.set("a", HANG);
    fleet.dns.forget_calls();
    tokio::time::sleep(60 * MINUTE).await;
    let asked = fleet.dns.calls().len();
    assert!(asked < 2000, "{asked} requests in an hour");
    fleet.says("Federation", "fed", "DNSReady", "False ProviderFailed").await;
    fleet.heal_zone();
    let took = fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
    assert!(took <= 61 * SECOND, "{took:?}");
    fleet.says("Federation", "fed", "DNSReady", "True").await;
}

#[tokio::test(start_paused = true)]
async fn one_locked_record_set_stops_nobody() {
    let fleet = three().await;
    let a = fleet.address("a").await;
    for class in [ErrorClass::Forbidden, ErrorClass::Unavailable] {
        fleet.refuse(class, |call| {
            call.kind == OperationKind::Create
                && call.record_set.as_ref().is_some_and(|key| key.name.as_str().starts_with("locked."))
        });
        fleet.another("locked", json!({})).await;
        fleet.says("Service", "locked", "Published", "False ProviderFailed").await;
        fleet.set("a", HANG);
        fleet.eventually("it is Offline", async || fleet.phase("a").await == "Offline").await;
        let took = fleet.eventually("its address is gone", async || without(&fleet, &a)).await;
        assert!(took <= 2 * SECOND, "{class:?}: {took:?}");
        fleet.says("Service", "hostname", "Published", "True").await;
        fleet.heal_zone();
        fleet.says("Service", "locked", "Published", "True").await;
        fleet.services().delete("locked", &Default::default()).await.unwrap();
        fleet.set("a", FINE);
        fleet.eventually("it is back", async || fleet.answer(HOSTNAME).len() == 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_clock_is_off_is_told_so() {
    let fleet = three().await;
    fleet.clocks.lock().unwrap().extend([("a".to_owned(), 42), ("b".to_owned(), 1)]);
    fleet.says("Cluster", "a", "ClockSkewed", "True ClocksDiffer: its clock is about 42 s ahead").await;
    assert_eq!(fleet.condition("Cluster", "b", "ClockSkewed").await, "none");
    assert_eq!(fleet.phase("a").await, "Ready");
    fleet.clocks.lock().unwrap().insert("a".to_owned(), 0);
    fleet.says("Cluster", "a", "ClockSkewed", "False ClocksAgree").await;
}

#[tokio::test(start_paused = true)]
async fn a_priority_that_cannot_be_read_is_told() {
    let fleet = three().await;
    fleet.another("other", json!({kfed_api::keys::PRIORITY: "high"})).await;
    fleet.says("Service", "other", "Published", "False InvalidAnnotation: annotation kfed.io/priority: `high`").await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_one_member_leaves_the_others_alone() {
    for api in [ApiFault::Hang, ApiFault::Refuse, ApiFault::Status(500), ApiFault::Status(401)] {
        for lb in [LbFault::Ok, LbFault::Hang, LbFault::Refuse] {
            let fleet = three().await;
            let (a, b) = (fleet.address("a").await, fleet.address("b").await);
            fleet.set("a", Faults { api, lb });
            fleet.always(2 * MINUTE, "b answers", async || fleet.answer(HOSTNAME).contains(&b)).await;
            let gone = lb != LbFault::Ok;
            assert_eq!(without(&fleet, &a), gone, "{api:?} {lb:?}");
            assert_eq!(fleet.phase("b").await, "Ready");
        }
    }
}
