//! Whose a record set is, told by its metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::{RecordData, RecordSet, RecordType};

/// Metadata key: the owner.
pub const OWNER_KEY: &str = "kfed-owner";
/// Metadata key: the resource that wants the set.
pub const RESOURCE_KEY: &str = "kfed-resource";
/// Metadata key: which member each value came from, as `member=address` joined by commas.
pub const SOURCES_KEY: &str = "kfed-sources";

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
        set.metadata.get(OWNER_KEY).is_some_and(|owner| *owner == self.0)
    }

    /// The metadata that marks a set as this owner's, wanted by `resource`.
    pub fn mark(&self, resource: &Resource) -> BTreeMap<String, String> {
        BTreeMap::from([(OWNER_KEY.to_owned(), self.0.clone()), (RESOURCE_KEY.to_owned(), resource.to_string())])
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
}

impl Resource {
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
pub fn sources(set: &RecordSet) -> BTreeMap<RecordData, BTreeSet<String>> {
    let mut sources: BTreeMap<RecordData, BTreeSet<String>> = BTreeMap::new();
    let text = set.metadata.get(SOURCES_KEY).map_or("", String::as_str);
    for (member, datum) in text.split(',').filter_map(|pair| pair.split_once('=')) {
        let datum = match set.key.record_type {
            RecordType::A => datum.parse().ok().map(RecordData::A),
            RecordType::Aaaa => datum.parse().ok().map(RecordData::Aaaa),
            RecordType::Cname => datum.parse().ok().map(RecordData::Cname),
            _ => None,
        };
        if let Some(datum) = datum.filter(|datum| set.data.contains(datum)) {
            sources.entry(datum).or_default().insert(member.to_owned());
        }
    }
    sources
}

/// Writes `member=datum` pairs. Only addresses and names are written: they hold neither `=` nor `,`, and neither do the names of
/// Kubernetes objects.
pub(crate) struct Sources<'a>(pub(crate) &'a BTreeMap<RecordData, BTreeSet<String>>);

impl<'a> Sources<'a> {
    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a RecordData)> + use<'a> {
        let written =
            |datum: &RecordData| matches!(datum, RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Cname(_));
        let data = self.0.iter().filter(move |(datum, _)| written(datum));
        data.flat_map(|(datum, members)| members.iter().map(move |member| (member.as_str(), datum)))
    }
}

impl fmt::Display for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (member, datum)) in self.pairs().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{member}={datum}")?;
        }
        Ok(())
    }
}

/// Whether `text` is what [`Sources`] writes, told without writing it: planners compare a hundred thousand of them at a time.
pub(crate) fn same_sources(text: &str, data: &BTreeMap<RecordData, BTreeSet<String>>) -> bool {
    let mut written = text.split(',').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('='));
    let all = Sources(data).pairs().all(|(member, datum)| {
        written.next().flatten().is_some_and(|(m, d)| {
            m == member
                && match datum {
                    RecordData::A(address) => d.parse() == Ok(*address),
                    RecordData::Aaaa(address) => d.parse() == Ok(*address),
                    RecordData::Cname(name) => d == name.as_str(),
                    _ => false,
                }
        })
    });
    all && written.next().is_none()
}
