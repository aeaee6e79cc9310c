//! From what a zone holds and what it should hold to the few writes between the two. Pure.
//!
//! ```text
//! snapshot ─┐            wrong answers withdrawn   (one PUT: the name keeps answering)
//! desired  ─┼─► plan ─►  additions
//! owner    ─┤            deletions                 (behind the mass-change guard)
//! policy   ─┘            conflicts: what belongs to somebody else and stays
//! ```

mod diff;
mod guard;
mod kept;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::operation::Precondition;
use crate::ownership::{OURS, Owner, Resource};
use crate::record::{DataSet, DataSources, Etag, RecordData, RecordSet, RecordSetKey, RecordType};
use crate::zone::ZoneSnapshot;

pub use crate::ownership::sources;
pub(crate) use diff::Fnv;
pub use kept::{KeptPlan, Wish};

/// A record set that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DesiredRecordSet {
    /// Name and type.
    #[serde(flatten)]
    pub key: RecordSetKey,
    /// Seconds.
    pub ttl: u32,
    /// Which member each datum came from. A datum of several members is there once for each.
    pub data: DataSources,
    /// Who wants it.
    pub resource: Resource,
}

/// What a zone should hold, as far as it is the owner's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Desired {
    /// The wanted sets. One without data is as good as none; of two for one key the lesser resource wins.
    pub sets: Vec<DesiredRecordSet>,
    /// The sets of these resources stay exactly as they are, whatever `sets` says of these resources. What is at a name that another
    /// resource wants is not kept: the name has become that resource's.
    pub keep: BTreeSet<Resource>,
}

/// How far a plan may go.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Policy {
    /// Whether anything may be deleted.
    pub mode: Mode,
    /// How many records fit into one set. What is left out is in [`ChangeSet::truncated`].
    pub max_records_per_set: usize,
    /// When deletions are held back.
    pub guard: Guard,
    /// Resources whose disappearance has a cause in the API (a deleted Service, an unjoin): the guard does not count them.
    pub caused: BTreeSet<Resource>,
    /// The held-back plan that somebody has approved.
    pub approved: Option<PlanHash>,
    /// Data that are known to serve nobody, by resource: sets that hold such are written before other withdrawals.
    pub dead: BTreeMap<Resource, BTreeSet<RecordData>>,
    /// Of changes that are equally urgent, those of resources with a higher number come first; without one it is 0.
    pub priorities: BTreeMap<Resource, i64>,
}

/// Whether anything may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The zone becomes what is desired.
    #[default]
    Sync,
    /// Sets are created and replaced; none goes, except to make room for one of a clashing type at the same name.
    UpsertOnly,
}

/// Holds deletions back that look like lost input: a wrong zone, a cold cache.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// More than this share of the owned names (0 to 1) …
    pub share: f64,
    /// … and more than this many names.
    pub at_least: usize,
}

/// Names a held-back plan, so that exactly that one can be approved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanHash(pub String);

/// The writes that make a zone what it should be, in the order in which they are to be done.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ChangeSet {
    /// The writes. Those that depend on each other (a CNAME goes, addresses come) stand next to each other.
    pub changes: Vec<Change>,
    /// How `changes` fall into stages. Within one only changes at one name depend on each other; a stage begins when the one before it
    /// is over. Changes behind the last stage are done one by one.
    pub stages: Vec<Stage>,
    /// What is wanted and cannot be had.
    pub conflicts: Vec<Conflict>,
    /// The sets that hold less than is wanted.
    pub truncated: Vec<Truncated>,
    /// The deletions that wait for approval; they are not in `changes`.
    pub guarded: Option<GuardedPlan>,
}

/// Changes that may be done at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// How soon.
    pub urgency: Urgency,
    /// How many of the changes they are.
    pub changes: usize,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Change {
    /// A set that is not there.
    Create {
        /// The set.
        set: RecordSet,
    },
    /// One set in another's place, in one step.
    Update {
        /// The set as it was read.
        from: Arc<RecordSet>,
        /// The set as it is to be.
        to: RecordSet,
        /// How soon.
        urgency: Urgency,
    },
    /// A set that is to go.
    Delete {
        /// The set as it was read.
        set: Arc<RecordSet>,
    },
}

