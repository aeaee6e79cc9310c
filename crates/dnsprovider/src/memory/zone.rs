//! One zone: what it holds and what it accepts.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::{DnsError, ErrorClass};
use crate::operation::{DeleteRecordSet, ListRecordSets, Operation, Page, Precondition, PutRecordSet};
use crate::record::{Etag, RecordSet, RecordSetKey, RecordType};
use crate::zone::Zone;

pub(super) struct MemoryZone {
    pub(super) zone: Zone,
    pub(super) sets: BTreeMap<RecordSetKey, RecordSet>,
}

impl MemoryZone {
    pub(super) fn new(zone: Zone) -> Self {
        Self { zone, sets: BTreeMap::new() }
    }

    /// A page is named by the last key of the one before it, so a list is not a snapshot: as with Azure, what changes meanwhile
    /// may or may not be in it.
    pub(super) fn list(&self, request: &ListRecordSets, size: usize) -> Result<Page<RecordSet>, DnsError> {
        let start = match &request.page {
            None => Bound::Unbounded,
            Some(token) => Bound::Excluded(parse_token(token).ok_or_else(|| {
                DnsError::new(ErrorClass::Invalid, ListRecordSets::NAME, format!("`{token}` names no page"))
            })?),
        };
        let sets = self.sets.range((start, Bound::Unbounded)).map(|(_, set)| set);
        let mut rest = sets.filter(|set| request.asks_for(&set.key.name));
        let items: Vec<_> = rest.by_ref().take(size).cloned().collect();
        let next = rest.next().and(items.last()).map(|last| token(&last.key));
        Ok(Page { items, next })
    }

    pub(super) fn put(&mut self, request: &PutRecordSet, version: Etag) -> Result<RecordSet, DnsError> {
        let error = |class, message: String| {
            Err(DnsError::new(class, PutRecordSet::NAME, message).about(Some(&request.set.key)))
        };
        if let Some(problem) = self.invalid(&request.set) {
            return error(ErrorClass::Invalid, problem);
        }
        let key = &request.set.key;
        match (&request.precondition, self.sets.get(key)) {
            (Precondition::Absent, Some(_)) => return error(ErrorClass::Conflict, "the set exists already".into()),
            (Precondition::Unchanged(_), None) => return error(ErrorClass::Conflict, "the set is gone".into()),
            (Precondition::Unchanged(etag), Some(set)) if set.etag.as_ref() != Some(etag) => {
                return error(ErrorClass::Conflict, "the set has been modified".into());
            }
            _ => {}
        }
        // RFC 1034 § 3.6.2.
        let cname = key.record_type == RecordType::Cname;
        let beside = self.sets.keys().find(|other| {
            other.name == key.name
                && other.record_type != key.record_type
                && (cname || other.record_type == RecordType::Cname)
        });
        if let Some(other) = beside {
            return error(ErrorClass::Conflict, format!("{key} cannot stand beside {other}"));
        }
        let set = RecordSet { etag: Some(version), ..request.set.clone() };
        self.sets.insert(key.clone(), set.clone());
        Ok(set)
    }

    pub(super) fn delete(&mut self, request: &DeleteRecordSet) -> Result<(), DnsError> {
        match self.sets.get(&request.key) {
            None => Ok(()),
            Some(set) if set.etag.as_ref() == Some(&request.unchanged) => {
                self.sets.remove(&request.key);
                Ok(())
            }
            Some(_) => Err(DnsError::new(ErrorClass::Conflict, DeleteRecordSet::NAME, "the set has been modified")
                .about(Some(&request.key))),
        }
    }

    /// Gives every set this version.
    pub(super) fn set_version(&mut self, version: &Etag) {
        self.sets.values_mut().for_each(|set| set.etag = Some(version.clone()));
    }

    fn invalid(&self, set: &RecordSet) -> Option<String> {
        if !set.key.name.is_in(&self.zone.name) {
            return Some(format!("the name is not in zone `{}`", self.zone.name.without_dot()));
        }
        set.check().err()
    }
}

fn token(key: &RecordSetKey) -> String {
    format!("{}/{}", key.name, key.record_type)
}

fn parse_token(token: &str) -> Option<RecordSetKey> {
    let (name, record_type) = token.split_once('/')?;
    Some(RecordSetKey::new(name.parse().ok()?, RecordType::parse(record_type)?))
}
