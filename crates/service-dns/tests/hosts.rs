//! Load balancers that are known by name, services that are another name for something, and names of a service's own choice.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeMap;

use kfed_service_dns::{
    AddressObservation, AddressState, ApiState, Fallback, Finding, HostObservation, Instead, LeadsTo,
    MemberObservation, Naming, Outcome, Rules, ServiceObservation, ServicePlan, plan,
};

const ELB: &str = "a9.us-west-2.elb.amazonaws.com.";

fn naming() -> Naming {
    Naming { federation: "fed".into(), zone: "example.com".parse().unwrap() }
}

fn address(ip: &str, probe: AddressState) -> AddressObservation {
    AddressObservation { ip: ip.parse().unwrap(), probe, ever_answered: true, published: false }
}

fn member(name: &str, ips: &[&str], hosts: Vec<HostObservation>) -> MemberObservation {
    MemberObservation {
        member: name.into(),
        region: Some(format!("{name}us")),
        zones: vec!["1".into()],
        api: ApiState::Answering,
        ready_endpoints: Some(1),
        addresses: ips.iter().map(|ip| address(ip, AddressState::Answering)).collect(),
        hosts,
        leaving: false,
    }
}

/// A load balancer by name that leads to these.
fn host(ips: &[&str]) -> HostObservation {
    let addresses = ips.iter().map(|ip| address(ip, AddressState::Answering)).collect();
    HostObservation { host: ELB.parse().unwrap(), addresses: Some(addresses), problem: None, published: false }
}

fn unresolved(problem: Option<&str>) -> HostObservation {
    let problem = problem.map(str::to_owned);
    HostObservation { host: ELB.parse().unwrap(), addresses: None, problem, published: false }
}

fn dead(mut member: MemberObservation) -> MemberObservation {
    member.api = ApiState::Offline;
    let led_to = member.hosts.iter_mut().flat_map(|host| host.addresses.iter_mut().flatten());
    for address in member.addresses.iter_mut().chain(led_to) {
        address.probe = AddressState::Failing;
    }
    member
}

fn service(members: Vec<MemberObservation>) -> ServiceObservation {
    ServiceObservation {
        namespace: "ns".into(),
        name: "svc".into(),
        ttl: 30,
        leads_to: LeadsTo::Members,
        hostnames: vec![],
        members,
    }
}

fn planned(service: &ServiceObservation, fallback: Fallback) -> ServicePlan {
    plan(&naming(), service, &Rules { fallback, has_records: true, ..Rules::default() })
}

/// What each name answers; names given by rule by what differs in them.
fn answers(plan: &ServicePlan) -> BTreeMap<String, String> {
    let Outcome::Publish(sets) = &plan.outcome else { panic!("{:?}", plan.outcome) };
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for set in sets {
        let name = set.key.name.without_dot().trim_end_matches("example.com");
        let name = name.strip_prefix("svc.ns.fed.svc.").unwrap_or(name).trim_end_matches('.').to_owned();
        let data: Vec<_> = set.data.keys().map(ToString::to_string).collect();
        answers.entry(name).or_default().push(format!("{} {}", set.key.record_type, data.join(" ")));
    }
    answers.into_iter().map(|(name, sets)| (name, sets.join("; "))).collect()
}

fn expect(plan: &ServicePlan, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(n, a)| ((*n).to_owned(), (*a).to_owned())).collect();
    assert_eq!(answers(plan), expected);
}

#[test]
fn a_host_that_is_all_there_is_is_led_to_by_cnames() {
    let cname = &format!("CNAME {ELB}");
    for host in [host(&["192.0.2.7"]), unresolved(None), host(&[])] {
        let plan = planned(&service(vec![member("west", &[], vec![host])]), Fallback::Addresses);
        expect(&plan, &[("", cname), ("1.westus", cname), ("westus", cname)]);
        assert!(plan.findings.is_empty(), "{:?}", plan.findings);
    }
}

