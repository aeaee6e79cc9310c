use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::error::{DnsError, ErrorClass};
use crate::memory::{Call, Fault, MemoryProvider};
use crate::operation::{OperationKind, Precondition, Priority};
use crate::testing::{key, ours, zone_id};

const MINUTE: Duration = Duration::from_secs(60);

fn memory() -> (MemoryProvider, DnsProvider) {
    let memory = MemoryProvider::with_zone("example.com".parse().unwrap());
    (memory.clone(), DnsProvider::new(memory))
}

/// Fails the first requests with these classes, one each; `Throttled` asks for `retry_after`.
fn fail(memory: &MemoryProvider, classes: Vec<ErrorClass>, retry_after: Option<Duration>) {
    let mut classes = classes.into_iter();
    memory.on_request(move |call| {
        let class = classes.next()?;
        let mut error = DnsError::new(class, call.operation, "a fault");
        error.retry_after = retry_after;
        Some(Fault::Fail(error))
    });
}

mod deadline {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_not_answered_may_have_happened_and_a_read_has_not() {
        let (memory, provider) = memory();
        memory.on_request(|_| Some(Fault::Hang));
        let provider = provider.layer(&DeadlineLayer::new(Duration::from_secs(3)));
        let started = Instant::now();

        let error = provider.get(&zone_id(), &key("A", "web")).await.unwrap_err();
        assert_eq!((error.class, started.elapsed()), (ErrorClass::Unavailable, Duration::from_secs(3)));
        assert_eq!(error.to_string(), "could not get record set A web.example.com.: no answer within 3 s");

