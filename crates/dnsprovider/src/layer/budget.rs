//! Never more requests than the provider allows, and none while it asks to wait.

mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::error::DnsError;
use crate::operation::{Operation, OperationKind, Priority};
use crate::provider::OperationService;
use crate::zone::ZoneId;

use window::{Permit, Window};

/// What a provider allows: so many requests of a kind in a zone in any span of a length. What has no limit is free.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits {
    by_kind: BTreeMap<OperationKind, Limit>,
}

/// At most `requests` in any span as long as `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// How many; at least one.
    pub requests: u32,
    /// The length of the span.
    pub per: Duration,
}

/// The budget of a provider: for each zone and kind of operation what has been spent of the limit. Cheap to clone; every clone is
/// the same budget.
///
/// A request counts from when it is sent until a span after it was *answered*: however long it was under way, the provider never
/// sees more than the limit in a span. The whole limit can be spent at once. Requests of a kind take their turns in the order in which
/// they came, [urgent](Priority::Urgent) ones before all others, however long those wait. An error with [`DnsError::retry_after`] stops all requests to its zone for that long.
///
/// ```
/// use std::time::Duration;
/// use kfed_dnsprovider::{DnsProvider, MemoryProvider, OperationKind};
/// use kfed_dnsprovider::layer::{Budget, Limits};
///
/// let minute = Duration::from_secs(60);
/// let budget = Budget::new(Limits::default().with(OperationKind::Create, 200, minute).with(OperationKind::List, 60, minute));
/// let provider = DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?)).within(&budget);
/// # Ok::<(), kfed_dnsprovider::InvalidName>(())
/// ```
#[derive(Debug, Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

/// What has been spent of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BudgetState {
    /// The zone; none for operations that are about no zone.
    pub zone: Option<ZoneId>,
    /// The kind of operation.
    pub kind: OperationKind,
    /// The limit.
    pub limit: Limit,
    /// How many requests count against it now.
    pub used: usize,
    /// How many wait for their turn.
    pub waiting: usize,
    /// How many of those are urgent.
    pub urgent: usize,
    /// How long until the zone may be asked again, if the provider has asked for a pause.
    pub paused: Option<Duration>,
}

/// Makes every request wait for its turn in a [`Budget`].
#[derive(Debug, Clone)]
pub struct BudgetLayer {
    budget: Budget,
}

/// See [`BudgetLayer`].
#[derive(Debug, Clone)]
pub struct Budgeted<S> {
    inner: S,
    budget: Budget,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    zones: Mutex<BTreeMap<Option<ZoneId>, Arc<ZoneBudget>>>,
}

#[derive(Debug)]
struct ZoneBudget {
    paused_until: Mutex<Option<Instant>>,
    windows: BTreeMap<OperationKind, Arc<Window>>,
}

impl<S> Layer<S> for BudgetLayer {
    type Service = Budgeted<S>;

    fn layer(&self, inner: S) -> Budgeted<S> {
        Budgeted { inner, budget: self.budget.clone() }
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Budgeted<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        // The turn is taken in the call: it depends on the request.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let inner = self.inner.clone();
        let zone = self.budget.zone(request.zone());
        async move {
            let _permit = zone.turn(request.kind(), request.priority()).await;
            let result = inner.oneshot(request).await;
            if let Some(pause) = result.as_ref().err().and_then(DnsError::retry_after) {
                zone.pause(pause);
            }
            result
        }
        .boxed()
    }
}

// === impl Limits ===

impl Limits {
    /// The same, with at most `requests` of `kind` in any span as long as `per`.
    #[must_use]
    pub fn with(mut self, kind: OperationKind, requests: u32, per: Duration) -> Self {
        self.by_kind.insert(kind, Limit { requests: requests.max(1), per });
        self
    }

    /// The limit of `kind`, if it has one.
    pub fn get(&self, kind: OperationKind) -> Option<Limit> {
        self.by_kind.get(&kind).copied()
    }
}

// === impl Budget ===

impl Budget {
    /// A budget that nothing has been spent of.
    pub fn new(limits: Limits) -> Self {
        Self { shared: Arc::new(Shared { limits, zones: Mutex::default() }) }
    }

    /// The layer that spends it.
    pub fn layer(&self) -> BudgetLayer {
        BudgetLayer { budget: self.clone() }
    }

    /// What has been spent of every limit, for the zones that have been asked.
    pub fn state(&self) -> Vec<BudgetState> {
        let now = Instant::now();
        let zones = self.shared.zones.lock().unwrap_or_else(PoisonError::into_inner);
        let states = zones.iter().flat_map(|(zone, budget)| {
            let paused = budget.paused_until().map(|until| until.saturating_duration_since(now));
            budget.windows.iter().map(move |(kind, window)| {
                let (waiting, urgent) = window.waiting();
                BudgetState {
                    zone: zone.clone(),
                    kind: *kind,
                    limit: window.limit(),
                    used: window.used(now),
                    waiting,
                    urgent,
                    paused: paused.filter(|paused| !paused.is_zero()),
                }
            })
        });
        states.collect()
    }

    fn zone(&self, zone: Option<&ZoneId>) -> Arc<ZoneBudget> {
        let mut zones = self.shared.zones.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(ZoneBudget::new(&self.shared.limits));
        zones.entry(zone.cloned()).or_insert_with(new).clone()
    }
}

// === impl ZoneBudget ===

impl ZoneBudget {
    fn new(limits: &Limits) -> Self {
        let window = |(kind, limit): (&OperationKind, &Limit)| (*kind, Arc::new(Window::new(*limit)));
        Self { paused_until: Mutex::default(), windows: limits.by_kind.iter().map(window).collect() }
    }

    fn paused_until(&self) -> Option<Instant> {
        *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No request before `pause` is over; a longer pause that is on already stays.
    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |paused| paused.max(until)));
    }

    /// Waits until a request of `kind` may be sent. It counts while the permit is held, and a span longer.
    async fn turn(&self, kind: OperationKind, priority: Priority) -> Option<Permit> {
        let Some(window) = self.windows.get(&kind) else {
            self.pause_over().await;
            return None;
        };
        let turn = window.queue(priority);
        loop {
            self.pause_over().await;
            let permit = turn.take().await;
            // A pause may have begun while this one waited; its place is given back.
            if self.paused_until().is_none_or(|until| until <= Instant::now()) {
                return Some(permit);
            }
            permit.give_back();
        }
    }

    async fn pause_over(&self) {
        // It may have become longer meanwhile.
        while let Some(until) = self.paused_until().filter(|until| *until > Instant::now()) {
            tokio::time::sleep_until(until).await;
        }
    }
}
