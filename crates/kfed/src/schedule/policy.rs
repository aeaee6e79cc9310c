//! A request's policy, and what is wrong with it.

use kfed_api::policy::{Finding, Mode, Path, PlacementPolicy, Segment, Severity};

use super::cluster::Cluster;
use super::decode::decode;
use super::source::{Note, Notes, Span};
use super::tree::{Entry, Node, Value};

/// The largest number that the planner tells from a larger one.
const LARGEST: i64 = 1 << 40;

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
    pub(crate) fn read(self, notes: &mut Notes) -> Option<PlacementPolicy> {
        let node = Node { value: Value::Map(self.entries), span: self.at };
        let policy: PlacementPolicy = match decode(&node) {
            Ok(policy) => policy,
            Err(wrong) => {
                notes.push(wrong);
                return None;
            }
        };
        let members: Vec<_> = self.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        // Without members there is nobody that a name could be compared with.
        let members = (!members.is_empty()).then_some(members.as_slice());
        let findings = policy.check(members);
        let is_sound = findings.iter().all(|finding| finding.severity != Severity::Error);
        let mut placed: Vec<_> = findings.into_iter().map(|finding| (place(&node, &finding.path), finding)).collect();
        placed.sort_by_key(|(at, _)| (at.source(), at.range().start));
        for (at, Finding { severity, path, message, remedy }) in placed {
            let (is_error, message) = (severity == Severity::Error, format!("{path}: {message}"));
            notes.push(Note { is_error, message, help: Some(remedy), at: Some(at) });
        }
        is_sound.then_some(policy)
    }
}

/// Numbers of replicas that no API server lets pass, or that are beyond what the planner counts.
pub(crate) fn check_replicas(policy: &PlacementPolicy, replicas: i64, at: Span, notes: &mut Notes) {
    if replicas < 0 {
        match policy.mode {
            Mode::FederationV1 => notes.warning(at, format!("{replicas} replicas are negative")),
            _ => notes.error(at, format!("{replicas} replicas are negative")),
        }
        .help("write 0 or more");
    } else if replicas > LARGEST {
        notes.warning(at, format!("{replicas} replicas count as {LARGEST}")).help("nobody runs as many");
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
