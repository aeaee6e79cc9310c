//! What every provider must do. Run against a real zone or an emulator, it needs a zone to write in; it writes below
//! `kfed-conformance` only, and leaves nothing there.
//!
//! ```
//! use kfed_dnsprovider::{DnsProvider, MemoryProvider, ZoneId, conformance};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let provider = DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?));
//! conformance::run(provider, ZoneId("example.com".into())).await.assert_passed();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checks;
mod limits;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::error::DnsError;
use crate::layer::Limits;
use crate::name::DnsName;
use crate::provider::DnsProvider;
use crate::record::{Etag, RecordSet, RecordSetKey, RecordType};
use crate::zone::{Zone, ZoneId, ZoneSnapshot};

/// How a provider did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every check, in order.
    pub checks: Vec<Check>,
}

/// One thing that a provider must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it must do, as a sentence.
    pub name: &'static str,
    /// What it did instead.
    pub failure: Option<String>,
}

/// Where checks work.
pub(crate) struct Bench {
    provider: DnsProvider,
    zone: Zone,
}

/// Asks `provider` for everything that a provider must do in `zone`. Of two runs in one zone at one time both may fail.
pub async fn run(provider: DnsProvider, zone: ZoneId) -> Report {
    let bench = match Bench::new(provider, zone).await {
        Ok(bench) => bench,
        Err(failure) => return Report::failed(failure),
    };
    let mut checks = checks::all(&bench).await;
    checks.push(Check { name: "what was written can be removed", failure: bench.clean().await.err() });
    Report { checks }
}

/// Asks `provider` to hold sets of each of `types`, with data of every form that the type has.
pub async fn types(provider: DnsProvider, zone: ZoneId, types: &[RecordType]) -> Report {
    let bench = match Bench::new(provider, zone).await {
        Ok(bench) => bench,
        Err(failure) => return Report::failed(failure),
    };
    let mut checks = checks::types(&bench, types).await;
    checks.push(Check { name: "what was written can be removed", failure: bench.clean().await.err() });
    Report { checks }
}

/// Whether `limits` are those that `provider` (without a budget of its own) really has: half as many requests again as each allows are
/// sent through a [`Budget`](crate::layer::Budget), all at once, and none may be throttled. It takes as long as the budget makes it:
/// run it under a paused clock, or have some minutes.
pub async fn within_limits(provider: DnsProvider, zone: ZoneId, limits: &Limits) -> Report {
    limits::run(provider, zone, limits).await
}

// === impl Report ===

impl Report {
    fn failed(failure: String) -> Self {
        Self { checks: vec![Check { name: "the zone can be read and written", failure: Some(failure) }] }
    }

    /// Whether every check passed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.failure.is_none())
    }

    /// # Panics
    /// If any check failed, with all that did.
    pub fn assert_passed(&self) {
        assert!(self.passed(), "\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            match &check.failure {
                None => writeln!(f, "ok      {}", check.name)?,
                Some(failure) => writeln!(f, "FAILED  {}: {failure}", check.name)?,
            }
        }
        Ok(())
    }
}

// === impl Bench ===

/// What went wrong, with its causes.
fn full(error: &DnsError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

impl Bench {
    /// A place to work in that holds nothing of an earlier run.
    async fn new(provider: DnsProvider, zone: ZoneId) -> Result<Self, String> {
        let zones = provider.list_zones(None).await;
        let zones = zones.map_err(|error| format!("the zones could not be listed: {}", full(&error)))?;
        let Some(zone) = zones.into_iter().find(|listed| listed.id == zone) else {
            return Err(format!("zone `{}` is not among those listed", zone.0));
        };
        let bench = Self { provider, zone };
        bench.clean().await?;
        Ok(bench)
    }

    /// The name `label` below the one place that checks write in.
    fn name(&self, label: &str) -> Result<DnsName, String> {
        self.zone.name.child(&format!("{label}.kfed-conformance")).map_err(|error| error.to_string())
    }

    fn key(&self, record_type: RecordType, label: &str) -> Result<RecordSetKey, String> {
        Ok(RecordSetKey::new(self.name(label)?, record_type))
    }

    async fn snapshot(&self) -> Result<ZoneSnapshot, String> {
        self.provider.snapshot(&self.zone.id).await.map_err(|error| full(&error))
    }

    async fn get(&self, key: &RecordSetKey) -> Result<Option<RecordSet>, String> {
        self.provider.get(&self.zone.id, key).await.map_err(|error| full(&error))
    }

    async fn delete(&self, set: &RecordSet) -> Result<(), String> {
        let etag = etag(set)?;
        self.provider.delete(&self.zone.id, &set.key, etag).await.map_err(|error| full(&error))
    }

    /// Removes what a run has left.
    async fn clean(&self) -> Result<(), String> {
        let place = self.zone.name.child("kfed-conformance").map_err(|error| error.to_string())?;
        for set in self.snapshot().await?.iter().filter(|set| set.key.name.is_in(&place)) {
            self.delete(set).await?;
        }
        Ok(())
    }
}

fn etag(set: &RecordSet) -> Result<Etag, String> {
    set.etag.clone().ok_or_else(|| format!("{} was read without a version", set.key))
}
