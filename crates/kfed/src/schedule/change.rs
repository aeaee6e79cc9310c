//! What if: a member leaves, another one joins, a workload grows.

use std::str::FromStr;
use std::sync::Arc;

use super::cluster::Cluster;
use super::request::Workload;
use crate::document::or_rather;

/// What is changed before the second plan.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    pub(crate) remove: &'a [String],
    pub(crate) add: &'a [Cluster],
    pub(crate) replicas: &'a [Replicas],
}

/// `N` for every workload, or `KEY=N` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replicas {
    key: Option<String>,
    replicas: i64,
}

/// A change that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no member {name} to remove; {hint}")]
    NoMember { name: String, hint: String },
    #[error("{key} has a member {name} already")]
    MemberExists { key: String, name: String },
    #[error("--add names {name} twice")]
    AddedTwice { name: String },
    #[error("there is no request {key} to scale; {hint}")]
    NoRequest { key: String, hint: String },
}

// === impl Changes ===

impl Changes<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty() && self.replicas.is_empty()
    }

    /// Whether each change can be made to some workload.
    pub(crate) fn check(&self, workloads: &[Workload]) -> Result<(), ChangeError> {
        for name in self.remove {
            if !workloads.iter().any(|workload| has(workload, name)) {
                let mut members: Vec<_> =
                    workloads.iter().flat_map(|workload| workload.clusters.iter()).map(|c| c.name.as_str()).collect();
                members.sort_unstable();
                members.dedup();
                return Err(ChangeError::NoMember { name: name.clone(), hint: or_rather(name, members) });
            }
        }
        for (at, added) in self.add.iter().enumerate() {
            let name = added.name.clone();
            if self.add[..at].iter().any(|other| other.name == name) {
                return Err(ChangeError::AddedTwice { name });
            }
            if let Some(workload) =
                workloads.iter().find(|workload| has(workload, &name) && !self.remove.contains(&name))
            {
                return Err(ChangeError::MemberExists { key: workload.key.clone(), name });
            }
        }
        for key in self.replicas.iter().filter_map(|replicas| replicas.key.as_ref()) {
            if !workloads.iter().any(|workload| workload.key == *key) {
                let keys = workloads.iter().map(|workload| workload.key.as_str());
                return Err(ChangeError::NoRequest { key: key.clone(), hint: or_rather(key, keys) });
            }
        }
        Ok(())
    }

    /// The workload as it would be. What a removed member ran is lost; the others run what they ran.
    pub(crate) fn apply(&self, workload: &Workload) -> Workload {
        let mut changed = workload.clone();
        if !self.add.is_empty() || self.remove.iter().any(|name| has(workload, name)) {
            let stay = workload.clusters.iter().filter(|cluster| !self.remove.contains(&cluster.name));
            changed.clusters = Arc::new(stay.chain(self.add).cloned().collect());
        }
        changed.replicas = Replicas::of(self.replicas, &workload.key).unwrap_or(workload.replicas);
        changed
    }
}

fn has(workload: &Workload, name: &str) -> bool {
    workload.clusters.iter().any(|cluster| cluster.name == name)
}

// === impl Replicas ===

impl Replicas {
    /// How many replicas the workload `key` is to have; the last one that tells counts.
    pub(crate) fn of(all: &[Self], key: &str) -> Option<i64> {
        all.iter().rfind(|replicas| replicas.is_of(key)).map(|replicas| replicas.replicas)
    }

    /// The only key that is named.
    pub(crate) fn only_key(all: &[Self]) -> Option<&str> {
        let mut keys = all.iter().filter_map(|replicas| replicas.key.as_deref());
        keys.next().filter(|_| keys.next().is_none())
    }

    pub(crate) fn is_of(&self, key: &str) -> bool {
        self.key.as_ref().is_none_or(|own| own == key)
    }
}

impl FromStr for Replicas {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, number) = match text.rsplit_once('=') {
            Some((key, number)) => (Some(key.to_owned()), number),
            None => (None, text),
        };
        match number.parse() {
            Ok(replicas) if replicas >= 0 => Ok(Self { key, replicas }),
            Ok(_) => Err("replicas cannot be negative".to_owned()),
            Err(_) => Err("write N for every workload, or KEY=N for one, as in default/hostname=12".to_owned()),
        }
    }
}
