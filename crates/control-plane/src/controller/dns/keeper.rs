//! One pass after the other: what the zone holds, what it is to hold, and writes that carry what was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kfed_dnsprovider::plan::{Change, GuardedPlan, PlanHash};
use kfed_dnsprovider::{ChangeSet, Desired, DnsError, Guard, Owner, Policy, RecordSetKey, Resource, Zone, ZoneCache};
use tokio::time::Instant;

use super::refusals::Refusals;
use super::tell::{self, Teller};
use super::wishes::{Looked, Moment, Wishes};
use crate::controller::Shared;
use crate::controller::changes::Changed;
use crate::plan::Names;

/// Keeps one zone.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    cache: ZoneCache,
    owner: Owner,
    wishes: Wishes,
    /// Which list of the zone they know; none before the first, and after the names were given up.
    known: Option<u64>,
    /// Sets that the provider did not take.
    refusals: Refusals,
    teller: Teller,
    /// Deletions that look like lost input and wait for approval.
    held: Option<GuardedPlan>,
    /// Deletions that somebody has approved and that are under way: what is left of them needs no second approval.
    let_go: BTreeSet<RecordSetKey>,
    /// How long the last plan has taken, without its writes.
    planned_in: Duration,
}

/// What one pass is to bring about.
struct Planned {
    changes: ChangeSet,
    /// Who was looked at for that.
    looked: Looked,
    /// Whether the zone was read anew, so that all is told again.
    anew: bool,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, zone: Zone) -> Self {
        let settings = shared.settings();
        Self {
            owner: Owner(settings.federation.clone()),
            cache: ZoneCache::new(shared.parts.dns.clone(), zone, settings.dns_sweep)
                .counting(shared.unchanged.clone()),
            wishes: Wishes::new(settings, Instant::now(), shared.now()),
            known: None,
            refusals: Refusals::default(),
            teller: Teller::default(),
            held: None,
            let_go: BTreeSet::new(),
            planned_in: Duration::ZERO,
            shared,
        }
    }

    /// Why the zone could not be read or written when it was last tried.
    pub(super) fn trouble(&self) -> Option<&DnsError> {
        self.cache.failed().or(self.refusals.ailing())
    }

    /// Waits until the zone has been read anew; for ever if it is not being read.
    pub(super) async fn swept(&mut self) {
        self.cache.swept().await;
    }

    /// How long the last plan has taken, without its writes.
    pub(super) fn planned_in(&self) -> Duration {
        self.planned_in
    }

    /// Deletions that wait for approval.
    pub(super) fn held(&self) -> Option<&GuardedPlan> {
        self.held.as_ref()
    }

    /// One pass: read where needed, plan, write, tell. When to come again although nothing happens; an error where nothing more
    /// is to be sent to the zone for a while.
    pub(super) async fn keep(&mut self, approved: Option<PlanHash>) -> Result<Instant, DnsError> {
        let shared = self.shared.clone();
        if shared.world().names == Names::Left {
            self.forget_wishes();
            tell::of_all(&shared, None, &self.owner);
            shared.unchanged.store(0, Ordering::Relaxed);
            return Ok(Instant::now() + shared.settings().dns_sweep);
        }
        self.cache.refresh().await?;
        // Before anything is looked at: what becomes known after that ends the writes of a plan that did not know it.
        let alarm = shared.alarm.notified();
        let begin = Instant::now();
        let names = shared.world().names;
        let mut planned = match names {
            Names::Kept => self.plan(approved.as_ref()),
            Names::Withdrawn => self.plan_nothing(),
            // Just now.
            Names::Left => return Ok(begin),
        };
        let changes = &mut planned.changes;
        if !changes.is_empty() {
            tracing::debug!(zone = %self.cache.zone().name, ?changes, "planned");
        }
        self.held.clone_from(&changes.guarded);
        shared.unchanged.store(changes.changes.len(), Ordering::Relaxed);
        self.refusals.leave_out(changes);
        self.planned_in = begin.elapsed();
        let applied = self.cache.apply_until(changes, alarm).await;
        let interrupted = applied.interrupted;
        let (outage, mut failed) = self.refusals.judge(changes, applied);
        failed.extend(self.refusals.told());
        if names == Names::Kept {
            self.tell(&planned, &failed);
        }
        if names != Names::Kept || shared.world().names != Names::Kept {
            tell::of_all(&shared, Some(self.cache.snapshot()), &self.owner);
        }
        match outage {
            Some(error) => Err(error),
            None if interrupted => Ok(Instant::now()),
            None => Ok([self.wishes.again(), self.refusals.again()]
                .into_iter()
                .flatten()
                .fold(Instant::now() + self.cache.until_sweep(), Instant::min)),
        }
    }

    /// What makes of the zone what it is to hold.
    fn plan(&mut self, approved: Option<&PlanHash>) -> Planned {
        let shared = self.shared.clone();
        let mut changed = shared.zone.take();
        let anew = self.known.replace(self.cache.lists()) != Some(self.cache.lists());
        let (zone, snapshot) = (self.cache.zone(), self.cache.snapshot());
        if anew {
            self.wishes.see_all(snapshot);
            changed = Changed::Everything;
        }
        let (world, settings) = (&shared.world, shared.settings());
        let moment = Moment { world, settings, zone, snapshot, now: Instant::now(), time: shared.now() };
        let looked = self.wishes.look(moment, changed);
        let published = looked.iter().filter(|(resource, _)| self.wishes.publishes(resource));
        tell::of_addresses(&shared, published.map(|(resource, seen)| (resource, seen.as_ref())));
        let mut changes = self.wishes.changes(snapshot, approved.cloned());
        if self.is_let_go(changes.guarded.as_ref(), approved) {
            let rest = changes.guarded.map(|plan| plan.hash);
            changes = self.wishes.changes(self.cache.snapshot(), rest);
        }
        Planned { changes, looked, anew }
    }

    /// The zone is to hold nothing, and that has its cause.
    fn plan_nothing(&mut self) -> Planned {
        self.forget_wishes();
        self.let_go.clear();
        let policy = Policy { guard: Guard { share: 1.0, at_least: usize::MAX }, ..Policy::default() };
        let changes = kfed_dnsprovider::plan(self.cache.snapshot(), &Desired::default(), &self.owner, &policy);
        Planned { changes, looked: Looked::new(), anew: false }
    }

    /// The names are given up. If they are wanted again, all is looked at anew.
    fn forget_wishes(&mut self) {
        if self.known.take().is_some() {
            self.wishes = Wishes::new(self.shared.settings(), Instant::now(), self.shared.now());
        }
    }

    /// Whether what is held back is the rest of what somebody has approved: an outage may come in between.
    fn is_let_go(&mut self, guarded: Option<&GuardedPlan>, approved: Option<&PlanHash>) -> bool {
        if let (Some(held), Some(approved)) = (&self.held, approved)
            && held.hash == *approved
        {
            self.let_go = held.deletions.iter().cloned().collect();
        }
        if approved.is_none() && guarded.is_none() {
            self.let_go.clear();
        }
        let rest = |plan: &GuardedPlan| plan.deletions.iter().all(|key| self.let_go.contains(key));
        !self.let_go.is_empty() && guarded.is_some_and(rest)
    }

    /// Lets other decisions know how what was looked at or written stands, and what is in trouble or was.
    fn tell(&mut self, Planned { changes, looked, anew }: &Planned, failed: &BTreeMap<Resource, String>) {
        let snapshot = self.cache.snapshot();
        let written = self.wishes.see(snapshot, changes.changes.iter().map(Change::key));
        let mut concerned = self.teller.concerned(looked, &written, changes, failed);
        if *anew {
            concerned.extend(self.wishes.resources().cloned());
            concerned.extend(self.shared.world().dns.iter().flat_map(|dns| dns.services().cloned()));
        }
        let standings = concerned.into_iter().map(|resource| {
            let refused = failed.get(&resource).cloned();
            let standing = self.wishes.standing(&resource, snapshot, changes, refused);
            (resource, standing)
        });
        tell::of_services(&self.shared, standings.collect(), looked);
    }
}
