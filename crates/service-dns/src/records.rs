//! From serving addresses to record sets: every level, and what stands in where a level has none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kfed_dnsprovider::{
    DataSources, DesiredRecordSet, DnsName, Members, RecordData, RecordSetKey, RecordType, Resource,
};

use crate::names::{Level, Naming};
use crate::observation::{MemberObservation, ServiceObservation};
use crate::plan::{Fallback, Finding};

/// Addresses and the members that they came from.
pub(crate) type Answers = BTreeMap<IpAddr, BTreeSet<String>>;

/// The levels of the members that belong to the service, serving or not, from the global one down.
fn levels<'a>(members: impl Iterator<Item = &'a MemberObservation>) -> BTreeSet<Level<'a>> {
    let mut levels = BTreeSet::from([Level::Global]);
    for member in members {
        let Some(region) = member.region.as_deref() else { continue };
        levels.insert(Level::Region(region));
        levels.extend(member.zones.iter().map(|zone| Level::Zone { zone, region }));
    }
    levels
}

/// The record sets of a service that somebody serves. A level whose name cannot be is left out and told.
pub(crate) fn record_sets(
    naming: &Naming,
    service: &ServiceObservation,
    serving: &[(&MemberObservation, IpAddr)],
    fallback: Fallback,
    findings: &mut Vec<Finding>,
) -> Vec<DesiredRecordSet> {
    let mut names: BTreeMap<Level<'_>, DnsName> = BTreeMap::new();
    for level in levels(service.members.iter().filter(|member| !member.leaving)) {
        match naming.name(&service.namespace, &service.name, level) {
            Ok(name) => drop(names.insert(level, name)),
            Err(error) => findings.push(Finding::InvalidName { level: level.to_string(), error }),
        }
    }

    // By name, not by level: regions that differ in case alone are one name.
    let mut answers: BTreeMap<&DnsName, Answers> = BTreeMap::new();
    for (member, ip) in serving {
        for name in levels(std::iter::once(*member)).iter().filter_map(|level| names.get(level)) {
            answers.entry(name).or_default().entry(*ip).or_default().insert(member.member.clone());
        }
    }

    let resource = Resource::service(service.namespace.as_str(), service.name.as_str());
    let mut sets = Vec::new();
    for (level, name) in &names {
        // What is above, skipping levels whose names cannot be.
        let mut upwards = std::iter::successors(level.up(), |level| level.up()).filter_map(|level| names.get(&level));
        match (answers.get(name), fallback) {
            (Some(own), _) => sets.extend(addresses(name, service.ttl, own, &resource)),
            (None, Fallback::Addresses) => {
                if let Some(borrowed) = upwards.find_map(|name| answers.get(name)) {
                    sets.extend(addresses(name, service.ttl, borrowed, &resource));
                }
            }
            (None, Fallback::Cname) => sets.extend(upwards.next().map(|target| DesiredRecordSet {
                key: RecordSetKey::new(name.clone(), RecordType::Cname),
                ttl: service.ttl,
                data: [(RecordData::Cname(target.clone()), Members::new())].into(),
                resource: resource.clone(),
            })),
        }
    }
    sets.sort_by(|a, b| a.key.cmp(&b.key));
    sets.dedup_by(|a, b| a.key == b.key);
    sets
}

/// An A set and an AAAA set, where there are such addresses.
fn addresses<'a>(
    name: &'a DnsName,
    ttl: u32,
    answers: &'a Answers,
    resource: &'a Resource,
) -> impl Iterator<Item = DesiredRecordSet> + use<'a> {
    [RecordType::A, RecordType::Aaaa].into_iter().filter_map(move |record_type| {
        let data: DataSources = answers
            .iter()
            .filter(|(ip, _)| ip.is_ipv4() == (record_type == RecordType::A))
            .map(|(ip, members)| (RecordData::from(*ip), Members::from_iter(members)))
            .collect();
        let key = RecordSetKey::new(name.clone(), record_type);
        (!data.is_empty()).then(|| DesiredRecordSet { key, ttl, data, resource: resource.clone() })
    })
}
