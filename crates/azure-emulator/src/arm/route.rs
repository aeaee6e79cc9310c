//! From a method and a path to what is asked for. Fixed segments are compared without letter case, as ARM does.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::{Operation, RecordType, ZoneKind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Token { tenant: String, v2: bool },
    ManagedIdentityToken,
    OpenIdConfiguration { tenant: String, v2: bool },
    SigningKeys,
    InstanceDiscovery,
    CloudEndpoints,
    Arm(ArmRoute),
    Unknown,
}

/// Names in it are as the caller wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArmRoute {
    pub(crate) subscription: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) resource: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Tenants,
    Subscriptions,
    Subscription,
    ResourceGroups,
    ResourceGroup,
    Zones(ZoneKind),
    Zone {
        kind: ZoneKind,
        zone: String,
    },
    RecordSets {
        kind: ZoneKind,
        zone: String,
        /// All types when none.
        record_type: Option<RecordType>,
    },
    RecordSet {
        kind: ZoneKind,
        zone: String,
        record_type: RecordType,
        name: String,
    },
    ResourceReference,
    Operation {
        kind: ZoneKind,
        id: String,
        /// The `Location` of an operation rather than its status.
        result: bool,
    },
    UnknownType {
        namespace: String,
        name: String,
    },
}

impl Route {
    pub(crate) fn parse(path: &str) -> Self {
        // Clients join a base URL that ends in a slash with a path that begins with one.
        let decoded: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let lower: Vec<String> = decoded.iter().map(|s| s.to_ascii_lowercase()).collect();
        let fixed: Vec<&str> = lower.iter().map(String::as_str).collect();
        let tenant = || decoded[0].clone();
        match fixed.as_slice() {
            ["subscriptions" | "tenants" | "providers", ..] => Self::Arm(arm(&decoded, &fixed)),
            ["metadata", "endpoints"] => Self::CloudEndpoints,
            ["metadata", "identity", "oauth2", "token"] => Self::ManagedIdentityToken,
            ["common", "discovery", "instance"] => Self::InstanceDiscovery,
            [_, "oauth2", "v2.0", "token"] => Self::Token { tenant: tenant(), v2: true },
            [_, "oauth2", "token"] => Self::Token { tenant: tenant(), v2: false },
            [_, "v2.0", ".well-known", "openid-configuration"] => {
                Self::OpenIdConfiguration { tenant: tenant(), v2: true }
            }
            [_, ".well-known", "openid-configuration"] => Self::OpenIdConfiguration { tenant: tenant(), v2: false },
            [_, "discovery", "v2.0", "keys"] | [_, "discovery", "keys"] => Self::SigningKeys,
            _ => Self::Unknown,
        }
    }

    /// What a request to here is counted, limited and struck as.
    pub(crate) fn operation(&self, method: &Method) -> Operation {
        let resource = match self {
            Self::Token { .. } | Self::ManagedIdentityToken => return Operation::Token,
            Self::OpenIdConfiguration { .. } | Self::SigningKeys | Self::InstanceDiscovery | Self::CloudEndpoints => {
                return Operation::Discovery;
            }
            Self::Unknown => return Operation::Other,
            Self::Arm(route) => &route.resource,
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let writes = matches!(*method, Method::PUT | Method::PATCH);
        let deletes = *method == Method::DELETE;
        match resource {
            Target::Tenants
            | Target::Subscriptions
            | Target::Subscription
            | Target::ResourceGroups
            | Target::ResourceGroup => Operation::Directory,
            Target::Zones(_) if reads => Operation::ZoneList,
            Target::Zone { .. } if reads => Operation::ZoneGet,
            Target::Zone { .. } if writes => Operation::ZoneWrite,
            Target::Zone { .. } if deletes => Operation::ZoneDelete,
            Target::RecordSets { .. } if reads => Operation::RecordSetList,
            Target::RecordSet { .. } if reads => Operation::RecordSetGet,
            Target::RecordSet { .. } if writes => Operation::RecordSetWrite,
            Target::RecordSet { .. } if deletes => Operation::RecordSetDelete,
            Target::ResourceReference => Operation::ResourceReference,
            Target::Operation { .. } => Operation::OperationStatus,
            _ => Operation::Other,
        }
    }
}

fn arm(segments: &[String], fixed: &[&str]) -> ArmRoute {
    let route = |group: Option<&String>, resource| ArmRoute {
        subscription: (fixed[0] == "subscriptions").then(|| segments.get(1).cloned()).flatten(),
        group: group.cloned(),
        resource,
    };
    match fixed {
        ["tenants"] => route(None, Target::Tenants),
        ["subscriptions"] => route(None, Target::Subscriptions),
        ["subscriptions", _] => route(None, Target::Subscription),
        ["subscriptions", _, "resourcegroups"] => route(None, Target::ResourceGroups),
        ["subscriptions", _, "resourcegroups", _] => route(segments.get(3), Target::ResourceGroup),
        ["subscriptions", _, "resourcegroups", _, "providers", namespace, ..] => {
            route(segments.get(3), provider(&segments[5], namespace, &segments[6..], &fixed[6..], true))
        }
        ["subscriptions", _, "providers", namespace, ..] => {
            route(None, provider(&segments[3], namespace, &segments[4..], &fixed[4..], false))
        }
        _ => route(
            None,
            Target::UnknownType { namespace: String::new(), name: segments.last().cloned().unwrap_or_default() },
        ),
    }
}

/// What lies below a provider's namespace, in a resource group or right in a subscription.
fn provider(written: &str, namespace: &str, segments: &[String], fixed: &[&str], in_group: bool) -> Target {
    let unknown =
        || Target::UnknownType { namespace: written.to_owned(), name: segments.first().cloned().unwrap_or_default() };
    if namespace != "microsoft.network" {
        return unknown();
    }
    let Some(first) = fixed.first() else {
        return unknown();
    };
    if let Some(kind) = ZoneKind::from_segment(first) {
        return zone(kind, &segments[1..], &fixed[1..], in_group).unwrap_or_else(unknown);
    }
    match fixed {
        ["getdnsresourcereference"] if !in_group => Target::ResourceReference,
        [collection, _] => operation(collection, &segments[1]).unwrap_or_else(unknown),
        _ => unknown(),
    }
}

fn zone(kind: ZoneKind, segments: &[String], fixed: &[&str], in_group: bool) -> Option<Target> {
    if segments.is_empty() {
        return Some(Target::Zones(kind));
    }
    if !in_group {
        return None;
    }
    let zone = segments[0].clone();
    let profile = kind.profile();
    let record_type =
        |word: &str| word.parse::<RecordType>().ok().filter(|record_type| profile.record_types.contains(record_type));
    match fixed[1..] {
        [] => Some(Target::Zone { kind, zone }),
        [all] if profile.list_all.contains(&all) => Some(Target::RecordSets { kind, zone, record_type: None }),
        [word] => Some(Target::RecordSets { kind, zone, record_type: Some(record_type(word)?) }),
        [word, _] => Some(Target::RecordSet { kind, zone, record_type: record_type(word)?, name: segments[2].clone() }),
        _ => None,
    }
}

fn operation(collection: &str, id: &str) -> Option<Target> {
    ZoneKind::ALL.into_iter().find_map(|kind| {
        let prefix = kind.profile().operations;
        let rest = collection
            .get(..prefix.len())
            .filter(|start| start.eq_ignore_ascii_case(prefix))
            .map(|_| &collection[prefix.len()..])?;
        let result = match rest {
            "statuses" => false,
            "results" => true,
            _ => return None,
        };
        Some(Target::Operation { kind, id: id.to_owned(), result })
    })
}
