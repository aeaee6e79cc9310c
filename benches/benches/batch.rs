//! 10,000 workloads over 100 members that share their capacity, in one call: a resync of a large federation.

use std::num::NonZeroU32;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use jiff::Timestamp;
use kfed_api::policy::PlacementPolicy;
use kfed_replica_scheduler::{Ages, Batch, Ledger, Member, Running, Scheduler, Workload};

const MEMBERS: usize = 100;
const WORKLOADS: usize = 10_000;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .sample_size(10)
        .configure_from_args();
    let own = (0..MEMBERS).map(|at| format!(r#""cluster-{at:05}": {{"weight": {}, "minReplicas": 1}}"#, at % 10 + 1));
    let own = own.collect::<Vec<_>>().join(", ");
    for (name, policy) in [
        ("federation-v1/even", r#"{"clusters": {"*": {"weight": 1}}}"#.to_owned()),
        ("federation-v1/weights", format!(r#"{{"rebalance": true, "clusters": {{{own}}}}}"#)),
        ("proportional/even", r#"{"mode": "proportional", "clusters": {"*": {"weight": 1}}}"#.to_owned()),
        ("proportional/weights", format!(r#"{{"mode": "proportional", "rebalance": true, "clusters": {{{own}}}}}"#)),
    ] {
        let policy: PlacementPolicy = policy.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        measure(&mut criterion, name, &policy);
    }
    criterion.final_summary();
}

/// Each workload runs 2 replicas in each of 10 members and wants 100 to 199; there is room for most of them.
fn measure(criterion: &mut Criterion, name: &str, policy: &PlacementPolicy) {
    let at = Timestamp::UNIX_EPOCH;
    let names: Vec<String> = (0..MEMBERS).map(|at| format!("cluster-{at:05}")).collect();
    let members: Vec<Member<'_>> = names.iter().map(|name| Member::new(name)).collect();
    let keys: Vec<String> = (0..WORKLOADS).map(|at| format!("namespace-{}/app-{at}", at % 97)).collect();
    let running = |at: usize| (0..10).map(move |nth| Running { member: (at * 7 + nth * 11) % MEMBERS, replicas: 2 });
    let current: Vec<Vec<Running>> = (0..WORKLOADS).map(|at| running(at).collect()).collect();
    let workload = |(at, key): (usize, _)| Workload {
        key,
        replicas: 100 + at as i64 % 100,
        priority: at as i32 % 5,
        units: NonZeroU32::MIN,
        policy,
        current: &current[at],
    };
    let workloads: Vec<Workload<'_>> = keys.iter().map(String::as_str).enumerate().map(workload).collect();
    let mut ledger = Ledger::new(Ages::default());
    names.iter().for_each(|name| ledger.observe(name, 13_000, at));
    let batch = Batch { members: &members, workloads: &workloads, at };
    let scheduler = Scheduler::default();
    criterion.bench_function(&format!("batch/{name}"), |bencher| {
        bencher.iter_batched_ref(
            || ledger.clone(),
            |ledger| scheduler.schedule_batch(&batch, ledger),
            BatchSize::PerIteration,
        );
    });
}
