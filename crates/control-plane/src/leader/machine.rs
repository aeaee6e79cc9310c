//! What to do about the lease: a function of what was seen of it, and when.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kfed_api::LEASE;
use kube::api::ObjectMeta;
use serde::Serialize;
use tokio::time::Instant;

use super::LeaderElection;

/// What a lease says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Record {
    /// Who holds it; empty when it was given back.
    pub(crate) holder: String,
    /// How long it lasts after it was last renewed.
    pub(crate) duration: Duration,
    /// When its holder took it, by that one's clock.
    pub(crate) acquired: Option<Timestamp>,
    /// When it was last renewed, by its holder's clock. A change tells that the holder lives, and the time itself nothing.
    pub(crate) renewed: Option<Timestamp>,
    /// How often it has gone from one to another.
    pub(crate) transitions: i32,
}

/// A lease as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// As a whole: what others have written into it stays.
    pub(super) lease: Lease,
    pub(super) record: Record,
    /// Since when its record has not changed, by our own clock.
    pub(super) since: Instant,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) enum Action {
    /// Write this, on condition that nobody has written meanwhile: whoever succeeds leads.
    Write(Record),
    /// Somebody else leads: look again after this.
    Wait(Duration),
}

/// What `me` is to do who has seen this of the lease, or that there is none, at `now`, when the clocks on the wall show `wall`.
pub(super) fn step(seen: Option<&Seen>, me: &LeaderElection, now: Instant, wall: Timestamp) -> Action {
    let taken = |transitions| Record {
        holder: me.identity.clone(),
        duration: me.lease_duration,
        acquired: Some(wall),
        renewed: Some(wall),
        transitions,
    };
    let Some(seen) = seen else { return Action::Write(taken(0)) };
    let record = &seen.record;
    if record.holder == me.identity {
        let renewed = Some(wall);
        return Action::Write(Record { duration: me.lease_duration, renewed, ..record.clone() });
    }
    let left = (seen.since + record.duration).saturating_duration_since(now);
    if record.holder.is_empty() || left.is_zero() {
        return Action::Write(taken(record.transitions.saturating_add(1)));
    }
    Action::Wait(left.min(me.retry_period))
}

// === impl Seen ===

impl Seen {
    /// The lease as it was seen at `now`, after what was seen before.
    pub(super) fn next(before: Option<&Self>, lease: Lease, me: &LeaderElection, now: Instant) -> Self {
        let record = Record::of(&lease, me.lease_duration);
        let since = before.filter(|before| before.record == record).map_or(now, |before| before.since);
        Self { lease, record, since }
    }
}

// === impl Record ===

impl Record {
    /// What `lease` says. One that does not say how long it lasts, lasts for `usual`.
    pub(crate) fn of(lease: &Lease, usual: Duration) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            duration: seconds.map_or(usual, Duration::from_secs),
            acquired: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
            transitions: spec.lease_transitions.unwrap_or_default(),
        }
    }

    /// The lease that says so; `before` keeps what else it has.
    pub(super) fn into_lease(self, before: Option<&Lease>) -> Lease {
        let mut lease = before.cloned().unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() },
            spec: None,
        });
        // Whole seconds, rounded up: nobody may think that it is over before its holder does.
        let seconds = self.duration.as_secs() + u64::from(self.duration.subsec_nanos() > 0);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.holder),
            lease_duration_seconds: Some(i32::try_from(seconds.max(1)).unwrap_or(i32::MAX)),
            acquire_time: self.acquired.map(micro),
            renew_time: self.renewed.map(micro),
            lease_transitions: Some(self.transitions),
            ..lease.spec.take().unwrap_or_default()
        });
        lease
    }

    /// The same, given back at `wall`: the next may take it at once.
    pub(super) fn released(&self, wall: Timestamp) -> Self {
        Self { holder: String::new(), duration: Duration::from_secs(1), renewed: Some(wall), ..self.clone() }
    }
}

/// The API keeps microseconds.
fn micro(time: Timestamp) -> MicroTime {
    MicroTime(
        time.round(jiff::Unit::Microsecond)
            .unwrap_or(time - SignedDuration::from_nanos(i64::from(time.subsec_nanosecond() % 1000))),
    )
}
