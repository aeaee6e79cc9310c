//! Reading objects, and the small formats that many kinds share.

use serde_json::Value;

pub(super) const NONE: &str = "<none>";

/// The text at a JSON pointer, or nothing.
pub(super) fn text_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a JSON pointer, or 0.
pub(super) fn number_at(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The list at a JSON pointer, or an empty one.
pub(super) fn list_at<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The number of members of the object at a JSON pointer.
pub(super) fn size_at(object: &Value, pointer: &str) -> usize {
    object.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

pub(super) fn name(object: &Value) -> Value {
    Value::from(text_at(object, "/metadata/name"))
}

/// Whether it is being deleted.
pub(super) fn is_deleted(object: &Value) -> bool {
    !text_at(object, "/metadata/deletionTimestamp").is_empty()
}

/// The text, or `<none>`.
pub(super) fn or_none(text: &str) -> &str {
    if text.is_empty() { NONE } else { text }
}

/// A scalar as text.
pub(super) fn show(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// One member of each item, joined by commas.
pub(super) fn joined(items: &[Value], member: &str) -> String {
    let texts: Vec<&str> = items.iter().map(|item| text_at(item, member)).collect();
    texts.join(",")
}

/// The first three, and how many more there are.
pub(super) fn first_three(texts: &[String]) -> String {
    let mut shown = texts.iter().take(3).cloned().collect::<Vec<_>>().join(",");
    if texts.len() > 3 {
        shown.push_str(&format!(" + {} more...", texts.len() - 3));
    }
    shown
}

/// `a=b,c=d`, sorted; `<none>` for no labels.
pub(super) fn labels(labels: Option<&Value>) -> String {
    let mut pairs: Vec<String> = labels
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", show(Some(value))))
        .collect();
    pairs.sort();
    or_none(&pairs.join(",")).to_owned()
}

/// A label selector in the form of `kubectl get -l`.
pub(super) fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector else { return NONE.to_owned() };
    let mut parts: Vec<(String, String)> = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), format!("{key}={}", show(Some(value)))))
        .collect();
    for expression in list_at(selector, "/matchExpressions") {
        let key = text_at(expression, "/key");
        let mut values: Vec<String> = list_at(expression, "/values").iter().map(|value| show(Some(value))).collect();
        values.sort();
        let values = values.join(",");
        let text = match text_at(expression, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        parts.push((key.to_owned(), text));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    or_none(&parts.join(",")).to_owned()
}

/// Whether that condition is there with that status.
pub(super) fn has_condition(object: &Value, kind: &str, status: &str) -> bool {
    list_at(object, "/status/conditions")
        .iter()
        .any(|condition| text_at(condition, "/type") == kind && text_at(condition, "/status") == status)
}

/// Names and images of the containers of a pod spec.
pub(super) fn containers(object: &Value, spec: &str) -> [Value; 2] {
    let containers = list_at(object, &format!("{spec}/containers"));
    [joined(containers, "/name").into(), joined(containers, "/image").into()]
}
