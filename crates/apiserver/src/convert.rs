//! Between the version objects are stored in and the one a request uses.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::kinds::{Conversion, Kind};
use crate::object;

/// core/v1 Event member ↔ events.k8s.io/v1 Event member.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// A stored object in the version of `kind`.
pub(crate) fn from_storage<'a>(kind: &Kind, stored: &'a Value) -> Cow<'a, Value> {
    let api_version = kind.api_version();
    if kind.conversion == Conversion::Version && stored.get("apiVersion").and_then(Value::as_str) == Some(&api_version)
    {
        return Cow::Borrowed(stored);
    }
    let mut object = stored.clone();
    object["apiVersion"] = api_version.into();
    match kind.conversion {
        Conversion::Version => {}
        Conversion::Event => rename(&mut object, |core, grouped| (core, grouped)),
        Conversion::Autoscaler => autoscaler_to_v1(&mut object),
    }
    Cow::Owned(object)
}

/// An object in the version of `kind` as it is stored.
pub(crate) fn to_storage(kind: &Kind, mut object: Value) -> Value {
    object["apiVersion"] = kind.storage_version.clone().into();
    match kind.conversion {
        Conversion::Version => {}
        Conversion::Event => rename(&mut object, |core, grouped| (grouped, core)),
        Conversion::Autoscaler => autoscaler_to_v2(&mut object),
    }
    object
}

fn rename(event: &mut Value, direction: impl Fn(&'static str, &'static str) -> (&'static str, &'static str)) {
    let Some(fields) = event.as_object_mut() else { return };
    for (core, grouped) in EVENT_FIELDS {
        let (old, new) = direction(core, grouped);
        if let Some(value) = fields.remove(old) {
            fields.insert(new.to_owned(), value);
        }
    }
}

fn is_cpu_utilization(metric: &Value) -> bool {
    object::text(metric, "/resource/name") == Some("cpu")
        && object::text(metric, "/resource/target/type").is_none_or(|t| t == "Utilization")
}

fn autoscaler_to_v1(object: &mut Value) {
    let spec = object::section(object, "spec");
    spec.remove("behavior");
    if let Some(Value::Array(metrics)) = spec.remove("metrics")
        && let Some(target) = metrics
            .iter()
            .find(|m| is_cpu_utilization(m))
            .and_then(|m| m.pointer("/resource/target/averageUtilization"))
    {
        spec.insert("targetCPUUtilizationPercentage".to_owned(), target.clone());
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("conditions");
        if let Some(Value::Array(metrics)) = status.remove("currentMetrics")
            && let Some(now) = metrics
                .iter()
                .find(|m| object::text(m, "/resource/name") == Some("cpu"))
                .and_then(|m| m.pointer("/resource/current/averageUtilization"))
        {
            status.insert("currentCPUUtilizationPercentage".to_owned(), now.clone());
        }
    }
}

fn autoscaler_to_v2(object: &mut Value) {
    let cpu = |key: &str, utilization: Value| -> Value {
        let mut target: Map<String, Value> = Map::new();
        target.insert("averageUtilization".to_owned(), utilization);
        if key == "target" {
            target.insert("type".to_owned(), "Utilization".into());
        }
        json!([{"type": "Resource", "resource": {"name": "cpu", key: target}}])
    };
    let spec = object::section(object, "spec");
    if let Some(target) = spec.remove("targetCPUUtilizationPercentage") {
        spec.insert("metrics".to_owned(), cpu("target", target));
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
        && let Some(now) = status.remove("currentCPUUtilizationPercentage")
    {
        status.insert("currentMetrics".to_owned(), cpu("current", now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Registry;

    #[test]
    fn an_event_is_the_same_in_both_apis() {
        let registry = Registry::new(Vec::new());
        let grouped = registry.find("events.k8s.io", "v1", "events").unwrap();
        let sent = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
            "regarding": {"name": "x"}, "note": "hello", "reportingController": "c", "reason": "Why"});
        let stored = to_storage(grouped, sent.clone());
        assert_eq!(
            stored,
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
            "involvedObject": {"name": "x"}, "message": "hello", "reportingComponent": "c", "reason": "Why"})
        );
        assert_eq!(from_storage(grouped, &stored).into_owned(), sent);
    }

    #[test]
    fn an_old_autoscaler_keeps_its_target() {
        let registry = Registry::new(Vec::new());
        let v1 = registry.find("autoscaling", "v1", "horizontalpodautoscalers").unwrap();
        let sent = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 70}});
        let stored = to_storage(v1, sent.clone());
        assert_eq!(stored.pointer("/spec/metrics/0/resource/target/averageUtilization"), Some(&json!(70)));
        assert_eq!(from_storage(v1, &stored).into_owned(), sent);
    }
}
