//! How a member leaves: what it runs is started elsewhere, its addresses leave DNS, what kfed made there is deleted, then it goes.

use jiff::Timestamp;
use kfed_api::{Cluster, Unjoin};

use super::place::place;
use crate::Settings;
use crate::object::{number, replicas};
use crate::world::{Leaving, MemberState, World};

/// How far a member's departure has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Nobody asked for it.
    None,
    /// It would leave replicas without a place: nothing is done.
    Refused {
        /// Which, and how many.
        why: String,
    },
    /// Under way.
    Under {
        /// The stage.
        stage: Leaving,
        /// What is waited for.
        progress: String,
    },
    /// The credentials and the `Cluster` may go.
    Done {
        /// What stays in the member; empty where nothing does.
        left_behind: String,
    },
}

/// How far the departure of the member of `cluster` has come.
pub(crate) fn departure(world: &World, cluster: &Cluster, settings: &Settings, now: Timestamp) -> Departure {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    // A plain deletion of the Cluster takes the member out of DNS and leaves its workloads alone.
    let deleted = cluster.metadata.deletion_timestamp.is_some();
    let Some(unjoin) = cluster.spec.unjoin.or(deleted.then_some(Unjoin { force: true, orphan: true })) else {
        return Departure::None;
    };
    let leaving = world.members.get(&name).and_then(|member| member.leaving);
    // What is to stay there is not emptied first.
    let first = if unjoin.orphan { Leaving::Release } else { Leaving::Drain };
    if !unjoin.force && !unjoin.orphan && leaving.is_none_or(|stage| stage == Leaving::Drain) {
        let homeless = homeless(world, &name, settings, now);
        if !homeless.is_empty() {
            let why = homeless.iter().map(|(path, replicas)| format!("{replicas} of {path}")).collect::<Vec<_>>();
            return Departure::Refused { why: format!("no other member has room for {}", why.join(", ")) };
        }
    }
    let reachable = world
        .members
        .get(&name)
        .is_some_and(|member| member.api == crate::world::ApiHealth::Ready && member.is_listed());
    let named = world.dns.as_ref().is_none_or(|dns| dns.members.contains(&name));
    let copies = world.copies_in(&name, &settings.federation);

    if !reachable && !unjoin.force {
        let progress = "the member does not answer; --force lets it go and leaves behind what it holds".to_owned();
        return Departure::Under { stage: leaving.unwrap_or(first), progress };
    }
    if !unjoin.orphan && leaving.is_none_or(|stage| stage == Leaving::Drain) && reachable {
        let waiting = running(world, &name);
        if waiting > 0 {
            let progress = format!("{waiting} replicas are being replaced elsewhere");
            return Departure::Under { stage: Leaving::Drain, progress };
        }
    }
    if named {
        let progress = "its addresses are being withdrawn from DNS".to_owned();
        return Departure::Under { stage: leaving.unwrap_or(first), progress };
    }
    if !copies.is_empty() && reachable {
        let stage = if unjoin.orphan { Leaving::Release } else { Leaving::Clean };
        return Departure::Under { stage, progress: format!("{} objects are left in it", copies.len()) };
    }
    let left: Vec<_> = copies.iter().map(ToString::to_string).collect();
    let left_behind = match left.as_slice() {
        [] => String::new(),
        left => format!("the member did not answer and keeps {}", left.join(", ")),
    };
    Departure::Done { left_behind }
}

/// Replicas that would find no room without the member, by workload.
fn homeless(world: &World, name: &str, settings: &Settings, now: Timestamp) -> Vec<(String, i64)> {
    let workloads = world.workloads().filter_map(|key| {
        let mut view = world.view(key, settings, now);
        let with = {
            let member = view.members.get_mut(name)?;
            member.copy.as_ref()?;
            // As if nobody had asked: a member that is being drained already must not look as if it had no room of its own.
            if matches!(member.state, MemberState::Leaving { .. }) {
                member.state = MemberState::Available;
            }
            place(&view).unplaced
        };
        view.members.get_mut(name)?.state = MemberState::Leaving { stage: Leaving::Drain, reachable: true };
        let without = place(&view).unplaced;
        (without > with).then(|| (key.path(), without - with))
    });
    workloads.collect()
}

/// Replicas that the member still runs or is told to run.
fn running(world: &World, name: &str) -> i64 {
    let Some(member) = world.members.get(name) else { return 0 };
    let copies = world.workloads().filter_map(|key| member.objects.get(key));
    copies.map(|copy| replicas(copy).max(number(copy, "/status/replicas").unwrap_or(0))).sum()
}
