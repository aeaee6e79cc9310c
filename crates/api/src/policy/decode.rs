//! Reading as Go's `encoding/json` read for v1: keys match whatever their case, `null` leaves the default, and unknown keys
//! are passed over. Beyond that, unknown keys are remembered.

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

/// What was read, and the keys in it that mean nothing.
#[derive(Debug)]
pub(crate) struct Noted<T> {
    pub(crate) value: T,
    pub(crate) unknown: Vec<UnknownKey>,
}

/// The value that is to be read next.
pub(crate) struct Values<'a, M> {
    map: &'a mut M,
    /// The key as it was written.
    key: &'a str,
    unknown: &'a mut Vec<UnknownKey>,
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
            self.note(item.unknown, &Path::new(self.key).index(at));
            values.push(item.value);
        }
        Ok(Some(values))
    }

    /// Objects by name; none for `null`. A name whose value is `null` has the default.
    pub(crate) fn map<T: Fields, C: Default + Extend<(String, T)>>(&mut self) -> Result<Option<C>, M::Error> {
        type Entries<T> = std::collections::BTreeMap<String, Option<Noted<T>>>;
        let Some(entries) = self.map.next_value::<Option<Entries<T>>>()? else { return Ok(None) };
        let mut values = C::default();
        for (name, entry) in entries {
            let entry = entry.unwrap_or_else(|| Noted { value: T::default(), unknown: Vec::new() });
            self.note(entry.unknown, &Path::new(self.key).key(&name));
            values.extend([(name, entry.value)]);
        }
        Ok(Some(values))
    }

    fn note(&mut self, unknown: Vec<UnknownKey>, above: &Path) {
        let lifted = unknown.into_iter().map(|key| UnknownKey { path: key.path.under(above.clone()), ..key });
        self.unknown.extend(lifted);
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
                let mut read = Noted { value: T::default(), unknown: Vec::new() };
                while let Some(key) = map.next_key::<String>()? {
                    match T::KEYS.iter().find(|known| known.eq_ignore_ascii_case(&key)) {
                        Some(known) => {
                            let mut values = Values { map: &mut map, key: &key, unknown: &mut read.unknown };
                            read.value.read(known, &mut values)?;
                        }
                        None => {
                            map.next_value::<IgnoredAny>()?;
                            let nearest = nearest(&key, T::KEYS.iter().copied());
                            read.unknown.push(UnknownKey { path: Path::new(&key), nearest });
                        }
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}
