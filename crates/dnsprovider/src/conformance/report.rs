//! How a provider did, check by check.

use std::fmt;

use super::bench::Outcome;

/// How a provider did. [`Display`](fmt::Display) is a line a check, and a count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Every check, in order.
    pub checks: Vec<Check>,
}

/// One thing that a provider must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it must do, as a sentence.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Held,
    /// What it did instead.
    Failed(String),
    /// Why it was not asked.
    Skipped(String),
}

// === impl Report ===

impl Report {
    /// Whether every check that was asked held.
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Failed(_)))
    }

    /// The checks that were not asked.
    pub fn skipped(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Skipped(_)))
    }

    /// # Panics
    /// If any check failed, with all that came of them.
    pub fn assert_passed(&self) {
        assert!(self.passed(), "\n{self}");
    }

    pub(super) fn note(&mut self, name: &'static str, outcome: Outcome) {
        let verdict = outcome.map_or_else(Verdict::Failed, |()| Verdict::Held);
        self.checks.push(Check { name, verdict });
    }

    pub(super) fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        self.checks.push(Check { name, verdict: Verdict::Skipped(why.into()) });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, verdict } in &self.checks {
            match verdict {
                Verdict::Held => writeln!(f, "held     {name}")?,
                Verdict::Failed(failure) => writeln!(f, "FAILED   {name}: {failure}")?,
                Verdict::Skipped(why) => writeln!(f, "skipped  {name}: {why}")?,
            }
        }
        let (failed, skipped) = (self.failed().count(), self.skipped().count());
        writeln!(f, "{} held, {failed} failed, {skipped} skipped", self.checks.len() - failed - skipped)
    }
}
