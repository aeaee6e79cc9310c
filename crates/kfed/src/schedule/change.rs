//! What if: a member leaves, another one joins, a workload grows.

use std::str::FromStr;
use std::sync::Arc;

use super::cluster::Cluster;
use super::nearest::nearest;
use super::request::Workload;

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
    #[error("there is no member {name} to remove{}", or_rather(.meant.as_ref(), .known))]
    NoMember { name: String, meant: Option<String>, known: String },
    #[error("{key} has a member {name} already")]
    MemberExists { key: String, name: String },
    #[error("--add names {name} twice")]
    AddedTwice { name: String },
    #[error("there is no request {key} to scale{}", or_rather(.meant.as_ref(), .known))]
    NoRequest { key: String, meant: Option<String>, known: String },
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
                let meant = nearest(name, members.iter().copied()).map(str::to_owned);
                return Err(ChangeError::NoMember { name: name.clone(), meant, known: some(&members) });
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
                let keys: Vec<_> = workloads.iter().map(|workload| workload.key.as_str()).collect();
                let meant = nearest(key, keys.iter().copied()).map(str::to_owned);
                return Err(ChangeError::NoRequest { key: key.clone(), meant, known: some(&keys) });
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
        for replicas in self.replicas {
            if replicas.key.as_ref().is_none_or(|key| *key == workload.key) {
                changed.replicas = replicas.replicas;
            }
        }
        changed
    }
}

fn has(workload: &Workload, name: &str) -> bool {
    workload.clusters.iter().any(|cluster| cluster.name == name)
}

fn or_rather(meant: Option<&String>, known: &str) -> String {
    match meant {
        Some(meant) => format!("; did you mean {meant}?"),
        None => format!("; there are {known}"),
    }
}

/// The first few of many names.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    match names {
        [] => "none".to_owned(),
        names if names.len() <= SHOWN => names.join(", "),
        names => format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}

// === impl Replicas ===

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
