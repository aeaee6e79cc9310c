//! What is to be done about an object that somebody has deleted: first its names go, then its copies, then itself.
//! It waits for every member in which a copy is or may be; for a dead one a tombstone is left.

use kfed_api::keys;
use kube::core::DynamicObject;

use super::{ANY_COPY, FederationWrite, MemberWrite, ObjectPlan};
use crate::object::{annotation, has_finalizer, is_deleted};
use crate::world::{Lack, MemberState, ObjectView};

pub(super) fn plan(view: &ObjectView, federated: &DynamicObject) -> ObjectPlan {
    let mut plan = ObjectPlan::default();
    if !has_finalizer(federated, keys::CASCADE_FINALIZER) {
        return plan;
    }
    // A name must never outlive what it points to. The zone's own loop withdraws the records; it then looks here again.
    let still_named = view.key.kind.published && view.dns.as_ref().is_none_or(|dns| dns.records > 0);
    if still_named {
        return plan;
    }
    // A kind that is federated no longer leaves its copies to the members.
    let orphaned = view.orphaned || view.key.kind.ending;
    if view.orphaned && annotation(federated, keys::ORPHAN) != Some("true") {
        // Written down before anything is done: after a restart nobody else remembers.
        plan.federation = Some(FederationWrite { orphan: true, ..FederationWrite::default() });
        return plan;
    }
    let mut waits = false;
    for (name, member) in &view.members {
        let uid = match member.copy.as_deref() {
            Some(copy) => copy.metadata.uid.clone().unwrap_or_default(),
            None if member.unseen => ANY_COPY.to_owned(),
            None => continue,
        };
        let going = member.copy.as_deref().is_some_and(is_deleted);
        match member.state {
            MemberState::Dead if orphaned => {}
            // What cannot be seen there goes when it can.
            _ if member.lack == Some(Lack::Sight) && orphaned => {}
            _ if member.lack == Some(Lack::Sight) => {
                plan.tombstones.insert(name.clone(), uid);
            }
            MemberState::Dead => {
                plan.tombstones.insert(name.clone(), uid);
            }
            state if state.is_reachable() => {
                waits = true;
                if orphaned {
                    plan.members.insert(name.clone(), MemberWrite::Release);
                } else if !going {
                    plan.members.insert(name.clone(), MemberWrite::Delete { uid });
                }
            }
            MemberState::Dying { evict_in } => {
                waits = true;
                plan.again_after = Some(plan.again_after.map_or(evict_in, |earlier| earlier.min(evict_in)));
            }
            _ => waits = true,
        }
    }
    if waits {
        plan.tombstones.clear();
    } else {
        let keep = federated.metadata.finalizers.iter().flatten().filter(|f| *f != keys::CASCADE_FINALIZER);
        plan.federation =
            Some(FederationWrite { finalizers: Some(keep.cloned().collect()), ..FederationWrite::default() });
    }
    plan
}
