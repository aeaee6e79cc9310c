//! What is said of every published Service to the planner of its names: where it runs, what answers.

mod check;
mod condition;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use kfed_api::keys;
use kfed_cluster_health::AddressTarget;
use kfed_dnsprovider::{Owner, RecordData, Resource, ZoneSnapshot};
use kfed_service_dns::{AddressObservation, AddressState, ApiState, MemberObservation, ServiceObservation};
use kube::core::DynamicObject;
use serde_json::Value;

pub(crate) use condition::{Standing, condition};

use crate::Settings;
use crate::kinds::ObjectKey;
use crate::object::{annotation, at, is_deleted, is_managed};
use crate::world::{AddressKey, ApiHealth, Member, World};

/// The addresses that the zone holds for a Service, by member. What a member that has been silent since the start publishes is
/// known from here only.
pub(crate) type InZone = BTreeMap<String, Vec<IpAddr>>;

/// The TTLs that there are (RFC 2181 § 8), without 0: an answer that nobody may keep would be asked for at every use.
const TTLS: RangeInclusive<u32> = 1..=i32::MAX as u32;

/// Whether the Service is to be found by name.
pub(crate) fn is_published(service: &DynamicObject) -> bool {
    !is_deleted(service) && at(service, "/spec/type").and_then(Value::as_str) == Some("LoadBalancer")
}

/// What the zone says of itself.
pub(crate) fn published(snapshot: &ZoneSnapshot, owner: &Owner) -> BTreeMap<Resource, InZone> {
    let mut published = BTreeMap::<_, InZone>::new();
    for set in snapshot.iter().filter(|set| owner.owns(set)) {
        let Some(resource) = Resource::of(set) else { continue };
        let members = published.entry(resource).or_default();
        for (data, sources) in kfed_dnsprovider::sources(set) {
            let ip = match data {
                RecordData::A(ip) => IpAddr::V4(ip),
                RecordData::Aaaa(ip) => IpAddr::V6(ip),
                _ => continue,
            };
            for member in sources {
                let addresses = members.entry(member).or_default();
                if !addresses.contains(&ip) {
                    addresses.push(ip);
                }
            }
        }
    }
    published
}

/// Whether the zone holds something of a Service that does not go with the members that leave or have left.
pub(crate) fn is_held(world: &World, in_zone: Option<&InZone>) -> bool {
    let stays = |name: &String| world.members.get(name).is_some_and(|member| member.leaving.is_none());
    in_zone.is_some_and(|members| members.is_empty() || members.keys().any(stays))
}

/// What is seen of `service` in every member.
pub(crate) fn observe(
    world: &World,
    key: &ObjectKey,
    service: &DynamicObject,
    in_zone: &InZone,
    settings: &Settings,
) -> ServiceObservation {
    let members = world.members.iter().filter_map(|(name, member)| {
        let addresses = addresses(member, name, key, in_zone, settings);
        let remembered = world.clusters.get(name).and_then(|cluster| cluster.status.as_ref());
        let belongs = match member.known {
            true => member.objects.get(key).is_some_and(|copy| is_managed(copy, &settings.federation)),
            // Not heard of since the start: what was once reached is taken to run what every member runs.
            false => remembered.is_some_and(|status| status.region.is_some()),
        };
        if addresses.is_empty() && !belongs {
            return None;
        }
        let observation = |ip: IpAddr| {
            let place = AddressKey { service: key.clone(), ip };
            let asked = member.addresses.get(&place);
            AddressObservation {
                ip,
                probe: match check::target(service, ip) {
                    Some(_) => asked.map_or(AddressState::NeverAnswered, |address| address.state),
                    None => AddressState::NotAskable,
                },
                ever_answered: asked.is_some_and(|address| address.ever_answered),
                published: in_zone.get(name).is_some_and(|ips| ips.contains(&ip)),
            }
        };
        Some(MemberObservation {
            member: name.clone(),
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
            ready_endpoints: member.ready_endpoints(key),
            addresses: addresses.into_iter().map(observation).collect(),
            leaving: member.leaving.is_some(),
        })
    });
    ServiceObservation {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ttl: ttl(service).ok().flatten().unwrap_or(settings.dns_ttl),
        members: members.collect(),
    }
}

/// What is wrong with the annotations that say how the Service is published.
pub(crate) fn mistakes(service: &DynamicObject) -> Vec<String> {
    ttl(service).err().into_iter().chain(check::mistake(service)).chain(super::priority(service).err()).collect()
}

/// Every address of the Service `key` that is to be probed, by member.
pub(crate) fn targets(
    world: &World,
    key: &ObjectKey,
    settings: &Settings,
) -> Vec<((String, AddressKey), AddressTarget)> {
    let Some(service) = world.federation.get(key).filter(|service| is_published(service)) else { return Vec::new() };
    let resource = Resource::service(&key.namespace, &key.name);
    let nothing = InZone::new();
    let in_zone = world.dns.as_ref().and_then(|dns| dns.services.get(&resource)).map_or(&nothing, |dns| &dns.addresses);
    let mut targets = Vec::new();
    for (name, member) in &world.members {
        for ip in addresses(member, name, key, in_zone, settings) {
            let place = (name.clone(), AddressKey { service: key.clone(), ip });
            targets.extend(check::target(service, ip).map(|target| (place, target)));
        }
    }
    targets
}

fn addresses(member: &Member, name: &str, key: &ObjectKey, in_zone: &InZone, settings: &Settings) -> Vec<IpAddr> {
    if !member.known {
        return in_zone.get(name).cloned().unwrap_or_default();
    }
    let copy = member.objects.get(key).filter(|copy| is_managed(copy, &settings.federation));
    let ingress = copy.and_then(|copy| at(copy, "/status/loadBalancer/ingress")?.as_array());
    let ips = ingress.into_iter().flatten().filter_map(|entry| entry["ip"].as_str()?.parse().ok());
    ips.collect()
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
