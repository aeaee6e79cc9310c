//! Kinds with numbers of their own: Jobs, autoscalers and what they scale, StatefulSets; selectors; pods without room.

use jiff::SignedDuration;
use kfed_api::policy::parse_selector;

use super::*;
use crate::world::{Lack, Pods};

/// The tables of Federation v1's controllers.
fn cases() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases/controller_cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn job(name: &str, parallelism: i64, completions: Option<i64>) -> DynamicObject {
    let spec =
        json!({"parallelism": parallelism, "completions": completions, "template": {"spec": {"containers": []}}});
    object("Job", &json!({"metadata": {"name": name}, "spec": spec}))
}

/// `parallelism` and `completions` that each member is told.
fn told(plan: &ObjectPlan, member: &str) -> (i64, Option<i64>) {
    let MemberWrite::Apply { intent, .. } = &plan.members[member] else { panic!("{plan:?}") };
    (intent["spec"]["parallelism"].as_i64().unwrap(), intent["spec"]["completions"].as_i64())
}

#[test]
fn a_job_is_divided_as_federation_v1_divided_it() {
    for case in cases()["jobs"]["cases"].as_array().unwrap() {
        let (name, completions) = (case["name"].as_str().unwrap(), case["completions"].as_i64());
        let federated = job(name, case["parallelism"].as_i64().unwrap(), completions);
        let members = vec![("k8s-1", member(Available, None)), ("k8s-2", member(Available, None))];
        let mut view = view("Job", Some(federated), members);
        view.key.name = name.to_owned();
        let plan = plan(&view);
        for member in ["k8s-1", "k8s-2"] {
            let wanted = (case[member][0].as_i64().unwrap(), case[member][1].as_i64());
            assert_eq!(told(&plan, member), wanted, "{name} in {member}");
        }
    }
}

#[test]
fn work_that_a_member_has_stays_its_own_and_nobody_gets_work_without_workers() {
    let copy = |parallelism, completions| Some(job("hostname", parallelism, Some(completions)));
    let mut members = vec![("east", member(Available, copy(2, 3))), ("west", member(Available, None))];
    let placement = place(&view("Job", Some(job("hostname", 4, Some(10))), members.clone()));
    assert_eq!(placement.seconds, numbers(&[("east", 3), ("west", 7)]), "completions cannot be changed");
    // One worker: the other member is given no work that nobody would do.
    let one = place(&view(
        "Job",
        Some(job("hostname", 1, Some(7))),
        vec![("east", member(Available, None)), ("west", member(Available, None))],
    ));
    assert_eq!(one.seconds.values().copied().collect::<Vec<_>>(), [7]);
    // What has no member is told.
    members[1] = ("west", member(Available, copy(2, 3)));
    let placement = place(&view("Job", Some(job("hostname", 4, Some(10))), members));
    assert!(
        placement.unplaced > 0 && placement.obstacles[0].starts_with("4 of 10 completions have no member"),
        "{placement:?}"
    );
}

