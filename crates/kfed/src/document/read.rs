//! Texts as trees: files, stdin, annotations, arguments.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::notes::Note;
use super::source::Span;
use super::tree::{Node, Value};
use super::{Reader, json, yaml};
use crate::error::Error;

/// What stands for stdin.
const STDIN: &str = "-";

// === impl Reader ===

impl Reader {
    /// The documents in a file of YAML or JSON as they are written, which may say a key twice (see
    /// [`each_key_once`](Self::each_key_once)); none where it has a mistake, which is noted.
    pub(crate) fn documents(&mut self, path: &Path) -> Result<Option<Vec<Node>>, Error> {
        let failed = |source| Error::ReadInput { path: path.to_owned(), source };
        if path != Path::new(STDIN) {
            let bytes = fs::read(path).map_err(failed)?;
            return Ok(self.parse(&path.display().to_string(), bytes));
        }
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
        Ok(self.parse("stdin", bytes))
    }

    /// The only document in a file; none where it has a mistake, which is noted.
    pub(crate) fn document(&mut self, path: &Path) -> Result<Option<Node>, Error> {
        let Some(documents) = self.documents(path)? else { return Ok(None) };
        let mut documents = documents.into_iter();
        let mut first = documents.next();
        if let Some(first) = &mut first {
            self.each_key_once(first);
        } else {
            let message = format!("{} is empty", path.display());
            self.push(Note { is_error: true, message, help: None, at: None });
        }
        if let Some(second) = documents.next() {
            self.error(second.span, "this is a second document: one belongs in the file");
        }
        Ok(first)
    }

    /// The documents in a text that was read.
    pub(crate) fn parse(&mut self, name: &str, bytes: Vec<u8>) -> Option<Vec<Node>> {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(wrong) => {
                self.not_utf8(name, &wrong);
                return None;
            }
        };
        // A byte order mark says nothing in UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let source = self.sources.add(name, text);
        self.noted(documents(name, source, text))
    }

    /// The JSON in an annotation's text, with places in that text. Of keys that stand there twice the last one counts, as in
    /// Federation v1: they are kept.
    pub(crate) fn json_inside(&mut self, node: &Node, what: &str) -> Option<Node> {
        let read = self.json_of(node, what);
        self.noted(read)
    }

    /// The same, of what can be done without: a mistake is a warning.
    pub(crate) fn optional_inside<T: DeserializeOwned>(&mut self, node: &Node, what: &str, without: &str) -> Option<T> {
        let read = self.json_of(node, what).and_then(|node| node.decode());
        read.map_err(|wrong| self.push(Note { is_error: false, ..wrong }).help(without)).ok()
    }

    fn json_of(&mut self, node: &Node, what: &str) -> Result<Node, Note> {
        let wrong = |at, message: String, help: &str| {
            let help = (!help.is_empty()).then(|| help.to_owned());
            Err(Note { help, ..Note::error(at, message) })
        };
        let Some(text) = node.as_text() else {
            return wrong(node.span, format!("an annotation is text, not {}", node.kind()), "quote its JSON with '…'");
        };
        let source = self.sources.add_inside(node.span, what, text);
        let mut values = json::read(source, text)?.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => wrong(node.span, format!("{what} is empty"), "leave it out, or write {}"),
            (_, Some(second)) => wrong(second.span, "this stands behind the end of the JSON".to_owned(), ""),
        }
    }

    /// Tells keys that stand twice in a map, and keeps the last one.
    pub(crate) fn each_key_once(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|item| self.each_key_once(item)),
            Value::Map(entries) => {
                let mut order: Vec<usize> = (0..entries.len()).collect();
                order.sort_by(|a, b| entries[*a].key.cmp(&entries[*b].key));
                let mut earlier = Vec::new();
                for two in order.windows(2) {
                    let (first, second) = (&entries[two[0]], &entries[two[1]]);
                    if first.key == second.key {
                        let line = self.sources.position(first.span).0;
                        self.error(second.span, format!("`{}` stands here a second time", second.key))
                            .help(format!("it is in line {line} already"));
                        earlier.push(two[0]);
                    }
                }
                earlier.sort_unstable();
                earlier.into_iter().rev().for_each(|at| drop(entries.remove(at)));
                entries.iter_mut().for_each(|entry| self.each_key_once(&mut entry.node));
            }
            _ => {}
        }
    }

    fn not_utf8(&mut self, name: &str, wrong: &std::string::FromUtf8Error) {
        let utf16 = matches!(wrong.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let message = "this is no text in UTF-8".to_owned();
        if !utf16 && wrong.as_bytes().contains(&0) {
            self.push(Note { is_error: true, message: format!("{name}: {message}"), help: None, at: None });
            return;
        }
        let at = wrong.utf8_error().valid_up_to();
        let source = self.sources.add(name, &String::from_utf8_lossy(wrong.as_bytes()));
        let help = if utf16 { "it looks like UTF-16: save it as UTF-8" } else { "save it as UTF-8" };
        self.error(Span::new(source, at, at), message).help(help);
    }
}

/// YAML has all of JSON, but not its tabs and not several values one after the other.
fn documents(name: &str, source: usize, text: &str) -> Result<Vec<Node>, Note> {
    let is_json = Path::new(name).extension().is_some_and(|extension| extension == "json");
    if !text.trim_start().starts_with(['{', '[']) {
        return yaml::read(source, text);
    }
    json::read(source, text).or_else(|as_json| {
        if is_json {
            return Err(as_json);
        }
        // What got further is what it was meant to be.
        yaml::read(source, text).map_err(|as_yaml| if as_yaml.at > as_json.at { as_yaml } else { as_json })
    })
}
