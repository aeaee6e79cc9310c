//! Where a workload's replicas go: from preferences and the members' state to a number for each member.

use std::collections::BTreeMap;
use std::time::Duration;

use kfed_api::keys;
use kfed_api::policy::{Finding, InvalidPolicy, PlacementPolicy, Severity, parse_selector};
use kfed_replica_scheduler::{Member, Reason, Request, schedule};
use kube::core::DynamicObject;

use crate::kinds::FederatedKind;
use crate::object::{annotation, number, replicas};
use crate::world::{Leaving, MemberState, MemberView, ObjectView};

/// A number for each member, and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Placement {
    /// How many replicas each member is to have in the end.
    pub(crate) targets: BTreeMap<String, i64>,
    /// Replicas that no member may take.
    pub(crate) unplaced: i64,
    /// Why they find no room: a phrase for each member that could not take them.
    pub(crate) obstacles: Vec<String>,
    /// The preferences cannot be read: what members hold now stays.
    pub(crate) mistake: Option<String>,
    /// When a dead member's replicas are planned elsewhere.
    pub(crate) again_after: Option<Duration>,
}

/// Places the replicas of the federated object in `view`.
pub(crate) fn place(view: &ObjectView) -> Placement {
    let Some(federated) = &view.federated else { return Placement::default() };
    let wanted = replicas(federated);
    let mut policy = match policy(view.key.kind, federated) {
        Ok(policy) => policy,
        Err(mistake) => return as_it_is(view, wanted, mistake),
    };

    let mut placement = Placement::default();
    let mut frozen = 0;
    let mut available = Vec::new();
    for (name, member) in &view.members {
        let held = member.share.map(|share| share.replicas);
        match member.state {
            MemberState::Available => {
                let current = member.copy.as_deref().and_then(|copy| number(copy, "/status/replicas"));
                available.push(Member { current, attributes: Some(&member.attributes), ..Member::new(name) });
            }
            MemberState::Returning => {
                // Others have taken over what it is no longer counted on for; what it still runs stays until it is trusted.
                frozen += held.unwrap_or(0);
                let runs = held.or_else(|| member.copy.as_deref().map(replicas));
                placement.targets.extend(runs.map(|runs| (name.clone(), runs)));
            }
            MemberState::Frozen | MemberState::Dying { .. } => {
                frozen += held.unwrap_or(0);
                placement.targets.extend(held.map(|held| (name.clone(), held)));
                if let MemberState::Dying { evict_in } = member.state {
                    placement.again_after =
                        Some(placement.again_after.map_or(evict_in, |earlier| earlier.min(evict_in)));
                }
            }
            MemberState::Dead => placement.obstacles.push(format!("{name} is dead")),
            MemberState::Leaving { stage: Leaving::Drain | Leaving::Clean, .. } => {
                placement.targets.extend(held.map(|_| (name.clone(), 0)));
                placement.obstacles.push(format!("{name} is leaving"));
            }
            // What is released runs on by itself and no longer counts.
            MemberState::Leaving { stage: Leaving::Release, .. } | MemberState::Joining => {}
        }
    }

    let path = view.key.path();
    let replicas = (wanted - frozen).max(0);
    // Of a move on its way both ends run: the new replica is there, and the old one goes when it is ready.
    let running: i64 = available.iter().filter_map(|member| member.current).sum();
    let on_the_way = u32::try_from(running - replicas).unwrap_or(0);
    policy.max_moves = policy.max_moves.map(|most| most.saturating_sub(on_the_way));
    let plan = schedule(&Request { key: &path, replicas, policy: &policy, members: &available });
    for member in &plan.placements {
        // A member that the policy leaves out gets no copy; one that has a copy is scaled to nothing.
        if member.is_filtered() && view.members[&member.member].copy.is_none() {
            continue;
        }
        placement.targets.insert(member.member.clone(), member.replicas());
        placement.obstacles.extend(member.reasons.iter().filter_map(|reason| match reason {
            Reason::CutToMaximum { max, .. } => Some(format!("{} may take at most {max}", member.member)),
            Reason::CutToCapacity { capacity, .. } => Some(format!("{} has room for {capacity}", member.member)),
            Reason::Tainted { .. } | Reason::CutBySkew { .. } => Some(format!("{}: {reason}", member.member)),
            _ => None,
        }));
    }
    placement.unplaced = plan.unplaced;
    placement.obstacles.sort();
    placement.obstacles.dedup();
    placement
}

