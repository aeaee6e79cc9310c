//! One member's task: connect, probe, follow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kfed_api::{Cluster, SYSTEM_NAMESPACE, keys};
use kfed_cluster_health::monitor;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Api, Client};
use secrecy::SecretString;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::changes::Changed;
use super::watch::{follow_as, follow_closely};
use super::{AbortOnDrop, Connected, Key, Shared, ever, lock, tombstones};
use crate::connect::{Connect, Purpose, paced};
use crate::effect::breaker::Breaker;
use crate::effect::member::stack;
use crate::effect::{EffectError, chain, within};
use crate::kinds::ObjectKey;
use crate::membership;
use crate::object::seconds;
use crate::probe::{ApiProbe, MemberClock};
use crate::world::{ApiHealth, Ban, Change, ENDPOINT_SLICES, IDENTITY, Kept, Lean, Member, Shown, Turn};

/// How long a member whose credentials cannot be used waits for its next try.
pub(super) const RECONNECT: Duration = Duration::from_secs(2);

/// The tasks of all members; none after the end.
pub(super) struct Tasks(Mutex<Option<BTreeMap<String, Task>>>);

struct Task {
    identity: Identity,
    /// Ends with its handle.
    handle: AbortOnDrop<()>,
}

/// What a member is known by: with another uid it is another member, with another Secret or kubeconfig it is reached otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    uid: Option<String>,
    secret: String,
    credentials: Option<u64>,
    /// Whether it is watched for kinds that give permissions.
    permissions: bool,
    /// The older member that is the same cluster.
    same_as: Option<String>,
}

// === impl Tasks ===

impl Tasks {
    /// Sees to it that `cluster`'s task runs, by its present credentials. Whether what was known of the member is no longer.
    pub(super) fn ensure(
        &self,
        shared: &Arc<Shared>,
        name: &str,
        cluster: &Cluster,
        credentials: Option<u64>,
        same_as: Option<String>,
    ) -> bool {
        let identity = Identity {
            uid: cluster.metadata.uid.clone(),
            secret: cluster.spec.secret_ref.name.clone(),
            credentials,
            permissions: asks_for_permissions(cluster),
            same_as,
        };
        let mut tasks = lock(&self.0);
        let Some(tasks) = tasks.as_mut() else { return false };
        let before = match tasks.get(name) {
            Some(task) if task.identity == identity && !task.handle.is_finished() => return false,
            Some(_) => tasks.remove(name).map(|task| task.identity),
            None => None,
        };
        let is_other = before.as_ref().is_some_and(|before| *before != identity);
        if is_other {
            shared.set_connected(name, None);
            let mut world = shared.world();
            let is_same = |before: &Identity| before.uid == identity.uid && before.same_as == identity.same_as;
            match before.as_ref().is_some_and(is_same) {
                true => world.members.change(name, Member::reconnects),
                false => {
                    let uid = world.members.get(name).and_then(|member| member.uid.clone());
                    let same_as = identity.same_as.clone();
                    world.members.replace(name, Member { uid, same_as, ..Member::default() });
                }
            }
        }
        let (shared, member, secret) = (shared.clone(), name.to_owned(), identity.secret.clone());
        let handle = AbortOnDrop(match identity.same_as {
            None => tokio::spawn(live(shared, member, secret)),
            Some(_) => tokio::spawn(stand_by(shared, member, secret)),
        });
        tasks.insert(name.to_owned(), Task { identity, handle });
        is_other
    }

    pub(super) fn stop(&self, name: &str) {
        drop(lock(&self.0).as_mut().and_then(|tasks| tasks.remove(name)));
    }

    /// Ends all tasks; none can be started any more.
    pub(super) fn stop_all(&self) {
        drop(lock(&self.0).take());
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self(Mutex::new(Some(BTreeMap::new())))
    }
}

