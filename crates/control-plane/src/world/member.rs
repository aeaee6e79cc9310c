//! What is known of one member.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kfed_cluster_health::{Damped, Damper, Damping, Health, Observation};
use kfed_dnsprovider::{DnsName, RecordData};
use kfed_service_dns::AddressState;
use kube::core::{DynamicObject, Status};

use super::endpoints::Endpoints;
use super::objects::Objects;
use super::pods::Pods;
use crate::Settings;
use crate::kinds::{FEDERATED_KINDS, FederatedKind, ObjectKey};
use crate::plan::ANY_COPY;

/// A member, alive or not.
#[derive(Debug, Default)]
pub(crate) struct Member {
    /// How its API answers.
    pub(crate) api: ApiHealth,
    /// Where its nodes are. Kept while it is offline.
    pub(crate) topology: Topology,
    /// Copies that kfed made.
    pub(crate) objects: Objects,
    /// What its EndpointSlices show.
    pub(crate) endpoints: Endpoints,
    /// Copies, by uid, of what was deleted while the member was away: they are to go, and count for nothing.
    pub(crate) buried: BTreeMap<ObjectKey, String>,
    /// Kinds that have been listed in full since the member last came (back).
    pub(crate) listed: BTreeSet<&'static str>,
    /// Kinds that have been listed in full at least once.
    pub(crate) shown: BTreeSet<&'static str>,
    /// The kinds that it is asked for; the built-in ones until it is known which.
    pub(crate) kinds: Option<Vec<&'static FederatedKind>>,
    /// Kinds that its API server does not know.
    pub(crate) unserved: BTreeSet<&'static str>,
    /// Kinds that its API server does not let kfed see.
    pub(crate) forbidden: BTreeMap<&'static str, Ban>,
    /// The pods of workloads that are not fully ready.
    pub(crate) pods: BTreeMap<ObjectKey, Pods>,
    /// Whether everything has been listed at least once, so that what is known of it was true at one time.
    pub(crate) known: bool,
    /// How the addresses that it publishes answer.
    pub(crate) addresses: BTreeMap<AddressKey, Address>,
    /// Whether it is on its way out, and how far.
    pub(crate) leaving: Option<Leaving>,
    /// Since when it is.
    pub(crate) leaving_since: Option<Timestamp>,
    /// Whether its credentials could be used; else why not.
    pub(crate) refused: Option<String>,
    /// The uid of its namespace `kube-system`, once it has been asked.
    pub(crate) uid: Option<String>,
    /// The older Cluster whose member is the same cluster. This one then is no member.
    pub(crate) same_as: Option<String>,
    /// How it comes and goes.
    pub(crate) damper: Option<Damper>,
    /// When it counts again, if it has died and is back.
    pub(crate) returns_at: Option<Timestamp>,
    /// How long after the others each of its workloads is planned elsewhere; none while it is not dead.
    pub(crate) evictions: Option<BTreeMap<ObjectKey, Duration>>,
    /// By how many seconds its clock is ahead of ours, as it last told; only where that is too far.
    pub(crate) clock_skew: Option<i64>,
}

/// How a member's API answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ApiHealth {
    /// Not probed yet.
    #[default]
    Unknown,
    /// Answers, and is well.
    Ready,
    /// Answers, and is not well. That is no death: nothing is taken away for it.
    Unwell { reason: &'static str, message: String },
    /// Has just stopped answering.
    Silent { reason: &'static str, message: String },
    /// Has not answered for some time.
    Offline { reason: &'static str, message: String, since: Timestamp },
}

/// What an API server does not let kfed do with a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ban {
    /// What is missing among kfed's permissions: `list`, `watch`.
    pub(crate) verb: &'static str,
    /// What the API server says.
    pub(crate) says: String,
}

/// Where a member's nodes are, and what they run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Topology {
    pub(crate) region: Option<String>,
    pub(crate) zones: BTreeSet<String>,
    pub(crate) version: Option<String>,
}

/// Where a name leads for a member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Ip(IpAddr),
    /// A load balancer that is known by name.
    Host(DnsName),
}

/// An address that a member publishes for a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AddressKey {
    pub(crate) service: ObjectKey,
    pub(crate) ip: IpAddr,
}

/// How an address answers from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) state: AddressState,
    pub(crate) ever_answered: bool,
    /// Since when it has been in this state.
    pub(crate) since: Timestamp,
}

/// How far a member that leaves has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leaving {
    /// Its replicas are started elsewhere; its addresses leave DNS.
    Drain,
    /// What kfed made there is deleted.
    Clean,
    /// What kfed made there stays, and is no longer kfed's.
    Release,
}

