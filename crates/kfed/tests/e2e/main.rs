//! End to end: processes, real kubectl, real dig.

#![allow(clippy::unwrap_used, reason = "a test that finds nothing to work with is to end there")]

mod demo;
mod fleet;
#[path = "../support/mod.rs"]
mod support;
mod tools;
#[path = "../support/zone.rs"]
mod zone;
