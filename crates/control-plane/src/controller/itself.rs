//! The `Federation` itself: it is held as long as it has names, and they go with it.

use std::sync::Arc;
use std::time::Duration;

use kfed_api::{Federation, keys};
use kube::Api;
use kube::api::Patch;
use kube::runtime::watcher;
use serde_json::json;
use tokio::task::JoinSet;

use super::changes::Changed;
use super::watch::follow;
use super::{Key, Shared, ever};
use crate::effect::federation::gone;
use crate::effect::{EffectError, manager, within};
use crate::object::{finalizers_with, finalizers_without};
use crate::plan::{FederationStep, Names, step};
use crate::world::Change;

/// The name under which the list of the Federation counts as listed.
pub(super) const FEDERATION: &str = "Federation";

/// How often it is looked whether the names have gone.
const POLL: Duration = Duration::from_secs(1);

/// Spawns the watch of the Federation.
pub(super) fn spawn(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    let shared = shared.clone();
    tasks.spawn(ever("the watch of the Federation", move || {
        let shared = shared.clone();
        let federations = Api::<Federation>::all(shared.parts.federation.clone());
        let this = watcher::Config::default().fields(&format!("metadata.name={}", shared.settings().federation));
        follow(federations, this, move |change| {
            let seen = match change {
                Change::Interrupted | Change::Forbidden(_) | Change::NotServed => return,
                Change::Apply(federation) => Some(Arc::new(*federation)),
                Change::Delete(_) => None,
                Change::Reset(all) => all.into_iter().next().map(Arc::new),
            };
            see(&shared, seen);
        })
    }));
}

/// Whether whoever deletes `federation` leaves nothing behind; one that is being deleted takes no more finalizers.
pub(super) fn is_held(federation: &Federation) -> bool {
    step(Some(federation), Names::Kept, None) != FederationStep::Hold
}

fn see(shared: &Shared, seen: Option<Arc<Federation>>) {
    let (before, now) = {
        let mut world = shared.world();
        world.listed.insert(FEDERATION);
        let before = world.names;
        world.names = before.next(seen.as_deref());
        world.itself = seen;
        (before, world.names)
    };
    shared.queue.add(Key::Federation, Duration::ZERO);
    if before != now {
        let federation = &shared.settings().federation;
        match now {
            Names::Kept => tracing::info!(federation, "the Federation is there: its names are kept"),
            Names::Withdrawn => tracing::warn!(federation, "the Federation is deleted: its names are withdrawn"),
            Names::Left => tracing::warn!(federation, "the Federation has gone and leaves its names as they are"),
        }
        shared.republish(Changed::Everything);
        // What is being written is not wanted any more.
        shared.alarm();
    }
}

/// Holds the Federation, or lets it go.
pub(super) async fn reconcile(shared: &Shared) -> Result<Option<Duration>, ()> {
    let (federation, step) = {
        let world = shared.world();
        (world.itself.clone(), step(world.itself.as_deref(), world.names, world.dns.as_ref()))
    };
    let Some(federation) = federation else { return Ok(None) };
    let finalizers = match step {
        FederationStep::Nothing => return Ok(None),
        FederationStep::Wait => return Ok(Some(POLL)),
        FederationStep::Hold => finalizers_with(&federation.metadata, keys::CASCADE_FINALIZER),
        FederationStep::LetGo => finalizers_without(&federation.metadata, keys::CASCADE_FINALIZER),
    };
    let metadata = json!({"resourceVersion": federation.metadata.resource_version, "finalizers": finalizers});
    let federations = Api::<Federation>::all(shared.parts.federation.clone());
    let (name, patch) = (&shared.settings().federation, Patch::Merge(json!({"metadata": metadata})));
    let write = async { gone(federations.patch(name, &manager(), &patch).await.map(drop)) };
    match within(shared.settings().deadline, write).await {
        Ok(()) => Ok(None),
        Err(EffectError::Stale) => Ok(Some(POLL)),
        Err(error) => {
            tracing::warn!(%error, "could not write to the Federation");
            Err(())
        }
    }
}
