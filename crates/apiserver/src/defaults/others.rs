//! The smaller kinds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::members::{Object, default, ensure, lacks, object, objects, text};
use super::quantity::canonicalize_members;
use super::workload::{default_claim_spec, default_counts, pending};

const RBAC: &str = "rbac.authorization.k8s.io";

/// `stringData` is written only: it ends up in `data`.
pub(super) fn default_secret(secret: &mut Object) {
    default(secret, "type", "Opaque");
    if let Some(Value::Object(plain)) = secret.remove("stringData")
        && let Some(data) = ensure(secret, "data")
    {
        for (name, value) in plain {
            let value = value.as_str().unwrap_or_default();
            data.insert(name, Value::from(STANDARD.encode(value)));
        }
    }
}

pub(super) fn default_namespace(namespace: &mut Object) {
    let Some(metadata) = ensure(namespace, "metadata") else { return };
    let name = text(metadata, "name").to_owned();
    let deleted = !lacks(metadata, "deletionTimestamp");
    if !name.is_empty()
        && let Some(labels) = ensure(metadata, "labels")
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), Value::from(name));
    }
    // One that is being deleted has lost its finalizers for good.
    if let Some(spec) = ensure(namespace, "spec")
        && !deleted
    {
        default(spec, "finalizers", json!(["kubernetes"]));
    }
    if let Some(status) = ensure(namespace, "status") {
        default(status, "phase", if deleted { "Terminating" } else { "Active" });
    }
}

pub(super) fn default_node(node: &mut Object) {
    default(node, "spec", Object::new());
    let Some(status) = ensure(node, "status") else { return };
    canonicalize_members(status, "capacity");
    default(status, "daemonEndpoints", json!({"kubeletEndpoint": {"Port": 0}}));
    if let Some(capacity) = status.get("capacity").cloned() {
        default(status, "allocatable", capacity);
    }
    canonicalize_members(status, "allocatable");
    if let Some(info) = ensure(status, "nodeInfo") {
        for name in [
            "machineID",
            "systemUUID",
            "bootID",
            "kernelVersion",
            "osImage",
            "containerRuntimeVersion",
            "kubeletVersion",
            "kubeProxyVersion",
            "operatingSystem",
            "architecture",
        ] {
            default(info, name, "");
        }
    }
}

/// Events have members that are written even when they are empty.
pub(super) fn default_event(event: &mut Object) {
    default(event, "source", Object::new());
    for name in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        default(event, name, Value::Null);
    }
    default(event, "reportingComponent", "");
    default(event, "reportingInstance", "");
}

pub(super) fn default_claim(claim: &mut Object) {
    if let Some(spec) = ensure(claim, "spec") {
        default_claim_spec(spec);
    }
    default(claim, "status", pending());
}

pub(super) fn default_volume(volume: &mut Object) {
    if let Some(spec) = ensure(volume, "spec") {
        default(spec, "volumeMode", "Filesystem");
        default(spec, "persistentVolumeReclaimPolicy", "Retain");
        canonicalize_members(spec, "capacity");
    }
    default(volume, "status", pending());
}

pub(super) fn default_autoscaler(api_version: &str, autoscaler: &mut Object) {
    if let Some(spec) = ensure(autoscaler, "spec") {
        default(spec, "minReplicas", 1);
        if api_version == "autoscaling/v1" {
            default(spec, "targetCPUUtilizationPercentage", 80);
        } else {
            let cpu = json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]);
            default(spec, "metrics", cpu);
        }
    }
    if api_version == "autoscaling/v1" {
        default_counts(autoscaler, &["currentReplicas", "desiredReplicas"]);
    } else if let Some(status) = ensure(autoscaler, "status") {
        default(status, "desiredReplicas", 0);
        default(status, "currentMetrics", Value::Null);
    }
}

pub(super) fn default_disruption_budget(budget: &mut Object) {
    default_counts(budget, &["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"]);
}

pub(super) fn default_network_policy(policy: &mut Object) {
    let Some(spec) = ensure(policy, "spec") else { return };
    default(spec, "podSelector", Object::new());
    let egress = !lacks(spec, "egress");
    default(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
    for direction in ["ingress", "egress"] {
        for rule in objects(spec, direction) {
            objects(rule, "ports").for_each(|port| default(port, "protocol", "TCP"));
        }
    }
}

pub(super) fn default_ingress(ingress: &mut Object) {
    if let Some(status) = ensure(ingress, "status") {
        default(status, "loadBalancer", Object::new());
    }
}

pub(super) fn default_role_binding(binding: &mut Object) {
    if let Some(role) = object(binding, "roleRef")
        && text(role, "apiGroup").is_empty()
    {
        role.insert("apiGroup".to_owned(), Value::from(RBAC));
    }
    for subject in objects(binding, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") && text(subject, "apiGroup").is_empty() {
            subject.insert("apiGroup".to_owned(), Value::from(RBAC));
        }
    }
}
