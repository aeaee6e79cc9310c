//! No request waits for ever.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use crate::error::{DnsError, ErrorClass};
use crate::operation::Operation;
use crate::provider::OperationService;

/// Gives every request a deadline. A read that misses it is [`ErrorClass::Unavailable`]; a write is [`ErrorClass::Unknown`], for
/// it may have happened.
#[derive(Debug, Clone, Copy)]
pub struct DeadlineLayer {
    after: Duration,
}

/// See [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub struct Deadline<S> {
    inner: S,
    after: Duration,
}

impl DeadlineLayer {
    /// A deadline `after` the request, readiness of the service included.
    pub fn new(after: Duration) -> Self {
        Self { after }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, after: self.after }
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Deadline<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let (inner, after) = (self.inner.clone(), self.after);
        async move {
            let key = request.record_set().cloned();
            tokio::time::timeout(after, inner.oneshot(request)).await.unwrap_or_else(|_| {
                let class = if O::WRITES { ErrorClass::Unknown } else { ErrorClass::Unavailable };
                let message = format!("no answer within {} s", after.as_secs_f64());
                Err(DnsError::new(class, O::NAME, message).about(key.as_ref()))
            })
        }
        .boxed()
    }
}
