//! One `Cluster`: its member's task, its status, its departure.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kfed_api::{Cluster, FIELD_MANAGER, SYSTEM_NAMESPACE, keys};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::Shared;
use crate::effect::{EffectError, within};
use crate::plan::cluster::status;
use crate::plan::unjoin::{Departure, departure};

/// Brings the member `name` and its Cluster one step nearer to where they should be.
pub(super) async fn reconcile(shared: &Arc<Shared>, name: &str) -> Result<Option<Duration>, ()> {
    let cluster = shared.world().clusters.get(name).cloned();
    let Some(cluster) = cluster else {
        forget(shared, name);
        return Ok(None);
    };
    match bring(shared, name, &cluster).await {
        Ok(again) => Ok(again),
        Err(EffectError::Stale) => Ok(Some(Duration::from_millis(100))),
        Err(error) => {
            tracing::warn!(member = name, %error, "could not write to the Cluster");
            Err(())
        }
    }
}

async fn bring(shared: &Arc<Shared>, name: &str, cluster: &Arc<Cluster>) -> Result<Option<Duration>, EffectError> {
    let deadline = shared.settings().deadline;
    let clusters = Api::<Cluster>::all(shared.parts.federation.clone());
    let held = cluster.metadata.finalizers.iter().flatten().any(|f| f == keys::MEMBERSHIP_FINALIZER);
    if !held {
        if cluster.metadata.deletion_timestamp.is_some() {
            return Ok(None);
        }
        let mut finalizers = cluster.metadata.finalizers.clone().unwrap_or_default();
        finalizers.push(keys::MEMBERSHIP_FINALIZER.to_owned());
        within(deadline, patch(&clusters, cluster, finalizers)).await?;
        return Ok(None);
    }
    shared.tasks.ensure(shared, name, cluster);

    let now = shared.now();
    let (departure, status, moved) = {
        let mut world = shared.world();
        let departure = departure(&world, cluster, shared.settings(), now);
        let stage = match &departure {
            Departure::Under { stage, .. } => Some(*stage),
            Departure::None | Departure::Refused { .. } => None,
            Departure::Done { .. } => world.members.get(name).and_then(|member| member.leaving),
        };
        let member = world.members.entry(name.to_owned()).or_default();
        let moved = std::mem::replace(&mut member.leaving, stage) != stage;
        let status = status(cluster, member, &departure, now);
        (departure, status, moved)
    };
    if moved {
        shared.look_at_everything();
    }
    if let Departure::Done { left_behind } = &departure {
        if !left_behind.is_empty() {
            tracing::warn!(member = name, left_behind, "the member leaves");
        }
        within(deadline, let_go(shared, cluster, &clusters)).await?;
        return Ok(None);
    }
    if cluster.status.as_ref() != Some(&status) {
        let patch = Patch::Merge(json!({"metadata": {"uid": cluster.metadata.uid}, "status": status}));
        within(deadline, clusters.patch_status(name, &manager(), &patch)).await?;
    }
    // What a departure waits for may come without an event that is heard here.
    Ok(matches!(departure, Departure::Under { .. }).then_some(Duration::from_secs(1)))
}

/// The member's credentials go, then its Cluster.
async fn let_go(shared: &Shared, cluster: &Cluster, clusters: &Api<Cluster>) -> Result<(), EffectError> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let secrets = Api::<Secret>::namespaced(shared.parts.federation.clone(), SYSTEM_NAMESPACE);
    gone(secrets.delete(&cluster.spec.secret_ref.name, &DeleteParams::default()).await)?;
    if cluster.metadata.deletion_timestamp.is_none() {
        let preconditions = Preconditions { uid: cluster.metadata.uid.clone(), resource_version: None };
        let how = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        // The deletion comes back here by the watch; the finalizer goes then.
        return gone(clusters.delete(name, &how).await);
    }
    let keep = cluster.metadata.finalizers.iter().flatten().filter(|f| *f != keys::MEMBERSHIP_FINALIZER);
    gone(patch(clusters, cluster, keep.cloned().collect()).await)
}

async fn patch(clusters: &Api<Cluster>, cluster: &Cluster, finalizers: Vec<String>) -> kube::Result<()> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let metadata = json!({"resourceVersion": cluster.metadata.resource_version, "finalizers": finalizers});
    clusters.patch(name, &manager(), &Patch::Merge(json!({"metadata": metadata}))).await.map(drop)
}

/// What is not there any more needs no deletion.
fn gone<T>(result: kube::Result<T>) -> Result<(), EffectError> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

fn manager() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// The Cluster is gone: so is all that is known of the member.
fn forget(shared: &Arc<Shared>, name: &str) {
    shared.tasks.stop(name);
    shared.set_stack(name, None);
    let known = {
        let mut world = shared.world();
        world.refusals.retain(|(_, member), _| member != name);
        world.members.remove(name).is_some()
    };
    if known {
        shared.look_at_everything();
    }
}
