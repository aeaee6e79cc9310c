use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::error::{DnsError, ErrorClass};
use crate::memory::{Fault, MemoryProvider};
use crate::operation::{
    DeleteRecordSet, GetRecordSet, ListRecordSets, ListZones, Operation, OperationKind, Precondition, PutRecordSet,
};
use crate::provider::OperationService;
use crate::record::RecordSet;
use crate::testing::{bare, zone_id};

fn memory() -> MemoryProvider {
    let memory = MemoryProvider::with_zone("example.com".parse().unwrap());
    memory.insert(&zone_id(), bare("A", "somebody", &["192.0.2.9"]));
    memory
}

fn suite(memory: &MemoryProvider) -> Suite {
    Suite::new(DnsProvider::new(memory.clone()), zone_id())
}

/// A provider of the same zone that answers every request with an error of this class.
fn refusing(class: ErrorClass) -> DnsProvider {
    let memory = memory();
    memory.on_request(move |call| {
        let mut error = DnsError::new(class, call.operation, "no").about(call.record_set.as_ref());
        error.retry_after = (class == ErrorClass::Throttled).then_some(MINUTE);
        Some(Fault::Fail(error))
    });
    DnsProvider::new(memory)
}

fn names(checks: impl Iterator<Item = Check>) -> Vec<&'static str> {
    checks.map(|check| check.name).collect()
}

#[tokio::test]
async fn the_memory_provider_does_all_that_a_provider_must() {
    for page_size in [1, 3, usize::MAX] {
        let memory = memory().page_size(page_size);
        let before = memory.contents(&zone_id());
        let mut suite = suite(&memory).types(RecordType::ALL);
        for (how, class) in CLASSES {
            suite = suite.provoked(how, refusing(class));
        }
        let report = suite.run().await;
        report.assert_passed();
        let skipped = names(report.skipped().cloned());
        // The two other classes, and the six limits that it does not have.
        assert_eq!((report.checks.len() - skipped.len(), skipped.len()), (24 + 6 + 9 + 6 + 1, 2 + 6), "{report}");
        assert_eq!(memory.contents(&zone_id()), before, "nothing is left, and nothing of others is gone");
    }
}

const CLASSES: [(Provoked, ErrorClass); 4] = [
    (Provoked::Forbidden, ErrorClass::Forbidden),
    (Provoked::Unauthenticated, ErrorClass::Unauthenticated),
    (Provoked::Throttled, ErrorClass::Throttled),
    (Provoked::Unavailable, ErrorClass::Unavailable),
];

