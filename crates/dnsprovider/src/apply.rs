//! Carries a change set out, and keeps what is known of the zone true meanwhile.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, join_all, select};
use futures::stream::{FuturesUnordered, once};

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
    /// Whether the run was ended by what the provider answered, and not for a single set: nothing is worth sending now.
    pub ended: bool,
    /// Whether it was ended because something has become more urgent: plan again.
    pub interrupted: bool,
    /// The sets whose requests were given up by that. They have been read again, and the requests may still arrive.
    pub given_up: Vec<RecordSetKey>,
}

/// As many names as must fail, and none succeed, before a refusal or an outage counts for the zone and not for the name alone.
const ENOUGH: usize = 16;

/// How long a run that something more urgent ends waits for the answers to what it has sent. Mostly they come within it, and then nothing
/// is spent in vain: a request that is given up has cost its turn, and costs a read.
const GRACE: Duration = Duration::from_secs(1);

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

/// What runs tell each other of how the provider answers.
#[derive(Default)]
struct Mood {
    /// Nothing more is to be sent.
    stopped: AtomicBool,
    /// Whether anything has succeeded.
    takes: AtomicBool,
    /// How many names have failed in a way that the whole zone may.
    refused: AtomicUsize,
}

/// Where changes go, and whether they still may.
struct Run<'a> {
    provider: DnsProvider,
    zone: &'a ZoneId,
    mood: &'a Mood,
    /// How many changes are still to be made.
    left: &'a AtomicUsize,
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
/// [`ErrorClass::Throttled`] and [`ErrorClass::Unauthenticated`] end the run: nothing more is sent, and what is under way is waited for.
/// [`ErrorClass::Forbidden`], [`ErrorClass::NotFound`] and [`ErrorClass::Unavailable`] end it when 16 changes have failed so and none has
/// succeeded: a lock on one set does not stop the others. After any other error it goes on with other names. What makes room and what then fills it (or what comes
/// and what then goes) depend on each other: when a change fails, nothing more is created or deleted at its name.
///
/// A run that is dropped leaves the snapshot without the answers that were under way.
pub async fn apply(provider: &DnsProvider, zone: &ZoneId, changes: &ChangeSet, snapshot: &mut ZoneSnapshot) -> Applied {
    apply_with(provider, zone, changes, snapshot, CONCURRENCY).await
}

/// [`apply`] that ends early when `urgent` does: what has not been sent is skipped, what has no answer a second later is given up and
/// read again, and the result is [`interrupted`](Applied::interrupted). A plan that has become old must not keep a newer one waiting
/// while it spends the budget.
pub async fn apply_until(
    provider: &DnsProvider,
    zone: &ZoneId,
    changes: &ChangeSet,
    snapshot: &mut ZoneSnapshot,
    urgent: impl Future<Output = ()>,
) -> Applied {
    apply_counting(provider, zone, changes, snapshot, urgent, &AtomicUsize::default()).await
}

/// [`apply_until`] that counts down in `left` as changes are made.
pub(crate) async fn apply_counting(
    provider: &DnsProvider,
    zone: &ZoneId,
    changes: &ChangeSet,
    snapshot: &mut ZoneSnapshot,
    urgent: impl Future<Output = ()>,
    left: &AtomicUsize,
) -> Applied {
    run(provider, zone, changes, snapshot, CONCURRENCY, urgent, left).await
}

/// [`apply`] with another limit than [`CONCURRENCY`].
pub async fn apply_with(
    provider: &DnsProvider,
    zone: &ZoneId,
    changes: &ChangeSet,
    snapshot: &mut ZoneSnapshot,
    concurrency: NonZeroUsize,
) -> Applied {
    run(provider, zone, changes, snapshot, concurrency, std::future::pending(), &AtomicUsize::default()).await
}

