//! Federation v1's own cases: with `Fallback::Cname` the answers are v1's, but where v1 was wrong.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kfed_dnsprovider::{
    Desired, DesiredRecordSet, Members, Owner, Policy, RecordData, RecordSet, RecordSetKey, RecordType, Resource,
    ZoneSnapshot,
};
use kfed_service_dns::{
    AddressObservation, AddressState, ApiState, Fallback, HostObservation, LeadsTo, Level, MemberObservation, Naming,
    Outcome, Rules, ServiceObservation, plan,
};
use serde::Deserialize;
use serde_json::Value;

/// v1's cases whose last step we answer better, and how.
const BETTER: [(&str, &str, &str); 6] = [
    ("ServiceWithNoLBIngress", "head", "nobody serves: v1 leaves CNAMEs to a name that is not there"),
    ("ServiceWithLBIngressAndServiceDeleted", "head", "the service is gone: v1 leaves its CNAMEs for ever"),
    ("ServiceWithNoLBIngress", "r1_7", "as in head"),
    ("ServiceWithLBIngressAndServiceDeleted", "r1_7", "as in head"),
    ("ServiceWithMultipleLBIngressAndAllLBIngressGettingRemoved", "r1_7", "nobody serves any more: as above"),
    ("noendpoints", "r1_6", "nobody serves: as above"),
];

#[derive(Deserialize)]
struct File {
    ttl: u32,
    hosts: BTreeMap<String, Vec<IpAddr>>,
    cases: Vec<Case>,
    annotation_lifecycle: Lifecycle,
    ingress_merge_r1_6: Table<Merge>,
    record_equivalence: Table<Equivalence>,
    kube_dns: Value,
}

#[derive(Deserialize)]
struct Table<T> {
    cases: Vec<T>,
}

#[derive(Deserialize)]
struct Lifecycle {
    steps: Vec<Event>,
}

/// Something that happens to a service in two clusters, and what v1 then held of their addresses.
#[derive(Deserialize)]
struct Event {
    event: String,
    annotation: Option<Ingress>,
}

/// v1.6's merge of one cluster's new list into the federation's.
#[derive(Deserialize)]
struct Merge {
    name: String,
    per_cluster: BTreeMap<String, Vec<String>>,
    cluster: String,
    event: Option<Vec<String>>,
    expected: Vec<String>,
}

