//! The planners, on tables: members and copies in, writes and words out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kfed_api::keys;
use kfed_replica_scheduler::Attributes;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::place::{Placement, place, steps};
use super::{MemberWrite, ObjectPlan, plan};
use crate::kinds::{FederatedKind, ObjectKey};
use crate::world::{Lack, Leaving, MemberState, MemberView, ObjectView, Refusal, ServiceDns, Share};

const DYING: MemberState = MemberState::Dying { evict_in: Duration::from_secs(40) };
const DRAINING: MemberState = MemberState::Leaving { stage: Leaving::Drain, reachable: true };
const CLEANING: MemberState = MemberState::Leaving { stage: Leaving::Clean, reachable: true };
const RELEASING: MemberState = MemberState::Leaving { stage: Leaving::Release, reachable: true };

/// A copy: `spec.replicas` and `status.readyReplicas`.
type Copy = Option<(i64, i64)>;

const SPREAD: &str = r#"{"rebalance": true, "clusters": {"*": {"weight": 1}}}"#;
const BOUNDED: &str = r#"{"rebalance": true, "clusters": {
    "east": {"minReplicas": 2, "maxReplicas": 4, "weight": 1}, "west": {"minReplicas": 2, "maxReplicas": 4, "weight": 1}}}"#;

fn object(kind: &str, fields: &Value) -> DynamicObject {
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {
        "name": "hostname", "namespace": "default", "uid": "uid-1", "generation": 3, "resourceVersion": "7",
        "finalizers": [keys::CASCADE_FINALIZER]}});
    json_patch::merge(&mut object, fields);
    serde_json::from_value(object).unwrap()
}

fn replica_set(replicas: i64, preferences: &str) -> DynamicObject {
    object(
        "ReplicaSet",
        &json!({
            "metadata": {"annotations": {keys::REPLICA_SET_PREFERENCES: preferences}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"run": "hostname"}}}
        }),
    )
}

fn member(state: MemberState, copy: Option<DynamicObject>) -> MemberView {
    // A member that does not show itself is counted on for what was written down of it: in these tables that is the copy.
    let share = copy.as_ref().map(|copy| Share {
        replicas: copy.data["spec"]["replicas"].as_i64().unwrap_or(1),
        ready: copy.data["status"]["readyReplicas"].as_i64().unwrap_or(0),
    });
    let share = share.filter(|_| state != Dead);
    let noted = share.filter(|_| !state.shows_itself());
    MemberView {
        state,
        copy: copy.map(Arc::new),
        unseen: false,
        share,
        noted,
        lowered: None,
        foreign: false,
        lack: None,
        forbidden: None,
        room: None,
        has_namespace: true,
        refusal: None,
        attributes: Attributes::default(),
    }
}

