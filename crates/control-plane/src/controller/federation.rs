//! Follows the federation API.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kfed_api::{Cluster, SYSTEM_NAMESPACE, keys};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use tokio::task::JoinSet;

use super::changes::Changed;
use super::watch::{follow, follow_as};
use super::{Key, Shared, ever};
use crate::effect::within;
use crate::kinds::ObjectKey;
use crate::object::is_orphaned;
use crate::world::{Change, Kept, Lean, is_ours};

/// Spawns the watches of the federation API.
pub(super) fn spawn(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    let kinds = shared.world().kinds.clone();
    for kind in kinds.iter() {
        let shared = shared.clone();
        tasks.spawn(ever("a watch of the federation API", move || {
            let (shared, objects) =
                (shared.clone(), Api::all_with(shared.parts.federation.clone(), &kind.api_resource()));
            let keep = |object: Lean| Kept::of(kind, object);
            follow_as(objects, watcher::Config::default(), keep, move |change| {
                let complete = matches!(change, Change::Reset(_) | Change::NotServed);
                let mut keys = {
                    let mut world = shared.world();
                    match &change {
                        _ if complete => drop(world.listed.insert(kind.id)),
                        Change::Apply(object) if is_orphaned(&object.metadata()) => {
                            // Garbage collectors take the mark away as soon as they see it: it is not to be missed here.
                            world.orphaned.extend(object.metadata().uid.clone());
                        }
                        // What was known of the federation still is the best there is: failover must not wait for its API.
                        _ => {}
                    }
                    // What an autoscaler scaled before is looked at too: it may be another now, or none.
                    let before = match &change {
                        Change::Apply(object) | Change::Delete(object) => world.dependents(&object.key),
                        _ => Vec::new(),
                    };
                    let mut keys = world.federation.change(kind, change);
                    let after: Vec<_> = keys.iter().flat_map(|key| world.dependents(key)).collect();
                    keys.extend(before.into_iter().chain(after));
                    keys
                };
                keys.retain(|key: &ObjectKey| !key.is_reserved());
                shared.look_at(keys);
                if complete {
                    // It may be what the zone has waited for.
                    shared.republish(Changed::Everything);
                }
            })
        }));
    }
    let version = shared.clone();
    tasks.spawn(ever("the look at the federation API's version", move || {
        let shared = version.clone();
        async move {
            loop {
                let asked = shared.parts.federation.apiserver_version();
                if let Ok(version) = within(shared.settings().deadline, asked).await {
                    shared.world().version = Some(version.git_version);
                }
                tokio::time::sleep(shared.settings().resync).await;
            }
        }
    }));
    let clusters = shared.clone();
    tasks.spawn(ever("the watch of the Clusters", move || {
        let shared = clusters.clone();
        let clusters = Api::<Cluster>::all(shared.parts.federation.clone());
        follow(clusters, watcher::Config::default(), move |change| {
            let complete = matches!(change, Change::Reset(_));
            let (names, is_other, leads_elsewhere) = {
                let mut world = shared.world();
                // What names go by of a Cluster whose member does not show itself: that it is there, and where.
                let place = |cluster: Option<&Arc<Cluster>>| {
                    let status = cluster.map(|cluster| cluster.status.clone().unwrap_or_default());
                    status.map(|status| (status.region, status.zones))
                };
                // What objects are placed by, and what they are given.
                let traits = |cluster: &Cluster| {
                    (cluster.metadata.labels.clone(), cluster.spec.taints.clone(), cluster.spec.federate_rbac)
                };
                let is_other = match &change {
                    Change::Apply(cluster) => {
                        let before = world.clusters.get(cluster.metadata.name.as_deref().unwrap_or_default());
                        before.is_some_and(|before| traits(before) != traits(cluster))
                    }
                    _ => complete,
                };
                if complete {
                    world.listed.insert(CLUSTERS);
                }
                let before = match &change {
                    Change::Apply(cluster) | Change::Delete(cluster) => place(world.clusters.get(&cluster.name_any())),
                    _ => None,
                };
                let names = world.clusters.change(change);
                let leads_elsewhere = names.iter().any(|name| place(world.clusters.get(name)) != before);
                // From now on nothing is decided as if this member were not there.
                let world = &mut *world;
                for name in names.iter().filter(|name| world.clusters.get(name).is_some_and(|cluster| is_ours(cluster)))
                {
                    world.members.change(name, |_| ());
                }
                (names, is_other, leads_elsewhere)
            };
            if is_other {
                shared.look_at_everything();
            } else if leads_elsewhere {
                shared.republish(Changed::Everything);
                let workloads = shared.world().keys().into_iter().filter(|key| key.kind.replicas.is_some());
                shared.look_at_after(SETTLE, workloads.collect());
            }
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
                world.clusters.names().cloned().collect::<Vec<_>>()
            };
            shared.queue.add_all(clusters.into_iter().map(Key::Cluster));
        })
    }));
}

/// After how long workloads are looked at that may be spread by where a member is. Nodes come one by one, in several zones, and go.
const SETTLE: Duration = Duration::from_secs(10);

pub(super) use crate::world::CLUSTERS;
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
        Change::Interrupted | Change::Forbidden(_) | Change::NotServed => {}
        Change::Delete(secret) => drop(known.remove(secret.metadata.name.as_deref().unwrap_or_default())),
        Change::Reset(all) => *known = all.iter().filter_map(entry).collect(),
    }
}
