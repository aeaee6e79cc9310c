//! What is asked of the planner, and its answer.

use kfed_api::preferences::ReplicaPreferences;
use serde::Serialize;

use crate::distribute::Table;
use crate::reason::{BeforeWeights, Reason, reasons};
use crate::seat::Seat;

/// One workload and the members that may run it.
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

/// The numbers of one member, without reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Replicas expected to run there.
    pub planned: i64,
    /// Replicas asked for on top that do not fit at present.
    pub overflow: i64,
}

/// Plans one workload, with a reason for every number.
///
/// [`distribute`](crate::distribute) gives the same numbers alone, several times faster.
pub fn plan(request: &Request<'_>) -> Plan {
    let mut table = Table::new(request);
    table.give_what_comes_before_weights();
    let before: Vec<_> = table.seats.iter().map(BeforeWeights::of).collect();
    table.give_by_weight();
    let placed: i64 = table.seats.iter().map(|seat| seat.planned).sum();
    let placement = |(at, (seat, before)): (usize, (&Seat, BeforeWeights))| Placement {
        member: request.members[table.member(at)].name.to_owned(),
        planned: seat.planned,
        overflow: seat.overflow,
        reasons: reasons(seat, before, table.weights),
    };
    let placements = table.seats.iter().zip(before).enumerate().map(placement).collect();
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

// === impl Share ===

impl Share {
    /// What the member's object gets: the planned replicas, and those that ask for capacity.
    pub fn replicas(&self) -> i64 {
        self.planned + self.overflow
    }
}
