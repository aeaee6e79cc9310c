//! What `kfed dns plan` prints.

use kfed_dnsprovider::plan::GuardedPlan;
use kfed_dnsprovider::{Conflict, ConflictReason, DataSet, RecordData, RecordSet, RecordSetKey};
use serde::Serialize;

use super::decide::{Explained, Planned};
use crate::output::line;

/// What is printed as JSON, in this order.
#[derive(Serialize)]
struct Printed<'a> {
    desired: Vec<PrintedSet<'a>>,
    changes: Vec<PrintedChange<'a>>,
    conflicts: Vec<PrintedConflict<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'a GuardedPlan>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<PrintedFinding<'a>>,
}

#[derive(Serialize)]
struct PrintedSet<'a> {
    #[serde(flatten)]
    key: &'a RecordSetKey,
    #[serde(flatten)]
    side: Side<'a>,
}

/// A set on one side of a change.
#[derive(Serialize)]
struct Side<'a> {
    ttl: u32,
    data: &'a DataSet,
}

#[derive(Serialize)]
struct PrintedChange<'a> {
    op: &'static str,
    #[serde(flatten)]
    key: &'a RecordSetKey,
    from: Option<Side<'a>>,
    to: Option<Side<'a>>,
    why: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct PrintedConflict<'a> {
    #[serde(flatten)]
    key: &'a RecordSetKey,
    service: String,
    why: &'static str,
    owner: Option<String>,
    message: String,
}

#[derive(Serialize)]
struct PrintedFinding<'a> {
    service: String,
    reason: &'static str,
    message: &'a str,
}

/// One object; `held` only where deletions would wait for approval, `findings` only where there is something to tell of a service.
pub(super) fn json(planned: &Planned) {
    fn side(set: &RecordSet) -> Side<'_> {
        Side { ttl: set.ttl, data: &set.data }
    }
    let printed = Printed {
        desired: planned.desired.iter().map(|set| PrintedSet { key: &set.key, side: side(set) }).collect(),
        changes: planned
            .changes
            .iter()
            .map(|change| PrintedChange {
                op: op(change),
                key: &change.key,
                from: change.from.as_ref().map(side),
                to: change.to.as_ref().map(side),
                why: &change.why,
                message: &change.message,
            })
            .collect(),
        conflicts: planned.conflicts.iter().map(conflict).collect(),
        held: planned.held.as_ref(),
        findings: planned
            .findings
            .iter()
            .map(|finding| PrintedFinding {
                service: finding.service.to_string(),
                reason: finding.reason,
                message: &finding.message,
            })
            .collect(),
    };
    line(serde_json::to_string_pretty(&printed).expect("texts, numbers and lists are JSON"));
}

fn conflict(conflict: &Conflict) -> PrintedConflict<'_> {
    let (why, owner) = match &conflict.why {
        ConflictReason::ForeignOwner { owner } => ("foreign-owner", owner.clone()),
        ConflictReason::Alias => ("alias", None),
        ConflictReason::CnameBesideOthers { .. } => ("cname-beside-others", None),
        ConflictReason::OtherResource { resource } => ("other-resource", Some(resource.to_string())),
        _ => ("other", None),
    };
    let (service, message) = (conflict.resource.to_string(), conflict.to_string());
    PrintedConflict { key: &conflict.key, service, why, owner, message }
}

/// A diff of zone files: lines that go begin with `-`, lines that come with `+`; the last line counts.
pub(super) fn text(planned: &Planned) {
    diff(&planned.changes);
    if let Some(GuardedPlan { hash, names, owned, .. }) = &planned.held {
        line(format_args!(
            "# held: {names} of {owned} names would go without a cause in the API; `kfed approve {hash}` lets them"
        ));
    }
    for conflict in &planned.conflicts {
        line(format_args!("# conflict: {conflict}"));
    }
    for finding in &planned.findings {
        line(format_args!("# {} {}: {}", finding.service, finding.reason, finding.message));
    }
    line(summary(planned));
}

/// Each change as a comment and lines of a zone file.
pub(in crate::dns) fn diff(changes: &[Explained]) {
    for change in changes {
        line(format_args!("# {} {} ({}): {}", op(change), change.key, change.why, change.message));
        for (sign, record) in lines(change) {
            line(format_args!("{sign}{record}"));
        }
    }
}

fn lines(change: &Explained) -> Vec<(char, String)> {
    let record = |set: &RecordSet, datum: &RecordData| {
        format!("{} {} IN {} {datum}", set.key.name, set.ttl, set.key.record_type)
    };
    let of = |set: &Option<RecordSet>| {
        let set = set.iter().flat_map(|set| set.data.iter().map(|datum| record(set, datum)));
        set.collect::<Vec<_>>()
    };
    let (from, to) = (of(&change.from), of(&change.to));
    let stays = from.iter().filter(|line| to.contains(line)).map(|line| (' ', line.clone()));
    let goes = from.iter().filter(|line| !to.contains(line)).map(|line| ('-', line.clone()));
    let comes = to.iter().filter(|line| !from.contains(line)).map(|line| ('+', line.clone()));
    stays.chain(goes).chain(comes).collect()
}

fn op(change: &Explained) -> &'static str {
    match (&change.from, &change.to) {
        (None, _) => "create",
        (Some(_), Some(_)) => "update",
        (Some(_), None) => "delete",
    }
}

fn summary(planned: &Planned) -> String {
    let count = |wanted: &str| planned.changes.iter().filter(|change| op(change) == wanted).count();
    let total = planned.desired.len();
    let mut summary = match planned.changes.len() {
        0 => format!("no change: {total} record sets are as they should be"),
        _ => format!(
            "{} to create, {} to update, {} to delete; {total} record sets then",
            count("create"),
            count("update"),
            count("delete")
        ),
    };
    match planned.conflicts.len() {
        0 => {}
        1 => summary.push_str("; 1 conflict"),
        n => summary.push_str(&format!("; {n} conflicts")),
    }
    summary
}