#[test]
fn a_job_that_has_ended_is_started_nowhere_again() {
    let mut ended = job("hostname", 4, Some(4));
    ended.data["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    let plan = plan(&view("Job", Some(ended), vec![("east", member(Available, None))]));
    assert!(plan.members.is_empty(), "a member that has tidied up would run it again: {plan:?}");
    assert_eq!(said(status(&plan), "Scheduled").1, "Finished");
}

#[test]
fn a_job_that_has_ended_goes_when_its_time_is_over() {
    let plan_after = |seconds: i64| {
        let mut ended = job("hostname", 1, Some(1));
        ended.data["spec"]["ttlSecondsAfterFinished"] = json!(60);
        let condition = json!({"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        ended.data["status"] = json!({"conditions": [condition]});
        let mut view = view("Job", Some(ended), vec![("east", member(Available, None))]);
        view.now += SignedDuration::from_secs(seconds);
        plan(&view)
    };
    let early = plan_after(20);
    assert_eq!(early.again_after, Some(Duration::from_secs(40)));
    assert!(!early.federation.unwrap().expired);
    assert!(plan_after(60).federation.unwrap().expired);
}

fn autoscaler(min: i64, max: i64) -> DynamicObject {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "hostname"});
    object(
        "HorizontalPodAutoscaler",
        &json!({"spec": {"minReplicas": min, "maxReplicas": max, "scaleTargetRef": target}}),
    )
}

#[test]
fn an_autoscalers_bounds_are_divided_and_never_nothing() {
    for (min, max, members, mins, maxs) in [
        (2, 10, 2, vec![1, 1], vec![5, 5]),
        (4, 7, 2, vec![2, 2], vec![3, 4]),
        (1, 10, 2, vec![1, 1], vec![5, 5]),
        (1, 2, 3, vec![1, 1], vec![0, 1, 1]),
        (0, 4, 2, vec![0, 0], vec![2, 2]),
    ] {
        let names = ["a", "b", "c"];
        let table = names.iter().take(members).map(|name| (*name, member(Available, None))).collect();
        let placement = place(&view("HorizontalPodAutoscaler", Some(autoscaler(min, max)), table));
        let sorted = |numbers: &BTreeMap<String, i64>| {
            let mut numbers: Vec<_> = numbers.values().copied().collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(
            (sorted(&placement.seconds), sorted(&placement.targets)),
            (mins, maxs),
            "{min} to {max} over {members}"
        );
    }
}

#[test]
fn where_an_autoscaler_may_have_nothing_it_is_not() {
    let view = view(
        "HorizontalPodAutoscaler",
        Some(autoscaler(1, 1)),
        vec![("a", member(Available, None)), ("b", member(Available, Some(autoscaler(1, 1))))],
    );
    let plan = plan(&view);
    assert!(!plan.members.contains_key("a"), "an autoscaler of at most 0 is none: {plan:?}");
}

#[test]
fn what_an_autoscaler_scales_keeps_the_numbers_that_it_has_there() {
    let deployment = |replicas: i64| {
        object(
            "Deployment",
            &json!({"metadata": {"labels": {keys::MANAGED_BY: "fed"}}, "spec": {"replicas": replicas}}),
        )
    };
    let members = vec![("east", member(Available, Some(deployment(7)))), ("west", member(Available, None))];
    let scaler = view(
        "HorizontalPodAutoscaler",
        Some(autoscaler(4, 20)),
        vec![("east", member(Available, None)), ("west", member(Available, None))],
    );
    let mut view = view("Deployment", Some(deployment(2)), members);
    view.scaler = Some(Box::new(scaler));
    let placement = place(&view);
    assert_eq!(placement.targets, numbers(&[("east", 7), ("west", 2)]), "who is new begins with its least");
    let first = plan(&view);
    let MemberWrite::Apply { intent, .. } = &first.members["east"] else { panic!() };
    let mut copy: DynamicObject = serde_json::from_value(intent.clone()).unwrap();
    // The autoscaler goes on.
    copy.data["spec"]["replicas"] = json!(9);
    *view.members.get_mut("east").unwrap() = member(Available, Some(copy));
    assert!(!plan(&view).members.contains_key("east"), "its number is no difference");
}

#[test]
fn what_holds_volumes_is_not_planned_elsewhere() {
    let set = |replicas: i64| {
        object("StatefulSet", &json!({"spec": {"replicas": replicas}, "status": {"readyReplicas": replicas}}))
    };
    let share = Some(Share { replicas: 3, ready: 3 });
    let dead = MemberView { share, ..member(Dead, Some(set(3))) };
    let placement =
        place(&view("StatefulSet", Some(set(6)), vec![("east", member(Available, Some(set(3)))), ("west", dead)]));
    assert_eq!(placement.targets, numbers(&[("east", 3), ("west", 3)]));
}

#[test]
fn a_member_that_does_not_know_the_kind_gets_nothing_and_says_so() {
    let lacking = MemberView { lack: Some(Lack::Kind), ..member(Available, None) };
    let with = |kind, object| {
        plan(&view(kind, Some(object), vec![("east", lacking.clone()), ("west", member(Available, None))]))
    };
    let map = with("PodDisruptionBudget", object("PodDisruptionBudget", &json!({"spec": {"minAvailable": 1}})));
    assert_eq!(map.members.keys().collect::<Vec<_>>(), ["west"]);
    let (holds, reason, message) = said(status(&map), "Propagated");
    assert_eq!((holds, reason), ("False", "KindNotServed"));
    assert!(message.contains("east: its API server does not serve poddisruptionbudgets.policy.v1"), "{message}");
    let set = with("ReplicaSet", replica_set(4, SPREAD));
    let MemberWrite::Apply { intent, .. } = &set.members["west"] else { panic!() };
    assert_eq!(intent["spec"]["replicas"], 4, "the others take all");
}

#[test]
fn selectors_match_as_federation_v1_matched() {
    let cases = &cases()["cluster_selector"];
    let labels: BTreeMap<String, String> = serde_json::from_value(cases["cluster_labels"].clone()).unwrap();
    for case in cases["cases"].as_array().unwrap() {
        let mut map = object("ConfigMap", &json!({"data": {"k": "v"}}));
        if let Some(selector) = case["annotation"].as_str() {
            map.metadata.annotations = Some(BTreeMap::from([(keys::CLUSTER_SELECTOR.to_owned(), selector.to_owned())]));
        }
        let mut view = view("ConfigMap", Some(map), vec![("east", member(Available, None))]);
        view.members.get_mut("east").unwrap().attributes.labels.clone_from(&labels);
        let plan = plan(&view);
        assert_eq!(plan.members.contains_key("east"), case["send"].as_bool().unwrap(), "{case}");
        let conditions = plan.federation.and_then(|write| write.conditions).unwrap_or_default();
        assert_eq!(conditions.contains("InvalidAnnotation"), case["error"].as_bool().unwrap(), "{case}: {conditions}");
    }
    for (operator, spellings) in cases["operators"].as_object().unwrap() {
        for spelling in spellings.as_array().unwrap() {
            let values = if ["Exists", "DoesNotExist"].contains(&operator.as_str()) { "[]" } else { r#"["14"]"# };
            let json = format!(r#"[{{"key": "version", "operator": {spelling}, "values": {values}}}]"#);
            let matches = parse_selector(&json).unwrap()[0].matches(&labels);
            assert_eq!(matches, ["NotIn", "NotEquals", "Exists", "Gt"].contains(&operator.as_str()), "{json}");
        }
    }
}

#[test]
fn pods_tell_how_many_run_and_fit() {
    let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for case in cases()["pods"]["cases"].as_array().unwrap() {
        let mut pods = Pods::default();
        for (n, pod) in case["pods"].as_array().unwrap().iter().enumerate() {
            let since = |seconds: i64| crate::object::seconds(now - SignedDuration::from_secs(seconds));
            let condition = pod["unschedulable_seconds"].as_i64().map(|seconds| {
                json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since(seconds)})
            });
            let conditions: Vec<_> = condition.into_iter().collect();
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": n.to_string()}, "spec": {},
                "status": {"phase": pod["phase"], "conditions": conditions}
            });
            pods.insert(&serde_json::from_value(pod).unwrap());
        }
        let (replicas, ready) = (case["replicas"].as_i64().unwrap(), case["ready"].as_i64().unwrap());
        let mut view = workload(
            20,
            r#"{"clusters": {"*": {"weight": 1}}}"#,
            &[("east", Available, Some((replicas, ready))), ("west", Available, Some((0, 0)))],
        );
        view.members.get_mut("east").unwrap().room = Some(pods.room(now));
        let placement = place(&view);
        let capacity = case["capacity"].as_i64();
        assert_eq!(
            placement.obstacles.iter().any(|obstacle| obstacle.starts_with("east has room for")),
            capacity.is_some(),
            "{case}"
        );
        if let Some(capacity) = capacity {
            assert!(placement.obstacles.contains(&format!("east has room for {capacity}")), "{case} {placement:?}");
            assert_eq!(placement.targets["west"], 20 - capacity, "{case}");
        }
    }
}
