//! Where a workload's replicas go: from preferences and the members' state to a number for each member.

mod second;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kfed_api::policy::{InvalidPolicy, PlacementPolicy};
use kfed_replica_scheduler::{Member, Reason, Request};

use super::select::{fail_on_errors, is_selected, selector, unmet};
use crate::kinds::Replicas;
use crate::object::{annotation, conditions_of, holds, number};
use crate::world::{Lack, Leaving, MemberState, MemberView, ObjectView};

/// A number for each member, and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Placement {
    /// How many replicas each member is to have in the end.
    pub(crate) targets: BTreeMap<String, i64>,
    /// The number that goes with it, for kinds that have one.
    pub(crate) seconds: BTreeMap<String, i64>,
    /// Replicas that no member may take.
    pub(crate) unplaced: i64,
    /// Why they find no room: a phrase for each member that could not take them.
    pub(crate) obstacles: Vec<String>,
    /// How each number came about.
    pub(crate) whys: BTreeMap<String, String>,
    /// Members that the preferences and selectors leave out: nothing about them is in anybody's way.
    pub(crate) left_out: BTreeSet<String>,
    /// The preferences cannot be read: what members hold now stays.
    pub(crate) mistake: Option<String>,
    /// The numbers are an autoscaler's own, by its name: members keep what they have.
    pub(crate) scaled_by: Option<String>,
    /// The object has come to its end: members keep what they have.
    pub(crate) finished: bool,
    /// When only time changes it.
    pub(crate) again_after: Option<Duration>,
}

/// How far a member goes towards its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// How many it is told to run now.
    pub(crate) now: i64,
    /// How many it may be counted on for. If those are fewer, that has to be written down before it is told to run so few: were it silent
    /// then, it would be counted on for what it no longer runs.
    pub(crate) counted: i64,
}

/// Places the replicas of the federated object in `view`.
pub(crate) fn place(view: &ObjectView) -> Placement {
    let (Some(federated), Some(replicas)) = (&view.federated, &view.key.kind.replicas) else {
        return Placement::default();
    };
    let conditions = conditions_of(view.key.kind, federated);
    if view.key.kind.ends.iter().any(|end| holds(&conditions, end)) {
        return Placement { finished: true, ..as_it_is(view, replicas, 0) };
    }
    if is_settling(view) {
        return unchanged(view, replicas);
    }
    let wanted = replicas.asked(federated);
    let policy = match policy(view, replicas) {
        Ok(policy) => policy,
        Err(mistake) => return Placement { mistake: Some(mistake), ..as_it_is(view, replicas, wanted) },
    };
    let is_left_out = |(name, member): &(&String, &MemberView)| {
        let named = view.scaler.is_some() || policy.preferences.of(name).is_some();
        !named || !is_selected(&policy.cluster_selector, member)
    };
    let left_out = view.members.iter().filter(is_left_out).map(|(name, _)| name.clone()).collect();
    let mut placement = match view.scaler.as_deref() {
        Some(scaler) => beside(view, replicas, &policy, scaler),
        None => spread(view, replicas, &policy, wanted, &left_out),
    };
    second::place(view, replicas, &policy, &mut placement);
    placement.left_out = left_out;
    placement.obstacles.sort();
    placement.obstacles.dedup();
    placement
}

/// Divides `wanted` replicas by `policy` among the members that take them now.
fn spread(
    view: &ObjectView,
    replicas: &Replicas,
    policy: &PlacementPolicy,
    wanted: i64,
    left_out: &BTreeSet<String>,
) -> Placement {
    let mut policy = policy.clone();
    let mut placement = Placement::default();
    let mut frozen = 0;
    let mut available = Vec::new();
    for (name, member) in &view.members {
        let obstacle = obstacle(member, replicas).filter(|_| !left_out.contains(name));
        placement.obstacles.extend(obstacle.map(|obstacle| format!("{name} {obstacle}")));
        if let Some(lack) = member.lack.filter(|lack| lack.excludes()) {
            placement.whys.insert(name.clone(), format!("it {}", lack.phrase()));
            continue;
        }
        match member.state {
            MemberState::Available => {
                let room = member.room.filter(|_| member.share.is_some_and(|share| share.ready < share.replicas));
                placement.wait_for(room.and_then(|room| room.again_in));
                // What has been asked for counts from then on: a status comes later, and would look like room for others.
                let waiting = room.map_or(0, |room| room.unschedulable);
                let asked = member.copy.as_deref().map_or(0, |copy| replicas.asked(copy));
                let current = member.share.map(|share| share.replicas.min((asked - waiting).max(0)));
                let capacity = current.filter(|_| waiting > 0);
                available.push(Member { current, capacity, attributes: Some(&member.attributes), ..Member::new(name) });
            }
            _ => frozen += placement.keep(name, member, replicas),
        }
    }

    let path = view.key.path();
    let left = (wanted - frozen).max(0);
    // Of a move on its way both ends run: the new replica is there, and the old one goes when it is ready.
    let running: i64 = available.iter().filter_map(|member| member.current).sum();
    let on_the_way = u32::try_from(running - left).unwrap_or(0);
    policy.max_moves = policy.max_moves.map(|most| most.saturating_sub(on_the_way));
    let request = Request { key: &path, replicas: left, policy: &policy, members: &available };
    let plan = view.scheduler.schedule(&request);
    for member in &plan.placements {
        let whys: Vec<_> = member.reasons.iter().map(ToString::to_string).collect();
        placement.whys.insert(member.member.clone(), whys.join("; "));
        // A member that the policy leaves out gets no copy; one that has a copy is scaled to nothing.
        if member.is_filtered() && view.members[&member.member].copy.is_none() {
            continue;
        }
        placement.targets.insert(member.member.clone(), member.replicas());
        let reasons = member.reasons.iter().filter(|_| !left_out.contains(&member.member));
        placement.obstacles.extend(reasons.filter_map(|reason| match reason {
            Reason::CutToMaximum { max, .. } => Some(format!("{} may take at most {max}", member.member)),
            Reason::CutToCapacity { capacity, .. } => Some(format!("{} has room for {capacity}", member.member)),
            Reason::Tainted { .. } | Reason::CutBySkew { .. } => Some(format!("{}: {reason}", member.member)),
            _ => None,
        }));
    }
    placement.unplaced = plan.unplaced;
    placement
}

