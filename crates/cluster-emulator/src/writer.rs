//! Carries writes out, and tells the world what the API answered.

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Binding, Event, ObjectReference, Pod, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, PostParams, Preconditions},
};
use tokio::time::Instant;

use crate::{
    controllers::Write,
    world::{Key, Observed, World},
};

pub(crate) struct Writer {
    client: Client,
    params: PostParams,
}

/// What a write came to.
pub(crate) enum Answer {
    Deployment(Box<Deployment>),
    ReplicaSet(Box<ReplicaSet>),
    Pod(Box<Pod>),
    Service(Box<Service>),
    Slice(Box<EndpointSlice>),
    PodGone(Key, String),
    ReplicaSetGone(Key, String),
    SliceGone(Key, String),
    /// Nobody here observes it.
    Unobserved,
}

trait Namespaced: Observed + Resource<Scope = NamespaceResourceScope> {}

impl<K: Observed + Resource<Scope = NamespaceResourceScope>> Namespaced for K {}

impl Answer {
    pub(crate) fn tell(self, world: &mut World, now: Instant) {
        match self {
            Self::Deployment(object) => world.apply(*object, now),
            Self::ReplicaSet(object) => world.apply(*object, now),
            Self::Pod(object) => world.apply(*object, now),
            Self::Service(object) => world.apply(*object, now),
            Self::Slice(object) => world.apply(*object, now),
            Self::PodGone(key, uid) => world.forget::<Pod>(&key, &uid, now),
            Self::ReplicaSetGone(key, uid) => world.forget::<ReplicaSet>(&key, &uid, now),
            Self::SliceGone(key, uid) => world.forget::<EndpointSlice>(&key, &uid, now),
            Self::Unobserved => {}
        }
    }
}

impl Writer {
    pub(crate) fn new(client: Client) -> Self {
        let params = PostParams { field_manager: Some("kfed-cluster-emulator".to_owned()), ..PostParams::default() };
        Self { client, params }
    }

    pub(crate) async fn write(&self, write: &Write) -> Result<Answer, kube::Error> {
        Ok(match write {
            Write::CreatePod(pod) => Answer::Pod(Box::new(self.create(&**pod).await?)),
            Write::ReplacePod(pod) => Answer::Pod(Box::new(self.replace(&**pod).await?)),
            Write::PodStatus(pod) => Answer::Pod(Box::new(self.replace_status(&**pod).await?)),
            Write::BindPod { pod, uid, node } => {
                self.bind(pod, uid, node).await?;
                Answer::Pod(Box::new(self.api::<Pod>(&pod.namespace).get(&pod.name).await?))
            }
            Write::DeletePod { pod, uid } => match self.delete::<Pod>(pod, uid).await? {
                Some(pod) => Answer::Pod(Box::new(pod)),
                None => Answer::PodGone(pod.clone(), uid.clone()),
            },
            Write::CreateReplicaSet(set) => Answer::ReplicaSet(Box::new(self.create(&**set).await?)),
            Write::ReplaceReplicaSet(set) => Answer::ReplicaSet(Box::new(self.replace(&**set).await?)),
            Write::ReplicaSetStatus(set) => Answer::ReplicaSet(Box::new(self.replace_status(&**set).await?)),
            Write::DeleteReplicaSet { set, uid } => match self.delete::<ReplicaSet>(set, uid).await? {
                Some(set) => Answer::ReplicaSet(Box::new(set)),
                None => Answer::ReplicaSetGone(set.clone(), uid.clone()),
            },
            Write::ReplaceDeployment(deployment) => Answer::Deployment(Box::new(self.replace(&**deployment).await?)),
            Write::DeploymentStatus(deployment) => {
                Answer::Deployment(Box::new(self.replace_status(&**deployment).await?))
            }
            Write::CreateSlice(slice) => Answer::Slice(Box::new(self.create(&**slice).await?)),
            Write::ReplaceSlice(slice) => Answer::Slice(Box::new(self.replace(&**slice).await?)),
            Write::DeleteSlice { slice, uid } => match self.delete::<EndpointSlice>(slice, uid).await? {
                Some(slice) => Answer::Slice(Box::new(slice)),
                None => Answer::SliceGone(slice.clone(), uid.clone()),
            },
            Write::ServiceStatus(service) => Answer::Service(Box::new(self.replace_status(&**service).await?)),
            Write::CreateEvent(event) => {
                let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
                Api::<Event>::namespaced(self.client.clone(), namespace).create(&self.params, event).await?;
                Answer::Unobserved
            }
        })
    }

    fn api<K: Namespaced>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn create<K: Namespaced>(&self, object: &K) -> Result<K, kube::Error> {
        let key = Key::of(object);
        self.api::<K>(&key.namespace).create(&self.params, object).await
    }

    async fn replace<K: Namespaced>(&self, object: &K) -> Result<K, kube::Error> {
        let key = Key::of(object);
        self.api::<K>(&key.namespace).replace(&key.name, &self.params, object).await
    }

    async fn replace_status<K: Namespaced>(&self, object: &K) -> Result<K, kube::Error> {
        let key = Key::of(object);
        self.api::<K>(&key.namespace).replace_status(&key.name, &self.params, object).await
    }

    /// Deletes the object of this uid; what is left of it, if finalizers hold it.
    async fn delete<K: Namespaced>(&self, key: &Key, uid: &str) -> Result<Option<K>, kube::Error> {
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams {
            preconditions: Some(preconditions),
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        let left = self.api::<K>(&key.namespace).delete(&key.name, &params).await?.left();
        Ok(left.filter(|left| left.meta().finalizers.as_ref().is_some_and(|held| !held.is_empty())))
    }

    async fn bind(&self, pod: &Key, uid: &str, node: &str) -> Result<(), kube::Error> {
        let binding = Binding {
            metadata: ObjectMeta { name: Some(pod.name.clone()), uid: Some(uid.to_owned()), ..ObjectMeta::default() },
            target: ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                ..ObjectReference::default()
            },
        };
        let api = self.api::<Pod>(&pod.namespace);
        let _: serde_json::Value = api.create_subresource("binding", &pod.name, &self.params, &binding).await?;
        Ok(())
    }
}
