//! The control plane: plain Kubernetes objects in one API, spread over many clusters and published in DNS.
//!
//! ```text
//! federation API ─watch─┐                       ┌─► members         (server-side apply, one stack a member)
//! members        ─watch─►  world  ─►  plan  ─►  effect ─► federation API  (finalizers, status, conditions)
//! probes         ───────┘ (pure)     (pure)     └─► DNS zone        (conditional writes)
//! ```
//!
//! It is assembled from parts that anybody may replace: a [`DnsProvider`](kfed_dnsprovider::DnsProvider), a
//! [`MemberConnector`], an [`AddressProbe`], a [`HostResolver`], a [`Clock`].
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! use kfed_control_plane::{ControlPlane, Settings, bootstrap::bootstrap};
//! use kfed_dnsprovider::{DnsProvider, MemoryProvider};
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let client = kube::Client::new(kfed_apiserver::ApiServer::new(), "default");
//! let spec = kfed_api::FederationSpec { dns_zone_name: "example.com".into(), dns_provider: "memory".into() };
//! bootstrap(&client, "myfederation", spec, Duration::from_secs(5)).await?;
//!
//! let settings = Settings::new("myfederation", "example.com".parse()?);
//! let dns = DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?));
//! let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
//! let shutdown = tokio_util::sync::CancellationToken::new();
//! let control_plane = ControlPlane::builder(client, settings, dns, clock).build();
//! let running = tokio::spawn(control_plane.run(shutdown.clone()));
//!
//! shutdown.cancel();
//! running.await?;
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: it names no concrete DNS provider and no emulator; planners are pure; every call to a member has a deadline and
//! members are worked in parallel, so that a dead one delays nobody; adding comes before removing; what kfed did not make is
//! not touched; any event may be lost, doubled or late, and a resync repairs.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

pub mod approval;
pub mod bootstrap;
mod builder;
pub mod connect;
mod controller;
mod discover;
mod effect;
mod fields;
mod kinds;
pub mod leader;
pub mod membership;
mod object;
pub mod overview;
mod plan;
mod probe;
pub mod published;
mod queue;
pub mod resolve;
mod settings;
mod world;

pub use builder::{AddressProbe, Clock, ControlPlane, ControlPlaneBuilder};
pub use connect::{Connect, MemberConnector, Purpose};
pub use kinds::{
    Conditions, FEDERATED_KINDS, FederatedKind, Known, Merge, ObjectKey, Own, Replicas, Second, StatusField, Truth,
};
pub use leader::LeaderElection;
pub use resolve::{HostResolver, Resolution, ResolveHost};
pub use settings::Settings;
