//! What is to be done about one object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kfed_api::conditions::reasons;
use kfed_api::keys;
use kfed_api::policy::SelectorRequirement;
use kube::core::DynamicObject;

use super::intent::{Intents, Numbers, is_current};
use super::overrides::overrides;
use super::place::{Placement, Step, place, steps};
use super::select::{is_selected, selector, unmet};
use super::{FederationWrite, MemberWrite, ObjectPlan, deletion, status};
use crate::kinds::{Replicas, controlled};
use crate::object::{annotation, conditions_of, finalizers_with, has_finalizer, is_deleted, number, since};
use crate::world::{Ban, Lack, Leaving, MemberState, MemberView, ObjectView};

/// The plan for the object in `view`.
pub(crate) fn plan(view: &ObjectView) -> ObjectPlan {
    if view.key.is_reserved() {
        return ObjectPlan::default();
    }
    let Some(federated) = view.federated.as_deref() else {
        // Nobody asked for the deletion of what is left here: only a member that leaves is cleaned of it.
        return ObjectPlan { members: departures(view), ..ObjectPlan::default() };
    };
    if is_deleted(federated) || (view.key.kind.ending && has_finalizer(federated, keys::CASCADE_FINALIZER)) {
        return deletion::plan(view, federated);
    }
    if view.key.kind.ending || controlled(view.key.kind, federated) {
        return ObjectPlan { members: departures(view), ..ObjectPlan::default() };
    }
    if !has_finalizer(federated, keys::CASCADE_FINALIZER) {
        // Before the first member write: a deletion in between would leave the copies behind.
        let finalizers = finalizers_with(&federated.metadata, keys::CASCADE_FINALIZER);
        let federation = FederationWrite { finalizers: Some(finalizers), awaited: true, ..FederationWrite::default() };
        return ObjectPlan { federation: Some(federation), ..ObjectPlan::default() };
    }
    let expires_in = expires_in(view, federated);
    if expires_in.is_some_and(|wait| wait.is_zero()) {
        let federation = FederationWrite { expired: true, ..FederationWrite::default() };
        return ObjectPlan { federation: Some(federation), ..ObjectPlan::default() };
    }
    let placement = view.key.kind.replicas.map(|_| place(view));
    let mut members = departures(view);
    let mut applied = apply(view, federated, placement.as_ref());
    members.append(&mut applied.writes);
    // A new control plane says nothing new of an object before it knows what the last one knew.
    let settles_in = view.settles_in.filter(|_| annotation(federated, keys::PLACEMENT).is_some());
    let federation = match settles_in {
        Some(_) => FederationWrite::default(),
        None => status::plan(view, federated, placement.as_ref(), &applied, members.is_empty() && !applied.waits()),
    };
    let again_after = placement.and_then(|placement| placement.again_after);
    ObjectPlan {
        members,
        federation: Some(federation).filter(|write| !write.is_empty()),
        again_after: again_after.into_iter().chain(expires_in).chain(settles_in).min(),
        ..ObjectPlan::default()
    }
}

/// When the object is to go because it has come to its end; none where it has not, or stays.
fn expires_in(view: &ObjectView, federated: &DynamicObject) -> Option<Duration> {
    let ttl = u64::try_from(number(federated, view.key.kind.ttl?)?).ok()?;
    let conditions = conditions_of(view.key.kind, federated);
    let end = view.key.kind.ends.iter().find_map(|end| since(&conditions, end))?;
    let passed = Duration::try_from(view.now.duration_since(end)).unwrap_or_default();
    Some(Duration::from_secs(ttl).saturating_sub(passed))
}

/// What members are told so that they hold what they should, and how far they do.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) writes: BTreeMap<String, MemberWrite>,
    /// Members in which the object is to be.
    pub(super) belongs: BTreeSet<String>,
    /// Those of them that hold it as it should be.
    pub(super) current: BTreeSet<String>,
    /// What is wrong in a member that nobody else tells of.
    pub(super) problems: BTreeMap<String, (&'static str, String)>,
    /// How far each member is on its way, of objects with replicas.
    pub(super) steps: BTreeMap<String, Step>,
    /// Why others are not to hold it, of objects without replicas.
    pub(super) left_out: BTreeMap<String, String>,
    /// What is wrong with the selector of an object without replicas: copies stay where they are.
    pub(super) selection: Option<String>,
    /// Whether a selector says anything at all.
    pub(super) is_selective: bool,
    /// What is wrong with the overrides: nobody is told anything.
    pub(super) overrides: Option<String>,
}

