//! Taints of members and what tolerates them, as Kubernetes has them for nodes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a member is not for everybody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Taint {
    /// What it is about: a name as labels have it, such as `maintenance` or `example.com/dedicated`.
    #[cfg_attr(
        feature = "crd",
        schemars(
            length(max = 317),
            regex(pattern = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
        )
    )]
    pub key: String,
    /// More on it: as a label's value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 63), regex(pattern = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"))
    )]
    pub value: String,
    /// What it does to who does not tolerate it.
    pub effect: TaintEffect,
}

/// What a taint does to who does not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum TaintEffect {
    /// Other members are chosen first.
    PreferNoSchedule,
    /// No new replicas; what runs stays.
    NoSchedule,
    /// No replicas; what runs leaves.
    NoExecute,
}

/// Taints that a workload puts up with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Toleration {
    /// The taint's key; empty, with operator `Exists`, for every key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// How the taint's value is looked at.
    pub operator: TolerationOperator,
    /// The taint's value, with operator `Equal`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The taint's effect; none for every effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
}

/// How a taint's value is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum TolerationOperator {
    /// It must be the same.
    #[default]
    Equal,
    /// It may be any.
    Exists,
}

// === impl Toleration ===

impl Toleration {
    /// Whether it covers `taint`.
    ///
    /// ```
    /// use kfed_api::policy::{Taint, TaintEffect, Toleration};
    ///
    /// let taint = Taint { key: "edge".into(), value: "small".into(), effect: TaintEffect::NoSchedule };
    /// let small = Toleration { key: "edge".into(), value: "small".into(), ..Toleration::default() };
    /// assert!(small.tolerates(&taint));
    /// assert!(!Toleration { value: "large".into(), ..small }.tolerates(&taint));
    /// ```
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let value = match self.operator {
            TolerationOperator::Exists => true,
            TolerationOperator::Equal => self.value == taint.value,
        };
        value
            && (self.key.is_empty() || self.key == taint.key)
            && self.effect.is_none_or(|effect| effect == taint.effect)
    }
}

// === impl Taint ===

/// As kubectl writes taints: `key=value:NoSchedule`.
impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(f, "={}", self.value)?;
        }
        write!(f, ":{:?}", self.effect)
    }
}
