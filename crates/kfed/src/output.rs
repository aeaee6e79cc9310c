//! What goes to stdout and stderr.

use std::fmt::Display;
use std::io::{self, Write};

use crate::error::Error;

/// One line to stdout. A reader that has gone away is no error: `kfed … | head` ends well.
pub(crate) fn line(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// One line to stderr.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The error that ends the program: what was tried, what was seen, what to do.
pub(crate) fn report(error: Error) {
    if error.is_told() {
        return;
    }
    note(format_args!("{:?}", miette::Report::new(error)));
}
