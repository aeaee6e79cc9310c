//! kfed's automation: `cargo xtask test` sets up what a fresh machine lacks and runs everything, `cargo xtask tidy`
//! checks the invariants that no compiler checks.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "measures how long real processes take")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod metadata;
mod setup;
mod shell;
mod summary;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// kfed's automation.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up what is missing, then format, lint, check and test everything; stop at the first failure
    Test(test::Args),
    /// Check the project's invariants: one line `path:line: message` for each violation
    Tidy(tidy::Args),
    /// Find or fetch the tools of the end-to-end test (kubectl, dig) and print where they are
    Setup,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Test(args) => test::run(&args),
        Command::Tidy(args) => tidy::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Setup => setup::run().map(|()| ExitCode::SUCCESS),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
