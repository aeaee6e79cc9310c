use proptest::prelude::*;

use super::super::spread::{self, Rule};
use super::super::{Slot, SpreadRule, UNLIMITED, contenders, flow};
use super::book;
use super::cases::{Case, Range, SENSIBLE, TINY, VAST, case, config};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_runs_is_kept_by_the_book(case in case(Range { groups: 3, ..SENSIBLE })) {
        prop_assert_eq!(case.divide(false), book::keep(case.replicas, &case.slots));
    }

    #[test]
    fn as_few_as_possible_leave(case in case(Range { groups: 2, ..TINY })) {
        let (leaving, fewest) = leaving_and_fewest(&case);
        prop_assert_eq!(leaving, fewest);
    }

    #[test]
    fn under_a_rule_too_as_few_as_possible_leave(case in case(Range { rules: 1, ..TINY })) {
        let (leaving, fewest) = leaving_and_fewest(&case);
        prop_assert_eq!(leaving, fewest);
    }

    #[test]
    fn with_groups_under_rules_too_as_few_as_possible_leave(
        case in case(Range { groups: 3, rules: 2, ..TINY }), rules in 1..=2usize,
    ) {
        let mut case = case;
        case.spread.truncate(rules);
        let (leaving, fewest) = leaving_and_fewest(&case);
        prop_assert_eq!(leaving, fewest);
    }

    #[test]
    fn where_levels_are_too_many_to_try_as_few_leave(
        case in case(Range { groups: 3, rules: 2, ..TINY }), rules in 1..=2usize,
    ) {
        // A thousand times the numbers, of which a thousand times as many leave at most.
        const TIMES: i64 = 1000;
        let mut case = case;
        case.spread.truncate(rules);
        case.slots.iter_mut().for_each(|slot| slot.weight = slot.weight.max(1));
        prop_assume!(case.replicas > case.slots.iter().map(book::least).sum());
        let (target, fewest) = (case.divide(true), case.divide(false));
        let mut contenders = contenders(case.replicas.into(), &case.slots, false);
        let (mut kept, mut leave) = (Vec::new(), 0);
        for one in &mut contenders {
            let at = one.index as usize;
            let keeps = case.slots[at].current.clamp(one.floor, one.ceiling);
            leave += (keeps - fewest[at]).max(0) * TIMES;
            kept.push(keeps * TIMES);
            (one.floor, one.ceiling, one.number) = (one.floor * TIMES, one.ceiling * TIMES, target[at] * TIMES);
        }
        let target: Vec<_> = contenders.iter().map(|one| one.number).collect();
        case.spread.iter_mut().for_each(|rule| rule.max_skew *= TIMES);
        let rules: Vec<_> = case.spread.iter().map(Rule::new).collect();
        flow::fewest_leave(&mut contenders, &kept, &target, &rules);
        prop_assert!(spread::is_even(&contenders, &rules));
        let left: i64 = contenders.iter().zip(&kept).map(|(one, kept)| (kept - one.number).max(0)).sum();
        prop_assert!(left <= leave, "{left} leave, and {leave} would do");
    }

    #[test]
    fn with_groups_under_rules_never_more_leave_than_by_rebalancing(
        case in case(Range { groups: 3, rules: 2, ..SENSIBLE }), rules in 1..=2usize,
    ) {
        let mut case = case;
        case.spread.truncate(rules);
        // With weights everywhere the rebalanced division is what is moved towards.
        case.slots.iter_mut().for_each(|slot| slot.weight = slot.weight.max(1));
        let rebalanced = book::leaving(&case.slots, &case.divide(true));
        prop_assert!(book::leaving(&case.slots, &case.divide(false)) <= rebalanced);
    }

    #[test]
    fn dividing_again_changes_nothing(
        case in case(Range { groups: 3, rules: 2, ..SENSIBLE }), rules in 0..=2usize, rebalance in any::<bool>(),
    ) {
        stays(case, rules, rebalance)?;
    }

    #[test]
    fn dividing_billions_again_changes_nothing(
        case in case(Range { rules: 1, ..VAST }), rules in 0..=1usize, rebalance in any::<bool>(),
    ) {
        stays(case, rules, rebalance)?;
    }

    #[test]
    fn replicas_that_are_added_or_lost_move_no_other(
        case in case(Range { slots: 9, ..SENSIBLE }), change in -20..20i64,
    ) {
        let before = case.divide(false);
        let mut then = case.running(&before);
        then.replicas = (then.replicas + change).max(0);
        let after = then.divide(false);
        let grew = before.iter().zip(&after).any(|(before, after)| after > before);
        let shrank = before.iter().zip(&after).any(|(before, after)| after < before);
        // Only minimums that could not be met before, or need not be met any more, move replicas.
        let minimums: i64 = then.slots.iter().map(book::least).sum();
        prop_assume!(then.replicas >= minimums && then.replicas - change >= minimums);
        prop_assert!(!(grew && shrank), "{before:?} {after:?}");
    }
}

#[test]
fn levels_of_two_rules_go_down_together_where_one_alone_leads_nowhere() {
    let slot = |rank, current| Slot { weight: 1, min: 0, max: UNLIMITED, current, rank, group: 0 };
    let rule = SpreadRule { max_skew: 2_000, min_domains: 0, domain_of: vec![0, 1] };
    let mut contenders = contenders(2_000, &[slot(0, 2_000), slot(1, 0)], false);
    contenders.iter_mut().for_each(|one| one.number = 1_000);
    flow::fewest_leave(&mut contenders, &[2_000, 0], &[1_000, 1_000], &[Rule::new(&rule), Rule::new(&rule)]);
    assert_eq!(contenders.iter().map(|one| one.number).collect::<Vec<_>>(), [2_000, 0]);
}

fn stays(mut case: Case, rules: usize, rebalance: bool) -> Result<(), TestCaseError> {
    case.spread.truncate(rules);
    if rules > 0 && !rebalance {
        // What slots without weight keep shifts the groups' totals until it no longer shrinks.
        case.slots.iter_mut().for_each(|slot| slot.weight = slot.weight.max(1));
    }
    let first = case.divide(rebalance);
    prop_assert_eq!(case.running(&first).divide(rebalance), first);
    Ok(())
}

/// How many leave, and the fewest of all answers with the same totals.
pub(super) fn leaving_and_fewest(case: &Case) -> (i64, i64) {
    let numbers = case.divide(false);
    let totals = book::group_totals(&case.slots, &numbers);
    let mut fewest = i64::MAX;
    book::possible(case.replicas, &case.slots, false, &case.spread, |numbers| {
        if book::group_totals(&case.slots, numbers) == totals {
            fewest = fewest.min(book::leaving(&case.slots, numbers));
        }
    });
    (book::leaving(&case.slots, &numbers), fewest)
}
