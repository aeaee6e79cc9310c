//! Annotation `kfed.io/placement`: members that have nothing are told of with why, and that counts as nothing anywhere.

use kfed_replica_scheduler::{Member, Request, Scheduler, Verdict};

use super::*;
use crate::Settings;
use crate::world::{Target, World};

const GOLD: &str = r#"[{"key": "tier", "operator": "in", "values": ["gold"]}]"#;

/// What the annotation is to say.
fn summary(view: &ObjectView) -> Value {
    let placement = plan(view).federation.and_then(|write| write.placement).expect("the placement is written");
    serde_json::from_str(&placement).unwrap()
}

fn tier(view: &mut ObjectView, name: &str, tier: &str) {
    view.members.get_mut(name).unwrap().attributes.labels.insert("tier".into(), tier.into());
}

/// East runs all; west has nothing.
fn all_in_east(west: MemberState) -> ObjectView {
    workload(4, SPREAD, &[("east", Available, Some((4, 4))), ("west", west, None)])
}

fn selecting(mut view: ObjectView) -> ObjectView {
    let mut federated = view.federated.as_deref().cloned().unwrap();
    let annotations = federated.metadata.annotations.get_or_insert_default();
    annotations.insert(keys::CLUSTER_SELECTOR.to_owned(), GOLD.to_owned());
    view.federated = Some(Arc::new(federated));
    tier(&mut view, "east", "gold");
    view
}

#[test]
fn a_selector_a_filter_and_death_are_told_where_all_replicas_have_a_place() {
    let closed = |_: &Request<'_>, member: &Member<'_>| match member.name {
        "west" => Verdict::reject("closed", "it is on trial"),
        _ => Verdict::Allow,
    };
    let only_east = r#"{"clusters": {"east": {"weight": 1}}}"#;
    let filtered = ObjectView { scheduler: Arc::new(Scheduler::default().filter(closed)), ..all_in_east(Available) };
    let federated = Some(Arc::new(replica_set(4, only_east)));
    let not_named = ObjectView { federated, ..all_in_east(Available) };
    for (view, why) in [
        (selecting(all_in_east(Available)), "its labels are not tier in (gold)"),
        (filtered, "may run none: it is on trial (closed)"),
        (not_named, "the preferences name neither it nor \"*\""),
        (all_in_east(Dead), "it is dead"),
        (all_in_east(DRAINING), "it is leaving"),
    ] {
        let summary = summary(&view);
        assert_eq!(summary["west"], json!({"why": why}));
        assert_eq!((&summary["east"]["replicas"], &summary["east"]["ready"]), (&json!(4), &json!(4)));
        assert_eq!(place(&view).unplaced, 0, "{why}");
    }
}

#[test]
fn what_was_told_of_a_member_stays_while_nothing_is_decided_about_it() {
    let mut view = selecting(all_in_east(Available));
    let told = plan(&view).federation.unwrap().placement.unwrap();
    let mut federated = view.federated.as_deref().cloned().unwrap();
    federated.metadata.annotations.as_mut().unwrap().insert(keys::PLACEMENT.to_owned(), told);
    view.federated = Some(Arc::new(federated));
    for state in [Available, Frozen, Returning, DYING] {
        view.members.get_mut("west").unwrap().state = state;
        let write = plan(&view).federation.unwrap_or_default();
        assert_eq!(write.placement, None, "{state:?}");
    }
    view.members.get_mut("west").unwrap().state = Dead;
    assert_eq!(summary(&view)["west"]["why"], "it is dead");
}

#[test]
fn what_has_no_replicas_is_told_too() {
    let map = || object("ConfigMap", &json!({"data": {"k": "v"}}));
    let members = vec![("east", member(Available, None)), ("west", member(Available, None))];
    let mut view = selecting(view("ConfigMap", Some(map()), members));
    view.members.get_mut("east").unwrap().copy = carried_out(&view, "east");
    let summary = summary(&view);
    assert_eq!(summary, json!({"east": {}, "west": {"why": "its labels are not tier in (gold)"}}));
}

/// The copy that a member has when it has taken what it is told.
fn carried_out(view: &ObjectView, member: &str) -> Option<Arc<DynamicObject>> {
    let MemberWrite::Apply { intent, .. } = plan(view).members.remove(member)? else { return None };
    serde_json::from_value(intent).ok().map(Arc::new)
}

#[test]
fn of_many_that_have_nothing_some_are_told() {
    let names: Vec<_> = (0..100).map(|n| format!("m{n:03}")).collect();
    let mut members: Vec<_> = names.iter().map(|name| (name.as_str(), Available, None)).collect();
    members.push(("east", Available, Some((4, 4))));
    let summary = summary(&selecting(workload(4, SPREAD, &members)));
    let summary = summary.as_object().unwrap();
    assert_eq!((summary.len(), summary["east"]["replicas"].as_i64()), (33, Some(4)));
}

#[test]
fn who_has_nothing_is_counted_on_for_nothing() {
    let view = selecting(all_in_east(Available));
    let mut federated = view.federated.as_deref().cloned().unwrap();
    let told = plan(&view).federation.unwrap().placement.unwrap();
    federated.metadata.annotations.as_mut().unwrap().insert(keys::PLACEMENT.to_owned(), told);
    let mut world = World::default();
    world.federation.hold(view.key.kind, federated);
    // Members that have been seen, and do not show themselves now.
    let silent = || crate::world::Member { known: true, ..Default::default() };
    world.members.extend(["east", "west"].map(|name| (name.to_owned(), silent())));
    let seen = world.view(&view.key, &Settings::new("fed", "example.com".parse().unwrap()), view.now);
    let counted_on: Vec<_> = seen.members.iter().map(|(name, member)| (name.as_str(), member.share)).collect();
    assert_eq!(counted_on, [("east", Some(Share { replicas: 4, ready: 4 })), ("west", None)]);
}

#[test]
fn a_service_leaves_a_member_when_the_zone_does_not_lead_there_any_more() {
    let named = |members: &[&str]| {
        let to = vec![Target::Ip("192.0.2.1".parse().unwrap())];
        let addresses = members.iter().map(|name| ((*name).to_owned(), to.clone())).collect();
        ServiceDns { addresses, ..ServiceDns::default() }
    };
    let copy = || member(Available, Some(service(false)));
    let mut view = selecting(view("Service", Some(service(false)), vec![("east", copy()), ("west", copy())]));
    for (dns, goes) in [(None, false), (Some(named(&["east", "west"])), false), (Some(named(&["east"])), true)] {
        view.dns = dns;
        let deletes = matches!(plan(&view).members.get("west"), Some(MemberWrite::Delete { .. }));
        assert_eq!(deletes, goes, "{:?}", view.dns);
    }
}
