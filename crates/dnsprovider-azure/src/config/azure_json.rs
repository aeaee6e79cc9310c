//! `azure.json`, as external-dns and Kubernetes' cloud provider for Azure read it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::place::Source;
use super::{AzureConfig, CaBundle, Cloud, ConfigError, Credential, MissingKey, Scope, Warning, values};
use crate::certificate::ClientCertificate;

const CLOUD: &str = "cloud";
const TENANT_ID: &str = "tenantId";
const SUBSCRIPTION_ID: &str = "subscriptionId";
const RESOURCE_GROUP: &str = "resourceGroup";
const CLIENT_ID: &str = "aadClientId";
const CLIENT_SECRET: &str = "aadClientSecret";
const CERT_PATH: &str = "aadClientCertPath";
const CERT_PASSWORD: &str = "aadClientCertPassword";
const MANAGED_IDENTITY: &str = "useManagedIdentityExtension";
const ASSIGNED_IDENTITY: &str = "userAssignedIdentityID";
const WORKLOAD_IDENTITY: &str = "useWorkloadIdentityExtension";
const FEDERATED: &str = "useFederatedWorkloadIdentityExtension";
const TOKEN_FILE: &str = "aadFederatedTokenFile";
const AUTHORITY: &str = "activeDirectoryAuthorityHost";
const RESOURCE_MANAGER: &str = "resourceManagerEndpoint";
const AUDIENCE: &str = "resourceManagerAudience";
/// Ours alone: authorities that are trusted beside the system's.
const CA_FILE: &str = "caFile";

/// The keys that are read, and whether a value of theirs may be shown.
const KEYS: [(&str, bool); 17] = [
    (CLOUD, true),
    (TENANT_ID, true),
    (SUBSCRIPTION_ID, true),
    (RESOURCE_GROUP, true),
    (CLIENT_ID, true),
    (CLIENT_SECRET, false),
    (CERT_PATH, true),
    (CERT_PASSWORD, false),
    (MANAGED_IDENTITY, true),
    (ASSIGNED_IDENTITY, true),
    (WORKLOAD_IDENTITY, true),
    (FEDERATED, true),
    (TOKEN_FILE, true),
    (AUTHORITY, true),
    (RESOURCE_MANAGER, true),
    (AUDIENCE, true),
    (CA_FILE, true),
];

/// What a managed identity's file says in place of a client and a secret.
const PLACEHOLDER: &str = "msi";
/// A key that is this close to one of ours is thought to be meant as it.
const NEAR: usize = 2;

pub(super) fn parse(text: &str, path: &Path) -> Result<(AzureConfig, Vec<Warning>), ConfigError> {
    let source = Source::json(path, text, |key| {
        let known = KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        (known.is_some(), known.is_some_and(|(_, shown)| *shown))
    });
    // JSON has no byte order mark (RFC 8259 § 8.1), and editors write one.
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    let members: Members<'_> = serde_json::from_str(&text[start..]).map_err(|error| {
        let at = start + offset(&text[start..], error.line(), error.column());
        ConfigError::Syntax {
            at: Box::new(source.place(at..(at + 1).min(text.len()), "here")),
            problem: described(&error),
            help: "an azure.json is one JSON object".to_owned(),
        }
    })?;
    let mut file = File { source, all: start..text.trim_end().len(), entries: BTreeMap::new(), warnings: Vec::new() };
    for (key, value) in members.0 {
        file.take(text, key, value)?;
    }
    let config = file.config(path)?;
    Ok((config, file.warnings))
}

/// The members of the object in their order, each with its place in the text.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

struct File {
    source: Source,
    /// The object.
    all: Range<usize>,
    /// By key, the last of each; `null` is none.
    entries: BTreeMap<&'static str, Entry>,
    warnings: Vec<Warning>,
}

struct Entry {
    value: Value,
    span: Range<usize>,
}

enum Value {
    Text(SecretString),
    Switch(bool),
}

// === impl File ===

