//! What a zone holds, kept up by what is written to it, and read anew as seldom as that can be trusted.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::apply::{Applied, apply_counting};
use crate::backoff::Backoff;
use crate::error::DnsError;
use crate::plan::{Change, ChangeSet};
use crate::provider::DnsProvider;
use crate::record::RecordSetKey;
use crate::zone::{Zone, ZoneSnapshot};

/// How long a request that was given up may still be on its way: connections that are cut lie in nobody's queue for longer.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

/// A zone and what is known of it. Its writer reads its own writes: a write's answer is what is known from then on.
///
/// The zone is listed when nothing is known of it, which [`refresh`](Self::refresh) waits for, and after that from time to time: when
/// the last list is older than the sweep interval, after [`invalidate`](Self::invalidate), and when a set could not be read again or
/// [`apply`](Self::apply) was dropped half-way. Nobody waits for these *sweeps*: every write carries what was read, so what is known
/// serves on until the new list is there. The first [`refresh`](Self::refresh) after that takes it; [`swept`](Self::swept) tells when.
/// What is written during a sweep is newer than what the sweep brings, and stays.
///
/// Between two sweeps a zone that is as it should be costs no request. A sweep that fails is [told](Self::failed) and tried again, ever
/// more rarely. Sweeps run as tasks of the tokio runtime, and end with the cache.
///
/// ```
/// use std::time::Duration;
/// use kfed_dnsprovider::{Desired, DnsProvider, MemoryProvider, Owner, Policy, ZoneCache, plan};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let provider = DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?));
/// let zone = provider.find_zone(&"example.com".parse()?).await?;
/// let mut cache = ZoneCache::new(provider, zone, Duration::from_secs(600));
/// let snapshot = cache.refresh().await?;
/// let changes = plan(snapshot, &Desired::default(), &Owner("myfederation".into()), &Policy::default());
/// let applied = cache.apply(&changes).await;
/// assert!(!applied.stale);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ZoneCache {
    provider: DnsProvider,
    zone: Zone,
    every: Duration,
    snapshot: ZoneSnapshot,
    /// When the next sweep is due; none before the first list.
    sweep_at: Option<Instant>,
    /// Whether the next sweep is due whatever the time: something of what is known cannot be trusted.
    in_doubt: bool,
    /// When the last request that was given up must have arrived: only a sweep that begins then is certain to see it.
    arrived_at: Option<Instant>,
    /// The sweep that is under way: at most one.
    sweep: JoinSet<Result<ZoneSnapshot, DnsError>>,
    /// Sets that were written since it began.
    written: BTreeSet<RecordSetKey>,
    backoff: Backoff,
    failed: Option<DnsError>,
    left: Arc<AtomicUsize>,
    /// How often the zone has been listed.
    lists: u64,
}

impl ZoneCache {
    /// Nothing is known of `zone` yet. It is listed every `sweep` at least.
    pub fn new(provider: DnsProvider, zone: Zone, sweep: Duration) -> Self {
        Self {
            provider,
            zone,
            every: sweep,
            snapshot: ZoneSnapshot::default(),
            sweep_at: None,
            in_doubt: false,
            arrived_at: None,
            sweep: JoinSet::new(),
            written: BTreeSet::new(),
            backoff: Backoff::default(),
            failed: None,
            left: Arc::default(),
            lists: 0,
        }
    }

    /// The same, counting down in `left` as changes are made: whoever plans them sets it to how many there are, and others see how far
    /// they have come.
    #[must_use]
    pub fn counting(self, left: Arc<AtomicUsize>) -> Self {
        Self { left, ..self }
    }

    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// What is known. The first time the zone is listed; later a sweep begins if one is due.
    ///
    /// # Errors
    /// [`DnsError`] when nothing is known and the list fails.
    pub async fn refresh(&mut self) -> Result<&ZoneSnapshot, DnsError> {
        while let Some(read) = self.sweep.try_join_next() {
            self.take(read);
        }
        match self.sweep_at {
            None => {
                self.snapshot = self.provider.snapshot(&self.zone.id).await?;
                self.lists += 1;
                self.sweep_at = Some(Instant::now() + self.every);
            }
            Some(_) if self.in_doubt || self.arrived_at.is_some_and(|at| at <= Instant::now()) => self.begin(),
            Some(at) if at > Instant::now() => {}
            Some(_) if self.sweep.is_empty() => self.begin(),
            // It takes longer than the time between two: it is due again later, and not given up.
            Some(_) => self.sweep_at = Some(Instant::now() + self.every),
        }
        Ok(&self.snapshot)
    }

