//! Small helpers over JSON objects.

use serde_json::{Map, Value};

pub(super) type Object = Map<String, Value>;

/// Sets a member that is not there (or null).
pub(super) fn default(object: &mut Object, name: &str, value: impl Into<Value>) {
    match object.get_mut(name) {
        None => {
            object.insert(name.to_owned(), value.into());
        }
        Some(member) if member.is_null() => *member = value.into(),
        Some(_) => {}
    }
}

/// The member that is an object, if there is one.
pub(super) fn object<'a>(parent: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    parent.get_mut(name)?.as_object_mut()
}

/// The member that is an object; made if it is not there. `None` if it is something else.
pub(super) fn ensure<'a>(parent: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    default(parent, name, Object::new());
    object(parent, name)
}

/// The objects in the member that is a list.
pub(super) fn objects<'a>(parent: &'a mut Object, name: &str) -> impl Iterator<Item = &'a mut Object> {
    parent.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

pub(super) fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Neither there nor null.
pub(super) fn lacks(object: &Object, name: &str) -> bool {
    object.get(name).is_none_or(Value::is_null)
}
