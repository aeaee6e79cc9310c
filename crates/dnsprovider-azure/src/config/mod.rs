//! `dns.conf`: which subscription, resource group and cloud, and who asks.

mod cloud;
mod error;
mod gcfg;
mod place;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use self::cloud::Cloud;
pub(crate) use self::cloud::is_loopback;
pub use self::error::{ConfigError, MissingKey, Warning};
pub use self::place::Place;
use self::place::Source;

/// Everything that is needed to reach zones in Azure DNS.
#[derive(Debug, Clone)]
pub struct AzureConfig {
    /// The subscription's identifier.
    pub subscription_id: String,
    /// The resource group whose zones are used.
    pub resource_group: String,
    /// Where Azure is.
    pub cloud: Cloud,
    /// Who asks.
    pub credential: Credential,
    /// Certificates of authorities that are trusted beside the system's own.
    pub ca: Option<CaBundle>,
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
    /// The identity of the machine, or the user-assigned one with this application.
    ManagedIdentity {
        /// The application of a user-assigned identity.
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

/// The keys of `[Global]`, and whether a value of theirs may be shown.
const KEYS: [(&str, bool); 10] = [
    (RESOURCE_GROUP, true),
    (CLIENT_ID, true),
    (SECRET, false),
    (TENANT_ID, true),
    (SUBSCRIPTION_ID, true),
    (CLOUD, true),
    (RESOURCE_MANAGER, true),
    (AUTHORITY, true),
    (CA_FILE, true),
    (CREDENTIAL, true),
];
const RESOURCE_GROUP: &str = "resourceGroup";
const CLIENT_ID: &str = "client-id";
const SECRET: &str = "secret";
const TENANT_ID: &str = "tenant-id";
const SUBSCRIPTION_ID: &str = "subscription-id";
const CLOUD: &str = "cloud";
const RESOURCE_MANAGER: &str = "resource-manager-endpoint";
const AUTHORITY: &str = "authority-host";
const CA_FILE: &str = "ca-file";
const CREDENTIAL: &str = "credential";

/// What may stand behind `credential =`. A certificate is named to be refused in its own words.
const CREDENTIALS: [&str; 4] = ["secret", "workload-identity", "managed-identity", "cli"];

// === impl AzureConfig ===

impl AzureConfig {
    /// Reads `path`. Warnings are for a log: what they are about was passed over.
    ///
    /// # Errors
    /// Any [`ConfigError`]. All keys that are missing come in one.
    pub fn read(path: &Path) -> Result<(Self, Vec<Warning>), ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, which stands in `path`: errors name it, and a relative `ca-file` is looked for beside it.
    ///
    /// # Errors
    /// Any [`ConfigError`] but [`ConfigError::Read`].
    pub fn parse(text: &str, path: &Path) -> Result<(Self, Vec<Warning>), ConfigError> {
        let harmless = |key: &str| KEYS.iter().any(|(name, shown)| *shown && name.eq_ignore_ascii_case(key));
        let source = Source::new(path, text, harmless);
        let document = gcfg::parse(text).map_err(|error| ConfigError::Syntax {
            at: Box::new(source.place(error.span, error.problem)),
            problem: error.problem,
            help: error.help,
        })?;
        let global = Global::collect(document, source, text.len());
        let config = global.config(path)?;
        Ok((config, global.warnings))
    }
}

/// The entries of `[Global]` by key, the last of each.
struct Global {
    source: Source,
    /// The header, or the end of the file.
    header: Range<usize>,
    present: bool,
    entries: BTreeMap<&'static str, Value>,
    warnings: Vec<Warning>,
}

struct Value {
    text: SecretString,
    span: Range<usize>,
}

impl Global {
    fn collect(document: gcfg::Document, source: Source, end: usize) -> Self {
        let mut global =
            Self { source, header: end..end, present: false, entries: BTreeMap::new(), warnings: Vec::new() };
        for section in document.sections {
            if section.sub.is_some() || !section.name.eq_ignore_ascii_case("global") {
                global.warn(section.span, format!("section [{}] is not known", section.name), "only [Global] is read");
                continue;
            }
            if !global.present {
                (global.header, global.present) = (section.span, true);
            }
            for entry in section.entries {
                global.take(entry);
            }
        }
        global
    }

    fn take(&mut self, entry: gcfg::Entry) {
        let Some((key, _)) = KEYS.iter().find(|(key, _)| key.eq_ignore_ascii_case(&entry.key)) else {
            let nearest = KEYS.iter().map(|(key, _)| *key).min_by_key(|key| distance(key, &entry.key));
            let help = match nearest.filter(|key| distance(key, &entry.key) <= key.len() / 2) {
                Some(key) => format!("did you mean {key}?"),
                None => format!("known are {}", KEYS.map(|(key, _)| key).join(", ")),
            };
            return self.warn(entry.key_span, format!("key {} is not known", entry.key), help);
        };
        if let Some(at) = entry.abrupt_comment {
            self.warn(
                at..at + 1,
                format!("the value of {key} ends here, at the start of a comment"),
                "put the value in double quotes if this belongs to it",
            );
        }
        if self.entries.contains_key(key) {
            self.warn(entry.key_span, format!("{key} is set again"), "the last one counts");
        }
        // gcfg's bare key is a boolean, and no key of ours is one: it has no value.
        let text = entry.value.unwrap_or_default();
        self.entries.insert(key, Value { text, span: entry.span });
    }

    fn warn(&mut self, span: Range<usize>, message: String, help: impl Into<String>) {
        let at = Box::new(self.source.place(span, "here"));
        self.warnings.push(Warning { at, message, help: Some(help.into()) });
    }

    /// The value of `key` unless it is missing or empty.
    fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|value| value.text.expose_secret()).filter(|text| !text.trim().is_empty())
    }

