//! Taking the lease, holding it, giving it back.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kfed_api::LEASE;
use kube::api::{Api, PostParams};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::machine::{Action, Seen, step};
use super::tenure::Term;
use super::{LeaderElection, Tenure};
use crate::builder::Clock;
use crate::effect::{EffectError, within};

/// One who wants to lead.
struct Campaign {
    me: LeaderElection,
    leases: Api<Lease>,
    clock: Clock,
    seen: Option<Seen>,
    /// Whether what was seen last may be old.
    stale: bool,
}

/// What came of a try.
enum Outcome {
    /// The lease is held, counted from before it was asked for.
    Held { since: Instant },
    /// Somebody else holds it; when to look again.
    Others(Duration),
}

/// Runs `work` whenever, and as long as, this control plane leads, until `shutdown`; the lease is given back then. `work` is dropped when
/// the lease is lost, and ends by itself at `shutdown`.
pub(crate) async fn lead<F: Future<Output = ()>>(
    me: LeaderElection,
    leases: Api<Lease>,
    clock: Clock,
    shutdown: CancellationToken,
    work: impl Fn(Tenure) -> F,
) {
    let mut campaign = Campaign { me, leases, clock, seen: None, stale: true };
    while let Some(since) = shutdown.run_until_cancelled(campaign.win()).await {
        let term = Term::new(since + campaign.me.lease_duration);
        tracing::info!(identity = campaign.me.identity, "this control plane leads: its controllers start");
        tokio::select! {
            // It writes nothing any more: its end is the term's.
            () = work(term.tenure()) => break,
            why = campaign.hold(&term, since) => {
                term.end();
                tracing::warn!(identity = campaign.me.identity, why, "the lease is lost: the controllers stop");
            }
        }
    }
    campaign.give_back().await;
}

// === impl Campaign ===

impl Campaign {
    /// Waits for the lease; returns since when it is held.
    async fn win(&mut self) -> Instant {
        let mut leader = None;
        loop {
            let wait = match self.attempt().await {
                Ok(Outcome::Held { since }) => return since,
                Ok(Outcome::Others(wait)) => {
                    let now = self.seen.as_ref().map(|seen| seen.record.holder.clone());
                    if now != leader {
                        tracing::info!(leader = now, "another control plane leads");
                        leader = now;
                    }
                    wait
                }
                // Another was faster: it is looked at again.
                Err(EffectError::Stale) => self.me.retry_period,
                Err(error) => {
                    tracing::warn!(%error, "the lease could not be asked for");
                    self.me.retry_period
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Renews the lease, which is held since `since`, until that does not succeed any more; returns why.
    async fn hold(&mut self, term: &Term, mut since: Instant) -> String {
        let LeaderElection { lease_duration, renew_deadline, retry_period, .. } = self.me;
        let mut wait = retry_period;
        loop {
            let end = since + renew_deadline;
            tokio::time::sleep_until(end.min(Instant::now() + wait)).await;
            wait = retry_period;
            match tokio::time::timeout_at(end, self.attempt()).await {
                Ok(Ok(Outcome::Held { since: now })) => {
                    since = now;
                    term.extend(since + lease_duration);
                }
                Ok(Ok(Outcome::Others(_))) => {
                    let other = self.seen.as_ref().map(|seen| seen.record.holder.as_str()).unwrap_or_default();
                    return format!("`{other}` has taken it");
                }
                // Whose doing it was is seen at once.
                Ok(Err(EffectError::Stale)) => wait = Duration::ZERO,
                Ok(Err(error)) => tracing::warn!(%error, "the lease could not be renewed"),
                Err(_) => {}
            }
            if Instant::now() >= since + renew_deadline {
                return format!("it could not be renewed for {renew_deadline:?}");
            }
        }
    }

    /// Looks at the lease, unless it is known, and writes to it if it may be had.
    async fn attempt(&mut self) -> Result<Outcome, EffectError> {
        if std::mem::replace(&mut self.stale, true) {
            self.look().await?;
        }
        match step(self.seen.as_ref(), &self.me, Instant::now(), (self.clock)()) {
            Action::Wait(wait) => Ok(Outcome::Others(wait)),
            Action::Write(record) => {
                let since = Instant::now();
                self.write(record.into_lease(self.seen.as_ref().map(|seen| &seen.lease))).await?;
                // As long as every write is taken, nobody else has written.
                self.stale = false;
                Ok(Outcome::Held { since })
            }
        }
    }

    /// So that the next need not wait until the lease is over.
    async fn give_back(&mut self) {
        let given = async {
            self.look().await?;
            let Some(seen) = self.seen.as_ref().filter(|seen| seen.record.holder == self.me.identity) else {
                return Ok(());
            };
            let record = seen.record.released((self.clock)());
            let lease = record.into_lease(Some(&seen.lease));
            self.write(lease).await
        };
        if let Err(error) = given.await {
            tracing::warn!(%error, "the lease could not be given back: others wait until it is over");
        }
    }

    async fn look(&mut self) -> Result<(), EffectError> {
        let found = within(self.patience(), self.leases.get_opt(LEASE)).await?;
        self.see(found);
        Ok(())
    }

    async fn write(&mut self, lease: Lease) -> Result<(), EffectError> {
        let how = PostParams::default();
        let write = async {
            match lease.metadata.resource_version {
                Some(_) => self.leases.replace(LEASE, &how, &lease).await,
                None => self.leases.create(&how, &lease).await,
            }
        };
        let written = within(self.patience(), write).await?;
        self.see(Some(written));
        Ok(())
    }

    fn see(&mut self, lease: Option<Lease>) {
        self.seen = lease.map(|lease| Seen::next(self.seen.as_ref(), lease, &self.me, Instant::now()));
    }

    /// How long one request may take: there is to be time for another.
    fn patience(&self) -> Duration {
        self.me.renew_deadline / 2
    }
}
