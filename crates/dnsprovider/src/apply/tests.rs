use super::*;
use crate::DesiredRecordSet;
use crate::memory::{Fault, MemoryProvider};
use crate::operation::OperationKind;
use crate::plan::{Policy, plan};
use crate::testing::{desired, key, ours, owner, want, zone_id};

/// A zone with sets, what is wanted of it, and what is known of it.
struct Scene {
    memory: MemoryProvider,
    provider: DnsProvider,
    snapshot: ZoneSnapshot,
    changes: ChangeSet,
}

impl Scene {
    async fn new(sets: Vec<RecordSet>, wanted: Vec<DesiredRecordSet>) -> Self {
        let memory = MemoryProvider::with_zone("example.com".parse().unwrap());
        for set in sets {
            memory.insert(&zone_id(), set);
        }
        let provider = DnsProvider::new(memory.clone());
        let snapshot = provider.snapshot(&zone_id()).await.unwrap();
        let changes = plan(&snapshot, &desired(wanted), &owner(), &Policy::default());
        memory.forget_calls();
        Self { memory, provider, snapshot, changes }
    }

    fn fail(&self, on: RecordSetKey, class: ErrorClass) {
        self.memory.on_request(move |call| {
            let hit = call.kind != OperationKind::Get && call.record_set.as_ref() == Some(&on);
            hit.then(|| Fault::Fail(DnsError::new(class, call.operation, "a fault")))
        });
    }

    async fn apply(&mut self) -> Applied {
        apply(&self.provider, &zone_id(), &self.changes, &mut self.snapshot).await
    }
}

fn mixed() -> (Vec<RecordSet>, Vec<DesiredRecordSet>) {
    let sets =
        vec![ours("A", "a", &["192.0.2.1"]), ours("CNAME", "b", &["a.example.com"]), ours("A", "c", &["192.0.2.1"])];
    let wanted = vec![want("A", "a", &["192.0.2.2"]), want("A", "b", &["192.0.2.2"]), want("A", "d", &["192.0.2.2"])];
    (sets, wanted)
}

#[tokio::test]
async fn a_change_set_is_one_request_a_change_and_what_is_known_stays_true() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.failed.len(), applied.stale), (5, 0, false));
    assert_eq!(scene.memory.calls().len(), 5);
    assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()));
}

#[tokio::test]
async fn after_a_conflict_the_set_is_read_again_and_the_rest_goes_on() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    scene.memory.insert(&zone_id(), ours("A", "a", &["192.0.2.77"]));
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.failed.len(), applied.stale), (4, 1, true));
    assert_eq!(applied.failed[0].1.class, ErrorClass::Conflict);
    assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()), "what somebody else wrote is known now");
}

#[tokio::test]
async fn a_write_whose_answer_got_lost_is_looked_up() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    scene.memory.on_request(|call| (call.number == 1).then_some(Fault::LoseAnswer));
    let applied = scene.apply().await;
    assert!(applied.stale);
    assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()));
    let again = plan(&scene.snapshot, &desired(mixed().1), &owner(), &Policy::default());
    assert!(again.is_empty(), "it had happened: {again:?}");
}

#[tokio::test]
async fn throttling_and_refused_credentials_end_the_run() {
    for class in [ErrorClass::Throttled, ErrorClass::Unauthenticated] {
        let (sets, wanted) = mixed();
        let mut scene = Scene::new(sets, wanted).await;
        scene.fail(key("A", "a"), class);
        let applied = scene.apply().await;
        assert_eq!((applied.done, applied.failed.len(), applied.skipped.len()), (0, 1, 4), "{class:?}");
        assert!(applied.ended);
        assert_eq!(scene.memory.calls().len(), 1);
    }
}

#[tokio::test]
async fn other_failures_do_not_stop_other_names() {
    for class in [ErrorClass::Invalid, ErrorClass::Forbidden, ErrorClass::Unavailable, ErrorClass::NotFound] {
        let (sets, wanted) = mixed();
        let mut scene = Scene::new(sets, wanted).await;
        scene.fail(key("A", "a"), class);
        let applied = scene.apply().await;
        assert_eq!((applied.done, applied.failed.len(), applied.stale), (4, 1, false), "{class:?}");
        assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()));
    }
}

#[tokio::test]
async fn what_needs_room_is_not_written_when_no_room_was_made() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    scene.fail(key("CNAME", "b"), ErrorClass::Unavailable);
    let applied = scene.apply().await;
    assert_eq!(applied.skipped, [key("A", "b")]);
    assert!(scene.memory.calls().iter().all(|call| call.record_set != Some(key("A", "b"))));
}

