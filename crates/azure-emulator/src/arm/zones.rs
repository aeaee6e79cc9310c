use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    call::Call,
    gateway::Scope,
    paging::Page,
    preconditions::Preconditions,
    reply::{Failure, Reply, empty_reply, json_reply, resource_reply},
};
use crate::{
    ZoneKind,
    ids::Purpose,
    limits::Limit,
    model::{
        name,
        zone::{Zone, ZoneKey},
    },
    state::State,
};

/// From this api-version on, public zones say that they are.
const ZONE_TYPE_SINCE: &str = "2018-03-01-preview";

/// GET, PUT, PATCH or DELETE of a zone.
pub(crate) fn one(state: &mut State, call: &Call, scope: &Scope, key: &ZoneKey) -> Result<Reply, Failure> {
    let exists = state.store.zones.contains_key(key);
    let limit = match call.method {
        Method::PUT | Method::PATCH if exists => Limit::ZoneUpdate,
        Method::PUT | Method::PATCH => Limit::ZoneCreate,
        Method::DELETE => Limit::ZoneDelete,
        _ => Limit::ZoneGet,
    };
    state.take(key.kind, limit, &key.name, scope, call)?;
    match call.method {
        Method::GET | Method::HEAD => {
            let zone = state.store.zones.get(key).ok_or_else(|| scope.no_zone(key))?;
            Ok(resource_reply(StatusCode::OK, &to_json(zone, call), &zone.etag))
        }
        Method::DELETE => delete(state, call, scope, key),
        _ => write(state, call, scope, key),
    }
}

/// One page of the zones of a resource group, or of a subscription.
pub(crate) fn list(state: &mut State, call: &Call, scope: &Scope, kind: ZoneKind) -> Result<Reply, Failure> {
    let limit = if scope.group.is_some() { Limit::ZoneListByGroup } else { Limit::ZoneList };
    state.take(kind, limit, "", scope, call)?;
    let page = Page::of(call)?;
    let group = scope.group.as_ref().map(|group| group.to_ascii_lowercase());
    let zones = state.store.zones_of(kind, &scope.subscription_key(), group.as_deref());
    let position = |zone: &Zone| format!("{}/{}", zone.key.name, zone.key.group);
    let items = zones
        .into_iter()
        .map(|zone| (position(zone), zone))
        .filter(|(position, _)| page.after.as_ref().is_none_or(|after| sort_key(position) > sort_key(after)))
        .map(|(position, zone)| (position, to_json(zone, call)));
    Ok(json_reply(StatusCode::OK, &page.fill(call, items)))
}

fn write(state: &mut State, call: &Call, scope: &Scope, key: &ZoneKey) -> Result<Reply, Failure> {
    let body = call.object()?;
    if call.method == Method::PUT {
        check_body(&body, key)?;
        if !name::is_valid_zone(&key.name) {
            return Err(Failure::bad_request(format!("The domain name '{}' is invalid.", key.name)));
        }
    } else if !state.store.zones.contains_key(key) {
        return Err(scope.no_zone(key));
    }
    let tags = body.get("tags").map(tags).transpose()?;
    let existed = state.store.zones.contains_key(key);
    let outcome = check_preconditions(state, call, key).map(|()| {
        let etag = state.ids.guid(Purpose::Etag).to_string();
        match state.store.zones.get_mut(key) {
            Some(zone) => {
                // A PUT resets what it leaves out; name servers and record sets are not the caller's to reset.
                if call.method == Method::PUT || tags.is_some() {
                    zone.tags = tags.unwrap_or_default();
                }
                zone.etag = etag;
                zone.clone()
            }
            None => {
                let zone = Zone::new(
                    key.clone(),
                    scope.group.clone().unwrap_or_default(),
                    tags.unwrap_or_default(),
                    &mut state.ids,
                );
                state.store.zones.insert(key.clone(), zone.clone());
                zone
            }
        }
    });
    if key.kind.profile().writes_are_asynchronous {
        let outcome = outcome.map(|zone| Some(to_json(&zone, call)));
        return Ok(start(state, call, scope, key, "Upsert", outcome));
    }
    let zone = outcome?;
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    Ok(resource_reply(status, &to_json(&zone, call), &zone.etag))
}

