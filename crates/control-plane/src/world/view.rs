//! What a planner is given of the world: one object, in the federation and in every member.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kfed_dnsprovider::Resource;
use kube::core::DynamicObject;

use super::member::{ApiHealth, Leaving, Member};
use super::{Refusal, World};
use crate::Settings;
use crate::kinds::ObjectKey;
use crate::object::{WantedCondition, is_managed};

/// One object, everywhere.
#[derive(Debug, Clone)]
pub(crate) struct ObjectView {
    pub(crate) key: ObjectKey,
    pub(crate) federation: String,
    pub(crate) federated: Option<Arc<DynamicObject>>,
    pub(crate) members: BTreeMap<String, MemberView>,
    /// For kinds that are published: how the records stand; none while the zone has not been read.
    pub(crate) dns: Option<ServiceDns>,
    pub(crate) now: Timestamp,
}

/// One object in one member.
#[derive(Debug, Clone)]
pub(crate) struct MemberView {
    pub(crate) state: MemberState,
    /// The copy that kfed made, as the member last showed it.
    pub(crate) copy: Option<Arc<DynamicObject>>,
    /// Whether the member is seen to hold an object of this name that kfed did not make.
    pub(crate) foreign: bool,
    /// Whether the namespace that the object lives in is there.
    pub(crate) has_namespace: bool,
    pub(crate) refusal: Option<Refusal>,
}

/// What may be done with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has never answered: there is nothing there.
    Joining,
    /// It is well, and all of it is known.
    Available,
    /// It does not take writes now, and what it runs is taken to run on.
    Frozen,
    /// It is dead, and has been for long enough that its replicas are planned elsewhere; more time is needed otherwise.
    Dead,
    /// It is dead, and its replicas are planned elsewhere after this time.
    Dying {
        /// The time left.
        evict_in: Duration,
    },
    /// It is on its way out.
    Leaving {
        /// How far it has come.
        stage: Leaving,
        /// Whether it takes writes.
        reachable: bool,
    },
}

/// How a Service's records stand in the zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ServiceDns {
    /// How many record sets of it are in the zone.
    pub(crate) records: usize,
    /// The members' addresses that the zone holds for it.
    pub(crate) addresses: BTreeMap<String, Vec<std::net::IpAddr>>,
    /// What its condition is to say.
    pub(crate) condition: Option<WantedCondition>,
}

pub(super) fn view(world: &World, key: &ObjectKey, settings: &Settings, now: Timestamp) -> ObjectView {
    let mass_failure = world.mass_failure();
    let members = world.members.iter().map(|(name, member)| {
        let (copy, foreign) = match member.objects.get(key) {
            Some(object) if member.is_buried(key, object) => (None, false),
            Some(object) if is_managed(object, &settings.federation) => (Some(object.clone()), false),
            other => (None, other.is_some()),
        };
        let view = MemberView {
            state: state(member, mass_failure, settings.evict_after, now),
            copy,
            foreign,
            has_namespace: key.namespace_key().is_none_or(|namespace| member.objects.get(&namespace).is_some()),
            refusal: world.refusals.get(&(key.clone(), name.clone())).cloned(),
        };
        (name.clone(), view)
    });
    let dns = world
        .dns
        .as_ref()
        .filter(|_| key.kind.published)
        .map(|dns| dns.services.get(&Resource::service(&key.namespace, &key.name)).cloned().unwrap_or_default());
    ObjectView {
        key: key.clone(),
        federation: settings.federation.clone(),
        federated: world.federation.get(key).cloned(),
        members: members.collect(),
        dns,
        now,
    }
}

fn state(member: &Member, mass_failure: bool, evict_after: Duration, now: Timestamp) -> MemberState {
    let reachable = member.api == ApiHealth::Ready && member.is_listed();
    if let Some(stage) = member.leaving {
        return MemberState::Leaving { stage, reachable };
    }
    if reachable {
        return MemberState::Available;
    }
    if !member.known {
        return MemberState::Joining;
    }
    // More than half of the members dead at once: the fault is rather ours. Nothing is evicted.
    let Some(since) = member.dead_since().filter(|_| !mass_failure) else { return MemberState::Frozen };
    let dead_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    match evict_after.checked_sub(dead_for) {
        Some(evict_in) if !evict_in.is_zero() => MemberState::Dying { evict_in },
        _ => MemberState::Dead,
    }
}
