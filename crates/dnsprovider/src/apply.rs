//! Carries a change set out, and keeps what is known of the zone true meanwhile.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::error::{DnsError, ErrorClass};
use crate::name::DnsName;
use crate::operation::{Precondition, Priority};
use crate::plan::{Change, ChangeSet, Stage, Urgency};
use crate::provider::DnsProvider;
use crate::record::{RecordSet, RecordSetKey};
use crate::zone::{ZoneId, ZoneSnapshot};

/// How many names [`apply`] works on at the same time: enough to hide the way to a provider and back, few enough for one that does not
/// like crowds.
pub const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not zero");

/// What became of a change set.
#[derive(Debug, Default)]
pub struct Applied {
    /// How many changes were made.
    pub done: usize,
    /// The changes that failed, and why.
    pub failed: Vec<(RecordSetKey, DnsError)>,
    /// The changes that were not tried: the provider wants no more requests now, or the half before them failed.
    pub skipped: Vec<RecordSetKey>,
    /// Whether the zone was not as the plan thought: plan again on the snapshot, which now holds what was read.
    pub stale: bool,
    /// The sets that could not be read again: what the snapshot says of them is not to be trusted.
    pub unread: Vec<RecordSetKey>,
}

/// What came of one change.
enum Outcome {
    Done,
    Failed(DnsError),
    Skipped,
}

/// What is known of a set by an answer: the set, or that there is none.
type Known = (RecordSetKey, Option<RecordSet>);

/// The changes of one stage at one name, with their places in the change set.
struct AtName<'a> {
    name: &'a DnsName,
    changes: Vec<(usize, &'a Change)>,
    /// Whether an earlier stage has failed here.
    broken: bool,
}

/// Where changes go, and whether they still may.
struct Run<'a> {
    provider: DnsProvider,
    zone: &'a ZoneId,
    stopped: &'a AtomicBool,
}

/// What came of an [`AtName`].
#[derive(Default)]
struct Outcomes {
    changes: Vec<(usize, Outcome)>,
    known: Vec<Known>,
    unread: Vec<RecordSetKey>,
    stale: bool,
}

/// Makes `changes` stage by stage, each under its precondition, and brings `snapshot` up to date by every answer. Within a
/// [stage](Stage) up to [`CONCURRENCY`] names are worked on at the same time, those that come first begun first; changes at one name
/// are made in their order. What withdraws wrong answers is asked with [`Priority::Urgent`].
///
/// After [`ErrorClass::Conflict`] and [`ErrorClass::Unknown`] the set is read again into the snapshot and the result is `stale`.
/// [`ErrorClass::Throttled`], [`ErrorClass::Forbidden`] and [`ErrorClass::Unauthenticated`] end the run: nothing more is sent, and what
/// is under way is waited for. After any other error it goes on with other names. What makes room and what then fills it (or what comes
/// and what then goes) depend on each other: when a change fails, nothing more is created or deleted at its name.
///
/// A run that is dropped leaves the snapshot without the answers that were under way.
pub async fn apply(provider: &DnsProvider, zone: &ZoneId, changes: &ChangeSet, snapshot: &mut ZoneSnapshot) -> Applied {
    apply_with(provider, zone, changes, snapshot, CONCURRENCY).await
}

/// [`apply`] with another limit than [`CONCURRENCY`].
pub async fn apply_with(
    provider: &DnsProvider,
    zone: &ZoneId,
    changes: &ChangeSet,
    snapshot: &mut ZoneSnapshot,
    concurrency: NonZeroUsize,
) -> Applied {
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let mut applied = Applied::default();
    let mut broken: BTreeSet<&DnsName> = BTreeSet::new();
    let stopped = AtomicBool::new(false);
    for (urgency, stage) in stages(changes) {
        let priority = if urgency == Urgency::WrongNow { Priority::Urgent } else { Priority::Normal };
        let run = &Run { provider: provider.with_priority(priority), zone, stopped: &stopped };
        let mut names = by_name(stage, &broken).into_iter();
        let mut work = FuturesUnordered::new();
        work.extend(names.by_ref().take(concurrency.get()).map(|at| run.at_name(at)));
        while let Some((name, done)) = work.next().await {
            work.extend(names.next().map(|at| run.at_name(at)));
            for (key, set) in done.known {
                match set {
                    Some(set) => snapshot.insert(set),
                    None => drop(snapshot.remove(&key)),
                }
            }
            if done.changes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_))) {
                broken.insert(name);
            }
            applied.stale |= done.stale;
            applied.unread.extend(done.unread);
            outcomes.extend(done.changes);
        }
    }
    applied.unread.sort();
    // In the order of the plan, whatever was answered first.
    for (n, outcome) in outcomes {
        let key = changes.changes[n].key().clone();
        match outcome {
            Outcome::Done => applied.done += 1,
            Outcome::Failed(error) => applied.failed.push((key, error)),
            Outcome::Skipped => applied.skipped.push(key),
        }
    }
    applied
}

