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
    ProbeOutcome::Unreachable { failure: failure(error) }
}

/// At which step the probe ended, by what the operating system, the resolver or TLS said.
fn failure(error: &kube::Error) -> Failure {
    let text = chain(error);
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        // hyper's connector has no public type for it.
        if cause.to_string() == "dns error" {
            return Failure::Dns(text);
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                // tokio-rustls reports what rustls says about the other side so.
                std::io::ErrorKind::InvalidData => Failure::Tls(text),
                _ => Failure::Connect(text),
            };
        }
        next = cause.source();
    }
    Failure::Other(text)
}
