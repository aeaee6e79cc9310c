//! From what serves to record sets: every level, and what stands in where a level has none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kfed_dnsprovider::{
    DataSources, DesiredRecordSet, DnsName, Members, RecordData, RecordSetKey, RecordType, Resource,
};

use crate::names::{Level, Naming};
use crate::observation::{HostObservation, MemberObservation, ServiceObservation};
use crate::plan::{Fallback, Finding, Instead};

/// What one member serves on.
pub(crate) struct Serving<'a> {
    pub(crate) member: &'a MemberObservation,
    /// Addresses, also those that its hosts lead to.
    pub(crate) ips: BTreeSet<IpAddr>,
    /// Load balancers that are known by name.
    pub(crate) hosts: Vec<&'a HostObservation>,
}

/// What a name answers.
enum Answer {
    /// Addresses.
    Addresses(BTreeMap<IpAddr, Members>),
    /// What that name answers.
    Cname(DnsName, Members),
}

/// The names of a service at each level: one by rule, and at the global level those of its own choice.
type Names<'a> = BTreeMap<Level<'a>, Vec<DnsName>>;

/// The record sets of a service that somebody serves. A level whose name cannot be is left out and told.
pub(crate) fn record_sets(
    naming: &Naming,
    service: &ServiceObservation,
    serving: &[Serving<'_>],
    fallback: Fallback,
    findings: &mut Vec<Finding>,
) -> Vec<DesiredRecordSet> {
    let names = names(naming, service, findings);
    let lone = lone_host(service);
    tell_unresolved(service, lone, findings);

    // By name, not by level: regions that differ in case alone are one name.
    let mut at_name: BTreeMap<&DnsName, Vec<&Serving<'_>>> = BTreeMap::new();
    for serving in serving.iter().filter(|serving| !serving.ips.is_empty() || !serving.hosts.is_empty()) {
        let levels = levels(std::iter::once(serving.member));
        let at: BTreeSet<_> = levels.iter().filter_map(|level| names.get(level)).flatten().collect();
        for name in at {
            at_name.entry(name).or_default().push(serving);
        }
    }
    let answers: BTreeMap<&DnsName, Answer> =
        at_name.iter().filter_map(|(name, serving)| Some((*name, answer(serving, lone)?))).collect();

    let resource = Resource::service(service.namespace.as_str(), service.name.as_str());
    let mut sets = Vec::new();
    for (level, of_level) in &names {
        for name in of_level {
            // What is above, skipping levels whose names cannot be.
            let mut upwards =
                std::iter::successors(level.up(), |level| level.up()).filter_map(|level| names.get(&level)?.first());
            match (answers.get(name), fallback) {
                (Some(own), _) => sets.extend(own.sets(name, service.ttl, &resource)),
                (None, Fallback::Addresses) => {
                    if let Some(borrowed) = upwards.find_map(|name| answers.get(name)) {
                        sets.extend(borrowed.sets(name, service.ttl, &resource));
                    }
                }
                // One that leads to a name without an answer would dangle.
                (None, Fallback::Cname) if upwards.clone().any(|name| answers.contains_key(name)) => {
                    sets.extend(upwards.next().map(|up| cname(name, service.ttl, up, Members::new(), &resource)));
                }
                (None, Fallback::Cname) => {}
            }
        }
    }
    in_order(sets)
}

/// The record sets of a service that is another name for `target`.
pub(crate) fn external_sets(
    naming: &Naming,
    service: &ServiceObservation,
    target: &DnsName,
    findings: &mut Vec<Finding>,
) -> Vec<DesiredRecordSet> {
    let resource = Resource::service(service.namespace.as_str(), service.name.as_str());
    let names: Vec<_> = names(naming, service, findings).into_values().flatten().collect();
    // One that leads to another name of the same service leads to itself in the end: all of them lead to the same.
    let loops = names.contains(target);
    if loops {
        findings.push(Finding::LeadsToItself { name: target.clone() });
    }
    let names = names.iter().filter(|_| !loops);
    in_order(names.map(|name| cname(name, service.ttl, target, Members::new(), &resource)).collect())
}

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

fn names<'a>(naming: &Naming, service: &'a ServiceObservation, findings: &mut Vec<Finding>) -> Names<'a> {
    let mut names = Names::new();
    for level in levels(belonging(service)) {
        match naming.name(&service.namespace, &service.name, level) {
            Ok(name) => drop(names.insert(level, vec![name])),
            Err(error) => findings.push(Finding::InvalidName { level: level.to_string(), error }),
        }
    }
    if !service.hostnames.is_empty() {
        names.entry(Level::Global).or_default().extend(service.hostnames.iter().cloned());
    }
    names
}

