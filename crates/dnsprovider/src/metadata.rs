//! What a provider keeps beside the records of a set.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::packed::{self, Texts};

/// Texts by key, in the order of the keys. Zones hold a hundred thousand of these, so all texts of one are in one piece of memory: a
/// map of them takes several times as much, and as many cache misses to read.
///
/// ```
/// use kfed_dnsprovider::Metadata;
///
/// let mut metadata: Metadata = [("kfed-owner", "myfederation"), ("cost-centre", "42")].into();
/// assert_eq!(metadata.get("cost-centre"), Some("42"));
/// metadata.insert("cost-centre", "43");
/// assert_eq!(metadata.iter().collect::<Vec<_>>(), [("cost-centre", "43"), ("kfed-owner", "myfederation")]);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Metadata {
    /// Key, value, key, value …
    packed: Box<str>,
}

/// The texts of a [`Metadata`], by key.
#[derive(Debug, Clone)]
pub struct Iter<'a>(Texts<'a>);

/// Writes a [`Metadata`] whose keys come in order.
#[derive(Default)]
pub(crate) struct Builder(String);

// === impl Metadata ===

impl Metadata {
    /// The text at `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        // There are a handful.
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// Puts `value` at `key`, in place of what was there.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.extend([(key.into(), value.into())]);
    }

    /// Takes what is at `key` away.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let removed = self.get(key)?.to_owned();
        *self = self.iter().filter(|(k, _)| *k != key).collect();
        Some(removed)
    }

    /// All keys with their texts, by key.
    pub fn iter(&self) -> Iter<'_> {
        Iter(Texts(&self.packed))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Of two texts for one key the later stays.
impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        pairs.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
        let mut builder = Builder::default();
        for (n, (key, value)) in pairs.iter().enumerate() {
            if pairs.get(n + 1).is_none_or(|(next, _)| next.as_ref() != key.as_ref()) {
                builder.push(key.as_ref(), value.as_ref());
            }
        }
        builder.finish()
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Extend<(K, V)> for Metadata {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        let mut all: BTreeMap<String, String> = self.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        all.extend(pairs.into_iter().map(|(k, v)| (k.as_ref().to_owned(), v.as_ref().to_owned())));
        *self = all.into();
    }
}

impl From<BTreeMap<String, String>> for Metadata {
    fn from(map: BTreeMap<String, String>) -> Self {
        map.iter().collect()
    }
}

impl<K: AsRef<str>, V: AsRef<str>, const N: usize> From<[(K, V); N]> for Metadata {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Metadata {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer).map(Self::from)
    }
}

// === impl Iter ===

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

// === impl Builder ===

impl Builder {
    /// Room for `bytes`, so that nothing is moved while it grows.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Adds `key`, which is greater than the one before.
    pub(crate) fn push(&mut self, key: &str, value: &str) {
        packed::push(&mut self.0, key);
        packed::push(&mut self.0, value);
    }

    /// The same with what `write` writes.
    pub(crate) fn push_with(&mut self, key: &str, write: impl FnOnce(&mut String)) {
        packed::push(&mut self.0, key);
        packed::push_with(&mut self.0, write);
    }

    pub(crate) fn finish(self) -> Metadata {
        // A copy into memory that fits costs less than giving the rest of the room back.
        Metadata { packed: self.0.as_str().into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(
            pairs in proptest::collection::vec((".{0,3}", ".{0,5}"), 0..6),
            more in proptest::collection::vec((".{0,2}", ".{0,5}"), 0..3),
        ) {
            let mut map: BTreeMap<String, String> = pairs.iter().cloned().collect();
            let mut metadata: Metadata = pairs.iter().map(|(k, v)| (k, v)).collect();
            for (key, value) in &more {
                map.insert(key.clone(), value.clone());
                metadata.insert(key, value);
            }
            prop_assert_eq!(&metadata, &Metadata::from(map.clone()));
            prop_assert_eq!(metadata.len(), map.len());
            prop_assert!(metadata.iter().eq(map.iter().map(|(k, v)| (k.as_str(), v.as_str()))));
            let json = serde_json::to_value(&metadata).unwrap();
            prop_assert_eq!(&json, &serde_json::to_value(&map).unwrap());
            prop_assert_eq!(&serde_json::from_value::<Metadata>(json).unwrap(), &metadata);
            if let Some(key) = map.keys().next().cloned() {
                prop_assert_eq!(metadata.remove(&key), map.remove(&key));
                prop_assert_eq!(metadata.get(&key), None);
                prop_assert_eq!(metadata, Metadata::from(map));
            }
        }
    }
}
