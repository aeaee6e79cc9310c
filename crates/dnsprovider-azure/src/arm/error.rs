//! What the management API says when it does not do what it was asked.
//!
//! Four shapes of body occur: the DNS service's own `{"code", "message"}`; the gateway's `{"error": {"code", "message"}}`; either as a JSON
//! string that holds JSON; and HTML, from the load balancers in front of both.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kfed_dnsprovider::{DnsError, ErrorClass};
use serde_json::Value;

use crate::transport::TransportError;

/// The longest message that is passed on, in characters.
const MAX_MESSAGE: usize = 600;

/// The code and the words of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    /// Whether these are the service's words; else something in front of it, or nothing, answered.
    pub(crate) understood: bool,
}

/// What a 404 says is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    RecordSet,
    /// The zone, its resource group or its subscription.
    Zone,
}

// === impl Fault ===

impl Fault {
    pub(crate) fn read(body: &[u8], status: StatusCode) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        if let Some(fault) = serde_json::from_str(text).ok().and_then(|json| Self::from_json(&json, 0)) {
            return fault;
        }
        let status = match status.canonical_reason() {
            Some(reason) => format!("{} {reason}", status.as_u16()),
            None => status.as_u16().to_string(),
        };
        let message = match html_title(text) {
            Some(title) if title.is_empty() => format!("{status}, as an HTML page"),
            Some(title) => format!("{status}, as an HTML page: {title}"),
            None if text.is_empty() => format!("{status}, without a body"),
            None => format!("{status}: {text}"),
        };
        Self { code: None, message: shorten(&message), understood: false }
    }

    fn from_json(json: &Value, depth: u8) -> Option<Self> {
        match json {
            // JSON in a string, seen around throttling by the DNS service.
            Value::String(text) if depth < 2 => Self::from_json(&serde_json::from_str(text).ok()?, depth + 1),
            Value::Object(object) => {
                if let Some(error) = object.get("error").filter(|error| error.is_object()) {
                    return Self::from_json(error, depth);
                }
                let field = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
                let (code, message) = (field("code"), field("message"));
                if code.is_none() && message.is_none() {
                    return None;
                }
                let message = message.or_else(|| code.clone()).unwrap_or_default();
                Some(Self { code, message: shorten(&message), understood: true })
            }
            _ => None,
        }
    }

    fn is(&self, code: &str) -> bool {
        self.code.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(code))
    }

    /// What is missing: the DNS service answers `NotFound` for a record set; whatever contains it is the gateway's to miss.
    pub(crate) fn absent(&self) -> Absent {
        if self.is("NotFound") { Absent::RecordSet } else { Absent::Zone }
    }

    fn class(&self, status: StatusCode, writes: bool) -> ErrorClass {
        let no_answer = if writes { ErrorClass::Unknown } else { ErrorClass::Unavailable };
        match status.as_u16() {
            401 => ErrorClass::Unauthenticated,
            403 => ErrorClass::Forbidden,
            404 => ErrorClass::NotFound,
            408 => no_answer,
            409 if self.is("ScopeLocked") => ErrorClass::Forbidden,
            // One code for two things, told apart by nothing but words: a CNAME beside another type will never fit, while an operation
            // that is still pending passes.
            409 if self.message.contains("record with the same name already exists") => ErrorClass::Invalid,
            409 | 412 => ErrorClass::Conflict,
            429 => ErrorClass::Throttled,
            400..=499 if self.understood => ErrorClass::Invalid,
            400..=499 => ErrorClass::Unavailable,
            _ => no_answer,
        }
    }
}

/// The error for an answer that is no success.
pub(crate) fn refused(
    response: &Response<bytes::Bytes>,
    operation: &'static str,
    writes: bool,
    now: Timestamp,
) -> DnsError {
    let fault = Fault::read(response.body(), response.status());
    let mut error = DnsError::new(fault.class(response.status(), writes), operation, fault.message.clone());
    error.retry_after = retry_after(response, now).or_else(|| named_seconds(&fault.message));
    error.code = fault.code;
    error.request_id = request_id(response);
    error
}

/// The error for an answer that never came.
pub(crate) fn unanswered(error: &TransportError, operation: &'static str, writes: bool) -> DnsError {
    let class = match (error, writes) {
        (TransportError::Connect { .. }, _) | (_, false) => ErrorClass::Unavailable,
        (_, true) => ErrorClass::Unknown,
    };
    let mut described = DnsError::new(class, operation, error.to_string());
    if let TransportError::Busy { retry_after, .. } = error {
        described.retry_after = *retry_after;
    }
    described
}

/// The error for a success whose body makes no sense.
pub(crate) fn unreadable(
    response: &Response<bytes::Bytes>,
    problem: impl std::fmt::Display,
    operation: &'static str,
    writes: bool,
) -> DnsError {
    let class = if writes { ErrorClass::Unknown } else { ErrorClass::Unavailable };
    let message = format!("the answer ({}) cannot be read: {problem}", response.status().as_u16());
    let mut error = DnsError::new(class, operation, message);
    error.request_id = request_id(response);
    error
}

pub(crate) fn request_id(response: &Response<bytes::Bytes>) -> Option<String> {
    let header =
        response.headers().get("x-ms-request-id").or_else(|| response.headers().get("x-ms-correlation-request-id"));
    header.and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// `Retry-After` in seconds or as a date (RFC 9110 § 10.2.3).
fn retry_after(response: &Response<bytes::Bytes>, now: Timestamp) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    until.duration_since(now).max(SignedDuration::ZERO).try_into().ok()
}

/// `… Please try again after '307' seconds.`, which the gateway writes also where it sends no header.
fn named_seconds(message: &str) -> Option<Duration> {
    let rest = message.split_once("try again after '")?.1;
    rest.split_once('\'')?.0.parse().ok().map(Duration::from_secs)
}

fn html_title(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with('<') {
        return None;
    }
    let title = lower.find("<title>").map(|at| at + "<title>".len()).and_then(|start| {
        let end = lower[start..].find("</title>")?;
        text.get(start..start + end)
    });
    Some(title.unwrap_or_default().trim().to_owned())
}

/// In one line, and not without end.
fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
