//! What a member is told: the user's object, without what API servers fill in, with kfed's marks.

use kfed_api::keys;
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use crate::kinds::FederatedKind;
use crate::object::{annotation, covers};

/// Annotation of a copy: a hash of what kfed last sent, so that what the user has taken away is seen to be missing.
const INTENT: &str = "kfed.io/intent";

/// Annotations that are meant for the federation, not for members.
fn is_private(annotation: &str) -> bool {
    annotation.starts_with("kfed.io/")
        || annotation.starts_with("federation.kubernetes.io/")
        || annotation.starts_with("federation.alpha.kubernetes.io/")
        || annotation == "kubectl.kubernetes.io/last-applied-configuration"
}

/// The object to apply in a member, with `replicas` where the kind has them.
pub(super) fn intent(
    kind: &FederatedKind,
    federated: &DynamicObject,
    federation: &str,
    replicas: Option<i64>,
) -> Value {
    let mut labels = federated.metadata.labels.clone().unwrap_or_default();
    labels.insert(keys::MANAGED_BY.to_owned(), federation.to_owned());
    let mut annotations = federated.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| !is_private(key));

    let mut metadata = json!({"name": federated.metadata.name, "labels": labels, "annotations": annotations});
    if let Some(namespace) = &federated.metadata.namespace {
        metadata["namespace"] = json!(namespace);
    }
    let mut object = json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata});
    for (field, value) in federated.data.as_object().into_iter().flatten() {
        if field != "status" {
            object[field] = value.clone();
        }
    }
    // A headless Service is the user's choice; every other clusterIP is one server's.
    let headless = object.pointer("/spec/clusterIP") == Some(&json!("None"));
    for path in kind.allocated {
        remove(&mut object, path);
    }
    if headless {
        object["spec"]["clusterIP"] = json!("None");
    }
    if let Some(replicas) = replicas {
        object["spec"]["replicas"] = json!(replicas);
    }
    object["metadata"]["annotations"][INTENT] = json!(format!("{:016x}", fnv1a(object.to_string().as_bytes())));
    object
}

/// Whether `copy` already is what `intent` asks for: the same was sent before, and nobody has changed it since.
pub(super) fn is_current(copy: &DynamicObject, intent: &Value) -> bool {
    if annotation(copy, INTENT) != intent["metadata"]["annotations"][INTENT].as_str() {
        return false;
    }
    let Value::Object(wanted) = intent else { return false };
    let spec = wanted.iter().filter(|(field, _)| !["apiVersion", "kind", "metadata"].contains(&field.as_str()));
    let labels = serde_json::to_value(&copy.metadata.labels).unwrap_or_default();
    let annotations = serde_json::to_value(&copy.metadata.annotations).unwrap_or_default();
    covers(&labels, &intent["metadata"]["labels"])
        && covers(&annotations, &intent["metadata"]["annotations"])
        && spec.into_iter().all(|(field, value)| copy.data.get(field).is_some_and(|live| covers(live, value)))
}

/// The merge patch that takes kfed's marks off a copy.
pub(crate) fn release() -> Value {
    json!({"metadata": {"labels": {keys::MANAGED_BY: null}, "annotations": {INTENT: null}}})
}

/// Removes the field at a path like `spec.ports[].nodePort`.
fn remove(object: &mut Value, path: &str) {
    let Some((head, rest)) = path.split_once('.') else {
        object.as_object_mut().and_then(|fields| fields.remove(path));
        return;
    };
    match head.strip_suffix("[]") {
        Some(list) => {
            for item in object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                remove(item, rest);
            }
        }
        None => {
            if let Some(field) = object.get_mut(head) {
                remove(field, rest);
            }
        }
    }
    if object.get(head).and_then(Value::as_object).is_some_and(Map::is_empty) {
        object.as_object_mut().and_then(|fields| fields.remove(head));
    }
}

/// FNV-1a, 64 bits: stable over versions and machines, which `std`'s hashers do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "hostname", "namespace": "default", "uid": "u", "resourceVersion": "7", "labels": {"run": "hostname"},
                "annotations": {"kfed.io/dns-ttl": "20", "example.com/note": "keep"}, "finalizers": ["kfed.io/cascade"]
            },
            "spec": {
                "type": "LoadBalancer", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ipFamilies": ["IPv4"],
                "ports": [{"name": "http", "port": 8000, "nodePort": 30123}], "selector": {"run": "hostname"}
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "127.1.0.1"}]}}
        }))
        .unwrap()
    }

    #[test]
    fn what_a_server_allocates_and_what_is_kfeds_own_is_not_sent() {
        let kind = FederatedKind::named("Service").unwrap();
        let mut sent = intent(kind, &service(), "fed", None);
        let hash = sent["metadata"]["annotations"].as_object_mut().unwrap().remove(INTENT);
        assert!(hash.is_some());
        assert_eq!(
            sent,
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {
                    "name": "hostname", "namespace": "default", "annotations": {"example.com/note": "keep"},
                    "labels": {"run": "hostname", "kfed.io/managed-by": "fed"}
                },
                "spec": {
                    "type": "LoadBalancer", "ports": [{"name": "http", "port": 8000}], "selector": {"run": "hostname"}
                }
            })
        );
    }

    #[test]
    fn a_headless_service_stays_headless() {
        let mut headless = service();
        headless.data["spec"]["clusterIP"] = json!("None");
        let sent = intent(FederatedKind::named("Service").unwrap(), &headless, "fed", None);
        assert_eq!(sent["spec"]["clusterIP"], "None");
        assert!(sent["spec"].get("clusterIPs").is_none());
    }

    #[test]
    fn a_copy_is_current_until_the_user_or_somebody_in_the_member_changes_something() {
        let kind = FederatedKind::named("Service").unwrap();
        let federated = service();
        let sent = intent(kind, &federated, "fed", None);
        let mut copy: DynamicObject = serde_json::from_value(sent.clone()).unwrap();
        copy.data["spec"]["clusterIP"] = json!("10.0.0.1");
        assert!(is_current(&copy, &sent), "the member's own fields are no difference");

        let mut fewer = federated;
        fewer.metadata.labels = None;
        assert!(!is_current(&copy, &intent(kind, &fewer, "fed", None)), "a label that the user took away");

        copy.data["spec"]["ports"][0]["port"] = json!(9);
        assert!(!is_current(&copy, &sent), "drift");
    }
}
