//! Why a seat holds what it holds at the end of a plan.

use kfed_api::preferences::ClusterPreferences;

use crate::federation_v1::number::Number;
use crate::federation_v1::seat::Seat;
use crate::{Member, Reason};

/// What a seat holds before the weighted rounds, which do not remember it.
#[derive(Debug, Clone, Copy)]
pub(super) struct BeforeWeights<N> {
    minimum: N,
    kept: N,
}

/// The reasons for what the seat of `member` holds at the end of a plan over members whose weights sum up to `weights`.
pub(super) fn reasons<N: Number>(
    member: &Member<'_>,
    preferences: Option<&ClusterPreferences>,
    seat: &Seat<N>,
    before: BeforeWeights<N>,
    weights: N,
) -> Vec<Reason> {
    let Some(preferences) = preferences else { return vec![Reason::NotPreferred] };
    let asked = N::from(preferences.min_replicas);
    // Only capacities and totals below 0 make a minimum less than nothing that was not asked to be.
    let minimum = before.minimum.max(asked.min(N::ZERO));
    let kept = (before.minimum + before.kept - minimum).max(N::ZERO);
    let by_weight = seat.planned - minimum - kept;
    let keeps_less = seat.keep > -N::UNLIMITED && member.current.is_some_and(|current| seat.keep < N::from(current));
    let lowered = seat.minimum < asked || keeps_less;
    let cut_to = |limit: N| seat.planned == limit && (seat.closed || lowered);
    let max = preferences.max_replicas.filter(|max| cut_to(N::from(*max)));
    let capacity = member.capacity.filter(|capacity| cut_to(N::from(*capacity)));
    let wanted = seat.minimum.max(seat.keep);

    let mut reasons = Vec::with_capacity(2);
    if minimum != N::ZERO {
        reasons.push(Reason::Minimum { replicas: minimum.told() });
    }
    if kept != N::ZERO {
        reasons.push(Reason::Kept { replicas: kept.told() });
    }
    if by_weight > N::ZERO {
        reasons.push(weight(seat, by_weight, weights));
    }
    if by_weight < N::ZERO {
        reasons.push(Reason::TakenBack { replicas: (-by_weight).told() });
    }
    reasons.extend(max.map(|max| Reason::CutToMaximum { max }));
    reasons.extend(capacity.map(|capacity| Reason::CutToCapacity { capacity, age_seconds: None }));
    // A maximum may lower a plan below the minimum, which is told by then.
    if wanted > seat.planned && max.is_none() {
        reasons.push(Reason::Scarce { missing: (wanted - seat.planned).told() });
    }
    if seat.overflow != N::ZERO {
        reasons.push(Reason::Overflow { replicas: seat.overflow.told() });
    }
    if reasons.is_empty() {
        // Nothing, because its weight is 0 or because others took all.
        reasons.push(weight(seat, N::ZERO, weights));
    }
    reasons
}

fn weight<N: Number>(seat: &Seat<N>, replicas: N, of: N) -> Reason {
    Reason::Weight { weight: seat.weight, of: of.told(), replicas: replicas.told() }
}

// === impl BeforeWeights ===

impl<N: Number> BeforeWeights<N> {
    pub(super) fn of(seat: &Seat<N>) -> Self {
        Self { minimum: seat.planned - seat.preallocated, kept: seat.preallocated }
    }
}
