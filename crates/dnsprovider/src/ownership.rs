//! Whose a record set is, told by its metadata.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::metadata::{Builder, Metadata};
use crate::record::{DataSources, RecordData, RecordSet, RecordType};

/// Metadata key: the owner.
pub const OWNER_KEY: &str = "kfed-owner";
/// Metadata key: the resource that wants the set.
pub const RESOURCE_KEY: &str = "kfed-resource";
/// Metadata key: which member each value came from, as `member=address` joined by commas.
pub const SOURCES_KEY: &str = "kfed-sources";

/// All of them.
pub(crate) const OURS: [&str; 3] = [OWNER_KEY, RESOURCE_KEY, SOURCES_KEY];

/// Who writes records: a federation's name. Several owners may share a zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

/// The Kubernetes object that wants a record set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// The kind in lower case: `service`.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

// === impl Owner ===

impl Owner {
    /// Whether `set` is marked as this owner's.
    pub fn owns(&self, set: &RecordSet) -> bool {
        set.metadata.get(OWNER_KEY) == Some(&self.0)
    }

    /// The metadata that marks a set as this owner's, wanted by `resource`.
    pub fn mark(&self, resource: &Resource) -> Metadata {
        self.mark_with(resource, &DataSources::new())
    }

    /// The same, with where each of `data` came from.
    pub(crate) fn mark_with(&self, resource: &Resource, data: &DataSources) -> Metadata {
        // A guess that fits: the keys, an address and the name of a member each.
        let bytes = 64 + self.0.len() + resource.len() + data.len() * 32;
        let mut metadata = Builder::with_capacity(bytes);
        metadata.push(OWNER_KEY, &self.0);
        metadata.push_with(RESOURCE_KEY, |text| resource.write(text));
        let sources = Sources(data);
        if sources.pairs().next().is_some() {
            metadata.push_with(SOURCES_KEY, |text| sources.write(text));
        }
        metadata.finish()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Resource ===

impl Resource {
    /// The Service `namespace/name`.
    pub fn service(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: "service".to_owned(), namespace: namespace.into(), name: name.into() }
    }

    /// The resource that `set` says it belongs to.
    pub fn of(set: &RecordSet) -> Option<Self> {
        let mut parts = set.metadata.get(RESOURCE_KEY)?.splitn(3, '/').map(str::to_owned);
        Some(Self { kind: parts.next()?, namespace: parts.next()?, name: parts.next()? })
    }

    /// Without the machinery of formatting, which is most of the time when a hundred thousand are written.
    fn write(&self, text: &mut String) {
        text.extend([&*self.kind, "/", &*self.namespace, "/", &*self.name]);
    }

    /// How many octets it takes when it is written.
    fn len(&self) -> usize {
        self.kind.len() + self.namespace.len() + self.name.len() + 2
    }

    /// Whether `text` is how this resource is written.
    pub(crate) fn is_written(&self, text: &str) -> bool {
        let namespace_and_name = text.strip_prefix(&*self.kind).and_then(|rest| rest.strip_prefix('/'));
        let name = namespace_and_name.and_then(|rest| rest.strip_prefix(&*self.namespace)?.strip_prefix('/'));
        name == Some(&self.name)
    }
}

/// `service/default/hostname`, as external-dns writes it too.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

// === sources ===

/// Which members each datum of `set` came from, as its metadata says. What cannot be read, or is not in the set, is left out.
pub fn sources(set: &RecordSet) -> DataSources {
    let mut sources = DataSources::new();
    let text = set.metadata.get(SOURCES_KEY).unwrap_or_default();
    for (member, datum) in text.split(',').filter_map(|pair| pair.split_once('=')) {
        let datum = match set.key.record_type {
            RecordType::A => datum.parse().ok().map(RecordData::A),
            RecordType::Aaaa => datum.parse().ok().map(RecordData::Aaaa),
            RecordType::Cname => datum.parse().ok().map(RecordData::Cname),
            _ => None,
        };
        if let Some(datum) = datum.filter(|datum| set.data.contains(datum)) {
            sources.members_mut(datum).insert(member);
        }
    }
    sources
}

/// The sources that `text` lists, whatever set they are of; none unless they would be written as the same text.
pub(crate) fn parse_sources(text: &str) -> Option<DataSources> {
    let mut sources = DataSources::new();
    for pair in text.split(',') {
        let (member, datum) = pair.split_once('=')?;
        let name = || datum.ends_with('.').then(|| datum.parse().ok().map(RecordData::Cname)).flatten();
        let address = || datum.parse().map(RecordData::A).or_else(|_| datum.parse().map(RecordData::Aaaa)).ok();
        sources.members_mut(name().or_else(address)?).insert(member);
    }
    (Sources(&sources).to_text() == text).then_some(sources)
}

/// Writes `member=datum` pairs. Only addresses and names are written: they hold neither `=` nor `,`, and neither do the names of
/// Kubernetes objects.
pub(crate) struct Sources<'a>(pub(crate) &'a DataSources);

