//! The order in which replicas are handed out: Webster's, also called Sainte-Laguë's.

use std::cmp::Ordering;

/// What a slot asks for when it holds `number` replicas: one more.
///
/// The greatest is served first. The order is total and a slot's own seats decrease along it, so a division is always the
/// first so many seats of one fixed sequence; all that is promised of it (one replica more takes none away, more weight
/// gives no less, the order of slots is irrelevant) follows from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) weight: i64,
    pub(super) number: i64,
    pub(super) rank: u64,
}

// === impl Seat ===

impl Ord for Seat {
    /// By weight / (2 · number + 1); equals by the heavier, then the lower rank. Seats without weight come last, the emptier
    /// slot's first.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mine, theirs) = (share(self.weight, other.number), share(other.weight, self.number));
        (mine.cmp(&theirs))
            .then_with(|| self.weight.cmp(&other.weight))
            .then_with(|| other.number.cmp(&self.number))
            .then_with(|| other.rank.cmp(&self.rank))
    }
}

impl PartialOrd for Seat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A weight times the other side's divisor. Neither is negative, and 63 times 64 bits fit.
fn share(weight: i64, number: i64) -> u128 {
    u128::from(weight.unsigned_abs()) * u128::from(2 * number.unsigned_abs() + 1)
}
