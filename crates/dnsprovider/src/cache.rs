//! What a zone holds, kept up by what is written to it, and read anew as seldom as that can be trusted.

use std::time::Duration;

use tokio::time::Instant;

use crate::apply::{Applied, apply};
use crate::error::DnsError;
use crate::plan::ChangeSet;
use crate::provider::DnsProvider;
use crate::zone::{Zone, ZoneSnapshot};

/// A zone and what is known of it. Its writer reads its own writes: a write's answer is what is known from then on.
///
/// The zone is listed when nothing is known of it, when the last list is older than the sweep interval, and after
/// [`invalidate`](Self::invalidate). Between two sweeps a zone that is as it should be costs no request. After a conflict or a lost
/// answer [`apply`](Self::apply) reads that set again; where it cannot, or when it is dropped half-way, the next
/// [`refresh`](Self::refresh) lists the zone.
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
#[derive(Debug, Clone)]
pub struct ZoneCache {
    provider: DnsProvider,
    zone: Zone,
    sweep: Duration,
    snapshot: ZoneSnapshot,
    /// When the zone is to be listed again; none when what is known cannot be trusted.
    sweep_at: Option<Instant>,
}

impl ZoneCache {
    /// Nothing is known of `zone` yet. It is listed every `sweep` at least.
    pub fn new(provider: DnsProvider, zone: Zone, sweep: Duration) -> Self {
        Self { provider, zone, sweep, snapshot: ZoneSnapshot::default(), sweep_at: None }
    }

    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// What is known, after the zone has been listed if that is due.
    ///
    /// # Errors
    /// [`DnsError`] when it is due and fails; what was known before is kept, and it stays due.
    pub async fn refresh(&mut self) -> Result<&ZoneSnapshot, DnsError> {
        if self.until_sweep().is_zero() {
            self.snapshot = self.provider.snapshot(&self.zone.id).await?;
            self.sweep_at = Some(Instant::now() + self.sweep);
        }
        Ok(&self.snapshot)
    }

    /// What is known, due or not; nothing before the first [`refresh`](Self::refresh).
    pub fn snapshot(&self) -> &ZoneSnapshot {
        &self.snapshot
    }

    /// [Makes](apply) `changes` and knows their answers.
    pub async fn apply(&mut self, changes: &ChangeSet) -> Applied {
        if changes.is_empty() {
            return Applied::default();
        }
        // Whoever drops this half-way has answers under way that nobody will hear.
        let sweep_at = self.sweep_at.take();
        let applied = apply(&self.provider, &self.zone.id, changes, &mut self.snapshot).await;
        if applied.unread.is_empty() {
            self.sweep_at = sweep_at;
        }
        applied
    }

    /// How long what is known may be used; zero when the zone is to be listed.
    pub fn until_sweep(&self) -> Duration {
        self.sweep_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Lists the zone at the next [`refresh`](Self::refresh).
    pub fn invalidate(&mut self) {
        self.sweep_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use crate::memory::{Fault, MemoryProvider};
    use crate::operation::OperationKind;
    use crate::plan::{Policy, plan};
    use crate::testing::{desired, key, ours, owner, want, zone_id};

    const SWEEP: Duration = Duration::from_secs(600);

    async fn cache(memory: &MemoryProvider) -> ZoneCache {
        let provider = DnsProvider::new(memory.clone());
        let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
        memory.forget_calls();
        ZoneCache::new(provider, zone, SWEEP)
    }

    fn memory() -> MemoryProvider {
        MemoryProvider::with_zone("example.com".parse().unwrap())
    }

    fn moves(cache: &ZoneCache, to: &str) -> ChangeSet {
        plan(cache.snapshot(), &desired([want("A", "web", &[to])]), &owner(), &Policy::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_zone_of_a_thousand_names_at_rest_costs_one_list_a_sweep() {
        let memory = memory();
        let names: Vec<_> = (0..1000).map(|n| want("A", &format!("n{n}"), &["192.0.2.1"])).collect();
        for name in &names {
            memory.insert(&zone_id(), name.to_record_set(&owner()));
        }
        let mut cache = cache(&memory).await;
        let wish = desired(names);
        // Planned every ten seconds for an hour.
        for _ in 0..360 {
            let changes = plan(cache.refresh().await.unwrap(), &wish, &owner(), &Policy::default());
            cache.apply(&changes).await;
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert_eq!((memory.calls().len(), memory.requests(OperationKind::List)), (6, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn it_reads_its_own_writes_without_a_request() {
        let memory = memory();
        let mut cache = cache(&memory).await;
        cache.refresh().await.unwrap();
        for address in ["192.0.2.1", "192.0.2.2"] {
            let changes = moves(&cache, address);
            assert_eq!(cache.apply(&changes).await.done, 1);
            assert!(moves(&cache, address).is_empty());
        }
        cache.refresh().await.unwrap();
        assert_eq!((memory.calls().len(), memory.requests(OperationKind::List)), (3, 1));
        assert_eq!(*cache.snapshot(), memory.contents(&zone_id()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_reads_one_set_and_a_set_that_cannot_be_read_the_zone() {
        for get_fails in [false, true] {
            let memory = memory();
            let mut cache = cache(&memory).await;
            cache.refresh().await.unwrap();
            let changes = moves(&cache, "192.0.2.1");
            memory.insert(&zone_id(), ours("A", "web", &["192.0.2.77"]));
            memory.on_request(move |call| {
                let error = || Fault::Fail(DnsError::new(ErrorClass::Unavailable, call.operation, "away"));
                (get_fails && call.kind == OperationKind::Get).then(error)
            });
            assert!(cache.apply(&changes).await.stale);
            cache.refresh().await.unwrap();
            assert_eq!(memory.requests(OperationKind::List), 1 + usize::from(get_fails));
            assert_eq!(*cache.snapshot(), memory.contents(&zone_id()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_dropped_is_followed_by_a_list() {
        let memory = memory();
        let mut cache = cache(&memory).await;
        cache.refresh().await.unwrap();
        let changes = moves(&cache, "192.0.2.1");
        memory.on_request(|call| (call.kind == OperationKind::Create).then_some(Fault::Hang));
        let given_up = tokio::time::timeout(Duration::from_secs(1), cache.apply(&changes)).await;
        assert!(given_up.is_err());
        memory.insert(&zone_id(), ours("A", "web", &["192.0.2.1"]));
        assert!(cache.refresh().await.unwrap().get(&key("A", "web")).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_fails_stays_due_and_nothing_is_forgotten() {
        let memory = memory();
        memory.insert(&zone_id(), ours("A", "web", &["192.0.2.1"]));
        let mut cache = cache(&memory).await;
        cache.refresh().await.unwrap();
        cache.invalidate();
        memory.on_request(|call| {
            let first = call.number == 2;
            first.then(|| Fault::Fail(DnsError::new(ErrorClass::Unavailable, call.operation, "away")))
        });
        assert!(cache.refresh().await.is_err());
        assert_eq!((cache.snapshot().len(), cache.until_sweep()), (1, Duration::ZERO));
        cache.refresh().await.unwrap();
        assert_eq!(cache.until_sweep(), SWEEP);
    }
}
