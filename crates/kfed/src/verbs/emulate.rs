//! `kfed emulate`: what a federation needs from elsewhere, on this machine.

mod azure_dns;
mod cluster;

use crate::error::Error;

/// What can be emulated.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    AzureDns(azure_dns::Args),
    Cluster(cluster::Args),
}

pub(crate) async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::AzureDns(args) => azure_dns::run(args).await,
        Command::Cluster(args) => cluster::run(args).await,
    }
}
