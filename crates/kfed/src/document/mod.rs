//! Documents in YAML and JSON, as people and machines write them: every value knows its place, and mistakes are gathered, so that all of
//! them are shown at once, each where it stands.
//!
//! ```text
//! file, stdin, annotation, argument ─► text ─► tree with places ─► values
//!                                      └──────────┴─ mistakes ─────┴─► notes, shown in order with excerpts
//! ```

mod decode;
mod json;
mod nearest;
mod notes;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod yaml;

pub(crate) use self::nearest::or_rather;
pub(crate) use self::notes::Note;
pub(crate) use self::source::{Sources, Span, printable};
pub(crate) use self::tree::{Entry, Node, Value};
pub(crate) use self::values::Fields;

use std::collections::BTreeMap;

/// Reads documents: holds their texts, and gathers what is to be said about them.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) sources: Sources,
    notes: Vec<Note>,
    errors: usize,
    /// Where each of them is, so that the same is not said twice of the same place.
    said: BTreeMap<(Option<Span>, String), usize>,
}
