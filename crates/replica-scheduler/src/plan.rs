//! What is asked of the planner, and its answer.

use serde::Serialize;

use crate::federation_v1::{self, Request, Share};
use crate::reason::Reason;

/// A member cluster as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member<'a> {
    /// The member's name.
    pub name: &'a str,
    /// Replicas that run there now; none where the workload does not exist yet.
    pub current: Option<i64>,
    /// The most replicas that fit there; none is no known limit.
    pub capacity: Option<i64>,
}

/// What every member gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// One a member, sorted by name.
    pub placements: Vec<Placement>,
    /// Replicas that no member took, because of maxima, capacities or missing weights.
    pub unplaced: i64,
}

/// What one member gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The member's name.
    pub member: String,
    /// Replicas expected to run there.
    pub planned: i64,
    /// Replicas asked for on top that do not fit at present. They stay pending on purpose: a cluster autoscaler adds
    /// nodes for pending pods.
    pub overflow: i64,
    /// How the numbers came about, in the order in which the planner decided. Never empty.
    pub reasons: Vec<Reason>,
}

/// Plans one workload, with a reason for every number.
///
/// [`federation_v1::distribute`] gives the same numbers alone, several times faster.
pub fn plan(request: &Request<'_>) -> Plan {
    let explained = federation_v1::distribute_with_reasons(request);
    let placed: i64 = explained.iter().map(|(share, _)| share.planned).sum();
    let placement = |(member, (share, reasons)): (&Member<'_>, (Share, Vec<Reason>))| Placement {
        member: member.name.to_owned(),
        planned: share.planned,
        overflow: share.overflow,
        reasons,
    };
    let mut placements: Vec<_> = request.members.iter().zip(explained).map(placement).collect();
    placements.sort_by(|a, b| a.member.cmp(&b.member));
    Plan { placements, unplaced: request.replicas.saturating_sub(placed).max(0) }
}

// === impl Member ===

impl<'a> Member<'a> {
    /// A member where nothing runs yet and whose capacity is unknown.
    pub fn new(name: &'a str) -> Self {
        Self { name, current: None, capacity: None }
    }
}

// === impl Plan ===

impl Plan {
    /// What `member` gets, if it was part of the request.
    pub fn of(&self, member: &str) -> Option<&Placement> {
        let found = self.placements.binary_search_by(|placement| placement.member.as_str().cmp(member));
        found.ok().map(|at| &self.placements[at])
    }
}

// === impl Placement ===

impl Placement {
    /// What the member's object gets: the planned replicas, and those that ask for capacity.
    pub fn replicas(&self) -> i64 {
        self.planned + self.overflow
    }
}
