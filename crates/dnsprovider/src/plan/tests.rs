mod kept;
mod properties;

use super::*;
use crate::testing::{bare, desired, key, of, ours, owner, want, web};

fn snapshot(sets: impl IntoIterator<Item = RecordSet>) -> ZoneSnapshot {
    sets.into_iter().collect()
}

fn plan_of(sets: Vec<RecordSet>, wanted: Vec<DesiredRecordSet>) -> ChangeSet {
    plan(&snapshot(sets), &desired(wanted), &owner(), &Policy::default())
}

/// One line a change: `update A web.example.com. withdraws 192.0.2.1`.
fn lines(changes: &ChangeSet) -> Vec<String> {
    let line = |change: &Change| {
        let verb = match change {
            Change::Create { .. } => "create",
            Change::Update { .. } => "update",
            Change::Delete { .. } => "delete",
        };
        format!("{verb} {}: {}", change.key(), change.why())
    };
    changes.changes.iter().map(line).collect()
}

#[test]
fn an_unchanged_set_costs_nothing() {
    let data = ["fed-west=192.0.2.1", "fed-east=192.0.2.2"];
    let changes = plan_of(vec![ours("A", "web", &data)], vec![want("A", "web", &data)]);
    assert_eq!(changes, ChangeSet::default());
}

#[test]
fn a_changed_address_is_one_update_under_the_version_that_was_read() {
    let changes = plan_of(
        vec![ours("A", "web", &["fed-west=192.0.2.1", "fed-east=192.0.2.2"])],
        vec![want("A", "web", &["fed-east=192.0.2.2", "fed-north=192.0.2.3"])],
    );
    assert_eq!(
        lines(&changes),
        ["update A web.example.com.: withdraws 192.0.2.1 (fed-west), adds 192.0.2.3 (fed-north)"]
    );
    assert_eq!(changes.changes[0].precondition(), Precondition::Unchanged(Etag("read".into())));
    assert_eq!(changes.changes[0].resource(), Some(web()));
}

#[test]
fn a_new_set_is_created_where_there_is_none_and_marked() {
    let changes = plan_of(vec![], vec![want("A", "web", &["fed-west=192.0.2.1"])]);
    let Change::Create { set } = &changes.changes[0] else { panic!("{changes:?}") };
    assert_eq!(changes.changes[0].precondition(), Precondition::Absent);
    let expected =
        [("kfed-owner", "fed"), ("kfed-resource", "service/default/web"), ("kfed-sources", "fed-west=192.0.2.1")];
    assert_eq!(set.metadata, expected.into());
}

#[test]
fn sources_are_read_back_as_they_were_written() {
    let wanted = want("AAAA", "web", &["b=2001:db8::1", "a=2001:db8::1", "a=2001:db8::2"]);
    assert_eq!(sources(&wanted.to_record_set(&owner())), wanted.data);
    let mut set = ours("A", "web", &["192.0.2.1"]);
    set.metadata.insert("kfed-sources", "a=192.0.2.1,b=192.0.2.77,nonsense,c=not-an-address");
    let read = sources(&set);
    assert_eq!(read.len(), 1, "only what is in the set: {read:?}");
}

#[test]
fn metadata_that_others_put_beside_ours_survives() {
    let mut set = ours("A", "web", &["192.0.2.1"]);
    set.metadata.insert("cost-centre", "42");
    let same = plan_of(vec![set.clone()], vec![want("A", "web", &["192.0.2.1"])]);
    assert!(same.is_empty(), "{same:?}");
    let changes = plan_of(vec![set], vec![want("A", "web", &["192.0.2.2"])]);
    let Change::Update { to, .. } = &changes.changes[0] else { panic!("{changes:?}") };
    assert_eq!(to.metadata.get("cost-centre"), Some("42"));
}

