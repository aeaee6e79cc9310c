//! Writes to the federation API.

use std::collections::BTreeMap;
use std::fmt::Display;

use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kfed_api::{FIELD_MANAGER, SYSTEM_NAMESPACE, keys};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ObjectMeta, Patch, PostParams, Preconditions};
use kube::runtime::events::{Event, EventType, Recorder};
use serde_json::json;

use super::member::api;
use super::{EffectError, manager};
use crate::kinds::{Kinds, ObjectKey};
use crate::plan::{FederationWrite, Note};

/// Writes to the federated object, on condition that it still is the one that was seen. `version` is the resource version that it has come
/// to have, also where only some of it could be written; it is left where nothing is, or the object is deleted.
pub(crate) async fn write(
    client: &Client,
    key: &ObjectKey,
    seen: &DynamicObject,
    write: &FederationWrite,
    version: &mut Option<String>,
) -> Result<(), EffectError> {
    let objects = api(client, key.kind, &key.namespace);
    if write.expired {
        let preconditions = Preconditions { uid: seen.metadata.uid.clone(), resource_version: None };
        let how = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        return gone(objects.delete(&key.name, &how).await);
    }
    let annotated = write.placement.is_some() || write.addresses.is_some() || write.conditions.is_some();
    if write.finalizers.is_some() || annotated || write.orphan {
        let mut metadata = json!({"resourceVersion": seen.metadata.resource_version});
        if let Some(finalizers) = &write.finalizers {
            metadata["finalizers"] = json!(finalizers);
        }
        if let Some(placement) = &write.placement {
            metadata["annotations"][keys::PLACEMENT] = json!(placement);
        }
        if let Some(addresses) = &write.addresses {
            metadata["annotations"][keys::ADDRESSES] = json!(addresses);
        }
        if let Some(conditions) = &write.conditions {
            metadata["annotations"][keys::CONDITIONS] = json!(conditions);
        }
        if write.orphan {
            metadata["annotations"][keys::ORPHAN] = json!("true");
        }
        let patch = Patch::Merge(json!({"metadata": metadata}));
        *version = objects.patch(&key.name, &manager(), &patch).await?.metadata.resource_version;
    }
    if let Some(status) = &write.status {
        let patch = json!({"metadata": {"uid": seen.metadata.uid}, "status": status});
        *version = objects.patch_status(&key.name, &manager(), &Patch::Merge(patch)).await?.metadata.resource_version;
    }
    Ok(())
}

/// Tells the readers of an object's events what has come to be. An event that is lost is no harm: the condition says the same.
pub(crate) async fn tell(recorder: &Recorder, what: impl Display, reference: &ObjectReference, notes: &[Note]) {
    for note in notes {
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.clone(),
            note: Some(note.message.clone()),
            action: "Reconciling".to_owned(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, reference).await {
            tracing::debug!(%what, error = super::chain(&error), "an event was lost");
        }
    }
}

/// Writes down that `key`'s copy with `uid` is to be deleted in `member` when that answers again.
pub(crate) async fn bury(client: &Client, member: &str, key: &ObjectKey, uid: &str) -> Result<(), EffectError> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let name = tombstones_name(member);
    let data = BTreeMap::from([(tombstone(key), uid.to_owned())]);
    match maps.patch(&name, &manager(), &Patch::Merge(json!({"data": data}))).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
            let map = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
            maps.create(&PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }, &map)
                .await?;
        }
        result => drop(result?),
    }
    Ok(())
}

/// The tombstones of `member`: keys of copies, and their uids.
pub(crate) async fn tombstones(
    client: &Client,
    member: &str,
    kinds: &Kinds,
) -> Result<BTreeMap<ObjectKey, String>, EffectError> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let map = maps.get_opt(&tombstones_name(member)).await?;
    let data = map.and_then(|map| map.data).unwrap_or_default();
    Ok(data.into_iter().filter_map(|(text, uid)| Some((buried(&text, kinds)?, uid))).collect())
}

/// Forgets tombstones that have been carried out.
pub(crate) async fn unbury(client: &Client, member: &str, keys: &[ObjectKey]) -> Result<(), EffectError> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let gone: BTreeMap<_, _> = keys.iter().map(|key| (tombstone(key), None::<String>)).collect();
    maps.patch(&tombstones_name(member), &manager(), &Patch::Merge(json!({"data": gone}))).await?;
    Ok(())
}

/// Forgets all tombstones of `member`, which leaves.
pub(crate) async fn unbury_all(client: &Client, member: &str) -> Result<(), EffectError> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    gone(maps.delete(&tombstones_name(member), &DeleteParams::default()).await)
}

/// What is not there any more needs no deletion.
pub(crate) fn gone<T>(result: kube::Result<T>) -> Result<(), EffectError> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

fn tombstones_name(member: &str) -> String {
    format!("tombstones-{member}")
}

/// `ReplicaSet.default.hostname`: ConfigMap keys take letters, digits, `-`, `_` and `.`; neither what kinds are known by nor
/// namespaces hold a dot.
fn tombstone(key: &ObjectKey) -> String {
    format!("{}.{}.{}", key.kind.id, key.namespace, key.name)
}

fn buried(text: &str, kinds: &Kinds) -> Option<ObjectKey> {
    let mut parts = text.splitn(3, '.');
    let kind = kinds.find(parts.next()?)?;
    Some(ObjectKey { kind, namespace: parts.next()?.to_owned(), name: parts.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::FederatedKind;

    #[test]
    fn a_tombstone_says_whose_it_is() {
        for (kind, namespace, name) in [("ReplicaSet", "default", "a.b.c"), ("Namespace", "", "shop")] {
            let kind = FederatedKind::named(kind).unwrap();
            let key = ObjectKey { kind, namespace: namespace.into(), name: name.into() };
            assert_eq!(buried(&tombstone(&key), &Kinds::default()), Some(key));
        }
    }
}
