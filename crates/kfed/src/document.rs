//! Documents in YAML, which JSON is a part of, whose every value knows its place: a mistake is shown where it stands.

use std::fmt;
use std::path::Path;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Document {
    path: String,
    text: String,
    pub(crate) root: Node,
}

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: SourceSpan,
}

/// A value.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The key of an entry and where it stands.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) span: SourceSpan,
}

/// The entries of a map whose keys are all known.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    what: &'a str,
    node: &'a Node,
    entries: &'a [(Key, Node)],
}

/// Something wrong at a place.
#[derive(Debug)]
pub(crate) struct Fault {
    span: SourceSpan,
    problem: String,
    help: Option<String>,
}

/// The same, shown in its file.
#[derive(Debug, thiserror::Error)]
#[error("{path}:{line}:{column}: {}", fault.problem)]
pub(crate) struct Mistake {
    path: String,
    line: usize,
    column: usize,
    source_code: NamedSource<String>,
    fault: Fault,
}

/// A name nearer than this to a known one is likely meant to be it.
const NEAR: usize = 3;

// === impl Document ===

impl Document {
    /// Reads `text`, which came from `path`.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, Box<Mistake>> {
        let path = path.display().to_string();
        let root = match serde_saphyr::from_str::<Spanned<Value>>(&text) {
            Ok(root) => root.into(),
            Err(error) => {
                let error = error.without_snippet();
                let at = error.location().map_or(0, |location| offset(&text, location));
                let said = error.to_string();
                // The place is told already, and the parser's settings are nobody's concern.
                let problem = [" at line ", ", set DuplicateKeyPolicy"]
                    .iter()
                    .fold(&*said, |said, end| said.split_once(end).map_or(said, |(before, _)| before));
                let fault = Fault::new((at, 0).into(), format!("this is neither YAML nor JSON: {problem}"));
                return Err(Box::new(fault.shown(&path, &text)));
            }
        };
        Ok(Self { path, text, root })
    }

    /// Shows `fault` in the file.
    pub(crate) fn mistake(&self, fault: Fault) -> Box<Mistake> {
        Box::new(fault.shown(&self.path, &self.text))
    }
}

// === impl Node ===

impl Node {
    /// Something wrong with it.
    pub(crate) fn fault(&self, problem: impl Into<String>) -> Fault {
        Fault::new(self.span, problem)
    }

    /// The entries of a map that may have `known` keys and no others.
    pub(crate) fn fields<'a>(&'a self, what: &'a str, known: &[&str]) -> Result<Fields<'a>, Fault> {
        let entries = self.map(what)?;
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                let problem = format!("`{}` is no key of {what}", key.name);
                return Err(Fault::new(key.span, problem).help(nearest("key", &key.name, known.iter().copied())));
            }
        }
        Ok(Fields { what, node: self, entries })
    }

    /// The entries of a map with keys of the user's own.
    pub(crate) fn map(&self, what: &str) -> Result<&[(Key, Node)], Fault> {
        let Value::Map(entries) = &self.value else { return Err(self.is_no("map", what)) };
        for (n, (key, _)) in entries.iter().enumerate() {
            if entries[..n].iter().any(|(earlier, _)| earlier.name == key.name) {
                return Err(Fault::new(key.span, format!("`{}` stands twice in {what}", key.name)));
            }
        }
        Ok(entries)
    }

    pub(crate) fn list(&self, what: &str) -> Result<&[Node], Fault> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.is_no("list", what)),
        }
    }

    /// A text; numbers are texts too, as zones often are.
    pub(crate) fn text(&self, what: &str) -> Result<String, Fault> {
        match &self.value {
            Value::Text(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            _ => Err(self.is_no("text", what)),
        }
    }

    pub(crate) fn boolean(&self, what: &str) -> Result<bool, Fault> {
        match self.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.is_no("true or false", what)),
        }
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn number(&self, what: &str, least: u32, most: u32) -> Result<u32, Fault> {
        let Value::Integer(number) = self.value else { return Err(self.is_no("whole number", what)) };
        let fits = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
        fits.ok_or_else(|| self.fault(format!("{what} is {number}: it is a number from {least} to {most}")))
    }

    /// A text that `read` can make something of.
    pub(crate) fn parsed<T>(&self, what: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Fault> {
        let text = self.text(what)?;
        read(&text).map_err(|problem| self.fault(problem))
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, what: &str, words: &[(&str, T)]) -> Result<T, Fault> {
        let text = self.text(what)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let fault = self.fault(format!("`{text}` is no {what}"));
            fault.help(nearest("word", &text, words.iter().map(|(word, _)| *word)))
        })
    }

    fn is_no(&self, wanted: &str, what: &str) -> Fault {
        let is = match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Integer(_) | Value::Float => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        };
        let article = if wanted == "true or false" || wanted == "text" { "" } else { "a " };
        self.fault(format!("{what} is {is}, not {article}{wanted}"))
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { span: span(spanned.referenced), value: spanned.value }
    }
}

fn span(location: Location) -> SourceSpan {
    let span = location.span();
    let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    let (offset, len) = (number(span.byte_offset()), number(span.byte_len()));
    (offset.unwrap_or_default(), len.unwrap_or_default()).into()
}

