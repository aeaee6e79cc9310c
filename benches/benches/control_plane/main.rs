//! How fast the control plane is, and how much it takes: the figures that it is held to, each beside its target.
//!
//! Members are bare embedded API servers: they take what they are told and make no pods. Of a workload a stand-in says at once that all
//! of it is ready. They have threads of their own, so that what the control plane computes is told apart from what they do. Time is real.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark ends where its federation fails")]

mod curve;
mod figures;
mod fleet;
mod latency;
mod looks;
mod member;
mod memory;
mod object;
mod resync;
mod spent;

use std::time::Duration;

use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;

use self::object::Kind;

/// As `kfed` has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "control_plane")]
struct Args {
    /// What to measure [default: all of it]
    #[arg(value_enum)]
    what: Vec<What>,
    /// How many members, in place of those that the target names
    #[arg(long)]
    members: Option<usize>,
    /// How many objects, in place of those that the target names
    #[arg(long)]
    objects: Option<usize>,
    /// How many milliseconds lie between two objects whose way is timed
    #[arg(long, default_value_t = 500)]
    every: u64,
    /// In how many members each workload is whose memory is measured
    #[arg(long, default_value_t = 3)]
    spread: usize,
    /// The kind of the curve [default: one after the other]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// How long, in seconds, the control plane is given before a figure is given up
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// From an object's creation until a member shows it
    Latency,
    /// Until every object has been looked at in every member
    Resync,
    /// Until a control plane that starts has seen and looked at everything
    Start,
    /// What a process holds that is the control plane alone
    Memory,
    /// What a change costs beside ever more members and objects
    Curve,
}

/// How large a measurement is.
#[derive(Debug, Clone, Copy)]
struct Size {
    members: usize,
    objects: usize,
    patience: Duration,
}

/// How far a curve goes.
#[derive(Debug, Clone, Copy)]
struct Curve {
    members: [usize; 3],
    objects: [usize; 2],
    kind: Option<Kind>,
    patience: Duration,
}

fn main() {
    if let Ok(kubeconfig) = std::env::var(memory::KUBECONFIG) {
        return memory::control_plane(&kubeconfig);
    }
    let args = Args::parse();
    let what = if args.what.is_empty() { What::value_variants() } else { &args.what };
    for what in what {
        let size = |members, objects| Size {
            members: args.members.unwrap_or(members),
            objects: args.objects.unwrap_or(objects),
            patience: Duration::from_secs(args.patience),
        };
        match what {
            What::Latency => latency::run(size(100, 100), Duration::from_millis(args.every)),
            What::Resync => resync::run(size(100, 1000)),
            What::Start => resync::start(size(100, 300)),
            What::Memory => memory::run(size(50, 2000), args.spread),
            What::Curve => {
                let Size { members, objects, patience } = size(1000, 10_000);
                curve::run(Curve {
                    members: [members / 100, members / 10, members],
                    objects: [objects / 10, objects],
                    kind: args.kind,
                    patience,
                });
            }
        }
    }
}
