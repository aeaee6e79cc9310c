//! Asks a member's API how it is: `/readyz`, and `/healthz` where a server knows no other.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use kfed_cluster_health::{Failure, Probe, ProbeOutcome};
use kube::Client;
use tower::Service;

use crate::effect::chain;

/// The probe of one member's API.
#[derive(Clone)]
pub(crate) struct ApiProbe {
    client: Client,
}

// === impl ApiProbe ===

impl ApiProbe {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Service<Probe<()>> for ApiProbe {
    type Response = ProbeOutcome;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<ProbeOutcome, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Probe<()>) -> Self::Future {
        let client = self.client.clone();
        Box::pin(async move {
            let answer = match ask(&client, "/readyz").await {
                Err(kube::Error::Api(status)) if status.code == 404 => ask(&client, "/healthz").await,
                answer => answer,
            };
            Ok(answer.map_or_else(|error| outcome(&error), |()| ProbeOutcome::Healthy))
        })
    }
}

async fn ask(client: &Client, path: &str) -> kube::Result<()> {
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await.map(drop)
}

/// Any answer shows that the member lives; only silence counts against its life.
fn outcome(error: &kube::Error) -> ProbeOutcome {
    if let kube::Error::Api(status) = error {
        let failure = match status.code {
            code @ (401 | 403) => Failure::Unauthorized(code),
            code => Failure::Status(code),
        };
        return ProbeOutcome::Unhealthy { failure };
    }
    ProbeOutcome::Unreachable { failure: Failure::classify(error_cause(error), chain(error)) }
}

/// The innermost cause: what the operating system, the resolver or TLS said.
fn error_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}
