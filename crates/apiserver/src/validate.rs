//! What must hold of an object before it is stored, beyond its schema.

use serde_json::Value;

use crate::crd;
use crate::kinds::Kind;
use crate::object;
use crate::status::{FieldError, Status};

/// Checks an object; `live` is its state before an update.
pub(crate) fn validate(kind: &Kind, object: &Value, live: Option<&Value>) -> Result<(), Status> {
    let mut errors = metadata(kind, object);
    if let Some(live) = live {
        errors.extend(metadata_change(live, object));
    }
    match (kind.group.as_str(), kind.kind.as_str()) {
        _ if kind.custom.is_some() => {
            let schema = kind.custom.as_ref().map(|c| &c.schema);
            errors.extend(schema.map(|s| crd::check(s, object)).unwrap_or_default());
        }
        ("", "Service") => errors.extend(service(object, live)),
        ("", "Pod") => {
            errors.extend(object.get("spec").map(|s| pod_spec(s, "spec")).unwrap_or_default());
            errors.extend(live.and_then(|l| pod_change(l, object)));
        }
        ("", "ConfigMap" | "Secret") => errors.extend(live.map(|l| sealed(l, object)).unwrap_or_default()),
        ("apps", "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet") => {
            errors.extend(workload(kind, object, live));
        }
        ("batch", "Job") => errors.extend(job(object, live)),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            errors.extend(immutable(live, object, "roleRef", "cannot change roleRef"));
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            errors.extend(crd::validate(object));
            errors.extend(immutable(live, object, "spec.group", "field is immutable"));
            errors.extend(immutable(live, object, "spec.scope", "field is immutable"));
            errors.extend(immutable(live, object, "spec.names.plural", "field is immutable"));
        }
        _ => {}
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(kind, object::name(object), errors)) }
}

fn metadata(kind: &Kind, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = object::name(object);
    if name.is_empty() {
        return vec![FieldError::required("metadata.name", "name or generateName is required")];
    }
    if kind.names_are_path_segments() {
        if matches!(name, "." | "..") || name.contains(['/', '%']) {
            errors.push(FieldError::invalid(
                "metadata.name",
                Value::from(name),
                "may not be '.', '..', or contain '/' or '%'",
            ));
        }
    } else if let Some(problem) = name_problem(kind, name) {
        errors.push(FieldError::invalid("metadata.name", Value::from(name), &problem));
    }
    for (field, check_values) in [("labels", true), ("annotations", false)] {
        let path = format!("metadata.{field}");
        let Some(map) = object.pointer(&format!("/metadata/{field}")).filter(|m| !m.is_null()) else { continue };
        let Some(map) = map.as_object() else {
            errors.push(FieldError::wrong_type(path, "not a map", "must be a map of strings"));
            continue;
        };
        for (key, value) in map {
            if let Some(problem) = qualified_name_problem(key) {
                errors.push(FieldError::invalid(&path, Value::from(key.as_str()), &problem));
            }
            match value.as_str() {
                None => errors.push(FieldError::invalid(&path, value, "must be a string")),
                Some(text) if check_values && !is_label_value(text) => {
                    errors.push(FieldError::invalid(&path, Value::from(text), LABEL_VALUE));
                }
                Some(_) => {}
            }
        }
    }
    for (i, owner) in object::owners(object).enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner.get(field).and_then(Value::as_str).unwrap_or_default().is_empty() {
                errors.push(FieldError::invalid(
                    format!("metadata.ownerReferences[{i}].{field}"),
                    "\"\"",
                    "must not be empty",
                ));
            }
        }
    }
    let controllers = object::owners(object).filter(|o| o["controller"] == true).count();
    if controllers > 1 {
        errors.push(FieldError::invalid(
            "metadata.ownerReferences",
            controllers,
            "Only one reference can have Controller set to true",
        ));
    }
    for finalizer in object::finalizers(object) {
        if let Some(problem) = qualified_name_problem(finalizer) {
            errors.push(FieldError::invalid("metadata.finalizers", Value::from(finalizer), &problem));
        }
    }
    errors
}

fn metadata_change(live: &Value, object: &Value) -> Vec<FieldError> {
    let old = object::finalizers(live);
    let added: Vec<&str> = object::finalizers(object).into_iter().filter(|f| !old.contains(f)).collect();
    if !object::deleting(live) || added.is_empty() {
        return Vec::new();
    }
    let list = added.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ");
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"
    );
    vec![FieldError::forbidden("metadata.finalizers", &why)]
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn name_problem(kind: &Kind, name: &str) -> Option<String> {
    let too_long = |max: usize| (name.len() > max).then(|| format!("must be no more than {max} characters"));
    if kind.is("", "Namespace") {
        return too_long(63).or_else(|| (!is_label(name)).then(|| LABEL.to_owned()));
    }
    if kind.is("", "Service") {
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        return too_long(63).or_else(|| (!is_label(name) || !starts_well).then(|| DNS_1035.to_owned()));
    }
    too_long(253).or_else(|| (!name.split('.').all(is_label)).then(|| SUBDOMAIN.to_owned()))
}

