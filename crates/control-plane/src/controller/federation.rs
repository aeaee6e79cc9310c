//! Follows the federation API.

use std::collections::BTreeMap;
use std::sync::Arc;

use kfed_api::Cluster;
use kube::Api;
use kube::runtime::watcher;
use tokio::task::JoinSet;

use super::watch::follow;
use super::{Key, Shared};
use crate::effect::member::api;
use crate::kinds::{FEDERATED_KINDS, ObjectKey};
use crate::world::Change;

/// Spawns the watches of the federation API.
pub(super) fn spawn(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    for kind in &FEDERATED_KINDS {
        let shared = shared.clone();
        tasks.spawn(async move {
            let objects = api(&shared.parts.federation, kind, "");
            follow(objects, watcher::Config::default(), |change| {
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
            .await;
        });
    }
    let shared = shared.clone();
    tasks.spawn(async move {
        let clusters = Api::<Cluster>::all(shared.parts.federation.clone());
        follow(clusters, watcher::Config::default(), |change| {
            let names = apply(&mut shared.world().clusters, change);
            shared.world().listed.insert(CLUSTERS);
            shared.queue.add_all(names.into_iter().map(Key::Cluster));
        })
        .await;
    });
}

/// The name under which the list of Clusters counts as listed.
pub(super) const CLUSTERS: &str = "Cluster";

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
