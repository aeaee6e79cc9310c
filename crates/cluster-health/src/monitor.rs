//! Drives the probe of one target, for ever, and publishes what comes of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tower::{BoxError, Service, ServiceExt};

use crate::machine::{Health, HealthMachine, Thresholds};
use crate::outcome::{Failure, ProbeOutcome};
use crate::schedule::ProbeSchedule;

/// The request of a probing service: one probe of `target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe<T> {
    /// What to probe.
    pub target: T,
}

/// What is known of a target after its last probe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Observation {
    /// The state now.
    pub health: Health,
    /// The state that the last failures, too few, have not changed yet; never [`Suspect`](Health::Suspect).
    pub settled: Health,
    /// What the last probe found; none before the first.
    pub outcome: Option<ProbeOutcome>,
    /// Whether any probe has ever found the target well.
    pub ever_healthy: bool,
    /// How many probes in a row, up to the last one, did not find the target well.
    pub failures_in_a_row: u32,
}

/// The monitor of one target. [`spawn`] runs it on a task of its own; [`run`](Monitor::run) wherever it is awaited.
///
/// The first probe starts at once. One probe runs at a time, and ends at its deadline at the latest: what the service has
/// not answered by then, waiting for its readiness included, is [`Failure::Timeout`].
pub struct Monitor<S, T> {
    service: S,
    target: T,
    machine: HealthMachine,
    schedule: watch::Receiver<ProbeSchedule>,
    now: Arc<Notify>,
    observation: watch::Sender<Observation>,
}

/// Holds a spawned monitor: it is stopped when the handle is dropped, in the middle of a probe if need be.
pub struct MonitorHandle {
    schedule: watch::Sender<ProbeSchedule>,
    now: Arc<Notify>,
    observation: watch::Receiver<Observation>,
    task: AbortHandle,
}

/// Starts a monitor of `target` on a task of its own. Must be called within a tokio runtime.
///
/// An error of the service counts as no answer.
pub fn spawn<S, T>(service: S, target: T, schedule: ProbeSchedule, thresholds: Thresholds) -> MonitorHandle
where
    S: Service<Probe<T>, Response = ProbeOutcome> + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    T: Clone + fmt::Debug + Send + 'static,
{
    let (schedule, monitored_schedule) = watch::channel(schedule);
    let (monitored_observation, observation) = watch::channel(Observation::default());
    let now = Arc::new(Notify::new());
    let monitor = Monitor {
        service,
        target,
        machine: HealthMachine::new(thresholds),
        schedule: monitored_schedule,
        now: Arc::clone(&now),
        observation: monitored_observation,
    };
    let task = tokio::spawn(monitor.run()).abort_handle();
    MonitorHandle { schedule, now, observation, task }
}

// === impl Monitor ===

impl<S, T> Monitor<S, T>
where
    S: Service<Probe<T>, Response = ProbeOutcome>,
    S::Error: Into<BoxError>,
    T: Clone + fmt::Debug,
{
    /// A monitor that shall run elsewhere than on a task of its own, and where its observations come out.
    pub fn new(
        service: S,
        target: T,
        schedule: ProbeSchedule,
        thresholds: Thresholds,
    ) -> (Self, watch::Receiver<Observation>) {
        let (sender, observation) = watch::channel(Observation::default());
        let (_, schedule) = watch::channel(schedule);
        let now = Arc::new(Notify::new());
        let monitor =
            Self { service, target, machine: HealthMachine::new(thresholds), schedule, now, observation: sender };
        (monitor, observation)
    }

    /// Probes until it is dropped.
    pub async fn run(mut self) {
        for probe in 0.. {
            let started = Instant::now();
            let outcome = self.probe().await;
            self.take_in(&outcome);
            self.wait(probe, started).await;
        }
    }

    async fn probe(&mut self) -> ProbeOutcome {
        let deadline = self.schedule.borrow().deadline();
        let request = Probe { target: self.target.clone() };
        let answer = async { self.service.ready().await?.call(request).await };
        match timeout(deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => ProbeOutcome::Unreachable { failure: Failure::Other(chain(&error.into())) },
            Err(_) => ProbeOutcome::Unreachable { failure: Failure::Timeout { after: deadline } },
        }
    }

    fn take_in(&mut self, outcome: &ProbeOutcome) {
        if let Some(transition) = self.machine.observe(outcome) {
            tracing::info!(
                target = ?self.target, from = %transition.from, to = %transition.to,
                reason = outcome.reason(), message = outcome.message(), "health changed",
            );
        }
        let observation = Observation {
            health: self.machine.state(),
            settled: self.machine.settled(),
            outcome: self.machine.last().cloned(),
            ever_healthy: self.machine.ever_healthy(),
            failures_in_a_row: self.machine.failures_in_a_row(),
        };
        // Nobody is woken for nothing.
        self.observation.send_if_modified(|before| {
            let modified = *before != observation;
            *before = observation;
            modified
        });
    }

    /// Waits for the next probe's time, which a new schedule moves, or for somebody who cannot wait.
    async fn wait(&mut self, probe: u64, started: Instant) {
        loop {
            let wait = self.schedule.borrow_and_update().wait(probe, self.machine.ever_healthy());
            tokio::select! {
                biased;
                () = self.now.notified() => return,
                () = sleep_until(started + wait) => return,
                Ok(()) = self.schedule.changed() => {}
            }
        }
    }
}

impl<S, T: fmt::Debug> fmt::Debug for Monitor<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("target", &self.target).field("machine", &self.machine).finish_non_exhaustive()
    }
}

// === impl MonitorHandle ===

impl MonitorHandle {
    /// What is known of the target, now and whenever that changes. The channel closes when the monitor ends.
    pub fn subscribe(&self) -> watch::Receiver<Observation> {
        self.observation.clone()
    }

    /// What is known of the target now.
    pub fn latest(&self) -> Observation {
        self.observation.borrow().clone()
    }

    /// Starts a probe at once, or, if one is under way, right after it.
    pub fn probe_now(&self) {
        self.now.notify_one();
    }

    /// Probes at another period from now on; the deadline is shortened with it where it must be.
    pub fn set_period(&self, period: Duration) {
        self.schedule.send_modify(|schedule| schedule.period = period);
    }

    /// Probes by another schedule from now on. A probe under way keeps the deadline it started with.
    pub fn set_schedule(&self, schedule: ProbeSchedule) {
        self.schedule.send_replace(schedule);
    }
}

impl Drop for MonitorHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for MonitorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorHandle").field("observation", &*self.observation.borrow()).finish_non_exhaustive()
    }
}

/// An error and what caused it, in one line.
fn chain(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