#[tokio::test]
async fn the_old_address_family_stays_when_the_new_one_did_not_come() {
    let mut scene =
        Scene::new(vec![ours("A", "web", &["192.0.2.1"])], vec![want("AAAA", "web", &["2001:db8::1"])]).await;
    scene.fail(key("AAAA", "web"), ErrorClass::Unavailable);
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.skipped), (0, vec![key("A", "web")]));
}

#[tokio::test]
async fn a_set_that_is_gone_already_is_deleted_without_ado() {
    let mut scene = Scene::new(vec![ours("A", "web", &["192.0.2.1"])], vec![]).await;
    scene.memory.remove(&zone_id(), &key("A", "web"));
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.stale), (1, false));
    assert!(scene.snapshot.is_empty());
}

fn many(n: usize, address: &str) -> (Vec<RecordSet>, Vec<DesiredRecordSet>) {
    let names = (0..n).map(|n| format!("n{n:04}"));
    names.map(|name| (ours("A", &name, &["192.0.2.1"]), want("A", &name, &["192.0.2.1", address]))).unzip()
}

#[tokio::test]
async fn a_zone_that_takes_nothing_is_not_asked_for_each_name() {
    for class in [ErrorClass::Forbidden, ErrorClass::NotFound, ErrorClass::Unavailable] {
        let (sets, wanted) = many(100, "192.0.2.2");
        let mut scene = Scene::new(sets, wanted).await;
        scene.memory.on_request(move |call| Some(Fault::Fail(DnsError::new(class, call.operation, "no"))));
        let applied = scene.apply().await;
        assert!(applied.ended, "{class:?}");
        assert_eq!((applied.done, applied.failed.len() + applied.skipped.len()), (0, 100), "{class:?}");
        assert!(scene.memory.calls().len() <= 32, "{} requests", scene.memory.calls().len());
    }
}

#[tokio::test]
async fn many_locked_sets_stop_nobody_once_one_has_been_taken() {
    let (sets, wanted) = many(100, "192.0.2.2");
    let mut scene = Scene::new(sets, wanted).await;
    scene.memory.on_request(|call| {
        let locked = call.record_set.as_ref().is_some_and(|key| key.name.as_str() >= "n0001");
        locked.then(|| Fault::Fail(DnsError::new(ErrorClass::Forbidden, call.operation, "locked")))
    });
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.failed.len(), applied.ended), (1, 99, false));
}

#[tokio::test(start_paused = true)]
async fn a_run_is_interrupted_by_what_is_more_urgent() {
    use std::time::Duration;
    let (sets, wanted) = many(100, "192.0.2.2");
    let mut scene = Scene::new(sets, wanted).await;
    // Two get through, the third is taken and its answer never comes, the others hang.
    scene.memory.on_request(|call| (call.kind == OperationKind::Update && call.number > 2).then_some(Fault::Hang));
    let urgent = tokio::time::sleep(Duration::from_secs(1));
    let applied = apply_until(&scene.provider, &zone_id(), &scene.changes, &mut scene.snapshot, urgent).await;
    assert!(applied.interrupted && !applied.ended && applied.failed.is_empty());
    assert_eq!((applied.done, applied.skipped.len()), (2, 98));
    assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()), "what was under way has been read");
    let reads = scene.memory.requests(OperationKind::Get);
    assert!((1..=16).contains(&reads), "only what was under way: {reads}");
}

/// Counts how many requests are under way at the same time.
mod together {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use futures::future::BoxFuture;
    use tower::{Layer, Service, ServiceExt};

    use super::*;
    use crate::operation::Operation;
    use crate::provider::OperationService;

    const LATENCY: Duration = Duration::from_millis(100);

    #[derive(Clone)]
    struct Crowd {
        latency: Duration,
        now: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    impl Crowd {
        fn after(latency: Duration) -> Self {
            Self { latency, now: Arc::default(), most: Arc::default() }
        }
    }

    #[derive(Clone)]
    struct Crowded<S>(S, Crowd);

    impl<S> Layer<S> for Crowd {
        type Service = Crowded<S>;

        fn layer(&self, inner: S) -> Crowded<S> {
            Crowded(inner, self.clone())
        }
    }

