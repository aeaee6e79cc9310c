//! A small client for the part of Azure's management API that holds DNS zones.

mod error;
mod flavour;
mod path;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use kfed_dnsprovider::operation::Operation;
use kfed_dnsprovider::{
    DeleteRecordSet, DnsError, DnsName, ErrorClass, GetRecordSet, ListRecordSets, ListZones, Page, Precondition,
    PutRecordSet, RecordSet, Zone, ZoneId,
};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use tower::ServiceExt;
use url::Url;

use self::error::{Absent, Fault};
pub use self::flavour::{PRIVATE, PUBLIC, ZoneFlavour};
use self::path::{NotAZone, Urls, ZoneResource};
use self::wire::{Unwritable, WirePage, WireRecordSet, WireZone};
use crate::Clock;
use crate::config::{AzureConfig, Scope, is_loopback};
use crate::token::TokenSource;
use crate::transport::HttpService;

/// The largest page of record sets that is known to be given.
const RECORD_SETS_A_PAGE: u32 = 1000;
const ZONES_A_PAGE: u32 = 100;
/// Far beyond what a subscription may hold: a list that goes on longer goes in circles.
const MAX_ZONE_PAGES: usize = 1000;

/// The client. All it does is one request, or one and a second after a refused token.
pub(crate) struct Arm {
    http: HttpService,
    tokens: TokenSource,
    clock: Clock,
    urls: Urls,
    scopes: Vec<Scope>,
}

/// One request, but for its token.
struct Call {
    method: Method,
    url: Url,
    precondition: Option<(HeaderName, HeaderValue)>,
    body: Bytes,
}

// === impl Call ===

impl Call {
    fn get(url: Url) -> Self {
        Self { method: Method::GET, url, precondition: None, body: Bytes::new() }
    }
}

// === impl Arm ===

impl Arm {
    pub(crate) fn new(
        config: &AzureConfig,
        flavour: &'static ZoneFlavour,
        http: HttpService,
        tokens: TokenSource,
        clock: Clock,
    ) -> Self {
        Self {
            http,
            tokens,
            clock,
            urls: Urls { endpoint: config.cloud.resource_manager.clone(), flavour },
            scopes: config.scopes.clone(),
        }
    }