#[test]
fn wrong_answers_go_first_then_additions_then_deletions() {
    let changes = plan_of(
        vec![
            ours("A", "a-gone", &["192.0.2.1"]),
            ours("A", "b-grows", &["192.0.2.1"]),
            ours("A", "c-half-wrong", &["192.0.2.1", "192.0.2.2"]),
            ours("A", "d-all-wrong", &["192.0.2.1"]),
            RecordSet { ttl: 60, ..ours("A", "e-ttl", &["192.0.2.1"]) },
        ],
        vec![
            want("CNAME", "a-alias", &["b-grows.example.com"]),
            want("A", "b-grows", &["192.0.2.1", "192.0.2.2"]),
            want("A", "c-half-wrong", &["192.0.2.2"]),
            want("A", "d-all-wrong", &["192.0.2.2"]),
            want("A", "e-ttl", &["192.0.2.1"]),
            want("A", "f-new", &["192.0.2.2"]),
        ],
    );
    assert_eq!(
        lines(&changes),
        [
            "update A d-all-wrong.example.com.: withdraws 192.0.2.1, adds 192.0.2.2",
            "update A c-half-wrong.example.com.: withdraws 192.0.2.1",
            "update A b-grows.example.com.: adds 192.0.2.2",
            "create A f-new.example.com.: adds 192.0.2.2",
            "create CNAME a-alias.example.com.: adds b-grows.example.com.",
            "update A e-ttl.example.com.: sets the TTL to 30 s from 60 s",
            "delete A a-gone.example.com.: withdraws 192.0.2.1",
        ]
    );
}

#[test]
fn a_cname_makes_room_right_before_addresses_come_and_the_reverse() {
    let changes = plan_of(
        vec![
            ours("CNAME", "up", &["web.example.com"]),
            ours("A", "down", &["192.0.2.1"]),
            ours("AAAA", "down", &["2001:db8::1"]),
        ],
        vec![
            want("A", "up", &["192.0.2.1"]),
            want("AAAA", "up", &["2001:db8::1"]),
            want("CNAME", "down", &["up.example.com"]),
        ],
    );
    assert_eq!(
        lines(&changes),
        [
            "delete A down.example.com.: withdraws 192.0.2.1",
            "delete AAAA down.example.com.: withdraws 2001:db8::1",
            "create CNAME down.example.com.: adds up.example.com.",
            "delete CNAME up.example.com.: withdraws web.example.com.",
            "create A up.example.com.: adds 192.0.2.1",
            "create AAAA up.example.com.: adds 2001:db8::1",
        ]
    );
}

#[test]
fn when_one_address_family_goes_and_the_other_comes_it_comes_first() {
    let changes = plan_of(vec![ours("A", "web", &["192.0.2.1"])], vec![want("AAAA", "web", &["2001:db8::1"])]);
    assert_eq!(
        lines(&changes),
        ["create AAAA web.example.com.: adds 2001:db8::1", "delete A web.example.com.: withdraws 192.0.2.1"]
    );
}

/// What is at the name, what is wanted there, what the conflict says.
#[test]
fn what_belongs_to_somebody_else_stays_and_is_told() {
    let txt = "\"heritage=external-dns,external-dns/owner=cluster-7,external-dns/resource=service/x/y\"";
    let alias = RecordSet { alias: true, ..ours("A", "web", &["192.0.2.9"]) };
    let richer = RecordSet { unknown_properties: true, ..ours("A", "web", &["192.0.2.9"]) };
    let cases: Vec<(&str, Vec<RecordSet>, &str, &str)> = vec![
        ("another owner's set", vec![of("other", "A", "web", &["192.0.2.9"])], "A", "belongs to `other`"),
        ("a set by hand", vec![bare("A", "web", &["192.0.2.9"])], "A", "belongs to somebody else"),
        (
            "a CNAME by hand where addresses are wanted",
            vec![bare("CNAME", "web", &["x.example.com"])],
            "A",
            "belongs to somebody else",
        ),
        (
            "addresses by hand where a CNAME is wanted",
            vec![bare("A", "web", &["192.0.2.9"])],
            "CNAME",
            "belongs to somebody else",
        ),
        (
            "the other address family by hand: its answers would change too",
            vec![of("other", "AAAA", "web", &["2001:db8::9"])],
            "A",
            "belongs to `other`",
        ),
        (
            "a CNAME wanted beside a foreign TXT",
            vec![bare("TXT", "web", &["hello"])],
            "CNAME",
            "a CNAME cannot stand beside TXT",
        ),
        ("an alias", vec![alias], "A", "is an alias of another resource of the provider"),
        (
            "a set of ours with more to it than is known",
            vec![richer.clone()],
            "A",
            "has properties that are not known here and that a write would drop",
        ),
        (
            "the same, where all that is known is as it is wanted",
            vec![RecordSet { data: [RecordData::A([192, 0, 2, 1].into())].into(), ..richer }],
            "A",
            "has properties that are not known here and that a write would drop",
        ),
        (
            "external-dns' old TXT at the name",
            vec![ours("A", "web", &["192.0.2.9"]), bare("TXT", "web", &[txt])],
            "A",
            "belongs to `cluster-7`",
        ),
        (
            "external-dns' new TXT beside the name",
            vec![bare("A", "web", &["192.0.2.9"]), bare("TXT", "a-web", &[txt])],
            "A",
            "belongs to `cluster-7`",
        ),
        ("external-dns' old TXT, and no record yet", vec![bare("TXT", "web", &[txt])], "A", "belongs to `cluster-7`"),
        ("external-dns' new TXT, and no record yet", vec![bare("TXT", "a-web", &[txt])], "A", "belongs to `cluster-7`"),
    ];
    for (what, sets, record_type, why) in cases {
        let value = if record_type == "A" { "192.0.2.1" } else { "up.example.com" };
        let changes = plan_of(sets, vec![want(record_type, "web", &[value])]);
        assert!(changes.is_empty(), "{what}: {:?}", lines(&changes));
        let told: Vec<_> = changes.conflicts.iter().map(ToString::to_string).collect();
        let expected = format!("{record_type} web.example.com. is wanted by service/default/web but {why}");
        assert_eq!(told, [expected], "{what}");
    }
}

