//! The registry around a provider: each request becomes the few that it takes, one after the other.

use std::collections::BTreeSet;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, try_join};
use tower::{Layer, Service, ServiceExt};

use super::names::TxtNames;
use super::see::{marked_by, see, see_one};
use super::steps::{self, Refusal, Step, Steps};
use super::version::{Content, Place, Version};
use crate::error::{DnsError, ErrorClass};
use crate::operation::{
    DeleteRecordSet, GetRecordSet, ListRecordSets, ListZones, Operation, Page, Precondition, Priority, PutRecordSet,
};
use crate::provider::{OperationService, Provider};
use crate::record::{Etag, RecordSet, RecordSetKey, RecordType};
use crate::zone::{Zone, ZoneId};

/// Keeps what a provider does not keep beside the records, in [marks](crate::txt_registry).
///
/// It goes around layers that retry, wait or count: each of its requests takes its own turn there. A set that comes or goes is two
/// ([how many](super::requests)), a read is two, a list is all its pages. Beside that it asks again, once, where its own write has made old
/// what was read: where a zone has one version for all.
///
/// ```
/// use kfed_dnsprovider::txt_registry::{TxtNames, TxtRegistryLayer};
/// use kfed_dnsprovider::{DnsProvider, MemoryProvider};
/// use tower::Layer;
///
/// let memory = MemoryProvider::with_zone("example.com".parse()?).without_metadata();
/// let registry = TxtRegistryLayer::new(TxtNames::default());
/// let provider = DnsProvider::new(registry.layer(memory));
/// assert!(provider.keeps_metadata());
/// # Ok::<(), kfed_dnsprovider::InvalidName>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TxtRegistryLayer {
    names: TxtNames,
}

/// See [`TxtRegistryLayer`].
#[derive(Debug, Clone)]
pub struct TxtRegistry<S> {
    inner: S,
    names: TxtNames,
}

/// An operation through the registry.
trait Answer: Operation {
    fn answer<S: Provider>(self, registry: TxtRegistry<S>) -> BoxFuture<'static, Result<Self::Response, DnsError>>;
}

/// A write under way, and what it goes by.
struct Write<'a, S> {
    registry: &'a TxtRegistry<S>,
    operation: &'static str,
    zone: &'a ZoneId,
    key: &'a RecordSetKey,
    priority: Priority,
    read: Version,
}

// === impl TxtRegistryLayer ===

impl TxtRegistryLayer {
    /// A registry whose marks have these names.
    pub fn new(names: TxtNames) -> Self {
        Self { names }
    }
}

impl<S: Provider> Layer<S> for TxtRegistryLayer {
    type Service = TxtRegistry<S>;

    fn layer(&self, inner: S) -> TxtRegistry<S> {
        TxtRegistry { inner, names: self.names.clone() }
    }
}

// === impl TxtRegistry ===

impl<O: Answer, S: Provider> Service<O> for TxtRegistry<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        // Each of the requests waits by itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        request.answer(self.clone())
    }
}

impl<S: Provider> TxtRegistry<S> {
    async fn ask<O: Operation>(&self, request: O) -> Result<O::Response, DnsError>
    where
        S: OperationService<O>,
    {
        self.inner.clone().oneshot(request).await
    }

    async fn list(&self, mut request: ListRecordSets) -> Result<Page<RecordSet>, DnsError> {
        let invalid = |message| Err(DnsError::new(ErrorClass::Invalid, ListRecordSets::NAME, message));
        if let Some(page) = &request.page {
            return invalid(format!("a TXT registry lists a zone on one page, and none is called `{page}`"));
        }
        // A set and its mark may be on any two of the pages.
        let (mut sets, mut pages) = (Vec::new(), BTreeSet::new());
        loop {
            let Page { items, next } = self.ask(request.clone()).await?;
            sets.extend(items);
            let Some(next) = next else { break };
            if !pages.insert(next.clone()) {
                return invalid(format!("the provider names page `{next}` a second time; the list has no end"));
            }
            request.page = Some(next);
        }
        let mut items = see(&self.names, sets);
        items.retain(|set| request.asks_for(&set.key.name));
        Ok(Page { items, next: None })
    }

