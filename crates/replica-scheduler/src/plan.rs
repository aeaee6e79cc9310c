//! The scheduler's answer.

use serde::Serialize;

use crate::reason::Reason;

/// What every member gets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Plan {
    /// One a member, sorted by name.
    pub placements: Vec<Placement>,
    /// Replicas that no member took, because of filters, maxima, capacities or missing weights.
    pub unplaced: i64,
    /// Replicas that are to move, and wait for a later round.
    #[serde(skip_serializing_if = "is_zero")]
    pub postponed: i64,
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
    /// How the numbers came about, in the order in which the scheduler decided. Never empty.
    pub reasons: Vec<Reason>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
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
        self.planned.saturating_add(self.overflow)
    }

    /// Whether the member may run no replica: what runs there leaves.
    pub fn is_filtered(&self) -> bool {
        self.reasons.iter().any(Reason::filters)
    }
}