fn delete(state: &mut State, call: &Call, scope: &Scope, key: &ZoneKey) -> Result<Reply, Failure> {
    if !state.store.zones.contains_key(key) {
        return Ok(empty_reply(StatusCode::NO_CONTENT));
    }
    let outcome = check_preconditions(state, call, key).map(|()| {
        state.store.zones.remove(key);
        None
    });
    if !key.kind.profile().writes_are_asynchronous
        && let Err(failure) = outcome
    {
        return Err(failure);
    }
    Ok(start(state, call, scope, key, "Delete", outcome))
}

fn start(
    state: &mut State,
    call: &Call,
    scope: &Scope,
    key: &ZoneKey,
    verb: &str,
    outcome: Result<Option<Value>, Failure>,
) -> Reply {
    let group = scope.group.as_deref().unwrap_or_default();
    state.operations.start(call, key, group, verb, outcome, &mut state.ids)
}

fn check_preconditions(state: &State, call: &Call, key: &ZoneKey) -> Result<(), Failure> {
    let etag = state.store.zones.get(key).map(|zone| zone.etag.as_str());
    Preconditions::of(call).check(&format!("Zone {}", key.name), etag)
}

fn check_body(body: &Map<String, Value>, key: &ZoneKey) -> Result<(), Failure> {
    let location = body.get("location").and_then(Value::as_str);
    match location {
        None | Some("") => Err(Failure::wrapped(
            StatusCode::BAD_REQUEST,
            "LocationRequired",
            "The location property is required for this definition.",
        )),
        Some(location) if !location.eq_ignore_ascii_case("global") => Err(Failure::wrapped(
            StatusCode::BAD_REQUEST,
            "LocationNotAvailableForResourceType",
            format!(
                "The provided location '{location}' is not available for resource type 'Microsoft.Network/{}'. List of available regions for the resource type is 'global'.",
                key.kind.profile().segment
            ),
        )),
        Some(_) => {
            let zone_type =
                body.get("properties").and_then(|properties| properties.get("zoneType")).and_then(Value::as_str);
            match zone_type {
                Some(other) if !other.eq_ignore_ascii_case("Public") => Err(Failure::bad_request(format!(
                    "The zone type '{other}' is not supported; private zones are resources of type privateDnsZones."
                ))),
                _ => Ok(()),
            }
        }
    }
}

pub(crate) fn tags(value: &Value) -> Result<BTreeMap<String, String>, Failure> {
    let invalid = || Failure::bad_request("The request was invalid.");
    match value {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| {
                let value = value.as_str().ok_or_else(invalid)?;
                Ok((key.clone(), value.to_owned()))
            })
            .collect(),
        _ => Err(invalid()),
    }
}

fn to_json(zone: &Zone, call: &Call) -> Value {
    let profile = zone.key.kind.profile();
    let properties = match zone.key.kind {
        ZoneKind::Public => {
            let mut properties = json!({
                "maxNumberOfRecordSets": profile.max_record_sets,
                "maxNumberOfRecordsPerRecordSet": null,
                "nameServers": zone.name_servers,
                "numberOfRecordSets": zone.sets.len(),
            });
            if call.api_version() >= ZONE_TYPE_SINCE {
                properties["zoneType"] = json!("Public");
            }
            properties
        }
        ZoneKind::Private => json!({
            "maxNumberOfRecordSets": profile.max_record_sets,
            "maxNumberOfVirtualNetworkLinks": 1000,
            "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
            "numberOfRecordSets": zone.sets.len(),
            "numberOfVirtualNetworkLinks": 0,
            "numberOfVirtualNetworkLinksWithRegistration": 0,
            "provisioningState": "Succeeded",
        }),
    };
    json!({
        "id": zone.id(),
        "name": zone.key.name,
        "type": format!("Microsoft.Network/{}", profile.segment),
        "etag": zone.etag,
        "location": "global",
        "tags": zone.tags,
        "properties": properties,
    })
}

/// Zones sort by name, then by resource group.
fn sort_key(position: &str) -> (&str, &str) {
    position.split_once('/').unwrap_or((position, ""))
}