    async fn get(&self, request: GetRecordSet) -> Result<Option<RecordSet>, DnsError> {
        let key = request.key.clone();
        let place = async {
            let Ok(name) = self.names.mark(&key) else { return Ok(None) };
            self.ask(GetRecordSet { key: RecordSetKey::new(name, RecordType::Txt), ..request.clone() }).await
        };
        let (set, place) = try_join(self.ask(request.clone()), place).await?;
        let set = set.filter(|set| marked_by(&self.names, set).is_none());
        Ok(see_one(&key, set, Place::of(place.as_ref(), self.names.replaces(&key.name))))
    }

    async fn put(&self, request: PutRecordSet) -> Result<RecordSet, DnsError> {
        let PutRecordSet { zone, set, precondition, priority } = request;
        let refused =
            |Refusal { class, message }| DnsError::new(class, PutRecordSet::NAME, message).about(Some(&set.key));
        let Steps { read, steps } = steps::put(&self.names, &set, &precondition).map_err(refused)?;
        let write = Write { registry: self, operation: PutRecordSet::NAME, zone: &zone, key: &set.key, priority, read };
        let (put, place) = write.run(steps).await?;
        let error = || DnsError::new(ErrorClass::Unknown, PutRecordSet::NAME, "nothing is there now");
        see_one(&set.key, put, place).ok_or_else(|| error().about(Some(&set.key)))
    }

    async fn delete(&self, request: DeleteRecordSet) -> Result<(), DnsError> {
        let DeleteRecordSet { zone, key, unchanged, priority } = request;
        let Steps { read, steps } = steps::delete(&self.names, &key, &unchanged);
        let write = Write { registry: self, operation: DeleteRecordSet::NAME, zone: &zone, key: &key, priority, read };
        write.run(steps).await.map(drop)
    }
}

// === impl Write ===

