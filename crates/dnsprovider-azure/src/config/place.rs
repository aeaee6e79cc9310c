//! Places in a configuration file, fit to be shown: whatever could be a secret is masked.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{LabeledSpan, NamedSource, SourceCode};

/// A file's text with everything masked that is not known to be harmless. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Source(Arc<SourceInner>);

struct SourceInner {
    path: PathBuf,
    masked: NamedSource<String>,
    lines: Vec<usize>,
}

/// A place in a file, with what is to be said about it.
#[derive(Clone)]
pub struct Place {
    source: Source,
    span: Range<usize>,
    labels: Vec<(Range<usize>, String)>,
}

// === impl Source ===

impl Source {
    /// A file in gcfg's dialect; `harmless` tells the keys whose values may be shown.
    pub(crate) fn new(path: &Path, text: &str, harmless: impl Fn(&str) -> bool) -> Self {
        Self::masked(path, text, mask(text, harmless))
    }

    /// A file of JSON; `known` tells of a key whether it may be shown, and whether its value may.
    pub(crate) fn json(path: &Path, text: &str, known: impl Fn(&str) -> (bool, bool)) -> Self {
        Self::masked(path, text, mask_json(text, known))
    }

    fn masked(path: &Path, text: &str, masked: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let masked = NamedSource::new(path.display().to_string(), masked);
        Self(Arc::new(SourceInner { path: path.to_owned(), masked, lines }))
    }

    pub(crate) fn place(&self, span: Range<usize>, label: impl Into<String>) -> Place {
        Place { source: self.clone(), labels: vec![(span.clone(), label.into())], span }
    }

    /// Line and column, from 1.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.0.lines.partition_point(|start| *start <= at);
        let start = self.0.lines[line - 1];
        let text = self.0.masked.inner();
        (line, text.get(start..at).map_or(at - start, |before| before.chars().count()) + 1)
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn and(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.labels.push((span, label.into()));
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.source.0.path
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.source.position(self.span.start).0
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.source.position(self.span.start).1
    }

    pub(crate) fn source_code(&self) -> &dyn SourceCode {
        &self.source.0.masked
    }

    pub(crate) fn labels(&self) -> Box<dyn Iterator<Item = LabeledSpan> + '_> {
        let label = |(span, text): &(Range<usize>, String)| {
            LabeledSpan::new(Some(text.clone()), span.start, span.end - span.start)
        };
        Box::new(self.labels.iter().map(label))
    }
}

/// `dns.conf:3:1`, as compilers write it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path().display(), self.line(), self.column())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// Stars in place of all but sections, keys and the values of harmless keys; every byte and every column keeps its place. It works line by line and on
/// broken files too: what it does not understand is masked.
fn mask(text: &str, harmless: impl Fn(&str) -> bool) -> String {
    let mut continued = None;
    let mut masked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        let shown = match continued {
            Some(shown) => shown,
            None => shown_prefix(body, &harmless),
        };
        let shown = shown.min(body.len());
        masked.push_str(&body[..shown]);
        masked.extend(body[shown..].chars().map(star));
        masked.push_str(&line[body.len()..]);
        // A value that goes on in the next line is shown or masked there as here.
        continued = body.ends_with('\\').then_some(if shown == body.len() { usize::MAX } else { 0 });
    }
    masked
}

/// The same for JSON. A key is shown if it is known, a value only right behind a known key that says so; what is neither is masked, broken
/// files included.
fn mask_json(text: &str, known: impl Fn(&str) -> (bool, bool)) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    let mut value_is_harmless = false;
    while let Some(c) = rest.chars().next() {
        if c != '"' {
            // A bare word is a value too.
            let bare = rest.find(|c: char| "{}[],:\"".contains(c) || c.is_whitespace()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(if bare == 0 { c.len_utf8() } else { bare });
            if bare == 0 || value_is_harmless {
                masked.push_str(word);
            } else {
                masked.extend(word.chars().map(star));
            }
            if bare != 0 || "{}[],".contains(c) {
                value_is_harmless = false;
            }
            rest = after;
            continue;
        }
        let (string, after) = rest.split_at(string_end(rest));
        let is_key = after.trim_start().starts_with(':');
        let (shown, harmless) = if is_key { known(string.trim_matches('"')) } else { (value_is_harmless, false) };
        if shown {
            masked.push_str(string);
        } else {
            masked.extend(string.chars().map(star));
        }
        value_is_harmless = is_key && harmless;
        rest = after;
    }
    masked
}

/// Where the string ends that `text` begins with: behind its closing quote, or at the end of the line if it has none.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What stands for `c`. It is as long, so that bytes and columns stay where they were.
fn star(c: char) -> char {
    match c.len_utf8() {
        1 if c == ' ' || c == '\t' => c,
        1 => '*',
        2 => '\u{b7}',
        3 => '\u{2022}',
        _ => '\u{1f784}',
    }
}

/// How many bytes of a line may be shown.
fn shown_prefix(line: &str, harmless: impl Fn(&str) -> bool) -> usize {
    let trimmed = line.trim_start().trim_start_matches('\u{feff}');
    let indent = line.len() - trimmed.len();
    if trimmed.starts_with('[') {
        return indent + trimmed.find(']').map_or(trimmed.len(), |at| at + 1);
    }
    match trimmed.split_once('=') {
        Some((key, value)) if harmless(key.trim()) => {
            let comment = value.find([';', '#']).unwrap_or(value.len());
            indent + key.len() + 1 + comment
        }
        Some((key, _)) if key.trim().chars().all(|c| c.is_alphanumeric() || c == '-') => indent + key.len() + 1,
        Some(_) => 0,
        None if harmless(trimmed.trim()) => line.len(),
        None => 0,
    }
}
