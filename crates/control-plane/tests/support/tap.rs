//! What stands between a control plane and all that it writes to: it counts, hangs, and kills.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{Method, Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use kfed_control_plane::{Connect, MemberConnector};
use kfed_dnsprovider::{DnsError, DnsProvider, Operation, OperationService};
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt};

/// Where the federation's own requests go.
pub(crate) const FEDERATION: &str = "federation";
/// Where a zone's requests go.
pub(crate) const ZONE: &str = "zone";

/// Nothing that comes to rest takes longer.
const LONGEST_UNREST: Duration = Duration::from_secs(1800);

/// A request that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// The federation, the zone, or a member's name.
    pub(crate) to: String,
    /// `PATCH /apis/...`, `put record set ...`.
    pub(crate) what: String,
    pub(crate) at: Instant,
}

/// A request that reads a list, or follows one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Look {
    /// The federation, or a member's name.
    pub(crate) at: String,
    pub(crate) path: String,
    /// The labels that are asked for.
    pub(crate) labels: String,
    /// Whether nothing but metadata is asked for.
    pub(crate) metadata: bool,
}

/// When the control plane dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Just before a write is sent.
    Before,
    /// When the write has taken effect and its answer is on the way.
    After,
}

/// All that one control plane sends passes here. Clones are the same.
#[derive(Clone)]
pub(crate) struct Tap {
    state: Arc<Mutex<State>>,
    hangs: watch::Sender<bool>,
    died: Arc<Notify>,
}

#[derive(Default)]
struct State {
    writes: Vec<Write>,
    looks: BTreeMap<Look, usize>,
    fatal: Option<(usize, When)>,
    /// Where the writes go that count until then; everywhere if none.
    counts: Option<&'static str>,
    dead: Option<Write>,
    /// What is refused, by whose it is, the end of its path, and whether only watches of it are.
    forbidden: BTreeSet<(String, String, bool)>,
    /// Who answers wrongly, and how.
    spoilt: Option<(String, Spoilt)>,
    /// How late each word of the federation's watches is.
    lag: Duration,
}

/// A wrong answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// No answer is of use, as the status says.
    Status(u16),
    /// What comes is no JSON.
    Garbage,
    /// Of what was meant only the first half comes; of a watch nothing: it ends as it begins.
    Half,
}

// === impl Tap ===

impl Tap {
    pub(crate) fn new() -> Self {
        Self { state: Arc::default(), hangs: watch::Sender::new(false), died: Arc::default() }
    }

    /// One whose control plane dies at write number `n`.
    pub(crate) fn fatal(n: usize, when: When) -> Self {
        let tap = Self::new();
        tap.arm(n, when);
        tap
    }

    /// The control plane dies at write number `n` from now on. Events do not count: nothing depends on them.
    pub(crate) fn arm(&self, n: usize, when: When) {
        let mut state = self.state.lock().unwrap();
        (state.fatal, state.counts) = (Some((n, when)), None);
    }

    /// The same, where writes to the zone alone count.
    pub(crate) fn arm_zone(&self, n: usize, when: When) {
        let mut state = self.state.lock().unwrap();
        (state.fatal, state.counts) = (Some((n, when)), Some(ZONE));
    }

    /// From now on `at` refuses to list `plural`, or no longer does. Watches that are under way go on.
    pub(crate) fn forbid(&self, at: &str, plural: &str, forbidden: bool) {
        self.set_forbidden((at.to_owned(), format!("/{plural}"), false), forbidden);
    }

    /// The same of watches alone.
    pub(crate) fn forbid_watch(&self, at: &str, plural: &str, forbidden: bool) {
        self.set_forbidden((at.to_owned(), format!("/{plural}"), true), forbidden);
    }

    /// From now on `at` answers whatever is asked, but for whether it is well, so; or as it should again.
    pub(crate) fn spoil(&self, at: &str, spoilt: Option<Spoilt>) {
        self.state.lock().unwrap().spoilt = spoilt.map(|spoilt| (at.to_owned(), spoilt));
    }

