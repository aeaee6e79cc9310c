//! How a workload's replicas are to be spread: Federation v1's preferences, as JSON in one annotation.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::{Deserializer, MapAccess};
use serde::{Deserialize, Serialize};

use crate::policy::{Fields, Noted, Values};

/// The name that stands for every member without an entry of its own. Entries are not merged with it.
pub const ANY_CLUSTER: &str = "*";

/// What a user asks for a workload's replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplicaPreferences {
    /// Whether running replicas may be moved to match the preferences. Without it, only new replicas are placed by them.
    pub rebalance: bool,
    /// By member name, or [`ANY_CLUSTER`].
    pub clusters: BTreeMap<String, ClusterPreferences>,
}

/// What a user asks of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPreferences {
    /// Replicas given before weights count. v1 accepts any number, negative too.
    pub min_replicas: i64,
    /// The most replicas; none is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<i64>,
    /// The share, beside the others' weights, of what is left after all `min_replicas`.
    pub weight: i64,
}

/// A preferences annotation that is no JSON of the right shape.
#[derive(Debug, thiserror::Error)]
#[error("invalid replica preferences: {0}")]
pub struct InvalidPreferences(serde_json::Error);

// === impl ReplicaPreferences ===

impl ReplicaPreferences {
    /// The preferences of `cluster`: its own entry, else that of [`ANY_CLUSTER`], else none.
    ///
    /// ```
    /// use kfed_api::preferences::ReplicaPreferences;
    /// assert_eq!(ReplicaPreferences::default().of("fed-west").unwrap().weight, 1);
    /// ```
    pub fn of(&self, cluster: &str) -> Option<&ClusterPreferences> {
        self.clusters.get(cluster).or_else(|| self.clusters.get(ANY_CLUSTER))
    }
}

/// An even spread without rebalancing: what v1 does where there is no annotation.
impl Default for ReplicaPreferences {
    fn default() -> Self {
        let even = ClusterPreferences { weight: 1, ..ClusterPreferences::default() };
        Self { rebalance: false, clusters: BTreeMap::from([(ANY_CLUSTER.to_owned(), even)]) }
    }
}

impl FromStr for ReplicaPreferences {
    type Err = InvalidPreferences;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json).map_err(InvalidPreferences)
    }
}

// v1 decoded with Go's encoding/json: keys match whatever their case, unknown keys are ignored, null leaves the default.

impl<'de> Deserialize<'de> for ReplicaPreferences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Reading { rebalance, clusters } = Noted::deserialize(deserializer)?.value;
        Ok(Self { rebalance, clusters })
    }
}

/// Preferences while they are read: nobody is preferred until somebody is named.
#[derive(Default)]
struct Reading {
    rebalance: bool,
    clusters: BTreeMap<String, ClusterPreferences>,
}

impl Fields for Reading {
    const KEYS: &'static [&'static str] = &["rebalance", "clusters"];
    const WHAT: &'static str = "an object with `rebalance` and `clusters`";

    fn read<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut Values<'_, M>) -> Result<(), M::Error> {
        match key {
            "rebalance" => self.rebalance = map.value()?.unwrap_or(self.rebalance),
            "clusters" => self.clusters.extend(map.map::<_, BTreeMap<_, _>>()?.unwrap_or_default()),
            key => unreachable!("{key} is no key of preferences"),
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for ClusterPreferences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Noted::deserialize(deserializer).map(|read| read.value)
    }
}

impl Fields for ClusterPreferences {
    const KEYS: &'static [&'static str] = &["minReplicas", "maxReplicas", "weight"];
    const WHAT: &'static str = "an object with `minReplicas`, `maxReplicas` and `weight`";

    fn read<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut Values<'_, M>) -> Result<(), M::Error> {
        match key {
            "minReplicas" => self.min_replicas = map.value()?.unwrap_or(self.min_replicas),
            "maxReplicas" => self.max_replicas = map.value()?,
            "weight" => self.weight = map.value()?.unwrap_or(self.weight),
            key => unreachable!("{key} is no key of a member's preferences"),
        }
        Ok(())
    }
}

// === impl InvalidPreferences ===

impl InvalidPreferences {
    /// The line of the mistake, from 1.
    pub fn line(&self) -> usize {
        self.0.line()
    }

    /// The column of the mistake, from 1.
    pub fn column(&self) -> usize {
        self.0.column()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_whatever_their_case_and_unknown_ones_are_ignored() {
        let read: ReplicaPreferences =
            r#"{"Rebalance": true, "x": [1], "CLUSTERS": {"a": {"MinReplicas": 1, "MAXREPLICAS": 2, "Weight": 3, "y": {}}}}"#
                .parse()
                .unwrap();
        let a = ClusterPreferences { min_replicas: 1, max_replicas: Some(2), weight: 3 };
        assert_eq!(read, ReplicaPreferences { rebalance: true, clusters: BTreeMap::from([("a".to_owned(), a)]) });
    }

    #[test]
    fn nulls_leave_the_defaults() {
        let read: ReplicaPreferences =
            r#"{"rebalance": null, "clusters": {"a": {"minReplicas": null, "maxReplicas": null, "weight": null}}}"#
                .parse()
                .unwrap();
        assert!(!read.rebalance);
        assert_eq!(read.clusters["a"], ClusterPreferences::default());
    }

    #[test]
    fn a_member_without_an_entry_falls_back_to_the_star() {
        let read: ReplicaPreferences =
            r#"{"clusters": {"a": {"weight": 2}, "*": {"minReplicas": 5}}}"#.parse().unwrap();
        assert_eq!(read.of("a").map(|p| (p.min_replicas, p.weight)), Some((0, 2)), "entries are not merged");
        assert_eq!(read.of("b").map(|p| (p.min_replicas, p.weight)), Some((5, 0)));
        let null: ReplicaPreferences = r#"{"clusters": {"a": null}}"#.parse().unwrap();
        assert_eq!(null.of("a"), Some(&ClusterPreferences::default()), "Go made the entry, and left it empty");
        let none: ReplicaPreferences = r#"{"clusters": {}}"#.parse().unwrap();
        assert_eq!(none.of("a"), None);
    }

    #[test]
    fn a_mistake_is_told_with_its_position() {
        let mistake = "{\"clusters\":\n {\"a\": {\"weight\": \"much\"}}}".parse::<ReplicaPreferences>().unwrap_err();
        assert_eq!(mistake.line(), 2);
        assert!(mistake.to_string().contains("expected i64"), "{mistake}");
    }
}
