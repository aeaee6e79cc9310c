//! What an audit says of every kind of record set, and what adoption does to those that are not ours.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeMap;

use kfed_dnsprovider::ownership::{OWNER_KEY, SOURCES_KEY};
use kfed_dnsprovider::{
    Change, DnsName, Etag, Metadata, Owner, RecordData, RecordSet, RecordSetKey, RecordType, Resource, ZoneSnapshot,
};
use kfed_service_dns::{
    AddressObservation, AddressPolicy, AddressState, ApiState, Fallback, FederationView, LeadsTo, MemberObservation,
    Naming, Refusal, ServiceObservation, ServiceView, Verdict, adopt, adopt_leftovers, audit, decide,
};

const WEST: &str = "192.0.2.1";
const EAST: &str = "192.0.2.2";

fn member(name: &str, ip: &str) -> MemberObservation {
    MemberObservation {
        member: name.into(),
        region: Some(format!("{name}us")),
        zones: vec![],
        api: ApiState::Answering,
        ready_endpoints: None,
        addresses: vec![AddressObservation {
            ip: ip.parse().unwrap(),
            probe: AddressState::Answering,
            ever_answered: true,
            published: false,
        }],
        hosts: vec![],
        leaving: false,
    }
}

fn dead(mut member: MemberObservation) -> MemberObservation {
    member.api = ApiState::Offline;
    member.addresses[0].probe = AddressState::Failing;
    member
}

fn service(name: &str, members: Vec<MemberObservation>) -> (Resource, ServiceView) {
    let observation = ServiceObservation {
        namespace: "default".into(),
        name: name.into(),
        ttl: 30,
        leads_to: LeadsTo::Members,
        hostnames: vec![],
        members,
    };
    let view = ServiceView {
        published: true,
        seen: true,
        hold: false,
        has_records: true,
        observation,
        hostnames: vec![],
        created: 0,
        mistakes: vec![],
    };
    (Resource::service("default", name), view)
}

fn view(services: impl IntoIterator<Item = (Resource, ServiceView)>) -> FederationView {
    FederationView {
        naming: Naming { federation: "fed".into(), zone: "example.com".parse().unwrap() },
        address_policy: AddressPolicy::default(),
        fallback: Fallback::Addresses,
        services: services.into_iter().collect(),
    }
}

/// `web`, in west and east.
fn fed() -> FederationView {
    view([service("web", vec![member("west", WEST), member("east", EAST)])])
}

/// The zone as `view` wants it.
fn zone(view: &FederationView) -> ZoneSnapshot {
    let desired = decide(view).desired;
    desired.sets.iter().map(|set| read(set.to_record_set(&view.owner()))).collect()
}

/// As if a provider had told of it.
fn read(set: RecordSet) -> RecordSet {
    RecordSet { etag: Some(Etag("read".into())), ..set }
}

fn key(record_type: &str, name: &str) -> RecordSetKey {
    RecordSetKey::new(format!("{name}.example.com").parse().unwrap(), RecordType::parse(record_type).unwrap())
}

fn bare(record_type: &str, name: &str, data: &[&str]) -> RecordSet {
    let key = key(record_type, name);
    let datum = |text: &&str| match key.record_type {
        RecordType::Txt => RecordData::Txt(vec![(*text).to_owned()]),
        record_type => RecordData::parse(record_type, text).unwrap(),
    };
    let data = data.iter().map(datum).collect();
    read(RecordSet {
        key,
        ttl: 30,
        data,
        metadata: Metadata::default(),
        etag: None,
        alias: false,
        unknown_properties: false,
    })
}

/// A set with `owner`'s marks, for a service of that name.
fn marked(owner: &str, service: &str, set: RecordSet) -> RecordSet {
    RecordSet { metadata: Owner(owner.into()).mark(&Resource::service("default", service)), ..set }
}

const GLOBAL: &str = "web.default.fed.svc";

/// `VERDICT TYPE name: why` of all that is not wanted.
fn found(zone: &ZoneSnapshot, view: &FederationView) -> Vec<String> {
    let audit = audit(zone, view);
    let rows = audit.sets.iter().filter(|set| set.verdict != Verdict::Wanted);
    let rows: Vec<_> = rows
        .map(|set| {
            let name = set.key.name.as_str().trim_end_matches(".example.com.").to_owned();
            format!("{} {} {name}: {}", set.verdict, set.key.record_type, set.why)
        })
        .collect();
    let findings = audit.sets.iter().any(|set| set.verdict.is_finding());
    assert_eq!(audit.is_clean(), !findings);
    rows
}

