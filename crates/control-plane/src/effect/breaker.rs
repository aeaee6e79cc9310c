//! A circuit breaker: a member that fails call after call is not asked for a while, so that nobody waits for it.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use kfed_cluster_health::ProbeSchedule;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceExt};

use super::EffectError;

/// As many failures in a row, all of them the member's, open the circuit.
const FAILURES: u32 = 5;
/// How long it stays open at first. Each trial that fails doubles that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest that it stays open.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// By which part of itself a pause may be shorter.
const JITTER: f64 = 0.25;

/// The circuit of one member. Clones are the same.
#[derive(Clone)]
pub(crate) struct Breaker {
    circuit: Arc<Mutex<Circuit>>,
    /// What the jitter is drawn from.
    schedule: ProbeSchedule,
    /// Told when the circuit closes after it was open.
    closed: Arc<dyn Fn() + Send + Sync>,
}

/// Puts a [`Breaker`], and a deadline, around calls. The wait for a place counts for the deadline, and not against the member.
#[derive(Clone)]
pub(crate) struct BreakerLayer {
    pub(crate) breaker: Breaker,
    pub(crate) deadline: Duration,
}

/// See [`BreakerLayer`].
#[derive(Clone)]
pub(crate) struct Broken<S> {
    inner: S,
    layer: BreakerLayer,
}

/// Whether calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    /// They do.
    Closed { failures: u32 },
    /// They fail at once, until a trial is due.
    Open { until: Instant, trials: u32 },
    /// One is on its way to try; all others fail at once.
    HalfOpen { trials: u32 },
}

/// What a call says of the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It answers, whatever it says.
    Answers,
    /// It does not.
    Fails,
    /// Nothing: the call was not made, or was given up.
    Nothing,
}

/// A call that was let through. One that is dropped before it says anything says nothing.
struct Pass<'a> {
    breaker: &'a Breaker,
    verdict: Verdict,
}

// === impl Circuit ===

impl Circuit {
    /// Whether a call may go through at `now`.
    fn admits(&mut self, now: Instant) -> bool {
        match *self {
            Self::Closed { .. } => true,
            Self::Open { until, trials } if until <= now => {
                *self = Self::HalfOpen { trials };
                true
            }
            Self::Open { .. } | Self::HalfOpen { .. } => false,
        }
    }

    /// Takes in what a call says; `pause` is how long to wait after so many trials.
    fn settles(&mut self, verdict: Verdict, now: Instant, pause: impl Fn(u32) -> Duration) {
        *self = match (*self, verdict) {
            (_, Verdict::Answers) => Self::Closed { failures: 0 },
            (Self::Closed { failures }, Verdict::Fails) if failures + 1 >= FAILURES => {
                Self::Open { until: now + pause(0), trials: 0 }
            }
            (Self::Closed { failures }, Verdict::Fails) => Self::Closed { failures: failures + 1 },
            (Self::HalfOpen { trials }, Verdict::Fails) => {
                Self::Open { until: now + pause(trials + 1), trials: trials + 1 }
            }
            // Another one may try.
            (Self::HalfOpen { trials }, Verdict::Nothing) => Self::Open { until: now, trials },
            // It was let through before the circuit opened.
            (open @ Self::Open { .. }, Verdict::Fails) => open,
            (circuit, Verdict::Nothing) => circuit,
        };
    }
}

// === impl Breaker ===

impl Breaker {
    /// A closed one, that tells `closed` when it closes again. `schedule` is the member's own.
    pub(crate) fn new(schedule: ProbeSchedule, closed: impl Fn() + Send + Sync + 'static) -> Self {
        Self { circuit: Arc::new(Mutex::new(Circuit::Closed { failures: 0 })), schedule, closed: Arc::new(closed) }
    }

    /// The member has been heard otherwise: by a probe, by a watch.
    pub(crate) fn answers(&self) {
        self.settle(Verdict::Answers);
    }

    fn admit(&self) -> Option<Pass<'_>> {
        let admits = self.circuit().admits(Instant::now());
        admits.then(|| Pass { breaker: self, verdict: Verdict::Nothing })
    }

    fn settle(&self, verdict: Verdict) {
        let closes = {
            let mut circuit = self.circuit();
            let was_open = !matches!(*circuit, Circuit::Closed { .. });
            circuit.settles(verdict, Instant::now(), |trials| self.pause(trials));
            was_open && matches!(*circuit, Circuit::Closed { .. })
        };
        if closes {
            (self.closed)();
        }
    }

    fn pause(&self, trials: u32) -> Duration {
        let period = FIRST_PAUSE.saturating_mul(1 << trials.min(16)).min(LONGEST_PAUSE);
        ProbeSchedule { period, jitter: JITTER, ..self.schedule }.wait(u64::from(trials), true)
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.breaker.settle(self.verdict);
    }
}

// === impl BreakerLayer ===

impl<S> Layer<S> for BreakerLayer {
    type Service = Broken<S>;

    fn layer(&self, inner: S) -> Broken<S> {
        Broken { inner, layer: self.clone() }
    }
}

// === impl Broken ===

impl<R, S> Service<R> for Broken<S>
where
    R: Send + 'static,
    S: Service<R, Error = BoxError, Response: Send, Future: Send> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = EffectError;
    type Future = BoxFuture<'static, Result<S::Response, EffectError>>;

    /// Always: to wait for a place is part of the call, which may not be let through.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EffectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let Self { mut inner, layer: BreakerLayer { breaker, deadline } } = self.clone();
        Box::pin(async move {
            let mut pass = breaker.admit().ok_or(EffectError::NotAsked)?;
            let end = Instant::now() + deadline;
            let late = |what: &str| EffectError::Unreachable { message: format!("{what} within {deadline:?}") };
            let Ok(ready) = tokio::time::timeout_at(end, inner.ready()).await else {
                return Err(late("there was no place"));
            };
            let ready = ready?;
            if Instant::now() >= end {
                // A place that has just been given up by one who waited as long.
                return Err(late("there was no place"));
            }
            let call = ready.call(request);
            let result = match tokio::time::timeout_at(end, call).await {
                Ok(result) => result.map_err(EffectError::from),
                Err(_) => Err(late("nothing came")),
            };
            pass.verdict = verdict(&result);
            result
        })
    }
}

fn verdict<T>(result: &Result<T, EffectError>) -> Verdict {
    match result {
        Err(EffectError::Unreachable { .. }) => Verdict::Fails,
        Err(EffectError::NotLeading(_) | EffectError::NotAsked) => Verdict::Nothing,
        Ok(_)
        | Err(EffectError::NotAdopted | EffectError::Refused { .. } | EffectError::Stale | EffectError::Busy { .. }) => {
            Verdict::Answers
        }
    }
}
