//! One task a member: takes what the watches tell, lets the controllers look, carries out what they want written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Event, Node, ObjectReference, Pod, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kfed_apiserver::Clock;
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    controllers::{
        Write, deployments, endpoints,
        kubelet::{self, Starts, Startup},
        matches, pods, replica_sets,
        replica_sets::OwnedPod,
        scheduler, services, uid,
    },
    load_balancers::LoadBalancerPool,
    names,
    world::{Key, Observed, World},
    writer::Writer,
};

/// Everything is looked at again this often, in case an event was lost.
const RESYNC: Duration = Duration::from_secs(60);
/// What could not be written is tried again after this: at once where somebody else was faster, else later.
const RETRY_CONFLICT: Duration = Duration::from_millis(20);
const RETRY_FAILURE: Duration = Duration::from_secs(1);
/// Rounds without a look at the watches; a round writes at most one step of everything that is due.
const MOST_ROUNDS: usize = 32;
/// Events taken in before the controllers look.
const MOST_EVENTS: usize = 4096;

pub(crate) struct Driver {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) startup: Startup,
    pub(crate) load_balancers: Arc<LoadBalancerPool>,
}

/// A change of the world that a watch tells.
type Told = Box<dyn FnOnce(&mut World, Instant) -> Signal + Send>;

/// What an event says besides the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Nothing,
    /// One more kind is known as a whole.
    Synced,
}

struct Running {
    driver: Driver,
    writer: Writer,
    world: World,
    starts: Starts,
    /// How many pods each ReplicaSet has created, for names that never repeat.
    births: BTreeMap<Key, u64>,
    /// When ready pods of a ReplicaSet become available.
    available_at: BTreeMap<Key, Instant>,
    /// The last complaint about each Service's load balancer.
    complaints: BTreeMap<Key, String>,
    retry_at: Option<Instant>,
}

impl Driver {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let mut events = futures::stream::select_all([
            watch::<Node>(&self.client),
            watch::<Deployment>(&self.client),
            watch::<ReplicaSet>(&self.client),
            watch::<Pod>(&self.client),
            watch::<Service>(&self.client),
            watch::<EndpointSlice>(&self.client),
        ]);
        let kinds = 6;
        let mut running = Running {
            writer: Writer::new(self.client.clone()),
            world: World::default(),
            starts: Starts::default(),
            births: BTreeMap::new(),
            available_at: BTreeMap::new(),
            complaints: BTreeMap::new(),
            retry_at: None,
            driver: self,
        };
        // Deciding on half of the picture would create what is there already.
        let mut synced = 0;
        while synced < kinds {
            let Some(told) = events.next().await else { return };
            if told(&mut running.world, Instant::now()) == Signal::Synced {
                synced += 1;
            }
        }
        let mut resync = tokio::time::interval(RESYNC);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            running.settle().await;
            tokio::select! {
                told = events.next() => {
                    let Some(told) = told else { return };
                    let now = Instant::now();
                    told(&mut running.world, now);
                    for _ in 0..MOST_EVENTS {
                        let Some(Some(told)) = events.next().now_or_never() else { break };
                        told(&mut running.world, now);
                    }
                }
                () = running.alarm() => running.wake(),
                _ = resync.tick() => running.world.all_due(),
            }
        }
    }
}

/// The events of one kind, as changes of the world. Errors are retried by the watcher, with back-off.
fn watch<K: Observed>(client: &Client) -> BoxStream<'static, Told> {
    let mut listed = Vec::new();
    watcher(Api::<K>::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .filter_map(move |event| {
            let told: Option<Told> = match event {
                Ok(watcher::Event::Apply(object)) => Some(Box::new(move |world, now| {
                    world.apply(object, now);
                    Signal::Nothing
                })),
                Ok(watcher::Event::Delete(object)) => Some(Box::new(move |world, now| {
                    world.deleted(&object, now);
                    Signal::Nothing
                })),
                Ok(watcher::Event::Init) => {
                    listed.clear();
                    None
                }
                Ok(watcher::Event::InitApply(object)) => {
                    listed.push(object);
                    None
                }
                Ok(watcher::Event::InitDone) => {
                    let objects = std::mem::take(&mut listed);
                    Some(Box::new(move |world, now| {
                        world.reset::<K>(objects, now);
                        Signal::Synced
                    }))
                }
                Err(error) => {
                    tracing::debug!(kind = %K::kind(&()), %error, "watch failed");
                    None
                }
            };
            std::future::ready(told)
        })
        .boxed()
}

