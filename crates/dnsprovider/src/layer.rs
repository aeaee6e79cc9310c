//! Layers that fit around any operation of any provider.

mod trace;

pub use trace::{Trace, TraceLayer};