#[test]
fn a_zone_as_it_is_wanted_is_clean_whatever_others_have_in_it() {
    let mut zone = zone(&fed());
    assert_eq!(zone.len(), 3);
    zone.extend([
        bare("A", "www", &[WEST]),
        bare("NS", "sub", &["ns.example.net"]),
        marked("other", "web", bare("A", "web.default.other.svc", &[EAST])),
        bare("TXT", "note.default.fed.svc", &["text"]),
    ]);
    assert_eq!(found(&zone, &fed()), [""; 0]);
    assert_eq!(audit(&zone, &fed()).summary(), BTreeMap::from([(Verdict::Wanted, 3)]));
}

#[test]
fn what_is_missing_or_was_edited_is_found() {
    let clean = zone(&fed());
    let with = |edit: &dyn Fn(&mut RecordSet)| {
        let mut zone = clean.clone();
        let mut set = zone.get(&key("A", GLOBAL)).unwrap().clone();
        edit(&mut set);
        zone.insert(set);
        found(&zone, &fed())
    };
    let mut without = clean.clone();
    without.remove(&key("A", GLOBAL)).unwrap();
    assert_eq!(found(&without, &fed()), [format!("missing A {GLOBAL}: new-name")]);
    assert_eq!(with(&|set| set.ttl = 300), [format!("drifted A {GLOBAL}: ttl-changed")]);
    let add = |set: &mut RecordSet| assert!(set.data.insert(RecordData::A([192, 0, 2, 99].into())));
    assert_eq!(with(&add), [format!("drifted A {GLOBAL}: edited")]);
    let take = |set: &mut RecordSet| assert!(set.data.remove(&RecordData::A([192, 0, 2, 1].into())));
    assert_eq!(with(&take), [format!("drifted A {GLOBAL}: address-added")]);
    let unmark = |set: &mut RecordSet| drop(set.metadata.remove(SOURCES_KEY));
    assert_eq!(with(&unmark), [format!("drifted A {GLOBAL}: marks-changed")]);
    assert_eq!(with(&|set| set.metadata = Metadata::default()), [format!("unmarked A {GLOBAL}: no-owner")]);
    let to_other = |set: &mut RecordSet| set.metadata.insert(OWNER_KEY, "other");
    assert_eq!(with(&to_other), [format!("conflict A {GLOBAL}: foreign-owner")]);
}

#[test]
fn what_leads_to_who_does_not_serve_dangles() {
    let zone = zone(&fed());
    let of = |west: Option<MemberObservation>| {
        let members = west.into_iter().chain([member("east", EAST)]).collect();
        found(&zone, &view([service("web", members)]))
    };
    let [global, west] = [GLOBAL.to_owned(), format!("{GLOBAL}.westus")];
    let both = |why: &str| [format!("dangling A {global}: {why}"), format!("dangling A {west}: {why}")];
    assert_eq!(of(Some(dead(member("west", WEST)))), both("member-dead"));
    let mut broken = member("west", WEST);
    broken.addresses[0].probe = AddressState::Failing;
    assert_eq!(of(Some(broken)), both("load-balancer-dead"));
    let empty = MemberObservation { ready_endpoints: Some(0), ..member("west", WEST) };
    assert_eq!(of(Some(empty)), both("no-ready-endpoints"));
    assert_eq!(of(Some(member("west", "192.0.2.7"))), both("address-gone"));
    let leaving = MemberObservation { leaving: true, ..member("west", WEST) };
    let gone = |why: &str| [format!("dangling A {global}: {why}"), format!("orphaned A {west}: level-gone")];
    assert_eq!(of(Some(leaving)), gone("member-leaving"));
    assert_eq!(of(None), gone("address-gone"));
}

#[test]
fn the_last_addresses_of_a_service_that_nobody_serves_are_kept_and_told() {
    let clean = zone(&fed());
    let all_dead = view([service("web", vec![dead(member("west", WEST)), dead(member("east", EAST))])]);
    assert!(found(&clean, &all_dead).iter().all(|row| row.starts_with("kept") && row.ends_with("last-target")));
    assert!(audit(&clean, &all_dead).is_clean());
    let empty = |hold| {
        let members = [("west", WEST), ("east", EAST)]
            .map(|(name, ip)| MemberObservation { ready_endpoints: Some(0), ..member(name, ip) });
        let (resource, web) = service("web", members.into());
        found(&clean, &view([(resource, ServiceView { hold, ..web })]))
    };
    assert!(empty(true).iter().all(|row| row.starts_with("kept") && row.ends_with("empty-hold")));
    assert!(empty(false).iter().all(|row| row.starts_with("dangling") && row.ends_with("no-ready-endpoints")));
    assert_eq!((empty(true).len(), empty(false).len()), (3, 3));
}