    fn owned(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    fn invalid(&self, key: &'static str, problem: impl Into<String>, help: impl Into<String>) -> ConfigError {
        let problem = problem.into();
        let span = self.entries.get(key).map_or(self.header.clone(), |value| value.span.clone());
        ConfigError::Value { at: Box::new(self.source.place(span, &problem)), key, problem, help: help.into() }
    }

    /// The error that names all of `required` that have no value; none if all have one.
    fn missing(&self, required: &[&'static str], help: impl Into<String>) -> Result<(), ConfigError> {
        let mut place = self.source.place(self.header.clone(), "here");
        let mut missing = Vec::new();
        for key in required.iter().copied().filter(|key| self.get(key).is_none()) {
            let empty = self.entries.get(key).map(|value| value.span.clone());
            let empty_in_line = empty.as_ref().map(|span| self.source.position(span.start).0);
            if let Some(span) = empty {
                place = place.and(span, "empty");
            }
            missing.push(MissingKey { key, empty_in_line });
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Missing { at: Box::new(place), section: self.present, missing, help: help.into() })
    }

    fn config(&self, path: &Path) -> Result<AzureConfig, ConfigError> {
        // The order of the keys is the order in which Federation v1 asked for them.
        let credential = match self.get(CREDENTIAL).map(str::to_ascii_lowercase).as_deref() {
            None | Some("secret") => {
                self.missing(
                    &[RESOURCE_GROUP, CLIENT_ID, SECRET, TENANT_ID, SUBSCRIPTION_ID],
                    "`az ad sp create-for-rbac` makes a service principal and prints appId (client-id), password (secret) and tenant (tenant-id); `az account show` prints id (subscription-id)",
                )?;
                Credential::Secret {
                    tenant_id: self.owned(TENANT_ID).unwrap_or_default(),
                    client_id: self.owned(CLIENT_ID).unwrap_or_default(),
                    secret: self.get(SECRET).unwrap_or_default().into(),
                }
            }
            Some("workload-identity") => Credential::WorkloadIdentity {
                tenant_id: self.owned(TENANT_ID),
                client_id: self.owned(CLIENT_ID),
                token_file: None,
            },
            Some("managed-identity") => Credential::ManagedIdentity { client_id: self.owned(CLIENT_ID) },
            Some("cli") => Credential::Cli { tenant_id: self.owned(TENANT_ID) },
            Some(other) => {
                let problem = match other {
                    "certificate" => "certificates are not supported yet".to_owned(),
                    _ => format!("`{other}` is no kind of credential"),
                };
                return Err(self.invalid(CREDENTIAL, problem, format!("it is one of {}", CREDENTIALS.join(", "))));
            }
        };
        self.missing(&[RESOURCE_GROUP, SUBSCRIPTION_ID], "`az account show` prints id (subscription-id)")?;
        Ok(AzureConfig {
            subscription_id: self.identifier(SUBSCRIPTION_ID)?,
            resource_group: self.identifier(RESOURCE_GROUP)?,
            cloud: self.cloud()?,
            credential,
            ca: self.ca(path)?,
        })
    }

    /// A value that becomes a segment of a URL.
    fn identifier(&self, key: &'static str) -> Result<String, ConfigError> {
        let text = self.owned(key).unwrap_or_default();
        // Resource groups: letters, digits and `-_.()`, not ending in a dot.
        let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
        if text.chars().all(fits) && !text.ends_with('.') {
            return Ok(text);
        }
        Err(self.invalid(key, "not a name in Azure", "it is made of letters, digits and `-_.()`"))
    }

    fn cloud(&self) -> Result<Cloud, ConfigError> {
        let (resource_manager, authority) = (self.endpoint(RESOURCE_MANAGER)?, self.endpoint(AUTHORITY)?);
        let mut cloud = match self.get(CLOUD) {
            None => Cloud::public(),
            Some(name) if Cloud::is_custom(name) => {
                self.missing(
                    &[RESOURCE_MANAGER, AUTHORITY],
                    "a custom cloud is known by its endpoints alone; both are `https://host[:port]`",
                )?;
                Cloud { name: Cloud::NAMES[3].to_owned(), ..Cloud::public() }
            }
            Some(name) => Cloud::named(name).ok_or_else(|| {
                self.invalid(
                    CLOUD,
                    format!("`{name}` is no cloud"),
                    format!("it is one of {}", Cloud::NAMES.join(", ")),
                )
            })?,
        };
        // Endpoints count whatever the cloud is called, and one that changes them is none of Azure's own.
        if resource_manager.is_some() || authority.is_some() {
            cloud.name = Cloud::NAMES[3].to_owned();
        }
        cloud.resource_manager = resource_manager.unwrap_or(cloud.resource_manager);
        cloud.authority = authority.unwrap_or(cloud.authority);
        Ok(cloud)
    }

    fn endpoint(&self, key: &'static str) -> Result<Option<Url>, ConfigError> {
        const HELP: &str = "it is written `https://host[:port]`";
        let Some(text) = self.get(key) else { return Ok(None) };
        let url = Url::parse(text).map_err(|error| self.invalid(key, format!("not a URL: {error}"), HELP))?;
        // Tokens and the client secret go there.
        if url.scheme() != "https" || !url.has_host() {
            return Err(self.invalid(key, "credentials are only sent over https", HELP));
        }
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(self.invalid(key, "an endpoint has scheme, host and port alone", HELP));
        }
        Ok(Some(url))
    }

    fn ca(&self, config: &Path) -> Result<Option<CaBundle>, ConfigError> {
        let Some(file) = self.get(CA_FILE) else { return Ok(None) };
        let path = config.parent().unwrap_or(Path::new("")).join(file);
        let pem = std::fs::read(&path).map_err(|source| {
            let span = self.entries.get(CA_FILE).map_or(0..0, |value| value.span.clone());
            ConfigError::CaFile { at: Box::new(self.source.place(span, "here")), path: path.clone(), source }
        })?;
        let bundle = CaBundle { path, pem };
        if bundle.certificates().is_ok_and(|certificates| !certificates.is_empty()) {
            return Ok(Some(bundle));
        }
        Err(self.invalid(
            CA_FILE,
            format!("{} holds no PEM certificate", bundle.path.display()),
            "a certificate begins with `-----BEGIN CERTIFICATE-----`",
        ))
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

/// How many single changes make `b` of `a`, case and dashes left out (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| text.to_ascii_lowercase().chars().filter(|c| *c != '-' && *c != '_').collect::<Vec<_>>();
    let (a, b) = (plain(a), plain(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
