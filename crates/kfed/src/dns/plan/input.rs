//! The file that `kfed dns plan` reads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kfed_dnsprovider::{DnsName, Owner, RecordData, RecordSet, RecordSetKey, RecordType, Resource};
use kfed_service_dns::{
    AddressObservation, AddressPolicy, AddressState, ApiState, Exposure, Fallback, HostObservation, LeadsTo,
    MemberObservation, Naming, ServiceObservation, external_name,
};

use crate::control_plane::label;
use crate::document::{Fields, Node, Reader, or_rather};

const FILE: [&str; 10] =
    ["federation", "zone", "ttl", "fallback", "private", "loopback", "clusters", "services", "hosts", "records"];
const CLUSTER: [&str; 5] = ["name", "region", "zones", "ready", "leaving"];
const SERVICE: [&str; 10] =
    ["name", "namespace", "type", "clusters", "ttl", "hostname", "externalName", "clusterIP", "publish", "created"];
const SERVICE_IN_CLUSTER: [&str; 4] = ["ingress", "readyEndpoints", "endpoints", "address"];
/// As in a Service's status; the last two say nothing about names.
const INGRESS: [&str; 4] = ["ip", "hostname", "ipMode", "ports"];
const RECORD: [&str; 6] = ["name", "type", "ttl", "data", "owner", "resource"];

/// The longest TTL (RFC 2181 § 8).
const LONGEST_TTL: u32 = i32::MAX as u32;
const TTL: u32 = 30;

/// What the file says.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) naming: Naming,
    pub(super) owner: Owner,
    pub(super) policy: AddressPolicy,
    pub(super) fallback: Fallback,
    pub(super) services: BTreeMap<Resource, Service>,
    pub(super) records: Vec<Record>,
}

/// A Service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) published: bool,
    pub(super) observation: ServiceObservation,
    /// The names of its own choice that it asks for.
    pub(super) hostnames: Vec<DnsName>,
    /// When it was created, in seconds.
    pub(super) created: i64,
    /// What is wrong with its annotations: the plan goes on without them, as kfed does.
    pub(super) mistakes: Vec<String>,
}

/// A record set of the zone; whose it is stands beside it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) set: RecordSet,
    pub(super) owner: Option<String>,
    pub(super) resource: Option<Resource>,
}

#[derive(Debug)]
struct Cluster {
    region: Option<String>,
    zones: Vec<String>,
    ready: bool,
    leaving: bool,
}

type Clusters = BTreeMap<String, Cluster>;
type Hosts = BTreeMap<DnsName, Vec<IpAddr>>;

// === impl Input ===

impl Input {
    /// Reads the whole file; none where there is a mistake, which is noted.
    pub(super) fn read(root: &Node, reader: &mut Reader) -> Option<Self> {
        let fields = reader.fields(root, "the file", &FILE)?;
        let federation = fields.required("federation", reader).and_then(|node| reader.parsed(node, "a name", label));
        let zone = fields.required("zone", reader).and_then(|node| reader.parsed(node, "a zone", name));
        let mut flag = |key| fields.get(key).and_then(|node| reader.boolean(node)).unwrap_or(false);
        let policy = AddressPolicy { allow_loopback: flag("loopback"), private_zone: flag("private") };
        let ttl = fields.get("ttl").and_then(|node| ttl(node, reader)).unwrap_or(TTL);
        let fallbacks = [("addresses", Fallback::Addresses), ("cname", Fallback::Cname)];
        let fallback = fields.get("fallback").and_then(|node| reader.word(node, "a fallback", &fallbacks));
        let clusters = clusters(list(&fields, "clusters", reader), reader);
        let hosts = fields.get("hosts").map(|node| hosts(node, reader)).unwrap_or_default();
        let naming = Naming { federation: federation?, zone: zone? };
        let mut services = BTreeMap::new();
        for node in list(&fields, "services", reader) {
            let read = service(node, &naming, &policy, ttl, &clusters, &hosts, reader);
            let Some((resource, service)) = read else { continue };
            if services.contains_key(&resource) {
                reader.error(node.span, format!("{resource} stands here a second time"));
            }
            services.insert(resource, service);
        }
        let mut records = Vec::new();
        let mut keys = BTreeSet::new();
        for node in list(&fields, "records", reader) {
            let Some(record) = record(node, &naming, reader) else { continue };
            if !keys.insert(record.set.key.clone()) {
                reader
                    .error(node.span, format!("{} stands here a second time", record.set.key))
                    .help("a record set holds all its data");
            }
            records.push(record);
        }
        let (owner, fallback) = (Owner(naming.federation.clone()), fallback.unwrap_or(Fallback::Addresses));
        (reader.errors() == 0).then_some(Self { naming, owner, policy, fallback, services, records })
    }
}

fn list<'a>(fields: &Fields<'a>, key: &str, reader: &mut Reader) -> &'a [Node] {
    fields.get(key).map_or(&[], |node| reader.list(node, &format!("a list of {key}")))
}

fn ttl(node: &Node, reader: &mut Reader) -> Option<u32> {
    reader.number_in(node, 1..=LONGEST_TTL)
}