/// By how many seconds clocks must differ to be worth telling: less is lost between machines and in answers that take their time.
pub(crate) const CLOCK_SKEW: i64 = 5;

/// The name under which the list of Clusters counts as listed.
pub(crate) const CLUSTERS: &str = "Cluster";

/// The list, beside the federated kinds, that a member must have given before it is known.
pub(crate) const ENDPOINT_SLICES: &str = "EndpointSlice";
/// Who the member is, as a list that it must have given too: until then it may be one that has joined under another name.
pub(crate) const IDENTITY: &str = "identity";
/// What was deleted while a member was away, as a list that it must have given too: until then its copies may be such.
pub(crate) const TOMBSTONES: &str = "tombstones";

// === impl ApiHealth ===

impl ApiHealth {
    /// What `observation` says of a member's API; `now` counts where it is dead.
    pub(crate) fn of(observation: &Observation, now: Timestamp) -> Self {
        let reason = observation.outcome.as_ref().map_or("Pending", |outcome| outcome.reason());
        let message = observation.outcome.as_ref().map(|outcome| outcome.message()).unwrap_or_default();
        let answered = observation.outcome.as_ref().is_some_and(|outcome| outcome.is_answer());
        match (observation.health, observation.settled) {
            (Health::Healthy, _) | (Health::Suspect, Health::Healthy) if answered => Self::Ready,
            (Health::Degraded, _) => Self::Unwell { reason, message },
            (Health::Suspect, _) if answered => Self::Unwell { reason, message },
            (Health::Suspect, _) => Self::Silent { reason, message },
            (Health::Dead, _) => Self::Offline { reason, message, since: now },
            _ => Self::Unknown,
        }
    }
}

// === impl Ban ===

impl Ban {
    /// That `verb` was answered with `status`.
    pub(crate) fn of(verb: &'static str, status: &Status) -> Self {
        Self { verb, says: status.message.clone() }
    }
}

// === impl Member ===

impl Member {
    /// Whether all there is to know has been listed since the member last came (back), and what was deleted while it was away
    /// has been deleted in it.
    pub(crate) fn is_listed(&self) -> bool {
        self.is_seen() && self.listed.contains(TOMBSTONES)
    }

    /// Whether it answers, and all of it is known: it takes writes.
    pub(crate) fn is_reachable(&self) -> bool {
        self.api == ApiHealth::Ready && self.is_listed()
    }

    /// Whether `copy` is to go because its object was deleted while the member was away.
    pub(crate) fn is_buried(&self, key: &ObjectKey, copy: &DynamicObject) -> bool {
        self.buried.get(key).is_some_and(|uid| uid == ANY_COPY || copy.metadata.uid.as_ref() == Some(uid))
    }

    /// Whether every list is complete.
    pub(crate) fn is_seen(&self) -> bool {
        // What is forbidden stops that kind alone: nothing is written of it.
        let is_listed = |kind: &FederatedKind| self.listed.contains(kind.id) || self.forbidden.contains_key(kind.id);
        let kinds = match &self.kinds {
            Some(kinds) => kinds.iter().all(|kind| is_listed(kind)),
            None => FEDERATED_KINDS.iter().filter(|kind| !kind.permits).all(is_listed),
        };
        // Where EndpointSlices are, addresses tell of its Services.
        let endpoints = self.listed.contains(ENDPOINT_SLICES) || self.forbidden.contains_key(ENDPOINT_SLICES);
        kinds && endpoints && self.listed.contains(IDENTITY)
    }

