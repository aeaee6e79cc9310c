//! Writers that die at each of their requests in turn, and what the next one makes of what they left.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::memory::Fault;
use crate::operation::{OperationKind, Precondition};
use crate::testing::{desired, of, ours, want};

const WRITES: [OperationKind; 3] = [OperationKind::Create, OperationKind::Update, OperationKind::Delete];

/// How a request ends for a writer that does not live to see its answer.
#[derive(Debug, Clone, Copy)]
enum Dies {
    Before,
    After,
}

/// Lets the `n`th write from now on never be answered. How many there were is counted.
fn dies(memory: &MemoryProvider, n: usize, how: Dies) -> Arc<AtomicUsize> {
    let writes = Arc::new(AtomicUsize::new(0));
    let count = writes.clone();
    memory.on_request(move |call| {
        let fatal = WRITES.contains(&call.kind) && count.fetch_add(1, Ordering::SeqCst) == n;
        fatal.then_some(match how {
            Dies::Before => Fault::Hang,
            Dies::After => Fault::LoseAnswer,
        })
    });
    writes
}

/// Applies what is to do for `wish`, and dies as `memory` was told to.
async fn live(memory: &MemoryProvider, wish: &Desired) {
    let mut snapshot = seen(memory).await;
    let changes = plan(&snapshot, wish, &owner(), &Policy::default());
    let provider = registry(memory);
    // Of an answer that got lost nothing is learnt: whoever it was for is gone.
    let mut run = std::pin::pin!(async {
        for change in &changes.changes {
            let one = ChangeSet { changes: vec![change.clone()], ..ChangeSet::default() };
            if !crate::apply::apply(&provider, &zone_id(), &one, &mut snapshot).await.failed.is_empty() {
                return;
            }
        }
    });
    let _ = tokio::time::timeout(Duration::from_secs(1), &mut run).await;
}

/// What is in the zone of others, as it was put there.
fn strangers(memory: &MemoryProvider) -> Vec<RecordSet> {
    [
        bare("A", "www", &["192.0.2.80"]),
        bare("TXT", "note", &["text"]),
        bare("A", "other", &["192.0.2.81"]),
        entry("a-other"),
        bare("CNAME", "a-web2", &["elsewhere.example.com"]),
    ]
    .map(|set| by_hand(memory, set))
    .into()
}

