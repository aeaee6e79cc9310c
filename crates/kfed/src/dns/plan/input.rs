//! The file that `kfed dns plan` reads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kfed_dnsprovider::{DnsName, Owner, RecordData, RecordSet, RecordSetKey, RecordType, Resource};
use kfed_service_dns::{
    AddressObservation, AddressPolicy, AddressState, ApiState, Exposure, Fallback, HostObservation, LeadsTo,
    MemberObservation, Naming, ServiceObservation, external_name,
};

use crate::control_plane::label;
use crate::document::{Fault, Fields, Node, nearest};

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
    /// Reads the whole file.
    pub(super) fn read(root: &Node) -> Result<Self, Fault> {
        let fields = root.fields("the file", &FILE)?;
        let federation = fields.required("federation")?.parsed("`federation`", label)?;
        let zone = fields.required("zone")?.parsed("`zone`", name)?;
        let naming = Naming { federation: federation.clone(), zone };
        let flag = |key: &str| fields.get(key).map_or(Ok(false), |node| node.boolean(&format!("`{key}`")));
        let policy = AddressPolicy { allow_loopback: flag("loopback")?, private_zone: flag("private")? };
        let ttl = fields.get("ttl").map_or(Ok(TTL), ttl)?;
        let fallbacks = [("addresses", Fallback::Addresses), ("cname", Fallback::Cname)];
        let fallback =
            fields.get("fallback").map_or(Ok(Fallback::Addresses), |node| node.word("fallback", &fallbacks))?;
        let clusters = clusters(list(&fields, "clusters")?)?;
        let hosts = fields.get("hosts").map_or(Ok(Hosts::new()), hosts)?;
        let mut services = BTreeMap::new();
        for node in list(&fields, "services")? {
            let (resource, service) = service(node, &naming, &policy, ttl, &clusters, &hosts)?;
            if services.contains_key(&resource) {
                return Err(node.fault(format!("{resource} stands twice in `services`")));
            }
            services.insert(resource, service);
        }
        let mut records = Vec::new();
        let mut keys = BTreeSet::new();
        for node in list(&fields, "records")? {
            let record = record(node, &naming)?;
            if !keys.insert(record.set.key.clone()) {
                return Err(
                    node.fault(format!("{} stands twice in `records`: a set holds all its data", record.set.key))
                );
            }
            records.push(record);
        }
        Ok(Self { naming, owner: Owner(federation), policy, fallback, services, records })
    }
}

fn list<'a>(fields: &Fields<'a>, key: &str) -> Result<&'a [Node], Fault> {
    fields.get(key).map_or(Ok(&[]), |node| node.list(&format!("`{key}`")))
}

fn ttl(node: &Node) -> Result<u32, Fault> {
    node.number("`ttl`", 1, LONGEST_TTL)
}

fn name(text: &str) -> Result<DnsName, String> {
    text.parse().map_err(|error: kfed_dnsprovider::InvalidName| error.to_string())
}

fn ip(node: &Node) -> Result<IpAddr, Fault> {
    node.parsed("an address", |text| text.parse().map_err(|_| format!("`{text}` is no IP address")))
}

fn clusters(nodes: &[Node]) -> Result<Clusters, Fault> {
    let mut clusters = Clusters::new();
    for node in nodes {
        let fields = node.fields("a cluster", &CLUSTER)?;
        let name = fields.required("name")?.parsed("`name`", label)?;
        let zones = list(&fields, "zones")?.iter().map(|zone| zone.text("a zone")).collect::<Result<_, _>>()?;
        let cluster = Cluster {
            region: fields.get("region").map(|node| node.text("`region`")).transpose()?,
            zones,
            ready: fields.get("ready").map_or(Ok(true), |node| node.boolean("`ready`"))?,
            leaving: fields.get("leaving").map_or(Ok(false), |node| node.boolean("`leaving`"))?,
        };
        if clusters.contains_key(&name) {
            return Err(node.fault(format!("cluster {name} stands twice in `clusters`")));
        }
        clusters.insert(name, cluster);
    }
    Ok(clusters)
}

fn hosts(node: &Node) -> Result<Hosts, Fault> {
    let mut hosts = Hosts::new();
    for (key, node) in node.map("`hosts`")? {
        let host = name(&key.name).map_err(|problem| Fault::new(key.span, problem))?;
        let ips = node.list("a host's addresses")?.iter().map(ip).collect::<Result<_, _>>()?;
        hosts.insert(host, ips);
    }
    Ok(hosts)
}