#[test]
fn what_external_dns_owns_of_another_type_is_no_obstacle() {
    let txt = "heritage=external-dns,external-dns/owner=cluster-7";
    let sets = vec![ours("A", "web", &["192.0.2.9"]), bare("TXT", "aaaa-web", &[txt])];
    let changes = plan_of(sets, vec![want("A", "web", &["192.0.2.1"])]);
    assert_eq!(changes.changes.len(), 1);
    assert!(changes.conflicts.is_empty());
}

#[test]
fn a_txt_of_somebody_is_no_obstacle_for_addresses() {
    let changes = plan_of(vec![bare("TXT", "web", &["v=spf1 -all"])], vec![want("A", "web", &["192.0.2.1"])]);
    assert_eq!(lines(&changes), ["create A web.example.com.: adds 192.0.2.1"]);
}

#[test]
fn a_cname_wanted_beside_addresses_is_a_conflict_and_the_addresses_win() {
    let changes = plan_of(vec![], vec![want("A", "web", &["192.0.2.1"]), want("CNAME", "web", &["up.example.com"])]);
    assert_eq!(lines(&changes), ["create A web.example.com.: adds 192.0.2.1"]);
    assert_eq!(changes.conflicts[0].why, ConflictReason::CnameBesideOthers { types: vec![RecordType::A] });
}

#[test]
fn of_two_resources_that_want_one_name_the_lesser_wins_and_the_other_is_told() {
    let other = DesiredRecordSet { resource: Resource::service("default", "a"), ..want("A", "web", &["192.0.2.2"]) };
    let changes = plan_of(vec![], vec![want("A", "web", &["192.0.2.1"]), other.clone()]);
    assert_eq!(lines(&changes), ["create A web.example.com.: adds 192.0.2.2"]);
    assert_eq!(changes.conflicts[0].why, ConflictReason::OtherResource { resource: other.resource });
}

#[test]
fn kept_resources_stay_exactly_as_they_are() {
    let snapshot = snapshot([ours("A", "web", &["192.0.2.1"]), ours("A", "gone", &["192.0.2.1"])]);
    let desired = Desired { sets: vec![want("A", "web", &["192.0.2.2"])], keep: [web()].into() };
    let changes = plan(&snapshot, &desired, &owner(), &Policy::default());
    assert_eq!(changes, ChangeSet::default());
}

