//! Federation v1's own cases: with `Fallback::Cname` the answers are v1's, but where v1 was wrong.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::{BTreeMap, BTreeSet};

use kfed_dnsprovider::DesiredRecordSet;
use kfed_service_dns::{
    AddressObservation, AddressState, ApiState, Fallback, Level, MemberObservation, Naming, Outcome, Rules,
    ServiceObservation, plan,
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
    hosts: BTreeMap<String, Vec<String>>,
    cases: Vec<Case>,
    kube_dns: Value,
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
        let addresses: Vec<_> = listed(name)
            .into_iter()
            .flat_map(|item| match (item.get("ip"), item.get("hostname")) {
                (Some(ip), _) => vec![ip.clone()],
                (None, Some(host)) => file.hosts[host].clone(),
                (None, None) => panic!("an ingress without an address"),
            })
            .map(|ip| AddressObservation {
                ip: ip.parse().unwrap(),
                probe: AddressState::NeverAnswered,
                ever_answered: false,
                published: false,
            })
            .collect();
        MemberObservation {
            member: name.clone(),
            region: Some(cluster.region.clone()),
            zones: cluster.zones.clone(),
            api: ApiState::Answering,
            ready_endpoints: Some(addresses.len().try_into().unwrap()),
            addresses,
            leaving: false,
        }
    });
    let deleted = step.deleting || step.op == "DELETE";
    ServiceObservation {
        namespace: case.namespace.clone(),
        name: case.service.clone(),
        ttl: file.ttl,
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

#[test]
fn with_cnames_the_answers_are_v1s_but_where_it_was_wrong() {
    let mut file = file();
    let mut better = BTreeSet::new();
    for case in std::mem::take(&mut file.cases) {
        for (number, step) in case.steps.iter().enumerate() {
            let what = format!("{} {} step {number}", case.version, case.name);
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
