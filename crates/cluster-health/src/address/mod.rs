//! Probes of an address that a member publishes for a service.

mod http;
mod tcp;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::Service;

pub use self::http::{HttpProbe, HttpTarget};
pub use self::tcp::TcpProbe;
use crate::monitor::Probe;
use crate::outcome::ProbeOutcome;

/// An address, and what is to be asked there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressTarget {
    /// The address and the port.
    pub addr: SocketAddr,
    /// What is to be asked.
    pub kind: AddressKind,
}

/// What an address is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressKind {
    /// Whether a connection comes about. A hung process still lets the kernel accept connections: where the port speaks
    /// HTTP, ask that.
    Tcp,
    /// A `GET` over plain HTTP.
    Http {
        /// The `Host` header.
        host: String,
        /// The path, with a query if there is one.
        path: String,
        /// The statuses of a healthy answer.
        expect: RangeInclusive<u16>,
    },
}

/// Probes an [`AddressTarget`] in its way. It has no deadline of its own: the monitor, or a layer, sets one.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct AddressProbe;

// === impl AddressTarget ===

impl AddressTarget {
    /// Whether connections are accepted at `addr`.
    pub fn tcp(addr: SocketAddr) -> Self {
        Self { addr, kind: AddressKind::Tcp }
    }

    /// Whether `GET path` for `host` at `addr` is answered with 200–399.
    pub fn http(addr: SocketAddr, host: impl Into<String>, path: impl Into<String>) -> Self {
        Self { addr, kind: AddressKind::Http { host: host.into(), path: path.into(), expect: 200..=399 } }
    }
}

// === impl AddressProbe ===

impl Service<Probe<AddressTarget>> for AddressProbe {
    type Response = ProbeOutcome;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<ProbeOutcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Probe { target }: Probe<AddressTarget>) -> Self::Future {
        let AddressTarget { addr, kind } = target;
        match kind {
            AddressKind::Tcp => TcpProbe.call(Probe { target: addr }),
            AddressKind::Http { host, path, expect } => {
                HttpProbe.call(Probe { target: HttpTarget { addr, host, path, expect } })
            }
        }
    }
}
