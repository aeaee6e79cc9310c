//! An emulated Kubernetes cluster: an in-memory API server with nodes, pods that start, Services that get endpoints and
//! load balancers that answer, and switches to break it.
//!
//! ```text
//!            kubectl, controllers                                        users
//!                    │                                                     │
//!   faults ──► outside view ──► kfed-apiserver ◄──► controllers ──► load balancers ◄── faults
//!                                (inside view)      one task
//! ```
//!
//! ```
//! use std::time::Duration;
//!
//! use k8s_openapi::api::apps::v1::ReplicaSet;
//! use kfed_cluster_emulator::{ApiFault, ClusterEmulator, Faults, LoadBalancers};
//! use kube::{Api, api::PostParams};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let member = ClusterEmulator::builder("fed-west")
//!     .region("westus")
//!     .zones(["1", "2"])
//!     .load_balancers(LoadBalancers::Simulated)
//!     .start()
//!     .await?;
//!
//! let sets: Api<ReplicaSet> = Api::namespaced(member.outside_client(), "default");
//! let web: ReplicaSet = serde_json::from_value(json!({
//!     "metadata": { "name": "web" },
//!     "spec": {
//!         "replicas": 2,
//!         "selector": { "matchLabels": { "app": "web" } },
//!         "template": {
//!             "metadata": { "labels": { "app": "web" } },
//!             "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
//!         },
//!     },
//! }))?;
//! sets.create(&PostParams::default(), &web).await?;
//! tokio::time::sleep(Duration::from_secs(1)).await;
//! assert_eq!(sets.get("web").await?.status.and_then(|status| status.ready_replicas), Some(2));
//!
//! member.set_faults(Faults { api: ApiFault::Status(500), ..Faults::default() });
//! assert!(sets.get("web").await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - faults break the outside view only: the member's controllers see their API whole, and work on while nobody hears;
//! - everything waits on tokio's clock, so that a member lives under a paused one ([`LoadBalancers::Simulated`], since
//!   sockets do not obey it);
//! - names, addresses and delays come from the seed and the objects' names: the same story has the same pods;
//! - a status is written only when it differs.
//!
//! It emulates ReplicaSets, Deployments, pods, EndpointSlices and load balancers (TCP ports). It runs no container, and
//! leaves Jobs, DaemonSets, StatefulSets, volumes, resource requests and affinities alone.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

mod controllers;
mod driver;
mod emulator;
mod error;
mod faults;
mod load_balancers;
mod names;
mod world;
mod writer;

pub use emulator::{ClusterEmulator, ClusterEmulatorBuilder, StartupDelay};
pub use error::EmulatorError;
pub use faults::{ApiFault, Faults, LbFault, OutsideApi, UnknownFault};
pub use kfed_apiserver::{Clock, serve::Serving};
pub use load_balancers::{AddressRange, LbAnswer, LoadBalancerPool, LoadBalancers, ParseRangeError};
