//! Without `rebalance`: as few replicas as possible leave where they run.
//!
//! - Without spread each group's total is given; from what runs, inside bounds, each group adds its best seats or gives up
//!   its worst. What leaves is what bounds and a smaller total force out.
//! - With one spread rule and one group, the level of the emptiest domain decides how much leaves: a higher one lets full
//!   domains keep more and needs more for the empty. The best level is searched, so that here too nothing leaves needlessly.
//! - With groups and spread, or two rules, replicas move from where they run towards the rebalanced division, worst to best,
//!   until the rules hold: none where what runs breaks no rule and fits the groups' totals. (Those totals count what slots
//!   without weight keep; where that shrinks they may change once more when divided again.) From there [`flow`] finds the
//!   fewest.

use std::cmp::Ordering;

use super::contest::{Contender, Rate, fill, sum};
use super::flow;
use super::spread::{self, Rule};

/// Keeps what runs as far as each group's total, taken by groups in their order, allows.
pub(super) fn keep(contenders: &mut [Contender], current: impl Fn(&Contender) -> i64, total: i128) {
    let floors = sum(contenders, |contender| contender.floor);
    let mut extra = (total - floors).max(0);
    for group in contenders.chunk_by_mut(|a, b| a.group == b.group) {
        let (floors, ceilings) = (sum(group, |contender| contender.floor), sum(group, |contender| contender.ceiling));
        let beyond = extra.min(ceilings - floors);
        // Less than the floors only where they are 0.
        keep_total(group, &current, floors + beyond);
        extra -= beyond;
    }
}

/// Keeps what runs under spread rules, where `contenders` hold the rebalanced division.
pub(super) fn keep_spread(contenders: &mut [Contender], current: impl Fn(&Contender) -> i64, rules: &[Rule]) {
    let one_group = contenders.windows(2).all(|pair| pair[0].group == pair[1].group);
    match rules {
        [rule] if one_group => keep_level(contenders, current, rule),
        _ => keep_towards(contenders, current, rules),
    }
}

/// Fills to `total` from what runs: adds the best seats, or gives up the worst.
fn keep_total(contenders: &mut [Contender], current: &impl Fn(&Contender) -> i64, total: i128) {
    let running = sum(contenders, |contender| kept(contender, current));
    for contender in &mut *contenders {
        let kept = kept(contender, current);
        if running <= total {
            contender.floor = kept;
        } else {
            contender.ceiling = kept;
        }
    }
    fill(contenders, total);
}

/// What a slot keeps if nobody else needs it.
fn kept(contender: &Contender, current: impl Fn(&Contender) -> i64) -> i64 {
    current(contender).clamp(contender.floor, contender.ceiling)
}

