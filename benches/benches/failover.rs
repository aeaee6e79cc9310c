//! A member dies and comes back: how long answers are wrong, beside how long Azure's limits make it last at best.
//!
//! The whole control plane, emulated members and an emulated Azure with its documented limits run in this process on a paused clock:
//! times are virtual, so they are those of a machine that computes at once, and the same in every run.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "of the federation that the tests run on")]

#[path = "../../crates/control-plane/tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use jiff::SignedDuration;
use kfed_azure_emulator::Operation;
use kfed_benches::resources::cpu_time;
use kfed_benches::timeline::plot;
use serde::Serialize;
use support::outage::{STEP, Scene, Setting, Turn};

#[derive(Debug, Parser)]
#[command(name = "failover")]
struct Args {
    /// How many Services, each in every member
    #[arg(long, default_value_t = 100)]
    services: usize,
    /// How many members, each a region and a zone of its own: a Service has a name for everybody and two for each member
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=26))]
    members: u8,
    /// How often members and addresses are probed
    #[arg(long, default_value = "5s", value_parser = duration)]
    probe_period: Duration,
    /// How long Azure takes to answer
    #[arg(long, default_value = "100ms", value_parser = duration)]
    latency: Duration,
    /// Give every record another TTL when the member dies, so that all of the budget is in use
    #[arg(long)]
    bulk: bool,
    /// How long nothing happens in the end
    #[arg(long, default_value = "1h", value_parser = duration)]
    rest: Duration,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    /// One object
    Json,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    services: usize,
    members: u8,
    probe_period: f64,
    latency: f64,
    death: Figures,
    back: Figures,
    rest: Rest,
    cpu_seconds: Option<f64>,
}

/// Of a death or a return; times in seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// From the fault, or its end, to the phase of the Cluster.
    told: f64,
    /// From there to the first write to the zone.
    to_first_write: f64,
    /// From `told`, or the first write after a return, to the end of the last wrong answer.
    to_right: f64,
    /// What the limits make of that at best.
    floor: f64,
    changed_sets: usize,
    writes: usize,
    reads: u64,
    lists: u64,
    throttled: u64,
    /// Those that were sent before one that should have come first; a return has no order.
    out_of_order: Option<usize>,
    /// The most names at a time.
    without_answer: usize,
}

/// Time in which nothing happens.
#[derive(Debug, Serialize)]
struct Rest {
    seconds: f64,
    writes: u64,
    sweeps: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(run(&args))
}

async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let Args { services, members, probe_period, latency, .. } = *args;
    let scene = Scene::new(Setting { services, members, period: probe_period, latency }).await;
    if args.bulk {
        scene.change_ttl().await;
    }
    let death = scene.death().await;
    let back = scene.back().await;
    let rest = scene.rest(args.rest).await;
    let report = Report {
        services,
        members,
        probe_period: probe_period.as_secs_f64(),
        latency: latency.as_secs_f64(),
        death: Figures { out_of_order: Some(death.out_of_order().len()), ..Figures::of(&death, death.told) },
        back: Figures::of(&back, back.first_write()),
        rest: Rest {
            seconds: args.rest.as_secs_f64(),
            writes: rest.count(Operation::RecordSetWrite) + rest.count(Operation::RecordSetDelete),
            sweeps: rest.count(Operation::RecordSetList) / scene.pages(),
        },
        cpu_seconds: cpu_time().map(|time| time.as_secs_f64()),
    };
    if args.format == Format::Json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    println!(
        "{services} services in {members} members, {} names; probes every {probe_period:?}; Azure answers within {latency:?}",
        scene.names()
    );
    println!("\na member dies: its API and its load balancers hang");
    report.death.print("Offline", "Offline", "no dead address is answered");
    println!("\n# right, x a dead address is among the answers, . no answer\n{}", draw(&death));
    println!("it is back");
    report.back.print("Ready", "the first write", "all answers are as before");
    println!("\n# as before, x without the member that is back, . no answer\n{}", draw(&back));
    println!("{:?} of rest: {} writes, {} sweeps", args.rest, report.rest.writes, report.rest.sweeps);
    if let Some(seconds) = report.cpu_seconds {
        println!("computed in {seconds:.1} s of CPU time");
    }
    Ok(())
}

fn draw(turn: &Turn) -> String {
    let samples: Vec<_> = turn.samples.iter().map(|sample| [sample.right, sample.wrong, sample.none]).collect();
    plot(&samples, STEP)
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(duration).ok().filter(|d| !d.is_zero()).ok_or_else(|| "more than nothing is wanted".to_owned())
}

// === impl Figures ===

impl Figures {
    fn of(turn: &Turn, since: Duration) -> Self {
        Self {
            told: turn.told.as_secs_f64(),
            to_first_write: turn.first_write().as_secs_f64() - turn.told.as_secs_f64(),
            to_right: turn.over().saturating_sub(since).as_secs_f64(),
            floor: turn.floor(since).as_secs_f64(),
            changed_sets: turn.changed(),
            writes: turn.written(),
            reads: turn.requests.count(Operation::RecordSetGet),
            lists: turn.requests.count(Operation::RecordSetList),
            throttled: turn.requests.answered_with(429),
            out_of_order: None,
            without_answer: turn.without_answer(),
        }
    }

    fn print(&self, told: &str, since: &str, right: &str) {
        let line = |what: &str, value: String| println!("    {what:<56}{value:>8}");
        let seconds = |value: f64| format!("{value:.1} s");
        line(told, seconds(self.told));
        line(&format!("from {told} to the first write"), seconds(self.to_first_write));
        line(&format!("from {since} until {right}"), seconds(self.to_right));
        line(&format!("what the limits allow for {} sets", self.changed_sets), seconds(self.floor));
        if self.floor > 0.0 {
            line("the one over the other", format!("{:.3}", self.to_right / self.floor));
        }
        for (what, count) in [
            ("writes", self.writes as u64),
            ("reads", self.reads),
            ("pages of lists", self.lists),
            ("requests answered with 429", self.throttled),
            ("names without an answer, at most", self.without_answer as u64),
        ] {
            line(what, count.to_string());
        }
        if let Some(count) = self.out_of_order {
            line("writes before their turn", count.to_string());
        }
    }
}