#[tokio::test]
async fn what_a_provider_has_not_is_skipped_with_its_reason() {
    let report = suite(&memory()).never(Provoked::Throttled, "it is never too much for it").run().await;
    report.assert_passed();
    let text = report.to_string();
    for line in [
        "skipped  what is throttled is told so, and with how long to wait: it is never too much for it\n",
        "skipped  what is forbidden is told so: nobody has said how it is brought to that\n",
        "skipped  MX sets are kept as they are: it is not among the types that it writes\n",
        "skipped  a write is true when it is over: its record sets are atomic, each by itself\n",
        "skipped  no list is throttled within the limits: nobody has said what its limits are\n",
        " held, 0 failed, 17 skipped\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[tokio::test]
async fn a_refusal_of_another_class_is_noticed() {
    for (how, right) in CLASSES {
        for (_, class) in CLASSES.into_iter().filter(|(_, class)| *class != right) {
            let report = suite(&memory()).provoked(how, refusing(class)).run().await;
            assert_eq!(report.failed().count(), 1, "{how:?} {class}: {report}");
        }
        // Nor is it enough to do nothing wrong.
        let report = suite(&memory()).provoked(how, DnsProvider::new(memory())).run().await;
        assert_eq!(report.failed().count(), 1, "{how:?}: {report}");
    }
}

#[tokio::test]
async fn versions_of_a_zone_are_told_from_versions_of_its_sets() {
    for (per_zone, declared, noticed) in [
        (true, Atomicity::Zone, None),
        (true, Atomicity::RecordSet, Some("a write to one set leaves the versions of others")),
        (false, Atomicity::Zone, Some("a write to the zone makes all old that was read of it")),
        (false, Atomicity::RecordSet, None),
    ] {
        let memory = if per_zone { memory().version_per_zone() } else { memory() };
        let report = suite(&memory).atomicity(declared).run().await;
        assert_eq!(names(report.failed().cloned()), Vec::from_iter(noticed), "{declared:?}: {report}");
    }
}

#[tokio::test]
async fn a_provider_that_writes_in_two_steps_has_to_say_so() {
    let report = Suite::new(DnsProvider::new(Sloppy(DnsProvider::new(memory()))), zone_id()).run().await;
    assert_eq!(
        names(report.failed().cloned()),
        [
            "a set is seen as it was or as it is, and nothing between",
            "a write that is refused changes nothing",
            "of several who write what they read at one time one wins",
            "of several who create at one time one wins",
        ],
        "{report}"
    );
    let sloppy = Suite::new(DnsProvider::new(Sloppy(DnsProvider::new(memory()))), zone_id());
    sloppy.atomicity(Atomicity::None).run().await.assert_passed();
}

/// Looks whether a precondition holds, writes half, and then all, whatever has come between.
#[derive(Clone)]
struct Sloppy(DnsProvider);

impl Sloppy {
    async fn put(self, request: PutRecordSet) -> Result<RecordSet, DnsError> {
        let PutRecordSet { zone, set, precondition, .. } = request;
        let read = self.0.get(&zone, &set.key).await?;
        let holds = match (&precondition, &read) {
            (Precondition::Absent, read) => read.is_none(),
            (Precondition::Unchanged(etag), read) => read.as_ref().is_some_and(|read| read.etag.as_ref() == Some(etag)),
        };
        if !holds {
            return Err(DnsError::new(ErrorClass::Conflict, PutRecordSet::NAME, "it has changed").about(Some(&set.key)));
        }
        tokio::task::yield_now().await;
        let data: Vec<_> = set.data.iter().cloned().collect();
        let half = RecordSet { data: data[..data.len().div_ceil(2)].iter().cloned().collect(), ..set.clone() };
        self.overwrite(&zone, half).await?;
        tokio::task::yield_now().await;
        self.overwrite(&zone, set).await
    }

    async fn overwrite(&self, zone: &ZoneId, set: RecordSet) -> Result<RecordSet, DnsError> {
        let read = self.0.get(zone, &set.key).await?;
        let now = read.and_then(|read| read.etag).map_or(Precondition::Absent, Precondition::Unchanged);
        self.0.put(zone, set, now).await
    }
}

macro_rules! sloppy {
    ($($operation:ident |$provider:ident, $request:ident| $answer:expr;)*) => {
        $(impl Service<$operation> for Sloppy {
            type Response = <$operation as Operation>::Response;
            type Error = DnsError;
            type Future = BoxFuture<'static, Result<Self::Response, DnsError>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, $request: $operation) -> Self::Future {
                let $provider = self.clone();
                Box::pin(async move { $answer })
            }
        })*
    };
}

sloppy! {
    ListZones |sloppy, request| sloppy.0.list_zones(request.name).await;
    ListRecordSets |sloppy, request| {
        sloppy.0.list_record_sets(&request.zone, request.below.as_ref(), request.page).await
    };
    GetRecordSet |sloppy, request| sloppy.0.get(&request.zone, &request.key).await;
    PutRecordSet |sloppy, request| sloppy.put(request).await;
    DeleteRecordSet |sloppy, request| sloppy.0.delete(&request.zone, &request.key, request.unchanged).await;
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
        let error = || Fault::Fail(DnsError::new(ErrorClass::Throttled, call.operation, "slow down"));
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
        let report = suite(&memory).limits(limits).run().await;
        assert_eq!(report.passed(), passes, "{report}");
        assert!(memory.requests(OperationKind::Create) > 16);
        let told = names(report.failed().cloned()).contains(&"nothing at all is throttled within the limits");
        assert_eq!(told, !passes, "{report}");
    }
}

#[tokio::test]
async fn a_zone_that_is_not_there_is_told() {
    let report = Suite::new(DnsProvider::new(memory()), ZoneId("example.org".into())).run().await;
    assert!(!report.passed());
    assert_eq!(
        report.to_string(),
        "FAILED   the zone can be read and written: zone `example.org` is not among those listed\n0 held, 1 failed, 0 skipped\n"
    );
}

/// Puts a fault between the checks and a good provider, and gives the names of the checks that notice.
async fn noticed_by(break_it: impl FnOnce(&MemoryProvider) -> DnsProvider) -> Vec<&'static str> {
    names(Suite::new(break_it(&memory()), zone_id()).run().await.failed().cloned())
}

#[tokio::test]
async fn a_provider_that_deletes_nothing_is_noticed() {
    let names = noticed_by(|memory| {
        memory.on_request(|call| {
            let failed = || Fault::Fail(DnsError::new(ErrorClass::Forbidden, call.operation, "read only"));
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