fn service(
    node: &Node,
    naming: &Naming,
    policy: &AddressPolicy,
    default_ttl: u32,
    clusters: &Clusters,
    hosts: &Hosts,
) -> Result<(Resource, Service), Fault> {
    let fields = node.fields("a service", &SERVICE)?;
    let text = |key: &str| fields.get(key).map(|node| node.text(&format!("`{key}`"))).transpose();
    let (name, namespace) = (fields.required("name")?.text("`name`")?, text("namespace")?);
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    let type_node = fields.required("type")?;
    let types = ["LoadBalancer", "ClusterIP", "NodePort", "ExternalName"].map(|word| (word, word));
    let service_type = type_node.word("type of Service", &types)?;
    let exposure = Exposure::of(Some(service_type), text("clusterIP")?.as_deref()).unwrap_or(Exposure::Internal);
    let wish = fields.get("publish").map(|node| node.boolean("`publish`")).transpose()?;
    let created = fields.get("created").map(|node| {
        node.parsed("`created`", |text| text.parse().map_err(|error: jiff::Error| error.to_string()))
            .map(|time: jiff::Timestamp| time.as_second())
    });

    let (mut hostnames, mut mistakes) = (Vec::new(), Vec::new());
    for hostname in text("hostname")?.iter().flat_map(|list| naming.hostnames(list)) {
        match hostname {
            Ok(hostname) => hostnames.push(hostname),
            Err(error) => mistakes.push(format!("hostname {error}")),
        }
    }
    let leads_to = match (exposure, fields.get("externalName")) {
        (Exposure::ExternalName, None) => {
            return Err(node.fault("a service of type ExternalName lacks key `externalName`"));
        }
        (Exposure::ExternalName, Some(node)) => {
            let external = |text: &str| external_name(text).map_err(|error| format!("externalName {error}"));
            LeadsTo::External(node.parsed("`externalName`", external)?)
        }
        _ => LeadsTo::Members,
    };

    let mut members = Vec::new();
    for (key, node) in fields.get("clusters").map_or(Ok(&[][..]), |node| node.map("a service's `clusters`"))? {
        let Some(cluster) = clusters.get(&key.name) else {
            let fault = Fault::new(key.span, format!("there is no cluster `{}` in `clusters`", key.name));
            return Err(fault.help(nearest("cluster", &key.name, clusters.keys().map(String::as_str))));
        };
        members.push(member(&key.name, cluster, node, exposure, hosts)?);
    }
    let observation = ServiceObservation {
        namespace: namespace.clone(),
        name: name.clone(),
        ttl: fields.get("ttl").map_or(Ok(default_ttl), ttl)?,
        leads_to,
        hostnames: Vec::new(),
        members,
    };
    let published = exposure.is_published(wish, policy.private_zone);
    let created = created.transpose()?.unwrap_or(i64::MAX);
    Ok((Resource::service(namespace, name), Service { published, observation, hostnames, created, mistakes }))
}

/// A service in a cluster. A cluster that is not ready is dead by both signals, unless it is said that its address answers.
fn member(
    name: &str,
    cluster: &Cluster,
    node: &Node,
    exposure: Exposure,
    hosts: &Hosts,
) -> Result<MemberObservation, Fault> {
    let fields = node.fields("a service in a cluster", &SERVICE_IN_CLUSTER)?;
    let answering = [("answering", true), ("failing", false)];
    let answers = fields.get("address").map(|node| node.word("state of an address", &answering)).transpose()?;
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
    let endpoints = list(&fields, "endpoints")?.iter().map(ip).collect::<Result<Vec<_>, _>>()?;
    let (mut ips, mut named) = (Vec::new(), Vec::new());
    for node in list(&fields, "ingress")? {
        let entry = node.fields("an ingress", &INGRESS)?;
        match (entry.get("ip"), entry.get("hostname")) {
            (Some(node), _) => ips.push(ip(node)?),
            (None, Some(node)) => named.push(node.parsed("`hostname`", self::name)?),
            (None, None) => return Err(node.fault("an ingress has neither `ip` nor `hostname`")),
        }
    }
    let known = fields.get("readyEndpoints").map(|node| node.number("`readyEndpoints`", 0, u32::MAX)).transpose()?;
    let (ready_endpoints, addresses) = match exposure {
        Exposure::Headless => (Some(known.unwrap_or(u32::try_from(endpoints.len()).unwrap_or(u32::MAX))), endpoints),
        _ => (known, ips),
    };
    let host = |host: DnsName| HostObservation {
        addresses: hosts.get(&host).map(|ips| ips.iter().copied().map(address).collect()),
        host,
        problem: None,
    };
    Ok(MemberObservation {
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

fn record(node: &Node, naming: &Naming) -> Result<Record, Fault> {
    let fields = node.fields("a record", &RECORD)?;
    let name_node = fields.required("name")?;
    let name = name_node.parsed("`name`", name)?;
    let zone = naming.zone.without_dot();
    if !name.is_in(&naming.zone) {
        let fault = name_node.fault(format!("{name} is not in zone {zone}"));
        return Err(fault.help(format!("names are written in full: {}.{zone}", name.without_dot())));
    }
    let types = RecordType::ALL.map(|record_type| (record_type.as_str(), record_type));
    let record_type = fields.required("type")?.word("type of record", &types)?;
    let datum = |node: &Node| {
        node.parsed("a datum", |text| RecordData::parse(record_type, text).map_err(|error| error.to_string()))
    };
    let data = fields.required("data")?.list("`data`")?.iter().map(datum).collect::<Result<_, _>>()?;
    let ttl = fields.required("ttl")?.number("`ttl`", 0, LONGEST_TTL)?;
    let owner = fields.get("owner").map(|node| node.text("`owner`")).transpose()?;
    let resource = fields.get("resource").map(|node| {
        node.parsed("`resource`", |text| match text.split('/').collect::<Vec<_>>()[..] {
            ["service", namespace, name] => Ok(Resource::service(namespace, name)),
            _ => Err(format!("`{text}` is no resource, as in service/default/hostname")),
        })
    });
    let set = RecordSet {
        key: RecordSetKey::new(name, record_type),
        ttl,
        data,
        metadata: Default::default(),
        etag: None,
        alias: false,
        unknown_properties: false,
    };
    set.check().map_err(|problem| node.fault(problem))?;
    Ok(Record { set, owner, resource: resource.transpose()? })
}
