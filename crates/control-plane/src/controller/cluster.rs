//! One `Cluster`: its member's task, its status, its departure.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kfed_api::conditions::types;
use kfed_api::{Cluster, ClusterStatus, SYSTEM_NAMESPACE, keys};
use kube::api::{DeleteParams, Patch, Preconditions};
use kube::{Api, Resource};
use serde_json::{Value, json};

use super::federation::SECRETS;
use super::{Key, Shared};
use crate::effect::federation::{gone, tell, unbury_all};
use crate::effect::{EffectError, manager, within};
use crate::object::{finalizers_with, finalizers_without};
use crate::plan::cluster::{notes, status};
use crate::plan::unjoin::{Departure, departure};
use crate::world::is_ours;

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

/// Whether `cluster` is a member: before, nothing has been done for it, and after, nothing is left to do.
pub(super) fn is_held(cluster: &Cluster) -> bool {
    cluster.metadata.finalizers.iter().flatten().any(|f| f == keys::MEMBERSHIP_FINALIZER)
}

async fn bring(shared: &Arc<Shared>, name: &str, cluster: &Arc<Cluster>) -> Result<Option<Duration>, EffectError> {
    let deadline = shared.settings().deadline;
    let clusters = Api::<Cluster>::all(shared.parts.federation.clone());
    if !is_held(cluster) {
        if cluster.metadata.deletion_timestamp.is_some() {
            // It waits for somebody else's finalizer: the member has left.
            forget(shared, name);
            return Ok(None);
        }
        let finalizers = finalizers_with(&cluster.metadata, keys::MEMBERSHIP_FINALIZER);
        within(deadline, set_finalizers(&clusters, cluster, finalizers)).await?;
        return Ok(None);
    }
    let (credentials, same_as, turned) = {
        let mut world = shared.world();
        let turned = world.recognise(name);
        let same_as = world.members.get(name).and_then(|member| member.same_as.clone());
        // Until the Secrets are listed, nobody knows whether these are the credentials that a task runs with.
        let secret = &cluster.spec.secret_ref.name;
        (world.listed.contains(SECRETS).then(|| world.credentials.get(secret).copied()), same_as, turned)
    };
    if turned {
        shared.look_at_everything();
    }
    if let Some(credentials) = credentials
        && shared.tasks.ensure(shared, name, cluster, credentials, same_as)
    {
        shared.look_at_everything();
    }

    let now = shared.now();
    let (departure, status, moved) = {
        let mut world = shared.world();
        let departure = departure(&world, cluster, shared.settings(), now);
        let stage = match &departure {
            Departure::Under { stage, .. } => Some(*stage),
            Departure::None | Departure::Refused { .. } => None,
            Departure::Done { .. } => world.members.get(name).and_then(|member| member.leaving),
        };
        let version = world.version.clone();
        let (status, moved) = world.members.change(name, |member| {
            let moved = std::mem::replace(&mut member.leaving, stage) != stage;
            member.leaving_since = stage.map(|_| member.leaving_since.unwrap_or(now));
            (status(cluster, member, &departure, version.as_deref(), now), moved)
        });
        (departure, status, moved)
    };
    if moved {
        shared.look_at_everything();
    }
    // What is to be heard of a departure is said before the next step: that may be the Cluster's end.
    let told = draining(cluster.status.as_ref()) == draining(Some(&status));
    if cluster.status.as_ref() != Some(&status) && !(told && matches!(departure, Departure::Done { .. })) {
        if let Err(wait) = shared.pace.take(&Key::Cluster(name.to_owned())) {
            return Ok(Some(wait));
        }
        let mut fields = json!(status);
        if !status.holds_rbac {
            // What a merge patch does not name stays.
            fields["holdsRbac"] = Value::Null;
        }
        let patch = Patch::Merge(json!({"metadata": {"uid": cluster.metadata.uid}, "status": fields}));
        within(deadline, clusters.patch_status(name, &manager(), &patch)).await?;
        let before = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let notes = notes(before, &status.conditions);
        let reference = cluster.object_ref(&());
        let tell = tell(&shared.recorder, name, &reference, &notes);
        drop(tokio::time::timeout(deadline, tell).await);
    }
    match &departure {
        Departure::None => Ok(None),
        Departure::Refused { .. } if told => {
            // Whoever asked may not be there any more to take it back, and room that comes later is no reason to leave.
            let metadata = json!({"resourceVersion": cluster.metadata.resource_version});
            let patch = Patch::Merge(json!({"metadata": metadata, "spec": {"unjoin": null}}));
            within(deadline, clusters.patch(name, &manager(), &patch)).await?;
            Ok(None)
        }
        Departure::Done { left_behind } if told => {
            tracing::info!(member = name, left_behind, "the member leaves");
            let_go(shared, cluster, &clusters).await?;
            Ok(None)
        }
        // What a departure waits for may come without an event that is heard here.
        _ => Ok(Some(Duration::from_secs(1))),
    }
}

