//! A federation in this process: its API and its members on some threads, its control plane on others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kfed_api::{Cluster, ClusterPhase, ClusterSpec, FederationSpec, SYSTEM_NAMESPACE, SecretReference, keys};
use kfed_control_plane::bootstrap::bootstrap;
use kfed_control_plane::{Clock, Connect, ControlPlane, MemberConnector, Settings};
use kfed_dnsprovider::{DnsProvider, MemoryProvider};
use kfed_replica_scheduler::Scheduler;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use kube::core::DynamicObject;
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::BoxError;
use tower::util::BoxCloneSyncService;

use crate::Size;
use crate::looks::Looks;
use crate::member::Member;
use crate::object::{Kind, MEMBER};

/// The name of the control plane's threads.
pub(crate) const CONTROL_PLANE: &str = "control-plane";
/// The name of the threads of all servers.
pub(crate) const SERVERS: &str = "servers";
pub(crate) const ZONE: &str = "example.com";
const POLL: Duration = Duration::from_millis(20);
/// How many objects are created at once.
const CREATED_AT_ONCE: usize = 8;
pub(crate) struct Fleet {
    pub(crate) size: Size,
    pub(crate) api: Member,
    pub(crate) members: Arc<BTreeMap<String, Member>>,
    pub(crate) looks: Looks,
    clock: Clock,
    threads: Runtime,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

// === impl Fleet ===

impl Fleet {
    /// A federation whose members are Ready.
    pub(crate) async fn start(size: Size) -> Self {
        let servers = Handle::current();
        let epoch = Instant::now();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let names = (0..size.members).map(member_name);
        let mut fleet = Self {
            size,
            api: Member::new("federation", &servers),
            members: Arc::new(names.map(|name| (name.clone(), Member::new(&name, &servers))).collect()),
            looks: Looks::new(size.members),
            clock: Arc::new(move || start + SignedDuration::try_from(epoch.elapsed()).unwrap()),
            threads: threads(CONTROL_PLANE),
            running: None,
        };
        bootstrapped(&fleet.api.inside()).await;
        for name in fleet.members.keys() {
            join(&fleet.api.inside(), name, b"in process").await;
        }
        fleet.run();
        eventually(size.patience, "the members are Ready", async || are_ready(&fleet.api.inside()).await).await;
        fleet
    }

    /// Starts a control plane.
    pub(crate) fn run(&mut self) {
        let mut settings = Settings::new("fed", ZONE.parse().unwrap());
        settings.scheduler = Arc::new(Scheduler::default().filter(self.looks.clone()));
        let dns = DnsProvider::new(MemoryProvider::with_zone(ZONE.parse().unwrap()));
        let _guard = self.threads.enter();
        let control_plane = ControlPlane::builder(self.api.client(), settings, dns, self.clock.clone());
        let control_plane = control_plane.connector(connector(&self.members)).build();
        let shutdown = CancellationToken::new();
        self.running = Some((shutdown.clone(), self.threads.spawn(control_plane.run(shutdown))));
    }

    /// Ends the control plane.
    pub(crate) async fn end(&mut self) {
        let (shutdown, task) = self.running.take().unwrap();
        shutdown.cancel();
        task.await.unwrap();
    }

    /// Ends all of it.
    pub(crate) async fn over(mut self) {
        self.end().await;
        self.threads.shutdown_background();
    }

    /// How many writes have changed something anywhere.
    pub(crate) fn writes(&self) -> u64 {
        self.api.writes() + self.member_writes()
    }

    /// How many of them in members.
    pub(crate) fn member_writes(&self) -> u64 {
        self.members.values().map(Member::writes).sum()
    }

    /// Waits until nothing has been written for so long.
    pub(crate) async fn rests(&self, quiet: Duration) {
        let (mut before, mut since) = (self.writes(), Instant::now());
        while since.elapsed() < quiet {
            tokio::time::sleep(POLL).await;
            let now = self.writes();
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
    }
}

/// Waits until `check` holds.
pub(crate) async fn eventually(patience: Duration, what: &str, check: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !check().await {
        assert!(start.elapsed() < patience, "it never came to be that {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Makes an empty API a federation's.
pub(crate) async fn bootstrapped(federation: &Client) {
    let spec = FederationSpec { dns_zone_name: ZONE.into(), dns_provider: "memory".into() };
    bootstrap(federation, "fed", spec, Duration::from_secs(10)).await.unwrap();
}

/// Whether all members are Ready.
pub(crate) async fn are_ready(federation: &Client) -> bool {
    let all = Api::<Cluster>::all(federation.clone()).list(&ListParams::default()).await.unwrap();
    let phase = |cluster: &Cluster| cluster.status.as_ref().and_then(|status| status.phase);
    all.iter().all(|cluster| phase(cluster) == Some(ClusterPhase::Ready))
}

/// The objects of a kind.
pub(crate) fn objects(api: Client, kind: Kind) -> Api<DynamicObject> {
    Api::default_namespaced_with(api, &kind.resource())
}

pub(crate) async fn create(federation: &Client, kind: Kind, object: &Value) {
    let object = serde_json::from_value(object.clone()).unwrap();
    objects(federation.clone(), kind).create(&PostParams::default(), &object).await.unwrap();
}

/// Creates so many.
pub(crate) async fn create_all(federation: &Client, kind: Kind, count: usize, object: impl Fn(usize) -> Value) {
    let create = async |n| create(federation, kind, &object(n)).await;
    futures::stream::iter(0..count).for_each_concurrent(CREATED_AT_ONCE, create).await;
}

/// Threads of a name, as many as `kfed controller-manager` has.
fn threads(name: &str) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().thread_name(name).enable_all().build().unwrap()
}

/// Runs a measurement on the threads of the servers.
pub(crate) fn on_servers<T>(measure: impl Future<Output = T>) -> T {
    let servers = threads(SERVERS);
    let result = servers.block_on(measure);
    servers.shutdown_background();
    result
}

pub(crate) fn member_name(n: usize) -> String {
    format!("member-{n:04}")
}

/// The two objects that make a member.
pub(crate) async fn join(federation: &Client, name: &str, kubeconfig: &[u8]) {
    let labels = |key: &str, value: String| Some(BTreeMap::from([(key.to_owned(), value)]));
    let metadata = ObjectMeta {
        name: Some(format!("{name}-credentials")),
        labels: labels(keys::MEMBER, name.to_owned()),
        ..ObjectMeta::default()
    };
    let data = BTreeMap::from([(keys::SECRET_KUBECONFIG.to_owned(), ByteString(kubeconfig.to_vec()))]);
    let secret = Secret { metadata, data: Some(data), ..Secret::default() };
    let secrets = Api::<Secret>::namespaced(federation.clone(), SYSTEM_NAMESPACE);
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let spec = ClusterSpec { secret_ref: SecretReference { name: secret.name_any() }, ..ClusterSpec::default() };
    let mut cluster = Cluster::new(name, spec);
    cluster.metadata.labels = labels(MEMBER, name.to_owned());
    Api::<Cluster>::all(federation.clone()).create(&PostParams::default(), &cluster).await.unwrap();
}

fn connector(members: &Arc<BTreeMap<String, Member>>) -> MemberConnector {
    let members = members.clone();
    BoxCloneSyncService::new(tower::service_fn(move |connect: Connect| {
        let client = members.get(&connect.member).map(Member::client);
        async move { client.ok_or_else(|| BoxError::from("no such member")) }
    }))
}
