//! Objects, their history, and those who watch it, under one lock and one revision.
//!
//! Every change takes the next revision, is appended to the history and handed to the watchers before the lock is released: a list,
//! a watch from the list's revision and the objects' own revisions therefore always fit together, with no gap and nothing twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::object;

/// An object's place inside its resource. Cluster-scoped objects have an empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectKey {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// The name of a resource's shelf in the store, e.g. `deployments.apps`.
pub(crate) type Resource = Arc<str>;

/// Where in the store an object is.
pub(crate) type Place = (Resource, ObjectKey);

/// Where a removed object was, and its last state.
pub(crate) type Removed = (Resource, ObjectKey, Arc<Stored>);

/// One state of one object, immutable.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) object: Value,
    pub(crate) revision: u64,
    fields: OnceLock<Bytes>,
}

impl Stored {
    fn new(object: Value, revision: u64) -> Arc<Self> {
        Arc::new(Self { object, revision, fields: OnceLock::new() })
    }

    /// A state that is shown and not kept.
    pub(crate) fn at(mut object: Value, revision: u64) -> Arc<Self> {
        object::set_revision(&mut object, revision);
        Self::new(object, revision)
    }

    /// What a dry run would have stored.
    pub(crate) fn shown(object: Value) -> Arc<Self> {
        Self::new(object, 0)
    }

    /// The object's members but kind and apiVersion, as JSON without the opening brace: written once, shared by all lists and watches.
    pub(crate) fn fields(&self) -> &Bytes {
        self.fields.get_or_init(|| object::encode_fields(&self.object).into())
    }
}

/// One entry of the history.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) resource: Resource,
    pub(crate) key: ObjectKey,
    /// The state before; `None` when the object was added.
    pub(crate) before: Option<Arc<Stored>>,
    /// The state after; of a deleted object its last state, with the deletion's revision.
    pub(crate) object: Arc<Stored>,
    pub(crate) deleted: bool,
}

/// The changes asked for are no longer in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// The newest revision that was forgotten.
    pub(crate) oldest: u64,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// With the present state, then what changes.
    State,
    /// With what changes from now on.
    Now,
    /// With the first change after this revision.
    After(u64),
}

/// What a watcher gets: where it begins, what it missed, and a bounded queue of what comes.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The revision of `state`, or the one the watch goes on from.
    pub(crate) revision: u64,
    pub(crate) state: Vec<Arc<Stored>>,
    pub(crate) missed: Vec<Arc<Change>>,
    /// Ends when the store dropped this watcher because it was too slow, or because its resource is gone.
    pub(crate) live: mpsc::Receiver<Arc<Change>>,
}

/// A consistent view of a resource.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<(ObjectKey, Arc<Stored>)>,
}

#[derive(Debug)]
pub(crate) struct Limits {
    /// Changes kept for watches to resume from.
    pub(crate) history: usize,
    /// Changes a watcher may lag behind before its connection is dropped.
    pub(crate) watch_buffer: usize,
}

#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
    revision: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    limits: Limits,
    revision: u64,
    writes: u64,
    overflows: u64,
    shelves: BTreeMap<Resource, BTreeMap<ObjectKey, Arc<Stored>>>,
    history: VecDeque<Arc<Change>>,
    compacted: u64,
    watchers: BTreeMap<Resource, Vec<Watcher>>,
    uids: BTreeMap<String, Place>,
    dependents: BTreeMap<String, BTreeSet<Place>>,
    random: u64,
}

#[derive(Debug)]
struct Watcher {
    namespace: Option<String>,
    queue: mpsc::Sender<Arc<Change>>,
}