/// One rule, one group.
fn keep_level(contenders: &mut [Contender], current: impl Fn(&Contender) -> i64, rule: &Rule) {
    let total = sum(contenders, |contender| contender.number);
    let lows = rule.totals(contenders, |contender| contender.floor);
    let highs = rule.totals(contenders, |contender| contender.ceiling);
    let running = rule.totals(contenders, |contender| kept(contender, &current));
    let all_running: i128 = running.iter().sum();

    // What domains may have where the emptiest has at least `level`.
    let bounds = |level: i128| {
        let least = if rule.from_zero { 0 } else { level };
        lows.iter().zip(&highs).map(move |(&low, &high)| (low.max(least), low.max(high.min(least + rule.skew))))
    };
    // What runs above the bounds leaves, and what the bounds demand on top must leave somewhere if it is not new.
    let out = |level| running.iter().zip(bounds(level)).map(|(runs, (_, most))| (runs - most).max(0)).sum::<i128>();
    let into = |level| running.iter().zip(bounds(level)).map(|(runs, (least, _))| (least - runs).max(0)).sum::<i128>();
    let pushed_out = |level| all_running + into(level) - total;

    let mut level = 0;
    if !rule.from_zero {
        let top = highs.iter().copied().min().unwrap_or(0);
        let first = first_where(0, top, |level| bounds(level).map(|(_, most)| most).sum::<i128>() >= total);
        let last = first_where(first, top + 1, |level| bounds(level).map(|(least, _)| least).sum::<i128>() > total) - 1;
        // The one falls with the level, the other rises: the best is where they meet.
        level = first_where(first, last, |level| out(level) <= pushed_out(level));
        if level > first && out(level - 1).max(pushed_out(level - 1)) <= out(level).max(pushed_out(level)) {
            level -= 1;
        }
    }

    let bounds: Vec<_> = bounds(level).collect();
    let nearest: Vec<_> =
        running.iter().zip(&bounds).map(|(runs, &(least, most))| (*runs).clamp(least, most)).collect();
    let adds = nearest.iter().sum::<i128>() <= total;
    let domain_bounds = nearest.iter().zip(&bounds).map(|(&nearest, &(least, most))| match adds {
        true => (nearest, most),
        false => (least, nearest),
    });
    let domain_bounds: Vec<_> = domain_bounds.collect();
    // A domain that gives some up takes none in, and the other way round.
    let grows = |domain: usize| match running[domain].cmp(&nearest[domain]) {
        Ordering::Less => true,
        Ordering::Equal => adds,
        Ordering::Greater => false,
    };
    for contender in &mut *contenders {
        let kept = kept(contender, &current);
        if grows(rule.of(contender) as usize) {
            contender.floor = kept;
        } else {
            contender.ceiling = kept;
        }
    }
    fill_domains(contenders, rule, &domain_bounds, total);
}

/// By seats, each domain between its bounds, which allow for `total`.
fn fill_domains(contenders: &mut [Contender], rule: &Rule, bounds: &[(i128, i128)], total: i128) {
    contenders.sort_by_key(|contender| rule.of(contender));
    let heaviest = contenders.iter().map(|contender| contender.weight).max().unwrap_or(0).max(1);
    let rate = Rate::finest(heaviest);
    let highest = i128::from(contenders.iter().map(|contender| contender.ceiling).max().unwrap_or(0));
    // All that slots with weight take comes before anything for those without: two thresholds, one after the other.
    let fair = |contender: &Contender, at: i128, weightless: i128| {
        let weightless = || i64::try_from(weightless).unwrap_or(i64::MAX);
        let fair = if contender.weight > 0 { rate.times(at.unsigned_abs(), contender.weight) } else { weightless() };
        fair.clamp(contender.floor, contender.ceiling)
    };
    let totals_at = |contenders: &[Contender], at: i128, weightless: i128| {
        let totals = rule.totals(contenders, |contender| fair(contender, at, weightless));
        totals.into_iter().zip(bounds).map(|(total, &(least, most))| total.clamp(least, most)).collect::<Vec<i128>>()
    };
    let beyond = rate.beyond(highest).cast_signed();
    let exceeds = |at: i128, weightless: i128| totals_at(contenders, at, weightless).iter().sum::<i128>() > total;
    let (at, weightless) = if exceeds(beyond, 0) {
        (first_where(0, beyond, |at| exceeds(at, 0)) - 1, 0)
    } else {
        (beyond, first_where(0, highest + 1, |weightless| exceeds(beyond, weightless)) - 1)
    };
    let mut totals = totals_at(contenders, at.max(0), weightless.max(0));
    for domain in contenders.chunk_by_mut(|a, b| rule.of(a) == rule.of(b)) {
        fill(domain, totals[rule.of(&domain[0]) as usize]);
    }

    // No slot lacks more than a seat now.
    for _ in totals.iter().sum::<i128>()..total {
        let open = |contender: &&mut Contender| {
            let domain = rule.of(contender) as usize;
            contender.number < contender.ceiling && totals[domain] < bounds[domain].1
        };
        let best = contenders.iter_mut().filter(open).max_by_key(|contender| contender.next_seat());
        let Some(best) = best else { return };
        best.number += 1;
        totals[rule.of(best) as usize] += 1;
    }
}

