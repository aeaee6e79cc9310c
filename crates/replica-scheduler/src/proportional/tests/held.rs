use proptest::prelude::*;

use super::super::{Held, Share, Slot, SpreadRule, UNLIMITED, divide, shares};
use super::book;
use super::cases::{Range, SENSIBLE, case, config};

const FREE: Slot = Slot { weight: 1, min: 0, max: UNLIMITED, current: 0, rank: 0, group: 0 };

fn check(replicas: i64, slots: &[Slot], rebalance: bool, spread: &[SpreadRule], expect: &[(i64, i64, Held)]) {
    let slots: Vec<_> = (0..).zip(slots).map(|(rank, slot)| Slot { rank, ..*slot }).collect();
    let numbers = divide(replicas, &slots, rebalance, spread).numbers;
    let shares = shares(replicas, &slots, rebalance, spread, &numbers);
    let found: Vec<_> = numbers.iter().zip(&shares).map(|(&n, share)| (n, share.by_weight, share.held)).collect();
    assert_eq!(found, expect);
}

#[test]
fn bounds_say_that_they_held() {
    let slots = [Slot { min: 5, ..FREE }, Slot { weight: 8, max: 3, ..FREE }, FREE];
    check(10, &slots, true, &[], &[(5, 1, Held::Minimum), (3, 8, Held::Maximum), (2, 1, Held::ByWeight)]);
}

#[test]
fn a_minimum_or_maximum_that_weight_gives_anyway_says_nothing() {
    let slots = [Slot { min: 2, ..FREE }, Slot { max: 3, ..FREE }, FREE];
    check(9, &slots, true, &[], &[(3, 3, Held::ByWeight), (3, 3, Held::ByWeight), (3, 3, Held::ByWeight)]);
}

#[test]
fn a_standby_says_so() {
    let slots = [FREE, Slot { min: 1, group: 1, ..FREE }, Slot { group: 2, ..FREE }];
    check(6, &slots, true, &[], &[(5, 2, Held::ByWeight), (1, 2, Held::Standby), (0, 2, Held::Standby)]);
}

#[test]
fn a_domain_that_may_take_no_more_says_so() {
    let slots = [Slot { weight: 8, ..FREE }, FREE, FREE];
    let rule = SpreadRule { max_skew: 2, min_domains: 1, domain_of: vec![0, 1, 2] };
    check(10, &slots, true, &[rule], &[(4, 8, Held::Skew(0)), (3, 1, Held::ByWeight), (3, 1, Held::ByWeight)]);
}

#[test]
fn too_few_for_the_minimums_is_said() {
    let slots = [Slot { min: 3, ..FREE }, Slot { min: 3, ..FREE }, Slot { weight: 0, min: 1, ..FREE }];
    check(5, &slots, true, &[], &[(3, 3, Held::Minimum), (2, 2, Held::Scarce), (0, 0, Held::Scarce)]);
}

#[test]
fn what_runs_stays_and_says_so() {
    let slots = [Slot { current: 7, ..FREE }, Slot { current: 1, ..FREE }, Slot { weight: 0, current: 2, ..FREE }];
    check(10, &slots, false, &[], &[(7, 5, Held::Running), (1, 5, Held::Running), (2, 0, Held::Running)]);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_said_is_so(case in case(Range { groups: 3, rules: 2, ..SENSIBLE }), rules in 0..=2usize, rebalance in any::<bool>()) {
        let mut case = case;
        case.spread.truncate(rules);
        let division = divide(case.replicas, &case.slots, rebalance, &case.spread);
        let shares = shares(case.replicas, &case.slots, rebalance, &case.spread, &division.numbers);
        let scarce = case.replicas <= case.slots.iter().map(book::least).sum();
        for (at, (slot, (&number, &Share { held, by_weight }))) in case.slots.iter().zip(division.numbers.iter().zip(&shares)).enumerate() {
            prop_assert!(by_weight <= case.replicas);
            match held {
                Held::Minimum => prop_assert!(number == book::least(slot) && number > 0),
                Held::Maximum => prop_assert_eq!(number, slot.max),
                Held::Skew(rule) => {
                    let rule = &case.spread[rule];
                    let total = book::totals(rule, &division.numbers).into_iter().find(|(domain, _)| *domain == rule.domain_of[at]).unwrap().1;
                    // Or one below, when the emptiest domain has just got the last; two rules open in turns.
                    prop_assert!(rules == 2 || total >= book::allowed(rule, &division.numbers) - 1);
                }
                Held::Standby => prop_assert!(number == book::least(slot) && slot.group > 0),
                Held::Scarce => prop_assert!(scarce && number < book::least(slot)),
                Held::NoWeight => prop_assert!(slot.weight == 0 && number == book::least(slot)),
                Held::Running => prop_assert!(!rebalance),
                Held::ByWeight => prop_assert!(slot.weight > 0 && number >= book::least(slot)),
            }
            // Nobody who could have more is told that weight alone decided while replicas are left over.
            if division.unplaced > 0 && rebalance {
                prop_assert!(held != Held::ByWeight, "{slot:?} {number}");
            }
        }
    }

    #[test]
    fn without_bounds_weight_alone_decides(case in case(Range { groups: 1, ..SENSIBLE })) {
        let mut case = case;
        for slot in &mut case.slots {
            *slot = Slot { min: 0, max: UNLIMITED, weight: slot.weight.max(1), ..*slot };
        }
        let numbers = case.divide(true);
        for (share, number) in shares(case.replicas, &case.slots, true, &[], &numbers).into_iter().zip(numbers) {
            prop_assert_eq!(share, Share { by_weight: number, held: Held::ByWeight });
        }
    }
}