#[test]
fn what_nobody_wants_is_an_orphan() {
    let clean = zone(&fed());
    let all = |why: &str, zone: &ZoneSnapshot, view: &FederationView| {
        let rows = found(zone, view);
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert!(rows.iter().all(|row| row.starts_with("orphaned") && row.ends_with(why)), "{rows:?}");
    };
    all("service-gone", &clean, &view([]));
    let (resource, web) = service("web", vec![member("west", WEST)]);
    all("not-published", &clean, &view([(resource, ServiceView { published: false, ..web })]));
    all("no-member", &clean, &view([service("web", vec![])]));

    let mut more = clean.clone();
    more.insert(marked("fed", "web", bare("A", "shop", &[WEST])));
    assert_eq!(found(&more, &fed()), ["orphaned A shop: hostname-gone"]);
    let mut half = clean.clone();
    half.insert(RecordSet { metadata: [(OWNER_KEY, "fed")].into(), ..bare("A", "lost", &[WEST]) });
    assert_eq!(found(&half, &fed()), ["orphaned A lost: service-gone"]);
    let mut alias = clean;
    alias.insert(RecordSet { alias: true, ..marked("fed", "web", bare("A", "shop", &[])) });
    assert_eq!(found(&alias, &fed()), ["orphaned A shop: not-ours-to-write"]);
}

#[test]
fn a_service_of_which_nothing_is_known_is_not_judged() {
    let (resource, web) = service("web", vec![]);
    let unseen = view([(resource, ServiceView { seen: false, ..web })]);
    let rows = found(&zone(&fed()), &unseen);
    assert!(rows.len() == 3 && rows.iter().all(|row| row.starts_with("unjudged")), "{rows:?}");
    assert_eq!(audit(&ZoneSnapshot::default(), &unseen).findings[0].reason, "NotSeen");
}

#[test]
fn a_cname_to_a_name_that_is_not_there_dangles() {
    let (resource, mut web) = service("web", vec![]);
    let leads_to = |target: &str, more: &[RecordSet]| {
        let mut web = web.clone();
        web.observation.leads_to = LeadsTo::External(target.parse().unwrap());
        let view = view([(resource.clone(), web)]);
        let mut zone = zone(&view);
        zone.extend(more.iter().cloned());
        found(&zone, &view)
    };
    let dangles = [format!("dangling CNAME {GLOBAL}: target-missing")];
    assert_eq!(leads_to("db.example.com", &[]), dangles);
    assert_eq!(leads_to("db.example.com", &[bare("TXT", "db", &["x"])]), dangles);
    assert_eq!(leads_to("db.example.com", &[bare("A", "db", &[])]), dangles, "a mark without its set");
    assert_eq!(leads_to("db.example.com", &[bare("A", "db", &[WEST])]), [""; 0]);
    assert_eq!(leads_to("a.db.example.com", &[bare("A", "*.db", &[WEST])]), [""; 0]);
    assert_eq!(leads_to("a.db.example.com", &[bare("NS", "db", &["ns.example.net"])]), [""; 0]);
    assert_eq!(leads_to("db.example.net", &[]), [""; 0]);
    // With a CNAME upwards whose target somebody has taken away, both are told.
    web.observation.members = vec![dead(member("west", WEST)), member("east", EAST)];
    let cname = FederationView { fallback: Fallback::Cname, ..view([(resource.clone(), web.clone())]) };
    let mut broken = zone(&cname);
    broken.remove(&key("A", GLOBAL)).unwrap();
    let rows = found(&broken, &cname);
    assert_eq!(
        rows,
        [format!("missing A {GLOBAL}: new-name"), format!("dangling CNAME {GLOBAL}.westus: target-missing")]
    );
}

const ENTRY: &str = "heritage=external-dns,external-dns/owner=prod,external-dns/resource=service/a/b";

#[test]
fn what_external_dns_has_is_told_and_taken_over_with_its_entries() {
    let mut zone = zone(&fed());
    let mut taken = zone.remove(&key("A", GLOBAL)).unwrap();
    taken.metadata = [("cost-centre", "42")].into();
    taken.ttl = 300;
    zone.extend([
        taken.clone(),
        bare("TXT", &format!("a-{GLOBAL}"), &[ENTRY]),
        bare("TXT", GLOBAL, &["v=spf1", ENTRY]),
    ]);
    let before = audit(&zone, &fed());
    let row = before.sets.iter().find(|set| set.key == taken.key).unwrap();
    assert_eq!((row.verdict, row.owner.as_deref()), (Verdict::Conflict, Some("prod")));

    let adoption = adopt(&zone, &fed(), &taken.key.name, None, false).unwrap();
    assert_eq!(adoption.taken[0].owner.as_deref(), Some("prod"));
    let [Change::Update { to, from, .. }] = &adoption.marks.changes[..] else { panic!("{adoption:?}") };
    assert_eq!((&to.data, to.ttl, to.metadata.get("cost-centre")), (&taken.data, 300, Some("42")));
    assert_eq!(from.etag, taken.etag, "on condition that it still is what was read");
    let kept: Vec<_> =
        adoption.registrations.changes.iter().map(|change| matches!(change, Change::Delete { .. })).collect();
    assert_eq!(kept, [true, false], "the other text at the name stays: {:?}", adoption.registrations);

    apply(&mut zone, adoption.marks.changes.iter().chain(&adoption.registrations.changes));
    assert_eq!(found(&zone, &fed()), [format!("drifted A {GLOBAL}: ttl-changed")]);
    assert_eq!(adopt(&zone, &fed(), &taken.key.name, None, false), Err(Refusal::Ours));
}

