//! What a service's names answer while its members come, fall silent, die and leave.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use kfed_dnsprovider::RecordData;
use kfed_service_dns::{
    AddressObservation, AddressPolicy, AddressState, ApiState, Fallback, Finding, LeadsTo, Liveness, MemberObservation,
    Naming, Outcome, Rules, ServiceObservation, ServicePlan, WithdrawnReason, plan,
};

const WEST: &str = "192.0.2.1";
const EAST: &str = "192.0.2.2";

fn naming() -> Naming {
    Naming { federation: "fed".into(), zone: "example.com".parse().unwrap() }
}

/// A member in zone 1 of its region, ready, at one address that answers.
fn member(name: &str, region: &str, ip: &str) -> MemberObservation {
    let address = AddressObservation {
        ip: ip.parse().unwrap(),
        probe: AddressState::Answering,
        ever_answered: true,
        published: false,
    };
    MemberObservation {
        member: name.into(),
        region: Some(region.into()),
        zones: vec!["1".into()],
        api: ApiState::Answering,
        ready_endpoints: Some(1),
        addresses: vec![address],
        hosts: vec![],
        leaving: false,
    }
}

fn west() -> MemberObservation {
    member("west", "westus", WEST)
}

fn east() -> MemberObservation {
    member("east", "eastus", EAST)
}

fn dead(mut member: MemberObservation) -> MemberObservation {
    member.api = ApiState::Offline;
    for address in &mut member.addresses {
        address.probe = AddressState::Failing;
    }
    member
}

fn empty(member: MemberObservation) -> MemberObservation {
    MemberObservation { ready_endpoints: Some(0), ..member }
}

fn leaving(member: MemberObservation) -> MemberObservation {
    MemberObservation { leaving: true, ..member }
}

fn with_address(mut member: MemberObservation, ip: &str) -> MemberObservation {
    member.addresses.push(AddressObservation {
        ip: ip.parse().unwrap(),
        probe: AddressState::NeverAnswered,
        ever_answered: false,
        published: false,
    });
    member
}

fn published() -> Rules {
    Rules { has_records: true, ..Rules::default() }
}

fn plan_of(members: Vec<MemberObservation>, rules: &Rules) -> ServicePlan {
    let service = ServiceObservation {
        namespace: "ns".into(),
        name: "svc".into(),
        ttl: 30,
        leads_to: LeadsTo::Members,
        hostnames: vec![],
        members,
    };
    plan(&naming(), &service, rules)
}

/// The sets by what differs in their names (nothing for the global one), with type and data.
fn sets(plan: &ServicePlan) -> BTreeMap<String, String> {
    let Outcome::Publish(sets) = &plan.outcome else { panic!("{:?}", plan.outcome) };
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for set in sets {
        assert_eq!(set.ttl, 30);
        assert_eq!(set.resource.to_string(), "service/ns/svc");
        let name = set.key.name.without_dot().strip_prefix("svc.ns.fed.svc.").unwrap();
        let level = name.strip_suffix("example.com").unwrap().trim_end_matches('.').to_owned();
        let data: Vec<_> = set.data.keys().map(ToString::to_string).collect();
        answers.entry(level).or_default().push(format!("{} {}", set.key.record_type, data.join(" ")));
    }
    answers.into_iter().map(|(level, sets)| (level, sets.join("; "))).collect()
}

fn expect(plan: &ServicePlan, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(l, s)| ((*l).to_owned(), (*s).to_owned())).collect();
    assert_eq!(sets(plan), expected);
}

#[test]
fn every_level_answers_with_its_own_members() {
    let plan = plan_of(vec![west(), east()], &Rules::default());
    expect(
        &plan,
        &[
            ("", "A 192.0.2.1 192.0.2.2"),
            ("westus", "A 192.0.2.1"),
            ("1.westus", "A 192.0.2.1"),
            ("eastus", "A 192.0.2.2"),
            ("1.eastus", "A 192.0.2.2"),
        ],
    );
    assert!(plan.findings.is_empty());
}

#[test]
fn all_zones_of_a_member_have_names() {
    let mut west = west();
    west.zones = vec!["1".into(), "2".into(), "3".into()];
    let plan = plan_of(vec![west], &Rules::default());
    assert_eq!(sets(&plan).into_keys().collect::<Vec<_>>(), ["", "1.westus", "2.westus", "3.westus", "westus"]);
}

