//! Why a member gets what it gets.

use std::fmt;

use serde::Serialize;

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
