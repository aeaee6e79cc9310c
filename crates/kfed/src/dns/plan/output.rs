//! What `kfed dns plan` prints.

use kfed_dnsprovider::{Conflict, ConflictReason, RecordData, RecordSet};
use serde_json::{Value, json};

use super::decide::{Change, Decision};
use crate::output::line;

/// One object: `desired`, `changes`, `conflicts`, and `findings` where there is something to tell of a service.
pub(super) fn json(decision: &Decision) {
    let desired: Vec<_> = decision
        .desired
        .iter()
        .map(|set| json!({"name": set.key.name, "type": set.key.record_type, "ttl": set.ttl, "data": set.data}))
        .collect();
    let side = |set: &Option<RecordSet>| set.as_ref().map(|set| json!({"ttl": set.ttl, "data": set.data}));
    let change = |change: &Change| {
        json!({
            "op": op(change), "name": change.key.name, "type": change.key.record_type,
            "from": side(&change.from), "to": side(&change.to), "why": change.why, "message": change.message
        })
    };
    let mut all = json!({
        "desired": desired,
        "changes": decision.changes.iter().map(change).collect::<Vec<_>>(),
        "conflicts": decision.conflicts.iter().map(conflict).collect::<Vec<_>>(),
    });
    if !decision.findings.is_empty() {
        let findings = decision.findings.iter().map(|finding| {
            json!({"service": finding.service.to_string(), "reason": finding.reason, "message": finding.message})
        });
        all["findings"] = Value::from(findings.collect::<Vec<_>>());
    }
    line(format_args!("{all:#}"));
}

fn conflict(conflict: &Conflict) -> Value {
    let (why, owner) = match &conflict.why {
        ConflictReason::ForeignOwner { owner } => ("foreign-owner", owner.clone()),
        ConflictReason::Alias => ("alias", None),
        ConflictReason::CnameBesideOthers { .. } => ("cname-beside-others", None),
        ConflictReason::OtherResource { resource } => ("other-resource", Some(resource.to_string())),
        _ => ("other", None),
    };
    json!({
        "name": conflict.key.name, "type": conflict.key.record_type, "service": conflict.resource.to_string(),
        "why": why, "owner": owner, "message": conflict.to_string()
    })
}

/// A diff of zone files: lines that go begin with `-`, lines that come with `+`; the last line counts.
pub(super) fn text(decision: &Decision) {
    for change in &decision.changes {
        line(format_args!("# {} {} ({}): {}", op(change), change.key, change.why, change.message));
        for (sign, record) in lines(change) {
            line(format_args!("{sign}{record}"));
        }
    }
    for conflict in &decision.conflicts {
        line(format_args!("# conflict: {conflict}"));
    }
    for finding in &decision.findings {
        line(format_args!("# {} {}: {}", finding.service, finding.reason, finding.message));
    }
    line(summary(decision));
}

fn lines(change: &Change) -> Vec<(char, String)> {
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

fn op(change: &Change) -> &'static str {
    match (&change.from, &change.to) {
        (None, _) => "create",
        (Some(_), Some(_)) => "update",
        (Some(_), None) => "delete",
    }
}

fn summary(decision: &Decision) -> String {
    let count = |wanted: &str| decision.changes.iter().filter(|change| op(change) == wanted).count();
    let total = decision.desired.len();
    let mut summary = match decision.changes.len() {
        0 => format!("no change: {total} record sets are as they should be"),
        _ => format!(
            "{} to create, {} to update, {} to delete; {total} record sets then",
            count("create"),
            count("update"),
            count("delete")
        ),
    };
    match decision.conflicts.len() {
        0 => {}
        1 => summary.push_str("; 1 conflict"),
        n => summary.push_str(&format!("; {n} conflicts")),
    }
    summary
}
