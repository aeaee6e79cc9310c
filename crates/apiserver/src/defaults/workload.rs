//! The kinds that make Pods from a template.

use serde_json::{Value, json};

use super::members::{Object, default, ensure, lacks, object, objects, text};
use super::pod::default_spec;
use super::quantity::canonicalize_members;

/// The member `template` of whatever has one.
pub(super) fn default_template(owner: &mut Object) {
    if let Some(template) = object(owner, "template") {
        default(template, "metadata", Object::new());
        if let Some(spec) = object(template, "spec") {
            default_spec(spec);
        }
    }
}

pub(super) fn default_replica_set(set: &mut Object) {
    if let Some(spec) = ensure(set, "spec") {
        default(spec, "replicas", 1);
        default_template(spec);
    }
    default_counts(set, &["replicas"]);
}

pub(super) fn default_replication_controller(controller: &mut Object) {
    let labels = controller
        .get("spec")
        .and_then(|spec| spec.pointer("/template/metadata/labels"))
        .filter(|labels| labels.is_object())
        .cloned();
    if let Some(labels) = &labels
        && let Some(metadata) = ensure(controller, "metadata")
    {
        default(metadata, "labels", labels.clone());
    }
    if let Some(spec) = ensure(controller, "spec") {
        default(spec, "replicas", 1);
        if let Some(labels) = labels {
            default(spec, "selector", labels);
        }
        default_template(spec);
    }
    default_counts(controller, &["replicas"]);
}

pub(super) fn default_deployment(deployment: &mut Object) {
    if let Some(spec) = ensure(deployment, "spec") {
        default(spec, "replicas", 1);
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "progressDeadlineSeconds", 600);
        if let Some(strategy) = ensure(spec, "strategy") {
            default(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate"
                && let Some(rolling) = ensure(strategy, "rollingUpdate")
            {
                default(rolling, "maxUnavailable", "25%");
                default(rolling, "maxSurge", "25%");
            }
        }
        default_template(spec);
    }
    default_counts(deployment, &[]);
}

pub(super) fn default_daemon_set(set: &mut Object) {
    if let Some(spec) = ensure(set, "spec") {
        default(spec, "revisionHistoryLimit", 10);
        if let Some(strategy) = ensure(spec, "updateStrategy") {
            default(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate"
                && let Some(rolling) = ensure(strategy, "rollingUpdate")
            {
                default(rolling, "maxUnavailable", 1);
                default(rolling, "maxSurge", 0);
            }
        }
        default_template(spec);
    }
    default_counts(set, &["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"]);
}

pub(super) fn default_stateful_set(set: &mut Object) {
    if let Some(spec) = ensure(set, "spec") {
        default(spec, "replicas", 1);
        default(spec, "podManagementPolicy", "OrderedReady");
        default(spec, "revisionHistoryLimit", 10);
        if let Some(strategy) = ensure(spec, "updateStrategy") {
            default(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate"
                && let Some(rolling) = ensure(strategy, "rollingUpdate")
            {
                default(rolling, "partition", 0);
            }
        }
        if let Some(policy) = ensure(spec, "persistentVolumeClaimRetentionPolicy") {
            default(policy, "whenDeleted", "Retain");
            default(policy, "whenScaled", "Retain");
        }
        for claim in objects(spec, "volumeClaimTemplates") {
            default(claim, "apiVersion", "v1");
            default(claim, "kind", "PersistentVolumeClaim");
            super::others::default_claim(claim);
        }
        default_template(spec);
    }
    default_counts(set, &["replicas", "availableReplicas"]);
}

pub(super) fn default_job(job: &mut Object) {
    let labels = job
        .get("spec")
        .and_then(|spec| spec.pointer("/template/metadata/labels"))
        .filter(|labels| labels.is_object())
        .cloned();
    if let Some(spec) = ensure(job, "spec") {
        // Without either number it is a job of one Pod; with parallelism alone it is a work queue, which has no completions.
        if lacks(spec, "completions") && lacks(spec, "parallelism") {
            default(spec, "completions", 1);
        }
        default(spec, "parallelism", 1);
        default(spec, "backoffLimit", 6);
        default(spec, "completionMode", "NonIndexed");
        default(spec, "suspend", false);
        let replacement = if lacks(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
        default(spec, "podReplacementPolicy", replacement);
        default_template(spec);
    }
    if let Some(labels) = labels
        && let Some(metadata) = ensure(job, "metadata")
    {
        default(metadata, "labels", labels);
    }
    default_counts(job, &[]);
}

pub(super) fn default_cron_job(job: &mut Object) {
    if let Some(spec) = ensure(job, "spec") {
        default(spec, "concurrencyPolicy", "Allow");
        default(spec, "suspend", false);
        default(spec, "successfulJobsHistoryLimit", 3);
        default(spec, "failedJobsHistoryLimit", 1);
        if let Some(template) = object(spec, "jobTemplate") {
            default(template, "metadata", Object::new());
            if let Some(spec) = object(template, "spec") {
                default_template(spec);
            }
        }
    }
    default_counts(job, &[]);
}

/// A status with the counters that are never left out.
pub(super) fn default_counts(object: &mut Object, counters: &[&str]) {
    if let Some(status) = ensure(object, "status") {
        for name in counters {
            default(status, name, 0);
        }
    }
}

/// A claim's spec: of a volume claim, or of a template of one.
pub(super) fn default_claim_spec(spec: &mut Object) {
    default(spec, "volumeMode", "Filesystem");
    if let Some(resources) = ensure(spec, "resources") {
        canonicalize_members(resources, "limits");
        canonicalize_members(resources, "requests");
    }
}

/// The phase of what has just been made.
pub(super) fn pending() -> Value {
    json!({"phase": "Pending"})
}
