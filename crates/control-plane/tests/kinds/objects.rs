//! Objects of any kind, in the federation and in members.

use kfed_api::Cluster;
use kfed_control_plane::{FEDERATED_KINDS, FederatedKind};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::support::Fleet;

/// Objects of `kind` beside `client`, in `namespace` where the kind has them.
pub(crate) fn api(client: Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let row = FederatedKind::named(kind).unwrap();
    match row.namespaced {
        true => Api::namespaced_with(client, namespace, &row.api_resource()),
        false => Api::all_with(client, &row.api_resource()),
    }
}

/// Applies `object`, to which kind and version are added.
pub(crate) async fn apply(objects: &Api<DynamicObject>, kind: &str, mut object: Value) {
    let row = FederatedKind::named(kind).unwrap();
    (object["apiVersion"], object["kind"]) = (json!(row.api_version()), json!(kind));
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    objects.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(object)).await.unwrap();
}

impl Fleet {
    /// Two members in the same state as after a join.
    pub(crate) async fn of_two() -> Self {
        let fleet = Self::start().await;
        fleet.join("fed-west", "westus", &["1"]).await;
        fleet.join("fed-east", "eastus", &["1"]).await;
        fleet
    }

    /// Objects of `kind` in namespace `default` of the federation.
    pub(crate) fn all(&self, kind: &str) -> Api<DynamicObject> {
        api(self.client.clone(), kind, "default")
    }

    /// The same in a member.
    pub(crate) fn in_member(&self, member: &str, kind: &str) -> Api<DynamicObject> {
        api(self.member(member).client(), kind, "default")
    }

    /// Applies an object in namespace `default` of the federation.
    pub(crate) async fn apply(&self, kind: &str, object: Value) {
        apply(&self.all(kind), kind, object).await;
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        self.all(kind).delete(name, &DeleteParams::default()).await.unwrap();
        let gone = async || self.all(kind).get_opt(name).await.unwrap().is_none();
        self.eventually(&format!("{kind} {name} is gone"), gone).await;
    }

    /// An object of the federation, as JSON; `null` where it is not.
    pub(crate) async fn get(&self, kind: &str, name: &str) -> Value {
        serde_json::to_value(self.all(kind).get_opt(name).await.unwrap()).unwrap()
    }

    /// Its copy in a member.
    pub(crate) async fn copy(&self, member: &str, kind: &str, name: &str) -> Value {
        serde_json::to_value(self.in_member(member, kind).get_opt(name).await.unwrap()).unwrap()
    }

    /// Waits until the copies in `members`, and in no others, are there.
    pub(crate) async fn is_in(&self, kind: &str, name: &str, members: &[&str]) {
        self.eventually(&format!("{kind} {name} is in {members:?}"), async || {
            let mut right = true;
            for member in ["fed-west", "fed-east"] {
                right &= self.copy(member, kind, name).await.is_null() != members.contains(&member);
            }
            right
        })
        .await;
    }

    /// Waits until a field of the copies in fed-west and fed-east has these values.
    pub(crate) async fn has(&self, kind: &str, name: &str, path: &str, west: Value, east: Value) {
        self.eventually(&format!("{path} of {kind} {name} is {west} and {east}"), async || {
            let at = async |member| self.copy(member, kind, name).await.pointer(path).cloned().unwrap_or_default();
            at("fed-west").await == west && at("fed-east").await == east
        })
        .await;
    }

    /// What a member's controllers would say of a copy.
    pub(crate) async fn report(&self, member: &str, kind: &str, name: &str, status: Value) {
        let status = Patch::Merge(json!({"status": status}));
        self.in_member(member, kind).patch_status(name, &PatchParams::default(), &status).await.unwrap();
    }

    /// Waits until a field of the federated object has this value.
    pub(crate) async fn tells(&self, kind: &str, name: &str, path: &str, value: Value) {
        self.eventually(&format!("{path} of {kind} {name} is {value}"), async || {
            self.get(kind, name).await.pointer(path).cloned().unwrap_or_default() == value
        })
        .await;
    }

    /// Condition `type_` of a federated object wherever its kind has conditions: `Status Reason: message`.
    pub(crate) async fn told(&self, kind: &str, name: &str, type_: &str) -> String {
        let object = self.get(kind, name).await;
        let annotation = object.pointer("/metadata/annotations/kfed.io~1conditions").and_then(Value::as_str);
        let conditions = match annotation {
            Some(json) => serde_json::from_str(json).unwrap(),
            None => object["status"]["conditions"].clone(),
        };
        let found = conditions.as_array().into_iter().flatten().find(|condition| condition["type"] == type_);
        let text = |field: &str| found.and_then(|found| found[field].as_str()).unwrap_or_default().to_owned();
        format!("{} {}: {}", text("status"), text("reason"), text("message"))
    }

