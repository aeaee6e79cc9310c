//! A federation in one process on a paused clock: the API server, members and zone are real services, no socket is open.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod azure;
pub(crate) mod outage;
pub(crate) mod tap;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::tap::Tap;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kfed_api::{Cluster, ClusterSpec, FederationSpec, SecretReference};
use kfed_apiserver::ApiServer;
use kfed_cluster_emulator::{
    ApiFault, ClusterEmulator, ClusterEmulatorBuilder, Faults, LbAnswer, LbFault, LoadBalancers,
};
use kfed_cluster_health::{AddressTarget, Failure, Probe, ProbeOutcome};
use kfed_control_plane::bootstrap::bootstrap;
use kfed_control_plane::{AddressProbe, Clock, Connect, ControlPlane, ControlPlaneBuilder, MemberConnector, Settings};
use kfed_dnsprovider::layer::{Budget, Limits};
use kfed_dnsprovider::memory::{Call, Fault};
use kfed_dnsprovider::{
    DnsError, DnsProvider, ErrorClass, MemoryProvider, OperationKind, Owner, RecordData, RecordSet, RecordType, ZoneId,
};
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::BoxError;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

pub(crate) const ZONE: &str = "example.com";
pub(crate) const HOSTNAME: &str = "hostname.default.fed.svc.example.com.";

/// Everything that fails: the API answers nothing, the addresses accept and say nothing.
pub(crate) const HANG: Faults = Faults { api: ApiFault::Hang, lb: LbFault::Hang };
pub(crate) const FINE: Faults = Faults { api: ApiFault::Ok, lb: LbFault::Ok };

/// The API says nothing; the addresses answer.
pub(crate) const API_SILENT: Faults = Faults { api: ApiFault::Hang, lb: LbFault::Ok };
/// The addresses accept and say nothing; the API answers.
pub(crate) const LB_SILENT: Faults = Faults { api: ApiFault::Ok, lb: LbFault::Hang };

/// The API and the addresses refuse connections.
pub(crate) const REFUSE: Faults = Faults { api: ApiFault::Refuse, lb: LbFault::Refuse };

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) const SPREAD: &str = r#"{"rebalance": true, "clusters": {"*": {"weight": 1}}}"#;
pub(crate) const BOUNDED: &str = r#"{"rebalance": true, "clusters": {
    "fed-west": {"minReplicas": 2, "maxReplicas": 4, "weight": 1}, "fed-east": {"minReplicas": 2, "maxReplicas": 4, "weight": 1}}}"#;

type Members = Arc<Mutex<BTreeMap<String, Arc<ClusterEmulator>>>>;

pub(crate) struct Fleet {
    pub(crate) api: ApiServer,
    pub(crate) client: Client,
    pub(crate) dns: MemoryProvider,
    pub(crate) zone: ZoneId,
    pub(crate) settings: Settings,
    /// What the zone allows a control plane that starts from now on; nothing is limited by default.
    pub(crate) limits: Limits,
    /// By how many seconds members' clocks are ahead; those that are not named tell no time.
    pub(crate) clocks: Arc<Mutex<BTreeMap<String, i64>>>,
    members: Members,
    running: Option<(CancellationToken, JoinHandle<()>)>,
    epoch: tokio::time::Instant,
}

impl Fleet {
    /// A federation without members, whose control plane runs.
    pub(crate) async fn start() -> Self {
        let mut fleet = Self::idle().await;
        fleet.run();
        fleet
    }

    /// The same without a control plane.
    pub(crate) async fn idle() -> Self {
        let api = ApiServer::new();
        let client = Client::new(api.clone(), "default");
        let zone_name = ZONE.parse().unwrap();
        let dns = MemoryProvider::with_zone(ZONE.parse().unwrap());
        let spec = FederationSpec { dns_zone_name: ZONE.into(), dns_provider: "memory".into() };
        bootstrap(&client, "fed", spec, Duration::from_secs(10)).await.unwrap();
        Self {
            api,
            client,
            dns,
            zone: ZoneId(ZONE.into()),
            settings: unrepaired(Settings::new("fed", zone_name)),
            limits: Limits::default(),
            clocks: Arc::default(),
            members: Members::default(),
            running: None,
            epoch: tokio::time::Instant::now(),
        }
    }

    /// The same with two members, `hostname` in both and published.
    pub(crate) async fn published() -> Self {
        let fleet = Self::start().await;
        fleet.join("fed-west", "westus", &["1", "2"]).await;
        fleet.join("fed-east", "eastus", &["1"]).await;
        fleet.replica_set("hostname", 8, Some(BOUNDED)).await;
        fleet.service().await;
        fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
        fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
        // Every address has been asked with endpoints behind it: one that has never answered counts as private.
        tokio::time::sleep(15 * SECOND).await;
        fleet
    }