/// How soon a change is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// It withdraws answers that are wrong now.
    WrongNow,
    /// It adds answers.
    Adds,
    /// It changes the TTL or the metadata alone.
    Tidies,
    /// It removes a name as a whole, which nobody wants any more.
    Removes,
}

/// A wanted set that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The wanted set.
    #[serde(flatten)]
    pub key: RecordSetKey,
    /// Who wants it.
    pub resource: Resource,
    /// What stands in the way.
    pub why: ConflictReason,
}

/// What stands in the way of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConflictReason {
    /// The set, or one of A, AAAA or CNAME at the name, is not this owner's.
    ForeignOwner {
        /// The owner, if the set says so.
        owner: Option<String>,
    },
    /// The provider makes the answers from another resource.
    Alias,
    /// The set has properties that are not known here: a write would drop them.
    UnknownProperties,
    /// A CNAME stands alone at its name (RFC 1034 § 3.6.2), and these are there or wanted too.
    CnameBesideOthers {
        /// The other types.
        types: Vec<RecordType>,
    },
    /// Another resource of the same owner has the set.
    OtherResource {
        /// That resource.
        resource: Resource,
    },
}

/// A set that holds less than is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Truncated {
    /// The set.
    #[serde(flatten)]
    pub key: RecordSetKey,
    /// Who wants it.
    pub resource: Resource,
    /// How many data it holds.
    pub kept: usize,
    /// What is left out.
    pub dropped: Vec<RecordData>,
}

/// Deletions that wait for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardedPlan {
    /// What to approve.
    pub hash: PlanHash,
    /// The sets that would go without a cause.
    pub deletions: Vec<RecordSetKey>,
    /// How many names they are.
    pub names: usize,
    /// How many names the owner has in the zone.
    pub owned: usize,
}

/// What turns `snapshot` into `desired`, as far as it is `owner`'s.
///
/// Minimal: a set whose data, TTL and marks are right costs nothing. Ordered: first what withdraws wrong answers (of those the ones
/// with [dead](Policy::dead) data first, names that are wholly wrong before those that are partly), then additions, then updates of TTL or marks alone, then deletions; within each by [priority](Policy::priorities). At no point
/// does a name lack data of a type that it had and is to have. Sets of other owners, aliases, and names that carry an external-dns
/// ownership TXT are never touched.
pub fn plan(snapshot: &ZoneSnapshot, desired: &Desired, owner: &Owner, policy: &Policy) -> ChangeSet {
    diff::whole(snapshot, desired, owner, policy)
}

// === impl Policy ===

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Sync,
            max_records_per_set: 20,
            guard: Guard::default(),
            caused: BTreeSet::new(),
            approved: None,
            dead: BTreeMap::new(),
            priorities: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// Whether it is known why nobody wants `set` any more.
    fn is_caused(&self, set: &RecordSet) -> bool {
        !self.caused.is_empty() && Resource::of(set).is_some_and(|resource| self.caused.contains(&resource))
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self { share: 0.30, at_least: 10 }
    }
}

// === impl PlanHash ===

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl DesiredRecordSet ===

impl DesiredRecordSet {
    /// The set as it is to stand in the zone, marked as `owner`'s.
    pub fn to_record_set(&self, owner: &Owner) -> RecordSet {
        RecordSet {
            key: self.key.clone(),
            ttl: self.ttl,
            data: DataSet::from_sorted(self.data.keys().cloned()),
            metadata: owner.mark_with(&self.resource, &self.data),
            etag: None,
            alias: false,
            unknown_properties: false,
        }
    }

