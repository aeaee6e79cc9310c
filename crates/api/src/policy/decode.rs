//! Reading as Go's `encoding/json` read for v1: keys match whatever their case, `null` leaves the default, and unknown keys
//! are passed over. Beyond that, unknown keys and those that stand twice are remembered.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::nearest::nearest;
use super::path::Path;

/// A key that means nothing where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnknownKey {
    /// Where it stands; the key itself is the last step, as it was written.
    pub path: Path,
    /// The key that may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<&'static str>,
}

/// An object's fields, each read by its key.
pub(crate) trait Fields: Default {
    /// Every key, as it is written.
    const KEYS: &'static [&'static str];
    /// What it is, for a message on something else in its place.
    const WHAT: &'static str;

    /// Reads the value of `key`, which is one of [`KEYS`](Self::KEYS).
    fn read<'de, M: MapAccess<'de>>(&mut self, key: &'static str, map: &mut Values<'_, M>) -> Result<(), M::Error>;
}

/// What was read, and what is odd about its keys.
#[derive(Debug, Default)]
pub(crate) struct Noted<T> {
    pub(crate) value: T,
    pub(crate) odd: Odd,
}

/// Keys that mean nothing, or stand twice in one object.
#[derive(Debug, Default)]
pub(crate) struct Odd {
    pub(crate) unknown: Vec<UnknownKey>,
    pub(crate) repeated: Vec<Path>,
}

/// The value that is to be read next.
pub(crate) struct Values<'a, M> {
    map: &'a mut M,
    /// The key as it was written.
    key: &'a str,
    odd: &'a mut Odd,
}

// === impl Values ===

impl<'de, M: MapAccess<'de>> Values<'_, M> {
    /// The value; none for `null`.
    pub(crate) fn value<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, M::Error> {
        self.map.next_value()
    }

    /// A list of objects; none for `null`.
    pub(crate) fn list<T: Fields>(&mut self) -> Result<Option<Vec<T>>, M::Error> {
        let Some(items) = self.map.next_value::<Option<Vec<Noted<T>>>>()? else { return Ok(None) };
        let mut values = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            self.odd.extend(item.odd, &Path::new(self.key).index(at));
            values.push(item.value);
        }
        Ok(Some(values))
    }

    /// Objects by name; none for `null`. A name whose value is `null` has the default.
    pub(crate) fn map<T: Fields, C: Default + Extend<(String, T)>>(&mut self) -> Result<Option<C>, M::Error> {
        let Some(Entries(entries)) = self.map.next_value::<Option<Entries<T>>>()? else { return Ok(None) };
        let mut values = C::default();
        let mut names = BTreeSet::new();
        for (name, entry) in entries {
            let entry = entry.unwrap_or_default();
            let path = Path::new(self.key).key(&name);
            self.odd.extend(entry.odd, &path);
            if !names.insert(name.clone()) {
                self.odd.repeated.push(path);
            }
            values.extend([(name, entry.value)]);
        }
        Ok(Some(values))
    }
}

// === impl Odd ===

impl Odd {
    /// Takes in what is odd in a value that stands at `above`.
    fn extend(&mut self, inner: Self, above: &Path) {
        let unknown = inner.unknown.into_iter().map(|key| UnknownKey { path: key.path.under(above.clone()), ..key });
        self.unknown.extend(unknown);
        self.repeated.extend(inner.repeated.into_iter().map(|path| path.under(above.clone())));
    }
}

// === impl Entries ===

/// Objects by name, in their order and with those that stand twice.
struct Entries<T>(Vec<(String, Option<Noted<T>>)>);

impl<'de, T: Fields> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects<T>(PhantomData<T>);
        impl<'de, T: Fields> Visitor<'de> for Objects<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Objects(PhantomData))
    }
}

// === impl Noted ===

impl<'de, T: Fields> Deserialize<'de> for Noted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Fields> Visitor<'de> for Object<T> {
            type Value = Noted<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::WHAT)
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut read = Noted::<T>::default();
                let mut seen = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    match T::KEYS.iter().find(|known| known.eq_ignore_ascii_case(&key)) {
                        Some(known) => {
                            if seen.contains(known) {
                                read.odd.repeated.push(Path::new(&key));
                            }
                            seen.push(*known);
                            let mut values = Values { map: &mut map, key: &key, odd: &mut read.odd };
                            read.value.read(known, &mut values)?;
                        }
                        None => {
                            map.next_value::<IgnoredAny>()?;
                            let nearest = nearest(&key, T::KEYS.iter().copied());
                            read.odd.unknown.push(UnknownKey { path: Path::new(&key), nearest });
                        }
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}
