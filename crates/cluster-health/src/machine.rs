//! From outcomes to a state that does not flap. There is no clock in it: one outcome, one step.

use std::fmt;

use serde::Serialize;

use crate::outcome::ProbeOutcome;

/// How many outcomes in a row it takes. 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Failures in a row that make a target [`Dead`](Health::Dead) (none of them answered) or
    /// [`Degraded`](Health::Degraded) (the last one did).
    pub failures: u32,
    /// Answers in a row that end a death, successes in a row that end any trouble. A target that has never been well is
    /// believed at its first success.
    pub successes: u32,
}

/// How a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
#[non_exhaustive]
pub enum Health {
    /// Not probed yet.
    #[default]
    Unknown,
    /// Answers, and is well.
    Healthy,
    /// Answers, and is not well.
    Degraded,
    /// The last probes failed, too few yet to say more. What [`settled`](HealthMachine::settled) tells still holds.
    Suspect,
    /// Has not answered several times in a row, and not come back since.
    Dead,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// The state before the outcome.
    pub from: Health,
    /// The state after it.
    pub to: Health,
}

/// One target's state.
///
/// ```text
///            first success                failures, no answer
///  Unknown ───────────────► Healthy ─► Suspect ─────────────► Dead
///     │ first answer           ▲          │ failures,          │ answers in a row
///     ▼  not well              │          ▼ answered           ▼
///  Degraded ◄──────────────────┼────── Degraded ◄──────────────┤
///     └── successes in a row ──┴── successes in a row ─────────┘
/// ```
#[derive(Debug, Clone)]
pub struct HealthMachine {
    thresholds: Thresholds,
    settled: Health,
    last: Option<ProbeOutcome>,
    ever_healthy: bool,
    // All in a row, up to the last outcome.
    failures: u32,
    unanswered: u32,
    answers: u32,
    successes: u32,
}

// === impl Thresholds ===

impl Default for Thresholds {
    /// Three failures, two successes.
    fn default() -> Self {
        Self { failures: 3, successes: 2 }
    }
}

// === impl Health ===

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

// === impl HealthMachine ===

impl HealthMachine {
    /// A target that has not been probed.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds: Thresholds { failures: thresholds.failures.max(1), successes: thresholds.successes.max(1) },
            settled: Health::Unknown,
            last: None,
            ever_healthy: false,
            failures: 0,
            unanswered: 0,
            answers: 0,
            successes: 0,
        }
    }

    /// Takes in one probe's outcome, and tells if the state is another now.
    pub fn observe(&mut self, outcome: &ProbeOutcome) -> Option<Transition> {
        let from = self.state();
        // Each counter knows its own kind of outcome alone. (One counter for both directions is how KubeFed came to let a
        // single failure after three successes take a cluster offline.)
        self.successes = count(self.successes, outcome.is_healthy());
        self.failures = count(self.failures, !outcome.is_healthy());
        self.answers = count(self.answers, outcome.is_answer());
        self.unanswered = count(self.unanswered, !outcome.is_answer());

        let Thresholds { failures, successes } = self.thresholds;
        self.settled = match outcome {
            ProbeOutcome::Healthy if !self.ever_healthy || self.successes >= successes => Health::Healthy,
            ProbeOutcome::Unhealthy { .. } if self.settled == Health::Unknown => Health::Degraded,
            ProbeOutcome::Unhealthy { .. } if self.settled == Health::Healthy && self.failures >= failures => {
                Health::Degraded
            }
            ProbeOutcome::Healthy | ProbeOutcome::Unhealthy { .. }
                if self.settled == Health::Dead && self.answers >= successes =>
            {
                Health::Degraded
            }
            ProbeOutcome::Unreachable { .. } if self.unanswered >= failures => Health::Dead,
            _ => self.settled,
        };
        self.ever_healthy |= outcome.is_healthy();
        if self.last.as_ref() != Some(outcome) {
            self.last = Some(outcome.clone());
        }

        let to = self.state();
        (from != to).then_some(Transition { from, to })
    }

    /// The state now.
    pub fn state(&self) -> Health {
        match (self.settled, &self.last) {
            (Health::Dead, _) => Health::Dead,
            (Health::Healthy, Some(ProbeOutcome::Unhealthy { .. })) | (_, Some(ProbeOutcome::Unreachable { .. })) => {
                Health::Suspect
            }
            (settled, _) => settled,
        }
    }

    /// The state that the last failures, too few, have not changed yet. Never [`Suspect`](Health::Suspect).
    pub fn settled(&self) -> Health {
        self.settled
    }

    /// Whether any probe has ever found the target well.
    pub fn ever_healthy(&self) -> bool {
        self.ever_healthy
    }

    /// How many probes in a row, up to the last one, did not find the target well.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures
    }

    /// How many probes in a row, up to the last one, got no answer.
    pub fn unanswered_in_a_row(&self) -> u32 {
        self.unanswered
    }

    /// What the last probe found.
    pub fn last(&self) -> Option<&ProbeOutcome> {
        self.last.as_ref()
    }
}

fn count(in_a_row: u32, another: bool) -> u32 {
    if another { in_a_row.saturating_add(1) } else { 0 }
}
