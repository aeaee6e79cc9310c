use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::testing::{bare, desired, of, ours, owner, want};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const V4: [&str; 4] = ["west=192.0.2.1", "east=192.0.2.2", "west=192.0.2.3", "192.0.2.4"];
const V6: [&str; 3] = ["west=2001:db8::1", "east=2001:db8::2", "east=2001:db8::3"];
const TARGETS: [&str; 2] = ["x.example.com", "y.example.com"];

#[derive(Debug, Clone, Copy)]
enum Whose {
    Ours,
    Another,
    Nobodys,
}

/// What is, or is to be, at a name: a CNAME, or any of the others.
#[derive(Debug, Clone)]
enum At {
    Cname(&'static str),
    Others { a: Vec<&'static str>, aaaa: Vec<&'static str>, txt: bool },
}

fn at() -> impl Strategy<Value = At> {
    prop_oneof![
        1 => select(&TARGETS[..]).prop_map(At::Cname),
        3 => (subsequence(&V4[..], 0..=4), subsequence(&V6[..], 0..=3), any::<bool>())
            .prop_map(|(a, aaaa, txt)| At::Others { a, aaaa, txt }),
    ]
}

fn whose() -> impl Strategy<Value = Whose> {
    prop_oneof![6 => Just(Whose::Ours), 1 => Just(Whose::Another), 1 => Just(Whose::Nobodys)]
}

pub(super) fn zone() -> impl Strategy<Value = ZoneSnapshot> {
    let at_name = (at(), [whose(), whose(), whose()], any::<bool>());
    proptest::collection::vec(at_name, NAMES.len()).prop_map(|names| {
        let mut sets = Vec::new();
        for (name, (at, whose, alias)) in NAMES.iter().zip(names) {
            let mut put = |whose, record_type, data: &[&str]| match (data.is_empty(), whose) {
                (true, _) => {}
                (_, Whose::Ours) => sets.push(ours(record_type, name, data)),
                (_, Whose::Another) => sets.push(of("another", record_type, name, data)),
                (_, Whose::Nobodys) => sets.push(RecordSet { alias, ..bare(record_type, name, data) }),
            };
            match at {
                At::Cname(target) => put(whose[0], "CNAME", &[target]),
                At::Others { a, aaaa, txt } => {
                    put(whose[0], "A", &a);
                    put(whose[1], "AAAA", &aaaa);
                    put(whose[2], "TXT", if txt { &["text"] } else { &[] });
                }
            }
        }
        sets.into_iter().collect()
    })
}

pub(super) fn wish() -> impl Strategy<Value = Desired> {
    proptest::collection::vec(at(), NAMES.len()).prop_map(|names| {
        let mut sets = Vec::new();
        for (name, at) in NAMES.iter().zip(names) {
            match at {
                At::Cname(target) => sets.push(want("CNAME", name, &[target])),
                At::Others { a, aaaa, .. } => {
                    sets.extend([want("A", name, &a), want("AAAA", name, &aaaa)]);
                }
            }
        }
        sets.retain(|set| !set.data.is_empty());
        desired(sets)
    })
}

/// Does one change as a provider would, and fails where a provider would refuse.
pub(super) fn make(zone: &mut ZoneSnapshot, change: &Change) -> Result<(), TestCaseError> {
    let key = change.key();
    match (change.precondition(), zone.get(key)) {
        (Precondition::Absent, None) => {}
        (Precondition::Unchanged(etag), Some(set)) => prop_assert_eq!(set.etag.as_ref(), Some(&etag)),
        (precondition, set) => prop_assert!(false, "{precondition:?} but {set:?}"),
    }
    match change {
        Change::Create { set } | Change::Update { to: set, .. } => {
            zone.insert(RecordSet { etag: Some(Etag("written".into())), ..set.clone() });
        }
        Change::Delete { set } => drop(zone.remove(&set.key)),
    }
    let types: Vec<_> = zone.at(&key.name).map(|set| set.key.record_type).collect();
    prop_assert!(types.len() < 2 || !types.contains(&RecordType::Cname), "{} beside each other: {types:?}", key.name);
    Ok(())
}

fn without_etag(set: &RecordSet) -> RecordSet {
    RecordSet { etag: None, ..set.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_makes_the_zone_what_is_desired_and_leaves_the_rest_alone(before in zone(), wish in wish()) {
        let owner = owner();
        let changes = plan(&before, &wish, &owner, &Policy::default());
        let mut after = before.clone();
        for change in &changes.changes {
            make(&mut after, change)?;
        }
        for set in before.iter().filter(|set| !owner.owns(set)) {
            prop_assert_eq!(after.get(&set.key), Some(set), "foreign");
        }
        let refused: Vec<_> = changes.conflicts.iter().map(|conflict| &conflict.key).collect();
        let expected: Vec<_> = wish
            .sets
            .iter()
            .filter(|want| !refused.contains(&&want.key))
            .map(|want| want.to_record_set(&owner))
            .collect();
        let owned: Vec<_> = after.iter().filter(|set| owner.owns(set)).map(without_etag).collect();
        prop_assert_eq!(owned, expected);
    }

    #[test]
    fn planning_again_gives_nothing(before in zone(), wish in wish()) {
        let changes = plan(&before, &wish, &owner(), &Policy::default());
        let mut after = before;
        for change in &changes.changes {
            make(&mut after, change)?;
        }
        let again = plan(&after, &wish, &owner(), &Policy::default());
        prop_assert!(again.is_empty(), "{:?}", again.changes);
        prop_assert_eq!(again.conflicts, changes.conflicts);
    }

    #[test]
    fn a_name_never_lacks_data_of_a_type_that_it_had_and_shall_have(before in zone(), wish in wish()) {
        let changes = plan(&before, &wish, &owner(), &Policy::default());
        let mut now = before.clone();
        for change in &changes.changes {
            make(&mut now, change)?;
            for want in &wish.sets {
                prop_assert!(before.get(&want.key).is_none() || now.get(&want.key).is_some(), "{} is gone", want.key);
            }
        }
    }

    #[test]
    fn only_room_for_a_clashing_type_leaves_a_name_without_any_answer(before in zone(), wish in wish()) {
        let answers = |zone: &ZoneSnapshot, name| {
            zone.at(name).any(|set| set.key.record_type != RecordType::Txt)
        };
        let changes = plan(&before, &wish, &owner(), &Policy::default());
        let mut now = before.clone();
        for (n, change) in changes.changes.iter().enumerate() {
            make(&mut now, change)?;
            let name = &change.key().name;
            let wanted = wish.sets.iter().any(|want| want.key.name == *name);
            if wanted && answers(&before, name) && !answers(&now, name) {
                let next = changes.changes.get(n + 1);
                let refused = changes.conflicts.iter().any(|conflict| conflict.key.name == *name);
                prop_assert!(refused || next.is_some_and(|next| next.key().name == *name), "{name} is gone");
            }
        }
    }

    #[test]
    fn the_order_of_the_wish_means_nothing((wish, shuffled) in wish().prop_flat_map(|wish| {
        let sets = Just(wish.sets.clone()).prop_shuffle();
        (Just(wish), sets)
    }), before in zone()) {
        let changes = plan(&before, &wish, &owner(), &Policy::default());
        prop_assert_eq!(plan(&before, &desired(shuffled), &owner(), &Policy::default()), changes);
    }

    #[test]
    fn upsert_only_deletes_nothing_but_what_clashes_and_writes_what_sync_writes(before in zone(), wish in wish()) {
        let policy = Policy { mode: Mode::UpsertOnly, ..Policy::default() };
        let upserts = plan(&before, &wish, &owner(), &policy);
        let cname = |t: RecordType| t == RecordType::Cname;
        for change in &upserts.changes {
            if let Change::Delete { set } = change {
                let clashes = upserts.changes.iter().any(|other| {
                    matches!(other, Change::Create { .. })
                        && other.key().name == set.key.name
                        && cname(other.key().record_type) != cname(set.key.record_type)
                });
                prop_assert!(clashes, "{} goes for nothing", set.key);
            }
        }
        prop_assert!(upserts.guarded.is_none());
        let writes = |changes: &ChangeSet| {
            let mut writes: Vec<_> = changes.changes.iter().filter(|c| !matches!(c, Change::Delete { .. })).cloned().collect();
            writes.sort_by(|a, b| a.key().cmp(b.key()));
            writes
        };
        let sync = plan(&before, &wish, &owner(), &Policy::default());
        prop_assert_eq!(writes(&upserts), writes(&sync));
        prop_assert_eq!(upserts.conflicts, sync.conflicts);
    }

    #[test]
    fn the_guard_holds_deletions_of_whole_names_back_and_nothing_else(
        before in zone(), wish in wish(), at_least in 0usize..3, share in 0.0f64..1.0,
    ) {
        let free = plan(&before, &wish, &owner(), &Policy::default());
        let guarded = Policy { guard: Guard { share, at_least }, ..Policy::default() };
        let held = plan(&before, &wish, &owner(), &guarded);
        let Some(waiting) = &held.guarded else {
            prop_assert_eq!(held, free);
            return Ok(());
        };
        prop_assert!(waiting.names > at_least && waiting.names as f64 > share * waiting.owned as f64);
        let refused = |want: &DesiredRecordSet| held.conflicts.iter().any(|conflict| conflict.key == want.key);
        for key in &waiting.deletions {
            let wanted = wish.sets.iter().any(|want| want.key.name == key.name && !refused(want));
            prop_assert!(!wanted, "{key} is at a name that is wanted");
        }
        let rest: Vec<_> = free.changes.iter().filter(|c| !waiting.deletions.contains(c.key())).cloned().collect();
        prop_assert_eq!(&held.changes, &rest);
        let approved = Policy { approved: Some(waiting.hash.clone()), ..guarded };
        prop_assert_eq!(plan(&before, &wish, &owner(), &approved), free);
    }

    #[test]
    fn stages_cover_the_changes_in_order_of_urgency(before in zone(), wish in wish()) {
        let changes = plan(&before, &wish, &owner(), &Policy::default());
        prop_assert_eq!(changes.stages.iter().map(|stage| stage.changes).sum::<usize>(), changes.changes.len());
        prop_assert!(changes.stages.is_sorted_by_key(|stage| stage.urgency));
        prop_assert!(changes.stages.iter().all(|stage| stage.changes > 0));
        let mut left = changes.changes.iter();
        for stage in &changes.stages {
            for change in left.by_ref().take(stage.changes) {
                if let Change::Update { urgency, .. } = change {
                    prop_assert_eq!(*urgency, stage.urgency);
                }
            }
        }
    }
}
