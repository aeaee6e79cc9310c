//! `kfed dns plan`

mod decide;
mod input;
mod output;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::target::{FLAGS, Target};
use crate::document::Reader;
use crate::error::Error;

pub(super) use decide::{Explained, explain};
pub(super) use output::diff as print_diff;

/// Show what would change in the zone, and why: exit code 0 where nothing would, 1 where something would, more on errors
///
/// Without a FILE it is what the control plane would change now; the federation API and the zone alone are asked.
///
/// FILE says which members there are, how they are, what they publish, and what the zone holds; neither a cluster nor a zone is asked.
/// It shows the state at rest: no hold is under way, and a member with `ready: false` is dead by both signals.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// What is seen, as YAML or JSON; - is stdin
    #[arg(short, long, value_name = "FILE", conflicts_with_all = FLAGS)]
    filename: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

const EXAMPLE: &str = "\
Example:
  kfed dns plan --context myfederation --dns-provider-config dns.conf

FILE:
  federation: myfederation
  zone: example.com
  ttl: 180                       # optional: 30
  fallback: addresses            # or cname, as Federation v1 did
  private: false                 # whether the zone is a private one
  loopback: false                # whether 127.0.0.1 and the like may be published
  clusters:
  - {name: c1, region: westus, zones: [\"1\"], ready: true}
  services:
  - name: hostname
    namespace: default
    type: LoadBalancer           # or ClusterIP, NodePort, ExternalName
    clusters:
      c1: {ingress: [{ip: 192.0.2.1}], readyEndpoints: 3}
    # optional: ttl, hostname, externalName, clusterIP: None, publish, created
  hosts: {}                      # what names of load balancers lead to: {lb.example.net: [192.0.2.9]}
  records: []                    # what the zone holds: {name, type, ttl, data: [...], owner: myfederation}";

pub(crate) async fn run(args: &Args) -> Result<(), Error> {
    let planned = match &args.filename {
        Some(file) => offline(file)?,
        None => {
            let both = args.target.both().await?;
            decide::live(&both.view, both.cache.snapshot())
        }
    };
    match args.output {
        Format::Text => output::text(&planned),
        Format::Json => output::json(&planned),
    }
    if planned.changes.is_empty() && planned.held.is_none() { Ok(()) } else { Err(Error::Told { code: 1 }) }
}

fn offline(file: &Path) -> Result<decide::Planned, Error> {
    let mut reader = Reader::default();
    let root = reader.document(file)?;
    let input = root.and_then(|root| input::Input::read(&root, &mut reader));
    reader.tell()?;
    Ok(decide::offline(&input.ok_or(Error::Mistakes)?))
}
