//! `kfed approve`

use kfed_control_plane::approval::{approve, waiting};

use crate::error::Error;
use crate::kubeconfig::Place;
use crate::{clock, confirm, output};

/// Let pass what kfed holds back until somebody has looked at it
///
/// kfed deletes no large part of its names without a cause in the API, and moves no replicas while most members look dead: a fault
/// near kfed looks the same. What waits is in the Federation's status. An approval holds for an hour, and for this one occasion.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kfed approve mass-failover --context myfederation\n  kfed approve 3f9c02d1 --yes")]
pub(crate) struct Args {
    /// The hash of the plan (or its beginning), or mass-failover
    #[arg(value_name = "HASH|mass-failover")]
    approval: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let client = args.place.client().await?;
    let waiting = waiting(&client).await?;
    let found = waiting.find(&args.approval)?;
    if !args.yes && !confirm::ask(format_args!("In federation {}, {}. Let it pass?", waiting.federation, found.what)) {
        return Err(Error::NotConfirmed);
    }
    approve(&client, &waiting.federation, found, (clock::system())()).await?;
    output::line(format_args!("{} approved for an hour: {}", found.approval, found.what));
    Ok(())
}
