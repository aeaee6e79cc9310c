use std::{collections::BTreeMap, time::Duration};

use http::Method;
use tokio::time::Instant;

use crate::{
    Faults, Requests, ZoneKind,
    arm::{call::Call, gateway::Scope, operations::Operations, reply::Failure},
    entra::Entra,
    ids::Ids,
    limits::{Limit, Throttle},
    model::store::Store,
};

/// All of the emulator that changes, behind one lock: every request is carried out as a whole.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) entra: Entra,
    pub(crate) ids: Ids,
    pub(crate) operations: Operations,
    pub(crate) throttle: Throttle,
    pub(crate) quotas: Quotas,
    pub(crate) faults: Faults,
    pub(crate) requests: Requests,
}

impl State {
    /// Takes a token of the limit that a request falls under. `zone` is empty where no zone is meant.
    pub(crate) fn take(
        &mut self,
        kind: ZoneKind,
        limit: Limit,
        zone: &str,
        scope: &Scope,
        call: &Call,
    ) -> Result<(), Failure> {
        let subscription = scope.subscription_key();
        let group = scope.group.as_deref().unwrap_or_default();
        let bucket = match limit {
            Limit::ZoneList => subscription,
            Limit::ZoneCreate | Limit::ZoneUpdate | Limit::ZoneDelete if kind.profile().writes_share_a_limit => {
                subscription
            }
            _ => format!("{subscription}/{group}/{kind:?}/{zone}").to_ascii_lowercase(),
        };
        self.throttle.take(kind, limit, &bucket, call.now).map_err(Failure::throttled)
    }
}

/// The numbers in the `x-ms-ratelimit-remaining-…` headers. They count down within their window and refuse nobody; the
/// limits that do are in [`Throttle`].
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    windows: BTreeMap<(String, bool), Window>,
}

#[derive(Debug)]
struct Window {
    started: Instant,
    used: u64,
}

const READS: u64 = 500;
const READ_WINDOW: Duration = Duration::from_secs(300);
const WRITES: u64 = 12_000;
const WRITE_WINDOW: Duration = Duration::from_secs(3600);

impl Quotas {
    /// Counts a request to a subscription, and tells what remains.
    pub(crate) fn remaining(&mut self, subscription: &str, method: &Method, now: Instant) -> u64 {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let (quota, length) = if reads { (READS, READ_WINDOW) } else { (WRITES, WRITE_WINDOW) };
        let window =
            self.windows.entry((subscription.to_ascii_lowercase(), reads)).or_insert(Window { started: now, used: 0 });
        if now.saturating_duration_since(window.started) >= length {
            *window = Window { started: now, used: 0 };
        }
        window.used += 1;
        quota.saturating_sub(window.used)
    }
}
