//! What a mark says.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use crate::metadata::Metadata;
use crate::name::DnsName;
use crate::ownership::{OWNER_KEY, RESOURCE_KEY, SOURCES_KEY, Sources, parse_sources};
use crate::plan::Fnv;
use crate::record::{DataSet, DataSources, RecordData, RecordSet, RecordSetKey, RecordType};

const HERITAGE: (&str, &str) = ("heritage", "external-dns");
const EXTERNAL_OWNER: &str = "external-dns/owner";
const EXTERNAL_RESOURCE: &str = "external-dns/resource";
/// What the set holds, or has held.
const DATA: &str = "kfed-data";
/// That something else stands for the asterisk in the name of the mark.
const WILDCARD: &str = "kfed-wildcard";

/// external-dns takes what it has no TTL for as this, too.
pub(super) const TTL: u32 = 300;

/// A mark names no more data than these, if its set does not hold more: twice what a set may hold on Azure.
const REMEMBERED: usize = 40;

/// The octets of one string of a TXT record (RFC 1035 § 3.3.14).
const STRING: usize = 255;

/// What a mark says of its set: the metadata, where each of the data came from, and which data they were.
///
/// ```
/// use kfed_dnsprovider::txt_registry::Mark;
/// use kfed_dnsprovider::{Owner, Resource};
///
/// let metadata = Owner("myfederation".into()).mark(&Resource::service("default", "web"));
/// let mark = Mark::new(&metadata, &[].into())?;
/// assert_eq!(
///     mark.to_string(),
///     "heritage=external-dns,external-dns/owner=kfed-myfederation,external-dns/resource=service/default/web,\
///      kfed-owner=myfederation,kfed-resource=service/default/web,kfed-data=",
/// );
/// assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// All but the sources, if those can be read.
    metadata: Metadata,
    /// Of what the set holds or has held.
    sources: DataSources,
    /// What the set holds or has held. A mark that does not say counts for whatever the set holds.
    data: Option<Fingerprints>,
    wildcard: bool,
}

/// Data, each by a number that others hardly have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fingerprints(BTreeSet<u32>);

// === impl Mark ===

impl Mark {
    /// The mark of a set with this metadata and these data.
    ///
    /// # Errors
    /// What is wrong with metadata that a mark cannot say, for people: they name no owner, or use a word that marks have for themselves.
    pub fn new(metadata: &Metadata, data: &DataSet) -> Result<Self, String> {
        if metadata.get(OWNER_KEY).is_none() {
            return Err(format!("metadata without `{OWNER_KEY}` have no place in a TXT registry"));
        }
        let reserved = |key: &str| [HERITAGE.0, DATA, WILDCARD].contains(&key) || key.starts_with("external-dns/");
        if let Some((key, _)) = metadata.iter().find(|(key, _)| reserved(key)) {
            return Err(format!("a TXT registry has `{key}` for itself"));
        }
        let data = Some(Fingerprints::of(data));
        Ok(Self { data, ..Self::without_data(metadata.clone()) })
    }

    fn without_data(mut metadata: Metadata) -> Self {
        let sources = metadata.get(SOURCES_KEY).and_then(parse_sources);
        if sources.is_some() {
            metadata.remove(SOURCES_KEY);
        }
        Self { metadata, sources: sources.unwrap_or_default(), data: None, wildcard: false }
    }

