//! Structural schemas: defaults in, unknown fields out, the rest checked.
//!
//! CEL rules (`x-kubernetes-validations`) are not evaluated.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

use crate::status::FieldError;

/// Fills in what the schema has defaults for.
pub(crate) fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, property) in properties(schema) {
                if let Some(default) = property.get("default")
                    && fields.get(name).is_none_or(|v| v.is_null() && property["nullable"] != true)
                {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    default(property, value);
                }
            }
            if let Some(additional) = additional(schema) {
                let named: BTreeSet<&String> = properties(schema).map(|(n, _)| n).collect();
                fields.iter_mut().filter(|(n, _)| !named.contains(n)).for_each(|(_, v)| default(additional, v));
            }
        }
        Value::Array(items) => {
            if let Some(of) = schema.get("items") {
                items.iter_mut().for_each(|item| default(of, item));
            }
        }
        _ => {}
    }
}

/// Takes out what the schema does not know, and names it.
pub(crate) fn prune(schema: &Value, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let Some(fields) = object.as_object_mut() else { return unknown };
    // Type and metadata are every object's own.
    let own = ["apiVersion", "kind", "metadata"];
    prune_fields(schema, fields, "", &own, &mut unknown);
    unknown
}

fn prune_fields(schema: &Value, fields: &mut Map<String, Value>, path: &str, own: &[&str], unknown: &mut Vec<String>) {
    let additional = additional(schema);
    let keeps = schema["x-kubernetes-preserve-unknown-fields"] == true || schema["additionalProperties"] == true;
    let embedded: &[&str] =
        if schema["x-kubernetes-embedded-resource"] == true { &["apiVersion", "kind", "metadata"] } else { &[] };
    fields.retain(|name, value| {
        if own.contains(&name.as_str()) || embedded.contains(&name.as_str()) {
            return true;
        }
        let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match schema.get("properties").and_then(|p| p.get(name)).or(additional) {
            Some(of) => prune_value(of, value, &at, unknown),
            None if keeps => {}
            None => {
                unknown.push(at);
                return false;
            }
        }
        true
    });
}

fn prune_value(schema: &Value, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => prune_fields(schema, fields, path, &[], unknown),
        Value::Array(items) => {
            if let Some(of) = schema.get("items") {
                for (i, item) in items.iter_mut().enumerate() {
                    prune_value(of, item, &format!("{path}[{i}]"), unknown);
                }
            }
        }
        _ => {}
    }
}

/// What is wrong with an object.
pub(crate) fn check(schema: &Value, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(fields) = object.as_object() {
        check_object(schema, fields, "", &mut errors);
    }
    // Upstream runs no rules over an object of the wrong shape, and says so.
    let shape = |e: &FieldError| matches!(e.reason, "FieldValueRequired" | "FieldValueTypeInvalid");
    if errors.iter().any(shape) {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        errors.push(FieldError::invalid("<nil>", "null", detail));
    }
    errors
}

fn check_value(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if value.is_null() {
        if schema["nullable"] != true && schema.get("type").is_some() {
            errors.push(wrong_type(schema, "null", path));
        }
        return;
    }
    if schema["x-kubernetes-int-or-string"] == true {
        if !(value.is_i64() || value.is_u64() || value.is_string()) {
            errors.push(wrong_type(schema, type_name(value), path));
        }
        return;
    }
    let right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0),
        Some("number") => value.is_number(),
        _ => true,
    };
    if !right {
        errors.push(wrong_type(schema, type_name(value), path));
        return;
    }
    match value {
        Value::Object(fields) => check_object(schema, fields, path, errors),
        Value::Array(items) => check_array(schema, items, path, errors),
        Value::String(text) => check_text(schema, text, path, errors),
        Value::Number(number) => check_number(schema, number.as_f64().unwrap_or_default(), value, path, errors),
        _ => {}
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let supported = allowed.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
        errors.push(FieldError {
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {value}: supported values: {supported}"),
            field: path.to_owned(),
        });
    }
}

