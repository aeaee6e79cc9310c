//! What the federated object tells its user: the members' numbers and addresses, and conditions.

use std::collections::BTreeMap;

use kfed_api::conditions::{reasons, types};
use kfed_api::keys;
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use super::place::Placement;
use super::{FederationWrite, Note};
use crate::object::{WantedCondition, annotation, at, conditions, covers, number, replicas};
use crate::world::{MemberState, MemberView, ObjectView};

/// The sums that a workload's status is made of.
const SUMS: [&str; 4] = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];

pub(super) fn plan(
    view: &ObjectView,
    federated: &DynamicObject,
    placement: Option<&Placement>,
    in_sync: bool,
) -> FederationWrite {
    let mut write = FederationWrite::default();
    let kind = view.key.kind;
    if placement.is_none() && !kind.published {
        return write;
    }
    let mut status = Map::new();
    let mut wanted = Vec::new();
    if let Some(placement) = placement {
        status.extend(sums(view));
        status.insert("observedGeneration".to_owned(), json!(federated.metadata.generation));
        wanted.push(scheduled(placement, replicas(federated)));
        let summary = summary(view);
        if annotation(federated, keys::PLACEMENT) != Some(&summary) {
            write.placement = Some(summary);
        }
    }
    if kind.published {
        status.insert("loadBalancer".to_owned(), load_balancer(view));
        wanted.extend(view.dns.as_ref().and_then(|dns| dns.condition.clone()));
        let seen = view.dns.as_ref().map(|dns| dns.seen.as_deref());
        write.addresses =
            seen.filter(|seen| *seen != annotation(federated, keys::ADDRESSES)).map(|seen| seen.map(str::to_owned));
    }
    // What was said of a Service that has since been made to be found in no zone.
    let is_published = view.dns.as_ref().is_none_or(|dns| dns.condition.is_some());
    let outdated = |condition: &Value| condition["type"] == types::PUBLISHED && !is_published;
    wanted.extend(propagated(view, in_sync));
    let mut all = conditions(at(federated, "/status/conditions"), &wanted, view.now);
    if kind.published {
        all.retain(|condition| !outdated(condition));
        // metav1.Condition has it; a ReplicaSet's own type has not.
        for condition in all.iter_mut().filter(|c| wanted.iter().any(|w| c["type"] == w.type_)) {
            condition["observedGeneration"] = json!(federated.metadata.generation.unwrap_or_default());
        }
    }
    status.insert("conditions".to_owned(), Value::from(all));
    let status = Value::from(status);
    if !covers(at(federated, "/status").unwrap_or(&Value::Null), &status) {
        write.notes = notes(at(federated, "/status/conditions"), &wanted);
        write.status = Some(status);
    }
    write
}

/// An event for each condition that has come to fail, fails for another reason, or holds again.
fn notes(before: Option<&Value>, wanted: &[WantedCondition]) -> Vec<Note> {
    let before = before.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_news = |wanted: &&WantedCondition| match before.iter().find(|c| c["type"] == wanted.type_) {
        Some(condition) => {
            condition["status"] != if wanted.holds { "True" } else { "False" } || condition["reason"] != wanted.reason
        }
        // That nobody serves a Service yet is no news.
        None => !wanted.holds && wanted.reason != reasons::NO_HEALTHY_ADDRESS,
    };
    let note = |wanted: &WantedCondition| Note {
        warning: !wanted.holds,
        reason: wanted.reason.clone(),
        message: wanted.message.clone(),
    };
    wanted.iter().filter(is_news).map(note).collect()
}

/// Members that still count: what a dead one ran does not.
fn counted(view: &ObjectView) -> impl Iterator<Item = (&String, &MemberView, &DynamicObject)> {
    // Who returns counts for what it is counted on; objects without replicas are its own again at once.
    let workload = view.key.kind.preferences.is_some();
    let counts = move |member: &MemberView| match member.state {
        MemberState::Dead | MemberState::Joining => false,
        MemberState::Returning => !workload || member.share.is_some(),
        _ => true,
    };
    view.members
        .iter()
        .filter(move |(_, member)| counts(member))
        .filter_map(|(name, member)| Some((name, member, member.copy.as_deref()?)))
}

fn sums(view: &ObjectView) -> impl Iterator<Item = (String, Value)> {
    SUMS.into_iter().map(|field| {
        let pointer = format!("/status/{field}");
        let sum: i64 = counted(view).filter_map(|(_, _, copy)| number(copy, &pointer)).sum();
        (field.to_owned(), json!(sum))
    })
}

/// `{"fed-east":{"ready":4,"replicas":4}}`: what is counted on. A dead member drops out when its replicas are planned
/// elsewhere, and comes in again only when it shows itself.
fn summary(view: &ObjectView) -> String {
    let counts = |member: &MemberView| !matches!(member.state, MemberState::Dead | MemberState::Joining);
    let shares = view.members.iter().filter(|(_, member)| counts(member));
    let shares: BTreeMap<_, _> = shares.filter_map(|(name, member)| Some((name, member.share?))).collect();
    json!(shares).to_string()
}

fn scheduled(placement: &Placement, wanted: i64) -> WantedCondition {
    let (holds, reason, message) = if let Some(mistake) = &placement.mistake {
        (false, reasons::INVALID_PREFERENCES, format!("{mistake}; the replicas stay as they were placed before"))
    } else if placement.unplaced > 0 {
        let mut message = format!("{} of {wanted} replicas find no room", placement.unplaced);
        if !placement.obstacles.is_empty() {
            message.push_str(": ");
            message.push_str(&placement.obstacles.join(", "));
        }
        (false, reasons::NO_ROOM, message)
    } else {
        (true, reasons::PLACED, format!("all {wanted} replicas are placed"))
    };
    WantedCondition { type_: types::SCHEDULED, holds, reason: reason.to_owned(), message }
}

/// The union of the members' addresses, sorted as v1 sorted it: by address, then by host name.
fn load_balancer(view: &ObjectView) -> Value {
    let alive = |state| matches!(state, MemberState::Available | MemberState::Frozen);
    let ingress = counted(view).filter(|(_, member, _)| alive(member.state));
    let ingress = ingress.flat_map(|(_, _, copy)| at(copy, "/status/loadBalancer/ingress").and_then(Value::as_array));
    let mut ingress: Vec<_> = ingress.flatten().cloned().collect();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    ingress.sort_by_key(|entry| (text(entry, "ip"), text(entry, "hostname")));
    ingress.dedup();
    json!({"ingress": ingress})
}

/// None while writes are under way: what was said before stays until there is something new to say.
fn propagated(view: &ObjectView, in_sync: bool) -> Option<WantedCondition> {
    let problems: Vec<_> = view
        .members
        .iter()
        .filter_map(|(name, member)| match &member.refusal {
            Some(refusal) => Some((refusal.reason, format!("{name}: {}", refusal.message))),
            None if member.foreign && member.state == MemberState::Available => Some((
                reasons::NOT_ADOPTED,
                format!("{name} holds an object of this name that kfed did not make; annotation {}: \"true\" lets kfed take it over", keys::ADOPT),
            )),
            None => None,
        })
        .collect();
    let (holds, reason, message) = match problems.first() {
        Some((reason, _)) => {
            let all: Vec<_> = problems.iter().map(|(_, message)| message.as_str()).collect();
            (false, *reason, all.join("; "))
        }
        None if in_sync => {
            (true, reasons::IN_SYNC, "every member that is reachable holds the object as it should be".to_owned())
        }
        None => return None,
    };
    Some(WantedCondition { type_: types::PROPAGATED, holds, reason: reason.to_owned(), message })
}