// === impl Applied ===

impl Applied {
    /// Whether a member is told to run fewer once that has been written down.
    pub(super) fn waits(&self) -> bool {
        self.steps.values().any(|step| step.counted < step.now)
    }
}

/// What becomes of a copy.
enum Fate {
    /// It is to be there, with these numbers.
    Held(Numbers),
    /// It is not to be there.
    Gone,
    /// Whatever is there stays as it is.
    Left,
}

fn apply(view: &ObjectView, federated: &DynamicObject, placement: Option<&Placement>) -> Applied {
    let mut applied = Applied::default();
    let selector = selector(view);
    applied.is_selective = selector.as_ref().map_or(true, |selector| !selector.is_empty());
    applied.selection = selector.as_ref().err().cloned();
    let overrides = match overrides(view.key.kind, federated) {
        Ok(overrides) => overrides,
        Err(mistake) => {
            applied.overrides = Some(mistake);
            return applied;
        }
    };
    let mut intents = Intents::of(view.key.kind, federated, &view.federation);
    let adopt = annotation(federated, keys::ADOPT) == Some("true");
    applied.steps = placement.map(|placement| steps(view, placement)).unwrap_or_default();
    for (name, member) in &view.members {
        let takes_writes = match member.state {
            MemberState::Available | MemberState::Returning => true,
            MemberState::Leaving { stage: Leaving::Drain, reachable } => reachable && member.copy.is_some(),
            _ => false,
        };
        let may = || {
            let selected = selector.as_ref().is_ok_and(|selector| is_selected(selector, member));
            selected && placement.is_none_or(|placement| !placement.finished && !placement.left_out.contains(name))
        };
        if member.lack == Some(Lack::Kind) {
            if takes_writes && may() {
                let kind = format!("{}.{}", view.key.kind.resource(), view.key.kind.version);
                let message = format!("its API server does not serve {kind}");
                applied.problems.insert(name.clone(), (reasons::KIND_NOT_SERVED, message));
            }
            continue;
        }
        if let Some(ban) = member.forbidden.as_ref().filter(|_| member.lack == Some(Lack::Sight)) {
            if may() {
                let kind = view.key.kind.resource();
                let Ban { verb, says } = ban;
                let message = format!(
                    "its API server does not let kfed {verb} {kind}, so none are written there ({says}); allow kfed's user there \
                     to get, list, watch, create, patch and delete {kind}"
                );
                applied.problems.insert(name.clone(), (reasons::KIND_FORBIDDEN, message));
            }
            continue;
        }
        let fate = match (view.key.kind.replicas, placement) {
            (Some(replicas), Some(placement)) => {
                let step = applied.steps.get(name).map(|step| step.now);
                Planned { replicas, placement, step, selector: &selector }.fate(name, member)
            }
            _ => match &selector {
                Ok(selector) if is_selected(selector, member) => Fate::Held(Numbers::default()),
                Ok(_) => Fate::Gone,
                Err(_) => Fate::Left,
            },
        };
        let fate = if member.lack == Some(Lack::Permission) { Fate::Gone } else { fate };
        if matches!(fate, Fate::Gone) && placement.is_none() {
            let lack = member.lack.map(|lack| format!("it {}", lack.phrase()));
            let why = lack.or_else(|| unmet(selector.as_ref().ok()?, member));
            applied.left_out.extend(why.map(|why| (name.clone(), why)));
        }
        match fate {
            Fate::Held(numbers) => {
                applied.belongs.insert(name.clone());
                if !takes_writes || !member.has_namespace || (member.foreign && !adopt) {
                    continue;
                }
                let patch: Vec<_> = overrides.of(name, &member.attributes.labels).cloned().collect();
                let intent = match intents.of_member(&patch, &numbers) {
                    Ok(intent) => intent,
                    Err(mistake) => {
                        applied.problems.insert(name.clone(), (reasons::INVALID_OVERRIDES, mistake));
                        continue;
                    }
                };
                match member.copy.as_deref() {
                    Some(copy) if is_deleted(copy) => {}
                    Some(copy) if !may_run_fewer(member, &numbers) && is_current(copy, &intent, &numbers) => {
                        applied.current.insert(name.clone());
                    }
                    copy => {
                        let intent = Arc::unwrap_or_clone(intent);
                        let fewer = fewer(view, member, applied.steps.get(name).filter(|_| !numbers.lent));
                        let write = MemberWrite::Apply { intent, new: copy.is_none(), adopt, fewer };
                        applied.writes.insert(name.clone(), write);
                    }
                }
            }
            // As with a member that leaves: its address goes first, and that waits for another one.
            Fate::Gone if is_named(view, name) => {}
            Fate::Gone => {
                let copy = member.copy.as_deref().filter(|copy| takes_writes && !is_deleted(copy));
                let uid = copy.and_then(|copy| copy.metadata.uid.clone());
                applied.writes.extend(uid.map(|uid| (name.clone(), MemberWrite::Delete { uid })));
            }
            Fate::Left => {}
        }
    }
    applied
}