/// Asks the member from time to time whether it still is the cluster that has joined under another name, and does nothing else.
async fn stand_by(shared: Arc<Shared>, name: String, secret: String) {
    loop {
        if let Ok((client, _)) = connect(&shared, &name, &secret).await {
            let known = identify(&shared, &name, &client).await;
            if let Err(error) = known {
                tracing::debug!(member = name, %error, "could not ask who the member is");
            }
        }
        tokio::time::sleep(shared.settings().resync).await;
    }
}

/// Asks the member who it is. Who may not be asked is nobody else.
async fn identify(shared: &Shared, name: &str, client: &Client) -> Result<(), EffectError> {
    let asked = membership::cluster_uid(client);
    let uid = match within(shared.settings().deadline, asked).await {
        Ok(uid) => uid,
        Err(EffectError::Refused { .. }) => None,
        Err(error) => return Err(error),
    };
    let (news, turned) = {
        let mut world = shared.world();
        let told = |member: &mut Member| std::mem::replace(&mut member.uid, uid.clone()) != uid;
        let Some(news) = world.members.change_known(name, told) else { return Ok(()) };
        (news, world.recognise(name))
    };
    if turned {
        shared.look_at_everything();
    }
    if news {
        // It may be the younger, or the older, of two.
        let clusters: Vec<_> = shared.world().clusters.names().cloned().map(Key::Cluster).collect();
        shared.queue.add_all(clusters);
    }
    Ok(())
}

async fn live(shared: Arc<Shared>, name: String, secret: String) {
    let buried = tombstones::read(&shared, &name).await;
    update(&shared, &name, |member| member.buried.extend(buried));
    let (client, again) = loop {
        match connect(&shared, &name, &secret).await {
            Ok(connected) => break connected,
            Err(why) => {
                refuse(&shared, &name, Some(why));
                shared.queue.add(Key::Cluster(name.clone()), Duration::ZERO);
                tokio::time::sleep(RECONNECT).await;
            }
        }
    };
    refuse(&shared, &name, None);
    let settings = shared.settings();
    let tenure = shared.parts.tenure.clone();
    let breaker = breaker(&shared, &name);
    let stack = stack(client.clone(), settings.federation.clone(), settings.deadline, tenure, breaker.clone());
    shared.set_connected(&name, Some(Connected { client: client.clone(), stack, breaker: breaker.clone() }));
    let monitor = monitor::spawn(
        ApiProbe::new(client.clone(), clock(&shared, &name)),
        (),
        settings.schedule.for_target(&name),
        settings.thresholds,
    );
    let mut observations = monitor.subscribe();
    // Ends with this task.
    let mut watches: Option<JoinSet<()>> = None;
    loop {
        let observation = observations.borrow_and_update().clone();
        let now = shared.now();
        let health = ApiHealth::of(&observation, now);
        match &health {
            // A connection that was cut without a word may look open for long: what is followed starts anew, by a new one, on the return.
            ApiHealth::Ready if watches.is_none() => {
                // Nothing is asked yet, so that nobody waits, but for a plug-in that gives credentials.
                let watcher = open(&shared, Connect { purpose: Purpose::Watches, ..again.clone() }).await;
                let watcher = watcher.unwrap_or_else(|error| {
                    tracing::debug!(member = name, error, "watches share no connection");
                    client.clone()
                });
                watches = Some(watch(&shared, &name, &watcher));
            }
            ApiHealth::Offline { .. } => watches = None,
            _ => {}
        }
        let is_ready = health == ApiHealth::Ready;
        let (changed, hurries, alarming, next) = update(&shared, &name, |member| {
            if matches!(health, ApiHealth::Offline { .. }) {
                member.forget_lists();
            }
            let health = match (&member.api, health) {
                // Dead since it was first seen to be.
                (ApiHealth::Offline { since, .. }, ApiHealth::Offline { reason, message, .. }) => {
                    ApiHealth::Offline { reason, message, since: *since }
                }
                // A task that has just begun has not asked often enough to say more.
                (ApiHealth::Offline { .. }, ApiHealth::Unknown | ApiHealth::Silent { .. }) => member.api.clone(),
                (_, health) => health,
            };
            let is_silent = |health: &ApiHealth| matches!(health, ApiHealth::Silent { .. });
            let hurries = Some(is_silent(&health)).filter(|now| *now != is_silent(&member.api));
            let is_offline = |health: &ApiHealth| matches!(health, ApiHealth::Offline { .. });
            let alarming = is_offline(&member.api) != is_offline(&health);
            let changed = std::mem::replace(&mut member.api, health.clone()) != health;
            let before = member.returns_at;
            if let Some(deaths) = member.damp(settings, now) {
                let until = member.returns_at.map(seconds).unwrap_or_default();
                tracing::info!(
                    member = name,
                    deaths,
                    until,
                    "the member is back, and counts when it has been well for a while"
                );
            }
            let silent_for_long = settings.evict_api_only_after.and(member.eviction_due(settings));
            let next = [member.returns_at, silent_for_long].into_iter().flatten().filter(|at| *at > now).min();
            (changed || before != member.returns_at, hurries, alarming, next)
        });
        match hurries {
            // Both signals are to be known when the first is certain.
            Some(true) => shared.addresses.hurry(&name, &shared),
            Some(false) => shared.addresses.relax(&name, &shared),
            None => {}
        }
        if changed && is_ready {
            breaker.answers();
        }
        if changed {
            tracing::info!(member = name, health = ?observation.health, "the member's health has changed");
            shared.look_at_everything();
        }
        if alarming {
            shared.alarm();
        }
        // What only time changes is looked at when it does.
        let wait = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        tokio::select! {
            changed = observations.changed() => if changed.is_err() {
                return;
            },
            () = tokio::time::sleep(wait.unwrap_or(shared.settings().resync)), if wait.is_some() => {
                shared.look_at_everything();
            }
        }
    }
}