fn check_object(schema: &Value, fields: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(required) {
            errors.push(FieldError::required(at(required), ""));
        }
    }
    let count = fields.len() as u64;
    if schema["maxProperties"].as_u64().is_some_and(|max| count > max) {
        errors.push(FieldError::invalid(
            path,
            count,
            &format!("{path} in body should have at most {} properties", schema["maxProperties"]),
        ));
    }
    if schema["minProperties"].as_u64().is_some_and(|min| count < min) {
        errors.push(FieldError::invalid(
            path,
            count,
            &format!("{path} in body should have at least {} properties", schema["minProperties"]),
        ));
    }
    let additional = additional(schema);
    for (name, value) in fields {
        if path.is_empty() && matches!(name.as_str(), "metadata" | "apiVersion" | "kind") {
            continue;
        }
        if let Some(of) = schema.get("properties").and_then(|p| p.get(name)).or(additional) {
            check_value(of, value, &at(name), errors);
        }
    }
}

fn check_array(schema: &Value, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let count = items.len() as u64;
    if schema["maxItems"].as_u64().is_some_and(|max| count > max) {
        errors.push(FieldError {
            reason: "FieldValueTooMany",
            message: format!("Too many: {count}: must have at most {} items", schema["maxItems"]),
            field: path.to_owned(),
        });
    }
    if schema["minItems"].as_u64().is_some_and(|min| count < min) {
        errors.push(FieldError::invalid(
            path,
            count,
            &format!("{path} in body should have at least {} items", schema["minItems"]),
        ));
    }
    let keys: Vec<&str> =
        schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut seen = BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        let identity = match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Some(item.clone()),
            Some("map") => {
                let fields = keys.iter().filter_map(|k| item.get(k).map(|v| ((*k).to_owned(), v.clone())));
                Some(Value::Object(fields.collect()))
            }
            _ => None,
        };
        if let Some(identity) = identity
            && !seen.insert(identity.to_string())
        {
            errors.push(FieldError::duplicate(format!("{path}[{i}]"), identity));
        }
        if let Some(of) = schema.get("items") {
            check_value(of, item, &format!("{path}[{i}]"), errors);
        }
    }
}

fn check_text(schema: &Value, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    let length = text.chars().count() as u64;
    if let Some(pattern) = schema["pattern"].as_str()
        && let Ok(regex) = Regex::new(pattern)
        && !regex.is_match(text)
    {
        errors.push(FieldError::invalid(path, Value::from(text), &format!("{path} in body should match '{pattern}'")));
    }
    if schema["maxLength"].as_u64().is_some_and(|max| length > max) {
        errors.push(FieldError {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {} bytes", schema["maxLength"]),
            field: path.to_owned(),
        });
    }
    if schema["minLength"].as_u64().is_some_and(|min| length < min) {
        let detail = format!("{path} in body should be at least {} chars long", schema["minLength"]);
        errors.push(FieldError::invalid(path, Value::from(text), &detail));
    }
    if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
        let detail = format!("{path} in body must be of type date-time: {text:?}");
        errors.push(FieldError::wrong_type(path, text, &detail));
    }
}

