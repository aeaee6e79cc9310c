//! Lets other decisions know how the zone stands, and brings those back that depend on it.

use std::collections::{BTreeMap, BTreeSet};

use kfed_api::conditions::{reasons, types};
use kfed_dnsprovider::{ChangeSet, Owner, Resource, ZoneSnapshot};

use super::wishes::Looked;
use crate::controller::changes::Changed;
use crate::controller::{Key, Shared};
use crate::kinds::ObjectKey;
use crate::object::{WantedCondition, is_deleted};
use crate::plan::Names;
use crate::plan::publish;
use crate::world::{DnsState, ServiceDns, World};

/// Knows who was in trouble when it was last told.
#[derive(Default)]
pub(super) struct Teller {
    troubled: BTreeSet<Resource>,
}

// === impl Teller ===

impl Teller {
    /// Of whom there may be something else to tell: who was looked at or written, and who is or was in trouble.
    pub(super) fn concerned(
        &mut self,
        looked: &Looked,
        written: &BTreeSet<Resource>,
        changes: &ChangeSet,
        failed: &BTreeMap<Resource, String>,
    ) -> BTreeSet<Resource> {
        let conflicts = changes.conflicts.iter().map(|conflict| &conflict.resource);
        let truncated = changes.truncated.iter().map(|truncated| &truncated.resource);
        let troubled = conflicts.chain(truncated).chain(failed.keys()).cloned().collect();
        let before = std::mem::replace(&mut self.troubled, troubled);
        looked.keys().chain(written).chain(&self.troubled).cloned().chain(before).collect()
    }
}

/// Lets it be written down what the plan goes by before it is carried out, which may take long: others judge the zone by that.
pub(super) fn of_addresses<'a>(shared: &Shared, looked: impl Iterator<Item = (&'a Resource, Option<&'a String>)>) {
    let changed: Vec<_> = {
        let mut world = shared.world();
        let Some(dns) = &mut world.dns else { return };
        let changed = looked.filter(|(resource, seen)| dns.set_seen(resource, *seen));
        changed.filter_map(|(resource, _)| ObjectKey::of(resource)).collect()
    };
    shared.queue.add_all(changed.into_iter().map(Key::Object));
}

/// These Services stand so.
pub(super) fn of_services(shared: &Shared, standings: BTreeMap<Resource, ServiceDns>, looked: &Looked) {
    let (first, changed, rewritten) = {
        let mut world = shared.world();
        let first = world.dns.is_none();
        let World { dns, federation, .. } = &mut *world;
        let dns = dns.get_or_insert_default();
        dns.is_withdrawn = false;
        let (mut changed, mut rewritten, mut leads_elsewhere) = (Vec::new(), Vec::new(), first);
        for (resource, mut now) in standings {
            let before = dns.get(&resource).cloned().unwrap_or_default();
            now.seen = match looked.get(&resource) {
                Some(seen) => seen.clone(),
                // Who is not told of is found by no name.
                None => before.seen.clone().filter(|_| now.condition.is_some()),
            };
            let differs = before != now;
            let is_other_in_zone = (before.records, &before.addresses) != (now.records, &now.addresses);
            leads_elsewhere |= is_other_in_zone;
            if differs {
                dns.set(&resource, now);
            }
            let Some(key) = ObjectKey::of(&resource).filter(|key| !key.is_reserved()) else { continue };
            let Some(service) = federation.get(&key) else { continue };
            if is_other_in_zone {
                rewritten.push(key.clone());
            }
            // What is deleted waits for this pass, whatever it has brought.
            if differs || is_deleted(&service) {
                changed.push(Key::Object(key));
            }
        }
        if leads_elsewhere {
            changed.extend(leaving(&world));
        }
        (first, changed, rewritten)
    };
    shared.queue.add_all(changed);
    // What the zone holds is what names go by, too; of a silent member it is all that is known.
    shared.republish(if first { Changed::Everything } else { rewritten.into_iter().collect() });
}

