//! Walks along a schema: the fields of a value, merging two values, comparing them, removing fields.

use serde_json::{Map, Value};

use super::fields::{FieldSet, field_step, value_step};
use super::schema::{Field, Key, Shape};

/// How a value is walked, after looking at both schema and value.
enum Walk<'a> {
    /// A scalar, or something atomic.
    Leaf,
    /// Field by field.
    Granular,
    /// Item by item.
    Items(Items<'a>),
}

#[derive(Clone, Copy)]
enum Items<'a> {
    Set,
    Keyed(&'a [Key]),
}

fn walk_of<'a>(of: &'a Field, value: &Value) -> Walk<'a> {
    match (&of.shape, value) {
        (Shape::Any | Shape::Struct(_) | Shape::Map(_), Value::Object(_)) => Walk::Granular,
        (Shape::Struct(_) | Shape::Map(_), Value::Null) => Walk::Granular,
        (Shape::Set, Value::Array(_) | Value::Null) => Walk::Items(Items::Set),
        (Shape::Keyed { keys, .. }, Value::Array(_) | Value::Null) => Walk::Items(Items::Keyed(keys)),
        _ => Walk::Leaf,
    }
}

/// The step that leads to an item of a list.
fn item_step(items: Items<'_>, item: &Value) -> String {
    let Items::Keyed(keys) = items else { return value_step(item) };
    // Sorted by name, whatever order serde_json keeps.
    let mut parts: Vec<(&str, &Value)> =
        keys.iter().filter_map(|key| Some((key.name, item.get(key.name).or(key.default.as_ref())?))).collect();
    parts.sort_by_key(|(name, _)| *name);
    let parts: Vec<String> = parts.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("k:{{{}}}", parts.join(","))
}

