//! The verbs, each a few lines over the crates.

pub(crate) mod apiserver;
pub(crate) mod approve;
pub(crate) mod completion;
pub(crate) mod controller_manager;
pub(crate) mod emulate;
pub(crate) mod explain;
pub(crate) mod join;
pub(crate) mod status;
pub(crate) mod unjoin;
pub(crate) mod version;

use crate::cli::Command;
use crate::demo;
use crate::dns;
use crate::error::Error;
use crate::schedule;

/// Does what was asked.
pub(crate) async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Join(args) => join::run(args).await,
        Command::Unjoin(args) => unjoin::run(args).await,
        Command::Approve(args) => approve::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::ControllerManager(args) => controller_manager::run(args).await,
        Command::Schedule(args) => schedule::run(&args),
        Command::Dns(command) => dns::run(command).await,
        Command::Apiserver(args) => apiserver::run(args).await,
        Command::Emulate(command) => emulate::run(command).await,
        Command::Completion(args) => {
            completion::run(&args);
            Ok(())
        }
        Command::Version(args) => {
            version::run(&args);
            Ok(())
        }
    }
}
