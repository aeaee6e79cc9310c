//! What is written down of where replicas run: a member that falls silent is counted on for that, by this control plane or the next.

use super::*;
use crate::Settings;
use crate::kinds::FEDERATED_KINDS;
use crate::world::{ApiHealth, ENDPOINT_SLICES, IDENTITY, Member, Room, TOMBSTONES, World};

const SAME: [(&str, i64); 2] = [("east", 2), ("west", 2)];

/// A workload whose placement is written down as `noted`.
fn with_noted(mut view: ObjectView, noted: &[(&str, i64)]) -> ObjectView {
    for (name, replicas) in noted {
        let share = Share { replicas: *replicas, ready: *replicas };
        view.members.get_mut(*name).unwrap().noted = Some(share);
    }
    view
}

fn written(plan: &ObjectPlan) -> BTreeMap<String, i64> {
    let placement = plan.federation.as_ref().and_then(|write| write.placement.as_ref()).expect("it is written down");
    let placement: BTreeMap<String, Share> = serde_json::from_str(placement).unwrap();
    placement.into_iter().map(|(name, share)| (name, share.replicas)).collect()
}

/// What members are told to run.
fn asked(plan: &ObjectPlan) -> BTreeMap<String, i64> {
    let replicas = |write: &MemberWrite| match write {
        MemberWrite::Apply { intent, .. } => intent["spec"]["replicas"].as_i64().unwrap(),
        other => panic!("{other:?}"),
    };
    plan.members.iter().map(|(name, write)| (name.clone(), replicas(write))).collect()
}

fn running(east: i64, west: i64, wanted: i64) -> ObjectView {
    workload(wanted, SPREAD, &[("east", Available, Some((east, east))), ("west", Available, Some((west, west)))])
}

#[test]
fn fewer_are_written_down_before_anybody_is_told_so() {
    let before = plan(&with_noted(running(4, 4, 4), &[("east", 4), ("west", 4)]));
    assert_eq!(asked(&before), numbers(&[("east", 4), ("west", 4)]));
    assert_eq!(written(&before), numbers(&SAME));
    let write = before.federation.unwrap();
    assert!(write.awaited, "members wait for it");
    let conditions = write.status.unwrap()["conditions"].clone();
    assert!(!conditions.as_array().unwrap().iter().any(|c| c["type"] == "Propagated"), "{conditions}");

    let after = plan(&with_noted(running(4, 4, 4), &SAME));
    assert_eq!(asked(&after), numbers(&SAME));
    assert_eq!(written(&after), numbers(&SAME), "what they still run is not counted on");
    assert!(!after.federation.unwrap().awaited);
}

#[test]
fn more_is_told_at_once_and_written_down_when_it_is_there() {
    let plan = plan(&with_noted(running(2, 2, 8), &SAME));
    assert_eq!(asked(&plan), numbers(&[("east", 4), ("west", 4)]));
    assert_eq!(written(&plan), numbers(&SAME));
}

#[test]
fn who_is_silent_is_counted_on_for_what_was_written_down() {
    // Two more may have been started there: that is too many rather than too few.
    let mut view = workload(8, SPREAD, &[("east", Available, Some((4, 4))), ("west", Frozen, Some((2, 2)))]);
    assert_eq!(place(&view).targets, numbers(&[("east", 6), ("west", 2)]));
    // It comes back with them. They stay until it is trusted.
    let west = view.members.get_mut("west").unwrap();
    west.state = Returning;
    Arc::make_mut(west.copy.as_mut().unwrap()).data["spec"]["replicas"] = json!(4);
    assert_eq!(place(&view).targets, numbers(&[("east", 6), ("west", 4)]));
}

#[test]
fn what_goes_step_by_step_goes_as_far_as_is_written_down() {
    let view = |noted| {
        let members = [("east", Available, Some((4, 2))), ("west", Available, Some((8, 8)))];
        with_noted(workload(8, SPREAD, &members), &[("west", noted)])
    };
    // Two of the four are ready: two of the others may go.
    for (noted, now) in [(8, 8), (7, 7), (6, 6), (4, 6), (12, 8)] {
        let view = view(noted);
        let west = steps(&view, &place(&view))["west"];
        assert_eq!((west.now, west.counted), (now, 6), "{noted} are written down");
    }
}

