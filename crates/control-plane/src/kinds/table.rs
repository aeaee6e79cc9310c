//! The built-in rows.

use kfed_api::keys;

use super::Merge::{Behind, Earliest, First, Latest, LatestOfAll, Sum, SumCurrent, Union};
use super::{Conditions, FederatedKind, Known, Own, Replicas, Second, StatusField, Truth};

/// Every kind that is federated without further ado.
pub static FEDERATED_KINDS: [FederatedKind; 19] = [
    FederatedKind {
        rank: 0,
        namespaced: false,
        // Finalizers, which its own API server sees to.
        allocated: &["/spec"],
        own: &[Own::Name("default")],
        conditions: Conditions::Plain,
        ..row("", "v1", "Namespace", "namespaces")
    },
    FederatedKind {
        rank: 10,
        // Tokens that its own API server made.
        allocated: &["/secrets"],
        own: &[Own::Name("default")],
        ..row("", "v1", "ServiceAccount", "serviceaccounts")
    },
    FederatedKind {
        rank: 10,
        defaults: &[("/type", Known::Text("Opaque"))],
        own: &[
            Own::Field("/type", "kubernetes.io/service-account-token"),
            Own::Field("/type", "bootstrap.kubernetes.io/token"),
            Own::Field("/type", "helm.sh/release.v1"),
        ],
        ..row("", "v1", "Secret", "secrets")
    },
    FederatedKind {
        rank: 10,
        own: &[Own::Name("kube-root-ca.crt"), Own::Label("owner", "helm")],
        ..row("", "v1", "ConfigMap", "configmaps")
    },
    FederatedKind { rank: 10, ..row("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies") },
    FederatedKind { ..permission(false, "ClusterRole", "clusterroles") },
    FederatedKind { ..permission(true, "Role", "roles") },
    FederatedKind { rank: 12, ..permission(false, "ClusterRoleBinding", "clusterrolebindings") },
    FederatedKind { rank: 12, ..permission(true, "RoleBinding", "rolebindings") },
    FederatedKind {
        rank: 20,
        status: &[
            sum("/status/currentHealthy"),
            sum("/status/desiredHealthy"),
            sum("/status/disruptionsAllowed"),
            sum("/status/expectedPods"),
        ],
        truths: &[("DisruptionAllowed", Truth::All)],
        conditions: Conditions::Generation,
        observed: true,
        ..row("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
    },
    FederatedKind {
        rank: 20,
        published: true,
        allocated: &[
            "/spec/clusterIP",
            "/spec/clusterIPs",
            "/spec/ipFamilies",
            "/spec/ipFamilyPolicy",
            "/spec/healthCheckNodePort",
            "/spec/ports/*/nodePort",
        ],
        defaults: &[
            ("/spec/allocateLoadBalancerNodePorts", Known::Flag(true)),
            ("/spec/externalTrafficPolicy", Known::Text("Cluster")),
            ("/spec/internalTrafficPolicy", Known::Text("Cluster")),
            ("/spec/sessionAffinity", Known::Text("None")),
        ],
        own: &[Own::At("default", "kubernetes")],
        status: &[field("/status/loadBalancer/ingress", Union)],
        conditions: Conditions::Generation,
        ..row("", "v1", "Service", "services")
    },
    FederatedKind {
        rank: 30,
        replicas: Some(Replicas { pods: Some("/spec/selector"), ..replicas(keys::REPLICA_SET_PREFERENCES) }),
        defaults: &[("/spec/minReadySeconds", Known::Number(0))],
        template: Some("/spec/template"),
        status: &[
            sum("/status/replicas"),
            sum("/status/fullyLabeledReplicas"),
            sum("/status/readyReplicas"),
            sum("/status/availableReplicas"),
        ],
        conditions: Conditions::Plain,
        observed: true,
        ..row("apps", "v1", "ReplicaSet", "replicasets")
    },
    FederatedKind {
        rank: 30,
        replicas: Some(Replicas { pods: Some("/spec/selector"), ..replicas(keys::DEPLOYMENT_PREFERENCES) }),
        defaults: &[
            ("/spec/revisionHistoryLimit", Known::Number(10)),
            ("/spec/progressDeadlineSeconds", Known::Number(600)),
            ("/spec/strategy/type", Known::Text("RollingUpdate")),
            ("/spec/strategy/rollingUpdate/maxUnavailable", Known::Text("25%")),
            ("/spec/strategy/rollingUpdate/maxSurge", Known::Text("25%")),
        ],
        template: Some("/spec/template"),
        status: &[
            sum("/status/replicas"),
            field("/status/updatedReplicas", SumCurrent),
            sum("/status/readyReplicas"),
            sum("/status/availableReplicas"),
            sum("/status/unavailableReplicas"),
        ],
        truths: &[("Available", Truth::AllPlaced), ("Progressing", Truth::All)],
        conditions: Conditions::Plain,
        observed: true,
        ..row("apps", "v1", "Deployment", "deployments")
    },
    FederatedKind {
        rank: 30,
        defaults: &[
            ("/spec/revisionHistoryLimit", Known::Number(10)),
            ("/spec/updateStrategy/type", Known::Text("RollingUpdate")),
            ("/spec/updateStrategy/rollingUpdate/maxUnavailable", Known::Number(1)),
            ("/spec/updateStrategy/rollingUpdate/maxSurge", Known::Number(0)),
        ],
        template: Some("/spec/template"),
        status: &[
            sum("/status/currentNumberScheduled"),
            sum("/status/numberMisscheduled"),
            sum("/status/desiredNumberScheduled"),
            sum("/status/numberReady"),
            field("/status/updatedNumberScheduled", SumCurrent),
            sum("/status/numberAvailable"),
            sum("/status/numberUnavailable"),
        ],
        conditions: Conditions::Plain,
        observed: true,
        ..row("apps", "v1", "DaemonSet", "daemonsets")
    },
    FederatedKind {
        rank: 30,
        replicas: Some(Replicas { pods: Some("/spec/selector"), stays: true, ..replicas(keys::PREFERENCES) }),
        allocated: &[
            "/spec/volumeClaimTemplates/*/status",
            "/spec/volumeClaimTemplates/*/spec/volumeName",
            "/spec/volumeClaimTemplates/*/metadata/creationTimestamp",
        ],
        defaults: &[
            ("/spec/podManagementPolicy", Known::Text("OrderedReady")),
            ("/spec/revisionHistoryLimit", Known::Number(10)),
            ("/spec/updateStrategy/type", Known::Text("RollingUpdate")),
            ("/spec/updateStrategy/rollingUpdate/partition", Known::Number(0)),
            ("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted", Known::Text("Retain")),
            ("/spec/persistentVolumeClaimRetentionPolicy/whenScaled", Known::Text("Retain")),
            ("/spec/volumeClaimTemplates/*/spec/volumeMode", Known::Text("Filesystem")),
        ],
        template: Some("/spec/template"),
        status: &[
            sum("/status/replicas"),
            sum("/status/readyReplicas"),
            sum("/status/availableReplicas"),
            sum("/status/currentReplicas"),
            field("/status/updatedReplicas", SumCurrent),
            field("/status/updateRevision", First),
            field("/status/currentRevision", Behind("/status/updateRevision")),
        ],
        conditions: Conditions::Plain,
        observed: true,
        ..row("apps", "v1", "StatefulSet", "statefulsets")
    },
    FederatedKind {
        rank: 30,
        replicas: Some(Replicas {
            path: "/spec/parallelism",
            running: "/spec/parallelism",
            ready: "/status/ready",
            second: Some(Second::Work("/spec/completions")),
            ..replicas(keys::JOB_PREFERENCES)
        }),
        allocated: &[
            "/spec/selector",
            "/spec/manualSelector",
            "/spec/template/metadata/labels/controller-uid",
            "/spec/template/metadata/labels/batch.kubernetes.io~1controller-uid",
            "/spec/template/metadata/labels/job-name",
            "/spec/template/metadata/labels/batch.kubernetes.io~1job-name",
            // A member that deleted what has finished would be given it again, and run it again.
            "/spec/ttlSecondsAfterFinished",
        ],
        defaults: &[
            ("/spec/backoffLimit", Known::Number(6)),
            ("/spec/completionMode", Known::Text("NonIndexed")),
            ("/spec/podReplacementPolicy", Known::Text("TerminatingOrFailed")),
            ("/spec/suspend", Known::Flag(false)),
        ],
        template: Some("/spec/template"),
        status: &[
            sum("/status/active"),
            sum("/status/ready"),
            sum("/status/succeeded"),
            sum("/status/failed"),
            sum("/status/terminating"),
            field("/status/startTime", Earliest),
            field("/status/completionTime", LatestOfAll),
        ],
        truths: &[("Complete", Truth::All), ("Failed", Truth::AnyBeside("Complete")), ("Suspended", Truth::All)],
        ends: &["Complete", "Failed"],
        ttl: Some("/spec/ttlSecondsAfterFinished"),
        conditions: Conditions::Plain,
        ..row("batch", "v1", "Job", "jobs")
    },
    FederatedKind {
        rank: 30,
        defaults: &[
            ("/spec/concurrencyPolicy", Known::Text("Allow")),
            ("/spec/failedJobsHistoryLimit", Known::Number(1)),
            ("/spec/successfulJobsHistoryLimit", Known::Number(3)),
            ("/spec/suspend", Known::Flag(false)),
        ],
        template: Some("/spec/jobTemplate/spec/template"),
        status: &[field("/status/lastScheduleTime", Latest), field("/status/lastSuccessfulTime", Latest)],
        ..row("batch", "v1", "CronJob", "cronjobs")
    },
    FederatedKind {
        // Before what it scales: where that may run is decided with it.
        rank: 25,
        replicas: Some(Replicas {
            path: "/spec/maxReplicas",
            running: "/spec/maxReplicas",
            ready: "/spec/maxReplicas",
            second: Some(Second::Least("/spec/minReplicas")),
            ..replicas(keys::PREFERENCES)
        }),
        status: &[
            sum("/status/currentReplicas"),
            sum("/status/desiredReplicas"),
            field("/status/lastScaleTime", Latest),
        ],
        truths: &[("AbleToScale", Truth::All), ("ScalingActive", Truth::All), ("ScalingLimited", Truth::Any)],
        conditions: Conditions::Plain,
        observed: true,
        ..row("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
    },
    FederatedKind {
        rank: 40,
        status: &[field("/status/loadBalancer/ingress", Union)],
        ..row("networking.k8s.io", "v1", "Ingress", "ingresses")
    },
];

/// What a row says where nothing else is said.
pub(super) const fn row(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> FederatedKind {
    FederatedKind {
        id: kind,
        rank: 50,
        group,
        version,
        kind,
        plural,
        namespaced: true,
        replicas: None,
        published: false,
        permits: false,
        allocated: &[],
        defaults: &[],
        template: None,
        own: &[],
        status: &[],
        truths: &[],
        ends: &[],
        ttl: None,
        conditions: Conditions::Annotation,
        observed: false,
        ending: false,
    }
}

const fn permission(namespaced: bool, kind: &'static str, plural: &'static str) -> FederatedKind {
    FederatedKind {
        rank: 11,
        namespaced,
        permits: true,
        own: &[
            Own::Label("kubernetes.io/bootstrapping", "rbac-defaults"),
            Own::Prefix("system:"),
            Own::Name("cluster-admin"),
        ],
        ..row("rbac.authorization.k8s.io", "v1", kind, plural)
    }
}

/// How most kinds have their replicas.
pub(super) const fn replicas(preferences: &'static str) -> Replicas {
    Replicas {
        preferences,
        path: "/spec/replicas",
        running: "/status/replicas",
        ready: "/status/readyReplicas",
        second: None,
        pods: None,
        stays: false,
    }
}

const fn sum(path: &'static str) -> StatusField {
    field(path, Sum)
}

const fn field(path: &'static str, merge: super::Merge) -> StatusField {
    StatusField { path, merge }
}

/// What API servers fill into the template of a pod, by paths in it.
pub(crate) static POD_DEFAULTS: [(&str, Known); 11] = [
    ("/spec/restartPolicy", Known::Text("Always")),
    ("/spec/terminationGracePeriodSeconds", Known::Number(30)),
    ("/spec/dnsPolicy", Known::Text("ClusterFirst")),
    ("/spec/securityContext", Known::Empty),
    ("/spec/schedulerName", Known::Text("default-scheduler")),
    ("/spec/containers/*/resources", Known::Empty),
    ("/spec/containers/*/terminationMessagePath", Known::Text("/dev/termination-log")),
    ("/spec/containers/*/terminationMessagePolicy", Known::Text("File")),
    ("/spec/initContainers/*/resources", Known::Empty),
    ("/spec/initContainers/*/terminationMessagePath", Known::Text("/dev/termination-log")),
    ("/spec/initContainers/*/terminationMessagePolicy", Known::Text("File")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_told_from_the_others() {
        for (n, row) in FEDERATED_KINDS.iter().enumerate() {
            let same = |other: &&FederatedKind| other.id == row.id || *other == row;
            assert_eq!(FEDERATED_KINDS.iter().position(|other| same(&other)), Some(n), "{}", row.id);
        }
    }

    #[test]
    fn what_others_need_comes_first() {
        let rank = |kind| FederatedKind::named(kind).unwrap().rank;
        for (first, then) in [
            ("Namespace", "ServiceAccount"),
            ("ServiceAccount", "RoleBinding"),
            ("Role", "RoleBinding"),
            ("ConfigMap", "Deployment"),
            ("Secret", "Job"),
            ("Service", "StatefulSet"),
            ("HorizontalPodAutoscaler", "Deployment"),
            ("Service", "Ingress"),
        ] {
            assert!(rank(first) < rank(then), "{first} before {then}");
        }
    }
}
