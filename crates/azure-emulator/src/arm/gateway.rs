use http::{Method, StatusCode};

use super::{
    call::Call,
    directory, record_sets,
    reply::{Failure, Reply},
    route::{ArmRoute, Target},
    zones,
};
use crate::{
    RecordType, ZoneKind,
    model::zone::{SetKey, ZoneKey},
    state::State,
};

/// CAA came with this api-version.
const CAA_SINCE: &str = "2017-09-01";

/// The subscription and resource group of a request, as created, for messages and keys.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) subscription: String,
    pub(crate) group: Option<String>,
}

/// Checks what ARM checks before a resource provider sees the request, then hands it on.
pub(crate) fn handle(state: &mut State, call: &Call, route: &ArmRoute) -> Result<Reply, Failure> {
    state.entra.authorize(call)?;
    check_api_version(call, &route.resource)?;
    let scope = match &route.subscription {
        Some(subscription) => Some(find_scope(state, call, route, subscription)?),
        None => None,
    };
    check_method(call, &route.resource)?;
    let Some(scope) = scope else {
        return directory::handle(state, call, route, None);
    };
    match &route.resource {
        Target::Zones(kind) => zones::list(state, call, &scope, *kind),
        Target::Zone { kind, zone } => {
            let key = scope.zone_key(*kind, zone);
            zones::one(state, call, &scope, &key)
        }
        Target::RecordSets { kind, zone, record_type } => {
            let key = find_zone(state, &scope, *kind, zone)?;
            record_sets::list(state, call, &scope, &key, *record_type)
        }
        Target::RecordSet { kind, zone, record_type, name } => {
            let key = find_zone(state, &scope, *kind, zone)?;
            let set = SetKey { name: name.to_ascii_lowercase(), kind: *record_type };
            record_sets::one(state, call, &scope, &key, &set)
        }
        Target::ResourceReference => record_sets::references(state, call, &scope.subscription_key()),
        Target::Operation { id, result, .. } => state.operations.poll(call, id, *result),
        _ => directory::handle(state, call, route, Some(&scope)),
    }
}

impl Scope {
    pub(crate) fn subscription_key(&self) -> String {
        self.subscription.to_ascii_lowercase()
    }

    fn zone_key(&self, kind: ZoneKind, zone: &str) -> ZoneKey {
        ZoneKey {
            kind,
            subscription: self.subscription_key(),
            group: self.group.as_deref().unwrap_or_default().to_ascii_lowercase(),
            name: zone.trim_end_matches('.').to_ascii_lowercase(),
        }
    }

    fn group_name(&self) -> &str {
        self.group.as_deref().unwrap_or_default()
    }

    /// The DNS provider's own 404.
    pub(crate) fn no_record_set(&self, name: &str) -> Failure {
        Failure::flat(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!(
                "The resource record '{name}' does not exist in resource group '{}' of subscription '{}'.",
                self.group_name(),
                self.subscription
            ),
        )
    }

    /// ARM's 404 for a zone.
    pub(crate) fn no_zone(&self, key: &ZoneKey) -> Failure {
        Failure::wrapped(
            StatusCode::NOT_FOUND,
            "ResourceNotFound",
            format!(
                "The Resource 'Microsoft.Network/{}/{}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                key.kind.profile().segment,
                key.name,
                self.group_name()
            ),
        )
    }

    /// ARM's 404 for whatever lies below a zone that does not exist.
    pub(crate) fn no_parent(&self, zone: &str) -> Failure {
        Failure::wrapped(
            StatusCode::NOT_FOUND,
            "ParentResourceNotFound",
            format!("Can not perform requested operation on nested resource. Parent resource '{zone}' not found."),
        )
    }
}

fn find_scope(state: &State, call: &Call, route: &ArmRoute, subscription: &str) -> Result<Scope, Failure> {
    let found = state.store.subscriptions.get(&subscription.to_ascii_lowercase()).ok_or_else(|| {
        Failure::wrapped(
            StatusCode::NOT_FOUND,
            "SubscriptionNotFound",
            format!("The subscription '{subscription}' could not be found."),
        )
    })?;
    let group = match &route.group {
        None => None,
        // A resource group that is created, or asked after by HEAD, need not exist.
        Some(group) if route.resource == Target::ResourceGroup => Some(group.clone()),
        // Operations outlive their resource group.
        Some(group) if matches!(route.resource, Target::Operation { .. }) => Some(group.clone()),
        Some(group) => {
            Some(found.groups.get(&group.to_ascii_lowercase()).ok_or_else(|| directory::no_group(group))?.name.clone())
        }
    };
    tracing::trace!(path = call.path, "in scope");
    Ok(Scope { subscription: found.id.clone(), group })
}

fn find_zone(state: &State, scope: &Scope, kind: ZoneKind, zone: &str) -> Result<ZoneKey, Failure> {
    let key = scope.zone_key(kind, zone);
    if state.store.zones.contains_key(&key) { Ok(key) } else { Err(scope.no_parent(zone)) }
}

fn check_api_version(call: &Call, resource: &Target) -> Result<(), Failure> {
    let version = call.api_version();
    if version.is_empty() {
        return Err(Failure::wrapped(
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    }
    let (kind, record_type) = match resource {
        Target::Zones(kind) | Target::Zone { kind, .. } | Target::Operation { kind, .. } => (*kind, None),
        Target::RecordSets { kind, record_type, .. } => (*kind, *record_type),
        Target::RecordSet { kind, record_type, .. } => (*kind, Some(*record_type)),
        Target::ResourceReference => (ZoneKind::Public, None),
        _ => return Ok(()),
    };
    let profile = kind.profile();
    let known =
        profile.api_versions.contains(&version) && (record_type != Some(RecordType::Caa) || version >= CAA_SINCE);
    if known {
        return Ok(());
    }
    let name = match record_type {
        Some(record_type) => format!("{}/{record_type}", profile.segment),
        None => profile.segment.to_owned(),
    };
    Err(Failure::wrapped(
        StatusCode::BAD_REQUEST,
        "InvalidResourceType",
        format!(
            "The resource type '{name}' could not be found in the namespace 'Microsoft.Network' for api version '{version}'. The supported api-versions are '{}'.",
            profile.api_versions.join(",")
        ),
    ))
}

fn check_method(call: &Call, resource: &Target) -> Result<(), Failure> {
    let allowed: &[Method] = match resource {
        Target::Zone { .. } | Target::RecordSet { .. } | Target::ResourceGroup => {
            &[Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE]
        }
        Target::ResourceReference => &[Method::POST],
        Target::UnknownType { .. } => return Ok(()),
        _ => &[Method::GET, Method::HEAD],
    };
    if allowed.contains(&call.method) {
        return Ok(());
    }
    Err(Failure::wrapped(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        format!("The HTTP method '{}' is not supported at scope '{}'.", call.method, call.path),
    ))
}
