//! All that the control plane has seen, indexed. Pure: watches and probes are applied to it, planners read views of it.
//!
//! Nothing here is the truth: every event may have been lost or come late, and a relist repairs it.

mod clusters;
mod dns;
mod endpoints;
mod kept;
mod lean;
mod lowered;
mod member;
mod members;
mod objects;
mod packed;
mod pods;
mod related;
mod scalers;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kfed_api::{Cluster, Federation, keys};
use kfed_dnsprovider::DnsName;

pub(crate) use clusters::Clusters;
pub(crate) use dns::{DnsState, ServiceDns};
#[cfg(test)]
pub(crate) use endpoints::Slice;
pub(crate) use endpoints::{Shown, Turn};
pub(crate) use lean::Lean;
pub(crate) use lowered::Lowered;
pub(crate) use member::{
    Address, AddressKey, ApiHealth, Ban, CLUSTERS, ENDPOINT_SLICES, IDENTITY, Leaving, Member, TOMBSTONES, Target,
};
pub(crate) use members::Members;
pub(crate) use objects::{Change, Kept, Objects};
#[cfg(test)]
pub(crate) use pods::Room;
pub(crate) use pods::{Pod, Pods};
pub(crate) use related::MOST_LEFT_OUT;
use view::Sight;
pub(crate) use view::{Lack, MemberState, MemberView, ObjectView, Share};

use crate::Settings;
use crate::kinds::{Kinds, ObjectKey};
use crate::object::is_managed;
use crate::plan::{Names, ObjectPlan, evict, priority};

/// How long after the start members are waited for: longer than a dead one takes to be Offline.
const SETTLING: Duration = Duration::from_secs(30);

/// The indices.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Every kind that is federated.
    pub(crate) kinds: Kinds,
    /// Objects of federated kinds in the federation API.
    pub(crate) federation: Objects,
    /// Kinds of which the federation API has been listed in full since the start.
    pub(crate) listed: BTreeSet<&'static str>,
    /// The `Cluster` objects.
    pub(crate) clusters: Clusters,
    /// Of each Secret with credentials: a hash of the kubeconfig, which tells whether it is another one.
    pub(crate) credentials: BTreeMap<String, u64>,
    /// What is known of each member.
    pub(crate) members: Members,
    /// What members last said when they refused an object; gone when they take it.
    pub(crate) refusals: BTreeMap<(ObjectKey, String), Refusal>,
    /// Uids of federated objects that were seen to be deleted with `propagationPolicy=Orphan`.
    pub(crate) orphaned: BTreeSet<String>,
    /// Copies that kfed has asked members to make and that no watch has shown yet: they may be there.
    pub(crate) unseen: BTreeSet<(ObjectKey, String)>,
    /// Members that have been told to run fewer replicas than they show.
    pub(crate) lowered: Lowered,
    /// The `Federation`, as long as it is there.
    pub(crate) itself: Option<Arc<Federation>>,
    /// What becomes of the federation's names.
    pub(crate) names: Names,
    /// What the zone holds; none until it has been read.
    pub(crate) dns: Option<DnsState>,
    /// What the names of load balancers lead to; without those that have not been asked for yet.
    pub(crate) hosts: BTreeMap<DnsName, Host>,
    /// When this control plane began to look.
    pub(crate) began: Timestamp,
    /// Whether somebody has let replicas be planned elsewhere although most members look dead.
    pub(crate) mass_failover: bool,
    /// The Kubernetes version of the federation API.
    pub(crate) version: Option<String>,
}

/// What the name of a load balancer leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Host {
    /// The last good answer; none before there was one.
    pub(crate) addresses: Option<BTreeSet<IpAddr>>,
    /// Why there was no good answer when it was last asked for.
    pub(crate) problem: Option<String>,
}

/// Why a member does not hold an object as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Whether kfed still has to do with the member: a Cluster that is being deleted and that kfed has let go of is others'.
pub(crate) fn is_ours(cluster: &Cluster) -> bool {
    cluster.metadata.deletion_timestamp.is_none()
        || cluster.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == keys::MEMBERSHIP_FINALIZER)
}

// === impl World ===

impl World {
    /// How long members are still waited for that were there before the start and have not shown yet what they hold; none once all
    /// are heard, or have been waited for.
    pub(crate) fn settles_in(&self, now: Timestamp) -> Option<Duration> {
        let left = SETTLING.checked_sub(Duration::try_from(now.duration_since(self.began)).ok()?)?;
        if left.is_zero() {
            // Who looks again at once, at the same time, would never end.
            return None;
        }
        let is_awaited = |(name, member): (&str, &Member)| {
            let may_come = matches!(member.api, ApiHealth::Unknown | ApiHealth::Ready | ApiHealth::Silent { .. });
            let was_there = || self.clusters.get(name).is_some_and(|cluster| view::was_ever_ready(cluster));
            !member.known && may_come && member.same_as.is_none() && was_there()
        };
        self.members.veiled().any(is_awaited).then_some(left)
    }

