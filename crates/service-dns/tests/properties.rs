//! What holds for every service.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::time::Duration;

use kfed_dnsprovider::{
    Change, Owner, Policy, RecordData, RecordSet, RecordSetKey, RecordType, Resource, ZoneSnapshot,
};
use kfed_service_dns::{
    AddressObservation, AddressPolicy, AddressState, ApiState, Fallback, FederationView, HostObservation, LeadsTo,
    Liveness, MemberObservation, Naming, Outcome, Rules, Seen, ServiceObservation, ServiceView, Verdict,
    WithdrawnReason, audit, decide, liveness, plan,
};
use proptest::prelude::*;
use proptest::sample::select;

/// A name of the service's own choice.
const CHOSEN: &str = "www.example.com.";

fn address() -> impl Strategy<Value = AddressObservation> {
    let ip = prop_oneof![
        8 => (1u8..9).prop_map(|n| format!("192.0.2.{n}")),
        4 => (1u8..9).prop_map(|n| format!("2001:db8::{n}")),
        1 => Just("169.254.169.254".to_owned()),
    ];
    let probe = select(vec![
        AddressState::NeverAnswered,
        AddressState::Answering,
        AddressState::Failing,
        AddressState::NotAskable,
        AddressState::Recovering,
    ]);
    (ip, probe, any::<bool>(), any::<bool>()).prop_map(|(ip, probe, ever_answered, published)| AddressObservation {
        ip: ip.parse().unwrap(),
        probe,
        ever_answered,
        published,
    })
}

fn host() -> impl Strategy<Value = HostObservation> {
    let addresses = proptest::option::of(proptest::collection::vec(address(), 0..3));
    (select(vec!["a.lb.example.net", "b.lb.example.net"]), addresses, any::<bool>(), any::<bool>()).prop_map(
        |(host, addresses, failed, published)| HostObservation {
            host: host.parse().unwrap(),
            addresses,
            problem: failed.then(|| "no answer".into()),
            published,
        },
    )
}

fn member() -> impl Strategy<Value = MemberObservation> {
    (
        proptest::option::weighted(0.9, select(vec!["westus", "eastus", "no.label"])),
        proptest::collection::vec(select(vec!["1", "2", "*"]), 0..3),
        select(vec![ApiState::Answering, ApiState::Silent, ApiState::Offline]),
        proptest::option::of(0u32..2),
        prop_oneof![2 => proptest::collection::vec(address(), 0..3), 1 => Just(vec![])],
        prop_oneof![2 => Just(vec![]), 1 => proptest::collection::vec(host(), 0..2)],
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(region, zones, api, ready_endpoints, addresses, hosts, leaving)| MemberObservation {
            member: String::new(),
            region: region.map(str::to_owned),
            zones: zones.into_iter().map(str::to_owned).collect(),
            api,
            ready_endpoints,
            addresses,
            hosts,
            leaving,
        })
}

