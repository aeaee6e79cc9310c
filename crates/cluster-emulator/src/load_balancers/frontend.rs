use std::{
    convert::Infallible,
    io,
    net::{SocketAddrV4, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::Backends;
use crate::faults::{FaultWatch, LbFault};

/// Out of file descriptors, or a port that somebody took meanwhile: try again after this.
const RETRY: Duration = Duration::from_millis(50);

/// One port of one load balancer. The future owns the listener and every connection, so dropping it ends all of them.
pub(super) fn serve(
    listener: StdListener,
    address: SocketAddrV4,
    backends: Arc<Backends>,
    faults: FaultWatch,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    Ok(run(listener, address, backends, faults))
}

async fn run(listener: TcpListener, address: SocketAddrV4, backends: Arc<Backends>, mut faults: FaultWatch) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        if faults.current().lb == LbFault::Refuse {
            listener = None;
            connections.abort_all();
            while connections.join_next().await.is_some() {}
            faults.changed().await;
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => match TcpListener::bind(address).await {
                Ok(open) => open,
                Err(error) => {
                    tracing::warn!(%address, %error, "cannot listen again");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            },
        };
        let accepted = tokio::select! {
            biased;
            () = faults.changed() => None,
            Some(_) = connections.join_next() => None,
            accepted = open.accept() => Some(accepted),
        };
        listener = Some(open);
        match accepted {
            Some(Ok((stream, _))) => {
                connections.spawn(connection(stream, Arc::clone(&backends), faults.clone()));
            }
            Some(Err(error)) => {
                tracing::warn!(%address, %error, "cannot accept a connection");
                tokio::time::sleep(RETRY).await;
            }
            None => {}
        }
    }
}

async fn connection(stream: TcpStream, backends: Arc<Backends>, faults: FaultWatch) {
    // Small answers must not wait for Nagle's algorithm; a socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |_request: http::Request<Incoming>| {
        let (backends, mut faults) = (Arc::clone(&backends), faults.clone());
        async move {
            // Under Refuse the frontend cuts this connection: no need to answer.
            while faults.current().lb != LbFault::Ok {
                faults.changed().await;
            }
            Ok::<_, Infallible>(answer(backends.next()))
        }
    });
    // The connection's errors are its client's: it went away, or speaks no HTTP.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn answer(pod: Option<String>) -> Response<Full<Bytes>> {
    let mut response = match pod {
        Some(pod) => {
            let name = HeaderValue::from_str(&pod).ok();
            let mut response = Response::new(Full::from(pod));
            if let Some(name) = name {
                response.headers_mut().insert("x-served-by", name);
            }
            response
        }
        None => {
            let mut response = Response::new(Full::from("no endpoints available"));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