impl File {
    fn take(&mut self, text: &str, key: &RawValue, value: &RawValue) -> Result<(), ConfigError> {
        let span = |raw: &RawValue| {
            // Both are slices of one text.
            let start = raw.get().as_ptr().addr() - text.as_ptr().addr();
            start..start + raw.get().len()
        };
        let written: String = serde_json::from_str(key.get()).unwrap_or_default();
        // Go, in which those tools are written, does not look at the case of keys.
        let Some((known, _)) = KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&written)) else {
            let nearest = KEYS.iter().map(|(name, _)| (values::distance(name, &written), *name)).min();
            if let Some((_, name)) = nearest.filter(|(distance, _)| *distance <= NEAR) {
                self.warn(span(key), format!("key {written} is not known"), format!("did you mean {name}?"));
            }
            return Ok(());
        };
        if self.entries.contains_key(known) {
            self.warn(span(key), format!("{known} is set again"), "the last one counts".to_owned());
        }
        let read = match serde_json::from_str(value.get()) {
            Ok(serde_json::Value::String(text)) => Some(Value::Text(text.into())),
            Ok(serde_json::Value::Bool(on)) => Some(Value::Switch(on)),
            Ok(serde_json::Value::Null) => None,
            _ => {
                return Err(self.at(
                    span(value),
                    known,
                    "neither a text nor true or false",
                    "write it in double quotes",
                ));
            }
        };
        let switch = [MANAGED_IDENTITY, WORKLOAD_IDENTITY, FEDERATED].contains(known);
        match (&read, switch) {
            (Some(Value::Text(_)), true) => {
                return Err(self.at(span(value), known, "a text", "it is true or false, without quotes"));
            }
            (Some(Value::Switch(_)), false) => {
                return Err(self.at(span(value), known, "no text", "write it in double quotes"));
            }
            _ => {}
        }
        match read {
            Some(value_read) => self.entries.insert(known, Entry { value: value_read, span: span(value) }),
            None => self.entries.remove(known),
        };
        Ok(())
    }

    fn warn(&mut self, span: Range<usize>, message: String, help: String) {
        let at = Box::new(self.source.place(span, "here"));
        self.warnings.push(Warning { at, message, help: Some(help) });
    }

    fn at(&self, span: Range<usize>, key: &'static str, problem: impl Into<String>, help: &str) -> ConfigError {
        let problem = problem.into();
        ConfigError::Value { at: Box::new(self.source.place(span, &problem)), key, problem, help: help.to_owned() }
    }

    fn invalid(&self, key: &'static str, problem: impl Into<String>, help: &str) -> ConfigError {
        self.at(self.entries.get(key).map_or(self.all.clone(), |entry| entry.span.clone()), key, problem, help)
    }

    /// The value of `key` unless it is missing or empty.
    fn get(&self, key: &str) -> Option<&str> {
        use secrecy::ExposeSecret;
        match &self.entries.get(key)?.value {
            Value::Text(text) => Some(text.expose_secret()).filter(|text| !text.trim().is_empty()),
            Value::Switch(_) => None,
        }
    }

    fn owned(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    fn is_on(&self, key: &str) -> bool {
        matches!(self.entries.get(key), Some(Entry { value: Value::Switch(true), .. }))
    }

    /// The value of `key` unless it is the placeholder.
    fn real(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| *value != PLACEHOLDER)
    }

    fn missing(&self, required: &[&'static str], help: &str) -> Result<(), ConfigError> {
        let lacks = |key: &&'static str| self.get(key).is_none();
        let line = |key| self.entries.get(key).map(|entry| self.source.position(entry.span.start).0);
        let missing: Vec<_> = required.iter().copied().filter(lacks).collect();
        let missing: Vec<_> = missing.into_iter().map(|key| MissingKey { key, empty_in_line: line(key) }).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let at = Box::new(self.source.place(self.all.start..self.all.start + 1, "in this object"));
        Err(ConfigError::Missing { at, section: "the file lacks", missing, help: help.to_owned() })
    }

    fn config(&self, path: &Path) -> Result<AzureConfig, ConfigError> {
        let cloud = self.cloud()?;
        self.missing(&[SUBSCRIPTION_ID, RESOURCE_GROUP], "`az account show` prints id (subscriptionId)")?;
        let subscription = self.get(SUBSCRIPTION_ID).unwrap_or_default();
        if !values::is_identifier(subscription) {
            return Err(self.invalid(SUBSCRIPTION_ID, "not a name in Azure", values::SUBSCRIPTION_HELP));
        }
        let scopes: Vec<Scope> = values::scopes(self.get(RESOURCE_GROUP).unwrap_or_default(), subscription)
            .map_err(|problem| self.invalid(RESOURCE_GROUP, problem, values::SCOPES_HELP))?;
        Ok(AzureConfig { scopes, cloud, credential: self.credential(path)?, ca: self.ca(path)? })
    }

    /// As external-dns chooses, with the cloud provider's certificate behind the secret: secret, certificate, workload identity, managed
    /// identity.
    fn credential(&self, path: &Path) -> Result<Credential, ConfigError> {
        let tenant = |help| self.missing(&[TENANT_ID], help).map(|()| self.owned(TENANT_ID).unwrap_or_default());
        const TENANT: &str = "a service principal signs in to its tenant; `az account show` prints it";
        if let (Some(client_id), Some(secret)) = (self.real(CLIENT_ID), self.real(CLIENT_SECRET)) {
            return Ok(Credential::Secret {
                tenant_id: tenant(TENANT)?,
                client_id: client_id.to_owned(),
                secret: secret.into(),
            });
        }
        if let (Some(client_id), Some(file)) = (self.real(CLIENT_ID), self.get(CERT_PATH)) {
            let certificate = ClientCertificate { certificate_file: values::beside(path, file), key_file: None };
            certificate.check().map_err(|source| {
                let span = self.entries.get(CERT_PATH).map_or(self.all.clone(), |entry| entry.span.clone());
                ConfigError::Certificate { at: Box::new(self.source.place(span, "here")), source }
            })?;
            let (tenant_id, client_id) = (tenant(TENANT)?, client_id.to_owned());
            return Ok(Credential::Certificate { tenant_id, client_id, certificate });
        }
        if self.is_on(WORKLOAD_IDENTITY) || self.is_on(FEDERATED) {
            return Ok(Credential::WorkloadIdentity {
                tenant_id: self.owned(TENANT_ID),
                client_id: self.real(CLIENT_ID).map(str::to_owned),
                token_file: self.get(TOKEN_FILE).map(PathBuf::from),
            });
        }
        if self.is_on(MANAGED_IDENTITY) {
            return Ok(Credential::ManagedIdentity { client_id: self.owned(ASSIGNED_IDENTITY) });
        }
        self.missing(
            &[CLIENT_ID, CLIENT_SECRET],
            "or it says `\"useWorkloadIdentityExtension\": true` or `\"useManagedIdentityExtension\": true`",
        )?;
        // Both are there, and one is the placeholder.
        let key = if self.real(CLIENT_ID).is_none() { CLIENT_ID } else { CLIENT_SECRET };
        let help = "set useWorkloadIdentityExtension or useManagedIdentityExtension, or write the real one";
        Err(self.invalid(key, "`msi` stands for a managed identity, and none is switched on", help))
    }

    fn cloud(&self) -> Result<Cloud, ConfigError> {
        let endpoint = |key: &'static str| match self.get(key) {
            None => Ok(None),
            Some(text) => {
                values::endpoint(text).map(Some).map_err(|problem| self.invalid(key, problem, values::ENDPOINT_HELP))
            }
        };
        let (resource_manager, authority) = (endpoint(RESOURCE_MANAGER)?, endpoint(AUTHORITY)?);
        let mut cloud = match self.get(CLOUD) {
            None => Cloud::public(),
            Some(name) if Cloud::is_custom(name) => {
                self.missing(&[AUTHORITY, RESOURCE_MANAGER], "an AzureStackCloud is known by its endpoints alone")?;
                Cloud::public()
            }
            Some(name) => Cloud::named(name).ok_or_else(|| {
                let help = "it is one of AzurePublicCloud, AzureChinaCloud, AzureUSGovernmentCloud, AzureStackCloud";
                self.invalid(CLOUD, format!("`{name}` is no cloud"), help)
            })?,
        };
        // As in dns.conf: endpoints count whatever the cloud is called.
        if resource_manager.is_some() || authority.is_some() {
            cloud.name = Cloud::NAMES[3].to_owned();
        }
        cloud.resource_manager = resource_manager.unwrap_or(cloud.resource_manager);
        cloud.authority = authority.unwrap_or(cloud.authority);
        cloud.audience = self.owned(AUDIENCE);
        Ok(cloud)
    }

    fn ca(&self, config: &Path) -> Result<Option<CaBundle>, ConfigError> {
        let Some(file) = self.get(CA_FILE) else { return Ok(None) };
        let path = values::beside(config, file);
        let pem = std::fs::read(&path).map_err(|source| {
            let span = self.entries.get(CA_FILE).map_or(self.all.clone(), |entry| entry.span.clone());
            ConfigError::CaFile { at: Box::new(self.source.place(span, "here")), path: path.clone(), source }
        })?;
        let bundle = CaBundle { path, pem };
        match bundle.certificates() {
            Ok(certificates) if !certificates.is_empty() => Ok(Some(bundle)),
            _ => {
                let problem = format!("{} holds no PEM certificate", bundle.path.display());
                Err(self.invalid(CA_FILE, problem, "a certificate begins with `-----BEGIN CERTIFICATE-----`"))
            }
        }
    }
}

// === impl Members ===

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// serde_json's words without the place, which we write our own way.
fn described(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(problem, _)| problem.to_owned())
}

/// The byte at a line and column as serde_json counts them: both from 1, columns in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
