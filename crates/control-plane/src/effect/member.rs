//! Writes to one member, behind one stack: a deadline on every write, and a limit on how many are under way.

use std::time::Duration;

use kfed_api::FIELD_MANAGER;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::discovery::{Discovery, Scope, verbs};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use super::EffectError;
use crate::kinds::{FederatedKind, ObjectKey};
use crate::object::is_managed;
use crate::plan::{ANY_COPY, MemberWrite, released};

/// How many writes to one member are under way at once: enough to fill its pipe, too few to be a burden.
const CONCURRENT_WRITES: usize = 16;

/// A write and what it is about.
#[derive(Debug, Clone)]
pub(crate) struct MemberEffect {
    pub(crate) key: ObjectKey,
    pub(crate) write: MemberWrite,
}

/// The stack of one member.
pub(crate) type MemberEffects = BoxCloneSyncService<MemberEffect, (), BoxError>;

/// The stack of the member that `client` reaches.
pub(crate) fn stack(client: Client, federation: String, deadline: Duration) -> MemberEffects {
    let service = tower::service_fn(move |effect: MemberEffect| {
        let (client, federation) = (client.clone(), federation.clone());
        async move { Ok::<_, BoxError>(write(&client, &federation, effect).await?) }
    });
    let stack = ServiceBuilder::new().timeout(deadline).concurrency_limit(CONCURRENT_WRITES).service(service);
    BoxCloneSyncService::new(stack)
}

/// Runs `effect` through `stack`.
pub(crate) async fn run(stack: MemberEffects, effect: MemberEffect) -> Result<(), EffectError> {
    stack.oneshot(effect).await.map_err(EffectError::from)
}

/// Objects of `kind` in `namespace`, or those of the whole cluster.
pub(crate) fn api(client: &Client, kind: &FederatedKind, namespace: &str) -> Api<DynamicObject> {
    let resource = kind.api_resource();
    match namespace {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

async fn write(client: &Client, federation: &str, effect: MemberEffect) -> Result<(), EffectError> {
    let MemberEffect { key, write } = effect;
    let objects = api(client, key.kind, &key.namespace);
    match write {
        MemberWrite::Apply { intent, new, adopt } => {
            if new && !adopt {
                // The watch shows only what kfed made; what else has the name is seen by asking for it.
                let there = objects.get_opt(&key.name).await?;
                if there.is_some_and(|there| !is_managed(&there, federation)) {
                    return Err(EffectError::NotAdopted);
                }
            }
            let how = PatchParams::apply(FIELD_MANAGER).force();
            objects.patch(&key.name, &how, &Patch::Apply(&intent)).await?;
        }
        MemberWrite::Delete { uid } => {
            if key.kind.kind == "Namespace" {
                let others = others_in(client, &key.name, federation).await?;
                if !others.is_empty() {
                    tracing::info!(
                        namespace = key.name,
                        others = others.join(", "),
                        "the member's namespace is left to others"
                    );
                    release(&objects, &key.name).await?;
                    return Ok(());
                }
            }
            let uid = match uid.as_str() {
                ANY_COPY => match objects.get_opt(&key.name).await? {
                    Some(there) if is_managed(&there, federation) => there.metadata.uid,
                    _ => return Ok(()),
                },
                uid => Some(uid.to_owned()),
            };
            let preconditions = Preconditions { uid, resource_version: None };
            let how = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
            match objects.delete(&key.name, &how).await {
                // Another object has taken the name: that one is not ours to delete.
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                result => drop(result?),
            }
        }
        MemberWrite::Release => release(&objects, &key.name).await?,
    }
    Ok(())
}

async fn release(objects: &Api<DynamicObject>, name: &str) -> Result<(), EffectError> {
    let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match objects.patch(name, &how, &Patch::Merge(released())).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

/// What is in a member's namespace that neither kfed nor the member's own API server put there.
async fn others_in(client: &Client, namespace: &str, federation: &str) -> Result<Vec<String>, EffectError> {
    let discovery = Discovery::new(client.clone()).run().await?;
    let mut others = Vec::new();
    for (resource, capabilities) in discovery.groups().flat_map(|group| group.recommended_resources()) {
        let made_by_servers = ["Event", "EndpointSlice", "Endpoints", "Lease", "Pod", "ControllerRevision"];
        if capabilities.scope != Scope::Namespaced
            || !capabilities.supports_operation(verbs::LIST)
            || made_by_servers.contains(&resource.kind.as_str())
        {
            continue;
        }
        let objects = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
        for object in objects.list(&ListParams::default()).await? {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let automatic = matches!(
                (resource.kind.as_str(), name),
                ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default")
            );
            let owned = object.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
            if is_managed(&object, federation) {
                // The copies in it go first.
                return Err(EffectError::Stale);
            }
            if !automatic && !owned {
                others.push(format!("{} {name}", resource.kind));
            }
        }
    }
    Ok(others)
}
