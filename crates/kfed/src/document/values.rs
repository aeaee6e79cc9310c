//! Values of the kinds that are asked for. What is wrong is noted, and is as if it were not there.

use std::ops::RangeInclusive;

use super::source::Span;
use super::tree::{Entry, Node, Value};
use super::{Reader, or_rather};

/// The entries of a map whose keys are all known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    what: &'a str,
    node: &'a Node,
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The value at `key`; an empty one is as good as none.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key)
    }

    /// The same, of a key that must be there.
    pub(crate) fn required(&self, key: &str, reader: &mut Reader) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() {
            reader.error(self.node.span, format!("{} lacks key `{key}`", self.what));
        }
        found
    }
}

// === impl Reader ===

impl Reader {
    /// The entries of a map that may have `known` keys and no others.
    pub(crate) fn fields<'a>(&mut self, node: &'a Node, what: &'a str, known: &[&str]) -> Option<Fields<'a>> {
        let Value::Map(entries) = &node.value else {
            self.error(node.span, format!("{what} belongs here, not {}", node.kind()))
                .help(format!("it is a map of {}", known.join(", ")));
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            self.unknown(entry.span, what, &entry.key, known);
        }
        Some(Fields { what, node })
    }

    /// A key that is none of `known`.
    pub(crate) fn unknown(&mut self, at: Span, what: &str, key: &str, known: &[&str]) {
        let help = or_rather(key, known.iter().copied());
        self.error(at, format!("{what} has no key `{key}`")).help(help);
    }

    /// The entries of a map with keys of the user's own.
    pub(crate) fn entries<'a>(&mut self, node: &'a Node, what: &str) -> &'a [Entry] {
        if !matches!(node.value, Value::Map(_)) {
            self.error(node.span, format!("{what} belongs here, not {}", node.kind()));
        }
        node.entries()
    }

    /// The items of a list.
    pub(crate) fn list<'a>(&mut self, node: &'a Node, what: &str) -> &'a [Node] {
        if let Value::List(items) = &node.value {
            return items;
        }
        self.error(node.span, format!("{what} belongs here, not {}", node.kind()));
        &[]
    }

    /// Text, or what YAML takes for something else although its author meant text: zone 1, or a member named `no`.
    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Bool(_) | Value::Int(_) | Value::Number(_) => Some(self.sources.slice(node.span).trim().to_owned()),
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.error(node.span, format!("{what} belongs here, not {}", node.kind()));
                None
            }
        }
    }

    /// A text that `read` can make something of.
    pub(crate) fn parsed<T>(
        &mut self,
        node: &Node,
        what: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(node, what)?;
        read(&text).map_err(|problem| _ = self.error(node.span, problem)).ok()
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let help = or_rather(&text, words.iter().map(|(word, _)| *word));
            self.error(node.span, format!("`{text}` is not {what}")).help(help);
        }
        found
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                self.error(node.span, format!("true or false belongs here, not {}", node.kind()));
                None
            }
        }
    }

    /// A whole number.
    pub(crate) fn number(&mut self, node: &Node) -> Option<i64> {
        let message = match &node.value {
            Value::Int(number) => return Some(*number),
            Value::Number(_) => {
                let shown = self.sources.slice(node.span).trim();
                let digits = shown.trim_start_matches('-');
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    let (size, bound) = if shown.starts_with('-') { ("small", i64::MIN) } else { ("large", i64::MAX) };
                    let (message, most) =
                        (format!("this number is too {size}"), if bound > 0 { "most" } else { "least" });
                    self.error(node.span, message).help(format!("it can be at {most} {bound}"));
                    return None;
                }
                format!("a whole number belongs here, not {}", node.kind())
            }
            _ => format!("a whole number belongs here, not {}", node.kind()),
        };
        let is_quoted = node.as_text().is_some_and(|text| text.parse::<i64>().is_ok());
        let note = self.error(node.span, message);
        if is_quoted {
            note.help("drop its quotes");
        }
        None
    }

    /// A whole number in a range.
    pub(crate) fn number_in(&mut self, node: &Node, range: RangeInclusive<u32>) -> Option<u32> {
        let number = self.number(node)?;
        let fits = u32::try_from(number).ok().filter(|number| range.contains(number));
        if fits.is_none() {
            let (least, most) = range.into_inner();
            self.error(
                node.span,
                format!("{number} is too {}", if number > i64::from(most) { "large" } else { "small" }),
            )
            .help(format!("a number from {least} to {most} belongs here"));
        }
        fits
    }
}
