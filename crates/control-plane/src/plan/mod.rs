//! The decisions. Pure: no I/O, no clock, no randomness; every plan is data that can be compared, printed and replayed.

pub(crate) mod approval;
pub(crate) mod cluster;
#[cfg(test)]
mod combinations;
mod deletion;
pub(crate) mod evict;
mod intent;
pub(crate) mod load;
mod merge;
mod names;
mod object;
mod overrides;
mod place;
mod priority;
pub(crate) mod publish;
mod select;
mod status;
#[cfg(test)]
mod tests;
pub(crate) mod unjoin;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

pub(crate) use intent::release as released;
pub(crate) use names::{FederationStep, Names, step};
pub(crate) use object::plan;
pub(crate) use priority::priority;
pub(crate) use select::selector_of;

/// What is to be done about one object now. What has to wait comes back with the event that it waits for, or after
/// [`again_after`](Self::again_after).
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(crate) struct ObjectPlan {
    /// By member.
    pub(crate) members: BTreeMap<String, MemberWrite>,
    /// Copies in members that are dead, by member and uid: written down before the object goes, deleted on the member's return.
    pub(crate) tombstones: BTreeMap<String, String>,
    /// On the federated object itself. A plan that changes finalizers has no other write that could come too early.
    pub(crate) federation: Option<FederationWrite>,
    /// What only time changes.
    pub(crate) again_after: Option<Duration>,
}

/// Something that has come to be, for those who read an object's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// A write to a member.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) enum MemberWrite {
    /// Server-side apply of the intent.
    Apply {
        /// What the member is to hold, as far as kfed cares.
        intent: Value,
        /// Whether the member has shown no copy: somebody else's object of that name must not be touched.
        new: bool,
        /// Whether the user lets kfed take such an object over.
        adopt: bool,
        /// How many replicas it is to run, where it shows more.
        fewer: Option<i64>,
    },
    /// Delete the copy, if it still is the one that was seen; with [`ANY_COPY`], whichever kfed made.
    Delete { uid: String },
    /// Take kfed's marks off the copy and leave it there.
    Release,
}

/// In the place of a uid: the copy has not been seen, and whichever kfed made is meant.
pub(crate) const ANY_COPY: &str = "";

/// A write to the federated object, on condition that it has not changed since it was seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(crate) struct FederationWrite {
    /// The finalizers as they are to be.
    pub(crate) finalizers: Option<Vec<String>>,
    /// Annotation `kfed.io/placement` as it is to be.
    pub(crate) placement: Option<String>,
    /// Annotation `kfed.io/addresses` as it is to be; an inner none takes it away.
    pub(crate) addresses: Option<Option<String>>,
    /// Annotation `kfed.io/conditions` as it is to be.
    pub(crate) conditions: Option<String>,
    /// Annotation `kfed.io/orphan` is to be set.
    pub(crate) orphan: bool,
    /// Writes to members wait for this one.
    pub(crate) awaited: bool,
    /// The object has outlived its end: it is to be deleted, and nothing else is done.
    pub(crate) expired: bool,
    /// The fields of the status that kfed writes.
    pub(crate) status: Option<Value>,
    /// What the new status says that the old one did not.
    pub(crate) notes: Vec<Note>,
}

// === impl FederationWrite ===

impl FederationWrite {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
