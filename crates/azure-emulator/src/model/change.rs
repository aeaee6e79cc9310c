//! What a PUT or a PATCH makes of a record set, and the rules that stand against it. Pure: no HTTP, no clock.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    name::{self, APEX},
    rdata::{Rdata, Refusal, invalid_request, property},
    zone::{RecordSet, SetKey, Zone},
    zone_kind::MAX_RECORDS,
};
use crate::{RecordType, ZoneKind};

/// Largest TTL that Azure takes.
const MAX_TTL: u64 = 2_147_483_647;
/// Characters in all of a TXT set.
const MAX_TEXT: usize = 4096;

/// Why a record set was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 400
    Invalid(Refusal),
    /// 409
    Conflict(String),
}

/// The properties that a request sets; what it leaves out stays `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) ttl: Option<u32>,
    pub(crate) records: Option<Vec<Rdata>>,
    pub(crate) metadata: Option<BTreeMap<String, String>>,
    /// `Some(None)` takes the target of an alias away.
    pub(crate) target: Option<Option<String>>,
}

impl Change {
    pub(crate) fn from_json(
        zone: ZoneKind,
        kind: RecordType,
        body: &Map<String, Value>,
        zero_ttl: bool,
    ) -> Result<Self, Refused> {
        let properties = property(body, "properties")
            .and_then(Value::as_object)
            .ok_or_else(|| Refused::Invalid(invalid_request()))?;
        let present = |name| property(properties, name).filter(|value| !value.is_null());
        let ttl = present(zone.profile().ttl_property).map(|value| ttl(value, zero_ttl)).transpose()?;
        let records = present(kind.property(zone)).map(|value| records(kind, value)).transpose()?;
        let metadata = present("metadata").map(metadata).transpose()?;
        let target = present("targetResource").map(|target| {
            let id = target.get("id").and_then(Value::as_str);
            id.filter(|id| !id.is_empty()).map(str::to_owned)
        });
        Ok(Self { ttl, records, metadata, target })
    }

    /// The set that a PUT makes: everything that the change leaves out is reset. A set without a TTL is refused.
    pub(crate) fn create(self) -> Result<RecordSet, Refused> {
        Ok(RecordSet {
            ttl: self.ttl.ok_or_else(|| Refused::Invalid(invalid_request()))?,
            records: self.records.unwrap_or_default(),
            metadata: self.metadata.unwrap_or_default(),
            target: self.target.flatten(),
            etag: String::new(),
        })
    }

    /// The set that a PATCH makes of an existing one.
    pub(crate) fn apply(self, set: &RecordSet) -> RecordSet {
        RecordSet {
            ttl: self.ttl.unwrap_or(set.ttl),
            records: self.records.unwrap_or_else(|| set.records.clone()),
            metadata: self.metadata.unwrap_or_else(|| set.metadata.clone()),
            target: self.target.unwrap_or_else(|| set.target.clone()),
            etag: String::new(),
        }
    }
}

/// Whether a record set of that name and type may be at all.
pub(crate) fn check_key(zone: &Zone, key: &SetKey) -> Result<(), Refused> {
    if !name::is_valid_relative(&key.name, &zone.key.name) {
        let absolute = name::absolute(&key.name, &zone.key.name);
        return invalid(format!("The domain name '{absolute}' is invalid."));
    }
    let wildcard = key.name.starts_with('*');
    if wildcard && matches!(key.kind, RecordType::Ns | RecordType::Soa) {
        return invalid(format!("A wildcard record set of type {} is not supported.", key.kind));
    }
    if key.kind == RecordType::Soa && key.name != APEX {
        return invalid("A record set of type SOA exists at the zone apex only.".to_owned());
    }
    Ok(())
}

/// Whether `set` may be stored under `key`.
pub(crate) fn check(zone: &Zone, key: &SetKey, set: &RecordSet) -> Result<(), Refused> {
    check_content(zone, key, set)?;
    check_apex(zone, key, set)?;
    if !zone.sets.contains_key(key) {
        check_neighbours(zone, key)?;
        let max = zone.key.kind.profile().max_record_sets;
        if zone.sets.len() >= max {
            return invalid(format!(
                "The zone '{}' has {max} record sets, which is the most it can have.",
                zone.key.name
            ));
        }
    }
    Ok(())
}

/// Whether the set under `key` may be deleted.
pub(crate) fn check_deletion(key: &SetKey) -> Result<(), Refused> {
    if key.name == APEX && matches!(key.kind, RecordType::Ns | RecordType::Soa) {
        return invalid(format!("The record set of type {} at the zone apex cannot be deleted.", key.kind));
    }
    Ok(())
}

