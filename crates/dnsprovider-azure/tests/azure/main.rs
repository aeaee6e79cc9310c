//! The provider as its users see it: over HTTP in Azure's wire format, over TLS, with a clock of its own.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod bad_input;
mod certificate;
mod conformance;
mod defects;
mod emulator;
mod scale;
mod support;
mod tls;
mod tokens;
mod wire;
mod zones;
