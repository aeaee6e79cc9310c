//! Sets of field paths, and their wire format `FieldsV1`.
//!
//! A set is a tree. The steps of a path are kept as they are written: `f:name`, `k:{"name":"a"}`, `v:"x"`; a node that is itself in
//! the set is a member (written `.` when it has others below it).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of field paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    member: bool,
    children: BTreeMap<String, FieldSet>,
}

/// The step to a field of an object.
pub(super) fn field_step(name: &str) -> String {
    format!("f:{name}")
}

/// The step to a scalar of a set.
pub(super) fn value_step(value: &Value) -> String {
    format!("v:{value}")
}

impl FieldSet {
    /// The set of the given paths of field names.
    pub(super) fn of_names(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let steps: Vec<String> = path.iter().map(|name| field_step(name)).collect();
            set.insert(&steps);
        }
        set
    }

    pub(super) fn insert(&mut self, path: &[String]) {
        let mut node = self;
        for step in path {
            node = node.children.entry(step.clone()).or_default();
        }
        node.member = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Whether the path that leads to this node is in the set.
    pub(super) fn is_member(&self) -> bool {
        self.member
    }

    /// What the set holds below that step.
    pub(super) fn below(&self, step: &str) -> Option<&Self> {
        self.children.get(step)
    }

    pub(super) fn union(&mut self, other: &Self) {
        self.member |= other.member;
        for (step, below) in &other.children {
            self.children.entry(step.clone()).or_default().union(below);
        }
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let children = self
            .children
            .iter()
            .filter_map(|(step, below)| Some((step.clone(), below.intersection(other.children.get(step)?))))
            .filter(|(_, below)| !below.is_empty())
            .collect();
        Self { member: self.member && other.member, children }
    }

    /// Takes the paths of `other` away, and nothing below them.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (step, theirs) in &other.children {
            if let Some(ours) = self.children.get_mut(step) {
                ours.subtract(theirs);
                if ours.is_empty() {
                    self.children.remove(step);
                }
            }
        }
    }

    /// Takes the paths of `other` away with all that is below them.
    pub(super) fn subtract_trees(&mut self, other: &Self) {
        for (step, theirs) in &other.children {
            if theirs.member {
                self.children.remove(step);
            } else if let Some(ours) = self.children.get_mut(step) {
                ours.subtract_trees(theirs);
                if ours.is_empty() {
                    self.children.remove(step);
                }
            }
        }
    }

    /// Keeps the paths that begin with one of `names`, which are fields of the root.
    pub(super) fn retain_roots(&mut self, names: &[&str]) {
        self.children.retain(|step, _| step.strip_prefix("f:").is_some_and(|name| names.contains(&name)));
    }

    /// All paths as people read them: `.spec.containers[name="a"].image`.
    pub(super) fn display_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_owned());
        }
        for (step, below) in &self.children {
            below.collect_paths(&format!("{prefix}{}", display_step(step)), paths);
        }
    }

    /// As `FieldsV1`.
    pub(super) fn to_value(&self) -> Value {
        let mut object = Map::new();
        if self.member && !self.children.is_empty() {
            object.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (step, below) in &self.children {
            object.insert(step.clone(), below.to_value());
        }
        Value::Object(object)
    }

    /// From `FieldsV1`; `None` if it is none.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (step, below) in value.as_object()? {
            match step.as_str() {
                "." => set.member = true,
                _ if step.starts_with("f:")
                    || step.starts_with("v:")
                    || step.starts_with("k:")
                    || step.starts_with("i:") =>
                {
                    let mut child = Self::from_value(below)?;
                    child.member |= child.children.is_empty();
                    set.children.insert(step.clone(), child);
                }
                _ => return None,
            }
        }
        Some(set)
    }
}

fn display_step(step: &str) -> String {
    let Some((tag, rest)) = step.split_once(':') else { return step.to_owned() };
    match tag {
        "f" => format!(".{rest}"),
        "v" => format!("[={rest}]"),
        "k" => match serde_json::from_str::<Map<String, Value>>(rest) {
            Ok(keys) => {
                let keys: BTreeMap<_, _> = keys.iter().collect();
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
            Err(_) => format!("[{rest}]"),
        },
        _ => format!("[{rest}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(value: &Value) -> FieldSet {
        FieldSet::from_value(value).unwrap()
    }

    #[test]
    fn the_wire_format_survives_a_round_trip() {
        let wire = json!({"f:data": {".": {}, "f:k": {}}, "f:spec": {"f:ports": {"k:{\"port\":80}": {".": {}, "f:name": {}}}, "f:zones": {"v:\"x\"": {}}}});
        assert_eq!(set(&wire).to_value(), wire);
        assert_eq!(FieldSet::from_value(&json!({"data": {}})), None);
    }

    #[test]
    fn paths_read_as_in_conflict_messages() {
        let wire = json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}, "f:zones": {"v:\"x\"": {}}}});
        assert_eq!(
            set(&wire).display_paths(),
            ["[port=80,protocol=\"TCP\"]", "[port=80,protocol=\"TCP\"].name"]
                .map(|path| format!(".spec.ports{path}"))
                .into_iter()
                .chain([".spec.zones[=\"x\"]".to_owned()])
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn subtracting_leaves_what_is_below_and_subtracting_trees_does_not() {
        let all = set(&json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}}));
        let a = set(&json!({"f:a": {}}));
        let mut rest = all.clone();
        rest.subtract(&a);
        assert_eq!(rest.to_value(), json!({"f:a": {"f:b": {}}, "f:c": {}}));
        let mut rest = all.clone();
        rest.subtract_trees(&a);
        assert_eq!(rest.to_value(), json!({"f:c": {}}));
        assert_eq!(all.intersection(&a).to_value(), json!({"f:a": {}}));
    }
}
