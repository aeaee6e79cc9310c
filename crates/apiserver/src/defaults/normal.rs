//! What a server with typed structs never stores: nulls, and empty maps that are left out when empty.

use serde_json::Value;

use super::members::{Object, object};

/// Whether the group is one whose kinds are typed.
pub(super) fn is_typed(api_version: &str, kind: &str) -> bool {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let typed = matches!(
        group,
        "" | "apps"
            | "autoscaling"
            | "batch"
            | "policy"
            | "coordination.k8s.io"
            | "discovery.k8s.io"
            | "events.k8s.io"
            | "networking.k8s.io"
            | "rbac.authorization.k8s.io"
    );
    // A revision's data is anybody's; null may mean something in it.
    typed && kind != "ControllerRevision"
}

/// Empty labels, annotations, finalizers and owners are none.
pub(super) fn drop_empty_metadata(owner: &mut Object) {
    let Some(metadata) = object(owner, "metadata") else { return };
    metadata.retain(|name, value| match value {
        Value::Null => false,
        Value::Object(members) => !members.is_empty() || !matches!(name.as_str(), "labels" | "annotations"),
        Value::Array(items) => !items.is_empty() || !matches!(name.as_str(), "finalizers" | "ownerReferences"),
        _ => true,
    });
}

/// Nulls anywhere, and the data of a ConfigMap or Secret that has none.
pub(super) fn drop_absent(kind: &str, object: &mut Object) {
    object.values_mut().for_each(drop_nulls);
    let has_data = matches!(kind, "ConfigMap" | "Secret");
    object.retain(|name, value| {
        let empty_data = has_data
            && matches!(name.as_str(), "data" | "binaryData" | "stringData")
            && value.as_object().is_some_and(Object::is_empty);
        !value.is_null() && !empty_data
    });
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
