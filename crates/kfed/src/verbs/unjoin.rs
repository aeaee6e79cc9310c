//! `kfed unjoin`

use std::time::Duration;

use kfed_api::Unjoin;
use kfed_control_plane::membership::unjoin;

use crate::error::Error;
use crate::kubeconfig::Place;
use crate::{confirm, duration, output};

/// Take a member out of the federation
///
/// What it runs is started on other members first, then its addresses leave DNS, then what kfed made in it, its credentials and its
/// Cluster are removed. Where replicas would find no room elsewhere, nothing is done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kfed unjoin fed-east --context myfederation")]
pub(crate) struct Args {
    /// The member's name
    name: String,
    /// Let it leave even where replicas find no room elsewhere, or it cannot be reached
    #[arg(long)]
    force: bool,
    /// Leave its workloads where they are, no longer managed
    #[arg(long)]
    orphan: bool,
    /// How long to wait; it goes on by itself afterwards
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse_positive)]
    timeout: Duration,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let federation = args.place.client().await?;
    let question = format_args!("Take {} out of the federation, with all that kfed runs there?", args.name);
    if !args.yes && !confirm::ask(question) {
        return Err(Error::NotConfirmed);
    }
    let how = Unjoin { force: args.force, orphan: args.orphan };
    let left = unjoin(&federation, &args.name, how, args.timeout, |progress| output::note(progress)).await?;
    match left.left_behind {
        None => output::line(format_args!("cluster {} has left", args.name)),
        Some(what) => output::line(format_args!("cluster {} has left; {what}", args.name)),
    }
    Ok(())
}
