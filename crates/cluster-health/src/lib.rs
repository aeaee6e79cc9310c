//! Whether a member cluster, or an address that it publishes, is alive: probes, hysteresis, and the monitor that drives both.
//!
//! ```text
//! Monitor ─ every period ─► Service<Probe<T>> ─► ProbeOutcome ─► HealthMachine ─► Observation ─► subscribers
//!   (one task a target)      (API, TCP, HTTP)     within the       (no clock,       (a watch channel)
//!                                                 deadline          no I/O)
//! ```
//!
//! ```
//! use kfed_cluster_health::{Failure, Health, HealthMachine, ProbeOutcome, Thresholds};
//!
//! let mut member = HealthMachine::new(Thresholds::default());
//! member.observe(&ProbeOutcome::Healthy);
//! let refused = ProbeOutcome::Unreachable { failure: Failure::Connect("refused".to_owned()) };
//! assert_eq!(member.observe(&refused).unwrap().to, Health::Suspect);
//! assert_eq!(member.observe(&refused), None);
//! assert_eq!(member.observe(&refused).unwrap().to, Health::Dead);
//!
//! member.observe(&ProbeOutcome::Healthy);
//! assert_eq!(member.state(), Health::Dead, "one success does not bring it back");
//! member.observe(&ProbeOutcome::Healthy);
//! assert_eq!(member.state(), Health::Healthy);
//! ```
//!
//! Invariants:
//! - only probes without any answer lead to [`Health::Dead`]; whoever answers 401, 403 or 500 is alive;
//! - failures and successes in a row are counted apart, so that many successes never make one failure count for more;
//! - what has died comes back only after it has been well for a while, longer each time ([`Damper`]): a flapper comes and goes a
//!   bounded number of times;
//! - a target is probed by one task of its own, and no probe outlives its deadline: a target that hangs delays nobody;
//! - the same outcomes give the same states, and the same seed the same times.
//!
//! The types, the machine and the schedule build without default features. Feature `tower` (default) adds the services and
//! the monitor.
//!
//! Not here: what follows from a death, and how an API server is asked (that takes a client with the member's credentials).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

#[cfg(feature = "tower")]
mod address;
mod damper;
mod machine;
#[cfg(feature = "tower")]
pub mod monitor;
mod outcome;
mod schedule;

#[cfg(feature = "tower")]
pub use address::{AddressKind, AddressProbe, AddressTarget, HttpProbe, HttpTarget, TcpProbe};
pub use damper::{Damped, Damper, Damping};
pub use machine::{Health, HealthMachine, Thresholds, Transition};
#[cfg(feature = "tower")]
pub use monitor::{Monitor, MonitorHandle, Observation, Probe};
pub use outcome::{Failure, ProbeOutcome};
pub use schedule::ProbeSchedule;
