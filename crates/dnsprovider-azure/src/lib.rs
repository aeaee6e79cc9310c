//! Azure DNS, public and private zones, as a provider for [`kfed_dnsprovider`].
//!
//! ```text
//! dns.conf ──► AzureConfig ──► AzureDns: Service<ListZones>, Service<PutRecordSet>, … ──► DnsProvider
//!                                 │ typed requests, ETags, paging, errors told apart
//!                                 ├─► TokenSource ──► azure_identity ──► TowerHttpClient ─┐
//!                                 └───────────────────────────────────────────────────────┴─► HttpService ──► Azure
//! ```
//!
//! Everything that leaves goes through one [`transport::HttpService`], tokens included. With an emulator, or a few lines, in its place the
//! whole provider runs without a socket:
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use kfed_dnsprovider_azure::transport::http_service;
//! use kfed_dnsprovider_azure::{AzureConfig, AzureDns, PUBLIC};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (config, warnings) = AzureConfig::parse(
//!     "[Global]
//!      subscription-id = 7c1e0f52-3b7d-4a54-9a3e-0d6f1c2b8e10
//!      tenant-id = contoso.example
//!      client-id = 4d5e1b9a-6c70-4f0b-8a2d-3e9f7a51c004
//!      secret = do-not-tell
//!      resourceGroup = fed-dns-rg",
//!     Path::new("dns.conf"),
//! )?;
//! assert!(warnings.is_empty());
//!
//! let pretend_azure = tower::service_fn(|request: Request<Bytes>| async move {
//!     let body = match request.uri().host() {
//!         Some("login.microsoftonline.com") => r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#,
//!         _ => r#"{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/dnszones/example.com","name":"example.com"}"#,
//!     };
//!     Ok::<_, std::convert::Infallible>(Response::new(Bytes::from(body)))
//! });
//! let noon = Arc::new(|| "2026-11-22T12:00:00Z".parse().expect("a timestamp"));
//! let azure = AzureDns::over(&PUBLIC, &config, http_service(pretend_azure), noon).into_provider();
//! let zone = azure.find_zone(&"example.com".parse()?).await?;
//! assert_eq!(zone.name.as_str(), "example.com.");
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: every write carries an ETag or `If-None-Match: *`; a token goes to the configured endpoint and nowhere else, whatever a page
//! link says; no error, warning, log or `Debug` holds a secret or a token; a write whose answer is missing is
//! [`Unknown`](kfed_dnsprovider::ErrorClass::Unknown), never "failed"; record sets of types that are never written are read and kept apart,
//! and alias sets, like sets with properties that are
//! not known here, are marked and never written.
//!
//! It neither creates nor deletes zones, does not write SOA, DS, TLSA and NAPTR, and reads no PKCS#12.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

mod arm;
mod certificate;
pub mod config;
mod service;
mod token;
pub mod transport;

use std::sync::Arc;

pub use self::arm::{PRIVATE, PUBLIC, ZoneFlavour};
pub use self::certificate::{CertificateError, ClientCertificate};
pub use self::config::{AzureConfig, Cloud, ConfigError, Credential, Scope};
pub use self::service::{AzureDns, ConnectError, connect, connect_to, factory};

/// The wall clock. Tokens end by it, and a `Retry-After` that is a date is counted from it.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;
