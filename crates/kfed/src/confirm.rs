//! Questions to a person.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Asks a person; where there is none at the terminal, the command is the answer.
pub(crate) fn ask(question: impl Display) -> bool {
    if !io::stdin().is_terminal() {
        return true;
    }
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