    /// What is known, due or not; nothing before the first [`refresh`](Self::refresh).
    pub fn snapshot(&self) -> &ZoneSnapshot {
        &self.snapshot
    }

    /// How many lists what is known has been taken from: when there is another, any set may have changed. In between only those that are
    /// [written](Self::apply) do.
    pub fn lists(&self) -> u64 {
        self.lists
    }

    /// [Makes](crate::apply()) `changes` and knows their answers.
    pub async fn apply(&mut self, changes: &ChangeSet) -> Applied {
        self.apply_until(changes, std::future::pending()).await
    }

    /// [`apply`](Self::apply) that [ends early](crate::apply_until) when `urgent` does. What it gave up may arrive after it has been read
    /// again, so the zone is swept when that is over.
    pub async fn apply_until(&mut self, changes: &ChangeSet, urgent: impl Future<Output = ()>) -> Applied {
        if changes.changes.is_empty() {
            return Applied::default();
        }
        if !self.sweep.is_empty() {
            self.written.extend(changes.changes.iter().map(Change::key).cloned());
        }
        // Whoever drops this half-way has answers under way that nobody will hear.
        let in_doubt = std::mem::replace(&mut self.in_doubt, true);
        let applied = {
            let (provider, zone, left) = (&self.provider, &self.zone.id, &*self.left);
            apply_counting(provider, zone, changes, &mut self.snapshot, urgent, left).await
        };
        self.in_doubt = in_doubt || !applied.unread.is_empty();
        if !applied.given_up.is_empty() {
            self.arrived_at = Some(Instant::now() + ON_ITS_WAY);
        }
        applied
    }

    /// Waits for the end of the sweep that is under way, and takes what it has brought; for ever if there is none. Nothing is lost
    /// when it is dropped.
    pub async fn swept(&mut self) {
        match self.sweep.join_next().await {
            Some(read) => self.take(read),
            None => std::future::pending().await,
        }
    }

    /// How long until the next sweep is due; zero when the next [`refresh`](Self::refresh) begins one, or lists the zone.
    pub fn until_sweep(&self) -> Duration {
        if self.in_doubt {
            return Duration::ZERO;
        }
        let due = self.sweep_at.map(|at| self.arrived_at.map_or(at, |arrived| at.min(arrived)));
        due.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Why the last sweep failed, if it did.
    pub fn failed(&self) -> Option<&DnsError> {
        self.failed.as_ref()
    }

    /// Sweeps at the next [`refresh`](Self::refresh).
    pub fn invalidate(&mut self) {
        self.in_doubt = true;
    }

    /// Begins a sweep. One that is under way has begun before what is in doubt now, and ends.
    fn begin(&mut self) {
        self.in_doubt = false;
        self.arrived_at = self.arrived_at.filter(|at| *at > Instant::now());
        self.sweep_at = Some(Instant::now() + self.every);
        self.written.clear();
        self.sweep = JoinSet::new();
        let (provider, zone) = (self.provider.clone(), self.zone.id.clone());
        self.sweep.spawn(async move { provider.snapshot(&zone).await });
    }

    fn take(&mut self, read: Result<Result<ZoneSnapshot, DnsError>, JoinError>) {
        match read {
            Ok(Ok(mut snapshot)) => {
                for key in &std::mem::take(&mut self.written) {
                    match self.snapshot.get(key) {
                        Some(set) => snapshot.insert(set.clone()),
                        None => drop(snapshot.remove(key)),
                    }
                }
                self.snapshot = snapshot;
                self.lists += 1;
                self.backoff.reset();
                self.failed = None;
            }
            Ok(Err(error)) => {
                let wait = self.backoff.after(&error);
                let cause: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(zone = %self.zone.name, error = cause, ?wait, "the zone could not be read anew");
                self.sweep_at = Some(Instant::now() + wait);
                self.failed = Some(error);
            }
            Err(ended) => match ended.try_into_panic() {
                // A provider that panics does so to whoever asked.
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is ending.
                Err(_) => self.invalidate(),
            },
        }
    }
}
