//! What a planner is given of the world: one object, in the federation and in every member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kfed_api::{Cluster, ClusterPhase, keys};
use kfed_replica_scheduler::{Attributes, Scheduler};
use kube::core::DynamicObject;
use serde::{Deserialize, Serialize};

use super::dns::ServiceDns;
use super::member::{Ban, Leaving, Member};
use super::pods::Room;
use super::related::Asked;
use super::{Refusal, World};
use crate::Settings;
use crate::kinds::{ObjectKey, Replicas};
use crate::object::{annotation, is_managed, is_orphaned, number};

/// One object, everywhere.
#[derive(Debug, Clone)]
pub(crate) struct ObjectView {
    pub(crate) key: ObjectKey,
    pub(crate) federation: String,
    pub(crate) federated: Option<Arc<DynamicObject>>,
    /// Whether it was deleted with `propagationPolicy=Orphan`.
    pub(crate) orphaned: bool,
    /// The namespace that it lives in, as the federation has it.
    pub(crate) namespace: Option<Arc<DynamicObject>>,
    /// For workloads that an autoscaler scales: that autoscaler.
    pub(crate) scaler: Option<Box<ObjectView>>,
    pub(crate) members: BTreeMap<String, MemberView>,
    /// For kinds that are published: how the records stand; none while the zone has not been read.
    pub(crate) dns: Option<ServiceDns>,
    /// How long it may still take until members that nobody has heard of since the start are heard; none once all are, or have been
    /// waited for.
    pub(crate) settles_in: Option<Duration>,
    /// What spreads its replicas.
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) now: Timestamp,
}

/// One object in one member.
#[derive(Debug, Clone)]
pub(crate) struct MemberView {
    pub(crate) state: MemberState,
    /// The copy that kfed made, as the member last showed it.
    pub(crate) copy: Option<Arc<DynamicObject>>,
    /// Whether there may be a copy although none has been shown: kfed has asked for one, or the member has not been listed
    /// since kfed started.
    pub(crate) unseen: bool,
    /// For workloads: what the member shows, or what was last written down of one that does not show itself: a status from before its
    /// death is no truth. No more than it was told.
    pub(crate) share: Option<Share>,
    /// What was last written down of it.
    pub(crate) noted: Option<Share>,
    /// How few replicas it may run although it shows more: it has been told so.
    pub(crate) lowered: Option<i64>,
    /// Whether the member is seen to hold an object of this name that kfed did not make.
    pub(crate) foreign: bool,
    /// Why it cannot be given objects of this kind.
    pub(crate) lack: Option<Lack>,
    /// What its API server does not let kfed do where that is why.
    pub(crate) forbidden: Option<Ban>,
    /// For workloads that are not fully ready there: what its pods tell.
    pub(crate) room: Option<Room>,
    /// Whether the namespace that the object lives in is there.
    pub(crate) has_namespace: bool,
    pub(crate) refusal: Option<Refusal>,
    /// Where and what the member is, as far as placement policies and selectors ask.
    pub(crate) attributes: Attributes,
}

/// Why a member cannot be given objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Its API server does not know the kind.
    Kind,
    /// The kind gives permissions, and its Cluster does not want them.
    Permission,
    /// Its API server does not let kfed see what there is of the kind.
    Sight,
}

/// Replicas of a workload in a member, as annotation `kfed.io/placement` keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) replicas: i64,
    pub(crate) ready: i64,
}

/// What may be done with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has never been Ready: there is nothing there.
    Joining,
    /// It is well, and all of it is known.
    Available,
    /// It takes writes and has been dead a short while ago: what it holds is kept up, and no replica comes or goes for it yet. It
    /// is counted on for what it was before.
    Returning,
    /// It does not take writes now, and what it runs is taken to run on.
    Frozen,
    /// It is dead, and has been for long enough that its replicas are planned elsewhere.
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

// === impl Share ===

impl Share {
    /// As much of it as `most` replicas are.
    pub(crate) fn at_most(self, most: i64) -> Self {
        Self { replicas: self.replicas.min(most), ready: self.ready.min(most) }
    }
}

// === impl MemberState ===

impl MemberState {
    /// Whether the member takes writes, so that what its watches show is what is there.
    pub(crate) fn is_reachable(self) -> bool {
        matches!(self, Self::Available | Self::Returning | Self::Leaving { reachable: true, .. })
    }

    /// The same of a member that can be told nothing now.
    fn without_writes(self) -> Self {
        match self {
            Self::Available | Self::Returning => Self::Frozen,
            Self::Leaving { stage, .. } => Self::Leaving { stage, reachable: false },
            other => other,
        }
    }

    /// Whether what it shows of what it runs counts.
    pub(crate) fn shows_itself(self) -> bool {
        self.is_reachable() && self != Self::Returning
    }
}

