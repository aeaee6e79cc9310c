//! One federated object: view, plan, effects.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::Shared;
use crate::effect::member::MemberEffect;
use crate::effect::{self, EffectError, within};
use crate::kinds::ObjectKey;
use crate::plan::{self, MemberWrite, ObjectPlan};
use crate::world::Refusal;

/// Brings the object `key` one step nearer to where it should be.
pub(super) async fn reconcile(shared: &Arc<Shared>, key: &ObjectKey) -> Result<Option<Duration>, ()> {
    let (view, plan) = {
        let world = shared.world();
        if !world.is_complete() {
            // The list that completes the world brings every key here again.
            return Ok(None);
        }
        let view = world.view(key, shared.settings(), shared.now());
        let plan = plan::plan(&view);
        (view, plan)
    };
    if plan != ObjectPlan::default() {
        tracing::debug!(%key, ?plan, "planned");
    }
    let mut done = true;
    let deadline = shared.settings().deadline;
    let federation = &shared.parts.federation;

    let writes = plan.members.into_iter().map(|(member, write)| write_to(shared, key, member, write));
    for result in join_all(writes).await {
        done &= result;
    }
    for (member, uid) in &plan.tombstones {
        if let Err(error) =
            within(deadline, async { effect::federation::bury(federation, member, key, uid).await }).await
        {
            tracing::warn!(%key, member, %error, "could not write down what is to be deleted");
            return Err(());
        }
        if let Some(member) = shared.world().members.get_mut(member) {
            member.buried.insert(key.clone(), uid.clone());
        }
    }
    if let (Some(write), Some(seen)) = (&plan.federation, &view.federated) {
        match within(deadline, effect::federation::write(federation, key, seen, write)).await {
            Ok(()) if write.notes.is_empty() => {}
            Ok(()) => {
                let tell = effect::federation::tell(&shared.recorder, key, seen, &write.notes);
                drop(tokio::time::timeout(deadline, tell).await);
            }
            // It has changed or gone: the watch brings it here again.
            Err(EffectError::Stale) => return Ok(Some(Duration::from_millis(100))),
            Err(EffectError::Refused { message }) if message.contains("not found") => {}
            Err(error) => {
                tracing::warn!(%key, %error, "could not write to the federated object");
                done = false;
            }
        }
    }
    if done { Ok(plan.again_after) } else { Err(()) }
}

/// Writes to one member; whether it took the write. What it says otherwise is kept for the object's condition.
async fn write_to(shared: &Arc<Shared>, key: &ObjectKey, member: String, write: MemberWrite) -> bool {
    let Some(stack) = shared.stack(&member) else { return false };
    let result = effect::member::run(stack, MemberEffect { key: key.clone(), write }).await;
    if let Ok(others) = &result {
        shared.say_what_is_left(key, &member, others).await;
    }
    let refusal = match &result {
        Ok(_) => None,
        // Looked at again at once: nothing to tell anybody.
        Err(EffectError::Stale) => return false,
        // A namespace that is there already is used as it is.
        Err(EffectError::NotAdopted) if key.kind.kind == "Namespace" => return true,
        Err(error) => {
            tracing::info!(%key, member, error = effect::chain(error), "the member did not take a write");
            Some(Refusal { reason: error.reason(), message: effect::chain(error) })
        }
    };
    let place = (key.clone(), member);
    let changed = {
        let mut world = shared.world();
        match refusal {
            Some(refusal) => world.refusals.insert(place, refusal.clone()) != Some(refusal),
            None => world.refusals.remove(&place).is_some(),
        }
    };
    if changed {
        shared.look_at(vec![key.clone()]);
    }
    result.is_ok()
}
