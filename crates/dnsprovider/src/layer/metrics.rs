//! What was asked, what came of it, and how long it took; in numbers that any exporter can read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::error::{DnsError, ErrorClass};
use crate::operation::{Operation, OperationKind};
use crate::provider::OperationService;
use crate::zone::ZoneId;

/// The upper bounds of the buckets of latency, in milliseconds; what takes longer is in a last one.
pub const LATENCY_BOUNDS_MS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/// Counts of requests. Cheap to clone; every clone counts the same. It binds nobody to an exporter: read [`Metrics::state`] when asked
/// for figures.
///
/// ```
/// use kfed_dnsprovider::{DnsProvider, MemoryProvider};
/// use kfed_dnsprovider::layer::Metrics;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let metrics = Metrics::default();
/// let provider = DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?)).layer(&metrics.layer());
/// provider.list_zones(None).await?;
/// let state = metrics.state();
/// assert_eq!((state[0].operation, state[0].outcome_str(), state[0].requests), ("list zones", "ok", 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    series: Arc<Mutex<BTreeMap<Labels, Series>>>,
}

/// The figures of one zone, kind of operation and outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsState {
    /// The zone; none for operations that are about no zone.
    pub zone: Option<ZoneId>,
    /// The operation's name.
    pub operation: &'static str,
    /// Its kind.
    pub kind: OperationKind,
    /// The error's class; none for what went well.
    pub outcome: Option<ErrorClass>,
    /// How many requests were answered so. Those that were given up are not counted.
    pub requests: u64,
    /// How many took as long as each of [`LATENCY_BOUNDS_MS`] at most and longer than the one before; the last are all longer ones.
    pub latency: [u64; LATENCY_BOUNDS_MS.len() + 1],
    /// How long all took together.
    pub total: Duration,
}

/// Counts every request in [`Metrics`].
#[derive(Debug, Clone)]
pub struct MetricsLayer {
    metrics: Metrics,
}

/// See [`MetricsLayer`].
#[derive(Debug, Clone)]
pub struct Measured<S> {
    inner: S,
    metrics: Metrics,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    zone: Option<ZoneId>,
    kind: OperationKind,
    outcome: Option<ErrorClass>,
    operation: &'static str,
}

#[derive(Debug, Default)]
struct Series {
    requests: u64,
    latency: [u64; LATENCY_BOUNDS_MS.len() + 1],
    total: Duration,
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, metrics: self.metrics.clone() }
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Measured<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let Self { inner, metrics } = self.clone();
        async move {
            let (zone, kind) = (request.zone().cloned(), request.kind());
            let started = Instant::now();
            let result = inner.oneshot(request).await;
            let outcome = result.as_ref().err().map(|error| error.class);
            metrics.count(Labels { zone, kind, outcome, operation: O::NAME }, started.elapsed());
            result
        }
        .boxed()
    }
}

// === impl Metrics ===

impl Metrics {
    /// The layer that counts.
    pub fn layer(&self) -> MetricsLayer {
        MetricsLayer { metrics: self.clone() }
    }

    /// All figures, by zone, kind and outcome.
    pub fn state(&self) -> Vec<MetricsState> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |(labels, series): (&Labels, &Series)| MetricsState {
            zone: labels.zone.clone(),
            operation: labels.operation,
            kind: labels.kind,
            outcome: labels.outcome,
            requests: series.requests,
            latency: series.latency,
            total: series.total,
        };
        series.iter().map(state).collect()
    }

    fn count(&self, labels: Labels, took: Duration) {
        let bucket = LATENCY_BOUNDS_MS.iter().take_while(|bound| took > Duration::from_millis(**bound)).count();
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let series = series.entry(labels).or_default();
        series.requests += 1;
        series.latency[bucket] += 1;
        series.total += took;
    }
}

// === impl MetricsState ===

impl MetricsState {
    /// The outcome as a label: `ok`, or the error's class.
    pub fn outcome_str(&self) -> &'static str {
        self.outcome.map_or("ok", ErrorClass::as_str)
    }
}
