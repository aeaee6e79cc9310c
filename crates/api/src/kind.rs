//! `FederatedKind`: one more kind that is federated.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind to federate beside the built-in ones. Version, plural and scope are found where the federation API serves it.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kfed.io",
    version = "v1beta1",
    kind = "FederatedKind",
    status = "FederatedKindStatus",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn = r#"{"name": "Group", "type": "string", "jsonPath": ".spec.group"}"#,
    printcolumn = r#"{"name": "Kind", "type": "string", "jsonPath": ".spec.kind"}"#,
    printcolumn = r#"{"name": "Federated", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Federated\")].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Federated\")].message", "priority": 1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct FederatedKindSpec {
    /// The API group; empty for core kinds.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The version; the one that the federation API prefers unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where its replicas are, if they are to be spread over the members by annotation `kfed.io/preferences`. Without it every
    /// member gets the object as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<ReplicaPaths>,
    /// How the members' statuses become that of the federated object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusPath>,
    /// Whether its status has `conditions` in the usual form, so that kfed's own stand there too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conditions: bool,
    /// Whether controllers of the kind write `status.observedGeneration`. The federated object has it then too, and there it moves
    /// when every member holds what the object asks for and its controller there has seen that: nobody waits for a rollout too
    /// shortly. The members' own numbers count their own changes, so `status` may not name the field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed_generation: bool,
    /// Fields that members' API servers or controllers fill in, by JSON pointer; `*` stands for every item of a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never_sent: Vec<String>,
}

/// Where the replicas of a kind are, by JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaPaths {
    /// How many are asked for.
    #[serde(default = "ReplicaPaths::path")]
    pub path: String,
    /// How many there are.
    #[serde(default = "ReplicaPaths::running")]
    pub running: String,
    /// How many of them serve.
    #[serde(default = "ReplicaPaths::ready")]
    pub ready: String,
}

/// A field of the status, by JSON pointer, and how the members' values become one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusPath {
    /// The field: `/status/readyReplicas`.
    pub path: String,
    /// How.
    pub merge: MergeRule,
}

/// How the members' values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MergeRule {
    /// Numbers are added.
    Sum,
    /// The least number.
    Min,
    /// The greatest number.
    Max,
    /// True where all are.
    And,
    /// Every item of every list, each once.
    Union,
    /// The first of the times.
    Earliest,
    /// The last of the times.
    Latest,
}

/// How kfed has taken the entry.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FederatedKindStatus {
    /// `Federated`: whether objects of the kind are, and if not, why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

// === impl ReplicaPaths ===

impl ReplicaPaths {
    fn path() -> String {
        "/spec/replicas".to_owned()
    }

    fn running() -> String {
        "/status/replicas".to_owned()
    }

    fn ready() -> String {
        "/status/readyReplicas".to_owned()
    }
}

impl Default for ReplicaPaths {
    fn default() -> Self {
        Self { path: Self::path(), running: Self::running(), ready: Self::ready() }
    }
}
