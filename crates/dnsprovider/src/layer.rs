//! Layers that fit around any operation of any provider.
//!
//! ```text
//! request ─► trace ─► retry ─► budget ─► concurrency ─► metrics ─► deadline ─► provider
//! ```
//! The limit on concurrency is `tower`'s own. In this order a retry takes its turn in the budget again, waiting for a turn does not use up a request's deadline, and metrics count
//! what is sent and how long the provider takes.

mod budget;
mod deadline;
mod metrics;
mod retry;
#[cfg(test)]
mod tests;
mod trace;

use std::num::NonZeroUsize;
use std::time::Duration;

use tower::limit::GlobalConcurrencyLimitLayer;

use crate::provider::DnsProvider;

pub use budget::{Budget, BudgetLayer, BudgetState, Budgeted, Limit, Limits};
pub use deadline::{Deadline, DeadlineLayer};
pub use metrics::{LATENCY_BOUNDS_MS, Measured, Metrics, MetricsLayer, MetricsState};
pub use retry::{Retry, RetryLayer, RetryPolicy};
pub use trace::{Trace, TraceLayer};

/// What the usual stack of layers goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long one request may take.
    pub deadline: Duration,
    /// How many requests are under way at the same time, over all zones and operations.
    pub concurrency: NonZeroUsize,
    /// What the provider allows.
    pub limits: Limits,
    /// When a request is sent again.
    pub retry: RetryPolicy,
    /// Where the jitter of waits begins.
    pub seed: u64,
    /// Where requests are counted.
    pub metrics: Metrics,
}

/// `provider` in the usual stack of layers, and a handle on its budget.
pub fn stack(provider: DnsProvider, settings: &Settings) -> (DnsProvider, Budget) {
    let budget = Budget::new(settings.limits.clone());
    let provider = provider
        .layer(&DeadlineLayer::new(settings.deadline))
        .layer(&settings.metrics.layer())
        .layer(&GlobalConcurrencyLimitLayer::new(settings.concurrency.get()))
        .within(&budget)
        .layer(&RetryLayer::new(settings.retry, settings.seed))
        .layer(&TraceLayer);
    (provider, budget)
}

impl Default for Settings {
    /// 30 s a request, 64 at a time, no limits.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            concurrency: NonZeroUsize::new(64).expect("64 is not zero"),
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            seed: 0,
            metrics: Metrics::default(),
        }
    }
}
