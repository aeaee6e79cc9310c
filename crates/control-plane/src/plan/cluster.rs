//! What a `Cluster` tells of its member.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kfed_api::conditions::{reasons, types};
use kfed_api::{Cluster, ClusterPhase, ClusterStatus};
use kfed_cluster_health::Damper;

use crate::object::seconds;
use crate::plan::Note;
use crate::plan::unjoin::Departure;
use crate::world::{ApiHealth, Ban, ENDPOINT_SLICES, Member};

/// The status of `cluster`, whose member is known as `member`, in a federation whose API has version `federation`.
pub(crate) fn status(
    cluster: &Cluster,
    member: &Member,
    departure: &Departure,
    federation: Option<&str>,
    now: Timestamp,
) -> ClusterStatus {
    let before = cluster.status.clone().unwrap_or_default();
    let condition = |type_: &str, status: &str, reason: &str, message: &str| {
        let same = before.conditions.iter().find(|c| c.type_ == type_ && c.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: cluster.metadata.generation,
            // The API keeps whole seconds: what would be lost on the way must not look like a change.
            last_transition_time: same.map_or_else(|| Time(whole_seconds(now)), |c| c.last_transition_time.clone()),
        }
    };
    let kept = |type_: &str| before.conditions.iter().find(|c| c.type_ == type_).cloned();
    let unknown = |type_: &str| condition(type_, "Unknown", reasons::PENDING, "the member has not been probed yet");

    let same = member.same_as.as_ref().map(|other| {
        format!("it is the same cluster as {other}, which joined before: nothing is written to it by this name")
    });
    let refused = member.refused.as_ref().map(|why| (reasons::CREDENTIALS_INVALID, why));
    let refused = same.as_ref().map(|why| (reasons::SAME_CLUSTER, why)).or(refused);
    let (phase, ready, offline) = match (refused, &member.api) {
        (Some((reason, why)), _) => (
            ClusterPhase::Pending,
            condition(types::READY, "False", reason, why),
            kept(types::OFFLINE).unwrap_or_else(|| unknown(types::OFFLINE)),
        ),
        (None, ApiHealth::Unknown) => (
            before.phase.unwrap_or(ClusterPhase::Pending),
            kept(types::READY).unwrap_or_else(|| unknown(types::READY)),
            kept(types::OFFLINE).unwrap_or_else(|| unknown(types::OFFLINE)),
        ),
        (None, ApiHealth::Ready) => (
            ClusterPhase::Ready,
            condition(types::READY, "True", reasons::CLUSTER_READY, "the member's API answers and is well"),
            condition(types::OFFLINE, "False", reasons::CLUSTER_REACHABLE, "the member's API answers"),
        ),
        (None, ApiHealth::Unwell { reason, message }) => (
            ClusterPhase::NotReady,
            condition(types::READY, "False", reason, message),
            condition(types::OFFLINE, "False", reasons::CLUSTER_REACHABLE, "the member's API answers"),
        ),
        (None, ApiHealth::Silent { reason, message }) => (
            ClusterPhase::NotReady,
            condition(types::READY, "False", reason, message),
            kept(types::OFFLINE).unwrap_or_else(|| unknown(types::OFFLINE)),
        ),
        (None, ApiHealth::Offline { reason, message, .. }) => (
            ClusterPhase::Offline,
            condition(types::READY, "False", reason, message),
            condition(types::OFFLINE, "True", reason, message),
        ),
    };
    let (phase, draining) = match departure {
        // A refusal stays to be read after the wish has been taken back.
        Departure::None => (phase, kept(types::DRAINING).filter(|condition| condition.status == "False")),
        Departure::Refused { why } => (phase, Some(condition(types::DRAINING, "False", reasons::NO_ROOM, why))),
        Departure::Under { progress, .. } => {
            (ClusterPhase::Draining, Some(condition(types::DRAINING, "True", reasons::DRAIN_IN_PROGRESS, progress)))
        }
        Departure::Done { left_behind } => {
            let (reason, message) = match left_behind.as_str() {
                "" => (reasons::DRAINED, "nothing that kfed made is left in it"),
                left => (reasons::LEFT_BEHIND, left),
            };
            (ClusterPhase::Draining, Some(condition(types::DRAINING, "True", reason, message)))
        }
    };
    // What is not so is said only where it has been.
    let tells = |type_: &str, holds: Option<(&str, String)>, over: &str, message: &str| match holds {
        Some((reason, message)) => Some(condition(type_, "True", reason, &message)),
        None => kept(type_).map(|_| condition(type_, "False", over, message)),
    };
    let quarantine = member.returns_at.filter(|at| now < *at).map(|at| quarantine(member, at));
    let quarantined = tells(types::QUARANTINED, quarantine, reasons::STABLE, "it has been well for long enough");
    let clock = member.clock_skew.map(|ahead| {
        let which = if ahead > 0 { "ahead of" } else { "behind" };
        (reasons::CLOCKS_DIFFER, format!("its clock is about {} s {which} kfed's", ahead.abs()))
    });
    let clock = tells(types::CLOCK_SKEWED, clock, reasons::CLOCKS_AGREE, "its clock and kfed's say the same");
    let version = member.topology.version.as_deref().or(before.version.as_deref());
    let versions = version.zip(federation).filter(|(member, federation)| is_far(member, federation));
    let versions = versions.map(|(member, federation)| {
        let message = format!(
            "it runs {member}, and the federation API {federation}: more than {SKEW} minor versions lie between"
        );
        (reasons::VERSIONS_DIFFER, message)
    });
    let versions =
        tells(types::VERSION_SKEWED, versions, reasons::VERSIONS_MATCH, "its version is near the federation API's");
    let forbidden = (!member.forbidden.is_empty()).then(|| forbidden(member));
    let forbidden =
        tells(types::KINDS_FORBIDDEN, forbidden, reasons::KINDS_PERMITTED, "kfed may list and watch every kind there");
    ClusterStatus {
        phase: Some(phase),
        conditions: [Some(ready), Some(offline), draining, quarantined, clock, versions, forbidden]
            .into_iter()
            .flatten()
            .collect(),
        region: member.topology.region.clone().or(before.region),
        zones: if member.topology.zones.is_empty() {
            before.zones
        } else {
            member.topology.zones.iter().cloned().collect()
        },
        version: member.topology.version.clone().or(before.version),
        cluster_uid: member.uid.clone().or(before.cluster_uid),
        holds_rbac: cluster.spec.federate_rbac
            || (before.holds_rbac && (!member.is_listed() || member.holds_permissions())),
    }
}

