use std::sync::atomic::{AtomicUsize, Ordering};

use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(10);

/// What a member answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Fine,
    Says(u16),
    Refuses,
    Hangs,
}

/// A member that answers as it is told, behind a breaker and two places.
struct Scripted {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    breaker: Breaker,
    stack: BoxCloneSyncService<(), (), EffectError>,
}

impl Scripted {
    fn new() -> Self {
        let (answer, asked, closed) =
            (Arc::new(Mutex::new(Answer::Fine)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let told = closed.clone();
        let schedule = ProbeSchedule { seed: 7, ..ProbeSchedule::default() };
        let breaker = Breaker::new(schedule, move || {
            told.fetch_add(1, Ordering::SeqCst);
        });
        let service = tower::service_fn({
            let (answer, asked) = (answer.clone(), asked.clone());
            move |()| {
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = *answer.lock().unwrap();
                async move {
                    match answer {
                        Answer::Fine => Ok(()),
                        Answer::Says(code) => {
                            let status = kube::core::Status::failure("no", "No").with_code(code);
                            Err(EffectError::from(kube::Error::Api(status.boxed())).into())
                        }
                        Answer::Refuses => Err(BoxError::from("connection refused")),
                        Answer::Hangs => std::future::pending().await,
                    }
                }
            }
        });
        let layer = BreakerLayer { breaker: breaker.clone(), deadline: DEADLINE };
        let stack = ServiceBuilder::new().layer(layer).concurrency_limit(2).service(service);
        Self { answer, asked, closed, breaker, stack: BoxCloneSyncService::new(stack) }
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    async fn call(&self) -> Result<(), EffectError> {
        self.stack.clone().oneshot(()).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn open(answer: Answer) -> Self {
        let member = Self::new();
        member.answers(answer);
        for _ in 0..FAILURES {
            assert!(!matches!(member.call().await, Ok(()) | Err(EffectError::NotAsked)));
        }
        member
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_the_members_open_the_circuit_and_answers_do_not() {
    for (answer, opens) in [
        (Answer::Refuses, true),
        (Answer::Hangs, true),
        (Answer::Says(500), true),
        (Answer::Says(503), true),
        (Answer::Says(403), false),
        (Answer::Says(409), false),
        (Answer::Says(422), false),
        (Answer::Says(429), false),
    ] {
        let member = Scripted::open(answer).await;
        let before = member.asked();
        let start = Instant::now();
        let result = member.call().await;
        assert_eq!(matches!(result, Err(EffectError::NotAsked)), opens, "{answer:?}: {result:?}");
        assert_eq!(member.asked() == before, opens, "{answer:?}");
        assert!(start.elapsed() < SECOND, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_in_between_begins_the_count_anew() {
    let member = Scripted::new();
    for _ in 0..5 {
        member.answers(Answer::Refuses);
        for _ in 1..FAILURES {
            member.call().await.unwrap_err();
        }
        member.answers(Answer::Fine);
        member.call().await.unwrap();
    }
    assert_eq!(member.closed.load(Ordering::SeqCst), 0, "it was never open");
}

#[tokio::test(start_paused = true)]
async fn one_call_tries_after_a_pause_that_grows_and_is_never_longer_than_the_longest() {
    let member = Scripted::open(Answer::Refuses).await;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let start = Instant::now();
        let before = member.asked();
        while member.asked() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let _ = member.call().await;
        }
        assert_eq!(member.asked(), before + 1);
        pauses.push(start.elapsed());
    }
    for (trials, pause) in pauses.iter().enumerate() {
        let longest = FIRST_PAUSE.saturating_mul(1 << trials).min(LONGEST_PAUSE);
        let fits = *pause >= longest.mul_f64(1.0 - JITTER) && *pause <= longest + SECOND / 10;
        assert!(fits, "{trials}: {pause:?} of {longest:?}");
    }
    member.answers(Answer::Fine);
    tokio::time::advance(LONGEST_PAUSE).await;
    member.call().await.unwrap();
    member.call().await.unwrap();
    assert_eq!(member.closed.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn while_one_tries_all_others_fail_at_once_and_take_no_place() {
    let member = Scripted::open(Answer::Hangs).await;
    tokio::time::advance(FIRST_PAUSE).await;
    let before = member.asked();
    let stack = member.stack.clone();
    let trial = tokio::spawn(stack.oneshot(()));
    tokio::task::yield_now().await;
    for _ in 0..9 {
        assert!(matches!(member.call().await, Err(EffectError::NotAsked)));
    }
    assert_eq!(member.asked(), before + 1);
    // Who gives up says nothing of the member: the next may try.
    trial.abort();
    trial.await.unwrap_err();
    member.answers(Answer::Fine);
    member.call().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_probe_or_a_watch_that_is_answered_closes_the_circuit() {
    let member = Scripted::open(Answer::Refuses).await;
    member.answers(Answer::Fine);
    assert!(matches!(member.call().await, Err(EffectError::NotAsked)));
    member.breaker.answers();
    assert_eq!(member.closed.load(Ordering::SeqCst), 1);
    member.call().await.unwrap();
    member.breaker.answers();
    assert_eq!(member.closed.load(Ordering::SeqCst), 1, "it was closed");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_in_vain_does_not_blame_the_member() {
    let member = Scripted::new();
    member.answers(Answer::Hangs);
    let calls: Vec<_> = (0..12).map(|_| tokio::spawn(member.stack.clone().oneshot(()))).collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(EffectError::Unreachable { .. })));
    }
    assert_eq!(member.asked(), 2);
    assert_eq!(*member.breaker.circuit(), Circuit::Closed { failures: 2 });
}

#[tokio::test(start_paused = true)]
async fn calls_from_before_the_circuit_opened_do_not_keep_it_open() {
    let now = Instant::now();
    let pause = |_| SECOND;
    let mut circuit = Circuit::Closed { failures: FAILURES - 1 };
    circuit.settles(Verdict::Fails, now, pause);
    let open = Circuit::Open { until: now + SECOND, trials: 0 };
    assert_eq!(circuit, open);
    circuit.settles(Verdict::Fails, now + SECOND / 2, pause);
    circuit.settles(Verdict::Nothing, now + SECOND / 2, pause);
    assert_eq!(circuit, open);
    assert!(circuit.admits(now + SECOND) && !circuit.admits(now + SECOND));
}
