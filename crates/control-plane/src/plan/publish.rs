//! What is said of every published Service to the planner of its names: where it runs, what answers.

mod check;
mod condition;
mod left_out;

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use kfed_api::keys;
use kfed_cluster_health::AddressTarget;
use kfed_dnsprovider::{DnsName, Owner, RecordSet, Resource, ZoneSnapshot};
use kfed_service_dns::{
    AddressObservation, AddressState, ApiState, Exposure, HostObservation, LeadsTo, MemberObservation, Naming, Seen,
    ServiceObservation, external_name,
};
use kube::core::DynamicObject;
use serde_json::Value;

pub(crate) use condition::{Standing, condition};
pub(crate) use left_out::left_out;

use crate::Settings;
use crate::kinds::ObjectKey;
use crate::object::{annotation, at, is_deleted, is_managed};
use crate::world::{AddressKey, ApiHealth, Member, Target, World};

/// Where the zone leads for a Service, by member. What a member that has been silent since the start publishes is known from here
/// only.
pub(crate) type InZone = BTreeMap<String, Vec<Target>>;

/// The TTLs that there are (RFC 2181 § 8), without 0: an answer that nobody may keep would be asked for at every use.
const TTLS: RangeInclusive<u32> = 1..=i32::MAX as u32;

/// Whether the Service is to be found by name.
pub(crate) fn is_published(service: &DynamicObject, private_zone: bool) -> bool {
    let wish = wish(service).ok().flatten();
    !is_deleted(service) && exposure(service).is_some_and(|exposure| exposure.is_published(wish, private_zone))
}

/// The names of its own choice that the Service may have, and what is wrong with the others.
pub(crate) fn hostnames(service: &DynamicObject, naming: &Naming) -> (Vec<DnsName>, Vec<String>) {
    let (mut names, mut mistakes) = (Vec::new(), Vec::new());
    for name in annotation(service, keys::HOSTNAME).into_iter().flat_map(|list| naming.hostnames(list)) {
        match name {
            Ok(name) => names.push(name),
            Err(error) => mistakes.push(format!("annotation {}: {error}", keys::HOSTNAME)),
        }
    }
    (names, mistakes)
}

/// When the Service was created, in seconds; one that does not say counts as the youngest.
pub(crate) fn created(service: &DynamicObject) -> i64 {
    service.metadata.creation_timestamp.as_ref().map_or(i64::MAX, |time| time.0.as_second())
}

/// What the zone says of itself.
pub(crate) fn published(snapshot: &ZoneSnapshot, owner: &Owner) -> BTreeMap<Resource, InZone> {
    let mut published = BTreeMap::<_, InZone>::new();
    for set in snapshot.iter().filter(|set| owner.owns(set)) {
        let Some(resource) = Resource::of(set) else { continue };
        lead(published.entry(resource).or_default(), set);
    }
    published
}

/// Where the `sets` of one Service lead; none where there is no set.
pub(crate) fn in_zone<'a>(sets: impl Iterator<Item = &'a RecordSet>) -> Option<InZone> {
    let mut in_zone = None;
    sets.for_each(|set| lead(in_zone.get_or_insert_default(), set));
    in_zone
}

fn lead(members: &mut InZone, set: &RecordSet) {
    for (data, sources) in kfed_dnsprovider::sources(set) {
        let Some(target) = Target::of(&data) else { continue };
        for member in &sources {
            let targets = members.entry(member.to_owned()).or_default();
            if !targets.contains(&target) {
                targets.push(target.clone());
            }
        }
    }
}

/// Whether the zone holds something of a Service that does not go with the members that leave or have left: all others stay.
pub(crate) fn is_held(in_zone: Option<&InZone>, stays: impl Fn(&str) -> bool) -> bool {
    in_zone.is_some_and(|members| members.is_empty() || members.keys().any(|member| stays(member)))
}

/// Whether a member is there, and is to stay.
pub(crate) fn stays(world: &World, member: &str) -> bool {
    world.members.get(member).is_some_and(|member| member.leaving.is_none())
}

