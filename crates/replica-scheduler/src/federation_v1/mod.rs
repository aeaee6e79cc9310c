//! Federation v1's planner, bit for bit.

mod distribute;
mod matching;
mod names;
mod number;
mod order;
mod portion;
mod reasons;
mod rounds;
mod seat;
mod stretch;

use kfed_api::preferences::ReplicaPreferences;
use serde::Serialize;

use crate::{Member, Placement, Plan, Reason};

pub(crate) use distribute::distribute_with_reasons;
pub use distribute::{Planner, distribute};
pub(crate) use matching::match_preferences;
pub(crate) use order::{hash_of_member, tie_break, tie_break_of};

/// What v1 was asked: one workload and the members that may run it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `namespace/name` of the workload. It breaks ties, so that not every workload favours the same member.
    pub key: &'a str,
    /// How many replicas to place.
    pub replicas: i64,
    /// What the user asks for.
    pub preferences: &'a ReplicaPreferences,
    /// The members that may run the workload, in any order, each once.
    pub members: &'a [Member<'a>],
}

/// The numbers of one member, without reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Share {
    /// Replicas expected to run there.
    pub planned: i64,
    /// Replicas asked for on top that do not fit at present.
    pub overflow: i64,
}

/// Plans one workload as Federation v1 did, with a reason for every number.
///
/// [`distribute`] gives the same numbers alone, several times faster.
pub fn plan(request: &Request<'_>) -> Plan {
    let explained = distribute_with_reasons(request);
    let unplaced = unplaced(request.replicas, explained.iter().map(|(share, _)| share.planned));
    let placement = |(member, (share, reasons)): (&Member<'_>, (Share, Vec<Reason>))| Placement {
        member: member.name.to_owned(),
        planned: share.planned,
        overflow: share.overflow,
        reasons,
    };
    let mut placements: Vec<_> = request.members.iter().zip(explained).map(placement).collect();
    placements.sort_by(|a, b| a.member.cmp(&b.member));
    Plan { placements, unplaced, postponed: 0 }
}

/// What of `replicas` is not among those placed.
pub(crate) fn unplaced(replicas: i64, placed: impl Iterator<Item = i64>) -> i64 {
    let missing = i128::from(replicas) - placed.map(i128::from).sum::<i128>();
    missing.max(0).min(i64::MAX.into()) as i64
}

// === impl Share ===

impl Share {
    /// What the member's object gets: the planned replicas, and those that ask for capacity.
    pub fn replicas(&self) -> i64 {
        self.planned.saturating_add(self.overflow)
    }
}
