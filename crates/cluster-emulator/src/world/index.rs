use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
};

use super::Key;

/// From some property to the objects that have it.
#[derive(Debug)]
pub(crate) struct Index<P>(BTreeMap<P, BTreeSet<Key>>);

impl<P> Default for Index<P> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<P: Ord> Index<P> {
    /// Puts the object under the property, or takes it out.
    pub(crate) fn set(&mut self, property: P, key: &Key, add: bool) {
        if add {
            self.0.entry(property).or_default().insert(key.clone());
        } else if let Some(keys) = self.0.get_mut(&property) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(&property);
            }
        }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, property: &Q) -> impl Iterator<Item = &Key>
    where
        P: Borrow<Q>,
    {
        self.0.get(property).into_iter().flatten()
    }
}

/// From a namespace, label and value to the objects that have it, or select it.
#[derive(Debug, Default)]
pub(crate) struct Labels(BTreeMap<String, BTreeMap<String, Index<String>>>);

impl Labels {
    pub(crate) fn set(&mut self, key: &Key, label: &str, value: &str, add: bool) {
        let namespace = self.0.entry(key.namespace.clone()).or_default();
        namespace.entry(label.to_owned()).or_default().set(value.to_owned(), key, add);
    }

    pub(crate) fn get(&self, namespace: &str, label: &str, value: &str) -> impl Iterator<Item = &Key> {
        self.0.get(namespace).and_then(|labels| labels.get(label)).into_iter().flat_map(move |index| index.get(value))
    }

    /// A superset of the objects with all these labels: those with the rarest of them. None for an empty selector.
    pub(crate) fn candidates(&self, namespace: &str, selector: &BTreeMap<String, String>) -> Vec<Key> {
        let rarest = selector.iter().min_by_key(|(label, value)| self.get(namespace, label, value).count());
        rarest.map(|(label, value)| self.get(namespace, label, value).cloned().collect()).unwrap_or_default()
    }
}