    /// Whether every kind and the Clusters have been listed, so that what is not here is not there.
    pub(crate) fn is_complete(&self) -> bool {
        self.kinds.iter().all(|kind| self.listed.contains(kind.id)) && self.listed.contains(CLUSTERS)
    }

    /// The oldest Cluster, if it is older than that of `name`, whose member is the same cluster. What kfed has let go of is no member.
    pub(crate) fn same_as(&self, name: &str) -> Option<String> {
        let uid = |name: &str| {
            let told = || self.clusters.get(name)?.status.as_ref()?.cluster_uid.as_ref();
            self.members.get(name).and_then(|member| member.uid.as_ref()).or_else(told)
        };
        let age = |cluster: &Cluster| cluster.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let (uid_of_this, this) = (uid(name)?, self.clusters.get(name)?);
        let others =
            self.clusters.iter().filter(|(other, cluster)| is_ours(cluster) && uid(other) == Some(uid_of_this));
        let (_, oldest) = others.map(|(other, cluster)| (age(cluster), other.as_str())).min()?;
        ((age(this), name) > (age(self.clusters.get(oldest)?), oldest)).then(|| oldest.to_owned())
    }

    /// Takes in which older member the member `name` is the same as, if any. Whether that is another than before.
    pub(crate) fn recognise(&mut self, name: &str) -> bool {
        let same_as = self.same_as(name);
        self.members.change(name, |member| std::mem::replace(&mut member.same_as, same_as.clone()) != same_as)
    }

    /// The keys of every federated object, and of every copy of one in a member.
    pub(crate) fn keys(&self) -> BTreeSet<ObjectKey> {
        self.federation.keys().chain(self.members.held()).cloned().collect()
    }

    /// Every federated Service that is to be found by name.
    pub(crate) fn published(&self) -> impl Iterator<Item = &ObjectKey> {
        self.federation.keys().filter(|key| key.kind.published && !key.is_reserved())
    }

    /// What else is to be looked at when `key` has changed in the federation or in a member: what is in a namespace, and what an
    /// autoscaler scales.
    pub(crate) fn dependents(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        if key.kind.is_namespace() {
            let kinds = self.kinds.iter().filter(|kind| kind.namespaced);
            return kinds.flat_map(|kind| self.federation.of(kind, &key.name)).cloned().collect();
        }
        let scaled = self.federation.scaled(key).and_then(|(kind, name)| self.scaled(key, kind, name));
        scaled.into_iter().collect()
    }

    /// The object of that kind and name beside `scaler`.
    fn scaled(&self, scaler: &ObjectKey, kind: &str, name: &str) -> Option<ObjectKey> {
        let kind = self.kinds.iter().find(|row| row.kind == kind && row.namespaced && row.replicas.is_some())?;
        Some(ObjectKey { kind, namespace: scaler.namespace.clone(), name: name.to_owned() })
    }

    /// The autoscaler of `key`, if there is one in the federation: of several the first by name.
    pub(crate) fn scaler_of(&self, key: &ObjectKey) -> Option<&ObjectKey> {
        key.kind.replicas?;
        let lives = |scaler: &&ObjectKey| !self.federation.get(scaler).is_some_and(|s| crate::object::is_deleted(&s));
        self.federation.scalers(key).find(lives)
    }

    /// What planners need of one object.
    pub(crate) fn view(&self, key: &ObjectKey, settings: &Settings, now: Timestamp) -> ObjectView {
        let sight = Sight { staying: None, beside: BTreeSet::new(), others: MOST_LEFT_OUT };
        view::view(self, key, &sight, settings, now)
    }

    /// The same with so many members beside those that matter.
    #[cfg(test)]
    pub(crate) fn view_beside(
        &self,
        others: usize,
        key: &ObjectKey,
        settings: &Settings,
        now: Timestamp,
    ) -> ObjectView {
        let sight = Sight { staying: None, beside: BTreeSet::new(), others };
        view::view(self, key, &sight, settings, now)
    }

    /// The same as if nobody had asked `member` to leave.
    pub(crate) fn view_with(&self, member: &str, key: &ObjectKey, settings: &Settings, now: Timestamp) -> ObjectView {
        let sight = Sight { staying: Some(member), beside: BTreeSet::new(), others: MOST_LEFT_OUT };
        view::view(self, key, &sight, settings, now)
    }

    /// Members whose replicas are, or will be, planned elsewhere: dead by both signals, or by what the settings call enough.
    pub(crate) fn dead_members(&self, settings: &Settings) -> impl Iterator<Item = &str> {
        let is_dead = |member: &Member| member.eviction_due(settings).is_some();
        self.members.failing().filter(move |(_, member)| is_dead(member)).map(|(name, _)| name)
    }