/// From what runs towards the rebalanced division, as far as it takes for the rules to hold.
fn keep_towards(contenders: &mut [Contender], current: impl Fn(&Contender) -> i64, rules: &[Rule]) {
    let target: Vec<i64> = contenders.iter().map(|contender| contender.number).collect();
    let running: Vec<i64> = contenders.iter().map(|contender| kept(contender, &current)).collect();
    let all = |numbers: &[i64]| numbers.iter().map(|number| i128::from(*number)).sum::<i128>();
    // First each group gets its total, without moves.
    let mut from = running.clone();
    let mut moves = 0i128;
    let mut start = 0;
    for group in contenders.chunk_by(|a, b| a.group == b.group) {
        let here = start..start + group.len();
        let (target, running) = (&target[here.clone()], &running[here.clone()]);
        let (all_target, all_running) = (all(target), all(running));
        let bounds = running.iter().zip(target).map(|(&running, &target)| {
            if all_running <= all_target { (running, running.max(target)) } else { (running.min(target), running) }
        });
        from[here.clone()].copy_from_slice(&between(group, bounds, all_target));
        moves += from[here].iter().zip(target).map(|(from, target)| i128::from((from - target).max(0))).sum::<i128>();
        start += group.len();
    }

    // Then replicas move, the worst to the best, groups in their order.
    let mut after = |moves: i128| {
        let mut left = moves;
        let mut start = 0;
        let mut numbers = Vec::with_capacity(target.len());
        for group in contenders.chunk_by(|a, b| a.group == b.group) {
            let here = start..start + group.len();
            let pairs = || from[here.clone()].iter().copied().zip(target[here.clone()].iter().copied());
            let over: i128 = pairs().map(|(from, target)| i128::from((from - target).max(0))).sum();
            let now = left.min(over);
            left -= now;
            let shrunk = between(group, pairs().map(|(from, target)| (from.min(target), from)), {
                pairs().map(|(from, _)| i128::from(from)).sum::<i128>() - now
            });
            let grown = between(group, pairs().map(|(from, target)| (from, from.max(target))), {
                pairs().map(|(from, _)| i128::from(from)).sum::<i128>() + now
            });
            numbers.extend(
                pairs().zip(shrunk.iter().zip(&grown)).map(|((from, _), (shrunk, grown))| shrunk - from + grown),
            );
            start += group.len();
        }
        for (contender, number) in contenders.iter_mut().zip(numbers) {
            contender.number = number;
        }
        spread::is_even(contenders, rules)
    };
    // Evenness need not grow step by step: what is found is even, but fewer moves may do too, and a flow tells. What is even
    // stays.
    if !after(0) {
        let fewest = first_where(1, moves, &mut after);
        after(fewest);
        flow::fewest_leave(contenders, &running, &target, rules);
    }
}

/// By seats between bounds.
fn between(contenders: &[Contender], bounds: impl Iterator<Item = (i64, i64)>, total: i128) -> Vec<i64> {
    let bounded = |((at, contender), (floor, ceiling)): ((u32, &Contender), _)| Contender {
        index: at,
        floor,
        ceiling,
        ..*contender
    };
    let mut copy: Vec<_> = (0..).zip(contenders).zip(bounds).map(bounded).collect();
    fill(&mut copy, total);
    let mut numbers = vec![0; contenders.len()];
    for contender in &copy {
        numbers[contender.index as usize] = contender.number;
    }
    numbers
}

/// The first number in `from..to` of which something holds that holds of all after it, or `to`.
fn first_where<N: Into<i128> + TryFrom<i128> + Copy>(from: N, to: N, mut holds: impl FnMut(N) -> bool) -> N {
    let (mut from, mut last, end) = (from.into(), to.into(), to);
    while from < last {
        let middle = from + (last - from) / 2;
        // Between two numbers of that type.
        let Ok(number) = N::try_from(middle) else { return end };
        if holds(number) {
            last = middle;
        } else {
            from = middle + 1;
        }
    }
    N::try_from(from).unwrap_or(end)
}
