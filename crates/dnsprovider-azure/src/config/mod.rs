//! `dns.conf` and `azure.json`: which subscriptions, resource groups and cloud, and who asks.

mod azure_json;
mod cloud;
mod dns_conf;
mod error;
mod gcfg;
#[cfg(test)]
mod json_tests;
mod place;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub use self::cloud::Cloud;
pub(crate) use self::cloud::is_loopback;
pub use self::error::{ConfigError, MissingKey, Warning};
pub use self::place::Place;
use crate::certificate::ClientCertificate;

/// Everything that is needed to reach zones in Azure DNS.
#[derive(Debug, Clone)]
pub struct AzureConfig {
    /// The resource groups whose zones are used; at least one, none twice.
    pub scopes: Vec<Scope>,
    /// Where Azure is.
    pub cloud: Cloud,
    /// Who asks.
    pub credential: Credential,
    /// Certificates of authorities that are trusted beside the system's own.
    pub ca: Option<CaBundle>,
}

/// A resource group, and the subscription it is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// The subscription's identifier.
    pub subscription_id: String,
    /// The resource group's name.
    pub resource_group: String,
}

/// Who asks Azure.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credential {
    /// A service principal with a client secret.
    Secret {
        /// The tenant (directory).
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// A service principal with a certificate.
    Certificate {
        /// The tenant (directory).
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its certificate and key.
        certificate: ClientCertificate,
    },
    /// A pod's service account, federated with an application. What is none comes from the environment that Azure's webhook
    /// sets: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity {
        /// The tenant (directory).
        tenant_id: Option<String>,
        /// The application.
        client_id: Option<String>,
        /// The service account's token. It is read again for each token of Azure, for it is replaced about every hour.
        token_file: Option<PathBuf>,
    },
    /// The identity of the machine, or a user-assigned one.
    ManagedIdentity {
        /// The application of a user-assigned identity, or its resource identifier, which begins with `/`.
        client_id: Option<String>,
    },
    /// Whoever is logged in with `az login`.
    Cli {
        /// The tenant (directory).
        tenant_id: Option<String>,
    },
}

/// PEM certificates, and the file they were read from.
#[derive(Clone)]
pub struct CaBundle {
    /// The file.
    pub path: PathBuf,
    /// Its content.
    pub pem: Vec<u8>,
}

// === impl AzureConfig ===

impl AzureConfig {
    /// Reads `path`: an `azure.json` if its first character is `{`, else a `dns.conf`. Warnings are for a log: what they are about was passed over.
    ///
    /// # Errors
    /// Any [`ConfigError`]. All keys that are missing come in one.
    pub fn read(path: &Path) -> Result<(Self, Vec<Warning>), ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, which stands in `path`: errors name it, and a file that it names by a relative path is looked for beside it.
    ///
    /// # Errors
    /// Any [`ConfigError`] but [`ConfigError::Read`].
    pub fn parse(text: &str, path: &Path) -> Result<(Self, Vec<Warning>), ConfigError> {
        // A `dns.conf` begins with a section or a comment.
        match text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            true => azure_json::parse(text, path),
            false => dns_conf::parse(text, path),
        }
    }
}

// === impl Scope ===

/// `subscription/group`, as `dns.conf` writes it.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subscription_id, self.resource_group)
    }
}

// === impl CaBundle ===

impl CaBundle {
    pub(crate) fn certificates(&self) -> Result<Vec<reqwest::Certificate>, reqwest::Error> {
        reqwest::Certificate::from_pem_bundle(&self.pem)
    }
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaBundle").field("path", &self.path).finish_non_exhaustive()
    }
}
