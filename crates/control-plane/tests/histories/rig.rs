//! A federation over Azure that a history happens to.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kfed_api::{Cluster as ClusterObject, SYSTEM_NAMESPACE};
use kfed_azure_emulator::Faults as ZoneFaults;
use kfed_cluster_emulator::ClusterEmulator;
use kfed_cluster_health::ProbeSchedule;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::azure::{self, Way};
use crate::hand;
use crate::history::{Cluster, History, Ready, Step, Way as Leaves, ZoneFault};
use crate::rest;
use crate::support::{FINE, Fleet, MINUTE, SECOND, SPREAD, ZONE};
use crate::truth::{Belongs, Lasting, Member, PORT};
use crate::watch::{ELSEWHERE, Leads, Watch};

/// How long everything may take to come to rest: what flaps is held back for 5 minutes, a service without endpoints keeps its names
/// as long, and a hand in the zone is seen by a sweep.
const REST: Duration = Duration::from_secs(30 * 60);
/// How long nothing may be written after that.
const QUIET: Duration = Duration::from_secs(3 * 60);

/// A federation, and who watches it.
pub(crate) struct Rig {
    pub(crate) fleet: Fleet,
    history: Arc<History>,
    watch: Arc<Mutex<Watch>>,
    pub(crate) way: Arc<Mutex<Way>>,
    running: [Option<JoinHandle<()>>; 2],
    /// Who keeps the count of the members' endpoints.
    followers: Vec<JoinHandle<()>>,
}

// === impl Rig ===

impl Rig {
    /// The parts of the federation of `history`.
    pub(crate) async fn new(history: &History) -> Self {
        let history = Arc::new(history.clone());
        let mut fleet = Fleet::idle().await;
        fleet.settings.schedule = ProbeSchedule::every(history.timing.probe_period);
        fleet.settings.dns_hold = history.timing.dns_hold;
        fleet.settings.dns_empty_hold = history.timing.empty_hold;
        fleet.settings.dns_sweep = history.timing.sweep;
        fleet.settings.dns_fallback = history.fallback;
        let watch = Arc::new(Mutex::new(Watch::new(history.clone(), azure::emulator(history.seed))));
        let way = Arc::new(Mutex::new(Way::new(history.seed)));
        Self { fleet, history, watch, way, running: [None, None], followers: Vec::new() }
    }

    /// Everybody joins, and all comes to rest.
    pub(crate) async fn begin(&mut self) -> Result<(), String> {
        for m in 0..self.history.members.len() {
            self.emulate(m).await;
            self.step(&Step::Join(m, Cluster::Same)).await;
        }
        for s in 0..self.history.services.len() {
            let early = self.history.services[s].early;
            self.watch().want(s, Leads::Nowhere);
            if early {
                self.step(&Step::Create(s)).await;
            }
        }
        self.step(&Step::Start).await;
        self.comes_to_rest().await?;
        self.pass(MINUTE).await
    }

