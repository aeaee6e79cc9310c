//! Objects of one API server, as its watches tell them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::{DynamicObject, ObjectMeta};

use super::kept;
use super::lean::Lean;
use super::member::Ban;
use super::packed::Packed;
use super::scalers::Scalers;
use crate::kinds::{FederatedKind, ObjectKey};

/// Objects by key.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    objects: BTreeMap<ObjectKey, Packed>,
    scalers: Scalers,
}

/// An object as it is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) key: ObjectKey,
    object: Packed,
}

/// What a watch tells.
#[derive(Debug)]
pub(crate) enum Change<K> {
    /// It was added or changed.
    Apply(Box<K>),
    /// It is gone.
    Delete(Box<K>),
    /// These are all that there are.
    Reset(Vec<K>),
    /// The API server does not know the kind.
    NotServed,
    /// The API server does not let kfed list or watch the kind, and says so.
    Forbidden(Ban),
    /// The watch has failed: until the next [`Reset`](Self::Reset) nothing is known for sure.
    Interrupted,
}

// === impl Objects ===

impl Objects {
    /// Takes in what a watch of `kind` tells; returns the keys it is about.
    pub(crate) fn change(&mut self, kind: &'static FederatedKind, change: Change<Kept>) -> Vec<ObjectKey> {
        match change {
            Change::Apply(object) => vec![self.insert(*object)],
            Change::Delete(object) => {
                self.remove(&object.key);
                vec![object.key]
            }
            Change::Interrupted | Change::Forbidden(_) => Vec::new(),
            Change::Reset(objects) => {
                let mut touched: Vec<_> = self.keys().filter(|key| key.kind == kind).cloned().collect();
                touched.iter().for_each(|key| self.remove(key));
                touched.extend(objects.into_iter().map(|object| self.insert(object)));
                touched.sort();
                touched.dedup();
                touched
            }
            Change::NotServed => self.change(kind, Change::Reset(Vec::new())),
        }
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<DynamicObject>> {
        self.objects.get(key).map(Packed::object)
    }

    /// The metadata alone.
    pub(crate) fn metadata(&self, key: &ObjectKey) -> Option<ObjectMeta> {
        self.objects.get(key).map(|object| object.metadata().into_owned())
    }

    /// Whether there is one.
    pub(crate) fn contains(&self, key: &ObjectKey) -> bool {
        self.objects.contains_key(key)
    }

    fn insert(&mut self, Kept { key, object }: Kept) -> ObjectKey {
        self.scalers.change(&key, || Some(object.object()));
        self.objects.insert(key.clone(), object);
        key
    }

    fn remove(&mut self, key: &ObjectKey) {
        self.scalers.change(key, || None);
        self.objects.remove(key);
    }

    /// Takes in one that nobody has to be told of.
    #[cfg(test)]
    pub(crate) fn hold(&mut self, kind: &'static FederatedKind, object: DynamicObject) {
        self.insert(Kept::of(kind, object.into()));
    }

    /// Those of `kind` in `namespace`.
    pub(crate) fn of(&self, kind: &'static FederatedKind, namespace: &str) -> impl Iterator<Item = &ObjectKey> {
        let first = ObjectKey { kind, namespace: namespace.to_owned(), name: String::new() };
        let of = (kind, namespace.to_owned());
        self.objects.range(first..).map(|(key, _)| key).take_while(move |key| key.kind == of.0 && key.namespace == of.1)
    }

    /// Autoscalers of `key`, by name.
    pub(crate) fn scalers(&self, key: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        self.scalers.of(key)
    }

    /// Kind and name of what `key` scales, if it is an autoscaler.
    pub(crate) fn scaled(&self, key: &ObjectKey) -> Option<(&str, &str)> {
        self.scalers.target(key)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.keys()
    }
}

// === impl Kept ===

impl Kept {
    /// As it is.
    pub(crate) fn of(kind: &'static FederatedKind, object: Lean) -> Self {
        Self { key: kind.key_of(&object.metadata), object: Packed::of(kind, object) }
    }

    /// As far as it counts in a member.
    pub(crate) fn in_member(kind: &'static FederatedKind, federation: &str, object: Lean) -> Self {
        Self::of(kind, kept::in_member(kind, federation, object))
    }

    pub(crate) fn metadata(&self) -> Cow<'_, ObjectMeta> {
        self.object.metadata()
    }
}
