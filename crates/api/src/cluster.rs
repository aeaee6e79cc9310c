//! `Cluster`: one member of the federation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::types;
use crate::policy::Taint;

/// What is said of a member when it joins.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kfed.io",
    version = "v1beta1",
    kind = "Cluster",
    status = "ClusterStatus",
    shortname = "kfc",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.phase", "description": "What the conditions say, in a word"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Region", "type": "string", "jsonPath": ".status.region", "priority": 1}"#,
    printcolumn = r#"{"name": "Zones", "type": "string", "jsonPath": ".status.zones", "priority": 1}"#,
    printcolumn = r#"{"name": "Version", "type": "string", "jsonPath": ".status.version", "priority": 1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// The Secret, in namespace `federation-system`, whose key `kubeconfig` reaches the member.
    pub secret_ref: SecretReference,
    /// Set when the member is to leave: kfed then drains it, cleans it, and removes this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unjoin: Option<Unjoin>,
    /// Whether roles and their bindings are federated to the member. Off by default: whoever may write them in the federation API
    /// could then give himself any permission in the member, and kfed's credentials there would need all that it hands out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub federate_rbac: bool,
    /// What keeps replicas away that do not tolerate it, as taints of nodes keep pods away. Each key has an effect once. What has no
    /// replicas is not moved by taints: a selector is for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key", "effect"]))]
    pub taints: Vec<Taint>,
}

/// A Secret by name; its namespace is [`crate::SYSTEM_NAMESPACE`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SecretReference {
    /// The Secret's name.
    pub name: String,
}

/// How a member is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Unjoin {
    /// Leave even where replicas find no room elsewhere, or the member cannot be reached.
    pub force: bool,
    /// Leave the member's workloads where they are, no longer managed.
    pub orphan: bool,
}

/// What kfed has seen of a member.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// The conditions in a word, for people and printer columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<ClusterPhase>,
    /// `Ready` and `Offline` as Federation v1 had them, and `Draining`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The region of the member's nodes. Kept while the member is offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The zones of the member's nodes, sorted. Kept while the member is offline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// The Kubernetes version that the member's API tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The uid of the member's namespace `kube-system`: what a cluster is known by under any name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// Whether the member may hold roles or bindings that kfed made. They go when `federateRbac` does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub holds_rbac: bool,
}

/// A member's conditions in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClusterPhase {
    /// Not probed yet, or without usable credentials.
    Pending,
    /// Answers and is well.
    Ready,
    /// Answers, and is not well; or has just stopped answering.
    NotReady,
    /// Has not answered several times in a row.
    Offline,
    /// Is being emptied so that it can leave.
    Draining,
}

// === impl Cluster ===

impl Cluster {
    /// Whether the condition `type_` is `True`.
    pub fn is(&self, type_: &str) -> bool {
        let conditions = self.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|c| c.type_ == type_ && c.status == "True")
    }

    /// Whether condition `Ready` is `True`.
    pub fn is_ready(&self) -> bool {
        self.is(types::READY)
    }

    /// Whether condition `Offline` is `True`.
    pub fn is_offline(&self) -> bool {
        self.is(types::OFFLINE)
    }
}

// === impl ClusterPhase ===

impl std::fmt::Display for ClusterPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use kube_core::CustomResourceExt;

    use super::*;

    #[test]
    fn the_table_of_clusters_is_name_status_age() {
        let crd = Cluster::crd();
        let columns = crd.spec.versions[0].additional_printer_columns.clone().unwrap();
        let narrow: Vec<_> = columns.iter().filter(|c| c.priority.unwrap_or(0) == 0).map(|c| c.name.as_str()).collect();
        assert_eq!(narrow, ["Status", "Age"]);
        assert_eq!(crd.spec.scope, "Cluster");
        assert!(crd.spec.versions[0].subresources.as_ref().unwrap().status.is_some());
    }

    #[test]
    fn taints_are_those_of_nodes_and_an_effect_is_one_that_there_is() {
        let crd = serde_json::to_value(Cluster::crd()).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let taints = &spec["properties"]["taints"];
        assert_eq!(taints["x-kubernetes-list-map-keys"], serde_json::json!(["key", "effect"]));
        assert_eq!(taints["items"]["required"], serde_json::json!(["effect", "key"]));
        let effects = &taints["items"]["properties"]["effect"]["enum"];
        assert_eq!(*effects, serde_json::json!(["PreferNoSchedule", "NoSchedule", "NoExecute"]));
        assert!(taints["items"]["properties"]["key"]["pattern"].is_string(), "{taints}");
    }

    #[test]
    fn a_cluster_without_a_status_is_neither_ready_nor_offline() {
        let cluster = Cluster::new(
            "fed-west",
            ClusterSpec { secret_ref: SecretReference { name: "s".into() }, ..ClusterSpec::default() },
        );
        assert!(!cluster.is_ready() && !cluster.is_offline());
    }
}
