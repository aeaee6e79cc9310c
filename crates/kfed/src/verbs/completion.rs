//! `kfed completion`

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  source <(kfed completion bash)")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) {
    clap_complete::generate(args.shell, &mut Cli::command(), "kfed", &mut io::stdout());
}
