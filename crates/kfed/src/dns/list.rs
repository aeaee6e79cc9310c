//! `kfed dns list`

use std::collections::BTreeMap;

use kfed_dnsprovider::ownership::OWNER_KEY;
use kfed_dnsprovider::{DataSet, RecordSet, RecordSetKey, Registered, Resource, ZoneSnapshot, sources};
use serde::Serialize;

use super::target::Target;
use crate::error::Error;
use crate::output::note;
use crate::table::{Format, Table, print};

/// List the record sets of a zone that are a federation's
///
/// Federation, zone and provider are as the Federation says; with --federation-name and --dns-zone-name no federation API is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Also those of others, with their owner as far as that is told
    #[arg(long)]
    all: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  kfed dns list --context myfederation --dns-provider-config dns.conf
  kfed dns list --federation-name myfederation --dns-zone-name example.com --dns-provider-config dns.conf --all -o wide";

/// What is printed for machines.
#[derive(Serialize)]
struct Listed<'a> {
    federation: &'a str,
    zone: &'a str,
    records: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    key: &'a RecordSetKey,
    ttl: u32,
    data: &'a DataSet,
    /// A federation's name, or `external-dns:ID`.
    owner: Option<String>,
    resource: Option<String>,
    /// Members, and what came from them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sources: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    alias: bool,
}

pub(super) async fn run(args: &Args) -> Result<(), Error> {
    let reached = args.target.zone().await?;
    let snapshot = reached.cache.snapshot();
    let registered = Registered::of(snapshot, &reached.owner);
    let records = entries(snapshot, &registered, |set| args.all || reached.owner.owns(set));
    let zone = reached.cache.zone().name.without_dot();
    if records.is_empty() {
        note(format_args!("zone {zone} holds nothing of {}", reached.owner));
    }
    let listed = Listed { federation: &reached.owner.0, zone, records };
    print(args.output, &listed, |wide| table(&listed.records, args.all, wide));
    Ok(())
}

fn entries<'a>(
    zone: &'a ZoneSnapshot,
    registered: &Registered,
    asked_for: impl Fn(&RecordSet) -> bool,
) -> Vec<Entry<'a>> {
    let entry = |set: &'a RecordSet| {
        let by_mark = set.metadata.get(OWNER_KEY).map(str::to_owned);
        let by_registry = || registered.owner(&set.key).map(|owner| format!("external-dns:{owner}"));
        let mut members = BTreeMap::<String, Vec<String>>::new();
        for (datum, from) in sources(set) {
            for member in &from {
                members.entry(member.to_owned()).or_default().push(datum.to_string());
            }
        }
        Entry {
            key: &set.key,
            ttl: set.ttl,
            data: &set.data,
            owner: by_mark.or_else(by_registry),
            resource: Resource::of(set).map(|resource| resource.to_string()),
            sources: members,
            alias: set.alias,
        }
    };
    zone.iter().filter(|set| asked_for(set)).map(entry).collect()
}

fn table(entries: &[Entry<'_>], all: bool, wide: bool) -> Table {
    let mut table = Table::new(["NAME", "TYPE", "TTL", "DATA", "RESOURCE"]);
    if all {
        table.column("OWNER");
    }
    if wide {
        table.column("SOURCES");
    }
    for entry in entries {
        let data: Vec<_> = entry.data.iter().map(ToString::to_string).collect();
        let mut row = vec![
            entry.key.name.to_string(),
            entry.key.record_type.to_string(),
            entry.ttl.to_string(),
            if entry.alias { "(alias)".to_owned() } else { data.join(",") },
            entry.resource.clone().unwrap_or_default(),
        ];
        if all {
            row.push(entry.owner.clone().unwrap_or_default());
        }
        if wide {
            let sources = entry.sources.iter().map(|(member, data)| format!("{member}={}", data.join("+")));
            row.push(sources.collect::<Vec<_>>().join(","));
        }
        table.push(row);
    }
    table
}
