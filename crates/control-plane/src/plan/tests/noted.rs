//! What is written down of where replicas run: a member that falls silent is counted on for that, by this control plane or the next.

use super::*;

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
    assert!(!matches!(before.members.get("west"), Some(MemberWrite::Delete { .. })), "{before:?}");
    assert_eq!(written(&before)["west"], 0);
    let after = plan(&with_noted(view(), &[("west", 0)]));
    assert_eq!(after.members["west"], MemberWrite::Delete { uid: "uid-1".into() });
}
