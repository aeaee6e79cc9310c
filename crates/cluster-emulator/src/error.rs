use std::io;

use kfed_apiserver::serve::ServeError;

use crate::AddressRange;

/// Why a member could not be emulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The name becomes part of node names and of a kubeconfig, so it must be a DNS label.
    #[error("member name {name:?} is not a DNS label (a-z, 0-9 and -, at most 50 characters)")]
    InvalidName {
        /// The refused name.
        name: String,
    },
    /// A region or zone cannot stand in a node's label.
    #[error("{value:?} cannot be the value of label {label}")]
    InvalidTopology {
        /// The label it was meant for.
        label: &'static str,
        /// The refused value.
        value: String,
    },
    /// The member's own API did not tell its version.
    #[error("the API of member {member} does not tell its version")]
    AskVersion {
        /// The member.
        member: String,
        /// What the API answered.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API refused a node at start-up.
    #[error("node {node} could not be registered")]
    RegisterNode {
        /// The node.
        node: String,
        /// What the API answered.
        #[source]
        source: Box<kube::Error>,
    },
    /// No address range for load balancers could be claimed.
    #[error("load-balancer range {range} cannot be claimed on this machine")]
    ClaimRange {
        /// The last range that was tried.
        range: AddressRange,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A range for listening load balancers must lie in 127.0.0.0/8 and be a /8 to /30.
    #[error("load-balancer range {range} is not on loopback, or not between a /8 and a /30")]
    UnusableRange {
        /// The refused range.
        range: AddressRange,
    },
    /// The API could not be served over TLS.
    #[error("the API of member {member} cannot be served")]
    Serve {
        /// The member.
        member: String,
        /// What went wrong.
        #[source]
        source: Box<ServeError>,
    },
}
