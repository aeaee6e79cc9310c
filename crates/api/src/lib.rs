//! The API of kfed: group `kfed.io/v1beta1`, and what kfed reads from and writes on plain Kubernetes objects.
//!
//! ```text
//! Cluster      one member                 conditions Ready, Offline; region, zones, version
//! Federation   the federation itself      conditions; what waits for approval
//! FederatedKind  one more kind to federate  where its replicas and status are
//! annotations  replica preferences, placement policy, selector, overrides ─► parsed here, with the position of a mistake
//! conditions   types and reasons as constants       ─► the vocabulary that users and tests share
//! ```
//!
//! ```
//! use kfed_api::preferences::ReplicaPreferences;
//!
//! let preferences: ReplicaPreferences =
//!     r#"{"rebalance": true, "clusters": {"fed-west": {"minReplicas": 2, "maxReplicas": 4, "weight": 1}}}"#.parse()?;
//! assert_eq!(preferences.clusters["fed-west"].max_replicas, Some(4));
//!
//! let mistake = r#"{"rebalance": yes}"#.parse::<ReplicaPreferences>().unwrap_err();
//! assert_eq!((mistake.line(), mistake.column()), (1, 15));
//! # Ok::<(), kfed_api::preferences::InvalidPreferences>(())
//! ```
//!
//! The crate is pure: no runtime, no client. Without feature `crd` it is the vocabulary alone and depends on serde only.

#[cfg(feature = "crd")]
mod cluster;
pub mod conditions;
#[cfg(feature = "crd")]
mod federation;
pub mod keys;
#[cfg(feature = "crd")]
mod kind;
pub mod overrides;
pub mod policy;
pub mod preferences;

#[cfg(feature = "crd")]
pub use cluster::{Cluster, ClusterPhase, ClusterSpec, ClusterStatus, SecretReference, Unjoin};
#[cfg(feature = "crd")]
pub use federation::{
    Awaiting, Backlog, BudgetStatus, DnsStatus, Federation, FederationSpec, FederationStatus, MASS_FAILOVER,
    QueueStatus, RecordSettings,
};
#[cfg(feature = "crd")]
pub use kind::{FederatedKind, FederatedKindSpec, FederatedKindStatus, MergeRule, ReplicaPaths, StatusPath};

/// The API group of kfed's own kinds.
pub const GROUP: &str = "kfed.io";
/// The version of kfed's own kinds.
pub const VERSION: &str = "v1beta1";
/// The namespace, in the federation API, that holds members' credentials. It is never federated.
pub const SYSTEM_NAMESPACE: &str = "federation-system";
/// The Lease, in [`SYSTEM_NAMESPACE`], by which control planes agree who of them writes.
pub const LEASE: &str = "kfed-controller-manager";
/// The field manager of every server-side apply that kfed makes.
pub const FIELD_MANAGER: &str = "kfed";
