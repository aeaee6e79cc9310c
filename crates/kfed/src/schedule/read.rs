//! Files as trees.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::source::{Note, Sources, Span};
use super::tree::{Node, Value};
use super::{json, yaml};
use crate::error::Error;

/// What stands for stdin.
const STDIN: &str = "-";

/// The values in a file of YAML or JSON: every document, and the items of every list among them.
pub(crate) fn read(path: &Path, sources: &mut Sources) -> Result<Result<Vec<Node>, Note>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let (name, bytes) = if path.as_os_str() == STDIN {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
        ("stdin".to_owned(), bytes)
    } else {
        (path.display().to_string(), fs::read(path).map_err(failed)?)
    };
    Ok(parse(&name, bytes, sources))
}

/// The same, of a text that was read.
pub(crate) fn parse(name: &str, bytes: Vec<u8>, sources: &mut Sources) -> Result<Vec<Node>, Note> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(wrong) => return Err(not_utf8(name, &wrong, sources)),
    };
    // A byte order mark says nothing in UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let source = sources.add(name, text);
    let mut items = Vec::new();
    for document in values(source, text, name)? {
        flatten(document, &mut items);
    }
    Ok(items)
}

fn values(source: usize, text: &str, name: &str) -> Result<Vec<Node>, Note> {
    // YAML has all of JSON, but not its tabs and not several values one after the other.
    let may_be_json = text.trim_start().starts_with(['{', '[']);
    if may_be_json {
        match json::read(source, text) {
            Ok(json) => {
                return match json.repeated.first() {
                    None => Ok(json.values),
                    Some((key, at)) => Err(Note {
                        is_error: true,
                        message: format!("`{key}` stands here a second time"),
                        help: None,
                        at: Some(*at),
                    }),
                };
            }
            Err(wrong) if Path::new(name).extension().is_some_and(|extension| extension == "json") => {
                return Err(wrong);
            }
            Err(_) => {}
        }
    }
    yaml::read(source, text)
}

/// Lists stand for their items, Kubernetes' `kind: List` too.
fn flatten(node: Node, into: &mut Vec<Node>) {
    let is_list = node.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List"));
    match node.value {
        Value::List(items) => items.into_iter().for_each(|item| flatten(item, into)),
        Value::Map(entries) if is_list => {
            let items = entries.into_iter().filter(|entry| entry.key == "items");
            items.for_each(|entry| flatten(entry.node, into));
        }
        value => into.push(Node { value, span: node.span }),
    }
}

fn not_utf8(name: &str, wrong: &std::string::FromUtf8Error, sources: &mut Sources) -> Note {
    let utf16 = matches!(wrong.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    let message = "this is no text in UTF-8".to_owned();
    if !utf16 && wrong.as_bytes().contains(&0) {
        return Note { is_error: true, message: format!("{name}: {message}"), help: None, at: None };
    }
    let at = wrong.utf8_error().valid_up_to();
    let source = sources.add(name, &String::from_utf8_lossy(wrong.as_bytes()));
    let help = if utf16 { "it looks like UTF-16: save it as UTF-8" } else { "save it as UTF-8" };
    Note { is_error: true, message, help: Some(help.to_owned()), at: Some(Span::new(source, at, at)) }
}
