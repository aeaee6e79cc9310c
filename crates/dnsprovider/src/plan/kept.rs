//! A plan that is kept up while the zone and the wishes change here and there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::name::DnsName;
use crate::ownership::{Owner, Resource};
use crate::plan::diff::{Diff, Found, is_wanted};
use crate::plan::{ChangeSet, DesiredRecordSet, Mode, Policy};
use crate::record::{RecordSet, RecordSetKey, RecordType};
use crate::registered::Registered;
use crate::zone::ZoneSnapshot;

/// What [`plan`](crate::plan()) gives, for a zone and wishes that mostly stay as they are: it looks only at the names that have been
/// touched since, so one changed resource costs what there is of it, however large the zone is.
///
/// It is told of every change: what resources [want](Self::want), which sets of the zone have been [written](Self::see), and when the
/// zone has been [read anew](Self::see_all). Told of all, its plan is the one that is made as a whole.
///
/// ```
/// use kfed_dnsprovider::{KeptPlan, Owner, Policy, RecordSet, Resource, Wish, ZoneSnapshot, plan};
///
/// let owner = Owner("myfederation".into());
/// let zone = ZoneSnapshot::default();
/// let mut kept = KeptPlan::new(owner.clone());
/// kept.see_all(&zone);
/// kept.want(&Resource::service("default", "web"), Wish::Stay);
/// assert!(kept.plan(&zone, &Policy::default()).is_empty());
/// ```
#[derive(Debug)]
pub struct KeptPlan {
    owner: Owner,
    registered: Registered,
    /// Who wants something, or has it.
    resources: BTreeMap<Arc<Resource>, Sets>,
    /// The owner's sets in the zone, and whose they are.
    held: BTreeMap<RecordSetKey, Option<Arc<Resource>>>,
    /// How many names these have.
    names: usize,
    /// What is wanted, by name; each by key, then by resource.
    wanted: BTreeMap<DnsName, SmallVec<[Arc<DesiredRecordSet>; 2]>>,
    /// Whose sets stay as they are.
    keep: BTreeSet<Resource>,
    /// What names come to at which there is something to do, or to tell.
    found: BTreeMap<DnsName, Found>,
    /// Names that are to be looked at.
    touched: BTreeSet<DnsName>,
    /// What all names were last looked at by.
    by: Option<(Mode, usize)>,
}

/// What one resource wants of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// These sets, and no others; each says that it is this resource's.
    Sets(Vec<DesiredRecordSet>),
    /// What it has stays exactly as it is.
    Stay,
}

/// The sets of one resource.
#[derive(Debug, Default)]
struct Sets {
    wanted: SmallVec<[Arc<DesiredRecordSet>; 2]>,
    /// In the zone; in order.
    held: SmallVec<[RecordSetKey; 1]>,
}

// === impl KeptPlan ===

impl KeptPlan {
    /// Of a zone that holds nothing, and of which nobody wants anything.
    pub fn new(owner: Owner) -> Self {
        Self {
            owner,
            registered: Registered::default(),
            resources: BTreeMap::new(),
            held: BTreeMap::new(),
            names: 0,
            wanted: BTreeMap::new(),
            keep: BTreeSet::new(),
            found: BTreeMap::new(),
            touched: BTreeSet::new(),
            by: None,
        }
    }

    /// What `resource` wants from now on. Sets of another resource count for nothing.
    pub fn want(&mut self, resource: &Resource, wish: Wish) {
        let stays = wish == Wish::Stay;
        let mut sets = match wish {
            Wish::Sets(sets) => sets,
            Wish::Stay => Vec::new(),
        };
        sets.retain(|set| set.resource == *resource);
        if stays != self.keep.contains(resource) {
            match stays {
                true => drop(self.keep.insert(resource.clone())),
                false => drop(self.keep.remove(resource)),
            }
            let held = self.resources.get(resource).map(|sets| sets.held.as_slice()).unwrap_or_default();
            self.touched.extend(held.iter().map(|key| key.name.clone()));
        }
        let before = self.resources.get(resource).map(|sets| sets.wanted.as_slice()).unwrap_or_default();
        if before.iter().map(|set| &**set).eq(&sets) {
            return;
        }
        let sets: SmallVec<_> = sets.into_iter().map(Arc::new).collect();
        let before = self.change(resource, |of| std::mem::replace(&mut of.wanted, sets.clone()));
        for set in before {
            let name = &set.key.name;
            if let Some(wanted) = self.wanted.get_mut(name) {
                wanted.retain(|other| other.resource != *resource);
                if wanted.is_empty() {
                    self.wanted.remove(name);
                }
            }
            self.touched.insert(name.clone());
        }
        for set in sets {
            let wanted = self.wanted.entry(set.key.name.clone()).or_default();
            self.touched.insert(set.key.name.clone());
            let place = |other: &Arc<DesiredRecordSet>| (&other.key, &other.resource) <= (&set.key, &set.resource);
            wanted.insert(wanted.partition_point(place), set);
        }
    }

    /// `resource` wants nothing any more.
    pub fn forget(&mut self, resource: &Resource) {
        self.want(resource, Wish::Sets(Vec::new()));
    }

