//! What a member is told: the user's object, without what API servers fill in, with kfed's marks.

use std::collections::BTreeMap;
use std::sync::Arc;

use kfed_api::keys;
use kfed_api::overrides::Operation;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::overrides;
use crate::fields;
use crate::kinds::{FederatedKind, POD_DEFAULTS};
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

/// What every member is told alike, and what differs between them.
pub(super) struct Intents<'a> {
    kind: &'static FederatedKind,
    federated: &'a DynamicObject,
    federation: &'a str,
    alike: Value,
    /// What members are told that differ by numbers alone: most are told the same.
    told: BTreeMap<Numbers, Arc<Value>>,
}

/// Numbers of one member: where they stand, and whether they are another's to change there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Numbers {
    pub(super) at: Vec<(&'static str, i64)>,
    /// An autoscaler's: they are sent, since what is not sent is taken away, and do not count as differences.
    pub(super) lent: bool,
}

// === impl Intents ===

impl<'a> Intents<'a> {
    /// Those of the federated object, which is of `kind`.
    pub(super) fn of(kind: &'static FederatedKind, federated: &'a DynamicObject, federation: &'a str) -> Self {
        let mut intents = Self { kind, federated, federation, alike: Value::Null, told: BTreeMap::new() };
        intents.alike = intents.finish(intents.as_written());
        intents
    }

    /// The object to apply in one member, with what is different there.
    pub(super) fn of_member(&mut self, patch: &[Operation], numbers: &Numbers) -> Result<Arc<Value>, String> {
        if !patch.is_empty() {
            return self.with(patch, numbers).map(Arc::new);
        }
        if let Some(told) = self.told.get(numbers) {
            return Ok(told.clone());
        }
        let told = Arc::new(self.with(patch, numbers)?);
        self.told.insert(numbers.clone(), told.clone());
        Ok(told)
    }

    fn with(&self, patch: &[Operation], numbers: &Numbers) -> Result<Value, String> {
        let mut object = if patch.is_empty() {
            self.alike.clone()
        } else {
            let mut object = self.as_written();
            overrides::apply(&mut object, patch)?;
            self.finish(object)
        };
        if numbers.lent {
            mark(&mut object);
        }
        for (path, number) in &numbers.at {
            fields::set(&mut object, path, json!(number));
        }
        if !numbers.lent {
            mark(&mut object);
        }
        Ok(object)
    }

    /// What the user wrote, as far as it is meant for members.
    fn as_written(&self) -> Value {
        let metadata = &self.federated.metadata;
        let mut annotations = metadata.annotations.clone().unwrap_or_default();
        annotations.retain(|key, _| !is_private(key));
        let labels = metadata.labels.clone().unwrap_or_default();
        let mut object = json!({
            "apiVersion": self.kind.api_version(), "kind": self.kind.kind,
            "metadata": {"name": metadata.name, "labels": labels, "annotations": annotations}
        });
        if let Some(namespace) = &metadata.namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        for (field, value) in self.federated.data.as_object().into_iter().flatten() {
            if field != "status" {
                object[field] = value.clone();
            }
        }
        object
    }

    /// Takes out what servers fill in, and puts the federation's label on.
    fn finish(&self, mut object: Value) -> Value {
        fields::remove_nulls(&mut object);
        // A headless Service is the user's choice; every other clusterIP is one server's.
        let headless = object.pointer("/spec/clusterIP") == Some(&json!("None"));
        // Its pods' labels are the user's where he says so, and its selector too.
        let manual = object.pointer("/spec/manualSelector") == Some(&json!(true));
        for path in self.kind.allocated.iter().filter(|path| !(manual && SELECTING.contains(path))) {
            fields::remove(&mut object, path);
        }
        if headless {
            object["spec"]["clusterIP"] = json!("None");
        }
        for (path, default) in self.kind.defaults {
            fields::remove_default(&mut object, path, *default);
        }
        if let Some(template) = self.kind.template.and_then(|path| object.pointer_mut(path)) {
            for (path, default) in POD_DEFAULTS {
                fields::remove_default(template, path, default);
            }
        }
        fields::set(&mut object, MANAGED_BY_PATH, json!(self.federation));
        object
    }
}

/// Where label [`keys::MANAGED_BY`] stands.
const MANAGED_BY_PATH: &str = "/metadata/labels/kfed.io~1managed-by";

/// What servers do not fill in for a Job that has its own selector.
const SELECTING: [&str; 2] = ["/spec/selector", "/spec/manualSelector"];

fn mark(object: &mut Value) {
    let hash = format!("{:016x}", fnv1a(object.to_string().as_bytes()));
    fields::set(object, "/metadata/annotations/kfed.io~1intent", json!(hash));
}

/// Whether `copy` already is what `intent` asks for: the same was sent before, and nobody has changed it since.
pub(super) fn is_current(copy: &DynamicObject, intent: &Value, numbers: &Numbers) -> bool {
    if annotation(copy, INTENT) != intent["metadata"]["annotations"][INTENT].as_str() {
        return false;
    }
    let mut without;
    let intent = if numbers.lent {
        without = intent.clone();
        numbers.at.iter().for_each(|(path, _)| fields::remove(&mut without, path));
        &without
    } else {
        intent
    };
    let Value::Object(wanted) = intent else { return false };
    let spec = wanted.iter().filter(|(field, _)| !["apiVersion", "kind", "metadata"].contains(&field.as_str()));
    let labels = serde_json::to_value(&copy.metadata.labels).unwrap_or_default();
    let annotations = serde_json::to_value(&copy.metadata.annotations).unwrap_or_default();
    covers(&labels, &intent["metadata"]["labels"])
        && covers(&annotations, &intent["metadata"]["annotations"])
        && spec.into_iter().all(|(field, value)| covers(copy.data.get(field).unwrap_or(&Value::Null), value))
}

/// The merge patch that takes kfed's marks off a copy.
pub(crate) fn release() -> Value {
    json!({"metadata": {"labels": {keys::MANAGED_BY: null}, "annotations": {INTENT: null}}})
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

    fn intent(kind: &'static FederatedKind, federated: &DynamicObject) -> Value {
        Arc::unwrap_or_clone(Intents::of(kind, federated, "fed").of_member(&[], &Numbers::default()).unwrap())
    }

    #[test]
    fn what_a_server_allocates_and_what_is_kfeds_own_is_not_sent() {
        let kind = FederatedKind::named("Service").unwrap();
        let mut sent = intent(kind, &service());
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
        let sent = intent(FederatedKind::named("Service").unwrap(), &headless);
        assert_eq!(sent["spec"]["clusterIP"], "None");
        assert!(sent["spec"].get("clusterIPs").is_none());
    }

    #[test]
    fn a_copy_is_current_until_the_user_or_somebody_in_the_member_changes_something() {
        let kind = FederatedKind::named("Service").unwrap();
        let federated = service();
        let sent = intent(kind, &federated);
        let is_current = |copy: &DynamicObject, sent: &Value| is_current(copy, sent, &Numbers::default());
        let mut copy: DynamicObject = serde_json::from_value(sent.clone()).unwrap();
        copy.data["spec"]["clusterIP"] = json!("10.0.0.1");
        assert!(is_current(&copy, &sent), "the member's own fields are no difference");

        let mut fewer = federated;
        fewer.metadata.labels = None;
        assert!(!is_current(&copy, &intent(kind, &fewer)), "a label that the user took away");

        copy.data["spec"]["ports"][0]["port"] = json!(9);
        assert!(!is_current(&copy, &sent), "drift");
    }
}
