//! What is nonsense in a policy, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::nearest::nearest;
use super::path::Path;
use super::selector::{SelectorOperator, SelectorRequirement};
use super::taint::{Toleration, TolerationOperator};
use super::{Mode, PlacementPolicy};
use crate::preferences::{ANY_CLUSTER, ClusterPreferences};

/// Something in a policy that is wrong, or likely not what was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    pub path: Path,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Likely not what was meant; it is carried out as written.
    Warning,
    /// Nothing that can be carried out.
    Error,
}

/// Findings while they are gathered.
struct Findings {
    /// How bad it is what v1 accepted: in its own mode it keeps meaning what it meant.
    accepted_by_v1: Severity,
    found: Vec<Finding>,
}

// === impl PlacementPolicy ===

impl PlacementPolicy {
    /// What is wrong with the policy, worth an error or a warning.
    ///
    /// `members` are the names that exist, where they are known: naming another is worth a warning, as it may join later.
    /// In mode [`FederationV1`](Mode::FederationV1) all that v1 accepted is a warning at most.
    pub fn check(&self, members: Option<&[&str]>) -> Vec<Finding> {
        let accepted_by_v1 = match self.mode {
            Mode::FederationV1 => Severity::Warning,
            Mode::Proportional => Severity::Error,
        };
        let mut findings = Findings { accepted_by_v1, found: Vec::new() };
        findings.keys(self);
        findings.clusters(self);
        findings.limits(self);
        for (at, requirement) in self.cluster_selector.iter().enumerate() {
            findings.requirement(requirement, &Path::new("clusterSelector").index(at));
        }
        for (at, toleration) in self.tolerations.iter().enumerate() {
            findings.toleration(toleration, &Path::new("tolerations").index(at));
        }
        findings.groups(self);
        findings.spread(self);
        if let Some(members) = members {
            findings.members(self, members);
        }
        findings.found
    }
}

// === impl Findings ===

impl Findings {
    fn add(&mut self, severity: Severity, path: Path, message: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(Finding { severity, path, message: message.into(), remedy: remedy.into() });
    }