        let put = provider.put(&zone_id(), ours("A", "web", &["192.0.2.1"]), Precondition::Absent).await;
        let error = put.unwrap_err();
        assert_eq!((error.class, &error.record_set), (ErrorClass::Unknown, &Some(key("A", "web"))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_passes() {
        let (_, provider) = memory();
        let provider = provider.layer(&DeadlineLayer::new(Duration::from_secs(3)));
        assert_eq!(provider.get(&zone_id(), &key("A", "web")).await.unwrap(), None);
    }
}

mod retry {
    use super::*;

    fn retrying(policy: RetryPolicy) -> (MemoryProvider, DnsProvider) {
        let (memory, provider) = memory();
        (memory, provider.layer(&RetryLayer::new(policy, 7)))
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_with_growing_waits() {
        let (memory, provider) = retrying(RetryPolicy::default());
        fail(&memory, vec![ErrorClass::Unavailable; 3], None);
        let started = Instant::now();
        provider.get(&zone_id(), &key("A", "web")).await.unwrap();
        assert_eq!(memory.calls().len(), 4);
        // Half to all of 0.5 s, 1 s, 2 s.
        let waited = started.elapsed();
        assert!(waited >= Duration::from_millis(1750) && waited < Duration::from_millis(3510), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_waits_the_same() {
        let mut waits = Vec::new();
        for _ in 0..2 {
            let (memory, provider) = retrying(RetryPolicy::default());
            fail(&memory, vec![ErrorClass::Unavailable; 4], None);
            let started = Instant::now();
            provider.get(&zone_id(), &key("A", "web")).await.unwrap();
            waits.push(started.elapsed());
        }
        assert_eq!(waits[0], waits[1]);
    }

    #[tokio::test(start_paused = true)]
    async fn never_sooner_than_the_provider_asks() {
        let (memory, provider) = retrying(RetryPolicy::default());
        fail(&memory, vec![ErrorClass::Throttled], Some(Duration::from_secs(10)));
        let started = Instant::now();
        provider.get(&zone_id(), &key("A", "web")).await.unwrap();
        let waited = started.elapsed();
        assert!(waited >= Duration::from_secs(10) && waited < Duration::from_millis(10_510), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn tries_and_time_are_bounded() {
        let (memory, provider) = retrying(RetryPolicy { tries: 3, ..RetryPolicy::default() });
        fail(&memory, vec![ErrorClass::Unavailable; 9], None);
        provider.get(&zone_id(), &key("A", "web")).await.unwrap_err();
        assert_eq!(memory.calls().len(), 3);

        let (memory, provider) = retrying(RetryPolicy::default());
        fail(&memory, vec![ErrorClass::Throttled], Some(Duration::from_secs(307)));
        let started = Instant::now();
        let error = provider.get(&zone_id(), &key("A", "web")).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(307)), "the caller learns how long");
        assert_eq!((memory.calls().len(), started.elapsed()), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_not_tried_again() {
        for class in [
            ErrorClass::Conflict,
            ErrorClass::Forbidden,
            ErrorClass::Unauthenticated,
            ErrorClass::NotFound,
            ErrorClass::Invalid,
            ErrorClass::Unknown,
        ] {
            let (memory, provider) = retrying(RetryPolicy::default());
            fail(&memory, vec![class], None);
            let put = provider.put(&zone_id(), ours("A", "web", &["192.0.2.1"]), Precondition::Absent).await;
            assert_eq!(put.unwrap_err().class, class);
            assert_eq!(memory.calls().len(), 1, "{class:?}");
        }
    }
}

mod budget {
    use super::*;

    /// A provider that notes when each request reached it, and needs `takes` for each.
    fn limited(
        limits: Limits,
        takes: Duration,
    ) -> (Budget, DnsProvider, std::sync::Arc<std::sync::Mutex<Vec<Instant>>>) {
        let (memory, provider) = memory();
        let times = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = times.clone();
        memory.on_request(move |_: &Call| {
            noted.lock().unwrap().push(Instant::now());
            None
        });
        let budget = Budget::new(limits);
        let provider = provider.layer(&Slow { takes }).layer(&budget.layer());
        (budget, provider, times)
    }

    /// Half the time on the way there, half on the way back.
    #[derive(Clone)]
    struct Slow {
        takes: Duration,
    }

    #[derive(Clone)]
    struct Slowed<S> {
        inner: S,
        takes: Duration,
    }

    impl<S> tower::Layer<S> for Slow {
        type Service = Slowed<S>;

        fn layer(&self, inner: S) -> Slowed<S> {
            Slowed { inner, takes: self.takes }
        }
    }

    impl<O, S> tower::Service<O> for Slowed<S>
    where
        O: crate::Operation,
        S: crate::OperationService<O>,
    {
        type Response = O::Response;
        type Error = DnsError;
        type Future = futures::future::BoxFuture<'static, Result<O::Response, DnsError>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), DnsError>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: O) -> Self::Future {
            let Self { inner, takes } = self.clone();
            Box::pin(async move {
                tokio::time::sleep(takes / 2).await;
                let result = tower::ServiceExt::oneshot(inner, request).await;
                tokio::time::sleep(takes / 2).await;
                result
            })
        }
    }

    fn create(requests: u32) -> Limits {
        Limits::default().with(OperationKind::Create, requests, MINUTE)
    }

    async fn put(provider: &DnsProvider, n: usize) {
        let set = ours("A", &format!("n{n}"), &["192.0.2.1"]);
        provider.put(&zone_id(), set, Precondition::Absent).await.unwrap();
    }

    /// The most requests in any span of a minute.
    fn densest(times: &[Instant]) -> usize {
        let within = |from: &Instant| times.iter().filter(|t| *t >= from && **t < *from + MINUTE).count();
        times.iter().map(within).max().unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn the_provider_never_sees_more_than_the_limit_and_nothing_is_wasted() {
        let (_, provider, times) = limited(create(20), Duration::from_millis(300));
        let started = Instant::now();
        let puts = (0..100).map(|n| {
            let provider = provider.clone();
            tokio::spawn(async move { put(&provider, n).await })
        });
        for done in futures::future::join_all(puts).await {
            done.unwrap();
        }
        let times = times.lock().unwrap();
        assert_eq!((times.len(), densest(&times)), (100, 20));
        // Four spans and the way back and forth; the floor is four minutes.
        assert!(started.elapsed() < 4 * MINUTE + Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_taken_in_the_order_of_coming() {
        let (memory, provider) = memory();
        let budget = Budget::new(create(1));
        let provider = provider.layer(&budget.layer());
        let puts = (0..5).map(|n| {
            let provider = provider.clone();
            async move { put(&provider, n).await }
        });
        futures::future::join_all(puts).await;
        let names: Vec<_> = memory.calls().iter().map(|call| call.record_set.clone().unwrap()).collect();
        assert_eq!(names, (0..5).map(|n| key("A", &format!("n{n}"))).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn urgent_requests_go_before_those_that_wait_already() {
        let (memory, provider) = memory();
        let budget = Budget::new(create(1));
        let provider = provider.layer(&budget.layer());
        let urgent = provider.with_priority(Priority::Urgent);
        put(&provider, 0).await;
        let waits = (1..4).map(|n| {
            let provider = provider.clone();
            tokio::spawn(async move { put(&provider, n).await })
        });
        let waits: Vec<_> = waits.collect();
        tokio::time::sleep(MINUTE / 2).await;
        let hurries = (4..6).map(|n| {
            let urgent = urgent.clone();
            tokio::spawn(async move { put(&urgent, n).await })
        });
        let hurries: Vec<_> = hurries.collect();
        tokio::time::sleep(MINUTE / 4).await;
        assert_eq!((budget.state()[0].waiting, budget.state()[0].urgent), (5, 2));
        let started = Instant::now();
        for done in futures::future::join_all(waits.into_iter().chain(hurries)).await {
            done.unwrap();
        }
        let names: Vec<_> = memory.calls().iter().map(|call| call.record_set.clone().unwrap()).collect();
        assert_eq!(names, [0, 4, 5, 1, 2, 3].map(|n| key("A", &format!("n{n}"))));
        assert_eq!(started.elapsed(), 4 * MINUTE + MINUTE / 4, "no turn is lost");
        assert_eq!((budget.state()[0].waiting, budget.state()[0].urgent), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn kinds_do_not_wait_for_each_other() {
        let (budget, provider, _) = limited(create(1), Duration::ZERO);
        put(&provider, 0).await;
        let started = Instant::now();
        provider.get(&zone_id(), &key("A", "n0")).await.unwrap();
        assert_eq!(started.elapsed(), Duration::ZERO);
        let states = budget.state();
        assert_eq!((states.len(), states[0].kind, states[0].used), (1, OperationKind::Create, 1));
        tokio::time::advance(MINUTE).await;
        assert_eq!(budget.state()[0].used, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_provider_asks_to_wait_holds_for_the_whole_zone() {
        let (memory, provider) = memory();
        let budget = Budget::new(create(10));
        let provider = provider.layer(&budget.layer());
        fail(&memory, vec![ErrorClass::Throttled], Some(Duration::from_secs(10)));
        let started = Instant::now();
        provider.get(&zone_id(), &key("A", "a")).await.unwrap_err();
        assert_eq!(budget.state()[0].paused, Some(Duration::from_secs(10)));
        put(&provider, 0).await;
        assert_eq!(started.elapsed(), Duration::from_secs(10));
        provider.list_zones(None).await.unwrap();
        assert_eq!(budget.state().iter().filter(|state| state.paused.is_some()).count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_takes_nothing() {
        let (budget, provider, times) = limited(create(1), Duration::ZERO);
        put(&provider, 0).await;
        let impatient = tokio::time::timeout(Duration::from_secs(1), put(&provider, 1)).await;
        assert!(impatient.is_err());
        assert_eq!((budget.state()[0].used, budget.state()[0].waiting), (1, 0));
        let started = Instant::now();
        put(&provider, 2).await;
        assert_eq!(started.elapsed(), MINUTE - Duration::from_secs(1));
        assert_eq!(times.lock().unwrap().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_does_not_use_up_the_deadline() {
    let (memory, provider) = memory();
    let limits = Limits::default().with(OperationKind::Get, 1, MINUTE);
    let (provider, budget) = stack(provider, &Settings { limits, ..Settings::default() });
    fail(&memory, vec![ErrorClass::Unavailable], None);
    let started = Instant::now();
    provider.get(&zone_id(), &key("A", "web")).await.unwrap();
    assert_eq!((memory.calls().len(), started.elapsed()), (2, MINUTE), "the second try has to wait for its turn");
    assert_eq!(budget.state()[0].used, 1);
}

mod metrics {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_counted_by_zone_kind_and_outcome_with_how_long_they_took() {
        let (memory, provider) = memory();
        let metrics = Metrics::default();
        let provider = provider.layer(&DeadlineLayer::new(Duration::from_secs(3))).layer(&metrics.layer());
        memory.on_request(|call| match call.number {
            2 => Some(Fault::Fail(DnsError::new(ErrorClass::Throttled, call.operation, "slow down"))),
            3 => Some(Fault::Hang),
            _ => None,
        });
        provider.get(&zone_id(), &key("A", "web")).await.unwrap();
        provider.get(&zone_id(), &key("A", "web")).await.unwrap_err();
        provider.put(&zone_id(), ours("A", "web", &["192.0.2.1"]), Precondition::Absent).await.unwrap_err();
        provider.get(&zone_id(), &key("A", "web")).await.unwrap();
        provider.list_zones(None).await.unwrap();

        let state = metrics.state();
        let shown: Vec<_> = state.iter().map(|s| (s.kind.as_str(), s.outcome_str(), s.requests, s.total)).collect();
        let three = Duration::from_secs(3);
        assert_eq!(
            shown,
            [
                ("list-zones", "ok", 1, Duration::ZERO),
                ("get", "ok", 2, Duration::ZERO),
                ("get", "throttled", 1, Duration::ZERO),
                ("create", "unknown", 1, three),
            ]
        );
        assert_eq!((state[1].latency[0], state[1].latency.iter().sum::<u64>()), (2, 2));
        assert_eq!(LATENCY_BOUNDS_MS.iter().zip(state[3].latency).find(|(_, n)| *n > 0), Some((&5_000, 1)));
        assert_eq!((&state[0].zone, &state[1].zone), (&None, &Some(zone_id())));
    }

    #[tokio::test(start_paused = true)]
    async fn the_stack_counts_every_try() {
        let (memory, provider) = memory();
        let settings = Settings::default();
        let (provider, _) = stack(provider, &settings);
        fail(&memory, vec![ErrorClass::Unavailable; 2], None);
        provider.get(&zone_id(), &key("A", "web")).await.unwrap();
        let counted: Vec<_> = settings.metrics.state().iter().map(|s| (s.outcome_str(), s.requests)).collect();
        assert_eq!(counted, [("ok", 1), ("unavailable", 2)]);
    }
}

mod trace {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::FmtSpan;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_span_tells_what_was_asked_and_what_came_of_it() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (memory, provider) = memory();
        let provider = provider.layer(&TraceLayer);
        memory.on_request(|call| {
            let error = || Fault::Fail(DnsError::new(ErrorClass::Forbidden, call.operation, "not yours"));
            (call.kind == OperationKind::Create).then(error)
        });
        provider.get(&zone_id(), &key("A", "web")).await.unwrap();
        provider.put(&zone_id(), ours("A", "web", &["192.0.2.1"]), Precondition::Absent).await.unwrap_err();

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let line = |what: &str| log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {log}"));
        let asked = "dns{operation=\"get record set\" kind=\"get\" zone=\"example.com\" record_set=A web.example.com.";
        assert!(line("answered").contains(asked), "{log}");
        assert!(line("answered").trim_start().starts_with("DEBUG"), "{log}");
        assert!(line("failed error=").trim_start().starts_with("INFO"), "{log}");
        assert!(line("failed error=").contains("could not put record set: not yours"), "{log}");
        let closed: Vec<_> = log.lines().filter(|line| line.contains("close")).collect();
        assert!(closed[0].contains("outcome=\"ok\"") && closed[1].contains("outcome=\"forbidden\""), "{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_are_allowed_whatever_their_operation() {
    let (memory, provider) = memory();
    memory.on_request(|_| Some(Fault::Hang));
    let retry = RetryPolicy { tries: 1, ..RetryPolicy::default() };
    let three = NonZeroUsize::new(3).unwrap();
    let (provider, _) = stack(provider, &Settings { concurrency: three, retry, ..Settings::default() });
    let tasks: Vec<_> = (0..4)
        .flat_map(|n| {
            let (lists, gets) = (provider.clone(), provider.clone());
            let key = key("A", &format!("n{n}"));
            [
                tokio::spawn(async move { lists.snapshot(&zone_id()).await.map(drop) }),
                tokio::spawn(async move { gets.get(&zone_id(), &key).await.map(drop) }),
            ]
        })
        .collect();
    // Each waits for its turn, and ends at its own deadline after that.
    for under_way in [3, 6, 8] {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(memory.calls().len(), under_way);
        tokio::time::sleep(Duration::from_secs(29)).await;
    }
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap_err().class, ErrorClass::Unavailable);
    }
}
