//! How requests leave: one `tower` service for tokens and for the management API, so that whatever is layered around it, or stands in
//! its place in a test, is seen by both.

mod leaf;
mod sdk;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

pub use self::leaf::{Leaf, LeafError, LeafOptions};
pub use self::sdk::TowerHttpClient;

/// Anything that answers an HTTP request: the network, or an emulator in this process.
pub type HttpService = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, TransportError>;

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection could be made: nothing was sent.
    #[error("cannot connect to {host}: {}", Chain(source.as_ref()))]
    Connect {
        /// Host and port.
        host: String,
        /// Why.
        source: BoxError,
    },
    /// The connection broke, or time ran out: the request may have been carried out.
    #[error("no answer from {host}: {}", Chain(source.as_ref()))]
    Lost {
        /// Host and port.
        host: String,
        /// Why.
        source: BoxError,
    },
    /// A server that has no time asks to come back, or could not do its work.
    #[error("{host} answered {status}")]
    Busy {
        /// Host and port.
        host: String,
        /// 429 or 5xx.
        status: http::StatusCode,
        /// When to come back.
        retry_after: Option<Duration>,
    },
}

/// Makes an [`HttpService`] of a service with errors of its own; they count as [`TransportError::Lost`] unless they are
/// [`TransportError`]s.
pub fn http_service<S>(service: S) -> HttpService
where
    S: Service<Request<Bytes>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    BoxCloneSyncService::new(Named { service })
}

/// Makes an [`HttpService`] of an HTTP server in this process: an emulator, an `axum::Router`. A body that breaks off is
/// [`TransportError::Lost`], as a connection that does.
pub fn in_process<S, B>(server: S) -> HttpService
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    http_service(tower::service_fn(move |request: Request<Bytes>| {
        let server = server.clone();
        async move {
            let response = server.oneshot(request.map(Full::new)).await.map_err(Into::into)?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(Into::into)?;
            Ok::<_, BoxError>(Response::from_parts(parts, body.to_bytes()))
        }
    }))
}

#[derive(Clone)]
struct Named<S> {
    service: S,
}

impl<S> Service<Request<Bytes>> for Named<S>
where
    S: Service<Request<Bytes>, Response = Response<Bytes>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future = futures::future::BoxFuture<'static, Result<Response<Bytes>, TransportError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), TransportError>> {
        // The call waits for its own clone.
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let host = host_of(request.uri());
        let service = self.service.clone();
        Box::pin(async move {
            service.oneshot(request).await.map_err(|error| match error.into().downcast::<TransportError>() {
                Ok(error) => *error,
                Err(source) => TransportError::Lost { host, source },
            })
        })
    }
}

pub(crate) fn host_of(uri: &http::Uri) -> String {
    uri.authority().map_or_else(|| "the server".to_owned(), |authority| authority.to_string())
}

/// An error with all its causes: HTTP clients hide what happened two causes down.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl<'a> Chain<'a> {
    fn causes(&self) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
        std::iter::successors(Some(self.0), |error| error.source())
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        for error in self.causes() {
            let text = error.to_string();
            if said.contains(&text) {
                continue;
            }
            f.write_str(if said.is_empty() { "" } else { ": " })?;
            f.write_str(&text)?;
            said.push_str(&text);
        }
        Ok(())
    }
}
