//! Many workloads on the capacity that they share.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kfed_api::policy::PlacementPolicy;
use kfed_replica_scheduler::federation_v1::Share;
use kfed_replica_scheduler::{
    Ages, Assignment, Attributes, Batch, Ledger, Member, Reason, Running, Scheduler, Taint, TaintEffect, Workload,
};
use proptest::prelude::*;

const AGES: Ages = Ages { settle: Duration::from_secs(60), stale: Duration::from_secs(300) };

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn policy(json: &str) -> PlacementPolicy {
    json.parse().unwrap()
}

fn seen(free: &[(&str, i64)]) -> Ledger {
    let mut ledger = Ledger::new(AGES);
    free.iter().for_each(|(member, free)| ledger.observe(member, *free, at(0)));
    ledger
}

fn workload<'a>(key: &'a str, replicas: i64, policy: &'a PlacementPolicy, current: &'a [Running]) -> Workload<'a> {
    Workload { key, replicas, priority: 0, units: NonZeroU32::MIN, policy, current }
}

fn planned(assignments: &[Assignment], members: usize) -> Vec<Vec<i64>> {
    let numbers = |assignment: &Assignment| (0..members).map(|member| assignment.planned(member)).collect();
    assignments.iter().map(numbers).collect()
}

#[test]
fn many_workloads_do_not_herd_onto_one_stale_number() {
    let even = PlacementPolicy::default();
    let members = [Member::new("a"), Member::new("b")];
    let keys: Vec<String> = (0..10).map(|at| format!("default/app-{at}")).collect();
    let workloads: Vec<_> = keys.iter().map(|key| workload(key, 10, &even, &[])).collect();
    let mut ledger = seen(&[("a", 20), ("b", 1_000)]);
    let batch = Batch { members: &members, workloads: &workloads, at: at(10) };
    let assignments = Scheduler::default().schedule_batch(&batch, &mut ledger);
    let total = |member| assignments.iter().map(|assignment| assignment.planned(member)).sum::<i64>();
    assert_eq!((total(0), total(1)), (20, 80));
    assert_eq!((ledger.free("a", at(10)), ledger.free("b", at(10))), (Some(0), Some(920)));
}

#[test]
fn the_more_important_chooses_first_and_equals_in_their_order() {
    let even = PlacementPolicy::default();
    let members = [Member::new("a")];
    let of = |key, priority| Workload { priority, ..workload(key, 4, &even, &[]) };
    let workloads = [of("x/first", 0), of("x/second", 0), of("x/important", 5)];
    let batch = Batch { members: &members, workloads: &workloads, at: at(0) };
    let assignments = Scheduler::default().schedule_batch(&batch, &mut seen(&[("a", 7)]));
    assert_eq!(planned(&assignments, 1), [[3], [0], [4]]);
    assert_eq!(assignments[1].unplaced, 4);
}

#[test]
fn what_is_planned_counts_until_an_observation_can_contain_it() {
    let even = PlacementPolicy::default();
    let members = [Member::new("a")];
    let plan = |key, replicas, seconds, ledger: &mut Ledger| {
        let workloads = [workload(key, replicas, &even, &[])];
        let batch = Batch { members: &members, workloads: &workloads, at: at(seconds) };
        Scheduler::default().schedule_batch(&batch, ledger)[0].planned(0)
    };
    let mut ledger = seen(&[("a", 10)]);
    assert_eq!(plan("x/one", 6, 100, &mut ledger), 6);
    assert_eq!(plan("x/two", 6, 110, &mut ledger), 4);

    // Seen too soon after the plans to contain all of them.
    ledger.observe("a", 10, at(159));
    assert_eq!((ledger.planned("a"), ledger.free("a", at(159))), (10, Some(0)));
    ledger.observe("a", 8, at(160));
    assert_eq!((ledger.planned("a"), ledger.free("a", at(160))), (4, Some(4)));
    // An older observation that comes late says nothing.
    ledger.observe("a", 99, at(120));
    assert_eq!(ledger.free("a", at(160)), Some(4));
    ledger.observe("a", 1, at(170));
    assert_eq!((ledger.planned("a"), ledger.free("a", at(170))), (0, Some(1)));
}

