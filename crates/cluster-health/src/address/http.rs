//! Whether a request over plain HTTP is answered as expected.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tower::Service;

use super::tcp::connect;
use crate::monitor::Probe;
use crate::outcome::{Failure, ProbeOutcome};

/// What is asked where, and what is a good answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpTarget {
    /// The address and the port.
    pub addr: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// The path, with a query if there is one.
    pub path: String,
    /// The statuses of a healthy answer. Redirects are not followed: a 302 is an answer like any other.
    pub expect: RangeInclusive<u16>,
}

/// Sends one `GET` on a connection of its own and reads the answer's head; the body is not waited for.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct HttpProbe;

impl Service<Probe<HttpTarget>> for HttpProbe {
    type Response = ProbeOutcome;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<ProbeOutcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Probe { target }: Probe<HttpTarget>) -> Self::Future {
        async move { Ok(get(target).await.unwrap_or_else(|outcome| outcome)) }.boxed()
    }
}

async fn get(target: HttpTarget) -> Result<ProbeOutcome, ProbeOutcome> {
    let HttpTarget { addr, host, path, expect } = target;
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "kfed-health-probe")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        // Nobody was asked, so nobody is dead.
        .map_err(|error| ProbeOutcome::Unhealthy { failure: Failure::Other(format!("no such request: {error}")) })?;

    let stream = connect(addr).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| judge(addr, &error))?;
    let answer = match select(std::pin::pin!(sender.send_request(request)), connection).await {
        Either::Left((answer, _)) => answer,
        // The connection's own error says more than that the request was cancelled for it.
        Either::Right((Err(error), _)) => Err(error),
        Either::Right((Ok(()), answer)) => answer.await,
    };
    let answer = answer.map_err(|error| judge(addr, &error))?;
    Ok(ProbeOutcome::of_status(answer.status().as_u16(), &expect))
}

/// What a failed exchange says of who was asked.
fn judge(addr: SocketAddr, error: &hyper::Error) -> ProbeOutcome {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let text = format!("{addr}: {error}{cause}");
    if error.is_parse() {
        ProbeOutcome::Unhealthy { failure: Failure::Protocol(text) }
    } else {
        ProbeOutcome::Unreachable { failure: Failure::Connect(text) }
    }
}
