//! What Azure DNS stores: subscriptions, resource groups, zones, record sets, and the rules that hold between them.

pub(crate) mod change;
pub(crate) mod name;
pub(crate) mod rdata;
pub(crate) mod record_type;
pub(crate) mod store;
pub(crate) mod zone;
pub(crate) mod zone_kind;
