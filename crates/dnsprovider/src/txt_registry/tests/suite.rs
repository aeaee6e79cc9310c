//! The conformance suite, over sets with marks and sets without.

use std::any::Any;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::conformance::{Atomicity, Provoked, Suite};
use crate::error::{DnsError, ErrorClass};
use crate::memory::Fault;
use crate::metadata::Metadata;
use crate::operation::{Operation, Page, PutRecordSet};
use crate::provider::OperationService;
use crate::record::RecordType;

/// Names whose marks fit beside every name that the suite writes.
fn names() -> TxtNames {
    TxtNames::try_new("%{record_type}.", "", "").unwrap()
}

fn refusing(class: ErrorClass) -> DnsProvider {
    let memory = memory();
    memory.on_request(move |call| {
        let mut error = DnsError::new(class, call.operation, "no").about(call.record_set.as_ref());
        error.retry_after = (class == ErrorClass::Throttled).then(|| std::time::Duration::from_secs(7));
        Some(Fault::Fail(error))
    });
    registry(&memory)
}

fn suite(provider: DnsProvider) -> Suite {
    Suite::new(provider, zone_id())
        .types(RecordType::ALL)
        .provoked(Provoked::Forbidden, refusing(ErrorClass::Forbidden))
        .provoked(Provoked::Unauthenticated, refusing(ErrorClass::Unauthenticated))
        .provoked(Provoked::Throttled, refusing(ErrorClass::Throttled))
        .provoked(Provoked::Unavailable, refusing(ErrorClass::Unavailable))
}

#[tokio::test]
async fn a_provider_without_metadata_does_under_the_registry_all_that_a_provider_must() {
    for page_size in [1, 3, usize::MAX] {
        for names in [TxtNames::default(), names()] {
            for marking in [false, true] {
                let memory = memory().page_size(page_size);
                by_hand(&memory, bare("A", "somebody", &["192.0.2.9"]));
                by_hand(&memory, entry("a-somebody"));
                let before = memory.contents(&zone_id());
                let provider = memory.provider().with_txt_registry(names.clone());
                let provider = if marking { provider.layer(&Marking) } else { provider };
                let report = suite(provider).run().await;
                report.assert_passed();
                // The two other classes of atomicity, and the limits.
                assert_eq!(report.skipped().count(), 2 + 6, "{report}");
                assert_eq!(memory.contents(&zone_id()), before, "nothing is left, and nothing of others is gone");
            }
        }
    }
}

#[tokio::test]
async fn a_zone_of_one_version_has_marks_too() {
    let memory = memory().version_per_zone();
    suite(registry(&memory)).atomicity(Atomicity::Zone).run().await.assert_passed();
    assert_eq!(held(&memory), Vec::<String>::new());
}

#[tokio::test]
async fn without_the_registry_nobody_is_told_whose_a_set_is() {
    let provider = memory().provider();
    assert!(!provider.keeps_metadata());
    let report = suite(provider).run().await;
    report.assert_passed();
    let why = "it keeps no metadata, and has no TXT registry";
    let skipped = report.skipped().filter(|check| check.verdict == crate::conformance::Verdict::Skipped(why.into()));
    assert_eq!(skipped.count(), 3, "{report}");

    // Who says nothing of it is found out.
    let report = suite(DnsProvider::new(memory())).run().await;
    assert_eq!(
        report.failed().map(|check| check.name).collect::<Vec<_>>(),
        [
            "ownership is kept, in lists too",
            "a set of another owner is left alone",
            "a plan, applied, leaves nothing to plan"
        ]
    );
}

/// Marks every set that is put without an owner, and shows it as it was put: the suite writes most of its sets so.
#[derive(Clone)]
struct Marking;

#[derive(Clone)]
struct Marks<S>(S);

impl<S> Layer<S> for Marking {
    type Service = Marks<S>;

    fn layer(&self, inner: S) -> Marks<S> {
        Marks(inner)
    }
}

impl<O: Operation, S: OperationService<O>> Service<O> for Marks<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: O) -> Self::Future {
        let stamp = || crate::ownership::Owner("marking".into()).mark(&crate::testing::web());
        if let Some(put) = (&mut request as &mut dyn Any).downcast_mut::<PutRecordSet>()
            && put.set.metadata.is_empty()
        {
            put.set.metadata = stamp();
        }
        let inner = self.0.clone();
        Box::pin(async move {
            let mut response = inner.oneshot(request).await?;
            let unmark = |set: &mut RecordSet| {
                if set.metadata == stamp() {
                    set.metadata = Metadata::default();
                }
            };
            let any: &mut dyn Any = &mut response;
            if let Some(set) = any.downcast_mut::<RecordSet>() {
                unmark(set);
            } else if let Some(Some(set)) = any.downcast_mut::<Option<RecordSet>>() {
                unmark(set);
            } else if let Some(page) = any.downcast_mut::<Page<RecordSet>>() {
                page.items.iter_mut().for_each(unmark);
            }
            Ok(response)
        })
    }
}