fn view(kind: &str, federated: Option<DynamicObject>, members: Vec<(&str, MemberView)>) -> ObjectView {
    ObjectView {
        key: ObjectKey {
            kind: FederatedKind::named(kind).unwrap(),
            namespace: "default".into(),
            name: "hostname".into(),
        },
        federation: "fed".into(),
        orphaned: federated.as_ref().is_some_and(|object| crate::object::is_orphaned(&object.metadata)),
        federated: federated.map(Arc::new),
        namespace: None,
        scaler: None,
        members: members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect(),
        dns: Some(ServiceDns::default()),
        settles_in: None,
        scheduler: Arc::default(),
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

/// A ReplicaSet in members, each with a state and a copy.
fn workload(replicas: i64, preferences: &str, members: &[(&str, MemberState, Copy)]) -> ObjectView {
    let copy = |(spec, ready): (i64, i64)| {
        object(
            "ReplicaSet",
            &json!({
                "metadata": {"labels": {keys::MANAGED_BY: "fed"}},
                "spec": {"replicas": spec}, "status": {"replicas": spec, "readyReplicas": ready, "availableReplicas": ready}
            }),
        )
    };
    let members = members.iter().map(|(name, state, held)| (*name, member(*state, held.map(copy)))).collect();
    view("ReplicaSet", Some(replica_set(replicas, preferences)), members)
}

fn numbers(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
}

/// The numbers that the members are told now.
fn told(view: &ObjectView, placement: &Placement) -> BTreeMap<String, i64> {
    steps(view, placement).into_iter().map(|(name, step)| (name, step.now)).collect()
}

/// The numbers that the members are told now, and those that they are to have in the end.
fn check(
    replicas: i64,
    preferences: &str,
    members: &[(&str, MemberState, Copy)],
    now: &[(&str, i64)],
    target: &[(&str, i64)],
) {
    let view = workload(replicas, preferences, members);
    let placement = place(&view);
    assert_eq!(placement.targets, numbers(target), "in the end");
    assert_eq!(told(&view, &placement), numbers(now), "now");
}

use MemberState::{Available, Dead, Frozen, Joining, Returning};

#[test]
fn a_second_member_is_filled_before_the_first_is_emptied() {
    let after = [("east", 4), ("west", 4)];
    check(
        8,
        SPREAD,
        &[("east", Available, None), ("west", Available, Some((8, 8)))],
        &[("east", 4), ("west", 8)],
        &after,
    );
    check(
        8,
        SPREAD,
        &[("east", Available, Some((4, 1))), ("west", Available, Some((8, 8)))],
        &[("east", 4), ("west", 7)],
        &after,
    );
    check(8, SPREAD, &[("east", Available, Some((4, 4))), ("west", Available, Some((8, 8)))], &after, &after);
}

#[test]
fn scaling_down_waits_for_nobody() {
    let after = [("east", 1), ("west", 1)];
    check(2, SPREAD, &[("east", Available, Some((4, 4))), ("west", Available, Some((4, 4)))], &after, &after);
}

#[test]
fn replicas_that_are_not_ready_serve_nobody_and_may_go() {
    let after = [("east", 1), ("west", 1)];
    check(2, SPREAD, &[("east", Available, Some((4, 0))), ("west", Available, Some((4, 0)))], &after, &after);
}

#[test]
fn a_dying_member_keeps_its_share_and_a_dead_one_loses_it() {
    check(
        6,
        SPREAD,
        &[("east", Available, Some((3, 3))), ("west", DYING, Some((3, 3)))],
        &[("east", 3), ("west", 3)],
        &[("east", 3), ("west", 3)],
    );
    check(
        6,
        SPREAD,
        &[("east", Available, Some((3, 3))), ("west", Dead, Some((3, 3)))],
        &[("east", 6)],
        &[("east", 6)],
    );
    let dying = place(&workload(6, SPREAD, &[("west", DYING, Some((3, 3)))]));
    assert_eq!(dying.again_after, Some(Duration::from_secs(40)));
}

#[test]
fn a_member_that_is_silent_gets_nothing_new_and_loses_nothing() {
    check(
        9,
        SPREAD,
        &[("east", Available, Some((3, 3))), ("west", Frozen, Some((3, 3)))],
        &[("east", 6), ("west", 3)],
        &[("east", 6), ("west", 3)],
    );
    check(
        2,
        SPREAD,
        &[("east", Available, Some((3, 3))), ("west", Frozen, Some((3, 3)))],
        &[("east", 0), ("west", 3)],
        &[("east", 0), ("west", 3)],
    );
}

#[test]
fn who_returns_is_counted_on_for_what_it_was_and_told_nothing_new() {
    // Not evicted: its share was never taken over.
    let same = [("east", 3), ("west", 3)];
    check(6, SPREAD, &[("east", Available, Some((3, 3))), ("west", Returning, Some((3, 0)))], &same, &same);
    // Evicted: others have taken over, and what it still runs stays for now.
    let mut view = workload(6, SPREAD, &[("east", Available, Some((6, 6))), ("west", Returning, Some((3, 3)))]);
    view.members.get_mut("west").unwrap().share = None;
    let placement = place(&view);
    assert_eq!(placement.targets, numbers(&[("east", 6), ("west", 3)]));
    assert_eq!(told(&view, &placement), numbers(&[("east", 6), ("west", 3)]));
    assert_eq!(placement.unplaced, 0);
    // It has come back empty: nothing is started there before it is trusted.
    view.members.get_mut("west").unwrap().copy = None;
    assert_eq!(place(&view).targets, numbers(&[("east", 6)]));
}

#[test]
fn a_member_that_has_never_answered_is_not_counted_on() {
    check(4, SPREAD, &[("east", Available, None), ("west", Joining, None)], &[("east", 4)], &[("east", 4)]);
}

#[test]
fn a_member_that_the_preferences_leave_out_gets_no_copy() {
    let only = r#"{"clusters": {"east": {"weight": 1}}}"#;
    check(4, only, &[("east", Available, None), ("west", Available, None)], &[("east", 4)], &[("east", 4)]);
    let after = [("east", 4), ("west", 0)];
    check(4, only, &[("east", Available, Some((4, 4))), ("west", Available, Some((4, 4)))], &after, &after);
}

#[test]
fn what_drains_is_started_elsewhere_first() {
    let after = [("east", 0), ("west", 6)];
    check(
        6,
        SPREAD,
        &[("east", DRAINING, Some((3, 3))), ("west", Available, Some((3, 3)))],
        &[("east", 3), ("west", 6)],
        &after,
    );
    check(
        6,
        SPREAD,
        &[("east", DRAINING, Some((3, 3))), ("west", Available, Some((6, 5)))],
        &[("east", 1), ("west", 6)],
        &after,
    );
    check(6, SPREAD, &[("east", DRAINING, Some((1, 1))), ("west", Available, Some((6, 6)))], &after, &after);
}

fn status(plan: &ObjectPlan) -> &Value {
    plan.federation.as_ref().and_then(|write| write.status.as_ref()).expect("a status is written")
}

fn said<'a>(status: &'a Value, type_: &str) -> (&'a str, &'a str, &'a str) {
    let condition = status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == type_).unwrap();
    let text = |field: &str| condition[field].as_str().unwrap();
    (text("status"), text("reason"), text("message"))
}

