//! What holds for every plan, whatever the policy.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeMap;

use kfed_api::policy::{
    Group, Mode, PlacementPolicy, SelectorOperator, SelectorRequirement, Spread, Taint, TaintEffect, Toleration,
    TolerationOperator, Topology,
};
use kfed_api::preferences::{ClusterPreferences, ReplicaPreferences};
use kfed_replica_scheduler::{
    Attributes, Member, Plan, Reason, Request, Scheduler, Verdict, explain, federation_v1, schedule,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Case {
    replicas: i64,
    policy: PlacementPolicy,
    members: Vec<(String, Option<i64>, Option<i64>, Attributes)>,
}

impl Case {
    fn ask<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let members: Vec<_> = self
            .members
            .iter()
            .map(|(name, current, capacity, attributes)| Member {
                name,
                current: *current,
                capacity: *capacity,
                attributes: Some(attributes),
            })
            .collect();
        ask(&Request { key: "default/drawn", replicas: self.replicas, policy: &self.policy, members: &members })
    }

    fn plan(&self) -> Plan {
        self.ask(schedule)
    }

    /// The same workload after the plan has been carried out.
    fn after(&self, plan: &Plan) -> Self {
        let mut then = self.clone();
        for (name, current, ..) in &mut then.members {
            *current = Some(plan.of(name).unwrap().planned);
        }
        then
    }
}

