//! Record sets: all records of one name and type.

mod data;
mod set;
mod sources;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::metadata::Metadata;
use crate::name::DnsName;

pub use data::{Caa, InvalidData, Mx, RecordData, Srv};
pub use set::DataSet;
pub use sources::{DataSources, Members, MembersIter};

/// RFC 2181 § 8.
const LONGEST_TTL: u32 = i32::MAX as u32;

/// The types of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Another name for the name (RFC 1034 § 3.6.2: alone at its name).
    Cname,
    /// Texts.
    Txt,
    /// Services.
    Srv,
    /// Mail exchanges.
    Mx,
    /// Pointers.
    Ptr,
    /// Name servers.
    Ns,
    /// Certification authorities.
    Caa,
    /// The start of authority.
    Soa,
}

/// What a provider calls one version of a record set. Opaque.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(pub String);

/// A record set's place in its zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordSetKey {
    /// The name.
    pub name: DnsName,
    /// The type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
}

/// All records of one name and type, as a provider holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordSet {
    /// Name and type.
    #[serde(flatten)]
    pub key: RecordSetKey,
    /// How long an answer may be cached, in seconds.
    pub ttl: u32,
    /// The data; their order means nothing.
    pub data: DataSet,
    /// What the provider keeps beside the records; ownership lives here.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// The version that was read; none for a set that was not read from a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<Etag>,
    /// Whether the provider makes the answers itself from another resource (an alias). Such a set is never changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub alias: bool,
    /// Whether the set has properties that are not known here, and that a write would drop. Such a set is never changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unknown_properties: bool,
}

// === impl RecordType ===

impl RecordType {
    /// Every type.
    pub const ALL: [RecordType; 10] =
        [Self::A, Self::Aaaa, Self::Cname, Self::Txt, Self::Srv, Self::Mx, Self::Ptr, Self::Ns, Self::Caa, Self::Soa];

    /// The type as zone files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
            Self::Srv => "SRV",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
            Self::Ns => "NS",
            Self::Caa => "CAA",
            Self::Soa => "SOA",
        }
    }

    /// Whether sets of the type say where a name leads.
    pub fn answers(self) -> bool {
        matches!(self, Self::A | Self::Aaaa | Self::Cname)
    }

    /// The type that zone files write as `text`, whatever its case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl RecordSetKey ===

impl RecordSetKey {
    /// The set of `record_type` at `name`.
    pub fn new(name: DnsName, record_type: RecordType) -> Self {
        Self { name, record_type }
    }

    /// The least key of those at `name`.
    pub(crate) fn first_of(name: &DnsName) -> Self {
        Self::new(name.clone(), RecordType::A)
    }
}

impl fmt::Display for RecordSetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.record_type, self.name)
    }
}

// === impl RecordSet ===

impl RecordSet {
    /// Whether the set stays as it is, whoever owns it: nobody but the provider can write it whole.
    pub fn is_fixed(&self) -> bool {
        self.alias || self.unknown_properties
    }

    /// Whether any provider could hold the set: its data fit its type and their own limits, there are some, and the TTL is one.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check(&self) -> Result<(), String> {
        let record_type = self.key.record_type;
        if self.ttl > LONGEST_TTL {
            return Err(format!("a TTL of {} s is longer than {LONGEST_TTL} s", self.ttl));
        }
        if self.data.is_empty() {
            return Err("the set holds no record".to_owned());
        }
        // RFC 2181 § 10.1.
        if record_type == RecordType::Cname && self.data.len() > 1 {
            return Err("a CNAME set holds one record".to_owned());
        }
        self.data.iter().try_for_each(|datum| datum.check(record_type)).map_err(|error| error.to_string())
    }
}

/// The type tells how the data are to be read.
impl<'de> Deserialize<'de> for RecordSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Text {
            #[serde(flatten)]
            key: RecordSetKey,
            ttl: u32,
            data: BTreeSet<String>,
            #[serde(default)]
            metadata: Metadata,
            #[serde(default)]
            etag: Option<Etag>,
            #[serde(default)]
            alias: bool,
            #[serde(default)]
            unknown_properties: bool,
        }
        let Text { key, ttl, data, metadata, etag, alias, unknown_properties } = Text::deserialize(deserializer)?;
        // What a provider holds counts even if it cannot be read as its type.
        let read =
            |text| RecordData::parse(key.record_type, text).unwrap_or_else(|error| RecordData::Other(error.text));
        let data = data.iter().map(|text| read(text)).collect();
        Ok(Self { key, ttl, data, metadata, etag, alias, unknown_properties })
    }
}
