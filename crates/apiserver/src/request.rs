//! What a request asks for: its path, query, accepted representations and body.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::protobuf::{self, ProtobufError};
use crate::status::{FieldError, Status};

/// Bodies larger than this are refused, as upstream does (3 MiB).
pub(crate) const BODY_LIMIT: usize = 3 << 20;

/// What bodies may be in. Custom resources have no messages.
const BODIES: &str = "application/json, application/yaml";
const BODIES_BUILT_IN: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// A request with its body read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    pub(crate) fn accept(&self) -> Vec<Media> {
        // Several Accept headers mean the same as one with commas.
        self.headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(Media::parse)
            .collect()
    }

    /// The body's media type without parameters; JSON when unsaid.
    pub(crate) fn content_type(&self) -> &str {
        let media = self.header(&CONTENT_TYPE).unwrap_or("application/json");
        media.split(';').next().unwrap_or(media).trim()
    }

    /// Who writes, for managedFields: `fieldManager`, else the first word of the User-Agent.
    pub(crate) fn field_manager(&self) -> String {
        let named = self.query.get("fieldManager").filter(|m| !m.is_empty());
        let agent = || self.header(&USER_AGENT).and_then(|a| a.split('/').next()).filter(|a| !a.is_empty());
        named.or_else(agent).unwrap_or("unknown").to_owned()
    }

    /// The body of a create or update.
    pub(crate) fn object(&self) -> Result<Value, Status> {
        match self.content_type() {
            "application/json" => Ok(serde_json::from_slice(&self.body)
                .map_err(|e| Status::bad_request(format!("json parse error: {e}")))?),
            "application/yaml" => yaml(&self.body),
            protobuf::MEDIA_TYPE => protobuf::decode(&self.body).map_err(unread),
            _ => Err(Status::unsupported_body(BODIES_BUILT_IN)),
        }
    }

    /// `dryRun=All`.
    pub(crate) fn dry_run(&self, options: &str) -> Result<bool, Status> {
        let asked: Vec<&str> = self.query.all("dryRun").filter(|d| !d.is_empty()).collect();
        dry_run(&asked, options)
    }

    pub(crate) fn validation(&self) -> Result<FieldValidation, Status> {
        match self.query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Strict" => Ok(FieldValidation::Strict),
            "Ignore" => Ok(FieldValidation::Ignore),
            other => {
                let error =
                    FieldError::unsupported("fieldValidation", format!("{other:?}"), &["Ignore", "Strict", "Warn"]);
                Err(Status::invalid_options(
                    if self.method == Method::POST { "CreateOptions" } else { "UpdateOptions" },
                    vec![error],
                ))
            }
        }
    }
}

pub(crate) fn dry_run(asked: &[&str], options: &str) -> Result<bool, Status> {
    if asked.iter().any(|d| *d != "All") {
        let error = FieldError::unsupported("dryRun", format!("{asked:?}"), &["All"]);
        return Err(Status::invalid_options(options, vec![error]));
    }
    Ok(!asked.is_empty())
}

/// What to do with fields the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

pub(crate) fn yaml(body: &[u8]) -> Result<Value, Status> {
    // Clients send JSON under the YAML names too, which is the faster parser.
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|e| Status::bad_request(format!("error decoding YAML: {e}")))?;
    serde_saphyr::from_str(text).map_err(|e| Status::bad_request(format!("error decoding YAML: {e}")))
}

fn unread(error: ProtobufError) -> Status {
    match error {
        ProtobufError::UnknownKind { .. } | ProtobufError::Encoding(_) => Status::unsupported_body(BODIES),
        error => Status::bad_request(error.to_string()),
    }
}

/// Reads a body, as far as the limit.
pub(crate) async fn read_body<B>(body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Status::bad_request("the request's body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > BODY_LIMIT {
            return Err(Status::too_large(BODY_LIMIT));
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Decoded query parameters, in order. Empty pairs (`?&a=b`) and unknown names do no harm.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !name.is_empty());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// `true` and `1` are true; an absent or empty parameter is false.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1" | "True" | "TRUE" | "t" | "T"))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Status> {
        let Some(text) = self.get(name).filter(|v| !v.is_empty()) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) => Ok(Some(u64::try_from(number).unwrap_or(0))),
            Err(_) => Err(Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
        }
    }
}