    fn set_forbidden(&self, list: (String, String, bool), forbidden: bool) {
        let mut state = self.state.lock().unwrap();
        match forbidden {
            true => drop(state.forbidden.insert(list)),
            false => drop(state.forbidden.remove(&list)),
        }
    }

    /// Whatever is asked of the federation API from now on, answers included, hangs; or goes on.
    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    /// The federation's watches that begin from now on tell each word so much later.
    pub(crate) fn delay_watches(&self, lag: Duration) {
        self.state.lock().unwrap().lag = lag;
    }

    /// What was written, leases apart.
    pub(crate) fn writes(&self) -> Vec<Write> {
        let is_lease = |write: &&Write| write.what.contains("/leases");
        self.state.lock().unwrap().writes.iter().filter(|write| !is_lease(write)).cloned().collect()
    }

    /// What was read, each once.
    pub(crate) fn looks(&self) -> BTreeSet<Look> {
        self.state.lock().unwrap().looks.keys().cloned().collect()
    }

    /// How often what has this `end` of its path was read.
    pub(crate) fn reads(&self, end: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.looks.iter().filter(|(look, _)| look.path.ends_with(end)).map(|(_, times)| times).sum()
    }

    /// Waits until nothing has been written for so long.
    pub(crate) async fn rests(&self, quiet: Duration) {
        let start = Instant::now();
        loop {
            let writes = self.writes();
            let since = writes.last().map_or(start, |last| last.at.max(start));
            if since.elapsed() >= quiet {
                return;
            }
            assert!(start.elapsed() < LONGEST_UNREST, "it never comes to rest: {:#?}", writes.iter().rev().take(20));
            tokio::time::sleep_until(since + quiet).await;
        }
    }

    /// Ends when the control plane is to die; of what.
    pub(crate) async fn died(&self) -> Write {
        self.died.notified().await;
        self.state.lock().unwrap().dead.clone().expect("it has just died")
    }

    pub(crate) fn client(&self, to: &str, client: Client) -> Client {
        let (tap, to) = (self.clone(), to.to_owned());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (tap, to, client) = (tap.clone(), to.clone(), client.clone());
            async move {
                let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
                let what = writes.then(|| format!("{} {}", request.method(), request.uri().path()));
                let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
                if !writes && tap.state.lock().unwrap().forbids(&to, request.uri().path(), watches) {
                    let verb = if watches { "watch" } else { "list" };
                    let status = json!({
                        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
                        "message": format!("it is forbidden: User \"kfed\" cannot {verb} it")
                    });
                    let answer = Response::builder().status(403).header("content-type", "application/json");
                    return Ok(answer.body(late(Body::from(status.to_string().into_bytes()), None)).unwrap());
                }
                if !writes {
                    *tap.state.lock().unwrap().looks.entry(Look::of(&to, &request)).or_default() += 1;
                }
                let (spoilt, lag) = {
                    let state = tap.state.lock().unwrap();
                    let lags = watches && to == FEDERATION && !state.lag.is_zero();
                    (state.spoils(&to, request.uri().path()), lags.then_some(state.lag))
                };
                let answer = match spoilt {
                    Some(spoilt) => spoilt.answer(client.send(request)).await,
                    None => tap.pass(to, what, client.send(request)).await,
                };
                answer.map(|answer| answer.map(|body| late(body, lag)))
            }
        });
        Client::new(service, "default")
    }

    pub(crate) fn connector(&self, connector: MemberConnector) -> MemberConnector {
        let tap = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |connect: Connect| {
            let (tap, connector, member) = (tap.clone(), connector.clone(), connect.member.clone());
            async move { Ok::<_, BoxError>(tap.client(&member, connector.oneshot(connect).await?)) }
        }))
    }

    pub(crate) fn dns(&self, dns: DnsProvider) -> DnsProvider {
        dns.layer(self)
    }

    async fn pass<T>(&self, to: String, what: Option<String>, call: impl Future<Output = T>) -> T {
        let fatal = self.state.lock().unwrap().write(&to, what);
        if to == FEDERATION {
            let mut hangs = self.hangs.subscribe();
            let _ = hangs.wait_for(|hangs| !hangs).await;
        }
        if fatal != Some(When::Before) {
            let answer = call.await;
            if fatal.is_none() {
                return answer;
            }
        }
        self.died.notify_one();
        std::future::pending().await
    }
}

