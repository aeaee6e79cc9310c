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
        BTreeMap::from([
            (OWNER_KEY.to_owned(), self.0.clone()),
            (RESOURCE_KEY.to_owned(), resource.to_string()),
        ])
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
pub(crate) struct Sources<I>(pub(crate) I);

impl<'a, I> fmt::Display for Sources<I>
where
    I: Iterator<Item = (&'a RecordData, &'a BTreeSet<String>)> + Clone,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (datum, members) in self.0.clone() {
            if !matches!(datum, RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Cname(_)) {
                continue;
            }
            for member in members {
                let comma = if std::mem::take(&mut first) { "" } else { "," };
                write!(f, "{comma}{member}={datum}")?;
            }
        }
        Ok(())
    }
}

/// Compares what is written with a text, without building a string.
pub(crate) struct SameText<'a>(pub(crate) &'a str);

impl SameText<'_> {
    /// Whether `value` displays exactly as `text`.
    pub(crate) fn check(text: &str, value: &impl fmt::Display) -> bool {
        let mut rest = SameText(text);
        fmt::write(&mut rest, format_args!("{value}")).is_ok() && rest.0.is_empty()
    }
}

impl fmt::Write for SameText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}