#[test]
fn replicas_without_room_are_told_with_the_obstacles() {
    let plan = plan(&workload(8, BOUNDED, &[("east", Available, Some((4, 4))), ("west", Dead, Some((4, 4)))]));
    let status = status(&plan);
    let message = "4 of 8 replicas find no room: east may take at most 4, west is dead";
    assert_eq!(said(status, "Scheduled"), ("False", "NoRoom", message));
    assert_eq!(status["readyReplicas"], 4, "a dead member's replicas do not count");
    assert!(status.get("observedGeneration").is_none(), "a member has not been told yet: {status}");
}

#[test]
fn what_nobody_has_been_told_nobody_has_seen() {
    let observed = |members| {
        let set = object("DaemonSet", &json!({"spec": {"selector": {"matchLabels": {"run": "hostname"}}}}));
        let plan = plan(&view("DaemonSet", Some(set), members));
        plan.federation.unwrap().status.unwrap_or_default()["observedGeneration"].clone()
    };
    assert_eq!(observed(vec![("west", member(Frozen, None))]), Value::Null, "it waits for the member");
    assert_eq!(observed(vec![]), 3, "there is nobody to wait for");
}

/// The members, with one whose Cluster says `environment: prod` and that is in region `west`.
fn with_prod(mut view: ObjectView, prod: &str) -> ObjectView {
    let labels = BTreeMap::from([("environment".to_owned(), "prod".to_owned())]);
    let attributes = Attributes { labels, region: Some("west".to_owned()), ..Attributes::default() };
    view.members.get_mut(prod).unwrap().attributes = attributes;
    view
}

