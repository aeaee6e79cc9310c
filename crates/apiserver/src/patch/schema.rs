//! What the patch algorithms must know of each kind: which maps and lists are atomic, which lists are keyed and by what.
//!
//! The table is `types.txt`, one type a line; it is parsed once. Kinds that are not in it (custom resources among them) get a
//! lenient type: metadata as everywhere, `status.conditions` keyed by `type`, every other list atomic.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

static TYPES: LazyLock<HashMap<&'static str, Type>> = LazyLock::new(|| parse(include_str!("types.txt")));
static CUSTOM: Field = Field::of(Shape::Struct("CustomResource"));
static UNTYPED: Field = Field::of(Shape::Any);

/// A struct: its fields by name.
#[derive(Debug, Default)]
pub(super) struct Type {
    fields: HashMap<&'static str, Field>,
    /// Fields that are not listed are allowed.
    open: bool,
    /// Has apiVersion and kind of its own.
    kind: bool,
}

/// How a field merges.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) shape: Shape,
    /// Strategic merge patch: the list is merged; by this key, or as a set of scalars when the key is empty.
    pub(super) patch_merge: Option<&'static str>,
    /// Strategic merge patch: the map is replaced.
    pub(super) patch_replace: bool,
}

impl Field {
    const fn of(shape: Shape) -> Self {
        Self { shape, patch_merge: None, patch_replace: false }
    }
}

/// The structure of a value (structured merge and diff, KEP-555).
#[derive(Debug)]
pub(super) enum Shape {
    /// Untyped: an object is granular, a list atomic, all else a scalar.
    Any,
    /// Owned and replaced as a whole.
    Atomic(Option<&'static str>),
    Struct(&'static str),
    /// Free keys; the values are of that type, or scalars.
    Map(Option<&'static str>),
    /// A list of distinct scalars.
    Set,
    /// A list of objects told apart by some of their fields.
    Keyed {
        keys: Vec<Key>,
        element: Box<Field>,
    },
}

/// A key field of a list, with the value it has when it is absent.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) default: Option<Value>,
}

/// The root type of a kind. The group matters, as custom resources may share a built-in kind's name.
pub(super) fn root(api_version: &str, kind: &str) -> &'static Field {
    if is_built_in_group(api_version) { root_of_kind(kind) } else { &CUSTOM }
}

/// The root type of a kind that is known to be a built-in one.
pub(super) fn root_of_kind(kind: &str) -> &'static Field {
    static ROOTS: LazyLock<HashMap<&'static str, Field>> = LazyLock::new(|| {
        TYPES.iter().filter(|(_, of)| of.kind).map(|(name, _)| (*name, Field::of(Shape::Struct(name)))).collect()
    });
    ROOTS.get(kind).unwrap_or(&CUSTOM)
}

/// Whether the root is that of a built-in kind that has a status.
pub(super) fn has_typed_status(root: &Field) -> bool {
    match &root.shape {
        Shape::Struct(name) => *name != "CustomResource" && lookup(name).fields.contains_key("status"),
        _ => false,
    }
}

fn is_built_in_group(api_version: &str) -> bool {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    matches!(
        group,
        "" | "apps"
            | "autoscaling"
            | "batch"
            | "policy"
            | "apiextensions.k8s.io"
            | "coordination.k8s.io"
            | "discovery.k8s.io"
            | "events.k8s.io"
            | "networking.k8s.io"
            | "rbac.authorization.k8s.io"
    )
}

impl Field {
    /// The field of that name below this one.
    pub(super) fn child(&self, name: &str) -> &'static Field {
        match &self.shape {
            Shape::Struct(of) => lookup(of).fields.get(name).unwrap_or(&UNTYPED),
            Shape::Map(Some(of)) | Shape::Atomic(Some(of)) => struct_field(of),
            _ => &UNTYPED,
        }
    }

    /// Whether a field of that name may be there.
    pub(super) fn declares(&self, name: &str, at_root: bool) -> bool {
        match &self.shape {
            Shape::Struct(of) => {
                let of = lookup(of);
                of.open || of.fields.contains_key(name) || (at_root && matches!(name, "apiVersion" | "kind"))
            }
            _ => true,
        }
    }

    /// The type of the elements of a list.
    pub(super) fn element(&self) -> &Field {
        match &self.shape {
            Shape::Keyed { element, .. } => element,
            Shape::Atomic(Some(of)) => struct_field(of),
            _ => &UNTYPED,
        }
    }

    /// A free map, whose keys are data and no field names.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.shape, Shape::Map(_))
    }
}

