//! The schemas of a document.

use serde_json::{Map, Value, json};

use super::{GroupVersionKinds, OpenApiKind};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/// What every document refers to.
pub(super) fn common() -> Map<String, Value> {
    let text = || json!({"type": "string"});
    let texts = || json!({"type": "object", "additionalProperties": {"type": "string"}});
    let open = |description: &str| json!({"description": description, "type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let owners = json!({"type": "array", "items": open("An object that owns this one."), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"], "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "uid"});
    let finalizers = json!({"type": "array", "items": text(), "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"});
    let object_meta = json!({
        "description": "What every stored object has: identity, labels, owners, and what the server stamps on it.",
        "type": "object",
        "properties": {
            "annotations": texts(),
            "creationTimestamp": {"type": "string", "format": "date-time"},
            "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
            "deletionTimestamp": {"type": "string", "format": "date-time"},
            "finalizers": finalizers,
            "generateName": text(),
            "generation": {"type": "integer", "format": "int64"},
            "labels": texts(),
            "managedFields": {"type": "array", "items": open("Fields and who owns them."), "x-kubernetes-list-type": "atomic"},
            "name": text(),
            "namespace": text(),
            "ownerReferences": owners,
            "resourceVersion": text(),
            "selfLink": text(),
            "uid": text(),
        },
    });
    let list_meta = json!({
        "description": "What a list has: its revision, and how to go on.",
        "type": "object",
        "properties": {
            "continue": text(),
            "remainingItemCount": {"type": "integer", "format": "int64"},
            "resourceVersion": text(),
            "selfLink": text(),
        },
    });
    [
        (OBJECT_META, object_meta),
        (LIST_META, list_meta),
        (
            PATCH,
            json!({"description": "A patch in one of the formats of the request's content type.", "type": "object"}),
        ),
        (STATUS, open("The outcome of a request that returns no object.")),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
}

/// A kind's schema: its own if it is a custom resource, else an open one.
pub(super) fn of_kind(gv: &GroupVersionKinds<'_>, kind: &OpenApiKind<'_>) -> Value {
    let mut schema = match kind.schema {
        Some(own) if own.is_object() => own.clone(),
        _ => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
    };
    let properties = [
        (
            "apiVersion",
            json!({"type": "string", "description": "The version of the schema this object is written in."}),
        ),
        ("kind", json!({"type": "string", "description": "The kind of the object."})),
        ("metadata", json!({"allOf": [reference(OBJECT_META)], "default": {}})),
    ];
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    for (name, property) in properties {
        schema["properties"][name] = property;
    }
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(gv, kind.kind)]);
    schema
}

pub(super) fn of_list(gv: &GroupVersionKinds<'_>, kind: &OpenApiKind<'_>, name: &str) -> Value {
    json!({
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"allOf": [reference(LIST_META)], "default": {}},
            "items": {"type": "array", "items": {"allOf": [reference(name)], "default": {}}},
        },
        "x-kubernetes-group-version-kind": [group_version_kind(gv, &format!("{}List", kind.kind))],
    })
}

/// `io.k8s.api.apps.v1.ReplicaSet`, `com.example.federation.v1.Cluster`.
pub(super) fn name(gv: &GroupVersionKinds<'_>, kind: &str) -> String {
    if gv.group.is_empty() {
        return format!("io.k8s.api.core.{}.{kind}", gv.version);
    }
    let package = match gv.group.strip_suffix(".k8s.io") {
        Some(short) => format!("io.k8s.api.{}", short.split('.').next().unwrap_or(short)),
        None if !gv.group.contains('.') => format!("io.k8s.api.{}", gv.group),
        None => gv.group.split('.').rev().collect::<Vec<_>>().join("."),
    };
    format!("{package}.{}.{kind}", gv.version)
}

pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

pub(super) fn group_version_kind(gv: &GroupVersionKinds<'_>, kind: &str) -> Value {
    json!({"group": gv.group, "kind": kind, "version": gv.version})
}
