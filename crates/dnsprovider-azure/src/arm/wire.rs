//! Zones and record sets as the management API writes them.
//!
//! Public and private zones write the same properties in different letter case, so each is read by either name.

use std::collections::BTreeMap;

use kfed_dnsprovider::{Caa, DataSet, DnsName, Etag, Mx, RecordData, RecordSet, RecordSetKey, RecordType, Srv};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::flavour::ZoneFlavour;

/// One page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WirePage<T> {
    #[serde(default = "Vec::new")]
    pub(crate) value: Vec<T>,
    /// Not there on the last page.
    pub(crate) next_link: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireZone {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireRecordSet {
    pub(crate) name: String,
    /// `Microsoft.Network/dnszones/A`
    #[serde(rename = "type")]
    pub(crate) resource_type: String,
    pub(crate) etag: Option<String>,
    pub(crate) properties: WireProperties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireProperties {
    #[serde(alias = "TTL")]
    ttl: Option<u32>,
    metadata: Option<BTreeMap<String, String>>,
    target_resource: Option<WireReference>,
    traffic_management_profile: Option<WireReference>,
    #[serde(alias = "ARecords")]
    a_records: Option<Vec<WireA>>,
    #[serde(alias = "AAAARecords")]
    aaaa_records: Option<Vec<WireAaaa>>,
    #[serde(alias = "CNAMERecord")]
    cname_record: Option<WireCname>,
    #[serde(alias = "TXTRecords")]
    txt_records: Option<Vec<WireTxt>>,
    #[serde(alias = "MXRecords")]
    mx_records: Option<Vec<WireMx>>,
    #[serde(alias = "NSRecords")]
    ns_records: Option<Vec<WireNs>>,
    #[serde(alias = "PTRRecords")]
    ptr_records: Option<Vec<WirePtr>>,
    #[serde(alias = "SRVRecords")]
    srv_records: Option<Vec<WireSrv>>,
    #[serde(alias = "SOARecord")]
    soa_record: Option<WireSoa>,
    // In lower case in both APIs.
    #[serde(alias = "CAARecords")]
    caa_records: Option<Vec<WireCaa>>,
    /// What a later api-version, or another service, has set.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Properties that say nothing which a write could lose: Azure makes them up itself.
const READ_ONLY: [&str; 2] = ["fqdn", "provisioningState"];

/// `{}` on every public record set that is no alias.
#[derive(Debug, Default, Deserialize)]
struct WireReference {
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WireA {
    #[serde(rename = "ipv4Address")]
    address: String,
}

#[derive(Debug, Deserialize)]
struct WireAaaa {
    #[serde(rename = "ipv6Address")]
    address: String,
}

/// A CNAME set may exist without its one record.
#[derive(Debug, Deserialize)]
struct WireCname {
    cname: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WireTxt {
    value: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct WireMx {
    preference: i64,
    exchange: String,
}

#[derive(Debug, Deserialize)]
struct WireNs {
    nsdname: String,
}

#[derive(Debug, Deserialize)]
struct WirePtr {
    ptrdname: String,
}

#[derive(Debug, Deserialize)]
struct WireSrv {
    priority: i64,
    weight: i64,
    port: i64,
    target: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct WireSoa {
    host: String,
    email: String,
    serial_number: i64,
    refresh_time: i64,
    retry_time: i64,
    expire_time: i64,
    #[serde(alias = "minimumTTL")]
    minimum_ttl: i64,
}

#[derive(Debug, Deserialize)]
struct WireCaa {
    flags: i64,
    tag: String,
    value: String,
}

/// A record set that cannot be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unwritable(pub(crate) String);

// === impl WireRecordSet ===

impl WireRecordSet {
    /// The set as providers speak of it. None for what cannot be named there: a type that kfed does not know, or a name with
    /// characters that none of its own ever has. Neither can clash with anything it writes.
    pub(crate) fn into_record_set(self, zone: &DnsName) -> Option<RecordSet> {
        let record_type = RecordType::parse(self.resource_type.rsplit('/').next()?)?;
        let name = zone.child(&self.name).ok()?;
        let properties = self.properties;
        let alias = [&properties.target_resource, &properties.traffic_management_profile]
            .into_iter()
            .any(|reference| reference.as_ref().is_some_and(|reference| reference.id.is_some()));
        // A PUT replaces the whole set, and would drop what it does not name. The api-version is pinned, so what is not known here was
        // set on purpose, by somebody who speaks a later one: such a set is left alone, as an alias is.
        let unknown: Vec<&str> = properties.unknown().collect();
        if !unknown.is_empty() {
            tracing::debug!(%zone, name = self.name, ?unknown, "a record set with properties that a write would drop is left alone");
        }
        let unknown_properties = !unknown.is_empty();
        Some(RecordSet {
            key: RecordSetKey::new(name, record_type),
            ttl: properties.ttl.unwrap_or_default(),
            metadata: properties.metadata.clone().unwrap_or_default().into(),
            data: properties.data(record_type),
            etag: self.etag.map(Etag),
            alias,
            unknown_properties,
        })
    }
}

// === impl WireProperties ===

impl WireProperties {
    /// Properties that are set and not known.
    fn unknown(&self) -> impl Iterator<Item = &str> {
        let is_set = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            _ => true,
        };
        let unknown =
            self.others.iter().filter(move |(name, value)| !READ_ONLY.contains(&name.as_str()) && is_set(value));
        unknown.map(|(name, _)| name.as_str())
    }

    fn data(self, record_type: RecordType) -> DataSet {
        fn all<T>(records: Option<Vec<T>>, read: impl Fn(T) -> RecordData) -> DataSet {
            records.into_iter().flatten().map(read).collect()
        }
        // What Azure holds counts even if it cannot be read as its type: it is kept as it is written.
        let parse = |text: String| RecordData::parse(record_type, &text).unwrap_or(RecordData::Other(text));
        match record_type {
            RecordType::A => all(self.a_records, |r| parse(r.address)),
            RecordType::Aaaa => all(self.aaaa_records, |r| parse(r.address)),
            RecordType::Cname => {
                let target = self.cname_record.and_then(|record| record.cname);
                target.map(parse).into_iter().collect()
            }
            RecordType::Txt => all(self.txt_records, |r| RecordData::Txt(r.value)),
            RecordType::Mx => all(self.mx_records, |r| parse(format!("{} {}", r.preference, r.exchange))),
            RecordType::Ns => all(self.ns_records, |r| parse(r.nsdname)),
            RecordType::Ptr => all(self.ptr_records, |r| parse(r.ptrdname)),
            RecordType::Srv => {
                all(self.srv_records, |r| parse(format!("{} {} {} {}", r.priority, r.weight, r.port, r.target)))
            }
            RecordType::Caa => all(self.caa_records, WireCaa::data),
            RecordType::Soa => all(self.soa_record.map(|soa| vec![soa]), |r| {
                RecordData::Other(format!(
                    "{} {} {} {} {} {} {}",
                    r.host, r.email, r.serial_number, r.refresh_time, r.retry_time, r.expire_time, r.minimum_ttl
                ))
            }),
            _ => DataSet::new(),
        }
    }
}

impl WireCaa {
    fn data(self) -> RecordData {
        let text = format!("{} {} {:?}", self.flags, self.tag, self.value);
        let Ok(flags) = u8::try_from(self.flags) else { return RecordData::Other(text) };
        let data = RecordData::Caa(Box::new(Caa { flags, tag: self.tag.to_ascii_lowercase(), value: self.value }));
        match data.check(RecordType::Caa) {
            Ok(()) => data,
            Err(_) => RecordData::Other(text),
        }
    }
}

/// A name as Azure's own tools write it: without its dot, but for the root.
fn host(name: &DnsName) -> &str {
    match name.without_dot() {
        "" => ".",
        name => name,
    }
}

/// The body of a PUT. It replaces the whole set, so metadata is always in it.
pub(crate) fn put_body(set: &RecordSet, flavour: &ZoneFlavour) -> Result<Value, Unwritable> {
    if set.unknown_properties {
        return Err(Unwritable(
            "a set with properties that are not known here is never written: they would go".to_owned(),
        ));
    }
    if set.alias {
        return Err(Unwritable("an alias set is never written: another resource makes its answers".to_owned()));
    }
    let record_type = set.key.record_type;
    let Some(property) = flavour.records_property(record_type) else {
        return Err(Unwritable(format!("sets of type {record_type} are never written")));
    };
    let records = set.data.iter().map(|datum| match (record_type, datum) {
        (RecordType::A, RecordData::A(address)) => Ok(json!({ "ipv4Address": address })),
        (RecordType::Aaaa, RecordData::Aaaa(address)) => Ok(json!({ "ipv6Address": address })),
        (RecordType::Cname, RecordData::Cname(target)) => Ok(json!({ "cname": target.without_dot() })),
        (RecordType::Txt, RecordData::Txt(strings)) => Ok(json!({ "value": strings })),
        (RecordType::Srv, RecordData::Srv(Srv { priority, weight, port, target })) => {
            Ok(json!({ "priority": priority, "weight": weight, "port": port, "target": host(target) }))
        }
        (RecordType::Mx, RecordData::Mx(Mx { preference, exchange })) => {
            Ok(json!({ "preference": preference, "exchange": host(exchange) }))
        }
        (RecordType::Ptr, RecordData::Ptr(target)) => Ok(json!({ "ptrdname": host(target) })),
        (RecordType::Ns, RecordData::Ns(server)) => Ok(json!({ "nsdname": host(server) })),
        (RecordType::Caa, RecordData::Caa(caa)) => {
            Ok(json!({ "flags": caa.flags, "tag": caa.tag, "value": caa.value }))
        }
        _ => Err(Unwritable(format!("`{datum}` does not belong in a set of type {record_type}"))),
    });
    let mut records = records.collect::<Result<Vec<Value>, Unwritable>>()?;
    if let Some(max) = flavour.max_records.filter(|max| records.len() > *max) {
        return Err(Unwritable(format!(
            "a set in a zone of this kind holds at most {max} records, not {}",
            records.len()
        )));
    }
    let records = match record_type {
        // RFC 2181 § 10.1: one name has one CNAME.
        RecordType::Cname if records.len() != 1 => {
            return Err(Unwritable(format!("a CNAME set has one record, not {}", records.len())));
        }
        RecordType::Cname => records.remove(0),
        _ => Value::Array(records),
    };
    let mut properties = Map::new();
    properties.insert(flavour.ttl.to_owned(), set.ttl.into());
    properties.insert("metadata".to_owned(), json!(set.metadata));
    properties.insert(property.to_owned(), records);
    Ok(json!({ "properties": properties }))
}