/// Where a place that is told by line and column is, in bytes.
fn offset(text: &str, location: Location) -> usize {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(1);
    let (line, column) = (number(location.line()), number(location.column()));
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    text[before..].char_indices().nth(column).map_or(text.len(), |(at, _)| before + at)
}

// === impl Value ===

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Value>>()? {
            entries.push((Key { span: span(key.referenced), name: key.value }, value.into()));
        }
        Ok(Value::Map(entries))
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The value at `key`; an empty one is as good as none.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        let found = self.entries.iter().find(|(entry, _)| entry.name == key);
        found.map(|(_, node)| node).filter(|node| !matches!(node.value, Value::Null))
    }

    pub(crate) fn required(&self, key: &str) -> Result<&'a Node, Fault> {
        self.get(key).ok_or_else(|| self.node.fault(format!("{} lacks key `{key}`", self.what)))
    }
}

// === impl Fault ===

impl Fault {
    pub(crate) fn new(span: SourceSpan, problem: impl Into<String>) -> Self {
        Self { span, problem: problem.into(), help: None }
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    fn shown(mut self, path: &str, text: &str) -> Mistake {
        let at = self.span.offset().min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        // Maps and lists may span pages: their first line tells enough.
        let rest = text.get(at..).unwrap_or_default();
        let first = rest.split('\n').next().map_or(0, str::len);
        self.span = (at, self.span.len().clamp(1, first.max(1)).min(rest.len())).into();
        let source_code = NamedSource::new(path, text.to_owned());
        Mistake { path: path.to_owned(), line, column, source_code, fault: self }
    }
}

impl Diagnostic for Mistake {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.fault.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(Some("here".to_owned()), self.fault.span))))
    }
}

/// What was likely meant by `text`, and what there is.
pub(crate) fn nearest<'a>(kind: &str, text: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let all = known.clone().collect::<Vec<_>>().join(", ");
    let near = known.map(|known| (distance(&text.to_lowercase(), &known.to_lowercase()), known)).min();
    match near {
        Some((distance, near)) if distance < NEAR.min(near.len()) => format!("did you mean `{near}`? There are: {all}"),
        Some(_) => format!("there are: {all}"),
        None => format!("there is no {kind}"),
    }
}

/// How many letters have to be changed, put in or left out to make one text of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, d) in b.iter().enumerate() {
            let changed = diagonal + usize::from(c != *d);
            let least = changed.min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], least);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(Path::new("f.yaml"), text.to_owned()).unwrap()
    }

    #[test]
    fn values_and_keys_know_where_they_stand() {
        let text = "a: 1\nlong: [x, {deep: true}]\n";
        let document = document(text);
        let at = |span: SourceSpan| &text[span.offset()..span.offset() + span.len()];
        let entries = document.root.map("it").unwrap();
        assert_eq!((entries[1].0.name.as_str(), at(entries[1].0.span)), ("long", "long"));
        let items = entries[1].1.list("it").unwrap();
        assert_eq!(at(items[0].span), "x");
        let deep = &items[1].map("it").unwrap()[0];
        assert_eq!((at(deep.0.span), at(deep.1.span)), ("deep", "true"));
        assert!(deep.1.boolean("it").unwrap());
    }

    #[test]
    fn json_is_read_as_well_with_tabs_and_escapes() {
        let json = "{\n\t\"a\": [1, 2.5, null, \"x\\u0041\\/\"],\n\t\"b\": {\"c\": false}\n}\n";
        let document = document(json);
        let fields = document.root.fields("it", &["a", "b"]).unwrap();
        assert_eq!(fields.get("a").unwrap().list("it").unwrap()[3].text("it").unwrap(), "xA/");
    }

    #[test]
    fn a_mistake_is_shown_with_line_column_and_what_was_meant() {
        let document = document("zone: example.com\nfedration: fed\n");
        let fault = document.root.fields("the file", &["zone", "federation"]).unwrap_err();
        let mistake = document.mistake(fault);
        assert_eq!(mistake.to_string(), "f.yaml:2:1: `fedration` is no key of the file");
        assert_eq!(mistake.help().unwrap().to_string(), "did you mean `federation`? There are: zone, federation");
    }

    #[test]
    fn what_is_no_document_is_shown_where_it_breaks() {
        let mistake = Document::parse(Path::new("f.yaml"), "a: [1\nb: 2\n".into()).unwrap_err();
        assert!(mistake.to_string().starts_with("f.yaml:2:"), "{mistake}");
        let twice = Document::parse(Path::new("f.yaml"), "a: 1\na: 2\n".into()).unwrap_err();
        assert_eq!(twice.to_string(), "f.yaml:2:1: this is neither YAML nor JSON: duplicate mapping key: a");
    }

    #[test]
    fn distance_counts_changes() {
        for (a, b, n) in [("", "abc", 3), ("kitten", "sitting", 3), ("zone", "zone", 0), ("fedration", "federation", 1)]
        {
            assert_eq!(distance(a, b), n, "{a} {b}");
        }
    }
}
