//! Reads the closing lines of the test runners.

use std::ops::{Add, AddAssign};

/// How many tests passed and failed; skipped ones are neither.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// What one line of output reports: nothing, unless it is a summary of nextest or of libtest.
    pub(crate) fn of_line(line: &str) -> Self {
        let line = without_colour(line);
        let line = line.trim();
        if let Some((_, results)) = line.strip_prefix("test result:").and_then(|rest| rest.split_once(". ")) {
            return Self::of_list(results.split(';'));
        }
        // nextest: `Summary [ 0.010s] 3/5 tests run: 2 passed (1 slow), 1 failed, 0 skipped`
        match line.strip_prefix("Summary [").and_then(|rest| rest.split_once("run:")) {
            Some((_, results)) => Self::of_list(results.split(',')),
            None => Self::default(),
        }
    }

    fn of_list<'a>(results: impl Iterator<Item = &'a str>) -> Self {
        let mut counts = Self::default();
        for result in results {
            let Some((number, what)) = result.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            if what == "passed" || what.starts_with("passed (") {
                counts.passed += number;
            } else if ["failed", "exec failed", "timed out"].iter().any(|kind| what.starts_with(kind)) {
                counts.failed += number;
            }
        }
        counts
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Drops the escape sequences `ESC [ … letter` that colour a terminal.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.find(|c: char| c.is_ascii_alphabetic()).map_or("", |end| &after[end + 1..]);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summaries_of_both_runners_are_counted() {
        let cases = [
            ("     Summary [   0.010s] 3 tests run: 3 passed, 0 skipped", 3, 0),
            ("     Summary [   0.010s] 1 test run: 1 passed, 12 skipped", 1, 0),
            (
                "     Summary [  12.300s] 9/20 tests run: 5 passed (1 slow, 2 leaky), 2 failed, 1 timed out, 1 exec failed, 0 skipped",
                5,
                4,
            ),
            (
                "\u{1b}[32;1m     Summary\u{1b}[0m [   0.010s] \u{1b}[1m3\u{1b}[0m tests run: \u{1b}[1m3\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, 0 skipped",
                3,
                0,
            ),
            ("test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s", 7, 0),
            ("test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s", 7, 2),
        ];
        for (line, passed, failed) in cases {
            assert_eq!(Counts::of_line(line), Counts { passed, failed }, "{line}");
        }
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in
            ["", "3 passed", "running 3 tests", "        PASS [   0.004s] xtask tests::x", "Summary of 3 passed"]
        {
            assert_eq!(Counts::of_line(line), Counts::default(), "{line}");
        }
    }
}
