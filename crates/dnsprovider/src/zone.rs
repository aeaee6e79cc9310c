//! Zones, and what one held when it was read.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::DnsName;
use crate::record::{RecordSet, RecordSetKey};

/// What a provider calls a zone, unique among all zones it can reach. Opaque.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZoneId(pub String);

/// A zone that a provider holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Zone {
    /// The provider's identifier.
    pub id: ZoneId,
    /// The zone's name.
    pub name: DnsName,
    /// Whether only private networks see the zone.
    pub private: bool,
    /// Whether every answer of the zone stays on this machine: its provider's endpoint is on loopback.
    pub loopback: bool,
}

/// What a zone held at one time, every set at its key. Clones share the sets, and so do plans that are made of it.
#[derive(Debug, Clone, Default)]
pub struct ZoneSnapshot {
    sets: BTreeSet<Held>,
}

/// A set in its place: compared by its key alone, which it holds already.
#[derive(Debug, Clone)]
struct Held(Arc<RecordSet>);

// === impl ZoneSnapshot ===

impl ZoneSnapshot {
    /// The set at `key`.
    pub fn get(&self, key: &RecordSetKey) -> Option<&RecordSet> {
        self.sets.get(key).map(|held| &*held.0)
    }

    /// All sets of `name`, by type.
    pub fn at<'a>(&'a self, name: &'a DnsName) -> impl Iterator<Item = &'a RecordSet> {
        self.shared_at(name).map(|set| &**set)
    }

    /// All sets of `name`, by type, to be kept without a copy.
    pub fn shared_at<'a>(&'a self, name: &'a DnsName) -> impl Iterator<Item = &'a Arc<RecordSet>> {
        let first = RecordSetKey::first_of(name);
        self.sets.range(first..).map(|held| &held.0).take_while(move |set| set.key.name == *name)
    }

    /// All sets, by name and type.
    pub fn iter(&self) -> impl Iterator<Item = &RecordSet> {
        self.sets.iter().map(|held| &*held.0)
    }

    /// All sets, by name and type, to be kept without a copy.
    pub fn shared(&self) -> impl Iterator<Item = &Arc<RecordSet>> {
        self.sets.iter().map(|held| &held.0)
    }

    /// How many sets there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there is no set.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Puts what is now known of one set in its place.
    pub fn insert(&mut self, set: RecordSet) {
        self.sets.replace(Held(Arc::new(set)));
    }

    /// Forgets the set at `key`, which is gone.
    pub fn remove(&mut self, key: &RecordSetKey) -> Option<RecordSet> {
        self.sets.take(key).map(|held| Arc::unwrap_or_clone(held.0))
    }
}

/// Of two sets at one key the later stays.
impl FromIterator<RecordSet> for ZoneSnapshot {
    fn from_iter<I: IntoIterator<Item = RecordSet>>(sets: I) -> Self {
        let mut snapshot = Self::default();
        snapshot.extend(sets);
        snapshot
    }
}

impl Extend<RecordSet> for ZoneSnapshot {
    fn extend<I: IntoIterator<Item = RecordSet>>(&mut self, sets: I) {
        for set in sets {
            self.insert(set);
        }
    }
}

impl PartialEq for ZoneSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ZoneSnapshot {}

/// A list of the sets.
impl Serialize for ZoneSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ZoneSnapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<RecordSet>::deserialize(deserializer)?.into_iter().collect())
    }
}

// === impl Held ===

impl Borrow<RecordSetKey> for Held {
    fn borrow(&self) -> &RecordSetKey {
        &self.0.key
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{key, ours};

    #[test]
    fn a_snapshot_holds_each_key_once_and_tells_versions_apart() {
        let first = ours("A", "web", &["192.0.2.1"]);
        let second = ours("A", "web", &["192.0.2.2"]);
        let snapshot: ZoneSnapshot = [first.clone(), ours("TXT", "web", &["x"]), second.clone()].into_iter().collect();
        assert_eq!((snapshot.len(), snapshot.get(&key("A", "web"))), (2, Some(&second)));
        let mut other = snapshot.clone();
        other.insert(first.clone());
        assert_ne!(other, snapshot);
        assert_eq!(other.remove(&key("A", "web")), Some(first));
        assert_eq!(snapshot.at(&second.key.name).count(), 2);
    }

    #[test]
    fn a_snapshot_goes_to_json_and_back() {
        let sets = [
            ours("A", "web", &["west=192.0.2.1"]),
            ours("TXT", "web", &["quoted \"text\""]),
            ours("SRV", "_sip._tcp", &["1 2 3 sip.example.com"]),
        ];
        let snapshot: ZoneSnapshot = sets.into_iter().collect();
        let json = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(serde_json::from_str::<ZoneSnapshot>(&json).unwrap(), snapshot, "{json}");
    }
}
