//! What is said about the input, with an excerpt of it.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, Severity, SourceCode, SourceSpan, SpanContents,
};

use super::source::{Span, printable};
use super::{Reader, Sources};
use crate::error::Error;
use crate::output;

/// How many notes of a kind are shown.
const SHOWN: usize = 20;
/// The longest excerpt that is shown whole, in bytes.
const EXCERPT: usize = 1_000;
/// How much of a long line is shown before, at and behind a place.
const MARKED: usize = 60;

/// Something to be said about the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) is_error: bool,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) at: Option<Span>,
}

/// A note with the text that it is about, as miette renders it.
#[derive(Debug)]
struct Rendered {
    note: Note,
    place: Option<String>,
    text: Option<Text>,
}

/// A text of which no more is shown than people read: files for machines often are one line.
#[derive(Debug, Clone)]
struct Text {
    name: String,
    text: Arc<str>,
}

// === impl Note ===

impl Note {
    pub(crate) fn error(at: Span, message: impl Into<String>) -> Self {
        Self { is_error: true, message: message.into(), help: None, at: Some(at) }
    }

    /// What to do about it.
    pub(crate) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }

    fn rendered(&self, sources: &Sources) -> Rendered {
        let place = self.at.map(|at| sources.place(at));
        let text = self.at.map(|at| sources.whole(at)).map(|(name, text)| Text { name, text });
        Rendered { note: self.clone(), place, text }
    }
}

// === impl Reader ===

impl Reader {
    pub(crate) fn error(&mut self, at: Span, message: impl Into<String>) -> &mut Note {
        self.push(Note::error(at, message))
    }

    pub(crate) fn warning(&mut self, at: Span, message: impl Into<String>) -> &mut Note {
        self.push(Note { is_error: false, ..Note::error(at, message) })
    }

    pub(crate) fn push(&mut self, note: Note) -> &mut Note {
        let at = *self.said.entry((note.at, note.message.clone())).or_insert(self.notes.len());
        if at == self.notes.len() {
            self.errors += usize::from(note.is_error);
            self.notes.push(note);
        }
        &mut self.notes[at]
    }

    /// The value; a mistake is noted.
    pub(super) fn noted<T>(&mut self, read: Result<T, Note>) -> Option<T> {
        read.map_err(|wrong| _ = self.push(wrong)).ok()
    }

    /// What was noted, in the order of the input; what has no place comes last.
    pub(crate) fn notes(&self) -> Vec<&Note> {
        let mut notes: Vec<_> = self.notes.iter().collect();
        notes.sort_by_cached_key(|note| (note.at.is_none(), note.at.map(|at| self.sources.order(at))));
        notes
    }

    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// What was noted, as `KIND PLACE: MESSAGE; HELP`.
    #[cfg(test)]
    pub(crate) fn told(&self) -> Vec<String> {
        let tell = |note: &&Note| {
            let kind = if note.is_error { "error" } else { "warning" };
            let place = note.at.map(|at| self.sources.place(at)).unwrap_or_default();
            format!("{kind} {place}: {}; {}", note.message, note.help.as_deref().unwrap_or_default())
        };
        self.notes().iter().map(tell).collect()
    }

    /// Says on stderr what was noted, errors last; one of them ends the verb.
    pub(crate) fn tell(&self) -> Result<(), Error> {
        let all = self.notes();
        for (errors, kind) in [(false, "warning"), (true, "error")] {
            let notes: Vec<_> = all.iter().filter(|note| note.is_error == errors).collect();
            for note in notes.iter().take(SHOWN) {
                output::note(format_args!("{:?}", miette::Report::new(note.rendered(&self.sources))));
            }
            match notes.len().saturating_sub(SHOWN) {
                0 => {}
                1 => output::note(format_args!("and 1 more {kind}")),
                more => output::note(format_args!("and {more} more {kind}s")),
            }
        }
        if self.errors() > 0 { Err(Error::Mistakes) } else { Ok(()) }
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
        let text = &self.text.as_ref()?.text;
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
        let whole = self.text.read_span(span, lines_before, lines_after)?;
        let named = |data, shown, line, column, lines| {
            Box::new(MietteSpanContents::new_named(self.name.clone(), data, shown, line, column, lines))
        };
        if whole.data().len() <= EXCERPT {
            return Ok(named(whole.data(), *whole.span(), whole.line(), whole.column(), whole.line_count()));
        }
        let (text, at) = (&*self.text, span.offset());
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let start = text.floor_char_boundary(at.saturating_sub(MARKED)).max(line);
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        let end = text.floor_char_boundary((at + span.len() + MARKED).min(end));
        let (number, column) = (text[..line].matches('\n').count(), text[line..start].chars().count());
        Ok(named(&text.as_bytes()[start..end], (start, end - start).into(), number, column, 1))
    }
}