    /// The sets at `keys` may be others in `snapshot` than they were. The owner's resources whose they were, and are.
    pub fn see<'k>(
        &mut self,
        snapshot: &ZoneSnapshot,
        keys: impl IntoIterator<Item = &'k RecordSetKey>,
    ) -> BTreeSet<Resource> {
        let mut resources = BTreeSet::new();
        let mut registry = false;
        for key in keys {
            self.touched.insert(key.name.clone());
            let set = snapshot.get(key);
            let owned = set.filter(|set| self.owner.owns(set));
            // A TXT set of somebody else, now or before, may say whose any name is.
            registry |= key.record_type == RecordType::Txt
                && (set.is_some() != owned.is_some() || !self.held.contains_key(key));
            let set = owned;
            let before = self.hold(key, set);
            let now = set.and_then(Resource::of);
            resources.extend([before.map(Arc::unwrap_or_clone), now].into_iter().flatten());
        }
        if registry {
            self.registered = Registered::of(snapshot, &self.owner);
            self.by = None;
        }
        resources
    }

    /// Any set may be another in `snapshot` than it was.
    pub fn see_all(&mut self, snapshot: &ZoneSnapshot) {
        self.registered = Registered::of(snapshot, &self.owner);
        (self.held, self.names) = (BTreeMap::new(), 0);
        self.resources.retain(|_, sets| {
            sets.held.clear();
            !sets.is_empty()
        });
        for set in snapshot.iter() {
            if self.owner.owns(set) {
                self.hold(&set.key, Some(set));
            }
        }
        // The next plan looks at all names.
        self.by = None;
    }

    /// The resources of which the zone holds something.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(|(_, sets)| !sets.held.is_empty()).map(|(resource, _)| &**resource)
    }

    /// The sets that the zone holds of `resource`.
    pub fn held<'a>(&'a self, resource: &Resource) -> impl Iterator<Item = &'a RecordSetKey> + use<'a> {
        self.resources.get(resource).into_iter().flat_map(|sets| &sets.held)
    }

    /// What turns `snapshot` into what is wanted: [`plan`](crate::plan()), told of all that has changed.
    pub fn plan(&mut self, snapshot: &ZoneSnapshot, policy: &Policy) -> ChangeSet {
        let by = (policy.mode, policy.max_records_per_set);
        if self.by.replace(by) != Some(by) {
            self.touched.extend(snapshot.iter().map(|set| &set.key.name).chain(self.wanted.keys()).cloned());
            self.found.clear();
        }
        let (owner, registered, keep) = (&self.owner, &self.registered, &self.keep);
        let mut diff = Diff { owner, policy, registered, keep, found: Found::default() };
        for name in std::mem::take(&mut self.touched) {
            let wanted = self.wanted.get(&name).into_iter().flatten();
            let mut want: Vec<_> = wanted.map(|want| &**want).filter(|want| is_wanted(want, keep)).collect();
            diff.one_for_each(&mut want);
            let have: Vec<_> = snapshot.shared_at(&name).collect();
            if !have.is_empty() || !want.is_empty() {
                diff.name(&have, &want);
            }
            // How many names the owner has is counted as sets come and go.
            let mut found = std::mem::take(&mut diff.found);
            found.owned_names = 0;
            match found.is_settled() {
                true => drop(self.found.remove(&name)),
                false => drop(self.found.insert(name, found)),
            }
        }
        let mut all = Found::default();
        all.owned_names = self.names;
        self.found.values().for_each(|found| all.append(found));
        all.finish(&self.owner, policy)
    }

    /// Changes the sets of `resource`; one that has none, and wants none, is not known.
    fn change<T>(&mut self, resource: &Resource, change: impl FnOnce(&mut Sets) -> T) -> T {
        let Some(sets) = self.resources.get_mut(resource) else {
            let mut sets = Sets::default();
            let result = change(&mut sets);
            if !sets.is_empty() {
                self.resources.insert(Arc::new(resource.clone()), sets);
            }
            return result;
        };
        let result = change(sets);
        if sets.is_empty() {
            self.resources.remove(resource);
        }
        result
    }

    /// Notes that `set` is at `key` now, or nothing of the owner's. Whose was there.
    fn hold(&mut self, key: &RecordSetKey, set: Option<&RecordSet>) -> Option<Arc<Resource>> {
        let had = self.holds(&key.name);
        let before = self.held.remove(key).flatten();
        if let Some(before) = &before {
            self.change(before, |sets| sets.held.retain(|other| *other != *key));
        }
        if let Some(set) = set {
            let resource = Resource::of(set).map(|resource| {
                self.change(&resource, |Sets { held, .. }| {
                    held.insert(held.partition_point(|other| other < key), key.clone());
                });
                let known = self.resources.get_key_value(&resource).map(|(known, _)| known.clone());
                known.unwrap_or_else(|| Arc::new(resource))
            });
            self.held.insert(key.clone(), resource);
        }
        match (had, self.holds(&key.name)) {
            (false, true) => self.names += 1,
            (true, false) => self.names -= 1,
            _ => {}
        }
        before
    }

    fn holds(&self, name: &DnsName) -> bool {
        self.held.range(RecordSetKey::first_of(name)..).next().is_some_and(|(key, _)| key.name == *name)
    }
}

// === impl Sets ===

impl Sets {
    fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.held.is_empty()
    }
}