async fn run(
    provider: &DnsProvider,
    zone: &ZoneId,
    changes: &ChangeSet,
    snapshot: &mut ZoneSnapshot,
    concurrency: NonZeroUsize,
    urgent: impl Future<Output = ()>,
    left: &AtomicUsize,
) -> Applied {
    let grace = once(async { tokio::time::sleep(GRACE).await });
    let mut ends = std::pin::pin!(once(urgent).chain(grace));
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let mut applied = Applied::default();
    let mut broken: BTreeSet<&DnsName> = BTreeSet::new();
    let mood = Mood::default();
    for (urgency, stage) in stages(changes) {
        let priority = if urgency == Urgency::WrongNow { Priority::Urgent } else { Priority::Normal };
        let run = &Run { provider: provider.with_priority(priority), zone, mood: &mood, left };
        let names = by_name(stage, &broken);
        if applied.interrupted {
            outcomes.extend(names.into_iter().flat_map(|at| at.changes).map(|(n, _)| (n, Outcome::Skipped)));
            continue;
        }
        let mut under_way: BTreeMap<&DnsName, Vec<usize>> = BTreeMap::new();
        let mut names = names.into_iter();
        let mut work = FuturesUnordered::new();
        loop {
            while !applied.interrupted
                && work.len() < concurrency.get()
                && let Some(at) = names.next()
            {
                under_way.insert(at.name, at.changes.iter().map(|(n, _)| *n).collect());
                work.push(run.at_name(at));
            }
            if work.is_empty() {
                break;
            }
            let (name, done) = match select(work.next(), ends.next()).await {
                Either::Left((Some(done), _)) => done,
                Either::Left((None, _)) => break,
                Either::Right(_) if applied.interrupted => break,
                Either::Right(_) => {
                    applied.interrupted = true;
                    continue;
                }
            };
            under_way.remove(name);
            learn(snapshot, done.known);
            if done.changes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_))) {
                broken.insert(name);
            }
            applied.stale |= done.stale;
            applied.unread.extend(done.unread);
            outcomes.extend(done.changes);
        }
        if applied.interrupted {
            // What is on its way now may arrive or not.
            drop(work);
            let given_up: Vec<usize> = under_way.into_values().flatten().collect();
            let read = given_up.iter().map(|n| run.read_again(changes.changes[*n].key()));
            for read in join_all(read).await {
                learn(snapshot, read.known);
                applied.unread.extend(read.unread);
            }
            applied.given_up = given_up.iter().map(|n| changes.changes[*n].key().clone()).collect();
            outcomes.extend(given_up.into_iter().map(|n| (n, Outcome::Skipped)));
            outcomes.extend(names.flat_map(|at| at.changes).map(|(n, _)| (n, Outcome::Skipped)));
        }
    }
    applied.ended = mood.stopped.into_inner();
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

/// Brings `snapshot` up to date.
fn learn(snapshot: &mut ZoneSnapshot, known: Vec<Known>) {
    for (key, set) in known {
        match set {
            Some(set) => snapshot.insert(set),
            None => drop(snapshot.remove(&key)),
        }
    }
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
            if self.mood.stopped.load(Ordering::Relaxed) || (broken && depends) {
                outcomes.changes.push((n, Outcome::Skipped));
                continue;
            }
            match self.make(change).await {
                Ok(known) => {
                    self.mood.takes.store(true, Ordering::Relaxed);
                    let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                    outcomes.known.push(known);
                    outcomes.changes.push((n, Outcome::Done));
                }
                Err(error) => {
                    broken = true;
                    self.judge(error.class);
                    if matches!(error.class, ErrorClass::Conflict | ErrorClass::Unknown) {
                        outcomes.stale = true;
                        let read = self.read_again(change.key()).await;
                        outcomes.known.extend(read.known);
                        outcomes.unread.extend(read.unread);
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

    async fn read_again(&self, key: &RecordSetKey) -> Outcomes {
        match self.provider.get(self.zone, key).await {
            Ok(set) => Outcomes { known: vec![(key.clone(), set)], ..Outcomes::default() },
            Err(error) => {
                self.judge(error.class);
                Outcomes { unread: vec![key.clone()], ..Outcomes::default() }
            }
        }
    }

    /// Whether a failure ends the run.
    fn judge(&self, class: ErrorClass) {
        let ends = match class {
            ErrorClass::Throttled | ErrorClass::Unauthenticated => true,
            ErrorClass::Forbidden | ErrorClass::NotFound | ErrorClass::Unavailable => {
                let refused = self.mood.refused.fetch_add(1, Ordering::Relaxed) + 1;
                refused >= ENOUGH && !self.mood.takes.load(Ordering::Relaxed)
            }
            _ => false,
        };
        if ends {
            self.mood.stopped.store(true, Ordering::Relaxed);
        }
    }
}
