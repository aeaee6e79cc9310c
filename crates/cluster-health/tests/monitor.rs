//! The monitor, on a paused clock, against probes that do as a script says.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kfed_cluster_health::{
    Failure, Health, MonitorHandle, Observation, Probe, ProbeOutcome, ProbeSchedule, Thresholds, monitor,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower::{BoxError, service_fn};

/// What one probe does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Ok,
    Refuse,
    Unwell,
    Hang,
    Fail,
    OkAfter(Duration),
}

use Act::{Fail, Hang, Ok as Well, OkAfter, Refuse, Unwell};

const STEADY: ProbeSchedule = ProbeSchedule {
    period: Duration::from_secs(5),
    deadline: Duration::from_secs(3),
    until_ready: Duration::from_secs(1),
    jitter: 0.0,
    seed: 0,
};

/// When probes started, since the test did.
type Starts = Arc<Mutex<Vec<Duration>>>;

/// A monitor whose probes follow `script`, and then its last act for ever.
fn monitor(script: impl IntoIterator<Item = Act>, schedule: ProbeSchedule) -> (MonitorHandle, Starts) {
    let mut script: VecDeque<Act> = script.into_iter().collect();
    let starts = Starts::default();
    let (began, noted) = (Instant::now(), Arc::clone(&starts));
    let service = service_fn(move |Probe { target }: Probe<&'static str>| {
        assert_eq!(target, "fed-west");
        noted.lock().expect("no test panics while it holds this").push(began.elapsed());
        let act = if script.len() > 1 { script.pop_front() } else { script.front().copied() };
        async move {
            match act.expect("a script has at least one act") {
                Act::Ok => Ok(ProbeOutcome::Healthy),
                Refuse => Ok(ProbeOutcome::Unreachable { failure: Failure::Connect("refused".to_owned()) }),
                Unwell => Ok(ProbeOutcome::Unhealthy { failure: Failure::Status(500) }),
                Hang => pending().await,
                Fail => Err(BoxError::from("no client")),
                OkAfter(time) => {
                    sleep(time).await;
                    Ok(ProbeOutcome::Healthy)
                }
            }
        }
    });
    (monitor::spawn(service, "fed-west", schedule, Thresholds::default()), starts)
}

fn starts(starts: &Starts) -> Vec<f64> {
    starts.lock().expect("no test panics while it holds this").iter().map(Duration::as_secs_f64).collect()
}

async fn until(seen: &mut watch::Receiver<Observation>, health: Health) -> Observation {
    seen.wait_for(|seen| seen.health == health).await.expect("the monitor runs").clone()
}