/// The stages with their changes and the places of those; what is behind the last stage is a stage each.
fn stages(changes: &ChangeSet) -> Vec<(Urgency, Vec<(usize, &Change)>)> {
    let mut left = changes.changes.iter().enumerate();
    let mut stages: Vec<_> = changes
        .stages
        .iter()
        .map(|Stage { urgency, changes }| (*urgency, left.by_ref().take(*changes).collect()))
        .collect();
    stages.extend(left.map(|change| (Urgency::Removes, vec![change])));
    stages
}

/// The changes by name, names in the order in which they come.
fn by_name<'a>(stage: Vec<(usize, &'a Change)>, broken: &BTreeSet<&DnsName>) -> Vec<AtName<'a>> {
    let mut places: BTreeMap<&DnsName, usize> = BTreeMap::new();
    let mut names: Vec<AtName<'a>> = Vec::new();
    for (n, change) in stage {
        let name = &change.key().name;
        let place = *places.entry(name).or_insert(names.len());
        if place == names.len() {
            names.push(AtName { name, changes: Vec::new(), broken: broken.contains(name) });
        }
        names[place].changes.push((n, change));
    }
    names
}

// === impl ChangeSet ===

impl ChangeSet {
    /// Leaves out the changes that `keep` does not want made now; the others stay in their stages.
    pub fn retain(&mut self, keep: impl Fn(&Change) -> bool) {
        let mut left = self.changes.iter();
        for stage in &mut self.stages {
            stage.changes = left.by_ref().take(stage.changes).filter(|change| keep(change)).count();
        }
        self.stages.retain(|stage| stage.changes > 0);
        self.changes.retain(keep);
    }
}

// === impl Run ===

impl Run<'_> {
    async fn at_name<'a>(&self, at: AtName<'a>) -> (&'a DnsName, Outcomes) {
        let mut outcomes = Outcomes::default();
        let mut broken = at.broken;
        for (n, change) in at.changes {
            let depends = !matches!(change, Change::Update { .. });
            if self.stopped.load(Ordering::Relaxed) || (broken && depends) {
                outcomes.changes.push((n, Outcome::Skipped));
                continue;
            }
            match self.make(change).await {
                Ok(known) => {
                    outcomes.known.push(known);
                    outcomes.changes.push((n, Outcome::Done));
                }
                Err(error) => {
                    broken = true;
                    self.stop_after(error.class);
                    if matches!(error.class, ErrorClass::Conflict | ErrorClass::Unknown) {
                        outcomes.stale = true;
                        self.read_again(change.key(), &mut outcomes).await;
                    }
                    outcomes.changes.push((n, Outcome::Failed(error)));
                }
            }
        }
        (at.name, outcomes)
    }

    async fn make(&self, change: &Change) -> Result<Known, DnsError> {
        match change {
            Change::Create { set } | Change::Update { to: set, .. } => {
                let set = self.provider.put(self.zone, set.clone(), change.precondition()).await?;
                Ok((set.key.clone(), Some(set)))
            }
            Change::Delete { set } => {
                if let Precondition::Unchanged(etag) = change.precondition() {
                    self.provider.delete(self.zone, &set.key, etag).await?;
                }
                Ok((set.key.clone(), None))
            }
        }
    }

    async fn read_again(&self, key: &RecordSetKey, outcomes: &mut Outcomes) {
        match self.provider.get(self.zone, key).await {
            Ok(set) => outcomes.known.push((key.clone(), set)),
            Err(error) => {
                self.stop_after(error.class);
                outcomes.unread.push(key.clone());
            }
        }
    }

    fn stop_after(&self, class: ErrorClass) {
        if matches!(class, ErrorClass::Throttled | ErrorClass::Forbidden | ErrorClass::Unauthenticated) {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }
}
