//! Answers, and the four shapes that errors come in.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

pub(crate) type Reply = Response<Bytes>;

/// An error answer. Small, because it travels through every `?`.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    shape: Shape,
    code: &'static str,
    pub(crate) message: String,
    header: Option<(HeaderName, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `{"code","message"}`: the DNS resource provider.
    Flat,
    /// `{"error":{"code","message"}}`: the Resource Manager in front of it.
    Wrapped,
    /// The flat shape as a JSON string: the DNS resource provider's throttle.
    JsonInString,
}

impl Failure {
    /// An error of the DNS resource provider.
    pub(crate) fn flat(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, shape: Shape::Flat, code, message: message.into(), header: None }
    }

    /// An error of the Resource Manager.
    pub(crate) fn wrapped(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { shape: Shape::Wrapped, ..Self::flat(status, code, message) }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::flat(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::flat(StatusCode::CONFLICT, "Conflict", message)
    }

    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::flat(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
    }

    pub(crate) fn throttled(retry_after: Duration) -> Self {
        Self {
            shape: Shape::JsonInString,
            header: Some((header::RETRY_AFTER, retry_after.as_secs().to_string())),
            ..Self::flat(
                StatusCode::TOO_MANY_REQUESTS,
                "Throttled",
                "Too many operations are requested. Current operation is throttled.",
            )
        }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    /// What the status URL of a failed asynchronous operation answers.
    pub(crate) fn as_operation(&self) -> Value {
        json!({ "error": self.flat_body(), "status": "Failed" })
    }

    pub(crate) fn into_reply(self) -> Reply {
        let body = match self.shape {
            Shape::Flat => self.flat_body(),
            Shape::Wrapped => json!({ "error": self.flat_body() }),
            Shape::JsonInString => Value::String(self.flat_body().to_string()),
        };
        let mut reply = json_reply(self.status, &body);
        if self.shape == Shape::Wrapped {
            set(&mut reply, HeaderName::from_static("x-ms-failure-cause"), "gateway");
            set(&mut reply, header::PRAGMA, "no-cache");
            set(&mut reply, header::EXPIRES, "-1");
        }
        if let Some((name, value)) = self.header {
            set(&mut reply, name, &value);
        }
        reply
    }

    fn flat_body(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

pub(crate) fn json_reply(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Response::new(Bytes::from(body.to_string()));
    *reply.status_mut() = status;
    set(&mut reply, header::CONTENT_TYPE, "application/json; charset=utf-8");
    reply
}

/// A resource with its etag, which is unquoted in the header too.
pub(crate) fn resource_reply(status: StatusCode, body: &Value, etag: &str) -> Reply {
    let mut reply = json_reply(status, body);
    set(&mut reply, header::ETAG, etag);
    reply
}

pub(crate) fn empty_reply(status: StatusCode) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    reply
}

/// The page of a front door whose origin did not answer in time.
pub(crate) fn unavailable_page() -> Reply {
    let mut reply = Response::new(Bytes::from_static(
        b"<!DOCTYPE html><html><head><title>Service unavailable</title></head>\
          <body><h2>Our services aren't available right now</h2></body></html>",
    ));
    *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    set(&mut reply, header::CONTENT_TYPE, "text/html");
    set(&mut reply, HeaderName::from_static("x-azure-externalerror"), "0x80072ee2,OriginTimeout");
    reply
}

/// Sets a header, or leaves it out when the value, taken from a request, cannot be one.
pub(crate) fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}
