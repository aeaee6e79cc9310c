//! What a `Cluster` tells of its member.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kfed_api::conditions::{reasons, types};
use kfed_api::{Cluster, ClusterPhase, ClusterStatus};

use crate::plan::unjoin::Departure;
use crate::world::{ApiHealth, Member};

/// The status of `cluster`, whose member is known as `member`.
pub(crate) fn status(cluster: &Cluster, member: &Member, departure: &Departure, now: Timestamp) -> ClusterStatus {
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

    let (phase, ready, offline) = match (&member.refused, &member.api) {
        (Some(why), _) => (
            ClusterPhase::Pending,
            condition(types::READY, "False", reasons::CREDENTIALS_INVALID, why),
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
    ClusterStatus {
        phase: Some(phase),
        conditions: [Some(ready), Some(offline), draining].into_iter().flatten().collect(),
        region: member.topology.region.clone().or(before.region),
        zones: if member.topology.zones.is_empty() {
            before.zones
        } else {
            member.topology.zones.iter().cloned().collect()
        },
        version: member.topology.version.clone().or(before.version),
    }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