    pub(crate) fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap()
    }

    /// Lets `time` pass, and looks every second.
    pub(crate) async fn pass(&mut self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        loop {
            self.watch().look();
            self.who_has_left().await;
            if let Some(broken) = self.watch().broken.clone() {
                return Err(broken);
            }
            if self.running.iter().flatten().any(JoinHandle::is_finished) {
                return Err("a control plane has ended".to_owned());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let died = self.way.lock().unwrap().died.clone();
            tokio::select! {
                () = tokio::time::sleep(left.min(SECOND)) => {}
                () = died.notified() => {
                    self.step(&Step::Kill).await;
                    self.step(&Step::Start).await;
                }
            }
        }
    }

    /// Ends all that is wrong. One member may stay without endpoints, but not if another leaves: that one waits for what replaces it.
    pub(crate) async fn heal(&mut self) {
        let bare = {
            let mut watch = self.watch();
            let leaving = watch.members.iter().any(|member| member.belongs == Belongs::Leaving);
            watch.bare = watch.history.bare.filter(|_| !leaving);
            watch.bare
        };
        self.step(&Step::ZoneWell).await;
        for m in 0..self.history.members.len() {
            self.step(&Step::Member(m, FINE)).await;
            for s in 0..self.history.services.len() {
                let ready = if bare == Some(m) { Ready::None } else { Ready::All };
                self.step(&Step::Endpoints(m, s, ready)).await;
            }
        }
        if self.running[0].is_some() {
            self.step(&Step::SecondEnds).await;
        }
        if self.running[1].is_none() {
            self.step(&Step::Start).await;
        }
    }

    /// Waits until all is as it should be, and sees that it stays so without a write.
    pub(crate) async fn rests(&mut self) -> Result<(), String> {
        self.comes_to_rest().await?;
        // What the last change has brought about is over.
        self.pass(MINUTE).await?;
        self.comes_to_rest().await?;
        let writes = self.writes();
        self.pass(QUIET).await?;
        let trouble = rest::trouble(&self.watch());
        match trouble {
            Some(trouble) => Err(format!("it does not stay at rest: {trouble}")),
            None if self.writes() != writes => Err("the zone is written at rest".to_owned()),
            None => Ok(()),
        }
    }

    async fn comes_to_rest(&mut self) -> Result<(), String> {
        let end = Instant::now() + REST;
        loop {
            let trouble = {
                let watch = self.watch();
                rest::unrest(&watch).or_else(|| rest::trouble(&watch))
            };
            match trouble {
                None => return Ok(()),
                Some(trouble) if Instant::now() >= end => return Err(format!("it never came to rest: {trouble}")),
                Some(_) => self.pass(2 * SECOND).await?,
            }
        }
    }

    fn writes(&self) -> u64 {
        use kfed_azure_emulator::Operation::{RecordSetDelete, RecordSetWrite};
        let requests = self.watch().emulator.requests();
        requests.by("PUT", RecordSetWrite) + requests.by("DELETE", RecordSetDelete)
    }

    /// Makes `step` happen.
    pub(crate) async fn step(&mut self, step: &Step) {
        self.watch().note(&format!("{step:?}"));
        match *step {
            Step::Member(m, faults) => self.watch().members[m].cluster.set_faults(faults),
            Step::Endpoints(m, s, ready) => self.endpoints(m, s, ready).await,
            Step::Create(s) => self.create(s).await,
            Step::Delete(s) => {
                let _ = self.services(s).delete(&self.history.services[s].name, &DeleteParams::default()).await;
                self.watch().want(s, Leads::Nowhere);
            }
            Step::Type(s, type_) => self.set_type(s, type_).await,
            Step::DeleteNamespace => {
                let namespaces = Api::<Namespace>::all(self.fleet.client.clone());
                let _ = namespaces.delete("shop", &DeleteParams::default()).await;
                for s in 0..self.history.services.len() {
                    if self.history.services[s].namespace == "shop" {
                        self.watch().want(s, Leads::Nowhere);
                    }
                }
            }
            Step::Join(m, cluster) => self.join(m, cluster).await,
            Step::Leave(m, way) => self.leave(m, way).await,
            Step::Start => self.run(0),
            Step::Second => self.run(1),
            Step::Kill => self.kill(0).await,
            Step::SecondEnds => self.kill(1).await,
            Step::Hand(hand) => {
                let mut watch = self.watch();
                hand::edit(&mut watch, hand);
                watch.look_at_zone();
            }
            Step::Zone(fault) => {
                let faults = azure::faults(fault, &self.history.services);
                self.watch().emulator.set_faults(faults);
                self.way.lock().unwrap().slow = if let ZoneFault::Slow(time) = fault { time } else { Duration::ZERO };
                // A lock on one set stops nobody else.
                match fault {
                    ZoneFault::Forbids(s) => self.touch(s),
                    _ => self.watch().zone_is(false),
                }
            }
            Step::ZoneWell => {
                self.watch().emulator.set_faults(ZoneFaults::none());
                self.way.lock().unwrap().slow = Duration::ZERO;
                self.watch().zone_is(true);
                for s in 0..self.history.services.len() {
                    self.touch(s);
                }
            }
        }
        self.watch().look();
    }

    /// The names of a service are, or were until now, not kfed's to write.
    fn touch(&self, s: usize) {
        for state in &mut self.watch().services[s].names {
            state.touched = Some(Instant::now());
        }
    }

    fn run(&mut self, n: usize) {
        if self.running[n].is_none() {
            let clock = self.fleet.clock();
            let dns = azure::provider(&self.watch, &self.way, clock.clone());
            let control_plane = self.fleet.builder_with(dns, clock).build();
            self.running[n] = Some(tokio::spawn(control_plane.run(CancellationToken::new())));
            self.runs_anew();
        }
    }

    async fn kill(&mut self, n: usize) {
        if let Some(task) = self.running[n].take() {
            task.abort();
            let _ = task.await;
            if self.running.iter().all(Option::is_none) {
                self.watch().runs.set(false, Instant::now());
            }
        }
    }

    /// What is known begins anew: the youngest control plane knows no more than it has seen.
    fn runs_anew(&self) {
        let mut watch = self.watch();
        watch.runs.set(false, Instant::now());
        watch.runs.set(true, Instant::now());
    }

    async fn emulate(&mut self, m: usize) {
        let spec = &self.history.members[m];
        let nodes = spec.zones.len().max(1) as u32;
        let cluster = ClusterEmulator::builder(spec.name).region(spec.region).zones(spec.zones.clone()).nodes(nodes);
        self.fleet.emulate(cluster).await;
        let cluster = self.fleet.member(spec.name);
        let follower = tokio::spawn(follow(Api::all(cluster.client()), self.watch.clone(), m));
        let member = Member::new(cluster, self.history.services.len(), Instant::now());
        let mut watch = self.watch.lock().unwrap();
        if m < watch.members.len() {
            watch.members[m] = member;
            std::mem::replace(&mut self.followers[m], follower).abort();
        } else {
            watch.members.push(member);
            self.followers.push(follower);
        }
    }

    async fn endpoints(&self, m: usize, s: usize, ready: Ready) {
        let cluster = self.watch().members[m].cluster.clone();
        let service = &self.history.services[s];
        let pods = Api::<Pod>::namespaced(cluster.client(), service.namespace);
        let ours = pods.list(&ListParams::default().labels(&format!("run={}", service.name))).await.unwrap().items;
        let spared = match ready {
            Ready::None => 0,
            Ready::Half => ours.len().div_ceil(2),
            Ready::All => ours.len(),
        };
        for (n, pod) in ours.iter().enumerate() {
            let started = pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
            let status = if n < spared { "True" } else { "False" };
            let patch = json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
            if started && let Some(name) = &pod.metadata.name {
                let _ = pods.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await;
            }
        }
    }

    async fn create(&self, s: usize) {
        let service = &self.history.services[s];
        let namespaces = Api::<Namespace>::all(self.fleet.client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": service.namespace}})).unwrap();
        let _ = namespaces.create(&PostParams::default(), &namespace).await;
        let labels = json!({"run": service.name});
        let set = json!({
            "metadata": {"name": service.name, "annotations": {
                kfed_api::keys::REPLICA_SET_PREFERENCES: SPREAD, kfed_api::keys::ADOPT: "true"
            }},
            "spec": {
                "replicas": 2 * self.history.members.len(), "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}}
            }
        });
        let sets = Api::<ReplicaSet>::namespaced(self.fleet.client.clone(), service.namespace);
        let _ = sets.create(&PostParams::default(), &serde_json::from_value(set).unwrap()).await;
        let mut annotations = json!({kfed_api::keys::ADOPT: "true"});
        if let Some(ttl) = service.ttl {
            annotations[kfed_api::keys::DNS_TTL] = json!(ttl.to_string());
        }
        if let Some(priority) = service.priority {
            annotations[kfed_api::keys::PRIORITY] = json!(priority.to_string());
        }
        if let Some(host) = service.hostname {
            annotations[kfed_api::keys::HOSTNAME] = json!(format!("{host}.{ZONE}"));
        }
        let object = json!({
            "metadata": {"name": service.name, "annotations": annotations},
            "spec": {"type": "LoadBalancer", "selector": labels, "ports": [{"name": "http", "port": PORT}]}
        });
        // One that is still on its way out does not come back by this.
        let made = self.services(s).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await;
        if let Ok(made) = made {
            let mut watch = self.watch();
            watch.services[s].created = made.metadata.creation_timestamp.map(|time| time.0.as_second());
            watch.want(s, Leads::ToMembers);
        }
    }

    async fn set_type(&self, s: usize, type_: &str) {
        let name = &self.history.services[s].name;
        let found = self.services(s).get_opt(name).await.unwrap();
        if found.is_some_and(|service| service.metadata.deletion_timestamp.is_none()) {
            let leads = match type_ {
                "LoadBalancer" => Leads::ToMembers,
                "ExternalName" => Leads::Elsewhere,
                _ => Leads::Nowhere,
            };
            let external = (leads == Leads::Elsewhere).then_some(ELSEWHERE);
            let patch = Patch::Merge(json!({"spec": {"type": type_, "externalName": external}}));
            self.services(s).patch(name, &PatchParams::default(), &patch).await.unwrap();
            self.watch().want(s, leads);
        }
    }

    async fn join(&mut self, m: usize, cluster: Cluster) {
        if self.watch().members[m].belongs != Belongs::Out {
            return;
        }
        if cluster == Cluster::New {
            self.emulate(m).await;
        }
        let name = self.history.members[m].name;
        let secret = Secret {
            metadata: serde_json::from_value(json!({
                "name": format!("{name}-credentials"), "labels": {kfed_api::keys::MEMBER: name}
            }))
            .unwrap(),
            data: Some([("kubeconfig".to_owned(), ByteString(b"in process".to_vec()))].into()),
            ..Secret::default()
        };
        let secrets = Api::<Secret>::namespaced(self.fleet.client.clone(), SYSTEM_NAMESPACE);
        let _ = secrets.create(&PostParams::default(), &secret).await;
        let spec = json!({"metadata": {"name": name}, "spec": {"secretRef": {"name": format!("{name}-credentials")}}});
        let object: ClusterObject = serde_json::from_value(with_kind(spec)).unwrap();
        self.fleet.clusters().create(&PostParams::default(), &object).await.unwrap();
        let mut watch = self.watch();
        watch.members[m].belongs = Belongs::In;
        // What was known of it went with its Cluster.
        for place in &mut watch.members[m].places {
            (place.held, place.ready) = (Lasting::default(), Lasting::default());
        }
    }

    async fn leave(&self, m: usize, way: Leaves) {
        if self.watch().members[m].belongs != Belongs::In {
            return;
        }
        let (clusters, name) = (self.fleet.clusters(), self.history.members[m].name);
        self.watch().members[m].belongs = Belongs::Leaving;
        if way == Leaves::Deleted {
            clusters.delete(name, &DeleteParams::default()).await.unwrap();
        } else {
            let wish = json!({"spec": {"unjoin": {"force": way == Leaves::Force, "orphan": false}}});
            clusters.patch(name, &PatchParams::default(), &Patch::Merge(wish)).await.unwrap();
        }
    }

    /// Sees who has left, and who stays because they were not let go.
    async fn who_has_left(&self) {
        for m in 0..self.history.members.len() {
            if self.watch().members[m].belongs != Belongs::Leaving {
                continue;
            }
            let found = self.fleet.clusters().get_opt(self.history.members[m].name).await.unwrap();
            let belongs = match found {
                None => Belongs::Out,
                Some(cluster) if cluster.metadata.deletion_timestamp.is_some() => Belongs::Leaving,
                Some(cluster) if cluster.spec.unjoin.is_some() => Belongs::Leaving,
                Some(_) => Belongs::In,
            };
            if belongs != Belongs::Leaving {
                let name = self.history.members[m].name;
                self.watch().note(&format!("{name} is {belongs:?}"));
            }
            self.watch().members[m].belongs = belongs;
        }
    }

    fn services(&self, s: usize) -> Api<Service> {
        Api::namespaced(self.fleet.client.clone(), self.history.services[s].namespace)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for task in self.running.iter().flatten().chain(&self.followers) {
            task.abort();
        }
    }
}

fn with_kind(mut object: Value) -> Value {
    object["apiVersion"] = json!("kfed.io/v1beta1");
    object["kind"] = json!("Cluster");
    object
}

/// Counts the ready endpoints of a member as its slices tell.
async fn follow(slices: Api<EndpointSlice>, watch: Arc<Mutex<Watch>>, m: usize) {
    let mut events = std::pin::pin!(watcher(slices, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let (slice, there) = match event {
            Ok(watcher::Event::Apply(slice) | watcher::Event::InitApply(slice)) => (slice, true),
            Ok(watcher::Event::Delete(slice)) => (slice, false),
            _ => continue,
        };
        let service = slice.metadata.labels.as_ref().and_then(|labels| labels.get("kubernetes.io/service-name"));
        let (Some(service), Some(namespace)) = (service, &slice.metadata.namespace) else { continue };
        let is_ready = |endpoint: &&k8s_openapi::api::discovery::v1::Endpoint| {
            endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
        };
        let ready = slice.endpoints.iter().flatten().filter(is_ready).count();
        let mut watch = watch.lock().unwrap();
        watch.members[m].endpoints.insert((namespace.clone(), service.clone()), if there { ready } else { 0 });
        watch.look();
    }
}