fn belonging(service: &ServiceObservation) -> impl Iterator<Item = &MemberObservation> {
    service.members.iter().filter(|member| !member.leaving)
}

/// The host that is all that the service has, in all its members together. A CNAME leads to it: who keeps the host's addresses
/// keeps them right. Where there is anything else the host is resolved at every level, also where it is alone: an A set that takes
/// another member's addresses in is one write, while a CNAME would have to go first, and leave a hole that resolvers cache.
fn lone_host(service: &ServiceObservation) -> Option<&DnsName> {
    let mut hosts = belonging(service).flat_map(|member| &member.hosts).map(|host| &host.host);
    let first = hosts.next()?;
    (hosts.all(|host| host == first) && belonging(service).all(|member| member.addresses.is_empty())).then_some(first)
}

/// What a name answers at which these serve.
fn answer(serving: &[&Serving<'_>], lone: Option<&DnsName>) -> Option<Answer> {
    let by_host = |wanted: &dyn Fn(&HostObservation) -> bool| {
        let mut hosts: BTreeMap<&DnsName, Members> = BTreeMap::new();
        for serving in serving {
            for host in serving.hosts.iter().filter(|host| wanted(host)) {
                hosts.entry(&host.host).or_default().insert(&serving.member.member);
            }
        }
        hosts
    };
    if let Some(lone) = lone {
        return by_host(&|_| true).remove(lone).map(|members| Answer::Cname(lone.clone(), members));
    }
    let mut addresses: BTreeMap<IpAddr, Members> = BTreeMap::new();
    for serving in serving {
        for ip in &serving.ips {
            addresses.entry(*ip).or_default().insert(&serving.member.member);
        }
    }
    if !addresses.is_empty() {
        return Some(Answer::Addresses(addresses));
    }
    // Nobody here could resolve it, and it is alone: those who ask may.
    let mut unresolved = by_host(&|host| host.addresses.is_none());
    let (host, members) = unresolved.pop_first().filter(|_| unresolved.is_empty())?;
    Some(Answer::Cname(host.clone(), members))
}

fn tell_unresolved(service: &ServiceObservation, lone: Option<&DnsName>, findings: &mut Vec<Finding>) {
    for member in belonging(service) {
        for host in &member.hosts {
            let instead = match &host.addresses {
                _ if lone == Some(&host.host) => Instead::Cname,
                Some(addresses) if !addresses.is_empty() => Instead::LastAddresses,
                _ => Instead::Missing,
            };
            // Not yet resolved is nothing to tell of; nor is that nobody tried, where a CNAME does.
            let untold = host.addresses.is_some() || instead == Instead::Cname;
            if host.problem.is_some() || !untold {
                findings.push(Finding::HostUnresolved {
                    member: member.member.clone(),
                    host: host.host.clone(),
                    problem: host.problem.clone(),
                    instead,
                });
            }
        }
    }
}

fn cname(name: &DnsName, ttl: u32, target: &DnsName, members: Members, resource: &Resource) -> DesiredRecordSet {
    DesiredRecordSet {
        key: RecordSetKey::new(name.clone(), RecordType::Cname),
        ttl,
        data: [(RecordData::Cname(target.clone()), members)].into(),
        resource: resource.clone(),
    }
}

fn in_order(mut sets: Vec<DesiredRecordSet>) -> Vec<DesiredRecordSet> {
    sets.sort_by(|a, b| a.key.cmp(&b.key));
    sets.dedup_by(|a, b| a.key == b.key);
    sets
}

// === impl Answer ===

impl Answer {
    /// An A set and an AAAA set, where there are such addresses; or a CNAME.
    fn sets(&self, name: &DnsName, ttl: u32, resource: &Resource) -> Vec<DesiredRecordSet> {
        let addresses = match self {
            Self::Cname(target, members) => return vec![cname(name, ttl, target, members.clone(), resource)],
            Self::Addresses(addresses) => addresses,
        };
        let of_type = |record_type| {
            let data: DataSources = addresses
                .iter()
                .filter(|(ip, _)| ip.is_ipv4() == (record_type == RecordType::A))
                .map(|(ip, members)| (RecordData::from(*ip), members.clone()))
                .collect();
            let key = RecordSetKey::new(name.clone(), record_type);
            (!data.is_empty()).then(|| DesiredRecordSet { key, ttl, data, resource: resource.clone() })
        };
        [RecordType::A, RecordType::Aaaa].into_iter().filter_map(of_type).collect()
    }
}
