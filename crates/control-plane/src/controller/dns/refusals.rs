//! Record sets that the provider does not take: each waits by itself, and nobody else waits for it.

use std::collections::{BTreeMap, BTreeSet};

use kfed_dnsprovider::plan::Change;
use kfed_dnsprovider::{Applied, Backoff, ChangeSet, DnsError, ErrorClass, RecordSetKey, Resource};
use tokio::time::Instant;

/// What was not taken when it was last tried.
#[derive(Default)]
pub(super) struct Refusals {
    sets: BTreeMap<RecordSetKey, Refusal>,
    /// Why the last writes failed, while none succeed.
    ailing: Option<DnsError>,
}

struct Refusal {
    resource: Option<Resource>,
    why: String,
    backoff: Backoff,
    until: Instant,
}

// === impl Refusals ===

impl Refusals {
    /// Why no write has succeeded of late, if none has.
    pub(super) fn ailing(&self) -> Option<&DnsError> {
        self.ailing.as_ref()
    }

    /// When the first of them is to be tried again.
    pub(super) fn again(&self) -> Option<Instant> {
        self.sets.values().map(|refusal| refusal.until).min()
    }

    /// What the Services are to be told whose sets were not taken.
    pub(super) fn told(&self) -> impl Iterator<Item = (Resource, String)> {
        self.sets.values().filter_map(|refusal| Some((refusal.resource.clone()?, refusal.why.clone())))
    }

    /// Takes out of `changes` what is not to be asked for yet, and forgets what is not wanted any more.
    pub(super) fn leave_out(&mut self, changes: &mut ChangeSet) {
        let planned: BTreeSet<_> = changes.changes.iter().map(Change::key).collect();
        self.sets.retain(|key, _| planned.contains(key));
        let now = Instant::now();
        let waiting: BTreeSet<_> =
            self.sets.iter().filter(|(_, refusal)| refusal.until > now).map(|(key, _)| key).collect();
        let waits = |change: &Change| {
            // What comes and goes at one name depends on each other.
            let beside = || waiting.iter().any(|key| key.name == change.key().name);
            waiting.contains(change.key()) || (!matches!(change, Change::Update { .. }) && beside())
        };
        changes.retain(|change| !waits(change));
    }

    /// What the failures mean: the zone is away, and what each Service is told; what was refused waits.
    pub(super) fn judge(
        &mut self,
        changes: &ChangeSet,
        applied: Applied,
    ) -> (Option<DnsError>, BTreeMap<Resource, String>) {
        let resources: BTreeMap<_, _> =
            changes.changes.iter().map(|change| (change.key(), change.resource())).collect();
        let resource = |key: &RecordSetKey| resources.get(key).cloned().flatten();
        let mut failed = BTreeMap::new();
        let mut outage: Option<DnsError> = None;
        let (ended, took) = (applied.ended, applied.done > 0);
        let mut refused = BTreeSet::new();
        let mut ailing = None;
        for (key, error) in applied.failed {
            if concerns_the_zone(&error, ended) {
                failed.extend(resource(&key).map(|resource| (resource, error.to_string())));
                // The longest wait that was asked for.
                if outage.as_ref().is_none_or(|other| other.retry_after() < error.retry_after()) {
                    outage = Some(error);
                }
                continue;
            }
            tracing::info!(error = crate::effect::chain(&error), "a record set was not taken");
            let refusal = self.sets.entry(key.clone()).or_insert_with(|| Refusal {
                resource: resource(&key),
                why: String::new(),
                backoff: Backoff::default(),
                until: Instant::now(),
            });
            refusal.why = error.to_string();
            refusal.until = Instant::now() + refusal.backoff.after(&error);
            refused.insert(key);
            if may_concern_the_zone(&error) {
                ailing = Some(error);
            }
        }
        if let Some(error) = &outage {
            let skipped = applied.skipped.iter().filter_map(resource);
            failed.extend(skipped.map(|resource| (resource, error.to_string())));
        }
        // What was tried now and is in neither list was taken.
        let skipped: BTreeSet<_> = applied.skipped.iter().collect();
        let taken = |key: &RecordSetKey| {
            resources.contains_key(key) && !refused.contains(key) && !skipped.contains(key) && outage.is_none()
        };
        self.sets.retain(|key, _| !taken(key));
        // One that is refused for its own sake says nothing of the zone while others are taken.
        if took || self.sets.is_empty() {
            self.ailing = None;
        } else if ailing.is_some() {
            self.ailing = ailing;
        }
        (outage, failed)
    }
}

/// Whether nothing else is to be sent either: the provider asks for it, or does not know us, or has `ended` a run by refusing or
/// failing whatever was asked.
fn concerns_the_zone(error: &DnsError, ended: bool) -> bool {
    error.retry_after().is_some()
        || matches!(error.class, ErrorClass::Throttled | ErrorClass::Unauthenticated)
        || (ended && may_concern_the_zone(error))
}

/// Whether a whole zone may fail so, and a single set as well.
fn may_concern_the_zone(error: &DnsError) -> bool {
    matches!(error.class, ErrorClass::Unavailable | ErrorClass::Forbidden | ErrorClass::NotFound)
}