fn is_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    edge(text.chars().next()) && edge(text.chars().last()) && text.chars().all(|c| c == '-' || edge(Some(c)))
}

fn is_name_part(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|c| matches!(c, '-' | '_' | '.') || edge(Some(c)))
}

fn is_label_value(text: &str) -> bool {
    text.len() <= 63 && (text.is_empty() || is_name_part(text))
}

fn qualified_name_problem(name: &str) -> Option<String> {
    let (prefix, part) = match name.split_once('/') {
        Some((prefix, part)) => (Some(prefix), part),
        None => (None, name),
    };
    if let Some(prefix) = prefix
        && (prefix.is_empty() || prefix.len() > 253 || !prefix.to_ascii_lowercase().split('.').all(is_label))
    {
        return Some(format!("prefix part {SUBDOMAIN}"));
    }
    if part.len() > 63 {
        return Some("name part must be no more than 63 characters".to_owned());
    }
    (!is_name_part(part)).then(|| NAME_PART.to_owned())
}

/// One error if `path` (dotted) changed.
fn immutable(live: Option<&Value>, object: &Value, path: &str, why: &str) -> Option<FieldError> {
    let pointer = format!("/{}", path.replace('.', "/"));
    let (old, new) = (live?.pointer(&pointer), object.pointer(&pointer));
    (old != new).then(|| FieldError::invalid(path, new.unwrap_or(&Value::Null), why))
}

fn service(object: &Value, live: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let service_type = object::text(object, "/spec/type").unwrap_or("ClusterIP");
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !types.contains(&service_type) {
        errors.push(FieldError::unsupported("spec.type", Value::from(service_type), &types));
    }
    let ports: &[Value] = object.pointer("/spec/ports").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let headless = object::text(object, "/spec/clusterIP") == Some("None");
    if ports.is_empty() && !headless && service_type != "ExternalName" && types.contains(&service_type) {
        errors.push(FieldError::required("spec.ports", ""));
    }
    let is_port = |n: &Value| n.as_i64().is_some_and(|n| (1..=65_535).contains(&n));
    let range = "must be between 1 and 65535, inclusive";
    let mut names = std::collections::BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let name = port["name"].as_str().unwrap_or_default();
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(format!("spec.ports[{i}].name"), ""));
        } else if !name.is_empty() && !is_label(name) {
            errors.push(FieldError::invalid(format!("spec.ports[{i}].name"), Value::from(name), LABEL));
        } else if !name.is_empty() && !names.insert(name) {
            errors.push(FieldError::duplicate(format!("spec.ports[{i}].name"), Value::from(name)));
        }
        if !is_port(&port["port"]) {
            errors.push(FieldError::invalid(format!("spec.ports[{i}].port"), &port["port"], range));
        }
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            let path = format!("spec.ports[{i}].protocol");
            errors.push(FieldError::unsupported(path, Value::from(protocol), &["SCTP", "TCP", "UDP"]));
        }
        let target = &port["targetPort"];
        if target.is_number() && !is_port(target) {
            errors.push(FieldError::invalid(format!("spec.ports[{i}].targetPort"), target, range));
        }
    }
    if service_type == "ExternalName" && object::text(object, "/spec/externalName").unwrap_or_default().is_empty() {
        errors.push(FieldError::required("spec.externalName", ""));
    }
    if let Some(live) = live {
        let kept = |v: &Value| object::text(v, "/spec/type") != Some("ExternalName");
        if kept(live) && kept(object) && object::text(live, "/spec/clusterIP").is_some_and(|ip| !ip.is_empty()) {
            errors.extend(immutable(Some(live), object, "spec.clusterIP", "field is immutable"));
        }
    }
    errors
}

fn pod_spec(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let containers = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    for (i, container) in containers.iter().enumerate() {
        for field in ["name", "image"] {
            if container[field].as_str().unwrap_or_default().is_empty() {
                errors.push(FieldError::required(format!("{path}.containers[{i}].{field}"), ""));
            }
        }
    }
    errors
}

