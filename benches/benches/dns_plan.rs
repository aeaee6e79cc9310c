//! The DNS planner on a zone of 100,000 record sets, and what such a zone takes in memory.

use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use criterion::Criterion;
use kfed_benches::dns::{desired, owner, zone};
use kfed_benches::resources::resident_bytes;
use kfed_dnsprovider::{Desired, Guard, Policy, ZoneSnapshot, plan};

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
    group.finish();
    criterion.final_summary();
}
