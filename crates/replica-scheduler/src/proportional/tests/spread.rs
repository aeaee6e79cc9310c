use proptest::prelude::*;

use super::super::{SpreadRule, divide};
use super::book;
use super::cases::{Case, Range, SENSIBLE, TINY, VAST, case, config};
use super::division::grows_with_the_total;

const ONE: Range = Range { groups: 3, rules: 1, ..SENSIBLE };
const TWO: Range = Range { groups: 3, rules: 2, ..SENSIBLE };

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_rule_is_followed_by_the_book(case in case(ONE)) {
        prop_assert_eq!(case.divide(true), book::divide(case.replicas, &case.slots, &case.spread));
    }

    #[test]
    fn hundreds_under_a_rule_are_divided_by_the_book(
        case in case(Range { slots: 12, count: 60, weight: 40, replicas: 500, ..ONE }),
    ) {
        prop_assert_eq!(case.divide(true), book::divide(case.replicas, &case.slots, &case.spread));
    }

    #[test]
    fn two_rules_are_followed_by_the_book(case in case(TWO)) {
        prop_assert_eq!(case.divide(true), book::divide(case.replicas, &case.slots, &case.spread));
    }

    #[test]
    fn rules_are_never_broken_but_by_minimums(case in case(TWO), rules in 1..=2usize, rebalance in any::<bool>()) {
        even_within_bounds(case, rules, rebalance)?;
    }

    #[test]
    fn rules_are_not_broken_by_billions(
        case in case(Range { rules: 1, ..VAST }), rebalance in any::<bool>(), scale in 0..38u32,
    ) {
        let mut case = case;
        case.spread[0].max_skew = (case.spread[0].max_skew >> scale).max(1);
        even_within_bounds(case, 1, rebalance)?;
    }

    #[test]
    fn under_a_rule_as_many_are_placed_as_can_be(case in case(Range { rules: 1, ..TINY }), rebalance in any::<bool>()) {
        let mut placed = 0;
        book::possible(case.replicas, &case.slots, rebalance, &case.spread, |numbers| {
            placed = placed.max(numbers.iter().sum());
        });
        prop_assert_eq!(case.divide(rebalance).iter().sum::<i64>(), placed);
    }

    #[test]
    fn under_rules_too_one_replica_more_takes_none_away(case in case(TWO), rules in 1..=2usize) {
        let mut case = case;
        case.spread.truncate(rules);
        grows_with_the_total(&case)?;
    }

    #[test]
    fn under_a_rule_one_among_billions_more_takes_none_away(case in case(Range { rules: 1, ..VAST }), scale in 0..38u32) {
        let mut case = case;
        case.spread[0].max_skew = (case.spread[0].max_skew >> scale).max(1);
        grows_with_the_total(&case)?;
    }

    #[test]
    fn a_rule_with_room_for_all_changes_nothing(case in case(TWO), rebalance in any::<bool>()) {
        let mut case = case;
        for rule in &mut case.spread {
            rule.max_skew = 1_000;
        }
        let free = Case { spread: Vec::new(), ..case.clone() };
        if rebalance {
            prop_assert_eq!(case.divide(true), free.divide(true));
        } else {
            prop_assert_eq!(book::leaving(&case.slots, &case.divide(false)), book::leaving(&case.slots, &free.divide(false)));
        }
    }
}

fn even_within_bounds(mut case: Case, rules: usize, rebalance: bool) -> Result<(), TestCaseError> {
    case.spread.truncate(rules);
    let minimums: i64 = case.slots.iter().map(book::least).sum();
    prop_assume!(case.replicas >= minimums);
    let division = divide(case.replicas, &case.slots, rebalance, &case.spread);
    let numbers = &division.numbers;
    prop_assert!(book::is_even(&case.slots, &case.spread, numbers), "{numbers:?}");
    prop_assert_eq!(numbers.iter().sum::<i64>() + division.unplaced, case.replicas);
    prop_assert!(division.unplaced >= 0);
    for (slot, &number) in case.slots.iter().zip(numbers) {
        prop_assert!(book::least(slot) <= number && number <= book::most(slot, rebalance), "{number} {slot:?}");
    }
    Ok(())
}

#[test]
fn two_rules_and_billions_end_soon() {
    // Three regions of three zones each, by weights that the rules do not follow.
    let slot = |rank: u64| super::super::Slot {
        weight: 1 + (rank as i64 % 4),
        min: 0,
        max: super::super::UNLIMITED,
        current: 0,
        rank,
        group: 0,
    };
    let rule = |max_skew, domain_of| SpreadRule { max_skew, min_domains: 2, domain_of };
    let case = |regions: fn(u32) -> u32| Case {
        replicas: 9_000_000_000,
        slots: (0..9).map(slot).collect(),
        spread: vec![rule(1, (0..9).collect()), rule(1, (0..9).map(regions).collect())],
    };
    let alike = case(|zone| zone / 3);
    assert_eq!(alike.divide(true), [1_000_000_000; 9]);
    // Two, three and four zones to a region cannot both be level: what is even is small.
    let unlike = case(|zone| [0, 0, 1, 1, 1, 2, 2, 2, 2][zone as usize]);
    let numbers = unlike.divide(true);
    assert!(book::is_even(&unlike.slots, &unlike.spread, &numbers), "{numbers:?}");
    assert!(numbers.iter().sum::<i64>() < 20, "{numbers:?}");
}
