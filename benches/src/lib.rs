//! Benchmarks of kfed, and the inputs they share.
//!
//! `cargo bench -p kfed-benches` runs all of them, `cargo bench -p kfed-benches --bench planner -- steady` some.

pub mod dns;
pub mod planner;
pub mod resources;
pub mod timeline;