    /// What `text` says, if it is a mark; entries of external-dns itself are none.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut metadata, mut data, mut wildcard, mut heritage) = (Vec::new(), None, false, false);
        for token in text.trim_matches('"').split(',') {
            let Some((key, value)) = token.split_once('=') else { continue };
            match key {
                "heritage" if value == HERITAGE.1 => heritage = true,
                DATA => data = Some(Fingerprints::parse(value)?),
                WILDCARD => wildcard = true,
                _ if key.starts_with("external-dns/") => {}
                _ => metadata.push((decode(key)?, decode(value)?)),
            }
        }
        let metadata = Metadata::from_iter(metadata);
        let is_mark = heritage && metadata.get(OWNER_KEY).is_some();
        is_mark.then(|| Self { data, wildcard, ..Self::without_data(metadata) })
    }

    /// The mark that a TXT set holds, and its text.
    pub(super) fn of(set: &RecordSet) -> Option<(Self, String)> {
        set.data.iter().find_map(|datum| match datum {
            RecordData::Txt(strings) => {
                let text = strings.concat();
                Some((Self::parse(&text)?, text))
            }
            _ => None,
        })
    }

    /// The same of a set in whose mark's name something stands for the asterisk, or does not.
    pub(super) fn with_wildcard(self, wildcard: bool) -> Self {
        Self { wildcard, ..self }
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Whether the set that holds `data` is the one that was marked.
    pub(super) fn counts_for(&self, data: &Fingerprints) -> bool {
        self.data.as_ref().is_none_or(|known| !known.0.is_disjoint(&data.0))
    }

    /// Whether it says of a set what `wanted` says: no more is to be written.
    pub(super) fn covers(&self, wanted: &Self) -> bool {
        let named = match (&self.data, &wanted.data) {
            (Some(known), Some(data)) => data.0.is_subset(&known.0),
            _ => false,
        };
        // Where they came from is compared for the data that the set is to hold.
        let of = |sources: &DataSources| -> DataSources {
            let kept = sources.iter().filter(|(datum, _)| wanted.names(datum));
            kept.map(|(datum, members)| (datum.clone(), members.clone())).collect()
        };
        named
            && self.wildcard == wanted.wildcard
            && self.metadata == wanted.metadata
            && of(&self.sources) == of(&wanted.sources)
    }

    /// The same, which still counts for the set that holds `data` now, and remembers of `before` what there is room for.
    pub(super) fn after(mut self, before: Option<&Self>, data: &Fingerprints) -> Self {
        let known = self.data.get_or_insert_default();
        let own = known.clone();
        known.0.extend(&data.0);
        let old = before.and_then(|before| before.data.as_ref()).map(|old| &old.0);
        for fingerprint in old.into_iter().flatten() {
            if known.0.len() >= REMEMBERED {
                break;
            }
            known.0.insert(*fingerprint);
        }
        let sources = before.map(|before| before.sources.clone()).unwrap_or_default();
        for (datum, members) in sources.iter() {
            // What is told of its own data is all that there is to tell.
            if self.names(datum) && !own.0.contains(&Fingerprints::one(datum)) {
                self.sources.insert(datum.clone(), members.clone());
            }
        }
        self
    }

    /// The metadata of the set that holds `data`.
    pub fn metadata(&self, data: &DataSet) -> Metadata {
        let mut metadata = self.metadata.clone();
        let sources = self.sources.iter().filter(|(datum, _)| data.contains(datum));
        let sources: DataSources = sources.map(|(datum, members)| (datum.clone(), members.clone())).collect();
        if sources.iter().next().is_some() {
            metadata.insert(SOURCES_KEY, Sources(&sources).to_text());
        }
        metadata
    }

    /// The TXT set that says so.
    pub(super) fn to_record_set(&self, name: DnsName) -> RecordSet {
        let text = self.to_string();
        // Every octet is a character.
        let strings = text.as_bytes().chunks(STRING).map(|chunk| String::from_utf8_lossy(chunk).into_owned());
        RecordSet {
            key: RecordSetKey::new(name, RecordType::Txt),
            ttl: TTL,
            data: [RecordData::Txt(strings.collect())].into(),
            metadata: Metadata::default(),
            etag: None,
            alias: false,
            unknown_properties: false,
        }
    }

    fn names(&self, datum: &RecordData) -> bool {
        self.data.as_ref().is_some_and(|data| data.0.contains(&Fingerprints::one(datum)))
    }
}

/// What external-dns reads comes first: of several strings it may see no more than one.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", HERITAGE.0, HERITAGE.1)?;
        // It takes tokens with one `=` alone.
        write!(f, ",{EXTERNAL_OWNER}=kfed-{}", encode(self.metadata.get(OWNER_KEY).unwrap_or_default(), "="))?;
        if let Some(resource) = self.metadata.get(RESOURCE_KEY) {
            write!(f, ",{EXTERNAL_RESOURCE}={}", encode(resource, "="))?;
        }
        for (key, value) in &self.metadata {
            write!(f, ",{}={}", encode(key, "="), encode(value, ""))?;
        }
        if let Some(data) = &self.data {
            write!(f, ",{DATA}={data}")?;
        }
        if self.sources.iter().next().is_some() {
            write!(f, ",{SOURCES_KEY}={}", encode(&Sources(&self.sources).to_text(), ""))?;
        }
        if self.wildcard {
            write!(f, ",{WILDCARD}=true")?;
        }
        Ok(())
    }
}

/// Whatever may mean something on the way to a zone and back is written as `%` and two hexadecimal digits, `also` among it.
fn encode(text: &str, also: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_graphic() && !"%,;\"\\".contains(c) && !also.contains(c) {
            encoded.push(c);
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).ok()
}

// === impl Fingerprints ===

impl Fingerprints {
    pub(super) fn of(data: &DataSet) -> Self {
        Self(data.iter().map(Self::one).collect())
    }

    fn one(datum: &RecordData) -> u32 {
        let mut hash = Fnv::default();
        hash.write(datum.to_string().as_bytes());
        // The upper half depends on every octet.
        (hash.finish() >> 32) as u32
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbers = text.split('.').filter(|number| !number.is_empty());
        numbers.map(|number| u32::from_str_radix(number, 16).ok()).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fingerprint) in self.0.iter().enumerate() {
            write!(f, "{}{fingerprint:08x}", if n == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}
