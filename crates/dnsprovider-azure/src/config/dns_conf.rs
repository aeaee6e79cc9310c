//! Federation v1's `dns.conf`, and the keys beyond it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::place::Source;
use super::{AzureConfig, CaBundle, Cloud, ConfigError, Credential, MissingKey, Scope, Warning, gcfg, values};
use crate::certificate::ClientCertificate;

/// The keys of `[Global]`, and whether a value of theirs may be shown.
const KEYS: [(&str, bool); 12] = [
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
    (CERTIFICATE_FILE, true),
    (KEY_FILE, true),
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
const CERTIFICATE_FILE: &str = "certificate-file";
const KEY_FILE: &str = "key-file";

/// What may stand behind `credential =`.
const CREDENTIALS: [&str; 5] = ["secret", "certificate", "workload-identity", "managed-identity", "cli"];

pub(super) fn parse(text: &str, path: &Path) -> Result<(AzureConfig, Vec<Warning>), ConfigError> {
    let harmless = |key: &str| KEYS.iter().any(|(name, shown)| *shown && name.eq_ignore_ascii_case(key));
    let source = Source::new(path, text, harmless);
    let document = gcfg::parse(text).map_err(|error| ConfigError::Syntax {
        at: Box::new(source.place(error.span, error.problem)),
        problem: error.problem.to_owned(),
        help: error.help.to_owned(),
    })?;
    let global = Global::collect(document, source, text.len());
    let config = global.config(path)?;
    Ok((config, global.warnings))
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
            let nearest = KEYS.iter().map(|(key, _)| *key).min_by_key(|key| values::distance(key, &entry.key));
            let help = match nearest.filter(|key| values::distance(key, &entry.key) <= key.len() / 2) {
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
        let section = if self.present { "[Global] lacks" } else { "there is no [Global] with" };
        Err(ConfigError::Missing { at: Box::new(place), section, missing, help: help.into() })
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
            Some("certificate") => {
                self.missing(
                    &[RESOURCE_GROUP, CLIENT_ID, CERTIFICATE_FILE, TENANT_ID, SUBSCRIPTION_ID],
                    "`az ad app credential reset --create-cert` makes a certificate, and prints the file that holds it with its key",
                )?;
                self.certificate(path)?
            }
            Some("workload-identity") => Credential::WorkloadIdentity {
                tenant_id: self.owned(TENANT_ID),
                client_id: self.owned(CLIENT_ID),
                token_file: None,
            },
            Some("managed-identity") => Credential::ManagedIdentity { client_id: self.owned(CLIENT_ID) },
            Some("cli") => Credential::Cli { tenant_id: self.owned(TENANT_ID) },
            Some(other) => {
                let problem = format!("`{other}` is no kind of credential");
                return Err(self.invalid(CREDENTIAL, problem, format!("it is one of {}", CREDENTIALS.join(", "))));
            }
        };
        self.missing(&[RESOURCE_GROUP, SUBSCRIPTION_ID], "`az account show` prints id (subscription-id)")?;
        Ok(AzureConfig { scopes: self.scopes()?, cloud: self.cloud()?, credential, ca: self.ca(path)? })
    }

    fn certificate(&self, config: &Path) -> Result<Credential, ConfigError> {
        let file = |key: &str| self.get(key).map(|file| values::beside(config, file));
        let certificate = ClientCertificate {
            certificate_file: file(CERTIFICATE_FILE).unwrap_or_default(),
            key_file: file(KEY_FILE),
        };
        certificate.check().map_err(|source| {
            let span = self.entries.get(CERTIFICATE_FILE).map_or(0..0, |value| value.span.clone());
            ConfigError::Certificate { at: Box::new(self.source.place(span, "here")), source }
        })?;
        Ok(Credential::Certificate {
            tenant_id: self.owned(TENANT_ID).unwrap_or_default(),
            client_id: self.owned(CLIENT_ID).unwrap_or_default(),
            certificate,
        })
    }

    fn scopes(&self) -> Result<Vec<Scope>, ConfigError> {
        let subscription = self.get(SUBSCRIPTION_ID).unwrap_or_default();
        if !values::is_identifier(subscription) {
            return Err(self.invalid(SUBSCRIPTION_ID, "not a name in Azure", values::SUBSCRIPTION_HELP));
        }
        values::scopes(self.get(RESOURCE_GROUP).unwrap_or_default(), subscription)
            .map_err(|problem| self.invalid(RESOURCE_GROUP, problem, values::SCOPES_HELP))
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
        let Some(text) = self.get(key) else { return Ok(None) };
        values::endpoint(text).map(Some).map_err(|problem| self.invalid(key, problem, values::ENDPOINT_HELP))
    }

    fn ca(&self, config: &Path) -> Result<Option<CaBundle>, ConfigError> {
        let Some(file) = self.get(CA_FILE) else { return Ok(None) };
        let path = values::beside(config, file);
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
