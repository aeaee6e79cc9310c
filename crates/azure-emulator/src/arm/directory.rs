//! Tenants, subscriptions and resource groups: as much of them as command lines and SDKs read on their way to DNS.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    call::Call,
    gateway::Scope,
    reply::{Failure, Reply, empty_reply, json_reply},
    route::{ArmRoute, Target},
    zones,
};
use crate::{
    model::store::{ResourceGroup, Subscription},
    state::State,
};

pub(crate) fn handle(
    state: &mut State,
    call: &Call,
    route: &ArmRoute,
    scope: Option<&Scope>,
) -> Result<Reply, Failure> {
    let tenant = state.entra.tenant().to_owned();
    match (&route.resource, scope) {
        (Target::Tenants, _) => Ok(list(&[json!({
            "id": format!("/tenants/{tenant}"),
            "tenantId": tenant,
            "displayName": "Emulator",
        })])),
        (Target::Subscriptions, _) => Ok(list(
            &state
                .store
                .subscriptions
                .values()
                .map(|subscription| subscription_json(subscription, &tenant))
                .collect::<Vec<_>>(),
        )),
        (Target::Subscription, Some(scope)) => {
            let subscription = &state.store.subscriptions[&scope.subscription_key()];
            let body = subscription_json(subscription, &tenant);
            Ok(json_reply(StatusCode::OK, &body))
        }
        (Target::ResourceGroups, Some(scope)) => {
            let subscription = &state.store.subscriptions[&scope.subscription_key()];
            Ok(list(&subscription.groups.values().map(|group| group_json(&subscription.id, group)).collect::<Vec<_>>()))
        }
        (Target::ResourceGroup, Some(scope)) => {
            let name = route.group.as_deref().unwrap_or_default();
            resource_group(state, call, scope, name)
        }
        (Target::UnknownType { namespace, name }, _) => Err(Failure::wrapped(
            StatusCode::NOT_FOUND,
            "InvalidResourceType",
            format!(
                "The resource type '{name}' could not be found in the namespace '{namespace}' for api version '{}'.",
                call.api_version()
            ),
        )),
        _ => Err(Failure::wrapped(
            StatusCode::NOT_FOUND,
            "MissingSubscription",
            "The request did not have a subscription or a valid tenant level resource provider.",
        )),
    }
}

pub(crate) fn no_group(name: &str) -> Failure {
    Failure::wrapped(
        StatusCode::NOT_FOUND,
        "ResourceGroupNotFound",
        format!("Resource group '{name}' could not be found."),
    )
}

fn resource_group(state: &mut State, call: &Call, scope: &Scope, name: &str) -> Result<Reply, Failure> {
    let key = name.to_ascii_lowercase();
    let subscription_key = scope.subscription_key();
    let subscription = state.store.add_subscription(&scope.subscription);
    let exists = subscription.groups.contains_key(&key);
    match call.method {
        Method::PUT => {
            let body = call.object()?;
            let location = body.get("location").and_then(Value::as_str);
            let location = location.ok_or_else(|| {
                Failure::wrapped(
                    StatusCode::BAD_REQUEST,
                    "LocationRequired",
                    "The location property is required for this definition.",
                )
            })?;
            let tags = body.get("tags").map(zones::tags).transpose()?;
            let group = subscription.add_group(name, location, tags.clone().unwrap_or_default());
            group.tags = tags.unwrap_or_default();
            let group = group.clone();
            let status = if exists { StatusCode::OK } else { StatusCode::CREATED };
            Ok(json_reply(status, &group_json(&scope.subscription, &group)))
        }
        Method::DELETE => {
            if subscription.groups.remove(&key).is_none() {
                return Err(no_group(name));
            }
            state.store.zones.retain(|zone, _| zone.subscription != subscription_key || zone.group != key);
            Ok(empty_reply(StatusCode::OK))
        }
        Method::HEAD if exists => Ok(empty_reply(StatusCode::NO_CONTENT)),
        _ => {
            let group = subscription.groups.get(&key).ok_or_else(|| no_group(name))?;
            Ok(json_reply(StatusCode::OK, &group_json(&scope.subscription, group)))
        }
    }
}

fn list(items: &[Value]) -> Reply {
    json_reply(StatusCode::OK, &json!({ "value": items }))
}

fn subscription_json(subscription: &Subscription, tenant: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{}", subscription.id),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": tenant,
        "displayName": "Emulator",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

fn group_json(subscription: &str, group: &ResourceGroup) -> Value {
    json!({
        "id": format!("/subscriptions/{subscription}/resourceGroups/{}", group.name),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": { "provisioningState": "Succeeded" },
    })
}
