//! One federated object: view, plan, effects.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use kube::Resource;

use super::writes::{Place, Wait};
use super::{AbortOnDrop, COALESCE, Key, Shared};
use crate::effect::member::MemberEffect;
use crate::effect::{self, EffectError, within};
use crate::kinds::ObjectKey;
use crate::plan::{self, MemberWrite, ObjectPlan};
use crate::world::{ObjectView, Refusal};

/// Brings the object `key` one step nearer to where it should be.
pub(super) async fn reconcile(shared: &Arc<Shared>, key: &ObjectKey) -> Result<Option<Duration>, ()> {
    if let Some(wait) = shared.expectations.wait(key, || shared.world().federation.metadata(key)) {
        return Ok(Some(wait));
    }
    let Some((view, mut plan)) = decide(shared, key) else {
        // The list that completes the world brings every key here again.
        return Ok(None);
    };
    shared.pods.ensure(shared, &view);
    if plan != ObjectPlan::default() {
        tracing::debug!(%key, ?plan, "planned");
    }
    let mut again = plan.again_after;
    for (member, write) in std::mem::take(&mut plan.members) {
        if let Err(Wait::BackOff(wait)) = start(shared, key, member, write) {
            again = Some(again.map_or(wait, |earlier| earlier.min(wait)));
        }
    }
    if plan.federation.is_some()
        && let Err(wait) = shared.pace.take(&Key::Object(key.clone()))
    {
        return Ok(Some(again.map_or(wait, |again| again.min(wait))));
    }
    match write_to_federation(shared, &view, &plan).await {
        Ok(()) => Ok(again),
        // It has changed or gone: the watch brings it here again.
        Err(EffectError::Stale | EffectError::Refused { code: 404, .. }) => Ok(Some(Duration::from_millis(100))),
        Err(error) => {
            tracing::warn!(%key, %error, "could not write to the federation API");
            Err(())
        }
    }
}

/// What is seen of the object, and the plan for it; none while the federation has not been listed in full.
fn decide(shared: &Shared, key: &ObjectKey) -> Option<(ObjectView, ObjectPlan)> {
    let (view, complete) = {
        let mut world = shared.world();
        let complete = world.is_complete();
        if complete {
            world.pace_evictions(shared.settings());
        }
        (world.view(key, shared.settings(), shared.now()), complete)
    };
    if !complete {
        return None;
    }
    let plan = plan::plan(&view);
    // What a member said to a write that nobody wants any more is no news.
    shared.writes.retain(key, |member| plan.members.contains_key(member));
    let forgotten = shared.world().forget_unwanted(&view, &plan);
    if forgotten {
        shared.queue.add(Key::Object(key.clone()), Duration::ZERO);
    }
    Some((view, plan))
}

/// Tombstones first: the object must not go before they stand.
async fn write_to_federation(shared: &Shared, view: &ObjectView, plan: &ObjectPlan) -> Result<(), EffectError> {
    let deadline = shared.settings().deadline;
    let federation = &shared.parts.federation;
    for (member, uid) in &plan.tombstones {
        within(deadline, async { effect::federation::bury(federation, member, &view.key, uid).await }).await?;
        shared.world().members.change_known(member, |member| member.buried.insert(view.key.clone(), uid.clone()));
    }
    let (Some(write), Some(seen)) = (&plan.federation, &view.federated) else { return Ok(()) };
    let mut version = None;
    let written = effect::federation::write(federation, &view.key, seen, write, &mut version);
    let written = within(deadline, written).await;
    // What changes nothing is shown by nothing.
    if let Some(version) = version.filter(|version| Some(version) != seen.metadata.resource_version.as_ref()) {
        // All in a namespace waits for that; hardly anything for what is merely told.
        let is_urgent = write.awaited || write.orphan || view.key.kind.is_namespace();
        shared.expectations.written(&view.key, version, if is_urgent { Duration::ZERO } else { COALESCE });
    }
    written?;
    if !write.notes.is_empty() {
        let reference = seen.object_ref(&view.key.kind.api_resource());
        let tell = effect::federation::tell(&shared.recorder, &view.key, &reference, &write.notes);
        drop(tokio::time::timeout(deadline, tell).await);
    }
    Ok(())
}

/// Starts a write to one member. Its end brings the object here again where that is needed.
fn start(shared: &Arc<Shared>, key: &ObjectKey, member: String, write: MemberWrite) -> Result<(), Wait> {
    let place = (key.clone(), member);
    shared.writes.start(&place, || {
        expect(shared, &place, &write);
        let (shared, place) = (shared.clone(), place.clone());
        AbortOnDrop(tokio::spawn(async move {
            let (key, member) = &place;
            let written = AssertUnwindSafe(write_to(&shared, key, member, write)).catch_unwind().await;
            let done = written.unwrap_or_else(|_| {
                tracing::error!(%key, member, "a write panicked");
                false
            });
            if let Some(again) = shared.writes.finish(&place, done) {
                shared.queue.add(Key::Object(key.clone()), again);
            }
        }))
    })
}

/// Whatever comes of `write`, from now on there may be a copy, or one with fewer replicas: the next look knows.
fn expect(shared: &Shared, place: &Place, write: &MemberWrite) {
    let MemberWrite::Apply { new, fewer, .. } = *write else { return };
    if new {
        shared.world().unseen.insert(place.clone());
    }
    if let Some(replicas) = fewer {
        shared.world().lowered.tell(place, replicas);
    }
}

/// Writes to one member; whether it took the write. What it says otherwise is kept for the object's condition.
async fn write_to(shared: &Shared, key: &ObjectKey, member: &str, write: MemberWrite) -> bool {
    let Some(stack) = shared.stack(member) else { return false };
    let place = (key.clone(), member.to_owned());
    let taken = match write {
        MemberWrite::Apply { fewer, .. } => Some(fewer),
        _ => None,
    };
    let deletes = matches!(write, MemberWrite::Delete { .. });
    let result = effect::member::run(stack, MemberEffect { key: key.clone(), write }).await;
    if let Ok(others) = &result {
        shared.say_what_is_left(key, member, others).await;
    }
    let refusal = match &result {
        Ok(_) => None,
        // Looked at again soon: nothing to tell anybody.
        Err(EffectError::Stale | EffectError::NotLeading(_)) => return false,
        // What it failed by is told already.
        Err(EffectError::NotAsked) if shared.world().refusals.contains_key(&place) => return false,
        // A namespace that is there already is used as it is.
        Err(EffectError::NotAdopted) if key.kind.is_namespace() => None,
        Err(error) => {
            tracing::info!(%key, member, error = effect::chain(error), "the member did not take a write");
            Some(Refusal { reason: error.reason(), message: effect::chain(error) })
        }
    };
    let told = matches!(result, Err(EffectError::Refused { .. } | EffectError::NotAdopted));
    let done = refusal.is_none();
    let changed = {
        let mut world = shared.world();
        if let Some(fewer) = taken.filter(|_| result.is_ok()) {
            world.lowered.take(&place, fewer);
        }
        if told || (deletes && done) {
            world.unseen.remove(&place);
        }
        match refusal {
            Some(refusal) => world.refusals.insert(place, refusal.clone()) != Some(refusal),
            None => world.refusals.remove(&place).is_some(),
        }
    };
    if changed || (deletes && done) {
        shared.look_at(vec![key.clone()]);
    }
    done
}
