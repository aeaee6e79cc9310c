//! `kfed dns gc`

use std::collections::BTreeSet;

use kfed_dnsprovider::plan::{Change, ChangeSet, PlanHash};
use kfed_dnsprovider::{Policy, RecordSetKey, plan};
use kfed_service_dns::{audit, decide};

use super::plan::{Explained, explain, print_diff};
use super::target::{Both, Target};
use super::write::write;
use crate::confirm;
use crate::error::Error;
use crate::output::line;

/// How often it is planned again on what others have written meanwhile.
const ROUNDS: usize = 3;

/// Remove what dangles or is orphaned of a federation's records, and nothing else
///
/// At the names that `kfed dns audit` finds orphaned or dangling the zone becomes what it should be. Only the federation's own record
/// sets are written, each on condition that it still is the one that was read, so that it may run beside a control plane and be
/// repeated. Where a large part of the names would go without a cause in the API nothing is done before it is approved.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Let deletions pass that look like lost input: the hash that gc told
    #[arg(long, value_name = "HASH")]
    approve: Option<String>,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  kfed dns gc --dry-run --context myfederation --dns-provider-config dns.conf
  kfed dns gc --yes --context myfederation --dns-provider-config dns.conf";

pub(super) async fn run(args: &Args) -> Result<(), Error> {
    let mut agreed: Option<BTreeSet<RecordSetKey>> = None;
    let mut done = 0;
    for _ in 0..ROUNDS {
        let mut both = args.target.both().await?;
        let (mut changes, explained) = garbage(&both, args.approve.as_deref())?;
        if let Some(agreed) = &agreed {
            // What has come up since is another matter.
            changes.retain(|change| agreed.contains(change.key()));
        }
        let zone = both.view.naming.zone.without_dot().to_owned();
        if changes.is_empty() {
            match done {
                0 => line(format_args!("nothing dangles in zone {zone}, and nothing is orphaned")),
                done => tell(done, &zone),
            }
            return Ok(());
        }
        if agreed.is_none() {
            print_diff(&explained);
            let count = changes.changes.len();
            if args.dry_run {
                line(format_args!("{count} record sets would be written or removed in zone {zone}"));
                return Ok(());
            }
            if !args.yes && !confirm::ask(format_args!("Write or remove these {count} record sets in zone {zone}?")) {
                return Err(Error::NotConfirmed);
            }
            agreed = Some(changes.changes.iter().map(|change| change.key().clone()).collect());
        }
        let applied = write(&mut both.cache, &changes).await?;
        done += applied.done;
        if !applied.stale {
            tell(done, &zone);
            return Ok(());
        }
    }
    Err(Error::Contended { done })
}

fn tell(done: usize, zone: &str) {
    line(format_args!("{done} record sets written or removed in zone {zone}"));
}

/// What the planner would do at the names that are not as they should be.
fn garbage(both: &Both, approve: Option<&str>) -> Result<(ChangeSet, Vec<Explained>), Error> {
    let (zone, view) = (both.cache.snapshot(), &both.view);
    let audit = audit(zone, view);
    let names = audit.garbage();
    let decision = decide(view);
    let policy = Policy {
        caused: view.services.keys().cloned().collect(),
        approved: approve.map(|hash| PlanHash(hash.to_owned())),
        ..Policy::default()
    };
    let mut changes = plan(zone, &decision.desired, &view.owner(), &policy);
    if let Some(held) = &changes.guarded {
        return Err(Error::MassDeletion { names: held.names, owned: held.owned, hash: held.hash.to_string() });
    }
    let at_garbage = |change: &Change| names.contains(&change.key().name);
    changes.retain(at_garbage);
    let explained = explain(&changes.changes, zone, view, &decision);
    Ok((changes, explained))
}
