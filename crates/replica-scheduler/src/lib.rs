//! How many replicas of a workload each member cluster gets, and why.
//!
//! ```text
//! Request ─► filter ──────────────► choose ─► divide ──────────────────────────► pace ─► Plan ─► explain
//!            preferred? selector,   at most    federation-v1: v1, bit for bit     at most
//!            taints, regions,       maxClusters proportional: groups, spread,     maxMoves
//!            filters of your own               bounds, weights over the whole
//! ```
//!
//! ```
//! use kfed_api::policy::PlacementPolicy;
//! use kfed_replica_scheduler::{Member, Reason, Request, schedule};
//!
//! let policy: PlacementPolicy =
//!     r#"{"clusters": {"fed-west": {"weight": 1, "maxReplicas": 2}, "fed-east": {"weight": 1}}}"#.parse()?;
//! let members = [Member::new("fed-west"), Member::new("fed-east")];
//! let plan = schedule(&Request { key: "default/hostname", replicas: 10, policy: &policy, members: &members });
//!
//! assert_eq!(plan.of("fed-east").unwrap().replicas(), 8);
//! let west = plan.of("fed-west").unwrap();
//! assert_eq!(west.replicas(), 2);
//! assert!(west.reasons.contains(&Reason::CutToMaximum { max: 2 }));
//! assert_eq!(plan.unplaced, 0);
//! # Ok::<(), kfed_api::policy::InvalidPolicy>(())
//! ```
//!
//! Invariants:
//! - the same request gives the same plan, in whatever order its members are listed and its filters were added;
//! - every member of the request has a placement, also with 0 replicas, and every placement has reasons, whose numbers add
//!   up to what is planned, and name no bound that the request does not hold;
//! - a policy of v1's preferences alone gives v1's plan, bit for bit;
//! - what is planned never exceeds a known capacity, but by what runs there and waits for its move (`maxMoves`). What is
//!   planned beyond a `maxReplicas` is that, and what v1 planned so: a larger `minReplicas` in a plan with no weighted rounds.
//!
//! All of v1's quirks are kept in its mode, negative plans for a negative capacity among them; a caller that wants none clamps
//! what it passes. Two things differ where v1 had no defined answer. Equal hashes of equal weights are told apart by name. And
//! where a step of v1's arithmetic passed 64 bits and wrapped around (in a weighted round, when the replicas left times a
//! weight, plus the sum of the weights, reaches 2⁶³; elsewhere, when a sum of weights or of replicas does), the exact result
//! of that step is used; only a number of the answer that does not fit into 64 bits is told as the nearest that does.
//! All of v1's weighted rounds are taken, however many. Numbers of up to 32 bits take some ten thousand steps at most; some that only fit
//! into 64 bits take more than a million, which is seconds.
//!
//! [`Scheduler::schedule_batch`] plans many workloads over the capacity that they share, which a [`Ledger`] keeps account of.
//!
//! A policy is taken as it is: [`PlacementPolicy::check`](kfed_api::policy::PlacementPolicy::check) says beforehand what of it
//! makes no sense. In mode federation-v1 `groups` and `spread` count for nothing but that members without a region or zone are
//! left out of a spread.
//!
//! Not here: which members are well, how capacity is estimated, and how a plan is carried out.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

mod batch;
mod capacity;
mod explain;
pub mod federation_v1;
mod filter;
mod pace;
mod plan;
mod proportional;
mod reason;
mod request;
mod schedule;

pub use batch::{Assignment, Batch, Running, Workload};
pub use capacity::{Ages, Ledger};
pub use explain::explain;
pub use filter::{Filter, Scorer, Verdict};
pub use kfed_api::policy::{Taint, TaintEffect};
pub use plan::{Placement, Plan};
pub use reason::Reason;
pub use request::{Attributes, Member, Request};
pub use schedule::{Scheduler, schedule};