    /// Whether so many members are dead that the fault may be ours.
    pub(crate) fn mass_failure(&self, settings: &Settings) -> bool {
        self.dead_members(settings).count() * 2 > self.members.len()
    }

    /// Sees to it that what dead members ran is planned elsewhere one workload after the other, and forgets that of members which
    /// are back. To be called when all workloads are known.
    pub(crate) fn pace_evictions(&mut self, settings: &Settings) {
        let is_due = |member: &Member| member.eviction_due(settings).is_some();
        let turned = self.members.failing().filter(|(_, member)| is_due(member) != member.evictions.is_some());
        let turned: Vec<_> = turned.map(|(name, member)| (name.to_owned(), is_due(member))).collect();
        for (name, is_due) in turned {
            if !is_due {
                self.members.change(&name, |member| member.evictions = None);
                continue;
            }
            let counted_on = self.workloads().filter_map(|key| {
                let workload = self.federation.get(key)?;
                let runs = view::placement(&workload).get(&name).is_some_and(|share| share.replicas > 0);
                runs.then(|| (priority(&workload).ok().flatten().unwrap_or_default(), key.clone()))
            });
            let evictions = evict::pace(counted_on, settings.evict_rate);
            self.members.change(&name, |member| member.evictions = Some(evictions));
        }
    }

    /// Forgets what is settled about the object in `view`: refusals of writes that `plan` no longer holds, and copies that
    /// have been shown. Whether anything was told of it.
    pub(crate) fn forget_unwanted(&mut self, view: &ObjectView, plan: &ObjectPlan) -> bool {
        let mut forgotten = false;
        // Most often there is nothing to forget.
        let anything = !self.unseen.is_empty() || !self.refusals.is_empty();
        let is_lowered = |name: &str| view.members.get(name).is_some_and(|member| member.lowered.is_some());
        self.lowered.retain(&view.key, |member| view.federated.is_some() && is_lowered(member));
        for (name, member) in view.members.iter().filter(|_| anything) {
            let place = (view.key.clone(), name.clone());
            if member.copy.is_some() {
                self.unseen.remove(&place);
            }
            // A member that does not take writes now has said all that it can say.
            if member.state.is_reachable() && !plan.members.contains_key(name) {
                forgotten |= self.refusals.remove(&place).is_some();
            }
        }
        if view.federated.is_none() {
            self.refusals.retain(|(key, _), _| *key != view.key);
            self.unseen.retain(|(key, _)| *key != view.key);
        }
        forgotten
    }

    /// Federated objects whose replicas are spread.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &ObjectKey> {
        self.federation.keys().filter(|key| key.kind.replicas.is_some() && !key.is_reserved())
    }

    /// What kfed made in `member`.
    pub(crate) fn copies_in(&self, member: &str, federation: &str) -> Vec<ObjectKey> {
        let Some(member) = self.members.get(member) else { return Vec::new() };
        let managed = |key: &&ObjectKey| member.objects.get(key).is_some_and(|copy| is_managed(&copy, federation));
        member.objects.keys().filter(managed).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// After so many seconds, with a member that has been Ready before the start: whether it is waited for.
    fn settles(seconds: u64, member: Member) -> bool {
        let cluster = json!({
            "apiVersion": "kfed.io/v1beta1", "kind": "Cluster", "metadata": {"name": "west"},
            "spec": {"secretRef": {"name": "west"}}, "status": {"phase": "Ready", "version": "v1.32.0"}
        });
        let mut world = World { began: "2026-01-01T00:00:00Z".parse().unwrap(), ..World::default() };
        world.clusters.change(Change::Reset(vec![serde_json::from_value(cluster).unwrap()]));
        world.members.replace("west", member);
        let now = world.began + Duration::from_secs(seconds);
        let left = world.settles_in(now);
        assert!(left.is_none_or(|left| now + left == world.began + SETTLING));
        world.clusters.change(Change::Reset(Vec::new()));
        assert_eq!(world.settles_in(now), None, "who has never been Ready is not waited for");
        left.is_some()
    }

    #[test]
    fn members_are_waited_for_until_they_are_known_or_do_not_come() {
        let api = |api| Member { api, ..Member::default() };
        let (reason, message) = ("Timeout", String::new());
        let since = "2026-01-01T00:00:15Z".parse().unwrap();
        assert!(settles(0, api(ApiHealth::Unknown)));
        assert!(settles(1, api(ApiHealth::Ready)), "its lists are on the way");
        assert!(settles(1, api(ApiHealth::Silent { reason, message: message.clone() })));
        assert!(!settles(1, Member { known: true, ..api(ApiHealth::Ready) }));
        assert!(!settles(1, api(ApiHealth::Unwell { reason, message: message.clone() })));
        assert!(!settles(15, api(ApiHealth::Offline { reason, message, since })));
        assert!(settles(29, api(ApiHealth::Ready)));
        assert!(!settles(30, api(ApiHealth::Ready)), "one that cannot be listed keeps nobody waiting");
    }
}
