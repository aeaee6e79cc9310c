//! `/emulator/faults`: the switches over HTTP, on the port of the API.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, extract::ConnectInfo};
use futures::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tower::{Service, ServiceExt as _};

use super::{ApiFault, FaultSwitch, LbFault, OutsideApi, outside::refused};

const PATH: &str = "/emulator/faults";
const LARGEST_BODY: usize = 16 * 1024;

/// What TLS serves: the outside view of the API, and beside it the switches, which answer whatever is broken.
#[derive(Debug, Clone)]
pub(crate) struct ServedApi<S> {
    api: OutsideApi<S>,
}

/// A key that is absent leaves its fault as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    api: Option<ApiFault>,
    lb: Option<LbFault>,
}

impl<S> ServedApi<S> {
    pub(crate) fn new(api: OutsideApi<S>) -> Self {
        Self { api }
    }
}

impl<S> Service<Request<Body>> for ServedApi<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The switches must answer even if the API is not ready: its readiness is awaited in the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() == PATH {
            let switch = self.api.switch().clone();
            return Box::pin(async move { Ok(control(&switch, request).await) });
        }
        let api = self.api.clone();
        Box::pin(async move { Ok(api.oneshot(request).await.unwrap_or_else(|_refused| cut())) })
    }
}

async fn control(switch: &FaultSwitch, request: Request<Body>) -> Response<Body> {
    // Who can reach loopback owns the emulator. A peer that is not known is not let in.
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
    if !peer.is_some_and(|ip| ip.is_loopback()) {
        return message(StatusCode::FORBIDDEN, "faults are set from loopback only");
    }
    match *request.method() {
        Method::GET => {}
        Method::PUT => {
            let Ok(body) = axum::body::to_bytes(request.into_body(), LARGEST_BODY).await else {
                return message(StatusCode::BAD_REQUEST, "the body cannot be read, or is larger than 16 KiB");
            };
            let change: Change = match serde_json::from_slice(&body) {
                Ok(change) => change,
                Err(error) => return message(StatusCode::BAD_REQUEST, &error.to_string()),
            };
            let mut faults = switch.get();
            faults.api = change.api.unwrap_or(faults.api);
            faults.lb = change.lb.unwrap_or(faults.lb);
            switch.set(faults);
        }
        _ => {
            let mut response = message(StatusCode::METHOD_NOT_ALLOWED, "want GET or PUT");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, PUT"));
            return response;
        }
    }
    answer(StatusCode::OK, &json!(switch.get()))
}

fn message(code: StatusCode, message: &str) -> Response<Body> {
    answer(code, &json!({ "message": message }))
}

fn answer(code: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer whose body fails before anything was sent: HTTP/1.1 closes the connection and HTTP/2 resets the stream
/// before the head leaves. That is as near to a closed port as one can come with the switches still behind that port.
fn cut() -> Response<Body> {
    Response::new(Body::from_stream(stream::iter([Err::<bytes::Bytes, _>(refused())])))
}
