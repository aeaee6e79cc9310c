//! OpenAPI v3 documents: what kubectl must find in them to create, apply, replace and edit, and to explain custom resources.
//!
//! kubectl looks for a PATCH operation of the object's kind that takes the query parameter `fieldValidation`; where it finds one it
//! leaves validation to the server. Built-in kinds are described no further; custom resources show the schema of their definition.

mod hash;
mod schema;

use serde_json::{Map, Value, json};

/// One group and version, and what is served in it.
#[derive(Debug)]
pub(crate) struct GroupVersionKinds<'a> {
    /// Empty for the core group.
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kinds: Vec<OpenApiKind<'a>>,
}

/// One kind.
#[derive(Debug)]
pub(crate) struct OpenApiKind<'a> {
    pub(crate) kind: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) namespaced: bool,
    /// The `openAPIV3Schema` of a custom resource.
    pub(crate) schema: Option<&'a Value>,
}

const JSON: &str = "application/json";

/// The index of all documents. A document's address carries a hash of what is in it, so that clients may keep it for ever.
pub(crate) fn index(gvs: &[GroupVersionKinds<'_>]) -> Value {
    let mut paths = Map::new();
    for gv in gvs {
        let path = root_path(gv);
        let hash = hash::of(document(gv).to_string().as_bytes());
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
    }
    json!({"paths": paths})
}

/// The document of one group and version.
pub(crate) fn document(gv: &GroupVersionKinds<'_>) -> Value {
    let mut paths = Map::new();
    let mut schemas = schema::common();
    for kind in &gv.kinds {
        let name = schema::name(gv, kind.kind);
        schemas.insert(name.clone(), schema::of_kind(gv, kind));
        schemas.insert(format!("{name}List"), schema::of_list(gv, kind, &name));
        let collection = collection_path(gv, kind);
        paths.insert(format!("{collection}/{{name}}"), item_operations(gv, kind, &name));
        paths.insert(collection, collection_operations(gv, kind, &name));
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// `api/v1`, `apis/apps/v1`.
fn root_path(gv: &GroupVersionKinds<'_>) -> String {
    if gv.group.is_empty() { format!("api/{}", gv.version) } else { format!("apis/{}/{}", gv.group, gv.version) }
}

fn collection_path(gv: &GroupVersionKinds<'_>, kind: &OpenApiKind<'_>) -> String {
    let scope = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("/{}/{scope}{}", root_path(gv), kind.plural)
}

fn item_operations(gv: &GroupVersionKinds<'_>, kind: &OpenApiKind<'_>, schema: &str) -> Value {
    let write = ["dryRun", "fieldManager", "fieldValidation"];
    let mut parameters = path_parameters(kind);
    parameters.push(json!({"name": "name", "in": "path", "required": true, "description": format!("name of the {}", kind.kind), "schema": {"type": "string", "uniqueItems": true}}));
    let mut patch = operation(gv, kind, "patch", &write, schema);
    if let Some(parameters) = patch["parameters"].as_array_mut() {
        parameters.push(query_parameter("force", "boolean"));
    }
    // Strategic merge patch needs merge keys, which custom resources do not have.
    let formats = [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];
    let formats = if kind.schema.is_some() { &formats[..3] } else { &formats[..] };
    let content: Map<String, Value> = formats
        .iter()
        .map(|format| ((*format).to_owned(), json!({"schema": schema::reference(schema::PATCH)})))
        .collect();
    patch["requestBody"] = json!({"required": true, "content": content});
    let mut put = operation(gv, kind, "put", &write, schema);
    put["requestBody"] = body(schema);
    json!({
        "parameters": parameters,
        "get": operation(gv, kind, "get", &["resourceVersion"], schema),
        "put": put,
        "patch": patch,
        "delete": operation(gv, kind, "delete", &["dryRun", "gracePeriodSeconds", "propagationPolicy"], schema::STATUS),
    })
}

fn collection_operations(gv: &GroupVersionKinds<'_>, kind: &OpenApiKind<'_>, schema: &str) -> Value {
    let select = ["labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch"];
    let mut post = operation(gv, kind, "post", &["dryRun", "fieldManager", "fieldValidation"], schema);
    post["requestBody"] = body(schema);
    json!({
        "parameters": path_parameters(kind),
        "get": operation(gv, kind, "list", &[&select[..], &["watch", "timeoutSeconds", "allowWatchBookmarks", "sendInitialEvents"]].concat(), &format!("{schema}List")),
        "post": post,
        "delete": operation(gv, kind, "deletecollection", &[&select[..], &["dryRun", "propagationPolicy"]].concat(), schema::STATUS),
    })
}

fn operation(
    gv: &GroupVersionKinds<'_>,
    kind: &OpenApiKind<'_>,
    action: &str,
    parameters: &[&str],
    answer: &str,
) -> Value {
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|name| {
            let of = match *name {
                "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
                "watch" | "allowWatchBookmarks" | "sendInitialEvents" => "boolean",
                _ => "string",
            };
            query_parameter(name, of)
        })
        .collect();
    json!({
        "operationId": operation_id(gv, kind, action),
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": schema::group_version_kind(gv, kind.kind),
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": {JSON: {"schema": schema::reference(answer)}}}},
    })
}

/// Unique in a document, readable in generated clients: `patchAppsV1NamespacedReplicaSet`.
fn operation_id(gv: &GroupVersionKinds<'_>, kind: &OpenApiKind<'_>, action: &str) -> String {
    let capital = |text: &str| {
        let mut chars = text.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    };
    let group: String =
        if gv.group.is_empty() { "Core".to_owned() } else { gv.group.split(['.', '-']).map(capital).collect() };
    let scope = if kind.namespaced { "Namespaced" } else { "" };
    format!("{action}{group}{}{scope}{}", capital(gv.version), kind.kind)
}

fn path_parameters(kind: &OpenApiKind<'_>) -> Vec<Value> {
    let namespace = json!({"name": "namespace", "in": "path", "required": true, "description": "object name and auth scope, such as for teams and projects", "schema": {"type": "string", "uniqueItems": true}});
    if kind.namespaced { vec![namespace] } else { Vec::new() }
}

fn query_parameter(name: &str, of: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": of, "uniqueItems": true}})
}

fn body(schema: &str) -> Value {
    json!({"required": true, "content": {JSON: {"schema": schema::reference(schema)}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps() -> GroupVersionKinds<'static> {
        GroupVersionKinds {
            group: "apps",
            version: "v1",
            kinds: vec![OpenApiKind { kind: "ReplicaSet", plural: "replicasets", namespaced: true, schema: None }],
        }
    }

    #[test]
    fn kubectl_finds_the_patch_operation_that_validates() {
        let document = document(&apps());
        let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/replicasets/{name}"]["patch"];
        assert_eq!(
            patch["x-kubernetes-group-version-kind"],
            json!({"group": "apps", "version": "v1", "kind": "ReplicaSet"})
        );
        assert!(
            patch["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .any(|p| p["name"] == "fieldValidation" && p["in"] == "query")
        );
        assert_eq!(patch["operationId"], "patchAppsV1NamespacedReplicaSet");
        let schema = &document["components"]["schemas"]["io.k8s.api.apps.v1.ReplicaSet"];
        assert_eq!(schema["x-kubernetes-preserve-unknown-fields"], true);
        assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], "ReplicaSet");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(value: &Value, schemas: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                        let name = reference.strip_prefix("#/components/schemas/").unwrap();
                        assert!(schemas.get(name).is_some(), "{reference}");
                    }
                    members.values().for_each(|value| check(value, schemas));
                }
                Value::Array(items) => items.iter().for_each(|value| check(value, schemas)),
                _ => {}
            }
        }
        let document = document(&apps());
        check(&document, &document["components"]["schemas"]);
    }

    #[test]
    fn a_custom_resource_shows_its_own_schema() {
        let own = json!({"type": "object", "description": "a cluster", "properties": {"spec": {"type": "object", "properties": {"server": {"type": "string"}}}}});
        let gv = GroupVersionKinds {
            group: "federation.example.com",
            version: "v1",
            kinds: vec![OpenApiKind { kind: "Cluster", plural: "clusters", namespaced: false, schema: Some(&own) }],
        };
        let document = document(&gv);
        let schema = &document["components"]["schemas"]["com.example.federation.v1.Cluster"];
        assert_eq!(schema["properties"]["spec"], own["properties"]["spec"]);
        assert!(schema["properties"]["metadata"].is_object() && schema["properties"]["kind"].is_object());
        let patch = &document["paths"]["/apis/federation.example.com/v1/clusters/{name}"]["patch"];
        assert_eq!(patch["requestBody"]["content"].get("application/strategic-merge-patch+json"), None);
    }

    #[test]
    fn a_documents_address_changes_with_what_is_in_it() {
        let url = |gv: &GroupVersionKinds<'_>| {
            index(std::slice::from_ref(gv))["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().to_owned()
        };
        let mut more = apps();
        more.kinds.push(OpenApiKind { kind: "Deployment", plural: "deployments", namespaced: true, schema: None });
        assert!(url(&apps()).starts_with("/openapi/v3/apis/apps/v1?hash="));
        assert_eq!(url(&apps()), url(&apps()));
        assert_ne!(url(&apps()), url(&more));
        let core = GroupVersionKinds { group: "", version: "v1", kinds: Vec::new() };
        assert!(index(&[core])["paths"].get("api/v1").is_some());
    }
}