    pub(crate) async fn is_told(&self, kind: &str, name: &str, type_: &str, words: &str) {
        self.eventually(&format!("{type_} of {kind} {name} says `{words}`"), async || {
            self.told(kind, name, type_).await.contains(words)
        })
        .await;
    }

    /// Labels a member's Cluster.
    pub(crate) async fn label(&self, member: &str, labels: Value) {
        self.change_cluster(member, json!({"metadata": {"labels": labels}})).await;
    }

    pub(crate) async fn change_cluster(&self, member: &str, patch: Value) {
        let clusters = Api::<Cluster>::all(self.client.clone());
        clusters.patch(member, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Every object of every built-in kind in a member.
    pub(crate) async fn everything_in(&self, member: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for row in &FEDERATED_KINDS {
            let objects = Api::<DynamicObject>::all_with(self.member(member).client(), &row.api_resource());
            for object in objects.list(&Default::default()).await.unwrap() {
                let mut object = serde_json::to_value(object).unwrap();
                object["kind"] = json!(row.kind);
                all.push(object);
            }
        }
        all
    }

    /// The notes of events about `name`, with their reasons.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let events = Api::<k8s_openapi::api::events::v1::Event>::all(self.client.clone());
        let events = events.list(&Default::default()).await.unwrap().into_iter();
        let about =
            events.filter(|event| event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(name));
        about
            .map(|event| {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                format!("{} {}: {}", text(&event.type_), text(&event.reason), text(&event.note))
            })
            .collect()
    }
}

/// A pod's template with one container.
pub(crate) fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}})
}

/// A Deployment, ReplicaSet or StatefulSet of that many replicas.
pub(crate) fn workload(name: &str, replicas: i64, annotations: &Value) -> Value {
    json!({
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1")}
    })
}

/// One object of every kind that is federated without further ado, but for Namespaces.
pub(crate) fn one_of_each() -> Vec<(&'static str, Value)> {
    let named = |mut fields: Value| {
        fields["metadata"] = json!({"name": "one"});
        fields
    };
    let once = || {
        let mut template = template("web:1");
        template["spec"]["restartPolicy"] = json!("Never");
        template
    };
    vec![
        ("ConfigMap", named(json!({"data": {"key": "value"}}))),
        ("Secret", named(json!({"type": "Opaque", "stringData": {"key": "value"}}))),
        ("ServiceAccount", named(json!({}))),
        ("Service", named(json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}))),
        ("NetworkPolicy", named(json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}))),
        (
            "PodDisruptionBudget",
            named(json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}})),
        ),
        ("Ingress", named(json!({"spec": {"defaultBackend": {"service": {"name": "one", "port": {"number": 80}}}}}))),
        ("ReplicaSet", workload("one", 2, &json!({}))),
        ("Deployment", workload("one", 2, &json!({}))),
        ("StatefulSet", {
            let mut set = workload("one", 2, &json!({}));
            set["spec"]["serviceName"] = json!("one");
            set
        }),
        ("DaemonSet", {
            let mut set = workload("one", 0, &json!({}));
            set["spec"].as_object_mut().unwrap().remove("replicas");
            set
        }),
        ("Job", named(json!({"spec": {"parallelism": 2, "completions": 2, "template": once()}}))),
        ("CronJob", named(json!({"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": once()}}}}))),
        (
            "HorizontalPodAutoscaler",
            named(json!({"spec": {
                "minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}
            }})),
        ),
    ]
}

/// Objects that give permissions.
pub(crate) fn permissions() -> Vec<(&'static str, Value)> {
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let role = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "one"});
    let subjects = json!([{"kind": "ServiceAccount", "name": "one", "namespace": "default"}]);
    vec![
        ("Role", json!({"metadata": {"name": "one"}, "rules": rules})),
        ("ClusterRole", json!({"metadata": {"name": "one"}, "rules": rules})),
        ("RoleBinding", json!({"metadata": {"name": "one"}, "roleRef": role("Role"), "subjects": subjects})),
        (
            "ClusterRoleBinding",
            json!({"metadata": {"name": "one"}, "roleRef": role("ClusterRole"), "subjects": subjects}),
        ),
    ]
}

/// The names of `objects`.
pub(crate) async fn names(objects: &Api<DynamicObject>) -> Vec<String> {
    objects.list(&Default::default()).await.unwrap().iter().map(ResourceExt::name_any).collect()
}
