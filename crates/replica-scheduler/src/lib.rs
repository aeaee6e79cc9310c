//! How many replicas of a workload each member cluster gets, and why: Federation v1's planner, bit for bit.
//!
//! ```text
//! Request ─► match preferences ─► order ─► minimums ─► kept replicas ─► weighted rounds ─► overflow ─► Plan
//!            (own entry or "*")   (weight, FNV-1)      (rebalance: false)
//! ```
//!
//! ```
//! use kfed_api::preferences::ReplicaPreferences;
//! use kfed_replica_scheduler::{Member, Reason, Request, plan};
//!
//! let preferences: ReplicaPreferences =
//!     r#"{"clusters": {"fed-west": {"weight": 1, "maxReplicas": 2}, "fed-east": {"weight": 1}}}"#.parse()?;
//! let members = [Member::new("fed-west"), Member::new("fed-east")];
//! let plan = plan(&Request { key: "default/hostname", replicas: 10, preferences: &preferences, members: &members });
//!
//! assert_eq!(plan.of("fed-east").unwrap().replicas(), 8);
//! let west = plan.of("fed-west").unwrap();
//! assert_eq!(west.replicas(), 2);
//! assert!(west.reasons.contains(&Reason::CutToMaximum { max: 2 }));
//! assert_eq!(plan.unplaced, 0);
//! # Ok::<(), kfed_api::preferences::InvalidPreferences>(())
//! ```
//!
//! Invariants:
//! - the same request gives the same plan, in whatever order its members are listed;
//! - every member of the request has a placement, also with 0 replicas, and every placement has a reason;
//! - what is planned never exceeds a known capacity; what is planned beyond a `maxReplicas` is only what v1 planned so:
//!   a larger `minReplicas` in a plan with no weighted rounds.
//!
//! All of v1's quirks are kept, negative plans for a negative capacity among them; a caller that wants none clamps what it
//! passes. Two things differ where v1 had no defined answer: equal hashes of equal weights are told apart by name, and
//! numbers beyond ±2⁴⁰ count as ±2⁴⁰ so that nothing overflows.
//!
//! Not here: which members may run the workload at all, how capacity is estimated, and how a plan is carried out.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

mod distribute;
mod order;
#[allow(dead_code, reason = "the pipeline that calls it is not there yet")]
mod pace;
mod plan;
mod portion;
#[allow(dead_code, unused_imports, reason = "the pipeline that calls it is not there yet")]
mod proportional;
mod reason;
mod seat;

pub use distribute::distribute;
pub use plan::{Member, Placement, Plan, Request, Share, plan};
pub use reason::Reason;
