//! Objects of one API server, as its watches tell them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::DynamicObject;

use super::member::Ban;
use super::packed::Packed;
use crate::kinds::{FederatedKind, ObjectKey};

/// Objects by key.
#[derive(Debug, Default)]
pub(crate) struct Objects(BTreeMap<ObjectKey, Packed>);

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
    pub(crate) fn change(&mut self, kind: &'static FederatedKind, change: Change<DynamicObject>) -> Vec<ObjectKey> {
        match change {
            Change::Apply(object) => vec![self.insert(kind, *object)],
            Change::Delete(object) => {
                let key = kind.key(&object);
                self.0.remove(&key);
                vec![key]
            }
            Change::Interrupted | Change::Forbidden(_) => Vec::new(),
            Change::Reset(objects) => {
                let mut touched: Vec<_> = self.0.keys().filter(|key| key.kind == kind).cloned().collect();
                self.0.retain(|key, _| key.kind != kind);
                touched.extend(objects.into_iter().map(|object| self.insert(kind, object)));
                touched.sort();
                touched.dedup();
                touched
            }
            Change::NotServed => self.change(kind, Change::Reset(Vec::new())),
        }
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<DynamicObject>> {
        self.0.get(key).map(Packed::object)
    }

    /// Whether there is one.
    pub(crate) fn contains(&self, key: &ObjectKey) -> bool {
        self.0.contains_key(key)
    }

    fn insert(&mut self, kind: &'static FederatedKind, object: DynamicObject) -> ObjectKey {
        let key = kind.key(&object);
        self.0.insert(key.clone(), Packed::of(kind, object));
        key
    }

    /// Those of `kind` in `namespace`.
    pub(crate) fn of(&self, kind: &'static FederatedKind, namespace: &str) -> impl Iterator<Item = &ObjectKey> {
        let first = ObjectKey { kind, namespace: namespace.to_owned(), name: String::new() };
        let of = (kind, namespace.to_owned());
        self.0.range(first..).map(|(key, _)| key).take_while(move |key| key.kind == of.0 && key.namespace == of.1)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.0.keys()
    }
}
