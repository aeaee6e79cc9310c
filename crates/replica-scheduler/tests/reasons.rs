//! The sentences a user reads.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use kfed_api::preferences::ReplicaPreferences;
use kfed_replica_scheduler::federation_v1::{Request, plan};
use kfed_replica_scheduler::{Member, Plan};

fn planned(preferences: &str, replicas: i64, members: &[Member<'_>]) -> Plan {
    let preferences: ReplicaPreferences = preferences.parse().unwrap();
    plan(&Request { key: "default/hostname", replicas, preferences: &preferences, members })
}

fn sentences(plan: &Plan, member: &str) -> String {
    let placement = plan.of(member).unwrap();
    let reasons: Vec<String> = placement.reasons.iter().map(ToString::to_string).collect();
    format!("{}: {}", placement.replicas(), reasons.join(", "))
}

fn running(name: &str, current: i64) -> Member<'_> {
    Member { current: Some(current), ..Member::new(name) }
}

fn fits(name: &str, capacity: i64) -> Member<'_> {
    Member { capacity: Some(capacity), ..Member::new(name) }
}

#[test]
fn minimums_and_weights_are_told_apart() {
    let preferences =
        r#"{"clusters": {"west": {"minReplicas": 2, "weight": 2}, "east": {"minReplicas": 4, "weight": 3}}}"#;
    let plan = planned(preferences, 10, &[Member::new("west"), Member::new("east"), Member::new("north")]);
    assert_eq!(sentences(&plan, "west"), "3: 2 as its minimum, 1 for its weight of 2 in 5");
    assert_eq!(sentences(&plan, "east"), "7: 4 as its minimum, 3 for its weight of 3 in 5");
    assert_eq!(sentences(&plan, "north"), "0: the preferences name neither it nor \"*\"");
}

#[test]
fn limits_say_what_they_cut() {
    let preferences =
        r#"{"rebalance": true, "clusters": {"*": {"weight": 1}, "west": {"weight": 1, "maxReplicas": 2}}}"#;
    let plan = planned(preferences, 12, &[Member::new("west"), fits("east", 3), Member::new("north")]);
    assert_eq!(sentences(&plan, "west"), "2: 2 for its weight of 1 in 3, cut to its maximum of 2");
    assert_eq!(
        sentences(&plan, "east"),
        "4: 3 for its weight of 1 in 3, cut to the 3 that fit, 1 more left pending to ask for capacity"
    );
    assert_eq!(sentences(&plan, "north"), "7: 7 for its weight of 1 in 3");
}

#[test]
fn a_maximum_below_the_minimum_says_so() {
    let preferences =
        r#"{"clusters": {"west": {"minReplicas": 5, "maxReplicas": 2, "weight": 1}, "east": {"weight": 1}}}"#;
    let plan = planned(preferences, 9, &[Member::new("west"), Member::new("east")]);
    assert_eq!(sentences(&plan, "west"), "2: 5 as its minimum, 3 taken back, cut to its maximum of 2");
    assert_eq!(sentences(&plan, "east"), "7: 7 for its weight of 1 in 2");
}

#[test]
fn what_is_less_than_nothing_names_no_minimum_that_nobody_asked_for() {
    let even = r#"{"clusters": {"*": {"weight": 1}}}"#;
    let plan = planned(even, 6, &[fits("west", -9), Member::new("east")]);
    assert_eq!(sentences(&plan, "west"), "-9: 9 taken back, cut to the -9 that fit");
    assert_eq!(sentences(&plan, "east"), "15: 15 for its weight of 1 in 2");

    let negative = r#"{"clusters": {"*": {"weight": 1, "minReplicas": -2}}}"#;
    let plan = planned(negative, 6, &[fits("west", -9), Member::new("east")]);
    assert_eq!(sentences(&plan, "west"), "-9: -2 as its minimum, 7 taken back, cut to the -9 that fit");
    assert_eq!(sentences(&plan, "east"), "15: -2 as its minimum, 17 for its weight of 1 in 2");

    let plan = planned(even, -4, &[Member::new("west")]);
    assert_eq!(sentences(&plan, "west"), "-4: 4 taken back, 4 short, as no more were left");
}

#[test]
fn what_runs_is_kept_as_far_as_replicas_reach() {
    let even = r#"{"clusters": {"*": {"weight": 1}}}"#;
    let plan = planned(even, 50, &[running("A", 10), running("B", 70)]);
    assert_eq!(plan.unplaced, 0);
    let (a, b) = (sentences(&plan, "A"), sentences(&plan, "B"));
    let kept_first = plan.of("A").unwrap().planned;
    assert_eq!(
        a,
        if kept_first == 0 { "0: 10 short, as no more were left" } else { "10: 10 kept because they run there" }
    );
    let expected = format!(
        "{0}: {0} kept because they run there, {1} short, as no more were left",
        50 - kept_first,
        20 + kept_first
    );
    assert_eq!(b, expected);
}

#[test]
fn nothing_has_a_reason_too() {
    let plan =
        planned(r#"{"clusters": {"a": {"weight": 0}, "b": {"weight": 9}}}"#, 1, &[Member::new("a"), Member::new("b")]);
    assert_eq!(sentences(&plan, "a"), "0: none for its weight of 0 in 9");
    assert_eq!(sentences(&plan, "b"), "1: 1 for its weight of 9 in 9");
}

#[test]
fn replicas_that_find_no_place_are_counted() {
    let plan =
        planned(r#"{"clusters": {"*": {"weight": 1, "maxReplicas": 2}}}"#, 7, &[Member::new("a"), Member::new("b")]);
    assert_eq!(plan.unplaced, 3);
    assert!(plan.of("c").is_none());
}

#[test]
fn a_plan_is_readable_as_json() {
    let plan = planned(r#"{"clusters": {"*": {"weight": 1}}}"#, 1, &[Member::new("a")]);
    let expected = serde_json::json!({
        "placements": [{"member": "a", "planned": 1, "overflow": 0,
            "reasons": [{"reason": "weight", "weight": 1, "of": 1, "replicas": 1}]}],
        "unplaced": 0,
    });
    assert_eq!(serde_json::to_value(&plan).unwrap(), expected);
}