/// What the zone holds of a member that is not there any more: it left while the zone could not be written.
pub(crate) fn gone(member: &str, in_zone: &[Target]) -> MemberObservation {
    let address = |ip: IpAddr| AddressObservation {
        ip,
        probe: AddressState::NeverAnswered,
        ever_answered: false,
        published: true,
    };
    let (mut addresses, mut hosts) = (Vec::new(), Vec::new());
    for target in in_zone {
        match target {
            Target::Ip(ip) => addresses.push(address(*ip)),
            Target::Host(host) => {
                hosts.push(HostObservation { host: host.clone(), addresses: None, problem: None, published: true });
            }
        }
    }
    MemberObservation {
        member: member.to_owned(),
        region: None,
        zones: Vec::new(),
        api: ApiState::Offline,
        ready_endpoints: None,
        addresses,
        hosts,
        leaving: true,
    }
}

/// Where the names of `service` lead. None where they lead nowhere, because what it says of that is wrong.
pub(crate) fn leads_to(service: &DynamicObject) -> Option<LeadsTo> {
    match exposure(service) {
        Some(Exposure::ExternalName) => external(service).ok().map(LeadsTo::External),
        _ => Some(LeadsTo::Members),
    }
}

/// What is seen of `service` in every member; those that are `left_out` leave.
pub(crate) fn observe(
    world: &World,
    key: &ObjectKey,
    service: &DynamicObject,
    in_zone: &InZone,
    left_out: &BTreeSet<String>,
    settings: &Settings,
) -> ServiceObservation {
    let exposure = exposure(service);
    let told = LazyCell::new(|| told_before(service));
    let members = concerned(world, key).filter(|(_, member)| member.same_as.is_none());
    let members = members.filter_map(|(name, member)| {
        let here = in_zone.get(name).map_or(&[][..], Vec::as_slice);
        let targets = targets_of(member, key, exposure, here, settings);
        let remembered = world.clusters.get(name).and_then(|cluster| cluster.status.as_ref());
        let belongs = match member.knows(key.kind) {
            true => member.objects.get(key).is_some_and(|copy| is_managed(&copy, &settings.federation)),
            // Not heard of since the start: what was once reached is taken to run what every member runs.
            false => remembered.is_some_and(|status| status.region.is_some()),
        };
        if targets.is_empty() && !belongs {
            return None;
        }
        let observation = |ip: IpAddr, published: bool| {
            let asked = member.addresses.get(&AddressKey { service: key.clone(), ip });
            let before = || told.as_ref()?.answered(name, ip);
            AddressObservation {
                ip,
                probe: match probe(service, exposure, ip) {
                    Some(_) => {
                        asked.map_or_else(|| before().unwrap_or(AddressState::NeverAnswered), |asked| asked.state)
                    }
                    None => AddressState::NotAskable,
                },
                ever_answered: asked.map_or_else(|| before().is_some(), |asked| asked.ever_answered),
                published,
            }
        };
        let is_here = |ip: IpAddr| here.contains(&Target::Ip(ip));
        let ips = targets.iter().filter_map(|target| match target {
            Target::Ip(ip) => Some(observation(*ip, is_here(*ip))),
            Target::Host(_) => None,
        });
        let hosts = targets.iter().filter_map(|target| {
            let Target::Host(host) = target else { return None };
            let led_to = led_to(world, host, &targets, here).map(|ips| {
                let published = |ip: &IpAddr| is_here(*ip) || here.contains(target);
                ips.iter().map(|ip| observation(*ip, published(ip))).collect()
            });
            let problem = world.hosts.get(host).and_then(|host| host.problem.clone());
            let published = here.contains(target);
            Some(HostObservation { host: host.clone(), addresses: led_to, problem, published })
        });
        Some(MemberObservation {
            member: name.to_owned(),
            region: member.topology.region.clone().or_else(|| remembered?.region.clone()),
            zones: if member.topology.zones.is_empty() {
                remembered.map(|status| status.zones.clone()).unwrap_or_default()
            } else {
                member.topology.zones.iter().cloned().collect()
            },
            api: match member.api {
                // Nobody can ask it, and nobody ever finds it Offline: its addresses alone tell.
                _ if member.refused.is_some() => ApiState::Answering,
                ApiHealth::Ready | ApiHealth::Unwell { .. } => ApiState::Answering,
                ApiHealth::Unknown | ApiHealth::Silent { .. } => ApiState::Silent,
                ApiHealth::Offline { .. } => ApiState::Offline,
            },
            ready_endpoints: match member.ready_endpoints(key) {
                // Nobody is sent to a member that shows its Services, and no address of this one.
                None if member.knows(key.kind) && targets.is_empty() => Some(0),
                ready => ready,
            },
            addresses: ips.collect(),
            hosts: hosts.collect(),
            leaving: member.leaving.is_some() || left_out.contains(name),
        })
    });
    let left = in_zone.iter().filter(|(name, _)| !world.members.contains(name) && !world.clusters.contains(name));
    let members = members.chain(left.map(|(name, targets)| gone(name, targets)));
    let (leads_to, members) = match leads_to(service) {
        Some(leads_to) => (leads_to, members.collect()),
        None => (LeadsTo::Members, Vec::new()),
    };
    ServiceObservation {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ttl: ttl_of(service, settings.dns_ttl),
        leads_to,
        hostnames: Vec::new(),
        members,
    }
}

