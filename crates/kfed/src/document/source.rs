//! The texts that are read, and the places in them.

use std::sync::Arc;

/// A place in one of the [`Sources`], in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Span {
    source: u32,
    start: u32,
    end: u32,
}

/// Every text that was read: files, arguments, and annotations whose text is not found as it is in their file.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    origin: Origin,
    text: Arc<str>,
    /// Where each line begins.
    lines: Vec<usize>,
}

#[derive(Debug)]
enum Origin {
    /// A file, or what is named like one.
    File(String),
    /// A text that stands in another one: where, and what it is.
    Inside(Span, String),
}

// === impl Span ===

impl Span {
    pub(crate) fn new(source: usize, start: usize, end: usize) -> Self {
        let fit = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { source: fit(source), start: fit(start), end: fit(end).max(fit(start)) }
    }

    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// From here to the end of `other`, if that is behind this in the same text.
    pub(crate) fn to(self, other: Self) -> Self {
        let follows = self.source == other.source && other.start >= self.start;
        Self { end: if follows { other.end.max(self.end) } else { self.end }, ..self }
    }

    pub(crate) fn source(&self) -> usize {
        self.source as usize
    }
}

// === impl Sources ===

impl Sources {
    /// Takes a text in, and gives the number that its spans carry.
    pub(crate) fn add(&mut self, name: &str, text: &str) -> usize {
        self.push(Origin::File(name.to_owned()), text)
    }

    /// Takes in a text that stands in another one, as an annotation does.
    pub(crate) fn add_inside(&mut self, at: Span, what: &str, text: &str) -> usize {
        self.push(Origin::Inside(at, what.to_owned()), text)
    }

    fn push(&mut self, origin: Origin, text: &str) -> usize {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.0.push(Source { origin, text: printable(text).into(), lines });
        self.0.len() - 1
    }

    /// The whole text that a place is in, and its name.
    pub(super) fn whole(&self, span: Span) -> (String, Arc<str>) {
        let source = &self.0[span.source()];
        let name = match &source.origin {
            Origin::File(name) => name.clone(),
            Origin::Inside(at, what) => format!("{} {what}", self.place(*at)),
        };
        (name, Arc::clone(&source.text))
    }

    fn text(&self, source: usize) -> &str {
        &self.0[source].text
    }

    /// The text of a place, fit to be shown.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.text(span.source()).get(span.range()).unwrap_or_default()
    }

    /// Line and column, from 1, in characters.
    pub(crate) fn position(&self, span: Span) -> (usize, usize) {
        let (lines, text, at) = (&self.0[span.source()].lines, self.text(span.source()), span.range().start);
        let line = lines.partition_point(|start| *start <= at).max(1);
        let before = text.get(lines[line - 1]..at).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// `FILE:LINE:COLUMN`, as compilers write it. In an annotation: where it stands, and line and column in its text.
    pub(crate) fn place(&self, span: Span) -> String {
        let (line, column) = self.position(span);
        match &self.0[span.source()].origin {
            Origin::File(name) => format!("{name}:{line}:{column}"),
            Origin::Inside(at, what) => format!("{}: {what}, line {line}, column {column}", self.place(*at)),
        }
    }

    /// The place in the file, and that in a text inside, to put places in the order of the input.
    pub(super) fn order(&self, span: Span) -> Vec<Span> {
        let mut path = match &self.0[span.source()].origin {
            Origin::File(_) => Vec::new(),
            Origin::Inside(at, _) => self.order(*at),
        };
        path.push(span);
        path
    }
}

/// The text without what a terminal would obey. Bytes keep their places.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => c,
        // What turns the direction of the text, of three bytes.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if !c.is_control() => c,
        c if c.len_utf8() == 1 => '?',
        // The other control characters are of two bytes.
        _ => '\u{b7}',
    };
    text.chars().map(shown).collect()
}
