//! Server-side apply, and the ownership that other writes leave behind (KEP-555).

use serde_json::{Map, Value};

use super::fields::FieldSet;
use super::managers::{Entry, Managers, Operation};
use super::schema::{self, Field};
use super::typed::{self, Comparison};
use super::zero::empty_object;
use super::{FieldConflict, Manager, PatchError};

/// Takes over the fields of an object that nobody has tracked so far.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// What the server itself writes into metadata, and no apply may change.
const SYSTEM_METADATA: [&str; 7] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The live object after a manager has applied its configuration.
///
/// The configuration is merged in; fields that this manager applied before and no longer does go, unless somebody else owns them too.
/// An apply that changes nothing gives the live object as it was, times and all. The caller sets defaults afterwards: defaults are
/// owned by nobody.
///
/// # Errors
/// `BadRequest` for a configuration with managedFields, `Schema` for a field that the kind does not have, `Conflict` for fields with
/// another value that others own, unless `force` takes them away.
pub(crate) fn apply(
    kind: &str,
    live: Option<&Value>,
    applied: &Value,
    manager: &Manager<'_>,
    force: bool,
) -> Result<Value, PatchError> {
    if applied.pointer("/metadata/managedFields").is_some_and(|entries| !entries.is_null()) {
        return Err(PatchError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let root = schema::root(manager.api_version, kind);
    typed::check(root, applied).map_err(|cause| {
        PatchError::Schema(format!(
            "failed to create typed patch object ({}): {cause}",
            describe(kind, applied, manager)
        ))
    })?;
    let scope = Scope::of(root, manager);

    let base = live.map_or_else(|| Value::Object(Map::new()), without_managed_fields);
    let mut managers = live.and_then(Managers::decode).unwrap_or_default();
    let tracked = managers.clone();
    if live.is_some() && managers.is_empty() {
        managers.0.extend(adopt_untracked(root, kind, &base, manager));
    }
    let previous = managers.take(manager, Operation::Apply);

    let mut config = typed::fields_of(root, applied);
    scope.filter(&mut config);
    let mut merged = typed::merge(root, Some(&base), applied);
    if let Some(previous) = &previous {
        let mut kept = managers.all_fields();
        kept.union(&config);
        merged = typed::prune(root, &merged, &previous.fields, &kept).unwrap_or_else(|| Value::Object(Map::new()));
    }
    keep_system_metadata(live, &mut merged);

    let mut changes = typed::compare(root, &base, &merged);
    scope.filter_changes(&mut changes);
    let conflicts: Vec<FieldConflict> =
        managers.0.iter().flat_map(|entry| conflicts_with(entry, &changes.written)).collect();
    if !conflicts.is_empty() && !force {
        return Err(PatchError::Conflict(conflicts));
    }
    managers.disown(&changes.written);
    managers.disown(&changes.removed);

    without_server_fields(&mut config);
    let unchanged = previous.as_ref().map_or(config.is_empty(), |previous| previous.fields == config);
    if unchanged
        && let Some(live) = live
        && !tracked.is_empty()
        && (merged == base || as_stored(kind, manager, &merged) == base)
    {
        return Ok(live.clone());
    }
    managers.0.push(Entry::new(manager, Operation::Apply, config));
    managers.encode_into(&mut merged);
    Ok(merged)
}

/// Records in `after` who owns what it changes of `before` (operation Update); the others lose those fields.
///
/// The managedFields that `after` carries count where they are understood (clients migrate ownership so), except through a
/// subresource; `[{}]` drops them all, and what has none is no longer tracked until the next apply. A change of nothing else leaves
/// them as they were.
pub(crate) fn track_update(kind: &str, before: Option<&Value>, after: &mut Value, manager: &Manager<'_>) {
    let root = schema::root(manager.api_version, kind);
    let live = before.and_then(Managers::decode).unwrap_or_default();
    let mut managers = match supplied_managers(after) {
        Supplied::Reset if manager.subresource.is_none() => Managers::default(),
        Supplied::Entries(entries) if manager.subresource.is_none() => entries,
        _ => live.clone(),
    };
    if before.is_some() && managers.is_empty() {
        managers.encode_into(after);
        return;
    }
    let empty = before.is_none().then(|| empty_object(manager.api_version, kind));
    let base = before.or(empty.as_ref()).unwrap_or(&Value::Null);
    let mut changes = typed::compare(root, base, after);
    Scope::of(root, manager).filter_changes(&mut changes);
    // managedFields is among them: whatever became of it is no change.
    without_server_fields(&mut changes.written);
    without_server_fields(&mut changes.removed);
    if changes.is_same() && managers == live {
        if let Some(fields) = before.and_then(|before| before.pointer("/metadata/managedFields"))
            && let Some(metadata) = after.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.insert("managedFields".to_owned(), fields.clone());
        }
        return;
    }
    let previous = managers.take(manager, Operation::Update);
    managers.disown(&changes.written);
    managers.disown(&changes.removed);
    match previous {
        Some(mut entry) => {
            entry.fields.subtract(&changes.removed);
            if !changes.written.is_empty() {
                entry.fields.union(&changes.written);
                entry.time = Entry::new(manager, Operation::Update, FieldSet::default()).time;
            }
            managers.0.push(entry);
        }
        None => managers.0.push(Entry::new(manager, Operation::Update, changes.written)),
    }
    managers.encode_into(after);
}

/// Which part of an object a write may own: the main resource all but status, the status subresource nothing but it.
struct Scope {
    status_is_apart: bool,
    is_status: bool,
}

impl Scope {
    fn of(root: &Field, manager: &Manager<'_>) -> Self {
        Self { status_is_apart: schema::has_typed_status(root), is_status: manager.subresource == Some("status") }
    }

    fn filter(&self, fields: &mut FieldSet) {
        if self.is_status {
            fields.retain_roots(&["apiVersion", "kind", "metadata", "status"]);
        } else if self.status_is_apart {
            fields.subtract_trees(&FieldSet::of_names(&[&["status"]]));
        }
    }

    fn filter_changes(&self, changes: &mut Comparison) {
        self.filter(&mut changes.written);
        self.filter(&mut changes.removed);
    }
}

/// Nobody owns what identifies an object or what the server writes.
fn without_server_fields(fields: &mut FieldSet) {
    fields.subtract(&FieldSet::of_names(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ]));
}