#[test]
fn a_host_beside_others_is_resolved_at_every_level() {
    let members =
        vec![member("west", &[], vec![host(&["192.0.2.7", "2001:db8::7"])]), member("east", &["192.0.2.2"], vec![])];
    let plan = planned(&service(members), Fallback::Addresses);
    let west = "A 192.0.2.7; AAAA 2001:db8::7";
    let all = "A 192.0.2.2 192.0.2.7; AAAA 2001:db8::7";
    let (east, zone) = ("A 192.0.2.2", "1.eastus");
    expect(&plan, &[("", all), ("1.westus", west), ("westus", west), (zone, east), ("eastus", east)]);
}

#[test]
fn a_host_that_dies_gives_its_names_to_the_others_without_a_change_of_type() {
    let members = vec![dead(member("west", &[], vec![host(&["192.0.2.7"])])), member("east", &["192.0.2.2"], vec![])];
    let plan = planned(&service(members), Fallback::Addresses);
    assert!(answers(&plan).values().all(|answer| answer == "A 192.0.2.2"));
}

#[test]
fn the_last_host_stays_when_it_dies() {
    let plan = planned(&service(vec![dead(member("west", &[], vec![host(&["192.0.2.7"])]))]), Fallback::Addresses);
    assert!(matches!(plan.outcome, Outcome::KeepLast { .. }), "{:?}", plan.outcome);
    let plan = planned(&service(vec![dead(member("west", &[], vec![unresolved(None)]))]), Fallback::Addresses);
    assert!(matches!(plan.outcome, Outcome::KeepLast { .. }), "{:?}", plan.outcome);
}

#[test]
fn a_host_that_nobody_could_resolve_is_a_cname_where_it_is_alone_and_missing_elsewhere() {
    let members =
        || vec![member("west", &[], vec![unresolved(Some("no such name"))]), member("east", &["192.0.2.2"], vec![])];
    let plan = planned(&service(members()), Fallback::Addresses);
    let (cname, east) = (&*format!("CNAME {ELB}"), "A 192.0.2.2");
    expect(&plan, &[("", east), ("1.westus", cname), ("westus", cname), ("1.eastus", east), ("eastus", east)]);
    assert!(plan.findings[0].is_error());
    assert_eq!(
        plan.findings[0].to_string(),
        format!(
            "load balancer {ELB} of west is not resolved (no such name): it is missing where other addresses answer"
        )
    );
}

#[test]
fn until_a_host_is_resolved_for_the_first_time_the_others_answer() {
    let members = vec![member("west", &[], vec![host(&[])]), member("east", &["192.0.2.2"], vec![])];
    let plan = planned(&service(members), Fallback::Addresses);
    assert!(answers(&plan).values().all(|answer| answer == "A 192.0.2.2"));
    assert!(plan.findings.is_empty());
}

#[test]
fn addresses_from_before_stay_while_a_host_cannot_be_resolved_and_it_is_told() {
    let stale = HostObservation { problem: Some("timed out".into()), ..host(&["192.0.2.7"]) };
    let plan = planned(&service(vec![member("west", &["192.0.2.1"], vec![stale])]), Fallback::Addresses);
    assert_eq!(answers(&plan)[""], "A 192.0.2.1 192.0.2.7");
    assert!(matches!(plan.findings[..], [Finding::HostUnresolved { instead: Instead::LastAddresses, .. }]));
    assert!(!plan.findings[0].is_error());
}

#[test]
fn what_a_host_leads_to_is_judged_as_any_address() {
    let members = vec![member("west", &[], vec![host(&["169.254.169.254"])]), member("east", &["192.0.2.2"], vec![])];
    let plan = planned(&service(members), Fallback::Addresses);
    assert!(answers(&plan).values().all(|answer| answer == "A 192.0.2.2"));
    assert_eq!(plan.findings[0].reason(), "AddressRefused");
}

