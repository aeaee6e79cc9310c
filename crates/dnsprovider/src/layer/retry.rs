//! What failed for now is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::error::DnsError;
use crate::operation::Operation;
use crate::provider::OperationService;

/// Sends a request again after an error that [`DnsError::is_retryable`] says may pass: later than the provider asks
/// ([`DnsError::retry_after`]), else after a wait that doubles.
///
/// Writes are as safe as reads: an error after which a write may have happened is not retryable.
#[derive(Debug, Clone)]
pub struct RetryLayer {
    policy: RetryPolicy,
    jitter: Arc<Jitter>,
}

/// How often and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How many requests there are at most, the first included.
    pub tries: u32,
    /// How long after the first request the last may be sent. When a wait would end later, the error is returned at once.
    pub total: Duration,
    /// The first wait. A random half of each wait is left out, so that those who failed together do not come back together.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

/// See [`RetryLayer`].
#[derive(Debug, Clone)]
pub struct Retry<S> {
    inner: S,
    policy: RetryPolicy,
    jitter: Arc<Jitter>,
}

/// SplitMix64: small, good enough for waits, the same from the same seed.
#[derive(Debug)]
struct Jitter(AtomicU64);

impl RetryLayer {
    /// Retries by `policy`, with waits that begin at `seed`.
    pub fn new(policy: RetryPolicy, seed: u64) -> Self {
        Self { policy, jitter: Arc::new(Jitter(AtomicU64::new(seed))) }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry { inner, policy: self.policy, jitter: self.jitter.clone() }
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Retry<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let Self { inner, policy, jitter } = self.clone();
        async move {
            let started = Instant::now();
            let mut tried = 0;
            loop {
                let error = match inner.clone().oneshot(request.clone()).await {
                    Ok(response) => return Ok(response),
                    Err(error) => error,
                };
                tried += 1;
                if !error.is_retryable() || tried >= policy.tries {
                    return Err(error);
                }
                let wait = policy.wait(tried, error.retry_after(), &jitter);
                if started.elapsed() + wait > policy.total {
                    return Err(error);
                }
                tracing::debug!(operation = O::NAME, tried, ?wait, %error, "trying again");
                tokio::time::sleep(wait).await;
            }
        }
        .boxed()
    }
}

// === impl RetryPolicy ===

impl RetryPolicy {
    /// How long to wait after the `tried`th request failed.
    fn wait(&self, tried: u32, asked: Option<Duration>, jitter: &Jitter) -> Duration {
        let doubled = self.first.saturating_mul(2u32.saturating_pow(tried - 1)).min(self.longest);
        match asked {
            // Never sooner than asked; a little later, not all at once.
            Some(asked) => asked + self.first.mul_f64(jitter.next()),
            None => doubled.mul_f64(0.5 + 0.5 * jitter.next()),
        }
    }
}

impl Default for RetryPolicy {
    /// Five requests within a minute, waiting 0.5 s, 1 s, 2 s, 4 s at most where the provider asks for nothing else.
    fn default() -> Self {
        Self {
            tries: 5,
            total: Duration::from_secs(60),
            first: Duration::from_millis(500),
            longest: Duration::from_secs(20),
        }
    }
}

// === impl Jitter ===

impl Jitter {
    /// From 0 up to 1.
    fn next(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut x = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        // 53 bits are what an f64 holds exactly.
        (x >> 11) as f64 / (1u64 << 53) as f64
    }
}
