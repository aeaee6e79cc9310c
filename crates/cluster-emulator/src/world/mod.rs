//! What the controllers observe: caches of six kinds, the indices between them, and what is due for another look.

mod cache;
mod index;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Node, Pod, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::controllers::pods;

pub(crate) use cache::{Cache, Change};
use index::{Index, Labels};

pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A namespaced name; cluster-scoped objects have an empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn of<K: Resource>(object: &K) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Everything observed, kept current by [`World::apply`], [`World::deleted`], [`World::forget`] and [`World::reset`].
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) nodes: Cache<Node>,
    pub(crate) deployments: Cache<Deployment>,
    pub(crate) replica_sets: Cache<ReplicaSet>,
    pub(crate) pods: Cache<Pod>,
    pub(crate) services: Cache<Service>,
    pub(crate) slices: Cache<EndpointSlice>,
    pub(crate) due: Due,
    /// Since when each ready pod has been seen ready.
    pub(crate) ready_since: BTreeMap<Key, Instant>,

    pods_of_owner: Index<String>,
    pods_on_node: Index<String>,
    pods_by_label: Labels,
    sets_of_owner: Index<String>,
    sets_by_selector: Labels,
    services_by_selector: Labels,
    slices_of_service: Index<Key>,
    unbound: BTreeSet<Key>,
}

/// What changed since a controller last looked.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) deployments: BTreeSet<Key>,
    pub(crate) replica_sets: BTreeSet<Key>,
    /// Pods that a kubelet has to look at.
    pub(crate) pods: BTreeSet<Key>,
    pub(crate) services: BTreeSet<Key>,
    /// Unbound pods, or room on nodes, are others than before.
    pub(crate) scheduling: bool,
}

impl Due {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { deployments, replica_sets, pods, services, scheduling } = self;
        deployments.is_empty() && replica_sets.is_empty() && pods.is_empty() && services.is_empty() && !scheduling
    }
}

/// A kind that the emulator watches.
pub(crate) trait Observed:
    Resource<DynamicType = ()> + Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    fn cache(world: &mut World) -> &mut Cache<Self>;
    /// Keeps the indices, and says what is due.
    fn changed(world: &mut World, change: &Change<Self>, now: Instant);
}

impl World {
    pub(crate) fn apply<K: Observed>(&mut self, object: K, now: Instant) {
        if let Some(change) = K::cache(self).apply(object) {
            K::changed(self, &change, now);
        }
    }

    pub(crate) fn deleted<K: Observed>(&mut self, object: &K, now: Instant) {
        if let Some(change) = K::cache(self).deleted(object) {
            K::changed(self, &change, now);
        }
    }

    pub(crate) fn forget<K: Observed>(&mut self, key: &Key, uid: &str, now: Instant) {
        if let Some(change) = K::cache(self).forget(key, uid) {
            K::changed(self, &change, now);
        }
    }

    pub(crate) fn reset<K: Observed>(&mut self, objects: Vec<K>, now: Instant) {
        for change in K::cache(self).reset(objects) {
            K::changed(self, &change, now);
        }
    }

    /// Whatever an event did not tell, or a write did not achieve, is looked at again.
    pub(crate) fn all_due(&mut self) {
        self.due.deployments.extend(self.deployments.keys().cloned());
        self.due.replica_sets.extend(self.replica_sets.keys().cloned());
        self.due.pods.extend(self.pods.keys().cloned());
        self.due.services.extend(self.services.keys().cloned());
        self.due.scheduling = true;
    }

    /// The pods that the object of this uid controls.
    pub(crate) fn pods_of(&self, owner: &str) -> Vec<Arc<Pod>> {
        self.pods_of_owner.get(owner).filter_map(|key| self.pods.get(key)).cloned().collect()
    }

    /// The pods of this namespace with all of these labels, in the order of their names.
    pub(crate) fn pods_selected(&self, namespace: &str, selector: &BTreeMap<String, String>) -> Vec<Arc<Pod>> {
        let mut pods = self.pods_by_label.candidates(namespace, selector);
        pods.retain(|key| self.pods.get(key).is_some_and(|pod| selects(selector, pod.labels())));
        pods.iter().filter_map(|key| self.pods.get(key)).cloned().collect()
    }

    /// How many pods take room on the node.
    pub(crate) fn pods_on(&self, node: &str) -> usize {
        self.pods_on_node.get(node).count()
    }

    pub(crate) fn unbound(&self) -> Vec<Arc<Pod>> {
        self.unbound.iter().filter_map(|key| self.pods.get(key)).cloned().collect()
    }

    pub(crate) fn sets_of(&self, owner: &str) -> Vec<Arc<ReplicaSet>> {
        self.sets_of_owner.get(owner).filter_map(|key| self.replica_sets.get(key)).cloned().collect()
    }