/// The member's circuit. When it closes, nothing that has failed meanwhile waits any longer.
fn breaker(shared: &Arc<Shared>, name: &str) -> Breaker {
    let (shared_of_closed, member) = (Arc::downgrade(shared), name.to_owned());
    Breaker::new(shared.settings().schedule.for_target(name), move || {
        if let Some(shared) = shared_of_closed.upgrade() {
            tracing::info!(member, "the member is asked again");
            shared.writes.hurry(&member);
            shared.look_at_everything();
        }
    })
}

/// Takes in what time the member says it is.
fn clock(shared: &Arc<Shared>, name: &str) -> MemberClock {
    let (ours, told) = (shared.parts.clock.clone(), Arc::downgrade(shared));
    let name = name.to_owned();
    let tell = move |ahead| {
        let Some(shared) = told.upgrade() else { return };
        let changed = shared.world().members.change_known(&name, |member| member.takes_time(ahead));
        if changed == Some(true) {
            shared.queue.add(Key::Cluster(name.clone()), Duration::ZERO);
        }
    };
    MemberClock { ours, tell: Arc::new(tell) }
}

/// A client by the member's Secret, and what more of them are made by.
async fn connect(shared: &Shared, name: &str, secret: &str) -> Result<(Client, Connect), String> {
    let deadline = shared.settings().deadline;
    let secrets = Api::<Secret>::namespaced(shared.parts.federation.clone(), SYSTEM_NAMESPACE);
    let found = within(deadline, secrets.get_opt(secret)).await.map_err(|error| chain(&error))?;
    let found = found.ok_or_else(|| format!("Secret {SYSTEM_NAMESPACE}/{secret} is not there"))?;
    let kubeconfig = found.data.and_then(|mut data| data.remove(keys::SECRET_KUBECONFIG));
    let kubeconfig = kubeconfig.and_then(|bytes| String::from_utf8(bytes.0).ok());
    let kubeconfig = kubeconfig.ok_or_else(|| {
        format!("Secret {SYSTEM_NAMESPACE}/{secret} has no key {} with text", keys::SECRET_KUBECONFIG)
    })?;
    let kubeconfig = SecretString::from(kubeconfig);
    let connect = Connect { member: name.to_owned(), kubeconfig, purpose: Purpose::Calls };
    let client = open(shared, connect.clone()).await;
    Ok((client.map_err(|problem| format!("Secret {SYSTEM_NAMESPACE}/{secret}: {problem}"))?, connect))
}

