//! What is to be done about one object.

use std::collections::BTreeMap;

use kfed_api::keys;
use kube::core::DynamicObject;

use super::intent::{intent, is_current};
use super::place::{Placement, place, steps};
use super::{FederationWrite, MemberWrite, ObjectPlan, deletion, status};
use crate::object::{annotation, finalizers_with, has_finalizer, is_deleted};
use crate::world::{Leaving, MemberState, MemberView, ObjectView};

/// The plan for the object in `view`.
pub(crate) fn plan(view: &ObjectView) -> ObjectPlan {
    if view.key.is_reserved() {
        return ObjectPlan::default();
    }
    let Some(federated) = view.federated.as_deref() else {
        // Nobody asked for the deletion of what is left here: only a member that leaves is cleaned of it.
        return ObjectPlan { members: departures(view), ..ObjectPlan::default() };
    };
    if is_deleted(federated) {
        return deletion::plan(view, federated);
    }
    if !has_finalizer(federated, keys::CASCADE_FINALIZER) {
        // Before the first member write: a deletion in between would leave the copies behind.
        let finalizers = finalizers_with(&federated.metadata, keys::CASCADE_FINALIZER);
        let federation = FederationWrite { finalizers: Some(finalizers), ..FederationWrite::default() };
        return ObjectPlan { federation: Some(federation), ..ObjectPlan::default() };
    }
    let placement = view.key.kind.preferences.map(|_| place(view));
    let mut members = departures(view);
    members.extend(applications(view, federated, placement.as_ref()));
    let in_sync = members.is_empty();
    let federation = status::plan(view, federated, placement.as_ref(), in_sync);
    ObjectPlan {
        members,
        federation: Some(federation).filter(|write| !write.is_empty()),
        again_after: placement.and_then(|placement| placement.again_after),
        ..ObjectPlan::default()
    }
}

/// What members must be told so that they hold what they should.
fn applications(
    view: &ObjectView,
    federated: &DynamicObject,
    placement: Option<&Placement>,
) -> BTreeMap<String, MemberWrite> {
    let adopt = annotation(federated, keys::ADOPT) == Some("true");
    let steps = placement.map(|placement| steps(view, placement));
    let write = |(name, member): (&String, &MemberView)| {
        let takes_writes = match member.state {
            MemberState::Available | MemberState::Returning => true,
            MemberState::Leaving { stage: Leaving::Drain, reachable } => reachable && member.copy.is_some(),
            _ => false,
        };
        if !takes_writes || !member.has_namespace || (member.foreign && !adopt) {
            return None;
        }
        let replicas = match &steps {
            Some(steps) => Some(*steps.get(name)?),
            None => None,
        };
        let intent = intent(view.key.kind, federated, &view.federation, replicas);
        match member.copy.as_deref() {
            Some(copy) if is_deleted(copy) || is_current(copy, &intent) => None,
            copy => Some((name.clone(), MemberWrite::Apply { intent, new: copy.is_none(), adopt })),
        }
    };
    view.members.iter().filter_map(write).collect()
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
