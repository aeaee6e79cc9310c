//! What a life costs, what others read, and what is taken over from them.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::apply::apply;
use crate::error::ErrorClass;
use crate::layer::{Budget, Limits};
use crate::operation::{OperationKind, Precondition};
use crate::plan::{Change, DesiredRecordSet};
use crate::registered::{Registered, Registration};
use crate::testing::{desired, ours, want};

/// Makes the zone what `wish` says, and tells which requests were sent for it.
async fn costs(memory: &MemoryProvider, snapshot: &mut ZoneSnapshot, wish: &Desired) -> Vec<OperationKind> {
    let changes = plan(snapshot, wish, &owner(), &Policy::default());
    let said: Vec<_> = changes.changes.iter().flat_map(|change| requests(&TxtNames::default(), change)).collect();
    memory.forget_calls();
    let applied = apply(&registry(memory), &zone_id(), &changes, snapshot).await;
    assert!(applied.failed.is_empty(), "{applied:?}");
    let sent: Vec<_> = memory.calls().into_iter().map(|call| call.kind).collect();
    assert_eq!(sent, said, "{changes:?}");
    sent
}

#[tokio::test]
async fn a_withdrawal_and_a_return_are_one_request_each() {
    use OperationKind::{Create, Delete, Update};
    let memory = memory();
    let mut zone = seen(&memory).await;
    let web = |data: &[&str]| desired([want("A", "web", data)]);
    let short = desired([DesiredRecordSet { ttl: 5, ..want("A", "web", &["west=192.0.2.1", "east=192.0.2.2"]) }]);
    for (what, wish, cost) in [
        ("it comes", web(&["west=192.0.2.1", "east=192.0.2.2"]), vec![Create, Create]),
        ("nothing", web(&["west=192.0.2.1", "east=192.0.2.2"]), vec![]),
        ("west fails", web(&["east=192.0.2.2"]), vec![Update]),
        ("west returns", web(&["west=192.0.2.1", "east=192.0.2.2"]), vec![Update]),
        ("another TTL", short, vec![Update]),
        ("west has moved", web(&["west=192.0.2.3", "east=192.0.2.2"]), vec![Update, Update]),
        ("west moves back", web(&["west=192.0.2.1", "east=192.0.2.2"]), vec![Update]),
        ("an address has another member", web(&["north=192.0.2.1", "east=192.0.2.2"]), vec![Update, Update]),
        ("it goes", Desired::default(), vec![Delete, Delete]),
    ] {
        assert_eq!(costs(&memory, &mut zone, &wish).await, cost, "{what}");
        assert_eq!(seen(&memory).await, zone, "{what}");
    }
    assert_eq!(held(&memory), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn each_request_of_a_write_takes_its_turn_in_the_budget() {
    let memory = memory();
    let minute = Duration::from_secs(60);
    let budget = Budget::new(Limits::default().with(OperationKind::Create, 4, minute));
    let provider = memory.provider().layer(&budget.layer()).with_txt_registry(TxtNames::default());
    let wish = desired(["a", "b", "c"].map(|name| want("A", name, &["192.0.2.1"])));
    let changes = plan(&ZoneSnapshot::default(), &wish, &owner(), &Policy::default());
    let started = tokio::time::Instant::now();
    let applied = apply(&provider, &zone_id(), &changes, &mut ZoneSnapshot::default()).await;
    assert_eq!(applied.done, 3);
    // Six creations where four may be sent in a minute.
    assert_eq!(started.elapsed(), minute);
    assert_eq!(memory.requests(OperationKind::Create), 6);
    assert_eq!(budget.state()[0].used, 2);
}

#[tokio::test]
async fn what_is_listed_or_read_is_what_marks_say_and_not_the_marks() {
    let memory = memory();
    let names = TxtNames::try_new("%{record_type}.", "", "").unwrap();
    let provider = memory.provider().with_txt_registry(names.clone());
    for name in ["web", "x.web", "y.x.web"] {
        provider.put(&zone_id(), ours("A", name, &["192.0.2.1"]), Precondition::Absent).await.unwrap();
    }
    memory.remove(&zone_id(), &key("A", "web"));
    let below = provider.snapshot_below(&zone_id(), &key("A", "web").name).await.unwrap();
    let names: Vec<_> = below.iter().map(|set| (set.key.clone(), owner().owns(set))).collect();
    assert_eq!(names, [(key("A", "x.web"), true), (key("A", "y.x.web"), true)]);
    assert_eq!(provider.get(&zone_id(), &key("TXT", "a.x.web")).await.unwrap(), None, "nor is a mark read by its name");
    let page = provider.list_record_sets(&zone_id(), None, Some("2".into())).await;
    assert_eq!(page.unwrap_err().class, ErrorClass::Invalid);
}

#[tokio::test]
async fn what_external_dns_has_registered_is_foreign_and_can_be_taken_over() {
    let memory = memory();
    let web = by_hand(&memory, bare("A", "web", &["203.0.113.7"]));
    let (old, new) = (by_hand(&memory, entry("web")), by_hand(&memory, entry("a-web")));
    let before = memory.contents(&zone_id());
    let wish = desired([want("A", "web", &["west=192.0.2.1"])]);
    assert_eq!(settle(&memory, &wish).await.conflicts.len(), 1);
    assert_eq!(memory.contents(&zone_id()), before);

    // As `kfed dns adopt` does it: the marks first, then the entries, all as they were read.
    let mut zone = seen(&memory).await;
    let entries: Vec<_> = Registered::of(&zone, &owner()).at(&web.key).map(|entry| entry.txt.clone()).collect();
    assert_eq!(entries, [old.key, new.key]);
    let from = zone.get(&web.key).unwrap().clone();
    let to = RecordSet { metadata: owner().mark(&crate::testing::web()), ..from.clone() };
    let mark = Change::Update { from: from.into(), to, urgency: crate::plan::Urgency::Tidies };
    let entries = entries.iter().map(|key| zone.get(key).unwrap().clone());
    let entries: Vec<_> = entries
        .map(|set| {
            assert_eq!(Registration::without(&set), None);
            Change::Delete { set: set.into() }
        })
        .collect();
    for changes in [vec![mark], entries] {
        let changes = ChangeSet { changes, ..ChangeSet::default() };
        let applied = apply(&registry(&memory), &zone_id(), &changes, &mut zone).await;
        assert!(applied.failed.is_empty() && !applied.stale, "{applied:?}");
        // At no time is it nobody's.
        let told = Registered::of(&zone, &owner());
        assert!(owner().owns(zone.get(&web.key).unwrap()) || told.owner(&web.key).is_some());
    }
    assert_eq!(held(&memory), ["TXT a-web", "A web"]);
    assert_eq!(memory.contents(&zone_id()).get(&web.key).unwrap().data, web.data);
    assert!(text(&memory, "a-web").contains("external-dns/owner=kfed-fed,"));
    // From now on it is what is wanted.
    assert_eq!(settle(&memory, &wish).await.conflicts, []);
    assert_ne!(memory.contents(&zone_id()).get(&web.key).unwrap().data, web.data);
}

#[tokio::test]
async fn a_mark_of_another_federation_that_stands_alone_can_be_taken_over() {
    let memory = memory();
    let wish = desired([want("A", "web", &["west=192.0.2.1"])]);
    settle(&memory, &wish).await;
    memory.remove(&zone_id(), &key("A", "web"));
    let alone = seen(&memory).await.get(&key("A", "web")).unwrap().clone();
    let other = crate::ownership::Owner("another".into());
    let to = RecordSet { metadata: other.mark(&crate::testing::web()), ..alone.clone() };
    let put = registry(&memory).put(&zone_id(), to, Precondition::Unchanged(alone.etag.unwrap())).await.unwrap();
    assert!(other.owns(&put) && put.data.is_empty());
    assert_eq!(held(&memory), ["TXT a-web"]);
    assert_eq!(settle(&memory, &wish).await.conflicts.len(), 1);
    // Nothing else may hold nothing.
    let put = registry(&memory).put(&zone_id(), ours("A", "else", &[]), Precondition::Absent).await;
    assert_eq!(put.unwrap_err().class, ErrorClass::Invalid);
}

#[tokio::test]
async fn a_name_without_room_for_a_mark_is_refused_before_anything_is_written() {
    let memory = memory();
    let long = format!("{}.default", "x".repeat(62));
    let put = registry(&memory).put(&zone_id(), ours("A", &long, &["192.0.2.1"]), Precondition::Absent).await;
    let error = put.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.to_string().contains("its mark has no place"), "{error}");
    // The mark of the zone's own name would be outside of it.
    let apex = RecordSet {
        key: crate::record::RecordSetKey::new("example.com".parse().unwrap(), crate::record::RecordType::A),
        ..ours("A", "web", &["192.0.2.1"])
    };
    let put = registry(&memory).put(&zone_id(), apex.clone(), Precondition::Absent).await;
    assert_eq!(put.unwrap_err().class, ErrorClass::Invalid);
    assert_eq!(held(&memory), Vec::<String>::new());
    let roomy = memory.provider().with_txt_registry(TxtNames::try_new("%{record_type}.", "", "").unwrap());
    for set in [ours("A", &long, &["192.0.2.1"]), apex] {
        roomy.put(&zone_id(), set, Precondition::Absent).await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_with_metadata_has_no_use_for_the_registry() {
    let memory = MemoryProvider::with_zone("example.com".parse().unwrap());
    let provider = memory.provider().with_txt_registry(TxtNames::default());
    provider.put(&zone_id(), ours("A", "web", &["192.0.2.1"]), Precondition::Absent).await.unwrap();
    assert_eq!(held(&memory), ["A web"]);
}

/// Sets that somebody may want, one of each type at a name.
fn wish() -> impl Strategy<Value = Desired> {
    let member = || prop::sample::select(vec!["", "west=", "east="]);
    let addresses = proptest::collection::btree_map(1u8..4, member(), 1..4)
        .prop_map(|data| data.into_iter().map(|(n, member)| format!("{member}192.0.2.{n}")).collect::<Vec<_>>());
    let name = || prop::sample::select(vec!["web", "a-web", "*.any", "b"]);
    let a = (name(), addresses, 1u32..3).prop_map(|(name, data, ttl)| {
        let data: Vec<_> = data.iter().map(String::as_str).collect();
        DesiredRecordSet { ttl, ..want("A", name, &data) }
    });
    let cname = prop::sample::select(vec!["web", "b"]).prop_map(|name| want("CNAME", name, &["west=c.example.com"]));
    proptest::collection::vec(prop_oneof![3 => a, 1 => cname], 0..4).prop_map(|mut sets| {
        sets.sort_by(|a, b| a.key.cmp(&b.key));
        sets.dedup_by(|a, b| a.key.name == b.key.name);
        desired(sets)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_wanted_is_seen_as_where_metadata_are_kept(wishes in proptest::collection::vec(wish(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (with, without) = (MemoryProvider::with_zone("example.com".parse().unwrap()), memory());
            let (mut zone, mut marked) = (ZoneSnapshot::default(), ZoneSnapshot::default());
            for wish in &wishes {
                let changes = plan(&zone, wish, &owner(), &Policy::default());
                apply(&with.provider(), &zone_id(), &changes, &mut zone).await;
                let changes = plan(&marked, wish, &owner(), &Policy::default());
                let applied = apply(&registry(&without), &zone_id(), &changes, &mut marked).await;
                prop_assert!(applied.failed.is_empty(), "{:?}", applied);
                let content = |set: &RecordSet| RecordSet { etag: None, ..set.clone() };
                prop_assert!(marked.iter().map(content).eq(zone.iter().map(content)), "{:?}\n{:?}", marked, zone);
                prop_assert_eq!(&seen(&without).await, &marked);
                prop_assert_eq!(held(&without).len(), 2 * zone.len());
            }
            Ok(())
        })?;
    }
}
