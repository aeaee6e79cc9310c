//! `metadata.managedFields`: who owns which fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Manager;
use super::fields::FieldSet;

/// Updaters beyond this number are folded into one, oldest first.
const MAX_UPDATERS: usize = 10;
const ANCIENT: &str = "ancient-changes";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One manager's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
    pub(super) subresource: Option<String>,
    pub(super) fields: FieldSet,
}

impl Entry {
    pub(super) fn new(manager: &Manager<'_>, operation: Operation, fields: FieldSet) -> Self {
        Self {
            manager: manager.name.to_owned(),
            operation,
            api_version: manager.api_version.to_owned(),
            // The scale subresource keeps no time (it rewrites the entries of its parent kind).
            time: (manager.subresource != Some("scale")).then(|| manager.time.to_owned()),
            subresource: manager.subresource.map(str::to_owned),
            fields,
        }
    }

    /// An applier is the same whatever version it applies in; an updater is not.
    pub(super) fn is_of(&self, manager: &Manager<'_>, operation: Operation) -> bool {
        self.operation == operation
            && self.manager == manager.name
            && self.subresource.as_deref() == manager.subresource
            && (operation == Operation::Apply || self.api_version == manager.api_version)
    }

    /// As conflict messages name it.
    pub(super) fn display_name(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if let Some(subresource) = &self.subresource {
            text.push_str(&format!(" with subresource {subresource:?}"));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    fn decode(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            manager: text("manager").unwrap_or_default(),
            operation: match value.get("operation")?.as_str()? {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            },
            api_version: text("apiVersion")?,
            time: text("time"),
            subresource: text("subresource").filter(|name| !name.is_empty()),
            fields: value.get("fieldsV1").map_or_else(|| Some(FieldSet::default()), FieldSet::from_value)?,
        })
    }

    fn encode(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("manager".to_owned(), json!(self.manager));
        entry.insert("operation".to_owned(), json!(self.operation.name()));
        entry.insert("apiVersion".to_owned(), json!(self.api_version));
        if let Some(time) = &self.time {
            entry.insert("time".to_owned(), json!(time));
        }
        entry.insert("fieldsType".to_owned(), json!("FieldsV1"));
        entry.insert("fieldsV1".to_owned(), self.fields.to_value());
        if let Some(subresource) = &self.subresource {
            entry.insert("subresource".to_owned(), json!(subresource));
        }
        Value::Object(entry)
    }
}

/// The entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Managers(pub(super) Vec<Entry>);

impl Managers {
    /// The entries of the object; `None` if one is not understood.
    pub(super) fn decode(object: &Value) -> Option<Self> {
        let Some(Value::Array(entries)) = object.pointer("/metadata/managedFields") else {
            return Some(Self::default());
        };
        entries.iter().map(Entry::decode).collect::<Option<_>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the entry of that manager out.
    pub(super) fn take(&mut self, manager: &Manager<'_>, operation: Operation) -> Option<Entry> {
        let place = self.0.iter().position(|entry| entry.is_of(manager, operation))?;
        Some(self.0.remove(place))
    }

    /// What all of them own.
    pub(super) fn all_fields(&self) -> FieldSet {
        let mut all = FieldSet::default();
        self.0.iter().for_each(|entry| all.union(&entry.fields));
        all
    }

    /// All of them lose these fields; who has none left goes.
    pub(super) fn disown(&mut self, fields: &FieldSet) {
        self.0.iter_mut().for_each(|entry| entry.fields.subtract(fields));
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Writes the entries into the object's metadata; without any the field goes.
    pub(super) fn encode_into(mut self, object: &mut Value) {
        self.fold_old_updaters();
        self.0.retain(|entry| !entry.fields.is_empty());
        self.0.sort_by(|a, b| {
            (a.operation, &a.time, &a.manager, &a.api_version, &a.subresource).cmp(&(
                b.operation,
                &b.time,
                &b.manager,
                &b.api_version,
                &b.subresource,
            ))
        });
        let Some(root) = object.as_object_mut() else { return };
        let metadata = root.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        let Some(metadata) = metadata.as_object_mut() else { return };
        if self.0.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), self.0.iter().map(Entry::encode).collect());
        }
    }

    fn fold_old_updaters(&mut self) {
        let mut updaters: Vec<usize> = (0..self.0.len())
            .filter(|&at| self.0[at].operation == Operation::Update && self.0[at].subresource.is_none())
            .collect();
        if updaters.len() <= MAX_UPDATERS {
            return;
        }
        updaters.sort_by(|&a, &b| self.0[b].time.cmp(&self.0[a].time).then(self.0[b].manager.cmp(&self.0[a].manager)));
        let mut folded: BTreeMap<String, Entry> = BTreeMap::new();
        // The folded one of each version takes a place of its own.
        let mut old = updaters.split_off(MAX_UPDATERS - 1);
        old.sort_unstable();
        for at in old.into_iter().rev() {
            let entry = self.0.remove(at);
            match folded.get_mut(&entry.api_version) {
                Some(into) => {
                    into.fields.union(&entry.fields);
                    into.time = into.time.take().max(entry.time);
                }
                None => {
                    folded.insert(entry.api_version.clone(), Entry { manager: ANCIENT.to_owned(), ..entry });
                }
            }
        }
        self.0.extend(folded.into_values());
    }
}
