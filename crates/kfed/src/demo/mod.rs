//! `kfed demo`: the whole walk-through on embedded parts.
//!
//! ```text
//! script ─► stage ─► fleet     Azure DNS, federation API, control plane, members: each over its own socket
//!   │         └────► observe   DNS over UDP, HTTP, kubeconfig: what anybody could ask
//!   └──────────────► report    a step at a time
//! ```

mod fleet;
mod manifests;
mod names;
mod observe;
mod report;
mod script;
mod stage;
mod stay;
mod view;
mod workplace;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::fleet::Fleet;
use self::names::Names;
use self::report::{Format, Reporter};
use self::stage::Stage;
use self::workplace::Workplace;
use crate::control_plane::{Timings, label};
use crate::error::Error;
use crate::{duration, listen, shutdown};

/// Federate objects over two emulated clusters, with Azure DNS emulated too, each step verified from outside
///
/// Needs no cluster, no subscription and no privileges. Without --once it stays up after the sixth step, with a kubeconfig for kubectl
/// and a port for dig; Ctrl-C ends it and leaves nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Play all ten steps, failover and departure too, and end; 0 only if every one held
    #[arg(long)]
    once: bool,
    /// What the two members are called
    #[arg(long, value_name = "NAME,NAME", value_parser = clusters, default_value = "fed-west,fed-east")]
    clusters: Names,
    /// How to tell what happens
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where kubeconfig, dns.conf and manifests are written [default: a directory of its own]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where DNS is answered, over UDP and TCP; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    dns_listen: SocketAddr,
    /// How long after Offline a dead member's replicas are started elsewhere; a real federation waits 60s
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    evict_after: Duration,
    /// How often each member's API and addresses are probed
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse_positive)]
    probe_period: Duration,
}

const EXAMPLES: &str = "\
Examples:
  kfed demo                                  then try the kubectl and dig commands it prints
  kfed demo --once --format json             one JSON object a step: name, ok, seconds, observed
  kfed demo --once --probe-period 1s         a faster failover
  kfed demo --dir demo --dns-listen 127.0.0.1:5353";

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let end = shutdown::on_signal()?;
    let sockets = listen::dns("the DNS front", args.dns_listen)?;
    let fleet = Fleet::new(args.clusters.clone(), Workplace::open(args.dir.as_deref())?)?;
    let reporter = Reporter::new(args.format);
    reporter.say(format_args!(
        "kfed demo runs with --probe-period {} and --evict-after {} in {}\n",
        duration::show(args.probe_period),
        duration::show(args.evict_after),
        fleet.directory().display()
    ));
    let timings = Timings { probe_period: args.probe_period, evict_after: args.evict_after, ..Timings::default() };
    let mut stage = Stage::new(args.clusters, timings, fleet, reporter, sockets);
    let result = play(&mut stage, args.once, &end).await;
    let Stage { fleet, .. } = stage;
    fleet.stop().await;
    result
}

async fn play(stage: &mut Stage, once: bool, end: &CancellationToken) -> Result<(), Error> {
    let steps = if once { &script::ALL[..] } else { &script::ALL[..script::SET_UP] };
    tokio::select! {
        played = script::play(stage, steps) => played?,
        // Whoever asked for all steps has not got them; whoever asked for a playground ends it this way.
        () = end.cancelled() => return if once { Err(Error::Interrupted) } else { Ok(()) },
    }
    if once {
        stage.reporter.say("\nevery step held");
        return Ok(());
    }
    stay::up(stage);
    end.cancelled().await;
    stage.reporter.say("ending");
    Ok(())
}

fn clusters(text: &str) -> Result<Names, String> {
    match text.split(',').collect::<Vec<_>>().as_slice() {
        [first, second] if first != second => Ok(Names::new(&label(first.trim())?, &label(second.trim())?)),
        _ => Err("the walk-through needs two different names, as in fed-west,fed-east".to_owned()),
    }
}
