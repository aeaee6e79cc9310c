//! Why a member gets what it gets.

use std::fmt;

use kfed_api::policy::{TaintEffect, Topology};
use serde::Serialize;

/// One step on the way to a member's number.
///
/// A placement's `planned` is the sum of what they [give](Self::gives): [`Minimum`](Self::Minimum), [`Kept`](Self::Kept),
/// [`Weight`](Self::Weight) and [`Postponed`](Self::Postponed), less [`TakenBack`](Self::TakenBack).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Reason {
    /// The preferences name neither the member nor `*`.
    NotPreferred,
    /// The member's labels are not what the selector asks for.
    NotSelected {
        /// What they do not satisfy: `environment in (prod)`.
        requirement: String,
    },
    /// A taint of the member is not tolerated.
    Tainted {
        /// The taint: `maintenance=tonight:NoSchedule`.
        taint: String,
        /// With `NoSchedule` what runs stays; with `NoExecute` it leaves.
        effect: TaintEffect,
    },
    /// A spread over regions or zones is asked for, and the member does not say where it is.
    NoDomain {
        /// What it does not say.
        by: Topology,
    },
    /// A filter of the caller's own does not let the member take replicas.
    Filtered {
        /// The filter's name.
        filter: String,
        /// What it says.
        message: String,
        /// Whether only new replicas are refused.
        keeps: bool,
    },
    /// Other members were chosen, and no more may be.
    NotChosen {
        /// How many may be: `maxClusters`.
        limit: u32,
        /// Its place among the members that were looked at, from 1.
        rank: usize,
    },
    /// Given by `minReplicas`.
    Minimum {
        /// How many. In mode proportional only what its weight and what it keeps do not give.
        replicas: i64,
    },
    /// Running there already, and the preferences do not rebalance.
    Kept {
        /// How many. In mode federation-v1 those on top of the minimum.
        replicas: i64,
    },
    /// Given by weight.
    Weight {
        /// The member's weight.
        weight: i64,
        /// The sum of the weights of all members that may take replicas; 2⁶³ - 1 if it is more.
        of: i64,
        /// How many, on top of the minimum and of what is kept.
        replicas: i64,
    },
    /// In mode federation-v1: a maximum below the minimum takes back what the minimum gave, and a negative capacity, or a
    /// negative number of replicas to place, is planned as it is.
    TakenBack {
        /// How many.
        replicas: i64,
    },
    /// In mode proportional: its weight alone would give another number, were there no bounds, groups, spread, or replicas
    /// that run.
    Wanted {
        /// What its weight would give.
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
        /// How many seconds ago that was seen, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        age_seconds: Option<u64>,
    },
    /// It would have got more, but its domain may not exceed the others any further.
    CutBySkew {
        /// What a domain is.
        by: Topology,
        /// The domain: `westus`, `westus/1`.
        domain: String,
        /// By how many it may exceed them.
        max_skew: u32,
    },
    /// Its domain exceeds the others further than asked, because minimums come first.
    SkewedByMinimum {
        /// What a domain is.
        by: Topology,
        /// The domain: `westus`, `westus/1`.
        domain: String,
        /// By how many it was to exceed them at most.
        max_skew: u32,
    },
    /// An earlier group takes all but the minimum.
    Standby {
        /// The member's group; empty for members in none.
        group: String,
        /// The last group before it that takes replicas.
        behind: String,
    },
    /// It takes what earlier groups have no room for.
    Fallback {
        /// The member's group; empty for members in none.
        group: String,
        /// The group before it that is full.
        behind: String,
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
    /// Running there, and to leave.
    Leaving {
        /// How many leave in this round.
        replicas: i64,
    },
    /// To move, but not in this round, which moves no more than `maxMoves`.
    Postponed {
        /// How many stay until later; negative: how many come later.
        replicas: i64,
    },
}

// === impl Reason ===

impl Reason {
    /// Whether it alone keeps the member from running any replica.
    pub fn filters(&self) -> bool {
        match self {
            Self::NotPreferred | Self::NotSelected { .. } | Self::NoDomain { .. } | Self::NotChosen { .. } => true,
            Self::Tainted { effect, .. } => *effect == TaintEffect::NoExecute,
            Self::Filtered { keeps, .. } => !keeps,
            _ => false,
        }
    }