impl Store {
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        let inner = Inner {
            limits,
            revision: 0,
            writes: 0,
            overflows: 0,
            shelves: BTreeMap::new(),
            history: VecDeque::new(),
            compacted: 0,
            watchers: BTreeMap::new(),
            uids: BTreeMap::new(),
            dependents: BTreeMap::new(),
            random: seed,
        };
        Self { inner: Mutex::new(inner), revision: watch::Sender::new(0) }
    }

    pub(crate) fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// Waits until the store has reached `revision`.
    pub(crate) async fn reached(&self, revision: u64) {
        let mut current = self.revision.subscribe();
        // The sender lives as long as `self`, so this only ends well.
        let _ = current.wait_for(|&r| r >= revision).await;
    }

    pub(crate) fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Watchers dropped because their queue was full.
    pub(crate) fn overflows(&self) -> u64 {
        self.lock().overflows
    }

    pub(crate) fn get(&self, resource: &str, key: &ObjectKey) -> Option<Arc<Stored>> {
        self.lock().get(resource, key).cloned()
    }

    /// The resource as it is.
    pub(crate) fn snapshot(&self, resource: &str, namespace: Option<&str>) -> Snapshot {
        let inner = self.lock();
        Snapshot { revision: inner.revision, objects: inner.range(resource, namespace) }
    }

    /// The resource as it was at `revision`: the present, with the history taken back.
    pub(crate) fn snapshot_at(
        &self,
        resource: &str,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Snapshot, Compacted> {
        let inner = self.lock();
        if revision < inner.compacted {
            return Err(Compacted { oldest: inner.compacted });
        }
        let later = inner.history.iter().rev().take_while(|c| c.revision > revision);
        let later: Vec<_> = later.filter(|c| &*c.resource == resource && in_namespace(&c.key, namespace)).collect();
        let objects = inner.range(resource, namespace);
        if later.is_empty() {
            return Ok(Snapshot { revision, objects });
        }
        let mut objects: BTreeMap<_, _> = objects.into_iter().collect();
        for change in later {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(Snapshot { revision, objects: objects.into_iter().collect() })
    }

    /// Begins a watch: what it missed and what comes are cut at one revision.
    pub(crate) fn subscribe(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        from: From,
    ) -> Result<Subscription, Compacted> {
        let mut inner = self.lock();
        let mut state = Vec::new();
        let mut missed = Vec::new();
        let mut revision = inner.revision;
        match from {
            From::Now => {}
            From::State => state = inner.range(resource, namespace).into_iter().map(|(_, stored)| stored).collect(),
            From::After(after) => {
                if after < inner.compacted {
                    return Err(Compacted { oldest: inner.compacted });
                }
                revision = after;
                let first = inner.history.partition_point(|c| c.revision <= after);
                let of_interest = |c: &&Arc<Change>| c.resource == *resource && in_namespace(&c.key, namespace);
                missed = inner.history.range(first..).filter(of_interest).cloned().collect();
            }
        }
        let (queue, live) = mpsc::channel(inner.limits.watch_buffer);
        let watchers = inner.watchers.entry(Arc::clone(resource)).or_default();
        watchers.retain(|w| !w.queue.is_closed());
        watchers.push(Watcher { namespace: namespace.map(str::to_owned), queue });
        Ok(Subscription { revision, state, missed, live })
    }

    /// Runs `change` alone with the store. What it wrote stays written, whatever it returns: check first, then write.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        let mut inner = self.lock();
        let before = inner.revision;
        let result = change(&mut Tx { inner: &mut inner, touched: Vec::new(), removed: Vec::new() });
        let after = inner.revision;
        drop(inner);
        if after != before {
            // Two writers may arrive here in either order: the larger revision stays.
            self.revision.send_if_modified(|r| {
                let newer = after > *r;
                *r = after.max(*r);
                newer
            });
        }
        result
    }

    /// Forgets how many writes there were: what the server put in itself does not count.
    pub(crate) fn reset_writes(&self) {
        self.lock().writes = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic inside a transaction is a bug of this crate; the maps themselves are whole between two statements of it.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Exclusive access to the store.
#[derive(Debug)]
pub(crate) struct Tx<'a> {
    inner: &'a mut Inner,
    touched: Vec<Place>,
    removed: Vec<Removed>,
}

impl Tx<'_> {
    pub(crate) fn get(&self, resource: &str, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.inner.get(resource, key)
    }

    pub(crate) fn range(&self, resource: &str, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<Stored>)> {
        self.inner.range(resource, namespace)
    }

    /// Everything inside a namespace.
    pub(crate) fn contents(&self, namespace: &str) -> Vec<Place> {
        let keys = |(resource, _): (&Resource, _)| {
            let resource = Arc::clone(resource);
            self.inner.range(&resource, Some(namespace)).into_iter().map(move |(key, _)| (Arc::clone(&resource), key))
        };
        self.inner.shelves.iter().flat_map(keys).collect()
    }

    pub(crate) fn owner(&self, uid: &str) -> Option<&Place> {
        self.inner.uids.get(uid)
    }

    /// The objects that name `uid` among their owners.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Place> {
        self.inner.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Writes the object at the next revision.
    pub(crate) fn put(&mut self, resource: &Resource, key: &ObjectKey, object: Value) -> Arc<Stored> {
        let revision = self.inner.advance();
        let stored = Stored::at(object, revision);
        let shelf = self.inner.shelves.entry(Arc::clone(resource)).or_default();
        let before = shelf.insert(key.clone(), Arc::clone(&stored));
        if let Some(before) = &before {
            self.inner.unindex(resource, key, before);
        }
        self.inner.index(resource, key, &stored);
        self.inner.publish(Change {
            revision,
            resource: Arc::clone(resource),
            key: key.clone(),
            before,
            object: Arc::clone(&stored),
            deleted: false,
        });
        self.touched.push((Arc::clone(resource), key.clone()));
        stored
    }

    /// Removes the object; `last` is the state watchers are shown, at the next revision.
    pub(crate) fn remove(&mut self, resource: &Resource, key: &ObjectKey, last: Value) -> Option<Arc<Stored>> {
        let before = self.inner.shelves.get_mut(resource)?.remove(key)?;
        self.inner.unindex(resource, key, &before);
        let revision = self.inner.advance();
        let stored = Stored::at(last, revision);
        self.inner.publish(Change {
            revision,
            resource: Arc::clone(resource),
            key: key.clone(),
            before: Some(before),
            object: Arc::clone(&stored),
            deleted: true,
        });
        self.removed.push((Arc::clone(resource), key.clone(), Arc::clone(&stored)));
        Some(stored)
    }

    pub(crate) fn revision(&self) -> u64 {
        self.inner.revision
    }

    /// Ends all watches of a resource that is no longer served.
    pub(crate) fn end_watches(&mut self, resource: &str) {
        self.inner.watchers.remove(resource);
    }

    /// What was written and removed since this was last asked.
    pub(crate) fn take_changes(&mut self) -> (Vec<Place>, Vec<Removed>) {
        (std::mem::take(&mut self.touched), std::mem::take(&mut self.removed))
    }

    /// The next number of the store's seeded sequence.
    pub(crate) fn random(&mut self) -> u64 {
        self.inner.random()
    }
}

