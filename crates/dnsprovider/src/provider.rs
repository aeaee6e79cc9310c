//! A provider: one `tower` service per operation, in one bundle.

use std::collections::BTreeSet;
use std::fmt;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::util::{BoxCloneSyncService, ServiceExt};
use tower::{Layer, Service};

use crate::error::{DnsError, ErrorClass};
use crate::layer::Budget;
use crate::name::DnsName;
use crate::operation::{
    DeleteRecordSet, GetRecordSet, ListRecordSets, ListZones, Operation, Page, Precondition, Priority, PutRecordSet,
};
use crate::record::{Etag, RecordSet, RecordSetKey};
use crate::txt_registry::{TxtNames, TxtRegistryLayer};
use crate::zone::{Zone, ZoneId, ZoneSnapshot};

/// A service for one operation, whatever is under it.
pub struct Boxed<O: Operation> {
    inner: BoxCloneSyncService<O, O::Response, DnsError>,
}

/// A service that does operation `O`. Never implemented by hand: every fitting `tower` service is one.
pub trait OperationService<O: Operation>:
    Service<O, Response = O::Response, Error = DnsError, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

/// A service that does every operation. Never implemented by hand.
pub trait Provider:
    OperationService<ListZones>
    + OperationService<ListRecordSets>
    + OperationService<GetRecordSet>
    + OperationService<PutRecordSet>
    + OperationService<DeleteRecordSet>
{
}

/// A layer that fits around every operation. Never implemented by hand.
pub trait ProviderLayer:
    Layer<Boxed<ListZones>, Service: OperationService<ListZones>>
    + Layer<Boxed<ListRecordSets>, Service: OperationService<ListRecordSets>>
    + Layer<Boxed<GetRecordSet>, Service: OperationService<GetRecordSet>>
    + Layer<Boxed<PutRecordSet>, Service: OperationService<PutRecordSet>>
    + Layer<Boxed<DeleteRecordSet>, Service: OperationService<DeleteRecordSet>>
{
}

/// DNS zones somewhere. Cheap to clone; every clone is the same provider.
///
/// ```
/// use kfed_dnsprovider::{DnsProvider, MemoryProvider};
/// use kfed_dnsprovider::layer::TraceLayer;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let provider = DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?)).layer(&TraceLayer);
/// let zone = provider.find_zone(&"example.com".parse()?).await?;
/// assert!(provider.snapshot(&zone.id).await?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DnsProvider {
    list_zones: Boxed<ListZones>,
    list_record_sets: Boxed<ListRecordSets>,
    get: Boxed<GetRecordSet>,
    put: Boxed<PutRecordSet>,
    delete: Boxed<DeleteRecordSet>,
    priority: Priority,
    budget: Option<Budget>,
    keeps_metadata: bool,
}

// === impl Boxed ===

impl<O: Operation> Boxed<O> {
    /// Hides the type of `service`.
    pub fn new<S: OperationService<O>>(service: S) -> Self {
        Self { inner: BoxCloneSyncService::new(service) }
    }
}

impl<O: Operation> Service<O> for Boxed<O> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: O) -> Self::Future {
        self.inner.call(request)
    }
}

impl<O: Operation> Clone for Boxed<O> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<O: Operation> fmt::Debug for Boxed<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boxed").field("operation", &O::NAME).finish_non_exhaustive()
    }
}

// === blanket impls ===

impl<O, S> OperationService<O> for S
where
    O: Operation,
    S: Service<O, Response = O::Response, Error = DnsError, Future: Send + 'static> + Clone + Send + Sync + 'static,
{
}

impl<S> Provider for S where
    S: OperationService<ListZones>
        + OperationService<ListRecordSets>
        + OperationService<GetRecordSet>
        + OperationService<PutRecordSet>
        + OperationService<DeleteRecordSet>
{
}

