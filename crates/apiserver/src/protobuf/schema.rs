//! `messages.txt`, parsed once.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// Declares what the others use of metadata and options.
const META: &str = "meta.k8s.io/v1";
const CORE: &str = "v1";

pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(include_str!("messages.txt")));

/// All messages.
#[derive(Debug)]
pub(super) struct Schema {
    messages: Vec<Message>,
    /// By apiVersion and kind.
    roots: HashMap<(&'static str, &'static str), usize>,
    delete_options: usize,
}

/// A message's fields, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// As in JSON.
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) label: Label,
    pub(super) of: Type,
    /// Zero and empty values count when they were sent.
    pub(super) knows_absence: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Single,
    List,
    Map,
    /// The message's fields stand among those of the one around it.
    Inline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Bytes,
    Bool,
    Int32,
    Int64,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// A message that holds JSON.
    Raw,
    /// A message that holds strings.
    Texts,
    /// An index into the messages.
    Message(usize),
}

impl Schema {
    /// The message of a kind that a body can hold.
    pub(super) fn root(&self, api_version: &str, kind: &str) -> Option<&Message> {
        // Every group and version has the same options.
        let options = (kind == "DeleteOptions").then_some(&self.delete_options);
        self.roots.get(&(api_version, kind)).or(options).map(|index| self.message(*index))
    }

    /// All that `root` knows, by apiVersion and kind.
    #[cfg(test)]
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let mut kinds: Vec<_> = self.roots.keys().copied().collect();
        kinds.sort_unstable();
        kinds.into_iter()
    }

    pub(super) fn message(&self, index: usize) -> &Message {
        &self.messages[index]
    }

    fn parse(text: &'static str) -> Self {
        let lines = || {
            let mut section = "";
            text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).filter_map(move |line| {
                match line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                    Some(name) => {
                        section = name;
                        None
                    }
                    None => Some((section, line)),
                }
            })
        };
        let name_of = |line: &'static str| line.split(' ').next().unwrap_or(line);
        let names: BTreeMap<_, _> = lines().enumerate().map(|(i, (at, line))| ((at, name_of(line)), i)).collect();
        let mut messages = Vec::with_capacity(names.len());
        let mut roots = HashMap::new();
        for (index, (section, line)) in lines().enumerate() {
            let mut words = line.split(' ').skip(1).peekable();
            if words.next_if_eq(&"!").is_some() {
                roots.insert((section, name_of(line)), index);
            }
            let find = |name: &'static str| [section, META, CORE].iter().find_map(|s| names.get(&(*s, name)).copied());
            let mut fields: Vec<Field> = words.map(|word| parse_field(word, find)).collect();
            fields.sort_by_key(|f| f.number);
            messages.push(Message { name: name_of(line), fields });
        }
        let delete_options = roots[&(META, "DeleteOptions")];
        Self { messages, roots, delete_options }
    }
}

impl Message {
    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        let index = self.fields.binary_search_by_key(&number, |f| f.number).ok()?;
        self.fields.get(index)
    }
}

/// `name=number:type?`
fn parse_field(word: &'static str, find: impl Fn(&'static str) -> Option<usize>) -> Field {
    const FORM: &str = "the table's fields are name=number:type";
    let (name, rest) = word.split_once('=').expect(FORM);
    let (rest, knows_absence) = rest.strip_suffix('?').map_or((rest, false), |r| (r, true));
    let (number, of) = rest.split_once(':').unwrap_or((rest, ""));
    let number = number.parse().expect(FORM);
    let (label, of) = match of {
        of if of.starts_with("[]") => (Label::List, &of[2..]),
        of if of.starts_with("{}") => (Label::Map, &of[2..]),
        of if of.starts_with('<') => (Label::Inline, &of[1..]),
        of => (Label::Single, of),
    };
    let of = match of {
        "" => Type::Text,
        "bytes" => Type::Bytes,
        "bool" => Type::Bool,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "time" => Type::Time,
        "microtime" => Type::MicroTime,
        "quantity" => Type::Quantity,
        "intorstring" => Type::IntOrString,
        "raw" => Type::Raw,
        "[]" => Type::Texts,
        message => Type::Message(find(message).expect("the table's fields are of types in the table")),
    };
    Field { name, number, label, of, knows_absence }
}
