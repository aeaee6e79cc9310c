//! The machine formats: plans, and differences between two of them.

use std::cell::Cell;
use std::collections::BTreeMap;

use kfed_replica_scheduler::{Plan, Reason, explain, schedule};
use serde::{Serialize, Serializer};

use super::change::Changes;
use super::request::Workload;

/// The plan of one workload. `plan` holds every available member.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<'a> {
    pub(crate) key: &'a str,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) explanation: Option<Vec<String>>,
}

/// Who gets what, and why.
#[derive(Debug, Serialize, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) plan: BTreeMap<String, i64>,
    /// Replicas left pending on purpose, where there are any.
    pub(crate) overflow: BTreeMap<String, i64>,
    /// Replicas that no member took.
    pub(crate) unplaced: i64,
    /// Moves that `maxMoves` leaves for later rounds.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) postponed: i64,
    pub(crate) reasons: BTreeMap<String, Vec<Reason>>,
}

/// One workload as it is, and as it would be.
#[derive(Debug, Serialize)]
pub(crate) struct Difference<'a> {
    pub(crate) key: &'a str,
    /// By how much members' plans change, where they do. A member that is not in one of them has 0 there.
    pub(crate) changes: BTreeMap<String, i64>,
    pub(crate) before: Outcome,
    pub(crate) after: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) explanation: Option<Vec<String>>,
}

/// Plans made as they are written, so that not all are held.
pub(crate) struct Answers<'a> {
    pub(crate) workloads: &'a [Workload],
    pub(crate) explained: bool,
}

/// The same of differences.
pub(crate) struct Differences<'a> {
    pub(crate) workloads: &'a [Workload],
    pub(crate) changes: &'a Changes<'a>,
    pub(crate) explained: bool,
    /// Whether any was a change, known once they are written.
    pub(crate) differ: Cell<bool>,
}

/// Each workload's difference, and the workload as it would be.
pub(crate) fn differences<'a>(
    workloads: &'a [Workload],
    changes: &'a Changes<'a>,
    explained: bool,
) -> impl Iterator<Item = (Difference<'a>, Workload)> + 'a {
    workloads.iter().map(move |workload| {
        let changed = changes.apply(workload);
        let before = Outcome::from(plan(workload, false).0);
        let (after, explanation) = plan(&changed, explained);
        let after = Outcome::from(after);
        let names = before.plan.keys().chain(after.plan.keys());
        let in_plan = |outcome: &Outcome, name: &String| outcome.plan.get(name).copied().unwrap_or(0);
        let change = |name: &String| (name.clone(), in_plan(&after, name).saturating_sub(in_plan(&before, name)));
        let changes = names.map(change).filter(|(_, change)| *change != 0).collect();
        (
            Difference { key: &workload.key, changes, before, after, explanation: explanation.as_deref().map(lines) },
            changed,
        )
    })
}

/// Plans a workload, and explains the plan if that is asked for.
pub(crate) fn plan(workload: &Workload, explained: bool) -> (Plan, Option<String>) {
    let members = workload.members();
    let request = workload.request(&members);
    let plan = schedule(&request);
    let explanation = explained.then(|| explain(&plan, &request));
    (plan, explanation)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

// === impl Outcome ===

impl From<Plan> for Outcome {
    fn from(plan: Plan) -> Self {
        let mut outcome = Self {
            plan: BTreeMap::new(),
            overflow: BTreeMap::new(),
            unplaced: plan.unplaced,
            postponed: plan.postponed,
            reasons: BTreeMap::new(),
        };
        for placement in plan.placements {
            if placement.overflow != 0 {
                outcome.overflow.insert(placement.member.clone(), placement.overflow);
            }
            outcome.plan.insert(placement.member.clone(), placement.planned);
            outcome.reasons.insert(placement.member, placement.reasons);
        }
        outcome
    }
}

// === impl Difference ===

impl Difference<'_> {
    /// Whether any number differs. A member that comes or goes with nothing changes nothing.
    pub(crate) fn is_change(&self) -> bool {
        let (before, after) = (&self.before, &self.after);
        !self.changes.is_empty()
            || before.overflow != after.overflow
            || (before.unplaced, before.postponed) != (after.unplaced, after.postponed)
    }
}

// === impl Answers ===

impl Serialize for Answers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.workloads.iter().map(|workload| {
            let (plan, explanation) = plan(workload, self.explained);
            Answer { key: &workload.key, outcome: plan.into(), explanation: explanation.as_deref().map(lines) }
        }))
    }
}

// === impl Differences ===

impl Serialize for Differences<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(differences(self.workloads, self.changes, self.explained).map(|(difference, _)| {
            self.differ.set(self.differ.get() || difference.is_change());
            difference
        }))
    }
}
