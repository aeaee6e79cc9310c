//! The server as a service: who may ask, and where a path leads.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Response};
use jiff::Timestamp;
use serde_json::json;

use crate::admission;
use crate::clock::{self, Clock};
use crate::discovery;
use crate::kinds::Registry;
use crate::lifecycle::{self, Rules};
use crate::reply::{self, Reply};
use crate::request::{self, Query, Request, ResourcePath};
use crate::status::Status;
use crate::store::{Limits, Store, Tx};
use crate::verbs;

/// The Kubernetes version this server says it is.
const VERSION: &str = "v1.36.2+kfed";
const DEFAULT_HISTORY: usize = 16_384;

/// An in-memory Kubernetes API server: a `tower::Service` over HTTP requests. Clones are cheap and share one store.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

/// Settings of an [`ApiServer`].
#[must_use]
pub struct ApiServerBuilder {
    name: String,
    clock: Option<Clock>,
    seed: u64,
    token: Option<String>,
    lifecycle: bool,
    history: usize,
    watch_buffer: usize,
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::new()
    }
}

impl ApiServer {
    /// A server without authentication, with the lifecycle on, seed 0, and a simulated clock: 2026-01-01T00:00:00Z plus the time that
    /// tokio's clock says has passed since, so that it obeys a paused runtime.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings to start from.
    pub fn builder() -> ApiServerBuilder {
        ApiServerBuilder {
            name: "kfed".to_owned(),
            clock: None,
            seed: 0,
            token: None,
            lifecycle: true,
            history: DEFAULT_HISTORY,
            watch_buffer: DEFAULT_HISTORY,
        }
    }

    /// The name given to the builder; `kfed` if none was.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The current revision: the resourceVersion of the last change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.shared.store.revision()
    }

    /// How many writes changed something, the server's own follow-up work included. What it started with does not count.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.shared.store.writes()
    }

    /// How many watches were ended because their client did not keep up.
    #[must_use]
    pub fn dropped_watches(&self) -> u64 {
        self.shared.store.overflows()
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer")
            .field("name", &self.shared.name)
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

impl ApiServerBuilder {
    /// What this server is called; it also tells the identifiers of servers with the same seed apart.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Where timestamps and ages come from.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// What uids and generated names are made from: the same seed, name and requests give the same objects.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Requests must carry `Authorization: Bearer <token>`, but for `/healthz`, `/livez`, `/readyz` and `/version`.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Whether the server does itself what controllers do beside a bare kube-apiserver: finish the deletion of namespaces, collect
    /// objects whose owners are gone, and put the ServiceAccount `default` and `kube-root-ca.crt` into every namespace.
    pub fn lifecycle(mut self, on: bool) -> Self {
        self.lifecycle = on;
        self
    }

    /// How many changes are kept: a watch or list from before them is told that its revision is gone (410 `Expired`).
    pub fn event_history(mut self, changes: usize) -> Self {
        self.history = changes;
        self
    }

    /// How many changes a watch may lag behind before it is ended; its client then resumes from the last one it saw.
    pub fn watch_buffer(mut self, changes: usize) -> Self {
        self.watch_buffer = changes.max(1);
        self
    }

    /// The server, with the objects every cluster starts with.
    #[must_use]
    pub fn build(self) -> ApiServer {
        let seed =
            self.name.bytes().fold(self.seed, |seed, byte| seed.rotate_left(7).wrapping_mul(31) ^ u64::from(byte));
        let shared = Shared {
            name: self.name,
            store: Arc::new(Store::new(Limits { history: self.history, watch_buffer: self.watch_buffer }, seed)),
            registry: RwLock::new(Arc::new(Registry::new(Vec::new()))),
            clock: self.clock.unwrap_or_else(clock::simulated),
            token: self.token,
            lifecycle: self.lifecycle,
        };
        let now = shared.now();
        shared.transact(|tx| admission::bootstrap(tx, now));
        shared.store.reset_writes();
        ApiServer { shared: Arc::new(shared) }
    }
}

impl fmt::Debug for ApiServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServerBuilder").field("name", &self.name).field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl<B> tower::Service<http::Request<B>> for ApiServer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match request::read_body(body).await {
                Ok(body) => body,
                Err(status) => return Ok(reply::status_reply(&status)),
            };
            // HTTP/2 and proxies send absolute URIs: only the path counts.
            let request = Request {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: Query::parse(head.uri.query().unwrap_or_default()),
                headers: head.headers,
                body,
            };
            let reply = shared.answer(&request).await.unwrap_or_else(|status| reply::status_reply(&status));
            tracing::trace!(method = %request.method, path = request.path, code = reply.status().as_u16(), "request");
            Ok(reply)
        })
    }
}

