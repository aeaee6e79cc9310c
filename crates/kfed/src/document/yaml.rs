//! Trees from YAML.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};

use super::json::DEPTH;
use super::notes::Note;
use super::source::Span;
use super::tree::{Entry, Node, Value};

/// The documents of a YAML stream; those without content are left out.
pub(super) fn read(source: usize, text: &str) -> Result<Vec<Node>, Note> {
    // The library's own limits are for requests from strangers; ten thousand workloads pass them. Aliases keep theirs.
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH,
        max_events: usize::MAX,
        max_nodes: usize::MAX,
        max_documents: usize::MAX,
        max_total_scalar_bytes: usize::MAX,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        // The reader tells them, all of them.
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let documents: Vec<Spanned<Raw>> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| mistake(source, text, &error))?;
    Ok(documents.into_iter().map(|raw| node(source, raw)).collect())
}

/// A node whose children alone know their places.
struct Raw(RawValue);

enum RawValue {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(source: usize, raw: Spanned<Raw>) -> Node {
    let value = match raw.value.0 {
        RawValue::Scalar(value) => value,
        RawValue::List(items) => Value::List(items.into_iter().map(|item| node(source, item)).collect()),
        RawValue::Map(entries) => {
            let entry = |(key, value): (Spanned<String>, Spanned<Raw>)| Entry {
                span: span(source, key.defined),
                key: key.value,
                node: node(source, value),
            };
            Value::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node { value, span: span(source, raw.defined) }
}

fn span(source: usize, location: Location) -> Span {
    let number = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let start = number(location.span().byte_offset());
    Span::new(source, start, start + number(location.span().byte_len()))
}

/// An error of the library in the words and with the place of the other mistakes.
fn mistake(source: usize, text: &str, error: &Error) -> Note {
    let error = error.without_snippet();
    let at = error.location().map(|location| match location.span().byte_offset() {
        Some(_) => span(source, location),
        None => by_column(source, text, &location),
    });
    // The library tells the place in its message too, at its end.
    let message = error.render();
    let message = message.lines().next().unwrap_or_default();
    let message = message.split(" at line ").next().unwrap_or(message).trim_end_matches(',');
    let is_deep = ["recursion limit", "budget breached: Depth"].iter().any(|deep| message.starts_with(deep));
    let deep = format!("lists and maps lie more than {DEPTH} deep in each other");
    let message = if is_deep { &deep } else { message };
    Note {
        is_error: true,
        message: format!("this is no YAML: {message}"),
        help: at.and_then(|at| remedy(line_of(text, at.range().start))).map(str::to_owned),
        at,
    }
}

/// What is likely wrong with a line.
fn remedy(line: &str) -> Option<&'static str> {
    let rest = line.trim_start();
    if line[..line.len() - rest.len()].contains('\t') {
        Some("YAML is indented with spaces, never with tabs")
    } else if rest.starts_with("*:") || line.contains("{*:") || line.contains(" *:") {
        Some("`*` has a meaning of its own in YAML: write it as \"*\"")
    } else {
        None
    }
}

/// The line that a byte is in.
fn line_of(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    text[start..].lines().next().unwrap_or_default()
}

fn by_column(source: usize, text: &str, location: &Location) -> Span {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let mut lines = text.split_inclusive('\n');
    let start: usize = lines.by_ref().take(number(location.line())).map(str::len).sum();
    let line = lines.next().unwrap_or_default();
    let column = line.char_indices().nth(number(location.column())).map_or(0, |(at, _)| at);
    Span::new(source, start + column, start + column)
}

// === impl Raw ===

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(scalar(Value::Null))
            }

            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(scalar(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(scalar(Value::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(scalar(Value::Int(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(scalar(i64::try_from(value).map_or(Value::Number(value as f64), Value::Int)))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
                Ok(scalar(i64::try_from(value).map_or(Value::Number(value as f64), Value::Int)))
            }

            fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
                Ok(scalar(i64::try_from(value).map_or(Value::Number(value as f64), Value::Int)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
                Ok(scalar(Value::Number(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(scalar(Value::Text(value.to_owned())))
            }

            fn visit_string<E>(self, value: String) -> Result<Raw, E> {
                Ok(scalar(Value::Text(value)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element()? {
                    items.push(item);
                }
                Ok(Raw(RawValue::List(items)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw(RawValue::Map(entries)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn scalar(value: Value) -> Raw {
    Raw(RawValue::Scalar(value))
}