fn members(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_hollow(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

/// The fields that a value sets.
pub(super) fn fields_of(root: &Field, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(root, value, &mut Vec::new(), &mut set);
    set
}

fn collect(of: &Field, value: &Value, path: &mut Vec<String>, set: &mut FieldSet) {
    match walk_of(of, value) {
        Walk::Leaf => set.insert(path),
        Walk::Granular => {
            for (name, below) in members(Some(value)).into_iter().flatten() {
                path.push(field_step(name));
                collect(of.child(name), below, path, set);
                let hollow = below.is_null() || below.as_object().is_some_and(Map::is_empty);
                if hollow || of.is_map() {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Walk::Items(items) => {
            for item in list(Some(value)) {
                path.push(item_step(items, item));
                if matches!(items, Items::Keyed(_)) {
                    collect(of.element(), item, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
    }
}

/// `live` with `config` merged in: maps and keyed lists merge, all else is replaced.
pub(super) fn merge(of: &Field, live: Option<&Value>, config: &Value) -> Value {
    let Some(live) = live else { return without_nulls(of, config) };
    match (walk_of(of, live), walk_of(of, config)) {
        (Walk::Granular, Walk::Granular) => {
            let mut result = members(Some(live)).cloned().unwrap_or_default();
            for (name, theirs) in members(Some(config)).into_iter().flatten() {
                let merged = merge(of.child(name), result.get(name), theirs);
                if merged.is_null() {
                    result.remove(name);
                } else {
                    result.insert(name.clone(), merged);
                }
            }
            Value::Object(result)
        }
        (Walk::Items(items), Walk::Items(_)) => {
            Value::Array(merge_items(of, items, list(Some(live)), list(Some(config))))
        }
        _ => config.clone(),
    }
}

fn without_nulls(of: &Field, config: &Value) -> Value {
    match (walk_of(of, config), config) {
        (Walk::Granular, Value::Object(_)) => merge(of, Some(&Value::Object(Map::new())), config),
        (Walk::Items(_), Value::Array(items)) => items.iter().map(|item| without_nulls(of.element(), item)).collect(),
        _ => config.clone(),
    }
}

/// Keeps the order of the applied items, with the live ones that are not applied where they were relative to the shared ones.
fn merge_items(of: &Field, items: Items<'_>, live: &[Value], config: &[Value]) -> Vec<Value> {
    let live_steps: Vec<String> = live.iter().map(|item| item_step(items, item)).collect();
    let config_steps: Vec<String> = config.iter().map(|item| item_step(items, item)).collect();
    let mut shared = config_steps.iter().filter(|step| live_steps.contains(step)).peekable();
    let mut result = Vec::with_capacity(live.len() + config.len());
    let (mut l, mut c) = (0, 0);
    loop {
        if let Some(step) = live_steps.get(l) {
            if !config_steps.contains(step) {
                result.push(live[l].clone());
                l += 1;
                continue;
            }
            if shared.peek() != Some(&step) {
                l += 1;
                continue;
            }
        }
        let Some(step) = config_steps.get(c) else {
            result.extend_from_slice(&live[l..]);
            return result;
        };
        let ours = live_steps.iter().position(|other| other == step).map(|place| &live[place]);
        result.push(merge(of.element(), ours, &config[c]));
        if shared.peek() == Some(&step) {
            shared.next();
            l += usize::from(live_steps.get(l) == Some(step));
        }
        c += 1;
    }
}

/// The fields in which two values differ.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Added or changed.
    pub(super) written: FieldSet,
    pub(super) removed: FieldSet,
}

impl Comparison {
    pub(super) fn is_same(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }
}

pub(super) fn compare(root: &Field, before: &Value, after: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    differ(root, Some(before), Some(after), &mut Vec::new(), &mut comparison);
    comparison
}

/// At least one side is there.
fn differ(of: &Field, before: Option<&Value>, after: Option<&Value>, path: &mut Vec<String>, out: &mut Comparison) {
    if before == after {
        return;
    }
    let Some(pattern) = after.filter(|value| !value.is_null()).or(before) else { return };
    let same_kind = match (before, after) {
        (Some(before), Some(after)) => {
            before.is_null() || after.is_null() || std::mem::discriminant(before) == std::mem::discriminant(after)
        }
        _ => true,
    };
    let walk = walk_of(of, pattern);
    if matches!(walk, Walk::Leaf) || (is_hollow(before) && is_hollow(after)) || !same_kind {
        match (before, after) {
            (Some(_), None) => out.removed.insert(path),
            _ => out.written.insert(path),
        }
        return;
    }
    match walk {
        Walk::Leaf => {}
        Walk::Granular => {
            let (ours, theirs) = (members(before), members(after));
            for (name, below) in ours.into_iter().flatten() {
                path.push(field_step(name));
                differ(of.child(name), Some(below), theirs.and_then(|theirs| theirs.get(name)), path, out);
                path.pop();
            }
            for (name, below) in theirs.into_iter().flatten() {
                if ours.is_none_or(|ours| !ours.contains_key(name)) {
                    path.push(field_step(name));
                    differ(of.child(name), None, Some(below), path, out);
                    path.pop();
                }
            }
        }
        Walk::Items(items) => differ_items(of, items, list(before), list(after), path, out),
    }
    match (before, after) {
        (None, Some(_)) => out.written.insert(path),
        (Some(_), None) => out.removed.insert(path),
        _ => {}
    }
}

fn differ_items(
    of: &Field,
    items: Items<'_>,
    before: &[Value],
    after: &[Value],
    path: &mut Vec<String>,
    out: &mut Comparison,
) {
    let before_steps: Vec<String> = before.iter().map(|item| item_step(items, item)).collect();
    let after_steps: Vec<String> = after.iter().map(|item| item_step(items, item)).collect();
    let at = |steps: &[String], step: &String| steps.iter().position(|other| other == step);
    for (step, item) in before_steps.iter().zip(before) {
        path.push(step.clone());
        differ(of.element(), Some(item), at(&after_steps, step).map(|place| &after[place]), path, out);
        path.pop();
    }
    for (step, item) in after_steps.iter().zip(after) {
        if !before_steps.contains(step) {
            path.push(step.clone());
            differ(of.element(), None, Some(item), path, out);
            path.pop();
        }
    }
}

/// The value without the fields of `gone`, except those that `kept` owns. An object that loses its last field goes too.
pub(super) fn prune(of: &Field, value: &Value, gone: &FieldSet, kept: &FieldSet) -> Option<Value> {
    match walk_of(of, value) {
        Walk::Leaf => Some(value.clone()),
        Walk::Granular => {
            let mut result = Map::new();
            for (name, below) in members(Some(value)).into_iter().flatten() {
                if let Some(rest) = prune_step(of.child(name), below, &field_step(name), gone, kept) {
                    result.insert(name.clone(), rest);
                }
            }
            (!result.is_empty() || is_hollow(Some(value))).then_some(Value::Object(result))
        }
        Walk::Items(items) => {
            let rest: Vec<Value> = list(Some(value))
                .iter()
                .filter_map(|item| prune_step(of.element(), item, &item_step(items, item), gone, kept))
                .collect();
            (!rest.is_empty() || is_hollow(Some(value))).then_some(Value::Array(rest))
        }
    }
}

fn prune_step(of: &Field, value: &Value, step: &str, gone: &FieldSet, kept: &FieldSet) -> Option<Value> {
    let Some(gone) = gone.below(step) else { return Some(value.clone()) };
    let kept = kept.below(step);
    let is_item = !step.starts_with("f:");
    // An item goes with all that nobody owns in it; another field that has owned ones below it stays for them.
    let is_kept = kept.is_some_and(|kept| kept.is_member() || !is_item);
    if gone.is_member() && !is_kept {
        return None;
    }
    prune(of, value, gone, kept.unwrap_or(&FieldSet::default()))
}

/// What of a configuration does not fit the schema: the first unknown field, or an item without its key.
pub(super) fn check(root: &Field, value: &Value) -> Result<(), String> {
    check_at(root, value, "", true)
}

fn check_at(of: &Field, value: &Value, path: &str, at_root: bool) -> Result<(), String> {
    match (&of.shape, value) {
        (_, Value::Null) | (Shape::Any, _) => Ok(()),
        (Shape::Struct(_) | Shape::Map(_) | Shape::Atomic(Some(_)), Value::Object(members)) => {
            for (name, below) in members {
                let path = format!("{path}.{name}");
                if matches!(of.shape, Shape::Struct(_)) && !of.declares(name, at_root) {
                    return Err(format!("{path}: field not declared in schema"));
                }
                let of_below = match &of.shape {
                    // The struct that is atomic, not its fields, was named.
                    Shape::Atomic(_) => of.element().child(name),
                    _ => of.child(name),
                };
                check_at(of_below, below, &path, false)?;
            }
            Ok(())
        }
        (Shape::Struct(_) | Shape::Map(_), other) => Err(format!("{path}: expected map, got {}", type_name(other))),
        (Shape::Keyed { keys, element }, Value::Array(items)) => {
            let mut seen = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                if let Some(key) = keys.iter().find(|key| key.default.is_none() && item.get(key.name).is_none()) {
                    return Err(format!(
                        "{path}: element {index}: associative list with keys has an element that omits key field {:?} (and doesn't have default value)",
                        key.name
                    ));
                }
                let step = item_step(Items::Keyed(keys), item);
                let path = format!("{path}[{}]", step.trim_start_matches("k:"));
                if seen.contains(&step) {
                    return Err(format!("{path}: duplicate entries for key"));
                }
                seen.push(step);
                check_at(element, item, &path, false)?;
            }
            Ok(())
        }
        (Shape::Set, Value::Array(_)) => Ok(()),
        (Shape::Set | Shape::Keyed { .. }, other) => Err(format!("{path}: expected list, got {}", type_name(other))),
        (Shape::Atomic(Some(_)), Value::Array(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| check_at(of.element(), item, &format!("{path}[{index}]"), false)),
        (Shape::Atomic(_), _) => Ok(()),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}
