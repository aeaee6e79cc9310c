//! How a member leaves: what it runs is started elsewhere, its addresses leave DNS, what kfed made there is deleted, then it goes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kfed_api::{Cluster, Unjoin};
use kube::core::DynamicObject;

use super::place::place;
use crate::Settings;
use crate::kinds::Replicas;
use crate::object::number;
use crate::world::{Leaving, Member, MemberState, World};

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

/// How long a departure by force waits for replacements elsewhere and for DNS, and then as long again for the member to be clean.
const PATIENCE: Duration = Duration::from_secs(30);

/// How far the departure of the member of `cluster` has come.
pub(crate) fn departure(world: &World, cluster: &Cluster, settings: &Settings, now: Timestamp) -> Departure {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let Some(wish) = wish(cluster) else { return Departure::None };
    match refusal(world, name, wish, settings, now) {
        Some(why) => Departure::Refused { why },
        None => stage(world, name, wish, settings, now),
    }
}

/// How the member is to leave. A plain deletion of the Cluster takes it out of DNS and leaves its workloads alone; one that comes
/// after a wish is that wish, by force.
fn wish(cluster: &Cluster) -> Option<Unjoin> {
    let deleted = cluster.metadata.deletion_timestamp.is_some();
    match cluster.spec.unjoin {
        Some(wish) => Some(Unjoin { force: wish.force || deleted, ..wish }),
        None => deleted.then_some(Unjoin { force: true, orphan: true }),
    }
}

/// Why the member may not leave. Once it has been emptied it may.
fn refusal(world: &World, name: &str, wish: Unjoin, settings: &Settings, now: Timestamp) -> Option<String> {
    let emptied = world.members.get(name).is_some_and(|member| member.leaving.is_some_and(|s| s != Leaving::Drain));
    if wish.force || wish.orphan || emptied {
        return None;
    }
    let homeless = homeless(world, name, settings, now);
    let list: Vec<_> = homeless.iter().map(|(path, replicas)| format!("{replicas} of {path}")).collect();
    (!list.is_empty()).then(|| format!("no other member has room for {}", list.join(", ")))
}

/// What is next for a member that may leave.
fn stage(world: &World, name: &str, wish: Unjoin, settings: &Settings, now: Timestamp) -> Departure {
    let member = world.members.get(name);
    if member.is_some_and(|member| member.same_as.is_some()) {
        // What the cluster holds is the other's.
        return Departure::Done { left_behind: String::new() };
    }
    let leaving = member.and_then(|member| member.leaving);
    let reachable = member.is_some_and(Member::is_reachable);
    let leaving_for = member.and_then(|member| member.leaving_since).map(|since| now.duration_since(since));
    let leaving_for = leaving_for.and_then(|time| Duration::try_from(time).ok()).unwrap_or_default();
    // Force does not wait for ever: not for replicas that come to nothing elsewhere, not for a zone that cannot be written.
    let is_over = |patience: Duration| wish.force && leaving_for >= patience;
    // What is to stay there is not emptied first.
    let first = if wish.orphan { Leaving::Release } else { Leaving::Drain };
    let under = |stage, progress| Departure::Under { stage, progress };

    if !reachable && !wish.force {
        let progress = "the member does not answer; --force lets it go and leaves behind what it holds".to_owned();
        return under(leaving.unwrap_or(first), progress);
    }
    let drains = !wish.orphan && leaving.is_none_or(|stage| stage == Leaving::Drain) && reachable;
    if drains && !is_over(PATIENCE) {
        let waiting = running(world, name);
        if waiting > 0 {
            return under(Leaving::Drain, format!("{waiting} replicas are being replaced elsewhere"));
        }
    }
    let named = world.dns.as_ref().is_none_or(|dns| dns.leads_to(name));
    if named && !is_over(PATIENCE) {
        return under(leaving.unwrap_or(first), "its addresses are being withdrawn from DNS".to_owned());
    }
    let copies = world.copies_in(name, &settings.federation);
    if !copies.is_empty() && reachable && !is_over(2 * PATIENCE) {
        let stage = if wish.orphan { Leaving::Release } else { Leaving::Clean };
        return under(stage, format!("{} objects are left in it", copies.len()));
    }
    let mut left_behind = Vec::new();
    if !copies.is_empty() {
        let why = if reachable { "the member has not let go of all, and" } else { "the member did not answer and" };
        let copies: Vec<_> = copies.iter().map(ToString::to_string).collect();
        left_behind.push(format!("{why} keeps {}", copies.join(", ")));
    }
    if named {
        left_behind.push("the zone could not be written, and keeps its addresses until it can".to_owned());
    }
    Departure::Done { left_behind: left_behind.join("; ") }
}