#[test]
fn a_zone_that_fails_answers_with_its_region_and_a_region_with_the_federation() {
    let mut other = member("west-2", "westus", "192.0.2.3");
    other.zones = vec!["2".into()];
    let plan = plan_of(vec![dead(west()), other, dead(east())], &published());
    expect(
        &plan,
        &[
            ("", "A 192.0.2.3"),
            ("westus", "A 192.0.2.3"),
            ("1.westus", "A 192.0.2.3"),
            ("2.westus", "A 192.0.2.3"),
            ("eastus", "A 192.0.2.3"),
            ("1.eastus", "A 192.0.2.3"),
        ],
    );
}

#[test]
fn with_cnames_a_level_points_one_level_up() {
    let rules = Rules { fallback: Fallback::Cname, ..published() };
    let plan = plan_of(vec![dead(west()), east()], &rules);
    expect(
        &plan,
        &[
            ("", "A 192.0.2.2"),
            ("westus", "CNAME svc.ns.fed.svc.example.com."),
            ("1.westus", "CNAME svc.ns.fed.svc.westus.example.com."),
            ("eastus", "A 192.0.2.2"),
            ("1.eastus", "A 192.0.2.2"),
        ],
    );
}

#[test]
fn both_address_families_are_published_with_the_members_they_came_from() {
    let plan = plan_of(vec![with_address(west(), "2001:db8::1"), east()], &Rules::default());
    let global = &sets(&plan)[""];
    assert_eq!(global, "A 192.0.2.1 192.0.2.2; AAAA 2001:db8::1");
    let Outcome::Publish(sets) = &plan.outcome else { panic!() };
    let region = sets.iter().find(|set| set.key.to_string().starts_with("AAAA svc.ns.fed.svc.westus.")).unwrap();
    let members = &region.data[&RecordData::from("2001:db8::1".parse::<IpAddr>().unwrap())];
    assert_eq!(members.iter().collect::<Vec<_>>(), ["west"]);
}

#[test]
fn one_address_of_two_members_is_one_datum_of_both() {
    let plan = plan_of(vec![west(), member("twin", "westus", WEST)], &Rules::default());
    let Outcome::Publish(sets) = &plan.outcome else { panic!() };
    assert!(sets.iter().all(|set| set.data.len() == 1 && set.data.values().next().unwrap().len() == 2));
}

#[test]
fn a_member_without_a_region_is_in_the_global_name_only() {
    let plan = plan_of(vec![MemberObservation { region: None, ..west() }, east()], &Rules::default());
    expect(&plan, &[("", "A 192.0.2.1 192.0.2.2"), ("eastus", "A 192.0.2.2"), ("1.eastus", "A 192.0.2.2")]);
}

#[test]
fn regions_that_differ_in_case_alone_are_one_name() {
    let plan = plan_of(vec![west(), member("big", "WestUS", EAST)], &Rules::default());
    expect(
        &plan,
        &[("", "A 192.0.2.1 192.0.2.2"), ("westus", "A 192.0.2.1 192.0.2.2"), ("1.westus", "A 192.0.2.1 192.0.2.2")],
    );
}

#[test]
fn a_member_that_leaves_takes_its_levels_with_it() {
    let plan = plan_of(vec![leaving(west()), east()], &published());
    expect(&plan, &[("", "A 192.0.2.2"), ("eastus", "A 192.0.2.2"), ("1.eastus", "A 192.0.2.2")]);
    let state = Liveness::Withdrawn(WithdrawnReason::MemberLeaving);
    assert_eq!(plan.addresses[0], ("west".into(), WEST.parse().unwrap(), state));
}

#[test]
fn when_the_last_member_leaves_every_name_goes() {
    assert_eq!(plan_of(vec![leaving(west())], &published()).outcome, Outcome::Withdraw);
    assert_eq!(plan_of(vec![], &published()).outcome, Outcome::Withdraw);
}

mod last_target {
    use super::*;

