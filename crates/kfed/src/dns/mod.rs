//! `kfed dns`: what a zone holds for a federation, and what it should hold.

mod plan;

use crate::error::Error;

/// What can be asked of a federation's zone.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Plan(plan::Args),
}

pub(crate) fn run(command: &Command) -> Result<(), Error> {
    match command {
        Command::Plan(args) => plan::run(args),
    }
}