/// What of the members is seen of an object.
#[derive(Debug, Clone)]
pub(super) struct Sight<'a> {
    /// A member that is seen as if nobody had asked it to leave.
    pub(super) staying: Option<&'a str>,
    /// Members that are seen whether they matter or not.
    pub(super) beside: BTreeSet<&'a str>,
    /// How many more are.
    pub(super) others: usize,
}

/// The view of `key`.
pub(super) fn view(
    world: &World,
    key: &ObjectKey,
    sight: &Sight<'_>,
    settings: &Settings,
    now: Timestamp,
) -> ObjectView {
    let federated = world.federation.get(key);
    let placement = federated.as_deref().map(placement).unwrap_or_default();
    let namespace = key.namespace_key();
    let in_federation = namespace.as_ref().and_then(|namespace| world.federation.get(namespace));
    // Without a word about members nobody asks what they are.
    let asks = |object: &Arc<DynamicObject>| {
        [keys::CLUSTER_SELECTOR, keys::OVERRIDES].iter().any(|key| annotation(object, key).is_some())
    };
    let asks = key.kind.replicas.is_some() || federated.iter().chain(&in_federation).any(asks);
    let unseen: BTreeSet<&str> = of_key(&world.unseen, key).collect();
    let refusals: BTreeMap<&str, &Refusal> = told_of(&world.refusals, key).collect();
    let all_lowered: BTreeMap<&str, i64> = world.lowered.of(key).collect();
    let suspended = world.mass_failure(settings) && !world.mass_failover;
    let scaler = world.scaler_of(key);
    let asked = Asked {
        key,
        federated: federated.as_deref(),
        namespace: in_federation.as_deref(),
        scaled: scaler.is_some(),
        placed: placement.keys().map(String::as_str).collect(),
    };
    let related = asked.related(world, sight);
    let members = related.iter().filter_map(|name| Some((*name, world.members.get(name)?)));
    let members = members.filter(|(_, member)| member.same_as.is_none());
    let members = members.map(|(name, member)| {
        let (copy, foreign) = match member.objects.get(key) {
            Some(object) if member.is_buried(key, &object) => (None, false),
            Some(object) if is_managed(&object, &settings.federation) => (Some(object), false),
            other => (None, other.is_some()),
        };
        let cluster = world.clusters.get(name).map(AsRef::as_ref);
        let state = match member.leaving.filter(|_| sight.staying != Some(name)) {
            Some(stage) => MemberState::Leaving { stage, reachable: member.is_reachable() },
            None => state(member, cluster, key, suspended, settings, now),
        };
        let forbidden = member.forbidden.get(key.kind.id).cloned();
        let state = if forbidden.is_some() { state.without_writes() } else { state };
        let asked = copy.is_none() && unseen.contains(name);
        let wants_permissions = cluster.is_some_and(|cluster| cluster.spec.federate_rbac);
        let lack = if !member.serves(key.kind) {
            Some(Lack::Kind)
        } else if key.kind.permits && !wants_permissions {
            Some(Lack::Permission)
        } else {
            forbidden.as_ref().map(|_| Lack::Sight)
        };
        let unseen = match lack {
            Some(Lack::Sight) => copy.is_none(),
            Some(Lack::Kind | Lack::Permission) => false,
            None => asked || (!member.known && state != MemberState::Joining),
        };
        let shown = copy.as_deref().zip(key.kind.replicas.as_ref()).map(|(copy, replicas)| share(copy, replicas));
        let noted = placement.get(name).copied();
        // A copy without a number shows none that is greater.
        let asked = || number(copy.as_deref()?, key.kind.replicas?.path);
        let lowered = all_lowered.get(name).copied().filter(|fewest| asked().is_some_and(|asked| *fewest < asked));
        let share = if state.shows_itself() { shown } else { noted };
        let view = MemberView {
            state,
            share: share.map(|share| lowered.map_or(share, |fewest| share.at_most(fewest))),
            noted,
            lowered,
            room: member.pods.get(key).map(|pods| pods.room(now)),
            unseen,
            copy,
            foreign,
            lack,
            forbidden,
            has_namespace: namespace.as_ref().is_none_or(|namespace| member.objects.contains(namespace)),
            refusal: refusals.get(name).copied().cloned(),
            attributes: if asks { attributes(member, cluster) } else { Attributes::default() },
        };
        (name.to_owned(), view)
    });
    let members = members.collect();
    let scaler = scaler.map(|scaler| {
        let sight = Sight { beside: related, ..sight.clone() };
        Box::new(view(world, scaler, &sight, settings, now))
    });
    let dns = world
        .dns
        .as_ref()
        .filter(|_| key.kind.published)
        .map(|dns| dns.get(&key.resource()).cloned().unwrap_or_default());
    let seen_orphaned = |object: &DynamicObject| {
        is_orphaned(&object.metadata) || object.metadata.uid.as_ref().is_some_and(|uid| world.orphaned.contains(uid))
    };
    ObjectView {
        key: key.clone(),
        federation: settings.federation.clone(),
        orphaned: federated.as_deref().is_some_and(seen_orphaned),
        federated,
        members,
        namespace: in_federation,
        scaler,
        dns,
        settles_in: world.settles_in(now),
        scheduler: settings.scheduler.clone(),
        now,
    }
}

