use std::cmp::Ordering;

use proptest::prelude::*;

use super::super::{Division, Slot, divide, fill_evenly};
use super::book;
use super::cases::{Case, HEAVY, Range, SENSIBLE, VAST, case, config};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_division_is_the_one_of_the_book(case in case(Range { groups: 3, ..SENSIBLE })) {
        prop_assert_eq!(case.divide(true), book::divide(case.replicas, &case.slots, &[]));
    }

    #[test]
    fn the_heaviest_weights_are_divided_by_the_book(case in case(HEAVY)) {
        prop_assert_eq!(case.divide(true), book::divide(case.replicas, &case.slots, &[]));
    }

    #[test]
    fn the_sum_is_exact_where_bounds_allow_it_and_bounds_are_never_broken(
        case in case(Range { groups: 3, ..SENSIBLE }), rebalance in any::<bool>(),
    ) {
        sum_and_bounds(&case, rebalance)?;
    }

    #[test]
    fn billions_are_divided_so_that_no_exchange_makes_them_fairer(case in case(VAST)) {
        sum_and_bounds(&case, true)?;
        let numbers = case.divide(true);
        let minimums: i64 = case.slots.iter().map(book::least).sum();
        let scarce = case.replicas <= minimums;
        for (giver, &has) in case.slots.iter().zip(&numbers) {
            for (taker, &holds) in case.slots.iter().zip(&numbers) {
                let gives = has > if scarce { 0 } else { book::least(giver) };
                let takes = holds < if scarce { book::least(taker) } else { book::most(taker, true) };
                prop_assert!(!gives || !takes || book::before(giver, has - 1, taker, holds).is_lt());
            }
        }
    }

    #[test]
    fn one_replica_more_takes_none_away(case in case(Range { groups: 3, ..SENSIBLE })) {
        grows_with_the_total(&case)?;
    }

    #[test]
    fn one_among_billions_more_takes_none_away(case in case(VAST)) {
        grows_with_the_total(&case)?;
    }

    #[test]
    fn more_weight_gives_no_less(
        case in case(Range { groups: 3, ..SENSIBLE }), rebalance in any::<bool>(), at in any::<prop::sample::Index>(), more in 1..8i64,
    ) {
        prop_assume!(!case.slots.is_empty());
        let at = at.index(case.slots.len());
        let before = case.divide(rebalance)[at];
        let mut heavier = case;
        heavier.slots[at].weight += more;
        prop_assert!(heavier.divide(rebalance)[at] >= before);
    }

    #[test]
    fn the_order_of_slots_changes_nothing(
        case in case(Range { groups: 3, rules: 2, ..SENSIBLE }), rules in 0..=2usize, rebalance in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut case = case;
        case.spread.truncate(rules);
        let mut order: Vec<_> = (0..case.slots.len()).collect();
        order.sort_by_key(|&at| case.slots[at].rank.wrapping_mul(seed | 1).rotate_left(29));
        let mut other = case.clone();
        other.slots = order.iter().map(|&at| case.slots[at]).collect();
        for rule in &mut other.spread {
            rule.domain_of = order.iter().map(|&at| rule.domain_of[at]).collect();
        }
        let numbers = case.divide(rebalance);
        prop_assert_eq!(other.divide(rebalance), order.iter().map(|&at| numbers[at]).collect::<Vec<_>>());
    }

    #[test]
    fn an_even_filling_levels(ceilings in prop::collection::vec(0..20i64, 0..8), total in 0..100i64) {
        let numbers = fill_evenly(&ceilings, total.into());
        prop_assert_eq!(numbers.iter().sum::<i64>(), total.min(ceilings.iter().sum()));
        let top = numbers.iter().copied().max().unwrap_or(0);
        prop_assert!(numbers.iter().zip(&ceilings).all(|(number, ceiling)| number <= ceiling));
        prop_assert!(numbers.iter().zip(&ceilings).all(|(number, ceiling)| number == ceiling || *number >= top - 1));
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_number_is_too_large(
        numbers in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>(), 0..3u32), 0..6),
        replicas in any::<i64>(), rebalance in any::<bool>(), skew in any::<i64>(), rules in 0..=1usize,
    ) {
        let slots: Vec<_> = (0..).zip(&numbers).map(|(rank, &(weight, min, max, current, group))| {
            Slot { weight, min, max, current, rank, group }
        }).collect();
        let domain_of = numbers.iter().map(|(.., group)| group + 7).collect();
        let rule = super::super::SpreadRule { max_skew: skew, min_domains: 2, domain_of };
        let division = divide(replicas, &slots, rebalance, &vec![rule; rules]);
        prop_assert!(division.numbers.iter().zip(&slots).all(|(&number, slot)| 0 <= number && number <= slot.max.max(0)));
        prop_assert!(division.unplaced >= 0);
    }

    #[test]
    fn numbers_of_any_size_are_divided_by_the_book(
        numbers in prop::collection::vec((number(), number(), number(), number(), 0..2u32), 0..8), replicas in number(),
        rebalance in any::<bool>(),
    ) {
        let slots: Vec<_> = (0..).zip(numbers).map(|(rank, (weight, min, max, current, group))| {
            Slot { weight, min, max, current, rank, group }
        }).collect();
        let Division { numbers, unplaced } = divide(replicas, &slots, rebalance, &[]);
        let sum = |numbers: &mut dyn Iterator<Item = i64>| numbers.map(i128::from).sum::<i128>();
        let scarce = i128::from(replicas) <= sum(&mut slots.iter().map(book::least));
        let bounds = |slot: &Slot| match scarce {
            true => (0, book::least(slot)),
            false => (book::least(slot), book::most(slot, rebalance)),
        };
        let most = sum(&mut slots.iter().map(|slot| bounds(slot).1));
        prop_assert_eq!(sum(&mut numbers.iter().copied()), most.min(replicas.into()));
        prop_assert_eq!(i128::from(unplaced), (i128::from(replicas) - most).max(0));
        for (slot, &number) in slots.iter().zip(&numbers) {
            prop_assert!(bounds(slot).0 <= number && number <= bounds(slot).1, "{number} {slot:?}");
        }
        // No seat is given that comes after one that is not.
        for (a, &given) in slots.iter().zip(&numbers).filter(|(slot, number)| rebalance && **number > bounds(slot).0) {
            for (b, &next) in slots.iter().zip(&numbers).filter(|(slot, number)| **number < bounds(slot).1) {
                prop_assert!(book::before(a, given - 1, b, next) == Ordering::Less, "{a:?} {given} {b:?} {next}");
            }
        }
    }
}