#[test]
fn planning_again_before_replicas_arrive_charges_nothing_twice() {
    let even = PlacementPolicy::default();
    let members = [Member::new("a"), Member::new("b")];
    let mut ledger = seen(&[("a", 5), ("b", 9)]);
    let plan = |replicas, current: &[Running], ledger: &mut Ledger| {
        let workloads = [workload("x/app", replicas, &even, current)];
        let batch = Batch { members: &members, workloads: &workloads, at: at(1) };
        planned(&Scheduler::default().schedule_batch(&batch, ledger), 2).remove(0)
    };
    assert_eq!(plan(12, &[], &mut ledger), [5, 7]);
    assert_eq!((ledger.planned("a"), ledger.planned("b")), (5, 7));
    // Nothing has arrived; then some of it; then all.
    assert_eq!(plan(12, &[], &mut ledger), [5, 7]);
    let running = |a, b| [Running { member: 0, replicas: a }, Running { member: 1, replicas: b }];
    assert_eq!(plan(12, &running(2, 3), &mut ledger), [5, 7]);
    assert_eq!(plan(12, &running(5, 7), &mut ledger), [5, 7]);
    assert_eq!((ledger.planned("a"), ledger.planned("b")), (5, 7));
    // Two more than all that ran or was charged for.
    assert_eq!(plan(14, &running(5, 7), &mut ledger), [5, 9]);
    assert_eq!(ledger.planned("b"), 9);
    // What is given up is nobody's until it is seen to be free.
    assert_eq!(plan(2, &running(5, 9), &mut ledger).iter().sum::<i64>(), 2);
    assert_eq!((ledger.free("a", at(1)), ledger.free("b", at(1))), (Some(0), Some(0)));
}

#[test]
fn stale_knowledge_is_none() {
    let even = PlacementPolicy::default();
    let members = [Member::new("a")];
    let workloads = [workload("x/app", 50, &even, &[])];
    let plan = |seconds, ledger: &mut Ledger| {
        let batch = Batch { members: &members, workloads: &workloads, at: at(seconds) };
        Scheduler::default().schedule_batch(&batch, ledger)[0].planned(0)
    };
    assert_eq!(plan(300, &mut seen(&[("a", 3)])), 3);
    let mut ledger = seen(&[("a", 3)]);
    assert_eq!(plan(301, &mut ledger), 50);
    // What was planned blindly counts all the same.
    ledger.observe("a", 60, at(302));
    assert_eq!(ledger.free("a", at(302)), Some(10));
}

#[test]
fn a_replica_takes_its_units_and_a_lost_member_is_forgotten() {
    let even = PlacementPolicy::default();
    let members = [Member::new("a")];
    let workloads = [Workload { units: NonZeroU32::new(4).unwrap(), ..workload("x/big", 9, &even, &[]) }];
    let batch = Batch { members: &members, workloads: &workloads, at: at(0) };
    let mut ledger = seen(&[("a", 11)]);
    assert_eq!(Scheduler::default().schedule_batch(&batch, &mut ledger)[0].planned(0), 2);
    assert_eq!(ledger.free("a", at(0)), Some(3));
    ledger.forget("a");
    assert_eq!((ledger.free("a", at(0)), ledger.planned("a")), (None, 0));
}

