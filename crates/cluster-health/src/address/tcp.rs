//! Whether connections are accepted.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::TcpStream;
use tower::Service;

use crate::monitor::Probe;
use crate::outcome::{Failure, ProbeOutcome};

/// Connects, and hangs up. Well is who accepts.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct TcpProbe;

/// A connection to `addr`, or the outcome of a probe that gets none.
pub(super) async fn connect(addr: SocketAddr) -> Result<TcpStream, ProbeOutcome> {
    let connected = TcpStream::connect(addr).await;
    connected.map_err(|error| ProbeOutcome::Unreachable { failure: Failure::Connect(format!("{addr}: {error}")) })
}

impl Service<Probe<SocketAddr>> for TcpProbe {
    type Response = ProbeOutcome;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<ProbeOutcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Probe { target }: Probe<SocketAddr>) -> Self::Future {
        connect(target).map(|connected| Ok(connected.map_or_else(|outcome| outcome, |_| ProbeOutcome::Healthy))).boxed()
    }
}
