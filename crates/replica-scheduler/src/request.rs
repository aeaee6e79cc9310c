//! What is asked of the scheduler.

use std::collections::BTreeMap;
use std::time::Duration;

use kfed_api::policy::{PlacementPolicy, Taint, Topology};
use serde::Serialize;

/// One workload and the members there are.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `namespace/name` of the workload. It breaks ties, so that not every workload favours the same member.
    pub key: &'a str,
    /// How many replicas to place.
    pub replicas: i64,
    /// What the user asks for.
    pub policy: &'a PlacementPolicy,
    /// The members that take replicas now, in any order, each once.
    pub members: &'a [Member<'a>],
}

/// A member cluster as the scheduler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member<'a> {
    /// The member's name.
    pub name: &'a str,
    /// Replicas that run there now; none where the workload does not exist yet.
    pub current: Option<i64>,
    /// The most replicas that fit there; none is no known limit.
    pub capacity: Option<i64>,
    /// Where and what it is, as far as filters ask.
    pub attributes: Option<&'a Attributes>,
}

/// Where and what a member is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Its region.
    pub region: Option<String>,
    /// Its zone, which means something together with the region.
    pub zone: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// How long ago its capacity was seen.
    pub capacity_age: Option<Duration>,
}

// === impl Member ===

impl<'a> Member<'a> {
    /// A member where nothing runs yet and of which nothing more is known.
    pub fn new(name: &'a str) -> Self {
        Self { name, current: None, capacity: None, attributes: None }
    }

    /// Its labels; none are known where no attributes are.
    pub fn labels(&self) -> &'a BTreeMap<String, String> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        self.attributes.map_or(NONE, |attributes| &attributes.labels)
    }

    /// Its taints.
    pub fn taints(&self) -> &'a [Taint] {
        self.attributes.map_or(&[], |attributes| attributes.taints.as_slice())
    }

    /// The domain that it is part of: its region, or region and zone; none where it does not say.
    pub fn domain(&self, by: Topology) -> Option<(&'a str, &'a str)> {
        let attributes = self.attributes?;
        let region = attributes.region.as_deref()?;
        match by {
            Topology::Region => Some((region, "")),
            Topology::Zone => Some((region, attributes.zone.as_deref()?)),
        }
    }
}