/// Two record sets that differ in one thing, and whether v1 took them for the same.
#[derive(Deserialize)]
struct Equivalence {
    diff: String,
    equal: bool,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    version: String,
    federation: String,
    service: String,
    namespace: String,
    suffix: String,
    clusters: BTreeMap<String, Cluster>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Cluster {
    region: String,
    zones: Vec<String>,
}

#[derive(Deserialize)]
struct Step {
    op: String,
    #[serde(default)]
    deleting: bool,
    ingress: Option<Ingress>,
    expected: Vec<Record>,
    expected_without_leak: Option<Vec<Record>>,
}

#[derive(Deserialize)]
struct Ingress {
    items: Vec<IngressOfCluster>,
}

#[derive(Deserialize)]
struct IngressOfCluster {
    cluster: String,
    items: Vec<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    name: String,
    #[serde(rename = "type")]
    record_type: String,
    ttl: u32,
    rrdatas: Vec<String>,
}

fn file() -> File {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases/service_dns_v1_cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What v1 knew, in our terms: a cluster's list of addresses was empty when it had no ready endpoint.
fn observe(file: &File, case: &Case, step: &Step) -> ServiceObservation {
    let listed = |cluster: &str| {
        let items = step.ingress.iter().flat_map(|ingress| &ingress.items);
        items.filter(|item| item.cluster == cluster).flat_map(|item| &item.items).collect::<Vec<_>>()
    };
    let members = case.clusters.iter().map(|(name, cluster)| {
        let listed = listed(name);
        let address = |ip: IpAddr| AddressObservation {
            ip,
            probe: AddressState::NeverAnswered,
            ever_answered: false,
            published: false,
        };
        let ips = listed.iter().filter_map(|item| item.get("ip")).map(|ip| address(ip.parse().unwrap()));
        let hosts = listed.iter().filter_map(|item| item.get("hostname")).map(|host| HostObservation {
            host: host.parse().unwrap(),
            addresses: Some(file.hosts[host].iter().copied().map(address).collect()),
            problem: None,
            published: false,
        });
        MemberObservation {
            member: name.clone(),
            region: Some(cluster.region.clone()),
            zones: cluster.zones.clone(),
            api: ApiState::Answering,
            ready_endpoints: Some(listed.len().try_into().unwrap()),
            addresses: ips.collect(),
            hosts: hosts.collect(),
            leaving: false,
        }
    });
    let deleted = step.deleting || step.op == "DELETE";
    ServiceObservation {
        namespace: case.namespace.clone(),
        name: case.service.clone(),
        ttl: file.ttl,
        leads_to: LeadsTo::Members,
        hostnames: vec![],
        // A service that is gone belongs to nobody.
        members: if deleted { Vec::new() } else { members.collect() },
    }
}

fn record(set: &DesiredRecordSet) -> Record {
    Record {
        name: set.key.name.without_dot().to_owned(),
        record_type: set.key.record_type.to_string(),
        ttl: set.ttl,
        rrdatas: set.data.keys().map(|datum| datum.to_string().trim_end_matches('.').to_owned()).collect(),
    }
}

fn answer(file: &File, case: &Case, step: &Step, fallback: Fallback) -> BTreeSet<Record> {
    let naming = Naming { federation: case.federation.clone(), zone: case.suffix.parse().unwrap() };
    // At rest: every hold is over.
    let rules = Rules { fallback, empty_for: Some(std::time::Duration::MAX), ..Rules::default() };
    match plan(&naming, &observe(file, case, step), &rules).outcome {
        Outcome::Publish(sets) => sets.iter().map(record).collect(),
        Outcome::Withdraw => BTreeSet::new(),
        other => panic!("{}: {other:?}", case.name),
    }
}

/// Every part of the file is either tested here or about something else than records: nothing is passed over in silence.
#[test]
fn no_case_is_passed_over() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases/service_dns_v1_cases.json");
    let json: BTreeMap<String, Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let tested = ["cases", "annotation_lifecycle", "ingress_merge_r1_6", "record_equivalence", "kube_dns"];
    let beside = ["schema", "about", "annotation", "ttl", "hosts"];
    // How v1's controller was started: `--dns-zone-name` and the provider's registry, which have tests of their own.
    let elsewhere = ["init_params"];
    let known: BTreeSet<_> = [&tested[..], &beside, &elsewhere].concat().into_iter().collect();
    assert_eq!(json.keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
    let file = file();
    let steps: usize = file.cases.iter().map(|case| case.steps.len()).sum();
    assert_eq!((file.cases.len(), steps), (15, 23));
    assert_eq!(file.annotation_lifecycle.steps.len(), 9);
    assert_eq!((file.ingress_merge_r1_6.cases.len(), file.record_equivalence.cases.len()), (6, 6));
}

#[test]
fn with_cnames_the_answers_are_v1s_but_where_it_was_wrong() {
    let mut file = file();
    let mut better = BTreeSet::new();
    let mut steps = 0;
    for case in std::mem::take(&mut file.cases) {
        for (number, step) in case.steps.iter().enumerate() {
            let what = format!("{} {} step {number}", case.version, case.name);
            steps += 1;
            let ours = answer(&file, &case, step, Fallback::Cname);
            let v1s: BTreeSet<&Record> = step.expected.iter().collect();
            if ours.iter().eq(v1s.iter().copied()) {
                continue;
            }
            assert_eq!(number + 1, case.steps.len(), "{what}: only last steps are answered otherwise");
            assert!(ours.is_empty(), "{what}: {ours:?}");
            assert!(step.expected.iter().all(|record| record.record_type == "CNAME"), "{what}");
            if let Some(right) = &step.expected_without_leak {
                assert!(right.is_empty(), "{what}");
            }
            better.insert((case.name.clone(), case.version.clone()));
        }
    }
    let expected: BTreeSet<_> =
        BETTER.iter().map(|(name, version, _)| ((*name).to_owned(), (*version).to_owned())).collect();
    assert_eq!(better, expected);
    assert_eq!(steps, 23);
}

#[test]
fn with_addresses_every_name_of_v1_answers_with_addresses_that_serve() {
    let mut file = file();
    let mut checked = 0;
    for case in std::mem::take(&mut file.cases) {
        for step in &case.steps {
            let cnames = answer(&file, &case, step, Fallback::Cname);
            let ours = answer(&file, &case, step, Fallback::Addresses);
            let names = |records: &BTreeSet<Record>| records.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&ours), names(&cnames), "{}", case.name);
            for record in &cnames {
                // Where the CNAMEs lead is what the name answers.
                let mut end = record;
                while end.record_type == "CNAME" {
                    end = cnames.iter().find(|target| target.name == end.rrdatas[0]).unwrap();
                }
                let answer = ours.iter().find(|ours| ours.name == record.name).unwrap();
                assert_eq!((answer.record_type.as_str(), &answer.rrdatas), ("A", &end.rrdatas), "{}", case.name);
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "{checked} names");
}

/// kube-dns and CoreDNS in the members point at our zone-level names: they must be spelled alike.
#[test]
fn names_are_those_that_resolvers_in_members_ask_for() {
    let kube_dns = file().kube_dns;
    let queries = kube_dns["queries"].as_array().unwrap().iter();
    let mut asked = 0;
    for query in queries.filter(|query| query["cname"].is_string()) {
        let labels: Vec<_> = query["q"].as_str().unwrap().split('.').collect();
        let [service, namespace, federation] = labels[..3] else { panic!("{labels:?}") };
        let zone = kube_dns["federations"][federation].as_str().unwrap().parse().unwrap();
        let naming = Naming { federation: federation.to_owned(), zone };
        let node = &kube_dns["nodes"][1]["labels"];
        let label = |key: &str| node[format!("failure-domain.beta.kubernetes.io/{key}")].as_str().unwrap().to_owned();
        let (zone, region) = (label("zone"), label("region"));
        let name = naming.name(namespace, service, Level::Zone { zone: &zone, region: &region }).unwrap();
        assert_eq!(name.as_str(), query["cname"].as_str().unwrap());
        asked += 1;
    }
    assert_eq!(asked, 2);
}

/// Two clusters whose addresses have the names that the tables give them.
fn two_clusters(addresses: &BTreeMap<&str, (Vec<&str>, u32)>) -> ServiceObservation {
    let member = |(name, (ips, ready)): (&&str, &(Vec<&str>, u32))| MemberObservation {
        member: (*name).to_owned(),
        region: Some(format!("{name}-region")),
        zones: vec!["1".into()],
        api: ApiState::Answering,
        ready_endpoints: Some(*ready),
        addresses: ips
            .iter()
            .map(|text| AddressObservation {
                ip: schematic(text),
                probe: AddressState::NeverAnswered,
                ever_answered: false,
                published: false,
            })
            .collect(),
        hosts: vec![],
        leaving: false,
    };
    ServiceObservation {
        namespace: "default".into(),
        name: "test-service-1".into(),
        ttl: 180,
        leads_to: LeadsTo::Members,
        hostnames: vec![],
        members: addresses.iter().map(member).collect(),
    }
}

/// `ip7`, `lbIngress7`: the tables name addresses without giving them.
fn schematic(text: &str) -> IpAddr {
    format!("192.0.2.{}", text.trim_start_matches(|c: char| c.is_ascii_alphabetic())).parse().unwrap()
}

fn global(service: &ServiceObservation) -> BTreeSet<IpAddr> {
    let naming = Naming { federation: "ufp".into(), zone: "example.com".parse().unwrap() };
    let rules = Rules { empty_for: Some(std::time::Duration::MAX), ..Rules::default() };
    let Outcome::Publish(sets) = plan(&naming, service, &rules).outcome else { return BTreeSet::new() };
    let name = naming.name("default", "test-service-1", Level::Global).unwrap();
    let set = sets.iter().find(|set| set.key.name == name).unwrap();
    set.data.keys().map(|datum| datum.to_string().parse().unwrap()).collect()
}

/// Whatever happens to addresses and endpoints, the global name answers what v1 wrote into its annotation.
#[test]
fn an_address_is_published_while_its_endpoints_are_ready() {
    let (one, two) = ("cluster1", "cluster2");
    let mut state: BTreeMap<&str, (Vec<&str>, u32)> = [(one, (vec![], 0)), (two, (vec![], 0))].into();
    let mut checked = 0;
    for step in file().annotation_lifecycle.steps {
        match step.event.as_str() {
            "cluster1 service status gets lbIngress1; no endpoints" => state.get_mut(one).unwrap().0.push("lbIngress1"),
            "cluster1 endpoints object gets one address" => state.get_mut(one).unwrap().1 = 1,
            "cluster2 service status gets lbIngress2" => state.get_mut(two).unwrap().0.push("lbIngress2"),
            "cluster2 endpoints object gets one address" => state.get_mut(two).unwrap().1 = 1,
            "cluster1 endpoints object deleted" => state.get_mut(one).unwrap().1 = 0,
            // Copies in members, which the control plane's tests are about: no address changes by them.
            "clusters cluster1, cluster2 ready; service created"
            | "federated service port 80 -> 9090"
            | "cluster1 service deleted behind our back"
            | "federated service deleted with cascading finalizer" => {
                assert!(step.annotation.is_none(), "{}", step.event);
            }
            other => panic!("a new event: {other}"),
        }
        let Some(annotation) = step.annotation else { continue };
        let items = annotation.items.iter().flat_map(|item| &item.items);
        let expected: BTreeSet<_> = items.map(|item| schematic(&item["ip"])).collect();
        assert_eq!(global(&two_clusters(&state)), expected, "{}", step.event);
        checked += 1;
    }
    assert_eq!(checked, 4);
}

#[test]
fn the_federations_addresses_are_those_of_its_clusters() {
    for case in file().ingress_merge_r1_6.cases {
        let mut state: BTreeMap<&str, (Vec<&str>, u32)> = case
            .per_cluster
            .iter()
            .map(|(c, ips)| (c.as_str(), (ips.iter().map(String::as_str).collect(), 1)))
            .collect();
        match &case.event {
            Some(ips) => drop(state.insert(&case.cluster, (ips.iter().map(String::as_str).collect(), 1))),
            None => drop(state.remove(case.cluster.as_str())),
        }
        let mut expected: BTreeSet<_> = case.expected.iter().map(|ip| schematic(ip)).collect();
        if case.name == "delete/diff-ingress" {
            // Better: v1 kept `ip4`, which it held without knowing of whom. Nobody serves it.
            assert!(expected.remove(&schematic("ip4")));
        }
        assert_eq!(global(&two_clusters(&state)), expected, "{}", case.name);
    }
}

/// Whether a zone that holds one set is changed for another that is wanted.
#[test]
fn sets_are_the_same_as_in_v1_but_for_the_order_of_their_data() {
    let owner = Owner("ufp".into());
    let resource = Resource::service("default", "test1");
    let set = |name: &str, data: [&str; 2], ttl: u32, record_type: RecordType| RecordSet {
        key: RecordSetKey::new(name.parse().unwrap(), record_type),
        ttl,
        data: data.map(|datum| RecordData::parse(record_type, datum).unwrap()).into(),
        metadata: owner.mark(&resource),
        etag: None,
        alias: false,
        unknown_properties: false,
    };
    let (a, b) = ("192.0.2.1", "192.0.2.2");
    let base = || set("test1.com", [a, b], 180, RecordType::A);
    for case in file().record_equivalence.cases {
        let (other, equal) = match case.diff.as_str() {
            "none" => (base(), case.equal),
            "name" => (set("test2.com", [a, b], 180, RecordType::A), case.equal),
            "one rrdata" => (set("test1.com", [a, "192.0.2.3"], 180, RecordType::A), case.equal),
            // Better: resolvers shuffle the data anyway, so a write for their order is a write for nothing.
            "rrdata order" => (set("test1.com", [b, a], 180, RecordType::A), true),
            "ttl 180 vs 150" => (set("test1.com", [a, b], 150, RecordType::A), case.equal),
            "type" => (set("test1.com", ["2001:db8::1", "2001:db8::2"], 180, RecordType::Aaaa), case.equal),
            other => panic!("a new case: {other}"),
        };
        let wanted = DesiredRecordSet {
            key: base().key,
            ttl: base().ttl,
            data: base().data.into_iter().map(|datum| (datum, Members::new())).collect(),
            resource: resource.clone(),
        };
        let zone: ZoneSnapshot = [other].into_iter().collect();
        let desired = Desired { sets: vec![wanted], ..Desired::default() };
        let changes = kfed_dnsprovider::plan(&zone, &desired, &owner, &Policy::default());
        assert_eq!(changes.is_empty(), equal, "{}: {changes:?}", case.diff);
    }
}