async fn open(shared: &Shared, connect: Connect) -> Result<Client, String> {
    let deadline = shared.settings().deadline;
    match tokio::time::timeout(deadline, shared.parts.connector.clone().oneshot(connect)).await {
        Ok(client) => client.map(paced).map_err(|error| chain(&*error)),
        Err(_) => Err(format!("no connection within {deadline:?}")),
    }
}

/// Changes what is known of the member, as long as it is one: what its tasks tell when it has gone must not bring it back.
fn update<T: Default>(shared: &Shared, name: &str, change: impl FnOnce(&mut Member) -> T) -> T {
    shared.world().members.change_known(name, change).unwrap_or_default()
}

/// The member's credentials can be used, or why not. Whoever cannot be asked is found dead by nobody, and its names follow its addresses.
fn refuse(shared: &Shared, name: &str, why: Option<String>) {
    let turned = update(shared, name, |member| {
        let before = std::mem::replace(&mut member.refused, why);
        before.is_some() != member.refused.is_some()
    });
    if turned {
        shared.republish(Changed::Everything);
    }
}

/// Follows all of the member that planners need.
fn watch(shared: &Arc<Shared>, name: &str, client: &Client) -> JoinSet<()> {
    let mut watches = JoinSet::new();
    let (kinds, forbidden) = {
        let mut world = shared.world();
        let permissions = world.clusters.get(name).is_some_and(|cluster| asks_for_permissions(cluster));
        let kinds: Vec<_> = world.kinds.of_member(permissions).collect();
        let asked = world.members.change_known(name, |member| {
            member.is_asked_for(&kinds);
            (kinds, member.forbidden.clone())
        });
        asked.unwrap_or_default()
    };
    for kind in kinds {
        // All namespaces are seen, since one that is there is used; of all else only what kfed made.
        let config = match kind.is_namespace() {
            true => watcher::Config::default(),
            false => {
                watcher::Config::default().labels(&format!("{}={}", keys::MANAGED_BY, shared.settings().federation))
            }
        };
        let (shared, name, client) = (shared.clone(), name.to_owned(), client.clone());
        let before = forbidden.get(kind.id).cloned();
        watches.spawn(ever("a watch of a member", move || {
            let (shared, name, client, config) = (shared.clone(), name.clone(), client.clone(), config.clone());
            let before = before.clone();
            let keep = {
                let shared = shared.clone();
                move |object| Kept::in_member(kind, &shared.settings().federation, object)
            };
            let tell = move |change| {
                let (reset, interrupted) = news(&change);
                let unserved = matches!(change, Change::NotServed);
                if let Change::Forbidden(ban) = &change {
                    forbid(&shared, &name, kind.id, ban);
                    return;
                }
                let one = matches!(change, Change::Apply(_));
                let (keys, news) = {
                    let mut world = shared.world();
                    if !world.members.contains(&name) {
                        return;
                    }
                    if interrupted {
                        unlisted(&mut world, &name, kind.id);
                    }
                    let news = world.members.change(&name, |member| match (unserved, interrupted) {
                        (true, _) => member.unserved.insert(kind.id),
                        (_, true) => false,
                        _ => member.unserved.remove(kind.id),
                    });
                    let keys = world.members.hear(&name, kind, change);
                    (with_contents(&world, keys), news)
                };
                match one {
                    true => shared.look_at_soon(keys),
                    false => shared.look_at(keys),
                }
                if reset {
                    shared.is_answered_by(&name);
                    tombstones::listed(&shared, &name, kind.id);
                }
                if news {
                    tracing::info!(
                        member = name,
                        kind = kind.id,
                        served = !unserved,
                        "what the member serves has changed"
                    );
                    shared.look_at_everything();
                }
                // Of single objects the Cluster tells only of those that give permissions. On its way out it is looked at each second.
                if reset || interrupted || kind.permits {
                    shared.queue.add(Key::Cluster(name.clone()), Duration::ZERO);
                }
            };
            async move {
                // Of a namespace kfed sends metadata alone; all else is compared as a whole with what it is to be.
                let resource = kind.api_resource();
                match kind.is_namespace() {
                    true => {
                        let namespaces = Api::all_with(client, &resource);
                        follow_closely(namespaces, config, before, |partial| keep(Lean::of_metadata(partial)), tell)
                            .await;
                    }
                    false => follow_closely(Api::all_with(client, &resource), config, before, keep, tell).await,
                }
            }
        }));
    }
    watches.spawn({
        let (shared, name, slices) = (shared.clone(), name.to_owned(), Api::<EndpointSlice>::all(client.clone()));
        let before = forbidden.get(ENDPOINT_SLICES).cloned();
        ever("a watch of a member", move || {
            let (shared, name, before) = (shared.clone(), name.clone(), before.clone());
            follow_closely(slices.clone(), watcher::Config::default(), before, Shown::of, move |change| {
                let (reset, interrupted) = news(&change);
                if interrupted {
                    unlisted(&mut shared.world(), &name, ENDPOINT_SLICES);
                }
                if let Change::Forbidden(ban) = &change {
                    forbid(&shared, &name, ENDPOINT_SLICES, ban);
                    return;
                }
                let (federated, alarming) = {
                    let mut world = shared.world();
                    let turn = world.members.change_known(&name, |Member { endpoints, .. }| match change {
                        Change::Apply(slice) => endpoints.apply(*slice),
                        Change::Delete(slice) => endpoints.delete(&slice),
                        Change::Reset(slices) => endpoints.replace(slices),
                        Change::Interrupted | Change::Forbidden(_) | Change::NotServed => Turn::default(),
                    });
                    let Some(turn) = turn else { return };
                    // Most Services of a member are its own.
                    let services = turn.services.into_iter().filter(|service| world.federation.contains(service));
                    let federated: Vec<_> = services.collect();
                    let alarming = turn.emptied && !federated.is_empty();
                    (federated, alarming)
                };
                match reset {
                    // What it had not shown before may be what the zone went by.
                    true => shared.republish(Changed::Everything),
                    false => shared.republish(federated.into_iter().collect()),
                }
                if alarming {
                    shared.alarm();
                }
                if reset {
                    tombstones::listed(&shared, &name, ENDPOINT_SLICES);
                }
            })
        })
    });
    watches.spawn({
        let (shared, name, client) = (shared.clone(), name.to_owned(), client.clone());
        ever("the question who a member is", move || {
            let (shared, name, client) = (shared.clone(), name.clone(), client.clone());
            async move {
                while let Err(error) = identify(&shared, &name, &client).await {
                    tracing::debug!(member = name, %error, "could not ask who the member is");
                    tokio::time::sleep(RECONNECT).await;
                }
                tombstones::listed(&shared, &name, IDENTITY);
                std::future::pending::<()>().await;
            }
        })
    });
    watches.spawn({
        let (shared, name, client) = (shared.clone(), name.to_owned(), client.clone());
        ever("a watch of a member", move || {
            let (shared, name, client) = (shared.clone(), name.clone(), client.clone());
            async move { topology(&shared, &name, &client).await }
        })
    });
    watches
}