fn lookup(name: &str) -> &'static Type {
    static EMPTY: LazyLock<Type> = LazyLock::new(|| Type { open: true, ..Type::default() });
    TYPES.get(name).unwrap_or(&EMPTY)
}

/// The field whose shape is the struct of that name.
fn struct_field(name: &str) -> &'static Field {
    static STRUCTS: LazyLock<HashMap<&'static str, Field>> =
        LazyLock::new(|| TYPES.keys().map(|name| (*name, Field::of(Shape::Struct(name)))).collect());
    STRUCTS.get(name).unwrap_or(&UNTYPED)
}

fn parse(text: &'static str) -> HashMap<&'static str, Type> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(parse_type).collect()
}

fn parse_type(line: &'static str) -> Option<(&'static str, Type)> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?;
    let mut of = Type::default();
    for word in words {
        match word {
            "!" => of.kind = true,
            "..." => of.open = true,
            _ => {
                let (field, shape) = word.split_once(':').unwrap_or((word, ""));
                of.fields.insert(field, parse_field(shape));
            }
        }
    }
    Some((name, of))
}

fn parse_field(text: &'static str) -> Field {
    let text = text.strip_suffix('~').unwrap_or(text);
    let (text, patch_replace) = text.strip_suffix('!').map_or((text, false), |text| (text, true));
    let (text, merge) = text.split_once('+').map_or((text, None), |(text, key)| (text, Some(key)));
    let name = |text: &'static str| (!text.is_empty()).then_some(text);
    let mut first_key = "";
    let shape = if text.is_empty() {
        Shape::Any
    } else if text == "<>" {
        Shape::Set
    } else if let Some(of) = text.strip_prefix('@') {
        Shape::Atomic(name(of))
    } else if let Some(of) = text.strip_prefix('*') {
        Shape::Map(name(of))
    } else if let Some((keys, element)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let keys: Vec<Key> = keys.split(',').map(parse_key).collect();
        first_key = keys.first().map_or("", |key| key.name);
        Shape::Keyed { keys, element: Box::new(parse_field(element)) }
    } else {
        Shape::Struct(text)
    };
    Field { shape, patch_merge: merge.map(|key| if key.is_empty() { first_key } else { key }), patch_replace }
}

fn parse_key(text: &'static str) -> Key {
    match text.split_once('=') {
        Some((name, default)) => Key { name, default: Some(Value::from(default)) },
        None => Key { name: text, default: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        for (name, of) in TYPES.iter() {
            for (field_name, field) in &of.fields {
                let named = match &field.shape {
                    Shape::Struct(of) | Shape::Map(Some(of)) | Shape::Atomic(Some(of)) => Some(*of),
                    Shape::Keyed { element, .. } => match &element.shape {
                        Shape::Struct(of) | Shape::Atomic(Some(of)) => Some(*of),
                        _ => None,
                    },
                    _ => None,
                };
                if let Some(of) = named {
                    assert!(TYPES.contains_key(of), "{name}.{field_name} is of {of}, which nobody describes");
                }
            }
        }
    }

    #[test]
    fn ports_of_a_service_are_keyed_by_port_and_protocol_and_patched_by_port() {
        let ports = root("v1", "Service").child("spec").child("ports");
        assert_eq!(ports.patch_merge, Some("port"));
        let Shape::Keyed { keys, .. } = &ports.shape else { panic!("{ports:?}") };
        assert_eq!(keys.iter().map(|key| key.name).collect::<Vec<_>>(), ["port", "protocol"]);
        assert_eq!(keys[1].default, Some(Value::from("TCP")));
    }

    #[test]
    fn a_custom_resource_that_is_called_like_a_built_in_kind_is_not_taken_for_it() {
        assert!(matches!(root("serving.knative.dev/v1", "Service").child("spec").child("ports").shape, Shape::Any));
        assert!(matches!(root("v1", "NoSuchKind").child("status").child("conditions").shape, Shape::Keyed { .. }));
    }
}
