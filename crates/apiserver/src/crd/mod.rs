//! Custom resources: definitions become rows of the registry, their schemas default, prune and check objects.

mod definition;
mod schema;

pub(crate) use definition::{CLEANUP_FINALIZER, DEFINITIONS, complete, establish, rows, storage_of, validate};
pub(crate) use schema::{check, default, prune};
