//! Answers in the representation the client accepts: the object itself, its metadata alone, or a Table of it.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::convert;
use crate::kinds::{Conversion, Kind};
use crate::object;
use crate::request::Request;
use crate::status::Status;
use crate::store::Stored;
use crate::table::{self, IncludeObject};

pub(crate) type Reply = Response<Body>;

/// How objects are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Representation {
    Object,
    /// PartialObjectMetadata: the metadata alone.
    Metadata,
    Table(IncludeObject),
}

impl Representation {
    pub(crate) fn negotiate(request: &Request) -> Result<Self, Status> {
        let accept = request.accept();
        if accept.is_empty() {
            return Ok(Self::Object);
        }
        for media in accept.iter().filter(|m| m.is_json()) {
            let meta = media.parameter("g") == Some("meta.k8s.io") && media.parameter("v") == Some("v1");
            match media.parameter("as") {
                None => return Ok(Self::Object),
                Some("Table") if meta => return Ok(Self::Table(include_object(request)?)),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") if meta => return Ok(Self::Metadata),
                Some(_) => {}
            }
        }
        Err(Status::not_acceptable())
    }
}

fn include_object(request: &Request) -> Result<IncludeObject, Status> {
    match request.query.get("includeObject").unwrap_or_default() {
        "" | "Metadata" => Ok(IncludeObject::Metadata),
        "None" => Ok(IncludeObject::None),
        "Object" => Ok(IncludeObject::Object),
        other => Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
    }
}

/// Shows objects of one kind.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) representation: Representation,
    pub(crate) now: Timestamp,
}

impl View<'_> {
    /// The object, in the kind's version, as JSON without the closing newline.
    pub(crate) fn object(&self, stored: &Stored, out: &mut Vec<u8>) {
        match self.representation {
            Representation::Object => {
                self.type_meta(out);
                self.fields(stored, out);
            }
            Representation::Metadata => object::encode(&self.metadata(&stored.object), out),
            Representation::Table(include) => {
                let object = convert::from_storage(self.kind, &stored.object);
                let revision = object::revision(&stored.object).unwrap_or_default();
                let table = self.table(&[&object], include, json!({"resourceVersion": revision}));
                object::encode(&table, out);
            }
        }
    }

    /// A Table with `metadata` in its place.
    pub(crate) fn table(&self, objects: &[&Value], include: IncludeObject, metadata: Value) -> Value {
        let columns = self.kind.custom.as_ref().map(|c| c.columns.as_slice());
        let mut table = table::table(&self.kind.api_version(), &self.kind.kind, columns, objects, self.now, include);
        table["metadata"] = metadata;
        table
    }

    pub(crate) fn metadata(&self, object: &Value) -> Value {
        let metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
    }

    /// A list at `revision`; `next` continues it, `remaining` are the objects after that.
    pub(crate) fn list(&self, items: &[&Stored], revision: u64, next: Option<&str>, remaining: Option<usize>) -> Bytes {
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
        match next {
            Some(next) => {
                metadata.insert("continue".to_owned(), next.into());
                if let Some(remaining) = remaining {
                    metadata.insert("remainingItemCount".to_owned(), remaining.into());
                }
            }
            // Lists of custom resources are unstructured: they show the empty token.
            None if self.kind.custom.is_some() && self.representation == Representation::Object => {
                metadata.insert("continue".to_owned(), "".into());
            }
            None => {}
        }
        let mut out = Vec::with_capacity(256 + items.len() * 640);
        match self.representation {
            Representation::Table(include) => {
                let objects: Vec<_> = items.iter().map(|s| convert::from_storage(self.kind, &s.object)).collect();
                let objects: Vec<&Value> = objects.iter().map(|o| &**o).collect();
                object::encode(&self.table(&objects, include, Value::Object(metadata)), &mut out);
                out.push(b'\n');
                return out.into();
            }
            Representation::Metadata => {
                out.extend_from_slice(
                    br#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":"#,
                );
            }
            Representation::Object => {
                out.extend_from_slice(br#"{"kind":"#);
                object::encode(&self.kind.list_kind, &mut out);
                out.extend_from_slice(br#","apiVersion":"#);
                object::encode(&self.kind.api_version(), &mut out);
                out.extend_from_slice(br#","metadata":"#);
            }
        }
        object::encode(&metadata, &mut out);
        out.extend_from_slice(br#","items":["#);
        for (i, stored) in items.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            match self.representation {
                Representation::Metadata => object::encode(&self.metadata(&stored.object), &mut out),
                // Items of typed lists carry no kind: the list says it.
                _ if self.kind.custom.is_none() => {
                    out.push(b'{');
                    self.fields(stored, &mut out);
                }
                _ => self.object(stored, &mut out),
            }
        }
        out.extend_from_slice(b"]}\n");
        out.into()
    }

    fn type_meta(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"kind":"#);
        object::encode(&self.kind.kind, out);
        out.extend_from_slice(br#","apiVersion":"#);
        object::encode(&self.kind.api_version(), out);
        out.push(b',');
    }

    fn fields(&self, stored: &Stored, out: &mut Vec<u8>) {
        if self.kind.conversion == Conversion::Version {
            out.extend_from_slice(stored.fields());
        } else {
            out.extend_from_slice(&object::encode_fields(&convert::from_storage(self.kind, &stored.object)));
        }
    }
}

/// A JSON answer with the headers upstream sets.
pub(crate) fn json_reply(code: u16, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Body::from(body.into()));
    *reply.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    reply
}

pub(crate) fn value_reply(code: u16, value: &Value) -> Reply {
    let mut out = Vec::with_capacity(512);
    object::encode(value, &mut out);
    out.push(b'\n');
    json_reply(code, out)
}

pub(crate) fn text_reply(code: u16, text: impl Into<Bytes>) -> Reply {
    let mut reply = json_reply(code, text);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply
}

pub(crate) fn status_reply(status: &Status) -> Reply {
    let mut reply = json_reply(status.code, status.to_bytes());
    if let Some(seconds) = status.details.as_ref().and_then(|d| d.retry_after) {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// Adds the `Warning` headers a client shows its user.
pub(crate) fn warn(reply: &mut Reply, warnings: &[String]) {
    for text in warnings {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            reply.headers_mut().append(WARNING, value);
        }
    }
}
