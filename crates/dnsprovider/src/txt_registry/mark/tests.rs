use proptest::prelude::*;

use super::*;
use crate::ownership::{Owner, Resource, sources};
use crate::plan::DesiredRecordSet;
use crate::record::Members;

/// What external-dns makes of a text (endpoint/labels.go): its labels, if the heritage is its own.
fn labels(text: &str) -> Option<Vec<(&str, &str)>> {
    let tokens = text.trim_matches('"').split(',');
    let pairs: Vec<_> =
        tokens.map(|token| token.split('=').collect::<Vec<_>>()).filter(|parts| parts.len() == 2).collect();
    let pairs: Vec<_> = pairs.iter().map(|parts| (parts[0], parts[1])).collect();
    pairs.contains(&("heritage", "external-dns")).then(|| {
        let own = pairs.iter().filter_map(|(key, value)| Some((key.strip_prefix("external-dns")?, *value)));
        own.map(|(key, value)| (key.trim_start_matches('/'), value)).collect()
    })
}

fn address(last: u8) -> RecordData {
    RecordData::A([192, 0, 2, last].into())
}

fn data(lasts: &[u8]) -> DataSet {
    lasts.iter().map(|last| address(*last)).collect()
}

/// The mark of a set that holds these, each from the member of its number.
fn mark(members: &[(u8, &str)]) -> Mark {
    Mark::new(&metadata(members), &data(&members.iter().map(|(last, _)| *last).collect::<Vec<_>>())).unwrap()
}

fn metadata(members: &[(u8, &str)]) -> Metadata {
    let data: DataSources = members.iter().map(|(last, member)| (address(*last), Members::from([*member]))).collect();
    let key = RecordSetKey::new("web.example.com".parse().unwrap(), RecordType::A);
    let resource = Resource::service("default", "web");
    DesiredRecordSet { key, ttl: 30, data, resource }.to_record_set(&Owner("fed".into())).metadata
}

#[test]
fn external_dns_reads_an_entry_of_somebody_else() {
    for metadata in [
        metadata(&[(1, "fed-west"), (2, "external-dns")]),
        Owner("a,b=\"c\" é".into()).mark(&Resource::service("x,heritage=other", "y=z")),
    ] {
        let mark = Mark::new(&metadata, &data(&[1, 2])).unwrap();
        let set = mark.to_record_set("a-web.example.com".parse().unwrap());
        let [RecordData::Txt(strings)] = &set.data[..] else { panic!("{set:?}") };
        assert!(strings.iter().all(|string| string.len() <= 255));
        // Some of its providers see all strings, quotes between them and all; some see the first.
        for text in [strings.concat(), strings.join("\" \""), strings[0].clone()] {
            let labels = labels(&text).unwrap();
            let owner = encode(metadata.get(OWNER_KEY).unwrap(), "=");
            let resource = encode(metadata.get(RESOURCE_KEY).unwrap(), "=");
            assert_eq!(labels, [("owner", &*format!("kfed-{owner}")), ("resource", &*resource)], "{text}");
        }
    }
}

#[test]
fn what_is_no_mark_is_not_read_as_one() {
    for text in [
        "",
        "v=spf1 -all",
        "heritage=external-dns,external-dns/owner=other,external-dns/resource=service/a/b",
        "heritage=else,kfed-owner=fed",
        "kfed-owner=fed",
        "heritage=external-dns,kfed-owner=%zz",
        "heritage=external-dns,kfed-owner=%C3%28",
        "heritage=external-dns,kfed-owner=fed,kfed-data=xyz",
        "heritage=external-dns,kfed-owner=f%é",
    ] {
        assert_eq!(Mark::parse(text), None, "{text}");
    }
    // Words of later versions are kept; what says nothing is passed over.
    let mark = Mark::parse("heritage=external-dns,kfed-owner=fed,kfed-later=1,nonsense").unwrap();
    assert_eq!(mark.metadata(&data(&[])), [("kfed-owner", "fed"), ("kfed-later", "1")].into());
    assert!(mark.counts_for(&Fingerprints::of(&data(&[9]))), "it does not say what it is for");
}

#[test]
fn what_a_mark_cannot_say_is_refused() {
    let mut reserved = metadata(&[(1, "west")]);
    reserved.insert("external-dns/owner", "me");
    for (metadata, why) in [
        (&[("cost", "42")].into(), "metadata without `kfed-owner` have no place in a TXT registry"),
        (&reserved, "a TXT registry has `external-dns/owner` for itself"),
    ] {
        assert_eq!(Mark::new(metadata, &data(&[1])).unwrap_err(), why);
    }
}

