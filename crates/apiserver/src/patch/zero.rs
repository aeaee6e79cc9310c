//! What an object of a kind holds before anybody has written to it.
//!
//! A server that keeps objects in typed structs has the structs that are no pointers from the start; a creation therefore does not
//! own them as such (no `.` in their managedFields), only what is in them.

use serde_json::{Value, json};

/// The empty object of a kind.
pub(super) fn empty_object(api_version: &str, kind: &str) -> Value {
    let template = || json!({"metadata": {}, "spec": {"containers": null}});
    let status = || json!({});
    let mut object = match (api_version, kind) {
        ("v1", "Pod") => json!({"spec": {"containers": null}, "status": status()}),
        ("v1", "Service") => json!({"spec": {}, "status": {"loadBalancer": {}}}),
        ("v1", "Node") => {
            json!({"spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": {}}})
        }
        ("v1", "Event") => {
            json!({"involvedObject": {}, "source": {}, "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
            "reportingComponent": "", "reportingInstance": ""})
        }
        ("events.k8s.io/v1", "Event") => json!({"eventTime": null, "regarding": {}, "deprecatedSource": {},
            "deprecatedFirstTimestamp": null, "deprecatedLastTimestamp": null}),
        ("v1", "PersistentVolumeClaim") => json!({"spec": {"resources": {}}, "status": status()}),
        ("v1", "ReplicationController") => json!({"spec": {}, "status": status()}),
        ("v1", "PodTemplate") => json!({"template": template()}),
        ("v1", "LimitRange") => json!({"spec": {"limits": null}}),
        ("apps/v1", "Deployment") => {
            json!({"spec": {"selector": null, "template": template(), "strategy": {}}, "status": status()})
        }
        ("apps/v1", "ReplicaSet") => {
            json!({"spec": {"selector": null, "template": template()}, "status": {"replicas": 0}})
        }
        ("apps/v1", "DaemonSet" | "StatefulSet") => {
            json!({"spec": {"selector": null, "template": template(), "updateStrategy": {}}, "status": status()})
        }
        ("batch/v1", "Job") => json!({"spec": {"template": template()}, "status": status()}),
        ("batch/v1", "CronJob") => {
            json!({"spec": {"schedule": "", "jobTemplate": {"metadata": {}, "spec": {"template": template()}}}, "status": status()})
        }
        ("discovery.k8s.io/v1", "EndpointSlice") => json!({"addressType": "", "endpoints": null, "ports": null}),
        ("coordination.k8s.io/v1", "Lease") => json!({"spec": {}}),
        ("networking.k8s.io/v1", "Ingress") => json!({"spec": {}, "status": {"loadBalancer": {}}}),
        ("networking.k8s.io/v1", "NetworkPolicy" | "IngressClass") => json!({"spec": {}}),
        ("autoscaling/v1" | "autoscaling/v2", "HorizontalPodAutoscaler") => {
            json!({"spec": {"scaleTargetRef": {}, "maxReplicas": 0}, "status": status()})
        }
        ("policy/v1", "PodDisruptionBudget") => json!({"spec": {}, "status": status()}),
        ("rbac.authorization.k8s.io/v1", "Role" | "ClusterRole") => json!({"rules": null}),
        ("rbac.authorization.k8s.io/v1", "RoleBinding" | "ClusterRoleBinding") => json!({"roleRef": {}}),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => {
            json!({"spec": {"group": "", "names": {"plural": "", "kind": ""}, "scope": "", "versions": null}, "status": status()})
        }
        ("v1", "Namespace" | "PersistentVolume" | "ResourceQuota") => json!({"spec": {}, "status": status()}),
        _ => json!({}),
    };
    if let Some(members) = object.as_object_mut() {
        members.insert("metadata".to_owned(), json!({}));
    }
    object
}
