//! Writes to one member, behind one stack: a deadline on every write, a limit on how many are under way, none beyond the
//! tenure, and none for a while to one that fails all of them.

use std::time::Duration;

use futures::StreamExt;
use kfed_api::FIELD_MANAGER;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::discovery::{self, ApiGroup, Scope, verbs};
use serde_json::json;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use super::breaker::{Breaker, BreakerLayer};
use super::{EffectError, manager};
use crate::kinds::{FederatedKind, ObjectKey};
use crate::leader::Tenure;
use crate::object::is_ours;
use crate::plan::{ANY_COPY, MemberWrite, released};

/// How many writes to one member are under way at once: enough to fill its pipe, too few to be a burden.
const CONCURRENT_WRITES: usize = 16;

/// How many kinds of a namespace are listed at once.
const CONCURRENT_LISTS: usize = 8;

/// A write and what it is about.
#[derive(Debug, Clone)]
pub(crate) struct MemberEffect {
    pub(crate) key: ObjectKey,
    pub(crate) write: MemberWrite,
}

/// The stack of one member.
pub(crate) type MemberEffects = BoxCloneSyncService<MemberEffect, Vec<String>, EffectError>;

/// The stack of the member that `client` reaches.
pub(crate) fn stack(
    client: Client,
    federation: String,
    deadline: Duration,
    tenure: Tenure,
    breaker: Breaker,
) -> MemberEffects {
    let service = tower::service_fn(move |effect: MemberEffect| {
        // Innermost: the wait for a place is over.
        let begins = tenure.check(deadline);
        let (client, federation) = (client.clone(), federation.clone());
        async move {
            begins?;
            Ok::<_, BoxError>(write(&client, &federation, effect).await?)
        }
    });
    let stack = ServiceBuilder::new()
        .layer(BreakerLayer { breaker, deadline })
        .concurrency_limit(CONCURRENT_WRITES)
        .service(service);
    BoxCloneSyncService::new(stack)
}

/// Runs `effect` through `stack`; returns what of others keeps a namespace that was to be deleted.
pub(crate) async fn run(stack: MemberEffects, effect: MemberEffect) -> Result<Vec<String>, EffectError> {
    stack.oneshot(effect).await
}

/// Objects of `kind` in `namespace`, or those of the whole cluster.
pub(crate) fn api(client: &Client, kind: &FederatedKind, namespace: &str) -> Api<DynamicObject> {
    let resource = kind.api_resource();
    match namespace {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// Writes; returns what of others stands in the way of a namespace's deletion.
async fn write(client: &Client, federation: &str, effect: MemberEffect) -> Result<Vec<String>, EffectError> {
    let MemberEffect { key, write } = effect;
    let objects = api(client, key.kind, &key.namespace);
    match write {
        MemberWrite::Apply { intent, new, adopt, .. } => {
            if new && !adopt {
                // The watch shows only what kfed made; what else has the name is seen by asking for it.
                let there = objects.get_metadata_opt(&key.name).await?;
                if there.is_some_and(|there| !is_ours(&there.metadata, federation)) {
                    return Err(EffectError::NotAdopted);
                }
            }
            let how = PatchParams::apply(FIELD_MANAGER).force();
            // The watch tells what came of it: no need to be told twice.
            objects.patch_metadata(&key.name, &how, &Patch::Apply(&intent)).await?;
        }
        MemberWrite::Delete { uid } => {
            let uid = match uid.as_str() {
                ANY_COPY => match objects.get_metadata_opt(&key.name).await? {
                    Some(there) if is_ours(&there.metadata, federation) => there.metadata.uid.unwrap_or_default(),
                    _ => return Ok(Vec::new()),
                },
                _ => uid,
            };
            if key.kind.is_namespace() {
                let others = others_in(client, &key.name, federation).await?;
                if !others.is_empty() {
                    release(&objects, &key.name, Some(&uid)).await?;
                    return Ok(others);
                }
            }
            let preconditions = Preconditions { uid: Some(uid), resource_version: None };
            let how = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
            match objects.delete(&key.name, &how).await {
                // Another object has taken the name: that one is not ours to delete.
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                result => drop(result?),
            }
        }
        MemberWrite::Release => release(&objects, &key.name, None).await?,
    }
    Ok(Vec::new())
}

/// Takes kfed's marks off an object, if it still is the one of `uid` where one is named.
async fn release(objects: &Api<DynamicObject>, name: &str, uid: Option<&str>) -> Result<(), EffectError> {
    let mut patch = released();
    if let Some(uid) = uid {
        patch["metadata"]["uid"] = json!(uid);
    }
    match objects.patch(name, &manager(), &Patch::Merge(patch)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(kube::Error::Api(status)) if status.is_conflict() && uid.is_some() => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

/// What is in a member's namespace that neither kfed nor the member's own API server put there. What cannot be seen may be
/// somebody's: it counts too, and delays nobody.
async fn others_in(client: &Client, namespace: &str, federation: &str) -> Result<Vec<String>, EffectError> {
    let (groups, mut others) = groups(client).await?;
    // Whatever its owner, each of these comes with something else: with a Service, a controller, a Node, or news.
    let made_by_servers = ["Event", "EndpointSlice", "Endpoints", "Lease", "ControllerRevision"];
    let resources = groups.iter().flat_map(ApiGroup::recommended_resources).filter(|(resource, capabilities)| {
        let lasts = capabilities.supports_operation(verbs::LIST) && capabilities.supports_operation(verbs::DELETE);
        capabilities.scope == Scope::Namespaced && lasts && !made_by_servers.contains(&resource.kind.as_str())
    });
    let lists = resources.map(|(resource, _)| async move {
        let objects = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
        (objects.list(&ListParams::default()).await, resource)
    });
    let lists: Vec<_> = futures::stream::iter(lists.collect::<Vec<_>>()).buffered(CONCURRENT_LISTS).collect().await;
    for (list, resource) in lists {
        let objects = match list {
            Ok(objects) => objects,
            Err(kube::Error::Api(status)) => {
                others.push(format!("{} that cannot be listed ({})", resource.plural, status.message));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for object in objects {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let automatic = matches!(
                (resource.kind.as_str(), name),
                ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default")
            );
            let owned = object.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
            if is_ours(&object.metadata, federation) {
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

/// The API groups of a member, and those that do not tell what is in them: an aggregated API that is down breaks no other.
async fn groups(client: &Client) -> Result<(Vec<ApiGroup>, Vec<String>), EffectError> {
    let mut names: Vec<_> = client.list_api_groups().await?.groups.into_iter().map(|group| group.name).collect();
    names.push(ApiGroup::CORE_GROUP.to_owned());
    let found = names.into_iter().map(|name| async move { (discovery::group(client, &name).await, name) });
    let found: Vec<_> = futures::stream::iter(found.collect::<Vec<_>>()).buffered(CONCURRENT_LISTS).collect().await;
    let (mut groups, mut silent) = (Vec::new(), Vec::new());
    for (group, name) in found {
        match group {
            Ok(group) => groups.push(group),
            Err(kube::Error::Api(status)) if name != ApiGroup::CORE_GROUP => {
                silent.push(format!("API group {name}, which cannot be asked ({})", status.message));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((groups, silent))
}
