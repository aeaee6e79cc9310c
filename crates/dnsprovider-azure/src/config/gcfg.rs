//! The dialect of `dns.conf`: gcfg, as git's own configuration is written, with the place of everything that was read.
//!
//! `[Section]` and `[section "Sub"]`, `key = value`, a bare `key` (true), `;` and `#` comments, quotes, the escapes `\\ \" \n \t \b`, and a
//! backslash at the end of a line to go on with the next. Sections and keys are compared without case, subsections with it.

use std::ops::Range;

use secrecy::SecretString;

/// A whole file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) sections: Vec<Section>,
}

/// A section header with the entries below it.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) sub: Option<String>,
    pub(crate) span: Range<usize>,
    pub(crate) entries: Vec<Entry>,
}

/// A key with its value. Values are secrets until somebody who knows the key says otherwise.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    /// None for a bare key, which means true.
    pub(crate) value: Option<SecretString>,
    /// Key, value and all between.
    pub(crate) span: Range<usize>,
    /// Where a comment begins right behind the value, with no blank between: more often a forgotten quote than a comment.
    pub(crate) abrupt_comment: Option<usize>,
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) span: Range<usize>,
    pub(crate) problem: &'static str,
    pub(crate) help: &'static str,
}

/// Reads `text`. The first error ends the reading: what follows a broken line cannot be trusted.
pub(crate) fn parse(text: &str) -> Result<Document, SyntaxError> {
    let mut scanner = Scanner { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 } };
    let mut document = Document::default();
    loop {
        scanner.skip_blank_and_comments();
        match scanner.peek() {
            None => return Ok(document),
            Some('[') => document.sections.push(scanner.section()?),
            Some(_) => {
                let entry = scanner.entry()?;
                match document.sections.last_mut() {
                    Some(section) => section.entries.push(entry),
                    None => {
                        return Err(SyntaxError {
                            span: entry.key_span,
                            problem: "a key before any section",
                            help: "write `[Global]` on a line before it",
                        });
                    }
                }
            }
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Whether the scanner stands at an end of line or file; `\r\n` is one.
    fn at_end_of_line(&self) -> bool {
        let rest = &self.text[self.at..];
        rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n")
    }

    fn skip_spaces(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    fn skip_blank_and_comments(&mut self) {
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() => {
                    self.next();
                }
                Some(';' | '#') => self.skip_line(),
                _ => return,
            }
        }
    }

    /// A letter, then letters, digits and dashes.
    fn word(&mut self) -> Range<usize> {
        let start = self.at;
        while let Some(c) = self.peek() {
            let fits = if self.at == start { c.is_alphabetic() } else { c.is_alphanumeric() || c == '-' };
            if !fits {
                break;
            }
            self.next();
        }
        start..self.at
    }

    /// The character here, or nothing at the end of the file.
    fn here(&self) -> Range<usize> {
        self.at..self.at + self.peek().map_or(0, char::len_utf8)
    }

    fn error<T>(&self, span: Range<usize>, problem: &'static str, help: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { span, problem, help })
    }

    fn section(&mut self) -> Result<Section, SyntaxError> {
        const HELP: &str = "a section is written `[Global]`";
        let start = self.at;
        self.next();
        self.skip_spaces();
        let name = self.word();
        if name.is_empty() {
            return self.error(self.here(), "a section without a name", HELP);
        }
        self.skip_spaces();
        let mut sub = None;
        if self.peek() == Some('"') {
            self.next();
            sub = Some(self.quoted_subsection(start)?);
            self.skip_spaces();
        }
        if self.peek() != Some(']') {
            return self.error(self.here(), "`]` is missing", HELP);
        }
        self.next();
        let span = start..self.at;
        self.skip_spaces();
        if !self.at_end_of_line() && !matches!(self.peek(), Some(';' | '#')) {
            return self.error(self.here(), "text behind a section", "put every key on a line of its own");
        }
        Ok(Section { name: self.text[name].to_owned(), sub, span, entries: Vec::new() })
    }

    fn quoted_subsection(&mut self, start: usize) -> Result<String, SyntaxError> {
        let mut sub = String::new();
        while !self.at_end_of_line() {
            match self.next() {
                Some('"') => return Ok(sub),
                Some('\\') => sub.extend(self.next()),
                Some(c) => sub.push(c),
                None => break,
            }
        }
        self.error(start..self.at, "a quote is not closed", "close it with `\"` on the same line")
    }

    fn entry(&mut self) -> Result<Entry, SyntaxError> {
        let key_span = self.word();
        if key_span.is_empty() {
            return self.error(self.here(), "a key begins with a letter", "a setting is written `key = value`");
        }
        let key = self.text[key_span.clone()].to_owned();
        self.skip_spaces();
        if self.at_end_of_line() || matches!(self.peek(), Some(';' | '#')) {
            return Ok(Entry { key, span: key_span.clone(), key_span, value: None, abrupt_comment: None });
        }
        if self.peek() != Some('=') {
            return self.error(self.here(), "`=` is missing", "a setting is written `key = value`");
        }
        self.next();
        self.skip_spaces();
        let value_start = self.at;
        let (value, end) = self.value(value_start)?;
        let abrupt_comment = (end == self.at && end > value_start && !self.at_end_of_line()).then_some(end);
        Ok(Entry { key, span: key_span.start..end, key_span, value: Some(value.into()), abrupt_comment })
    }

    /// The value, and where it ends without the blanks behind it.
    fn value(&mut self, start: usize) -> Result<(String, usize), SyntaxError> {
        let mut value = String::new();
        // What trailing blanks are cut down to: nothing that was quoted or escaped is ever cut.
        let (mut kept, mut end) = (0, start);
        let mut quote = None;
        while !self.at_end_of_line() {
            let at = self.at;
            match self.next() {
                Some(';' | '#') if quote.is_none() => {
                    self.at = at;
                    break;
                }
                Some('"') => quote = if quote.is_some() { None } else { Some(at) },
                Some('\\') if quote.is_none() && self.at_end_of_line() && self.at < self.text.len() => {
                    while self.next().is_some_and(|c| c != '\n') {}
                }
                Some('\\') => value.push(self.escape(at)?),
                Some(c) => {
                    value.push(c);
                    if quote.is_none() && (c == ' ' || c == '\t') {
                        continue;
                    }
                }
                None => break,
            }
            (kept, end) = (value.len(), self.at);
        }
        if let Some(open) = quote {
            return self.error(open..open + 1, "a quote is not closed", "close it with `\"` on the same line");
        }
        value.truncate(kept);
        Ok((value, end))
    }

    fn escape(&mut self, start: usize) -> Result<char, SyntaxError> {
        match self.next() {
            Some(c @ ('\\' | '"')) => Ok(c),
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('b') => Ok('\u{8}'),
            _ => self.error(start..start + 1, "an unknown escape", "write `\\\\` for a backslash itself"),
        }
    }
}