/// As many minor versions as may lie between the federation API and a member: upstream keeps as far apart what speaks the same
/// API (version skew policy: kubelets are at most three older than their API server).
const SKEW: u64 = 3;

/// Whether two versions such as `v1.34.1` are too far apart. What cannot be read is not.
fn is_far(member: &str, federation: &str) -> bool {
    let parse = |version: &str| {
        let mut parts = version.trim_start_matches('v').split(['.', '+', '-']);
        Some((parts.next()?.parse::<u64>().ok()?, parts.next()?.parse::<u64>().ok()?))
    };
    let (Some(member), Some(federation)) = (parse(member), parse(federation)) else { return false };
    member.0 != federation.0 || member.1.abs_diff(federation.1) > SKEW
}

fn forbidden(member: &Member) -> (&'static str, String) {
    let is_kind = |what: &str| what != ENDPOINT_SLICES;
    let may_not = |verb: &str| {
        let kinds = member.forbidden.iter().filter(|(what, ban)| is_kind(what) && ban.verb == verb);
        let kinds: Vec<_> = kinds.map(|(what, _)| *what).collect();
        (!kinds.is_empty()).then(|| format!("{verb} {}", kinds.join(", ")))
    };
    let verbs: BTreeSet<_> = member.forbidden.values().map(|ban| ban.verb).collect();
    let kinds: Vec<_> = verbs.into_iter().filter_map(may_not).collect();
    let says = member.forbidden.iter().find(|(what, _)| is_kind(what)).map(|(_, ban)| &ban.says);
    let kinds = says.map(|says| {
        format!(
            "kfed may not {}, so that none of these are written there ({says}); allow kfed's user there to get, list, watch, \
             create, patch and delete them",
            kinds.join(", nor ")
        )
    });
    let endpoints = member.forbidden.get(ENDPOINT_SLICES).map(|Ban { verb, says }| {
        format!(
            "kfed may not {verb} {ENDPOINT_SLICES}, so that nobody knows whether endpoints of its Services are ready ({says}): their \
             addresses are published while they answer from here, and all others stay as the zone has them; allow kfed's user \
             there to list and watch endpointslices.discovery.k8s.io"
        )
    });
    let told: Vec<_> = kinds.into_iter().chain(endpoints).collect();
    (reasons::KIND_FORBIDDEN, format!("{}; or join it again with other credentials", told.join("; ")))
}