fn apply<'a>(zone: &mut ZoneSnapshot, changes: impl IntoIterator<Item = &'a Change>) {
    for change in changes {
        match change {
            Change::Create { set } | Change::Update { to: set, .. } => zone.insert(read(set.clone())),
            Change::Delete { set } => drop(zone.remove(&set.key)),
        }
    }
}

#[test]
fn what_is_not_wanted_or_cannot_be_written_is_not_taken_over() {
    let mut zone = zone(&fed());
    let alias = format!("alias.default.{}", "fed.svc");
    zone.extend([
        bare("A", "www", &[WEST]),
        bare("A", "old.default.fed.svc", &[WEST]),
        bare("MX", "mail", &["10 mx.example.net"]),
        RecordSet { alias: true, ..bare("A", &alias, &[]) },
        bare("A", &format!("{GLOBAL}.eastus.x"), &[WEST]),
    ]);
    let refused = |name: &str, record_type: Option<&str>, force| {
        let name: DnsName = name.parse().unwrap();
        adopt(&zone, &fed(), &name, record_type.and_then(RecordType::parse), force).map(|adoption| adoption.taken.len())
    };
    for (name, record_type, force, expected) in [
        ("www.example.org", None, false, Err(Refusal::NotInZone)),
        ("example.com", Some("SOA"), true, Err(Refusal::Type(RecordType::Soa))),
        ("example.com", Some("NS"), true, Err(Refusal::Type(RecordType::Ns))),
        ("none.example.com", None, false, Err(Refusal::Nothing { types: vec![] })),
        ("mail.example.com", None, false, Err(Refusal::Nothing { types: vec![RecordType::Mx] })),
        ("www.example.com", None, true, Err(Refusal::NotWanted { by_rule: false })),
        ("old.default.fed.svc.example.com", None, false, Err(Refusal::NotWanted { by_rule: true })),
        ("old.default.fed.svc.example.com", None, true, Ok(1)),
        ("alias.default.fed.svc.example.com", None, true, Err(Refusal::Fixed(RecordType::A))),
        ("web.default.fed.svc.example.com", None, false, Err(Refusal::Ours)),
    ] {
        assert_eq!(refused(name, record_type, force), expected, "{name} {record_type:?}");
    }
    zone.extend([bare("A", "shop", &[WEST]), bare("AAAA", "shop", &["2001:db8::1"]), bare("TXT", "shop", &[ENTRY])]);
    let (resource, web) = service("web", vec![member("west", WEST)]);
    let shop = view([(resource, ServiceView { hostnames: vec!["shop.example.com".parse().unwrap()], ..web })]);
    let name = "shop.example.com".parse().unwrap();
    let alone = adopt(&zone, &shop, &name, Some(RecordType::A), false);
    assert_eq!(alone, Err(Refusal::WholeName { owner: "prod".into() }));
    assert_eq!(adopt(&zone, &shop, &name, None, false).unwrap().taken.len(), 2);
}

#[test]
fn leftovers_of_federation_v1_become_ours_and_then_what_is_wanted() {
    let mut zone = zone(&fed());
    let mut unmarked = zone.remove(&key("A", GLOBAL)).unwrap();
    unmarked.metadata = Metadata::default();
    zone.extend([
        unmarked,
        bare("CNAME", "gone.default.fed.svc.westus", &["gone.default.fed.svc.example.com"]),
        bare("A", "www", &[WEST]),
        bare("A", "gone.default.other.svc", &[WEST]),
    ]);
    let before =
        ["leftover CNAME gone.default.fed.svc.westus: no-owner".to_owned(), format!("unmarked A {GLOBAL}: no-owner")];
    assert_eq!(found(&zone, &fed()), before);
    let adoption = adopt_leftovers(&zone, &fed());
    assert_eq!((adoption.taken.len(), adoption.registrations.changes.len()), (2, 0));
    apply(&mut zone, &adoption.marks.changes);
    assert_eq!(found(&zone, &fed()), ["orphaned CNAME gone.default.fed.svc.westus: service-gone"]);
    assert!(adopt_leftovers(&zone, &fed()).taken.is_empty());
}
