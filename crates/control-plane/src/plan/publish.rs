//! What is said of every published Service to the planner of its names: where it runs, what answers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use kfed_api::keys;
use kfed_cluster_health::{AddressKind, AddressTarget};
use kfed_dnsprovider::{Owner, RecordData, Resource, ZoneSnapshot};
use kfed_service_dns::{AddressObservation, AddressState, ApiState, MemberObservation, ServiceObservation};
use kube::core::DynamicObject;
use serde::Deserialize;
use serde_json::Value;

use crate::Settings;
use crate::kinds::ObjectKey;
use crate::object::{annotation, at, is_deleted, is_managed};
use crate::world::{Address, AddressKey, ApiHealth, Member, World};

/// The members' addresses that the zone holds, by Service and member. What a member that has been silent since the start
/// publishes is known from here only.
pub(crate) type Published = BTreeMap<Resource, BTreeMap<String, Vec<IpAddr>>>;

/// Whether the Service is to be found by name.
pub(crate) fn is_published(service: &DynamicObject) -> bool {
    !is_deleted(service) && at(service, "/spec/type").and_then(Value::as_str) == Some("LoadBalancer")
}

/// What the zone says of itself.
pub(crate) fn published(snapshot: &ZoneSnapshot, owner: &Owner) -> Published {
    let mut published = Published::new();
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

/// Whether the zone holds something of `resource` that does not go with the members that leave or have left.
pub(crate) fn is_held(world: &World, published: &Published, resource: &Resource) -> bool {
    let stays = |name: &String| world.members.get(name).is_some_and(|member| member.leaving.is_none());
    published.get(resource).is_some_and(|members| members.is_empty() || members.keys().any(stays))
}

/// What is seen of `service` in every member.
pub(crate) fn observe(
    world: &World,
    key: &ObjectKey,
    service: &DynamicObject,
    published: &Published,
    settings: &Settings,
) -> ServiceObservation {
    let members = world.members.iter().filter_map(|(name, member)| {
        let addresses = addresses(member, name, key, published, settings);
        if addresses.is_empty() && !member.objects.get(key).is_some_and(|copy| is_managed(copy, &settings.federation)) {
            return None;
        }
        let observation = |ip: IpAddr| {
            let place = AddressKey { service: key.clone(), ip };
            let unknown = Address { state: AddressState::NeverAnswered, ever_answered: false };
            let address = member.addresses.get(&place).copied().unwrap_or(unknown);
            let probe = if target(service, ip).is_some() { address.state } else { AddressState::NotAskable };
            AddressObservation { ip, probe, ever_answered: address.ever_answered }
        };
        Some(MemberObservation {
            member: name.clone(),
            region: member.topology.region.clone().or_else(|| status(world, name)?.region.clone()),
            zones: if member.topology.zones.is_empty() {
                status(world, name).map(|status| status.zones.clone()).unwrap_or_default()
            } else {
                member.topology.zones.iter().cloned().collect()
            },
            api: match member.api {
                ApiHealth::Ready | ApiHealth::Unwell { .. } => ApiState::Answering,
                ApiHealth::Unknown | ApiHealth::Silent { .. } => ApiState::Silent,
                ApiHealth::Offline { .. } => ApiState::Offline,
            },
            ready_endpoints: member.ready_endpoints(key),
            addresses: addresses.into_iter().map(observation).collect(),
            leaving: member.leaving.is_some(),
        })
    });
    let ttl = annotation(service, keys::DNS_TTL).and_then(|ttl| ttl.parse().ok()).filter(|ttl| *ttl > 0);
    ServiceObservation {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ttl: ttl.unwrap_or(settings.dns_ttl),
        members: members.collect(),
    }
}

/// Every address that is to be probed, by member.
pub(crate) fn targets(
    world: &World,
    published: &Published,
    settings: &Settings,
) -> BTreeMap<(String, AddressKey), AddressTarget> {
    let mut targets = BTreeMap::new();
    for key in world.published() {
        let Some(service) = world.federation.get(key).filter(|service| is_published(service)) else { continue };
        for (name, member) in &world.members {
            for ip in addresses(member, name, key, published, settings) {
                if let Some(target) = target(service, ip) {
                    targets.insert((name.clone(), AddressKey { service: key.clone(), ip }), target);
                }
            }
        }
    }
    targets
}

/// What the Cluster object remembers of a member that has not been reached since the start.
fn status<'a>(world: &'a World, member: &str) -> Option<&'a kfed_api::ClusterStatus> {
    world.clusters.get(member)?.status.as_ref()
}

