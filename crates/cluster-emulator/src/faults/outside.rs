use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use kfed_apiserver::ApiServer;
use serde_json::json;
use tower::{BoxError, Service};

use super::{ApiFault, FaultSwitch, FaultWatch, status_reason};

/// The member's API as the outside sees it: with the faults of [`crate::ClusterEmulator::set_faults`].
///
/// A tower service that `kube::Client::new` takes. Its only error is an [`io::Error`] of kind
/// [`io::ErrorKind::ConnectionRefused`], under [`ApiFault::Refuse`].
#[derive(Debug, Clone)]
pub struct OutsideApi<S = ApiServer> {
    api: S,
    switch: FaultSwitch,
}

impl<S> OutsideApi<S> {
    pub(crate) fn new(api: S, switch: FaultSwitch) -> Self {
        Self { api, switch }
    }

    pub(crate) fn switch(&self) -> &FaultSwitch {
        &self.switch
    }
}

impl<S, B> Service<Request<B>> for OutsideApi<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.api.poll_ready(cx).map_err(|never| match never {})
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The ready service serves this request, its clone the next one.
        let clone = self.api.clone();
        let mut api = std::mem::replace(&mut self.api, clone);
        let mut faults = self.switch.watch();
        Box::pin(async move {
            match faults.api_answers().await {
                ApiFault::Refuse => return Err(refused().into()),
                ApiFault::Status(code) => return Ok(status(code)),
                ApiFault::Ok | ApiFault::Hang => {}
            }
            let response = api.call(request).await.unwrap_or_else(|never| match never {});
            // A server that hangs from now on must not let an answer out that was under way.
            if faults.api_answers().await == ApiFault::Refuse {
                return Err(refused().into());
            }
            Ok(response.map(|body| hold(body, faults)))
        })
    }
}

pub(crate) fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused")
}

/// A Kubernetes Status of `code`, as a failing API server answers it.
fn status(code: u16) -> Response<Body> {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = match code {
        StatusCode::UNAUTHORIZED => "Unauthorized",
        _ => code.canonical_reason().unwrap_or("the emulated API server is told to fail"),
    };
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": status_reason(code),
        "code": code.as_u16(),
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Makes a streamed body, a watch, obey the faults. A body of known size is already here as a whole.
fn hold(body: Body, faults: FaultWatch) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    Body::from_stream(stream::unfold(Some((body, faults)), |state| async move {
        let (mut body, mut faults) = state?;
        loop {
            match faults.current().api {
                ApiFault::Hang => faults.changed().await,
                ApiFault::Refuse => {
                    let broken = io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer");
                    return Some((Err(BoxError::from(broken)), None));
                }
                ApiFault::Ok | ApiFault::Status(_) => tokio::select! {
                    biased;
                    () = faults.changed() => {}
                    frame = body.frame() => match frame? {
                        Ok(frame) => {
                            let data = frame.into_data().unwrap_or_else(|_trailers| Bytes::new());
                            return Some((Ok(data), Some((body, faults))));
                        }
                        Err(error) => return Some((Err(error.into()), None)),
                    }
                },
            }
        }
    }))
}
