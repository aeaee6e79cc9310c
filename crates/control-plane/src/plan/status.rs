//! What the federated object tells its user: the members' numbers and addresses, conditions, and where it is.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use kfed_api::conditions::{reasons, types};
use kfed_api::keys;
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};

use super::merge::{self, Copy};
use super::object::Applied;
use super::place::Placement;
use super::{FederationWrite, Note};
use crate::fields;
use crate::kinds::{Conditions, OBSERVED_GENERATION, Truth};
use crate::object::{WantedCondition, annotation, at, conditions, conditions_of, covers, number};
use crate::world::{MOST_LEFT_OUT, MemberState, MemberView, ObjectView, Share};

/// Conditions that are kfed's own: each goes when there is nothing more to say of it.
const OWN: [&str; 3] = [types::SCHEDULED, types::PROPAGATED, types::PUBLISHED];

pub(super) fn plan(
    view: &ObjectView,
    federated: &DynamicObject,
    placement: Option<&Placement>,
    applied: &Applied,
    nothing_to_write: bool,
) -> FederationWrite {
    let kind = view.key.kind;
    let mut write = FederationWrite::default();
    // Failover goes by what workloads have; of all else one word when it has arrived is enough.
    let has_arrived = nothing_to_write || !problems(view, applied).is_empty();
    if placement.is_some() || has_arrived {
        let summary = summary(view, federated, placement, applied);
        if annotation(federated, keys::PLACEMENT) != Some(&summary) {
            write.placement = Some(summary);
            write.awaited = applied.waits();
        }
    }
    if let Some(dns) = &view.dns {
        let before = annotation(federated, keys::ADDRESSES);
        write.addresses = (dns.seen.as_deref() != before).then(|| dns.seen.clone());
    }

    let wanted = wanted(view, federated, placement, applied, nothing_to_write);
    let copies: Vec<_> = copies(view, applied).collect();
    // What has come to its end says what it said then: members tidy up.
    let finished = placement.is_some_and(|placement| placement.finished);
    let truths = if finished { Vec::new() } else { truths(view, placement, applied, &copies) };
    let before = conditions_of(kind, federated);
    let all_wanted: Vec<_> = wanted.iter().chain(&truths).cloned().collect();
    let mut all = conditions(Some(&Value::from(before.clone())), &all_wanted, view.now);
    let is_wanted = |condition: &Value| all_wanted.iter().any(|wanted| condition["type"] == wanted.type_);
    // While writes are under way what was said before of them stays.
    let is_over = |condition: &Value| {
        let ours = OWN.iter().any(|own| condition["type"] == *own) && condition["type"] != types::PROPAGATED;
        let theirs = kind.truths.iter().any(|(type_, _)| condition["type"] == *type_);
        // What is said of a Service while its zone has not been read is not known to be over.
        let unknown = condition["type"] == types::PUBLISHED && view.dns.is_none();
        (ours || (theirs && !finished)) && !unknown
    };
    all.retain(|condition| is_wanted(condition) || !is_over(condition));
    if kind.conditions == Conditions::Generation {
        for condition in all.iter_mut().filter(|condition| is_wanted(condition)) {
            condition["observedGeneration"] = json!(federated.metadata.generation.unwrap_or_default());
        }
    }

    let mut status = json!({});
    for field in kind.status.iter().filter(|_| !finished) {
        fields::set(&mut status, field.path, merge::field(field, &copies));
    }
    if kind.observed && nothing_to_write && all_have_seen(applied, &copies) {
        fields::set(&mut status, OBSERVED_GENERATION, generation(federated, &copies));
    }
    let mut is_news = false;
    match kind.conditions {
        Conditions::Annotation => {
            let all = Value::from(all);
            if Value::from(before.clone()) != all {
                write.conditions = Some(all.to_string());
                is_news = true;
            }
        }
        Conditions::Plain | Conditions::Generation => fields::set(&mut status, "/status/conditions", Value::from(all)),
    }
    if let Some(status) = status.get_mut("status").map(Value::take)
        && !covers(at(federated, "/status").unwrap_or(&Value::Null), &status)
    {
        write.status = Some(status);
        is_news = true;
    }
    if is_news {
        write.notes = notes(&before, &wanted);
    }
    write
}

