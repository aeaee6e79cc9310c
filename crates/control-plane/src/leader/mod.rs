//! Who of several control planes of one federation writes: the one that holds a Lease (`coordination.k8s.io/v1`).
//!
//! ```text
//! look ─► step (pure) ─► write on condition of what was seen ─► the controllers run, as long as the lease is renewed
//! ```
//!
//! Guarantees, where all clocks run at about the same speed, whatever time they show: a lease is over when its record has not changed
//! for its duration by the clock of whoever looks; its holder counts from before it asked, and so knows first. No write to the
//! federation API, a member or the zone begins while the lease has less left than that write may take ([`Tenure`]).
//!
//! Caveats: a write that was sent may still be on its way when its sender has died. It is refused by resourceVersion or ETag, or
//! mended within one resync or sweep.

mod campaign;
mod guard;
mod machine;
mod tenure;
#[cfg(test)]
mod tests;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kfed_api::{LEASE, SYSTEM_NAMESPACE};
use kube::Client;
use kube::api::{Api, PostParams};

pub(crate) use self::campaign::lead;
pub(crate) use self::guard::{GuardLayer, guarded};
pub(crate) use self::machine::Record;
pub(crate) use self::tenure::{NotLeading, Tenure};
use crate::effect::{EffectError, within};

/// How a control plane takes part in the election of the one that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderElection {
    identity: String,
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

/// An election that cannot be taken part in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElectionError {
    /// The timings do not fit together.
    #[error(
        "a lease of {lease:?} must last longer than the renew deadline of {renew:?}, and that longer than the retry period of {retry:?}"
    )]
    Timings {
        /// The lease's duration.
        lease: Duration,
        /// The renew deadline.
        renew: Duration,
        /// The retry period.
        retry: Duration,
    },
    /// The federation API has no leases, forbids them, or does not answer.
    #[error(
        "Lease {SYSTEM_NAMESPACE}/{LEASE}, by which control planes agree who of them writes, cannot be {step}: {problem}"
    )]
    Lease {
        /// What was tried: `read` or `written`.
        step: &'static str,
        /// What came of it.
        problem: String,
    },
}

/// Whether leases can be read and written in the federation API; nothing is. Each request is given up after `deadline`.
pub async fn check(federation: &Client, deadline: Duration) -> Result<(), ElectionError> {
    let failed = |step| move |error: EffectError| ElectionError::Lease { step, problem: error.to_string() };
    let leases = leases(federation);
    let found = within(deadline, leases.get_opt(LEASE)).await.map_err(failed("read"))?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let write = async {
        match &found {
            Some(lease) => leases.replace(LEASE, &dry_run, lease).await,
            None => leases.create(&dry_run, &Record::default().into_lease(None)).await,
        }
    };
    match within(deadline, write).await {
        // Somebody else was faster, and so could write.
        Ok(_) | Err(EffectError::Stale) => Ok(()),
        Err(error) => Err(failed("written")(error)),
    }
}

pub(crate) fn leases(federation: &Client) -> Api<Lease> {
    Api::namespaced(federation.clone(), SYSTEM_NAMESPACE)
}

// === impl LeaderElection ===

impl LeaderElection {
    /// The timings of upstream's control plane. No two that take part may have the same `identity`.
    pub fn new(identity: impl Into<String>) -> Self {
        let [lease_duration, renew_deadline, retry_period] = [15, 10, 2].map(Duration::from_secs);
        Self { identity: identity.into(), lease_duration, renew_deadline, retry_period }
    }

    /// Other timings: how long the lease lasts after it was last renewed, how long the leader tries to renew it before it stops, and how
    /// often all look at it.
    pub fn timings(self, lease: Duration, renew: Duration, retry: Duration) -> Result<Self, ElectionError> {
        if lease <= renew || renew <= retry || retry.is_zero() {
            return Err(ElectionError::Timings { lease, renew, retry });
        }
        Ok(Self { lease_duration: lease, renew_deadline: renew, retry_period: retry, ..self })
    }

    /// How long the lease lasts after it was last renewed.
    pub fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// How long the leader tries to renew the lease before it stops.
    pub fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// How often all look at the lease.
    pub fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// The longest that a call may take which is to end within what a lease that is renewed in time has left.
    pub(crate) fn longest_call(&self) -> Duration {
        self.lease_duration.saturating_sub(2 * self.retry_period).max(self.lease_duration / 3)
    }
}