impl<'a> Sources<'a> {
    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a RecordData)> + use<'a> {
        let written =
            |datum: &RecordData| matches!(datum, RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Cname(_));
        let data = self.0.iter().filter(move |(datum, _)| written(datum));
        data.flat_map(|(datum, members)| members.iter().map(move |member| (member, datum)))
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        for (n, (member, datum)) in self.pairs().enumerate() {
            text.extend([if n == 0 { "" } else { "," }, member, "="]);
            match datum {
                RecordData::A(address) => write_v4(text, *address),
                RecordData::Cname(name) => text.push_str(name.as_str()),
                other => text.push_str(&other.to_string()),
            }
        }
    }
}

/// As `Display` does, several times as fast.
fn write_v4(text: &mut String, address: Ipv4Addr) {
    text.push_str(std::str::from_utf8(V4::of(address).as_bytes()).expect("digits and dots are ASCII"));
}

/// An IPv4 address in text, without an allocation.
struct V4 {
    text: [u8; 15],
    len: usize,
}

impl V4 {
    fn of(address: Ipv4Addr) -> Self {
        let mut v4 = Self { text: [0; 15], len: 0 };
        for (n, octet) in address.octets().into_iter().enumerate() {
            if n > 0 {
                v4.push(b'.');
            }
            if octet >= 100 {
                v4.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                v4.push(b'0' + octet / 10 % 10);
            }
            v4.push(b'0' + octet % 10);
        }
        v4
    }

    fn push(&mut self, byte: u8) {
        self.text[self.len] = byte;
        self.len += 1;
    }

    fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// Whether `text` is what [`Sources`] writes, told without writing it: planners compare a hundred thousand of them at a time.
pub(crate) fn same_sources(text: &str, data: &DataSources) -> bool {
    let written = |rest: &mut &[u8], what: &[u8]| match rest.strip_prefix(what) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    };
    // An empty pair says nothing.
    let next = |rest: &mut &[u8]| {
        let ended = rest.is_empty() || rest[0] == b',';
        while let [b',', after @ ..] = *rest {
            *rest = after;
        }
        ended
    };
    let mut rest = text.as_bytes();
    while let [b',', after @ ..] = rest {
        rest = after;
    }
    let all = Sources(data).pairs().all(|(member, datum)| {
        written(&mut rest, member.as_bytes())
            && written(&mut rest, b"=")
            && match datum {
                RecordData::A(address) => written(&mut rest, V4::of(*address).as_bytes()),
                RecordData::Cname(name) => written(&mut rest, name.as_str().as_bytes()),
                // Others may write it in other ways (RFC 5952 § 2).
                RecordData::Aaaa(address) => {
                    let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
                    let (datum, after) = rest.split_at(end);
                    rest = after;
                    std::str::from_utf8(datum).is_ok_and(|datum| datum.parse() == Ok(*address))
                }
                _ => false,
            }
            && next(&mut rest)
    });
    all && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn addresses_are_written_as_they_display(address in any::<Ipv4Addr>()) {
            let mut text = String::new();
            write_v4(&mut text, address);
            prop_assert_eq!(text, address.to_string());
        }
    }

    #[test]
    fn a_resource_is_written_as_it_displays() {
        let resource = Resource::service("default", "web");
        let metadata = Owner("fed".into()).mark(&resource);
        assert_eq!(metadata.get(RESOURCE_KEY), Some(&*resource.to_string()));
        assert!(resource.is_written(&resource.to_string()));
    }
}
