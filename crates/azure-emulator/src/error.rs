use std::io;

/// Why the emulator could not be set up, served, or given a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// No zone of that name exists.
    #[error("there is no zone {zone}")]
    UnknownZone {
        /// The zone asked for.
        zone: String,
    },
    /// A record set was refused by the same rules that the API applies.
    #[error("record set {name} {record_type} in zone {zone} was refused: {reason}")]
    RefusedRecordSet {
        /// The zone.
        zone: String,
        /// The relative name.
        name: String,
        /// The record type.
        record_type: crate::RecordType,
        /// The message the API would have answered.
        reason: String,
    },
    /// A word that is no record type that Azure DNS knows.
    #[error("{word:?} is not a record type of Azure DNS")]
    UnknownRecordType {
        /// The word.
        word: String,
    },
    /// A client's certificate cannot be used.
    #[error("the client's certificate cannot be used: {problem}")]
    ClientCertificate {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A socket could not be bound or handed to the runtime.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address, as far as it is known.
        address: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The certificate could not be made or TLS not be served.
    #[error("cannot serve over TLS")]
    Tls {
        /// What the TLS server said.
        #[source]
        source: kfed_tls::TlsError,
    },
    /// The DNS front ended with an error.
    #[error("the DNS front failed")]
    Dns {
        /// What the DNS server said.
        #[source]
        source: hickory_server::net::NetError,
    },
}
