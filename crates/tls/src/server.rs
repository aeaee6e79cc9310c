use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo};
use http::{Request, Response};
use hyper::{body::Incoming, rt::Executor};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpStream,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use crate::{ServerCertificate, TlsError};

/// A client that opens a connection and says nothing is dropped after this.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// kube-apiserver's own setting: clients multiplex hundreds of watches over one connection.
const MAX_STREAMS: u32 = 1000;
/// Out of file descriptors, mostly: give connections time to end rather than spin.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// A running HTTPS server. Dropping it closes the port and cuts every connection, answers in flight included.
#[derive(Debug)]
pub struct HttpsServer {
    addr: SocketAddr,
    stopping: CancellationToken,
    accepting: JoinHandle<()>,
}

/// Serves `service` on `listener` over TLS, HTTP/2 or HTTP/1.1 as the client chooses.
///
/// Each request carries its peer as [`ConnectInfo<SocketAddr>`] extension. Must be called inside a tokio runtime with
/// I/O and time enabled.
///
/// # Errors
/// [`TlsError::Listen`] when the listener cannot be handed to the runtime.
pub async fn serve<S>(
    listener: TcpListener,
    certificate: &ServerCertificate,
    service: S,
) -> Result<HttpsServer, TlsError>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let failed = |source| TlsError::Listen { source };
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let acceptor = TlsAcceptor::from(certificate.config());
    let stopping = CancellationToken::new();
    let accepting = tokio::spawn(accept(listener, acceptor, service, stopping.clone()));
    Ok(HttpsServer { addr, stopping, accepting })
}

impl HttpsServer {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the port, lets requests in flight finish for at most `grace`, then cuts what is left. With a zero grace it
    /// cuts at once; unlike after a drop, everything is closed when this returns.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stopping.cancel();
        if grace.is_zero() || tokio::time::timeout(grace, &mut self.accepting).await.is_err() {
            self.accepting.abort();
            let _ = (&mut self.accepting).await;
        }
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Owns the listener and, through the set, every connection: aborting this one task ends all of them.
async fn accept<S>(listener: tokio::net::TcpListener, acceptor: TlsAcceptor, service: S, stopping: CancellationToken)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection::new(acceptor.clone(), service.clone(), stopping.clone(), peer);
                connections.spawn(connection.run(stream));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

struct Connection<S> {
    acceptor: TlsAcceptor,
    service: S,
    stopping: CancellationToken,
    peer: SocketAddr,
}

impl<S> Connection<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    fn new(acceptor: TlsAcceptor, service: S, stopping: CancellationToken, peer: SocketAddr) -> Self {
        Self { acceptor, service, stopping, peer }
    }

    async fn run(self, stream: TcpStream) {
        let Self { acceptor, service, stopping, peer } = self;
        // Small answers must not wait for Nagle's algorithm; a socket that refuses the option still works.
        let _ = stream.set_nodelay(true);
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
        let stream = tokio::select! {
            () = stopping.cancelled() => return,
            done = handshake => match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => return tracing::debug!(%peer, "TLS handshake timed out"),
            },
        };

        let requests = Requests(CancellationToken::new());
        let _ends_with_the_connection = requests.0.clone().drop_guard();
        let mut builder = auto::Builder::new(requests);
        builder.http1().timer(TokioTimer::new()).http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
        let service = service.map_request(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended with an error");
        }
    }
}

/// Runs the requests of an HTTP/2 connection, which hyper spawns, and ends them with their connection.
#[derive(Clone)]
struct Requests(CancellationToken);

impl<F> Executor<F> for Requests
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, request: F) {
        let cut = self.0.clone();
        tokio::spawn(async move {
            cut.run_until_cancelled_owned(request).await;
        });
    }
}