#[test]
fn a_cname_names_the_member_that_it_came_from() {
    let plan = planned(&service(vec![member("west", &[], vec![host(&["192.0.2.7"])])]), Fallback::Addresses);
    let Outcome::Publish(sets) = plan.outcome else { panic!() };
    assert!(sets.iter().all(|set| set.data.values().all(|members| members.iter().eq(["west"]))));
}

mod external {
    use super::*;

    fn external(target: &str, members: Vec<MemberObservation>) -> ServicePlan {
        let leads_to = LeadsTo::External(target.parse().unwrap());
        planned(&ServiceObservation { leads_to, ..service(members) }, Fallback::Addresses)
    }

    #[test]
    fn every_level_leads_there_whatever_becomes_of_members() {
        let target = "CNAME db.example.net.";
        let members = vec![dead(member("west", &[], vec![])), member("east", &[], vec![])];
        let plan = external("db.example.net", members);
        let levels = ["", "1.westus", "westus", "1.eastus", "eastus"].map(|level| (level, target));
        expect(&plan, &levels);
        expect(&external("db.example.net", vec![]), &[("", target)]);
    }

    #[test]
    fn the_levels_of_a_member_that_leaves_go() {
        let west = MemberObservation { leaving: true, ..member("west", &[], vec![]) };
        expect(&external("db.example.net", vec![west]), &[("", "CNAME db.example.net.")]);
    }

    #[test]
    fn a_name_that_would_lead_to_itself_is_not_published() {
        let plan = external("svc.ns.fed.svc.westus.example.com", vec![member("west", &[], vec![])]);
        assert_eq!(plan.outcome, Outcome::Withdraw);
        let name = "svc.ns.fed.svc.westus.example.com.";
        assert_eq!(plan.findings[0].to_string(), format!("nothing is published for {name}: it would lead to itself"));
    }
}

mod chosen {
    use super::*;

    fn with_names(names: &[&str], members: Vec<MemberObservation>) -> ServiceObservation {
        ServiceObservation { hostnames: names.iter().map(|name| name.parse().unwrap()).collect(), ..service(members) }
    }

    #[test]
    fn they_answer_as_the_global_name() {
        for fallback in [Fallback::Addresses, Fallback::Cname] {
            let members = vec![member("west", &["192.0.2.1"], vec![]), member("east", &["192.0.2.2"], vec![])];
            let plan = planned(&with_names(&["shop.example.com", "*.shop.example.com"], members), fallback);
            let answers = answers(&plan);
            for name in ["", "shop", "*.shop"] {
                assert_eq!(answers[name], "A 192.0.2.1 192.0.2.2", "{name} {fallback:?}");
            }
        }
    }

    #[test]
    fn they_stand_in_for_a_global_name_that_cannot_be() {
        let long = ServiceObservation {
            name: "x".repeat(64),
            ..with_names(&["shop.example.com"], vec![member("west", &["192.0.2.1"], vec![])])
        };
        let plan = planned(&long, Fallback::Addresses);
        expect(&plan, &[("shop", "A 192.0.2.1")]);
        assert_eq!(plan.findings.len(), 3);
    }

    #[test]
    fn they_go_with_the_service() {
        let plan = planned(&with_names(&["shop.example.com"], vec![]), Fallback::Addresses);
        assert_eq!(plan.outcome, Outcome::Withdraw);
    }
}

#[test]
fn names_stay_until_the_hosts_that_serve_are_resolved() {
    let members = || vec![member("west", &[], vec![host(&[])]), dead(member("east", &["192.0.2.2"], vec![]))];
    let plan = planned(&service(members()), Fallback::Addresses);
    let Outcome::KeepLast { why, .. } = plan.outcome else { panic!("{:?}", plan.outcome) };
    assert!(why.to_string().ends_with("no answer from east; the load balancers of west are not resolved"), "{why}");
    let new = kfed_service_dns::plan(&naming(), &service(members()), &Rules::default());
    assert_eq!(new.outcome, Outcome::Withdraw);
}
