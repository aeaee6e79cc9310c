//! One member's task: connect, probe, follow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kfed_api::{Cluster, SYSTEM_NAMESPACE, keys};
use kfed_cluster_health::{Health, Observation, monitor};
use kube::runtime::watcher;
use kube::{Api, Client};
use secrecy::SecretString;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;

use super::watch::follow;
use super::{Key, Shared};
use crate::connect::Connect;
use crate::effect::member::{MemberEffect, api, run, stack};
use crate::effect::{chain, federation, within};
use crate::kinds::{FEDERATED_KINDS, FederatedKind, ObjectKey};
use crate::plan::MemberWrite;
use crate::probe::ApiProbe;
use crate::world::{ApiHealth, Change, ENDPOINT_SLICES, Member};

/// How long a member whose credentials cannot be used waits for its next try.
const RECONNECT: Duration = Duration::from_secs(2);

/// The tasks of all members.
#[derive(Default)]
pub(super) struct Tasks(Mutex<BTreeMap<String, Task>>);

struct Task {
    /// The Cluster's uid and its Secret: with another, it is another member.
    identity: (Option<String>, String),
    handle: JoinHandle<()>,
}

// === impl Tasks ===

impl Tasks {
    /// Sees to it that `cluster`'s task runs.
    pub(super) fn ensure(&self, shared: &Arc<Shared>, name: &str, cluster: &Cluster) {
        let identity = (cluster.metadata.uid.clone(), cluster.spec.secret_ref.name.clone());
        let mut tasks = self.0.lock().expect("no code panics while it holds the tasks");
        if tasks.get(name).is_some_and(|task| task.identity == identity && !task.handle.is_finished()) {
            return;
        }
        let handle = tokio::spawn(live(shared.clone(), name.to_owned(), identity.1.clone()));
        if let Some(before) = tasks.insert(name.to_owned(), Task { identity, handle }) {
            before.handle.abort();
        }
    }

    pub(super) fn stop(&self, name: &str) {
        if let Some(task) = self.0.lock().expect("no code panics while it holds the tasks").remove(name) {
            task.handle.abort();
        }
    }

    pub(super) fn stop_all(&self) {
        for task in std::mem::take(&mut *self.0.lock().expect("no code panics while it holds the tasks")).into_values()
        {
            task.handle.abort();
        }
    }
}

async fn live(shared: Arc<Shared>, name: String, secret: String) {
    let client = loop {
        match connect(&shared, &name, &secret).await {
            Ok(client) => break client,
            Err(why) => {
                update(&shared, &name, |member| member.refused = Some(why));
                shared.queue.add(Key::Cluster(name.clone()), Duration::ZERO);
                tokio::time::sleep(RECONNECT).await;
            }
        }
    };
    update(&shared, &name, |member| member.refused = None);
    let settings = shared.settings();
    shared.set_stack(&name, Some(stack(client.clone(), settings.federation.clone(), settings.deadline)));
    let monitor =
        monitor::spawn(ApiProbe::new(client.clone()), (), settings.schedule.for_target(&name), settings.thresholds);
    let mut observations = monitor.subscribe();
    // Ends with this task.
    let mut watches: Option<JoinSet<()>> = None;
    loop {
        let observation = observations.borrow_and_update().clone();
        let health = api_health(&observation, &shared);
        match &health {
            ApiHealth::Ready if watches.is_none() => watches = Some(watch(&shared, &name, &client)),
            // A connection that was cut without a word may look open for long: what is followed starts anew on the return.
            ApiHealth::Offline { .. } => watches = None,
            _ => {}
        }
        let (before, gone_silent) = {
            let mut world = shared.world();
            let member = world.members.entry(name.clone()).or_default();
            if matches!(health, ApiHealth::Offline { .. }) {
                member.listed.clear();
            }
            let health = match (&member.api, health) {
                // Dead since it was first seen to be.
                (ApiHealth::Offline { since, .. }, ApiHealth::Offline { reason, message, .. }) => {
                    ApiHealth::Offline { reason, message, since: *since }
                }
                (_, health) => health,
            };
            let gone_silent =
                matches!(health, ApiHealth::Silent { .. }) && !matches!(member.api, ApiHealth::Silent { .. });
            (std::mem::replace(&mut member.api, health.clone()) != health, gone_silent)
        };
        if gone_silent {
            // Both signals are to be known when the first is certain.
            shared.addresses.probe_now(&name);
        }
        if before {
            tracing::info!(member = name, health = ?observation.health, "the member's health has changed");
            shared.look_at_everything();
        }
        if observations.changed().await.is_err() {
            return;
        }
    }
}