/// Whether `member` may run fewer replicas than it shows, so that it is told again how many are its own. Those of an autoscaler are not
/// for others to tell, but where it was told to run none.
fn may_run_fewer(member: &MemberView, numbers: &Numbers) -> bool {
    member.lowered.is_some_and(|fewest| fewest == 0 || !numbers.lent)
}

/// How many replicas `member` is told to run at `step` where it shows more.
fn fewer(view: &ObjectView, member: &MemberView, step: Option<&Step>) -> Option<i64> {
    let shown = number(member.copy.as_deref()?, view.key.kind.replicas?.path)?;
    step.map(|step| step.now).filter(|now| *now < shown)
}

/// Whether the zone leads to the object in `member`, or may.
fn is_named(view: &ObjectView, member: &str) -> bool {
    view.key.kind.published && view.dns.as_ref().is_none_or(|dns| dns.addresses.contains_key(member))
}

/// What the placement of a workload says of one member.
struct Planned<'a> {
    replicas: Replicas,
    placement: &'a Placement,
    /// How many it is told to run now.
    step: Option<i64>,
    selector: &'a Result<Vec<SelectorRequirement>, String>,
}

// === impl Planned ===

impl Planned<'_> {
    fn fate(&self, name: &str, member: &MemberView) -> Fate {
        let Planned { replicas, placement, step, selector } = self;
        // What has come to its end is brought nowhere any more; what is left of it is kept up.
        if placement.finished && member.copy.is_none() {
            return Fate::Left;
        }
        let Some(number) = *step else { return Fate::Left };
        if number == 0 && self.is_empty(member) {
            let selected = selector.as_ref().map_or(true, |selector| is_selected(selector, member));
            if replicas.vanishes() || !selected {
                return Fate::Gone;
            }
        }
        let second = replicas.second.zip(placement.seconds.get(name));
        let second = second.map(|(second, least)| (second.path(), second.beside(*least, number)));
        let at = std::iter::once((replicas.path, number)).chain(second).collect();
        Fate::Held(Numbers { at, lent: placement.scaled_by.is_some() && number > 0 })
    }

    /// Whether nothing runs there any more.
    fn is_empty(&self, member: &MemberView) -> bool {
        let runs = |copy: &DynamicObject| number(copy, self.replicas.running).unwrap_or(0);
        self.replicas.vanishes() || member.copy.as_deref().is_none_or(|copy| runs(copy) == 0)
    }
}

/// What is to be done with copies in members that leave.
fn departures(view: &ObjectView) -> BTreeMap<String, MemberWrite> {
    let write = |(name, member): (&String, &MemberView)| {
        let copy = member.copy.as_deref().filter(|copy| !is_deleted(copy))?;
        let write = match member.state {
            MemberState::Leaving { stage: Leaving::Clean, reachable: true } => {
                MemberWrite::Delete { uid: copy.metadata.uid.clone()? }
            }
            MemberState::Leaving { stage: Leaving::Release, reachable: true } => MemberWrite::Release,
            _ => return None,
        };
        Some((name.clone(), write))
    };
    view.members.iter().filter_map(write).collect()
}
