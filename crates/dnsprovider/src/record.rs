//! Record sets: all records of one name and type.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::name::DnsName;

/// The types of records that kfed reads; it writes `A`, `AAAA`, `CNAME` and `TXT`.
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

/// One record's data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that is meant.
    Cname(DnsName),
    /// The strings of one TXT record, each of at most 255 octets.
    Txt(Vec<String>),
    /// Data of a type that kfed never writes, in presentation format.
    Other(String),
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// Name and type.
    #[serde(flatten)]
    pub key: RecordSetKey,
    /// How long an answer may be cached, in seconds.
    pub ttl: u32,
    /// The data; their order means nothing.
    pub data: BTreeSet<RecordData>,
    /// What the provider keeps beside the records; ownership lives here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The version that was read; none for a set that was not read from a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Etag>,
    /// Whether the provider makes the answers itself from another resource (an alias). Such a set is never changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alias: bool,
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

// === impl RecordData ===

impl fmt::Display for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => write!(f, "{address}"),
            Self::Aaaa(address) => write!(f, "{address}"),
            Self::Cname(name) => write!(f, "{name}"),
            Self::Txt(strings) => {
                let quoted: Vec<_> = strings.iter().map(|s| format!("{s:?}")).collect();
                f.write_str(&quoted.join(" "))
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<std::net::IpAddr> for RecordData {
    fn from(address: std::net::IpAddr) -> Self {
        match address {
            std::net::IpAddr::V4(address) => Self::A(address),
            std::net::IpAddr::V6(address) => Self::Aaaa(address),
        }
    }
}

// === impl RecordSetKey ===

impl RecordSetKey {
    /// The set of `record_type` at `name`.
    pub fn new(name: DnsName, record_type: RecordType) -> Self {
        Self { name, record_type }
    }
}

impl fmt::Display for RecordSetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.record_type, self.name)
    }
}
