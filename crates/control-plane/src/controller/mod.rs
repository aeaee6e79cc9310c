//! The drivers: they feed the world from watches and probes, ask the planners, and have the plans carried out.

mod addresses;
mod changes;
mod cluster;
mod dns;
mod expectations;
mod federation;
mod hosts;
mod itself;
mod kinds;
mod member;
mod object;
mod pace;
mod pods;
mod tombstones;
mod watch;
mod writes;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kfed_api::conditions::reasons;
use kfed_dnsprovider::DnsProvider;
use kfed_dnsprovider::layer::Budget;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Resource};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::changes::Changed;
use crate::Settings;
use crate::builder::{AddressProbe, Clock};
use crate::connect::{MemberConnector, paced};
use crate::effect::breaker::Breaker;
use crate::effect::member::MemberEffects;
use crate::kinds::{Kinds, ObjectKey};
use crate::leader::{GuardLayer, Tenure, guarded};
use crate::plan::Note;
use crate::plan::load::Load;
use crate::queue::WorkQueue;
use crate::resolve::HostResolver;
use crate::world::World;

/// What a control plane is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) federation: Client,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) dns: DnsProvider,
    pub(crate) connector: MemberConnector,
    pub(crate) address_probe: AddressProbe,
    pub(crate) resolver: HostResolver,
    /// When it may write.
    pub(crate) tenure: Tenure,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// A member, by the name of its Cluster. Before objects: what is known of members comes first.
    Cluster(String),
    /// The Federation.
    Federation,
    /// What was deleted while a member was away.
    Tombstones(String),
    /// A federated object.
    Object(ObjectKey),
}

/// A member that can be asked and told.
struct Connected {
    client: Client,
    stack: MemberEffects,
    breaker: Breaker,
}

/// What all drivers share.
struct Shared {
    parts: Parts,
    world: Mutex<World>,
    queue: WorkQueue<Key>,
    /// What has changed of what the addresses that are probed may depend on.
    probed: changes::Changes,
    /// What has changed of what the zone may depend on. Its keeper is woken when what is probed is up to date with that.
    zone: changes::Changes,
    /// Something has died or come back: a plan of the zone that does not know it has become old.
    alarm: Notify,
    /// How many record sets are to be changed and have not been.
    unchanged: Arc<AtomicUsize>,
    addresses: addresses::Monitors,
    hosts: hosts::Hosts,
    /// Members that have been connected.
    members: Mutex<BTreeMap<String, Connected>>,
    tasks: member::Tasks,
    writes: writes::Writes,
    expectations: expectations::Expectations,
    pace: pace::Pace<Key>,
    pods: pods::PodWatches,
    recorder: Recorder,
}