#[test]
fn the_reasons_of_one_workload_say_how_old_the_knowledge_is() {
    let policy = policy(r#"{"rebalance": true, "clusters": {"*": {"weight": 1}}}"#);
    let members = [Member::new("a"), Member::new("b")];
    let keys = ["x/one", "x/two"];
    let workloads: Vec<_> = keys.iter().map(|key| workload(key, 10, &policy, &[])).collect();
    let batch = Batch { members: &members, workloads: &workloads, at: at(30) };
    let before = seen(&[("a", 6)]);
    let plan = Scheduler::default().explain_in_batch(&batch, &before, 1).unwrap();
    let a = plan.of("a").unwrap();
    assert_eq!(a.planned, 1);
    assert!(a.reasons.contains(&Reason::CutToCapacity { capacity: 1, age_seconds: Some(30) }), "{:?}", a.reasons);
    assert!(Scheduler::default().explain_in_batch(&batch, &before, 2).is_none());
}

/// A batch that owns its parts.
#[derive(Debug, Clone)]
struct Drawn {
    free: Vec<Option<i64>>,
    taints: Vec<Option<TaintEffect>>,
    workloads: Vec<DrawnWorkload>,
}

#[derive(Debug, Clone)]
struct DrawnWorkload {
    key: String,
    replicas: i64,
    priority: i32,
    units: NonZeroU32,
    policy: PlacementPolicy,
    current: Vec<Running>,
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn drawn() -> impl Strategy<Value = Drawn> {
    let policies = [
        r#"{"clusters": {"*": {"weight": 1}}}"#,
        r#"{"rebalance": true, "clusters": {"*": {"weight": 1}, "b": {"weight": 3, "minReplicas": 2}}}"#,
        r#"{"clusters": {"a": {"weight": 2, "minReplicas": 5}, "c": {"weight": 1, "maxReplicas": 4}}}"#,
        r#"{"rebalance": true, "clusters": {"*": {"weight": 2}}, "maxMoves": 2}"#,
        r#"{"clusters": {"*": {"weight": 2}}, "maxClusters": 2}"#,
        r#"{"mode": "proportional", "rebalance": true, "clusters": {"*": {"weight": 1}, "a": {"weight": 5}}}"#,
        r#"{"mode": "proportional", "clusters": {"*": {"weight": 1, "minReplicas": 1}}}"#,
        r#"{"mode": "proportional", "clusters": {"*": {"weight": 1}}, "groups": [{"name": "x", "clusters": ["a", "b"]}]}"#,
    ];
    let policy = (0..policies.len()).prop_map(move |at| policy(policies[at]));
    let current = proptest::collection::btree_map(0..8usize, 0..12i64, 0..5);
    let workload = (0..30i64, 0..3i32, 1..4u32, policy, current);
    let effect = prop_oneof![Just(TaintEffect::NoSchedule), Just(TaintEffect::NoExecute)];
    (
        proptest::collection::vec(proptest::option::weighted(0.8, -5..60i64), 1..=6),
        proptest::collection::vec(proptest::option::weighted(0.1, effect), 6),
        proptest::collection::vec(workload, 0..12),
    )
        .prop_map(|(free, taints, workloads)| {
            let workload = |(at, (replicas, priority, units, policy, current)): (usize, _)| {
                let current: std::collections::BTreeMap<usize, i64> = current;
                DrawnWorkload {
                    key: format!("default/app-{at}"),
                    replicas,
                    priority,
                    units: NonZeroU32::new(units).unwrap(),
                    policy,
                    current: current.into_iter().map(|(member, replicas)| Running { member, replicas }).collect(),
                }
            };
            Drawn { free, taints, workloads: workloads.into_iter().enumerate().map(workload).collect() }
        })
}

// === impl Drawn ===

impl Drawn {
    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::new(AGES);
        for (name, free) in NAMES.iter().zip(&self.free) {
            free.iter().for_each(|free| ledger.observe(name, *free, at(0)));
        }
        ledger
    }

    fn with<T>(&self, then: impl FnOnce(&Batch<'_>) -> T) -> T {
        let taint = |effect: &Option<TaintEffect>| Attributes {
            taints: effect
                .iter()
                .map(|effect| Taint { key: "k".into(), value: String::new(), effect: *effect })
                .collect(),
            ..Attributes::default()
        };
        let attributes: Vec<_> = self.taints.iter().map(taint).collect();
        let members: Vec<_> = NAMES
            .iter()
            .zip(&attributes)
            .take(self.free.len())
            .map(|(name, attributes)| Member { attributes: Some(attributes), ..Member::new(name) })
            .collect();
        let workloads: Vec<_> = self.workloads.iter().map(DrawnWorkload::borrow).collect();
        then(&Batch { members: &members, workloads: &workloads, at: at(1) })
    }

    fn plan(&self, ledger: &mut Ledger) -> Vec<Assignment> {
        self.with(|batch| Scheduler::default().schedule_batch(batch, ledger))
    }
}

// === impl DrawnWorkload ===

impl DrawnWorkload {
    fn borrow(&self) -> Workload<'_> {
        let Self { key, replicas, priority, units, policy, current } = self;
        Workload { key, replicas: *replicas, priority: *priority, units: *units, policy, current }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_member_gets_more_new_replicas_than_fit(drawn in drawn()) {
        let mut ledger = drawn.ledger();
        let assignments = drawn.plan(&mut ledger);
        for (member, free) in drawn.free.iter().enumerate() {
            let new = drawn.workloads.iter().zip(&assignments).map(|(workload, assignment)| {
                let runs = workload.current.iter().find(|running| running.member == member);
                (assignment.planned(member) - runs.map_or(0, |running| running.replicas)).max(0) * i64::from(workload.units.get())
            });
            let new: i64 = new.sum();
            prop_assert_eq!(ledger.planned(NAMES[member]), new);
            prop_assert!(free.is_none_or(|free| new <= free.max(0)), "{} in {}", new, NAMES[member]);
        }
    }

    #[test]
    fn every_number_is_that_of_the_plan_with_reasons(drawn in drawn()) {
        let before = drawn.ledger();
        let assignments = drawn.plan(&mut before.clone());
        for (index, assignment) in assignments.iter().enumerate() {
            let plan = drawn.with(|batch| Scheduler::default().explain_in_batch(batch, &before, index)).unwrap();
            prop_assert_eq!((assignment.unplaced, assignment.postponed), (plan.unplaced, plan.postponed));
            for (member, name) in NAMES.iter().enumerate().take(drawn.free.len()) {
                let share = assignment.shares.iter().find(|(at, _)| *at == member).map_or(Share::default(), |found| found.1);
                let placement = plan.of(name).unwrap();
                prop_assert_eq!((share.planned, share.overflow), (placement.planned, placement.overflow), "{}", name);
            }
        }
    }

    #[test]
    fn the_order_of_input_matters_among_equals_only(drawn in drawn(), rotation in 0..12usize) {
        let mut drawn = drawn;
        // Stable by priority, so that equals keep their order, and then moved apart by rotating whole priorities.
        let mut shuffled = drawn.clone();
        shuffled.workloads.sort_by_key(|workload| (workload.priority + rotation as i32) % 3);
        let (mut ledger, mut other) = (drawn.ledger(), drawn.ledger());
        let (assignments, others) = (drawn.plan(&mut ledger), shuffled.plan(&mut other));
        for (workload, assignment) in drawn.workloads.iter().zip(&assignments) {
            let found = shuffled.workloads.iter().position(|other| other.key == workload.key).unwrap();
            prop_assert_eq!(assignment, &others[found]);
        }
        NAMES.iter().for_each(|name| assert_eq!(ledger.planned(name), other.planned(name)));
        // The same once more is the same.
        prop_assert_eq!(drawn.plan(&mut drawn.ledger()), assignments);
        drawn.workloads.clear();
        prop_assert_eq!(drawn.plan(&mut ledger), []);
    }

    #[test]
    fn the_order_of_members_is_irrelevant(drawn in drawn()) {
        let forwards = drawn.with(|batch| Scheduler::default().schedule_batch(batch, &mut drawn.ledger()));
        let count = drawn.free.len();
        let backwards = drawn.with(|batch| {
            let members: Vec<_> = batch.members.iter().rev().copied().collect();
            let turned = |running: &Running| Running { member: count.wrapping_sub(1).wrapping_sub(running.member), ..*running };
            let currents: Vec<Vec<_>> =
                batch.workloads.iter().map(|workload| workload.current.iter().map(turned).collect()).collect();
            let workloads: Vec<_> =
                batch.workloads.iter().zip(&currents).map(|(workload, current)| Workload { current, ..*workload }).collect();
            Scheduler::default().schedule_batch(&Batch { members: &members, workloads: &workloads, ..*batch }, &mut drawn.ledger())
        });
        for (a, b) in planned(&forwards, count).into_iter().zip(planned(&backwards, count)) {
            prop_assert_eq!(a, b.into_iter().rev().collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_charged_twice_whatever_has_arrived(drawn in drawn(), arrived in 0..=4i64) {
        let mut ledger = drawn.ledger();
        let assignments = drawn.plan(&mut ledger);
        let charged: Vec<_> = NAMES.iter().map(|name| ledger.planned(name)).collect();
        let mut later = drawn.clone();
        for (workload, assignment) in later.workloads.iter_mut().zip(&assignments) {
            let old = std::mem::take(&mut workload.current);
            for member in 0..drawn.free.len() {
                let before = old.iter().find(|running| running.member == member).map_or(0, |running| running.replicas);
                let replicas = before + (assignment.planned(member) - before) * arrived / 4;
                workload.current.push(Running { member, replicas });
            }
        }
        later.plan(&mut ledger);
        for ((name, free), charged) in NAMES.iter().zip(&drawn.free).zip(charged) {
            prop_assert!(ledger.planned(name) >= charged);
            prop_assert!(free.is_none_or(|free| ledger.planned(name) <= free.max(0)));
        }
    }
}
