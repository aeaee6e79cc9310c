//! Why a member gets what it gets.

use std::fmt;

use serde::Serialize;

use crate::seat::{Seat, UNLIMITED};

/// One step on the way to a member's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The preferences name neither the member nor `*`.
    NotPreferred,
    /// Given by `minReplicas`, before weights count.
    Minimum {
        /// How many.
        replicas: i64,
    },
    /// Running there already, and the preferences do not rebalance.
    Kept {
        /// How many, on top of the minimum.
        replicas: i64,
    },
    /// Given by weight.
    Weight {
        /// The member's weight.
        weight: i64,
        /// The sum of all members' weights.
        of: i64,
        /// How many, on top of the minimum and of what is kept.
        replicas: i64,
    },
    /// It would have got more, but for `maxReplicas`.
    CutToMaximum {
        /// `maxReplicas`.
        max: i64,
    },
    /// It would have got more, but no more fit.
    CutToCapacity {
        /// The estimated capacity.
        capacity: i64,
    },
    /// There were not enough replicas for its minimum, or for all that run there.
    Scarce {
        /// How many it is short of.
        missing: i64,
    },
    /// Left pending there, to ask for capacity.
    Overflow {
        /// How many.
        replicas: i64,
    },
}

/// What a seat holds before the weighted rounds, which do not remember it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BeforeWeights {
    minimum: i64,
    kept: i64,
}

/// The reasons for what `seat` holds at the end of a plan over members whose weights sum up to `weights`.
pub(crate) fn reasons(seat: &Seat, before: BeforeWeights, weights: i64) -> Vec<Reason> {
    if !seat.preferred {
        return vec![Reason::NotPreferred];
    }
    let by_weight = seat.planned - before.minimum - before.kept;
    let cut_to = |limit: i64| limit != UNLIMITED && seat.planned == limit && (seat.closed || seat.lowered);
    let wanted = seat.minimum.max(seat.keep);

    let mut reasons = Vec::with_capacity(2);
    if before.minimum != 0 {
        reasons.push(Reason::Minimum { replicas: before.minimum });
    }
    if before.kept != 0 {
        reasons.push(Reason::Kept { replicas: before.kept });
    }
    if by_weight > 0 {
        reasons.push(Reason::Weight { weight: seat.weight, of: weights, replicas: by_weight });
    }
    if cut_to(seat.max) {
        reasons.push(Reason::CutToMaximum { max: seat.max });
    }
    if cut_to(seat.capacity) {
        reasons.push(Reason::CutToCapacity { capacity: seat.capacity });
    }
    // A maximum may lower a plan below the minimum, which is told by then.
    if wanted > seat.planned && !cut_to(seat.max) {
        reasons.push(Reason::Scarce { missing: wanted - seat.planned });
    }
    if seat.overflow != 0 {
        reasons.push(Reason::Overflow { replicas: seat.overflow });
    }
    if reasons.is_empty() {
        // Nothing, because its weight is 0 or because others took all.
        reasons.push(Reason::Weight { weight: seat.weight, of: weights, replicas: 0 });
    }
    reasons
}

// === impl BeforeWeights ===

impl BeforeWeights {
    pub(crate) fn of(seat: &Seat) -> Self {
        Self { minimum: seat.planned - seat.preallocated, kept: seat.preallocated }
    }
}

// === impl Reason ===

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPreferred => write!(f, "the preferences name neither it nor \"*\""),
            Self::Minimum { replicas } => write!(f, "{replicas} as its minimum"),
            Self::Kept { replicas } => write!(f, "{replicas} kept because they run there"),
            Self::Weight { weight, of, replicas: 0 } => write!(f, "none for its weight of {weight} in {of}"),
            Self::Weight { weight, of, replicas } => write!(f, "{replicas} for its weight of {weight} in {of}"),
            Self::CutToMaximum { max } => write!(f, "cut to its maximum of {max}"),
            Self::CutToCapacity { capacity } => write!(f, "cut to the {capacity} that fit"),
            Self::Scarce { missing } => write!(f, "{missing} short, as no more were left"),
            Self::Overflow { replicas } => write!(f, "{replicas} more left pending to ask for capacity"),
        }
    }
}
