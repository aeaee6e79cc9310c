//! `kfed dns`: what a zone holds for a federation, and what it should hold.

mod adopt;
mod audit;
mod gc;
mod list;
mod plan;
mod target;
mod write;

use crate::error::Error;

/// What can be asked of a federation's zone.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Plan(plan::Args),
    Audit(audit::Args),
    Gc(gc::Args),
    Adopt(adopt::Args),
}

pub(crate) async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Plan(args) => plan::run(&args).await.map_err(Error::checking),
        Command::Audit(args) => audit::run(&args).await.map_err(Error::checking),
        Command::Gc(args) => gc::run(&args).await,
        Command::Adopt(args) => adopt::run(&args).await,
    }
}