/// Mostly small, and all the others that are not negative.
fn number() -> impl Strategy<Value = i64> {
    let any = (any::<i64>(), 0..63).prop_map(|(bits, shift)| (bits & i64::MAX) >> shift);
    prop_oneof![4 => 0..10i64, 2 => any, 1 => Just(i64::MAX), 1 => Just(1 << 62)]
}

fn sum_and_bounds(case: &Case, rebalance: bool) -> Result<(), TestCaseError> {
    let division = divide(case.replicas, &case.slots, rebalance, &case.spread);
    let numbers = &division.numbers;
    let minimums: i64 = case.slots.iter().map(book::least).sum();
    let maxima: i128 = case.slots.iter().map(|slot| i128::from(book::most(slot, rebalance))).sum();
    let placed: i64 = numbers.iter().sum();
    prop_assert_eq!(i128::from(placed), i128::from(case.replicas).min(maxima));
    prop_assert_eq!(division.unplaced, case.replicas - placed);
    for (slot, &number) in case.slots.iter().zip(numbers) {
        let least = if case.replicas < minimums { 0 } else { book::least(slot) };
        prop_assert!(least <= number && number <= book::most(slot, rebalance), "{number} {slot:?}");
    }
    Ok(())
}

pub(super) fn grows_with_the_total(case: &Case) -> Result<(), TestCaseError> {
    let more = Case { replicas: case.replicas + 1, ..case.clone() };
    let (fewer, more) = (case.divide(true), more.divide(true));
    prop_assert!(fewer.iter().zip(&more).all(|(fewer, more)| fewer <= more), "{fewer:?} {more:?}");
    Ok(())
}
