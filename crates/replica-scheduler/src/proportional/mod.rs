//! Mode `proportional`: weights over the whole total, inside bounds, by Webster's method.
//!
//! ```text
//! minimums of all ─► group 0 by weight, as far as its bounds and the skew allow ─► group 1 ─► …   (the target)
//!                    rebalance: false ─► from what runs to the target's totals with the fewest replicas leaving
//! ```
//!
//! Arithmetic alone: a [`Slot`] is a member's numbers, without its name. A division is the first so many seats of one fixed
//! sequence (see [`seat`]). What holds:
//! - bounds are never broken, and the sum is the total wherever bounds and skew can be reached one replica at a time;
//! - one replica more takes none away anywhere, with groups and spread too (with `rebalance`; see [`spread`] for the one
//!   exception, two rules and more than 65,536 replicas);
//! - more weight gives a slot no less (without spread, which ties slots to others of their domain);
//! - without `rebalance` as few replicas leave their slots as the bounds, the totals of the groups and the spread rules allow
//!   (see [`flow`] for how far that is proven);
//! - dividing again from the result changes nothing, and the order of slots is irrelevant.

mod contest;
mod flow;
mod held;
mod seat;
mod spread;
mod sticky;

use contest::{Contender, fill, fill_groups, sum};
pub(crate) use held::{Held, Share, shares};
use spread::Rule;

/// A limit that is not there.
pub(crate) const UNLIMITED: i64 = i64::MAX;

/// One member's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its share of what minimums leave; nothing beyond the minimum (and what runs, without `rebalance`) if 0.
    pub(crate) weight: i64,
    /// At least 0. Above `max` it counts as `max`.
    pub(crate) min: i64,
    /// The lower of `maxReplicas` and capacity, or [`UNLIMITED`].
    pub(crate) max: i64,
    /// What runs there.
    pub(crate) current: i64,
    /// Tells equals apart: the lower goes first. No two slots have the same.
    pub(crate) rank: u64,
    /// Group 0 is served first.
    pub(crate) group: u32,
}

/// No domain may have more than `max_skew` replicas more than the emptiest, except by minimums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpreadRule {
    /// At least 1; less counts as 1.
    pub(crate) max_skew: i64,
    /// With fewer domains the emptiest counts as 0, as in Kubernetes' `topologySpreadConstraints`.
    pub(crate) min_domains: usize,
    /// For each slot its domain. Every slot counts for its domain, also one whose maximum is 0, as a full node does there.
    pub(crate) domain_of: Vec<u32>,
}

/// Who gets how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Division {
    /// One a slot, in their order.
    pub(crate) numbers: Vec<i64>,
    /// What no slot could take.
    pub(crate) unplaced: i64,
}

/// Divides `replicas` (less than 0 counts as 0) over `slots`.
///
/// With `rebalance` what runs is irrelevant. Fewer replicas than all minimums are divided by the same method towards the
/// minimums, the groups in their order, without regard to spread.
pub(crate) fn divide(replicas: i64, slots: &[Slot], rebalance: bool, spread: &[SpreadRule]) -> Division {
    let replicas = i128::from(replicas.max(0));
    let mut contenders = contenders(replicas, slots, rebalance);
    let minimums = sum(&contenders, |contender| contender.floor);
    let current = |contender: &Contender| slots[contender.index as usize].current;
    if replicas <= minimums {
        for contender in &mut contenders {
            (contender.floor, contender.ceiling) = (0, contender.floor);
        }
    }
    match (replicas <= minimums || spread.is_empty(), rebalance) {
        (true, true) => fill_groups(&mut contenders, replicas),
        (true, false) => sticky::keep(&mut contenders, current, replicas),
        (false, _) => {
            let rules: Vec<_> = spread.iter().map(Rule::new).collect();
            spread::fill(&mut contenders, replicas, &rules);
            if !rebalance {
                sticky::keep_spread(&mut contenders, current, &rules);
            }
        }
    }

    let mut numbers = vec![0; slots.len()];
    for contender in &contenders {
        numbers[contender.index as usize] = contender.number;
    }
    let placed: i128 = numbers.iter().map(|number| i128::from(*number)).sum();
    Division { numbers, unplaced: (replicas - placed) as i64 }
}

/// `total` over slots of equal weight from 0 to their `ceilings`, equals in their order.
pub(crate) fn fill_evenly(ceilings: &[i64], total: i128) -> Vec<i64> {
    let contender = |(index, &ceiling): (u32, &i64)| Contender {
        weight: 1,
        rank: u64::from(index),
        group: 0,
        index,
        floor: 0,
        ceiling,
        number: 0,
    };
    let mut contenders: Vec<_> = (0..).zip(ceilings).map(contender).collect();
    fill(&mut contenders, total);
    contenders.iter().map(|contender| contender.number).collect()
}

/// Slots sorted by group, from their minimum to the most they can take.
fn contenders(replicas: i128, slots: &[Slot], rebalance: bool) -> Vec<Contender> {
    let minimum = |slot: &Slot| slot.min.max(0).min(slot.max.max(0));
    let minimums: i128 = slots.iter().map(|slot| i128::from(minimum(slot))).sum();
    // Nobody gets more than what the minimums of all leave.
    let extra = (replicas - minimums).max(0) as i64;
    let contender = |(index, slot): (u32, &Slot)| {
        let floor = minimum(slot);
        let most = slot.max.clamp(floor, floor + extra);
        let ceiling = match (slot.weight > 0, rebalance) {
            (true, _) => most,
            (false, true) => floor,
            (false, false) => slot.current.clamp(floor, most),
        };
        let weight = slot.weight.max(0);
        Contender { weight, rank: slot.rank, group: slot.group, index, floor, ceiling, number: floor }
    };
    let mut contenders: Vec<_> = (0..).zip(slots).map(contender).collect();
    if !contenders.is_sorted_by_key(|contender| contender.group) {
        contenders.sort_by_key(|contender| contender.group);
    }
    contenders
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::cases;