fn check_number(schema: &Value, number: f64, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(max) = schema["maximum"].as_f64() {
        let exclusive = schema["exclusiveMaximum"] == true;
        if number > max || (exclusive && number >= max) {
            let than = if exclusive { "less than" } else { "less than or equal to" };
            errors.push(FieldError::invalid(
                path,
                value,
                &format!("{path} in body should be {than} {}", schema["maximum"]),
            ));
        }
    }
    if let Some(min) = schema["minimum"].as_f64() {
        let exclusive = schema["exclusiveMinimum"] == true;
        if number < min || (exclusive && number <= min) {
            let than = if exclusive { "greater than" } else { "greater than or equal to" };
            errors.push(FieldError::invalid(
                path,
                value,
                &format!("{path} in body should be {than} {}", schema["minimum"]),
            ));
        }
    }
    if let Some(step) = schema["multipleOf"].as_f64()
        && (number / step).fract() != 0.0
    {
        errors.push(FieldError::invalid(
            path,
            value,
            &format!("{path} in body should be a multiple of {}", schema["multipleOf"]),
        ));
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn additional(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|a| a.is_object())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn wrong_type(schema: &Value, found: &str, path: &str) -> FieldError {
    let wanted = if schema["x-kubernetes-int-or-string"] == true {
        "integer,string"
    } else {
        schema["type"].as_str().unwrap_or("object")
    };
    FieldError::wrong_type(path, found, &format!("{path} in body must be of type {wanted}: {found:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object", "required": ["server"], "properties": {
            "server": {"type": "string", "pattern": "^https://"},
            "weight": {"type": "integer", "default": 1, "maximum": 100, "minimum": 0},
            "region": {"type": "string", "enum": ["west", "east"]},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "pools": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {
                "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "size": {"type": "integer", "default": 3}}}},
            "zones": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        }}}})
    }

    #[track_caller]
    fn complains(spec: &Value, expect: &[&str]) {
        let found: Vec<String> =
            check(&schema(), &json!({"spec": spec})).iter().map(|e| format!("{}: {}", e.field, e.message)).collect();
        let found: Vec<&str> = found.iter().map(String::as_str).filter(|f| !f.starts_with("<nil>")).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn values_are_checked_against_the_schema() {
        let server = "https://a.example.com";
        complains(&json!({"server": server}), &[]);
        complains(
            &json!({"server": "ftp://x"}),
            &["spec.server: Invalid value: \"ftp://x\": spec.server in body should match '^https://'"],
        );
        complains(
            &json!({"server": server, "weight": 101}),
            &["spec.weight: Invalid value: 101: spec.weight in body should be less than or equal to 100"],
        );
        complains(
            &json!({"server": server, "weight": "heavy"}),
            &["spec.weight: Invalid value: \"string\": spec.weight in body must be of type integer: \"string\""],
        );
        complains(
            &json!({"server": server, "region": "north"}),
            &["spec.region: Unsupported value: \"north\": supported values: \"west\", \"east\""],
        );
        complains(&json!({"server": server, "pools": [{"size": 1}]}), &["spec.pools[0].name: Required value"]);
        complains(&json!({"server": server, "zones": ["a", "a"]}), &["spec.zones[1]: Duplicate value: \"a\""]);
        complains(
            &json!({"server": server, "pools": [{"name": "a"}, {"name": "a"}]}),
            &["spec.pools[1]: Duplicate value: {\"name\":\"a\"}"],
        );
        complains(&json!({}), &["spec.server: Required value"]);
    }

    #[test]
    fn an_object_of_the_wrong_shape_says_that_not_all_was_checked() {
        let errors = check(&schema(), &json!({}));
        assert_eq!(errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(), ["spec", "<nil>"]);
    }

    #[test]
    fn defaults_reach_into_lists() {
        let mut object = json!({"spec": {"pools": [{"name": "a"}, {"name": "b", "size": 1}]}});
        default(&schema(), &mut object);
        assert_eq!(
            object,
            json!({"spec": {"weight": 1, "pools": [{"name": "a", "size": 3}, {"name": "b", "size": 1}]}})
        );
    }

    #[test]
    fn unknown_fields_go_and_are_named() {
        let mut object = json!({"kind": "X", "metadata": {"name": "a"}, "top": 1,
            "spec": {"bogus": 1, "free": {"any": {"thing": 1}}, "pools": [{"name": "a", "b": 1}]}});
        assert_eq!(prune(&schema(), &mut object), ["spec.bogus", "spec.pools[0].b", "top"]);
        assert_eq!(
            object,
            json!({"kind": "X", "metadata": {"name": "a"}, "spec": {"free": {"any": {"thing": 1}}, "pools": [{"name": "a"}]}})
        );
    }
}
