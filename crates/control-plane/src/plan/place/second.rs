//! Numbers that go with the replicas: how much each member has to work off, and how few an autoscaler may leave it.

use std::collections::BTreeMap;

use kfed_api::policy::PlacementPolicy;
use kfed_api::preferences::{ClusterPreferences, ReplicaPreferences};
use kfed_replica_scheduler::{Member, Request, schedule};

use super::Placement;
use crate::kinds::{Replicas, Second};
use crate::object::number;
use crate::world::ObjectView;

/// Divides the number beside the replicas, if there is one, as those are placed.
pub(super) fn place(view: &ObjectView, replicas: &Replicas, policy: &PlacementPolicy, placement: &mut Placement) {
    let Some(federated) = &view.federated else { return };
    match replicas.second {
        Some(Second::Work(path)) => {
            // Without it all work on one queue until that is empty.
            let Some(total) = number(federated, path) else { return };
            work(view, path, total, policy, placement);
        }
        Some(Second::Least(path)) => least(view, path, number(federated, path).unwrap_or(1), policy, placement),
        None => {}
    }
}

/// What a member has been given stays with it. The rest goes to those that work and have been given nothing yet.
fn work(view: &ObjectView, path: &str, total: i64, policy: &PlacementPolicy, placement: &mut Placement) {
    let given = |name: &String| number(view.members.get(name)?.copy.as_deref()?, path);
    placement.seconds = placement.targets.keys().filter_map(|name| Some((name.clone(), given(name)?))).collect();
    let rest = (total - placement.seconds.values().sum::<i64>()).max(0);
    let new: Vec<_> = placement
        .targets
        .iter()
        .filter(|(name, target)| **target > 0 && !placement.seconds.contains_key(*name))
        .map(|(name, _)| name.clone())
        .collect();
    let shares = divide(view, rest, &by_weight(policy), &new, |_| (None, None));
    let left = rest - shares.values().sum::<i64>();
    placement.seconds.extend(shares);
    if left > 0 {
        placement
            .obstacles
            .push(format!("{left} of {total} completions have no member: those of a running Job cannot be changed"));
        placement.unplaced = placement.unplaced.max(1);
    }
}

/// At least 1 wherever there may be any, unless the user lets all go. Where there are to be none it stays until they are gone.
fn least(view: &ObjectView, path: &str, total: i64, policy: &PlacementPolicy, placement: &mut Placement) {
    let some: Vec<_> = placement.targets.iter().filter(|(_, most)| **most > 0).map(|(name, _)| name.clone()).collect();
    let now = |name: &str| number(view.members.get(name)?.copy.as_deref()?, path);
    let most = placement.targets.clone();
    let shares = divide(view, total, policy, &some, |name| (now(name), most.get(name).copied()));
    let stays = most.keys().filter_map(|name| Some((name.clone(), now(name)?)));
    placement.seconds = stays.chain(shares.into_iter().map(|(name, share)| (name, share.max(total.min(1))))).collect();
}

/// `total` divided by `policy` among `members`, of each of which `known` tells how much it has and can have.
fn divide(
    view: &ObjectView,
    total: i64,
    policy: &PlacementPolicy,
    members: &[String],
    known: impl Fn(&str) -> (Option<i64>, Option<i64>),
) -> BTreeMap<String, i64> {
    let members = members.iter().map(|name| {
        let (current, capacity) = known(name);
        let attributes = view.members.get(name).map(|member| &member.attributes);
        Member { current, capacity, attributes, ..Member::new(name) }
    });
    let members: Vec<_> = members.collect();
    let plan = schedule(&Request { key: &view.key.path(), replicas: total, policy, members: &members });
    plan.placements.into_iter().map(|placement| (placement.member, placement.planned)).collect()
}

/// The weights of `policy` alone: how many may work at once says nothing of how much there is to do.
fn by_weight(policy: &PlacementPolicy) -> PlacementPolicy {
    let clusters = &policy.preferences.clusters;
    let none = clusters.values().all(|cluster| cluster.weight <= 0);
    let weight = |cluster: &ClusterPreferences| if none { 1 } else { cluster.weight };
    let clusters = clusters.iter().map(|(name, cluster)| {
        (name.clone(), ClusterPreferences { weight: weight(cluster), ..ClusterPreferences::default() })
    });
    PlacementPolicy::of(ReplicaPreferences { rebalance: false, clusters: clusters.collect() })
}

// === impl Second ===

impl Second {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Work(path) | Self::Least(path) => path,
        }
    }

    /// `second` as it may stand beside `number`: of an autoscaler's numbers the least is no more than the most.
    pub(crate) fn beside(self, second: i64, number: i64) -> i64 {
        match self {
            Self::Work(_) => second,
            Self::Least(_) => second.min(number),
        }
    }
}
