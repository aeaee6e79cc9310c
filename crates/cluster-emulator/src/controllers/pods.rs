//! What controllers ask of a pod.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Pod, PodCondition},
    apimachinery::pkg::apis::meta::v1::Time,
};

pub(crate) const SCHEDULED: &str = "PodScheduled";
pub(crate) const READY: &str = "Ready";

/// Whether it has run to its end and takes no room any more.
pub(crate) fn ended(pod: &Pod) -> bool {
    matches!(phase(pod), Some("Succeeded" | "Failed"))
}

/// Whether it counts as a replica: neither at its end nor on its way out.
pub(crate) fn active(pod: &Pod) -> bool {
    !ended(pod) && pod.metadata.deletion_timestamp.is_none()
}

pub(crate) fn ready(pod: &Pod) -> bool {
    condition(pod, READY).is_some_and(|condition| condition.status == "True")
}

pub(crate) fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// The node that it is bound to.
pub(crate) fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

pub(crate) fn ip(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref().filter(|ip| !ip.is_empty())
}

pub(crate) fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == type_)
}

/// Sets a condition, whose transition time moves only with its status (API conventions, "Typical status properties").
pub(crate) fn set_condition(conditions: &mut Vec<PodCondition>, mut condition: PodCondition, now: Timestamp) {
    let old = conditions.iter().position(|old| old.type_ == condition.type_).map(|at| conditions.remove(at));
    condition.last_transition_time = match old {
        Some(old) if old.status == condition.status => old.last_transition_time,
        _ => Some(Time(now)),
    };
    conditions.push(condition);
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
}
