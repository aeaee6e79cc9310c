//! What holds for every plan, and that the fast planner is the slow one.

mod support;

use std::collections::BTreeMap;

use kfed_api::preferences::{ClusterPreferences, ReplicaPreferences};
use proptest::prelude::*;
use support::Case;

/// What numbers a case is made of.
#[derive(Debug, Clone, Copy)]
struct Range {
    members: usize,
    count: i64,
    weight: i64,
    /// The lowest of any number.
    negative: i64,
}

/// As people write them.
const SENSIBLE: Range = Range { members: 12, count: 30, weight: 5, negative: 0 };
/// Anything v1 accepted.
const ODD: Range = Range { members: 8, count: 40, weight: 4, negative: -10 };
/// Members that run many and have some more to place: where rounds repeat.
const CROWDED: Range = Range { members: 8, count: 3_000, weight: 10, negative: 0 };
/// Weights and counts at the edge of what sums of 64 bits hold.
const VAST: Range = Range { members: 5, count: 1 << 37, weight: 1 << 38, negative: -(1 << 37) };

fn case(range: Range) -> impl Strategy<Value = Case> {
    let count = range.negative..range.count;
    let maybe = move || proptest::option::weighted(0.4, range.negative..range.count);
    let preferences = (
        prop_oneof![2 => Just(0), 2 => 0..3.min(range.count), 1 => count.clone()],
        maybe(),
        prop_oneof![1 => Just(0), 6 => range.negative / 4..=range.weight],
    )
        .prop_map(|(min_replicas, max_replicas, weight)| ClusterPreferences { min_replicas, max_replicas, weight });
    let member = (
        proptest::option::weighted(0.7, preferences.clone()),
        proptest::option::weighted(0.7, count),
        proptest::option::weighted(0.3, range.negative..range.count),
    );
    let total = range.negative..range.count * 6;
    (
        proptest::collection::btree_map("[a-f]{1,3}(-[0-9])?", member, 0..range.members),
        proptest::option::weighted(0.7, preferences),
        any::<bool>(),
        prop_oneof![total, Just(i64::MIN)],
        "[a-z]{0,3}/?[a-z]{0,3}",
        0..4i64,
    )
        .prop_map(|(members, star, rebalance, replicas, key, more)| {
            let own = members.iter().filter_map(|(name, (own, ..))| Some((name.clone(), (*own)?)));
            let clusters: BTreeMap<_, _> = own.chain(star.map(|star| ("*".to_owned(), star))).collect();
            let members: Vec<_> =
                members.into_iter().map(|(name, (_, current, capacity))| (name, current, capacity)).collect();
            // `i64::MIN` stands for what runs now and a few more.
            let running = members.iter().filter_map(|(_, current, _)| *current).sum::<i64>() + more;
            let replicas = if replicas == i64::MIN { running } else { replicas };
            let preferences = ReplicaPreferences { rebalance, clusters };
            Case { name: "drawn".to_owned(), key, replicas, preferences, members }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sensible_requests_are_planned_by_the_book(case in case(SENSIBLE)) {
        prop_assert_eq!(case.planned(), case.by_the_book());
    }

    #[test]
    fn whatever_v1_accepted_is_planned_by_the_book(case in case(ODD)) {
        prop_assert_eq!(case.planned(), case.by_the_book());
    }

    #[test]
    fn rounds_that_repeat_are_skipped_by_the_book(case in case(CROWDED)) {
        prop_assert_eq!(case.planned(), case.by_the_book());
    }

    #[test]
    fn the_order_of_members_changes_nothing(case in case(ODD), seed in any::<u64>()) {
        let mut other = case.clone();
        other.members.sort_by_key(|(name, ..)| {
            name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15)).rotate_left(29)
        });
        prop_assert_eq!(case.ask(kfed_replica_scheduler::federation_v1::plan), other.ask(kfed_replica_scheduler::federation_v1::plan));
    }

    #[test]
    fn planned_and_unplaced_replicas_are_those_asked_for(case in case(SENSIBLE)) {
        let plan = case.ask(kfed_replica_scheduler::federation_v1::plan);
        let placed: i64 = plan.placements.iter().map(|placement| placement.planned).sum();
        prop_assert_eq!(placed + plan.unplaced, case.replicas);
        prop_assert_eq!(plan.placements.len(), case.members.len());
    }

    #[test]
    fn nothing_is_unplaced_while_an_unlimited_member_has_weight(mut case in case(SENSIBLE)) {
        let free = ClusterPreferences { weight: 1, ..ClusterPreferences::default() };
        case.preferences.clusters.insert("free".to_owned(), free);
        case.members.push(("free".to_owned(), None, None));
        prop_assert_eq!(case.ask(kfed_replica_scheduler::federation_v1::plan).unplaced, 0);
    }

    #[test]
    fn no_member_is_planned_beyond_its_capacity(case in case(ODD)) {
        let plan = case.ask(kfed_replica_scheduler::federation_v1::plan);
        for (name, _, capacity) in &case.members {
            let placement = plan.of(name).unwrap();
            let preferred = case.preferences.of(name).is_some();
            prop_assert!(!preferred || capacity.is_none_or(|capacity| placement.planned <= capacity));
        }
    }

    #[test]
    fn a_plan_that_is_carried_out_stays_as_it_is(case in case(SENSIBLE)) {
        // With limits or capacities overflow moves, and minimums above maxima are taken back only sometimes.
        let mut case = case;
        case.preferences.rebalance = false;
        case.preferences.clusters.values_mut().for_each(|preferences| preferences.max_replicas = None);
        case.members.iter_mut().for_each(|(_, _, capacity)| *capacity = None);
        let first = case.planned();
        case.members.iter_mut().for_each(|(name, current, _)| *current = Some(first.planned[name]));
        prop_assert_eq!(case.planned(), first);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn vast_numbers_are_planned_by_the_book(mut case in case(VAST)) {
        // The book takes one round after the other, which never ends when billions are kept.
        case.preferences.rebalance = true;
        prop_assert_eq!(case.planned(), case.by_the_book());
    }

    #[test]
    fn no_number_is_too_large_for_the_book(
        numbers in proptest::collection::vec((number(), number(), number(), number(), number()), 0..6),
        replicas in number(), rebalance in any::<bool>(),
    ) {
        let mut clusters = BTreeMap::new();
        let mut members = Vec::new();
        for (at, (weight, min_replicas, max, current, capacity)) in numbers.into_iter().enumerate() {
            // 0 stands for none.
            let [max_replicas, current, capacity] = [max, current, capacity].map(|number| Some(number).filter(|n| *n != 0));
            clusters.insert(format!("m{at}"), ClusterPreferences { min_replicas, max_replicas, weight });
            members.push((format!("m{at}"), current, capacity));
        }
        let preferences = ReplicaPreferences { rebalance, clusters };
        let case = Case { name: String::new(), key: String::new(), replicas, preferences, members };
        let planned = case.planned();
        // The book takes one round after the other, which never ends where billions are kept.
        prop_assert_eq!(case.by_the_book_within(1_000).unwrap_or_else(|| planned.clone()), planned);
    }

    #[test]
    fn rounds_beside_negative_weights_are_planned_by_the_book(
        numbers in proptest::collection::vec((-40..40i64, -9..9i64, 0..3_000i64), 1..7), more in -5..50i64,
    ) {
        let weights = numbers.iter().map(|(weight, min_replicas, _)| (*weight, *min_replicas));
        let clusters = weights.zip(0..).map(|((weight, min_replicas), at)| {
            (format!("m{at}"), ClusterPreferences { weight, min_replicas, max_replicas: None })
        });
        let preferences = ReplicaPreferences { rebalance: false, clusters: clusters.collect() };
        let members = numbers.iter().zip(0..).map(|((.., current), at)| (format!("m{at}"), Some(*current), None)).collect();
        let replicas = numbers.iter().map(|(.., current)| current).sum::<i64>() + more;
        let case = Case { name: String::new(), key: String::new(), replicas, preferences, members };
        prop_assert_eq!(case.planned(), case.by_the_book());
    }
}

/// Mostly small, and all the others that there are.
fn number() -> impl Strategy<Value = i64> {
    const EDGES: [i64; 7] = [i64::MIN, i64::MIN + 1, -(1 << 31), 1 << 40, 1 << 62, i64::MAX - 1, i64::MAX];
    prop_oneof![6 => -9..40i64, 3 => Just(0), 1 => any::<i64>(), 1 => proptest::sample::select(&EDGES[..])]
}

#[test]
fn one_replica_more_over_members_that_run_billions_is_planned_at_once() {
    let even = ReplicaPreferences::default();
    let running = 1 << 31;
    let members: Vec<_> = (0..100).map(|at| (format!("member-{at:03}"), Some(running), None)).collect();
    let replicas = running * 100 + 1;
    let case = Case { name: String::new(), key: "default/app".to_owned(), replicas, preferences: even, members };
    let plan = case.ask(kfed_replica_scheduler::federation_v1::plan);
    assert_eq!(plan.unplaced, 0);
    assert_eq!(plan.placements.iter().filter(|placement| placement.planned == running + 1).count(), 1);
    assert_eq!(plan.placements.iter().filter(|placement| placement.planned == running).count(), 99);
}

#[test]
fn a_weight_above_the_sum_of_all_is_offered_what_remains_at_once() {
    // Beside a negative weight 10 of 5 are offered twice what remains: one replica, round after round, out of all that is kept.
    let weight = |weight| ClusterPreferences { weight, ..ClusterPreferences::default() };
    let clusters = BTreeMap::from([("a".to_owned(), weight(10)), ("b".to_owned(), weight(-5))]);
    let case = |running: i64| Case {
        name: String::new(),
        key: "default/app".to_owned(),
        replicas: running + 1,
        preferences: ReplicaPreferences { rebalance: false, clusters: clusters.clone() },
        members: vec![("a".to_owned(), Some(running), None), ("b".to_owned(), None, None)],
    };
    assert_eq!(case(1_000).planned(), case(1_000).by_the_book());
    assert_eq!(case(1 << 62).planned().planned["a"], (1 << 62) + 1);
}

#[test]
fn many_more_replicas_over_members_of_which_one_is_new_are_planned_at_once() {
    let even = ReplicaPreferences::default();
    let mut members: Vec<_> = (0..300).map(|at| (format!("member-{at:03}"), Some(20_000), None)).collect();
    members[0].1 = Some(0);
    let case = |replicas| Case {
        name: String::new(),
        key: "default/app".to_owned(),
        replicas,
        preferences: even.clone(),
        members: members.clone(),
    };
    let new = |case: &Case| case.planned().planned["member-000"];
    // 300 rounds of 1 by the book, which is still bearable; then far beyond it.
    let bearable = case(299 * 20_000 + 300);
    assert_eq!(bearable.planned(), bearable.by_the_book());
    assert_eq!(new(&case(299 * 20_000 + 15_000)), 15_000);
}