    pub(crate) fn flavour(&self) -> &'static ZoneFlavour {
        self.urls.flavour
    }

    /// `error` with its zone: a record set's name does not tell in which of two zones of one name it is.
    pub(crate) fn locate(&self, mut error: DnsError, zone: Option<&ZoneId>) -> DnsError {
        if let Some(zone) = zone.and_then(|zone| ZoneResource::parse(zone, self.flavour()).ok()) {
            error.zone = Some(format!("{} in {}", zone.name.without_dot(), zone.resource_group));
        }
        error
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn tokens(&self) -> &TokenSource {
        &self.tokens
    }

    /// All zones of the resource groups. One that is asked for by name is read by name in each: that costs no list, and a role on that
    /// zone alone suffices. An error in any group is an error: a zone of the same name might be there.
    pub(crate) async fn list_zones(&self, operation: &ListZones) -> Result<Vec<Zone>, DnsError> {
        let mut zones = Vec::new();
        for scope in &self.scopes {
            let in_scope = |mut error: DnsError| {
                error.message = format!("resource group {scope}: {}", error.message);
                error
            };
            match &operation.name {
                Some(name) => zones.extend(self.zone_in(scope, name, operation).await.map_err(in_scope)?),
                None => zones.extend(self.zones_in(scope, operation).await.map_err(in_scope)?),
            }
        }
        Ok(zones)
    }

    async fn zone_in(&self, scope: &Scope, name: &DnsName, operation: &ListZones) -> Result<Option<Zone>, DnsError> {
        let zone = ZoneResource {
            subscription: scope.subscription_id.clone(),
            resource_group: scope.resource_group.clone(),
            name: name.clone(),
        };
        let response = self.send(operation, Call::get(self.urls.zone(&zone))).await?;
        if response.status() == StatusCode::NOT_FOUND {
            let fault = Fault::read(response.body(), response.status());
            let no_zone = matches!(fault.code.as_deref(), Some("ResourceNotFound" | "NotFound"));
            return if no_zone { Ok(None) } else { Err(self.refused(operation, &response)) };
        }
        let zone: WireZone = self.read(operation, &self.succeeded(operation, response)?)?;
        Ok(self.zone(zone))
    }

    async fn zones_in(&self, scope: &Scope, operation: &ListZones) -> Result<Vec<Zone>, DnsError> {
        let mut url = self.urls.zones(&scope.subscription_id, &scope.resource_group, ZONES_A_PAGE);
        let mut zones = Vec::new();
        for _ in 0..MAX_ZONE_PAGES {
            let response = self.send(operation, Call::get(url)).await?;
            let page: WirePage<WireZone> = self.read(operation, &self.succeeded(operation, response)?)?;
            zones.extend(page.value.into_iter().filter_map(|zone| self.zone(zone)));
            match page.next_link {
                Some(link) => url = self.page(operation, &link)?,
                None => return Ok(zones),
            }
        }
        Err(DnsError::new(ErrorClass::Unavailable, ListZones::NAME, "the list of zones does not end"))
    }

    pub(crate) async fn list_record_sets(&self, operation: &ListRecordSets) -> Result<Page<RecordSet>, DnsError> {
        let zone = self.resource(operation, &operation.zone)?;
        let url = match &operation.page {
            Some(link) => self.page(operation, link)?,
            None => {
                let below = operation.below.as_ref();
                let outside = || {
                    self.invalid(
                        operation,
                        format!("{} is not in zone {}", below.map_or("", DnsName::as_str), zone.name),
                    )
                };
                self.urls.record_sets(&zone, below, RECORD_SETS_A_PAGE).ok_or_else(outside)?
            }
        };
        let response = self.send(operation, Call::get(url)).await?;
        let page: WirePage<WireRecordSet> = self.read(operation, &self.succeeded(operation, response)?)?;
        let items = page.value.into_iter().filter_map(|set| {
            let (name, resource_type) = (set.name.clone(), set.resource_type.clone());
            let read = set.into_record_set(&zone.name);
            if read.is_none() {
                tracing::debug!(zone = %zone.name, name, resource_type, "a record set of a kind that is left alone");
            }
            // Whatever the service makes of the suffix.
            read.filter(|set| operation.asks_for(&set.key.name))
        });
        Ok(Page { items: items.collect(), next: page.next_link })
    }

    pub(crate) async fn get_record_set(&self, operation: &GetRecordSet) -> Result<Option<RecordSet>, DnsError> {
        let zone = self.resource(operation, &operation.zone)?;
        let url = self.record_set_url(operation, &zone)?;
        let response = self.send(operation, Call::get(url)).await?;
        if self.lacks_record_set(&response) {
            return Ok(None);
        }
        let response = self.succeeded(operation, response)?;
        self.record_set(operation, &response, &zone).map(Some)
    }

    pub(crate) async fn put_record_set(&self, operation: &PutRecordSet) -> Result<RecordSet, DnsError> {
        let zone = self.resource(operation, &operation.zone)?;
        let url = self.record_set_url(operation, &zone)?;
        let body = wire::put_body(&operation.set, self.flavour())
            .map_err(|Unwritable(problem)| self.invalid(operation, problem))?;
        let precondition = match &operation.precondition {
            Precondition::Absent => (IF_NONE_MATCH, HeaderValue::from_static("*")),
            Precondition::Unchanged(etag) => (IF_MATCH, self.etag(operation, &etag.0)?),
        };
        let call = Call { method: Method::PUT, url, precondition: Some(precondition), body: body.to_string().into() };
        let response = self.send(operation, call).await?;
        if self.lacks_record_set(&response) {
            // What was read is no longer there.
            let mut error = self.refused(operation, &response);
            error.class = ErrorClass::Conflict;
            return Err(error);
        }
        let response = self.succeeded(operation, response)?;
        self.record_set(operation, &response, &zone)
    }

    pub(crate) async fn delete_record_set(&self, operation: &DeleteRecordSet) -> Result<(), DnsError> {
        let zone = self.resource(operation, &operation.zone)?;
        let url = self.record_set_url(operation, &zone)?;
        let precondition = Some((IF_MATCH, self.etag(operation, &operation.unchanged.0)?));
        let call = Call { method: Method::DELETE, url, precondition, body: Bytes::new() };
        let response = self.send(operation, call).await?;
        // Azure says 204 where there was nothing to delete.
        if self.lacks_record_set(&response) {
            return Ok(());
        }
        self.succeeded(operation, response).map(drop)
    }

    /// Sends `call` with a token, and once more with a new one if that was refused: a 401 comes before anything is done.
    async fn send<O: Operation>(&self, operation: &O, call: Call) -> Result<Response<Bytes>, DnsError> {
        let mut renewed = false;
        loop {
            let token =
                self.tokens.token().await.map_err(|error| error.into_dns(O::NAME).about(operation.record_set()))?;
            let request = request(&call, token.secret.expose_secret())
                .map_err(|error| self.invalid(operation, error.to_string()))?;
            let response = self.http.clone().oneshot(request).await;
            let response = response
                .map_err(|error| error::unanswered(&error, O::NAME, O::WRITES).about(operation.record_set()))?;
            tracing::debug!(
                method = %call.method,
                path = call.url.path(),
                status = response.status().as_u16(),
                request_id = error::request_id(&response),
                "Azure answered"
            );
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            self.tokens.invalidate(&token);
            if renewed {
                return Ok(response);
            }
            renewed = true;
        }
    }

    fn succeeded<O: Operation>(&self, operation: &O, response: Response<Bytes>) -> Result<Response<Bytes>, DnsError> {
        if response.status().is_success() { Ok(response) } else { Err(self.refused(operation, &response)) }
    }

    fn refused<O: Operation>(&self, operation: &O, response: &Response<Bytes>) -> DnsError {
        error::refused(response, O::NAME, O::WRITES, self.now()).about(operation.record_set())
    }

    fn invalid<O: Operation>(&self, operation: &O, problem: impl Into<String>) -> DnsError {
        DnsError::new(ErrorClass::Invalid, O::NAME, problem).about(operation.record_set())
    }

    fn read<O: Operation, T: DeserializeOwned>(
        &self,
        operation: &O,
        response: &Response<Bytes>,
    ) -> Result<T, DnsError> {
        serde_json::from_slice(response.body())
            .map_err(|problem| error::unreadable(response, problem, O::NAME, O::WRITES).about(operation.record_set()))
    }

    fn record_set<O: Operation>(
        &self,
        operation: &O,
        response: &Response<Bytes>,
        zone: &ZoneResource,
    ) -> Result<RecordSet, DnsError> {
        let set: WireRecordSet = self.read(operation, response)?;
        set.into_record_set(&zone.name).ok_or_else(|| {
            error::unreadable(response, "a record set of another kind", O::NAME, O::WRITES)
                .about(operation.record_set())
        })
    }

    fn lacks_record_set(&self, response: &Response<Bytes>) -> bool {
        response.status() == StatusCode::NOT_FOUND
            && Fault::read(response.body(), response.status()).absent() == Absent::RecordSet
    }

    fn resource<O: Operation>(&self, operation: &O, id: &ZoneId) -> Result<ZoneResource, DnsError> {
        ZoneResource::parse(id, self.flavour()).map_err(|NotAZone(problem)| self.invalid(operation, problem))
    }

    fn record_set_url<O: Operation>(&self, operation: &O, zone: &ZoneResource) -> Result<Url, DnsError> {
        let key = operation.record_set().ok_or_else(|| self.invalid(operation, "no record set is named"))?;
        self.urls
            .record_set(zone, key)
            .ok_or_else(|| self.invalid(operation, format!("{} is not in zone {}", key.name, zone.name)))
    }

    fn page<O: Operation>(&self, operation: &O, link: &str) -> Result<Url, DnsError> {
        self.urls.page(link).ok_or_else(|| {
            let problem = format!("the next page is said to be elsewhere than on {}", self.urls.endpoint);
            self.invalid(operation, problem)
        })
    }

    fn etag<O: Operation>(&self, operation: &O, etag: &str) -> Result<HeaderValue, DnsError> {
        HeaderValue::from_str(etag).map_err(|_| self.invalid(operation, "the etag is none that Azure gives"))
    }

    fn zone(&self, zone: WireZone) -> Option<Zone> {
        let name = zone.name.parse().inspect_err(|error| tracing::warn!(%error, "a zone is left alone")).ok()?;
        Some(Zone {
            id: ZoneId(zone.id),
            name,
            private: self.flavour().private,
            loopback: is_loopback(&self.urls.endpoint),
        })
    }
}

fn request(call: &Call, token: &str) -> Result<Request<Bytes>, http::Error> {
    let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))?;
    authorization.set_sensitive(true);
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(call.url.as_str())
        .header(AUTHORIZATION, authorization)
        .header(ACCEPT, "application/json");
    if !call.body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some((name, value)) = &call.precondition {
        request = request.header(name, value);
    }
    request.body(call.body.clone())
}

impl fmt::Debug for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arm")
            .field("endpoint", &self.urls.endpoint.as_str())
            .field("provider", &self.flavour().provider)
            .field("scopes", &self.scopes)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}