fn check_content(zone: &Zone, key: &SetKey, set: &RecordSet) -> Result<(), Refused> {
    let max = match key.kind {
        RecordType::Txt => zone.key.kind.profile().max_txt_records,
        _ => MAX_RECORDS,
    };
    if set.records.len() > max {
        return invalid(format!(
            "The record set has {} records; the maximum number of records in a record set is {max}.",
            set.records.len()
        ));
    }
    let distinct: BTreeSet<String> = set.records.iter().map(ToString::to_string).collect();
    if key.kind != RecordType::Txt && distinct.len() < set.records.len() {
        return invalid("The record set has the same record more than once.".to_owned());
    }
    let text: usize = set
        .records
        .iter()
        .map(|record| match record {
            Rdata::Txt(strings) => strings.iter().map(String::len).sum(),
            _ => 0,
        })
        .sum();
    if text > MAX_TEXT {
        return invalid(format!("The TXT record set has {text} characters; the maximum is {MAX_TEXT}."));
    }
    match &set.target {
        Some(_) if !set.records.is_empty() => {
            invalid("A record set has either records or a target resource.".to_owned())
        }
        Some(_) if !matches!(key.kind, RecordType::A | RecordType::Aaaa | RecordType::Cname) => {
            invalid(format!("A record set of type {} cannot have a target resource.", key.kind))
        }
        Some(target) => match zone.set_key_of(target) {
            Some(other) if other == *key => invalid("A record set cannot be an alias of itself.".to_owned()),
            Some(other) if other.kind != key.kind => {
                invalid(format!("A record set of type {} cannot be an alias of one of type {}.", key.kind, other.kind))
            }
            _ => Ok(()),
        },
        None => Ok(()),
    }
}

/// The sets that Azure made with the zone keep what Azure put into them.
fn check_apex(zone: &Zone, key: &SetKey, set: &RecordSet) -> Result<(), Refused> {
    if key.name != APEX {
        return Ok(());
    }
    match key.kind {
        RecordType::Ns => {
            let kept = |server: &String| set.records.contains(&Rdata::Ns(server.clone()));
            if zone.name_servers.iter().all(kept) {
                Ok(())
            } else {
                invalid("The name servers that Azure assigned cannot be removed.".to_owned())
            }
        }
        RecordType::Soa => {
            let host = |records: &[Rdata]| match records {
                [Rdata::Soa(soa)] => Some(soa.host.clone()),
                _ => None,
            };
            let before = zone.sets.get(key).and_then(|set| host(&set.records));
            if host(&set.records) == before {
                Ok(())
            } else {
                invalid("The host of the SOA record cannot be changed.".to_owned())
            }
        }
        _ => Ok(()),
    }
}

/// RFC 1034 § 3.6.2: nothing else may be where a CNAME is.
fn check_neighbours(zone: &Zone, key: &SetKey) -> Result<(), Refused> {
    let mut others = zone.sets_of(&key.name).filter(|(other, _)| *other != key);
    if key.kind == RecordType::Cname {
        if others.next().is_some() {
            return Err(Refused::Conflict(
                "The CNAME record could not be created because another record with the same name already exists in this zone."
                    .to_owned(),
            ));
        }
    } else if others.any(|(other, _)| other.kind == RecordType::Cname) {
        return Err(Refused::Conflict(format!(
            "The {} record could not be created because a CNAME record with the same name already exists in this zone.",
            key.kind
        )));
    }
    Ok(())
}

fn ttl(value: &Value, zero: bool) -> Result<u32, Refused> {
    let least = if zero { 0 } else { 1 };
    value.as_u64().filter(|ttl| (least..=MAX_TTL).contains(ttl)).and_then(|ttl| u32::try_from(ttl).ok()).ok_or_else(
        || {
            Refused::Invalid(format!(
                "The value '{value}' of the time to live is invalid; it is from 1 to {MAX_TTL} seconds."
            ))
        },
    )
}

fn records(kind: RecordType, value: &Value) -> Result<Vec<Rdata>, Refused> {
    let one = std::slice::from_ref(value);
    let items = match value {
        Value::Array(items) if !kind.is_single() => items.as_slice(),
        Value::Object(_) if kind.is_single() => one,
        _ => return invalid(invalid_request()),
    };
    items.iter().map(|item| Rdata::from_json(kind, item).map_err(Refused::Invalid)).collect()
}

/// Entries whose key has a space are dropped without a word, as the service does.
fn metadata(value: &Value) -> Result<BTreeMap<String, String>, Refused> {
    let entries = value.as_object().ok_or_else(|| Refused::Invalid(invalid_request()))?;
    entries
        .iter()
        .filter(|(key, _)| !key.contains(' '))
        .map(|(key, value)| {
            let value = value.as_str().ok_or_else(|| Refused::Invalid(invalid_request()))?;
            Ok((key.clone(), value.to_owned()))
        })
        .collect()
}

fn invalid<T>(message: String) -> Result<T, Refused> {
    Err(Refused::Invalid(message))
}