/// A client by the member's Secret.
async fn connect(shared: &Shared, name: &str, secret: &str) -> Result<Client, String> {
    let deadline = shared.settings().deadline;
    let secrets = Api::<Secret>::namespaced(shared.parts.federation.clone(), SYSTEM_NAMESPACE);
    let found = within(deadline, secrets.get_opt(secret)).await.map_err(|error| chain(&error))?;
    let found = found.ok_or_else(|| format!("Secret {SYSTEM_NAMESPACE}/{secret} is not there"))?;
    let kubeconfig = found.data.and_then(|mut data| data.remove(keys::SECRET_KUBECONFIG));
    let kubeconfig = kubeconfig.and_then(|bytes| String::from_utf8(bytes.0).ok());
    let kubeconfig = kubeconfig.ok_or_else(|| {
        format!("Secret {SYSTEM_NAMESPACE}/{secret} has no key {} with text", keys::SECRET_KUBECONFIG)
    })?;
    let connect = Connect { member: name.to_owned(), kubeconfig: SecretString::from(kubeconfig) };
    let connector = shared.parts.connector.clone();
    connector.oneshot(connect).await.map_err(|error| format!("Secret {SYSTEM_NAMESPACE}/{secret}: {}", chain(&*error)))
}

fn api_health(observation: &Observation, shared: &Shared) -> ApiHealth {
    let reason = observation.outcome.as_ref().map_or("Pending", |outcome| outcome.reason());
    let message = observation.outcome.as_ref().map(|outcome| outcome.message()).unwrap_or_default();
    let answered = observation.outcome.as_ref().is_some_and(|outcome| outcome.is_answer());
    match (observation.health, observation.settled) {
        (Health::Healthy, _) | (Health::Suspect, Health::Healthy) if answered => ApiHealth::Ready,
        (Health::Degraded, _) => ApiHealth::Unwell { reason, message },
        (Health::Suspect, _) if answered => ApiHealth::Unwell { reason, message },
        (Health::Suspect, _) => ApiHealth::Silent { reason, message },
        (Health::Dead, _) => ApiHealth::Offline { reason, message, since: shared.now() },
        _ => ApiHealth::Unknown,
    }
}

fn update(shared: &Shared, name: &str, change: impl FnOnce(&mut Member)) {
    change(shared.world().members.entry(name.to_owned()).or_default());
}

/// Follows all of the member that planners need.
fn watch(shared: &Arc<Shared>, name: &str, client: &Client) -> JoinSet<()> {
    let mut watches = JoinSet::new();
    for kind in &FEDERATED_KINDS {
        // All namespaces are seen, since one that is there is used; of all else only what kfed made.
        let config = match kind.kind {
            "Namespace" => watcher::Config::default(),
            _ => watcher::Config::default().labels(&format!("{}={}", keys::MANAGED_BY, shared.settings().federation)),
        };
        let (shared, name, objects) = (shared.clone(), name.to_owned(), api(client, kind, ""));
        watches.spawn(async move {
            follow(objects, config, |change| {
                let (reset, interrupted) = news(&change);
                let keys = {
                    let mut world = shared.world();
                    if interrupted {
                        unlisted(&mut world, &name, kind.kind);
                    }
                    let keys = world.members.entry(name.clone()).or_default().objects.change(kind, change);
                    with_contents(&world, keys)
                };
                shared.look_at(keys);
                if reset {
                    listed(&shared, &name, kind.kind);
                }
                shared.queue.add(Key::Cluster(name.clone()), Duration::ZERO);
            })
            .await;
        });
    }
    watches.spawn({
        let (shared, name, slices) = (shared.clone(), name.to_owned(), Api::<EndpointSlice>::all(client.clone()));
        async move {
            follow(slices, watcher::Config::default(), |change| {
                let (reset, interrupted) = news(&change);
                if interrupted {
                    unlisted(&mut shared.world(), &name, ENDPOINT_SLICES);
                }
                endpoints(&mut shared.world().members.entry(name.clone()).or_default().endpoints, change);
                shared.dns.notify_one();
                if reset {
                    listed(&shared, &name, ENDPOINT_SLICES);
                }
            })
            .await;
        }
    });
    watches.spawn({
        let (shared, name, client) = (shared.clone(), name.to_owned(), client.clone());
        async move { topology(&shared, &name, &client).await }
    });
    watches
}

/// Whether `change` is a whole list, and whether it is the loss of one.
fn news<K>(change: &Change<K>) -> (bool, bool) {
    (matches!(change, Change::Reset(_)), matches!(change, Change::Interrupted))
}

/// What is known of `what` may be old: the member takes no writes until it has been listed anew.
fn unlisted(world: &mut crate::world::World, name: &str, what: &'static str) {
    if let Some(member) = world.members.get_mut(name) {
        member.listed.remove(what);
    }
}

/// A namespace that has come may be what the objects in it wait for.
fn with_contents(world: &crate::world::World, mut keys: Vec<ObjectKey>) -> Vec<ObjectKey> {
    let namespaces: Vec<_> =
        keys.iter().filter(|key| key.kind.kind == "Namespace").map(|key| key.name.clone()).collect();
    keys.extend(world.federation.keys().filter(|key| namespaces.contains(&key.namespace)).cloned());
    keys
}

