//! The controllers of a member, each a pure step from what is observed to what is to be written.

pub(crate) mod deployments;
pub(crate) mod endpoints;
pub(crate) mod kubelet;
pub(crate) mod nodes;
pub(crate) mod pods;
pub(crate) mod replica_sets;
pub(crate) mod scheduler;
pub(crate) mod services;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Event, Pod, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference},
};
use kube::{Resource, ResourceExt};

use crate::world::Key;

/// One request to the API.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Write {
    CreatePod(Box<Pod>),
    /// Changes metadata or, for what may change of it, the specification.
    ReplacePod(Box<Pod>),
    BindPod {
        pod: Key,
        uid: String,
        node: String,
    },
    PodStatus(Box<Pod>),
    DeletePod {
        pod: Key,
        uid: String,
    },
    CreateReplicaSet(Box<ReplicaSet>),
    ReplaceReplicaSet(Box<ReplicaSet>),
    ReplicaSetStatus(Box<ReplicaSet>),
    DeleteReplicaSet {
        set: Key,
        uid: String,
    },
    ReplaceDeployment(Box<Deployment>),
    DeploymentStatus(Box<Deployment>),
    CreateSlice(Box<EndpointSlice>),
    ReplaceSlice(Box<EndpointSlice>),
    DeleteSlice {
        slice: Key,
        uid: String,
    },
    ServiceStatus(Box<Service>),
    CreateEvent(Box<Event>),
}

/// A reference by which `owner` controls another object.
pub(crate) fn controlled_by<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner.name_any(),
        uid: uid(owner).to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The object's uid; an API server gives one to everything.
pub(crate) fn uid<K: Resource>(object: &K) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}

/// Whether a selector selects these labels. An empty selector selects everything (API reference, LabelSelector).
pub(crate) fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let exact = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    exact
        && selector.match_expressions.iter().flatten().all(|expression| {
            let value = labels.get(&expression.key);
            let listed = |value: &String| expression.values.iter().flatten().any(|listed| listed == value);
            match expression.operator.as_str() {
                "In" => value.is_some_and(listed),
                "NotIn" => value.is_none_or(|value| !listed(value)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Kubernetes counts in 32 bits.
pub(crate) fn count(items: usize) -> i32 {
    i32::try_from(items).unwrap_or(i32::MAX)
}

/// As Kubernetes writes counts that it leaves out at zero.
pub(crate) fn some_count(items: usize) -> Option<i32> {
    (items > 0).then(|| count(items))
}

#[cfg(test)]
mod tests;
