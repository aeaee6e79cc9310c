//! Trees from JSON.

use super::notes::Note;
use super::source::Span;
use super::tree::{Entry, Node, Value};

/// How deep lists and maps may lie in each other.
pub(super) const DEPTH: usize = 64;

/// JSON values one after the other, as in a file of them or in JSON lines.
pub(super) fn read(source: usize, text: &str) -> Result<Vec<Node>, Note> {
    let mut scanner = Scanner { source, text, at: 0, depth: 0 };
    let mut values = Vec::new();
    while scanner.peek().is_some() {
        values.push(scanner.value()?);
    }
    Ok(values)
}

struct Scanner<'a> {
    source: usize,
    text: &'a str,
    at: usize,
    depth: usize,
}

// === impl Scanner ===

impl Scanner<'_> {
    /// The next byte behind blanks.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn value(&mut self) -> Result<Node, Note> {
        let Some(next) = self.peek() else { return Err(self.wrong("it ends where a value belongs")) };
        let start = self.at;
        let value = match next {
            b'{' => self.deeper(Self::map)?,
            b'[' => self.deeper(Self::list)?,
            b'"' => Value::Text(self.string()?),
            _ => self.bare()?,
        };
        Ok(Node { value, span: Span::new(self.source, start, self.at) })
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Value, Note>) -> Result<Value, Note> {
        if self.depth == DEPTH {
            return Err(self.wrong(&format!("lists and maps lie more than {DEPTH} deep in each other")));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn map(&mut self) -> Result<Value, Note> {
        let mut entries: Vec<Entry> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(entries));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes belongs here"));
            }
            let start = self.at;
            let key = self.string()?;
            let span = Span::new(self.source, start, self.at);
            if self.peek() != Some(b':') {
                return Err(self.wrong("`:` belongs behind a key"));
            }
            self.at += 1;
            let node = self.value()?;
            entries.push(Entry { key, span, node });
            if self.is_last(b'}', "`,` or `}` belongs here")? {
                return Ok(Value::Map(entries));
            }
        }
    }

    fn list(&mut self) -> Result<Value, Note> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.is_last(b']', "`,` or `]` belongs here")? {
                return Ok(Value::List(items));
            }
        }
    }

    /// Whether the list or map ends here; if not, the comma is behind us.
    fn is_last(&mut self, end: u8, wrong: &str) -> Result<bool, Note> {
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == end => {
                self.at += 1;
                return Ok(true);
            }
            _ => return Err(self.wrong(wrong)),
        }
        if self.peek() == Some(end) {
            return Err(self.wrong("there is a comma too many before this"));
        }
        Ok(false)
    }

    /// A string; escapes are left to `serde_json`.
    fn string(&mut self) -> Result<String, Note> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(byte) if *byte >= b' ' => end += 1,
                _ => return Err(self.wrong("this string has no end in its line")),
            }
        }
        let quoted = &self.text[self.at..=end];
        let read = serde_json::from_str(quoted).map_err(|_| self.wrong("this string holds an escape that JSON lacks"));
        self.at = end + 1;
        read
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> Result<Value, Note> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-._".contains(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => match serde_json::from_str::<serde_json::Number>(word) {
                Ok(number) => match number.as_i64() {
                    Some(number) => Value::Int(number),
                    None => Value::Number(number.as_f64().unwrap_or(f64::MAX)),
                },
                Err(_) if word.is_empty() => return Err(self.wrong("a value belongs here")),
                Err(_) => return Err(self.wrong(&format!("`{word}` is no value; text stands in double quotes"))),
            },
        };
        self.at += end;
        Ok(value)
    }

    fn wrong(&self, message: &str) -> Note {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.chars().next().map_or(0, |c| if c == '\n' { 0 } else { c.len_utf8() });
        Note::error(Span::new(self.source, self.at, self.at + length), format!("this is no JSON: {message}"))
    }
}
