//! Which member each datum of a record set came from.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Index;

use serde::{Serialize, Serializer};
use smallvec::SmallVec;
use smol_str::SmolStr;

use crate::packed::{self, Texts};
use crate::record::RecordData;

/// The data of a record set, each with the members that it came from, by datum. Up to two, as most sets hold, are in the map itself:
/// planners read a hundred thousand of these.
///
/// ```
/// use kfed_dnsprovider::{DataSources, RecordData};
///
/// let address = RecordData::A([192, 0, 2, 1].into());
/// let mut data: DataSources = [(address.clone(), ["fed-west"].into())].into();
/// data.members_mut(address.clone()).insert("fed-east");
/// assert_eq!(data[&address].iter().collect::<Vec<_>>(), ["fed-east", "fed-west"]);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DataSources(SmallVec<[(RecordData, Members); 2]>);

/// Names of members, each once and in order.
///
/// ```
/// use kfed_dnsprovider::Members;
///
/// let mut members: Members = ["fed-west", "fed-east"].into();
/// assert!(members.contains("fed-west") && !members.insert("fed-west"));
/// assert_eq!(members.iter().collect::<Vec<_>>(), ["fed-east", "fed-west"]);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Members(SmolStr);

/// The names of [`Members`], in order.
#[derive(Debug, Clone)]
pub struct MembersIter<'a>(Texts<'a>);

// === impl DataSources ===

impl DataSources {
    /// A map without data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `datum` there with `members`, in place of those that it had.
    pub fn insert(&mut self, datum: RecordData, members: Members) -> Option<Members> {
        match self.place(&datum) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, members)),
            Err(place) => {
                self.0.insert(place, (datum, members));
                None
            }
        }
    }

    /// The members of `datum`, if it is there.
    pub fn get(&self, datum: &RecordData) -> Option<&Members> {
        self.place(datum).ok().map(|place| &self.0[place].1)
    }

    /// The members of `datum`, which is put there without any if it is not.
    pub fn members_mut(&mut self, datum: RecordData) -> &mut Members {
        let place = self.place(&datum).unwrap_or_else(|place| {
            self.0.insert(place, (datum, Members::new()));
            place
        });
        &mut self.0[place].1
    }

    /// Whether `datum` is there.
    pub fn contains_key(&self, datum: &RecordData) -> bool {
        self.place(datum).is_ok()
    }

    /// The data with their members, by datum.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&RecordData, &Members)> + Clone {
        self.0.iter().map(|(datum, members)| (datum, members))
    }

    /// The data, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &RecordData> + Clone {
        self.0.iter().map(|(datum, _)| datum)
    }

    /// The members of each datum, by datum.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Members> + Clone {
        self.0.iter().map(|(_, members)| members)
    }

    /// How many data there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no datum.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, datum: &RecordData) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, _)| held.cmp(datum))
    }
}

impl fmt::Debug for DataSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Index<&RecordData> for DataSources {
    type Output = Members;

    fn index(&self, datum: &RecordData) -> &Members {
        self.get(datum).expect("the datum that is asked for is there")
    }
}

/// Of two entries for one datum the later stays.
impl FromIterator<(RecordData, Members)> for DataSources {
    fn from_iter<I: IntoIterator<Item = (RecordData, Members)>>(data: I) -> Self {
        let mut all = Self::default();
        all.extend(data);
        all
    }
}

impl Extend<(RecordData, Members)> for DataSources {
    fn extend<I: IntoIterator<Item = (RecordData, Members)>>(&mut self, data: I) {
        for (datum, members) in data {
            self.insert(datum, members);
        }
    }
}

impl<const N: usize> From<[(RecordData, Members); N]> for DataSources {
    fn from(data: [(RecordData, Members); N]) -> Self {
        data.into_iter().collect()
    }
}

impl<M: Into<Members>> From<BTreeMap<RecordData, M>> for DataSources {
    fn from(data: BTreeMap<RecordData, M>) -> Self {
        data.into_iter().map(|(datum, members)| (datum, members.into())).collect()
    }
}

