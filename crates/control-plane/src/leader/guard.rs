//! The tenure in the stacks where writes go.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use kfed_dnsprovider::{DnsError, ErrorClass, Operation, OperationService};
use kube::Client;
use kube::client::Body;
use tower::{BoxError, Layer, Service, ServiceExt};

use super::Tenure;

/// Lets requests that write begin within the tenure alone. Of a zone those are given up that still wait when it runs out.
#[derive(Debug, Clone)]
pub(crate) struct GuardLayer {
    tenure: Tenure,
    takes: Duration,
}

/// See [`GuardLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Guard<S> {
    inner: S,
    tenure: Tenure,
    takes: Duration,
}

/// `client`, through which whatever is not read is written within `tenure` alone. A write takes at most `takes`.
pub(crate) fn guarded(client: Client, tenure: Tenure, takes: Duration) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, tenure) = (client.clone(), tenure.clone());
        async move {
            if !request.method().is_safe() {
                tenure.check(takes)?;
            }
            client.send(request).await.map_err(BoxError::from)
        }
    });
    Client::new(service, namespace)
}

// === impl GuardLayer ===

impl GuardLayer {
    /// One for writes that take at most `takes`.
    pub(crate) fn new(tenure: Tenure, takes: Duration) -> Self {
        Self { tenure, takes }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, tenure: self.tenure.clone(), takes: self.takes }
    }
}

// === impl Guard ===

impl<O: Operation, S: OperationService<O>> Service<O> for Guard<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let Self { inner, tenure, takes } = self.clone();
        async move {
            if !O::WRITES {
                return inner.oneshot(request).await;
            }
            let key = request.record_set().cloned();
            // Layers below may hold it back for long: for their budget, for another try.
            tenure.hold(takes, inner.oneshot(request)).await.unwrap_or_else(|error| {
                Err(DnsError::new(ErrorClass::Unknown, O::NAME, error.to_string()).about(key.as_ref()))
            })
        }
        .boxed()
    }
}
