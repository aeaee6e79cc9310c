//! How an API server serves the kinds that are federated.

use kfed_api::conditions::types;
use kfed_api::{FederatedKind as Entry, FederatedKindSpec};
use kube::Client;
use kube::api::{Api, ListParams};
use kube::discovery::{self, ApiGroup, Scope};

use crate::kinds::{FEDERATED_KINDS, FederatedKind, Served, custom};

/// How the federation API serves the kind of an entry; none where it does not.
pub(crate) async fn served(client: &Client, spec: &FederatedKindSpec) -> Result<Option<Served>, kube::Error> {
    let group = if spec.group.is_empty() { ApiGroup::CORE_GROUP } else { &spec.group };
    let group = match discovery::group(client, group).await {
        Ok(group) => group,
        Err(kube::Error::Discovery(_)) => return Ok(None),
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = match &spec.version {
        Some(version) => {
            group.versioned_resources(version).into_iter().find(|(resource, _)| resource.kind == spec.kind)
        }
        None => group.recommended_kind(&spec.kind),
    };
    Ok(found.map(|(resource, capabilities)| Served {
        version: resource.version,
        plural: resource.plural,
        namespaced: capabilities.scope == Scope::Namespaced,
    }))
}

/// Every kind that is federated: the built-in ones, and those of entries that have been accepted.
pub(crate) async fn federated_kinds(client: &Client) -> Result<Vec<&'static FederatedKind>, kube::Error> {
    let mut kinds: Vec<_> = FEDERATED_KINDS.iter().collect();
    let entries = match Api::<Entry>::all(client.clone()).list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(kinds),
        entries => entries?,
    };
    for entry in entries {
        let conditions = entry.status.iter().flat_map(|status| &status.conditions);
        let accepted = conditions.into_iter().any(|c| c.type_ == types::FEDERATED && c.status == "True");
        if accepted && let Some(served) = served(client, &entry.spec).await? {
            kinds.push(custom(&entry.spec, &served, entry.metadata.deletion_timestamp.is_some()));
        }
    }
    Ok(kinds)
}

/// The federated kind that people call `name`, as kubectl takes it: `rs`, `replicasets`, `ReplicaSet`, `replicasets.apps`.
pub(crate) async fn named(client: &Client, name: &str) -> Result<Option<&'static FederatedKind>, kube::Error> {
    let kinds = federated_kinds(client).await?;
    let is_called = |kind: &&FederatedKind| {
        [kind.kind, kind.plural, &kind.resource()].iter().any(|own| own.eq_ignore_ascii_case(name))
    };
    if let Some(kind) = kinds.iter().find(|kind| is_called(kind)) {
        return Ok(Some(kind));
    }
    let mut versions: Vec<_> = kinds.iter().map(|kind| kind.api_version()).collect();
    versions.sort();
    versions.dedup();
    for version in versions {
        let list = match version.contains('/') {
            true => client.list_api_group_resources(&version).await,
            false => client.list_core_api_resources(&version).await,
        };
        let Ok(list) = list else { continue };
        let short = |resource: &k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource| {
            resource.singular_name == name || resource.short_names.iter().flatten().any(|short| short == name)
        };
        let found = list.resources.iter().find(|resource| short(resource));
        let kind = found
            .and_then(|found| kinds.iter().find(|kind| kind.plural == found.name && kind.api_version() == version));
        if let Some(kind) = kind {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}
