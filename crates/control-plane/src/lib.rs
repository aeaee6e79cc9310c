//! The control plane: plain Kubernetes objects in one API, spread over many clusters and published in DNS.
//!
//! ```text
//! federation API ─watch─┐                       ┌─► members         (server-side apply, one stack a member)
//! members        ─watch─►  world  ─►  plan  ─►  effect ─► federation API  (finalizers, status, conditions)
//! probes         ───────┘ (pure)     (pure)     └─► DNS zone        (conditional writes)
//! ```
//!
//! It is assembled from parts that anybody may replace: a [`DnsProvider`](kfed_dnsprovider::DnsProvider), a
//! [`MemberConnector`], an [`AddressProbe`], a [`Clock`].
//!
//! Invariants: it names no concrete DNS provider and no emulator; planners are pure; every call to a member has a deadline and
//! members are worked in parallel, so that a dead one delays nobody; adding comes before removing; what kfed did not make is
//! not touched; any event may be lost, doubled or late, and a resync repairs.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bootstrap;
mod builder;
pub mod connect;
mod controller;
mod effect;
mod kinds;
pub mod membership;
mod object;
mod plan;
mod probe;
mod queue;
mod settings;
mod world;

pub use builder::{AddressProbe, Clock, ControlPlane, ControlPlaneBuilder};
pub use connect::{Connect, MemberConnector};
pub use kinds::{FEDERATED_KINDS, FederatedKind, ObjectKey};
pub use settings::Settings;
