//! The Resource Manager and, behind it, the DNS resource provider.

pub(crate) mod call;
mod directory;
pub(crate) mod gateway;
pub(crate) mod operations;
mod paging;
mod preconditions;
mod record_sets;
pub(crate) mod reply;
pub(crate) mod route;
mod zones;