impl Running {
    /// Lets the controllers work until nothing is due, or for so long that the watches should be heard again.
    async fn settle(&mut self) {
        for _ in 0..MOST_ROUNDS {
            if self.world.due.is_empty() {
                return;
            }
            self.deployments().await;
            self.replica_sets().await;
            self.scheduling().await;
            self.kubelets().await;
            self.services().await;
        }
        tokio::task::yield_now().await;
    }

    async fn deployments(&mut self) {
        for key in std::mem::take(&mut self.world.due.deployments) {
            let Some(deployment) = self.world.deployments.get(&key).cloned() else { continue };
            let sets = self.world.sets_of(uid(&*deployment));
            self.write(deployments::step(&deployment, &sets, self.now())).await;
        }
    }

    async fn replica_sets(&mut self) {
        for key in std::mem::take(&mut self.world.due.replica_sets) {
            self.available_at.remove(&key);
            let Some(set) = self.world.replica_sets.get(&key).cloned() else {
                self.births.remove(&key);
                continue;
            };
            let now = Instant::now();
            let ready_for = |pod: &Pod| self.world.ready_since.get(&Key::of(pod)).map(|&since| now - since);
            let owned = self.world.pods_of(uid(&*set)).into_iter();
            let owned: Vec<OwnedPod> = owned.map(|pod| OwnedPod { ready_for: ready_for(&pod), pod }).collect();
            let strays = self.strays(&set);
            let mut births = self.births.get(&key).copied().unwrap_or(0);
            let step = replica_sets::step(&set, &owned, &strays, || {
                loop {
                    let hash =
                        names::hash(self.driver.startup.seed, &["pod", &key.namespace, &key.name, &births.to_string()]);
                    births += 1;
                    let name = names::generated(&key.name, hash, 5);
                    if self.world.pods.get(&Key::new(&key.namespace, &name)).is_none() {
                        return name;
                    }
                }
            });
            if let Some(wait) = step.again_in {
                self.available_at.insert(key.clone(), now + wait);
            }
            self.births.insert(key, births);
            self.write(step.writes).await;
        }
    }

    /// Pods that the set may adopt.
    fn strays(&self, set: &ReplicaSet) -> Vec<Arc<Pod>> {
        let selector = &set.spec.selector;
        let labels = selector.match_labels.clone().unwrap_or_default();
        let mut pods = self.world.pods_selected(&set.namespace().unwrap_or_default(), &labels);
        pods.retain(|pod| matches(selector, pod.labels()) && crate::world::controller_of(&**pod).is_none());
        pods
    }

    async fn scheduling(&mut self) {
        if !std::mem::take(&mut self.world.due.scheduling) {
            return;
        }
        let unbound = self.world.unbound();
        if unbound.is_empty() {
            return;
        }
        let occupied = |node: &Arc<Node>| scheduler::Occupied {
            pods: self.world.pods_on(&node.name_any()),
            node: Arc::clone(node),
        };
        let nodes = self.world.nodes.values().map(occupied).collect();
        self.write(scheduler::step(unbound, nodes, self.now())).await;
    }

    async fn kubelets(&mut self) {
        for key in std::mem::take(&mut self.world.due.pods) {
            let Some(pod) = self.world.pods.get(&key).cloned() else {
                self.starts.forget(&key);
                continue;
            };
            let (starts, startup) = (&mut self.starts, self.driver.startup);
            let stage = || starts.stage(&key, &pod, startup, Instant::now());
            let now = (self.driver.clock)();
            let write = kubelet::step(&pod, &self.world.nodes, stage, now);
            if pods::ended(&pod) {
                self.starts.forget(&key);
            }
            self.write(write).await;
        }
    }