/// The names of all Services are given up; `snapshot` is what the zone holds, where they are withdrawn from it.
pub(super) fn of_all(shared: &Shared, snapshot: Option<&ZoneSnapshot>, owner: &Owner) {
    let mut services = BTreeMap::<Resource, ServiceDns>::new();
    for set in snapshot.into_iter().flat_map(ZoneSnapshot::iter).filter(|set| owner.owns(set)) {
        if let Some(resource) = Resource::of(set) {
            services.entry(resource).or_default().records += 1;
        }
    }
    for (resource, members) in snapshot.map(|snapshot| publish::published(snapshot, owner)).unwrap_or_default() {
        services.entry(resource).or_default().addresses = members;
    }
    let changed: Vec<_> = {
        let mut world = shared.world();
        let names = world.names;
        if names == Names::Kept {
            // Again: the next pass tells.
            return;
        }
        let is_empty = snapshot.is_some_and(|snapshot| !snapshot.iter().any(|set| owner.owns(set)));
        let mut state = DnsState::new(names == Names::Withdrawn && is_empty);
        for key in world.published() {
            services.entry(key.resource()).or_default().condition = Some(given_up(&owner.0, names));
        }
        for (resource, dns) in services {
            state.set(&resource, dns);
        }
        let before = world.dns.replace(state).unwrap_or_default();
        let now = world.dns.as_ref();
        let differs = |key: &&ObjectKey| {
            let resource = key.resource();
            before.get(&resource) != now.and_then(|now| now.get(&resource))
                || world.federation.get(key).is_some_and(|service| is_deleted(&service))
        };
        world.published().filter(differs).cloned().map(Key::Object).chain(leaving(&world)).collect()
    };
    shared.queue.add_all(changed);
}

/// Who leaves waits until no name leads to it.
fn leaving(world: &World) -> Vec<Key> {
    let leaving = world.members.iter().filter(|(_, member)| member.leaving.is_some());
    leaving.map(|(name, _)| Key::Cluster(name.to_owned())).collect()
}

/// What a Service is told whose federation has gone.
fn given_up(federation: &str, names: Names) -> WantedCondition {
    let what = match names {
        Names::Left => "its names are left as they are",
        Names::Kept | Names::Withdrawn => "its names go",
    };
    let message = format!("Federation {federation} has been deleted: {what}");
    WantedCondition { type_: types::PUBLISHED, holds: false, reason: reasons::FEDERATION_DELETED.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use kfed_dnsprovider::plan::{Conflict, ConflictReason};
    use kfed_dnsprovider::{RecordSetKey, RecordType};

    use super::*;

    #[test]
    fn who_is_in_trouble_is_told_of_and_once_more_when_that_is_over() {
        let [a, b, c] = ["a", "b", "c"].map(|name| Resource::service("default", name));
        let key = RecordSetKey::new("a.example.com".parse().unwrap(), RecordType::A);
        let conflict = Conflict { key, resource: a.clone(), why: ConflictReason::Alias };
        let troubled = ChangeSet { conflicts: vec![conflict], ..ChangeSet::default() };
        let failed: BTreeMap<_, _> = [(b.clone(), "not taken".to_owned())].into();
        let mut teller = Teller::default();
        let mut concerned = |looked: &[&Resource], changes, failed| {
            let looked = looked.iter().map(|resource| ((*resource).clone(), None)).collect();
            teller.concerned(&looked, &BTreeSet::new(), changes, failed).into_iter().collect::<Vec<_>>()
        };
        let (none, nothing) = (BTreeMap::new(), ChangeSet::default());
        assert_eq!(concerned(&[&c], &nothing, &none), std::slice::from_ref(&c));
        assert_eq!(concerned(&[&c], &troubled, &failed), [a.clone(), b.clone(), c]);
        assert_eq!(concerned(&[], &troubled, &none), [a.clone(), b]);
        assert_eq!(concerned(&[], &nothing, &none), [a]);
        assert!(concerned(&[], &nothing, &none).is_empty());
    }
}