/// Members in `places` of `key`.
pub(super) fn of_key<'a>(places: &'a BTreeSet<(ObjectKey, String)>, key: &ObjectKey) -> impl Iterator<Item = &'a str> {
    let places = places.range((key.clone(), String::new())..);
    let key = key.clone();
    places.take_while(move |(of, _)| *of == key).map(|(_, member)| member.as_str())
}

/// What members have told of `key`.
pub(super) fn told_of<'a, T>(
    told: &'a BTreeMap<(ObjectKey, String), T>,
    key: &ObjectKey,
) -> impl Iterator<Item = (&'a str, &'a T)> {
    let told = told.range((key.clone(), String::new())..);
    let key = key.clone();
    told.take_while(move |((of, _), _)| *of == key).map(|((_, member), told)| (member.as_str(), told))
}

/// What a copy shows.
fn share(copy: &DynamicObject, replicas: &Replicas) -> Share {
    Share { replicas: replicas.asked(copy), ready: replicas.serving(copy) }
}

/// Region and zones as the member's nodes tell them, or told them before it went away, and labels and taints of its Cluster. A
/// member with nodes in several zones is in none of them: it shares a domain with members in the same ones.
fn attributes(member: &Member, cluster: Option<&Cluster>) -> Attributes {
    let remembered = cluster.and_then(|cluster| cluster.status.as_ref());
    let zones: Vec<String> = if member.topology.zones.is_empty() {
        remembered.map(|status| status.zones.clone()).unwrap_or_default()
    } else {
        member.topology.zones.iter().cloned().collect()
    };
    Attributes {
        region: member.topology.region.clone().or_else(|| remembered?.region.clone()),
        zone: (!zones.is_empty()).then(|| zones.join("+")),
        labels: cluster.and_then(|cluster| cluster.metadata.labels.clone()).unwrap_or_default(),
        taints: cluster.map(|cluster| cluster.spec.taints.clone()).unwrap_or_default(),
        ..Attributes::default()
    }
}

/// The state of a member that nobody has asked to leave.
fn state(
    member: &Member,
    cluster: Option<&Cluster>,
    key: &ObjectKey,
    suspended: bool,
    settings: &Settings,
    now: Timestamp,
) -> MemberState {
    if member.is_reachable() {
        return if member.is_returning(now) { MemberState::Returning } else { MemberState::Available };
    }
    if !member.known && !cluster.is_some_and(was_ever_ready) {
        return MemberState::Joining;
    }
    // More than half of the members dead at once: the fault is rather ours. Nothing is evicted.
    let Some(due) = member.eviction_due(settings).filter(|_| !suspended) else { return MemberState::Frozen };
    let turn = member.evictions.as_ref().and_then(|turns| turns.get(key)).copied().unwrap_or_default();
    let wait = Duration::try_from(due.duration_since(now)).ok();
    match wait.map_or_else(|| turn.checked_sub(overdue(due, now)), |wait| Some(wait.saturating_add(turn))) {
        // What still serves is Frozen until its turn comes.
        Some(evict_in) if !evict_in.is_zero() && member.dead_since().is_none() => MemberState::Frozen,
        Some(evict_in) if !evict_in.is_zero() => MemberState::Dying { evict_in },
        _ => MemberState::Dead,
    }
}

/// For how long it has been due.
fn overdue(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(due)).unwrap_or_default()
}

/// What was last written down of where `workload` runs.
pub(super) fn placement(workload: &DynamicObject) -> BTreeMap<String, Share> {
    let read = |json| serde_json::from_str::<BTreeMap<String, serde_json::Value>>(json).ok();
    let members = annotation(workload, keys::PLACEMENT).and_then(read).unwrap_or_default();
    members.into_iter().filter_map(|(name, member)| Some((name, serde_json::from_value(member).ok()?))).collect()
}

/// Whether the member has ever answered well, as its Cluster remembers over restarts of kfed.
pub(super) fn was_ever_ready(cluster: &Cluster) -> bool {
    let status = cluster.status.as_ref();
    status.is_some_and(|status| {
        status.version.is_some() || status.phase.is_some_and(|phase| phase != ClusterPhase::Pending)
    })
}