/// Runs until `shutdown`. When other kinds come to be federated everything starts anew, as it would in another process: what must
/// survive that is where it would survive a restart.
pub(crate) async fn run(mut parts: Parts, shutdown: CancellationToken) {
    parts.federation = paced(parts.federation);
    let (tell, mut told) = tokio::sync::watch::channel(None);
    let work = async {
        loop {
            let kinds = told.borrow_and_update().clone();
            match kinds {
                Some(kinds) => tokio::select! {
                    () = run_with(parts.clone(), kinds, shutdown.clone()) => return,
                    Ok(()) = told.changed() => tracing::info!("other kinds are federated now: the controllers start anew"),
                },
                None => tokio::select! {
                    () = shutdown.cancelled() => return,
                    Ok(()) = told.changed() => {}
                },
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = kinds::run(&parts, tell) => {}
    }
}

/// Runs until `shutdown` with just these kinds.
async fn run_with(parts: Parts, kinds: Kinds, shutdown: CancellationToken) {
    let workers = parts.settings.workers;
    let resync = parts.settings.resync;
    let recorder = Recorder::new(
        parts.federation.clone(),
        Reporter { controller: kfed_api::FIELD_MANAGER.to_owned(), instance: None },
    );
    let shared = Arc::new(Shared {
        recorder,
        world: Mutex::new(World { kinds, began: (parts.clock)(), ..World::default() }),
        parts,
        queue: WorkQueue::new(),
        probed: changes::Changes::default(),
        zone: changes::Changes::default(),
        alarm: Notify::new(),
        unchanged: Arc::default(),
        addresses: addresses::Monitors::default(),
        hosts: hosts::Hosts::default(),
        members: Mutex::default(),
        tasks: member::Tasks::default(),
        writes: writes::Writes::default(),
        expectations: expectations::Expectations::default(),
        pace: pace::Pace::default(),
        pods: pods::PodWatches::default(),
    });
    // Also when this is dropped; after the tasks below, which start others.
    let _end = StopOnDrop(shared.clone());
    let mut tasks = JoinSet::new();
    federation::spawn(&shared, &mut tasks);
    itself::spawn(&shared, &mut tasks);
    let again = |run: fn(Arc<Shared>) -> BoxFuture<'static, ()>| {
        let shared = shared.clone();
        move || run(shared.clone())
    };
    tasks.spawn(ever("the address monitors", again(|shared| addresses::run(shared).boxed())));
    tasks.spawn(ever("the keeper of the zone", again(|shared| dns::run(shared).boxed())));
    for _ in 0..workers {
        tasks.spawn(ever("a worker", again(|shared| work(shared).boxed())));
    }
    tasks.spawn(repair(shared.clone(), resync));
    shutdown.cancelled().await;
    tasks.shutdown().await;
}

/// How long something waits before it counts as waiting.
const LATE: Duration = Duration::from_secs(5);

/// What members tell of an object within this time, and what was said to its user, is looked at together.
const COALESCE: Duration = Duration::from_millis(100);

/// The longest that what looks at every Service rests: first writes of a failover must not wait for it.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// How long a task that has panicked waits before it starts anew.
const RESTART: Duration = Duration::from_secs(1);

/// Runs what `start` gives, again and again. A panic ends one run and not the control plane: every task begins by looking at what
/// is there, and needs nothing of the run before.
async fn ever<F>(what: &'static str, start: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        match AbortOnDrop(tokio::spawn(start())).join().await {
            Ok(()) => tracing::error!("{what} has ended, and is started anew"),
            Err(panic) => tracing::error!(%panic, "{what} panicked, and is started anew"),
        }
        tokio::time::sleep(RESTART).await;
    }
}

/// How long something that looks at Services, at times at every one, rests when that has taken so long: a single event costs as much as many
/// that come meanwhile, and however many come, they take a fifth of a core, or more where a look takes longer than a quarter of the longest rest.
fn rest_after(took: Duration) -> Duration {
    (took * 4).min(LONGEST_REST)
}

/// What `mutex` holds. A panic while it was held has left every entry of its maps whole, and a resync repairs the rest.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Works on keys as they come due. A panic in one is caught, counted as its failure, and tried again.
async fn work(shared: Arc<Shared>) {
    loop {
        let key = shared.queue.next().await;
        let run = tokio::spawn({
            let (shared, key) = (shared.clone(), key.clone());
            async move {
                match key {
                    Key::Cluster(name) => cluster::reconcile(&shared, &name).await,
                    Key::Federation => itself::reconcile(&shared).await,
                    Key::Tombstones(name) => tombstones::reconcile(&shared, &name).await,
                    Key::Object(key) => object::reconcile(&shared, &key).await,
                }
            }
        });
        // Dropped with this worker at shutdown.
        let run = AbortOnDrop(run);
        let result = match run.join().await {
            Ok(result) => result,
            Err(panic) => {
                tracing::error!(?key, %panic, "a reconcile panicked");
                Err(())
            }
        };
        shared.queue.finish(key, result);
    }
}

/// Looks at everything from time to time: events may have been lost.
async fn repair(shared: Arc<Shared>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        shared.pace.forget();
        shared.writes.forget();
        shared.look_at_everything();
    }
}

/// A task that ends with its handle.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

/// Ends what was started on behalf of a control plane, and would otherwise live on by what it shares.
struct StopOnDrop(Arc<Shared>);

// === impl Parts ===

impl Parts {
    /// The same, writing within `tenure` alone.
    pub(crate) fn within(self, tenure: Tenure) -> Self {
        let takes = self.settings.deadline;
        Self {
            federation: guarded(self.federation, tenure.clone(), takes),
            dns: self.dns.layer(&GuardLayer::new(tenure.clone(), takes)),
            tenure,
            ..self
        }
    }
}

