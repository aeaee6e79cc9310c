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
    /// `harmless` tells the keys whose values may be shown.
    pub(crate) fn new(path: &Path, text: &str, harmless: impl Fn(&str) -> bool) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let masked = NamedSource::new(path.display().to_string(), mask(text, harmless));
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