#[test]
fn what_is_to_go_altogether_is_counted_on_no_more_before_it_does() {
    let scaler = |min: i64, max: i64| {
        let labels = json!({"labels": {keys::MANAGED_BY: "fed"}});
        let spec = json!({"minReplicas": min, "maxReplicas": max});
        object("HorizontalPodAutoscaler", &json!({"metadata": labels, "spec": spec}))
    };
    let mut federated = scaler(2, 4);
    let only = r#"{"clusters": {"east": {"weight": 1}}}"#;
    federated.metadata.annotations = Some(BTreeMap::from([(keys::PREFERENCES.to_owned(), only.to_owned())]));
    let view = || {
        let members = [("east", 4), ("west", 2)].map(|(name, max)| {
            let share = Some(Share { replicas: max, ready: max });
            (name, MemberView { share, ..member(Available, Some(scaler(1, max))) })
        });
        view("HorizontalPodAutoscaler", Some(federated.clone()), members.into())
    };
    let before = plan(&with_noted(view(), &SAME));
    let MemberWrite::Apply { intent, .. } = &before.members["west"] else { panic!("{before:?}") };
    assert_eq!(
        intent["spec"],
        json!({"minReplicas": 1, "maxReplicas": 2}),
        "as it is: no fewer than one, and no more than the most"
    );
    assert_eq!(written(&before)["west"], 0);
    let after = plan(&with_noted(view(), &[("west", 0)]));
    assert_eq!(after.members["west"], MemberWrite::Delete { uid: "uid-1".into() });
}

#[test]
fn what_was_told_is_not_undone_by_what_is_still_shown() {
    // West has been told to run 2, and shows 4. Whether it took that nobody knows.
    let told = |wanted| {
        let mut view = with_noted(running(4, 4, wanted), &SAME);
        let west = view.members.get_mut("west").unwrap();
        (west.lowered, west.share) = (Some(2), Some(Share { replicas: 2, ready: 2 }));
        plan(&view)
    };
    let more = told(8);
    assert_eq!(asked(&more)["west"], 4, "it is told although it shows as many");
    assert_eq!(written(&more), numbers(&[("east", 4), ("west", 2)]), "and counted on for them when they are seen");
    assert!(matches!(&more.members["west"], MemberWrite::Apply { fewer: None, .. }));
    assert!(matches!(&told(4).members["west"], MemberWrite::Apply { fewer: Some(2), .. }));
}

#[test]
fn what_is_to_leave_is_told_beside_what_is_counted_on() {
    let plan = plan(&with_noted(running(4, 4, 4), &SAME));
    let placement: Value = serde_json::from_str(plan.federation.unwrap().placement.as_ref().unwrap()).unwrap();
    assert_eq!((&placement["west"]["replicas"], &placement["west"]["leaving"]), (&json!(2), &json!(2)));
}

#[test]
fn a_silent_member_that_leaves_holds_nothing_up() {
    let silent = MemberState::Leaving { stage: Leaving::Drain, reachable: false };
    let mut view = workload(6, SPREAD, &[("east", Available, Some((6, 6))), ("west", silent, Some((3, 3)))]);
    let first = plan(&view);
    assert_eq!(written(&first), numbers(&[("east", 6), ("west", 3)]));
    let MemberWrite::Apply { intent, .. } = &first.members["east"] else { panic!("{first:?}") };
    let mut copy: DynamicObject = serde_json::from_value(intent.clone()).unwrap();
    copy.data["status"] = json!({"replicas": 6, "readyReplicas": 6});
    view.members.get_mut("east").unwrap().copy = Some(Arc::new(copy));
    let second = plan(&view);
    assert_eq!(said(status(&second), "Propagated").1, "InSync", "nobody waits for what nobody can be told");
    assert!(!second.federation.unwrap().awaited);
}

#[test]
fn preferences_that_cannot_be_read_take_nothing_from_who_returns() {
    let mut view = workload(6, "{", &[("east", Available, Some((4, 4))), ("west", Returning, Some((4, 4)))]);
    view.members.get_mut("west").unwrap().share = Some(Share { replicas: 2, ready: 2 });
    assert_eq!(place(&view).targets, numbers(&[("east", 4), ("west", 4)]));
}