#[test]
fn a_selector_in_the_policy_or_in_v1s_annotation_says_where_replicas_go() {
    let members = [("east", Available, Some((4, 4))), ("north", Available, None), ("west", Available, None)];
    let selector = r#"[{"key": "environment", "operator": "in", "values": ["prod"]}]"#;
    let policy = format!(r#"{{"clusters": {{"*": {{"weight": 1}}}}, "clusterSelector": {selector}}}"#);
    let in_policy = with_prod(workload(4, &policy, &members), "west");

    let mut in_annotation = with_prod(workload(4, SPREAD, &members), "west");
    let federated = Arc::make_mut(in_annotation.federated.as_mut().unwrap());
    federated.metadata.annotations.as_mut().unwrap().insert(keys::CLUSTER_SELECTOR.to_owned(), selector.to_owned());

    for view in [in_policy, in_annotation] {
        let placement = place(&view);
        // What has a copy is scaled to nothing, what has none gets none, and adding comes before removing.
        assert_eq!(placement.targets, numbers(&[("east", 0), ("west", 4)]));
        assert_eq!(told(&view, &placement), numbers(&[("east", 4), ("west", 4)]));
    }
}

#[test]
fn a_spread_by_region_leaves_out_members_that_do_not_say_where_they_are() {
    let policy = r#"{"mode": "proportional", "spread": [{"by": "region"}]}"#;
    let view = with_prod(workload(3, policy, &[("east", Available, None), ("west", Available, None)]), "west");
    assert_eq!(place(&view).targets, numbers(&[("west", 3)]));
}

#[test]
fn moves_on_their_way_count_as_moves() {
    let policy = r#"{"rebalance": true, "clusters": {"*": {"weight": 1}}, "maxMoves": 2}"#;
    check(
        10,
        policy,
        &[("east", Available, None), ("west", Available, Some((10, 10)))],
        &[("east", 2), ("west", 10)],
        &[("east", 2), ("west", 8)],
    );
    // The two are there and not ready: no more are started.
    check(
        10,
        policy,
        &[("east", Available, Some((2, 0))), ("west", Available, Some((10, 10)))],
        &[("east", 2), ("west", 10)],
        &[("east", 2), ("west", 8)],
    );
    check(
        10,
        policy,
        &[("east", Available, Some((2, 2))), ("west", Available, Some((8, 8)))],
        &[("east", 4), ("west", 8)],
        &[("east", 4), ("west", 6)],
    );
}

#[test]
fn a_policy_that_makes_no_sense_changes_nothing_and_says_where() {
    let members = [("east", Available, Some((3, 3))), ("west", Available, None)];
    for (policy, selector, mistake) in [
        (r#"{"maxClusters": 0}"#, None, "replica-set-preferences: maxClusters: with 0 no member may run"),
        (r#"{"groups": [{"name": "g", "clusters": ["east"]}]}"#, None, "groups: mode federation-v1 knows no groups"),
        (r#"{"maxMoves": -1}"#, None, "expected u32 at line 1 column 15"),
        (
            r#"{"clusters": {"west": {"minReplicas": -3000000000}}}"#,
            None,
            "clusters.west.minReplicas: -3000000000 is far",
        ),
        ("{}", Some(r#"[{"not able to parse",}]"#), "cluster-selector: invalid placement policy"),
        ("{}", Some(r#"[{"key": "a", "operator": "in"}]"#), "cluster-selector: clusterSelector[0].values: "),
    ] {
        let mut view = workload(8, policy, &members);
        if let Some(selector) = selector {
            let federated = Arc::make_mut(view.federated.as_mut().unwrap());
            let annotations = federated.metadata.annotations.as_mut().unwrap();
            annotations.insert(keys::CLUSTER_SELECTOR.to_owned(), selector.to_owned());
        }
        let placement = place(&view);
        assert_eq!(placement.targets, numbers(&[("east", 3)]), "{policy}");
        assert!(placement.mistake.as_ref().is_some_and(|told| told.contains(mistake)), "{:?}", placement.mistake);
    }
}

#[test]
fn preferences_that_cannot_be_read_change_nothing() {
    let members = [("east", Available, Some((1, 1))), ("west", Available, Some((5, 5)))];
    check(6, r#"{"clusters": }"#, &members, &[("east", 1), ("west", 5)], &[("east", 1), ("west", 5)]);
    let plan = plan(&workload(6, r#"{"clusters": }"#, &members));
    let (held, reason, message) = said(status(&plan), "Scheduled");
    assert_eq!((held, reason), ("False", "InvalidPreferences"));
    assert!(message.contains("line 1 column 14") && message.contains(keys::REPLICA_SET_PREFERENCES), "{message}");
}

#[test]
fn the_finalizer_comes_before_the_first_member_write() {
    let mut federated = replica_set(4, SPREAD);
    federated.metadata.finalizers = Some(vec!["example.com/theirs".into()]);
    let plan = plan(&view("ReplicaSet", Some(federated), vec![("east", member(Available, None))]));
    assert!(plan.members.is_empty());
    let finalizers = plan.federation.unwrap().finalizers.unwrap();
    assert_eq!(finalizers, ["example.com/theirs", keys::CASCADE_FINALIZER]);
}

fn service(deleted: bool) -> DynamicObject {
    let deletion = if deleted { json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}) } else { json!({}) };
    object("Service", &json!({"metadata": deletion, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}))
}

fn with_dns(mut view: ObjectView, dns: Option<ServiceDns>) -> ObjectView {
    view.dns = dns;
    view
}

#[test]
fn a_deleted_service_loses_its_names_first_then_its_copies_then_itself() {
    let named = ServiceDns { records: 3, ..ServiceDns::default() };
    let copied = || view("Service", Some(service(true)), vec![("east", member(Available, Some(service(false))))]);
    assert_eq!(plan(&with_dns(copied(), None)), ObjectPlan::default(), "the zone has not been read");
    assert_eq!(plan(&with_dns(copied(), Some(named))), ObjectPlan::default(), "the names are still there");
    let unnamed = plan(&copied());
    assert_eq!(unnamed.members["east"], MemberWrite::Delete { uid: "uid-1".into() });
    assert_eq!(unnamed.federation, None);
    let last = plan(&view("Service", Some(service(true)), vec![("east", member(Available, None))]));
    assert_eq!(last.federation.unwrap().finalizers, Some(vec![]));
}

#[test]
fn orphans_stay_and_are_no_longer_kfeds() {
    let mut deleted = service(true);
    deleted.metadata.finalizers = Some(vec!["orphan".into(), keys::CASCADE_FINALIZER.into()]);
    let noticed =
        plan(&view("Service", Some(deleted.clone()), vec![("east", member(Available, Some(service(false))))]));
    assert!(noticed.federation.unwrap().orphan, "written down first: garbage collectors take the finalizer away");
    deleted.metadata.finalizers = Some(vec![keys::CASCADE_FINALIZER.into()]);
    deleted.metadata.annotations = Some(BTreeMap::from([(keys::ORPHAN.to_owned(), "true".to_owned())]));
    let plan = plan(&view("Service", Some(deleted), vec![("east", member(Available, Some(service(false))))]));
    assert_eq!(plan.members["east"], MemberWrite::Release);
}

#[test]
fn a_dead_member_does_not_hold_a_deletion_up_but_is_not_forgotten() {
    let members = |state| vec![("east", member(Available, None)), ("west", member(state, Some(service(false))))];
    let dead = plan(&view("Service", Some(service(true)), members(Dead)));
    assert_eq!(dead.tombstones, BTreeMap::from([("west".to_owned(), "uid-1".to_owned())]));
    assert_eq!(dead.federation.unwrap().finalizers, Some(vec![]));
    let silent = plan(&view("Service", Some(service(true)), members(Frozen)));
    assert_eq!(silent, ObjectPlan::default(), "it may answer again in a moment");
}

#[test]
fn a_copy_that_may_be_there_is_looked_for_before_the_object_goes() {
    let unseen = |state| vec![("east", MemberView { unseen: true, ..member(state, None) })];
    let asked = plan(&view("Service", Some(service(true)), unseen(Available)));
    assert_eq!(asked.members["east"], MemberWrite::Delete { uid: String::new() }, "whichever kfed made");
    assert_eq!(asked.federation, None);
    assert_eq!(plan(&view("Service", Some(service(true)), unseen(Frozen))), ObjectPlan::default());
    let dead = plan(&view("Service", Some(service(true)), unseen(Dead)));
    assert_eq!(dead.tombstones["east"], "");
}

#[test]
fn what_kfed_did_not_make_is_left_alone_until_the_user_says_otherwise() {
    let foreign = MemberView { foreign: true, ..member(Available, None) };
    let mut federated = service(false);
    let refused = plan(&view("Service", Some(federated.clone()), vec![("east", foreign.clone())]));
    assert!(refused.members.is_empty());
    assert_eq!(said(status(&refused), "Propagated").1, "NotAdopted");
    federated.metadata.annotations = Some(BTreeMap::from([(keys::ADOPT.to_owned(), "true".to_owned())]));
    let adopted = plan(&view("Service", Some(federated), vec![("east", foreign)]));
    assert!(matches!(adopted.members["east"], MemberWrite::Apply { adopt: true, .. }));
}

#[test]
fn a_member_that_refuses_is_named_with_its_words() {
    let refusal = Refusal { reason: "MemberRefused", message: "quota exceeded".into() };
    let refusing = MemberView { refusal: Some(refusal), ..member(Available, None) };
    let plan = plan(&view("Service", Some(service(false)), vec![("east", refusing)]));
    assert_eq!(said(status(&plan), "Propagated"), ("False", "MemberRefused", "east: quota exceeded"));
    assert!(plan.members.contains_key("east"), "it is tried again");
}

#[test]
fn objects_wait_for_their_namespace() {
    let waiting = MemberView { has_namespace: false, ..member(Available, None) };
    assert!(plan(&view("Service", Some(service(false)), vec![("east", waiting)])).members.is_empty());
}

#[test]
fn a_member_that_leaves_is_cleaned_or_released() {
    let leaving = |state| {
        let view = view("Service", Some(service(false)), vec![("east", member(state, Some(service(false))))]);
        plan(&view).members.remove("east")
    };
    assert_eq!(leaving(CLEANING), Some(MemberWrite::Delete { uid: "uid-1".into() }));
    assert_eq!(leaving(RELEASING), Some(MemberWrite::Release));
    assert_eq!(leaving(MemberState::Leaving { stage: Leaving::Clean, reachable: false }), None);
}

#[test]
fn a_plan_that_has_been_carried_out_plans_nothing_more() {
    let first = plan(&workload(4, SPREAD, &[("east", Available, None)]));
    let MemberWrite::Apply { intent, new: true, .. } = &first.members["east"] else { panic!("{first:?}") };
    let mut copy: DynamicObject = serde_json::from_value(intent.clone()).unwrap();
    copy.data["status"] = json!({"replicas": 4, "readyReplicas": 4, "fullyLabeledReplicas": 4, "availableReplicas": 4});
    let mut federated = replica_set(4, SPREAD);
    let second =
        plan(&view("ReplicaSet", Some(federated.clone()), vec![("east", member(Available, Some(copy.clone())))]));
    assert!(second.members.is_empty(), "{second:?}");
    let write = second.federation.unwrap();
    federated.data["status"] = write.status.unwrap();
    federated.metadata.annotations.as_mut().unwrap().insert(keys::PLACEMENT.to_owned(), write.placement.unwrap());
    let third = plan(&view("ReplicaSet", Some(federated), vec![("east", member(Available, Some(copy)))]));
    assert_eq!(third, ObjectPlan::default());
}

mod left_out;
mod noted;
mod numbers;
mod related;

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn states() -> impl Strategy<Value = MemberState> {
        prop_oneof![4 => Just(Available), 1 => Just(Frozen), 1 => Just(Dead), 1 => Just(DRAINING), 1 => Just(Joining), 1 => Just(Returning)]
    }

    fn members() -> impl Strategy<Value = Vec<(MemberState, Copy)>> {
        let copy = prop::option::of((0..20i64).prop_flat_map(|spec| (Just(spec), 0..=spec)));
        prop::collection::vec((states(), copy), 1..6)
    }

    proptest! {
        /// One step never takes away more ready replicas than are there, in members that show them, beyond what those are
        /// to have in the end.
        #[test]
        fn removing_never_outruns_adding(replicas in 0..40i64, members in members()) {
            let names: Vec<_> = (0..members.len()).map(|n| format!("m{n}")).collect();
            let table: Vec<_> =
                names.iter().zip(&members).map(|(name, (state, copy))| (name.as_str(), *state, *copy)).collect();
            let view = workload(replicas, SPREAD, &table);
            let placement = place(&view);
            let told = told(&view, &placement);
            let shown: Vec<_> = table.iter().filter(|(_, state, _)| state.shows_itself()).collect();
            let wanted: i64 = shown.iter().filter_map(|(name, _, _)| placement.targets.get(*name)).sum();
            let ready: i64 = shown.iter().filter_map(|(_, _, copy)| Some(copy.as_ref()?.1)).sum();
            let kept = |(name, _, copy): &&(&str, MemberState, Copy)| {
                Some(copy.as_ref()?.1.min(told.get(*name).copied().unwrap_or(i64::MAX)))
            };
            let left: i64 = shown.iter().copied().filter_map(|row| kept(&row)).sum();
            prop_assert!(left >= ready.min(wanted), "{left} of {ready} are left, {wanted} are wanted: {told:?}");
            for (name, target) in &placement.targets {
                prop_assert!(told[name] >= *target, "nobody is told less than in the end");
            }
        }
    }
}