    fn why(members: Vec<MemberObservation>) -> String {
        match plan_of(members, &published()).outcome {
            Outcome::KeepLast { why, .. } => why.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn when_everybody_is_dead_the_last_addresses_stay_and_it_is_said() {
        assert_eq!(
            why(vec![dead(west()), dead(east())]),
            "the last addresses stay because nobody serves the service: no answer from east, west"
        );
    }

    #[test]
    fn dead_load_balancers_of_living_members_count_as_dead() {
        let mut west = west();
        west.addresses[0].probe = AddressState::Failing;
        assert_eq!(
            why(vec![west]),
            "the last addresses stay because nobody serves the service: the addresses of west have stopped answering"
        );
    }

    #[test]
    fn one_dead_member_beside_empty_ones_keeps_the_last() {
        assert!(why(vec![dead(west()), empty(east())]).ends_with("no answer from west"));
    }

    #[test]
    fn a_member_that_has_told_nothing_may_be_serving() {
        for api in [ApiState::Answering, ApiState::Silent, ApiState::Offline] {
            let unheard = MemberObservation { api, ready_endpoints: None, addresses: vec![], ..west() };
            assert!(why(vec![unheard, empty(east())]).ends_with("no answer from west"));
        }
    }

    #[test]
    fn a_member_that_shows_its_addresses_and_not_its_endpoints_keeps_nobody_elses() {
        let mut west = MemberObservation { ready_endpoints: None, ..west() };
        west.addresses[0].probe = AddressState::NeverAnswered;
        west.addresses[0].published = false;
        let rules = Rules { empty_for: Some(Duration::from_secs(300)), ..published() };
        assert_eq!(plan_of(vec![west.clone(), empty(east())], &rules).outcome, Outcome::Withdraw);
        west.api = ApiState::Silent;
        assert!(matches!(plan_of(vec![west, empty(east())], &rules).outcome, Outcome::KeepLast { .. }));
    }

    #[test]
    fn a_dead_member_that_had_no_endpoint_is_no_reason_to_keep() {
        let rules = Rules { empty_for: Some(Duration::from_secs(300)), ..published() };
        assert_eq!(plan_of(vec![dead(empty(west()))], &rules).outcome, Outcome::Withdraw);
    }

    #[test]
    fn while_anybody_serves_the_dead_are_withdrawn() {
        let plan = plan_of(vec![dead(west()), east()], &published());
        assert_eq!(sets(&plan)[""], "A 192.0.2.2");
        assert_eq!(plan.addresses[0].2, Liveness::Withdrawn(WithdrawnReason::MemberDead));
    }

    #[test]
    fn a_service_that_was_never_published_keeps_nothing() {
        assert_eq!(plan_of(vec![dead(west())], &Rules::default()).outcome, Outcome::Withdraw);
    }
}

mod emptiness {
    use super::*;

    #[test]
    fn addresses_stay_until_the_hold_is_over() {
        let cases = [
            (None, Outcome::EmptyHold),
            (Some(0), Outcome::EmptyHold),
            (Some(299), Outcome::EmptyHold),
            (Some(300), Outcome::Withdraw),
        ];
        for (seconds, outcome) in cases {
            let rules = Rules { empty_for: seconds.map(Duration::from_secs), ..published() };
            assert_eq!(plan_of(vec![empty(west()), empty(east())], &rules).outcome, outcome, "{seconds:?}");
        }
    }

    #[test]
    fn without_a_hold_they_go_at_once() {
        let rules = Rules { empty_hold: Duration::ZERO, ..published() };
        assert_eq!(plan_of(vec![empty(west())], &rules).outcome, Outcome::Withdraw);
    }

    #[test]
    fn a_new_service_has_no_names_before_somebody_is_ready() {
        assert_eq!(plan_of(vec![empty(west())], &Rules::default()).outcome, Outcome::Withdraw);
        let no_address = MemberObservation { addresses: vec![], ..west() };
        assert_eq!(plan_of(vec![no_address], &Rules::default()).outcome, Outcome::Withdraw);
    }

    #[test]
    fn one_member_that_is_empty_answers_with_the_others() {
        let plan = plan_of(vec![empty(west()), east()], &published());
        assert_eq!(sets(&plan)["westus"], "A 192.0.2.2");
    }
}

mod findings {
    use super::*;

    #[test]
    fn a_refused_address_is_told_and_takes_nothing_from_the_others() {
        let plan = plan_of(vec![with_address(west(), "169.254.169.254"), east()], &Rules::default());
        assert_eq!(sets(&plan)[""], "A 192.0.2.1 192.0.2.2");
        assert_eq!(
            plan.findings[0].to_string(),
            "address 169.254.169.254 of west is not published: it is a link-local address"
        );
        assert_eq!((plan.findings[0].reason(), plan.findings[0].is_error()), ("AddressRefused", true));
        assert_eq!(plan.addresses[1].2, Liveness::Withdrawn(WithdrawnReason::AddressRefused));
    }

    #[test]
    fn loopback_is_published_only_where_it_is_allowed() {
        let local = || vec![member("west", "westus", "127.1.2.3")];
        assert_eq!(plan_of(local(), &Rules::default()).outcome, Outcome::Withdraw);
        let policy = AddressPolicy { allow_loopback: true, private_zone: false };
        let plan = plan_of(local(), &Rules { address_policy: policy, ..Rules::default() });
        assert_eq!(sets(&plan)[""], "A 127.1.2.3");
        assert!(plan.findings.is_empty());
    }

    #[test]
    fn a_private_address_in_a_public_zone_is_published_with_a_warning() {
        let private = || vec![member("west", "westus", "10.0.0.4")];
        let plan = plan_of(private(), &Rules::default());
        assert_eq!(sets(&plan)[""], "A 10.0.0.4");
        assert_eq!(plan.findings[0].to_string(), "address 10.0.0.4 of west is private, and the zone is public");
        assert!(!plan.findings[0].is_error());
        let policy = AddressPolicy { allow_loopback: false, private_zone: true };
        assert!(plan_of(private(), &Rules { address_policy: policy, ..Rules::default() }).findings.is_empty());
    }

    #[test]
    fn a_level_that_cannot_be_named_is_left_out_and_told() {
        let mut odd = west();
        odd.zones = vec!["1".into(), "*".into()];
        let plan = plan_of(vec![odd, east()], &Rules::default());
        assert_eq!(sets(&plan).into_keys().collect::<Vec<_>>(), ["", "1.eastus", "1.westus", "eastus", "westus"]);
        let Finding::InvalidName { level, .. } = &plan.findings[0] else { panic!("{:?}", plan.findings) };
        assert_eq!(level, "zone * of region westus");
        assert!(serde_json::to_value(&plan).unwrap()["findings"][0]["error"].is_string());
    }

    #[test]
    fn a_region_that_cannot_be_named_takes_its_zones_along_and_nothing_else() {
        let plan = plan_of(vec![member("west", "west.us", WEST), east()], &Rules::default());
        expect(&plan, &[("", "A 192.0.2.1 192.0.2.2"), ("eastus", "A 192.0.2.2"), ("1.eastus", "A 192.0.2.2")]);
        assert_eq!(plan.findings.len(), 2);
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_an_a_record() {
        let plan = plan_of(vec![member("west", "westus", "::ffff:192.0.2.1")], &Rules::default());
        assert_eq!(sets(&plan)[""], "A 192.0.2.1");
    }
}

fn in_zone(mut member: MemberObservation) -> MemberObservation {
    for address in &mut member.addresses {
        address.published = true;
    }
    member
}

fn recovering(mut member: MemberObservation) -> MemberObservation {
    for address in &mut member.addresses {
        address.probe = AddressState::Recovering;
    }
    member
}

/// The addresses of the global name.
fn answers(outcome: &Outcome) -> Vec<String> {
    let (Outcome::Publish(sets) | Outcome::KeepLast { sets: Some(sets), .. }) = outcome else { return Vec::new() };
    let global = sets.iter().find(|set| set.key.name.as_str() == "svc.ns.fed.svc.example.com.");
    global.map(|set| set.data.keys().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn the_last_addresses_stay_without_those_of_a_member_that_leaves() {
    let both = plan_of(vec![in_zone(leaving(west())), in_zone(dead(east()))], &published());
    assert!(matches!(both.outcome, Outcome::KeepLast { sets: Some(_), .. }), "{:?}", both.outcome);
    assert_eq!(answers(&both.outcome), [EAST], "who leaves is gone for good, who is dead may come back");
    // Nothing is left to point to: a name of the member that leaves must not dangle.
    let alone = plan_of(vec![in_zone(leaving(west())), dead(east())], &published());
    assert_eq!(alone.outcome, Outcome::Withdraw);
    // Who leaves and is in no answer takes nothing with it.
    let kept = plan_of(vec![leaving(west()), in_zone(dead(east()))], &published());
    assert!(matches!(kept.outcome, Outcome::KeepLast { sets: None, .. }), "{:?}", kept.outcome);
}

#[test]
fn who_recovers_waits_while_another_serves_and_not_longer() {
    let waits = plan_of(vec![recovering(west()), east()], &published());
    assert_eq!(answers(&waits.outcome), [EAST]);
    assert!(waits.addresses.iter().any(|(_, _, is)| *is == Liveness::Withdrawn(WithdrawnReason::Recovering)));
    let alone = plan_of(vec![recovering(west()), in_zone(dead(east()))], &published());
    assert_eq!(answers(&alone.outcome), [WEST], "better than who is dead");
    let both = plan_of(vec![recovering(west()), in_zone(recovering(east()))], &published());
    assert_eq!(answers(&both.outcome), [EAST], "who is in the answers already costs no write");
    let gone = plan_of(vec![empty(recovering(west())), leaving(recovering(east()))], &published());
    assert_eq!(gone.outcome, Outcome::EmptyHold, "no endpoint and leaving say more");
}
