//! Every kind by one table: what reaches members, where, how many, and what its user is told. No member here is dead.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod answers;
mod custom;
mod forbidden;
mod numbers;
mod objects;
mod overview;
mod propagation;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod watches;
