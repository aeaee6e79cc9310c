//! CustomResourceDefinitions: what makes one acceptable, and the rows it adds.

use serde_json::{Map, Value, json};

use crate::clock::rfc3339;
use crate::kinds::{Custom, CustomRow, Kind, ScalePaths};
use crate::object;
use crate::status::FieldError;
use crate::store::{ObjectKey, Tx};
use crate::table::CrdColumn;

/// The shelf definitions are kept on.
pub(crate) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
/// Holds a definition until its last instance is gone.
pub(crate) const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The shelf a definition's instances are kept on.
pub(crate) fn storage_of(definition: &Value) -> String {
    let field = |p| object::text(definition, p).unwrap_or_default();
    format!("{}.{}", field("/spec/names/plural"), field("/spec/group"))
}

/// The rows all established definitions add.
pub(crate) fn rows<'a>(definitions: impl Iterator<Item = &'a Value>) -> Vec<Kind> {
    definitions.filter(|d| condition_is_true(d, "Established")).flat_map(rows_of).collect()
}

fn rows_of(definition: &Value) -> Vec<Kind> {
    let versions: Vec<&Value> =
        definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten().collect();
    let storage = versions.iter().find(|v| v["storage"] == true).and_then(|v| v["name"].as_str()).unwrap_or_default();
    let names = |p: &str| object::strings(definition, p).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let field = |p: &str| object::text(definition, p).unwrap_or_default().to_owned();
    let mut served: Vec<&Value> = versions.into_iter().filter(|v| v["served"] == true).collect();
    served.sort_by_key(|v| std::cmp::Reverse(priority(v["name"].as_str().unwrap_or_default())));
    let row = |version: &Value| {
        let subresources = &version["subresources"];
        CustomRow {
            group: field("/spec/group"),
            version: version["name"].as_str().unwrap_or_default().to_owned(),
            storage_version: storage.to_owned(),
            kind: field("/spec/names/kind"),
            list_kind: field("/spec/names/listKind"),
            plural: field("/spec/names/plural"),
            singular: field("/spec/names/singular"),
            short_names: names("/spec/names/shortNames"),
            categories: names("/spec/names/categories"),
            namespaced: field("/spec/scope") == "Namespaced",
            status: subresources.get("status").is_some(),
            scale: subresources.get("scale").filter(|s| s.is_object()).map(|scale| ScalePaths {
                spec_replicas: pointer(scale["specReplicasPath"].as_str().unwrap_or(".spec.replicas")),
                status_replicas: pointer(scale["statusReplicasPath"].as_str().unwrap_or(".status.replicas")),
                selector: scale["labelSelectorPath"].as_str().map(pointer),
            }),
            custom: Custom {
                schema: version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_else(|| json!({})),
                columns: columns(version),
                selectable: version["selectableFields"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|f| f["jsonPath"].as_str())
                    .map(|p| p.trim_start_matches('.').to_owned())
                    .collect(),
            },
        }
    };
    served.into_iter().map(row).map(Kind::from).collect()
}

/// Kubernetes' version order: v2 before v1, v1 before v1beta2, v1beta2 before v1beta1 before v1alpha1, anything else last.
fn priority(version: &str) -> (u8, u64, u64) {
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..digits].parse() else { return (0, 0, 0) };
    match &rest[digits..] {
        "" => (3, major, 0),
        stage => match (stage.strip_prefix("beta"), stage.strip_prefix("alpha")) {
            (Some(minor), _) => (2, major, minor.parse().unwrap_or(0)),
            (_, Some(minor)) => (1, major, minor.parse().unwrap_or(0)),
            _ => (0, 0, 0),
        },
    }
}

/// A simple JSON path (`.spec.replicas`) as a JSON pointer.
fn pointer(path: &str) -> String {
    path.replace('.', "/")
}

fn columns(version: &Value) -> Vec<CrdColumn> {
    let declared = version["additionalPrinterColumns"].as_array();
    let Some(declared) = declared.filter(|d| !d.is_empty()) else {
        return vec![CrdColumn {
            name: "Age".to_owned(),
            type_: "date".to_owned(),
            json_path: ".metadata.creationTimestamp".to_owned(),
            priority: 0,
            format: String::new(),
            description: String::new(),
        }];
    };
    let text = |column: &Value, name: &str| column[name].as_str().unwrap_or_default().to_owned();
    declared
        .iter()
        .map(|column| CrdColumn {
            name: text(column, "name"),
            type_: text(column, "type"),
            json_path: text(column, "jsonPath"),
            priority: column["priority"].as_i64().unwrap_or(0),
            format: text(column, "format"),
            description: text(column, "description"),
        })
        .collect()
}

fn condition_is_true(definition: &Value, name: &str) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| c["type"] == name && c["status"] == "True")
}

/// Fills in the names a definition may leave out, and its conversion.
pub(crate) fn complete(definition: &mut Value) {
    let spec = object::section(definition, "spec");
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let fill = |names: &mut Map<String, Value>, name: &str, value: String| {
            if names.get(name).and_then(Value::as_str).unwrap_or_default().is_empty() && !value.is_empty() {
                names.insert(name.to_owned(), value.into());
            }
        };
        fill(names, "singular", kind.to_lowercase());
        fill(names, "listKind", if kind.is_empty() { kind } else { format!("{kind}List") });
    }
}

