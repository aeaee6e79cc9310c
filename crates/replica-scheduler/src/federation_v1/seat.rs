//! One member's numbers while the plan is made.

use kfed_api::preferences::ClusterPreferences;

use crate::Member;
use crate::federation_v1::number::Number;

/// A member's limits, what it is to have before weights count, and what it has been given so far.
///
/// Kept small: all of a plan's time goes into walks along these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat<N> {
    pub(super) weight: i64,
    /// What the minimum pass gives while enough replicas remain. The maximum does not limit it: in v1 it did not.
    pub(super) minimum: N,
    /// Up to what the keep pass fills while enough replicas remain.
    pub(super) keep: N,
    pub(super) max: N,
    pub(super) capacity: N,
    pub(super) planned: N,
    /// What is kept and no weighted portion has covered yet.
    pub(super) preallocated: N,
    pub(super) overflow: N,
    /// Whether any preference matches; if none does the seat stays empty.
    pub(super) preferred: bool,
    /// Whether a weighted round met a limit.
    pub(super) closed: bool,
}

/// A seat after an offer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offered<N> {
    /// What of the offer was kept before.
    pub(super) used: N,
    pub(super) planned: N,
    pub(super) overflow: N,
    /// Whether it met a limit.
    pub(super) closed: bool,
}

// === impl Seat ===

impl<N: Number> Seat<N> {
    /// The seat of a member that no preference matches.
    pub(super) const EMPTY: Self = Self {
        weight: 0,
        minimum: N::ZERO,
        keep: N::ZERO,
        max: N::UNLIMITED,
        capacity: N::UNLIMITED,
        planned: N::ZERO,
        preallocated: N::ZERO,
        overflow: N::ZERO,
        preferred: false,
        closed: false,
    };

    /// Whether [`N`](Number) has room for the numbers of a member.
    #[inline(always)]
    pub(super) fn holds(member: &Member<'_>, preferences: &ClusterPreferences) -> bool {
        let ClusterPreferences { weight, min_replicas, max_replicas } = *preferences;
        let [max, current, capacity] = [max_replicas, member.current, member.capacity].map(Option::unwrap_or_default);
        N::holds([weight, min_replicas, max, current, capacity])
    }

    /// A seat that holds its minimum and what it keeps, as if replicas were enough for everybody.
    #[inline(always)]
    pub(super) fn new(member: &Member<'_>, preferences: &ClusterPreferences, rebalance: bool) -> Self {
        let limit = |limit: Option<i64>| limit.map_or(N::UNLIMITED, N::from);
        let (max, capacity) = (limit(preferences.max_replicas), limit(member.capacity));
        let minimum = N::from(preferences.min_replicas).min(capacity);
        let keep = match member.current {
            Some(current) if !rebalance => N::from(current).min(max).min(capacity),
            _ => -N::UNLIMITED,
        };
        let preallocated = (keep - minimum).max(N::ZERO);
        Self {
            weight: preferences.weight,
            minimum,
            keep,
            max,
            capacity,
            planned: minimum + preallocated,
            preallocated,
            overflow: N::ZERO,
            preferred: true,
            closed: false,
        }
    }

    /// The keep pass: fills the seat with at most `remaining` replicas and tells how many it took.
    pub(super) fn fill(&mut self, remaining: N) -> N {
        self.preallocated = (self.keep - self.planned).max(N::ZERO).min(remaining);
        self.planned += self.preallocated;
        self.preallocated
    }

    /// What becomes of the seat when a weighted round offers it `extra` replicas.
    pub(super) fn offer(&self, extra: N) -> Offered<N> {
        let used = extra.min(self.preallocated);
        let wanted = self.planned + (extra - used);
        let allowed = wanted.min(self.max);
        let planned = allowed.min(self.capacity);
        let overflow = if allowed > self.capacity { allowed - self.capacity } else { self.overflow };
        Offered { used, planned, overflow, closed: planned < wanted }
    }

    pub(super) fn accept(&mut self, offered: &Offered<N>) {
        self.preallocated -= offered.used;
        self.planned = offered.planned;
        self.overflow = offered.overflow;
        self.closed = offered.closed;
    }
}
