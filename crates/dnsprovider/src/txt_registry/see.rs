//! What is seen of a zone through its marks.

use std::collections::{BTreeMap, BTreeSet};

use super::mark::{Mark, TTL};
use super::names::TxtNames;
use super::version::{Content, Place, Version};
use crate::record::{DataSet, RecordSet, RecordSetKey, RecordType};

/// The sets of a zone with what their marks say of them, and without the marks. A mark without a set is a set that holds nothing.
///
/// The order of `sets` means nothing. Versions are for writes through `TxtRegistry` alone.
///
/// ```
/// use kfed_dnsprovider::txt_registry::{Mark, TxtNames, see};
/// use kfed_dnsprovider::{Owner, RecordData, RecordSet, RecordSetKey, RecordType, Resource};
///
/// let text = "heritage=external-dns,external-dns/owner=kfed-fed,kfed-owner=fed,kfed-resource=service/default/web";
/// let set = |name: &str, record_type, datum| RecordSet {
///     key: RecordSetKey::new(name.parse().unwrap(), record_type),
///     ttl: 30,
///     data: [datum].into(),
///     metadata: Default::default(),
///     etag: None,
///     alias: false,
///     unknown_properties: false,
/// };
/// let seen = see(&TxtNames::default(), vec![
///     set("a-web.example.com", RecordType::Txt, RecordData::Txt(vec![text.into()])),
///     set("web.example.com", RecordType::A, RecordData::A([192, 0, 2, 1].into())),
/// ]);
/// assert_eq!((seen.len(), Owner("fed".into()).owns(&seen[0])), (1, true));
/// ```
pub fn see(names: &TxtNames, sets: Vec<RecordSet>) -> Vec<RecordSet> {
    let (mut rest, mut texts, mut marked) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for set in sets {
        if let Some(key) = marked_by(names, &set) {
            marked.insert(key);
            texts.insert(set.key.name.clone(), set);
        } else {
            if set.key.record_type == RecordType::Txt {
                texts.insert(set.key.name.clone(), set.clone());
            }
            rest.push(set);
        }
    }
    for set in &rest {
        marked.remove(&set.key);
    }
    let alone = marked.into_iter().map(|key| (key, None));
    let with = rest.into_iter().map(|set| (set.key.clone(), Some(set)));
    let seen = with.chain(alone).filter_map(|(key, set)| {
        let place = names.mark(&key).ok().and_then(|mark| texts.get(&mark));
        let place = Place::of(place, names.replaces(&key.name));
        see_one(&key, set, place)
    });
    seen.collect()
}

/// What is seen at `key`, where `set` is, and `place` where its mark belongs.
pub(super) fn see_one(key: &RecordSetKey, set: Option<RecordSet>, place: Place) -> Option<RecordSet> {
    let mark = place.mark();
    let Some(set) = set else {
        let data = DataSet::new();
        return Some(RecordSet {
            key: key.clone(),
            ttl: TTL,
            metadata: mark?.metadata(&data),
            data,
            etag: Some(Version { place, ..Version::default() }.to_etag()),
            alias: false,
            unknown_properties: false,
        });
    };
    let content = Content::of(&set);
    let metadata = mark.filter(|mark| mark.counts_for(&content.data)).map(|mark| mark.metadata(&set.data));
    let etag = set.etag.clone().map(|version| Version { set: Some(version), content, place }.to_etag());
    Some(RecordSet { metadata: metadata.unwrap_or_default(), etag, ..set })
}

