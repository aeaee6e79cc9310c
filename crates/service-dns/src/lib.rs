//! Which records a federated service should have, from what its members say and what asking its addresses gave. Pure.
//!
//! ```text
//! members' APIs ──► ready endpoints ─┐
//! probes ─────────► addresses ───────┼─► liveness ─► levels ─► record sets (zone, region, global)
//! nodes ──────────► regions, zones ──┘       └─► keep the last, hold, withdraw
//! ```
//!
//! ```
//! use kfed_service_dns::{
//!     AddressObservation, AddressState, ApiState, LeadsTo, MemberObservation, Naming, Outcome, Rules, ServiceObservation,
//!     plan,
//! };
//!
//! let member = |name: &str, region: &str, ip: &str, api| MemberObservation {
//!     member: name.into(),
//!     region: Some(region.into()),
//!     zones: vec!["0".into()],
//!     api,
//!     ready_endpoints: Some(1),
//!     addresses: vec![AddressObservation {
//!         ip: ip.parse().unwrap(),
//!         probe: AddressState::NeverAnswered,
//!         ever_answered: false,
//!         published: false,
//!     }],
//!     hosts: vec![],
//!     leaving: false,
//! };
//! let service = ServiceObservation {
//!     namespace: "default".into(),
//!     name: "hostname".into(),
//!     ttl: 30,
//!     leads_to: LeadsTo::Members,
//!     hostnames: vec![],
//!     members: vec![
//!         member("fed-west", "westus", "192.0.2.1", ApiState::Offline),
//!         member("fed-east", "eastus", "192.0.2.2", ApiState::Answering),
//!     ],
//! };
//! let naming = Naming { federation: "myfederation".into(), zone: "example.com".parse()? };
//! let Outcome::Publish(sets) = plan(&naming, &service, &Rules::default()).outcome else { panic!() };
//! // Two zones, two regions, the whole: the dead member's names answer with the living member's address.
//! assert_eq!(sets.len(), 5);
//! assert!(sets.iter().all(|set| set.data.keys().map(ToString::to_string).eq(["192.0.2.2"])));
//! # Ok::<(), kfed_dnsprovider::InvalidName>(())
//! ```
//!
//! Invariants: the answer depends on nothing but the arguments; every name that exists answers with an address that serves; one
//! bad member (no region, an impossible zone label, a refused address) takes nothing from the others.
//!
//! It reads no clock, resolves no host names (what a load balancer's name leads to is for the caller to find out), and writes nothing: see
//! `kfed-dnsprovider` for the way into a zone.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

pub mod address;
pub mod adopt;
pub mod audit;
pub mod cause;
pub mod exposure;
pub mod federation;
pub mod liveness;
pub mod names;
pub mod observation;
pub mod plan;
mod records;
pub mod seen;

pub use address::{AddressPolicy, AddressProblem};
pub use adopt::{Adoption, Refusal, Taken, adopt, adopt_leftovers};
pub use audit::{Audit, Audited, Verdict, audit};
pub use cause::cause;
pub use exposure::Exposure;
pub use federation::{Decision, FederationView, ServiceFinding, ServiceView, decide};
pub use liveness::{Liveness, WithdrawnReason, host_liveness, liveness};
pub use names::{InvalidHostname, Level, Naming, external_name, settle};
pub use observation::{
    AddressObservation, AddressState, ApiState, HostObservation, LeadsTo, MemberObservation, ServiceObservation,
};
pub use plan::{Fallback, Finding, Instead, LastTarget, Outcome, Rules, ServicePlan, UnknownFallback, plan};
pub use seen::{Seen, SeenAddresses, SeenMember};