    /// Takes in which kinds it is asked for from now on.
    pub(crate) fn is_asked_for(&mut self, kinds: &[&'static FederatedKind]) {
        self.forbidden.retain(|what, _| *what == ENDPOINT_SLICES || kinds.iter().any(|kind| kind.id == *what));
        self.kinds = Some(kinds.to_vec());
    }

    /// Takes in that kfed may not see `what`; whether that is news.
    pub(crate) fn forbids(&mut self, what: &'static str, ban: &Ban) -> bool {
        self.listed.remove(what);
        self.forbidden.insert(what, ban.clone()).as_ref() != Some(ban)
    }

    /// Whether it is seen to hold roles or bindings that kfed made, or may.
    pub(crate) fn holds_permissions(&self) -> bool {
        let may = |kind: &&'static FederatedKind| kind.permits && self.forbidden.contains_key(kind.id);
        self.objects.keys().any(|key| key.kind.permits) || self.kinds.iter().flatten().any(may)
    }

    /// Whether what is known of its objects of `kind` was true at one time.
    pub(crate) fn knows(&self, kind: &FederatedKind) -> bool {
        self.known && (self.shown.contains(kind.id) || !self.forbidden.contains_key(kind.id))
    }

    /// Whether it can be given objects of `kind`.
    pub(crate) fn serves(&self, kind: &FederatedKind) -> bool {
        !self.unserved.contains(kind.id)
    }

    /// What it holds has to be seen again. What it forbids stays forbidden until it has been asked.
    pub(crate) fn forget_lists(&mut self) {
        self.listed.clear();
    }

    /// It is reached by other credentials now: what it is and holds has to be seen again. One that is dead stays so until it answers.
    pub(crate) fn reconnects(&mut self) {
        self.forget_lists();
        if !matches!(self.api, ApiHealth::Offline { .. }) {
            self.api = ApiHealth::Unknown;
        }
    }

    /// Since when the member is dead by both signals: its API does not answer, and no address of it does. The later of the
    /// two counts.
    pub(crate) fn dead_since(&self) -> Option<Timestamp> {
        let ApiHealth::Offline { since, .. } = self.api else { return None };
        let answers = |address: &Address| address.state == AddressState::Answering;
        if self.addresses.values().any(answers) {
            return None;
        }
        let failing = self.addresses.values().filter(|address| address.state == AddressState::Failing);
        failing.map(|address| address.since).chain([since]).max()
    }

    /// When its replicas are to be planned elsewhere: some time after it has died by both signals, or much later if only its API
    /// has.
    pub(crate) fn eviction_due(&self, settings: &Settings) -> Option<Timestamp> {
        let after = |since: Timestamp, wait: Duration| since.saturating_add(signed(wait)).ok();
        let ApiHealth::Offline { since, .. } = self.api else { return None };
        let dead = self.dead_since().and_then(|since| after(since, settings.evict_after));
        let silent = settings.evict_api_only_after.and_then(|wait| after(since, wait));
        [dead, silent].into_iter().flatten().min()
    }

    /// Takes in how the API answers: what has died must be well for a while before the member counts again. How often it has died
    /// if it now is held for longer than before.
    pub(crate) fn damp(&mut self, settings: &Settings, now: Timestamp) -> Option<u32> {
        if self.api == ApiHealth::Unknown {
            return None;
        }
        let damper = self.damper.get_or_insert_with(|| Damper::new(Damping::after(settings.return_after)));
        let is_up = !matches!(self.api, ApiHealth::Offline { .. });
        let before = self.returns_at;
        let damped = damper.observe(is_up, Duration::try_from(now.as_duration()).unwrap_or_default());
        self.returns_at = match damped {
            Damped::Held { until } => Timestamp::from_duration(signed(until)).ok(),
            Damped::Up | Damped::Down => None,
        };
        self.returns_at.filter(|at| Some(*at) != before).map(|_| damper.deaths())
    }

    /// Takes in by how many seconds the member's clock is ahead of ours; whether there is something new to say of it. What changes
    /// by a second or two from probe to probe is no news.
    pub(crate) fn takes_time(&mut self, ahead: i64) -> bool {
        let before = self.clock_skew;
        self.clock_skew = match before {
            Some(before) if (ahead - before).abs() < CLOCK_SKEW && ahead.abs() >= CLOCK_SKEW => Some(before),
            _ => (ahead.abs() >= CLOCK_SKEW).then_some(ahead),
        };
        before != self.clock_skew
    }

    /// Whether it has died, is back, and does not count yet.
    pub(crate) fn is_returning(&self, now: Timestamp) -> bool {
        self.returns_at.is_some_and(|at| now < at)
    }

    /// Whether what is known of its endpoints was true at one time.
    pub(crate) fn shows_endpoints(&self) -> bool {
        self.known && !self.forbidden.contains_key(ENDPOINT_SLICES)
    }

    /// Ready endpoints of `service`; none where the member has not told.
    pub(crate) fn ready_endpoints(&self, service: &ObjectKey) -> Option<u32> {
        self.shows_endpoints().then(|| self.endpoints.ready(service))
    }
}

impl Target {
    /// Where `datum` leads; none where it is no address and no name.
    pub(crate) fn of(datum: &RecordData) -> Option<Self> {
        match datum {
            RecordData::A(ip) => Some(Self::Ip(IpAddr::V4(*ip))),
            RecordData::Aaaa(ip) => Some(Self::Ip(IpAddr::V6(*ip))),
            RecordData::Cname(host) => Some(Self::Host(host.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Host(host) => f.write_str(host.without_dot()),
        }
    }
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