/// An event for each condition that has come to fail, fails for another reason, or holds again.
fn notes(before: &[Value], wanted: &[WantedCondition]) -> Vec<Note> {
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
fn copies<'a>(view: &'a ObjectView, applied: &'a Applied) -> impl Iterator<Item = Copy<'a>> {
    // Who returns counts for what it is counted on; objects without replicas are its own again at once.
    let workload = view.key.kind.replicas.is_some();
    let stays = view.key.kind.replicas.is_some_and(|replicas| replicas.stays);
    let counts = move |member: &MemberView| match member.state {
        MemberState::Dead => stays,
        MemberState::Joining => false,
        MemberState::Returning => !workload || member.share.is_some(),
        _ => true,
    };
    let observed = |copy: &DynamicObject| !view.key.kind.observed || seen(copy) >= copy.metadata.generation;
    view.members.iter().filter(move |(_, member)| counts(member)).filter_map(move |(name, member)| {
        let object = member.copy.as_deref()?;
        Some(Copy {
            member: name,
            object,
            current: applied.current.contains(name) && observed(object),
            alive: matches!(member.state, MemberState::Available | MemberState::Frozen),
            used: !workload || member.share.is_some_and(|share| share.replicas > 0),
        })
    })
}

/// Whether every member that can be told has been, and its controllers have seen it. What nobody has been told yet nobody has seen.
fn all_have_seen(applied: &Applied, copies: &[Copy<'_>]) -> bool {
    let seen = |copy: &Copy<'_>| copy.current || !applied.current.contains(copy.member);
    let told = !copies.is_empty() || applied.belongs.is_empty();
    told && applied.overrides.is_none() && applied.problems.is_empty() && copies.iter().all(seen)
}

/// The generation that a copy's status is about. Some kinds write it as text.
fn seen(copy: &DynamicObject) -> Option<i64> {
    number(copy, OBSERVED_GENERATION).or_else(|| at(copy, OBSERVED_GENERATION)?.as_str()?.parse().ok())
}

/// The generation of `federated`, as members write it.
fn generation(federated: &DynamicObject, copies: &[Copy<'_>]) -> Value {
    let generation = federated.metadata.generation;
    match copies.iter().any(|copy| at(copy.object, OBSERVED_GENERATION).is_some_and(Value::is_string)) {
        true => json!(generation.map(|generation| generation.to_string())),
        false => json!(generation),
    }
}

/// What a member has of the object, and why.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    share: Option<Share>,
    /// Replicas that it still runs, or may, and that are not counted on: it is told, or being told, to run fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaving: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
    #[serde(flatten)]
    problem: Option<Problem<'a>>,
}

#[derive(Serialize)]
struct Problem<'a> {
    reason: &'a str,
    message: &'a str,
}

/// `{"fed-east":{"ready":4,"replicas":4,"why":"…"},"fed-west":{"why":"…"}}`: what is counted on, and of members that have nothing only
/// why. A dead member is counted on no more when its replicas are planned elsewhere, and is again only when it shows itself.
fn summary(view: &ObjectView, federated: &DynamicObject, placement: Option<&Placement>, applied: &Applied) -> String {
    let stays = view.key.kind.replicas.is_some_and(|replicas| replicas.stays);
    let counts = |member: &MemberView| match member.state {
        MemberState::Dead => stays,
        state => state != MemberState::Joining,
    };
    let problems = problems(view, applied);
    let told = LazyCell::new(|| told_why(federated));
    let whys = placement.map_or(&applied.left_out, |placement| &placement.whys);
    let mut left_out = 0;
    let members = view.members.iter().filter_map(|(name, member)| {
        let step = applied.steps.get(name);
        let share = member.share.map(|share| step.map_or(share, |step| share.at_most(step.counted)));
        let leaving = || {
            let copy = member.copy.as_deref().filter(|_| member.state.shows_itself());
            let more = number(copy?, view.key.kind.replicas?.path)? - share?.replicas;
            (more > 0).then_some(more)
        };
        let problem = problems.get(name.as_str()).filter(|_| counts(member));
        let problem = problem.map(|(reason, message)| Problem { reason, message });
        let held = match view.key.kind.replicas {
            Some(_) => share.is_some(),
            None => member.copy.is_some(),
        };
        let why = whys.get(name).map(String::as_str);
        if (counts(member) && held) || problem.is_some() {
            let why = why.unwrap_or_default();
            return Some((name.clone(), json!(Entry { share, leaving: leaving(), why, problem })));
        }
        let why = match member.state {
            MemberState::Available | MemberState::Dead | MemberState::Leaving { .. } => why?,
            // Nothing has been decided about it: what was said before still is why.
            MemberState::Frozen | MemberState::Returning | MemberState::Dying { .. } => told.get(name)?.as_str(),
            MemberState::Joining => return None,
        };
        left_out += 1;
        let entry = json!(Entry { share: None, leaving: None, why, problem: None });
        (left_out <= MOST_LEFT_OUT).then(|| (name.clone(), entry))
    });
    Value::Object(members.collect()).to_string()
}

/// Of members that have nothing: why, as was last told.
fn told_why(federated: &DynamicObject) -> BTreeMap<String, String> {
    let told = annotation(federated, keys::PLACEMENT);
    let told = told.and_then(|json| serde_json::from_str::<BTreeMap<String, Value>>(json).ok()).unwrap_or_default();
    let alone = told.into_iter().filter(|(_, entry)| entry.as_object().is_some_and(|entry| entry.len() == 1));
    alone.filter_map(|(name, entry)| Some((name, entry["why"].as_str()?.to_owned()))).collect()
}

/// What each member does not hold as it should, and why.
fn problems<'a>(view: &'a ObjectView, applied: &'a Applied) -> BTreeMap<&'a str, (&'static str, String)> {
    let problem = |name: &str, member: &MemberView| match &member.refusal {
        Some(refusal) => Some((refusal.reason, refusal.message.clone())),
        None if member.foreign && applied.belongs.contains(name) && member.state == MemberState::Available => Some((
            reasons::NOT_ADOPTED,
            format!(
                "it holds an object of this name that kfed did not make; annotation {}: \"true\" lets kfed take it over",
                keys::ADOPT
            ),
        )),
        None => applied.problems.get(name).cloned(),
    };
    view.members.iter().filter_map(|(name, member)| Some((name.as_str(), problem(name, member)?))).collect()
}

fn wanted(
    view: &ObjectView,
    federated: &DynamicObject,
    placement: Option<&Placement>,
    applied: &Applied,
    nothing_to_write: bool,
) -> Vec<WantedCondition> {
    let mut wanted = Vec::new();
    match placement {
        Some(placement) => {
            let replicas = view.key.kind.replicas.map_or(0, |replicas| replicas.asked(federated));
            wanted.push(scheduled(placement, replicas));
        }
        None if applied.is_selective => wanted.push(selected(applied)),
        None => {}
    }
    if view.key.kind.published {
        wanted.extend(view.dns.as_ref().and_then(|dns| dns.condition.clone()));
    }
    wanted.extend(propagated(view, applied, nothing_to_write));
    wanted
}

fn scheduled(placement: &Placement, wanted: i64) -> WantedCondition {
    let (holds, reason, message) = if let Some(mistake) = &placement.mistake {
        (false, reasons::INVALID_PREFERENCES, format!("{mistake}; the replicas stay as they were placed before"))
    } else if placement.finished {
        (true, reasons::FINISHED, "it has come to its end".to_owned())
    } else if placement.unplaced > 0 {
        let mut message = format!("{} of {wanted} replicas find no room", placement.unplaced);
        if !placement.obstacles.is_empty() {
            message.push_str(": ");
            message.push_str(&placement.obstacles.join(", "));
        }
        (false, reasons::NO_ROOM, message)
    } else if let Some(scaler) = &placement.scaled_by {
        (true, reasons::PLACED, format!("HorizontalPodAutoscaler {scaler} scales it in every member where that is"))
    } else {
        (true, reasons::PLACED, format!("all {wanted} replicas are placed"))
    };
    WantedCondition { type_: types::SCHEDULED, holds, reason: reason.to_owned(), message }
}

/// Of an object without replicas whose selector, or that of its namespace, says where it belongs.
fn selected(applied: &Applied) -> WantedCondition {
    let (holds, reason, message) = match &applied.selection {
        Some(mistake) => (false, reasons::INVALID_ANNOTATION, format!("{mistake}; it stays where it is")),
        None if applied.belongs.is_empty() => {
            (false, reasons::NO_MEMBER, "no member's labels are what the cluster selector asks for".to_owned())
        }
        None => {
            let members: Vec<_> = applied.belongs.iter().map(String::as_str).collect();
            (true, reasons::PLACED, format!("it belongs in {}", members.join(", ")))
        }
    };
    WantedCondition { type_: types::SCHEDULED, holds, reason: reason.to_owned(), message }
}

/// Conditions that the members have, as one.
fn truths(
    view: &ObjectView,
    placement: Option<&Placement>,
    applied: &Applied,
    copies: &[Copy<'_>],
) -> Vec<WantedCondition> {
    let asked_to_run =
        |name: &String| placement.is_none_or(|placement| placement.targets.get(name).is_some_and(|n| *n > 0));
    let missing = applied.belongs.iter().filter(|name| asked_to_run(name) && view.members[*name].copy.is_none());
    let missing: Vec<_> = missing.map(String::as_str).collect();
    let one = |(type_, truth): &(&'static str, Truth)| {
        let (mut holds, mut reason, mut message) = merge::truth(type_, *truth, copies, &missing)?;
        let unplaced = placement.map_or(0, |placement| placement.unplaced);
        if holds && *truth == Truth::AllPlaced && unplaced > 0 {
            (holds, reason, message) =
                (false, reasons::NO_ROOM.to_owned(), format!("{unplaced} replicas find no room"));
        }
        Some(WantedCondition { type_, holds, reason, message })
    };
    view.key.kind.truths.iter().filter_map(one).collect()
}

/// None while writes are under way: what was said before stays until there is something new to say.
fn propagated(view: &ObjectView, applied: &Applied, nothing_to_write: bool) -> Option<WantedCondition> {
    let problems = problems(view, applied);
    let (holds, reason, message) = if let Some(mistake) = &applied.overrides {
        (false, reasons::INVALID_OVERRIDES, format!("{mistake}; what the members hold stays as it is"))
    } else if let Some((reason, _)) = problems.values().next() {
        let all: Vec<_> = problems.iter().map(|(name, (_, message))| format!("{name}: {message}")).collect();
        (false, *reason, all.join("; "))
    } else if nothing_to_write {
        (true, reasons::IN_SYNC, "every member that is reachable holds the object as it should be".to_owned())
    } else {
        return None;
    };
    Some(WantedCondition { type_: types::PROPAGATED, holds, reason: reason.to_owned(), message })
}
