//! Why a seat holds what it holds at the end of a plan.

use crate::Reason;
use crate::federation_v1::seat::{Seat, UNLIMITED};

/// What a seat holds before the weighted rounds, which do not remember it.
#[derive(Debug, Clone, Copy)]
pub(super) struct BeforeWeights {
    minimum: i64,
    kept: i64,
}

/// The reasons for what `seat` holds at the end of a plan over members whose weights sum up to `weights`.
pub(super) fn reasons(seat: &Seat, before: BeforeWeights, weights: i64) -> Vec<Reason> {
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
        reasons.push(Reason::CutToCapacity { capacity: seat.capacity, age_seconds: None });
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
    pub(super) fn of(seat: &Seat) -> Self {
        Self { minimum: seat.planned - seat.preallocated, kept: seat.preallocated }
    }
}
