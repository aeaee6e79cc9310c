//! What is federated.

use std::collections::BTreeMap;

use kfed_api::keys;
use serde_json::{Value, json};

/// A label of Clusters: their names.
pub(crate) const MEMBER: &str = "bench/member";

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Kind {
    ConfigMap,
    ReplicaSet,
    Service,
}

pub(crate) fn object_name(n: usize) -> String {
    format!("object-{n:05}")
}

// === impl Kind ===

impl Kind {
    pub(crate) fn resource(self) -> kube::core::ApiResource {
        match self {
            Self::ConfigMap => kube::core::ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&()),
            Self::ReplicaSet => kube::core::ApiResource::erase::<k8s_openapi::api::apps::v1::ReplicaSet>(&()),
            Self::Service => kube::core::ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&()),
        }
    }

    /// An object that is in `members` alone, a replica in each.
    pub(crate) fn among(self, name: &str, members: &[String]) -> Value {
        let weights: BTreeMap<_, _> = members.iter().map(|member| (member, json!({"weight": 1}))).collect();
        let mut object = self.object(name, members.len());
        let annotation = match self {
            Self::ConfigMap | Self::Service => {
                let members = json!([{"key": MEMBER, "operator": "in", "values": members}]);
                (keys::CLUSTER_SELECTOR, members)
            }
            Self::ReplicaSet => (keys::REPLICA_SET_PREFERENCES, json!({"clusters": weights})),
        };
        object["metadata"]["annotations"] = json!({annotation.0: annotation.1.to_string()});
        object
    }

    /// An object as people write them, with `replicas` if it has some.
    pub(crate) fn object(self, name: &str, replicas: usize) -> Value {
        let labels = json!({"app": name, "team": "storefront"});
        match self {
            Self::ConfigMap => json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels},
                "data": {"log.level": "info", "upstream": format!("https://{name}.internal.example.com/v2"), "features": "a,b,c"}
            }),
            // Nobody can ask whether a port of UDP answers.
            Self::Service => json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels},
                "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 53, "protocol": "UDP"}]}
            }),
            Self::ReplicaSet => json!({
                "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {"name": name, "labels": labels, "annotations": {keys::REPLICA_SET_PREFERENCES: r#"{"clusters": {"*": {"weight": 1}}}"#}},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"containers": [{
                            "name": "server", "image": "registry.example.com/storefront/server:1.42.0",
                            "args": ["--listen=:8000", "--config=/etc/server/config.yaml"],
                            "ports": [{"name": "http", "containerPort": 8000}, {"name": "metrics", "containerPort": 9090}],
                            "env": [
                                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                                {"name": "UPSTREAM", "value": format!("https://{name}.internal.example.com/v2")},
                            ],
                            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
                            "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "initialDelaySeconds": 10},
                            "volumeMounts": [{"name": "config", "mountPath": "/etc/server"}],
                        }],
                        "volumes": [{"name": "config", "configMap": {"name": name}}]},
                    },
                }
            }),
        }
    }
}