/// What a member that takes no new replicas is left with. One that returns may run more than it is counted on for: nobody came to write
/// down what it was told, or others have taken over.
fn kept(member: &MemberView, replicas: &Replicas) -> Option<i64> {
    let held = member.share.map(|share| share.replicas);
    let copy = member.copy.as_deref().filter(|_| member.state == MemberState::Returning);
    held.max(copy.map(|copy| replicas.asked(copy)))
}

/// Why a member can take no replica at all.
fn obstacle(member: &MemberView, replicas: &Replicas) -> Option<&'static str> {
    match (member.lack, member.state) {
        (Some(lack), _) => Some(lack.phrase()),
        (None, MemberState::Dead) => (!replicas.stays || member.share.is_none()).then_some("is dead"),
        (None, MemberState::Leaving { stage: Leaving::Drain | Leaving::Clean, .. }) => Some("is leaving"),
        (None, _) => None,
    }
}

/// Beside its autoscaler a workload has no number of its own: members that have one keep what it has made of it there, and the
/// others begin with its least.
fn beside(view: &ObjectView, replicas: &Replicas, policy: &PlacementPolicy, scaler: &ObjectView) -> Placement {
    let scaling = place(scaler);
    let mut placement = Placement { scaled_by: Some(scaler.key.name.clone()), ..Placement::default() };
    for (name, member) in &view.members {
        if member.lack.is_some_and(Lack::excludes) {
            continue;
        }
        match member.state {
            MemberState::Available => {
                let asks = scaling.targets.get(name).is_some_and(|most| *most > 0);
                let least = scaling.seconds.get(name).copied().unwrap_or(1);
                let held = member.share.map(|share| share.replicas);
                let unmet = unmet(&policy.cluster_selector, member);
                // An autoscaler does nothing where there are none.
                let scaled = held.filter(|held| *held > 0).unwrap_or(least);
                let target = if asks && unmet.is_none() { Some(scaled) } else { held.map(|_| 0) };
                placement.targets.extend(target.map(|target| (name.clone(), target)));
                if !asks || unmet.is_some() {
                    let its = scaling.whys.get(name).map(|why| format!(": {why}")).unwrap_or_default();
                    let why =
                        unmet.unwrap_or_else(|| format!("its autoscaler {} may have none there{its}", scaler.key.name));
                    placement.whys.insert(name.clone(), why);
                }
            }
            _ => drop(placement.keep(name, member, replicas)),
        }
    }
    placement
}

/// What the annotations of a workload and of its namespace ask: its preferences with all that stands beside them, and v1's
/// cluster selectors. Else what is wrong with them.
fn policy(view: &ObjectView, replicas: &Replicas) -> Result<PlacementPolicy, String> {
    let key = replicas.preferences;
    let mut policy = match view.federated.as_deref().and_then(|federated| annotation(federated, key)) {
        None => PlacementPolicy::default(),
        Some(json) => json.parse().map_err(|mistake: InvalidPolicy| format!("annotation {key}: {mistake}"))?,
    };
    fail_on_errors(key, &policy)?;
    // The planner would do as v1 did, and take as long: as many rounds as that many replicas below none take to come back.
    let clusters = &policy.preferences.clusters;
    if let Some((name, least)) = clusters.iter().find(|(_, cluster)| cluster.min_replicas < i32::MIN.into()) {
        let number = least.min_replicas;
        return Err(format!("annotation {key}: clusters.{name}.minReplicas: {number} is far below 0; write 0 or more"));
    }
    policy.cluster_selector.extend(selector(view)?);
    Ok(policy)
}

/// Whether a member that runs some of it has not been heard since the start. What was written down of it may be old: to plan by that moves
/// replicas that are moved back when it is heard.
fn is_settling(view: &ObjectView) -> bool {
    let is_unheard =
        |member: &MemberView| member.state == MemberState::Frozen && member.noted.is_some() && member.copy.is_none();
    view.settles_in.is_some() && view.members.values().any(is_unheard)
}

