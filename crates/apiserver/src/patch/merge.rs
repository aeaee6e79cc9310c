//! JSON merge patch (RFC 7386).

use serde_json::{Map, Value};

/// The target with the patch merged in: null removes a member, an object is merged, all else replaces.
pub(crate) fn merge_patch(target: &Value, patch: &Value) -> Value {
    let mut result = target.clone();
    merge_into(&mut result, patch);
    result
}

fn merge_into(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge_into(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