#[test]
fn a_mark_covers_what_is_withdrawn_and_what_comes_back() {
    let both = mark(&[(1, "west"), (2, "east")]);
    for (wanted, covered) in [
        (mark(&[(1, "west"), (2, "east")]), true),
        (mark(&[(1, "west")]), true),
        (mark(&[(2, "east")]), true),
        (mark(&[(3, "west")]), false),
        (mark(&[(1, "west"), (3, "west")]), false),
        (mark(&[(1, "east")]), false),
        (Mark::new(&Owner("other".into()).mark(&Resource::service("default", "web")), &data(&[1])).unwrap(), false),
        (mark(&[(1, "west")]).with_wildcard(true), false),
    ] {
        assert_eq!(both.covers(&wanted), covered, "{wanted}");
    }
}

#[test]
fn a_mark_that_is_replaced_counts_for_the_set_before_and_after() {
    let before = mark(&[(1, "west"), (2, "east")]);
    let after = mark(&[(3, "west"), (2, "north")]).after(Some(&before), &Fingerprints::of(&data(&[1, 2])));
    assert_eq!(after.metadata(&data(&[1])), metadata(&[(1, "west")]));
    assert_eq!(after.metadata(&data(&[2, 3])), metadata(&[(2, "north"), (3, "west")]));
    assert!(after.counts_for(&Fingerprints::of(&data(&[1]))) && after.counts_for(&Fingerprints::of(&data(&[3, 9]))));
    assert!(!after.counts_for(&Fingerprints::of(&data(&[9]))));
}

#[test]
fn a_mark_does_not_grow_for_ever() {
    let mut before = mark(&[(0, "west")]);
    for last in 1..=200 {
        before = mark(&[(last, "west")]).after(Some(&before), &Fingerprints::of(&data(&[last - 1])));
        assert!(before.data.as_ref().unwrap().0.len() <= REMEMBERED);
        // What the set holds now is never forgotten.
        assert_eq!(before.metadata(&data(&[last - 1, last])), metadata(&[(last - 1, "west"), (last, "west")]));
    }
    assert!(before.to_string().len() < 2000, "{before}");
}

proptest! {
    #[test]
    fn what_a_mark_says_is_read_again(
        owner in ".{0,12}",
        others in proptest::collection::btree_map("(cost|kfed-resource|kfed-sources|é|a,b=c%|\\PC{1,4})", "(?s).{0,300}", 0..4),
        lasts in proptest::collection::vec(any::<u8>(), 0..5),
        wildcard: bool,
    ) {
        let mut metadata: Metadata = others.into();
        metadata.insert(OWNER_KEY, owner);
        let data = data(&lasts);
        let mark = Mark::new(&metadata, &data).unwrap().with_wildcard(wildcard);
        let set = mark.to_record_set("a-web.example.com".parse().unwrap());
        set.check().unwrap();
        prop_assert_eq!(&mark.to_string(), &Mark::of(&set).unwrap().1);
        prop_assert_eq!(&Mark::of(&set).unwrap().0, &mark);
        prop_assert!(mark.covers(&mark));
        // Only sources of data that the set does not hold are left out.
        if metadata.get(SOURCES_KEY).and_then(parse_sources).is_none() {
            prop_assert_eq!(mark.metadata(&data), metadata);
        }
    }

    #[test]
    fn sources_are_kept_for_what_the_set_holds(
        named in proptest::collection::btree_map(0u8..9, proptest::collection::vec("[a-c]", 0..3), 1..6),
        held in proptest::collection::vec(0u8..9, 1..6),
    ) {
        let all: DataSources = named.iter().map(|(last, members)| (address(*last), members.iter().map(String::as_str).collect())).collect();
        let key = RecordSetKey::new("web.example.com".parse().unwrap(), RecordType::A);
        let want = DesiredRecordSet { key, ttl: 30, data: all, resource: Resource::service("default", "web") };
        let set = want.to_record_set(&Owner("fed".into()));
        let mark = Mark::new(&set.metadata, &set.data).unwrap();
        let mark = Mark::parse(&mark.to_string()).unwrap();
        prop_assert_eq!(&mark.metadata(&set.data), &set.metadata);
        let held = data(&held);
        let seen = RecordSet { data: held.clone(), metadata: mark.metadata(&held), ..set.clone() };
        prop_assert_eq!(sources(&seen), sources(&RecordSet { data: held, ..set }));
    }
}
