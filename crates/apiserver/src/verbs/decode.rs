//! Request bodies as objects of the kind the path names.

use serde_json::Value;

use super::Call;
use crate::object;
use crate::status::Status;

/// The object in the body, with kind, apiVersion and namespace as the path says.
pub(super) fn object(call: &Call<'_>) -> Result<Value, Status> {
    conform(call, call.request.object()?)
}

/// Checks an object against the path, and fills in what the path says.
pub(super) fn conform(call: &Call<'_>, mut object: Value) -> Result<Value, Status> {
    let kind = &call.kind;
    if !object.is_object() {
        let problem =
            format!("the object provided is unrecognized (must be of type {}): it is no JSON object", kind.kind);
        return Err(Status::bad_request(problem));
    }
    let api_version = kind.api_version();
    let given = |name: &str| object.get(name).and_then(Value::as_str).filter(|s| !s.is_empty());
    if kind.custom.is_some() {
        // Custom resources have no type of their own to fall back on.
        if given("kind").is_none() {
            return Err(Status::bad_request("Object 'Kind' is missing in the request's body"));
        }
        if given("apiVersion").is_none() {
            return Err(Status::bad_request("Object 'apiVersion' is missing in the request's body"));
        }
    }
    let (other_kind, other_version) =
        (given("kind").unwrap_or(&kind.kind), given("apiVersion").unwrap_or(&api_version));
    if other_kind != kind.kind {
        let version = other_version.rsplit('/').next().unwrap_or(other_version);
        let problem = format!(
            "{other_kind} in version {version:?} cannot be handled as a {}: converting ({version}.{other_kind}) to ({}.{}): unknown conversion",
            kind.kind,
            if kind.group.is_empty() { "core" } else { kind.group.split('.').next().unwrap_or(&kind.group) },
            kind.kind,
        );
        return Err(Status::bad_request(problem));
    }
    if other_version != api_version {
        let problem = format!(
            "the API version in the data ({other_version}) does not match the expected API version ({api_version})"
        );
        return Err(Status::bad_request(problem));
    }
    object["kind"] = kind.kind.clone().into();
    object["apiVersion"] = api_version.into();

    if object.get("metadata").is_some_and(|m| !m.is_object() && !m.is_null()) {
        return Err(Status::bad_request(format!("{} cannot be handled: metadata must be an object", kind.kind)));
    }
    let namespace = object::text(&object, "/metadata/namespace").unwrap_or_default();
    let expected = call.namespace.as_deref().unwrap_or_default();
    if !namespace.is_empty() && namespace != expected {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let namespace = call.namespace.clone().map(Value::from);
    object::set_metadata(&mut object, "namespace", namespace);
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let metadata = object::metadata(&mut object);
        // Absent, null and empty are the same to typed servers, which leave them out.
        let empty = metadata.get(field).is_some_and(|v| match v {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        });
        if empty {
            metadata.remove(field);
        }
    }
    object::metadata(&mut object).remove("selfLink");
    Ok(object)
}
