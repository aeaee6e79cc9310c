//! Follows the federation API.

use std::collections::BTreeMap;
use std::sync::Arc;

use kfed_api::{Cluster, keys};
use kube::Api;
use kube::runtime::watcher;
use tokio::task::JoinSet;

use super::watch::follow;
use super::{Key, Shared};
use crate::effect::member::api;
use crate::kinds::{FEDERATED_KINDS, ObjectKey};
use crate::object::is_orphaned;
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
                    match &change {
                        Change::Reset(_) => drop(world.listed.insert(kind.kind)),
                        Change::Apply(object) if is_orphaned(object) => {
                            // Garbage collectors take the mark away as soon as they see it: it is not to be missed here.
                            world.orphaned.extend(object.metadata.uid.clone());
                        }
                        // What was known of the federation still is the best there is: failover must not wait for its API.
                        _ => {}
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
            let complete = matches!(change, Change::Reset(_));
            let names = {
                let mut world = shared.world();
                if complete {
                    world.listed.insert(CLUSTERS);
                }
                let names = apply(&mut world.clusters, change);
                // From now on nothing is decided as if this member were not there.
                let world = &mut *world;
                for name in
                    names.iter().filter(|name| world.clusters.get(*name).is_some_and(|cluster| is_ours(cluster)))
                {
                    world.members.entry(name.clone()).or_default();
                }
                names
            };
            shared.queue.add_all(names.into_iter().map(Key::Cluster));
        })
        .await;
    });
}

pub(super) use crate::world::CLUSTERS;

/// Whether kfed still has to do with the member: a Cluster that is being deleted and that kfed has let go of is others'.
fn is_ours(cluster: &Cluster) -> bool {
    cluster.metadata.deletion_timestamp.is_none()
        || cluster.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == keys::MEMBERSHIP_FINALIZER)
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
        Change::Interrupted => Vec::new(),
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