/// Every set of ours has its mark, and every mark its set.
fn nothing_dangles(memory: &MemoryProvider, seen: &ZoneSnapshot, strangers: &[RecordSet]) {
    let zone = memory.contents(&zone_id());
    let foreign: BTreeSet<_> = strangers.iter().map(|set| &set.key).collect();
    for set in zone.iter().filter(|set| !foreign.contains(&set.key)) {
        if Mark::of(set).is_some() {
            let marked = see::marked_by(&TxtNames::default(), set).unwrap();
            assert!(zone.get(&marked).is_some(), "{} has no set", set.key);
        } else {
            assert!(owner().owns(seen.get(&set.key).unwrap()), "{} has no mark", set.key);
        }
    }
    for stranger in strangers {
        assert_eq!(zone.get(&stranger.key), Some(stranger));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_at_any_write_leaves_nothing_dangling_and_nothing_foreign() {
    let empty = Desired::default();
    let one = desired([want("A", "web", &["west=192.0.2.1"])]);
    let two = desired([want("A", "web", &["east=192.0.2.2"]), want("AAAA", "web", &["west=2001:db8::1"])]);
    let cname = desired([want("CNAME", "web", &["east=web2.example.com"])]);
    let wishes = [("nothing", &empty), ("one", &one), ("two", &two), ("a CNAME", &cname)];
    let mut deaths = 0;
    for (before, first) in wishes {
        for (after, second) in wishes {
            for how in [Dies::Before, Dies::After] {
                for n in 0.. {
                    let memory = memory();
                    let strangers = strangers(&memory);
                    settle(&memory, first).await;
                    let writes = dies(&memory, n, how);
                    live(&memory, second).await;
                    memory.on_request(|_| None);
                    if writes.load(Ordering::SeqCst) <= n {
                        break;
                    }
                    deaths += 1;
                    // Half the time whoever comes next wants what was before.
                    for wish in if n % 2 == 0 { [second, first] } else { [first, second] } {
                        settle(&memory, wish).await;
                        let seen = seen(&memory).await;
                        nothing_dangles(&memory, &seen, &strangers);
                        let ours = seen.iter().filter(|set| owner().owns(set)).count();
                        assert_eq!(ours, wish.sets.len(), "{before} to {after}, dead at {n} {how:?}: {seen:?}");
                        for set in &wish.sets {
                            assert_eq!(seen.get(&set.key).unwrap().data, set.to_record_set(&owner()).data);
                        }
                    }
                }
            }
        }
    }
    assert!(deaths >= 60, "{deaths}");
}

#[tokio::test(start_paused = true)]
async fn between_the_mark_and_the_set_there_is_a_set_of_ours_that_holds_nothing() {
    let wish = desired([want("A", "web", &["west=192.0.2.1"])]);
    let gone = Desired::default();
    for (before, after, n, left) in [(&gone, &wish, 1, "created"), (&wish, &gone, 1, "deleted")] {
        let memory = memory();
        settle(&memory, before).await;
        dies(&memory, n, Dies::Before);
        live(&memory, after).await;
        memory.on_request(|_| None);
        assert_eq!(held(&memory), ["TXT a-web"], "{left}");
        let zone = seen(&memory).await;
        let set = zone.get(&key("A", "web")).unwrap();
        assert!(owner().owns(set) && set.data.is_empty(), "{set:?}");
        assert_eq!(registry(&memory).get(&zone_id(), &set.key).await.unwrap().as_ref(), Some(set));
        // Another federation does not take the name.
        let other = crate::ownership::Owner("another".into());
        let changes = plan(&zone, &wish, &other, &Policy::default());
        assert_eq!((changes.changes.len(), changes.conflicts.len()), (0, 1), "{left}");
        // Who is to have it fills it with one request, and whoever does not removes the mark with one.
        for (wish, kind) in [(&wish, OperationKind::Create), (&gone, OperationKind::Delete)] {
            let changes = plan(&zone, wish, &owner(), &Policy::default());
            assert_eq!(requests(&TxtNames::default(), &changes.changes[0]), [kind], "{left}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_puts_where_a_mark_was_left_behind_is_his() {
    let wish = desired([want("A", "web", &["west=192.0.2.1"])]);
    for (before, after) in [(&Desired::default(), &wish), (&wish, &Desired::default())] {
        let memory = memory();
        settle(&memory, before).await;
        dies(&memory, 1, Dies::Before);
        live(&memory, after).await;
        memory.on_request(|_| None);
        let his = by_hand(&memory, bare("A", "web", &["203.0.113.7"]));
        for wish in [&wish, &Desired::default()] {
            settle(&memory, wish).await;
            assert_eq!(memory.contents(&zone_id()).get(&his.key), Some(&his));
        }
        let conflicts = settle(&memory, &wish).await.conflicts;
        assert_eq!(conflicts.len(), 1, "{conflicts:?}");
        // When he takes it away the mark is seen again, and what is not wanted goes.
        memory.remove(&zone_id(), &his.key).unwrap();
        settle(&memory, &Desired::default()).await;
        assert_eq!(held(&memory), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_a_hand_does_to_a_set_of_ours_is_undone() {
    let memory = memory();
    let wish = desired([want("A", "web", &["west=192.0.2.1", "east=192.0.2.2"])]);
    settle(&memory, &wish).await;
    for edit in [
        bare("A", "web", &["192.0.2.1", "203.0.113.7"]),
        bare("A", "web", &["192.0.2.2"]),
        RecordSet { ttl: 5, ..bare("A", "web", &["192.0.2.1", "192.0.2.2"]) },
    ] {
        by_hand(&memory, edit.clone());
        settle(&memory, &wish).await;
        let set = memory.contents(&zone_id()).get(&key("A", "web")).cloned().unwrap();
        assert_eq!((set.data.len(), set.ttl), (2, 30), "{edit:?}");
        assert!(!set.data.contains(&RecordData::A([203, 0, 113, 7].into())));
    }
    // Without its mark it is nobody's any more; without the set there is nothing in the way.
    memory.remove(&zone_id(), &key("A", "web"));
    settle(&memory, &wish).await;
    assert_eq!(held(&memory), ["TXT a-web", "A web"]);
    memory.remove(&zone_id(), &key("TXT", "a-web"));
    assert_eq!(settle(&memory, &wish).await.conflicts.len(), 1);
    memory.remove(&zone_id(), &key("A", "web"));
    settle(&memory, &wish).await;
    // Texts that are put beside the mark do not make it foreign, and go with it.
    let mut mark = memory.contents(&zone_id()).get(&key("TXT", "a-web")).cloned().unwrap();
    mark.data.insert(RecordData::Txt(vec!["a note".to_owned()]));
    by_hand(&memory, mark);
    assert_eq!(settle(&memory, &wish).await.conflicts, []);
    settle(&memory, &Desired::default()).await;
    assert_eq!(held(&memory), Vec::<String>::new());
}

#[tokio::test]
async fn a_set_that_somebody_has_put_there_since_the_zone_was_read_stays_his() {
    let memory = memory();
    let wish = desired([want("A", "web", &["west=192.0.2.1"])]);
    let mut snapshot = seen(&memory).await;
    let changes = plan(&snapshot, &wish, &owner(), &Policy::default());
    let his = by_hand(&memory, bare("A", "web", &["203.0.113.7"]));
    let applied = crate::apply::apply(&registry(&memory), &zone_id(), &changes, &mut snapshot).await;
    assert!(applied.stale && applied.done == 0, "{applied:?}");
    // The mark is taken back.
    assert_eq!(memory.contents(&zone_id()).iter().collect::<Vec<_>>(), [&his]);
    assert_eq!(snapshot, seen(&memory).await);
}

#[tokio::test]
async fn a_place_that_says_something_else_is_left_alone() {
    let wish = desired([want("A", "web", &["west=192.0.2.1"])]);
    for text in [bare("TXT", "a-web", &["v=spf1 -all"]), of("x", "CNAME", "a-web", &["b.example.com"])] {
        let memory = memory();
        let text = by_hand(&memory, text);
        let mut snapshot = seen(&memory).await;
        let changes = plan(&snapshot, &wish, &owner(), &Policy::default());
        let applied = crate::apply::apply(&registry(&memory), &zone_id(), &changes, &mut snapshot).await;
        let (set, error) = &applied.failed[0];
        assert!(*set == key("A", "web") && error.record_set.as_ref() == Some(set));
        assert!(error.to_string().contains("its mark, TXT a-web.example.com."), "{error}");
        assert_eq!(memory.contents(&zone_id()).iter().collect::<Vec<_>>(), [&text]);
        // The same for one that is there, and nobody's.
        let set = by_hand(&memory, bare("A", "web", &["192.0.2.1"]));
        if text.key.record_type == crate::record::RecordType::Txt {
            let read = registry(&memory).get(&zone_id(), &set.key).await.unwrap().unwrap();
            let put = registry(&memory)
                .put(&zone_id(), ours("A", "web", &["192.0.2.1"]), Precondition::Unchanged(read.etag.unwrap()))
                .await;
            assert!(put.unwrap_err().to_string().contains("is a TXT set that says something else"));
        }
        assert_eq!(memory.contents(&zone_id()).len(), 2);
    }
}
