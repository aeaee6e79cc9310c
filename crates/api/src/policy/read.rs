//! A policy from JSON, or from whatever else serde reads.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, MapAccess};

use super::decode::{Fields, Noted, Odd, Values};
use super::selector::SelectorRequirement;
use super::taint::Toleration;
use super::{Group, PlacementPolicy, Spread};
use crate::preferences::{ClusterPreferences, ReplicaPreferences};

/// A policy that is no JSON of the right shape.
#[derive(Debug, thiserror::Error)]
#[error("invalid placement policy: {0}")]
pub struct InvalidPolicy(pub(super) serde_json::Error);

/// A policy while it is read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    policy: PlacementPolicy,
    clusters: Option<BTreeMap<String, ClusterPreferences>>,
    /// Whether a key was there that v1 did not have.
    beyond_v1: bool,
}

// === impl PlacementPolicy ===

impl FromStr for PlacementPolicy {
    type Err = InvalidPolicy;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        let read: Option<Noted<Reading>> = serde_json::from_str(json).map_err(InvalidPolicy)?;
        Ok(read.map_or_else(|| Reading::default().finish(Odd::default()), Noted::into_policy))
    }
}

impl<'de> Deserialize<'de> for PlacementPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Noted::<Reading>::deserialize(deserializer).map(Noted::into_policy)
    }
}

impl Noted<Reading> {
    fn into_policy(self) -> PlacementPolicy {
        self.value.finish(self.odd)
    }
}

// === impl Reading ===

impl Reading {
    /// Where `clusters` is not said, v1 gave nothing to anybody. Who writes a key that v1 did not have does not ask for that.
    fn finish(self, odd: Odd) -> PlacementPolicy {
        let clusters = match self.clusters {
            Some(clusters) => clusters,
            None if self.beyond_v1 => ReplicaPreferences::default().clusters,
            None => BTreeMap::new(),
        };
        let preferences = ReplicaPreferences { rebalance: self.policy.preferences.rebalance, clusters };
        let Odd { unknown, repeated } = odd;
        PlacementPolicy { preferences, unknown_keys: unknown, repeated_keys: repeated, ..self.policy }
    }
}

impl Fields for Reading {
    const KEYS: &'static [&'static str] = &[
        "rebalance",
        "clusters",
        "mode",
        "maxMoves",
        "clusterSelector",
        "tolerations",
        "groups",
        "spread",
        "maxClusters",
    ];
    const WHAT: &'static str = "an object with `rebalance`, `clusters` and other keys of a placement policy";

    fn read<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut Values<'_, M>) -> Result<(), M::Error> {
        let policy = &mut self.policy;
        match key {
            "rebalance" => policy.preferences.rebalance = map.value()?.unwrap_or(policy.preferences.rebalance),
            "clusters" => {
                if let Some(read) = map.map::<ClusterPreferences, BTreeMap<_, _>>()? {
                    self.clusters.get_or_insert_default().extend(read);
                }
            }
            _ => {
                self.beyond_v1 = true;
                match key {
                    "mode" => policy.mode = map.value()?.unwrap_or(policy.mode),
                    "maxMoves" => policy.max_moves = map.value()?,
                    "clusterSelector" => policy.cluster_selector = map.list()?.unwrap_or_default(),
                    "tolerations" => policy.tolerations = map.list()?.unwrap_or_default(),
                    "groups" => policy.groups = map.list()?.unwrap_or_default(),
                    "spread" => policy.spread = map.list()?.unwrap_or_default(),
                    "maxClusters" => policy.max_clusters = map.value()?,
                    key => unreachable!("{key} is no key of a policy"),
                }
            }
        }
        Ok(())
    }
}

// === impl SelectorRequirement ===

impl<'de> Deserialize<'de> for SelectorRequirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Noted::deserialize(deserializer).map(|read| read.value)
    }
}

impl Fields for SelectorRequirement {
    const KEYS: &'static [&'static str] = &["key", "operator", "values"];
    const WHAT: &'static str = "an object with `key`, `operator` and `values`";

    fn read<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut Values<'_, M>) -> Result<(), M::Error> {
        match key {
            "key" => self.key = map.value()?.unwrap_or_default(),
            "operator" => self.operator = map.value()?.unwrap_or_default(),
            "values" => self.values = map.value()?.unwrap_or_default(),
            key => unreachable!("{key} is no key of a requirement"),
        }
        Ok(())
    }
}

// === impl Toleration ===

impl Fields for Toleration {
    const KEYS: &'static [&'static str] = &["key", "operator", "value", "effect"];
    const WHAT: &'static str = "an object with `key`, `operator`, `value` and `effect`";

    fn read<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut Values<'_, M>) -> Result<(), M::Error> {
        match key {
            "key" => self.key = map.value()?.unwrap_or_default(),
            "operator" => self.operator = map.value()?.unwrap_or_default(),
            "value" => self.value = map.value()?.unwrap_or_default(),
            "effect" => self.effect = map.value()?,
            key => unreachable!("{key} is no key of a toleration"),
        }
        Ok(())
    }
}

// === impl Group ===

impl Fields for Group {
    const KEYS: &'static [&'static str] = &["name", "clusters", "selector"];
    const WHAT: &'static str = "an object with `name`, `clusters` and `selector`";

    fn read<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut Values<'_, M>) -> Result<(), M::Error> {
        match key {
            "name" => self.name = map.value()?.unwrap_or_default(),
            "clusters" => self.clusters = map.value()?.unwrap_or_default(),
            "selector" => self.selector = map.list()?.unwrap_or_default(),
            key => unreachable!("{key} is no key of a group"),
        }
        Ok(())
    }
}

// === impl Spread ===

impl Fields for Spread {
    const KEYS: &'static [&'static str] = &["by", "maxSkew", "minDomains"];
    const WHAT: &'static str = "an object with `by`, `maxSkew` and `minDomains`";

    fn read<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut Values<'_, M>) -> Result<(), M::Error> {
        match key {
            "by" => self.by = map.value()?.unwrap_or(self.by),
            "maxSkew" => self.max_skew = map.value()?.unwrap_or(self.max_skew),
            "minDomains" => self.min_domains = map.value()?,
            key => unreachable!("{key} is no key of a spread"),
        }
        Ok(())
    }
}

// === impl InvalidPolicy ===

impl InvalidPolicy {
    /// The line of the mistake, from 1.
    pub fn line(&self) -> usize {
        self.0.line()
    }

    /// The column of the mistake, from 1.
    pub fn column(&self) -> usize {
        self.0.column()
    }
}
