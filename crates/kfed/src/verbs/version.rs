//! `kfed version`

use clap::ValueEnum;
use serde_json::json;

use crate::output;

/// Print kfed's version
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

pub(crate) fn run(args: &Args) {
    let version = env!("CARGO_PKG_VERSION");
    let api = format!("{}/{}", kfed_api::GROUP, kfed_api::VERSION);
    match args.output {
        Format::Text => output::line(format_args!("kfed {version} ({api})")),
        Format::Json => output::line(json!({"version": version, "apiVersion": api})),
    }
}
