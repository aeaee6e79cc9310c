//! `Federation`: the federation as a whole.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a federation is called in DNS.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kfed.io",
    version = "v1beta1",
    kind = "Federation",
    status = "FederationStatus",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn = r#"{"name": "Zone", "type": "string", "jsonPath": ".spec.dnsZoneName"}"#,
    printcolumn = r#"{"name": "Provider", "type": "string", "jsonPath": ".spec.dnsProvider"}"#,
    printcolumn = r#"{"name": "DNS", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"DNSReady\")].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct FederationSpec {
    /// The zone that holds the services' names.
    pub dns_zone_name: String,
    /// The provider of that zone, by its name: `azure-azuredns`, `memory`.
    pub dns_provider: String,
}

/// What kfed tells of the federation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FederationStatus {
    /// `DNSReady`, `DNSDeletionsHeld`, `MassFailure`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What waits until somebody approves it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub awaiting: Vec<Awaiting>,
    /// How the control plane makes records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordSettings>,
    /// What waits for the control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueStatus>,
    /// What waits for the zone, and what may be sent to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsStatus>,
}

/// The settings of the control plane that say how records are made: whoever checks the zone goes by them too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordSettings {
    /// The TTL where no annotation says otherwise, in seconds.
    pub ttl: u32,
    /// What a level without addresses of its own answers: `addresses` or `cname`.
    pub fallback: String,
}

/// What waits for the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct QueueStatus {
    /// Objects, members and all else that is to be looked at.
    pub objects: Backlog,
    /// Writes that members have not taken yet: under way, or waiting for their next try.
    pub writes: Backlog,
}

/// What waits for the zone, and what may be sent to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DnsStatus {
    /// Record sets that are to be changed and have not been.
    pub changes: Backlog,
    /// What the provider allows of each kind of change.
    pub budget: Vec<BudgetStatus>,
}

/// How much waits. Told in large steps, and only of what has waited for some seconds: who is busy must not write down how busy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Backlog {
    /// How many there were when that was last told.
    pub waiting: u32,
    /// Since when there is any; null where nothing waits.
    pub since: Option<Time>,
}

/// What a provider allows of one kind of change, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetStatus {
    /// `create`, `update`, `delete`.
    pub kind: String,
    /// So many requests ...
    pub requests: u32,
    /// ... in so many seconds.
    pub per_seconds: u32,
    /// How many may be sent now, to the next quarter of the whole.
    pub left: u32,
}

/// Something that kfed does not do before somebody has approved it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Awaiting {
    /// What `kfed approve` takes: the hash of a plan, or [`MASS_FAILOVER`].
    pub approval: String,
    /// What would be done, in words.
    pub what: String,
}

/// The approval that lets replicas be planned elsewhere although most members look dead.
pub const MASS_FAILOVER: &str = "mass-failover";