fn quarantine(member: &Member, until: Timestamp) -> (&'static str, String) {
    let until = seconds(until);
    match member.damper.as_ref().map_or(1, Damper::deaths) {
        0 | 1 => (reasons::RETURNING, format!("it was dead and is back: it counts from {until} on if it stays well")),
        times => (
            reasons::FLAPPING,
            format!("it has died {times} times in a short while: it counts from {until} on if it stays well"),
        ),
    }
}

/// What has come to be with `after` that readers of a Cluster's events should know.
pub(crate) fn notes(before: &[Condition], after: &[Condition]) -> Vec<Note> {
    // The conditions that are good when they hold.
    let is_good = |condition: &Condition| (condition.type_ == types::READY) == (condition.status == "True");
    let is_news = |condition: &&Condition| match before.iter().find(|before| before.type_ == condition.type_) {
        Some(before) => before.status != condition.status || (before.reason != condition.reason && !is_good(condition)),
        None => !is_good(condition) && condition.status != "Unknown",
    };
    // Ready is said by Offline where both change.
    let offline = |condition: &Condition| condition.type_ == types::OFFLINE && condition.status == "True";
    let dead = after.iter().any(offline);
    let news = after.iter().filter(is_news).filter(|condition| !(dead && condition.type_ == types::READY));
    let note = |condition: &Condition| Note {
        warning: !is_good(condition),
        reason: match condition.type_.as_str() {
            types::READY | types::DRAINING => condition.reason.clone(),
            _ if condition.status == "True" => condition.type_.clone(),
            _ => condition.reason.clone(),
        },
        message: condition.message.clone(),
    };
    news.filter(|condition| condition.status != "Unknown").map(note).collect()
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_far_apart_when_more_than_three_lie_between() {
        for (member, federation, far) in [
            ("v1.34.1", "v1.34.0", false),
            ("v1.31.9", "v1.34.0", false),
            ("v1.30.9", "v1.34.0", true),
            ("v1.38.0+kfed", "v1.34.0-rc.1", true),
            ("v2.34.0", "v1.34.0", true),
            ("unknown", "v1.34.0", false),
            ("v1.34.1-eks-1-34", "v1.33.0", false),
        ] {
            assert_eq!(is_far(member, federation), far, "{member} {federation}");
        }
    }

    #[test]
    fn events_tell_what_has_become_bad_and_what_good_again() {
        let condition = |type_: &str, status: &str, reason: &str| Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: "m".into(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        };
        let good = [condition("Ready", "True", "ClusterReady"), condition("Offline", "False", "ClusterReachable")];
        let dead = [condition("Ready", "False", "Timeout"), condition("Offline", "True", "Timeout")];
        let said = |before: &[Condition], after: &[Condition]| {
            let notes = notes(before, after);
            notes.into_iter().map(|note| (note.warning, note.reason)).collect::<Vec<_>>()
        };
        assert_eq!(said(&[], &good), [], "a member that joins well is no news");
        assert_eq!(said(&good, &good), []);
        assert_eq!(said(&good, &dead), [(true, "Offline".to_owned())], "once");
        assert_eq!(said(&dead, &good), [(false, "ClusterReady".to_owned()), (false, "ClusterReachable".to_owned())]);
        let held = [good[0].clone(), good[1].clone(), condition("Quarantined", "True", "Flapping")];
        assert_eq!(said(&good, &held), [(true, "Quarantined".to_owned())]);
        let stable = [good[0].clone(), good[1].clone(), condition("Quarantined", "False", "Stable")];
        assert_eq!(said(&held, &stable), [(false, "Stable".to_owned())]);
    }
}
