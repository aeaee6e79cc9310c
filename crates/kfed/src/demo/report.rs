//! What the demo tells: a step at a time, for people or as one JSON object a line.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::output;

/// How the demo tells what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object a step, and nothing else on stdout
    Json,
}

/// What a step saw, in the order in which it saw it. Keys are in snake_case; those that end in `_seconds` are times.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<(&'static str, Value)>);

/// Something that should have been so, and was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmet {
    pub(super) expected: String,
    pub(super) seen: String,
}

/// A step that is over.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) number: usize,
    pub(super) of: usize,
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) took: Duration,
    pub(super) seen: &'a Seen,
    pub(super) unmet: Option<&'a Unmet>,
}

/// Where it is told.
#[derive(Debug)]
pub(super) struct Reporter {
    format: Format,
    colour: bool,
    /// Whether stderr is a terminal, on which a line can be written again.
    terminal: bool,
    /// When a wait was last told of.
    told: Mutex<Instant>,
}

/// How often a wait is told of on a terminal, where several may be under way at once.
const REDRAW: Duration = Duration::from_millis(400);
/// How often a wait is told of where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Where the times of the steps stand.
const WIDTH: usize = 72;

// === impl Seen ===

impl Seen {
    /// Takes down what was seen.
    pub(super) fn put(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.push((key, value.into()));
    }

    /// Takes down how long something took.
    pub(super) fn took(&mut self, key: &'static str, time: Duration) {
        debug_assert!(key.ends_with("_seconds"), "{key}");
        self.put(key, seconds(time));
    }

    fn json(&self) -> Value {
        Value::Object(self.0.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Map<_, _>>())
    }

    /// A line each, values aligned.
    fn lines(&self) -> Vec<String> {
        let shown = |key: &str| key.strip_suffix("_seconds").unwrap_or(key).replace('_', " ");
        let width = self.0.iter().map(|(key, _)| shown(key).chars().count()).max().unwrap_or_default();
        let line = |(key, value): &(&'static str, Value)| {
            let unit = if key.ends_with("_seconds") { " s" } else { "" };
            format!("{:width$}  {}{unit}", shown(key), words(value))
        };
        self.0.iter().map(line).collect()
    }
}

// === impl Reporter ===

impl Reporter {
    pub(super) fn new(format: Format) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { format, colour, terminal: io::stderr().is_terminal(), told: Mutex::new(Instant::now()) }
    }

    /// A line for people.
    pub(super) fn say(&self, text: impl std::fmt::Display) {
        if self.format == Format::Text {
            self.clear();
            output::line(text);
        }
    }

    /// A step is over.
    pub(super) fn step(&self, outcome: &Outcome<'_>) {
        self.clear();
        match self.format {
            Format::Text => output::line(self.text(outcome)),
            Format::Json => output::line(json_line(outcome)),
        }
    }

    /// Something is waited for: a line that is written again and again on a terminal, and one now and then elsewhere.
    pub(super) fn waiting(&self, expected: &str, seen: &str, since: Duration) {
        let line = format!("… {:>3.0} s  {expected}: {seen}", since.as_secs_f64());
        let every = if self.terminal { REDRAW } else { PLAIN_EVERY };
        let mut told = self.told.lock().expect("no code panics while it holds the time");
        if since < every || told.elapsed() < every {
            return;
        }
        *told = Instant::now();
        if self.terminal {
            let short: String = line.chars().take(WIDTH + 6).collect();
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r\x1b[2K{short}").and_then(|()| err.flush());
        } else {
            output::note(line);
        }
    }

    /// Takes the line of a wait off the terminal.
    fn clear(&self) {
        if self.terminal {
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r\x1b[2K").and_then(|()| err.flush());
        }
    }

    fn text(&self, outcome: &Outcome<'_>) -> String {
        let (mark, colour) = if outcome.unmet.is_none() { ("✓", "32") } else { ("✗", "31") };
        let mark = if self.colour { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_owned() };
        let number = format!("{:>2}/{}", outcome.number, outcome.of);
        let mut text = format!("{number} {mark} {:WIDTH$} {:>5.1} s", outcome.title, outcome.took.as_secs_f64());
        for line in outcome.seen.lines() {
            let _ = write!(text, "\n        {line}");
        }
        if let Some(Unmet { expected, seen }) = outcome.unmet {
            let _ = write!(text, "\n        expected   {expected}\n        last seen  {seen}");
        }
        text
    }
}

fn json_line(outcome: &Outcome<'_>) -> Value {
    let mut line = json!({
        "step": outcome.number,
        "name": outcome.name,
        "ok": outcome.unmet.is_none(),
        "seconds": seconds(outcome.took),
        "observed": outcome.seen.json(),
    });
    if let Some(Unmet { expected, seen }) = outcome.unmet {
        line["expected"] = json!(expected);
        line["last_seen"] = json!(seen);
    }
    line
}

/// Milliseconds are all that anybody reads.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A value as people write it: `fed-east 4, fed-west 4`.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key} {}", words(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome<'a>(seen: &'a Seen, unmet: Option<&'a Unmet>) -> Outcome<'a> {
        Outcome {
            number: 7,
            of: 10,
            name: "failover",
            title: "fed-west is killed",
            took: Duration::from_millis(15_250),
            seen,
            unmet,
        }
    }

    fn seen() -> Seen {
        let mut seen = Seen::default();
        seen.took("kill_to_offline_seconds", Duration::from_millis(14_100));
        seen.put("pods_ready", json!({"fed-east": 4}));
        seen
    }

    #[test]
    fn a_step_is_one_json_object() {
        let line = json_line(&outcome(&seen(), None));
        assert_eq!(
            line,
            json!({
                "step": 7, "name": "failover", "ok": true, "seconds": 15.25,
                "observed": {"kill_to_offline_seconds": 14.1, "pods_ready": {"fed-east": 4}}
            })
        );
    }

    #[test]
    fn people_see_aligned_values_and_what_was_expected() {
        let reporter =
            Reporter { format: Format::Text, colour: false, terminal: false, told: Mutex::new(Instant::now()) };
        let unmet = Unmet { expected: "6 pods".into(), seen: "5 pods".into() };
        let text = reporter.text(&outcome(&seen(), Some(&unmet)));
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert!(lines[0].starts_with("7/10 ✗ fed-west is killed") && lines[0].ends_with("15.2 s"), "{text}");
        assert_eq!(
            lines[1..],
            ["kill to offline  14.1 s", "pods ready       fed-east 4", "expected   6 pods", "last seen  5 pods"]
        );
    }
}
