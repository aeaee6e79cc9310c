//! The replica planner: `distribute` gives the numbers, as Federation v1's planner did; `plan` gives reasons too.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use kfed_benches::planner::{Input, all};

fn measure(criterion: &mut Criterion, inputs: &[Input]) {
    for (function, explain) in [("distribute", false), ("plan", true)] {
        let mut group = criterion.benchmark_group(function);
        for input in inputs {
            let members = input.members();
            let request = input.request(&members);
            group.bench_function(BenchmarkId::from_parameter(&input.name), |bencher| {
                if explain {
                    bencher.iter(|| kfed_replica_scheduler::federation_v1::plan(black_box(&request)));
                } else {
                    bencher.iter(|| kfed_replica_scheduler::federation_v1::distribute(black_box(&request)));
                }
            });
        }
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    measure(&mut criterion, &all());
    criterion.final_summary();
}
