//! `/scale`: any kind with replicas, seen as an `autoscaling/v1` Scale.

use serde_json::{Value, json};

use super::Call;
use crate::kinds::Kind;
use crate::object;
use crate::status::{FieldError, Status};

/// The Scale of an object.
pub(super) fn of(kind: &Kind, object: &Value) -> Value {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let paths = kind.scale.as_ref();
    let mut metadata = serde_json::Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut spec = json!({});
    let wanted = number(paths.map_or("", |p| &p.spec_replicas));
    if wanted != 0 {
        spec["replicas"] = wanted.into();
    }
    let mut status = json!({"replicas": number(paths.map_or("", |p| &p.status_replicas))});
    let selector = match paths.and_then(|p| p.selector.as_ref()) {
        Some(pointer) => object::text(object, pointer).map(str::to_owned),
        None => selector_text(object),
    };
    if let Some(selector) = selector.filter(|s| !s.is_empty()) {
        status["selector"] = selector.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

/// A label selector in its text form.
fn selector_text(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?;
    let labels = selector.get("matchLabels").unwrap_or(selector).as_object().cloned().unwrap_or_default();
    let mut parts: Vec<String> = labels.iter().filter_map(|(k, v)| v.as_str().map(|v| format!("{k}={v}"))).collect();
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values = object::strings(expression, "/values");
        values.sort_unstable();
        let values = values.join(",");
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    Some(parts.join(","))
}

/// The Scale in the body of a PUT.
pub(super) fn decode(call: &Call<'_>) -> Result<Value, Status> {
    let scale = call.request.object()?;
    check(&scale)?;
    Ok(scale)
}

fn check(scale: &Value) -> Result<(), Status> {
    if scale.get("kind").is_some_and(|k| k != "Scale") {
        return Err(Status::bad_request("the object provided is no Scale"));
    }
    Ok(())
}

/// The object with the Scale's replicas.
pub(super) fn put(call: &Call<'_>, live: &Value, scale: &Value) -> Result<Value, Status> {
    check(scale)?;
    let replicas = scale.pointer("/spec/replicas").cloned().unwrap_or_else(|| 0.into());
    if replicas.as_i64().is_none_or(|n| n < 0) {
        let error = FieldError::invalid("spec.replicas", &replicas, "must be greater than or equal to 0");
        return Err(Status::invalid_named("autoscaling", "Scale", &call.name, vec![error]));
    }
    let mut object = live.clone();
    if let Some(paths) = &call.kind.scale {
        object::set_pointer(&mut object, &paths.spec_replicas, replicas);
    }
    for field in ["uid", "resourceVersion"] {
        if let Some(given) = scale.pointer(&format!("/metadata/{field}")).filter(|v| *v != "") {
            object::set_metadata(&mut object, field, Some(given.clone()));
        }
    }
    Ok(object)
}

/// An applied Scale as an applied configuration of the object it scales.
pub(super) fn applied(call: &Call<'_>, scale: &Value) -> Result<Value, Status> {
    check(scale)?;
    let kind = &call.kind;
    let mut object = json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": call.name}});
    if let (Some(paths), Some(replicas)) = (&kind.scale, scale.pointer("/spec/replicas")) {
        object::set_pointer(&mut object, &paths.spec_replicas, replicas.clone());
    }
    Ok(object)
}
