//! Follows the federation API.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kfed_api::{Cluster, SYSTEM_NAMESPACE, keys};
use kube::Api;
use kube::runtime::watcher;
use tokio::task::JoinSet;

use super::watch::follow;
use super::{Key, Shared, ever};
use crate::effect::member::api;
use crate::kinds::{FEDERATED_KINDS, ObjectKey};
use crate::world::Change;

/// Spawns the watches of the federation API.
pub(super) fn spawn(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    for kind in &FEDERATED_KINDS {
        let shared = shared.clone();
        tasks.spawn(ever("a watch of the federation API", move || {
            let (shared, objects) = (shared.clone(), api(&shared.parts.federation, kind, ""));
            follow(objects, watcher::Config::default(), move |change| {
                let mut keys = {
                    let mut world = shared.world();
                    if matches!(change, Change::Reset(_)) {
                        world.listed.insert(kind.kind);
                    }
                    world.federation.change(kind, change)
                };
                keys.retain(|key: &ObjectKey| !key.is_reserved());
                shared.look_at(keys);
                shared.dns.notify_one();
            })
        }));
    }
    let clusters = shared.clone();
    tasks.spawn(ever("the watch of the Clusters", move || {
        let shared = clusters.clone();
        let clusters = Api::<Cluster>::all(shared.parts.federation.clone());
        follow(clusters, watcher::Config::default(), move |change| {
            let names = apply(&mut shared.world().clusters, change);
            shared.world().listed.insert(CLUSTERS);
            shared.queue.add_all(names.into_iter().map(Key::Cluster));
        })
    }));
    let secrets = shared.clone();
    tasks.spawn(ever("the watch of the credentials", move || {
        let shared = secrets.clone();
        let secrets = Api::<Secret>::namespaced(shared.parts.federation.clone(), SYSTEM_NAMESPACE);
        follow(secrets, watcher::Config::default(), move |change| {
            let clusters = {
                let mut world = shared.world();
                credentials(&mut world.credentials, change);
                world.listed.insert(SECRETS);
                // Who is not concerned has nothing to do.
                world.clusters.keys().cloned().collect::<Vec<_>>()
            };
            shared.queue.add_all(clusters.into_iter().map(Key::Cluster));
        })
    }));
}

/// The name under which the list of Clusters counts as listed.
pub(super) const CLUSTERS: &str = "Cluster";
/// The name under which the list of members' credentials counts as listed.
pub(super) const SECRETS: &str = "Secret";

/// Keeps of each kubeconfig a hash, and nothing that could leak.
fn credentials(known: &mut BTreeMap<String, u64>, change: Change<Secret>) {
    let entry = |secret: &Secret| {
        let kubeconfig = secret.data.as_ref()?.get(keys::SECRET_KUBECONFIG)?;
        let mut hasher = DefaultHasher::new();
        kubeconfig.0.hash(&mut hasher);
        Some((secret.metadata.name.clone()?, hasher.finish()))
    };
    match change {
        Change::Apply(secret) => {
            known.remove(secret.metadata.name.as_deref().unwrap_or_default());
            known.extend(entry(&secret));
        }
        Change::Delete(secret) => drop(known.remove(secret.metadata.name.as_deref().unwrap_or_default())),
        Change::Reset(all) => *known = all.iter().filter_map(entry).collect(),
    }
}

fn apply(clusters: &mut BTreeMap<String, Arc<Cluster>>, change: Change<Cluster>) -> Vec<String> {
    let name = |cluster: &Cluster| cluster.metadata.name.clone().unwrap_or_default();
    match change {
        Change::Apply(cluster) => {
            let name = name(&cluster);
            clusters.insert(name.clone(), Arc::new(*cluster));
            vec![name]
        }
        Change::Delete(cluster) => {
            let name = name(&cluster);
            clusters.remove(&name);
            vec![name]
        }
        Change::Reset(all) => {
            let mut names: Vec<_> = std::mem::take(clusters).into_keys().collect();
            for cluster in all {
                let name = name(&cluster);
                names.push(name.clone());
                clusters.insert(name, Arc::new(cluster));
            }
            names.sort();
            names.dedup();
            names
        }
    }
}
