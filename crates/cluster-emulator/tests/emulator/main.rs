//! Whole members: in process on a paused clock, and on real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

mod deployments;
mod faults;
mod services;
mod sockets;
mod support;
mod workloads;