#[test]
fn a_name_that_another_resource_wants_is_not_kept() {
    let old = |set: RecordSet| RecordSet { metadata: owner().mark(&Resource::service("default", "old")), ..set };
    let snapshot = snapshot([old(ours("A", "web", &["192.0.2.1"])), old(ours("A", "gone", &["192.0.2.1"]))]);
    let keep = BTreeSet::from([Resource::service("default", "old")]);
    for (record_type, value, expected) in [
        ("A", "192.0.2.2", &["update A web.example.com.: withdraws 192.0.2.1, adds 192.0.2.2"][..]),
        (
            "CNAME",
            "up.example.com",
            &["delete A web.example.com.: withdraws 192.0.2.1", "create CNAME web.example.com.: adds up.example.com."],
        ),
    ] {
        let desired = Desired { sets: vec![want(record_type, "web", &[value])], keep: keep.clone() };
        let changes = plan(&snapshot, &desired, &owner(), &Policy::default());
        assert_eq!(lines(&changes), expected);
        assert!(changes.conflicts.is_empty(), "{:?}", changes.conflicts);
    }
}

#[test]
fn upsert_only_deletes_nothing_but_still_swaps_types() {
    let snapshot = snapshot([ours("A", "gone", &["192.0.2.1"]), ours("A", "web", &["192.0.2.1"])]);
    let policy = Policy { mode: Mode::UpsertOnly, ..Policy::default() };
    let changes = plan(&snapshot, &desired([want("CNAME", "web", &["up.example.com"])]), &owner(), &policy);
    assert_eq!(
        lines(&changes),
        ["delete A web.example.com.: withdraws 192.0.2.1", "create CNAME web.example.com.: adds up.example.com."]
    );
}

#[test]
fn a_set_that_holds_too_much_is_cut_stably_and_fairly_and_said() {
    let data: Vec<String> = (1..=30).map(|n| format!("m{}=192.0.2.{n}", (n - 1) / 2)).collect();
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    let changes = plan_of(vec![], vec![want("A", "web", &data)]);
    let Change::Create { set } = &changes.changes[0] else { panic!("{changes:?}") };
    assert_eq!((set.data.len(), changes.truncated[0].kept, changes.truncated[0].dropped.len()), (20, 20, 10));
    let from = sources(set);
    let members: BTreeSet<_> = from.values().flatten().collect();
    assert_eq!(members.len(), 15, "every member has a part in it");

    let stands = snapshot([RecordSet { etag: Some(Etag("1".into())), ..set.clone() }]);
    let again = plan(&stands, &desired([want("A", "web", &data)]), &owner(), &Policy::default());
    assert!(again.is_empty() && again.truncated.len() == 1, "{again:?}");

    // One of those in the zone goes: one other takes its place, the rest stays.
    let gone = set.data.first().unwrap().to_string();
    let fewer: Vec<&str> = data.iter().copied().filter(|d| !d.ends_with(&format!("={gone}"))).collect();
    let changes = plan(&stands, &desired([want("A", "web", &fewer)]), &owner(), &Policy::default());
    let Change::Update { to, .. } = &changes.changes[0] else { panic!("{changes:?}") };
    assert_eq!(to.data.intersection(&set.data).count(), 19);
}

/// A type, two data of it (a CNAME has one), another.
const OF_EVERY_TYPE: [(&str, &[&str], &str); 9] = [
    ("A", &["192.0.2.1", "192.0.2.2"], "192.0.2.3"),
    ("AAAA", &["2001:db8::1", "2001:db8::2"], "2001:db8::3"),
    ("CNAME", &["a.example.com"], "b.example.com"),
    ("TXT", &["v=spf1 -all", "two words"], "a=b,c=d"),
    ("SRV", &["10 5 5060 a.example.com", "10 5 5061 a.example.com"], "20 0 5060 ."),
    ("MX", &["10 a.example.com", "20 b.example.com"], "0 ."),
    ("PTR", &["a.example.com", "b.example.com"], "c.example.com"),
    ("NS", &["ns1.example.com", "ns2.example.com"], "ns3.example.com"),
    ("CAA", &["0 issue \"a.example\"", "128 iodef \"mailto:b@example.com\""], "0 issuewild \";\""),
];

