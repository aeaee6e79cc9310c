//! Every combination of the two signals, through the whole of the decision: what probes found, what is made of it, what becomes of the
//! address and of the replicas. The table in `docs/failover.md` is written and checked here.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kfed_api::keys;
use kfed_cluster_health::{Failure, HealthMachine, Observation, ProbeOutcome, Thresholds};
use kfed_service_dns::{AddressState, Liveness, Naming, Outcome, Rules};
use kube::core::DynamicObject;
use serde_json::json;

use super::publish;
use crate::Settings;
use crate::kinds::{FEDERATED_KINDS, FederatedKind, ObjectKey};
use crate::world::{
    Address, AddressKey, ApiHealth, ENDPOINT_SLICES, IDENTITY, Member, MemberState, Slice, TOMBSTONES, Target, World,
};

const BEGIN: &str = "--lib combinations` -->\n";
const END: &str = "<!-- end of combinations -->";

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn settings() -> Settings {
    Settings::new("fed", "example.com".parse().unwrap())
}

fn key(kind: &str) -> ObjectKey {
    ObjectKey { kind: FederatedKind::named(kind).unwrap(), namespace: "default".into(), name: "hostname".into() }
}

/// How an API is held to be that was well and then gave `outcome` so many times.
fn api(outcome: &ProbeOutcome, times: usize) -> ApiHealth {
    let mut machine = HealthMachine::new(Thresholds::default());
    machine.observe(&ProbeOutcome::Healthy);
    for _ in 0..times {
        machine.observe(outcome);
    }
    let mut observation = Observation::default();
    observation.health = machine.state();
    observation.settled = machine.settled();
    observation.outcome = machine.last().cloned();
    observation.ever_healthy = machine.ever_healthy();
    ApiHealth::of(&observation, now())
}

fn object(kind: &str, ip: &str) -> DynamicObject {
    let object = json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": {"name": "hostname", "namespace": "default", "uid": "1", "labels": {keys::MANAGED_BY: "fed"}},
        "spec": {"type": "LoadBalancer", "replicas": 3, "ports": [{"name": "http", "port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": ip}]}}
    });
    serde_json::from_value(object).unwrap()
}

fn member(ip: &str, api: ApiHealth, ready: u32, state: AddressState) -> Member {
    let mut member = Member { api, known: true, ..Member::default() };
    for kind in ["Service", "ReplicaSet"] {
        member.objects.hold(key(kind).kind, object(kind, ip));
    }
    let name = ("default".to_owned(), "slice".to_owned());
    member.endpoints.insert(name, key("Service"), Slice { ready, ..Slice::default() });
    let ever_answered = state != AddressState::NeverAnswered;
    let place = AddressKey { service: key("Service"), ip: ip.parse().unwrap() };
    member.addresses.insert(place, Address { state, ever_answered, since: now() });
    member.listed.extend(FEDERATED_KINDS.iter().map(|kind| kind.kind).chain([ENDPOINT_SLICES, IDENTITY, TOMBSTONES]));
    member.topology.region = Some("westus".to_owned());
    member
}

/// What becomes of the first member's address.
fn names(members: Vec<(&str, &str, Member)>) -> String {
    let in_zone =
        members.iter().map(|(name, ip, _)| ((*name).to_owned(), vec![Target::Ip(ip.parse().unwrap())])).collect();
    let mut world = World::default();
    world.members.extend(members.into_iter().map(|(name, _, member)| (name.to_owned(), member)));
    let service = object("Service", "");
    let observation = publish::observe(&world, &key("Service"), &service, &in_zone, &BTreeSet::new(), &settings());
    let naming = Naming { federation: "fed".into(), zone: "example.com".parse().unwrap() };
    let plan = kfed_service_dns::plan(&naming, &observation, &Rules { has_records: true, ..Rules::default() });
    let (_, _, of_address) = plan.addresses.iter().find(|(name, ..)| name == "west").unwrap();
    match (&plan.outcome, of_address) {
        (Outcome::Publish(_), Liveness::Serving) => "stays".to_owned(),
        (Outcome::Publish(_), Liveness::Withdrawn(why)) => format!("withdrawn: {why}"),
        (Outcome::KeepLast { .. }, _) => "kept: the last target".to_owned(),
        (Outcome::EmptyHold, _) => "kept for `--dns-empty-hold`, then the names go".to_owned(),
        (Outcome::Withdraw, _) => "the names go".to_owned(),
    }
}

