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
use kfed_azure_emulator::{Operation, Requests};
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
    /// From the first write to the end of the last wrong answer.
    to_right: f64,
    /// What the limits make of that at best.
    floor: f64,
    changed_sets: usize,
    writes: usize,
    reads: u64,
    lists: u64,
    throttled: u64,
    out_of_order: usize,
    /// The most names at a time.
    without_answer: usize,
}

/// An hour in which nothing happens.
#[derive(Debug, Serialize)]
struct Rest {
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
    let rest = scene.rest().await;
    let report = Report {
        services,
        members,
        probe_period: probe_period.as_secs_f64(),
        latency: latency.as_secs_f64(),
        death: Figures::of(&death),
        back: Figures::of(&back),
        rest: Rest { writes: writes(&rest), sweeps: rest.count(Operation::RecordSetList) / scene.pages() },
        cpu_seconds: cpu_time().map(|time| time.as_secs_f64()),
    };
    if args.format == Format::Json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    let names = scene.names();
    println!(
        "{services} services in {members} members: {names} names. Probes every {probe_period:?}; Azure answers within {latency:?}."
    );
    println!("\none member dies: its API and its load balancers hang");
    report.death.print("Offline", "no dead address is answered");
    println!("\n# right, x a dead address is among the answers, . no answer\n{}", draw(&death));
    println!("it answers again");
    report.back.print("Ready", "all answers are as before");
    println!("\n# as before, x without the member that is back, . no answer\n{}", draw(&back));
    println!("an hour of rest: {} writes, {} sweeps", report.rest.writes, report.rest.sweeps);
    if let Some(seconds) = report.cpu_seconds {
        println!("computed in {seconds:.1} s of CPU time");
    }
    Ok(())
}

fn draw(turn: &Turn) -> String {
    let samples: Vec<_> = turn.samples.iter().map(|sample| [sample.right, sample.wrong, sample.none]).collect();
    plot(&samples, STEP)
}

fn writes(requests: &Requests) -> u64 {
    requests.count(Operation::RecordSetWrite) + requests.count(Operation::RecordSetDelete)
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(duration).ok().filter(|d| !d.is_zero()).ok_or_else(|| "more than nothing is wanted".to_owned())
}

// === impl Figures ===

impl Figures {
    fn of(turn: &Turn) -> Self {
        let (first, told) = (turn.first_write(), turn.told);
        Self {
            told: told.as_secs_f64(),
            to_first_write: first.as_secs_f64() - told.as_secs_f64(),
            to_right: turn.over().saturating_sub(first).as_secs_f64(),
            floor: turn.floor().as_secs_f64(),
            changed_sets: turn.changed(),
            writes: turn.written(),
            reads: turn.requests.count(Operation::RecordSetGet),
            lists: turn.requests.count(Operation::RecordSetList),
            throttled: turn.requests.answered_with(429),
            out_of_order: turn.out_of_order().len(),
            without_answer: turn.without_answer(),
        }
    }

    fn print(&self, told: &str, right: &str) {
        let line = |what: &str, value: String| println!("    {what:<40} {value}");
        line(told, format!("{:>7.1} s", self.told));
        line("from there to the first write", format!("{:>7.1} s", self.to_first_write));
        let ratio = if self.floor > 0.0 { format!(": {:.3} x", self.to_right / self.floor) } else { String::new() };
        let floor = format!("the limits allow {:.1} s for {} sets{ratio}", self.floor, self.changed_sets);
        line(&format!("from there until {right}"), format!("{:>7.1} s; {floor}", self.to_right));
        let (writes, reads, lists, throttled) = (self.writes, self.reads, self.lists, self.throttled);
        line(
            "requests",
            format!("{writes} writes, {reads} reads, {lists} pages of lists; {throttled} answered with 429"),
        );
        line("writes before their turn", self.out_of_order.to_string());
        line("names without an answer, at most", self.without_answer.to_string());
    }
}
