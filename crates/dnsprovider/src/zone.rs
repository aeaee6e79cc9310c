//! Zones, and what one held when it was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// What a zone held at one time, every set at its key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZoneSnapshot {
    sets: BTreeMap<RecordSetKey, RecordSet>,
}

// === impl ZoneSnapshot ===

impl ZoneSnapshot {
    /// The set at `key`.
    pub fn get(&self, key: &RecordSetKey) -> Option<&RecordSet> {
        self.sets.get(key)
    }

    /// All sets of `name`, by type.
    pub fn at<'a>(&'a self, name: &'a DnsName) -> impl Iterator<Item = &'a RecordSet> {
        let first = RecordSetKey::new(name.clone(), crate::record::RecordType::A);
        self.sets.range(first..).map(|(_, set)| set).take_while(move |set| set.key.name == *name)
    }

    /// All sets, by name and type.
    pub fn iter(&self) -> impl Iterator<Item = &RecordSet> {
        self.sets.values()
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
        self.sets.insert(set.key.clone(), set);
    }

    /// Forgets the set at `key`, which is gone.
    pub fn remove(&mut self, key: &RecordSetKey) -> Option<RecordSet> {
        self.sets.remove(key)
    }
}

impl FromIterator<RecordSet> for ZoneSnapshot {
    fn from_iter<I: IntoIterator<Item = RecordSet>>(sets: I) -> Self {
        Self { sets: sets.into_iter().map(|set| (set.key.clone(), set)).collect() }
    }
}