/// A list of `what` is complete. When it is the last that was missing, the member is known, and what was to be deleted in it
/// while it was away is deleted.
fn listed(shared: &Arc<Shared>, name: &str, what: &'static str) {
    let complete = {
        let mut world = shared.world();
        let member = world.members.entry(name.to_owned()).or_default();
        let before = member.is_listed();
        member.listed.insert(what);
        let complete = member.is_listed() && !before;
        member.known |= complete;
        complete
    };
    if complete {
        let (shared, name) = (shared.clone(), name.to_owned());
        tokio::spawn(async move {
            carry_out_tombstones(&shared, &name).await;
            shared.look_at_everything();
        });
    }
}

async fn carry_out_tombstones(shared: &Arc<Shared>, name: &str) {
    let deadline = shared.settings().deadline;
    let federation_api = &shared.parts.federation;
    let tombstones = match within(deadline, federation::tombstones(federation_api, name)).await {
        Ok(tombstones) => tombstones,
        Err(error) => {
            return tracing::warn!(member = name, %error, "could not read what is to be deleted in the member");
        }
    };
    let Some(stack) = shared.stack(name) else { return };
    let mut done = Vec::new();
    for (key, uid) in tombstones {
        match run(stack.clone(), MemberEffect { key: key.clone(), write: MemberWrite::Delete { uid } }).await {
            Ok(()) => done.push(key),
            Err(error) => {
                tracing::warn!(member = name, %key, %error, "could not delete what was deleted while the member was away");
            }
        }
    }
    if !done.is_empty()
        && let Err(error) = within(deadline, federation::unbury(federation_api, name, &done)).await
    {
        tracing::warn!(member = name, %error, "could not forget what has been deleted");
    }
}

/// Ready endpoints of each Service, by slice.
fn endpoints(index: &mut BTreeMap<ObjectKey, BTreeMap<String, u32>>, change: Change<EndpointSlice>) {
    let Some(kind) = FederatedKind::named("Service") else { return };
    let place = |slice: &EndpointSlice| {
        let service = slice.metadata.labels.as_ref()?.get("kubernetes.io/service-name")?;
        let namespace = slice.metadata.namespace.clone()?;
        Some((ObjectKey { kind, namespace, name: service.clone() }, slice.metadata.name.clone()?))
    };
    // An endpoint whose readiness is not told counts as ready (EndpointConditions in discovery.k8s.io/v1).
    let ready = |slice: &EndpointSlice| {
        let is_ready =
            |e: &k8s_openapi::api::discovery::v1::Endpoint| e.conditions.as_ref().and_then(|c| c.ready) != Some(false);
        let endpoints = slice.endpoints.iter().flatten().filter(|endpoint| is_ready(endpoint));
        endpoints.map(|endpoint| u32::try_from(endpoint.addresses.len()).unwrap_or(u32::MAX)).sum()
    };
    let mut insert = |slice: &EndpointSlice| {
        if let Some((service, name)) = place(slice) {
            // It may have been another Service's before.
            index.retain(|other, slices| {
                if other.namespace == service.namespace {
                    slices.remove(&name);
                }
                !slices.is_empty()
            });
            index.entry(service).or_default().insert(name, ready(slice));
        }
    };
    match change {
        Change::Apply(slice) => insert(&slice),
        Change::Delete(slice) => {
            if let Some((service, name)) = place(&slice)
                && let Some(slices) = index.get_mut(&service)
            {
                slices.remove(&name);
                if slices.is_empty() {
                    index.remove(&service);
                }
            }
        }
        Change::Interrupted => {}
        Change::Reset(slices) => {
            index.clear();
            for slice in &slices {
                if let Some((service, name)) = place(slice) {
                    index.entry(service).or_default().insert(name, ready(slice));
                }
            }
        }
    }
}

/// Region and zones from the labels of the member's nodes, its version from its API.
async fn topology(shared: &Arc<Shared>, name: &str, client: &Client) {
    let deadline = shared.settings().deadline;
    if let Ok(version) = within(deadline, client.apiserver_version()).await {
        update(shared, name, |member| member.topology.version = Some(version.git_version));
        shared.queue.add(Key::Cluster(name.to_owned()), Duration::ZERO);
    }
    let mut nodes: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    let place = |node: &Node| {
        let label = |key: &str| node.metadata.labels.as_ref()?.get(key).cloned();
        let region =
            label("topology.kubernetes.io/region").or_else(|| label("failure-domain.beta.kubernetes.io/region"));
        let zone = label("topology.kubernetes.io/zone").or_else(|| label("failure-domain.beta.kubernetes.io/zone"));
        (node.metadata.name.clone().unwrap_or_default(), (region, zone))
    };
    follow(Api::<Node>::all(client.clone()), watcher::Config::default(), |change| {
        match change {
            Change::Apply(node) => nodes.extend([place(&node)]),
            Change::Delete(node) => drop(nodes.remove(&place(&node).0)),
            Change::Interrupted => return,
            Change::Reset(all) => nodes = all.iter().map(place).collect(),
        }
        let region = nodes.values().find_map(|(region, _)| region.clone());
        let zones = nodes.values().filter_map(|(_, zone)| zone.clone()).collect();
        update(shared, name, |member| (member.topology.region, member.topology.zones) = (region, zones));
        shared.dns.notify_one();
        shared.queue.add(Key::Cluster(name.to_owned()), Duration::ZERO);
    })
    .await;
}
