//! Asks a member's API how it is: `/readyz`, and `/healthz` where a server knows no other.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::header::DATE;
use http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use kfed_cluster_health::{Failure, Probe, ProbeOutcome};
use kube::Client;
use kube::client::Body;
use tower::Service;

use crate::builder::Clock;
use crate::effect::chain;

/// The probe of one member's API.
#[derive(Clone)]
pub(crate) struct ApiProbe {
    client: Client,
    clock: MemberClock,
}

/// Compares the clocks of members with ours, by the `Date` of their answers (RFC 9110 § 6.6.1).
#[derive(Clone)]
pub(crate) struct MemberClock {
    pub(crate) ours: Clock,
    /// Told by how many seconds the member's is ahead after each answer that says so.
    pub(crate) tell: Arc<dyn Fn(i64) + Send + Sync>,
}

// === impl ApiProbe ===

impl ApiProbe {
    pub(crate) fn new(client: Client, clock: MemberClock) -> Self {
        Self { client, clock }
    }

    async fn probe(&self) -> ProbeOutcome {
        let answer = match self.ask("/readyz").await {
            Ok(StatusCode::NOT_FOUND) => self.ask("/healthz").await,
            answer => answer,
        };
        match answer {
            Ok(status) => ProbeOutcome::of_status(status.as_u16(), &(200..=299)),
            Err(error) => outcome(&error),
        }
    }

    /// The status of the answer. Its body is read to the end, so that the connection can be used again.
    async fn ask(&self, path: &str) -> kube::Result<StatusCode> {
        let request = Request::get(path).body(Body::empty()).map_err(kube::Error::HttpError)?;
        let sent = (self.clock.ours)();
        let answer = self.client.send(request).await?;
        if let Some(ahead) = ahead(answer.headers(), sent, (self.clock.ours)()) {
            (self.clock.tell)(ahead);
        }
        let status = answer.status();
        answer.into_body().collect_bytes().await?;
        Ok(status)
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
        let probe = self.clone();
        Box::pin(async move { Ok(probe.probe().await) })
    }
}

/// By how many whole seconds the clock of who answered is ahead: as few as explain the date that it told, some moment between
/// `sent` and `received`. A date stands for a whole second.
fn ahead(headers: &HeaderMap, sent: Timestamp, received: Timestamp) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?.as_second();
    let behind = sent.as_second() - (date + 1);
    let before = date - received.as_second();
    Some(if before > 0 { before } else { -behind.max(0) })
}

/// Any answer shows that the member lives; only silence counts against its life.
fn outcome(error: &kube::Error) -> ProbeOutcome {
    let failure = failure(error);
    match failure {
        Failure::Protocol(_) => ProbeOutcome::Unhealthy { failure },
        failure => ProbeOutcome::Unreachable { failure },
    }
}

/// At which step the probe ended, by what the operating system, the resolver, TLS or HTTP said.
fn failure(error: &kube::Error) -> Failure {
    let text = chain(error);
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut step: fn(String) -> Failure = Failure::Other;
    while let Some(cause) = next {
        next = cause.source();
        // hyper's connector has no public type for it.
        if cause.to_string() == "dns error" {
            return Failure::Dns(text);
        }
        if let Some(http) = cause.downcast_ref::<hyper::Error>() {
            step = if http.is_parse() { Failure::Protocol } else { Failure::Connect };
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            // tokio-rustls reports what rustls says about the other side so.
            if io.kind() == std::io::ErrorKind::InvalidData {
                return Failure::Tls(text);
            }
            step = Failure::Connect;
            // The source of an error that wraps another is that one's source: the other itself is to be asked for.
            if let Some(inner) = io.get_ref() {
                next = Some(inner);
            }
        }
    }
    step(text)
}
