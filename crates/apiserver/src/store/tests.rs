use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn store(history: usize, watch_buffer: usize) -> Store {
    Store::new(Limits { history, watch_buffer }, 0)
}

fn things() -> Resource {
    Arc::from("things")
}

fn put(store: &Store, name: &str, value: u64) -> u64 {
    let key = ObjectKey::new("ns", name);
    store.write(|tx| tx.put(&things(), &key, json!({"metadata": {"name": name}, "value": value})).revision)
}

fn remove(store: &Store, name: &str) -> Option<u64> {
    let key = ObjectKey::new("ns", name);
    store.write(|tx| {
        let last = tx.get("things", &key)?.object.clone();
        tx.remove(&things(), &key, last).map(|s| s.revision)
    })
}

/// A state as anybody sees it: name to revision and value.
type Seen = BTreeMap<String, (u64, u64)>;

fn seen(objects: &[(ObjectKey, Arc<Stored>)]) -> Seen {
    objects.iter().map(|(key, s)| (key.name.clone(), (s.revision, s.object["value"].as_u64().unwrap()))).collect()
}

fn replay(state: &mut Seen, change: &Change) {
    let name = change.key.name.clone();
    if change.deleted {
        assert!(state.remove(&name).is_some(), "only what is there is deleted");
    } else {
        let before = state.insert(name, (change.revision, change.object.object["value"].as_u64().unwrap()));
        assert_eq!(before.is_some(), change.before.is_some());
    }
}

#[test]
fn objects_know_their_revision() {
    let store = store(10, 10);
    assert_eq!((put(&store, "a", 1), put(&store, "b", 1), put(&store, "a", 2)), (1, 2, 3));
    let a = store.get("things", &ObjectKey::new("ns", "a")).unwrap();
    assert_eq!((a.revision, object::revision(&a.object)), (3, Some("3")));
    assert_eq!(store.writes(), 3);
}

#[test]
fn t7_a_deletion_has_a_revision_of_its_own_and_shows_the_last_state() {
    let store = store(10, 10);
    put(&store, "a", 7);
    let mut watch = store.subscribe(&things(), None, From::Now).unwrap();
    assert_eq!(remove(&store, "a"), Some(2));
    let change = watch.live.try_recv().unwrap();
    assert!(change.deleted);
    assert_eq!((object::revision(&change.object.object), &change.object.object["value"]), (Some("2"), &json!(7)));
}

#[test]
fn t8_a_watcher_that_does_not_keep_up_is_cut_off_and_loses_nothing() {
    let store = store(100, 2);
    let mut watch = store.subscribe(&things(), None, From::Now).unwrap();
    for i in 0..5 {
        put(&store, "a", i);
    }
    let mut last = 0;
    while let Ok(change) = watch.live.try_recv() {
        last = change.revision;
    }
    assert_eq!(last, 2);
    assert!(watch.live.is_closed());
    assert_eq!(store.overflows(), 1);
    let resumed = store.subscribe(&things(), None, From::After(last)).unwrap();
    assert_eq!(resumed.missed.iter().map(|c| c.revision).collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn what_the_history_forgot_cannot_be_watched_or_listed() {
    let store = store(3, 10);
    for i in 0..5 {
        put(&store, "a", i);
    }
    assert_eq!(store.subscribe(&things(), None, From::After(1)).unwrap_err(), Compacted { oldest: 2 });
    assert_eq!(store.snapshot_at("things", None, 1).unwrap_err(), Compacted { oldest: 2 });
    assert_eq!(store.subscribe(&things(), None, From::After(2)).unwrap().missed.len(), 3);
}

#[test]
fn a_watch_of_one_namespace_sees_no_other() {
    let store = store(10, 10);
    let mut watch = store.subscribe(&things(), Some("other"), From::Now).unwrap();
    put(&store, "a", 1);
    assert!(watch.live.try_recv().is_err());
    assert!(store.snapshot("things", Some("other")).objects.is_empty());
}

#[test]
fn the_seed_decides_the_random_numbers() {
    let numbers =
        |seed| Store::new(Limits { history: 1, watch_buffer: 1 }, seed).write(|tx| [tx.random(), tx.random()]);
    assert_eq!(numbers(1), numbers(1));
    assert_ne!(numbers(1), numbers(2));
}

proptest! {
    /// T5: whatever happened, and wherever it is cut, a list and the watch from its revision make the final state.
    #[test]
    fn t5_a_list_and_a_watch_from_its_revision_make_the_final_state(
        history in prop::collection::vec((0..6_u8, any::<bool>(), 0..100_u64), 1..60),
        cut in 0..60_usize,
    ) {
        let store = store(1000, 1000);
        let mut states = vec![(0, Seen::new())];
        let mut live = None;
        for (i, (name, delete, value)) in history.iter().enumerate() {
            if i == cut {
                let list = store.snapshot("things", None);
                live = Some((seen(&list.objects), store.subscribe(&things(), None, From::After(list.revision)).unwrap()));
            }
            let name = format!("o{name}");
            if *delete {
                remove(&store, &name);
            } else {
                put(&store, &name, *value);
            }
            let now = store.snapshot("things", None);
            states.push((now.revision, seen(&now.objects)));
        }
        let last = states.last().unwrap().1.clone();
        for (revision, state) in &states {
            // Any earlier state can be listed again, and replayed to the last one.
            let then = store.snapshot_at("things", None, *revision).unwrap();
            prop_assert_eq!(&seen(&then.objects), state);
            let mut replayed = state.clone();
            for change in store.subscribe(&things(), None, From::After(*revision)).unwrap().missed {
                replay(&mut replayed, &change);
            }
            prop_assert_eq!(&replayed, &last);
        }
        if let Some((mut state, mut watch)) = live {
            let mut revision = watch.revision;
            prop_assert!(watch.missed.is_empty());
            while let Ok(change) = watch.live.try_recv() {
                prop_assert!(change.revision > revision, "revisions rise");
                revision = change.revision;
                replay(&mut state, &change);
            }
            prop_assert_eq!(state, last);
        }
    }
}