fn addresses(member: &Member, name: &str, key: &ObjectKey, published: &Published, settings: &Settings) -> Vec<IpAddr> {
    if !member.known {
        let resource = Resource::service(&key.namespace, &key.name);
        return published.get(&resource).and_then(|members| members.get(name)).cloned().unwrap_or_default();
    }
    let copy = member.objects.get(key).filter(|copy| is_managed(copy, &settings.federation));
    let ingress = copy.and_then(|copy| at(copy, "/status/loadBalancer/ingress")?.as_array());
    let ips = ingress.into_iter().flatten().filter_map(|entry| entry["ip"].as_str()?.parse().ok());
    ips.collect()
}

/// Annotation `kfed.io/health-check`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthCheck {
    #[serde(default = "root")]
    path: String,
    port: Option<u16>,
    expect: Option<String>,
}

fn root() -> String {
    "/".to_owned()
}

/// How `ip` of `service` is asked whether it serves; none where it cannot be asked (UDP).
fn target(service: &DynamicObject, ip: IpAddr) -> Option<AddressTarget> {
    let ports = at(service, "/spec/ports")?.as_array()?;
    let tcp = |port: &&Value| port["protocol"].as_str().unwrap_or("TCP") == "TCP";
    let number = |port: &Value| u16::try_from(port["port"].as_u64()?).ok();
    let is_http = |port: &Value| {
        let says = |field: &str| port[field].as_str().is_some_and(|text| text.to_ascii_lowercase().starts_with("http"));
        // What speaks TLS is asked for a connection only: its name and certificate are not ours to judge.
        let tls = |field: &str| port[field].as_str().is_some_and(|text| text.to_ascii_lowercase().starts_with("https"));
        (says("appProtocol") || says("name")) && !tls("appProtocol") && !tls("name")
    };
    let check: Option<HealthCheck> =
        annotation(service, keys::HEALTH_CHECK).and_then(|json| serde_json::from_str(json).ok());
    if let Some(check) = check {
        let first = || ports.iter().find(tcp).and_then(number);
        let addr = SocketAddr::new(ip, check.port.or_else(first)?);
        let expect = check.expect.as_deref().and_then(range).unwrap_or(200..=399);
        return Some(http(addr, check.path, expect));
    }
    let port = ports.iter().filter(tcp).find(|port| is_http(port)).or_else(|| ports.iter().find(tcp))?;
    let addr = SocketAddr::new(ip, number(port)?);
    Some(match is_http(port) {
        // Whatever the application thinks of `/`, it has answered.
        true => http(addr, root(), 100..=499),
        false => AddressTarget::tcp(addr),
    })
}

fn http(addr: SocketAddr, path: String, expect: RangeInclusive<u16>) -> AddressTarget {
    AddressTarget { addr, kind: AddressKind::Http { host: addr.ip().to_string(), path, expect } }
}

/// `200-399`, or `204`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    match text.split_once('-') {
        Some((first, last)) => Some(first.trim().parse().ok()?..=last.trim().parse().ok()?),
        None => text.trim().parse().ok().map(|one: u16| one..=one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(annotations: &Value, ports: &Value) -> Option<String> {
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "annotations": annotations}, "spec": {"ports": ports}
        });
        let service = serde_json::from_value(service).unwrap();
        target(&service, "10.0.0.1".parse().unwrap()).map(|target| format!("{target:?}"))
    }

    #[test]
    fn http_is_asked_by_http_where_the_port_says_so() {
        let http =
            asked(&json!({}), &json!([{"name": "admin", "port": 9000}, {"name": "http", "port": 8000}])).unwrap();
        assert!(http.contains("10.0.0.1:8000") && http.contains("100..=499"), "{http}");
        let by_protocol = asked(&json!({}), &json!([{"port": 80, "appProtocol": "HTTP"}])).unwrap();
        assert!(by_protocol.contains("10.0.0.1:80") && by_protocol.contains("100..=499"), "{by_protocol}");
        let tls = asked(&json!({}), &json!([{"name": "https", "port": 443}])).unwrap();
        assert!(tls.contains("10.0.0.1:443") && !tls.contains("100..=499"), "{tls}");
        assert_eq!(asked(&json!({}), &json!([{"port": 53, "protocol": "UDP"}])), None);
    }

    #[test]
    fn an_annotation_says_how_to_ask() {
        let annotations = json!({"kfed.io/health-check": r#"{"path": "/up", "port": 8001, "expect": "200-204"}"#});
        let asked = asked(&annotations, &json!([{"port": 53, "protocol": "UDP"}])).unwrap();
        assert!(asked.contains("10.0.0.1:8001") && asked.contains("/up") && asked.contains("200..=204"), "{asked}");
    }
}