// === impl Shared ===

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    fn stack(&self, member: &str) -> Option<MemberEffects> {
        lock(&self.members).get(member).map(|connected| connected.stack.clone())
    }

    fn client(&self, member: &str) -> Option<Client> {
        lock(&self.members).get(member).map(|connected| connected.client.clone())
    }

    /// How much waits. What has just come is not late, and counts for nothing.
    fn load(&self) -> Load {
        Load {
            objects: self.queue.backlog(LATE),
            writes: self.writes.backlog(LATE),
            changes: self.unchanged.load(Ordering::Relaxed),
            budget: self.parts.dns.budget().map(Budget::state).unwrap_or_default(),
        }
    }

    /// `member` has answered a watch with a list.
    fn is_answered_by(&self, member: &str) {
        let breaker = lock(&self.members).get(member).map(|connected| connected.breaker.clone());
        if let Some(breaker) = breaker {
            breaker.answers();
        }
    }

    fn set_connected(&self, member: &str, connected: Option<Connected>) {
        // What they watch would be another member, or the same by credentials of before.
        self.pods.stop(member);
        let mut members = lock(&self.members);
        match connected {
            Some(connected) => members.insert(member.to_owned(), connected),
            None => members.remove(member),
        };
    }

    /// Tells the readers of `key`'s events what of others keeps the namespace in `member`.
    async fn say_what_is_left(&self, key: &ObjectKey, member: &str, others: &[String]) {
        if others.is_empty() {
            return;
        }
        let message = format!("{member} keeps the namespace, which is no longer managed, for {}", others.join(", "));
        tracing::info!(%key, member, message);
        let seen = self.world().federation.get(key);
        if let Some(seen) = seen {
            let reason = reasons::NAMESPACE_LEFT_TO_OTHERS.to_owned();
            let notes = [Note { warning: true, reason, message }];
            let reference = seen.object_ref(&key.kind.api_resource());
            let tell = crate::effect::federation::tell(&self.recorder, key, &reference, &notes);
            drop(tokio::time::timeout(self.settings().deadline, tell).await);
        }
    }

    /// Objects have changed, in the federation or in a member.
    fn look_at(&self, keys: Vec<ObjectKey>) {
        self.look_at_after(Duration::ZERO, keys);
    }

    /// A member shows objects as they are now. Many tell of one object at about the same time, and each look at it costs as much as
    /// there are members. What waits for a namespace waits for nothing else.
    fn look_at_soon(&self, keys: Vec<ObjectKey>) {
        let is_awaited = keys.iter().any(|key| key.kind.is_namespace());
        self.look_at_after(if is_awaited { Duration::ZERO } else { COALESCE }, keys);
    }

    fn look_at_after(&self, delay: Duration, keys: Vec<ObjectKey>) {
        self.republish(keys.iter().filter(|key| key.kind.published).cloned().collect());
        for key in keys {
            self.queue.add(Key::Object(key), delay);
        }
    }

    /// Something has changed that the zone, or the addresses that are probed, may depend on.
    fn republish(&self, mut changed: Changed) {
        if let Changed::Services(services) = &mut changed {
            services.retain(|key| !key.is_reserved());
        }
        if changed.is_empty() {
            return;
        }
        self.probed.note(changed.clone());
        self.zone.note(changed);
        self.probed.wake();
    }

    /// Something has died or come back. What has changed by that is noted before: a plan that begins now knows it, and one that has begun
    /// is broken off.
    fn alarm(&self) {
        self.alarm.notify_waiters();
    }

    /// A member has changed so that anything may have to move.
    fn look_at_everything(&self) {
        let (objects, clusters) = {
            let world = self.world();
            (world.keys(), world.clusters.names().cloned().collect::<Vec<_>>())
        };
        self.republish(Changed::Everything);
        self.queue.add(Key::Federation, Duration::ZERO);
        self.queue.add_all(clusters.into_iter().map(Key::Cluster).chain(objects.into_iter().map(Key::Object)));
    }
}

// === impl AbortOnDrop ===

impl<T> AbortOnDrop<T> {
    async fn join(mut self) -> Result<T, tokio::task::JoinError> {
        (&mut self.0).await
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.tasks.stop_all();
        self.0.writes.stop_all();
        self.0.pods.stop_all();
        self.0.addresses.stop_all();
        self.0.hosts.stop_all();
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_at_all_is_followed_by_a_rest_that_is_never_long() {
        let rest = |took| rest_after(Duration::from_millis(took)).as_millis();
        assert_eq!([rest(0), rest(20), rest(249), rest(60_000)], [0, 80, 996, 1_000]);
    }
}