/// What the annotations of a workload ask: its preferences with all that stands beside them, and v1's cluster selector. Else
/// what is wrong with them.
fn policy(kind: &FederatedKind, federated: &DynamicObject) -> Result<PlacementPolicy, String> {
    let key = kind.preferences.unwrap_or_default();
    let mut policy = match annotation(federated, key) {
        None => PlacementPolicy::default(),
        Some(json) => json.parse().map_err(|mistake: InvalidPolicy| format!("annotation {key}: {mistake}"))?,
    };
    fail_on_errors(key, &policy)?;
    if let Some(json) = annotation(federated, keys::CLUSTER_SELECTOR).filter(|json| !json.is_empty()) {
        let in_annotation = |mistake: InvalidPolicy| format!("annotation {}: {mistake}", keys::CLUSTER_SELECTOR);
        let selector = parse_selector(json).map_err(in_annotation)?;
        let alone = PlacementPolicy { cluster_selector: selector.clone(), ..PlacementPolicy::default() };
        fail_on_errors(keys::CLUSTER_SELECTOR, &alone)?;
        policy.cluster_selector.extend(selector);
    }
    Ok(policy)
}

fn fail_on_errors(annotation: &str, policy: &PlacementPolicy) -> Result<(), String> {
    let error = policy.check(None).into_iter().find(|finding| finding.severity == Severity::Error);
    error.map_or(Ok(()), |Finding { path, message, remedy, .. }| {
        Err(format!("annotation {annotation}: {path}: {message}; {remedy}"))
    })
}

/// The last good plan is what the members hold: preferences that cannot be read change nothing. A member that leaves is
/// emptied all the same.
fn as_it_is(view: &ObjectView, wanted: i64, mistake: String) -> Placement {
    let held = |(name, member): (&String, &MemberView)| {
        let held = member.share?.replicas;
        match member.state {
            // What is released runs on by itself and no longer counts.
            MemberState::Leaving { stage: Leaving::Release, .. } => None,
            MemberState::Leaving { .. } => Some((name.clone(), 0)),
            _ => Some((name.clone(), held)),
        }
    };
    let targets: BTreeMap<_, _> = view.members.iter().filter_map(held).collect();
    let unplaced = (wanted - targets.values().sum::<i64>()).max(0);
    Placement { targets, unplaced, mistake: Some(mistake), ..Placement::default() }
}

/// What a member is to be told now on the way to its target: more at once, less only as far as what is ready elsewhere
/// makes up for it. Adding comes before removing. Only members that show what they run can make up for anything.
pub(crate) fn steps(view: &ObjectView, placement: &Placement) -> BTreeMap<String, i64> {
    let shown = |name: &String| view.members.get(name).filter(|member| member.state.shows_itself());
    let ready = |name: &String| shown(name).and_then(|member| member.share).map_or(0, |share| share.ready);
    let running: i64 = view.members.keys().map(ready).sum();
    let wanted: i64 =
        placement.targets.iter().filter(|(name, _)| shown(name).is_some()).map(|(_, target)| target).sum();
    let mut surplus = (running - wanted).max(0);
    let step = |(name, &target): (&String, &i64)| {
        let held = view.members.get(name).and_then(|member| member.share).map_or(0, |share| share.replicas);
        if held <= target {
            return (name.clone(), target);
        }
        // Replicas that are not ready serve nobody: they may always go.
        let needed = ready(name).max(target);
        let given = (needed - target).min(surplus);
        surplus -= given;
        (name.clone(), needed - given)
    };
    placement.targets.iter().map(step).collect()
}
