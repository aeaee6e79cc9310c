//! Layers that fit around any operation of any provider.
//!
//! ```text
//! request ─► trace ─► retry ─► budget ─► metrics ─► deadline ─► provider
//! ```
//! In this order a retry takes its turn in the budget again, waiting for a turn does not use up a request's deadline, and metrics count
//! what is sent and how long the provider takes.

mod budget;
mod deadline;
mod metrics;
mod retry;
#[cfg(test)]
mod tests;
mod trace;

use std::time::Duration;

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
        .layer(&budget.layer())
        .layer(&RetryLayer::new(settings.retry, settings.seed))
        .layer(&TraceLayer);
    (provider, budget)
}

impl Default for Settings {
    /// 30 s a request, no limits.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            seed: 0,
            metrics: Metrics::default(),
        }
    }
}