/// Replicas that would find no room without the member, by workload.
fn homeless(world: &World, name: &str, settings: &Settings, now: Timestamp) -> Vec<(String, i64)> {
    let workloads = world.workloads().filter_map(|key| {
        // As if nobody had asked: a member that is being drained already must not look as if it had no room of its own, nor one that
        // is dead as if it had some.
        let mut view = world.view_with(name, key, settings, now);
        view.members.get(name)?.copy.as_ref()?;
        let with = place(&view).unplaced;
        view.members.get_mut(name)?.state = MemberState::Leaving { stage: Leaving::Drain, reachable: true };
        let without = place(&view).unplaced;
        (without > with).then(|| (key.path(), without - with))
    });
    workloads.collect()
}

/// Replicas that the member still runs or is told to run.
fn running(world: &World, name: &str) -> i64 {
    let Some(member) = world.members.get(name) else { return 0 };
    let copies = world.workloads().filter_map(|key| Some((key.kind.replicas.as_ref()?, member.objects.get(key)?)));
    let runs = |(replicas, copy): (&Replicas, Arc<DynamicObject>)| {
        replicas.asked(&copy).max(number(&copy, replicas.running).unwrap_or(0))
    };
    copies.map(runs).sum()
}

#[cfg(test)]
mod tests {
    use kfed_api::keys;
    use serde_json::{Value, json};

    use super::*;
    use crate::kinds::{FEDERATED_KINDS, FederatedKind};
    use crate::world::{ApiHealth, ENDPOINT_SLICES, IDENTITY, TOMBSTONES};

    fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    fn replica_set() -> DynamicObject {
        let metadata = json!({"name": "web", "namespace": "default", "uid": "1", "labels": {keys::MANAGED_BY: "fed"}});
        let set: Value =
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": {"replicas": 3}});
        serde_json::from_value(set).unwrap()
    }

    /// A member that runs all there is, and another one that leaves.
    fn world(api: ApiHealth) -> World {
        let kind = FederatedKind::named("ReplicaSet").unwrap();
        let mut world = World::default();
        world.federation.hold(kind, replica_set());
        let mut west = Member { api, known: true, ..Member::default() };
        west.listed.extend(FEDERATED_KINDS.iter().map(|kind| kind.kind).chain([ENDPOINT_SLICES, IDENTITY, TOMBSTONES]));
        let east = Member { api: ApiHealth::Ready, known: true, leaving: Some(Leaving::Release), ..Member::default() };
        world.members.replace("west", west);
        world.members.replace("east", east);
        world.members.hold("west", kind, replica_set());
        world
    }

    #[test]
    fn whether_a_member_may_leave_does_not_depend_on_how_far_it_has_come() {
        let offline = ApiHealth::Offline {
            reason: "Timeout",
            message: String::new(),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
        };
        let cluster: Cluster = serde_json::from_value(json!({
            "apiVersion": "kfed.io/v1beta1", "kind": "Cluster", "metadata": {"name": "west"},
            "spec": {"secretRef": {"name": "west"}, "unjoin": {}}
        }))
        .unwrap();
        let settings = Settings::new("fed", "example.com".parse().unwrap());
        for (api, may) in [(ApiHealth::Ready, false), (offline, true)] {
            for leaving in [None, Some(Leaving::Drain)] {
                let mut world = world(api.clone());
                world.members.change("west", |member| member.leaving = leaving);
                let departure = departure(&world, &cluster, &settings, now());
                // Where it is dead, nobody has room for what it ran anyway.
                assert_eq!(!matches!(departure, Departure::Refused { .. }), may, "{api:?} {leaving:?}: {departure:?}");
            }
        }
    }
}