/// One entry of an Accept header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) kind: String,
    pub(crate) parameters: Vec<(String, String)>,
}

impl Media {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters = parts.filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self { kind, parameters }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self.kind.as_str(), "application/json" | "*/*" | "application/*" | "")
    }
}

/// A path below `/api/v1` or `/apis/{group}/{version}`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) plural: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl ResourcePath {
    /// `None` when the segments name no resource.
    pub(crate) fn parse(segments: &[Cow<'_, str>]) -> Option<Self> {
        let (group, version, rest) = match segments {
            [api, version, rest @ ..] if api == "api" => ("", version, rest),
            [apis, group, version, rest @ ..] if apis == "apis" => (group.as_ref(), version, rest),
            _ => return None,
        };
        // `/namespaces/a/status` is a namespace's own subresource, `/namespaces/a/pods` is what it holds.
        let own = |s: &str| group.is_empty() && matches!(s, "status" | "finalize");
        let (namespace, rest) = match rest {
            [ns, namespace, plural, more @ ..] if ns == "namespaces" && !(more.is_empty() && own(plural)) => {
                (Some(namespace.clone().into_owned()), &rest[2..])
            }
            _ => (None, rest),
        };
        let mut rest = rest.iter().map(|s| s.clone().into_owned());
        let plural = rest.next()?;
        let (name, subresource) = (rest.next(), rest.next());
        if rest.next().is_some() {
            return None;
        }
        Some(Self {
            group: group.to_owned(),
            version: version.clone().into_owned(),
            namespace,
            plural,
            name,
            subresource,
        })
    }
}

/// The decoded segments of a path.
pub(crate) fn segments(path: &str) -> Vec<Cow<'_, str>> {
    path.split('/').filter(|s| !s.is_empty()).map(|s| percent_decode_str(s).decode_utf8_lossy()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expect: (&str, &str, Option<&str>, &str, Option<&str>, Option<&str>)) {
        let found = ResourcePath::parse(&segments(path)).unwrap();
        let found = (
            found.group.as_str(),
            found.version.as_str(),
            found.namespace.as_deref(),
            found.plural.as_str(),
            found.name.as_deref(),
            found.subresource.as_deref(),
        );
        assert_eq!(found, expect, "{path}");
    }

    #[test]
    fn paths_name_resources() {
        check("/api/v1/pods", ("", "v1", None, "pods", None, None));
        check("/api/v1/namespaces", ("", "v1", None, "namespaces", None, None));
        check("/api/v1/namespaces/a", ("", "v1", None, "namespaces", Some("a"), None));
        check("/api/v1/namespaces/a/status", ("", "v1", None, "namespaces", Some("a"), Some("status")));
        check("/api/v1/namespaces/a/finalize", ("", "v1", None, "namespaces", Some("a"), Some("finalize")));
        check("/api/v1/namespaces/a/pods", ("", "v1", Some("a"), "pods", None, None));
        check("/api/v1/namespaces/a/pods/b/status", ("", "v1", Some("a"), "pods", Some("b"), Some("status")));
        check(
            "/apis/apps/v1/namespaces/a/deployments/b/scale",
            ("apps", "v1", Some("a"), "deployments", Some("b"), Some("scale")),
        );
        check("/apis/rbac/v1/roles/system%3Anode", ("rbac", "v1", None, "roles", Some("system:node"), None));
    }

    #[test]
    fn paths_that_name_none_are_none() {
        for path in ["/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/version", "/api/v1/pods/a/b/c"] {
            assert_eq!(ResourcePath::parse(&segments(path)), None, "{path}");
        }
    }

    #[test]
    fn an_empty_first_pair_and_unknown_names_do_no_harm() {
        let query = Query::parse("&limit=5&what=ever&labelSelector=a%3Db+c");
        assert_eq!(query.number("limit").unwrap(), Some(5));
        assert_eq!(query.get("labelSelector"), Some("a=b c"));
        assert!(!query.flag("watch"));
        assert_eq!(Query::parse("limit=abc").number("limit").unwrap_err().code, 400);
    }
}
