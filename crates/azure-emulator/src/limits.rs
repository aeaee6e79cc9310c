use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::ZoneKind;

/// How many requests are served before the emulator answers 429.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Of public zones.
    pub public: Rates,
    /// Of private zones.
    pub private: Rates,
    /// The least `Retry-After` of a 429.
    pub retry_after: Duration,
}

/// Requests a minute of each kind, `None` for any number. A bucket holds one minute's worth and fills evenly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rates {
    /// Zones created; a zone in public, a subscription in private DNS, as are the next two.
    pub zone_create: Option<u32>,
    /// Zones updated.
    pub zone_update: Option<u32>,
    /// Zones deleted.
    pub zone_delete: Option<u32>,
    /// Reads of a zone.
    pub zone_get: Option<u32>,
    /// Zone lists of a resource group.
    pub zone_list_by_group: Option<u32>,
    /// Zone lists of a subscription.
    pub zone_list: Option<u32>,
    /// Record sets created in a zone.
    pub record_set_create: Option<u32>,
    /// Record sets updated in a zone.
    pub record_set_update: Option<u32>,
    /// Record sets deleted in a zone.
    pub record_set_delete: Option<u32>,
    /// Record sets read in a zone.
    pub record_set_get: Option<u32>,
    /// Pages of record sets read in a zone.
    pub record_set_list: Option<u32>,
}

impl Limits {
    /// The limits that Microsoft documents ("Azure DNS limits", October 2024).
    pub fn documented() -> Self {
        let zones = |get, by_group| Rates {
            zone_create: Some(40),
            zone_update: Some(40),
            zone_delete: Some(40),
            zone_get: Some(get),
            zone_list: Some(60),
            zone_list_by_group: Some(by_group),
            ..Rates::default()
        };
        let record_sets = |zones, writes, get, list| Rates {
            record_set_create: Some(writes),
            record_set_update: Some(writes),
            record_set_delete: Some(writes),
            record_set_get: Some(get),
            record_set_list: Some(list),
            ..zones
        };
        Self {
            public: record_sets(zones(1000, 60), 200, 2000, 60),
            private: record_sets(zones(200, 100), 60, 200, 100),
            retry_after: Duration::from_secs(10),
        }
    }

    /// No limits.
    pub fn none() -> Self {
        Self { public: Rates::default(), private: Rates::default(), retry_after: Duration::from_secs(10) }
    }

    fn rate(&self, kind: ZoneKind, limit: Limit) -> Option<u32> {
        let rates = match kind {
            ZoneKind::Public => &self.public,
            ZoneKind::Private => &self.private,
        };
        match limit {
            Limit::ZoneCreate => rates.zone_create,
            Limit::ZoneUpdate => rates.zone_update,
            Limit::ZoneDelete => rates.zone_delete,
            Limit::ZoneGet => rates.zone_get,
            Limit::ZoneListByGroup => rates.zone_list_by_group,
            Limit::ZoneList => rates.zone_list,
            Limit::RecordSetCreate => rates.record_set_create,
            Limit::RecordSetUpdate => rates.record_set_update,
            Limit::RecordSetDelete => rates.record_set_delete,
            Limit::RecordSetGet => rates.record_set_get,
            Limit::RecordSetList => rates.record_set_list,
        }
    }
}

/// One column of the documented table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limit {
    ZoneCreate,
    ZoneUpdate,
    ZoneDelete,
    ZoneGet,
    ZoneListByGroup,
    ZoneList,
    RecordSetCreate,
    RecordSetUpdate,
    RecordSetDelete,
    RecordSetGet,
    RecordSetList,
}

/// The token buckets behind [`Limits`], one a scope (a zone's id, a resource group, a subscription) and limit.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Limits,
    buckets: BTreeMap<(Limit, String), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Throttle {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, buckets: BTreeMap::new() }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long to wait, in whole seconds, when there is none. A refused request costs nothing.
    pub(crate) fn take(&mut self, kind: ZoneKind, limit: Limit, scope: &str, now: Instant) -> Result<(), Duration> {
        let Some(rate) = self.limits.rate(kind, limit) else {
            return Ok(());
        };
        let capacity = f64::from(rate);
        let per_second = capacity / 60.0;
        let bucket = self.buckets.entry((limit, scope.to_owned())).or_insert(Bucket { tokens: capacity, filled: now });
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * per_second).min(capacity);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let missing = ((1.0 - bucket.tokens) / per_second).ceil();
        // A rate of nought never fills.
        let wait = Duration::try_from_secs_f64(missing).unwrap_or(Duration::from_secs(3600));
        Err(wait.max(self.limits.retry_after))
    }
}