    async fn services(&mut self) {
        for key in std::mem::take(&mut self.world.due.services) {
            let Some(service) = self.world.services.get(&key).cloned() else {
                self.driver.load_balancers.release(&key);
                self.complaints.remove(&key);
                continue;
            };
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
            let selected = self.world.pods_selected(&key.namespace, &selector);
            let slices = self.world.slices_of(&key);
            let step = endpoints::step(&service, &selected, &slices, &self.world.nodes);

            let address = self.balance(&key, &service).await;
            self.driver.load_balancers.set_backends(&key, step.ready);
            self.write(step.writes).await;
            self.write(services::step(&service, address)).await;
        }
    }

    /// Gives the Service the load balancer it asks for, or none.
    async fn balance(&mut self, key: &Key, service: &Service) -> Option<std::net::Ipv4Addr> {
        let Some(request) = services::desired(service) else {
            self.driver.load_balancers.release(key);
            self.complaints.remove(key);
            return None;
        };
        match self.driver.load_balancers.provision(key, &request) {
            Ok(address) => {
                self.complaints.remove(key);
                Some(address)
            }
            Err(error) => {
                let message = format!("Error syncing load balancer: {error}");
                self.retry_in(RETRY_FAILURE);
                if self.complaints.get(key) != Some(&message) {
                    tracing::warn!(service = %key, %error, "no load balancer");
                    let event = complaint(service, &message, self.now());
                    self.complaints.insert(key.clone(), message);
                    self.write(Some(Write::CreateEvent(Box::new(event)))).await;
                }
                None
            }
        }
    }

    async fn write(&mut self, writes: impl IntoIterator<Item = Write>) {
        for write in writes {
            match self.writer.write(&write).await {
                Ok(answer) => answer.tell(&mut self.world, Instant::now()),
                // Whoever was faster is told of by a watch; should that be what we know already, we look again.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                    tracing::debug!(?write, %status, "write lost a race");
                    self.retry_in(RETRY_CONFLICT);
                }
                Err(error) => {
                    tracing::warn!(?write, %error, "write failed");
                    self.retry_in(RETRY_FAILURE);
                }
            }
        }
    }

    fn retry_in(&mut self, wait: Duration) {
        let at = Instant::now() + wait;
        self.retry_at = Some(self.retry_at.map_or(at, |known| known.min(at)));
    }

    /// Waits for the next moment at which time alone makes something due.
    fn alarm(&self) -> impl Future<Output = ()> + use<> {
        let available = self.available_at.values().min().copied();
        let next = [self.retry_at, self.starts.next_up(), available].into_iter().flatten().min();
        async move {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    fn wake(&mut self) {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.world.all_due();
        }
        self.world.due.pods.extend(self.starts.take_up(now));
        let available: Vec<Key> =
            self.available_at.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in available {
            self.available_at.remove(&key);
            self.world.due.replica_sets.insert(key);
        }
    }

    fn now(&self) -> Timestamp {
        (self.driver.clock)()
    }
}

fn complaint(service: &Service, message: &str, now: Timestamp) -> Event {
    let name = service.name_any();
    let hash = names::hash(0, &[uid(service), message, &now.to_string()]);
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{hash:016x}")),
            namespace: service.namespace(),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Service".to_owned()),
            namespace: service.namespace(),
            name: Some(name),
            uid: service.uid(),
            resource_version: service.meta().resource_version.clone(),
            ..ObjectReference::default()
        },
        type_: Some("Warning".to_owned()),
        reason: Some("SyncLoadBalancerFailed".to_owned()),
        message: Some(message.to_owned()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        reporting_component: Some("service-controller".to_owned()),
        reporting_instance: Some(String::new()),
        source: Some(k8s_openapi::api::core::v1::EventSource {
            component: Some("service-controller".to_owned()),
            host: None,
        }),
        ..Event::default()
    }
}