/// The same, where whatever comes does so later by `lag`.
fn late(body: Body, lag: Option<Duration>) -> UnsyncBoxBody<<Body as HttpBody>::Data, <Body as HttpBody>::Error> {
    let Some(lag) = lag else { return body.boxed_unsync() };
    let words = body.into_data_stream().then(move |word| async move {
        tokio::time::sleep(lag).await;
        word.map(Frame::data)
    });
    StreamBody::new(words).boxed_unsync()
}

// === impl Spoilt ===

impl Spoilt {
    async fn answer(self, meant: impl Future<Output = kube::Result<Response<Body>>>) -> kube::Result<Response<Body>> {
        let (status, body) = match self {
            Self::Status(status) => (status, b"{}".to_vec()),
            Self::Garbage => (200, b"\xff<html>\0".to_vec()),
            Self::Half => {
                // A watch never comes to its end.
                let whole = meant.await?.into_body().collect_bytes().now_or_never();
                let whole = whole.and_then(Result::ok).unwrap_or_default();
                (200, whole[..whole.len() / 2].to_vec())
            }
        };
        Ok(Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap())
    }
}

// === impl Look ===

impl Look {
    fn of(at: &str, request: &Request<Body>) -> Self {
        let query = request.uri().query().unwrap_or_default().split('&');
        let labels = query.filter_map(|part| part.strip_prefix("labelSelector=")).next().unwrap_or_default();
        let accept = request.headers().get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
        Self {
            at: at.to_owned(),
            path: request.uri().path().to_owned(),
            labels: labels.to_owned(),
            metadata: accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadata")),
        }
    }
}

// === impl State ===

impl State {
    fn forbids(&self, at: &str, path: &str, watches: bool) -> bool {
        let is = |(whose, end, only): &(String, String, bool)| whose == at && path.ends_with(end) && (watches || !only);
        self.forbidden.iter().any(is)
    }

    fn spoils(&self, at: &str, path: &str) -> Option<Spoilt> {
        let (whose, spoilt) = self.spoilt.as_ref()?;
        (whose == at && !["/readyz", "/healthz"].contains(&path)).then_some(*spoilt)
    }

    /// Takes down what is written; whether its sender dies, before or after.
    fn write(&mut self, to: &str, what: Option<String>) -> Option<When> {
        if self.dead.is_some() {
            return Some(When::Before);
        }
        let write = Write { to: to.to_owned(), what: what?, at: Instant::now() };
        self.writes.push(write.clone());
        if write.what.ends_with("/events") || self.counts.is_some_and(|counts| counts != to) {
            return None;
        }
        let (left, when) = self.fatal.take()?;
        match left.checked_sub(1) {
            Some(left) => {
                self.fatal = Some((left, when));
                None
            }
            None => {
                self.dead = Some(write);
                Some(when)
            }
        }
    }
}

impl<S> Layer<S> for Tap {
    type Service = Tapped<S>;

    fn layer(&self, inner: S) -> Tapped<S> {
        Tapped { tap: self.clone(), inner }
    }
}

#[derive(Clone)]
pub(crate) struct Tapped<S> {
    tap: Tap,
    inner: S,
}

impl<O: Operation, S: OperationService<O>> Service<O> for Tapped<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let Self { tap, inner } = self.clone();
        let key = request.record_set().map(ToString::to_string).unwrap_or_default();
        let what = O::WRITES.then(|| format!("{} {key}", O::NAME));
        async move { tap.pass(ZONE.to_owned(), what, inner.oneshot(request)).await }.boxed()
    }
}
