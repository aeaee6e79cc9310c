//! Objects, and waiting for what should come.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Pod, Service},
};
use kfed_cluster_emulator::{ClusterEmulator, ClusterEmulatorBuilder, LoadBalancers};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

pub(crate) fn builder(name: &str) -> ClusterEmulatorBuilder {
    ClusterEmulator::builder(name).region("westus").zones(["1", "2"]).load_balancers(LoadBalancers::Simulated)
}

pub(crate) async fn member() -> ClusterEmulator {
    builder("fed-west").start().await.unwrap()
}

pub(crate) fn sets(member: &ClusterEmulator) -> Api<ReplicaSet> {
    Api::namespaced(member.client(), "default")
}

pub(crate) fn pods(member: &ClusterEmulator) -> Api<Pod> {
    Api::namespaced(member.client(), "default")
}

pub(crate) fn services(member: &ClusterEmulator) -> Api<Service> {
    Api::namespaced(member.client(), "default")
}

pub(crate) fn template(app: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": app } },
        "spec": { "containers": [{ "name": app, "image": format!("{app}:1"), "ports": [{ "name": "http", "containerPort": 9376 }] }] },
    })
}

pub(crate) fn replica_set(name: &str, replicas: i32) -> ReplicaSet {
    let spec =
        json!({ "replicas": replicas, "selector": { "matchLabels": { "app": name } }, "template": template(name) });
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
}

pub(crate) fn deployment(name: &str, replicas: i32) -> Deployment {
    let spec =
        json!({ "replicas": replicas, "selector": { "matchLabels": { "app": name } }, "template": template(name) });
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
}

pub(crate) fn service(name: &str, kind: &str, port: u16) -> Service {
    let ports = json!([{ "name": "http", "port": port, "targetPort": "http" }]);
    let spec = json!({ "type": kind, "selector": { "app": name }, "ports": ports });
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
}

pub(crate) async fn create<K>(api: &Api<K>, object: &K) -> K
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    api.create(&PostParams::default(), object).await.unwrap()
}

pub(crate) async fn scale(member: &ClusterEmulator, name: &str, replicas: i32) {
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    sets(member).patch(name, &PatchParams::default(), &patch).await.unwrap();
}

/// Looks every few milliseconds until `found` returns something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut found: impl FnMut() -> F) -> T {
    for _ in 0..6000 {
        if let Some(found) = found().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came: {what}");
}

/// Waits until the set's status speaks of its present specification and of this many ready replicas.
pub(crate) async fn until_ready(client: &Client, name: &str, replicas: i32) -> ReplicaSet {
    let api: Api<ReplicaSet> = Api::namespaced(client.clone(), "default");
    let api = &api;
    until(&format!("{replicas} ready replicas of {name}"), || async move {
        let set = api.get(name).await.unwrap();
        let status = set.status.clone().unwrap_or_default();
        let settled = status.observed_generation == set.metadata.generation && status.replicas == replicas;
        (settled
            && status.ready_replicas.unwrap_or(0) == replicas
            && status.available_replicas.unwrap_or(0) == replicas)
            .then_some(set)
    })
    .await
}

pub(crate) async fn pod_names(member: &ClusterEmulator) -> Vec<String> {
    let list = pods(member).list(&ListParams::default()).await.unwrap();
    let mut names: Vec<String> = list.items.iter().map(|pod| pod.name_any()).collect();
    names.sort();
    names
}