/// What becomes of the replicas of a member among three, when it has been so for some time.
fn replicas(member: Member) -> &'static str {
    let settings = settings();
    let mut world = World::default();
    for (name, ip) in [("east", "192.0.2.2"), ("north", "192.0.2.3")] {
        world.members.insert(name.to_owned(), self::member(ip, ApiHealth::Ready, 3, AddressState::Answering));
    }
    world.members.insert("west".to_owned(), member);
    let after = |time: Duration| now() + SignedDuration::try_from(time).unwrap();
    let state = |time| world.view(&key("ReplicaSet"), &settings, after(time)).members["west"].state;
    match (state(Duration::from_secs(1)), state(settings.evict_after)) {
        (MemberState::Available, MemberState::Available) => "as the preferences say",
        (MemberState::Frozen, MemberState::Frozen) => "stay, none is added",
        (MemberState::Dying { .. }, MemberState::Dead) => "move after `--evict-after`",
        other => panic!("{other:?}"),
    }
}

fn table() -> String {
    let silence = ProbeOutcome::Unreachable { failure: Failure::Timeout { after: Duration::from_secs(3) } };
    let refusal = ProbeOutcome::Unhealthy { failure: Failure::Unauthorized(401) };
    let error = ProbeOutcome::Unhealthy { failure: Failure::Status(500) };
    let apis = [
        ("fine", api(&ProbeOutcome::Healthy, 3)),
        ("answers 401", api(&refusal, 3)),
        ("answers 500", api(&error, 3)),
        ("silent", api(&silence, 1)),
        ("Offline", api(&silence, 3)),
    ];
    let addresses = [
        ("answers", AddressState::Answering),
        ("has answered, fails", AddressState::Failing),
        ("never answered", AddressState::NeverAnswered),
    ];
    let mut table = String::new();
    table.push_str("| API | endpoints | address | the address, while another member serves | while nobody else does | replicas |\n");
    table.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for (api_says, api) in &apis {
        for (endpoints_say, ready) in [("ready", 3), ("none", 0)] {
            for (address_says, state) in addresses {
                let west = || ("west", "192.0.2.1", member("192.0.2.1", api.clone(), ready, state));
                let east = |ready| {
                    ("east", "192.0.2.2", member("192.0.2.2", ApiHealth::Ready, ready, AddressState::Answering))
                };
                let (with, without) = (names(vec![west(), east(3)]), names(vec![west(), east(0)]));
                assert_eq!(without, names(vec![west()]), "one that does not serve is as none");
                let replicas = replicas(west().2);
                writeln!(table, "| {api_says} | {endpoints_say} | {address_says} | {with} | {without} | {replicas} |")
                    .unwrap();
            }
        }
    }
    table
}

#[test]
fn the_combinations_in_the_documentation_are_what_happens() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/failover.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("KFED_UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(written, table, "set KFED_UPDATE_DOCS=1 to write it anew, and read what has become another");
}

#[test]
fn the_combinations_keep_the_rules() {
    for row in table().lines().skip(2) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [api, endpoints, address, with, without, replicas] = cells[..] else { panic!("{row}") };
        let answers_api = api.starts_with("answers") || api == "fine";
        assert_eq!(endpoints == "none", with == "withdrawn: no endpoint is ready", "{row}");
        assert!(address != "answers" || endpoints == "none" || with == "stays", "who answers stays: {row}");
        assert!(without != "the names go", "nothing goes at once: {row}");
        assert!(replicas != "move after `--evict-after`" || (api == "Offline" && address != "answers"), "{row}");
        let never = address == "never answered" && endpoints == "ready";
        assert!(!never || answers_api == (with == "stays") || api == "silent", "its API alone tells: {row}");
    }
}