#[tokio::test(start_paused = true)]
async fn a_target_is_probed_at_once_and_then_every_period() {
    let (monitor, started) = monitor([Well], STEADY);
    until(&mut monitor.subscribe(), Health::Healthy).await;
    sleep(Duration::from_secs(16)).await;
    assert_eq!(starts(&started), [0.0, 5.0, 10.0, 15.0]);
    assert!(monitor.latest().ever_healthy);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_never_well_is_probed_every_second_until_it_is() {
    let (monitor, started) = monitor([Refuse, Refuse, Refuse, Refuse, Well], STEADY);
    until(&mut monitor.subscribe(), Health::Healthy).await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(starts(&started), [0.0, 1.0, 2.0, 3.0, 4.0, 9.0], "well at its first success, though dead before");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_is_dead_after_three_periods_and_a_deadline() {
    let (monitor, started) = monitor([Well, Hang], STEADY);
    let mut seen = monitor.subscribe();
    until(&mut seen, Health::Healthy).await;
    let began = Instant::now();
    let suspect = until(&mut seen, Health::Suspect).await;
    assert_eq!((suspect.failures_in_a_row, suspect.settled), (1, Health::Healthy));
    assert_eq!(began.elapsed(), Duration::from_secs(5 + 3));
    let dead = until(&mut seen, Health::Dead).await;
    assert_eq!(began.elapsed(), Duration::from_secs(15 + 3));
    let timeout = ProbeOutcome::Unreachable { failure: Failure::Timeout { after: Duration::from_secs(3) } };
    assert_eq!(dead.outcome, Some(timeout));
    assert_eq!(starts(&started), [0.0, 5.0, 10.0, 15.0], "hanging delays no later probe");
}

#[tokio::test(start_paused = true)]
async fn a_new_target_that_answers_slowly_has_the_whole_deadline() {
    let (monitor, started) = monitor([OkAfter(Duration::from_millis(2_500))], STEADY);
    until(&mut monitor.subscribe(), Health::Healthy).await;
    assert_eq!(starts(&started), [0.0]);
}

#[tokio::test(start_paused = true)]
async fn one_target_that_hangs_delays_no_other() {
    let (hung, _) = monitor([Hang], STEADY);
    let (well, started) = monitor([Well], STEADY);
    until(&mut hung.subscribe(), Health::Dead).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(well.latest().health, Health::Healthy);
    assert_eq!(starts(&started), [0.0, 5.0, 10.0]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_answers_500_for_ever_is_never_dead() {
    let (monitor, _) = monitor([Well, Unwell], STEADY);
    let mut seen = monitor.subscribe();
    until(&mut seen, Health::Healthy).await;
    let degraded = until(&mut seen, Health::Degraded).await;
    assert_eq!(degraded.failures_in_a_row, 3);
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(monitor.latest().health, Health::Degraded);
    assert!(monitor.latest().failures_in_a_row > 700);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_flaps_neither_dies_nor_comes_back() {
    let flapping = [Well, Refuse, Refuse, Well].into_iter().cycle().take(400).chain([Refuse, Refuse, Refuse]);
    let (monitor, _) = monitor(flapping.chain([Well, Refuse].into_iter().cycle().take(400)), STEADY);
    let mut seen = monitor.subscribe();
    let began = Instant::now();
    let dead = until(&mut seen, Health::Dead).await;
    // 399 probes, each 5 s after the one before, and 4 more.
    assert!(began.elapsed() >= Duration::from_secs(399 * 5), "{:?}", began.elapsed());
    assert_eq!(dead.failures_in_a_row, 3);
    seen.mark_unchanged();
    sleep(Duration::from_secs(398 * 5)).await;
    assert_eq!(monitor.latest().health, Health::Dead, "no two answers in a row");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_is_no_answer() {
    let (monitor, _) = monitor([Fail], STEADY);
    let dead = until(&mut monitor.subscribe(), Health::Dead).await;
    assert_eq!(dead.outcome, Some(ProbeOutcome::Unreachable { failure: Failure::Other("no client".to_owned()) }));
    assert!(!dead.ever_healthy);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_gets_a_probe_at_once() {
    let (monitor, started) = monitor([Well], STEADY);
    sleep(Duration::from_secs(2)).await;
    monitor.probe_now();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(starts(&started), [0.0, 2.0, 7.0], "and the period starts anew");
}

#[tokio::test(start_paused = true)]
async fn a_probe_asked_for_during_a_probe_follows_it() {
    let (monitor, started) = monitor([OkAfter(Duration::from_secs(2)), Well], STEADY);
    sleep(Duration::from_secs(1)).await;
    monitor.probe_now();
    monitor.probe_now();
    sleep(Duration::from_secs(4)).await;
    assert_eq!(starts(&started), [0.0, 2.0], "once, however often it was asked for");
}

#[tokio::test(start_paused = true)]
async fn a_new_period_holds_from_the_last_probe_on() {
    let (monitor, started) = monitor([Well, Well, Hang], STEADY);
    sleep(Duration::from_millis(500)).await;
    monitor.set_period(Duration::from_secs(1));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(starts(&started), [0.0, 1.0]);
    let dead = until(&mut monitor.subscribe(), Health::Dead).await;
    let timeout = ProbeOutcome::Unreachable { failure: Failure::Timeout { after: Duration::from_secs(1) } };
    assert_eq!(dead.outcome, Some(timeout), "the deadline is never longer than the period");
    sleep(Duration::from_millis(500)).await;
    monitor.set_schedule(STEADY);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(starts(&started), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 15.0]);
}

#[tokio::test(start_paused = true)]
async fn subscribers_are_woken_for_changes_only() {
    let (monitor, _) = monitor([Well], STEADY);
    let mut seen = monitor.subscribe();
    until(&mut seen, Health::Healthy).await;
    sleep(Duration::from_secs(600)).await;
    assert!(!seen.has_changed().expect("the monitor runs"));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_stops_the_monitor_in_the_middle_of_a_probe() {
    let (monitor, started) = monitor([Hang], STEADY);
    let mut seen = monitor.subscribe();
    sleep(Duration::from_secs(1)).await;
    drop(monitor);
    assert!(seen.changed().await.is_err(), "the channel closes");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(starts(&started), [0.0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_becomes_ready_is_a_timeout() {
    struct NeverReady;
    impl tower::Service<Probe<()>> for NeverReady {
        type Response = ProbeOutcome;
        type Error = Infallible;
        type Future = std::future::Ready<Result<ProbeOutcome, Infallible>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Pending
        }
        fn call(&mut self, _: Probe<()>) -> Self::Future {
            unreachable!("called although not ready")
        }
    }
    let monitor = monitor::spawn(NeverReady, (), STEADY, Thresholds::default());
    let dead = until(&mut monitor.subscribe(), Health::Dead).await;
    assert_eq!(dead.outcome.expect("probed").reason(), "Timeout");
}

#[tokio::test(start_paused = true)]
async fn a_monitor_also_runs_where_it_is_awaited() {
    let service = service_fn(|_: Probe<()>| async { Ok::<_, Infallible>(ProbeOutcome::Healthy) });
    let (monitor, mut seen) = kfed_cluster_health::Monitor::new(service, (), STEADY, Thresholds::default());
    tokio::select! {
        () = monitor.run() => unreachable!("it runs for ever"),
        healthy = until(&mut seen, Health::Healthy) => assert_eq!(healthy.failures_in_a_row, 0),
    }
}