    fn error(&mut self, path: Path, message: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Error, path, message, remedy);
    }

    fn keys(&mut self, policy: &PlacementPolicy) {
        for unknown in &policy.unknown_keys {
            let remedy = match unknown.nearest {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => "leave it out".to_owned(),
            };
            self.add(self.accepted_by_v1, unknown.path.clone(), "this key means nothing here", remedy);
        }
        for path in &policy.repeated_keys {
            let message = "this key stands here a second time";
            self.add(self.accepted_by_v1, path.clone(), message, "the last one counts: leave one of them out");
        }
    }

    fn clusters(&mut self, policy: &PlacementPolicy) {
        let clusters = &policy.preferences.clusters;
        let severity = self.accepted_by_v1;
        if clusters.is_empty() {
            let message = "no member is named, and no \"*\": nobody gets a replica";
            self.add(severity, Path::new("clusters"), message, r#"write {"*": {"weight": 1}} for all members alike"#);
            return;
        }
        for (name, cluster) in clusters {
            let path = Path::new("clusters").key(name);
            let ClusterPreferences { min_replicas: min, max_replicas: max, weight } = *cluster;
            let negative = [("minReplicas", Some(min)), ("maxReplicas", max), ("weight", Some(weight))];
            for (key, number) in negative.into_iter().filter_map(|(key, number)| Some((key, number?))) {
                if number < 0 {
                    self.add(severity, path.clone().key(key), format!("{number} is negative"), "write 0 or more");
                }
            }
            if let Some(max) = max.filter(|max| min > *max && *max >= 0) {
                let message = format!("the minimum of {min} is above the maximum of {max}");
                let remedy = format!("write at most {max}, or raise maxReplicas");
                self.add(severity, path.key("minReplicas"), message, remedy);
            }
        }
        if clusters.values().all(|cluster| cluster.weight <= 0) {
            let minimums = clusters.values().any(|cluster| cluster.min_replicas > 0);
            let (severity, message) = if minimums {
                (Severity::Warning, "no weight is above 0: what the minimums leave finds no place")
            } else {
                (severity, "no weight is above 0, and no minimum: nobody gets a replica")
            };
            self.add(severity, Path::new("clusters"), message, "give a weight of 1 or more to who is to take replicas");
        }
    }

    fn limits(&mut self, policy: &PlacementPolicy) {
        if policy.max_moves == Some(0) {
            let message = "with 0 no replica ever moves, not even from a member that may not run it";
            self.error(Path::new("maxMoves"), message, "write 1 or more, or leave it out for no limit");
        }
        if policy.max_clusters == Some(0) {
            let message = "with 0 no member may run a replica";
            self.error(Path::new("maxClusters"), message, "write 1 or more, or leave it out for no limit");
        }
        let named = |(name, cluster): &(&String, &ClusterPreferences)| *name != ANY_CLUSTER && cluster.min_replicas > 0;
        let minimums = policy.preferences.clusters.iter().filter(named).count();
        if let Some(limit) = policy.max_clusters.filter(|limit| (1..minimums).contains(&(*limit as usize))) {
            let message = format!("{minimums} members have a minimum, and only {limit} may run replicas");
            self.add(Severity::Warning, Path::new("maxClusters"), message, format!("write {minimums} or more"));
        }
    }

    /// What v1 refused too.
    fn requirement(&mut self, requirement: &SelectorRequirement, path: &Path) {
        let SelectorRequirement { key, operator, values } = requirement;
        if key.is_empty() {
            self.error(path.clone().key("key"), "no label has an empty key", "name a label of the members");
        }
        let at = || path.clone().key("values");
        match operator {
            SelectorOperator::In | SelectorOperator::NotIn if values.is_empty() => {
                self.error(
                    at(),
                    format!("operator {operator:?} compares with values, and there are none"),
                    "list them",
                );
            }
            SelectorOperator::Equals | SelectorOperator::NotEquals if values.len() != 1 => {
                let message = format!("operators = and != compare with one value, and there are {}", values.len());
                self.error(at(), message, "write one value, or operator In or NotIn");
            }
            SelectorOperator::Exists | SelectorOperator::DoesNotExist if !values.is_empty() => {
                self.error(at(), format!("operator {operator:?} compares with no values"), "leave them out");
            }
            SelectorOperator::Gt | SelectorOperator::Lt if requirement.number().is_none() => {
                let message =
                    format!("operator {operator:?} compares with one integer, and this is [{}]", values.join(", "));
                self.error(at(), message, r#"write one, as text: ["15"]"#);
            }
            _ => {}
        }
    }

    /// What Kubernetes refuses too.
    fn toleration(&mut self, toleration: &Toleration, path: &Path) {
        if toleration.key.is_empty() && toleration.operator == TolerationOperator::Equal {
            let message = "without a key it covers every taint, for which the operator must be Exists";
            self.error(path.clone().key("operator"), message, "name the taint's key, or write operator Exists");
        }
        if !toleration.value.is_empty() && toleration.operator == TolerationOperator::Exists {
            let message = "operator Exists looks at no value";
            self.error(path.clone().key("value"), message, "leave it out, or write operator Equal");
        }
    }

    fn groups(&mut self, policy: &PlacementPolicy) {
        if policy.groups.is_empty() {
            return;
        }
        self.needs_proportional(policy, "groups");
        let mut names = BTreeSet::new();
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for (at, group) in policy.groups.iter().enumerate() {
            let path = Path::new("groups").index(at);
            if group.name.is_empty() {
                self.error(path.clone().key("name"), "the group has no name", "name it, as primary or backup");
            } else if !names.insert(&group.name) {
                let message = format!("an earlier group is called {} too", group.name);
                self.error(path.clone().key("name"), message, "give each group a name of its own");
            }
            if group.clusters.is_empty() && group.selector.is_empty() {
                self.error(path.clone(), "the group has no members", "list clusters, or write a selector");
            }
            for (at, member) in group.clusters.iter().enumerate() {
                if let Some(earlier) = first.get(member.as_str()) {
                    let message = format!("{member} is in group {earlier} already, which counts");
                    self.add(Severity::Warning, path.clone().key("clusters").index(at), message, "name it once");
                } else {
                    first.insert(member, &group.name);
                }
            }
            for (at, requirement) in group.selector.iter().enumerate() {
                self.requirement(requirement, &path.clone().key("selector").index(at));
            }
        }
    }

    fn spread(&mut self, policy: &PlacementPolicy) {
        if policy.spread.is_empty() {
            return;
        }
        self.needs_proportional(policy, "spread");
        let mut seen = BTreeSet::new();
        for (at, spread) in policy.spread.iter().enumerate() {
            let path = Path::new("spread").index(at);
            if !seen.insert(spread.by) {
                let message = format!("the spread by {} is said already", spread.by);
                self.error(path.clone().key("by"), message, "say it once");
            }
            if spread.max_skew == 0 {
                let message = "with 0 only multiples of the number of domains could be placed";
                self.error(path.clone().key("maxSkew"), message, "write 1 or more");
            }
            match (spread.min_domains, policy.max_clusters) {
                (Some(0), _) => {
                    self.error(path.key("minDomains"), "0 asks for nothing", "write 1 or more, or leave it out");
                }
                (Some(domains), Some(limit)) if domains > limit && limit > 0 => {
                    let message = format!("{domains} domains do not come together in {limit} members");
                    self.error(path.key("minDomains"), message, format!("write at most {limit}, or raise maxClusters"));
                }
                _ => {}
            }
        }
    }

    fn needs_proportional(&mut self, policy: &PlacementPolicy, key: &str) {
        if policy.mode != Mode::Proportional {
            let message = format!("mode {} knows no {key}", policy.mode);
            self.error(Path::new(key), message, r#"write "mode": "proportional""#);
        }
    }

    fn members(&mut self, policy: &PlacementPolicy, members: &[&str]) {
        let own = policy.preferences.clusters.keys().filter(|name| *name != ANY_CLUSTER);
        let own = own.map(|name| (name, Path::new("clusters").key(name)));
        let grouped = policy.groups.iter().enumerate().flat_map(|(group, members)| {
            let path = move |at| Path::new("groups").index(group).key("clusters").index(at);
            members.clusters.iter().enumerate().map(move |(at, name)| (name, path(at)))
        });
        let known: BTreeSet<&str> = members.iter().copied().collect();
        for (name, path) in own.chain(grouped).filter(|(name, _)| !known.contains(name.as_str())) {
            let remedy = match nearest(name, members.iter().copied()) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => "it counts once a member of this name joins".to_owned(),
            };
            self.add(Severity::Warning, path, format!("no member is called {name}"), remedy);
        }
    }
}

// === impl Finding ===

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.severity, self.path, self.message, self.remedy)
    }
}

// === impl Severity ===

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}
