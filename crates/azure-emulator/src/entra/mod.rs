//! Microsoft Entra: tokens for client secrets and assertions, what clients discover before, and the check of bearers.

mod assertion;
mod discovery;
mod token;

pub(crate) use assertion::Certificate;
pub(crate) use discovery::{cloud_endpoints, instance_discovery, openid_configuration, signing_keys};
pub(crate) use token::{Client, Entra};