/// The last good plan is what the members hold: preferences that cannot be read change nothing. A member that leaves is
/// emptied all the same.
fn as_it_is(view: &ObjectView, replicas: &Replicas, wanted: i64) -> Placement {
    let mut placement = unchanged(view, replicas);
    for (name, target) in &mut placement.targets {
        if matches!(view.members[name].state, MemberState::Leaving { .. }) {
            *target = 0;
        }
    }
    placement.unplaced = (wanted - placement.targets.values().sum::<i64>()).max(0);
    placement
}

/// Every member is left with what it holds.
fn unchanged(view: &ObjectView, replicas: &Replicas) -> Placement {
    let mut placement = Placement::default();
    for (name, member) in &view.members {
        // What is released runs on by itself and no longer counts.
        let is_released = matches!(member.state, MemberState::Leaving { stage: Leaving::Release, .. });
        let Some(kept) = kept(member, replicas).filter(|_| !is_released) else { continue };
        placement.targets.insert(name.clone(), kept);
        let beside = replicas.second.zip(member.copy.as_deref());
        let beside = beside.and_then(|(second, copy)| number(copy, second.path()));
        placement.seconds.extend(beside.map(|beside| (name.clone(), beside)));
    }
    placement
}

/// What a member is to be told now on the way to its target: more at once, less only as far as what is ready elsewhere
/// makes up for it, and once no more is counted on. Adding comes before removing. Only members that show what they run can make up
/// for anything.
pub(crate) fn steps(view: &ObjectView, placement: &Placement) -> BTreeMap<String, Step> {
    let shown = |name: &String| view.members.get(name).filter(|member| member.state.shows_itself());
    let ready = |name: &String| shown(name).and_then(|member| member.share).map_or(0, |share| share.ready);
    let running: i64 = view.members.keys().map(ready).sum();
    let wanted: i64 =
        placement.targets.iter().filter(|(name, _)| shown(name).is_some()).map(|(_, target)| target).sum();
    let mut surplus = (running - wanted).max(0);
    let step = |(name, &target): (&String, &i64)| {
        let held = view.members.get(name).and_then(|member| member.share).map_or(0, |share| share.replicas);
        let Some(member) = shown(name).filter(|_| held > target) else {
            return (name.clone(), Step { now: target, counted: held.max(target) });
        };
        // Replicas that are not ready serve nobody: they may always go.
        let needed = ready(name).max(target);
        let given = (needed - target).min(surplus);
        surplus -= given;
        let counted = needed - given;
        let noted = member.noted.map_or(0, |noted| noted.replicas);
        (name.clone(), Step { now: counted.max(noted.min(held)), counted })
    };
    placement.targets.iter().map(step).collect()
}

// === impl Placement ===

impl Placement {
    /// Leaves a member that takes no new replicas as it is; returns how many it is counted on for.
    fn keep(&mut self, name: &str, member: &MemberView, replicas: &Replicas) -> i64 {
        let held = member.share.map(|share| share.replicas);
        let mut target = |replicas: Option<i64>, why: &str| {
            self.targets.extend(replicas.map(|replicas| (name.to_owned(), replicas)));
            self.whys.insert(name.to_owned(), why.to_owned());
        };
        match member.state {
            // Others have taken over what it is no longer counted on for; what it still runs stays until it is trusted.
            MemberState::Returning => {
                target(kept(member, replicas), "it was dead a short while ago: what it runs stays for now");
            }
            MemberState::Frozen => target(held, "it takes no writes now: what it runs is taken to run on"),
            MemberState::Dying { evict_in } => {
                target(held, "it is dead: its replicas are planned elsewhere soon");
                // What has nothing there is not planned anew for it.
                self.wait_for(held.map(|_| evict_in));
            }
            MemberState::Dead if replicas.stays && held.is_some() => {
                target(held, "it is dead: what it runs may still hold its volumes, and is not planned elsewhere");
            }
            MemberState::Dead => {
                self.whys.insert(name.to_owned(), "it is dead".to_owned());
                return 0;
            }
            MemberState::Leaving { stage: Leaving::Drain | Leaving::Clean, .. } => {
                target(held.map(|_| 0), "it is leaving");
                return 0;
            }
            // What is released runs on by itself and no longer counts.
            MemberState::Leaving { stage: Leaving::Release, .. } | MemberState::Joining => return 0,
            MemberState::Available => {}
        }
        held.unwrap_or(0)
    }

    fn wait_for(&mut self, wait: Option<Duration>) {
        self.again_after = self.again_after.into_iter().chain(wait).min();
    }
}

// === impl Lack ===

impl Lack {
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::Kind => "does not serve the kind",
            Self::Permission => "does not want permissions from the federation (spec.federateRbac)",
            Self::Sight => "does not let kfed list and watch the kind",
        }
    }

    /// Whether the member has nothing of the kind from kfed.
    pub(super) fn excludes(self) -> bool {
        matches!(self, Self::Kind | Self::Permission)
    }
}