fn name(text: &str) -> Result<DnsName, String> {
    text.parse().map_err(|error: kfed_dnsprovider::InvalidName| error.to_string())
}

fn ip(node: &Node, reader: &mut Reader) -> Option<IpAddr> {
    reader.parsed(node, "an IP address", |text| text.parse().map_err(|_| format!("`{text}` is no IP address")))
}

fn clusters(nodes: &[Node], reader: &mut Reader) -> Clusters {
    let mut clusters = Clusters::new();
    for node in nodes {
        let Some(fields) = reader.fields(node, "a cluster", &CLUSTER) else { continue };
        let Some(name) = fields.required("name", reader).and_then(|node| reader.text(node, "a name")) else { continue };
        if let (Err(problem), Some(node)) = (label(&name), fields.get("name")) {
            reader.error(node.span, problem);
        }
        let zones = list(&fields, "zones", reader).iter().filter_map(|zone| reader.text(zone, "a zone")).collect();
        let cluster = Cluster {
            region: fields.get("region").and_then(|node| reader.text(node, "a region")),
            zones,
            ready: fields.get("ready").and_then(|node| reader.boolean(node)).unwrap_or(true),
            leaving: fields.get("leaving").and_then(|node| reader.boolean(node)).unwrap_or(false),
        };
        if clusters.contains_key(&name) {
            reader.error(node.span, format!("cluster {name} stands here a second time"));
        }
        clusters.insert(name, cluster);
    }
    clusters
}

fn hosts(node: &Node, reader: &mut Reader) -> Hosts {
    let mut hosts = Hosts::new();
    for entry in reader.entries(node, "a map of hosts and their addresses") {
        let addresses = reader.list(&entry.node, "a list of addresses").iter();
        let addresses = addresses.filter_map(|node| ip(node, reader)).collect();
        match name(&entry.key) {
            Ok(host) => drop(hosts.insert(host, addresses)),
            Err(problem) => _ = reader.error(entry.span, problem),
        }
    }
    hosts
}

fn service(
    node: &Node,
    naming: &Naming,
    policy: &AddressPolicy,
    default_ttl: u32,
    clusters: &Clusters,
    hosts: &Hosts,
    reader: &mut Reader,
) -> Option<(Resource, Service)> {
    let fields = reader.fields(node, "a service", &SERVICE)?;
    let name = fields.required("name", reader).and_then(|node| reader.text(node, "a name"));
    let namespace = fields.get("namespace").and_then(|node| reader.text(node, "a namespace"));
    let types = ["LoadBalancer", "ClusterIP", "NodePort", "ExternalName"].map(|word| (word, word));
    let service_type = fields.required("type", reader).and_then(|node| reader.word(node, "a type of Service", &types));
    let cluster_ip = fields.get("clusterIP").and_then(|node| reader.text(node, "an IP address or None"));
    let exposure = Exposure::of(service_type, cluster_ip.as_deref()).unwrap_or(Exposure::Internal);
    let wish = fields.get("publish").and_then(|node| reader.boolean(node));
    let created = fields.get("created").and_then(|node| {
        let time = |text: &str| text.parse().map_err(|error: jiff::Error| error.to_string());
        reader.parsed(node, "a time", time).map(|time: jiff::Timestamp| time.as_second())
    });

    let (mut hostnames, mut mistakes) = (Vec::new(), Vec::new());
    let asked = fields.get("hostname").and_then(|node| reader.text(node, "a list of names"));
    for hostname in asked.iter().flat_map(|list| naming.hostnames(list)) {
        match hostname {
            Ok(hostname) => hostnames.push(hostname),
            Err(error) => mistakes.push(format!("hostname {error}")),
        }
    }
    let leads_to = if exposure == Exposure::ExternalName {
        let external = |text: &str| external_name(text).map_err(|error| format!("externalName {error}"));
        let named = fields.required("externalName", reader);
        named.and_then(|node| reader.parsed(node, "a name", external)).map(LeadsTo::External)
    } else {
        Some(LeadsTo::Members)
    };

    let mut members = Vec::new();
    let of_clusters = fields.get("clusters").map_or(&[][..], |node| reader.entries(node, "a map of clusters"));
    for entry in of_clusters {
        match clusters.get(&entry.key) {
            Some(cluster) => members.extend(member(&entry.key, cluster, &entry.node, exposure, hosts, reader)),
            None => {
                let known = clusters.keys().map(String::as_str);
                reader
                    .error(entry.span, format!("there is no cluster `{}` in `clusters`", entry.key))
                    .help(or_rather(&entry.key, known));
            }
        }
    }
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    let observation = ServiceObservation {
        namespace: namespace.clone(),
        name: name.clone()?,
        ttl: fields.get("ttl").and_then(|node| ttl(node, reader)).unwrap_or(default_ttl),
        leads_to: leads_to?,
        hostnames: Vec::new(),
        members,
    };
    let published = exposure.is_published(wish, policy.private_zone);
    let created = created.unwrap_or(i64::MAX);
    Some((Resource::service(namespace, name?), Service { published, observation, hostnames, created, mistakes }))
}