impl IntoIterator for DataSources {
    type Item = (RecordData, Members);
    type IntoIter = smallvec::IntoIter<[(RecordData, Members); 2]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A map from data to lists of members.
impl Serialize for DataSources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

// === impl Members ===

impl Members {
    /// No member.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `member`, and tells whether it was not there.
    pub fn insert(&mut self, member: impl AsRef<str>) -> bool {
        let new = !self.contains(member.as_ref());
        if new {
            *self = self.iter().chain([member.as_ref()]).collect();
        }
        new
    }

    /// Whether `member` is there.
    pub fn contains(&self, member: &str) -> bool {
        self.iter().any(|held| held == member)
    }

    /// The members, in order.
    pub fn iter(&self) -> MembersIter<'_> {
        MembersIter(Texts(&self.0))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl PartialOrd for Members {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Members {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl<S: AsRef<str>> FromIterator<S> for Members {
    fn from_iter<I: IntoIterator<Item = S>>(members: I) -> Self {
        let mut members: SmallVec<[S; 4]> = members.into_iter().collect();
        members.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
        members.dedup_by(|a, b| a.as_ref() == b.as_ref());
        let mut text = String::new();
        members.iter().for_each(|member| packed::push(&mut text, member.as_ref()));
        Self(text.into())
    }
}

impl<S: AsRef<str>> Extend<S> for Members {
    fn extend<I: IntoIterator<Item = S>>(&mut self, members: I) {
        for member in members {
            self.insert(member);
        }
    }
}

impl<S: AsRef<str>, const N: usize> From<[S; N]> for Members {
    fn from(members: [S; N]) -> Self {
        members.into_iter().collect()
    }
}

impl<S: AsRef<str>> From<BTreeSet<S>> for Members {
    fn from(members: BTreeSet<S>) -> Self {
        members.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a str;
    type IntoIter = MembersIter<'a>;

    fn into_iter(self) -> MembersIter<'a> {
        self.iter()
    }
}

impl<'a> Iterator for MembersIter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }
}

/// A list.
impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("(?s).{0,3}|[a-z]{60,70}", 0..5)
    }

    proptest! {
        #[test]
        fn members_are_what_a_set_of_names_is(one in names(), other in names()) {
            let (mut a, b) = (Members::from_iter(&one), Members::from_iter(&other));
            let (mut x, y) = (BTreeSet::from_iter(one), BTreeSet::from_iter(other.clone()));
            prop_assert!(a.iter().eq(&x));
            prop_assert_eq!(&Members::from(x.clone()), &a);
            prop_assert_eq!((a == b, a.cmp(&b)), (x == y, x.cmp(&y)));
            prop_assert_eq!((a.len(), a.is_empty()), (x.len(), x.is_empty()));
            prop_assert_eq!(serde_json::to_value(&a).unwrap(), serde_json::to_value(&x).unwrap());
            for name in other {
                prop_assert_eq!(a.insert(&name), x.insert(name));
            }
            prop_assert!(a.iter().eq(&x));
        }

        #[test]
        fn sources_are_what_a_map_is(pairs in proptest::collection::vec((0u8..5, names()), 0..5), asked in 0u8..5) {
            let datum = |last: u8| RecordData::A([192, 0, 2, last].into());
            let pairs = || pairs.iter().map(|(last, names)| (datum(*last), names.clone()));
            let mut a: DataSources = pairs().map(|(datum, names)| (datum, Members::from_iter(names))).collect();
            let mut x: BTreeMap<_, BTreeSet<String>> = pairs().map(|(datum, names)| (datum, names.into_iter().collect())).collect();
            prop_assert_eq!(&DataSources::from(x.clone()), &a);
            prop_assert!(a.keys().eq(x.keys()));
            prop_assert_eq!((a.len(), a.is_empty()), (x.len(), x.is_empty()));
            prop_assert_eq!(a.contains_key(&datum(asked)), x.contains_key(&datum(asked)));
            prop_assert_eq!(serde_json::to_value(&a).unwrap(), serde_json::to_value(&x).unwrap());
            a.members_mut(datum(asked)).insert("m");
            x.entry(datum(asked)).or_default().insert("m".to_owned());
            prop_assert_eq!(a, x.into());
        }
    }
}
