//! Objects of one API server, as its watches tell them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::DynamicObject;

use crate::kinds::{FederatedKind, ObjectKey};

/// Objects by key.
#[derive(Debug, Default)]
pub(crate) struct Objects(BTreeMap<ObjectKey, Arc<DynamicObject>>);

/// What a watch tells.
#[derive(Debug)]
pub(crate) enum Change<K> {
    /// It was added or changed.
    Apply(Box<K>),
    /// It is gone.
    Delete(Box<K>),
    /// These are all that there are.
    Reset(Vec<K>),
    /// The watch has failed: until the next [`Reset`](Self::Reset) nothing is known for sure.
    Interrupted,
}

// === impl Objects ===

impl Objects {
    /// Takes in what a watch of `kind` tells; returns the keys it is about.
    pub(crate) fn change(&mut self, kind: &'static FederatedKind, change: Change<DynamicObject>) -> Vec<ObjectKey> {
        match change {
            Change::Apply(object) => {
                let key = kind.key(&object);
                self.0.insert(key.clone(), Arc::new(*object));
                vec![key]
            }
            Change::Delete(object) => {
                let key = kind.key(&object);
                self.0.remove(&key);
                vec![key]
            }
            Change::Interrupted => Vec::new(),
            Change::Reset(objects) => {
                let mut touched: Vec<_> = self.0.keys().filter(|key| key.kind == kind).cloned().collect();
                self.0.retain(|key, _| key.kind != kind);
                for object in objects {
                    let key = kind.key(&object);
                    self.0.insert(key.clone(), Arc::new(object));
                    touched.push(key);
                }
                touched.sort();
                touched.dedup();
                touched
            }
        }
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Arc<DynamicObject>> {
        self.0.get(key)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.0.keys()
    }
}