/// What all clones of a server share.
pub(crate) struct Shared {
    name: String,
    store: Arc<Store>,
    registry: RwLock<Arc<Registry>>,
    clock: Clock,
    token: Option<String>,
    lifecycle: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whether a bearer of `token` is let in.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        self.token.as_ref().is_none_or(|t| t == token)
    }

    /// A transaction, and what follows from it, as one.
    pub(crate) fn transact<T>(&self, change: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        let rules = Rules { registry: self.registry(), now: self.now(), lifecycle: self.lifecycle };
        self.store.write(|tx| {
            let result = change(tx);
            if let Some(registry) = lifecycle::settle(tx, rules) {
                *self.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
            }
            result
        })
    }

    async fn answer(&self, request: &Request) -> Result<Reply, Status> {
        let segments = request::segments(&request.path);
        let parts: Vec<&str> = segments.iter().map(|s| s.as_ref()).collect();
        let open = matches!(parts.as_slice(), ["healthz" | "livez" | "readyz", ..] | ["version"]);
        if !open && !self.authenticated(request) {
            return Err(Status::unauthorized());
        }
        let missing = || reply::text_reply(404, "404 page not found\n");
        let registry = self.registry();
        let fixed = match parts.as_slice() {
            [] => Some(discovery::root(&registry)),
            ["version"] => Some(version()),
            [check @ ("healthz" | "livez" | "readyz"), ..] => Some(health(check, request.query.has("verbose"))),
            ["api"] => Some(discovery::core(request, &registry)),
            ["apis"] => Some(discovery::groups(request, &registry)),
            ["apis", group] => Some(discovery::group(&registry, group).unwrap_or_else(missing)),
            ["api", version] => Some(discovery::resources(&registry, "", version).unwrap_or_else(missing)),
            ["apis", group, version] => Some(discovery::resources(&registry, group, version).unwrap_or_else(missing)),
            ["openapi", "v3", path @ ..] => Some(discovery::open_api(&registry, path).unwrap_or_else(missing)),
            _ => None,
        };
        if let Some(reply) = fixed {
            let reads = matches!(request.method, Method::GET | Method::HEAD);
            return if reads { Ok(reply) } else { Err(Status::method_not_allowed()) };
        }
        match ResourcePath::parse(&segments) {
            Some(path) if registry.serves(&path.group, &path.version) => verbs::answer(self, request, path).await,
            _ => Ok(missing()),
        }
    }

    fn authenticated(&self, request: &Request) -> bool {
        let given = || request.header(&AUTHORIZATION).and_then(|a| a.split_once(' '));
        self.token.is_none()
            || given()
                .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && self.accepts(token.trim()))
    }
}

fn version() -> Reply {
    reply::value_reply(
        200,
        &json!({
            "major": "1",
            "minor": "36",
            "gitVersion": VERSION,
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "none",
            "compiler": "rustc",
            "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        }),
    )
}

fn health(check: &str, verbose: bool) -> Reply {
    let text = if verbose { format!("[+]ping ok\n{check} check passed\n") } else { "ok".to_owned() };
    reply::text_reply(200, text)
}