/// Whether the member is asked for kinds that give permissions: it wants them, or may hold some that are to go.
fn asks_for_permissions(cluster: &Cluster) -> bool {
    cluster.spec.federate_rbac || cluster.status.as_ref().is_some_and(|status| status.holds_rbac)
}

/// Whether `change` is a whole list, and whether it is the loss of one.
fn news<K>(change: &Change<K>) -> (bool, bool) {
    (matches!(change, Change::Reset(_) | Change::NotServed), matches!(change, Change::Interrupted))
}

/// The member does not let kfed list or watch `what`: of a kind nothing is written there until it does, and what its EndpointSlices
/// showed is old.
fn forbid(shared: &Arc<Shared>, name: &str, what: &'static str, ban: &Ban) {
    let mut news = false;
    tombstones::lists(shared, name, |member| news = member.forbids(what, ban));
    if news {
        tracing::warn!(member = name, what, verb = ban.verb, says = ban.says, "kfed may not see it in the member");
        shared.queue.add(Key::Cluster(name.to_owned()), Duration::ZERO);
        shared.look_at_everything();
    }
}

/// What is known of `what` may be old: the member takes no writes until it has been listed anew.
fn unlisted(world: &mut crate::world::World, name: &str, what: &'static str) {
    world.members.change_known(name, |member| member.listed.remove(what));
}

