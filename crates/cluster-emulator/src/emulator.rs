use std::{fmt, net::TcpListener, ops::RangeInclusive, sync::Arc, time::Duration};

use http::{HeaderValue, Request, header};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kfed_apiserver::{
    ApiServer, Clock,
    serve::{ServeOptions, Serving, serve},
};
use kube::{Api, Client, api::PostParams};
use tokio::{task::JoinHandle, time::Instant};
use tower::ServiceExt as _;

use crate::{
    EmulatorError, Faults, LoadBalancerPool, LoadBalancers, OutsideApi,
    controllers::{kubelet::Startup, nodes::NodePool},
    driver::Driver,
    faults::{FaultSwitch, ServedApi},
    names,
};

/// How long a pod takes from its node to ready, by default.
const STARTUP: RangeInclusive<Duration> = Duration::from_millis(300)..=Duration::from_millis(800);

/// An emulated member cluster. Dropping it stops its controllers and closes its load balancers; its API, which
/// [`Serving`] and clients keep alive, then answers on but nothing happens in it any more.
pub struct ClusterEmulator {
    name: String,
    server: ApiServer,
    token: Option<String>,
    switch: FaultSwitch,
    load_balancers: Arc<LoadBalancerPool>,
    controllers: JoinHandle<()>,
}

/// Settings of a [`ClusterEmulator`].
#[must_use]
pub struct ClusterEmulatorBuilder {
    name: String,
    region: String,
    zones: Vec<String>,
    nodes: u32,
    pods_per_node: u32,
    kubelet_version: Option<String>,
    startup: RangeInclusive<Duration>,
    clock: Option<Clock>,
    seed: u64,
    load_balancers: LoadBalancers,
    token: Option<String>,
}

/// How long pods take to start: one duration, or a range from which each pod gets its own by the seed.
#[derive(Debug, Clone)]
pub struct StartupDelay(RangeInclusive<Duration>);

impl From<Duration> for StartupDelay {
    fn from(delay: Duration) -> Self {
        Self(delay..=delay)
    }
}

impl From<RangeInclusive<Duration>> for StartupDelay {
    fn from(delay: RangeInclusive<Duration>) -> Self {
        Self(delay)
    }
}

impl ClusterEmulator {
    /// Settings of a member of this name, a DNS label.
    pub fn builder(name: impl Into<String>) -> ClusterEmulatorBuilder {
        ClusterEmulatorBuilder {
            name: name.into(),
            region: "local".to_owned(),
            zones: vec!["1".to_owned()],
            nodes: 3,
            pods_per_node: 110,
            kubelet_version: None,
            startup: STARTUP,
            clock: None,
            seed: 0,
            load_balancers: LoadBalancers::Listening { range: None },
            token: None,
        }
    }

    /// The member's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API as the outside sees it, with its faults: a service for `kube::Client::new` or for layers of one's own.
    /// If the member has a bearer token, requests must carry it.
    pub fn api(&self) -> OutsideApi {
        OutsideApi::new(self.server.clone(), self.switch.clone())
    }

    /// A client of the inside: it sees no faults, and needs no token.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn client(&self) -> Client {
        inside_client(&self.server, self.token.as_deref())
    }

    /// A client of the outside, which sees the faults. It carries the token.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn outside_client(&self) -> Client {
        Client::new(self.api().map_request(bearing(self.token.as_deref())), "default")
    }

    /// How many writes have changed something in it, those of its own controllers included.
    pub fn writes(&self) -> u64 {
        self.server.writes()
    }

    /// Serves the outside view over TLS, and the switches beside it under `/emulator/faults`. The kubeconfig names
    /// cluster, user and context after the member. A member can be served more than once.
    ///
    /// # Errors
    /// [`EmulatorError::Serve`] when TLS or the listener cannot be set up.
    pub async fn serve(&self, listener: TcpListener) -> Result<Serving, EmulatorError> {
        let options = ServeOptions {
            name: self.name.clone(),
            token: self.token.clone().unwrap_or_default(),
            ..ServeOptions::default()
        };
        let failed = |source| EmulatorError::Serve { member: self.name.clone(), source: Box::new(source) };
        serve(ServedApi::new(self.api()), listener, options).await.map_err(failed)
    }

    /// Breaks the member, or repairs it.
    pub fn set_faults(&self, faults: Faults) {
        self.switch.set(faults);
    }

    /// What is broken now.
    pub fn faults(&self) -> Faults {
        self.switch.get()
    }

    /// The member's load balancers.
    pub fn load_balancers(&self) -> &LoadBalancerPool {
        &self.load_balancers
    }

    /// Stops the controllers and closes the load balancers; both are stopped when this returns.
    pub async fn stop(mut self) {
        self.controllers.abort();
        let _ = (&mut self.controllers).await;
        self.load_balancers.close();
    }
}

impl Drop for ClusterEmulator {
    fn drop(&mut self) {
        self.controllers.abort();
        self.load_balancers.close();
    }
}

impl fmt::Debug for ClusterEmulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterEmulator")
            .field("name", &self.name)
            .field("faults", &self.faults())
            .field("load_balancers", &self.load_balancers)
            .finish_non_exhaustive()
    }
}

impl ClusterEmulatorBuilder {
    /// The region of all nodes, label `topology.kubernetes.io/region`; `local` by default.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// The zones that nodes take in turn, label `topology.kubernetes.io/zone`; `1` by default. None at all leaves the
    /// label out.
    pub fn zones<Z: Into<String>>(mut self, zones: impl IntoIterator<Item = Z>) -> Self {
        self.zones = zones.into_iter().map(Into::into).collect();
        self
    }