/// Accepts a definition's names, or says who has them already, and establishes it: at once, not two seconds later as upstream.
pub(crate) fn establish(tx: &Tx<'_>, key: &ObjectKey, definition: &mut Value, now: jiff::Timestamp) {
    let conflict = conflict(tx, key, definition);
    let time = rfc3339(now);
    let names = definition.pointer("/spec/names").cloned().unwrap_or_else(|| json!({}));
    let storage = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let storage: Vec<Value> = storage.filter(|v| v["storage"] == true).map(|v| v["name"].clone()).collect();
    let status = object::section(definition, "status");
    let accepted = match &conflict {
        None => condition("NamesAccepted", "True", &time, "NoConflicts", "no conflicts found"),
        Some((reason, message)) => condition("NamesAccepted", "False", &time, reason, message),
    };
    let was_established = status
        .get("conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|c| c["type"] == "Established" && c["status"] == "True");
    let established = match &conflict {
        None => condition("Established", "True", &time, "InitialNamesAccepted", "the initial names have been accepted"),
        Some(_) if was_established => {
            condition("Established", "True", &time, "InitialNamesAccepted", "the initial names have been accepted")
        }
        Some(_) => condition("Established", "False", &time, "NotAccepted", "not all names are accepted"),
    };
    set_condition(status, accepted);
    set_condition(status, established);
    if conflict.is_none() {
        status.insert("acceptedNames".to_owned(), names);
    } else {
        status.entry("acceptedNames").or_insert_with(|| json!({"plural": "", "kind": ""}));
    }
    let stored = status.entry("storedVersions").or_insert_with(|| json!([]));
    if let Some(stored) = stored.as_array_mut() {
        for version in storage {
            if !stored.contains(&version) {
                stored.push(version);
            }
        }
    }
}

fn condition(kind: &str, status: &str, time: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "lastTransitionTime": time, "reason": reason, "message": message})
}

fn set_condition(status: &mut Map<String, Value>, condition: Value) {
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(conditions) = conditions.as_array_mut() else { return };
    match conditions.iter_mut().find(|c| c["type"] == condition["type"]) {
        // The time is that of the last change of status.
        Some(old) if old["status"] == condition["status"] && old["message"] == condition["message"] => {}
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

fn conflict(tx: &Tx<'_>, key: &ObjectKey, definition: &Value) -> Option<(&'static str, String)> {
    let group = definition.pointer("/spec/group")?;
    let accepted = |d: &Value, p: &str| d.pointer("/status/acceptedNames").and_then(|n| n.get(p)).cloned();
    for (place, other) in tx.range(DEFINITIONS, None) {
        if place == *key
            || other.object.pointer("/spec/group") != Some(group)
            || !condition_is_true(&other.object, "NamesAccepted")
        {
            continue;
        }
        for (field, reason) in
            [("listKind", "ListKindConflict"), ("kind", "KindConflict"), ("singular", "SingularConflict")]
        {
            let mine = definition.pointer(&format!("/spec/names/{field}"));
            if mine.is_some() && mine == accepted(&other.object, field).as_ref() {
                return Some((
                    reason,
                    format!("{:?} is already in use", mine.and_then(Value::as_str).unwrap_or_default()),
                ));
            }
        }
    }
    None
}

/// What is wrong with a definition.
pub(crate) fn validate(definition: &Value) -> Vec<FieldError> {
    let field = |p: &str| object::text(definition, p).unwrap_or_default();
    let mut errors = Vec::new();
    let (plural, group) = (field("/spec/names/plural"), field("/spec/group"));
    for (pointer, path) in [
        ("/spec/group", "spec.group"),
        ("/spec/names/plural", "spec.names.plural"),
        ("/spec/names/kind", "spec.names.kind"),
    ] {
        if field(pointer).is_empty() {
            errors.push(FieldError::required(path, ""));
        }
    }
    let name = object::name(definition);
    if !plural.is_empty() && !group.is_empty() && name != format!("{plural}.{group}") {
        errors.push(FieldError::invalid("metadata.name", json!(name), "must be spec.names.plural+\".\"+spec.group"));
    }
    let scope = field("/spec/scope");
    if scope.is_empty() {
        errors.push(FieldError::required("spec.scope", ""));
    } else if !matches!(scope, "Cluster" | "Namespaced") {
        errors.push(FieldError::unsupported("spec.scope", json!(scope), &["Cluster", "Namespaced"]));
    }
    let versions: Vec<&Value> =
        definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten().collect();
    let names: Vec<&Value> = versions.iter().map(|v| &v["name"]).collect();
    if versions.iter().filter(|v| v["storage"] == true).count() != 1 {
        errors.push(FieldError::invalid(
            "spec.versions",
            json!(names),
            "must have exactly one version marked as storage version",
        ));
    }
    for (i, version) in versions.iter().enumerate() {
        let schema = version.pointer("/schema/openAPIV3Schema").filter(|s| s.is_object());
        match schema {
            None => errors.push(FieldError::required(format!("spec.versions[{i}].schema.openAPIV3Schema"), "")),
            Some(schema) if schema["type"] != "object" => {
                let path = format!("spec.versions[{i}].schema.openAPIV3Schema.type");
                let found = schema.get("type").cloned().unwrap_or_else(|| json!(""));
                errors.push(FieldError::invalid(path, found, "must be object at the root"));
            }
            Some(_) => {}
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_kubernetes_does() {
        let mut names = vec!["v1alpha1", "foo", "v1", "v10", "v2beta1", "v2", "v1beta2", "v1beta10"];
        names.sort_by_key(|n| std::cmp::Reverse(priority(n)));
        assert_eq!(names, ["v10", "v2", "v1", "v2beta1", "v1beta10", "v1beta2", "v1alpha1", "foo"]);
    }
}
