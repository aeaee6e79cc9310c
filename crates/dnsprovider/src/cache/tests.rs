use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::error::ErrorClass;
use crate::memory::{Fault, MemoryProvider};
use crate::operation::{Operation, OperationKind};
use crate::plan::{Policy, plan};
use crate::provider::OperationService;
use crate::testing::{bare, desired, key, ours, owner, want, zone_id};

const SWEEP: Duration = Duration::from_secs(600);

async fn cache(memory: &MemoryProvider) -> ZoneCache {
    let provider = DnsProvider::new(memory.clone());
    let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    memory.forget_calls();
    ZoneCache::new(provider, zone, SWEEP)
}

fn memory() -> MemoryProvider {
    MemoryProvider::with_zone("example.com".parse().unwrap())
}

fn moves(cache: &ZoneCache, to: &str) -> ChangeSet {
    plan(cache.snapshot(), &desired([want("A", "web", &[to])]), &owner(), &Policy::default())
}

#[tokio::test(start_paused = true)]
async fn a_zone_of_a_thousand_names_at_rest_costs_one_list_a_sweep() {
    let memory = memory();
    let names: Vec<_> = (0..1000).map(|n| want("A", &format!("n{n}"), &["192.0.2.1"])).collect();
    for name in &names {
        memory.insert(&zone_id(), name.to_record_set(&owner()));
    }
    let mut cache = cache(&memory).await;
    let wish = desired(names);
    // Planned every ten seconds for an hour.
    for _ in 0..360 {
        let changes = plan(cache.refresh().await.unwrap(), &wish, &owner(), &Policy::default());
        cache.apply(&changes).await;
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    assert_eq!((memory.calls().len(), memory.requests(OperationKind::List)), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn it_reads_its_own_writes_without_a_request() {
    let memory = memory();
    let mut cache = cache(&memory).await;
    cache.refresh().await.unwrap();
    for address in ["192.0.2.1", "192.0.2.2"] {
        let changes = moves(&cache, address);
        assert_eq!(cache.apply(&changes).await.done, 1);
        assert!(moves(&cache, address).is_empty());
    }
    cache.refresh().await.unwrap();
    assert_eq!((memory.calls().len(), memory.requests(OperationKind::List)), (3, 1));
    assert_eq!(*cache.snapshot(), memory.contents(&zone_id()));
    assert_eq!(cache.lists(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_during_a_sweep_is_newer_than_what_it_brings() {
    let memory = memory();
    for name in ["gone", "moved", "foreign"] {
        memory.insert(&zone_id(), ours("A", name, &["192.0.2.1"]));
    }
    let provider = DnsProvider::new(memory.clone()).layer(&Late);
    let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    let mut cache = ZoneCache::new(provider, zone, SWEEP);
    cache.refresh().await.unwrap();
    cache.invalidate();
    cache.refresh().await.unwrap();
    // It has read by now, and is not back yet.
    tokio::time::advance(Duration::from_secs(1)).await;
    let foreign = memory.insert(&zone_id(), bare("A", "foreign", &["192.0.2.9"]));
    let wish = desired([want("A", "moved", &["192.0.2.2"]), want("A", "new", &["192.0.2.2"])]);
    let changes = plan(cache.snapshot(), &wish, &owner(), &Policy::default());
    let applied = cache.apply(&changes).await;
    assert_eq!((applied.done, applied.failed.len()), (3, 1), "{changes:?}");
    assert_eq!(cache.lists(), 1);
    cache.swept().await;
    assert_eq!(cache.lists(), 2);
    assert_eq!(*cache.snapshot(), memory.contents(&zone_id()));
    assert_eq!(cache.snapshot().get(&foreign.key), Some(&foreign), "read again after the conflict");
    assert_eq!(memory.requests(OperationKind::List), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_takes_longer_than_the_time_between_two_is_waited_for() {
    let memory = memory();
    let provider = DnsProvider::new(memory.clone()).layer(&Late);
    let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    let mut cache = ZoneCache::new(provider, zone, LATE / 2);
    cache.refresh().await.unwrap();
    for _ in 0..10 {
        tokio::time::advance(LATE / 4).await;
        cache.refresh().await.unwrap();
    }
    // Listed by the 1st; swept from the 2nd to the 6th, and from there to the 10th.
    assert!((3..=4).contains(&memory.requests(OperationKind::List)), "{:?}", memory.calls());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_reads_one_set_and_a_set_that_cannot_be_read_the_zone() {
    for get_fails in [false, true] {
        let memory = memory();
        let mut cache = cache(&memory).await;
        cache.refresh().await.unwrap();
        let changes = moves(&cache, "192.0.2.1");
        memory.insert(&zone_id(), ours("A", "web", &["192.0.2.77"]));
        memory.on_request(move |call| {
            let error = || Fault::Fail(DnsError::new(ErrorClass::Unavailable, call.operation, "away"));
            (get_fails && call.kind == OperationKind::Get).then(error)
        });
        assert!(cache.apply(&changes).await.stale);
        cache.refresh().await.unwrap();
        if get_fails {
            cache.swept().await;
        }
        assert_eq!(memory.requests(OperationKind::List), 1 + usize::from(get_fails));
        assert_eq!(*cache.snapshot(), memory.contents(&zone_id()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_is_followed_by_a_sweep() {
    let memory = memory();
    let mut cache = cache(&memory).await;
    cache.refresh().await.unwrap();
    let changes = moves(&cache, "192.0.2.1");
    memory.on_request(|call| (call.kind == OperationKind::Create).then_some(Fault::Hang));
    let given_up = tokio::time::timeout(Duration::from_secs(1), cache.apply(&changes)).await;
    assert!(given_up.is_err());
    memory.insert(&zone_id(), ours("A", "web", &["192.0.2.1"]));
    cache.refresh().await.unwrap();
    cache.swept().await;
    assert!(cache.snapshot().get(&key("A", "web")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_given_up_and_arrives_late_is_found() {
    let memory = memory();
    let provider = DnsProvider::new(memory.clone()).layer(&Stray);
    let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    let mut cache = ZoneCache::new(provider, zone, SWEEP);
    cache.refresh().await.unwrap();
    let changes = moves(&cache, "192.0.2.1");
    let applied = cache.apply_until(&changes, tokio::time::sleep(Duration::from_secs(1))).await;
    assert_eq!((applied.interrupted, applied.given_up), (true, vec![key("A", "web")]));
    assert!(cache.snapshot().is_empty() && cache.until_sweep() <= ON_ITS_WAY);
    tokio::time::sleep(cache.until_sweep()).await;
    cache.refresh().await.unwrap();
    cache.swept().await;
    assert_eq!(cache.snapshot().len(), 1);
    assert_eq!(cache.until_sweep(), SWEEP);
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_a_moment_after_the_plan_was_broken_off_is_known() {
    let memory = memory();
    let provider = DnsProvider::new(memory.clone()).layer(&Stray);
    let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    let mut cache = ZoneCache::new(provider, zone, SWEEP);
    cache.refresh().await.unwrap();
    let changes = moves(&cache, "192.0.2.1");
    // A write takes five seconds.
    let applied = cache.apply_until(&changes, tokio::time::sleep(Duration::from_millis(4700))).await;
    assert_eq!((applied.interrupted, applied.done, applied.given_up.len()), (true, 1, 0));
    assert_eq!((cache.snapshot().len(), memory.requests(OperationKind::Get)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_arrives_after_a_sweep_for_another_reason_is_found() {
    let memory = memory();
    let provider = DnsProvider::new(memory.clone()).layer(&Stray);
    let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    let mut cache = ZoneCache::new(provider, zone, SWEEP);
    cache.refresh().await.unwrap();
    memory.on_request(|call| {
        let error = || Fault::Fail(DnsError::new(ErrorClass::Unavailable, call.operation, "away"));
        (call.kind == OperationKind::Get).then(error)
    });
    let changes = moves(&cache, "192.0.2.1");
    let applied = cache.apply_until(&changes, tokio::time::sleep(Duration::from_secs(1))).await;
    assert_eq!((&applied.unread, applied.given_up.len()), (&vec![key("A", "web")], 1));
    // What could not be read again is in doubt at once, and the request is still on its way.
    cache.refresh().await.unwrap();
    cache.swept().await;
    assert!(cache.snapshot().is_empty() && cache.until_sweep() <= ON_ITS_WAY);
    tokio::time::sleep(cache.until_sweep()).await;
    cache.refresh().await.unwrap();
    cache.swept().await;
    assert_eq!(*cache.snapshot(), memory.contents(&zone_id()));
    assert_eq!(cache.snapshot().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_arrives_during_a_sweep_that_had_begun_before_is_found() {
    let memory = memory();
    let provider = DnsProvider::new(memory.clone()).layer(&Stray).layer(&Late);
    let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    let mut cache = ZoneCache::new(provider, zone, SWEEP);
    cache.refresh().await.unwrap();
    cache.invalidate();
    cache.refresh().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let changes = moves(&cache, "192.0.2.1");
    let applied = cache.apply_until(&changes, tokio::time::sleep(Duration::from_secs(1))).await;
    assert_eq!(applied.given_up.len(), 1);
    tokio::time::sleep(cache.until_sweep()).await;
    cache.refresh().await.unwrap();
    cache.swept().await;
    assert_eq!(cache.snapshot().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_requests_that_were_given_up_the_later_is_found_too() {
    let memory = memory();
    let provider = DnsProvider::new(memory.clone()).layer(&Stray);
    let zone = provider.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    let mut cache = ZoneCache::new(provider, zone, SWEEP);
    cache.refresh().await.unwrap();
    for name in ["first", "second"] {
        // The second goes out when the first has arrived, and a sweep for that alone would miss it.
        tokio::time::sleep(ON_ITS_WAY - Duration::from_secs(2)).await;
        let wish = desired([want("A", name, &["192.0.2.1"])]);
        let changes = plan(cache.snapshot(), &wish, &owner(), &Policy::default());
        let applied = cache.apply_until(&changes, tokio::time::sleep(Duration::from_secs(1))).await;
        assert_eq!(applied.given_up, [key("A", name)]);
    }
    while cache.until_sweep() < SWEEP {
        tokio::time::sleep(cache.until_sweep()).await;
        cache.refresh().await.unwrap();
        cache.swept().await;
    }
    assert_eq!(cache.snapshot().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_is_told_and_tried_again_and_nothing_is_forgotten() {
    let memory = memory();
    memory.insert(&zone_id(), ours("A", "web", &["192.0.2.1"]));
    let mut cache = cache(&memory).await;
    memory.on_request(|call| {
        let fails = (2..=3).contains(&call.number);
        fails.then(|| Fault::Fail(DnsError::new(ErrorClass::Unavailable, call.operation, "away")))
    });
    cache.refresh().await.unwrap();
    tokio::time::advance(SWEEP).await;
    for wait in [1, 2] {
        assert_eq!(cache.refresh().await.unwrap().len(), 1);
        cache.swept().await;
        assert_eq!(cache.failed().map(|error| error.class), Some(ErrorClass::Unavailable));
        assert_eq!((cache.snapshot().len(), cache.until_sweep().as_secs()), (1, wait));
        tokio::time::advance(Duration::from_secs(wait)).await;
    }
    cache.refresh().await.unwrap();
    cache.swept().await;
    assert!(cache.failed().is_none());
    assert_eq!(cache.until_sweep(), SWEEP);
}

#[tokio::test(start_paused = true)]
async fn a_first_list_that_fails_is_an_error_and_the_next_one_works() {
    let memory = memory();
    memory.insert(&zone_id(), ours("A", "web", &["192.0.2.1"]));
    let mut cache = cache(&memory).await;
    memory.on_request(|call| {
        (call.number == 1).then(|| Fault::Fail(DnsError::new(ErrorClass::Unavailable, call.operation, "away")))
    });
    assert_eq!(cache.refresh().await.unwrap_err().class, ErrorClass::Unavailable);
    assert_eq!(cache.refresh().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_does_so_to_its_user() {
    let memory = memory();
    let mut cache = cache(&memory).await;
    cache.refresh().await.unwrap();
    memory.on_request(|_| panic!("a defect of the provider"));
    cache.invalidate();
    cache.refresh().await.unwrap();
    let panic = tokio::spawn(async move { cache.swept().await }).await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"a defect of the provider"));
}

/// How late a list is answered.
const LATE: Duration = Duration::from_secs(20);

/// Reads at once, and answers lists late.
#[derive(Clone)]
struct Late;

#[derive(Clone)]
struct Delayed<S>(S);

impl<S> Layer<S> for Late {
    type Service = Delayed<S>;

    fn layer(&self, inner: S) -> Delayed<S> {
        Delayed(inner)
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Delayed<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move {
            let lists = request.kind() == OperationKind::List;
            let response = inner.oneshot(request).await;
            if lists {
                tokio::time::sleep(LATE).await;
            }
            response
        })
    }
}

/// Takes five seconds for every write, and carries it out whoever waits for the answer.
#[derive(Clone)]
struct Stray;

#[derive(Clone)]
struct Straying<S>(S);

impl<S> Layer<S> for Stray {
    type Service = Straying<S>;

    fn layer(&self, inner: S) -> Straying<S> {
        Straying(inner)
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Straying<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let inner = self.0.clone();
        let writes = matches!(request.kind(), OperationKind::Create | OperationKind::Update | OperationKind::Delete);
        Box::pin(async move {
            let carried_out = tokio::spawn(async move {
                if writes {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                inner.oneshot(request).await
            });
            carried_out.await.unwrap()
        })
    }
}
