//! `kfed dns adopt`

use kfed_dnsprovider::{DnsName, RecordType};
use kfed_service_dns::{Adoption, Refusal, adopt, adopt_leftovers};

use super::target::Target;
use super::write::write;
use crate::confirm;
use crate::error::Error;
use crate::output::line;

/// Take record sets over that are somebody else's, or nobody's
///
/// Their data and TTL stay; they get the federation's marks, and entries of external-dns' registry that own them go. From then on the
/// control plane writes them as it writes its own: within seconds they hold what the federation wants of that name. A name that no
/// Service of the federation has is refused. NS, SOA, TXT and other types are never taken over.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name, written in full
    #[arg(required_unless_present = "v1_leftovers", value_parser = crate::control_plane::zone)]
    name: Option<DnsName>,
    /// A, AAAA or CNAME [default: all that are there]
    #[arg(value_name = "TYPE", value_parser = record_type)]
    record_type: Option<RecordType>,
    /// Take over all that is nobody's at names of the federation, as Federation v1 left it: what no Service has of it is an orphan
    /// then, which the control plane or `kfed dns gc` removes
    #[arg(long, conflicts_with_all = ["name", "record_type", "force"])]
    v1_leftovers: bool,
    /// Also a name that the federation gives by rule and that no Service has now: an orphan then
    #[arg(long)]
    force: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  kfed dns adopt shop.example.com --context myfederation --dns-provider-config dns.conf
  kfed dns adopt --v1-leftovers --dry-run --context myfederation --dns-provider-config dns.conf";

pub(super) async fn run(args: &Args) -> Result<(), Error> {
    let mut both = args.target.both().await?;
    let (zone, view) = (both.cache.snapshot(), &both.view);
    let adoption = match &args.name {
        Some(name) => match adopt(zone, view, name, args.record_type, args.force) {
            Ok(adoption) => adoption,
            Err(Refusal::Ours) => {
                line(format_args!("{} is {}'s already", name.without_dot(), view.naming.federation));
                return Ok(());
            }
            Err(refusal) => return Err(Error::NotAdopted { name: name.without_dot().to_owned(), refusal }),
        },
        None => adopt_leftovers(zone, view),
    };
    let federation = view.naming.federation.clone();
    if adoption.taken.is_empty() {
        line(format_args!("nothing at names of {federation} is nobody's"));
        return Ok(());
    }
    let count = adoption.taken.len();
    if args.dry_run || !args.yes {
        tell(&adoption, &federation, "would become");
    }
    if args.dry_run {
        return Ok(());
    }
    if !args.yes && !confirm::ask(format_args!("Take over these {count} record sets for federation {federation}?")) {
        return Err(Error::NotConfirmed);
    }
    for changes in [&adoption.marks, &adoption.registrations] {
        let applied = write(&mut both.cache, changes).await?;
        if applied.stale {
            return Err(Error::Contended { done: applied.done });
        }
    }
    tell(&adoption, &federation, "is now");
    Ok(())
}

fn tell(adoption: &Adoption, federation: &str, becomes: &str) {
    for taken in &adoption.taken {
        let before = taken.owner.as_ref().map_or("nobody's".to_owned(), |owner| format!("of `{owner}`"));
        line(format_args!("{} ({before}) {becomes} {federation}'s, for {}", taken.key, taken.service));
    }
    for change in &adoption.registrations.changes {
        line(format_args!(
            "{}: its entry of external-dns {} gone",
            change.key(),
            if becomes == "is now" { "is" } else { "would be" }
        ));
    }
}

fn record_type(text: &str) -> Result<RecordType, String> {
    RecordType::parse(text).ok_or_else(|| "it is A, AAAA or CNAME".to_owned())
}
