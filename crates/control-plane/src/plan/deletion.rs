//! What is to be done about an object that somebody has deleted: first its names go, then its copies, then itself.

use kfed_api::keys;
use kube::core::DynamicObject;

use super::{FederationWrite, MemberWrite, ObjectPlan};
use crate::object::{has_finalizer, is_deleted};
use crate::world::{MemberState, ObjectView};

/// The finalizer that API servers place for `propagationPolicy=Orphan`.
const ORPHAN_FINALIZER: &str = "orphan";

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
    let orphan = has_finalizer(federated, ORPHAN_FINALIZER);
    let mut waits = false;
    for (name, member) in &view.members {
        let Some(copy) = member.copy.as_deref() else { continue };
        let uid = copy.metadata.uid.clone().unwrap_or_default();
        match member.state {
            MemberState::Dead if orphan => {}
            MemberState::Dead => {
                plan.tombstones.insert(name.clone(), uid);
            }
            MemberState::Available | MemberState::Leaving { reachable: true, .. } => {
                waits = true;
                if orphan {
                    plan.members.insert(name.clone(), MemberWrite::Release);
                } else if !is_deleted(copy) {
                    plan.members.insert(name.clone(), MemberWrite::Delete { uid });
                }
            }
            MemberState::Dying { evict_in } => {
                waits = true;
                plan.again_after = Some(evict_in);
            }
            MemberState::Joining | MemberState::Frozen | MemberState::Leaving { .. } => waits = true,
        }
    }
    if !waits {
        let keep = federated.metadata.finalizers.iter().flatten().filter(|f| *f != keys::CASCADE_FINALIZER);
        plan.federation =
            Some(FederationWrite { finalizers: Some(keep.cloned().collect()), ..FederationWrite::default() });
    } else {
        plan.tombstones.clear();
    }
    plan
}
