//! A span around every request, and one event when it ends.

use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};
use tracing::{Instrument, field};

use crate::error::DnsError;
use crate::operation::Operation;
use crate::provider::OperationService;

/// Puts every request into a span `dns` with fields `operation`, `kind`, `zone`, `record_set`, and `outcome` (`ok` or the error's
/// class) when it is answered. Failures are events at level `info`, since whoever asked tells of them in words of its own; answers are at
/// `debug`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceLayer;

/// See [`TraceLayer`].
#[derive(Debug, Clone)]
pub struct Trace<S> {
    inner: S,
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner }
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Trace<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        // Readiness is awaited by `oneshot`, inside the span.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let span = tracing::debug_span!(
            "dns",
            operation = O::NAME,
            kind = request.kind().as_str(),
            zone = request.zone().map(|zone| zone.0.as_str()),
            record_set = request.record_set().map(field::display),
            outcome = field::Empty,
        );
        let inner = self.inner.clone();
        let recorded = span.clone();
        async move {
            let result = inner.oneshot(request).await;
            match &result {
                Ok(_) => {
                    recorded.record("outcome", "ok");
                    tracing::debug!("answered");
                }
                Err(error) => {
                    recorded.record("outcome", error.class.as_str());
                    tracing::info!(%error, retry_after = ?error.retry_after, "failed");
                }
            }
            result
        }
        .instrument(span)
        .boxed()
    }
}
