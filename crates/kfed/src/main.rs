//! `kfed`: Kubernetes federation for Azure, as one program.
//!
//! ```text
//! arguments ─► verb ─► the crates ─► exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted
//!                                            (`plan` verbs: 0 no change, 1 changes, 2 failed)
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

mod cli;
mod clock;
mod confirm;
mod control_plane;
mod demo;
mod dns;
mod document;
mod duration;
mod error;
mod files;
mod kubeconfig;
mod listen;
mod memory;
mod output;
mod providers;
mod schedule;
mod shutdown;
mod table;
mod verbs;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;

use crate::cli::Cli;
use crate::error::Error;

/// The control plane allocates much, in small pieces, on threads that free what others allocated; the system's allocator may be slow at that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What is logged unless somebody says otherwise. The client logs each failed request, which whoever made it tells too, by its name.
const DEFAULT_LOGS: &str = "warn,kube_client::client::builder=off";
/// How long tasks that ignore the end may hold it up.
const GRACE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    // Wrong usage ends here, with clap's own text and code 2.
    let cli = Cli::parse();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            output::report(error);
            ExitCode::from(code)
        }
    }
}

fn start(cli: Cli) -> Result<(), Error> {
    logging(std::env::var("KFED_LOG").or_else(|_| std::env::var("RUST_LOG")).ok())?;
    // Everything that speaks TLS takes this one; a second call would find it installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|source| Error::Runtime { source })?;
    let result = runtime.block_on(verbs::run(cli.command));
    runtime.shutdown_timeout(GRACE);
    result
}

/// Logs go to stderr: stdout belongs to what the verb answers.
fn logging(filter: Option<String>) -> Result<(), Error> {
    let filter = filter.filter(|filter| !filter.is_empty()).unwrap_or_else(|| DEFAULT_LOGS.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|source| Error::LogFilter { filter, source })?;
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    Ok(())
}