    /// Starts a control plane.
    pub(crate) fn run(&mut self) {
        self.run_as(self.builder(self.clock()));
    }

    /// Starts this control plane.
    pub(crate) fn run_as(&mut self, control_plane: ControlPlaneBuilder) {
        let shutdown = CancellationToken::new();
        self.running = Some((shutdown.clone(), tokio::spawn(control_plane.build().run(shutdown))));
    }

    /// A control plane with the parts of this federation.
    pub(crate) fn builder(&self, clock: Clock) -> ControlPlaneBuilder {
        let dns = self.dns.provider().within(&Budget::new(self.limits.clone()));
        self.builder_with(dns, clock)
    }

    /// A control plane all of whose requests pass `tap`.
    pub(crate) fn tapped(&self, tap: &Tap) -> ControlPlaneBuilder {
        let client = tap.client(tap::FEDERATION, self.client.clone());
        let dns = tap.dns(self.dns.provider());
        ControlPlane::builder(client, self.settings.clone(), dns, self.clock())
            .connector(tap.connector(connector(&self.members, &self.clocks, self.clock())))
            .address_probe(address_probe(&self.members))
    }

    /// A control plane with another provider.
    pub(crate) fn builder_with(&self, dns: DnsProvider, clock: Clock) -> ControlPlaneBuilder {
        self.builder_of(self.client.clone(), dns, clock)
    }

    /// A control plane that sees the federation API through `client`.
    pub(crate) fn builder_of(&self, client: Client, dns: DnsProvider, clock: Clock) -> ControlPlaneBuilder {
        ControlPlane::builder(client, self.settings.clone(), dns, clock)
            .connector(connector(&self.members, &self.clocks, self.clock()))
            .address_probe(self.address_probe())
    }

    /// Asks the members' addresses.
    pub(crate) fn address_probe(&self) -> AddressProbe {
        address_probe(&self.members)
    }

    /// The paused clock.
    pub(crate) fn clock(&self) -> Clock {
        let epoch = self.epoch;
        Arc::new(move || {
            let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            start + SignedDuration::try_from(epoch.elapsed()).unwrap()
        })
    }

    /// Kills the control plane where it stands.
    pub(crate) async fn kill(&mut self) {
        let (_, task) = self.running.take().unwrap();
        task.abort();
        task.await.unwrap_err();
    }

