//! A request's policy, and what is wrong with it.

use kfed_api::policy::{Finding, Mode, Path, PlacementPolicy, Segment, Severity};

use super::cluster::Cluster;
use crate::document::{Entry, Node, Note, Reader, Span, Value};

/// The most replicas that Kubernetes lets a workload have.
const MOST: i64 = i32::MAX as i64;

/// A policy as it is written.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// Its entries; the last of a key counts.
    pub(crate) entries: Vec<Entry>,
    /// Where it stands, for what has no place in it.
    pub(crate) at: Span,
    /// The members that there are.
    pub(crate) clusters: &'a [Cluster],
}

// === impl Asked ===

impl Asked<'_> {
    /// The policy, unless it cannot be carried out.
    pub(crate) fn read(self, reader: &mut Reader) -> Option<PlacementPolicy> {
        let node = Node { value: Value::Map(self.entries), span: self.at };
        let policy: PlacementPolicy = reader.decode(&node)?;
        let members: Vec<_> = self.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        // Without members there is nobody that a name could be compared with.
        let members = (!members.is_empty()).then_some(members.as_slice());
        let findings = policy.check(members);
        let is_sound = findings.iter().all(|finding| finding.severity != Severity::Error);
        for Finding { severity, path, message, remedy } in findings {
            let (is_error, message) = (severity == Severity::Error, format!("{path}: {message}"));
            reader.push(Note { is_error, message, help: Some(remedy), at: Some(place(&node, &path)) });
        }
        is_sound.then_some(policy)
    }
}

/// Negative capacities, which mode federation-v1 takes into account as v1 did.
pub(crate) fn check_capacities(policy: &PlacementPolicy, clusters: &[Cluster], reader: &mut Reader) {
    for cluster in clusters.iter().filter(|cluster| cluster.capacity.is_some_and(|capacity| capacity < 0)) {
        match policy.mode {
            Mode::FederationV1 => {
                reader.warning(cluster.at, "a negative capacity: federation-v1 plans as many replicas less than none")
            }
            _ => reader.error(cluster.at, "a capacity cannot be negative"),
        }
        .help("write 0 or more, or leave it out where it is not known");
    }
}

/// Numbers of replicas that no API server lets pass.
pub(crate) fn check_replicas(policy: &PlacementPolicy, replicas: i64, at: Span, reader: &mut Reader) {
    if replicas < 0 {
        match policy.mode {
            Mode::FederationV1 => reader.warning(at, format!("{replicas} replicas are negative")),
            _ => reader.error(at, format!("{replicas} replicas are negative")),
        }
        .help("write 0 or more");
    } else if replicas > MOST {
        reader
            .warning(at, format!("{replicas} replicas are more than Kubernetes takes"))
            .help(format!("write {MOST} at most"));
    }
}

/// Where a path leads; as far as it goes, where it leads to what is not written.
fn place(policy: &Node, path: &Path) -> Span {
    let (mut node, mut at) = (policy, policy.span);
    for segment in path.segments() {
        let found = match (segment, &node.value) {
            (Segment::Key(key), Value::Map(entries)) => {
                let same = |entry: &&Entry| entry.key == *key;
                let alike = |entry: &&Entry| entry.key.eq_ignore_ascii_case(key);
                entries.iter().rev().find(same).or_else(|| entries.iter().rev().find(alike)).map(|entry| {
                    let is_block = matches!(entry.node.value, Value::Map(_) | Value::List(_));
                    (&entry.node, if is_block { entry.span } else { entry.span.to(entry.node.span) })
                })
            }
            (Segment::Index(index), Value::List(items)) => items.get(*index).map(|item| (item, item.span)),
            _ => None,
        };
        match found {
            Some(found) => (node, at) = found,
            None => break,
        }
    }
    at
}