impl Inner {
    fn get(&self, resource: &str, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.shelves.get(resource)?.get(key)
    }

    fn range(&self, resource: &str, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<Stored>)> {
        let Some(shelf) = self.shelves.get(resource) else { return Vec::new() };
        let owned = |(key, stored): (&ObjectKey, &Arc<Stored>)| (key.clone(), Arc::clone(stored));
        match namespace {
            None => shelf.iter().map(owned).collect(),
            Some(namespace) => {
                let first = ObjectKey::new(namespace, "");
                shelf.range(first..).take_while(|(key, _)| key.namespace == namespace).map(owned).collect()
            }
        }
    }

    fn advance(&mut self) -> u64 {
        self.revision += 1;
        self.writes += 1;
        self.revision
    }

    fn publish(&mut self, change: Change) {
        let change = Arc::new(change);
        self.history.push_back(Arc::clone(&change));
        while self.history.len() > self.limits.history {
            if let Some(forgotten) = self.history.pop_front() {
                self.compacted = forgotten.revision;
            }
        }
        let Some(watchers) = self.watchers.get_mut(&change.resource) else { return };
        let mut overflows = 0;
        watchers.retain(|watcher| {
            if !in_namespace(&change.key, watcher.namespace.as_deref()) {
                return true;
            }
            match watcher.queue.try_send(Arc::clone(&change)) {
                Ok(()) => true,
                // Never skip an event: end the watch, and the client resumes from the last revision it saw.
                Err(mpsc::error::TrySendError::Full(_)) => {
                    overflows += 1;
                    false
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
        self.overflows += overflows;
    }

    fn index(&mut self, resource: &Resource, key: &ObjectKey, stored: &Stored) {
        if let Some(uid) = object::uid(&stored.object) {
            self.uids.insert(uid.to_owned(), (Arc::clone(resource), key.clone()));
        }
        for owner in object::owner_uids(&stored.object) {
            self.dependents.entry(owner.to_owned()).or_default().insert((Arc::clone(resource), key.clone()));
        }
    }

    fn unindex(&mut self, resource: &Resource, key: &ObjectKey, stored: &Stored) {
        if let Some(uid) = object::uid(&stored.object) {
            self.uids.remove(uid);
        }
        let place = (Arc::clone(resource), key.clone());
        for owner in object::owner_uids(&stored.object) {
            if let Some(places) = self.dependents.get_mut(owner) {
                places.remove(&place);
                if places.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    /// SplitMix64: small, seeded, and good enough for names.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn in_namespace(key: &ObjectKey, namespace: Option<&str>) -> bool {
    namespace.is_none_or(|n| n == key.namespace)
}

#[cfg(test)]
mod tests;
