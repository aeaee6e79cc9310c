//! What is different in some members: JSON patches (RFC 6902), as JSON in one annotation.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::policy::SelectorRequirement;

/// Annotation `kfed.io/overrides`: patches in their order, each for some members.
///
/// ```
/// use kfed_api::overrides::Overrides;
///
/// let overrides: Overrides = r#"[{
///     "clusters": ["fed-west"],
///     "patch": [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "west.example.com/web:1"}]
/// }]"#.parse()?;
/// assert_eq!(overrides.of("fed-west", &Default::default()).count(), 1);
/// assert_eq!(overrides.of("fed-east", &Default::default()).count(), 0);
///
/// let mistake = r#"[{"patch": [{"op": "remove", "path": "/metadata/name"}]}]"#.parse::<Overrides>().unwrap_err();
/// assert_eq!((mistake.line(), mistake.column()), (1, 55));
/// # Ok::<(), kfed_api::overrides::InvalidOverrides>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides(Vec<Override>);

/// A patch, and the members that it is for: those that are named and that the selector matches; all where nothing is said.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Members by name.
    pub clusters: Option<Vec<String>>,
    /// Members by label: all of these.
    #[serde(default)]
    pub selector: Vec<SelectorRequirement>,
    /// What is different there.
    pub patch: Vec<Operation>,
}

/// One operation of a patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Operation {
    /// Puts a value where there is none, or into a list.
    Add {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Takes away what is there.
    Remove {
        /// Where.
        path: Pointer,
    },
    /// Puts another value in the place of what is there.
    Replace {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Takes away what is there and puts it elsewhere.
    Move {
        /// From where.
        from: Pointer,
        /// Where to.
        path: Pointer,
    },
    /// Puts there what is elsewhere too.
    Copy {
        /// From where.
        from: Pointer,
        /// Where to.
        path: Pointer,
    },
    /// Lets the patch fail where the value is another.
    Test {
        /// Where.
        path: Pointer,
        /// What is expected.
        value: Value,
    },
}

/// A JSON pointer (RFC 6901) to a field that may differ between members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pointer(String);

/// An annotation that is no JSON of the right shape, or that changes what must be the same everywhere.
#[derive(Debug, thiserror::Error)]
#[error("invalid overrides: {0}")]
pub struct InvalidOverrides(serde_json::Error);

/// What an object is known by, and what its server says of it, each with all that is below.
const FORBIDDEN: [&str; 13] = [
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/generateName",
    "/metadata/uid",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/creationTimestamp",
    "/metadata/deletionTimestamp",
    "/metadata/finalizers",
    "/metadata/managedFields",
    "/status",
];

// === impl Overrides ===

impl Overrides {
    /// The operations for a member of this name and these labels, in their order.
    pub fn of<'a>(
        &'a self,
        member: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'a Operation> {
        self.0.iter().filter(move |entry| entry.is_for(member, labels)).flat_map(|entry| &entry.patch)
    }

    /// Every operation, for whatever member.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.0.iter().flat_map(|entry| &entry.patch)
    }
}

impl FromStr for Overrides {
    type Err = InvalidOverrides;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json).map(Self).map_err(InvalidOverrides)
    }
}

// === impl Override ===

impl Override {
    fn is_for(&self, member: &str, labels: &BTreeMap<String, String>) -> bool {
        self.clusters.as_ref().is_none_or(|names| names.iter().any(|name| name == member))
            && self.selector.iter().all(|requirement| requirement.matches(labels))
    }
}

// === impl Operation ===

impl Operation {
    /// What it changes; nothing for a test.
    pub fn changes(&self) -> impl Iterator<Item = &Pointer> {
        let (path, from) = match self {
            Self::Add { path, .. } | Self::Remove { path } | Self::Replace { path, .. } => (Some(path), None),
            Self::Move { from, path } => (Some(path), Some(from)),
            Self::Copy { path, .. } => (Some(path), None),
            Self::Test { .. } => (None, None),
        };
        path.into_iter().chain(from)
    }
}

// === impl Pointer ===

impl Pointer {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it leads to `path`, to something in it, or to something that it is in.
    pub fn touches(&self, path: &str) -> bool {
        is_in(&self.0, path) || is_in(path, &self.0)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match mistake(&text) {
            Some(mistake) => Err(de::Error::custom(mistake)),
            None => Ok(Self(text)),
        }
    }
}

