use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header, request::Parts};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::reply::Failure;

/// A request, read far enough that handlers need no HTTP.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Scheme, host and port as the caller addressed us.
    pub(crate) origin: String,
    pub(crate) now: Instant,
}

impl Call {
    pub(crate) fn new(parts: Parts, body: Bytes, now: Instant) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        Self {
            origin: origin(&parts.uri, &parts.headers),
            path: parts.uri.path().to_owned(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            method: parts.method,
            headers: parts.headers,
            body,
            now,
        }
    }

    /// A query parameter; names are compared without letter case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// The api-version, empty only before the gateway has checked it.
    pub(crate) fn api_version(&self) -> &str {
        self.parameter("api-version").unwrap_or_default()
    }

    /// The origin with its port spelt out, as ARM writes it into links.
    pub(crate) fn origin_with_port(&self) -> String {
        let (scheme, host) = self.origin.split_once("://").unwrap_or(("https", &self.origin));
        // An IPv6 literal has colons of its own, in brackets.
        let after_literal = host.rsplit(']').next().unwrap_or(host);
        if after_literal.contains(':') {
            self.origin.clone()
        } else if scheme == "http" {
            format!("{}:80", self.origin)
        } else {
            format!("{}:443", self.origin)
        }
    }

    /// The body as a JSON object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Failure> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(invalid_content("the content is not a JSON object")),
            Err(error) => Err(invalid_content(&error.to_string())),
        }
    }
}

fn invalid_content(reason: &str) -> Failure {
    Failure::wrapped(
        http::StatusCode::BAD_REQUEST,
        "InvalidRequestContent",
        format!("The request content was invalid and could not be deserialized: '{reason}'."),
    )
}

fn origin(uri: &Uri, headers: &HeaderMap) -> String {
    let scheme = uri.scheme_str().unwrap_or("https");
    let host = uri
        .authority()
        .map(|authority| authority.as_str().to_owned())
        .or_else(|| {
            let host = headers.get(header::HOST)?;
            host.to_str().ok().map(str::to_owned)
        })
        .unwrap_or_else(|| "management.azure.com".to_owned());
    format!("{scheme}://{host}")
}
