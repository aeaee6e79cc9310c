//! All that a user may ask about where a workload's replicas go.
//!
//! A policy stands in the one preferences annotation of a workload. What Federation v1 read there is a policy with only
//! `rebalance` and `clusters`, and is read as leniently: keys match whatever their case, `null` leaves the default, unknown
//! keys are not an error (they are remembered, and [`check`](PlacementPolicy::check) tells them).
//!
//! ```
//! use kfed_api::policy::{Mode, PlacementPolicy, Severity};
//!
//! let policy: PlacementPolicy = r#"{
//!     "mode": "proportional",
//!     "clusters": {"*": {"weight": 1}, "fed-west": {"minReplicas": 4, "maxReplicas": 2, "weight": 1}},
//!     "spread": [{"by": "region", "maxSkew": 2}],
//!     "maxMove": 5
//! }"#.parse()?;
//! assert_eq!(policy.mode, Mode::Proportional);
//!
//! let findings = policy.check(Some(&["fed-west", "fed-east"]));
//! let told: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.path.to_string())).collect();
//! assert_eq!(told, [
//!     (Severity::Error, "maxMove".to_owned()),
//!     (Severity::Error, "clusters.fed-west.minReplicas".to_owned()),
//! ]);
//! assert_eq!(findings[0].remedy, "did you mean maxMoves?");
//! # Ok::<(), kfed_api::policy::InvalidPolicy>(())
//! ```

mod check;
mod decode;
mod nearest;
mod path;
mod read;
mod selector;
mod taint;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::preferences::ReplicaPreferences;

pub use check::{Finding, Severity};
pub use decode::UnknownKey;
pub(crate) use decode::{Fields, Noted, Values};
pub use nearest::nearest;
pub use path::{Path, Segment};
pub use read::InvalidPolicy;
pub use selector::{SelectorOperator, SelectorRequirement, parse_selector};
pub use taint::{Taint, TaintEffect, Toleration, TolerationOperator};

/// Where a workload's replicas may go, and how they are divided.
///
/// The default is what v1 does where there is no annotation: an even spread without rebalancing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementPolicy {
    /// How replicas are divided.
    pub mode: Mode,
    /// `rebalance` and `clusters`: each member's minimum, maximum and weight.
    #[serde(flatten)]
    pub preferences: ReplicaPreferences,
    /// The most replicas that a round may take from a member that runs them to give them to another; none is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_moves: Option<u32>,
    /// What a member's labels must be for it to run any replica: all of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_selector: Vec<SelectorRequirement>,
    /// The taints of members that the workload puts up with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Who is filled first: the first group takes all it can, then the second, and so on. A member that is in no group comes
    /// after the last. For mode proportional.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// How evenly regions and zones are to be used. For mode proportional.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
    /// The most members that run replicas; none is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_clusters: Option<u32>,
    /// Keys that mean nothing here, as found by reading.
    #[serde(skip)]
    pub unknown_keys: Vec<UnknownKey>,
    /// Keys that stand in one object twice, as found by reading; the last one counts.
    #[serde(skip)]
    pub repeated_keys: Vec<Path>,
}

/// How replicas are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Mode {
    /// Federation v1's algorithm, bit for bit: minimums first, and only what is left goes by weight.
    #[default]
    #[serde(rename = "federation-v1")]
    FederationV1,
    /// The whole total goes by weight, inside minimums and maximums.
    #[serde(rename = "proportional")]
    Proportional,
}

/// Members that are filled together, before those of later groups.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Group {
    /// What people call it: `primary`, `backup`.
    pub name: String,
    /// Members by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Members by label, beside those named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selector: Vec<SelectorRequirement>,
}

/// How far apart domains may be: as Kubernetes' `topologySpreadConstraints` has it for pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// What a domain is.
    pub by: Topology,
    /// By how many replicas a domain may exceed the one with the fewest. At least 1, which is the default.
    pub max_skew: u32,
    /// With fewer domains than this the fewest counts as 0, so that no domain gets more than `max_skew`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_domains: Option<u32>,
}

/// What members of one domain have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// The region.
    #[default]
    Region,
    /// The region and the zone.
    Zone,
}

// === impl PlacementPolicy ===

impl PlacementPolicy {
    /// Every key of a policy, at its top level, as it is written in JSON.
    pub const KEYS: &'static [&'static str] = <read::Reading as Fields>::KEYS;

    /// The policy of v1's preferences alone.
    pub fn of(preferences: ReplicaPreferences) -> Self {
        Self { preferences, ..Self::default() }
    }

    /// The place in [`groups`](Self::groups) of the first group that a member of this name and these labels is in.
    pub fn group_of(&self, member: &str, labels: &BTreeMap<String, String>) -> Option<usize> {
        self.groups.iter().position(|group| group.has(member, labels))
    }
}

impl From<ReplicaPreferences> for PlacementPolicy {
    fn from(preferences: ReplicaPreferences) -> Self {
        Self::of(preferences)
    }
}

// === impl Mode ===

impl Mode {
    /// As it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FederationV1 => "federation-v1",
            Self::Proportional => "proportional",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Group ===

impl Group {
    /// Whether a member of this name and these labels is in the group: by name, or by the selector where there is one.
    pub fn has(&self, member: &str, labels: &BTreeMap<String, String>) -> bool {
        self.clusters.iter().any(|name| name == member)
            || (!self.selector.is_empty() && self.selector.iter().all(|requirement| requirement.matches(labels)))
    }
}

// === impl Spread ===

impl Default for Spread {
    fn default() -> Self {
        Self { by: Topology::default(), max_skew: 1, min_domains: None }
    }
}

// === impl Topology ===

impl Topology {
    /// As it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Zone => "zone",
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
