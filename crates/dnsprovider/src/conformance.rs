//! What every provider must do. Run against a real zone or an emulator, it needs a zone to write in; it writes below
//! `kfed-conformance` only, and leaves nothing there.
//!
//! A provider says of itself what cannot be seen from outside: how far its writes are [atomic](Atomicity), which types it writes, what it
//! lets through, and how it is brought to refuse. All of it is checked; what it has not is skipped with the reason that it gives.
//!
//! ```
//! use kfed_dnsprovider::conformance::{Atomicity, Provoked, Suite};
//! use kfed_dnsprovider::{DnsProvider, MemoryProvider, RecordType, ZoneId};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let provider = DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?));
//! let report = Suite::new(provider, ZoneId("example.com".into()))
//!     .atomicity(Atomicity::RecordSet)
//!     .types(RecordType::ALL)
//!     .never(Provoked::Forbidden, "everybody may write to a zone in memory")
//!     .run()
//!     .await;
//! report.assert_passed();
//! assert!(report.to_string().contains("held     a set that changed meanwhile is not replaced\n"));
//! assert!(report.to_string().contains("skipped  what is forbidden is told so: everybody may write to a zone in memory\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod atomicity;
mod bench;
mod checks;
mod errors;
mod limits;
mod report;
#[cfg(test)]
mod tests;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use crate::layer::{Budget, Limits, Metrics};
use crate::provider::DnsProvider;
use crate::record::RecordType;
use crate::zone::ZoneId;

use bench::{Bench, Outcome};

pub use report::{Check, Report, Verdict};

/// Everything that a provider must do, and what it says of itself.
#[derive(Debug, Clone)]
pub struct Suite {
    provider: DnsProvider,
    zone: ZoneId,
    atomicity: Atomicity,
    types: BTreeSet<RecordType>,
    limits: Option<Limits>,
    missing_zone: Option<ZoneId>,
    provoked: BTreeMap<Provoked, DnsProvider>,
    never: BTreeMap<Provoked, String>,
}

/// How far a write is one step, and what makes a version old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atomicity {
    /// A record set is written as a whole or not at all, and has a version of its own: a write to another set does not concern it.
    RecordSet,
    /// A record set is written as a whole or not at all, and the zone has one version: any write to it makes old what was read of it.
    Zone,
    /// A write may be seen half done, and of two at one time both may be taken. It is true when it is over.
    None,
}

/// What a provider can be brought to, by being set up for it: wrong credentials, a spent budget, an address where nobody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provoked {
    /// Whoever asks may not write; whether reading is allowed does not matter.
    Forbidden,
    /// The credentials are wrong.
    Unauthenticated,
    /// Every request is one too many.
    Throttled,
    /// Nobody answers.
    Unavailable,
}

// === impl Suite ===

impl Suite {
    /// The checks that need no more than `provider` and a `zone` of it to write in. `provider` has no layers that retry or wait.
    pub fn new(provider: DnsProvider, zone: ZoneId) -> Self {
        Self {
            provider,
            zone,
            atomicity: Atomicity::RecordSet,
            types: [RecordType::A, RecordType::Aaaa, RecordType::Cname, RecordType::Txt].into(),
            limits: None,
            missing_zone: None,
            provoked: BTreeMap::new(),
            never: BTreeMap::new(),
        }
    }

    /// How far its writes are atomic; [`Atomicity::RecordSet`] unless it says otherwise.
    #[must_use]
    pub fn atomicity(mut self, atomicity: Atomicity) -> Self {
        self.atomicity = atomicity;
        self
    }

    /// The types that it writes, beside A, AAAA, CNAME and TXT, which all must.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = RecordType>) -> Self {
        self.types.extend(types);
        self
    }

    /// What it lets through: everything is sent through a [`Budget`] of these limits, half as many requests again as each allows among
    /// it, all at once, and none may be throttled. It takes as long as the budget makes it: run it under a paused clock, or have some
    /// minutes.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The identifier of a zone that is not there; unless it is given, it is made of the zone's own, where that holds the zone's name.
    #[must_use]
    pub fn missing_zone(mut self, zone: ZoneId) -> Self {
        self.missing_zone = Some(zone);
        self
    }

    /// The same provider, set up so that it must refuse in this way whatever it is asked about the zone.
    #[must_use]
    pub fn provoked(mut self, how: Provoked, provider: DnsProvider) -> Self {
        self.provoked.insert(how, provider);
        self
    }

    /// Says why it cannot be brought to that.
    #[must_use]
    pub fn never(mut self, how: Provoked, why: impl Into<String>) -> Self {
        self.never.insert(how, why.into());
        self
    }

    /// Asks for all of it. Of two runs in one zone at one time both may fail.
    pub async fn run(self) -> Report {
        let metrics = Metrics::default();
        let provider = match &self.limits {
            None => self.provider.clone(),
            Some(limits) => {
                let budget = Budget::new(limits.clone());
                self.provider.clone().layer(&metrics.layer()).layer(&budget.layer())
            }
        };
        let mut report = Report::default();
        let bench = match Bench::new(provider, self.zone.clone()).await {
            Ok(bench) => bench,
            Err(failure) => {
                report.note("the zone can be read and written", Outcome::Err(failure));
                return report;
            }
        };
        checks::run(&bench, &mut report).await;
        atomicity::run(&bench, self.atomicity, &mut report).await;
        types::run(&bench, &self.types, &mut report).await;
        errors::run(&bench, &self, &mut report).await;
        limits::run(&bench, self.limits.as_ref(), &metrics, &mut report).await;
        report.note("what was written can be removed", bench.clean().await);
        report
    }
}