/// What is said of the member's departure.
fn draining(status: Option<&ClusterStatus>) -> Option<(&str, &str, Option<i64>)> {
    let condition = status?.conditions.iter().find(|condition| condition.type_ == types::DRAINING)?;
    Some((&condition.reason, &condition.message, condition.observed_generation))
}

/// The Cluster is marked as deleted, so that nobody takes what comes for a loss; then the credentials go, then the Cluster.
async fn let_go(shared: &Shared, cluster: &Cluster, clusters: &Api<Cluster>) -> Result<(), EffectError> {
    let deadline = shared.settings().deadline;
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    if cluster.metadata.deletion_timestamp.is_none() {
        let preconditions = Preconditions { uid: cluster.metadata.uid.clone(), resource_version: None };
        let how = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        // The deletion comes back here by the watch.
        return within(deadline, async { gone(clusters.delete(name, &how).await) }).await;
    }
    within(deadline, discard_credentials(shared, name, &cluster.spec.secret_ref.name)).await?;
    within(deadline, unbury_all(&shared.parts.federation, name)).await?;
    let finalizers = finalizers_without(&cluster.metadata, keys::MEMBERSHIP_FINALIZER);
    within(deadline, async { gone(set_finalizers(clusters, cluster, finalizers).await) }).await
}

/// Deletes the Secret that `member` is reached by, if it is that member's own: made by `kfed join`, and named by no other Cluster.
async fn discard_credentials(shared: &Shared, member: &str, name: &str) -> Result<(), EffectError> {
    let is_shared = {
        let world = shared.world();
        world.clusters.iter().any(|(other, cluster)| other != member && cluster.spec.secret_ref.name == name)
    };
    if is_shared {
        return Ok(());
    }
    let secrets = Api::<Secret>::namespaced(shared.parts.federation.clone(), SYSTEM_NAMESPACE);
    let Some(secret) = secrets.get_opt(name).await? else { return Ok(()) };
    let owner = secret.metadata.labels.as_ref().and_then(|labels| labels.get(keys::MEMBER));
    if owner.is_none_or(|owner| owner != member) {
        tracing::info!(member, secret = name, "the Secret stays: it has no label that says it is this member's");
        return Ok(());
    }
    let preconditions = Preconditions { uid: secret.metadata.uid, resource_version: None };
    gone(secrets.delete(name, &DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }).await)
}

async fn set_finalizers(clusters: &Api<Cluster>, cluster: &Cluster, finalizers: Vec<String>) -> kube::Result<()> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let metadata = json!({"resourceVersion": cluster.metadata.resource_version, "finalizers": finalizers});
    clusters.patch(name, &manager(), &Patch::Merge(json!({"metadata": metadata}))).await.map(drop)
}

/// The Cluster is gone: so is all that is known of the member.
fn forget(shared: &Arc<Shared>, name: &str) {
    shared.tasks.stop(name);
    shared.set_connected(name, None);
    let known = {
        let mut world = shared.world();
        world.refusals.retain(|(_, member), _| member != name);
        world.lowered.forget(name);
        let known = world.members.remove(name);
        if world.clusters.get(name).is_some_and(|cluster| is_ours(cluster)) {
            // One of that name has come meanwhile: a member, of which nothing is known yet.
            world.members.change(name, |_| ());
        }
        known
    };
    if known {
        shared.look_at_everything();
    }
}