    /// The same, with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut fleet = Self::start().await;
        fleet.kill().await;
        change(&mut fleet.settings);
        fleet.run();
        fleet
    }

    /// As many members as there are names, each in a region of its own, with Service `hostname` in all of them, and an address that
    /// answers.
    pub(crate) async fn serving(self, members: &[&str]) -> Self {
        for member in members {
            self.join(member, member, &["1"]).await;
        }
        let replicas = 4 * i32::try_from(members.len()).unwrap();
        self.replica_set("hostname", replicas, Some(SPREAD)).await;
        self.service().await;
        let wanted: Vec<_> = members.iter().map(|member| (*member, 4)).collect();
        self.is_spread("hostname", &wanted).await;
        self.eventually("all answer", async || self.answer(HOSTNAME).len() == members.len()).await;
        tokio::time::sleep(15 * SECOND).await;
        self
    }

    /// Breaks, or heals, a member: its API and its addresses, each by itself.
    pub(crate) fn set(&self, member: &str, faults: Faults) {
        self.member(member).set_faults(faults);
    }

    /// Breaks, or heals, the API of a member and leaves its addresses as they are.
    pub(crate) fn set_api(&self, member: &str, api: ApiFault) {
        let faults = self.member(member).faults();
        self.set(member, Faults { api, ..faults });
    }

    /// Breaks, or heals, the addresses of a member and leaves its API as it is.
    pub(crate) fn set_addresses(&self, member: &str, lb: LbFault) {
        let faults = self.member(member).faults();
        self.set(member, Faults { lb, ..faults });
    }

    /// Breaks a member for `down` and heals it for `up`, until `time` is over; it is well in the end.
    pub(crate) async fn flap(&self, member: &str, faults: Faults, down: Duration, up: Duration, time: Duration) {
        let start = tokio::time::Instant::now();
        while start.elapsed() < time {
            self.set(member, faults);
            tokio::time::sleep(down).await;
            self.set(member, FINE);
            tokio::time::sleep(up).await;
        }
    }

    /// Makes `ready` the ready endpoints of Service `hostname` in a member, beside those of its pods.
    pub(crate) async fn endpoints(&self, member: &str, ready: usize) {
        let slices = Api::<EndpointSlice>::namespaced(self.member(member).client(), "default");
        let endpoints: Vec<_> = (0..ready).map(|n| json!({"addresses": [format!("10.9.9.{n}")]})).collect();
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "extra", "labels": {"kubernetes.io/service-name": "hostname"}},
            "addressType": "IPv4", "endpoints": endpoints
        });
        slices.patch("extra", &PatchParams::apply("test").force(), &Patch::Apply(slice)).await.unwrap();
    }

    /// What goes wrong with requests to the zone from now on, by what `fault` says of each.
    pub(crate) fn break_zone(&self, fault: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.dns.on_request(fault);
    }

    /// The zone fails, by `class`, every request that `concerns` tells of.
    pub(crate) fn refuse(&self, class: ErrorClass, concerns: impl Fn(&Call) -> bool + Send + 'static) {
        self.break_zone(move |call| concerns(call).then(|| Fault::Fail(DnsError::new(class, call.operation, "no"))));
    }

    pub(crate) fn heal_zone(&self) {
        self.break_zone(|_| None);
    }

    /// How many requests have changed the zone since they were last forgotten.
    pub(crate) fn writes(&self) -> usize {
        let kinds = [OperationKind::Create, OperationKind::Update, OperationKind::Delete];
        kinds.into_iter().map(|kind| self.dns.requests(kind)).sum()
    }

    /// Creates another Service of type LoadBalancer over the same pods.
    pub(crate) async fn another(&self, name: &str, annotations: Value) {
        let service = json!({
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"type": "LoadBalancer", "selector": {"run": "hostname"}, "ports": [{"name": "http", "port": 8000}]}
        });
        self.services().create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    }

    /// Starts a member and lets it join.
    pub(crate) async fn join(&self, name: &str, region: &str, zones: &[&str]) {
        let member = ClusterEmulator::builder(name).region(region).zones(zones.iter().copied());
        self.join_as(name, member.load_balancers(LoadBalancers::Simulated)).await;
    }

    /// Starts a cluster, in place of the one that had its name.
    pub(crate) async fn emulate(&self, cluster: ClusterEmulatorBuilder) {
        self.start_cluster(cluster.load_balancers(LoadBalancers::Simulated)).await;
    }

    async fn start_cluster(&self, cluster: ClusterEmulatorBuilder) {
        let cluster = cluster.start().await.unwrap();
        self.members.lock().unwrap().insert(cluster.name().to_owned(), Arc::new(cluster));
    }

    /// Starts a member that has room for one pod, and lets it join.
    pub(crate) async fn join_small(&self, name: &str) {
        let member = ClusterEmulator::builder(name).region(name).zones(["1"]).nodes(1).pods_per_node(1);
        self.join_as(name, member.load_balancers(LoadBalancers::Simulated)).await;
    }

    /// Starts this member and lets it join.
    pub(crate) async fn join_as(&self, name: &str, member: ClusterEmulatorBuilder) {
        self.start_cluster(member).await;
        self.join_again(name).await;
        self.eventually(&format!("{name} is Ready"), async || self.phase(name).await == "Ready").await;
    }

    /// Lets member `name` be reached by the name `twin` too.
    pub(crate) fn call_also(&self, name: &str, twin: &str) {
        let member = self.member(name);
        self.members.lock().unwrap().insert(twin.to_owned(), member);
    }

    /// The two objects that make a member.
    pub(crate) async fn join_again(&self, name: &str) {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(format!("{name}-credentials")),
                labels: Some(BTreeMap::from([(kfed_api::keys::MEMBER.to_owned(), name.to_owned())])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([("kubeconfig".to_owned(), ByteString(b"in process".to_vec()))])),
            ..Secret::default()
        };
        let secrets = Api::<Secret>::namespaced(self.client.clone(), kfed_api::SYSTEM_NAMESPACE);
        secrets.create(&PostParams::default(), &secret).await.unwrap();
        let secret_ref = SecretReference { name: secret.name_any() };
        let cluster = Cluster::new(name, ClusterSpec { secret_ref, ..ClusterSpec::default() });
        self.clusters().create(&PostParams::default(), &cluster).await.unwrap();
    }

    pub(crate) fn member(&self, name: &str) -> Arc<ClusterEmulator> {
        self.members.lock().unwrap()[name].clone()
    }

    pub(crate) fn clusters(&self) -> Api<Cluster> {
        Api::all(self.client.clone())
    }

    pub(crate) fn replica_sets(&self) -> Api<ReplicaSet> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) fn services(&self) -> Api<Service> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) async fn phase(&self, name: &str) -> String {
        let status = self.clusters().get_opt(name).await.unwrap().and_then(|cluster| cluster.status);
        status.and_then(|status| status.phase).map_or_else(|| "none".to_owned(), |phase| phase.to_string())
    }

    /// Creates or changes ReplicaSet `name`.
    pub(crate) async fn replica_set(&self, name: &str, replicas: i32, preferences: Option<&str>) {
        let annotations =
            preferences.map(|json| json!({kfed_api::keys::REPLICA_SET_PREFERENCES: json})).unwrap_or_default();
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": {"run": name}},
                "template": {
                    "metadata": {"labels": {"run": name}},
                    "spec": {"containers": [{"name": "hostname", "image": "hostname:1"}]}
                }
            }
        });
        self.replica_sets().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(set)).await.unwrap();
    }

    /// Creates Service `hostname` of type LoadBalancer.
    pub(crate) async fn service(&self) {
        let service = json!({
            "metadata": {"name": "hostname"},
            "spec": {"type": "LoadBalancer", "selector": {"run": "hostname"}, "ports": [{"name": "http", "port": 8000}]}
        });
        let service = serde_json::from_value(service).unwrap();
        self.services().create(&PostParams::default(), &service).await.unwrap();
    }

    pub(crate) async fn delete_service(&self) {
        self.services().delete("hostname", &DeleteParams::default()).await.unwrap();
    }

    /// `(spec.replicas, readyReplicas)` of `name` in each member that holds it.
    pub(crate) async fn spread(&self, name: &str) -> BTreeMap<String, (i32, i32)> {
        let members = self.members.lock().unwrap().clone();
        let mut spread = BTreeMap::new();
        for (member, emulator) in members {
            let sets = Api::<ReplicaSet>::namespaced(emulator.client(), "default");
            if let Some(set) = sets.get_opt(name).await.unwrap() {
                let ready = set.status.and_then(|status| status.ready_replicas).unwrap_or(0);
                spread.insert(member, (set.spec.replicas.unwrap_or(1), ready));
            }
        }
        spread
    }

    /// The same in one member; nothing where it has no copy.
    pub(crate) async fn held(&self, name: &str, member: &str) -> (i32, i32) {
        self.spread(name).await.get(member).copied().unwrap_or_default()
    }

    /// Waits until `name` is so spread over the members, every replica ready.
    pub(crate) async fn is_spread(&self, name: &str, wanted: &[(&str, i32)]) {
        let wanted: BTreeMap<_, _> = wanted.iter().map(|(member, n)| ((*member).to_owned(), (*n, *n))).collect();
        self.eventually(&format!("{name} is {wanted:?}"), async || self.spread(name).await == wanted).await;
    }

    /// Condition `type_` of an object in the federation: `Status Reason: message`.
    pub(crate) async fn condition(&self, kind: &str, name: &str, type_: &str) -> String {
        let object = match kind {
            "ReplicaSet" => serde_json::to_value(self.replica_sets().get_opt(name).await.unwrap()).unwrap(),
            "Federation" => {
                let federations = Api::<kfed_api::Federation>::all(self.client.clone());
                serde_json::to_value(federations.get_opt(name).await.unwrap()).unwrap()
            }
            "Service" => serde_json::to_value(self.services().get_opt(name).await.unwrap()).unwrap(),
            _ => serde_json::to_value(self.clusters().get_opt(name).await.unwrap()).unwrap(),
        };
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        let condition = conditions.iter().find(|condition| condition["type"] == type_);
        condition.map_or_else(
            || "none".to_owned(),
            |c| format!("{} {}: {}", text(c, "status"), text(c, "reason"), text(c, "message")),
        )
    }

    pub(crate) async fn says(&self, kind: &str, name: &str, type_: &str, words: &str) {
        let what = format!("{type_} of {kind} {name} says `{words}`");
        self.eventually(&what, async || self.condition(kind, name, type_).await.contains(words)).await;
    }

    /// What is answered for `name` as A.
    pub(crate) fn answer(&self, name: &str) -> BTreeSet<String> {
        let sets = self.dns.contents(&self.zone);
        let at = sets.iter().filter(|set| set.key.name.as_str() == name && set.key.record_type == RecordType::A);
        at.flat_map(|set| set.data.iter().map(ToString::to_string)).collect()
    }

    /// Every owned record set: `name` and how many data it has.
    pub(crate) fn owned(&self) -> BTreeMap<String, usize> {
        let owner = Owner("fed".into());
        let sets = self.dns.contents(&self.zone);
        sets.iter().filter(|set| owner.owns(set)).map(|set| (set.key.to_string(), set.data.len())).collect()
    }

    /// Puts somebody else's record into the zone.
    pub(crate) fn plant(&self, name: &str) -> RecordSet {
        let set = RecordSet {
            key: kfed_dnsprovider::RecordSetKey::new(name.parse().unwrap(), RecordType::A),
            ttl: 300,
            data: [RecordData::A("192.0.2.1".parse().unwrap())].into(),
            metadata: Default::default(),
            etag: None,
            alias: false,
            unknown_properties: false,
        };
        self.dns.insert(&self.zone, set)
    }

    pub(crate) async fn address(&self, member: &str) -> String {
        let services = Api::<Service>::namespaced(self.member(member).client(), "default");
        let service = serde_json::to_value(services.get("hostname").await.unwrap()).unwrap();
        service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap_or("none").to_owned()
    }

    /// Waits for `check`, at most ten minutes of the paused clock; returns how long it took.
    pub(crate) async fn eventually(&self, what: &str, check: impl AsyncFn() -> bool) -> Duration {
        let start = tokio::time::Instant::now();
        while !check().await {
            if start.elapsed() > Duration::from_secs(600) {
                let mut seen = format!("zone: {:?}\n", self.owned());
                for set in self.replica_sets().list(&Default::default()).await.unwrap() {
                    let name = set.name_any();
                    let scheduled = self.condition("ReplicaSet", &name, "Scheduled").await;
                    seen.push_str(&format!("ReplicaSet {name}: {:?}, {scheduled}\n", self.spread(&name).await));
                }
                for cluster in self.clusters().list(&Default::default()).await.unwrap() {
                    seen.push_str(&format!("Cluster {}: {:?}\n", cluster.name_any(), cluster.status));
                }
                panic!("it never came to be that {what}\n{seen}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        start.elapsed()
    }

    /// Checks that `check` holds for `time`.
    pub(crate) async fn always(&self, time: Duration, what: &str, check: impl AsyncFn() -> bool) {
        let start = tokio::time::Instant::now();
        while start.elapsed() < time {
            assert!(check().await, "after {:?} it no longer holds that {what}", start.elapsed());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// What events bring about is not left to the repair from time to time: a test that waits would not see that an event was missed.
fn unrepaired(mut settings: Settings) -> Settings {
    settings.resync = Duration::from_secs(3600);
    settings
}

fn connector(members: &Members, clocks: &Arc<Mutex<BTreeMap<String, i64>>>, now: Clock) -> MemberConnector {
    let (members, clocks) = (members.clone(), clocks.clone());
    BoxCloneSyncService::new(tower::service_fn(move |connect: Connect| {
        let member = members.lock().unwrap().get(&connect.member).cloned();
        let (clocks, now, name) = (clocks.clone(), now.clone(), connect.member);
        async move {
            let member = member.ok_or_else(|| BoxError::from("no such member"))?;
            // What a server over a socket does: it dates its answers.
            type Asked = http::Request<kube::client::Body>;
            let dated = ServiceExt::<Asked>::map_response(member.api(), move |mut answer: http::Response<_>| {
                if let Some(ahead) = clocks.lock().unwrap().get(&name) {
                    let date = (now() + SignedDuration::from_secs(*ahead)).strftime("%a, %d %b %Y %H:%M:%S GMT");
                    answer.headers_mut().insert(http::header::DATE, date.to_string().parse().unwrap());
                }
                answer
            });
            Ok(Client::new(dated, "default"))
        }
    }))
}

fn address_probe(members: &Members) -> AddressProbe {
    let members = members.clone();
    BoxCloneSyncService::new(tower::service_fn(move |Probe { target }: Probe<AddressTarget>| {
        let answer = answer(&members, target.addr);
        async move {
            Ok(match answer {
                LbAnswer::Hang => std::future::pending().await,
                LbAnswer::Answers(_) => ProbeOutcome::Healthy,
                LbAnswer::NoEndpoints => ProbeOutcome::Unhealthy { failure: Failure::Status(503) },
                other => ProbeOutcome::Unreachable { failure: Failure::Connect(format!("{other:?}")) },
            })
        }
    }))
}

fn answer(members: &Members, addr: SocketAddr) -> LbAnswer {
    let members = members.lock().unwrap();
    let mut answers = members.values().map(|member| member.load_balancers().probe(addr));
    answers.find(|answer| *answer != LbAnswer::NoSuchAddress).unwrap_or(LbAnswer::NoSuchAddress)
}
