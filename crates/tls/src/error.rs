use std::io;

/// Why a certificate could not be made or a server not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The authority's key or self-signed certificate could not be made.
    #[error("cannot generate the certificate authority {common_name:?}")]
    GenerateAuthority {
        /// The common name asked for.
        common_name: String,
        /// What the certificate generator said.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate for no name at all would be valid for nobody.
    #[error("a server certificate needs at least one DNS name or IP address")]
    NoNames,
    /// The server's key or certificate could not be made: mostly a name that is neither a DNS name nor an IP address.
    #[error("cannot issue a server certificate for {names:?}")]
    IssueCertificate {
        /// The names asked for.
        names: Vec<String>,
        /// What the certificate generator said.
        #[source]
        source: rcgen::Error,
    },
    /// The TLS library refused the certificate or the protocol versions.
    #[error("cannot configure TLS for {names:?}")]
    Configure {
        /// The names of the certificate.
        names: Vec<String>,
        /// What the TLS library said.
        #[source]
        source: rustls::Error,
    },
    /// The listener could not be handed to the runtime.
    #[error("cannot listen")]
    Listen {
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}
