use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::memory::{Fault, MemoryProvider};
use crate::operation::{Operation, OperationKind};
use crate::provider::OperationService;
use crate::testing::{bare, zone_id};

fn memory() -> MemoryProvider {
    let memory = MemoryProvider::with_zone("example.com".parse().unwrap());
    memory.insert(&zone_id(), bare("A", "somebody", &["192.0.2.9"]));
    memory
}

#[tokio::test]
async fn the_memory_provider_does_all_that_a_provider_must() {
    for page_size in [1, 3, usize::MAX] {
        let memory = memory().page_size(page_size);
        let before = memory.contents(&zone_id());
        let report = run(DnsProvider::new(memory.clone()), zone_id()).await;
        report.assert_passed();
        assert_eq!(report.checks.len(), 27);
        assert_eq!(memory.contents(&zone_id()), before, "nothing is left, and nothing of others is gone");
    }
}

#[tokio::test]
async fn the_memory_provider_holds_sets_of_every_type() {
    let memory = memory();
    let before = memory.contents(&zone_id());
    let report = types(DnsProvider::new(memory.clone()), zone_id(), &RecordType::ALL).await;
    report.assert_passed();
    // All but the SOA set, and the removal.
    assert_eq!(report.checks.len(), 10);
    assert_eq!(memory.contents(&zone_id()), before);
}

/// A provider that throttles what is more than `allowed` creations in any minute.
fn limited(allowed: usize) -> MemoryProvider {
    let memory = memory();
    let mut times: Vec<tokio::time::Instant> = Vec::new();
    memory.on_request(move |call| {
        let now = tokio::time::Instant::now();
        times.retain(|time| *time + MINUTE > now);
        if call.kind != OperationKind::Create {
            return None;
        }
        times.push(now);
        let error = || Fault::Fail(DnsError::new(crate::ErrorClass::Throttled, call.operation, "slow down"));
        (times.len() > allowed).then(error)
    });
    memory
}

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn limits_that_are_a_providers_own_are_kept_and_greater_ones_are_noticed() {
    for (allowed, passes) in [(10, true), (9, false)] {
        let memory = limited(allowed);
        let limits = Limits::default().with(OperationKind::Create, 10, MINUTE).with(OperationKind::Get, 5, MINUTE);
        let report = within_limits(DnsProvider::new(memory.clone()), zone_id(), &limits).await;
        assert_eq!(report.passed(), passes, "{report}");
        // Reads, creations, the removal, and the sum.
        assert_eq!((report.checks.len(), memory.requests(OperationKind::Create)), (4, 16));
    }
}

#[tokio::test]
async fn a_zone_that_is_not_there_is_told() {
    let report = run(DnsProvider::new(memory()), ZoneId("example.org".into())).await;
    assert!(!report.passed());
    assert_eq!(
        report.to_string(),
        "FAILED  the zone can be read and written: zone `example.org` is not among those listed\n"
    );
}

/// Puts a fault between the checks and a good provider, and gives the names of the checks that notice.
async fn noticed_by(break_it: impl FnOnce(&MemoryProvider) -> DnsProvider) -> Vec<&'static str> {
    let report = run(break_it(&memory()), zone_id()).await;
    report.checks.into_iter().filter(|check| check.failure.is_some()).map(|check| check.name).collect()
}

#[tokio::test]
async fn a_provider_that_deletes_nothing_is_noticed() {
    let names = noticed_by(|memory| {
        memory.on_request(|call| {
            let failed = || Fault::Fail(DnsError::new(crate::ErrorClass::Forbidden, call.operation, "read only"));
            (call.kind == OperationKind::Delete).then(failed)
        });
        DnsProvider::new(memory.clone())
    })
    .await;
    assert!(names.contains(&"a CNAME comes and goes"), "{names:?}");
    assert!(names.contains(&"what was written can be removed"), "{names:?}");
    assert!(!names.contains(&"what is put can be read, with its version"), "{names:?}");
}

#[tokio::test]
async fn a_list_that_stops_after_a_page_is_noticed() {
    let names = noticed_by(|memory| {
        let memory = memory.clone().page_size(1);
        DnsProvider::new(memory).layer(&Forgetful)
    })
    .await;
    assert!(names.contains(&"a list has every set once"), "{names:?}");
}

/// Forgets that there are more pages.
#[derive(Clone)]
struct Forgetful;

#[derive(Clone)]
struct Forgets<S>(S);

impl<S> Layer<S> for Forgetful {
    type Service = Forgets<S>;

    fn layer(&self, inner: S) -> Forgets<S> {
        Forgets(inner)
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Forgets<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move {
            let mut response = inner.oneshot(request).await?;
            let response_as_any: &mut dyn std::any::Any = &mut response;
            if let Some(page) = response_as_any.downcast_mut::<crate::Page<RecordSet>>() {
                page.next = None;
            }
            Ok(response)
        })
    }
}
