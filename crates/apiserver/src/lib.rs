//! An in-memory Kubernetes API server as a cloneable `tower::Service`: `kube::Client::new(server, "default")` just works, without a
//! socket, a binary, or waiting.
//!
//! ```text
//! kube::Client ──► ApiServer (tower::Service) ──► one generic service over a table of kinds ──► one store, one revision
//! kubectl ──TLS──► serve::serve(…) ──────────┘         patch · defaults · validation              history ──► watches
//! ```
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kfed_apiserver::ApiServer;
//! use kube::api::{Api, PostParams};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ApiServer::new();
//! let maps: Api<ConfigMap> = Api::default_namespaced(kube::Client::new(server.clone(), "default"));
//! let mut map = ConfigMap::default();
//! map.metadata.name = Some("settings".to_owned());
//!
//! let made = maps.create(&PostParams::default(), &map).await?;
//! assert_eq!(made.metadata.creation_timestamp.map(|t| t.0.to_string()).as_deref(), Some("2026-01-01T00:00:00Z"));
//! assert_eq!(server.writes(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! It serves the kinds of core/v1, apps, batch, autoscaling, networking, policy, discovery, coordination, events and RBAC that workloads
//! and controllers are made of, and any CustomResourceDefinition; with watches, selectors, pages, Tables, all four patch formats,
//! managed fields, finalizers, cascading deletion, `/status`, `/scale`, aggregated discovery and OpenAPI v3. Bodies of the built-in kinds
//! may be JSON, YAML or Kubernetes' protobuf; answers are JSON.
//!
//! Invariants:
//! - every write takes the next revision, and its event is in the history before anybody can see it: list and watch have no gap;
//! - a write that changes nothing keeps the revision and sends no event;
//! - a watcher that does not keep up loses its connection, never an event;
//! - time comes from the clock given, identifiers from the seed: equal runs give equal objects, and all of it obeys a paused runtime.
//!
//! It does not authorize (who is let in may do everything), run admission webhooks, evaluate CEL rules, convert between versions of
//! custom resources by webhook, write protobuf, count disruption budgets, or keep
//! anything beyond its own life.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

mod admission;
mod clock;
mod convert;
mod crd;
mod defaults;
mod discovery;
mod kinds;
mod lifecycle;
mod object;
mod openapi;
mod patch;
mod protobuf;
mod reply;
mod request;
mod selector;
pub mod serve;
mod server;
mod status;
mod store;
mod table;
mod validate;
mod verbs;
mod watch;

pub use clock::Clock;
pub use server::{ApiServer, ApiServerBuilder};
