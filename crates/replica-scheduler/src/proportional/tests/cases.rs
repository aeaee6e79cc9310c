//! Requests drawn at random.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::{Slot, SpreadRule, UNLIMITED};

/// A few hundred cases, always the same. `KFED_PROPTEST_CASES` and `KFED_PROPTEST_SEED` ask for more and others.
pub(crate) fn config() -> ProptestConfig {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    ProptestConfig {
        cases: number("KFED_PROPTEST_CASES").unwrap_or(300) as u32,
        rng_seed: RngSeed::Fixed(number("KFED_PROPTEST_SEED").unwrap_or(1)),
        failure_persistence: None,
        max_global_rejects: u32::MAX,
        ..ProptestConfig::default()
    }
}

/// What numbers a case is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) slots: usize,
    pub(super) count: i64,
    pub(super) weight: i64,
    pub(super) replicas: i64,
    pub(super) groups: u32,
    /// How many rules: zones first, then regions of zones.
    pub(super) rules: usize,
}

/// As people write them.
pub(super) const SENSIBLE: Range = Range { slots: 9, count: 12, weight: 6, replicas: 60, groups: 1, rules: 0 };
/// So few that all answers can be tried.
pub(super) const TINY: Range = Range { slots: 4, count: 5, weight: 4, replicas: 14, groups: 1, rules: 0 };
/// Weights at the edge of what is told apart.
pub(super) const HEAVY: Range = Range { slots: 30, count: 30, weight: 1 << 40, replicas: 300, groups: 2, rules: 0 };
/// Too many to count.
pub(super) const VAST: Range =
    Range { slots: 20, count: 1 << 37, weight: 1 << 20, replicas: 1 << 39, groups: 3, rules: 0 };

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) replicas: i64,
    pub(super) slots: Vec<Slot>,
    pub(super) spread: Vec<SpreadRule>,
}

impl Case {
    pub(super) fn divide(&self, rebalance: bool) -> Vec<i64> {
        super::super::divide(self.replicas, &self.slots, rebalance, &self.spread).numbers
    }

    /// Where `numbers` run.
    pub(super) fn running(mut self, numbers: &[i64]) -> Self {
        for (slot, &number) in self.slots.iter_mut().zip(numbers) {
            slot.current = number;
        }
        self
    }
}

pub(super) fn case(range: Range) -> impl Strategy<Value = Case> {
    let count = move |up_to: i64| prop_oneof![2 => Just(0), 2 => 0..=3.min(up_to), 1 => 0..=up_to];
    let slot = (
        prop_oneof![1 => Just(0), 4 => 1..=range.weight.min(3), 8 => 1..=range.weight],
        count(range.count / 2),
        prop_oneof![2 => Just(UNLIMITED), 2 => 0..=range.count],
        count(range.count),
        any::<u64>(),
        0..range.groups,
    );
    let slot =
        slot.prop_map(|(weight, min, max, current, rank, group)| Slot { weight, min, max, current, rank, group });
    let slots = proptest::collection::vec(slot, 0..=range.slots).prop_filter("ranks are unique", |slots| {
        let mut ranks: Vec<_> = slots.iter().map(|slot| slot.rank).collect();
        ranks.sort_unstable();
        ranks.windows(2).all(|pair| pair[0] != pair[1])
    });
    let skew = prop_oneof![Just(1), 1..=3i64, 1..=range.count.max(1)];
    let rule = (skew, 0..4usize);
    let near = (any::<bool>(), -2..4i64);
    (slots, 0..=range.replicas, near, (rule.clone(), rule), proptest::collection::vec(0..5u32, range.slots)).prop_map(
        move |(mut slots, replicas, (near, more), (zones, regions), zone_of)| {
            for slot in &mut slots {
                slot.min = slot.min.min(slot.max);
            }
            let running: i64 = slots.iter().map(|slot| slot.current).sum();
            let replicas = if near { (running + more).clamp(0, range.replicas) } else { replicas };
            let zone_of = &zone_of[..slots.len()];
            let rule =
                |(max_skew, min_domains): (i64, usize), domain_of| SpreadRule { max_skew, min_domains, domain_of };
            let mut spread = vec![
                rule(zones, zone_of.to_vec()),
                // Zones 0, 1, 2 are in one region, 3 and 4 in another.
                rule(regions, zone_of.iter().map(|zone| zone / 3).collect()),
            ];
            spread.truncate(range.rules);
            Case { replicas, slots, spread }
        },
    )
}
