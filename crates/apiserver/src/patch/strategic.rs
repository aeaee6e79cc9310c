//! Strategic merge patch: a merge patch that knows which lists are keyed, with directives of its own (`$patch`, `$retainKeys`,
//! `$setElementOrder/…`, `$deleteFromPrimitiveList/…`).

use serde_json::{Map, Value};

use super::PatchError;
use super::schema::{self, Field};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER_PREFIX: &str = "$setElementOrder/";
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList/";

/// The target with the patch merged in, by the merge keys of a built-in kind.
///
/// # Errors
/// `BadRequest` for a directive that makes no sense, `Schema` for a list element without its merge key.
pub(crate) fn strategic_merge(kind: &str, target: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Value::Object(patch) = patch else {
        return Err(PatchError::BadRequest("a strategic merge patch is an object".to_owned()));
    };
    let empty = Map::new();
    let target = target.as_object().unwrap_or(&empty);
    Ok(Value::Object(merge_objects(schema::root_of_kind(kind), target, patch)?))
}

fn merge_objects(
    of: &Field,
    target: &Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, PatchError> {
    match patch.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
        Some("replace") => return Ok(without_directive(patch)),
        Some("delete") => return Ok(Map::new()),
        None | Some("merge") => {}
        Some(other) => return Err(PatchError::BadRequest(format!("unknown patch type found: {other}"))),
    }
    let mut result = target.clone();
    if let Some(keep) = patch.get(RETAIN_KEYS) {
        retain_keys(&mut result, keep, patch)?;
    }
    for (name, value) in patch {
        if name == PATCH || name == RETAIN_KEYS || name.starts_with(ORDER_PREFIX) || name.starts_with(DELETE_PREFIX) {
            continue;
        }
        let below = of.child(name);
        let merged = match (result.get(name), value) {
            (_, Value::Null) => {
                result.remove(name);
                continue;
            }
            (Some(Value::Object(ours)), Value::Object(theirs)) if !below.patch_replace => {
                Value::Object(merge_objects(below, ours, theirs)?)
            }
            (_, Value::Object(theirs)) => Value::Object(merge_objects(below, &Map::new(), theirs)?),
            (ours, Value::Array(theirs)) => {
                let ours = ours.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                Value::Array(merge_lists(below, ours, theirs)?)
            }
            (_, other) => other.clone(),
        };
        result.insert(name.clone(), merged);
    }
    delete_from_lists(&mut result, patch)?;
    set_element_orders(of, target, &mut result, patch)?;
    Ok(result)
}

/// `$retainKeys` names the members that may stay; the patch may set no others.
fn retain_keys(target: &mut Map<String, Value>, keep: &Value, patch: &Map<String, Value>) -> Result<(), PatchError> {
    let bad = || {
        PatchError::BadRequest(
            "invalid patch format of retainKeys list: each member that is set must be in it".to_owned(),
        )
    };
    let keep: Vec<&str> =
        keep.as_array().ok_or_else(bad)?.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(bad)?;
    let set_but_not_kept =
        patch.iter().any(|(name, value)| !name.starts_with('$') && !value.is_null() && !keep.contains(&name.as_str()));
    if set_but_not_kept {
        return Err(bad());
    }
    target.retain(|name, _| keep.contains(&name.as_str()));
    Ok(())
}

fn delete_from_lists(result: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), PatchError> {
    for (name, value) in patch {
        let Some(list) = name.strip_prefix(DELETE_PREFIX) else { continue };
        let Value::Array(gone) = value else {
            return Err(PatchError::BadRequest(format!("invalid patch format of primitive list: {name} is no list")));
        };
        // A value that the same patch adds stays.
        let added = patch.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if let Some(Value::Array(items)) = result.get_mut(list) {
            items.retain(|item| !gone.contains(item) || added.contains(item));
        }
    }
    Ok(())
}

fn set_element_orders(
    of: &Field,
    before: &Map<String, Value>,
    result: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), PatchError> {
    for (name, order) in patch {
        let Some(list) = name.strip_prefix(ORDER_PREFIX) else { continue };
        let (Some(key), Value::Array(order)) = (of.child(list).patch_merge, order) else {
            return Err(PatchError::BadRequest(format!("invalid patch format of setElementOrder list: {name}")));
        };
        if let Some(Value::Array(items)) = result.get_mut(list) {
            let server = before.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            *items = in_order(std::mem::take(items), order, server, key);
        }
    }
    Ok(())
}

fn merge_lists(of: &Field, target: &[Value], patch: &[Value]) -> Result<Vec<Value>, PatchError> {
    let is_directive = |item: &Value, directive| item.get(PATCH).and_then(Value::as_str) == Some(directive);
    if patch.iter().any(|item| is_directive(item, "replace")) {
        return Ok(patch.iter().filter(|item| !is_directive(item, "replace")).map(cleaned).collect());
    }
    let Some(key) = of.patch_merge else {
        return Ok(patch.iter().map(cleaned).collect());
    };
    let mut result = target.to_vec();
    if key.is_empty() {
        let added: Vec<Value> = patch.iter().filter(|item| !target.contains(item)).cloned().collect();
        result.extend(added);
        return Ok(in_order(result, patch, target, key));
    }
    for item in patch {
        let Value::Object(item) = item else {
            return Err(PatchError::BadRequest("an element of a keyed list must be an object".to_owned()));
        };
        let Some(id) = item.get(key) else {
            return Err(PatchError::Schema(format!(
                "map: {} does not contain declared merge key: {key}",
                Value::Object(item.clone())
            )));
        };
        let place = result.iter().position(|ours| ours.get(key) == Some(id));
        match (item.get(PATCH).and_then(Value::as_str), place) {
            (Some("delete"), _) => result.retain(|ours| ours.get(key) != Some(id)),
            (_, Some(place)) => {
                let empty = Map::new();
                let ours = result[place].as_object().unwrap_or(&empty);
                result[place] = Value::Object(merge_objects(of.element(), ours, item)?);
            }
            (_, None) => result.push(Value::Object(merge_objects(of.element(), &Map::new(), item)?)),
        }
    }
    Ok(in_order(result, patch, target, key))
}

/// The merged items: those that `order` names in its order, the others in the server's; an item of the others goes before the first
/// named one that it preceded on the server.
fn in_order(items: Vec<Value>, order: &[Value], server: &[Value], key: &str) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| {
        list.iter().position(|other| {
            if key.is_empty() { other == item } else { other.get(key).is_some() && other.get(key) == item.get(key) }
        })
    };
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(server, item));
    let mut result = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return result,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(named)) => {
                matches!((place(server, other), place(server, named)), (Some(other), Some(named)) if other < named)
            }
        };
        result.extend(if other_first { others.next() } else { named.next() });
    }
}

fn without_directive(patch: &Map<String, Value>) -> Map<String, Value> {
    patch.iter().filter(|(name, _)| *name != PATCH).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn cleaned(item: &Value) -> Value {
    match item {
        Value::Object(members) => Value::Object(without_directive(members)),
        other => other.clone(),
    }
}
