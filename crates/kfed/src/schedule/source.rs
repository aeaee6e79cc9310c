//! The texts that are read, and what is said about places in them.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, NamedSource, Severity, SourceCode, SourceSpan,
    SpanContents,
};

/// The longest excerpt that is shown whole, in bytes.
const EXCERPT: usize = 1_000;
/// How much of a long line is shown before, at and behind a place.
const MARKED: usize = 60;

/// A place in one of the [`Sources`], in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    source: u32,
    start: u32,
    end: u32,
}

/// Every text that was read: files, and annotations whose text is not found as it is in their file.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    text: Arc<NamedSource<String>>,
    lines: Vec<usize>,
    /// A text that stands in another one: where, and what it is.
    inside: Option<(Span, String)>,
}

/// Something to be said about the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) is_error: bool,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) at: Option<Span>,
}

/// What was found wrong or odd, in the order of the input.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

/// A note with the text that it is about, as miette renders it.
#[derive(Debug)]
struct Rendered {
    note: Note,
    place: Option<String>,
    text: Option<Text>,
}

/// A text of which no more is shown than people read: files for machines often are one line.
#[derive(Debug, Clone)]
struct Text(Arc<NamedSource<String>>);

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
        self.push(name, text, None)
    }

    /// Takes in a text that stands in another one, as an annotation does.
    pub(crate) fn add_inside(&mut self, at: Span, what: &str, text: &str) -> usize {
        self.push(&format!("{} {what}", self.place(at)), text, Some((at, what.to_owned())))
    }

    fn push(&mut self, name: &str, text: &str, inside: Option<(Span, String)>) -> usize {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.0.push(Source { text: Arc::new(NamedSource::new(name, printable(text))), lines, inside });
        self.0.len() - 1
    }

    fn text(&self, source: usize) -> &str {
        self.0[source].text.inner()
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
        let source = &self.0[span.source()];
        match &source.inside {
            None => format!("{}:{line}:{column}", source.text.name()),
            Some((at, what)) => format!("{}: {what}, line {line}, column {column}", self.place(*at)),
        }
    }

    /// A note with an excerpt of the text that it is about.
    pub(crate) fn report(&self, note: &Note) -> miette::Report {
        let place = note.at.map(|at| self.place(at));
        let text = note.at.map(|at| Text(Arc::clone(&self.0[at.source()].text)));
        miette::Report::new(Rendered { note: note.clone(), place, text })
    }
}

/// The text without what a terminal would obey. Bytes keep their places.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => c,
        c if !c.is_control() => c,
        c if c.len_utf8() == 1 => '?',
        // The other control characters are of two bytes.
        _ => '\u{b7}',
    };
    text.chars().map(shown).collect()
}

// === impl Notes ===

impl Notes {
    pub(crate) fn error(&mut self, at: Span, message: impl Into<String>) -> &mut Note {
        self.push(Note { is_error: true, message: message.into(), help: None, at: Some(at) })
    }

    pub(crate) fn warning(&mut self, at: Span, message: impl Into<String>) -> &mut Note {
        self.push(Note { is_error: false, message: message.into(), help: None, at: Some(at) })
    }

    pub(crate) fn push(&mut self, note: Note) -> &mut Note {
        self.0.push(note);
        self.0.last_mut().expect("one was just pushed")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Note> {
        self.0.iter()
    }

    pub(crate) fn errors(&self) -> usize {
        self.0.iter().filter(|note| note.is_error).count()
    }
}

// === impl Note ===

impl Note {
    pub(crate) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }
}

// === impl Rendered ===

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", printable(&self.note.message)),
            None => f.write_str(&printable(&self.note.message)),
        }
    }
}

impl std::error::Error for Rendered {}

impl Diagnostic for Rendered {
    fn severity(&self) -> Option<Severity> {
        Some(if self.note.is_error { Severity::Error } else { Severity::Warning })
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.note.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.text.as_ref().map(|text| text as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        // A block of many lines is pointed at where it begins.
        let at = self.note.at?;
        let text = self.text.as_ref()?.0.inner();
        let range = at.range();
        let shown = text.get(range.clone()).unwrap_or_default();
        let length = shown.floor_char_boundary(shown.find('\n').unwrap_or(shown.len()).min(MARKED));
        Some(Box::new(std::iter::once(LabeledSpan::new(Some("here".to_owned()), range.start.min(text.len()), length))))
    }
}

// === impl Text ===

impl SourceCode for Text {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let whole = self.0.read_span(span, lines_before, lines_after)?;
        if whole.data().len() <= EXCERPT {
            return Ok(whole);
        }
        let (text, at) = (self.0.inner(), span.offset());
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let start = text.floor_char_boundary(at.saturating_sub(MARKED)).max(line);
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        let end = text.floor_char_boundary((at + span.len() + MARKED).min(end));
        let (number, column) = (text[..line].matches('\n').count(), text[line..start].chars().count());
        let shown = SourceSpan::from((start, end - start));
        let data = &text.as_bytes()[start..end];
        Ok(Box::new(MietteSpanContents::new_named(self.0.name().to_owned(), data, shown, number, column, 1)))
    }
}