fn adopt_untracked(root: &Field, kind: &str, base: &Value, manager: &Manager<'_>) -> Option<Entry> {
    let mut present = typed::compare(root, &empty_object(manager.api_version, kind), base);
    Scope::of(root, manager).filter_changes(&mut present);
    without_server_fields(&mut present.written);
    let adopter = Manager { name: BEFORE_FIRST_APPLY, ..*manager };
    (!present.written.is_empty()).then(|| Entry::new(&adopter, Operation::Update, present.written))
}

fn conflicts_with(entry: &Entry, written: &FieldSet) -> Vec<FieldConflict> {
    let fields = entry.fields.intersection(written).display_paths();
    fields.into_iter().map(|field| FieldConflict { manager: entry.display_name(), field }).collect()
}

/// The object as it would be stored: a quantity of 1000m that is applied again is no change of the 1 that is there.
fn as_stored(kind: &str, manager: &Manager<'_>, merged: &Value) -> Value {
    let mut stored = merged.clone();
    crate::defaults::apply(manager.api_version, kind, &mut stored);
    stored
}

enum Supplied {
    Nothing,
    Reset,
    Entries(Managers),
}

fn supplied_managers(object: &Value) -> Supplied {
    match object.pointer("/metadata/managedFields").and_then(Value::as_array).map(Vec::as_slice) {
        None | Some([]) => Supplied::Nothing,
        Some([Value::Object(only)]) if only.is_empty() => Supplied::Reset,
        Some(_) => Managers::decode(object).map_or(Supplied::Nothing, Supplied::Entries),
    }
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

fn keep_system_metadata(live: Option<&Value>, merged: &mut Value) {
    let Some(live) = live.and_then(|live| live.get("metadata")) else { return };
    let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for name in SYSTEM_METADATA {
        match live.get(name) {
            Some(value) => metadata.insert(name.to_owned(), value.clone()),
            None => metadata.remove(name),
        };
    }
}

fn describe(kind: &str, applied: &Value, manager: &Manager<'_>) -> String {
    let text = |pointer| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = manager.api_version.split_once('/').unwrap_or(("", manager.api_version));
    format!("{}/{}; {group}/{version}, Kind={kind}", text("/metadata/namespace"), text("/metadata/name"))
}