/// A service in a cluster. A cluster that is not ready is dead by both signals, unless it is said that its address answers.
fn member(
    name: &str,
    cluster: &Cluster,
    node: &Node,
    exposure: Exposure,
    hosts: &Hosts,
    reader: &mut Reader,
) -> Option<MemberObservation> {
    let fields = reader.fields(node, "a service in a cluster", &SERVICE_IN_CLUSTER)?;
    let answering = [("answering", true), ("failing", false)];
    let answers = fields.get("address").and_then(|node| reader.word(node, "a state of an address", &answering));
    let probe = match (answers.unwrap_or(cluster.ready), answers.is_some(), exposure) {
        // Pods are not asked: their member's API alone tells of them.
        (_, _, Exposure::Headless) => AddressState::NotAskable,
        (true, true, _) => AddressState::Answering,
        (true, false, _) => AddressState::NeverAnswered,
        (false, ..) => AddressState::Failing,
    };
    let address = |ip: IpAddr| AddressObservation {
        ip,
        probe,
        ever_answered: matches!(probe, AddressState::Answering | AddressState::Failing),
        published: false,
    };
    let endpoints: Vec<_> = list(&fields, "endpoints", reader).iter().filter_map(|node| ip(node, reader)).collect();
    let (mut ips, mut named) = (Vec::new(), Vec::new());
    for node in list(&fields, "ingress", reader) {
        let Some(entry) = reader.fields(node, "an ingress", &INGRESS) else { continue };
        match (entry.get("ip"), entry.get("hostname")) {
            (Some(node), _) => ips.extend(ip(node, reader)),
            (None, Some(node)) => named.extend(reader.parsed(node, "a name", self::name)),
            (None, None) => _ = reader.error(node.span, "an ingress has neither `ip` nor `hostname`"),
        }
    }
    let known = fields.get("readyEndpoints").and_then(|node| reader.number_in(node, 0..=u32::MAX));
    let (ready_endpoints, addresses) = match exposure {
        Exposure::Headless => (Some(known.unwrap_or(u32::try_from(endpoints.len()).unwrap_or(u32::MAX))), endpoints),
        // Who publishes an address has endpoints behind it, where the file does not say otherwise.
        _ => (known.or((!ips.is_empty() || !named.is_empty()).then_some(1)), ips),
    };
    let host = |host: DnsName| HostObservation {
        addresses: hosts.get(&host).map(|ips| ips.iter().copied().map(address).collect()),
        host,
        problem: None,
        published: false,
    };
    Some(MemberObservation {
        member: name.to_owned(),
        region: cluster.region.clone(),
        zones: cluster.zones.clone(),
        api: if cluster.ready { ApiState::Answering } else { ApiState::Offline },
        ready_endpoints,
        addresses: addresses.into_iter().map(address).collect(),
        hosts: named.into_iter().map(host).collect(),
        leaving: cluster.leaving,
    })
}

fn record(node: &Node, naming: &Naming, reader: &mut Reader) -> Option<Record> {
    let fields = reader.fields(node, "a record", &RECORD)?;
    let name_node = fields.required("name", reader);
    let name = name_node.and_then(|node| reader.parsed(node, "a name", name));
    if let (Some(name), Some(node)) = (&name, name_node)
        && !name.is_in(&naming.zone)
    {
        let zone = naming.zone.without_dot();
        reader
            .error(node.span, format!("{name} is not in zone {zone}"))
            .help(format!("names are written in full: {}.{zone}", name.without_dot()));
    }
    let types = RecordType::ALL.map(|record_type| (record_type.as_str(), record_type));
    let record_type = fields.required("type", reader).and_then(|node| reader.word(node, "a type of record", &types));
    let ttl = fields.required("ttl", reader).and_then(|node| reader.number_in(node, 0..=LONGEST_TTL));
    let data = fields.required("data", reader).map_or(&[][..], |node| reader.list(node, "a list of data"));
    let owner = fields.get("owner").and_then(|node| reader.text(node, "an owner"));
    let resource = fields.get("resource").and_then(|node| {
        reader.parsed(node, "a resource", |text| match text.split('/').collect::<Vec<_>>()[..] {
            ["service", namespace, name] => Ok(Resource::service(namespace, name)),
            _ => Err(format!("`{text}` is no resource, as in service/default/hostname")),
        })
    });
    let (name, record_type, ttl, before) = (name?, record_type?, ttl?, reader.errors());
    let datum = |text: &str| RecordData::parse(record_type, text).map_err(|error| error.to_string());
    let set = RecordSet {
        key: RecordSetKey::new(name, record_type),
        ttl,
        data: data.iter().filter_map(|node| reader.parsed(node, "a datum", datum)).collect(),
        metadata: Default::default(),
        etag: None,
        alias: false,
        unknown_properties: false,
    };
    if reader.errors() == before
        && let Err(problem) = set.check()
    {
        reader.error(node.span, problem);
    }
    Some(Record { set, owner, resource })
}