/// The set whose mark `set` is, if it is one.
pub(super) fn marked_by(names: &TxtNames, set: &RecordSet) -> Option<RecordSetKey> {
    if set.key.record_type != RecordType::Txt {
        return None;
    }
    let (mark, _) = Mark::of(set)?;
    names.set(&set.key.name, mark.is_wildcard())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ownership::{OWNER_KEY, Owner};
    use crate::testing::{bare, key, web};

    const TYPES: [&str; 3] = ["A", "AAAA", "CNAME"];

    /// One of what may be in a zone: sets, marks of two owners, external-dns' entries, and texts.
    fn set() -> impl Strategy<Value = RecordSet> {
        let name = || prop::sample::select(vec!["web", "a-web", "wildcard.b", "*.b"]);
        let data = |record_type| match record_type {
            "A" => "192.0.2.1",
            "AAAA" => "2001:db8::1",
            _ => "c.example.com",
        };
        let plain = (0..3usize, name()).prop_map(move |(t, name)| bare(TYPES[t], name, &[data(TYPES[t])]));
        let mark = (0..3usize, name(), prop::sample::select(vec!["fed", "other"]), any::<bool>()).prop_map(
            move |(t, name, owner, counts)| {
                let names = TxtNames::default();
                let marked = key(TYPES[t], name);
                let held = bare(TYPES[t], name, &[data(TYPES[t])]);
                let held = if counts { held.data } else { bare("A", name, &["203.0.113.9"]).data };
                let mark = Mark::new(&Owner(owner.into()).mark(&web()), &held).unwrap();
                let mark = mark.with_wildcard(names.replaces(&marked.name));
                RecordSet { etag: marked_etag(), ..mark.to_record_set(names.mark(&marked).unwrap()) }
            },
        );
        let text = (prop::sample::select(vec!["web", "a-web", "a-b"]), any::<bool>()).prop_map(|(name, entry)| {
            let text = if entry { "heritage=external-dns,external-dns/owner=x" } else { "v=spf1 -all" };
            bare("TXT", name, &[text])
        });
        prop_oneof![plain, mark, text]
    }

    fn marked_etag() -> Option<crate::record::Etag> {
        Some(crate::record::Etag("read".into()))
    }

    fn zone() -> impl Strategy<Value = (Vec<RecordSet>, Vec<RecordSet>)> {
        proptest::collection::vec(set(), 0..10).prop_flat_map(|sets| {
            let zone: BTreeMap<_, _> = sets.into_iter().map(|set| (set.key.clone(), set)).collect();
            let sets: Vec<_> = zone.into_values().collect();
            (Just(sets.clone()), Just(sets).prop_shuffle())
        })
    }

    proptest! {
        #[test]
        fn what_is_seen_is_every_set_once_with_what_its_own_mark_says((sets, shuffled) in zone()) {
            let names = TxtNames::default();
            let by_key = |sets: Vec<RecordSet>| -> BTreeMap<_, _> {
                sets.into_iter().map(|set| (set.key.clone(), set)).collect()
            };
            let seen = see(&names, sets.clone());
            let count = seen.len();
            let seen = by_key(seen);
            prop_assert_eq!(seen.len(), count, "each once");
            prop_assert_eq!(&by_key(see(&names, shuffled)), &seen, "in any order");

            let zone = by_key(sets);
            let marks: BTreeMap<_, _> =
                zone.values().filter_map(|set| Some((marked_by(&names, set)?, Mark::of(set)?.0))).collect();
            for set in zone.values().filter(|set| marked_by(&names, set).is_none()) {
                let seen = &seen[&set.key];
                prop_assert_eq!((&seen.data, seen.ttl), (&set.data, set.ttl), "sets are shown as they are");
                let mark = marks.get(&set.key).filter(|mark| mark.counts_for(&Content::of(set).data));
                prop_assert_eq!(&seen.metadata, &mark.map(|mark| mark.metadata(&set.data)).unwrap_or_default());
            }
            for set in seen.values().filter(|seen| !zone.contains_key(&seen.key)) {
                prop_assert!(set.data.is_empty() && marks.contains_key(&set.key), "a mark alone is a set without data");
                prop_assert!(set.metadata.get(OWNER_KEY).is_some());
            }
            let missing = marks.keys().filter(|key| !seen.contains_key(*key)).count();
            prop_assert_eq!(missing, 0, "no mark is lost");
            for mark in zone.values().filter(|set| marked_by(&names, set).is_some()) {
                prop_assert!(!seen.contains_key(&mark.key) || marks.contains_key(&mark.key), "and none is shown");
            }
        }

        #[test]
        fn a_version_is_read_again_and_no_other_text_is_one((sets, _) in zone(), noise in "(?s).{0,40}") {
            for set in see(&TxtNames::default(), sets) {
                let etag = set.etag.unwrap();
                let version = Version::of(&etag);
                prop_assert_eq!(version.to_etag(), etag.clone());
                prop_assert!(version.set != Some(etag));
            }
            let noise = crate::record::Etag(noise);
            prop_assert_eq!(Version::of(&noise).set, Some(noise));
        }
    }
}
