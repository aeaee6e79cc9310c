//! Limits on how uneven domains (regions, zones) may be.
//!
//! What is meant is [`climb`]: beyond the minimums replicas are placed one at a time, each in the best slot whose domains
//! may take one more, as a scheduler that sees `maxSkew` would place pods. So a larger total only ever adds, and a plan can
//! be rolled out step by step without breaking a rule. With one rule the end is the most that bounds and skew allow. With
//! two (zones in regions) it is the most that can be reached in single steps: three zones in two regions and a skew of 1
//! each end at 2 + (2, 1), although 3 + (2, 2) would be even enough again.
//!
//! The state that is reached by the time the seats down to some threshold are served needs no steps. With one rule it is
//! closed: a domain holds its seats above the threshold, but no more than the emptiest domain's seats above it and the skew.
//! With two rules that is no longer a state of the climb; it serves as the start for totals beyond [`STEPS`] all the same, as
//! it breaks no rule. There a larger total may move replicas, and rules that keep undoing each other may leave some unplaced.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::SpreadRule;
use super::contest::{Contender, Rate, fill_groups, sum};

/// Up to how many replicas are placed one at a time under two rules.
const STEPS: i128 = 1 << 16;
/// How often two rules may undo each other before a threshold counts as beyond them.
const ROUNDS: u32 = 64;

/// A rule with domains numbered from 0.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) skew: i128,
    /// Too few domains: the emptiest counts as 0.
    pub(super) from_zero: bool,
    /// How many domains there are.
    pub(super) domains: usize,
    /// For each slot its domain.
    of: Vec<u32>,
}

/// Fills contenders beyond their floors as far as `replicas`, ceilings and rules go.
pub(super) fn fill(contenders: &mut [Contender], replicas: i128, rules: &[Rule]) {
    let floors = sum(contenders, |contender| contender.floor);
    contenders.iter_mut().for_each(|contender| contender.number = contender.floor);
    if rules.len() == 1 || replicas - floors > STEPS {
        leap(contenders, replicas, rules);
    }
    climb(contenders, replicas, rules);
}

/// Whether the rules hold where minimums do not break them.
pub(super) fn is_even(contenders: &[Contender], rules: &[Rule]) -> bool {
    rules.iter().all(|rule| {
        let totals = rule.totals(contenders, |contender| contender.number);
        let floors = rule.totals(contenders, |contender| contender.floor);
        let most = rule.most(&totals);
        totals.iter().zip(floors).all(|(total, floor)| *total <= most.max(floor))
    })
}

/// One replica at a time, until there are `replicas` or no slot may take one more.
pub(super) fn climb(contenders: &mut [Contender], replicas: i128, rules: &[Rule]) {
    let mut missing = replicas - sum(contenders, |contender| contender.number);
    if missing <= 0 {
        return;
    }
    if rules.len() > 1 {
        missing = missing.min(STEPS);
    }
    // Slots of the same domains are open or not together.
    let mut cells: BTreeMap<Vec<u32>, BinaryHeap<_>> = BTreeMap::new();
    for (at, contender) in contenders.iter().enumerate() {
        if contender.number < contender.ceiling {
            let domains = rules.iter().map(|rule| rule.of(contender)).collect();
            cells.entry(domains).or_default().push((Reverse(contender.group), contender.next_seat(), at));
        }
    }
    let mut cells: Vec<_> = cells.into_iter().collect();
    let mut levels: Vec<Level> = rules.iter().map(|rule| Level::new(rule, contenders)).collect();
    while missing > 0 {
        let open = |domains: &[u32]| levels.iter().zip(domains).all(|(level, &domain)| level.is_open(domain));
        let best = cells.iter_mut().filter(|(domains, _)| open(domains)).max_by(|a, b| a.1.peek().cmp(&b.1.peek()));
        let Some((domains, seats)) = best else { return };
        // An empty heap is less than any other.
        let Some((group, _, at)) = seats.pop() else { return };
        let contender = &mut contenders[at];
        contender.number += 1;
        if contender.number < contender.ceiling {
            seats.push((group, contender.next_seat(), at));
        }
        for (level, &domain) in levels.iter_mut().zip(&*domains) {
            level.add(domain);
        }
        missing -= 1;
    }
}

