//! What can be seen through a kubeconfig, as kubectl would show it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kfed_api::Cluster;
use kfed_api::conditions::types;
use kube::api::{Api, ListParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::names::NAMESPACE;
use super::observe::chain;

/// How often an object that changes under one's hands is written.
const TRIES: u32 = 10;

/// A view of one API. Errors are told as what was seen.
#[derive(Clone)]
pub(super) struct View {
    pub(super) client: Client,
}

/// How a workload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replicas {
    pub(super) wanted: i32,
    pub(super) replicas: i32,
    pub(super) ready: i32,
    /// What condition `Scheduled` says: whether it holds, its reason, its message.
    pub(super) scheduled: Option<(bool, String, String)>,
}

// === impl View ===

impl View {
    pub(super) fn of<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// A member, as the federation API tells of it.
    pub(super) async fn cluster(&self, name: &str) -> Result<Cluster, String> {
        let found = Api::<Cluster>::all(self.client.clone()).get_opt(name).await.map_err(|error| chain(&error))?;
        found.ok_or_else(|| format!("there is no Cluster {name}"))
    }

    /// The ReplicaSet's numbers.
    pub(super) async fn replicas(&self, name: &str) -> Result<Replicas, String> {
        let set = self.of::<ReplicaSet>().get_opt(name).await.map_err(|error| chain(&error))?;
        let set = set.ok_or_else(|| format!("there is no ReplicaSet {name}"))?;
        let status = set.status.unwrap_or_default();
        let scheduled = status.conditions.iter().flatten().find(|c| c.type_.as_deref() == Some(types::SCHEDULED));
        Ok(Replicas {
            wanted: set.spec.replicas.unwrap_or(1),
            replicas: status.replicas,
            ready: status.ready_replicas.unwrap_or(0),
            scheduled: scheduled.map(|condition| {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                (condition.status.as_deref() == Some("True"), text(&condition.reason), text(&condition.message))
            }),
        })
    }

    /// The names of the ReplicaSet's pods that are running and ready.
    pub(super) async fn pods(&self, set: &str) -> Result<BTreeSet<String>, String> {
        let of_set = ListParams::default().labels(&format!("run={set}"));
        let pods = self.of::<Pod>().list(&of_set).await.map_err(|error| chain(&error))?;
        Ok(pods.items.into_iter().filter(is_ready).filter_map(|pod| pod.metadata.name).collect())
    }

    /// The Service's addresses.
    pub(super) async fn addresses(&self, service: &str) -> Result<BTreeSet<String>, String> {
        let service = self.of::<Service>().get(service).await.map_err(|error| chain(&error))?;
        let status = service.status.and_then(|status| status.load_balancer).unwrap_or_default();
        Ok(status.ingress.unwrap_or_default().into_iter().filter_map(|ingress| ingress.ip).collect())
    }

    /// As `kubectl create -f`.
    pub(super) async fn create<K>(&self, yaml: &str) -> Result<(), String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let object: K = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        self.of::<K>().create(&by("kubectl-create"), &object).await.map(drop).map_err(|error| chain(&error))
    }

    /// As `kubectl replace -f`: the version that is there is read and replaced as a whole. Somebody who finds that it has
    /// changed meanwhile, by a status perhaps, does it again.
    pub(super) async fn replace<K>(&self, yaml: &str) -> Result<(), String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let mut object: K = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        let mut result = Ok(());
        for _ in 0..TRIES {
            result = self.replace_once(&mut object).await;
            match &result {
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                _ => break,
            }
        }
        result.map_err(|error| chain(&error))
    }

    async fn replace_once<K>(&self, object: &mut K) -> Result<(), kube::Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let live = self.of::<K>().get(&name).await?;
        object.meta_mut().resource_version.clone_from(&live.meta().resource_version);
        self.of::<K>().replace(&name, &by("kubectl-replace"), object).await.map(drop)
    }
}

/// How many pods are ready in each member, `fed-east 4, fed-west 4`, for what was seen.
pub(super) fn spread(pods: &BTreeMap<String, usize>) -> String {
    pods.iter().map(|(member, number)| format!("{member} {number}")).collect::<Vec<_>>().join(", ")
}

fn by(manager: &str) -> PostParams {
    PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() }
}

fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let running = status.and_then(|status| status.phase.as_deref()) == Some("Running");
    let mut conditions = status.into_iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    running && ready && pod.metadata.deletion_timestamp.is_none()
}
