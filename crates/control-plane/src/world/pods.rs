//! What the pods of a workload tell of the room in a member.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use kube::core::object::Object;
use serde::{Deserialize, Serialize};

/// For how long a pod must have found no room before that counts: schedulers need a while, and autoscalers longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pods of one workload, by name. Those that have ended or are on their way out are not among them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pods(BTreeMap<String, Option<Timestamp>>);

/// What the pods say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Those that have found no room for long enough.
    pub(crate) unschedulable: i64,
    /// When the next one will have.
    pub(crate) again_in: Option<Duration>,
}

/// A pod, as far as it is read.
pub(crate) type Pod = Object<Ignored, PodStatus>;

/// What is not read.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Ignored {}

/// Of a pod's status what is read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PodStatus {
    phase: String,
    conditions: Vec<PodCondition>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodCondition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
    reason: String,
    last_transition_time: Option<Timestamp>,
}

// === impl Pods ===

impl Pods {
    /// Takes in what `pod` shows.
    pub(crate) fn insert(&mut self, pod: &Pod) {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let status = pod.status.clone().unwrap_or_default();
        let counts = pod.metadata.deletion_timestamp.is_none() && !["Succeeded", "Failed"].contains(&&*status.phase);
        match counts {
            true => self.0.insert(name, status.unschedulable_since()),
            false => self.0.remove(&name),
        };
    }

    pub(crate) fn remove(&mut self, pod: &Pod) {
        self.0.remove(pod.metadata.name.as_deref().unwrap_or_default());
    }

    /// What they say at `now`.
    pub(crate) fn room(&self, now: Timestamp) -> Room {
        let waited = |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let waits: Vec<_> = self.0.values().flatten().map(|since| waited(*since)).collect();
        let unschedulable = waits.iter().filter(|waited| **waited > PATIENCE).count();
        let soon = |waited: &&Duration| **waited <= PATIENCE;
        let again_in = waits.iter().filter(soon).map(|waited| PATIENCE - *waited + Duration::from_secs(1)).min();
        Room { unschedulable: i64::try_from(unschedulable).unwrap_or(i64::MAX), again_in }
    }
}

// === impl PodStatus ===

impl PodStatus {
    /// Since when the member's scheduler has found no node for it.
    fn unschedulable_since(&self) -> Option<Timestamp> {
        let waits = |c: &&PodCondition| c.type_ == "PodScheduled" && c.status == "False" && c.reason == "Unschedulable";
        self.conditions.iter().find(waits)?.last_transition_time
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    fn pod(name: &str, phase: &str, unschedulable_for: Option<i64>) -> Pod {
        let since = |seconds: i64| crate::object::seconds(now() - jiff::SignedDuration::from_secs(seconds));
        let condition = unschedulable_for.map(|seconds| {
            json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since(seconds)})
        });
        let conditions: Vec<_> = condition.into_iter().collect();
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": []},
            "status": {"phase": phase, "conditions": conditions}
        }))
        .unwrap()
    }

    #[test]
    fn pods_that_have_found_no_room_for_a_minute_count() {
        let mut pods = Pods::default();
        assert_eq!(pods.room(now()), Room { unschedulable: 0, again_in: None });
        for (name, phase, waits) in [
            ("runs", "Running", None),
            ("starts", "Pending", None),
            ("waits", "Pending", Some(10)),
            ("waits-longer", "Pending", Some(60)),
            ("finds-nothing", "Pending", Some(61)),
            ("has-ended", "Succeeded", None),
        ] {
            pods.insert(&pod(name, phase, waits));
        }
        let again_in = Some(Duration::from_secs(1));
        assert_eq!(pods.room(now()), Room { unschedulable: 1, again_in });
        let mut leaves = pod("runs", "Running", None);
        leaves.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
        pods.insert(&leaves);
        pods.remove(&pod("finds-nothing", "Pending", None));
        assert_eq!(pods.room(now()), Room { unschedulable: 0, again_in });
    }
}