    pub(crate) fn slices_of(&self, service: &Key) -> Vec<Arc<EndpointSlice>> {
        self.slices_of_service.get(service).filter_map(|key| self.slices.get(key)).cloned().collect()
    }
}

/// Whether labels hold all pairs of an equality selector.
pub(crate) fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The controlling owner, if there is one.
pub(crate) fn controller_of<K: Resource>(object: &K) -> Option<&OwnerReference> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true))
}

impl Observed for Node {
    fn cache(world: &mut World) -> &mut Cache<Self> {
        &mut world.nodes
    }

    fn changed(world: &mut World, change: &Change<Self>, _now: Instant) {
        world.due.scheduling = true;
        if change.new.is_none() {
            let lost: Vec<Key> = world.pods_on_node.get(&change.key.name).cloned().collect();
            world.due.pods.extend(lost);
        }
    }
}

impl Observed for Deployment {
    fn cache(world: &mut World) -> &mut Cache<Self> {
        &mut world.deployments
    }

    fn changed(world: &mut World, change: &Change<Self>, _now: Instant) {
        world.due.deployments.insert(change.key.clone());
    }
}

impl Observed for ReplicaSet {
    fn cache(world: &mut World) -> &mut Cache<Self> {
        &mut world.replica_sets
    }

    fn changed(world: &mut World, change: &Change<Self>, _now: Instant) {
        for (set, add) in change.sides() {
            if let Some(owner) = controller_of(&**set) {
                world.sets_of_owner.set(owner.uid.clone(), &change.key, add);
                if owner.kind == "Deployment" {
                    world.due.deployments.insert(Key::new(&change.key.namespace, &owner.name));
                }
            }
            let selector = set.spec.selector.match_labels.as_ref();
            if let Some((label, value)) = selector.and_then(|selector| selector.first_key_value()) {
                world.sets_by_selector.set(&change.key, label, value, add);
            }
        }
        world.due.replica_sets.insert(change.key.clone());
    }
}

impl Observed for Pod {
    fn cache(world: &mut World) -> &mut Cache<Self> {
        &mut world.pods
    }

    fn changed(world: &mut World, change: &Change<Self>, now: Instant) {
        let key = &change.key;
        for (pod, add) in change.sides() {
            let ended = pods::ended(pod);
            match controller_of(&**pod) {
                Some(owner) => {
                    world.pods_of_owner.set(owner.uid.clone(), key, add);
                    if owner.kind == "ReplicaSet" {
                        world.due.replica_sets.insert(Key::new(&key.namespace, &owner.name));
                    }
                }
                // Somebody may adopt it.
                None => {
                    for (label, value) in pod.labels() {
                        world
                            .due
                            .replica_sets
                            .extend(world.sets_by_selector.get(&key.namespace, label, value).cloned());
                    }
                }
            }
            match pods::node(pod) {
                Some(node) if !ended => {
                    world.pods_on_node.set(node.to_owned(), key, add);
                }
                None if !ended && add && pod.metadata.deletion_timestamp.is_none() => {
                    world.unbound.insert(key.clone());
                }
                _ => {}
            }
            if !add {
                world.unbound.remove(key);
            }
            for (label, value) in pod.labels() {
                world.pods_by_label.set(key, label, value, add);
                world.due.services.extend(world.services_by_selector.get(&key.namespace, label, value).cloned());
            }
        }
        match &change.new {
            Some(pod) if pods::ready(pod) => {
                world.ready_since.entry(key.clone()).or_insert(now);
            }
            _ => {
                world.ready_since.remove(key);
            }
        }
        let room = |pod: &Option<Arc<Pod>>| {
            pod.as_deref().filter(|pod| !pods::ended(pod)).and_then(pods::node).map(str::to_owned)
        };
        if room(&change.old) != room(&change.new) || world.unbound.contains(key) {
            world.due.scheduling = true;
        }
        world.due.pods.insert(key.clone());
    }
}

impl Observed for Service {
    fn cache(world: &mut World) -> &mut Cache<Self> {
        &mut world.services
    }

    fn changed(world: &mut World, change: &Change<Self>, _now: Instant) {
        for (service, add) in change.sides() {
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            if let Some((label, value)) = selector.and_then(|selector| selector.first_key_value()) {
                world.services_by_selector.set(&change.key, label, value, add);
            }
        }
        world.due.services.insert(change.key.clone());
    }
}

impl Observed for EndpointSlice {
    fn cache(world: &mut World) -> &mut Cache<Self> {
        &mut world.slices
    }

    fn changed(world: &mut World, change: &Change<Self>, _now: Instant) {
        for (slice, add) in change.sides() {
            if let Some(service) = slice.labels().get(SERVICE_NAME) {
                let service = Key::new(&change.key.namespace, service);
                world.slices_of_service.set(service.clone(), &change.key, add);
                world.due.services.insert(service);
            }
        }
    }
}

#[cfg(test)]
mod tests;