#[test]
fn sets_of_every_type_come_stay_change_and_go() {
    let named: BTreeSet<_> = OF_EVERY_TYPE.iter().map(|(t, ..)| RecordType::parse(t).unwrap()).collect();
    let writable = RecordType::ALL.into_iter().filter(|t| *t != RecordType::Soa).collect();
    assert_eq!(named, writable, "every type but SOA, which the provider keeps");
    for (record_type, data, other) in OF_EVERY_TYPE {
        let actions = |changes: &ChangeSet| {
            assert!(changes.conflicts.is_empty() && changes.truncated.is_empty(), "{record_type}: {changes:?}");
            lines(changes).iter().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let line = |verb| vec![format!("{verb} {record_type} web.example.com.")];
        let held = || vec![ours(record_type, "web", data)];
        let created = plan_of(vec![], vec![want(record_type, "web", data)]);
        assert_eq!(actions(&created), line("create"));
        let Change::Create { set } = &created.changes[0] else { panic!("{created:?}") };
        assert_eq!((set.check(), set.data.len()), (Ok(()), data.len()));

        let mut turned = data.to_vec();
        turned.reverse();
        assert_eq!(plan_of(held(), vec![want(record_type, "web", &turned)]), ChangeSet::default(), "{record_type}");
        assert_eq!(actions(&plan_of(held(), vec![want(record_type, "web", &[other])])), line("update"));
        assert_eq!(actions(&plan_of(held(), vec![])), line("delete"));
    }
}

#[test]
fn a_wanted_cname_with_two_targets_is_cut_to_one_and_said() {
    let changes = plan_of(vec![], vec![want("CNAME", "web", &["a.example.com", "b.example.com"])]);
    let Change::Create { set } = &changes.changes[0] else { panic!("{changes:?}") };
    assert_eq!((set.data.len(), changes.truncated[0].kept, changes.truncated[0].dropped.len()), (1, 1, 1));
}

#[test]
fn sources_that_others_wrote_in_other_words_are_the_same_and_others_are_not() {
    let wanted = || vec![want("AAAA", "web", &["a=2001:db8::1", "b=2001:db8::1"])];
    for (text, same) in [
        ("a=2001:db8::1,b=2001:db8::1", true),
        (",a=2001:0DB8:0::1,,b=2001:db8::1,", true),
        ("a=2001:db8::1", false),
        ("a=2001:db8::1,b=2001:db8::1,c=2001:db8::1", false),
        ("a=2001:db8::1b=2001:db8::1", false),
        ("a=2001:db8::1,b=2001:db8::11", false),
        ("", false),
    ] {
        let mut set = ours("AAAA", "web", &["a=2001:db8::1", "b=2001:db8::1"]);
        set.metadata.insert("kfed-sources", text);
        assert_eq!(plan_of(vec![set], wanted()).is_empty(), same, "{text}");
    }
    for (text, same) in [("a=192.0.2.1", true), ("a=192.0.2.11", false), ("a=192.0.2", false), ("a=192.0.2.1x", false)]
    {
        let mut set = ours("A", "web", &["a=192.0.2.1"]);
        set.metadata.insert("kfed-sources", text);
        assert_eq!(plan_of(vec![set], vec![want("A", "web", &["a=192.0.2.1"])]).is_empty(), same, "{text}");
    }
}

mod guarding {
    use super::*;

    fn zone(names: usize) -> ZoneSnapshot {
        snapshot((0..names).map(|n| ours("A", &format!("n{n:03}"), &["192.0.2.1"])))
    }

    fn first(names: usize) -> Desired {
        desired((0..names).map(|n| want("A", &format!("n{n:03}"), &["192.0.2.1"])))
    }

    #[test]
    fn the_limits_hold_to_the_last_name() {
        // Owned, left over, whether it is held back: more than 30 % and more than 10.
        for (owned, left, held) in [(100, 70, false), (100, 69, true), (12, 2, false), (12, 1, true), (40, 28, false)] {
            let changes = plan(&zone(owned), &first(left), &owner(), &Policy::default());
            assert_eq!(changes.guarded.is_some(), held, "{left} of {owned} left");
            assert_eq!(changes.changes.len(), if held { 0 } else { owned - left }, "{left} of {owned} left");
        }
    }

    #[test]
    fn what_is_held_back_passes_with_its_hash_and_with_no_other() {
        let held = plan(&zone(50), &first(0), &owner(), &Policy::default()).guarded.unwrap();
        assert_eq!((held.names, held.owned, held.deletions.len()), (50, 50, 50));
        let with = |hash: &PlanHash, left| {
            let policy = Policy { approved: Some(hash.clone()), ..Policy::default() };
            plan(&zone(50), &first(left), &owner(), &policy)
        };
        assert_eq!(with(&held.hash, 0).changes.len(), 50);
        assert!(with(&held.hash, 0).guarded.is_none());
        let other = with(&held.hash, 1).guarded.unwrap();
        assert_ne!(other.hash, held.hash);
        assert!(with(&PlanHash("0".into()), 0).is_empty());
    }

    #[test]
    fn deletions_with_a_cause_pass_and_do_not_count() {
        let mut sets: Vec<_> = zone(20).iter().cloned().collect();
        let caused = Resource::service("default", "deleted");
        for set in &mut sets[..15] {
            set.metadata.insert("kfed-resource", caused.to_string());
        }
        let policy = Policy { caused: [caused].into(), ..Policy::default() };
        let changes = plan(&snapshot(sets), &first(0), &owner(), &policy);
        assert_eq!((changes.changes.len(), changes.guarded), (20, None));
    }

    #[test]
    fn while_deletions_wait_the_rest_is_done() {
        let mut wanted = first(5);
        wanted.sets[0] = want("A", "n000", &["192.0.2.2"]);
        wanted.sets.push(want("A", "new", &["192.0.2.2"]));
        let changes = plan(&zone(50), &wanted, &owner(), &Policy::default());
        assert_eq!(
            lines(&changes),
            [
                "update A n000.example.com.: withdraws 192.0.2.1, adds 192.0.2.2",
                "create A new.example.com.: adds 192.0.2.2"
            ]
        );
        assert_eq!(changes.guarded.unwrap().names, 45);
    }

    #[test]
    fn both_address_families_of_a_name_are_one_name() {
        let sets = (0..10).flat_map(|n| {
            let name = format!("n{n}");
            [ours("A", &name, &["192.0.2.1"]), ours("AAAA", &name, &["2001:db8::1"])]
        });
        let changes = plan(&snapshot(sets), &first(0), &owner(), &Policy::default());
        assert_eq!(changes.changes.len(), 20, "10 names are not more than 10");
    }
}

#[test]
fn what_is_dead_goes_first_and_then_what_somebody_ranks_high() {
    let of = |service: &str| Resource::service("default", service);
    let set = |name: &str, data: &[&str]| {
        let mut set = ours("A", name, data);
        set.metadata.insert("kfed-resource", of(name).to_string());
        set
    };
    let want = |name: &str, data: &[&str]| DesiredRecordSet { resource: of(name), ..want("A", name, data) };
    let have = ["a", "b", "c", "d", "e"].map(|name| set(name, &["192.0.2.1", "192.0.2.2"]));
    let wanted = [
        want("a", &["192.0.2.1"]),                           // moves away from an address that is well
        want("b", &["192.0.2.3"]),                           // so does this, wholly
        want("c", &["192.0.2.2"]),                           // withdraws a dead address
        want("d", &["192.0.2.2"]),                           // the same, and ranks higher
        want("e", &["192.0.2.1", "192.0.2.2", "192.0.2.3"]), // adds
        want("f", &["192.0.2.1"]),                           // adds, and ranks higher
    ];
    let order = |policy: &Policy| {
        let changes = plan(&snapshot(have.clone()), &desired(wanted.clone()), &owner(), policy);
        changes.changes.iter().map(|change| change.key().name.as_str()[..1].to_owned()).collect::<String>()
    };
    assert_eq!(order(&Policy::default()), "bacdef");
    let dead =
        [of("c"), of("d")].map(|resource| (resource, [crate::testing::datum(RecordType::A, "192.0.2.1")].into()));
    let priorities = [(of("d"), 5), (of("f"), 1), (of("a"), -1), (of("b"), -2)].into();
    let policy = Policy { dead: dead.into(), priorities, ..Policy::default() };
    assert_eq!(order(&policy), "dcbafe");
}

#[test]
fn a_change_set_serializes_for_people_and_machines() {
    let changes = plan_of(vec![ours("A", "web", &["a=192.0.2.1"])], vec![want("A", "web", &["a=192.0.2.2"])]);
    let json = serde_json::to_value(&changes).unwrap();
    assert_eq!(json["changes"][0]["action"], "update");
    assert_eq!(json["changes"][0]["urgency"], "wrong-now");
    assert_eq!(json["changes"][0]["to"]["name"], "web.example.com.");
    assert_eq!(json["changes"][0]["to"]["data"][0], "192.0.2.2");
    assert_eq!(key("A", "web").to_string(), "A web.example.com.");
}
