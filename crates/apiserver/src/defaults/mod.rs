//! The defaults an API server fills in, so that what is read back is complete.
//!
//! Pure and idempotent: what is there stays. Only what depends on nothing but the object itself is set here; addresses, ports,
//! tokens and the like are allocated elsewhere.

mod members;
mod normal;
mod others;
mod pod;
mod quantity;
mod service;
#[cfg(test)]
mod tests;
mod workload;

use serde_json::Value;

/// Fills in the defaults of a built-in kind, and takes out what means nothing (nulls, empty labels).
///
/// Of other kinds only the metadata is touched.
pub(crate) fn apply(api_version: &str, kind: &str, object: &mut Value) {
    let Some(object) = object.as_object_mut() else { return };
    normal::drop_empty_metadata(object);
    if normal::is_typed(api_version, kind) {
        normal::drop_absent(kind, object);
    }
    match (api_version, kind) {
        ("v1", "Pod") => pod::default_pod(object),
        ("v1", "PodTemplate") => workload::default_template(object),
        ("v1", "ReplicationController") => workload::default_replication_controller(object),
        ("apps/v1", "ReplicaSet") => workload::default_replica_set(object),
        ("apps/v1", "Deployment") => workload::default_deployment(object),
        ("apps/v1", "DaemonSet") => workload::default_daemon_set(object),
        ("apps/v1", "StatefulSet") => workload::default_stateful_set(object),
        ("batch/v1", "Job") => workload::default_job(object),
        ("batch/v1", "CronJob") => workload::default_cron_job(object),
        ("v1", "Service") => service::default_service(object),
        ("v1", "Endpoints") => service::default_endpoints(object),
        ("discovery.k8s.io/v1", "EndpointSlice") => service::default_endpoint_slice(object),
        ("v1", "Secret") => others::default_secret(object),
        ("v1", "Namespace") => others::default_namespace(object),
        ("v1", "Node") => others::default_node(object),
        ("v1", "Event") => others::default_event(object),
        ("v1", "PersistentVolumeClaim") => others::default_claim(object),
        ("v1", "PersistentVolume") => others::default_volume(object),
        ("autoscaling/v1" | "autoscaling/v2", "HorizontalPodAutoscaler") => {
            others::default_autoscaler(api_version, object);
        }
        ("policy/v1", "PodDisruptionBudget") => others::default_disruption_budget(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => others::default_network_policy(object),
        ("networking.k8s.io/v1", "Ingress") => others::default_ingress(object),
        ("rbac.authorization.k8s.io/v1", "RoleBinding" | "ClusterRoleBinding") => others::default_role_binding(object),
        _ => {}
    }
}
