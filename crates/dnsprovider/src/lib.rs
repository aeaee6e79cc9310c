//! DNS zones behind one interface: what a zone holds, what it should hold, and the few conditional writes between the two.
//!
//! ```text
//! provider ─ListRecordSets─► ZoneSnapshot ─┐
//!                                          ├─► plan (pure) ─► ChangeSet ─► PutRecordSet / DeleteRecordSet
//! whoever wants records ──► desired sets ──┘                   conflicts     (each under a precondition)
//! ```
//!
//! Invariants: a record set of another owner is never changed or deleted; every write carries what was read (an ETag, or
//! "must not exist"); replacing addresses is one write, so a name that has answers keeps answering; the order of data within
//! a set means nothing.
//!
//! ```
//! use kfed_dnsprovider::{
//!     Desired, DesiredRecordSet, Owner, Policy, RecordData, RecordSetKey, RecordType, Resource, ZoneSnapshot, plan,
//! };
//!
//! let owner = Owner("myfederation".into());
//! let want = |address: [u8; 4], member: &str| Desired {
//!     sets: vec![DesiredRecordSet {
//!         key: RecordSetKey::new("web.example.com".parse().unwrap(), RecordType::A),
//!         ttl: 30,
//!         data: [(RecordData::A(address.into()), [member.to_owned()].into())].into(),
//!         resource: Resource::service("default", "web"),
//!     }],
//!     ..Desired::default()
//! };
//!
//! let empty = ZoneSnapshot::default();
//! let changes = plan(&empty, &want([192, 0, 2, 1], "fed-west"), &owner, &Policy::default());
//! assert_eq!(changes.changes[0].why(), "adds 192.0.2.1 (fed-west)");
//!
//! // Once the zone holds it there is nothing to do, and a move is one replacement.
//! let zone: ZoneSnapshot = want([192, 0, 2, 1], "fed-west").sets.iter().map(|set| set.to_record_set(&owner)).collect();
//! assert!(plan(&zone, &want([192, 0, 2, 1], "fed-west"), &owner, &Policy::default()).is_empty());
//! let changes = plan(&zone, &want([192, 0, 2, 2], "fed-east"), &owner, &Policy::default());
//! assert_eq!(changes.changes[0].why(), "withdraws 192.0.2.1 (fed-west), adds 192.0.2.2 (fed-east)");
//! ```
//!
//! The types and the planner are pure. Feature `tower` (default) adds the provider as `tower` services with their layers, and the
//! in-memory provider.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

pub mod backoff;
pub mod error;
pub mod metadata;
pub mod name;
pub mod operation;
pub mod ownership;
pub mod plan;
pub mod record;
pub mod registered;
pub mod txt_registry;
pub mod zone;

mod packed;
#[cfg(test)]
mod testing;

#[cfg(feature = "tower")]
pub mod apply;
#[cfg(feature = "tower")]
pub mod cache;
#[cfg(feature = "tower")]
pub mod conformance;
#[cfg(feature = "tower")]
pub mod layer;
#[cfg(feature = "tower")]
pub mod memory;
#[cfg(feature = "tower")]
pub mod provider;
#[cfg(feature = "tower")]
pub mod registry;

pub use backoff::Backoff;
pub use error::{DnsError, ErrorClass, ErrorDetails};
pub use metadata::Metadata;
pub use name::{DnsName, InvalidName};
pub use operation::{
    DeleteRecordSet, GetRecordSet, ListRecordSets, ListZones, Operation, OperationKind, Page, Precondition, Priority,
    PutRecordSet,
};
pub use ownership::{Owner, Resource, sources};
pub use plan::{
    Change, ChangeSet, Conflict, ConflictReason, Desired, DesiredRecordSet, Guard, GuardedPlan, KeptPlan, Mode,
    PlanHash, Policy, Stage, Truncated, Urgency, Wish, plan,
};
pub use record::{
    Caa, DataSet, DataSources, Etag, InvalidData, Members, Mx, RecordData, RecordSet, RecordSetKey, RecordType, Srv,
};
pub use registered::{Registered, Registration};
pub use txt_registry::TxtNames;
pub use zone::{Zone, ZoneId, ZoneSnapshot};

#[cfg(feature = "tower")]
pub use apply::{Applied, apply, apply_until, apply_with};
#[cfg(feature = "tower")]
pub use cache::ZoneCache;
#[cfg(feature = "tower")]
pub use memory::MemoryProvider;
#[cfg(feature = "tower")]
pub use provider::{DnsProvider, OperationService, Provider};
#[cfg(feature = "tower")]
pub use registry::Registry;
#[cfg(feature = "tower")]
pub use txt_registry::{TxtRegistry, TxtRegistryLayer};
