//! Fields of JSON documents by path: JSON pointers (RFC 6901) in which `*` stands for every item of a list.

use serde_json::{Map, Value};

use crate::kinds::Known;

/// Removes what stands at `path`, and the objects that are empty without it.
pub(crate) fn remove(value: &mut Value, path: &str) {
    remove_if(value, path, &|_| true);
}

/// The same, of what is just `default`.
pub(crate) fn remove_default(value: &mut Value, path: &str, default: Known) {
    remove_if(value, path, &|value| default.is(value));
}

/// Puts `new` where `path` leads; objects on the way are made.
pub(crate) fn set(value: &mut Value, path: &str, new: Value) {
    let mut at = value;
    for token in path.split('/').skip(1) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[unescape(token)];
    }
    *at = new;
}

/// Takes out what says nothing: `null` is how some clients write a field that is not there.
pub(crate) fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

fn remove_if(value: &mut Value, path: &str, which: &impl Fn(&Value) -> bool) {
    let Some((token, rest)) = path.strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, ""))) else {
        return;
    };
    let rest = &path[path.len() - rest.len() - usize::from(!rest.is_empty())..];
    if token == "*" {
        for item in value.as_array_mut().into_iter().flatten() {
            remove_if(item, rest, which);
        }
        return;
    }
    let name = unescape(token);
    let Some(fields) = value.as_object_mut() else { return };
    let Some(field) = fields.get_mut(&name) else { return };
    let gone = if rest.is_empty() {
        which(field)
    } else {
        let was_empty = is_empty(field);
        remove_if(field, rest, which);
        !was_empty && is_empty(field)
    };
    if gone {
        fields.remove(&name);
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

// === impl Known ===

impl Known {
    fn is(self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Number(number) => value.as_i64() == Some(number),
            Self::Flag(flag) => value.as_bool() == Some(flag),
            Self::Empty => is_empty(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn without(mut value: Value, path: &str) -> Value {
        remove(&mut value, path);
        value
    }

    #[test]
    fn a_field_goes_with_the_objects_that_it_empties() {
        assert_eq!(without(json!({"a": {"b": {"c": 1}}, "d": {}}), "/a/b/c"), json!({"d": {}}));
        assert_eq!(without(json!({"a": {"b": 1, "c": 2}}), "/a/b"), json!({"a": {"c": 2}}));
        assert_eq!(without(json!({"l": [{"x": 1, "y": 2}, {"x": 3}, 4]}), "/l/*/x"), json!({"l": [{"y": 2}, {}, 4]}));
        assert_eq!(without(json!({"a": {"b.io/c": 1, "d": 2}}), "/a/b.io~1c"), json!({"a": {"d": 2}}));
        let same = json!({"a": {}, "b": [1]});
        for path in ["/a/x", "/b/x", "/x", "", "/b/*/x/y"] {
            assert_eq!(without(same.clone(), path), same, "{path}");
        }
    }

    #[test]
    fn a_default_goes_only_where_it_is_just_that() {
        let mut value = json!({"spec": {"n": 10, "t": "Always", "f": false, "e": {}, "k": 11}});
        let defaults = [
            ("/spec/n", Known::Number(10)),
            ("/spec/t", Known::Text("Always")),
            ("/spec/f", Known::Flag(false)),
            ("/spec/e", Known::Empty),
            ("/spec/k", Known::Number(10)),
        ];
        for (path, default) in defaults {
            remove_default(&mut value, path, default);
        }
        assert_eq!(value, json!({"spec": {"k": 11}}));
    }

    #[test]
    fn a_field_is_set_wherever_it_is() {
        let mut value = json!({"spec": {"replicas": 1}});
        set(&mut value, "/spec/replicas", json!(3));
        set(&mut value, "/a/b~1c/d", json!("x"));
        assert_eq!(value, json!({"spec": {"replicas": 3}, "a": {"b/c": {"d": "x"}}}));
    }
}