/// A namespace that has come may be what the objects in it wait for.
fn with_contents(world: &crate::world::World, mut keys: Vec<ObjectKey>) -> Vec<ObjectKey> {
    let contents: Vec<_> =
        keys.iter().filter(|key| key.kind.is_namespace()).flat_map(|key| world.dependents(key)).collect();
    keys.extend(contents);
    keys
}

/// Region and zones from the labels of the member's nodes, its version from its API.
async fn topology(shared: &Arc<Shared>, name: &str, client: &Client) {
    tokio::join!(version(shared, name, client), nodes(shared, name, client));
}

/// Asked from time to time: servers are upgraded without a word.
async fn version(shared: &Arc<Shared>, name: &str, client: &Client) {
    loop {
        if let Ok(version) = within(shared.settings().deadline, client.apiserver_version()).await {
            update(shared, name, |member| member.topology.version = Some(version.git_version));
            shared.queue.add(Key::Cluster(name.to_owned()), Duration::ZERO);
        }
        tokio::time::sleep(shared.settings().resync).await;
    }
}

async fn nodes(shared: &Arc<Shared>, name: &str, client: &Client) {
    let mut nodes: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    // Their labels are all that is asked: nodes tell of their images and of themselves all the time.
    let place = |node: PartialObjectMeta<Node>| {
        let label = |key: &str| node.metadata.labels.as_ref()?.get(key).cloned();
        let region =
            label("topology.kubernetes.io/region").or_else(|| label("failure-domain.beta.kubernetes.io/region"));
        let zone = label("topology.kubernetes.io/zone").or_else(|| label("failure-domain.beta.kubernetes.io/zone"));
        (node.metadata.name.clone().unwrap_or_default(), (region, zone))
    };
    follow_as(Api::<PartialObjectMeta<Node>>::all(client.clone()), watcher::Config::default(), place, |change| {
        match change {
            Change::Apply(node) => nodes.extend([*node]),
            Change::Delete(node) => drop(nodes.remove(&node.0)),
            Change::Interrupted | Change::Forbidden(_) | Change::NotServed => return,
            Change::Reset(all) => nodes = all.into_iter().collect(),
        }
        let region = nodes.values().find_map(|(region, _)| region.clone());
        let zones = nodes.values().filter_map(|(_, zone)| zone.clone()).collect();
        let moved = update(shared, name, |Member { topology, .. }| {
            let before =
                (std::mem::replace(&mut topology.region, region), std::mem::replace(&mut topology.zones, zones));
            before != (topology.region.clone(), topology.zones.clone())
        });
        if moved {
            shared.republish(Changed::Everything);
        }
        shared.queue.add(Key::Cluster(name.to_owned()), Duration::ZERO);
    })
    .await;
}
