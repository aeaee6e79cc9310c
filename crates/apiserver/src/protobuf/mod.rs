//! Request bodies in Kubernetes' protobuf, as JSON.
//!
//! kubectl sends what it builds from flags (`create namespace NAME`, `auth can-i`) in protobuf whatever the server announces, and takes
//! an answer in JSON. Bodies are therefore read, never written.
//!
//! ```text
//! "k8s\0" Unknown { typeMeta { apiVersion, kind }, raw } ──► the message of that kind ──► the JSON a client would have sent
//! ```
//!
//! Everything that differs between kinds is in `messages.txt`.

mod decode;
mod schema;
mod wire;

#[cfg(test)]
mod tests;

use serde_json::Value;

use schema::SCHEMA;
use wire::{Malformed, Reader, Wire};

/// The media type of such bodies.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What such a body starts with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProtobufError {
    #[error("no message is known for {kind:?} in {api_version:?}")]
    UnknownKind { api_version: String, kind: String },
    #[error("the body's encoding {0:?} is not known")]
    Encoding(String),
    #[error("Object 'Kind' is missing in the request's body")]
    MissingKind,
    #[error("the protobuf body cannot be read: {0}")]
    Envelope(Malformed),
    #[error("{kind} in the protobuf body cannot be read: {malformed}")]
    Object { kind: String, malformed: Malformed },
}

/// The object in a body, without the fields that are zero and would be left out in JSON.
pub(crate) fn decode(body: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = Envelope::read(body).map_err(|m| ProtobufError::Envelope(m.within("Unknown")))?;
    if !envelope.encoding.is_empty() {
        return Err(ProtobufError::Encoding(envelope.encoding.to_owned()));
    }
    if envelope.kind.is_empty() {
        return Err(ProtobufError::MissingKind);
    }
    let Envelope { api_version, kind, .. } = envelope;
    let root = SCHEMA.root(api_version, kind).filter(|_| matches!(envelope.content_type, "" | MEDIA_TYPE));
    let Some(root) = root else {
        return Err(ProtobufError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() });
    };
    let mut object = decode::object(envelope.raw, root)
        .map_err(|malformed| ProtobufError::Object { kind: kind.to_owned(), malformed })?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// `runtime.Unknown`: what is in the body, and of which kind.
struct Envelope<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: Reader<'a>,
    encoding: &'a str,
    content_type: &'a str,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if !reader.starts_with(MAGIC) {
            return Err(reader.malformed("no \"k8s\\0\" in front"));
        }
        let mut envelope = Self { api_version: "", kind: "", raw: reader.nothing(), encoding: "", content_type: "" };
        while let Some((number, wire)) = reader.tag()? {
            match (number, wire) {
                (1, Wire::Delimited) => envelope.read_type(reader.delimited()?)?,
                (2, Wire::Delimited) => envelope.raw = reader.delimited()?,
                (3, Wire::Delimited) => envelope.encoding = reader.delimited()?.text()?,
                (4, Wire::Delimited) => envelope.content_type = reader.delimited()?.text()?,
                _ => reader.skip(wire)?,
            }
        }
        Ok(envelope)
    }

    fn read_type(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        while let Some((number, wire)) = reader.tag()? {
            match (number, wire) {
                (1, Wire::Delimited) => self.api_version = reader.delimited()?.text()?,
                (2, Wire::Delimited) => self.kind = reader.delimited()?.text()?,
                _ => reader.skip(wire)?,
            }
        }
        Ok(())
    }
}
