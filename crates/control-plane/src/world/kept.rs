//! What stores keep of an object: what planners ask for, and no more.

use kube::core::ObjectMeta;

use super::lean::Lean;
use crate::kinds::{FederatedKind, Merge};
use crate::object::is_ours;

/// Of an object in a member. Planners compare it with what it is to be, so that all of it is kept but what no row of the table reads
/// of its status. Of what is others' it only counts that it is there.
pub(super) fn in_member(kind: &FederatedKind, federation: &str, mut object: Lean) -> Lean {
    if !is_ours(&object.metadata, federation) {
        let ObjectMeta { name, namespace, uid, .. } = object.metadata;
        let metadata = ObjectMeta { name, namespace, uid, ..ObjectMeta::default() };
        return Lean::bare(None, metadata);
    }
    object.update("status", |status| {
        if let Some(status) = status.as_object_mut() {
            status.retain(|field, _| reads(kind, field));
        }
    });
    object
}

/// Whether a planner reads `field` of the status of a copy.
fn reads(kind: &FederatedKind, field: &str) -> bool {
    let behind = kind.status.iter().filter_map(|status| match status.merge {
        Merge::Behind(path) => Some(path),
        _ => None,
    });
    let numbers = kind.replicas.iter().flat_map(|replicas| [replicas.running, replicas.ready]);
    let mut paths = kind.status.iter().map(|status| status.path).chain(behind).chain(numbers);
    match field {
        "conditions" => !kind.truths.is_empty(),
        "observedGeneration" => kind.observed,
        _ => paths.any(|path| path.strip_prefix("/status/").and_then(|rest| rest.split('/').next()) == Some(field)),
    }
}

#[cfg(test)]
mod tests {
    use kfed_api::keys;
    use kube::core::DynamicObject;
    use serde_json::{Value, json};

    use super::*;
    use crate::kinds::FEDERATED_KINDS;
    use crate::world::lean::LAST_APPLIED;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    /// A Deployment as an API server gives it.
    fn deployment() -> DynamicObject {
        object(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 3,
                "labels": {keys::MANAGED_BY: "fed"}, "annotations": {LAST_APPLIED: "{…}", "note": "keep"},
                "managedFields": [{"manager": "kfed", "operation": "Apply"}]
            },
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
            "status": {
                "replicas": 3, "readyReplicas": 3, "observedGeneration": 3, "collisionCount": 1,
                "conditions": [{"type": "Available", "status": "True"}]
            }
        }))
    }

    fn kept(kind: &str, of: DynamicObject) -> Value {
        json!(in_member(FederatedKind::named(kind).unwrap(), "fed", of.into()).whole())
    }

    #[test]
    fn of_a_copy_all_is_kept_but_who_wrote_it_and_what_nobody_reads_of_its_status() {
        let metadata = json!({
            "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 3,
            "labels": {keys::MANAGED_BY: "fed"}, "annotations": {"note": "keep"}
        });
        let mut expected = json!(deployment());
        expected["metadata"] = metadata;
        expected["status"].as_object_mut().unwrap().remove("collisionCount");
        assert_eq!(kept("Deployment", deployment()), expected);
        // A PodDisruptionBudget's status lists pods.
        let mut budget = deployment();
        budget.data =
            json!({"spec": {"minAvailable": 1}, "status": {"disruptedPods": {"p": "t"}, "currentHealthy": 2}});
        let status = kept("PodDisruptionBudget", budget)["status"].clone();
        assert_eq!(status, json!({"currentHealthy": 2}));
    }

    #[test]
    fn of_what_is_others_only_that_it_is_there() {
        let mut others = deployment();
        others.metadata.labels = Some([(keys::MANAGED_BY.to_owned(), "another".to_owned())].into());
        let metadata = json!({"name": "web", "namespace": "shop", "uid": "u"});
        assert_eq!(kept("Deployment", others), json!({"metadata": metadata}));
    }

    #[test]
    fn what_the_table_reads_is_kept() {
        for kind in &FEDERATED_KINDS {
            let numbers = kind.replicas.iter().flat_map(|replicas| [replicas.running, replicas.ready]);
            for path in kind.status.iter().map(|field| field.path).chain(numbers) {
                let mut copy = deployment();
                copy.data = json!({});
                crate::fields::set(&mut copy.data, path, json!(1));
                assert_eq!(
                    in_member(kind, "fed", copy.into()).whole().data.pointer(path),
                    Some(&json!(1)),
                    "{} {path}",
                    kind.id
                );
            }
        }
    }
}