impl<L> ProviderLayer for L where
    L: Layer<Boxed<ListZones>, Service: OperationService<ListZones>>
        + Layer<Boxed<ListRecordSets>, Service: OperationService<ListRecordSets>>
        + Layer<Boxed<GetRecordSet>, Service: OperationService<GetRecordSet>>
        + Layer<Boxed<PutRecordSet>, Service: OperationService<PutRecordSet>>
        + Layer<Boxed<DeleteRecordSet>, Service: OperationService<DeleteRecordSet>>
{
}

// === impl DnsProvider ===

impl DnsProvider {
    /// The provider that `service` is.
    pub fn new<S: Provider>(service: S) -> Self {
        Self {
            list_zones: Boxed::<ListZones>::new(service.clone()),
            list_record_sets: Boxed::<ListRecordSets>::new(service.clone()),
            get: Boxed::<GetRecordSet>::new(service.clone()),
            put: Boxed::<PutRecordSet>::new(service.clone()),
            delete: Boxed::<DeleteRecordSet>::new(service),
            priority: Priority::Normal,
            budget: None,
            keeps_metadata: true,
        }
    }

    /// The same, of which is said that it keeps nothing beside the records of a set: whose they are is lost, and nothing may be written
    /// before it is kept [elsewhere](Self::with_txt_registry).
    #[must_use]
    pub fn without_metadata(self) -> Self {
        Self { keeps_metadata: false, ..self }
    }

    /// Whether [`RecordSet::metadata`] are kept.
    pub fn keeps_metadata(&self) -> bool {
        self.keeps_metadata
    }

    /// The same with a place for metadata: under a [`TxtRegistry`](crate::txt_registry::TxtRegistry) if it keeps none itself. What is
    /// layered around it later sees a write as one request, however many it is.
    #[must_use]
    pub fn with_txt_registry(self, names: TxtNames) -> Self {
        match self.keeps_metadata {
            true => self,
            false => Self {
                priority: self.priority,
                budget: self.budget.clone(),
                ..Self::new(TxtRegistryLayer::new(names).layer(self))
            },
        }
    }

    /// The same with `layer` around every operation; the layer that is added last sees requests first.
    #[must_use]
    pub fn layer<L: ProviderLayer>(self, layer: &L) -> Self {
        Self {
            list_zones: Boxed::<ListZones>::new(layer.layer(self.list_zones)),
            list_record_sets: Boxed::<ListRecordSets>::new(layer.layer(self.list_record_sets)),
            get: Boxed::<GetRecordSet>::new(layer.layer(self.get)),
            put: Boxed::<PutRecordSet>::new(layer.layer(self.put)),
            delete: Boxed::<DeleteRecordSet>::new(layer.layer(self.delete)),
            priority: self.priority,
            budget: self.budget,
            keeps_metadata: self.keeps_metadata,
        }
    }

    /// The same with every request waiting for its turn in `budget`, which [can be asked for](Self::budget) from now on.
    #[must_use]
    pub fn within(self, budget: &Budget) -> Self {
        Self { budget: Some(budget.clone()), ..self.layer(&budget.layer()) }
    }

    /// The budget that requests wait for, if there is one.
    pub fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// The same provider, asked with `priority`: where requests wait for a [budget](crate::layer::Budget), urgent ones go first.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// All zones, or those of one name.
    pub async fn list_zones(&self, name: Option<DnsName>) -> Result<Vec<Zone>, DnsError> {
        self.list_zones.clone().oneshot(ListZones { name }).await
    }

    /// The one zone of that name.
    ///
    /// None is [`ErrorClass::NotFound`] and names the zones that there are; several are [`ErrorClass::Invalid`] and list their
    /// identifiers.
    pub async fn find_zone(&self, name: &DnsName) -> Result<Zone, DnsError> {
        let mut zones = self.list_zones(Some(name.clone())).await?;
        zones.retain(|zone| zone.name == *name);
        match zones.len() {
            1 => Ok(zones.remove(0)),
            0 => {
                let all = self.list_zones(None).await?;
                let names: BTreeSet<_> = all.iter().map(|zone| zone.name.without_dot()).collect();
                let names = match names.len() {
                    0 => "no zone can be seen".to_owned(),
                    _ => format!("there are: {}", names.into_iter().collect::<Vec<_>>().join(", ")),
                };
                let message = format!("there is no zone `{}`; {names}", name.without_dot());
                Err(DnsError::new(ErrorClass::NotFound, ListZones::NAME, message))
            }
            _ => {
                let ids: Vec<_> = zones.iter().map(|zone| zone.id.0.as_str()).collect();
                let message = format!("{} zones are called `{}`: {}", ids.len(), name.without_dot(), ids.join(", "));
                Err(DnsError::new(ErrorClass::Invalid, ListZones::NAME, message))
            }
        }
    }

