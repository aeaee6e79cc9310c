//! Short names for what tests write often.

use std::collections::BTreeSet;

use crate::metadata::Metadata;
use crate::ownership::{Owner, Resource};
use crate::plan::{Desired, DesiredRecordSet};
use crate::record::{DataSources, Etag, RecordData, RecordSet, RecordSetKey, RecordType};
use crate::zone::ZoneId;

pub(crate) fn owner() -> Owner {
    Owner("fed".into())
}

pub(crate) fn zone_id() -> ZoneId {
    ZoneId("example.com".into())
}

pub(crate) fn web() -> Resource {
    Resource::service("default", "web")
}

/// `key("A", "web")` is the A set of `web.example.com`.
pub(crate) fn key(record_type: &str, name: &str) -> RecordSetKey {
    let name = format!("{name}.example.com").parse().unwrap();
    RecordSetKey::new(name, RecordType::parse(record_type).unwrap())
}

pub(crate) fn datum(record_type: RecordType, text: &str) -> RecordData {
    match record_type {
        RecordType::Txt => RecordData::Txt(vec![text.to_owned()]),
        _ => RecordData::parse(record_type, text).unwrap(),
    }
}

/// A wanted set; each datum is `address` or `member=address`.
pub(crate) fn want(record_type: &str, name: &str, data: &[&str]) -> DesiredRecordSet {
    let key = key(record_type, name);
    let mut sources = DataSources::new();
    for text in data {
        let pair = text.split_once('=').filter(|_| key.record_type != RecordType::Txt);
        let (member, text) = pair.unwrap_or(("", text));
        let members = sources.members_mut(datum(key.record_type, text));
        members.extend((!member.is_empty()).then_some(member));
    }
    DesiredRecordSet { key, ttl: 30, data: sources, resource: web() }
}

pub(crate) fn desired(sets: impl IntoIterator<Item = DesiredRecordSet>) -> Desired {
    Desired { sets: sets.into_iter().collect(), keep: BTreeSet::new() }
}

/// A set of ours, as a provider would hold it.
pub(crate) fn ours(record_type: &str, name: &str, data: &[&str]) -> RecordSet {
    RecordSet { etag: Some(Etag("read".into())), ..want(record_type, name, data).to_record_set(&owner()) }
}

/// A set that says nothing of an owner.
pub(crate) fn bare(record_type: &str, name: &str, data: &[&str]) -> RecordSet {
    RecordSet { metadata: Metadata::default(), ..ours(record_type, name, data) }
}

/// A set of the owner `owner`.
pub(crate) fn of(owner: &str, record_type: &str, name: &str, data: &[&str]) -> RecordSet {
    let set = want(record_type, name, data).to_record_set(&Owner(owner.into()));
    RecordSet { etag: Some(Etag("read".into())), ..set }
}
