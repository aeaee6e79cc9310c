use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kube::{Resource, ResourceExt as _};

use super::Key;

/// The newest known state of all objects of one kind, from watch events and from the answers to our own writes.
///
/// Answers run ahead of the watch, so what the watch tells late must not undo them: the API server's resource versions
/// are numbers of one sequence, and of two states the higher one is newer.
#[derive(Debug)]
pub(crate) struct Cache<K> {
    objects: BTreeMap<Key, Arc<K>>,
    /// The uids of objects that we deleted and whose DELETED event is still to come: events before it are history.
    gone: BTreeSet<String>,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), gone: BTreeSet::new() }
    }
}

/// What changed in a cache.
#[derive(Debug)]
pub(crate) struct Change<K> {
    pub(crate) key: Key,
    pub(crate) old: Option<Arc<K>>,
    pub(crate) new: Option<Arc<K>>,
}

impl<K: Resource<DynamicType = ()>> Cache<K> {
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<K>> {
        self.objects.get(key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Arc<K>> {
        self.objects.values()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// Takes over a state, unless a newer one is known.
    pub(crate) fn apply(&mut self, mut object: K) -> Option<Change<K>> {
        // Nobody here reads them, and they are a third of an object.
        object.meta_mut().managed_fields = None;
        let key = Key::of(&object);
        if object.meta().uid.as_ref().is_some_and(|uid| self.gone.contains(uid)) {
            return None;
        }
        let old = self.objects.get(&key).cloned();
        if old.as_ref().is_some_and(|old| revision(&**old) >= revision(&object)) {
            return None;
        }
        let new = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&new));
        Some(Change { key, old, new: Some(new) })
    }

    /// The watch says that the object of this uid is gone.
    pub(crate) fn deleted(&mut self, object: &K) -> Option<Change<K>> {
        let uid = object.meta().uid.as_deref();
        self.gone.remove(uid.unwrap_or_default());
        self.remove(Key::of(object), uid)
    }

    /// We deleted the object of this uid.
    pub(crate) fn forget(&mut self, key: &Key, uid: &str) -> Option<Change<K>> {
        let change = self.remove(key.clone(), Some(uid))?;
        self.gone.insert(uid.to_owned());
        Some(change)
    }

    fn remove(&mut self, key: Key, uid: Option<&str>) -> Option<Change<K>> {
        if self.objects.get(&key).is_none_or(|known| known.meta().uid.as_deref() != uid) {
            return None;
        }
        let old = self.objects.remove(&key);
        Some(Change { key, old, new: None })
    }

    /// The watch began anew: these and no others are there.
    pub(crate) fn reset(&mut self, objects: Vec<K>) -> Vec<Change<K>> {
        self.gone.clear();
        let mut absent: BTreeMap<Key, Arc<K>> = self.objects.clone();
        for object in &objects {
            absent.remove(&Key::of(object));
        }
        let mut changes = Vec::new();
        for (key, old) in absent {
            self.objects.remove(&key);
            changes.push(Change { key, old: Some(old), new: None });
        }
        changes.extend(objects.into_iter().filter_map(|object| self.apply(object)));
        changes
    }
}

fn revision<K: Resource>(object: &K) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}

impl<K> Change<K> {
    /// The old state, to be taken out of indices (`false`), then the new one, to be put into them (`true`).
    pub(crate) fn sides(&self) -> impl Iterator<Item = (&Arc<K>, bool)> {
        self.old.iter().map(|old| (old, false)).chain(self.new.iter().map(|new| (new, true)))
    }
}