    /// What it contributes to the number of planned replicas.
    pub fn gives(&self) -> i64 {
        match self {
            Self::Minimum { replicas }
            | Self::Kept { replicas }
            | Self::Weight { replicas, .. }
            | Self::Postponed { replicas } => *replicas,
            Self::TakenBack { replicas } => replicas.saturating_neg(),
            _ => 0,
        }
    }

    /// Whether it is why the member gets no more.
    pub fn limits(&self) -> bool {
        self.filters()
            || matches!(
                self,
                Self::Tainted { .. }
                    | Self::Filtered { .. }
                    | Self::CutToMaximum { .. }
                    | Self::CutToCapacity { .. }
                    | Self::CutBySkew { .. }
            )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPreferred => write!(f, "the preferences name neither it nor \"*\""),
            Self::NotSelected { requirement } => write!(f, "its labels are not {requirement}"),
            Self::Tainted { taint, effect: TaintEffect::NoExecute } => {
                write!(f, "may run none: taint {taint} is not tolerated")
            }
            Self::Tainted { taint, .. } => write!(f, "takes no new ones: taint {taint} is not tolerated"),
            Self::NoDomain { by } => write!(f, "says no {by}, and a spread by {by} is asked for"),
            Self::Filtered { filter, message, keeps: true } => write!(f, "takes no new ones: {message} ({filter})"),
            Self::Filtered { filter, message, keeps: false } => write!(f, "may run none: {message} ({filter})"),
            Self::NotChosen { limit, rank } => write!(f, "ranks {rank}, and maxClusters allows {limit}"),
            Self::Minimum { replicas } => write!(f, "{replicas} as its minimum"),
            Self::Kept { replicas } => write!(f, "{replicas} kept because they run there"),
            Self::Weight { weight, of, replicas: 0 } => write!(f, "none for its weight of {weight} in {of}"),
            Self::Weight { weight, of, replicas } => write!(f, "{replicas} for its weight of {weight} in {of}"),
            Self::TakenBack { replicas } => write!(f, "{replicas} taken back"),
            Self::Wanted { replicas } => write!(f, "its weight asks for {replicas}"),
            Self::CutToMaximum { max } => write!(f, "cut to its maximum of {max}"),
            Self::CutToCapacity { capacity, age_seconds: None } => write!(f, "cut to the {capacity} that fit"),
            Self::CutToCapacity { capacity, age_seconds: Some(age) } => {
                write!(f, "cut to the {capacity} that fit (seen {} ago)", Age(*age))
            }
            Self::CutBySkew { by, domain, max_skew } => {
                write!(f, "cut so that {by} {domain} leads by no more than {max_skew}")
            }
            Self::SkewedByMinimum { by, domain, max_skew } => {
                write!(f, "minimums make {by} {domain} lead by more than {max_skew}")
            }
            Self::Standby { group, behind } => write!(f, "stands by{} behind group {behind}", In(group)),
            Self::Fallback { group, behind } => write!(f, "takes over{} what group {behind} cannot", In(group)),
            Self::Scarce { missing } => write!(f, "{missing} short, as no more were left"),
            Self::Overflow { replicas } => write!(f, "{replicas} more left pending to ask for capacity"),
            Self::Leaving { replicas } => write!(f, "{replicas} that run there leave"),
            Self::Postponed { replicas } if *replicas < 0 => {
                write!(f, "{} of these come later", replicas.unsigned_abs())
            }
            Self::Postponed { replicas } => write!(f, "{replicas} more stay until later rounds"),
        }
    }
}

/// Seconds as people say them.
struct Age(u64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ 0..120 => write!(f, "{seconds} s"),
            seconds @ 120..7200 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{} h", seconds / 3600),
        }
    }
}

/// In which group, if in any.
struct In<'a>(&'a str);

impl fmt::Display for In<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " in group {}", self.0) }
    }
}