/// To the last threshold at which no more than `replicas` are placed.
fn leap(contenders: &mut [Contender], replicas: i128, rules: &[Rule]) {
    // Slots without weight come after all others of their group, as equals.
    let class = |contender: &Contender| (contender.group, contender.weight == 0);
    contenders.sort_unstable_by_key(class);
    let ends: Vec<usize> = contenders
        .chunk_by(|a, b| class(a) == class(b))
        .scan(0, |end, chunk| {
            *end += chunk.len();
            Some(*end)
        })
        .collect();

    let mut start = 0;
    for end in ends {
        contenders[start..end].iter_mut().for_each(|contender| contender.number = contender.ceiling);
        if !suffices(contenders, replicas, rules) {
            let heaviest = contenders[start..end].iter().map(|contender| contender.weight.max(1)).max().unwrap_or(1);
            let rate = Rate::finest(heaviest);
            let set = |contenders: &mut [Contender], at: u128| {
                for contender in &mut contenders[start..end] {
                    contender.number =
                        rate.times(at, contender.weight.max(1)).clamp(contender.floor, contender.ceiling);
                }
            };
            let (mut below, mut above) = (0, rate.beyond(replicas));
            while above - below > 1 {
                let middle = below + (above - below) / 2;
                set(contenders, middle);
                if suffices(contenders, replicas, rules) {
                    below = middle;
                } else {
                    above = middle;
                }
            }
            set(contenders, below);
            break;
        }
        start = end;
    }
    restrain(contenders, rules);
    contenders.sort_by_key(|contender| contender.group);
}

/// Whether [`restrain`] leaves no more than `replicas`.
fn suffices(contenders: &[Contender], replicas: i128, rules: &[Rule]) -> bool {
    if let [rule] = rules {
        let totals = rule.totals(contenders, |contender| contender.number);
        let floors = rule.totals(contenders, |contender| contender.floor);
        let most = rule.most(&totals);
        return totals.iter().zip(floors).map(|(&total, floor)| total.min(most.max(floor))).sum::<i128>() <= replicas;
    }
    let mut copy = contenders.to_vec();
    restrain(&mut copy, rules) && sum(&copy, |contender| contender.number) <= replicas
}

/// Takes the last seats away from domains that have too many, until no rule is broken; false if that does not end soon.
fn restrain(contenders: &mut [Contender], rules: &[Rule]) -> bool {
    for _ in 0..ROUNDS {
        let mut changed = false;
        for rule in rules {
            let most = rule.most(&rule.totals(contenders, |contender| contender.number));
            contenders.sort_by_key(|contender| (rule.of(contender), contender.group));
            for domain in contenders.chunk_by_mut(|a, b| rule.of(a) == rule.of(b)) {
                let allowed = most.max(sum(domain, |contender| contender.floor));
                if sum(domain, |contender| contender.number) > allowed {
                    within_numbers(domain, allowed);
                    changed = true;
                }
            }
        }
        if !changed {
            return true;
        }
    }
    false
}

/// The first `total` of the seats that the contenders hold.
fn within_numbers(contenders: &mut [Contender], total: i128) {
    let ceilings: Vec<_> = contenders.iter().map(|contender| (contender.index, contender.ceiling)).collect();
    contenders.iter_mut().for_each(|contender| contender.ceiling = contender.number);
    fill_groups(contenders, total);
    let ceilings: BTreeMap<_, _> = ceilings.into_iter().collect();
    contenders.iter_mut().for_each(|contender| contender.ceiling = ceilings[&contender.index]);
}

/// A rule's domains during a climb.
struct Level<'a> {
    rule: &'a Rule,
    totals: Vec<i128>,
    most: i128,
}

// === impl Rule ===

impl Rule {
    pub(super) fn new(rule: &SpreadRule) -> Self {
        let mut names = rule.domain_of.clone();
        names.sort_unstable();
        names.dedup();
        let of = |domain| (0u32..).zip(&names).find(|(_, name)| *name == domain).map_or(0, |(at, _)| at);
        Self {
            skew: rule.max_skew.max(1).into(),
            from_zero: names.len() < rule.min_domains,
            domains: names.len(),
            of: rule.domain_of.iter().map(of).collect(),
        }
    }

    /// The contender's domain.
    pub(super) fn of(&self, contender: &Contender) -> u32 {
        self.of[contender.index as usize]
    }

    /// The sum of something over each domain.
    pub(super) fn totals(&self, contenders: &[Contender], what: impl Fn(&Contender) -> i64) -> Vec<i128> {
        let mut totals = vec![0; self.domains];
        for contender in contenders {
            totals[self.of(contender) as usize] += i128::from(what(contender));
        }
        totals
    }

    /// The most that a domain may have beside such others.
    pub(super) fn most(&self, totals: &[i128]) -> i128 {
        let least = if self.from_zero { 0 } else { totals.iter().copied().min().unwrap_or(0) };
        least + self.skew
    }
}

// === impl Level ===

impl<'a> Level<'a> {
    fn new(rule: &'a Rule, contenders: &[Contender]) -> Self {
        let totals = rule.totals(contenders, |contender| contender.number);
        let most = rule.most(&totals);
        Self { rule, totals, most }
    }

    fn is_open(&self, domain: u32) -> bool {
        self.totals[domain as usize] < self.most
    }

    fn add(&mut self, domain: u32) {
        let total = &mut self.totals[domain as usize];
        *total += 1;
        // Only the emptiest domain's growth changes what others may have.
        if *total + self.rule.skew == self.most + 1 {
            self.most = self.rule.most(&self.totals);
        }
    }
}
