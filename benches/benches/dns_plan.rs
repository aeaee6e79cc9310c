//! The DNS planner on a zone of 100,000 record sets, as a whole and kept up, and what such a zone takes in memory.

use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use criterion::Criterion;
use kfed_benches::dns::{desired, owner, zone};
use kfed_benches::resources::resident_bytes;
use kfed_dnsprovider::{Desired, DesiredRecordSet, Guard, KeptPlan, Policy, Wish, ZoneSnapshot, plan};

const SETS: usize = 100_000;

fn main() {
    let wanted = desired(SETS, None);
    let before = resident_bytes();
    let held = zone(&wanted);
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let each = after.saturating_sub(before) / held.len() as u64;
        // A figure, not a log: it belongs beside criterion's.
        let _unwritten = writeln!(std::io::stdout(), "memory of a snapshot: {each} bytes a record set ({SETS} sets)");
    }

    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20)
        .configure_from_args();
    let policy = Policy { guard: Guard { share: 1.0, ..Guard::default() }, ..Policy::default() };
    let (mut kept, memory) = keep(&held, &wanted);
    if let Some(memory) = memory {
        let each = memory / SETS as u64;
        let _unwritten = writeln!(std::io::stdout(), "memory of a kept plan beside it: {each} bytes a record set");
    }
    let (zone_of_kept, moved) = (held.clone(), desired(SETS, Some(SETS)).sets.swap_remove(0));
    let cases: [(&str, ZoneSnapshot, Desired, usize); 4] = [
        ("unchanged", held.clone(), wanted.clone(), 0),
        ("1 % changed", held.clone(), desired(SETS, Some(100)), SETS / 100),
        ("all new", ZoneSnapshot::default(), wanted, SETS),
        ("all gone", held, Desired::default(), SETS),
    ];
    let mut group = criterion.benchmark_group("dns_plan");
    for (name, zone, wanted, changes) in &cases {
        assert_eq!(plan(zone, wanted, &owner(), &policy).changes.len(), *changes, "{name}");
        group.bench_function(*name, |bencher| {
            // What is planned is dropped outside of the time that is measured.
            bencher.iter_with_large_drop(|| plan(black_box(zone), black_box(wanted), &owner(), &policy));
        });
    }
    // One resource is changed, and planned, and changed back.
    let mut turns = [moved, desired(1, None).sets.swap_remove(0)].into_iter().cycle();
    group.bench_function("one changed, kept", |bencher| {
        bencher.iter(|| {
            for changes in [1, 0] {
                want(&mut kept, turns.next());
                assert_eq!(kept.plan(black_box(&zone_of_kept), &policy).changes.len(), changes);
            }
        });
    });
    group.finish();
    criterion.final_summary();
}

/// A plan that is kept for `zone`, in which each resource wants one set, and what it takes in memory.
fn keep(zone: &ZoneSnapshot, wanted: &Desired) -> (KeptPlan, Option<u64>) {
    let before = resident_bytes();
    let mut kept = KeptPlan::new(owner());
    kept.see_all(zone);
    for set in &wanted.sets {
        want(&mut kept, Some(set.clone()));
    }
    assert!(kept.plan(zone, &Policy::default()).is_empty());
    let memory = before.zip(resident_bytes()).map(|(before, after)| after.saturating_sub(before));
    (kept, memory)
}

fn want(kept: &mut KeptPlan, set: Option<DesiredRecordSet>) {
    if let Some(set) = set {
        let resource = set.resource.clone();
        kept.want(&resource, Wish::Sets(vec![set]));
    }
}