/// Of a Pod's specification only a few fields may change.
fn pod_change(live: &Value, object: &Value) -> Option<FieldError> {
    let comparable = |pod: &Value| {
        let mut spec = pod.get("spec").cloned().unwrap_or_default();
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(fields) = container.as_object_mut() {
                    fields.remove("image");
                }
            }
        }
        if let Some(fields) = spec.as_object_mut() {
            for field in ["activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations"] {
                fields.remove(field);
            }
        }
        spec
    };
    let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
               `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
               `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    (comparable(live) != comparable(object)).then(|| FieldError::forbidden("spec", why))
}

/// `immutable: true` seals the data, and itself.
fn sealed(live: &Value, object: &Value) -> Vec<FieldError> {
    if live["immutable"] != true {
        return Vec::new();
    }
    let mut errors = Vec::new();
    if object["immutable"] != true {
        errors.push(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for field in ["data", "binaryData"] {
        if live.get(field) != object.get(field) {
            errors.push(FieldError::forbidden(field, "field is immutable when `immutable` is set"));
        }
    }
    errors
}

fn workload(kind: &Kind, object: &Value, live: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(replicas) = object.pointer("/spec/replicas").filter(|r| r.as_i64().is_some_and(|n| n < 0)) {
        errors.push(FieldError::invalid("spec.replicas", replicas, "must be greater than or equal to 0"));
    }
    let selector = object.pointer("/spec/selector").filter(|s| s.is_object());
    let empty = selector.is_some_and(|s| ["matchLabels", "matchExpressions"].iter().all(|f| is_empty(&s[*f])));
    match selector {
        None => errors.push(FieldError::required("spec.selector", "")),
        Some(selector) if empty => {
            let why = format!("empty selector is invalid for {}", kind.singular);
            errors.push(FieldError::invalid("spec.selector", selector, &why));
        }
        Some(selector) => {
            let labels = object
                .pointer("/spec/template/metadata/labels")
                .cloned()
                .unwrap_or_else(|| Value::Object(Default::default()));
            if !selects(selector, &labels) {
                errors.push(FieldError::invalid(
                    "spec.template.metadata.labels",
                    &labels,
                    "`selector` does not match template `labels`",
                ));
            }
        }
    }
    errors.extend(immutable(live, object, "spec.selector", "field is immutable"));
    match object.pointer("/spec/template/spec") {
        Some(spec) => errors.extend(pod_spec(spec, "spec.template.spec")),
        None => errors.push(FieldError::required("spec.template.spec.containers", "")),
    }
    errors
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_none_or(serde_json::Map::is_empty) && value.as_array().is_none_or(Vec::is_empty)
}

/// Whether a LabelSelector object selects `labels`.
fn selects(selector: &Value, labels: &Value) -> bool {
    let of = |key: &Value| key.as_str().and_then(|k| labels.get(k));
    let exact = selector["matchLabels"].as_object().into_iter().flatten().all(|(k, v)| labels.get(k) == Some(v));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().all(|e| {
        let listed = |v: &Value| e["values"].as_array().is_some_and(|vs| vs.contains(v));
        match e["operator"].as_str() {
            Some("In") => of(&e["key"]).is_some_and(listed),
            Some("NotIn") => of(&e["key"]).is_none_or(|v| !listed(v)),
            Some("Exists") => of(&e["key"]).is_some(),
            Some("DoesNotExist") => of(&e["key"]).is_none(),
            _ => false,
        }
    });
    exact && expressions
}

fn job(object: &Value, live: Option<&Value>) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = match object.pointer("/spec/template/spec") {
        Some(spec) => pod_spec(spec, "spec.template.spec"),
        None => vec![FieldError::required("spec.template.spec.containers", "")],
    };
    errors.extend(immutable(live, object, "spec.selector", "field is immutable"));
    errors.extend(immutable(live, object, "spec.template", "field is immutable"));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_kinds_rules() {
        let service = crate::kinds::Registry::new(Vec::new()).find("", "v1", "services").unwrap().clone();
        let config = crate::kinds::Registry::new(Vec::new()).find("", "v1", "configmaps").unwrap().clone();
        for (kind, name, good) in [
            (&config, "a.b-c.1", true),
            (&config, "Bad_Name", false),
            (&config, "-a", false),
            (&config, "a..b", false),
            (&service, "a-1", true),
            (&service, "1-a", false),
            (&service, "a.b", false),
        ] {
            assert_eq!(name_problem(kind, name).is_none(), good, "{name}");
        }
    }

    #[test]
    fn label_keys_have_a_prefix_and_a_name() {
        for (key, good) in
            [("a", true), ("example.com/a", true), ("bad key", false), ("/a", false), ("a/", false), ("a/b/c", false)]
        {
            assert_eq!(qualified_name_problem(key).is_none(), good, "{key}");
        }
    }
}
