//! Reading and writing the metadata every object has, on plain JSON.

use serde_json::{Map, Value};

/// The object's members but kind and apiVersion, without the opening brace: `"data":{…},"metadata":{…}}`.
pub(crate) fn encode_fields(object: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut first = true;
    for (key, value) in object.as_object().into_iter().flatten().filter(|(k, _)| *k != "kind" && *k != "apiVersion") {
        if !first {
            out.push(b',');
        }
        first = false;
        encode(key, &mut out);
        out.push(b':');
        encode(value, &mut out);
    }
    out.push(b'}');
    out
}

/// Appends `value` as JSON.
pub(crate) fn encode(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("JSON with string keys is written to memory");
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

pub(crate) fn uid(object: &Value) -> Option<&str> {
    text(object, "/metadata/uid")
}

pub(crate) fn revision(object: &Value) -> Option<&str> {
    text(object, "/metadata/resourceVersion").filter(|r| !r.is_empty())
}

pub(crate) fn deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|t| !t.is_null())
}

pub(crate) fn strings<'a>(object: &'a Value, pointer: &str) -> Vec<&'a str> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    strings(object, "/metadata/finalizers")
}

pub(crate) fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten()
}

pub(crate) fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    owners(object).filter_map(|o| o.get("uid").and_then(Value::as_str))
}

/// The metadata, made if it is not there or no object.
pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    section(object, "metadata")
}

/// A member of the object that is an object itself, made if it is not there or something else.
pub(crate) fn section<'a>(object: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let fields = object.as_object_mut().expect("made an object above");
    let section = fields.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !section.is_object() {
        *section = Value::Object(Map::new());
    }
    section.as_object_mut().expect("made an object above")
}

/// Sets `name` in the metadata, or takes it out.
pub(crate) fn set_metadata(object: &mut Value, name: &str, value: Option<Value>) {
    let metadata = metadata(object);
    match value {
        Some(value) => metadata.insert(name.to_owned(), value),
        None => metadata.remove(name),
    };
}

pub(crate) fn set_revision(object: &mut Value, revision: u64) {
    set_metadata(object, "resourceVersion", Some(revision.to_string().into()));
}

/// Replaces the finalizers; none at all leaves no empty list.
pub(crate) fn set_finalizers(object: &mut Value, finalizers: Vec<String>) {
    let value = (!finalizers.is_empty()).then(|| finalizers.into());
    set_metadata(object, "finalizers", value);
}

/// Sets `name` to what `from` has there, absent included.
pub(crate) fn copy_field(object: &mut Value, from: &Value, name: &str) {
    let Some(fields) = object.as_object_mut() else { return };
    match from.get(name) {
        Some(value) => fields.insert(name.to_owned(), value.clone()),
        None => fields.remove(name),
    };
}

/// Writes `value` at a pointer of member names, making the objects on the way.
pub(crate) fn set_pointer(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for step in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = at.as_object_mut().expect("made an object above").entry(step).or_insert(Value::Null);
    }
    *at = value;
}

/// Whether two states differ in more than bookkeeping: managedFields count without their times, the revision does not.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    let (Some(x), Some(y)) = (a.as_object(), b.as_object()) else { return a == b };
    let fields = |m: &Map<String, Value>| m.keys().filter(|k| *k != "metadata").count();
    if fields(x) != fields(y) || x.iter().any(|(k, v)| k != "metadata" && y.get(k) != Some(v)) {
        return false;
    }
    same_metadata(a.get("metadata"), b.get("metadata")) && managed_fields(a) == managed_fields(b)
}

/// As [`same`], but blind to managedFields altogether.
pub(crate) fn same_but_managed_fields(a: &Value, b: &Value) -> bool {
    let (Some(x), Some(y)) = (a.as_object(), b.as_object()) else { return a == b };
    let fields = |m: &Map<String, Value>| m.keys().filter(|k| *k != "metadata").count();
    fields(x) == fields(y)
        && x.iter().all(|(k, v)| k == "metadata" || y.get(k) == Some(v))
        && same_metadata(a.get("metadata"), b.get("metadata"))
}

fn same_metadata(a: Option<&Value>, b: Option<&Value>) -> bool {
    let counted = |m: Option<&Value>| -> Vec<(String, Value)> {
        let fields = m.and_then(Value::as_object).into_iter().flatten();
        fields
            .filter(|(k, _)| *k != "managedFields" && *k != "resourceVersion")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    counted(a) == counted(b)
}

fn managed_fields(object: &Value) -> Vec<Value> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    entries
        .map(|entry| {
            let mut entry = entry.clone();
            if let Some(fields) = entry.as_object_mut() {
                fields.remove("time");
            }
            entry
        })
        .collect()
}
