//! Federation v1's own cases.

mod support;

use std::collections::BTreeMap;

#[test]
fn every_case_of_v1_gives_its_plan_and_its_overflow() {
    let cases = support::v1_cases();
    assert_eq!(cases.len(), 40);
    for (case, expected) in cases {
        assert_eq!(case.planned(), expected, "{case:?}");
        assert_eq!(case.by_the_book(), expected, "the book itself: {case:?}");
    }
}

#[test]
fn every_input_of_the_baseline_benchmark_gives_its_recorded_plan_and_overflow() {
    let inputs = support::bench_inputs();
    assert_eq!(inputs.len(), 25);
    for (case, expected) in inputs {
        assert!(case.planned() == expected, "{}", case.name);
    }
}

#[test]
fn the_numbers_alone_come_in_the_order_of_the_request() {
    for (mut case, expected) in support::bench_inputs().into_iter().filter(|(case, _)| case.members.len() <= 100) {
        case.members.reverse();
        let shares = case.ask(kfed_replica_scheduler::federation_v1::distribute);
        let planned: BTreeMap<_, _> =
            case.members.iter().zip(&shares).map(|((name, ..), share)| (name.clone(), share.planned)).collect();
        assert_eq!(planned, expected.planned, "{}", case.name);
        for ((name, ..), share) in case.members.iter().zip(&shares) {
            assert_eq!(share.overflow, expected.overflow.get(name).copied().unwrap_or(0), "{}: {name}", case.name);
        }
    }
}
