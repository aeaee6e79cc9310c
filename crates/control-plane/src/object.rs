//! Reading plain Kubernetes objects, whose kind is only known at run time.

use jiff::Timestamp;
use kube::core::{DynamicObject, ObjectMeta};
use serde_json::{Value, json};

use crate::kinds::{Conditions, FederatedKind};

/// The member of `object` at a path like `/spec/replicas` (RFC 6901).
pub(crate) fn at<'a>(object: &'a DynamicObject, pointer: &str) -> Option<&'a Value> {
    object.data.pointer(pointer)
}

/// A number at a path.
pub(crate) fn number(object: &DynamicObject, pointer: &str) -> Option<i64> {
    at(object, pointer).and_then(Value::as_i64)
}

/// The value of an annotation.
pub(crate) fn annotation<'a>(object: &'a DynamicObject, key: &str) -> Option<&'a str> {
    object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The value of a label.
pub(crate) fn label<'a>(object: &'a DynamicObject, key: &str) -> Option<&'a str> {
    object.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// Whether `finalizer` holds `object` back.
pub(crate) fn has_finalizer(object: &DynamicObject, finalizer: &str) -> bool {
    object.metadata.finalizers.iter().flatten().any(|f| f == finalizer)
}

/// The finalizers of `metadata` and `finalizer`.
pub(crate) fn finalizers_with(metadata: &ObjectMeta, finalizer: &str) -> Vec<String> {
    let mut finalizers = finalizers_without(metadata, finalizer);
    finalizers.push(finalizer.to_owned());
    finalizers
}

/// The finalizers of `metadata` but for `finalizer`.
pub(crate) fn finalizers_without(metadata: &ObjectMeta, finalizer: &str) -> Vec<String> {
    metadata.finalizers.iter().flatten().filter(|f| *f != finalizer).cloned().collect()
}

/// Whether federation `federation` made `object`.
pub(crate) fn is_managed(object: &DynamicObject, federation: &str) -> bool {
    is_ours(&object.metadata, federation)
}

/// Whether federation `federation` made the object of `metadata`.
pub(crate) fn is_ours(metadata: &ObjectMeta, federation: &str) -> bool {
    metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(kfed_api::keys::MANAGED_BY))
        .is_some_and(|of| of == federation)
}

/// Whether somebody has asked for the deletion of `object`.
pub(crate) fn is_deleted(object: &DynamicObject) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

/// Whether the object of `metadata` has been deleted with `propagationPolicy=Orphan`, as far as it still shows.
pub(crate) fn is_orphaned(metadata: &ObjectMeta) -> bool {
    let finalizer = || metadata.finalizers.iter().flatten().any(|finalizer| finalizer == ORPHAN_FINALIZER);
    let annotation = || metadata.annotations.as_ref()?.get(kfed_api::keys::ORPHAN);
    metadata.deletion_timestamp.is_some() && (finalizer() || annotation().is_some_and(|value| value == "true"))
}

/// The finalizer that API servers place for `propagationPolicy=Orphan`, and that garbage collectors take away.
const ORPHAN_FINALIZER: &str = "orphan";

/// Kfed's conditions of `object` as it has them, and those of others beside them.
pub(crate) fn conditions_of(kind: &FederatedKind, object: &DynamicObject) -> Vec<Value> {
    match kind.conditions {
        Conditions::Annotation => annotation(object, kfed_api::keys::CONDITIONS)
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default(),
        _ => at(object, "/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default(),
    }
}

/// Whether condition `type_` is `True` among `conditions`.
pub(crate) fn holds(conditions: &[Value], type_: &str) -> bool {
    conditions.iter().any(|condition| condition["type"] == type_ && condition["status"] == "True")
}

/// Since when condition `type_` has been `True` among `conditions`.
pub(crate) fn since(conditions: &[Value], type_: &str) -> Option<Timestamp> {
    let condition = conditions.iter().find(|condition| condition["type"] == type_ && condition["status"] == "True")?;
    condition["lastTransitionTime"].as_str()?.parse().ok()
}

/// A condition that a plan wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedCondition {
    pub(crate) type_: &'static str,
    pub(crate) holds: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// The conditions `wanted` in the form of the API, each with the time at which its status last changed: the time that `before`
/// knows where the status is the same (API conventions, "typical status properties").
pub(crate) fn conditions(before: Option<&Value>, wanted: &[WantedCondition], now: Timestamp) -> Vec<Value> {
    let before = before.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let others = before.iter().filter(|c| !wanted.iter().any(|w| c["type"] == w.type_)).cloned();
    let ours = wanted.iter().map(|w| {
        let status = if w.holds { "True" } else { "False" };
        let same = before.iter().find(|c| c["type"] == w.type_ && c["status"] == status);
        let since = same.and_then(|c| c["lastTransitionTime"].as_str()).map_or_else(|| seconds(now), str::to_owned);
        json!({"type": w.type_, "status": status, "reason": w.reason, "message": w.message, "lastTransitionTime": since})
    });
    others.chain(ours).collect()
}

/// A time as the API writes it: whole seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether every field of `wanted` is in `live` with the same value. `live` may hold more: what its server filled in, and what
/// others wrote. Lists are compared item by item. What is 0 or empty is left out by servers.
pub(crate) fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| match live.get(key) {
            Some(live) => covers(live, wanted),
            None => says_nothing(wanted),
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        (Value::Null, wanted) => says_nothing(wanted),
        _ => live == wanted,
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        // Where false is kept it means something, and most often something that matters.
        Value::Bool(_) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(says_nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_fills_in_is_no_difference() {
        let live = json!({"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30000}], "clusterIP": "10.96.0.7"});
        assert!(covers(&live, &json!({"ports": [{"port": 80}]})));
        assert!(!covers(&live, &json!({"ports": [{"port": 81}]})));
        assert!(!covers(&live, &json!({"ports": []})), "a list is whole");
        for nothing in [json!({"selector": {}}), json!({"n": 0, "t": "", "l": [], "o": {"x": {"y": 0}}})] {
            assert!(covers(&live, &nothing), "servers leave it out: {nothing}");
        }
        assert!(!covers(&live, &json!({"automountServiceAccountToken": false})), "it is not the default");
        assert!(!covers(&live, &json!({"selector": {"run": "hostname"}})));
    }

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let early: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let late: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        let wanted = |holds, message: &str| {
            [WantedCondition { type_: "Scheduled", holds, reason: "R".into(), message: message.into() }]
        };
        let first = Value::from(conditions(None, &wanted(false, "3 find no room"), early));
        let same = Value::from(conditions(Some(&first), &wanted(false, "4 find no room"), late));
        assert_eq!(same[0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!(same[0]["message"], "4 find no room");
        let other = conditions(Some(&same), &wanted(true, ""), late);
        assert_eq!(other[0]["lastTransitionTime"], "2026-01-01T01:00:00Z");
    }
}
