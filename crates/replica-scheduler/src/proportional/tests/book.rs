//! The method by the book: one replica at a time, or all possible answers one after the other.

use std::cmp::Ordering;

use super::super::{Slot, SpreadRule};

/// The lowest that the slot may get when replicas are enough.
pub(super) fn least(slot: &Slot) -> i64 {
    slot.min.min(slot.max)
}

/// The most that it may get.
pub(super) fn most(slot: &Slot, rebalance: bool) -> i64 {
    match (slot.weight, rebalance) {
        (0, true) => least(slot),
        (0, false) => slot.current.max(least(slot)).min(slot.max),
        _ => slot.max,
    }
}

/// Whether `a`, holding `m`, is served before `b`, holding `n`.
pub(super) fn before(a: &Slot, m: i64, b: &Slot, n: i64) -> Ordering {
    (a.group.cmp(&b.group))
        // a.weight / (2m + 1) against b.weight / (2n + 1), the greater first.
        .then((i128::from(b.weight) * (2 * i128::from(m) + 1)).cmp(&(i128::from(a.weight) * (2 * i128::from(n) + 1))))
        .then(b.weight.cmp(&a.weight))
        .then(m.cmp(&n))
        .then(a.rank.cmp(&b.rank))
}

/// The total of each domain, by a rule.
pub(super) fn totals(rule: &SpreadRule, numbers: &[i64]) -> Vec<(u32, i64)> {
    let mut domains = rule.domain_of.clone();
    domains.sort_unstable();
    domains.dedup();
    let total = |domain| (numbers.iter().zip(&rule.domain_of)).filter(|(_, of)| **of == domain).map(|(n, _)| n).sum();
    domains.into_iter().map(|domain| (domain, total(domain))).collect()
}

/// What no domain may exceed.
pub(super) fn allowed(rule: &SpreadRule, numbers: &[i64]) -> i64 {
    let totals = totals(rule, numbers);
    let lowest =
        if totals.len() < rule.min_domains { 0 } else { totals.iter().map(|(_, total)| *total).min().unwrap_or(0) };
    lowest + rule.max_skew
}

/// Whether the rules hold but for minimums.
pub(super) fn is_even(slots: &[Slot], spread: &[SpreadRule], numbers: &[i64]) -> bool {
    let minimums: Vec<_> = slots.iter().map(least).collect();
    spread.iter().all(|rule| {
        let allowed = allowed(rule, numbers);
        let pairs = totals(rule, numbers).into_iter().zip(totals(rule, &minimums));
        pairs.into_iter().all(|((_, total), (_, minimum))| total <= allowed.max(minimum))
    })
}

/// The rebalanced division.
pub(super) fn divide(replicas: i64, slots: &[Slot], spread: &[SpreadRule]) -> Vec<i64> {
    divide_up_to(replicas, slots, spread, |slot| most(slot, true))
}

/// The rebalanced division with other maxima.
pub(super) fn divide_up_to(
    replicas: i64,
    slots: &[Slot],
    spread: &[SpreadRule],
    most: impl Fn(&Slot) -> i64,
) -> Vec<i64> {
    let mut numbers = vec![0; slots.len()];
    for _ in 0..replicas {
        let toward_minimum = |&at: &usize| numbers[at] < least(&slots[at]);
        let beyond = |&at: &usize| {
            let open = |rule: &SpreadRule| {
                let total =
                    totals(rule, &numbers).into_iter().find(|(domain, _)| *domain == rule.domain_of[at]).unwrap().1;
                total < allowed(rule, &numbers)
            };
            numbers[at] < most(&slots[at]) && spread.iter().all(open)
        };
        let first = |a: &usize, b: &usize| before(&slots[*a], numbers[*a], &slots[*b], numbers[*b]);
        let best = (0..slots.len()).filter(toward_minimum).min_by(first);
        match best.or_else(|| (0..slots.len()).filter(beyond).min_by(first)) {
            Some(best) => numbers[best] += 1,
            None => break,
        }
    }
    numbers
}

/// What each group has.
pub(super) fn group_totals(slots: &[Slot], numbers: &[i64]) -> Vec<i64> {
    let groups = slots.iter().map(|slot| slot.group + 1).max().unwrap_or(0);
    let total = |group| slots.iter().zip(numbers).filter(|(slot, _)| slot.group == group).map(|(_, n)| n).sum();
    (0..groups).map(total).collect()
}

/// Without rebalancing and spread: from what runs, one at a time, until each group has its total.
pub(super) fn keep(replicas: i64, slots: &[Slot]) -> Vec<i64> {
    let target = group_totals(slots, &divide_up_to(replicas, slots, &[], |slot| most(slot, false)));
    let scarce = replicas <= slots.iter().map(least).sum();
    let bounds = |slot: &Slot| if scarce { (0, least(slot)) } else { (least(slot), most(slot, false)) };
    let mut numbers: Vec<_> = slots.iter().map(|slot| slot.current.max(bounds(slot).0).min(bounds(slot).1)).collect();
    for (group, total) in (0..).zip(target) {
        loop {
            let have = group_totals(slots, &numbers)[group as usize];
            let here = (0..slots.len()).filter(|&at| slots[at].group == group);
            match have.cmp(&total) {
                Ordering::Equal => break,
                Ordering::Less => {
                    let open = here.filter(|&at| numbers[at] < bounds(&slots[at]).1);
                    let best = open.min_by(|&a, &b| before(&slots[a], numbers[a], &slots[b], numbers[b]));
                    numbers[best.unwrap()] += 1;
                }
                Ordering::Greater => {
                    let open = here.filter(|&at| numbers[at] > bounds(&slots[at]).0);
                    let worst = open.max_by(|&a, &b| before(&slots[a], numbers[a] - 1, &slots[b], numbers[b] - 1));
                    numbers[worst.unwrap()] -= 1;
                }
            }
        }
    }
    numbers
}

/// How many replicas leave where they run.
pub(super) fn leaving(slots: &[Slot], numbers: &[i64]) -> i64 {
    slots.iter().zip(numbers).map(|(slot, number)| (slot.current - number).max(0)).sum()
}

/// All that slots may get, within bounds and rules, with no more than `replicas` in all.
pub(super) fn possible(
    replicas: i64,
    slots: &[Slot],
    rebalance: bool,
    spread: &[SpreadRule],
    mut each: impl FnMut(&[i64]),
) {
    let scarce = replicas <= slots.iter().map(least).sum();
    let bounds =
        |slot: &Slot| if scarce { (0, least(slot)) } else { (least(slot), most(slot, rebalance).min(replicas)) };
    let spread = if scarce { &[] } else { spread };
    let mut numbers: Vec<i64> = slots.iter().map(|slot| bounds(slot).0).collect();
    loop {
        if numbers.iter().sum::<i64>() <= replicas && is_even(slots, spread, &numbers) {
            each(&numbers);
        }
        let Some(at) = (0..slots.len()).find(|&at| numbers[at] < bounds(&slots[at]).1) else { return };
        numbers[at] += 1;
        for earlier in 0..at {
            numbers[earlier] = bounds(&slots[earlier]).0;
        }
    }
}