fn preferences() -> impl Strategy<Value = ClusterPreferences> {
    (0..4i64, proptest::option::weighted(0.4, 0..12i64), 0..5i64).prop_map(|(min, max, weight)| ClusterPreferences {
        min_replicas: max.map_or(min, |max| min.min(max)),
        max_replicas: max,
        weight,
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let effect =
        prop_oneof![Just(TaintEffect::PreferNoSchedule), Just(TaintEffect::NoSchedule), Just(TaintEffect::NoExecute)];
    let taint = ("[xy]", effect).prop_map(|(key, effect)| Taint { key, value: String::new(), effect });
    (
        proptest::option::weighted(0.9, "[a-c]"),
        proptest::option::weighted(0.9, "[12]"),
        prop_oneof![Just("prod"), Just("test")],
        proptest::collection::vec(taint, 0..2),
    )
        .prop_map(|(region, zone, environment, taints)| Attributes {
            region,
            zone,
            labels: BTreeMap::from([("environment".to_owned(), environment.to_owned())]),
            taints,
            capacity_age: None,
        })
}

fn policy(mode: Mode) -> impl Strategy<Value = PlacementPolicy> {
    let spread = (prop_oneof![Just(Topology::Region), Just(Topology::Zone)], 1..4u32, proptest::option::of(1..4u32));
    let group = proptest::collection::vec("m[0-9]", 1..4);
    (
        (any::<bool>(), proptest::collection::btree_map("m[0-9]", preferences(), 0..6), preferences()),
        proptest::option::weighted(0.3, 1..6u32),
        proptest::option::weighted(0.3, 1..5u32),
        proptest::option::weighted(0.2, Just("prod")),
        proptest::option::weighted(0.4, "[xy]"),
        proptest::collection::vec(group, 0..3),
        proptest::option::weighted(0.3, spread),
    )
        .prop_map(
            move |((rebalance, mut clusters, any), max_moves, max_clusters, selected, tolerated, groups, spread)| {
                clusters.insert("*".to_owned(), any);
                let proportional = mode == Mode::Proportional;
                let group = |(at, clusters)| Group { name: format!("g{at}"), clusters, selector: Vec::new() };
                let selector = selected.map(|value| SelectorRequirement {
                    key: "environment".to_owned(),
                    operator: SelectorOperator::In,
                    values: vec![value.to_owned()],
                });
                let toleration = tolerated.map(|key| Toleration {
                    key,
                    operator: TolerationOperator::Exists,
                    ..Toleration::default()
                });
                let spread = spread.map(|(by, max_skew, min_domains)| Spread { by, max_skew, min_domains });
                PlacementPolicy {
                    mode,
                    preferences: ReplicaPreferences { rebalance, clusters },
                    max_moves,
                    max_clusters,
                    cluster_selector: selector.into_iter().collect(),
                    tolerations: toleration.into_iter().collect(),
                    groups: if proportional { groups.into_iter().enumerate().map(group).collect() } else { Vec::new() },
                    spread: if proportional { spread.into_iter().collect() } else { Vec::new() },
                    unknown_keys: Vec::new(),
                    repeated_keys: Vec::new(),
                }
            },
        )
}

fn case(mode: Mode) -> impl Strategy<Value = Case> {
    let member = (proptest::option::weighted(0.6, 0..8i64), proptest::option::weighted(0.3, 0..10i64), attributes());
    (0..40i64, policy(mode), proptest::collection::btree_map("m[0-9]", member, 0..9)).prop_map(
        |(replicas, policy, members)| {
            let member = |(name, (current, capacity, attributes))| (name, current, capacity, attributes);
            Case { replicas, policy, members: members.into_iter().map(member).collect() }
        },
    )
}

fn any_case() -> impl Strategy<Value = Case> {
    prop_oneof![case(Mode::FederationV1), case(Mode::Proportional)]
}

/// A case in which some numbers are negative, and some are of any size.
fn odd_case() -> impl Strategy<Value = Case> {
    const EDGES: [i64; 6] = [i64::MIN, i64::MIN + 1, -(1 << 40), 1 << 62, i64::MAX - 1, i64::MAX];
    let number = prop_oneof![20 => -9..12i64, 1 => proptest::sample::select(&EDGES[..])];
    let numbers = proptest::collection::vec(proptest::option::weighted(0.4, number), 1..40);
    (any_case(), numbers).prop_map(|(mut case, numbers)| {
        let mut numbers = numbers.into_iter().cycle();
        let mut next = |number: i64| numbers.next().flatten().unwrap_or(number);
        case.replicas = next(case.replicas);
        for preferences in case.policy.preferences.clusters.values_mut() {
            preferences.min_replicas = next(preferences.min_replicas);
            preferences.max_replicas = preferences.max_replicas.map(&mut next);
            preferences.weight = next(preferences.weight);
        }
        for (_, current, capacity, _) in &mut case.members {
            (*current, *capacity) = (current.map(&mut next), capacity.map(&mut next));
        }
        case
    })
}

/// Whether a reason for the placement of this member of the request is so.
fn is_so(reason: &Reason, case: &Case, plan: &Plan, at: usize) -> bool {
    let (name, current, capacity, _) = &case.members[at];
    let placement = plan.of(name).unwrap();
    let preferences = case.policy.preferences.of(name);
    let own = preferences.copied().unwrap_or_default();
    let current = current.unwrap_or(0);
    let later: i64 =
        placement.reasons.iter().filter(|r| matches!(r, Reason::Postponed { .. })).map(Reason::gives).sum();
    let planned = i128::from(placement.planned) - i128::from(later);
    // What 64 bits do not hold is told as the last that they hold.
    let is_planned = |number: i64| planned == i128::from(number) || [i64::MIN, i64::MAX].contains(&later);
    let proportional = case.policy.mode == Mode::Proportional;
    let least = if proportional { 0 } else { i64::MIN };
    match *reason {
        Reason::NotPreferred => preferences.is_none(),
        Reason::Minimum { replicas } if replicas < 0 => !proportional && replicas == own.min_replicas,
        Reason::Minimum { replicas } => 0 < replicas && replicas <= own.min_replicas,
        Reason::Kept { replicas } => {
            !case.policy.preferences.rebalance
                && 0 < replicas
                && i128::from(replicas) <= i128::from(current) - i128::from(own.min_replicas.min(0))
        }
        Reason::Weight { weight, of, replicas } => {
            weight == own.weight.max(least) && replicas >= 0 && of == weights(case, plan, name)
        }
        Reason::TakenBack { replicas } => {
            let to_maximum = own.max_replicas.is_some_and(is_planned);
            !proportional && 0 < replicas && (to_maximum || planned < 0)
        }
        Reason::CutToMaximum { max } => own.max_replicas == Some(max) && is_planned(max.max(least)),
        Reason::CutToCapacity { capacity: fits, .. } => {
            capacity.map(|capacity| capacity.max(least)) == Some(fits) && is_planned(fits)
        }
        Reason::Scarce { missing } => {
            0 < missing && planned + i128::from(missing) <= i128::from(own.min_replicas.max(current))
        }
        Reason::Overflow { replicas } => replicas > 0 && replicas == placement.overflow && capacity.is_some(),
        Reason::Leaving { replicas } => replicas > 0 && replicas == current - placement.planned.max(0),
        Reason::Postponed { replicas } => replicas != 0 && case.policy.max_moves.is_some(),
        Reason::Wanted { .. } => proportional,
        _ => true,
    }
}

/// The sum of the weights that the one of `name` is one of.
fn weights(case: &Case, plan: &Plan, name: &str) -> i64 {
    let group = |attributes: &Attributes, name: &str| case.policy.group_of(name, &attributes.labels);
    let own = case.members.iter().find(|(other, ..)| other == name).and_then(|(name, .., a)| group(a, name));
    let open = case.members.iter().filter(|(name, ..)| !plan.of(name).unwrap().is_filtered());
    let alike = open.filter(|(name, .., attributes)| group(attributes, name) == own);
    let weight = |(name, ..): &(String, _, _, _)| case.policy.preferences.of(name).map_or(0, |own| own.weight);
    let weight = |member| match case.policy.mode {
        Mode::Proportional => weight(member).max(0),
        Mode::FederationV1 => weight(member),
    };
    alike.map(|member| i128::from(weight(member))).sum::<i128>().clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// A filter or scorer of a kind, which has its own opinion of every member.
fn opinion(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 32
}

fn filter(seed: u64) -> impl Fn(&Request<'_>, &Member<'_>) -> Verdict + Send + Sync + 'static {
    move |_, member| match opinion(seed, member.name) % 4 {
        0 => Verdict::reject("drawn", seed.to_string()),
        1 => Verdict::no_new("drawn", seed.to_string()),
        _ => Verdict::Allow,
    }
}

fn scorer(seed: u64) -> impl Fn(&Request<'_>, &Member<'_>) -> i64 + Send + Sync + 'static {
    move |_, member| (opinion(seed, member.name) % 3) as i64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_has_reasons_that_add_up_to_it(case in any_case()) {
        let plan = case.plan();
        prop_assert_eq!(plan.placements.len(), case.members.len());
        for placement in &plan.placements {
            prop_assert!(!placement.reasons.is_empty());
            let postponed = |reason: &Reason| matches!(reason, Reason::Postponed { .. });
            let (later, given): (Vec<_>, Vec<_>) = placement.reasons.iter().partition(|reason| postponed(reason));
            let sum = |reasons: &[&Reason]| reasons.iter().map(|reason| reason.gives()).sum::<i64>();
            prop_assert_eq!(sum(&given) + sum(&later), placement.planned, "{:?}", placement);
        }
    }

    #[test]
    fn every_reason_is_so_and_all_add_up_whatever_the_numbers(case in odd_case()) {
        let plan = case.plan();
        for (at, (name, ..)) in case.members.iter().enumerate() {
            let placement = plan.of(name).unwrap();
            let untrue = placement.reasons.iter().find(|reason| !is_so(reason, &case, &plan, at));
            prop_assert_eq!(untrue, None, "{:?}", placement);
            let gives = || placement.reasons.iter().map(Reason::gives);
            // A number that 64 bits do not hold is told as the last that they hold.
            let told = |number: i64| number.unsigned_abs() < 1 << 62;
            if told(placement.planned) && gives().all(told) {
                prop_assert_eq!(gives().map(i128::from).sum::<i128>(), i128::from(placement.planned), "{:?}", placement);
            }
            let overflows = placement.reasons.iter().any(|reason| matches!(reason, Reason::Overflow { .. }));
            prop_assert!(overflows || placement.overflow == 0);
        }
    }

    #[test]
    fn planned_and_unplaced_replicas_are_those_asked_for(case in any_case()) {
        let plan = case.plan();
        let planned: i64 = plan.placements.iter().map(|placement| placement.planned).sum();
        prop_assert_eq!(planned + plan.unplaced, case.replicas, "{:?}", plan);
    }

    #[test]
    fn the_order_of_members_changes_nothing(case in any_case(), seed in any::<u64>()) {
        let mut other = case.clone();
        other.members.sort_by_key(|(name, ..)| opinion(seed, name));
        prop_assert_eq!(case.plan(), other.plan());
        prop_assert_eq!(case.ask(|request| explain(&schedule(request), request)),
            other.ask(|request| explain(&schedule(request), request)));
    }

    #[test]
    fn filters_and_scorers_compose_in_any_order(case in any_case(), seeds in any::<[u64; 2]>()) {
        let [a, b] = seeds;
        let one = Scheduler::default().filter(filter(a)).filter(filter(b)).scorer(scorer(a)).scorer(scorer(b));
        let other = Scheduler::default().filter(filter(b)).scorer(scorer(b)).filter(filter(a)).scorer(scorer(a));
        prop_assert_eq!(case.ask(|request| one.schedule(request)), case.ask(|request| other.schedule(request)));
    }

    #[test]
    fn without_a_pace_filters_and_limits_are_kept(mut case in any_case(), seed in any::<u64>()) {
        case.policy.max_moves = None;
        let plan = case.ask(|request| Scheduler::default().filter(filter(seed)).schedule(request));
        let holders = plan.placements.iter().filter(|placement| placement.planned > 0).count();
        prop_assert!(case.policy.max_clusters.is_none_or(|limit| holders <= limit as usize));
        for (name, current, capacity, _) in &case.members {
            let placement = plan.of(name).unwrap();
            let preferences = case.policy.preferences.of(name).unwrap();
            let verdict = opinion(seed, name) % 4;
            prop_assert!(placement.planned >= 0);
            prop_assert!(verdict != 0 || placement.replicas() == 0, "{:?}", placement);
            prop_assert!(verdict != 1 || placement.replicas() <= current.unwrap_or(0), "{:?}", placement);
            prop_assert!(!placement.is_filtered() || placement.replicas() == 0, "{:?}", placement);
            prop_assert!(capacity.is_none_or(|capacity| placement.planned <= capacity), "{:?}", placement);
            prop_assert!(preferences.max_replicas.is_none_or(|max| placement.planned <= max), "{:?}", placement);
        }
    }

    #[test]
    fn preferences_alone_are_planned_as_v1_planned_them(mut case in case(Mode::FederationV1)) {
        case.policy = PlacementPolicy::of(case.policy.preferences);
        case.members.iter_mut().for_each(|(.., attributes)| attributes.taints.clear());
        let plan = case.plan();
        let expected = case.ask(|request| federation_v1::distribute(&federation_v1::Request {
            key: request.key,
            replicas: request.replicas,
            preferences: &request.policy.preferences,
            members: request.members,
        }));
        for ((name, ..), share) in case.members.iter().zip(expected) {
            let placement = plan.of(name).unwrap();
            prop_assert_eq!((placement.planned, placement.overflow), (share.planned, share.overflow));
        }
    }

    #[test]
    fn an_explanation_has_at_most_twenty_lines(case in any_case()) {
        let text = case.ask(|request| explain(&schedule(request), request));
        prop_assert!(text.lines().count() <= 20 && text.starts_with("default/drawn: "), "{text}");
    }

    #[test]
    fn rounds_converge_and_none_moves_more_than_allowed(mut case in case(Mode::Proportional), most in 1..4u32) {
        // What is left where it is depends on what runs, and so on the way.
        case.policy.preferences.rebalance = true;
        case.policy.max_clusters = None;
        case.members.iter_mut().for_each(|(.., attributes)| attributes.taints.clear());
        case.policy.max_moves = None;
        let target = case.plan();
        case.policy.max_moves = Some(most);
        let mut rounds = 0;
        loop {
            let plan = case.plan();
            let leaving = case.members.iter().map(|(name, current, ..)| {
                (current.unwrap_or(0) - plan.of(name).unwrap().planned).max(0)
            }).sum::<i64>();
            let running: i64 = case.members.iter().filter_map(|(_, current, ..)| *current).sum();
            let planned: i64 = plan.placements.iter().map(|placement| placement.planned).sum();
            prop_assert!(leaving - (running - planned).max(0) <= i64::from(most), "{:?}", plan);
            case = case.after(&plan);
            if plan.postponed == 0 {
                let numbers = |plan: &Plan| plan.placements.iter().map(|p| p.planned).collect::<Vec<_>>();
                prop_assert_eq!(numbers(&plan), numbers(&target));
                break;
            }
            rounds += 1;
            prop_assert!(rounds < 100, "it does not come to an end");
        }
    }
}