impl<S: Provider> Write<'_, S> {
    /// Takes `steps`. The set as it was put, and what stands where its mark belongs.
    async fn run(&self, steps: Vec<Step>) -> Result<(Option<RecordSet>, Place), DnsError> {
        let (mut set, mut mark) = (None, None);
        let mut place = self.read.place.clone();
        for step in steps {
            match step {
                Step::PutMark(text, precondition) => {
                    let key = text.key.clone();
                    let put = self.put_mark(text, precondition).await.map_err(|error| self.of_mark(error, &key))?;
                    place = Place::of(Some(&put), self.registry.names.replaces(&self.key.name));
                    mark = Some(put);
                }
                Step::PutSet(wanted, precondition) => {
                    let put = self.put_set(wanted, precondition, mark.is_some()).await;
                    if let (Err(error), Some(mark)) = (&put, &mark) {
                        self.take_back(mark, error).await;
                    }
                    set = Some(put?);
                }
                Step::DeleteSet(unchanged) => self.delete_set(unchanged).await?,
                Step::DeleteMark(key, unchanged) => {
                    let deleted = self.delete_mark(&key, unchanged).await;
                    deleted.map_err(|error| self.of_mark(error, &key))?;
                    place = Place::Free;
                }
            }
        }
        Ok((set, place))
    }

    async fn put_mark(&self, mark: RecordSet, precondition: Precondition) -> Result<RecordSet, DnsError> {
        match self.put(mark.clone(), precondition).await {
            Err(error) if error.class == ErrorClass::Conflict => {
                let version = self.mark_again(&mark.key).await?.ok_or(error)?;
                self.put(mark, Precondition::Unchanged(version)).await
            }
            put => put,
        }
    }

    async fn put_set(&self, set: RecordSet, precondition: Precondition, marked: bool) -> Result<RecordSet, DnsError> {
        match self.put(set.clone(), precondition.clone()).await {
            // It may be the mark that has made the version old.
            Err(error) if error.class == ErrorClass::Conflict && marked && precondition != Precondition::Absent => {
                let now = self.get(self.key).await?.filter(|now| Content::of(now) == self.read.content);
                let version = now.and_then(|now| now.etag).ok_or(error)?;
                self.put(set, Precondition::Unchanged(version)).await
            }
            put => put,
        }
    }

    async fn delete_set(&self, unchanged: Etag) -> Result<(), DnsError> {
        match self.delete(self.key, unchanged).await {
            // A text that has become a mark, when the set that external-dns had registered by it was taken over, is gone for all who
            // see the zone through the registry.
            Err(error) if error.class == ErrorClass::Conflict && self.key.record_type == RecordType::Txt => {
                let now = self.get(self.key).await?;
                let gone = now.is_none_or(|now| marked_by(&self.registry.names, &now).is_some());
                if gone { Ok(()) } else { Err(error) }
            }
            deleted => deleted,
        }
    }

    async fn delete_mark(&self, key: &RecordSetKey, unchanged: Etag) -> Result<(), DnsError> {
        match self.delete(key, unchanged).await {
            Err(error) if error.class == ErrorClass::Conflict => {
                let version = self.mark_again(key).await?.ok_or(error)?;
                self.delete(key, version).await
            }
            deleted => deleted,
        }
    }

    /// The version of the mark at `key`, if it says what was read.
    async fn mark_again(&self, key: &RecordSetKey) -> Result<Option<Etag>, DnsError> {
        let Place::Held { text: read, .. } = &self.read.place else { return Ok(None) };
        let now = self.get(key).await?;
        Ok(match Place::of(now.as_ref(), self.registry.names.replaces(&self.key.name)) {
            Place::Held { version, text } => (text == *read).then_some(version),
            Place::Free | Place::Taken => None,
        })
    }

    /// Removes a mark that was put where none was, for a set that is certainly not there by us. If that fails too it stands alone, or
    /// counts for nothing: it is in nobody's way.
    async fn take_back(&self, mark: &RecordSet, why: &DnsError) {
        let certain = matches!(why.class, ErrorClass::Conflict | ErrorClass::Invalid | ErrorClass::Forbidden);
        if let (true, Place::Free, Some(version)) = (certain, &self.read.place, &mark.etag)
            && let Err(error) = self.delete(&mark.key, version.clone()).await
        {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::debug!(mark = %mark.key, error, "a mark stays without its set");
        }
    }

    async fn put(&self, set: RecordSet, precondition: Precondition) -> Result<RecordSet, DnsError> {
        let request = PutRecordSet { zone: self.zone.clone(), set, precondition, priority: self.priority };
        self.registry.ask(request).await
    }

    async fn get(&self, key: &RecordSetKey) -> Result<Option<RecordSet>, DnsError> {
        let request = GetRecordSet { zone: self.zone.clone(), key: key.clone(), priority: self.priority };
        self.registry.ask(request).await
    }

    async fn delete(&self, key: &RecordSetKey, unchanged: Etag) -> Result<(), DnsError> {
        let key = key.clone();
        let request = DeleteRecordSet { zone: self.zone.clone(), key, unchanged, priority: self.priority };
        self.registry.ask(request).await
    }

    /// An error of the mark at `key` as one of the set that was asked about.
    fn of_mark(&self, mut error: DnsError, key: &RecordSetKey) -> DnsError {
        error.message = format!("its mark, {key}: {}", error.message);
        error.operation = self.operation;
        error.about(Some(self.key))
    }
}

// === impl Answer ===

impl Answer for ListZones {
    fn answer<S: Provider>(self, registry: TxtRegistry<S>) -> BoxFuture<'static, Result<Vec<Zone>, DnsError>> {
        async move { registry.ask(self).await }.boxed()
    }
}

impl Answer for ListRecordSets {
    fn answer<S: Provider>(self, registry: TxtRegistry<S>) -> BoxFuture<'static, Result<Page<RecordSet>, DnsError>> {
        async move { registry.list(self).await }.boxed()
    }
}

impl Answer for GetRecordSet {
    fn answer<S: Provider>(self, registry: TxtRegistry<S>) -> BoxFuture<'static, Result<Option<RecordSet>, DnsError>> {
        async move { registry.get(self).await }.boxed()
    }
}

impl Answer for PutRecordSet {
    fn answer<S: Provider>(self, registry: TxtRegistry<S>) -> BoxFuture<'static, Result<RecordSet, DnsError>> {
        async move { registry.put(self).await }.boxed()
    }
}

impl Answer for DeleteRecordSet {
    fn answer<S: Provider>(self, registry: TxtRegistry<S>) -> BoxFuture<'static, Result<(), DnsError>> {
        async move { registry.delete(self).await }.boxed()
    }
}