/// How `ip` of `member` had answered when that was last written down in `service`: a dead address must not look private to a control
/// plane that has just started.
pub(crate) fn answered_before(service: &DynamicObject, member: &str, ip: IpAddr) -> Option<AddressState> {
    told_before(service)?.answered(member, ip)
}

/// What was last written down in `service` of its addresses.
fn told_before(service: &DynamicObject) -> Option<Seen> {
    serde_json::from_str(annotation(service, keys::ADDRESSES)?).ok()
}

/// What is wrong with what the Service says of how it is published.
pub(crate) fn mistakes(service: &DynamicObject) -> Vec<String> {
    let external = (exposure(service) == Some(Exposure::ExternalName)).then(|| external(service).err()).flatten();
    let priority = super::priority(service).err();
    let all = [ttl(service).err(), check::mistake(service), wish(service).err(), external, priority];
    all.into_iter().flatten().collect()
}

/// Every address of the Service `key` that is to be probed, by member.
pub(crate) fn targets(
    world: &World,
    key: &ObjectKey,
    settings: &Settings,
) -> Vec<((String, AddressKey), AddressTarget)> {
    let mut targets = Vec::new();
    for_each_member(world, key, settings, |name, service, all, here| {
        let mut ips = BTreeSet::new();
        for target in all {
            match target {
                Target::Ip(ip) => drop(ips.insert(*ip)),
                Target::Host(host) => ips.extend(led_to(world, host, all, here).unwrap_or_default()),
            }
        }
        for ip in ips {
            let place = (name.to_owned(), AddressKey { service: key.clone(), ip });
            targets.extend(probe(service, exposure(service), ip).map(|target| (place, target)));
        }
    });
    targets
}

/// The load balancers of the Service `key` that are known by name.
pub(crate) fn hosts(world: &World, key: &ObjectKey, settings: &Settings) -> BTreeSet<DnsName> {
    let mut hosts = BTreeSet::new();
    for_each_member(world, key, settings, |_, _, all, _| {
        hosts.extend(all.iter().filter_map(|target| match target {
            Target::Host(host) => Some(host.clone()),
            Target::Ip(_) => None,
        }));
    });
    hosts
}

/// Where the Service `key` leads in each member, and where the zone leads for it. None for Services that no load balancer serves.
fn for_each_member(
    world: &World,
    key: &ObjectKey,
    settings: &Settings,
    mut each: impl FnMut(&str, &DynamicObject, &[Target], &[Target]),
) {
    let Some(service) = world.federation.get(key).filter(|service| !is_deleted(service)) else { return };
    let exposure = exposure(&service);
    if exposure != Some(Exposure::LoadBalancer) {
        return;
    }
    let in_zone = world.dns.as_ref().and_then(|dns| dns.get(&key.resource())).map(|dns| &dns.addresses);
    for (name, member) in concerned(world, key) {
        let here = in_zone.and_then(|in_zone| in_zone.get(name)).map_or(&[][..], Vec::as_slice);
        each(name, &service, &targets_of(member, key, exposure, here, settings), here);
    }
}

/// The members that have something of the Service `key`, or may. Who shows that it has nothing leads nowhere, whatever the zone says.
fn concerned<'a>(world: &'a World, key: &ObjectKey) -> impl Iterator<Item = (&'a str, &'a Member)> {
    let names: BTreeSet<_> = world.members.holders(key).chain(world.members.veiled().map(|(name, _)| name)).collect();
    names.into_iter().filter_map(|name| Some((name, world.members.get(name)?)))
}

