//! What policies do to plans.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::time::Duration;

use kfed_api::policy::{PlacementPolicy, Taint, TaintEffect};
use kfed_replica_scheduler::{Attributes, Member, Plan, Reason, Request, Scheduler, Verdict, schedule};

/// A member that owns its attributes.
#[derive(Debug, Clone, Default)]
struct Cluster {
    name: &'static str,
    current: Option<i64>,
    capacity: Option<i64>,
    attributes: Attributes,
}

fn cluster(name: &'static str) -> Cluster {
    Cluster { name, ..Cluster::default() }
}

impl Cluster {
    fn runs(self, current: i64) -> Self {
        Self { current: Some(current), ..self }
    }

    fn fits(self, capacity: i64) -> Self {
        Self { capacity: Some(capacity), ..self }
    }

    fn label(mut self, key: &str, value: &str) -> Self {
        self.attributes.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn taint(mut self, key: &str, effect: TaintEffect) -> Self {
        self.attributes.taints.push(Taint { key: key.to_owned(), value: String::new(), effect });
        self
    }

    fn region(mut self, region: &str) -> Self {
        self.attributes.region = Some(region.to_owned());
        self
    }
}

fn ask<T>(policy: &str, replicas: i64, clusters: &[Cluster], ask: impl FnOnce(&Request<'_>) -> T) -> T {
    let policy: PlacementPolicy = policy.parse().unwrap();
    let findings = policy.check(None);
    assert_eq!(findings, [], "the policy of a test makes sense");
    let member = |cluster: &'_ Cluster| Member {
        name: cluster.name,
        current: cluster.current,
        capacity: cluster.capacity,
        attributes: None,
    };
    let members: Vec<_> =
        clusters.iter().map(|cluster| Member { attributes: Some(&cluster.attributes), ..member(cluster) }).collect();
    ask(&Request { key: "default/hostname", replicas, policy: &policy, members: &members })
}

fn plan(policy: &str, replicas: i64, clusters: &[Cluster]) -> Plan {
    ask(policy, replicas, clusters, schedule)
}

fn numbers(plan: &Plan) -> Vec<i64> {
    plan.placements.iter().map(|placement| placement.planned).collect()
}

fn why(plan: &Plan, member: &str) -> String {
    let reasons: Vec<_> = plan.of(member).unwrap().reasons.iter().map(ToString::to_string).collect();
    reasons.join(", ")
}

/// The members as they are once the plan is carried out.
fn carried_out(clusters: &[Cluster], plan: &Plan) -> Vec<Cluster> {
    let then = |cluster: &Cluster| {
        let planned = plan.of(cluster.name).map(|placement| placement.planned);
        Cluster { current: planned.filter(|planned| *planned > 0), ..cluster.clone() }
    };
    clusters.iter().map(then).collect()
}

const BOTH_MODES: [&str; 2] = ["federation-v1", "proportional"];

fn in_mode(mode: &str, rest: &str) -> String {
    format!(r#"{{"mode": "{mode}", "clusters": {{"*": {{"weight": 1}}}}, "rebalance": true, {rest}}}"#)
}

#[test]
fn a_selector_leaves_members_out_in_both_modes() {
    let clusters =
        [cluster("a").label("environment", "prod"), cluster("b").label("environment", "test").runs(3), cluster("c")];
    for mode in BOTH_MODES {
        let policy =
            in_mode(mode, r#""clusterSelector": [{"key": "environment", "operator": "in", "values": ["prod"]}]"#);
        let plan = plan(&policy, 7, &clusters);
        assert_eq!(numbers(&plan), [7, 0, 0], "{mode}");
        assert_eq!(why(&plan, "b"), "its labels are not environment in (prod), 3 that run there leave");
        assert_eq!(why(&plan, "c"), "its labels are not environment in (prod)");
    }
}

#[test]
fn taints_keep_away_as_much_as_their_effect_says_unless_tolerated() {
    let clusters = [
        cluster("a"),
        cluster("b").taint("full", TaintEffect::NoSchedule).runs(2),
        cluster("c").taint("broken", TaintEffect::NoExecute).runs(2),
        cluster("d").taint("slow", TaintEffect::PreferNoSchedule),
    ];
    for mode in BOTH_MODES {
        let plan = plan(&in_mode(mode, r#""tolerations": []"#), 12, &clusters);
        assert_eq!(numbers(&plan), [5, 2, 0, 5], "{mode}");
        assert_eq!(plan.unplaced, 0);
        assert!(plan.placements.iter().all(|placement| placement.overflow == 0), "{mode}: {plan:?}");
        assert!(why(&plan, "b").contains("takes no new ones: taint full:NoSchedule is not tolerated"), "{mode}");
        assert_eq!(why(&plan, "c"), "may run none: taint broken:NoExecute is not tolerated, 2 that run there leave");
        let tolerant = self::plan(&in_mode(mode, r#""tolerations": [{"operator": "Exists"}]"#), 12, &clusters);
        assert_eq!(numbers(&tolerant), [3, 3, 3, 3], "{mode}");
        let some = in_mode(mode, r#""tolerations": [{"key": "broken", "operator": "Exists", "effect": "NoExecute"}]"#);
        assert_eq!(self::plan(&some, 12, &clusters).of("b").unwrap().planned, 2, "{mode}");
        assert!(self::plan(&some, 12, &clusters).of("c").unwrap().planned > 2, "{mode}");
    }
}

#[test]
fn the_limit_on_members_keeps_the_best() {
    let clusters = [
        cluster("a"),
        cluster("b").runs(1),
        cluster("c").fits(0),
        cluster("d").taint("slow", TaintEffect::PreferNoSchedule),
        cluster("e"),
    ];
    for mode in BOTH_MODES {
        let policy = |limit| {
            format!(
                r#"{{"mode": "{mode}", "maxClusters": {limit},
                    "clusters": {{"*": {{"weight": 1}}, "e": {{"minReplicas": 1, "weight": 1}}}}}}"#
            )
        };
        // A minimum, then what runs, then who has no taint; who has no room comes last.
        assert_eq!(numbers(&plan(&policy(1), 8, &clusters)), [0, 0, 0, 0, 8], "{mode}");
        let two = plan(&policy(2), 8, &clusters);
        assert_eq!(two.placements.iter().filter(|placement| placement.planned > 0).count(), 2, "{mode}");
        assert!(two.of("b").unwrap().planned > 0 && two.of("e").unwrap().planned > 0, "{mode}");
        assert_eq!(why(&two, "a"), "ranks 3, and maxClusters allows 2", "{mode}");
        assert_eq!(why(&two, "d"), "ranks 4, and maxClusters allows 2", "{mode}");
        assert!(plan(&policy(3), 8, &clusters).of("a").unwrap().planned > 0, "{mode}");
    }
}

#[test]
fn scores_decide_among_members_that_are_otherwise_alike() {
    let clusters = [cluster("a"), cluster("b"), cluster("c")];
    let policy = in_mode("proportional", r#""maxClusters": 1"#);
    for favourite in ["a", "b", "c"] {
        let scorer =
            move |_: &Request<'_>, member: &Member<'_>| if member.name == favourite { i64::MAX } else { i64::MAX - 1 };
        let plan = ask(&policy, 5, &clusters, |request| Scheduler::default().scorer(scorer).schedule(request));
        assert_eq!(plan.of(favourite).unwrap().planned, 5);
    }
}

#[test]
fn the_limit_on_members_leaves_room_for_the_domains_that_a_spread_asks_for() {
    let clusters = [
        cluster("a").region("west").runs(4),
        cluster("b").region("west").runs(4),
        cluster("c").region("west").runs(4),
        cluster("d").region("east"),
        cluster("e").region("north"),
    ];
    let policy =
        in_mode("proportional", r#""maxClusters": 3, "spread": [{"by": "region", "maxSkew": 1, "minDomains": 3}]"#);
    let plan = plan(&policy, 9, &clusters);
    assert_eq!(plan.unplaced, 0, "{plan:?}");
    let west: i64 = ["a", "b", "c"].iter().map(|name| plan.of(name).unwrap().planned).sum();
    assert_eq!((west, plan.of("d").unwrap().planned, plan.of("e").unwrap().planned), (3, 3, 3));
}

#[test]
fn a_member_that_does_not_say_where_it_is_cannot_be_spread_over() {
    let clusters = [cluster("a").region("west"), cluster("b").region("east"), cluster("c").runs(1)];
    let plan = plan(&in_mode("proportional", r#""spread": [{"by": "region"}]"#), 6, &clusters);
    assert_eq!(numbers(&plan), [3, 3, 0]);
    assert_eq!(why(&plan, "c"), "says no region, and a spread by region is asked for, 1 that run there leave");
}

#[test]
fn skew_is_said_where_it_cuts() {
    let clusters = [cluster("a").region("west"), cluster("b").region("east").fits(2)];
    let plan = plan(&in_mode("proportional", r#""spread": [{"by": "region", "maxSkew": 1}]"#), 9, &clusters);
    assert_eq!((numbers(&plan), plan.unplaced), (vec![3, 2], 4));
    assert_eq!(
        why(&plan, "a"),
        "3 for its weight of 1 in 2, its weight asks for 5, cut so that region west leads by no more than 1"
    );
    assert_eq!(why(&plan, "b"), "2 for its weight of 1 in 2, its weight asks for 4, cut to the 2 that fit");
}

#[test]
fn minimums_win_over_skew_and_say_so() {
    let clusters = [cluster("a").region("west"), cluster("b").region("east").fits(1)];
    let policy = r#"{"mode": "proportional", "rebalance": true, "spread": [{"by": "region", "maxSkew": 1}],
        "clusters": {"*": {"weight": 1}, "a": {"minReplicas": 5, "weight": 1}}}"#;
    let plan = plan(policy, 7, &clusters);
    assert_eq!((numbers(&plan), plan.unplaced), (vec![5, 1], 1));
    assert_eq!(
        why(&plan, "a"),
        "5 as its minimum, its weight asks for 4, minimums make region west lead by more than 1"
    );
}

#[test]
fn in_mode_proportional_weights_speak_of_the_whole() {
    let policy = |mode| {
        format!(
            r#"{{"mode": "{mode}", "clusters": {{"a": {{"minReplicas": 2, "weight": 2}},
                "b": {{"minReplicas": 4, "weight": 3}}}}}}"#
        )
    };
    let clusters = [cluster("a"), cluster("b")];
    assert_eq!(numbers(&plan(&policy("federation-v1"), 10, &clusters)), [3, 7]);
    let plan = plan(&policy("proportional"), 10, &clusters);
    assert_eq!(numbers(&plan), [4, 6]);
    assert_eq!(why(&plan, "a"), "4 for its weight of 2 in 5");
}

#[test]
fn minimums_maximums_and_capacities_are_told_in_mode_proportional() {
    let policy = r#"{"mode": "proportional", "clusters": {"a": {"minReplicas": 5, "weight": 1},
        "b": {"maxReplicas": 3, "weight": 4}, "c": {"weight": 4}, "d": {"minReplicas": 4, "weight": 1}, "e": {}}}"#;
    let mut d = cluster("d").fits(2);
    d.attributes.capacity_age = Some(Duration::from_secs(200));
    let plan = plan(policy, 16, &[cluster("a"), cluster("b"), cluster("c").fits(9), d, cluster("e")]);
    assert_eq!(numbers(&plan), [5, 3, 6, 2, 0]);
    assert_eq!(why(&plan, "a"), "5 as its minimum, its weight asks for 2");
    assert_eq!(why(&plan, "b"), "3 for its weight of 4 in 10, its weight asks for 6, cut to its maximum of 3");
    assert_eq!(why(&plan, "c"), "6 for its weight of 4 in 10");
    assert_eq!(why(&plan, "d"), "2 for its weight of 1 in 10, cut to the 2 that fit (seen 3 min ago)");
    assert_eq!(why(&plan, "e"), "none for its weight of 0 in 10");
}

#[test]
fn what_runs_stays_without_rebalancing() {
    let policy = r#"{"mode": "proportional", "clusters": {"*": {"weight": 1}}}"#;
    let plan = plan(policy, 10, &[cluster("a").runs(8), cluster("b")]);
    assert_eq!(numbers(&plan), [8, 2]);
    assert_eq!(why(&plan, "a"), "8 kept because they run there, its weight asks for 5");
    assert_eq!(why(&plan, "b"), "2 for its weight of 1 in 2, its weight asks for 5");
}

const FAILOVER: &str = r#"{
    "mode": "proportional", "maxMoves": 3,
    "clusters": {"*": {"weight": 1}, "backup": {"weight": 1, "minReplicas": 1}, "burst": {"weight": 1, "maxReplicas": 4}},
    "groups": [{"name": "first", "clusters": ["primary"]}, {"name": "second", "clusters": ["backup"]}]
}"#;

#[test]
fn when_the_primary_dies_the_backup_takes_over_at_once_and_gives_back_step_by_step() {
    let mut clusters = vec![cluster("primary"), cluster("backup").fits(7), cluster("burst")];
    let step = |clusters: &mut Vec<Cluster>| {
        let plan = plan(FAILOVER, 10, clusters);
        *clusters = carried_out(clusters, &plan);
        plan
    };
    let calm = step(&mut clusters);
    assert_eq!(numbers(&calm), [1, 0, 9]);
    assert_eq!(why(&calm, "backup"), "1 as its minimum, stands by in group second behind group first");
    assert_eq!(why(&calm, "burst"), "stands by behind group first");

    let primary = clusters.remove(0);
    let failed = step(&mut clusters);
    assert_eq!(numbers(&failed), [7, 3], "replicas that are lost are no moves");
    assert_eq!(
        why(&failed, "backup"),
        "1 kept because they run there, 6 for its weight of 1 in 1, cut to the 7 that fit, \
         takes over in group second what group first cannot"
    );
    assert_eq!(why(&failed, "burst"), "3 for its weight of 1 in 1, takes over what group second cannot");

    clusters.insert(0, Cluster { current: None, ..primary });
    let mut rounds = Vec::new();
    loop {
        let back = step(&mut clusters);
        rounds.push((back.of("primary").unwrap().planned, back.postponed));
        if back.postponed == 0 {
            break;
        }
    }
    assert_eq!(rounds, [(3, 6), (6, 3), (9, 0)]);
    assert_eq!(numbers(&step(&mut clusters)), [1, 0, 9], "and then it stays");
}

#[test]
fn what_waits_for_later_rounds_is_said_on_both_sides() {
    for mode in BOTH_MODES {
        let plan = plan(&in_mode(mode, r#""maxMoves": 2"#), 10, &[cluster("a").runs(10), cluster("b")]);
        assert_eq!((numbers(&plan), plan.postponed, plan.unplaced), (vec![8, 2], 3, 0), "{mode}");
        assert!(why(&plan, "a").ends_with("3 more stay until later rounds, 2 that run there leave"), "{mode}");
        assert!(why(&plan, "b").ends_with("3 of these come later"), "{mode}");
    }
}

#[test]
fn the_strictest_filter_counts_and_all_objections_are_told() {
    let no_new = |_: &Request<'_>, member: &Member<'_>| match member.name {
        "a" => Verdict::no_new("freeze", "it is frozen"),
        _ => Verdict::Allow,
    };
    let never = |_: &Request<'_>, member: &Member<'_>| match member.name {
        "a" => Verdict::reject("audit", "it failed the audit"),
        _ => Verdict::Allow,
    };
    let policy = in_mode("federation-v1", r#""tolerations": []"#);
    let clusters = [cluster("a").runs(3), cluster("b")];
    let frozen = ask(&policy, 8, &clusters, |request| Scheduler::default().filter(no_new).schedule(request));
    assert_eq!(numbers(&frozen), [3, 5]);
    let both = ask(&policy, 8, &clusters, |request| {
        let plan = Scheduler::default().filter(no_new).filter(never).schedule(request);
        assert_eq!(Scheduler::default().filter(never).filter(no_new).schedule(request), plan);
        plan
    });
    assert_eq!(numbers(&both), [0, 8]);
    assert_eq!(
        why(&both, "a"),
        "may run none: it failed the audit (audit), takes no new ones: it is frozen (freeze), 3 that run there leave"
    );
}

#[test]
fn a_minimum_brings_nothing_new_to_a_member_that_takes_none() {
    for mode in BOTH_MODES {
        let policy = format!(
            r#"{{"mode": "{mode}", "clusters": {{"*": {{"weight": 1}}, "a": {{"weight": 1, "minReplicas": 4}}}}}}"#
        );
        let clusters = [cluster("a").taint("full", TaintEffect::NoSchedule).runs(1), cluster("b")];
        let plan = plan(&policy, 6, &clusters);
        assert_eq!((numbers(&plan), plan.unplaced), (vec![1, 5], 0), "{mode}");
    }
}

#[test]
fn reasons_are_readable_as_json() {
    let mut full = cluster("a").fits(1);
    full.attributes.capacity_age = Some(Duration::from_secs(30));
    let plan = plan(&in_mode("proportional", r#""maxMoves": 9"#), 2, &[full]);
    let expected = serde_json::json!({
        "placements": [{"member": "a", "planned": 1, "overflow": 0, "reasons": [
            {"reason": "weight", "weight": 1, "of": 1, "replicas": 1},
            {"reason": "wanted", "replicas": 2},
            {"reason": "cut-to-capacity", "capacity": 1, "ageSeconds": 30},
        ]}],
        "unplaced": 1,
    });
    assert_eq!(serde_json::to_value(&plan).unwrap(), expected);
    assert!(Reason::NotPreferred.filters());
}
