//! How many requests things cost, and how long they take in virtual time: the emulator has no sockets here.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use kfed_azure_emulator::{AzureEmulator, Limits, Operation, RecordType as EmulatedType};
use kfed_dnsprovider::{
    Desired, DesiredRecordSet, Owner, Policy, Precondition, RecordData, RecordType, Resource, apply, plan,
};
use kfed_dnsprovider_azure::PUBLIC;
use tokio::time::Instant;

use crate::emulator::{ZONE, address, azure, emulator, services, set, unchanged};
use crate::support::{SECRET, key, name};

const CHANGES: usize = 1_000;

fn limited() -> AzureEmulator {
    AzureEmulator::builder().client("my-client", SECRET).zone("fed-dns-rg", ZONE).limits(Limits::documented()).build()
}

/// 200 at once and 200 a minute after: the last of 1,000 cannot be sent sooner than four minutes after the first.
const FLOOR: Duration = Duration::from_secs(240);

#[tokio::test(start_paused = true)]
async fn a_thousand_changes_take_what_the_limits_ask_for_and_hardly_more() {
    let emulator = limited();
    let azure = services(&PUBLIC, &emulator, SECRET).into_provider();
    let zone = azure.find_zone(&name(ZONE)).await.unwrap().id;
    let within = |what: &str, started: Instant| {
        let took = started.elapsed();
        assert!(took <= FLOOR.mul_f64(1.1), "{what}: {took:?}");
        assert!(took >= FLOOR.mul_f64(0.9), "{what}: {took:?}");
    };
    let started = Instant::now();
    let creations = (0..CHANGES)
        .map(|n| azure.put(&zone, set(&format!("n{n}"), RecordType::A, [address(1)]), Precondition::Absent));
    let made: Vec<_> = join_all(creations).await.into_iter().map(Result::unwrap).collect();
    within("creating", started);

    let started = Instant::now();
    let repointed = made.iter().map(|old| {
        let mut new = old.clone();
        new.data = [address(2)].into();
        azure.put(&zone, new, unchanged(old))
    });
    let made: Vec<_> = join_all(repointed).await.into_iter().map(Result::unwrap).collect();
    within("repointing", started);

    let started = Instant::now();
    let deletions = made.iter().map(|set| azure.delete(&zone, &set.key, set.etag.clone().unwrap()));
    for answer in join_all(deletions).await {
        answer.unwrap();
    }
    within("deleting", started);
    assert_eq!(emulator.requests().answered_with(429), 0);
    assert_eq!(emulator.requests().count(Operation::RecordSetWrite), 2 * CHANGES as u64);
    assert_eq!(emulator.requests().count(Operation::RecordSetDelete), CHANGES as u64);
}

#[tokio::test]
async fn a_zone_of_ten_thousand_sets_is_read_in_ten_requests() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    for n in 0..9_998 {
        emulator.put_record_set(ZONE, &format!("n{n}"), EmulatedType::A, 30, &["127.7.0.1"], BTreeMap::new()).unwrap();
    }
    emulator.take_requests();
    assert_eq!(azure.snapshot(&zone).await.unwrap().len(), 10_000);
    assert_eq!(emulator.requests().by("GET", Operation::RecordSetList), 10);
    assert_eq!(emulator.requests().to_arm(), 10);
}

fn desired(names: usize) -> Desired {
    let sets = (0..names).map(|n| DesiredRecordSet {
        key: key(&format!("n{n}.{ZONE}"), RecordType::A),
        ttl: 30,
        data: [(RecordData::A([127, 7, 0, 1].into()), ["fed-west".to_owned()].into())].into(),
        resource: Resource::service("default", format!("n{n}")),
    });
    Desired { sets: sets.collect(), ..Desired::default() }
}

/// What is read from Azure equals what was written there, so a plan over it is empty: for an hour nothing is sent but the sweeps.
#[tokio::test(start_paused = true)]
async fn a_thousand_names_at_rest_cost_one_sweep_each_ten_minutes() {
    const SWEEP: Duration = Duration::from_secs(600);
    let emulator = limited();
    let azure = services(&PUBLIC, &emulator, SECRET).into_provider();
    let zone = azure.find_zone(&name(ZONE)).await.unwrap().id;
    let (owner, wanted) = (Owner("myfederation".into()), desired(CHANGES));
    let mut snapshot = azure.snapshot(&zone).await.unwrap();
    let changes = plan(&snapshot, &wanted, &owner, &Policy::default());
    assert_eq!(apply(&azure, &zone, &changes, &mut snapshot).await.done, CHANGES);

    emulator.take_requests();
    let (started, mut swept) = (Instant::now(), Instant::now());
    while started.elapsed() < Duration::from_secs(3600) {
        tokio::time::sleep(Duration::from_secs(30)).await;
        if swept.elapsed() >= SWEEP {
            (snapshot, swept) = (azure.snapshot(&zone).await.unwrap(), Instant::now());
        }
        let changes = plan(&snapshot, &wanted, &owner, &Policy::default());
        assert!(changes.is_empty(), "{changes:?}");
        apply(&azure, &zone, &changes, &mut snapshot).await;
    }
    // With NS and SOA there are 1,002 sets: two pages a sweep.
    assert_eq!(emulator.requests().count(Operation::RecordSetList), 6 * 2, "{}", emulator.requests());
    assert_eq!(emulator.requests().to_arm(), 6 * 2, "{}", emulator.requests());
    assert_eq!(emulator.requests().answered_with(429), 0);
}