    /// One page of a zone's record sets, or of those below a name; `page` as the page before named it.
    pub async fn list_record_sets(
        &self,
        zone: &ZoneId,
        below: Option<&DnsName>,
        page: Option<String>,
    ) -> Result<Page<RecordSet>, DnsError> {
        let request = ListRecordSets { zone: zone.clone(), below: below.cloned(), page };
        self.list_record_sets.clone().oneshot(request).await
    }

    /// All that a zone holds. An error on any page is an error: half a zone would look like deletions.
    pub async fn snapshot(&self, zone: &ZoneId) -> Result<ZoneSnapshot, DnsError> {
        self.all(zone, None).await
    }

    /// All that a zone holds below `name`, that name itself left out: of a large zone that many share it may be a few pages.
    pub async fn snapshot_below(&self, zone: &ZoneId, name: &DnsName) -> Result<ZoneSnapshot, DnsError> {
        self.all(zone, Some(name)).await
    }

    async fn all(&self, zone: &ZoneId, below: Option<&DnsName>) -> Result<ZoneSnapshot, DnsError> {
        let mut snapshot = ZoneSnapshot::default();
        let mut seen = BTreeSet::new();
        let mut page = None;
        loop {
            let Page { items, next } = self.list_record_sets(zone, below, page).await?;
            for set in items {
                snapshot.insert(set);
            }
            let Some(next) = next else { return Ok(snapshot) };
            if !seen.insert(next.clone()) {
                let message = format!("the provider names page `{next}` a second time; the list has no end");
                return Err(DnsError::new(ErrorClass::Invalid, ListRecordSets::NAME, message));
            }
            page = Some(next);
        }
    }

    /// The set at `key`, if there is one.
    pub async fn get(&self, zone: &ZoneId, key: &RecordSetKey) -> Result<Option<RecordSet>, DnsError> {
        self.get.clone().oneshot(GetRecordSet { zone: zone.clone(), key: key.clone(), priority: self.priority }).await
    }

    /// Creates or replaces a set; the answer is the set as it now stands.
    pub async fn put(&self, zone: &ZoneId, set: RecordSet, precondition: Precondition) -> Result<RecordSet, DnsError> {
        let request = PutRecordSet { zone: zone.clone(), set, precondition, priority: self.priority };
        self.put.clone().oneshot(request).await
    }

    /// Deletes the set at `key` if it is still at version `unchanged`, or gone already.
    pub async fn delete(&self, zone: &ZoneId, key: &RecordSetKey, unchanged: Etag) -> Result<(), DnsError> {
        let request = DeleteRecordSet { zone: zone.clone(), key: key.clone(), unchanged, priority: self.priority };
        self.delete.clone().oneshot(request).await
    }
}

/// The operations as they are, each with the priority that it has itself.
macro_rules! operations {
    ($($operation:ident: $service:ident,)*) => {
        $(impl Service<$operation> for DnsProvider {
            type Response = <$operation as Operation>::Response;
            type Error = DnsError;
            type Future = <Boxed<$operation> as Service<$operation>>::Future;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
                self.$service.poll_ready(cx)
            }

            fn call(&mut self, request: $operation) -> Self::Future {
                self.$service.call(request)
            }
        })*
    };
}

operations! {
    ListZones: list_zones,
    ListRecordSets: list_record_sets,
    GetRecordSet: get,
    PutRecordSet: put,
    DeleteRecordSet: delete,
}

impl fmt::Debug for DnsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsProvider").finish_non_exhaustive()
    }
}
