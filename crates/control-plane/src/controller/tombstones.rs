//! What was deleted while a member was away is deleted on its return, before anything is planned with what it holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::member::RECONNECT;
use super::{Key, Shared};
use crate::effect::member::{MemberEffect, MemberEffects, run};
use crate::effect::{EffectError, federation, within};
use crate::kinds::ObjectKey;
use crate::object::{is_deleted, is_managed};
use crate::plan::{ANY_COPY, MemberWrite};
use crate::world::{Member, TOMBSTONES};

/// How soon a copy that has been told to go is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a tombstone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The member shows no copy of that uid any more, or has begun to delete it.
    Done,
    /// The member has been told, and still shows the copy.
    Told,
    /// The member did not answer.
    Untold,
    /// It cannot be carried out now. The member is not held up by what it refuses.
    Refused,
}

/// The tombstones of member `name`, as the federation API keeps them.
pub(super) async fn read(shared: &Shared, name: &str) -> BTreeMap<ObjectKey, String> {
    loop {
        let kinds = shared.world().kinds.clone();
        let read = federation::tombstones(&shared.parts.federation, name, &kinds);
        match within(shared.settings().deadline, read).await {
            Ok(tombstones) => return tombstones,
            Err(error) => {
                tracing::warn!(member = name, %error, "could not read what is to be deleted in the member");
                tokio::time::sleep(RECONNECT).await;
            }
        }
    }
}

/// A list of `what` in member `name` is complete. After the last, its tombstones are due.
pub(super) fn listed(shared: &Shared, name: &str, what: &'static str) {
    let mut permitted = false;
    lists(shared, name, |member| {
        member.listed.insert(what);
        member.shown.insert(what);
        permitted = member.forbidden.remove(what).is_some();
        if permitted && member.buried.keys().any(|key| key.kind.id == what) {
            member.listed.remove(TOMBSTONES);
        }
    });
    if permitted {
        tracing::info!(member = name, what, "kfed may see it in the member again");
        shared.queue.add(Key::Cluster(name.to_owned()), Duration::ZERO);
        shared.look_at_everything();
    }
}

/// Lists of member `name` become complete, or need not be, by `change`.
pub(super) fn lists(shared: &Shared, name: &str, change: impl FnOnce(&mut Member)) {
    let (due, complete) = {
        let mut world = shared.world();
        let told = world.members.change_known(name, |member| {
            let before = member.is_listed();
            change(member);
            (member.is_seen() && !member.is_listed(), member.is_listed() && !before)
        });
        told.unwrap_or_default()
    };
    if due {
        shared.queue.add(Key::Tombstones(name.to_owned()), Duration::ZERO);
    }
    if complete {
        // One watch had failed and is back: what waited for it goes on.
        shared.look_at_everything();
    }
}

/// Carries out what can be carried out in member `name`. When nothing of it may be taken for a living copy any more, the member
/// counts as listed.
pub(super) async fn reconcile(shared: &Arc<Shared>, name: &str) -> Result<Option<Duration>, ()> {
    let seen = shared.world().members.get(name).filter(|member| member.is_seen()).map(|member| member.buried.clone());
    // The last list brings it here again.
    let Some(tombstones) = seen else { return Ok(None) };
    let Some(stack) = shared.stack(name) else { return Err(()) };
    let deadline = shared.settings().deadline;
    let api = &shared.parts.federation;
    let mut states = Vec::new();
    // What is in a namespace goes before it.
    let kinds = shared.world().kinds.clone();
    for kind in kinds.iter().rev() {
        let of_kind = tombstones.iter().filter(|(key, _)| key.kind == kind);
        states.extend(join_all(of_kind.map(|(key, uid)| carry_out(shared, name, &stack, key, uid))).await);
    }
    let is = |state| states.iter().any(|(_, other)| *other == state);
    if !is(State::Told) && !is(State::Untold) {
        complete(shared, name);
    }
    let done: Vec<_> = states.iter().filter(|(_, state)| *state == State::Done).map(|(key, _)| key.clone()).collect();
    if !done.is_empty() {
        shared.world().members.change_known(name, |member| {
            member.buried.retain(|key, uid| !done.contains(key) || tombstones.get(key) != Some(uid));
        });
        within(deadline, federation::unbury(api, name, &done)).await.map_err(|error| {
            tracing::warn!(member = name, %error, "could not forget what has been deleted");
        })?;
    }
    if is(State::Untold) || is(State::Refused) {
        return Err(());
    }
    Ok(is(State::Told).then_some(LOOK_AGAIN))
}

async fn carry_out(
    shared: &Shared,
    name: &str,
    stack: &MemberEffects,
    key: &ObjectKey,
    uid: &str,
) -> (ObjectKey, State) {
    let is_there = {
        let world = shared.world();
        if world.members.get(name).is_some_and(|member| member.forbidden.contains_key(key.kind.id)) {
            return (key.clone(), State::Refused);
        }
        let copy = world.members.get(name).and_then(|member| member.objects.get(key));
        copy.is_some_and(|copy| {
            let ours = is_managed(&copy, &shared.settings().federation);
            let meant = uid == ANY_COPY || copy.metadata.uid.as_deref() == Some(uid);
            meant && ours && !is_deleted(&copy)
        })
    };
    if !is_there {
        return (key.clone(), State::Done);
    }
    let write = MemberWrite::Delete { uid: uid.to_owned() };
    let state = match run(stack.clone(), MemberEffect { key: key.clone(), write }).await {
        Ok(left) => {
            shared.say_what_is_left(key, name, &left).await;
            State::Told
        }
        Err(error) => {
            tracing::warn!(member = name, %key, %error, "could not delete what was deleted while the member was away");
            match error {
                EffectError::Unreachable { .. } | EffectError::Busy { .. } | EffectError::NotAsked => State::Untold,
                _ => State::Refused,
            }
        }
    };
    (key.clone(), state)
}

fn complete(shared: &Shared, name: &str) {
    let news = shared.world().members.change_known(name, |member| {
        member.is_seen() && {
            member.known = true;
            member.listed.insert(TOMBSTONES)
        }
    });
    if news == Some(true) {
        shared.look_at_everything();
    }
}