/// Where the Service `key` leads in `member`; what the zone holds of a member that has not been heard of.
fn targets_of(
    member: &Member,
    key: &ObjectKey,
    exposure: Option<Exposure>,
    in_zone: &[Target],
    settings: &Settings,
) -> Vec<Target> {
    if exposure == Some(Exposure::ExternalName) {
        return Vec::new();
    }
    if !member.knows(key.kind) {
        return in_zone.to_vec();
    }
    let Some(copy) = member.objects.get(key).filter(|copy| is_managed(copy, &settings.federation)) else {
        return Vec::new();
    };
    if exposure == Some(Exposure::Headless) && !member.shows_endpoints() {
        return in_zone.to_vec();
    }
    if exposure == Some(Exposure::Headless) {
        return member.endpoints.addresses(key).into_iter().map(Target::Ip).collect();
    }
    let ingress = at(&copy, "/status/loadBalancer/ingress").and_then(Value::as_array).into_iter().flatten();
    let targets = ingress.filter_map(|entry| match entry["ip"].as_str().and_then(|ip| ip.parse().ok()) {
        Some(ip) => Some(Target::Ip(ip)),
        None => entry["hostname"].as_str()?.parse().ok().map(Target::Host),
    });
    targets.collect()
}

/// What `host` leads to: as last resolved; before that what the zone holds of its member and no other target of it explains. None
/// where nobody could tell.
fn led_to(world: &World, host: &DnsName, targets: &[Target], in_zone: &[Target]) -> Option<BTreeSet<IpAddr>> {
    let known = world.hosts.get(host);
    if let Some(addresses) = known.and_then(|known| known.addresses.clone()) {
        return Some(addresses);
    }
    let before: BTreeSet<_> = in_zone
        .iter()
        .filter(|target| !targets.contains(target))
        .filter_map(|target| match target {
            Target::Ip(ip) => Some(*ip),
            Target::Host(_) => None,
        })
        .collect();
    let failed = known.is_some_and(|known| known.problem.is_some());
    (!failed || !before.is_empty()).then_some(before)
}

fn exposure(service: &DynamicObject) -> Option<Exposure> {
    let text = |pointer| at(service, pointer).and_then(Value::as_str);
    Exposure::of(text("/spec/type"), text("/spec/clusterIP"))
}

/// How an address is asked. Pods are not: their member's API alone tells of them.
fn probe(service: &DynamicObject, exposure: Option<Exposure>, ip: IpAddr) -> Option<AddressTarget> {
    (exposure == Some(Exposure::LoadBalancer)).then(|| check::target(service, ip)).flatten()
}

/// Where a Service of type ExternalName leads.
fn external(service: &DynamicObject) -> Result<DnsName, String> {
    let text = at(service, "/spec/externalName").and_then(Value::as_str).unwrap_or_default();
    external_name(text).map_err(|error| format!("spec.externalName: {error}"))
}

/// Whether the user wants the Service to be found by name, as far as its type leaves that open.
fn wish(service: &DynamicObject) -> Result<Option<bool>, String> {
    match annotation(service, keys::PUBLISH) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(format!("annotation {}: `{other}` is neither true nor false", keys::PUBLISH)),
    }
}

/// The TTL of the Service's records, where others have `default`.
pub(crate) fn ttl_of(service: &DynamicObject, default: u32) -> u32 {
    ttl(service).ok().flatten().unwrap_or(default)
}

fn ttl(service: &DynamicObject) -> Result<Option<u32>, String> {
    let Some(text) = annotation(service, keys::DNS_TTL) else { return Ok(None) };
    let ttl = text.parse().ok().filter(|ttl| TTLS.contains(ttl));
    ttl.map(Some).ok_or_else(|| {
        format!("annotation {}: `{text}` is no TTL: seconds, from {} to {}", keys::DNS_TTL, TTLS.start(), TTLS.end())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ttl_is_a_number_of_seconds_that_dns_can_carry() {
        for (text, good) in [
            ("1", Some(1)),
            ("2147483647", Some(2_147_483_647)),
            ("0", None),
            ("2147483648", None),
            ("-1", None),
            ("30s", None),
            ("", None),
        ] {
            let service = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "annotations": {"kfed.io/dns-ttl": text}}
            });
            let service: DynamicObject = serde_json::from_value(service).unwrap();
            assert_eq!(ttl(&service).ok().flatten(), good, "{text}");
            assert_eq!(mistakes(&service).len(), usize::from(good.is_none()), "{text}");
        }
    }
}
