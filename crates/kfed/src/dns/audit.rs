//! `kfed dns audit`

use std::collections::BTreeMap;

use kfed_service_dns::{Audit, Audited, ServiceFinding, Verdict, audit};
use serde::Serialize;

use super::target::Target;
use crate::error::Error;
use crate::output::line;
use crate::table::{Format, Table, print};

/// Hold a federation's zone against what should be in it: exit code 0 where all is well, 1 where something was found, more on errors
///
/// The federation API and the zone alone are asked. Each record set of the federation, or at a name of it, is
///   wanted     as it should be
///   kept       nobody serves its service, and the last addresses stay on purpose
///   missing    wanted, and not there
///   drifted    wanted otherwise: edited by hand, or about to be written
///   dangling   leading to a member that is dead, gone or without the service, or to a name that is not there
///   orphaned   wanted by nobody any more
///   conflict   wanted where somebody else's record is
///   unmarked   wanted, and nobody's: its marks were lost, or Federation v1 left it
///   leftover   nobody's at a name that the federation gives by rule, and not wanted; no fault of the federation's
///   unjudged   of a Service of which the control plane has not yet written what it sees
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Also print what is as it should be
    #[arg(long)]
    all: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    target: Target,
}

const EXAMPLE: &str = "\
Example:
  kfed dns audit --context myfederation --dns-provider-config dns.conf";

/// What is printed for machines: all that was judged.
#[derive(Serialize)]
struct Printed<'a> {
    federation: &'a str,
    zone: &'a str,
    clean: bool,
    summary: BTreeMap<Verdict, usize>,
    sets: &'a [Audited],
    findings: &'a [ServiceFinding],
}

pub(super) async fn run(args: &Args) -> Result<(), Error> {
    let both = args.target.both().await?;
    let audit = audit(both.cache.snapshot(), &both.view);
    let printed = Printed {
        federation: &both.view.naming.federation,
        zone: both.view.naming.zone.without_dot(),
        clean: audit.is_clean(),
        summary: audit.summary(),
        sets: &audit.sets,
        findings: &audit.findings,
    };
    print(args.output, &printed, |wide| table(&audit, args.all, wide));
    if matches!(args.output, Format::Table | Format::Wide) {
        for finding in &audit.findings {
            line(format_args!("# {} {}: {}", finding.service, finding.reason, finding.message));
        }
        line(summary(&printed));
    }
    if printed.clean { Ok(()) } else { Err(Error::Told { code: 1 }) }
}

fn table(audit: &Audit, all: bool, wide: bool) -> Table {
    let mut table = Table::new(["VERDICT", "NAME", "TYPE", "DATA", "WHY"]);
    if wide {
        table.column("RESOURCE");
        table.column("OWNER");
        table.column("MESSAGE");
    }
    for set in audit.sets.iter().filter(|set| all || set.verdict != Verdict::Wanted) {
        let data: Vec<_> = set.data.iter().map(ToString::to_string).collect();
        let mut row = vec![
            set.verdict.to_string(),
            set.key.name.to_string(),
            set.key.record_type.to_string(),
            data.join(","),
            set.why.clone(),
        ];
        if wide {
            row.push(set.service.as_ref().map(ToString::to_string).unwrap_or_default());
            row.push(set.owner.clone().unwrap_or_default());
            row.push(set.message.clone());
        }
        table.push(row);
    }
    table
}

fn summary(printed: &Printed<'_>) -> String {
    let Printed { federation, zone, summary, sets, .. } = printed;
    let counts: Vec<_> = summary.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    match sets.iter().filter(|set| set.verdict.is_finding()).count() {
        0 => format!("nothing dangles; record sets of {federation} in {zone}: {counts}"),
        1 => format!("1 finding; record sets of {federation} in {zone}: {counts}"),
        n => format!("{n} findings; record sets of {federation} in {zone}: {counts}"),
    }
}