    /// The same in the place of `from`: what others keep beside the records of a set stays.
    pub fn in_place_of(&self, from: &RecordSet, owner: &Owner) -> RecordSet {
        let mut to = self.to_record_set(owner);
        let mut others = from.metadata.iter().filter(|(key, _)| !OURS.contains(key)).peekable();
        if others.peek().is_some() {
            to.metadata.extend(others);
        }
        to
    }
}

// === impl ChangeSet ===

impl ChangeSet {
    /// Whether there is nothing to write. Conflicts and held-back deletions may still be there to tell of.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

// === impl Change ===

impl Change {
    /// Which set it is about.
    pub fn key(&self) -> &RecordSetKey {
        match self {
            Self::Create { set } => &set.key,
            Self::Delete { set } => &set.key,
            Self::Update { to, .. } => &to.key,
        }
    }

    /// Which resource wants it, or wanted what goes.
    pub fn resource(&self) -> Option<Resource> {
        match self {
            Self::Create { set } => Resource::of(set),
            Self::Delete { set } => Resource::of(set),
            Self::Update { to, .. } => Resource::of(to),
        }
    }

    /// What must be true for it to be done: the set is absent, or still what was read.
    ///
    /// A set without an ETag was not read from a provider: the empty version matches none, so that it will be read.
    pub fn precondition(&self) -> Precondition {
        let read = |set: &RecordSet| Precondition::Unchanged(set.etag.clone().unwrap_or_else(|| Etag(String::new())));
        match self {
            Self::Create { .. } => Precondition::Absent,
            Self::Update { from, .. } => read(from),
            Self::Delete { set } => read(set),
        }
    }

    /// What it changes, for people: `withdraws 192.0.2.1 (fed-west), adds 192.0.2.9 (fed-east)`.
    pub fn why(&self) -> String {
        match self {
            Self::Create { set } => phrase("adds", set, &set.data.iter().collect::<Vec<_>>()),
            Self::Delete { set } => phrase("withdraws", set, &set.data.iter().collect::<Vec<_>>()),
            Self::Update { from, to, .. } => {
                let mut parts = Vec::new();
                let gone: Vec<_> = from.data.difference(&to.data).collect();
                let new: Vec<_> = to.data.difference(&from.data).collect();
                if !gone.is_empty() {
                    parts.push(phrase("withdraws", from, &gone));
                }
                if !new.is_empty() {
                    parts.push(phrase("adds", to, &new));
                }
                if from.ttl != to.ttl {
                    parts.push(format!("sets the TTL to {} s from {} s", to.ttl, from.ttl));
                }
                if parts.is_empty() {
                    parts.push("marks whose it is and where it comes from".to_owned());
                }
                parts.join(", ")
            }
        }
    }
}

/// `verb` with `data` and the members that `set` says they came from.
fn phrase(verb: &str, set: &RecordSet, data: &[&RecordData]) -> String {
    let sources = sources(set);
    let named: Vec<_> = data
        .iter()
        .map(|datum| match sources.get(datum) {
            Some(members) => {
                format!("{datum} ({})", members.iter().collect::<Vec<_>>().join(", "))
            }
            None => datum.to_string(),
        })
        .collect();
    if named.is_empty() { format!("{verb} nothing") } else { format!("{verb} {}", named.join(", ")) }
}

// === impl Conflict ===

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is wanted by {} but {}", self.key, self.resource, self.why)
    }
}

impl fmt::Display for ConflictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignOwner { owner: Some(owner) } => write!(f, "belongs to `{owner}`"),
            Self::ForeignOwner { owner: None } => f.write_str("belongs to somebody else"),
            Self::Alias => f.write_str("is an alias of another resource of the provider"),
            Self::UnknownProperties => {
                f.write_str("has properties that are not known here and that a write would drop")
            }
            Self::CnameBesideOthers { types } => {
                let types: Vec<_> = types.iter().map(|t| t.as_str()).collect();
                write!(f, "a CNAME cannot stand beside {}", types.join(", "))
            }
            Self::OtherResource { resource } => write!(f, "{resource} has it"),
        }
    }
}
