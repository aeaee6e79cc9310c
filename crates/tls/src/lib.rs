//! A throw-away certificate authority, and an HTTPS server on a given listener for any tower HTTP service.
//!
//! ```text
//! CertificateAuthority ──issue──► ServerCertificate ──serve(listener, certificate, service)──► HttpsServer
//!          └──pem──► the client's only trust root
//! ```
//!
//! ```
//! use std::{net::TcpListener, time::Duration};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let authority = kfed_tls::CertificateAuthority::generate("example")?;
//! let certificate = authority.issue(&["127.0.0.1", "localhost"])?;
//! let service = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
//!
//! let server = kfed_tls::serve(TcpListener::bind("127.0.0.1:0")?, &certificate, service).await?;
//! assert_ne!(server.addr().port(), 0);
//! assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
//! server.shutdown(Duration::from_secs(1)).await;
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - ring is named explicitly everywhere: whether the process has installed a default rustls provider does not matter;
//! - no clock is read: certificates are valid from 1975 to 4096;
//! - a dropped [`HttpsServer`] leaves no task behind, neither of a connection nor of a request.
//!
//! It does not verify client certificates, persist keys, or revoke anything.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends where it fails"))]

mod authority;
mod error;
mod server;

pub use authority::{CertificateAuthority, ServerCertificate};
pub use error::TlsError;
pub use server::{HttpsServer, serve};

#[cfg(test)]
mod tests;
