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
    RecordType, ZoneKind,
    ids::Purpose,
    limits::Limit,
    model::{
        change::{self, Change, Refused},
        zone::{RecordSet, SetKey, Zone, ZoneKey},
    },
    state::State,
};

/// From this api-version on, record sets of public zones show `targetResource` and `provisioningState`.
const ALIASES_SINCE: &str = "2018-05-01";

/// GET, PUT, PATCH or DELETE of one record set.
pub(crate) fn one(
    state: &mut State,
    call: &Call,
    scope: &Scope,
    zone: &ZoneKey,
    key: &SetKey,
) -> Result<Reply, Failure> {
    let exists = state.store.zones.get(zone).is_some_and(|zone| zone.sets.contains_key(key));
    let limit = match call.method {
        Method::PUT | Method::PATCH if exists => Limit::RecordSetUpdate,
        Method::PUT | Method::PATCH => Limit::RecordSetCreate,
        Method::DELETE => Limit::RecordSetDelete,
        _ => Limit::RecordSetGet,
    };
    state.take(zone.kind, limit, &zone.name, scope, call)?;
    let zone = state.store.zones.get_mut(zone).ok_or_else(|| scope.no_parent(&zone.name))?;
    let what = format!("Record set {}", key.name);
    let preconditions = Preconditions::of(call);
    match call.method {
        Method::GET | Method::HEAD => {
            let set = zone.sets.get(key).ok_or_else(|| scope.no_record_set(&key.name))?;
            Ok(resource_reply(StatusCode::OK, &to_json(zone, key, set, call), &set.etag))
        }
        Method::DELETE => {
            let Some(set) = zone.sets.get(key) else {
                return Ok(empty_reply(StatusCode::NO_CONTENT));
            };
            change::check_deletion(key)?;
            preconditions.check(&what, Some(&set.etag))?;
            zone.sets.remove(key);
            Ok(empty_reply(StatusCode::OK))
        }
        _ => {
            change::check_key(zone, key)?;
            let existing = zone.sets.get(key);
            if call.method == Method::PATCH && existing.is_none() {
                return Err(scope.no_record_set(&key.name));
            }
            let zero_ttl = call.api_version() < ALIASES_SINCE;
            let change = Change::from_json(zone.key.kind, key.kind, &call.object()?, zero_ttl)?;
            preconditions.check(&what, existing.map(|set| set.etag.as_str()))?;
            let mut set = match existing {
                Some(set) if call.method == Method::PATCH => change.apply(set),
                _ => change.create()?,
            };
            change::check(zone, key, &set)?;
            set.etag = state.ids.guid(Purpose::Etag).to_string();
            let status = if existing.is_some() { StatusCode::OK } else { StatusCode::CREATED };
            zone.sets.insert(key.clone(), set.clone());
            Ok(resource_reply(status, &to_json(zone, key, &set, call), &set.etag))
        }
    }
}

/// One page of a zone's record sets, of one type if given.
pub(crate) fn list(
    state: &mut State,
    call: &Call,
    scope: &Scope,
    zone: &ZoneKey,
    record_type: Option<RecordType>,
) -> Result<Reply, Failure> {
    state.take(zone.kind, Limit::RecordSetList, &zone.name, scope, call)?;
    let zone = state.store.zones.get(zone).ok_or_else(|| scope.no_parent(&zone.name))?;
    let page = Page::of(call)?;
    let after = page.after.as_deref().map(position).transpose()?;
    let suffix = call
        .parameter("$recordsetnamesuffix")
        .filter(|suffix| !suffix.is_empty())
        .map(|suffix| format!(".{}", suffix.to_ascii_lowercase()));
    let from = match after {
        Some(key) => std::ops::Bound::Excluded(key),
        None => std::ops::Bound::Unbounded,
    };
    let items = zone
        .sets
        .range((from, std::ops::Bound::Unbounded))
        .filter(|(key, _)| record_type.is_none_or(|kind| key.kind == kind))
        .filter(|(key, _)| suffix.as_ref().is_none_or(|suffix| key.name.ends_with(suffix)))
        .map(|(key, set)| {
            let position = format!("{}/{}", key.name, key.kind.number());
            (position, to_json(zone, key, set, call))
        });
    Ok(json_reply(StatusCode::OK, &page.fill(call, items)))
}

/// The record sets of a subscription that are aliases of the given resources.
pub(crate) fn references(state: &State, call: &Call, subscription: &str) -> Result<Reply, Failure> {
    let body = call.object()?;
    let targets = body
        .get("properties")
        .and_then(|properties| properties.get("targetResources"))
        .and_then(Value::as_array)
        .ok_or_else(|| Failure::bad_request("The request was invalid."))?;
    let references: Vec<Value> = targets
        .iter()
        .filter_map(|target| target.get("id")?.as_str())
        .map(|target| {
            let sets: Vec<Value> = state
                .store
                .zones_of(ZoneKind::Public, subscription, None)
                .into_iter()
                .flat_map(|zone| zone.sets.iter().map(move |(key, set)| (zone, key, set)))
                .filter(|(_, _, set)| set.target.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(target)))
                .map(|(zone, key, _)| json!({ "id": zone.set_id(key) }))
                .collect();
            json!({ "dnsResources": sets, "targetResource": { "id": target } })
        })
        .collect();
    let answer = json!({ "properties": { "dnsResourceReferences": references } });
    Ok(json_reply(StatusCode::OK, &answer))
}

fn to_json(zone: &Zone, key: &SetKey, set: &RecordSet, call: &Call) -> Value {
    let kind = zone.key.kind;
    let profile = kind.profile();
    let (ttl, _) = zone.resolved(set);
    let mut properties = Map::new();
    if !set.metadata.is_empty() {
        properties.insert("metadata".to_owned(), json!(set.metadata));
    }
    properties.insert("fqdn".to_owned(), json!(zone.fqdn(&key.name)));
    properties.insert(profile.ttl_property.to_owned(), json!(ttl));
    let mut records = set.records.iter().map(|record| record.to_json(kind));
    let records = if set.target.is_some() {
        None
    } else if key.kind.is_single() {
        records.next()
    } else {
        Some(records.collect())
    };
    if let Some(records) = records {
        properties.insert(key.kind.property(kind).to_owned(), records);
    }
    match kind {
        ZoneKind::Private => {
            properties.insert("isAutoRegistered".to_owned(), json!(false));
        }
        ZoneKind::Public if call.api_version() >= ALIASES_SINCE => {
            let target = match &set.target {
                Some(id) => json!({ "id": id }),
                None => json!({}),
            };
            properties.insert("targetResource".to_owned(), target);
            properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        }
        ZoneKind::Public => {}
    }
    json!({
        "id": zone.set_id(key),
        "name": key.name,
        "type": format!("Microsoft.Network/{}/{}", profile.segment, key.kind),
        "etag": set.etag,
        "properties": properties,
    })
}

/// Reads `<name>/<type number>`, the position in a skip token.
fn position(token: &str) -> Result<SetKey, Failure> {
    token
        .rsplit_once('/')
        .and_then(|(name, number)| {
            Some(SetKey { name: name.to_owned(), kind: RecordType::from_number(number.parse().ok()?)? })
        })
        .ok_or_else(|| Failure::bad_request(format!("The skip token '{token}' is invalid.")))
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(message) => Self::bad_request(message),
            Refused::Conflict(message) => Self::conflict(message),
        }
    }
}
