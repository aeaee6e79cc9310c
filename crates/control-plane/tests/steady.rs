//! A federation at rest: what a zone of a thousand names costs while nothing happens, over hours of a paused clock.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::time::Duration;

use kfed_azure_emulator::Operation;
use kfed_cluster_health::ProbeSchedule;
use kfed_dnsprovider::OperationKind;
use kube::api::PostParams;
use serde_json::json;
use support::azure::Azure;
use support::tap::Tap;
use support::{Fleet, MINUTE, ZONE};

/// Each has five names: for everybody, for the region, and for three zones in it.
const SERVICES: u16 = 200;
const NAMES: usize = SERVICES as usize * 5;
const HOURS: u32 = 2;
/// One each ten minutes.
const SWEEPS: usize = HOURS as usize * 6;

/// A member and the services, which no control plane has seen yet. Addresses are probed each minute: that is no matter of the zone, and
/// would be most of what there is to compute.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1", "2", "3"]).await;
    fleet.replica_set("hostname", 3, None).await;
    fleet.is_spread("hostname", &[("fed-west", 3)]).await;
    fleet.kill().await;
    fleet.settings.schedule = ProbeSchedule::every(MINUTE);
    for n in 0..SERVICES {
        let service = json!({
            "metadata": {"name": format!("s{n}")},
            "spec": {"type": "LoadBalancer", "selector": {"run": "hostname"}, "ports": [{"name": "http", "port": 8000 + n}]}
        });
        fleet.services().create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    }
    fleet
}

#[tokio::test(start_paused = true)]
async fn a_thousand_names_at_rest_cost_one_list_each_ten_minutes() {
    let mut fleet = fleet().await;
    fleet.run();
    all_named(|| fleet.owned().len()).await;
    // What follows the first publication is over.
    tokio::time::sleep(5 * MINUTE).await;
    let held = fleet.dns.contents(&fleet.zone);
    fleet.dns.forget_calls();
    tokio::time::sleep(HOURS * 60 * MINUTE).await;
    let calls = fleet.dns.calls();
    assert!(calls.iter().all(|call| call.kind == OperationKind::List), "{calls:?}");
    assert_eq!(calls.len(), SWEEPS);
    assert_eq!(fleet.dns.contents(&fleet.zone), held);
}

/// What Azure gives back is what was written, to the last field that a plan compares: else each sweep would be followed by writes.
#[tokio::test(start_paused = true)]
async fn a_thousand_names_at_rest_in_azure_cost_one_sweep_each_ten_minutes_and_no_429() {
    let mut fleet = fleet().await;
    let azure = Azure::new();
    let emulator = &azure.emulator;
    fleet.run_as(fleet.builder_with(azure.provider(fleet.clock(), Duration::ZERO), fleet.clock()));
    all_named(|| azure.names().len()).await;
    tokio::time::sleep(5 * MINUTE).await;
    let held = emulator.record_sets(ZONE);
    let before = emulator.take_requests();
    assert_eq!(before.answered_with(429), 0, "{before}");
    tokio::time::sleep(HOURS * 60 * MINUTE).await;
    let requests = emulator.requests();
    // With NS and SOA there are 1,002 sets: two pages a sweep.
    assert_eq!(requests.by("GET", Operation::RecordSetList), 2 * SWEEPS as u64, "{requests}");
    assert_eq!(requests.to_arm(), 2 * SWEEPS as u64, "{requests}");
    assert_eq!(requests.answered_with(200), requests.total(), "{requests}");
    assert_eq!(emulator.record_sets(ZONE), held);
}

/// A new control plane knows of no member before that has been listed, and says nothing of it until then.
#[tokio::test(start_paused = true)]
async fn a_control_plane_that_begins_anew_at_rest_writes_nothing() {
    let mut fleet = Fleet::published().await;
    tokio::time::sleep(5 * MINUTE).await;
    for _ in 0..3 {
        fleet.kill().await;
        let tap = Tap::new();
        fleet.run_as(fleet.tapped(&tap));
        tap.rests(2 * MINUTE).await;
        assert_eq!(tap.writes(), []);
    }
}

/// Waits, at most twenty minutes, until so many are.
async fn all_named(named: impl Fn() -> usize) {
    for _ in 0..40 {
        tokio::time::sleep(MINUTE / 2).await;
        if named() == NAMES {
            return;
        }
    }
    panic!("{} of {NAMES} names are there", named());
}
