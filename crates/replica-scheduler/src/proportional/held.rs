//! What held a slot where it is.

use std::cmp::Reverse;

use super::contest::{Contender, fill, sum};
use super::spread::Rule;
use super::{Slot, SpreadRule, contenders};

/// What weight alone would give a slot, and what stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// What the slot would get by weight alone: no bounds, no groups, nothing running, everything placed.
    pub(crate) by_weight: i64,
    /// What decided instead.
    pub(crate) held: Held,
}

/// Why a slot has neither more nor less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing: it has what its weight gives within what others are held to.
    ByWeight,
    /// Without a minimum it would have less.
    Minimum,
    /// Without its maximum it would have more.
    Maximum,
    /// It would have more, had its domain not had too many for this rule, an index into the rules.
    Skew(usize),
    /// Earlier groups took all beyond the minimums.
    Standby,
    /// There are fewer replicas than minimums, and its own is not met.
    Scarce,
    /// It has no weight, which stands for no more than the minimum and, without `rebalance`, what runs.
    NoWeight,
    /// Without `rebalance`: what runs, here or elsewhere, stays.
    Running,
}

/// What decided each of the `numbers` that [`divide`](super::divide) gave for the same arguments, one a slot.
pub(crate) fn shares(
    replicas: i64,
    slots: &[Slot],
    rebalance: bool,
    spread: &[SpreadRule],
    numbers: &[i64],
) -> Vec<Share> {
    let replicas = i128::from(replicas.max(0));
    let mut contenders = contenders(replicas, slots, rebalance);
    contenders.sort_by_key(|contender| contender.index);
    let by_weight = by_weight(replicas, &contenders);
    for (contender, &number) in contenders.iter_mut().zip(numbers) {
        contender.number = number;
    }
    let scarce = sum(&contenders, |contender| contender.floor) >= replicas;
    let unplaced = sum(&contenders, |contender| contender.number) < replicas;
    let rules: Vec<_> = if scarce { Vec::new() } else { spread.iter().map(Rule::new).collect() };
    let tops: Vec<_> = rules.iter().map(|rule| rule.totals(&contenders, |contender| contender.number)).collect();
    // How many more each rule would let its domain have.
    let room = |contender: &Contender| {
        let room = |(rule, totals): (&Rule, &Vec<i128>)| rule.most(totals) - totals[rule.of(contender) as usize];
        rules.iter().zip(&tops).map(room).zip(0..).min()
    };

    // What was given last, and what would be given next: all that waits before the one was held back.
    let start = |contender: &Contender| match rebalance {
        true => contender.floor,
        false => slots[contender.index as usize].current.clamp(contender.floor, contender.ceiling),
    };
    let last = (contenders.iter().filter(|contender| contender.number > start(contender)))
        .map(|contender| {
            (Reverse(contender.group), Contender { number: contender.number - 1, ..*contender }.next_seat())
        })
        .min();
    let next = (contenders.iter())
        .filter(|contender| contender.number < contender.ceiling && room(contender).is_none_or(|(room, _)| room > 0))
        .map(|contender| (Reverse(contender.group), contender.next_seat()))
        .max();
    let waits = |contender: &Contender| {
        unplaced || last.is_some_and(|last| (Reverse(contender.group), contender.next_seat()) > last)
    };
    let first_group = contenders.iter().map(|contender| contender.group).min();
    let stands_by = |contender: &Contender| {
        let idle = |other: &Contender| other.group != contender.group || other.number <= other.floor;
        Some(contender.group) != first_group && !scarce && !unplaced && contenders.iter().all(idle)
    };
    let raised = |contender: &Contender| {
        let top = Contender { number: contender.number - 1, ..*contender };
        scarce || next.is_some_and(|next| (Reverse(top.group), top.next_seat()) < next)
    };

    let held = |contender: &Contender| {
        let slot = &slots[contender.index as usize];
        let Contender { number, floor, .. } = *contender;
        if number < floor {
            Held::Scarce
        } else if slot.weight <= 0 {
            if number > floor { Held::Running } else { Held::NoWeight }
        } else if number >= slot.max && waits(contender) {
            Held::Maximum
        } else if let Some((_, rule)) =
            room(contender).filter(|&(room, _)| (rebalance || room <= 0) && waits(contender))
        {
            // With `rebalance` nothing else passes a slot over.
            Held::Skew(rule)
        } else if number == floor && stands_by(contender) {
            Held::Standby
        } else if number == floor && floor > 0 && raised(contender) {
            Held::Minimum
        } else if !rebalance && number != by_weight[contender.index as usize] {
            Held::Running
        } else {
            Held::ByWeight
        }
    };
    contenders
        .iter()
        .zip(&by_weight)
        .map(|(contender, &by_weight)| Share { by_weight, held: held(contender) })
        .collect()
}

/// The division without anything but weights.
fn by_weight(replicas: i128, contenders: &[Contender]) -> Vec<i64> {
    let free = |contender: &Contender| {
        let ceiling = if contender.weight > 0 { i64::MAX } else { 0 };
        Contender { floor: 0, ceiling, ..*contender }
    };
    let mut free: Vec<_> = contenders.iter().map(free).collect();
    fill(&mut free, replicas);
    let mut numbers = vec![0; free.len()];
    for contender in &free {
        numbers[contender.index as usize] = contender.number;
    }
    numbers
}
