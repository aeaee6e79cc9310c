//! One member's numbers while the plan is made.

use kfed_api::preferences::ClusterPreferences;

use crate::Member;

/// Numbers beyond this count as this. Kubernetes counts replicas in 32 bits; the room above keeps sums over all members
/// within 64.
const LARGEST: i64 = 1 << 40;

/// A limit that is not there. No number of replicas reaches it.
pub(super) const UNLIMITED: i64 = i64::MAX / 2;

/// A member's limits, what it is to have before weights count, and what it has been given so far.
///
/// Kept small: all of a plan's time goes into walks along these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    pub(super) weight: i64,
    /// What the minimum pass gives while enough replicas remain. The maximum does not limit it: in v1 it did not.
    pub(super) minimum: i64,
    /// Up to what the keep pass fills while enough replicas remain.
    pub(super) keep: i64,
    pub(super) max: i64,
    pub(super) capacity: i64,
    pub(super) planned: i64,
    /// What is kept and no weighted portion has covered yet.
    pub(super) preallocated: i64,
    pub(super) overflow: i64,
    /// Whether any preference matches; if none does the seat stays empty.
    pub(super) preferred: bool,
    /// Whether a limit lowered `minimum` or `keep`.
    pub(super) lowered: bool,
    /// Whether a weighted round met a limit.
    pub(super) closed: bool,
}

/// A seat after an offer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offered {
    /// What of the offer was kept before.
    pub(super) used: i64,
    pub(super) planned: i64,
    pub(super) overflow: i64,
    /// Whether it met a limit.
    pub(super) closed: bool,
}

/// A number brought into the range in which sums cannot overflow.
pub(super) fn bounded(number: i64) -> i64 {
    number.clamp(-LARGEST, LARGEST)
}

// === impl Seat ===

impl Seat {
    /// The seat of a member that no preference matches.
    pub(super) const EMPTY: Self = Self {
        weight: 0,
        minimum: 0,
        keep: -UNLIMITED,
        max: UNLIMITED,
        capacity: UNLIMITED,
        planned: 0,
        preallocated: 0,
        overflow: 0,
        preferred: false,
        lowered: false,
        closed: false,
    };

    /// A seat that holds its minimum and what it keeps, as if replicas were enough for everybody.
    pub(super) fn new(member: &Member<'_>, preferences: Option<&ClusterPreferences>, rebalance: bool) -> Self {
        let Some(preferences) = preferences else { return Self::EMPTY };
        let max = preferences.max_replicas.map_or(UNLIMITED, bounded);
        let capacity = member.capacity.map_or(UNLIMITED, bounded);
        let wanted = bounded(preferences.min_replicas);
        let current = if rebalance { -UNLIMITED } else { member.current.map_or(-UNLIMITED, bounded) };
        let (minimum, keep) = (wanted.min(capacity), current.min(max).min(capacity));
        let mut seat = Self {
            weight: bounded(preferences.weight),
            minimum,
            keep,
            max,
            capacity,
            planned: minimum,
            preallocated: 0,
            overflow: 0,
            preferred: true,
            lowered: minimum < wanted || keep < current,
            closed: false,
        };
        seat.fill(i64::MAX);
        seat
    }

    /// The keep pass: fills the seat with at most `remaining` replicas and tells how many it took.
    pub(super) fn fill(&mut self, remaining: i64) -> i64 {
        self.preallocated = (self.keep - self.planned).max(0).min(remaining);
        self.planned += self.preallocated;
        self.preallocated
    }

    /// What becomes of the seat when a weighted round offers it `extra` replicas.
    pub(super) fn offer(&self, extra: i64) -> Offered {
        let used = extra.min(self.preallocated);
        let wanted = self.planned + (extra - used);
        let allowed = wanted.min(self.max);
        let planned = allowed.min(self.capacity);
        let overflow = if allowed > self.capacity { allowed - self.capacity } else { self.overflow };
        Offered { used, planned, overflow, closed: planned < wanted }
    }

    pub(super) fn accept(&mut self, offered: &Offered) {
        self.preallocated -= offered.used;
        self.planned = offered.planned;
        self.overflow = offered.overflow;
        self.closed = offered.closed;
    }
}