fn mistake(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("path `{path}` must begin with `/` (RFC 6901)"));
    }
    let escapes = path.split('~').skip(1);
    if escapes.into_iter().any(|after| !after.starts_with(['0', '1'])) {
        return Some(format!("path `{path}`: `~` is written `~0`, and `/` in a key `~1` (RFC 6901)"));
    }
    let own = ["/metadata/labels/kfed.io~1", "/metadata/annotations/kfed.io~1"];
    if path == "/metadata"
        || FORBIDDEN.iter().any(|forbidden| is_in(path, forbidden))
        || own.iter().any(|own| path.starts_with(own))
    {
        return Some(format!(
            "path `{path}` is the same in every member: what an object is known by, its status, and kfed's own marks"
        ));
    }
    None
}

/// Whether `path` leads to `parent` or into it.
fn is_in(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

// === impl InvalidOverrides ===

impl InvalidOverrides {
    /// The line of the mistake, from 1.
    pub fn line(&self) -> usize {
        self.0.line()
    }

    /// The column of the mistake, from 1.
    pub fn column(&self) -> usize {
        self.0.column()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_for_members_by_name_and_by_label() {
        let overrides: Overrides = r#"[
            {"patch": [{"op": "add", "path": "/metadata/labels/all", "value": "1"}]},
            {"clusters": ["a", "b"], "patch": [{"op": "remove", "path": "/spec/x"}]},
            {"selector": [{"key": "region", "operator": "in", "values": ["eu"]}],
             "patch": [{"op": "test", "path": "/spec/y", "value": 1}, {"op": "replace", "path": "/spec/y", "value": 2}]},
            {"clusters": [], "patch": [{"op": "copy", "from": "/spec/a", "path": "/spec/b"}]}
        ]"#
        .parse()
        .unwrap();
        let eu = BTreeMap::from([("region".to_owned(), "eu".to_owned())]);
        let count = |member, labels: &BTreeMap<_, _>| overrides.of(member, labels).count();
        assert_eq!(count("a", &BTreeMap::new()), 2);
        assert_eq!(count("a", &eu), 4);
        assert_eq!(count("c", &eu), 3);
        assert_eq!(overrides.operations().count(), 5);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, place, words) in [
            (
                "[{\"patch\": [\n {\"op\": \"remove\", \"path\": \"/kind\"}]}]",
                (2, 35),
                "path `/kind` is the same in every member",
            ),
            (
                r#"[{"patch": [{"op": "add", "path": "/metadata/labels/kfed.io~1managed-by", "value": "x"}]}]"#,
                (1, 88),
                "kfed's own marks",
            ),
            (r#"[{"patch": [{"op": "remove", "path": "spec"}]}]"#, (1, 45), "must begin with `/`"),
            (r#"[{"patch": [{"op": "remove", "path": "/a~b"}]}]"#, (1, 45), "`~` is written `~0`"),
            (r#"[{"patch": [{"op": "erase", "path": "/spec"}]}]"#, (1, 26), "unknown variant `erase`"),
            (r#"[{"patch": [{"op": "add", "path": "/spec"}]}]"#, (1, 43), "missing field `value`"),
            (r#"[{"cluster": ["a"], "patch": []}]"#, (1, 11), "unknown field `cluster`"),
            (r#"{"patch": []}"#, (1, 0), "expected a sequence"),
            (r#"[{"patch": }]"#, (1, 12), "expected value"),
        ] {
            let mistake = text.parse::<Overrides>().unwrap_err();
            assert!(mistake.to_string().contains(words), "{mistake}");
            assert_eq!((mistake.line(), mistake.column()), place, "{mistake}");
        }
    }

    #[test]
    fn what_an_operation_touches_is_what_it_leads_to_and_all_around() {
        let pointer = |text: &str| Pointer(text.to_owned());
        assert!(pointer("/spec").touches("/spec/replicas"));
        assert!(pointer("/spec/replicas").touches("/spec/replicas"));
        assert!(pointer("/spec/template/x").touches("/spec/template"));
        assert!(!pointer("/spec/replicasOfMine").touches("/spec/replicas"));
    }
}