    impl<O: Operation, S: OperationService<O>> Service<O> for Crowded<S> {
        type Response = O::Response;
        type Error = DnsError;
        type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: O) -> Self::Future {
            let Self(inner, crowd) = self.clone();
            Box::pin(async move {
                let now = crowd.now.fetch_add(1, Ordering::Relaxed) + 1;
                crowd.most.fetch_max(now, Ordering::Relaxed);
                tokio::time::sleep(crowd.latency).await;
                let result = inner.oneshot(request).await;
                crowd.now.fetch_sub(1, Ordering::Relaxed);
                result
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_worked_on_together_up_to_the_limit() {
        for limit in [1, 4] {
            let wanted: Vec<_> = (0..10).map(|n| want("A", &format!("n{n}"), &["192.0.2.1"])).collect();
            let mut scene = Scene::new(vec![], wanted).await;
            let crowd = Crowd::after(LATENCY);
            let provider = scene.provider.clone().layer(&crowd);
            let limit = NonZeroUsize::new(limit).unwrap();
            let started = tokio::time::Instant::now();
            let applied = apply_with(&provider, &zone_id(), &scene.changes, &mut scene.snapshot, limit).await;
            assert_eq!((applied.done, crowd.most.load(Ordering::Relaxed)), (10, limit.get()));
            assert_eq!(started.elapsed(), LATENCY * 10u32.div_ceil(limit.get() as u32));
            assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_when_a_run_is_interrupted_has_a_moment_to_be_answered() {
        for (latency, expected) in [(LATENCY, (16, 84, 0)), (15 * LATENCY, (0, 100, 16))] {
            let (sets, wanted) = many(100, "192.0.2.2");
            let mut scene = Scene::new(sets, wanted).await;
            let provider = scene.provider.clone().layer(&Crowd::after(latency));
            let urgent = tokio::time::sleep(LATENCY / 2);
            let applied = apply_until(&provider, &zone_id(), &scene.changes, &mut scene.snapshot, urgent).await;
            assert!(applied.interrupted);
            assert_eq!((applied.done, applied.skipped.len(), applied.given_up.len()), expected, "{latency:?}");
            assert_eq!(scene.memory.requests(OperationKind::Get), applied.given_up.len());
            assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_begins_when_the_one_before_is_over_and_names_keep_their_order() {
        let (sets, wanted) = mixed();
        let mut scene = Scene::new(sets, wanted).await;
        let provider = scene.provider.clone().layer(&Crowd::after(LATENCY));
        apply(&provider, &zone_id(), &scene.changes, &mut scene.snapshot).await;
        let order: Vec<_> = scene.memory.calls().into_iter().filter_map(|call| call.record_set).collect();
        let planned: Vec<_> = scene.changes.changes.iter().map(|change| change.key().clone()).collect();
        let at = |order: &[RecordSetKey], key: &RecordSetKey| order.iter().position(|k| k == key).unwrap();
        let mut first = 0;
        for stage in &scene.changes.stages {
            let mut keys: Vec<_> = planned[first..first + stage.changes].to_vec();
            let mut made: Vec<_> = order[first..first + stage.changes].to_vec();
            keys.sort();
            made.sort();
            assert_eq!(made, keys, "{stage:?}");
            first += stage.changes;
        }
        assert_eq!(first, planned.len());
        assert!(at(&order, &key("CNAME", "b")) < at(&order, &key("A", "b")));
    }
}

#[tokio::test]
async fn changes_without_stages_are_made_one_by_one() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    scene.changes.stages.clear();
    assert_eq!(scene.apply().await.done, 5);
    let order: Vec<_> = scene.memory.calls().into_iter().filter_map(|call| call.record_set).collect();
    assert_eq!(order, scene.changes.changes.iter().map(|change| change.key().clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_cannot_be_read_again_is_told() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    let lost = key("A", "a");
    scene.memory.on_request(move |call| {
        let class = if call.kind == OperationKind::Get { ErrorClass::Unavailable } else { ErrorClass::Unknown };
        let hit = call.record_set.as_ref() == Some(&lost);
        hit.then(|| Fault::Fail(DnsError::new(class, call.operation, "a fault")))
    });
    let applied = scene.apply().await;
    assert_eq!((applied.stale, applied.unread), (true, vec![key("A", "a")]));
}

#[tokio::test]
async fn what_is_left_out_leaves_the_others_in_their_stages() {
    let (sets, wanted) = mixed();
    let scene = Scene::new(sets, wanted).await;
    let stage_of = |changes: &ChangeSet| -> BTreeMap<RecordSetKey, Urgency> {
        let staged = stages(changes).into_iter();
        staged.flat_map(|(urgency, stage)| stage.into_iter().map(move |(_, c)| (c.key().clone(), urgency))).collect()
    };
    let before = stage_of(&scene.changes);
    assert!(scene.changes.stages.len() > 1, "{:?}", scene.changes);
    for left_out in before.keys() {
        let mut changes = scene.changes.clone();
        changes.retain(|change| change.key() != left_out);
        let mut expected = before.clone();
        expected.remove(left_out);
        assert_eq!(stage_of(&changes), expected);
        assert!(changes.stages.iter().all(|stage| stage.changes > 0));
    }
}