#[test]
fn pods_without_room_are_not_taken_from_what_was_told_but_from_what_is_shown() {
    // Five of eight find no room in west, and it has been told to run the other three.
    let members = [("east", Available, Some((5, 5))), ("west", Available, Some((8, 3)))];
    let mut view = workload(8, r#"{"clusters": {"*": {"weight": 1}}}"#, &members);
    let west = view.members.get_mut("west").unwrap();
    (west.lowered, west.share) = (Some(3), Some(Share { replicas: 3, ready: 2 }));
    west.room = Some(Room { unschedulable: 5, again_in: None });
    assert_eq!(place(&view).targets, numbers(&[("east", 5), ("west", 3)]));
}

#[test]
fn an_autoscaler_that_may_have_some_again_where_there_are_none_begins_with_its_least() {
    let deployment = |replicas: i64| {
        let labels = json!({"labels": {keys::MANAGED_BY: "fed"}});
        object("Deployment", &json!({"metadata": labels, "spec": {"replicas": replicas}}))
    };
    let scaler = object("HorizontalPodAutoscaler", &json!({"spec": {"minReplicas": 2, "maxReplicas": 8}}));
    let scaler = view("HorizontalPodAutoscaler", Some(scaler), vec![("west", member(Available, None))]);
    let planned = |copy: DynamicObject, lowered: Option<i64>| {
        let mut west = member(Available, Some(copy));
        west.lowered = lowered;
        west.share = west.share.map(|share| share.at_most(lowered.unwrap_or(i64::MAX)));
        let mut view = view("Deployment", Some(deployment(2)), vec![("west", west)]);
        view.scaler = Some(Box::new(scaler.clone()));
        plan(&view)
    };
    assert_eq!(asked(&planned(deployment(0), None))["west"], 2);
    // Still shown are six of its own, but it was told to run none; or four, before it was an autoscaler's.
    let MemberWrite::Apply { intent, .. } = &planned(deployment(6), None).members["west"] else { panic!() };
    let copy: DynamicObject = serde_json::from_value(intent.clone()).unwrap();
    assert_eq!(planned(copy.clone(), None).members, BTreeMap::new());
    assert_eq!(asked(&planned(copy.clone(), Some(0)))["west"], 2);
    assert_eq!(planned(copy, Some(4)).members, BTreeMap::new(), "its number is its own");
}

/// What is seen of `west`, which has been told to run `told`, where `spec` is shown of it and six were written down.
fn seen(api: ApiHealth, spec: &Value, told: i64) -> MemberView {
    let mut federated = replica_set(6, SPREAD);
    let noted = json!({"west": {"replicas": 6, "ready": 6}}).to_string();
    federated.metadata.annotations.as_mut().unwrap().insert(keys::PLACEMENT.to_owned(), noted);
    let mut copy = object("ReplicaSet", &json!({"metadata": {"labels": {keys::MANAGED_BY: "fed"}}}));
    copy.data["spec"] = spec.clone();
    let mut west = Member { api, known: true, ..Member::default() };
    let lists = FEDERATED_KINDS.iter().map(|kind| kind.id);
    west.listed.extend(lists.chain([ENDPOINT_SLICES, IDENTITY, TOMBSTONES]));
    let key = view("ReplicaSet", None, vec![]).key;
    let mut world = World::default();
    world.federation.hold(key.kind, federated);
    world.members.replace("west", west);
    world.members.hold("west", key.kind, copy);
    world.lowered.tell(&(key.clone(), "west".to_owned()), told);
    let settings = Settings::new("fed", "example.com".parse().unwrap());
    let mut view = world.view(&key, &settings, "2026-01-01T01:00:00Z".parse().unwrap());
    world.forget_unwanted(&view, &ObjectPlan::default());
    let west = view.members.remove("west").unwrap();
    assert_eq!(world.lowered.of(&key).next().is_some(), west.lowered.is_some(), "what is settled is forgotten");
    west
}

#[test]
fn what_a_member_was_told_counts_until_it_is_shown() {
    let silent = || ApiHealth::Silent { reason: "Timeout", message: String::new() };
    for (api, spec, told, lowered, counted) in [
        (ApiHealth::Ready, json!({"replicas": 6}), 4, Some(4), 4),
        (ApiHealth::Ready, json!({"replicas": 4}), 4, None, 4),
        (ApiHealth::Ready, json!({"replicas": 3}), 4, None, 3),
        (ApiHealth::Ready, json!({}), 0, None, 1),
        (silent(), json!({"replicas": 6}), 4, Some(4), 4),
        (silent(), json!({"replicas": 4}), 4, None, 6),
    ] {
        let west = seen(api, &spec, told);
        let share = west.share.map(|share| share.replicas);
        assert_eq!((west.lowered, share), (lowered, Some(counted)), "{spec} is shown, {told} was told");
    }
}

#[test]
fn nothing_moves_before_those_that_run_some_of_it_are_heard() {
    // Three run in west by now; two is what the last control plane came to write down.
    let view = |settles: bool, heard: bool| {
        let members = [("east", Available, Some((3, 3))), ("west", Frozen, Some((2, 2)))];
        let mut view = workload(6, SPREAD, &members);
        view.settles_in = settles.then_some(Duration::from_secs(9));
        if !heard {
            view.members.get_mut("west").unwrap().copy = None;
        }
        view
    };
    let same = numbers(&[("east", 3), ("west", 2)]);
    let anew = numbers(&[("east", 4), ("west", 2)]);
    assert_eq!(place(&view(true, false)).targets, same);
    assert_eq!(place(&view(false, false)).targets, anew, "not for ever");
    assert_eq!(place(&view(true, true)).targets, anew, "others than this one are waited for");
    // What has a number only is held back: it looks again in time.
    let mut view = view(true, false);
    let federated = Arc::make_mut(view.federated.as_mut().unwrap());
    federated.metadata.annotations.as_mut().unwrap().insert(keys::PLACEMENT.to_owned(), "{}".to_owned());
    let plan = plan(&view);
    assert_eq!((asked(&plan), plan.federation, plan.again_after), (numbers(&[("east", 3)]), None, view.settles_in));
}
