//! A provider that holds its zones in memory and behaves like Azure DNS where it matters: versions, preconditions, pages.

mod service;
#[cfg(test)]
mod tests;
mod zone;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::DnsError;
use crate::metadata::Metadata;
use crate::name::DnsName;
use crate::operation::{Operation, OperationKind};
use crate::provider::DnsProvider;
use crate::record::{RecordSet, RecordSetKey};
use crate::zone::{Zone, ZoneId, ZoneSnapshot};

use zone::MemoryZone;

/// Zones in memory. Every clone is the same provider.
///
/// It also is a test double: it counts requests, cuts lists into pages, and lets a hook break single requests.
///
/// ```
/// use kfed_dnsprovider::{DnsError, DnsProvider, ErrorClass, MemoryProvider};
/// use kfed_dnsprovider::memory::Fault;
///
/// let memory = MemoryProvider::with_zone("example.com".parse()?);
/// memory.on_request(|call| {
///     (call.number == 1).then(|| Fault::Fail(DnsError::new(ErrorClass::Throttled, call.operation, "slow down")))
/// });
/// let provider = DnsProvider::new(memory.clone());
/// # Ok::<(), kfed_dnsprovider::InvalidName>(())
/// ```
#[derive(Clone)]
pub struct MemoryProvider {
    state: Arc<Mutex<State>>,
}

/// One request, as a hook sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The operation's name.
    pub operation: &'static str,
    /// Its kind.
    pub kind: OperationKind,
    /// The zone, if it is about one.
    pub zone: Option<ZoneId>,
    /// The record set, if it is about one.
    pub record_set: Option<RecordSetKey>,
    /// How many requests there have been with this one, from 1.
    pub number: u64,
}

/// What goes wrong with a request.
#[derive(Debug)]
pub enum Fault {
    /// Nothing is done and this is the answer.
    Fail(DnsError),
    /// It is done, but the answer gets lost: the caller sees [`ErrorClass::Unknown`](crate::ErrorClass::Unknown).
    LoseAnswer,
    /// It is not done, and no answer comes.
    Hang,
}

type Hook = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

struct State {
    zones: BTreeMap<ZoneId, MemoryZone>,
    page_size: usize,
    /// Whether each write gives every set of its zone a new version.
    version_per_zone: bool,
    /// Whether what is beside the records of a set is kept.
    metadata: bool,
    calls: Vec<Call>,
    hook: Option<Hook>,
    /// The last version that was given out.
    version: u64,
}

// === impl MemoryProvider ===

impl MemoryProvider {
    /// A provider of `zones`, all empty.
    pub fn new(zones: impl IntoIterator<Item = Zone>) -> Self {
        let zones = zones.into_iter().map(|zone| (zone.id.clone(), MemoryZone::new(zone))).collect();
        let state = State {
            zones,
            page_size: usize::MAX,
            version_per_zone: false,
            metadata: true,
            calls: Vec::new(),
            hook: None,
            version: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A provider of one public zone, whose identifier is its name without the dot.
    pub fn with_zone(name: DnsName) -> Self {
        let id = ZoneId(name.without_dot().to_owned());
        Self::new([Zone { id, name, private: false, loopback: true }])
    }

    /// The same, with at most `sets` record sets on a page.
    #[must_use]
    pub fn page_size(self, sets: usize) -> Self {
        self.lock().page_size = sets.max(1);
        self
    }

    /// The same, with one version a zone: any write to a zone makes old what was read of it, as where a zone is one file.
    #[must_use]
    pub fn version_per_zone(self) -> Self {
        self.lock().version_per_zone = true;
        self
    }

    /// The same, which keeps no [metadata](RecordSet::metadata): as servers that hold records and nothing else.
    #[must_use]
    pub fn without_metadata(self) -> Self {
        self.lock().metadata = false;
        self
    }

    /// The provider that it is.
    pub fn provider(&self) -> DnsProvider {
        let provider = DnsProvider::new(self.clone());
        if self.lock().metadata { provider } else { provider.without_metadata() }
    }

    /// Asks `hook` about every request from now on; what it returns goes wrong.
    pub fn on_request(&self, hook: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.lock().hook = Some(Box::new(hook));
    }

    /// How many requests of `kind` there have been.
    pub fn requests(&self, kind: OperationKind) -> usize {
        self.lock().calls.iter().filter(|call| call.kind == kind).count()
    }

    /// Every request, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Forgets the requests so far; numbers start again at 1.
    pub fn forget_calls(&self) {
        self.lock().calls.clear();
    }

    /// What a zone holds; nothing for a zone that is not there. Not a request.
    pub fn contents(&self, zone: &ZoneId) -> ZoneSnapshot {
        self.lock().zones.get(zone).map(|zone| zone.sets.values().cloned().collect()).unwrap_or_default()
    }

    /// Puts a set into a zone as if somebody else had, and returns it with its version. Not a request, and not checked.
    ///
    /// # Panics
    /// If there is no such zone.
    pub fn insert(&self, zone: &ZoneId, mut set: RecordSet) -> RecordSet {
        let mut state = self.lock();
        set.etag = Some(state.next_version());
        state.forget(&mut set);
        let zone = state.zones.get_mut(zone).expect("the zone was given when the provider was made");
        zone.sets.insert(set.key.clone(), set.clone());
        set
    }

    /// Takes a set out of a zone as if somebody else had. Not a request.
    pub fn remove(&self, zone: &ZoneId, key: &RecordSetKey) -> Option<RecordSet> {
        self.lock().zones.get_mut(zone)?.sets.remove(key)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A hook that panicked leaves the zones as they were.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("MemoryProvider")
            .field("zones", &state.zones.keys().collect::<Vec<_>>())
            .field("requests", &state.calls.len())
            .finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    fn record<O: Operation>(&mut self, request: &O) -> Option<Fault> {
        let call = Call {
            operation: O::NAME,
            kind: request.kind(),
            zone: request.zone().cloned(),
            record_set: request.record_set().cloned(),
            number: self.calls.len() as u64 + 1,
        };
        let fault = self.hook.as_mut().and_then(|hook| hook(&call));
        self.calls.push(call);
        fault
    }

    /// Leaves of `set` what is kept.
    fn forget(&self, set: &mut RecordSet) {
        if !self.metadata {
            set.metadata = Metadata::default();
        }
    }

    fn next_version(&mut self) -> crate::record::Etag {
        self.version += 1;
        crate::record::Etag(format!("v{}", self.version))
    }
}