    /// How many nodes; 3 by default.
    pub fn nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// How many pods fit on a node; 110 by default.
    pub fn pods_per_node(mut self, pods: u32) -> Self {
        self.pods_per_node = pods;
        self
    }

    /// What nodes say as their kubelet's version; by default the API server's version.
    pub fn kubelet_version(mut self, version: impl Into<String>) -> Self {
        self.kubelet_version = Some(version.into());
        self
    }

    /// How long a pod takes from being bound to being ready: a [`Duration`], zero too, or a range of which each pod gets
    /// its own by the seed; 0.3 s to 0.8 s by default.
    pub fn startup(mut self, delay: impl Into<StartupDelay>) -> Self {
        self.startup = delay.into().0;
        self
    }

    /// Where timestamps come from. By default 2026-01-01T00:00:00Z plus what passes on tokio's clock from the start on.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// What names, addresses and delays are derived from; 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What stands behind Services of type LoadBalancer; listeners on loopback by default.
    pub fn load_balancers(mut self, kind: LoadBalancers) -> Self {
        self.load_balancers = kind;
        self
    }

    /// The API answers only to bearers of this token; by default to everybody.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Starts the member: when this returns its nodes are there and its controllers run.
    ///
    /// # Errors
    /// A name, region or zone that Kubernetes would refuse, a load-balancer range that cannot be had, or an API that
    /// refuses the nodes.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(self) -> Result<ClusterEmulator, EmulatorError> {
        let Self {
            name,
            region,
            zones,
            nodes,
            pods_per_node,
            kubelet_version,
            startup,
            clock,
            seed,
            load_balancers,
            token,
        } = self;
        check(&name, &region, &zones)?;
        let clock = clock.unwrap_or_else(simulated_clock);
        let switch = FaultSwitch::new();
        let load_balancers = Arc::new(LoadBalancerPool::open(&name, load_balancers, switch.clone())?);

        let mut server = ApiServer::builder().name(&name).clock(Arc::clone(&clock)).seed(seed);
        if let Some(token) = &token {
            server = server.bearer_token(token);
        }
        let server = server.build();
        let client = inside_client(&server, token.as_deref());

        let [octet, ..] = names::hash(0, &["pods", &name]).to_be_bytes();
        let failed = |source| EmulatorError::AskVersion { member: name.clone(), source: Box::new(source) };
        let kubelet_version = match kubelet_version {
            Some(version) => version,
            None => client.apiserver_version().await.map_err(failed)?.git_version,
        };
        let pool = NodePool { member: name.clone(), region, zones, nodes, pods_per_node, kubelet_version, octet };
        register(&client, &pool.nodes(clock())).await?;

        let startup =
            Startup { shortest: *startup.start(), longest: *startup.end(), seed: names::hash(seed, &[&name]), octet };
        let driver = Driver { client, clock, startup, load_balancers: Arc::clone(&load_balancers) };
        let controllers = tokio::spawn(driver.run());
        Ok(ClusterEmulator { name, server, token, switch, load_balancers, controllers })
    }
}

impl fmt::Debug for ClusterEmulatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterEmulatorBuilder")
            .field("name", &self.name)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

async fn register(client: &Client, nodes: &[Node]) -> Result<(), EmulatorError> {
    let api = Api::<Node>::all(client.clone());
    for node in nodes {
        let name = node.metadata.name.clone().unwrap_or_default();
        let failed = |source| EmulatorError::RegisterNode { node: name, source: Box::new(source) };
        // A kubelet registers its node with its status: no moment at which the node is not ready.
        api.create(&PostParams::default(), node).await.map_err(failed)?;
    }
    Ok(())
}

fn inside_client(server: &ApiServer, token: Option<&str>) -> Client {
    Client::new(server.clone().map_request(bearing(token)), "default")
}

/// Adds the member's token to requests that bring none.
fn bearing<B>(token: Option<&str>) -> impl Fn(Request<B>) -> Request<B> + Clone + Send + 'static + use<B> {
    let value = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    move |mut request: Request<B>| {
        if let Some(value) = &value {
            request.headers_mut().entry(header::AUTHORIZATION).or_insert_with(|| value.clone());
        }
        request
    }
}

fn simulated_clock() -> Clock {
    const EPOCH: Timestamp = Timestamp::constant(1_767_225_600, 0);
    let start = Instant::now();
    Arc::new(move || {
        let elapsed = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::MAX);
        EPOCH.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    })
}

fn check(name: &str, region: &str, zones: &[String]) -> Result<(), EmulatorError> {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| plain(&byte) || byte == b'-';
    let (first, last) = (name.as_bytes().first(), name.as_bytes().last());
    if name.len() > 50 || !name.bytes().all(inner) || !first.is_some_and(plain) || !last.is_some_and(plain) {
        return Err(EmulatorError::InvalidName { name: name.to_owned() });
    }
    // A label's value: at most 63 characters, alphanumeric at both ends.
    let is_value = |text: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        text.len() <= 63
            && edge(text.as_bytes().first())
            && edge(text.as_bytes().last())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let topology = [("topology.kubernetes.io/region", region)].into_iter();
    let mut topology = topology.chain(zones.iter().map(|zone| ("topology.kubernetes.io/zone", zone.as_str())));
    match topology.find(|(_, value)| !is_value(value)) {
        Some((label, value)) => Err(EmulatorError::InvalidTopology { label, value: value.to_owned() }),
        None => Ok(()),
    }
}
