//! The replica planner beside Federation v1's, whose figures are in the fixtures: median and least time for each input.
//!
//! `distribute` is called anew each time, as v1's planner was; `Planner` keeps its memory from plan to plan.
//! Whoever compares should look at the machine first, and at the least where it has more to do than this.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Duration;

use kfed_benches::planner::{V1Speed, all, v1_speed};
use kfed_replica_scheduler::federation_v1::{Planner, distribute};
use tokio::time::Instant;

const SAMPLES: usize = 60;
const SAMPLE: Duration = Duration::from_micros(700);

/// Of one plan, in ns.
struct Figures {
    median: f64,
    least: f64,
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let v1 = v1_speed();
    println!(
        "{:<28}{:>22}{:>24}{:>16}{:>24}{:>16}",
        "ns: median (least)", "v1", "distribute", "times", "Planner", "times"
    );
    for input in all() {
        if !wanted.is_empty() && !wanted.iter().any(|part| input.name.contains(part.as_str())) {
            continue;
        }
        let members = input.members();
        let request = input.request(&members);
        let anew = measure(|| drop(black_box(distribute(black_box(&request)))));
        let mut planner = Planner::default();
        let kept = measure(|| {
            black_box(planner.distribute(black_box(&request)));
        });
        let v1 = v1[&input.name];
        let least = v1.least.map(|least| format!("({least:.0})")).unwrap_or_default();
        let figures = |figures: &Figures| format!("{:.0} ({:.0})", figures.median, figures.least);
        println!(
            "{:<28}{:>22}{:>24}{:>16}{:>24}{:>16}",
            input.name,
            format!("{:.0} {least}", v1.median),
            figures(&anew),
            times(v1, &anew),
            figures(&kept),
            times(v1, &kept),
        );
    }
}

fn times(v1: V1Speed, figures: &Figures) -> String {
    let least = v1.least.map(|least| format!(" ({:.1})", least / figures.least)).unwrap_or_default();
    format!("{:.1}{least}", v1.median / figures.median)
}

fn measure(mut work: impl FnMut()) -> Figures {
    let mut sample = |rounds: u32| {
        let started = Instant::now();
        (0..rounds).for_each(|_| work());
        started.elapsed()
    };
    // The first call warms up, the next tells how many fill a sample.
    sample(1);
    let mut rounds = 1;
    while sample(rounds) < SAMPLE {
        rounds *= 2;
    }
    let mut samples: Vec<f64> = (0..SAMPLES).map(|_| sample(rounds).as_secs_f64() * 1e9 / f64::from(rounds)).collect();
    samples.sort_by(f64::total_cmp);
    Figures { median: samples[SAMPLES / 2], least: samples[0] }
}