fn service() -> impl Strategy<Value = ServiceObservation> {
    proptest::collection::vec(member(), 0..5).prop_map(|mut members| {
        for (n, member) in members.iter_mut().enumerate() {
            member.member = format!("m{n}");
        }
        ServiceObservation {
            namespace: "ns".into(),
            name: "svc".into(),
            ttl: 30,
            leads_to: LeadsTo::Members,
            hostnames: vec![CHOSEN.parse().unwrap()],
            members,
        }
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let fallback = select(vec![Fallback::Addresses, Fallback::Cname]);
    (fallback, any::<bool>(), proptest::option::of(0u64..600)).prop_map(|(fallback, has_records, empty)| Rules {
        fallback,
        has_records,
        empty_for: empty.map(Duration::from_secs),
        ..Rules::default()
    })
}

fn naming() -> Naming {
    Naming { federation: "fed".into(), zone: "example.com".parse().unwrap() }
}

/// All addresses of `member`, also those that its hosts lead to.
fn led_to(member: &MemberObservation) -> Vec<AddressObservation> {
    let led_to = member.hosts.iter().flat_map(|host| host.addresses.clone().unwrap_or_default());
    member.addresses.iter().copied().chain(led_to).collect()
}

/// Whether all that the zone holds, and may hold, is of members that leave: their names must not outlive them, whoever else is
/// unheard of.
fn all_leaves(service: &ServiceObservation, rules: &Rules) -> bool {
    let published = |leaving| {
        let members = service.members.iter().filter(move |member| member.leaving == leaving);
        members.flat_map(led_to).filter(|address| address.published)
    };
    let may_stay = |a: AddressObservation| rules.address_policy.refuses(a.ip.to_canonical()).is_none();
    published(true).next().is_some() && !published(false).any(may_stay)
}

/// What the zone holds is the same for all who look, and a member has an address once.
fn agreed(mut service: ServiceObservation) -> ServiceObservation {
    for member in &mut service.members {
        let mut hosts = BTreeSet::new();
        member.hosts.retain(|host| hosts.insert(host.host.clone()));
        let led_to = member.hosts.iter_mut().filter_map(|host| {
            host.published = in_zone(&RecordData::Cname(host.host.clone()));
            host.addresses.as_mut().map(|addresses| (host.published, addresses))
        });
        for (by_name, addresses) in std::iter::once((false, &mut member.addresses)).chain(led_to) {
            let mut ips = BTreeSet::new();
            addresses.retain(|address| ips.insert(address.ip));
            let published = |address: &AddressObservation| by_name || in_zone(&RecordData::from(address.ip));
            addresses.iter_mut().for_each(|address| address.published = published(address));
        }
    }
    service
}

fn in_zone(datum: &RecordData) -> bool {
    match datum {
        RecordData::A(ip) => ip.octets()[3] % 2 == 0,
        RecordData::Aaaa(ip) => ip.octets()[15] % 2 == 0,
        RecordData::Cname(host) => host.as_str().starts_with("a."),
        _ => false,
    }
}

fn view() -> impl Strategy<Value = FederationView> {
    let one = (service(), any::<bool>(), any::<bool>(), proptest::bool::weighted(0.9), proptest::bool::weighted(0.9));
    let fallback = select(vec![Fallback::Addresses, Fallback::Cname]);
    (proptest::collection::vec(one, 0..3), fallback).prop_map(|(services, fallback)| {
        let services =
            services.into_iter().enumerate().map(|(n, (observation, hold, has_records, seen, published))| {
                let name = format!("svc{n}");
                let hostnames = vec![CHOSEN.parse().unwrap()];
                let observation = ServiceObservation { name: name.clone(), hostnames: vec![], ..observation };
                let created = i64::try_from(n).unwrap();
                let view = ServiceView {
                    published,
                    seen,
                    hold,
                    has_records,
                    observation,
                    hostnames,
                    created,
                    mistakes: vec![],
                };
                (Resource::service("ns", name), view)
            });
        let address_policy = AddressPolicy::default();
        FederationView { naming: naming(), address_policy, fallback, services: services.collect() }
    })
}

/// Sets at names of services, of this federation, another one, or nobody.
fn sets() -> impl Strategy<Value = Vec<RecordSet>> {
    let name = select(vec!["svc0.ns.fed.svc", "svc1.ns.fed.svc.westus", "svc9.ns.fed.svc", "www", "else"]);
    let owner = proptest::option::of(select(vec!["fed", "fed", "other"]));
    let resource = select(vec!["svc0", "svc1", "svc9"]);
    let set =
        (name, select(vec!["A", "AAAA", "CNAME"]), owner, resource, 1u8..9).prop_map(|(name, t, owner, of, n)| {
            let key = RecordSetKey::new(format!("{name}.example.com").parse().unwrap(), RecordType::parse(t).unwrap());
            let datum = match t {
                "A" => RecordData::A([192, 0, 2, n].into()),
                "AAAA" => RecordData::parse(RecordType::Aaaa, &format!("2001:db8::{n}")).unwrap(),
                _ => RecordData::parse(RecordType::Cname, "lb.example.net").unwrap(),
            };
            let metadata =
                owner.map(|owner| Owner(owner.into()).mark(&Resource::service("ns", of))).unwrap_or_default();
            let (data, etag) = ([datum].into(), None);
            RecordSet { key, ttl: 30, data, metadata, etag, alias: false, unknown_properties: false }
        });
    proptest::collection::vec(set, 0..6)
}

fn apply<'a>(zone: &mut ZoneSnapshot, changes: impl Iterator<Item = &'a Change>) {
    for change in changes {
        match change {
            Change::Create { set } | Change::Update { to: set, .. } => zone.insert(set.clone()),
            Change::Delete { set } => drop(zone.remove(&set.key)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_down_of_a_service_leads_to_the_same_plan(
        service in service().prop_map(agreed), rules in rules(), hold in any::<bool>(),
    ) {
        let seen = Seen::of(&service, hold);
        let read: Seen = serde_json::from_str(&serde_json::to_string(&seen).unwrap()).unwrap();
        prop_assert_eq!(&read, &seen);
        let members = service.members.iter().map(|member| {
            let (region, zones) = (member.region.clone(), member.zones.clone());
            read.members[&member.member].observation(&member.member, region, zones, in_zone)
        });
        let again = ServiceObservation { members: members.collect(), ..service.clone() };
        let (first, second) = (plan(&naming(), &service, &rules), plan(&naming(), &again, &rules));
        prop_assert_eq!(first.outcome, second.outcome);
        prop_assert_eq!(BTreeSet::from_iter(first.addresses), BTreeSet::from_iter(second.addresses));
        prop_assert_eq!(BTreeSet::from_iter(first.hosts), BTreeSet::from_iter(second.hosts));
    }

    #[test]
    fn a_zone_that_has_become_what_is_wanted_has_no_finding_that_a_write_could_end(view in view(), sets in sets()) {
        let mut zone: ZoneSnapshot = sets.into_iter().collect();
        let foreign: Vec<RecordSet> = zone.iter().filter(|set| !view.owner().owns(set)).cloned().collect();
        let policy = Policy { caused: zone.iter().filter_map(Resource::of).collect(), ..Policy::default() };
        let before = audit(&zone, &view);
        let changes = kfed_dnsprovider::plan(&zone, &decide(&view).desired, &view.owner(), &policy).changes;
        // Every change has its finding, and what is found has a change, or is not for the planner to write.
        for change in &changes {
            let row = before.sets.iter().find(|set| set.key == *change.key()).unwrap();
            prop_assert!(row.verdict.is_finding(), "{row:?}");
        }
        let keys: BTreeSet<_> = before.sets.iter().map(|set| &set.key).collect();
        prop_assert_eq!(keys.len(), before.sets.len(), "one row a set");
        let owned = zone.iter().filter(|set| view.owner().owns(set));
        prop_assert!(owned.into_iter().all(|set| keys.contains(&set.key)));

        // Garbage alone, as gc does.
        let mut swept = zone.clone();
        let garbage = before.garbage();
        apply(&mut swept, changes.iter().filter(|change| garbage.contains(&change.key().name)));
        for set in audit(&swept, &view).sets {
            let garbage = matches!(set.verdict, Verdict::Orphaned | Verdict::Dangling);
            // That one is wanted: its target is missing, and not for gc to make.
            prop_assert!(!garbage || set.why == "target-missing", "{set:?}");
        }
        prop_assert!(foreign.iter().all(|set| swept.get(&set.key) == Some(set)));

        apply(&mut zone, changes.iter());
        for set in audit(&zone, &view).sets {
            let beyond = matches!(set.verdict, Verdict::Conflict | Verdict::Unmarked | Verdict::Unjudged);
            prop_assert!(beyond || !set.verdict.is_finding(), "{set:?}");
        }
        prop_assert!(foreign.iter().all(|set| zone.get(&set.key) == Some(set)));
    }


    #[test]
    fn only_addresses_that_serve_are_published_and_all_of_them_globally(service in service(), rules in rules()) {
        let plan = plan(&naming(), &service, &rules);
        let of = |wanted: Liveness| -> BTreeSet<_> {
            let addresses = plan.addresses.iter().filter(|(_, _, state)| *state == wanted);
            addresses.map(|(_, ip, _)| RecordData::from(*ip)).collect()
        };
        let hosts_of = |wanted: Liveness| -> BTreeSet<_> {
            let hosts = plan.hosts.iter().filter(|(_, _, state)| *state == wanted);
            hosts.map(|(_, host, _)| RecordData::Cname(host.clone())).collect()
        };
        let mut serving = of(Liveness::Serving);
        let mut hosts = hosts_of(Liveness::Serving);
        if serving.is_empty() && hosts.is_empty() {
            // Who recovers does where nobody else does: those that are in the answers already, or all.
            let recovering = of(Liveness::Withdrawn(WithdrawnReason::Recovering));
            // By member: what one has in the answers another may have as well, and not there.
            let is_back = |member: &MemberObservation, address: &AddressObservation| {
                let refused = rules.address_policy.refuses(address.ip.to_canonical()).is_some();
                !refused && liveness(member, address) == Liveness::Withdrawn(WithdrawnReason::Recovering)
            };
            let back = |member: &MemberObservation| {
                let back = led_to(member).into_iter().filter(|address| address.published && is_back(member, address));
                back.map(|address| RecordData::from(address.ip.to_canonical())).collect::<Vec<_>>()
            };
            let first: BTreeSet<_> = service.members.iter().flat_map(back).collect();
            if let Outcome::Publish(sets) = &plan.outcome {
                let published: BTreeSet<_> = sets.iter().flat_map(|set| set.data.keys().cloned()).collect();
                let published = published.into_iter().filter(|datum| !matches!(datum, RecordData::Cname(_)));
                serving = published.filter(|datum| recovering.contains(datum)).collect();
                hosts = hosts_of(Liveness::Withdrawn(WithdrawnReason::Recovering));
                prop_assert!(!serving.is_empty() || !hosts.is_empty());
                prop_assert!(first.is_empty() || serving.is_subset(&first));
            }
        }
        let Outcome::Publish(sets) = &plan.outcome else {
            // A host that serves is no answer before it has been resolved, but a reason to wait: for what is not leaving.
            let waits = matches!(plan.outcome, Outcome::KeepLast { .. }) || !rules.has_records || all_leaves(&service, &rules);
            prop_assert!(serving.is_empty() && (hosts.is_empty() || waits));
            return Ok(());
        };
        let mut global = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for set in sets {
            prop_assert!(keys.insert(&set.key), "{} twice", set.key);
            prop_assert!(!set.data.is_empty());
            for datum in set.data.keys() {
                let upwards = sets.iter().any(|other| *datum == RecordData::Cname(other.key.name.clone()));
                prop_assert!(serving.contains(datum) || hosts.contains(datum) || upwards, "{datum}");
                if set.key.name.as_str() == "svc.ns.fed.svc.example.com." {
                    global.insert(datum.clone());
                }
            }
        }
        if global.iter().any(|datum| matches!(datum, RecordData::Cname(_))) {
            prop_assert!(global.len() == 1 && global.is_subset(&hosts));
        } else {
            prop_assert_eq!(global, serving);
        }
    }

    #[test]
    fn a_name_of_its_own_choice_answers_as_the_global_one(service in service(), rules in rules()) {
        let Outcome::Publish(sets) = plan(&naming(), &service, &rules).outcome else { return Ok(()) };
        let at = |name: &str| {
            let at = sets.iter().filter(|set| set.key.name.as_str() == name);
            at.map(|set| (set.key.record_type, set.data.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(at(CHOSEN), at("svc.ns.fed.svc.example.com."));
    }

    #[test]
    fn every_cname_leads_to_addresses_or_a_load_balancer_and_stands_alone(service in service(), rules in rules()) {
        let Outcome::Publish(sets) = plan(&naming(), &service, &rules).outcome else { return Ok(()) };
        for set in &sets {
            let mut names = vec![&set.key.name];
            let mut end = set;
            while let Some(RecordData::Cname(target)) = end.data.keys().next() {
                let beside = sets.iter().filter(|other| other.key.name == end.key.name).count();
                prop_assert_eq!(beside, 1);
                names.push(target);
                prop_assert!(names.len() <= 4, "{names:?}");
                if target.as_str().ends_with(".example.net.") {
                    break;
                }
                let next = sets.iter().find(|other| other.key.name == *target);
                prop_assert!(next.is_some(), "{names:?} leads nowhere");
                end = next.unwrap();
            }
        }
    }

    #[test]
    fn both_fallbacks_have_the_same_names(service in service(), rules in rules()) {
        let names = |fallback| match plan(&naming(), &service, &Rules { fallback, ..rules.clone() }).outcome {
            Outcome::Publish(sets) => sets.into_iter().map(|set| set.key.name).collect(),
            _ => BTreeSet::new(),
        };
        prop_assert_eq!(names(Fallback::Addresses), names(Fallback::Cname));
    }

    #[test]
    fn names_go_only_if_nobody_can_be_serving(service in service(), rules in rules()) {
        if plan(&naming(), &service, &rules).outcome == Outcome::Withdraw && rules.has_records {
            let all_leave = all_leaves(&service, &rules);
            for member in service.members.iter().filter(|member| !member.leaving && !all_leave) {
                let refused = led_to(member).iter().any(|a| a.ip.to_string().starts_with("169.254."));
                let heard = member.api == ApiState::Answering || member.ready_endpoints == Some(0);
                prop_assert!(heard || refused, "{member:?}");
            }
        }
    }

    #[test]
    fn the_order_of_members_means_nothing(service in service(), rules in rules()) {
        let mut reversed = service.clone();
        reversed.members.reverse();
        prop_assert_eq!(plan(&naming(), &reversed, &rules).outcome, plan(&naming(), &service, &rules).outcome);
    }
}
