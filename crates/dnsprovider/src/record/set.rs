//! The data of one record set.

use std::collections::BTreeSet;
use std::ops::Deref;

use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::record::RecordData;

/// The data of a record set: each once, in order, and read as a slice. Up to two, as most sets hold, are in the set itself: zones have a
/// hundred thousand of these.
///
/// ```
/// use kfed_dnsprovider::{DataSet, RecordData};
///
/// let [a, b] = [1, 2].map(|last| RecordData::A([192, 0, 2, last].into()));
/// let mut data: DataSet = [b.clone(), a.clone()].into();
/// assert_eq!(*data, [a.clone(), b.clone()]);
/// assert!(!data.insert(a.clone()) && data.remove(&b));
/// assert_eq!(data, [a].into());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DataSet(SmallVec<[RecordData; 2]>);

// === impl DataSet ===

impl DataSet {
    /// A set without data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Data that come in order and each once.
    pub(crate) fn from_sorted(data: impl IntoIterator<Item = RecordData>) -> Self {
        let data = SmallVec::from_iter(data);
        debug_assert!(data.is_sorted_by(|a, b| a < b), "{data:?}");
        Self(data)
    }

    /// Adds `datum`, and tells whether it was not there.
    pub fn insert(&mut self, datum: RecordData) -> bool {
        let place = self.0.binary_search(&datum);
        if let Err(place) = place {
            self.0.insert(place, datum);
        }
        place.is_err()
    }

    /// Takes `datum` away, and tells whether it was there.
    pub fn remove(&mut self, datum: &RecordData) -> bool {
        let place = self.0.binary_search(datum);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }

    /// Whether `datum` is there.
    pub fn contains(&self, datum: &RecordData) -> bool {
        self.0.binary_search(datum).is_ok()
    }

    /// Whether every datum is in `other` too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).next().is_none()
    }

    /// Whether no datum is in `other` too.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.intersection(other).next().is_none()
    }

    /// What is here and not in `other`.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a RecordData> {
        self.iter().filter(|datum| !other.contains(datum))
    }

    /// What is in both.
    pub fn intersection<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a RecordData> {
        self.iter().filter(|datum| other.contains(datum))
    }
}

/// In order.
impl Deref for DataSet {
    type Target = [RecordData];

    fn deref(&self) -> &[RecordData] {
        &self.0
    }
}

impl FromIterator<RecordData> for DataSet {
    fn from_iter<I: IntoIterator<Item = RecordData>>(data: I) -> Self {
        let mut data = SmallVec::from_iter(data);
        data.sort();
        data.dedup();
        Self(data)
    }
}

impl Extend<RecordData> for DataSet {
    fn extend<I: IntoIterator<Item = RecordData>>(&mut self, data: I) {
        self.0.extend(data);
        self.0.sort();
        self.0.dedup();
    }
}

impl<const N: usize> From<[RecordData; N]> for DataSet {
    fn from(data: [RecordData; N]) -> Self {
        data.into_iter().collect()
    }
}

impl From<BTreeSet<RecordData>> for DataSet {
    fn from(data: BTreeSet<RecordData>) -> Self {
        Self::from_sorted(data)
    }
}

impl IntoIterator for DataSet {
    type Item = RecordData;
    type IntoIter = smallvec::IntoIter<[RecordData; 2]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a DataSet {
    type Item = &'a RecordData;
    type IntoIter = std::slice::Iter<'a, RecordData>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Serialize for DataSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data() -> impl Strategy<Value = Vec<RecordData>> {
        proptest::collection::vec((0u8..6).prop_map(|last| RecordData::A([192, 0, 2, last].into())), 0..6)
    }

    proptest! {
        #[test]
        fn it_does_what_a_set_does(one in data(), other in data()) {
            let (a, b) = (DataSet::from_iter(one.clone()), DataSet::from_iter(other.clone()));
            let (x, y) = (BTreeSet::from_iter(one), BTreeSet::from_iter(other.clone()));
            prop_assert!(a.iter().eq(&x));
            prop_assert_eq!(&DataSet::from(x.clone()), &a);
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!((a.is_subset(&b), a.is_disjoint(&b)), (x.is_subset(&y), x.is_disjoint(&y)));
            prop_assert!(a.difference(&b).eq(x.difference(&y)));
            prop_assert!(a.intersection(&b).eq(x.intersection(&y)));
            prop_assert_eq!(serde_json::to_value(&a).unwrap(), serde_json::to_value(&x).unwrap());

            let (mut a, mut x) = (a, x);
            for datum in &other {
                prop_assert_eq!(a.contains(datum), x.contains(datum));
                prop_assert_eq!(a.insert(datum.clone()), x.insert(datum.clone()));
            }
            prop_assert!(a.iter().eq(&x));
            for datum in &other {
                prop_assert_eq!(a.remove(datum), x.remove(datum));
            }
            a.extend(other.clone());
            x.extend(other);
            prop_assert!(a.iter().eq(&x));
        }
    }
}
