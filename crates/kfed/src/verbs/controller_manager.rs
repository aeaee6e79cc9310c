//! `kfed controller-manager`

use crate::control_plane::{self, Election, Federation, Timings};
use crate::error::Error;
use crate::kubeconfig::Place;
use crate::{clock, output, shutdown};

/// Run the control plane of a federation, against any Kubernetes API
///
/// An empty federation API is given what it needs: kfed's kinds, namespace federation-system, the Federation object. Runs until
/// SIGINT or SIGTERM; the next start goes on from what it finds. Of several at once one writes, and another takes over when it ends.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    federation: Federation,
    #[command(flatten, next_help_heading = "Timings")]
    timings: Timings,
    #[command(flatten, next_help_heading = "Leader election")]
    election: Election,
}

const EXAMPLES: &str = "\
Example:
  kfed controller-manager --kubeconfig federation.kubeconfig --federation-name myfederation \\
      --dns-provider azure-azuredns --dns-provider-config dns.conf --dns-zone-name example.com

dns.conf:
  [Global]
  subscription-id = ...
  tenant-id = ...
  client-id = ...
  secret = ...
  resourceGroup = ...";

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let end = shutdown::on_signal()?;
    let client = args.place.client().await?;
    let preparing = control_plane::prepare(client, &args.federation, &args.timings, &args.election, clock::system());
    let control_plane = tokio::select! {
        prepared = preparing => prepared?,
        () = end.cancelled() => return Err(Error::Interrupted),
    };
    let zone = args.federation.dns_zone_name.without_dot();
    output::note(format_args!("federation {} publishes in zone {zone}", args.federation.federation_name));
    control_plane.run(end).await;
    Ok(())
}
