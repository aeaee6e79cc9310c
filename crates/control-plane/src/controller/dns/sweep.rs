//! Reads the zone as a whole from time to time, while what is known of it serves on: every write carries what was read.

use std::collections::BTreeSet;
use std::time::Duration;

use kfed_dnsprovider::{DnsError, DnsProvider, RecordSetKey, Zone, ZoneSnapshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::backoff::Backoff;

/// When the zone is read, and what came of it.
pub(super) struct Sweep {
    every: Duration,
    at: Instant,
    backoff: Backoff,
    failed: Option<DnsError>,
    /// At most one; it ends with this.
    reading: JoinSet<Result<ZoneSnapshot, DnsError>>,
    /// Sets that were written since the reading began: what is known of them is newer than what it brings.
    written: BTreeSet<RecordSetKey>,
}

// === impl Sweep ===

impl Sweep {
    pub(super) fn new(every: Duration) -> Self {
        let at = Instant::now() + every;
        let (backoff, failed, reading, written) = Default::default();
        Self { every, at, backoff, failed, reading, written }
    }

    /// When the next one is due.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Why the last one failed, if it did.
    pub(super) fn failed(&self) -> Option<&DnsError> {
        self.failed.as_ref()
    }

    /// Begins one in the background, if it is time to.
    pub(super) fn begin_if_due(&mut self, dns: &DnsProvider, zone: &Zone) {
        let now = Instant::now();
        if now < self.at {
            return;
        }
        self.at = now + self.every;
        if self.reading.is_empty() {
            self.written.clear();
            let (dns, zone) = (dns.clone(), zone.id.clone());
            self.reading.spawn(async move { dns.snapshot(&zone).await });
        }
    }

    /// Notes what is written while one is under way.
    pub(super) fn written<'a>(&mut self, keys: impl Iterator<Item = &'a RecordSetKey>) {
        if !self.reading.is_empty() {
            self.written.extend(keys.cloned());
        }
    }

    /// Waits for the one that is under way, for ever if there is none, and brings `known` up to date. Nothing is lost when it
    /// is dropped.
    pub(super) async fn end(&mut self, known: &mut Option<ZoneSnapshot>) {
        let read = match self.reading.join_next().await {
            None => return std::future::pending().await,
            Some(Err(error)) => return tracing::error!(%error, "reading the zone panicked"),
            Some(Ok(read)) => read,
        };
        match read {
            Ok(mut snapshot) => {
                for key in &std::mem::take(&mut self.written) {
                    match known.as_ref().and_then(|known| known.get(key)) {
                        Some(set) => snapshot.insert(set.clone()),
                        None => drop(snapshot.remove(key)),
                    }
                }
                *known = Some(snapshot);
                *self = Self::new(self.every);
            }
            Err(error) => {
                let wait = self.backoff.after(&error);
                tracing::warn!(error = crate::effect::chain(&error), ?wait, "the zone could not be read anew");
                self.at = Instant::now() + wait;
                self.failed = Some(error);
            }
        }
    }
}
