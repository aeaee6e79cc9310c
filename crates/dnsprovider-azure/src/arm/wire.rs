//! Zones and record sets as the management API writes them.
//!
//! Public and private zones write the same properties in different letter case, so each is read by either name.

use std::collections::{BTreeMap, BTreeSet};

use kfed_dnsprovider::{DnsName, Etag, RecordData, RecordSet, RecordSetKey, RecordType};
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
}

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
        Some(RecordSet {
            key: RecordSetKey::new(name, record_type),
            ttl: properties.ttl.unwrap_or_default(),
            metadata: properties.metadata.clone().unwrap_or_default(),
            data: properties.data(record_type),
            etag: self.etag.map(Etag),
            alias,
        })
    }
}

// === impl WireProperties ===

impl WireProperties {
    fn data(self, record_type: RecordType) -> BTreeSet<RecordData> {
        fn all<T>(records: Option<Vec<T>>, read: impl Fn(T) -> RecordData) -> BTreeSet<RecordData> {
            records.into_iter().flatten().map(read).collect()
        }
        // What Azure holds counts even if it cannot be read as its type: it is kept as it is written.
        match record_type {
            RecordType::A => {
                all(self.a_records, |r| r.address.parse().map(RecordData::A).unwrap_or(RecordData::Other(r.address)))
            }
            RecordType::Aaaa => all(self.aaaa_records, |r| {
                r.address.parse().map(RecordData::Aaaa).unwrap_or(RecordData::Other(r.address))
            }),
            RecordType::Cname => {
                let target = self.cname_record.and_then(|record| record.cname);
                all(target.map(|target| vec![target]), |target| {
                    target.parse().map(RecordData::Cname).unwrap_or(RecordData::Other(target))
                })
            }
            RecordType::Txt => all(self.txt_records, |r| RecordData::Txt(r.value)),
            RecordType::Mx => all(self.mx_records, |r| RecordData::Other(format!("{} {}", r.preference, r.exchange))),
            RecordType::Ns => all(self.ns_records, |r| RecordData::Other(r.nsdname)),
            RecordType::Ptr => all(self.ptr_records, |r| RecordData::Other(r.ptrdname)),
            RecordType::Srv => all(self.srv_records, |r| {
                RecordData::Other(format!("{} {} {} {}", r.priority, r.weight, r.port, r.target))
            }),
            RecordType::Caa => {
                all(self.caa_records, |r| RecordData::Other(format!("{} {} {:?}", r.flags, r.tag, r.value)))
            }
            RecordType::Soa => all(self.soa_record.map(|soa| vec![soa]), |r| {
                RecordData::Other(format!(
                    "{} {} {} {} {} {} {}",
                    r.host, r.email, r.serial_number, r.refresh_time, r.retry_time, r.expire_time, r.minimum_ttl
                ))
            }),
            _ => BTreeSet::new(),
        }
    }
}

/// The body of a PUT. It replaces the whole set, so metadata is always in it.
pub(crate) fn put_body(set: &RecordSet, flavour: &ZoneFlavour) -> Result<Value, Unwritable> {
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
        _ => Err(Unwritable(format!("`{datum}` does not belong in a set of type {record_type}"))),
    });
    let mut records = records.collect::<Result<Vec<Value>, Unwritable>>()?;
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
