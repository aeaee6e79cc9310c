//! A stateful Azure DNS in one process: the Resource Manager's API and the token endpoint as a tower service, and a DNS
//! front that answers from the zones.
//!
//! ```text
//! http::Request ─► AzureEmulator ─► token endpoint, discovery            (entra)
//!                      │        └─► Resource Manager ─► DNS provider     (arm)
//!                      │                                    │
//!                      └── faults, limits, counters      zones, rules    (model)
//!                                                           │
//! DNS question ─► dns::serve / dns::lookup ─────────────────┘
//! ```
//!
//! ```
//! use axum::body::Body;
//! use http::{Request, StatusCode};
//! use kfed_azure_emulator::{AzureEmulator, DEFAULT_SUBSCRIPTION, Operation, RecordType, dns};
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = AzureEmulator::builder()
//!     .zone("dns", "example.com")
//!     .without_authentication()
//!     .build();
//!
//! let zone = format!(
//!     "/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/dns/providers/Microsoft.Network/dnsZones/example.com"
//! );
//! let request = Request::put(format!("{zone}/A/www?api-version=2018-05-01"))
//!     .header("If-None-Match", "*")
//!     .body(Body::from(r#"{"properties":{"TTL":30,"ARecords":[{"ipv4Address":"192.0.2.1"}]}}"#))?;
//! let answer = emulator.clone().oneshot(request).await?;
//! assert_eq!(answer.status(), StatusCode::CREATED);
//!
//! let heard = dns::lookup(&emulator, "www.example.com", RecordType::A);
//! assert_eq!(heard.records[0].data, "192.0.2.1");
//! assert_eq!(emulator.requests().by("PUT", Operation::RecordSetWrite), 1);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - the same requests in the same order and under the same seed give the same answers, etags and tokens included;
//! - one request is carried out as a whole before the next; a refused one changes nothing;
//! - what the API accepted is what DNS answers, at once;
//! - a secret is compared, and never answered, logged or shown by `Debug`.
//!
//! It knows no role assignments, locks, policies, DNSSEC, virtual-network links or resources other than zones: an alias of
//! a public address or a Traffic Manager profile is stored and answers nothing. Signatures of client assertions are checked
//! for applications with a certificate only.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

mod arm;
mod builder;
mod clock;
pub mod dns;
mod emulator;
mod entra;
mod error;
mod faults;
mod ids;
mod limits;
mod model;
mod requests;
pub mod serve;
mod state;

pub use builder::AzureEmulatorBuilder;
pub use clock::Clock;
pub use emulator::{AzureEmulator, RecordSetView};
pub use error::EmulatorError;
pub use faults::{Fault, FaultRule, Faults};
pub use limits::{Limits, Rates};
pub use model::{record_type::RecordType, zone_kind::ZoneKind};
pub use requests::{Operation, Requests};

/// The subscription that there is when none is named.
pub const DEFAULT_SUBSCRIPTION: &str = "00000000-0000-4000-8000-000000000001";
/// The tenant that subscriptions belong to when none is named.
pub const DEFAULT_TENANT: &str = "00000000-0000-4000-8000-000000000002";
/// The application that a managed identity is when none is named.
pub const DEFAULT_CLIENT: &str = "00000000-0000-4000-8000-000000000003";

#[cfg(test)]
mod tests;
