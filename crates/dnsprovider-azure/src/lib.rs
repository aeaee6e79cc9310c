//! Azure DNS, public and private zones, as a provider for [`kfed_dnsprovider`].
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arm;
pub mod config;
mod service;
mod token;
pub mod transport;

use std::sync::Arc;

pub use self::arm::{Limits, PRIVATE, PUBLIC, ZoneFlavour};
pub use self::config::{AzureConfig, Cloud, ConfigError, Credential};
pub use self::service::AzureDns;

/// The wall clock. Tokens end by it, and a `Retry-After` that is a date is counted from it.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;
