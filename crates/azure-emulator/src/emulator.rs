use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderName, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::Instant;
use tower::Service;

use crate::{
    AzureEmulatorBuilder, EmulatorError, Fault, Faults, Operation, RecordType, Requests,
    arm::{
        call::Call,
        gateway,
        reply::{Failure, Reply, set, unavailable_page},
        route::{ArmRoute, Route, Target},
    },
    entra,
    ids::Purpose,
    model::{
        change::{self, Refused},
        name::APEX,
        rdata::Rdata,
        zone::{RecordSet, SetKey},
    },
    state::State,
};

/// ARM takes bodies of this size at most.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// An Azure that knows DNS only. Clones share their state.
#[derive(Clone)]
pub struct AzureEmulator {
    pub(crate) state: Arc<Mutex<State>>,
}

/// A record set as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordSetView {
    /// Relative to the zone, `@` for its apex, in lower case.
    pub name: String,
    /// The type.
    pub record_type: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// Each record in presentation format (text without quotes), in the order it was written.
    pub data: Vec<String>,
    /// As written, without the entries that the service drops.
    pub metadata: BTreeMap<String, String>,
    /// Without quotes.
    pub etag: String,
    /// The resource id of an alias.
    pub target: Option<String>,
}

impl AzureEmulator {
    /// Begins to set one up.
    pub fn builder() -> AzureEmulatorBuilder {
        AzureEmulatorBuilder::default()
    }

    /// The record sets of a zone in the order that the API lists them, NS and SOA of the apex included; none when there is
    /// no such zone.
    pub fn record_sets(&self, zone: &str) -> Vec<RecordSetView> {
        let state = self.lock();
        let Some(zone) = state.store.zone_named(&normal(zone)) else {
            return Vec::new();
        };
        zone.sets
            .iter()
            .map(|(key, set)| {
                let (ttl, records) = zone.resolved(set);
                RecordSetView {
                    name: key.name.clone(),
                    record_type: key.kind,
                    ttl,
                    data: records.iter().map(ToString::to_string).collect(),
                    metadata: set.metadata.clone(),
                    etag: set.etag.clone(),
                    target: set.target.clone(),
                }
            })
            .collect()
    }

    /// One record set of a zone.
    pub fn record_set(&self, zone: &str, name: &str, record_type: RecordType) -> Option<RecordSetView> {
        let name = name.to_ascii_lowercase();
        self.record_sets(zone).into_iter().find(|set| set.name == name && set.record_type == record_type)
    }

    /// The names of all zones, sorted.
    pub fn zones(&self) -> Vec<String> {
        let state = self.lock();
        let mut names: Vec<String> = state.store.zones.keys().map(|zone| zone.name.clone()).collect();
        names.sort();
        names
    }

    /// Writes a record set past the API, as somebody else would have: it replaces what is there, gets a new etag, and
    /// counts as no request. `data` is in presentation format, text without quotes.
    ///
    /// # Errors
    /// [`EmulatorError::UnknownZone`], and [`EmulatorError::RefusedRecordSet`] for what the API refuses too.
    pub fn put_record_set(
        &self,
        zone: &str,
        name: &str,
        record_type: RecordType,
        ttl: u32,
        data: &[&str],
        metadata: BTreeMap<String, String>,
    ) -> Result<(), EmulatorError> {
        let mut state = self.lock();
        let etag = state.ids.guid(Purpose::Etag).to_string();
        let name = normal(name);
        let key = SetKey { name: if name.is_empty() { APEX.to_owned() } else { name }, kind: record_type };
        let zone_name = normal(zone);
        let zone = state
            .store
            .zone_named_mut(&zone_name)
            .ok_or_else(|| EmulatorError::UnknownZone { zone: zone.to_owned() })?;
        let set = change::check_key(zone, &key).and_then(|()| {
            let records: Result<Vec<Rdata>, _> = data.iter().map(|text| Rdata::from_text(record_type, text)).collect();
            let set = RecordSet { ttl, records: records.map_err(Refused::Invalid)?, metadata, target: None, etag };
            change::check(zone, &key, &set)?;
            Ok(set)
        });
        match set {
            Ok(set) => {
                zone.sets.insert(key, set);
                Ok(())
            }
            Err(Refused::Invalid(reason) | Refused::Conflict(reason)) => {
                Err(EmulatorError::RefusedRecordSet { zone: zone_name, name: key.name, record_type, reason })
            }
        }
    }

    /// Removes a record set past the API; whether there was one.
    pub fn remove_record_set(&self, zone: &str, name: &str, record_type: RecordType) -> bool {
        let key = SetKey { name: name.to_ascii_lowercase(), kind: record_type };
        self.lock().store.zone_named_mut(&normal(zone)).is_some_and(|zone| zone.sets.remove(&key).is_some())
    }

    /// How many requests have arrived so far.
    pub fn requests(&self) -> Requests {
        self.lock().requests.clone()
    }

    /// Begins to count anew, and returns the counts until now.
    pub fn take_requests(&self) -> Requests {
        std::mem::take(&mut self.lock().requests)
    }

    /// Replaces what goes wrong from now on. Requests that hang already go on hanging.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// What is still to go wrong.
    pub fn faults(&self) -> Faults {
        self.lock().faults.clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No handler leaves the state half-written, so that of a panicked one is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole of a request but reading its body. `None` when it is never to be answered.
    fn answer(&self, call: &Call) -> Option<Response<Body>> {
        let route = Route::parse(&call.path);
        let operation = route.operation(&call.method);
        let mut state = self.lock();
        let state = &mut *state;
        state.requests.arrive(&call.method, operation);
        let fault = state.faults.strike(operation, &call.path, &mut state.ids);
        if let Some(fault) = fault {
            tracing::debug!(?fault, ?operation, path = call.path, "a fault strikes");
        }
        let reply = match fault {
            Some(Fault::Hang) => return None,
            Some(Fault::HangAfterwards) => {
                carry_out(state, call, &route);
                return None;
            }
            Some(Fault::LoseAnswer) => {
                let reply = carry_out(state, call, &route);
                return Some(broken_off(reply));
            }
            Some(Fault::ServiceUnavailable) => unavailable_page(),
            Some(Fault::TruncateAnswer) => {
                carry_out(state, call, &route).map(|body| body.slice(..body.len() / 2))
            }
            Some(Fault::Forbidden) => forbidden(call, &route).into_reply(),
            Some(Fault::ScopeLocked) => Failure::wrapped(
                StatusCode::CONFLICT,
                "ScopeLocked",
                format!(
                    "The scope '{}' cannot perform write operation because following scope(s) are locked: '{0}'. Please remove the lock and try again.",
                    call.path
                ),
            )
            .into_reply(),
            Some(Fault::RevokedToken) => state.entra.revoked(call).into_reply(),
            Some(Fault::Throttle { retry_after }) => {
                Failure::throttled(std::time::Duration::from_secs(retry_after)).into_reply()
            }
            Some(Fault::PreconditionFailed) => Failure::precondition(format!(
                "The {} has been modified (etag mismatch).",
                object(&route)
            ))
            .into_reply(),
            Some(Fault::OperationPending) => Failure::conflict(format!(
                "Another operation is pending for requested object. Operation group '{}' already has 1 operations queued.",
                call.path.replace('/', "|")
            ))
            .into_reply(),
            None => carry_out(state, call, &route),
        };
        let reply = finish(state, call, &route, operation, reply);
        state.requests.answer(reply.status());
        tracing::debug!(method = %call.method, path = call.path, status = %reply.status(), "answered");
        Some(reply.map(Body::from))
    }
}

impl<B> Service<Request<B>> for AzureEmulator
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let emulator = self.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = match Limited::new(body, LARGEST_BODY).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => return Ok(unread(error.as_ref()).map(Body::from)),
            };
            let call = Call::new(parts, body, Instant::now());
            match emulator.answer(&call) {
                Some(response) => Ok(response),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}

impl fmt::Debug for AzureEmulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureEmulator").field("zones", &self.zones()).finish_non_exhaustive()
    }
}

fn carry_out(state: &mut State, call: &Call, route: &Route) -> Reply {
    match route {
        Route::Token { .. } if call.method != http::Method::POST => {
            Failure::wrapped(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Tokens are asked for with POST.")
                .into_reply()
        }
        Route::Token { tenant, v2 } => state.entra.token(call, tenant, *v2, &mut state.ids),
        Route::ManagedIdentityToken => state.entra.managed_identity(call, &mut state.ids),
        Route::OpenIdConfiguration { tenant, v2 } => entra::openid_configuration(call, tenant, *v2),
        Route::SigningKeys => entra::signing_keys(),
        Route::InstanceDiscovery => entra::instance_discovery(call),
        Route::CloudEndpoints => entra::cloud_endpoints(call, state.entra.tenant()),
        Route::Arm(route) => gateway::handle(state, call, route).unwrap_or_else(Failure::into_reply),
        Route::Unknown => {
            Failure::wrapped(StatusCode::NOT_FOUND, "ResourceNotFound", format!("There is nothing at '{}'.", call.path))
                .into_reply()
        }
    }
}

/// What ARM answers to whom no role assignment allows it. The action is named as roles name it.
fn forbidden(call: &Call, route: &Route) -> Failure {
    let kind = match route {
        Route::Arm(ArmRoute { resource: Target::RecordSet { kind, record_type, .. }, .. }) => {
            format!("{}/{record_type}", kind.profile().segment)
        }
        Route::Arm(ArmRoute {
            resource: Target::Zones(kind) | Target::Zone { kind, .. } | Target::RecordSets { kind, .. },
            ..
        }) => kind.profile().segment.to_owned(),
        _ => "dnsZones".to_owned(),
    };
    let verb = match call.method {
        http::Method::GET | http::Method::HEAD => "read",
        http::Method::DELETE => "delete",
        _ => "write",
    };
    let client = crate::DEFAULT_CLIENT;
    Failure::wrapped(
        StatusCode::FORBIDDEN,
        "AuthorizationFailed",
        format!(
            "The client '{client}' with object id '{client}' does not have authorization to perform action 'Microsoft.Network/{kind}/{verb}' over scope '{}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            call.path
        ),
    )
}

/// Adds the headers that every answer of ARM has.
fn finish(state: &mut State, call: &Call, route: &Route, operation: Operation, mut reply: Reply) -> Reply {
    set(&mut reply, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    set(&mut reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let Route::Arm(ArmRoute { subscription, .. }) = route else {
        return reply;
    };
    let id = state.ids.guid(Purpose::Request).to_string();
    let header = HeaderName::from_static;
    set(&mut reply, header::CACHE_CONTROL, "private");
    set(&mut reply, header("x-ms-request-id"), &id);
    set(&mut reply, header("x-ms-correlation-request-id"), &id);
    let at = (state.entra.clock)().strftime("%Y%m%dT%H%M%SZ");
    let routed = format!("EMULATOR:{at}:{id}");
    set(&mut reply, header("x-ms-routing-request-id"), &routed);
    if let Some(subscription) = subscription {
        let remaining = state.quotas.remaining(subscription, &call.method, call.now).to_string();
        let name = header("x-ms-ratelimit-remaining-subscription-resource-requests");
        set(&mut reply, name, &remaining);
        if matches!(operation, Operation::ZoneList | Operation::RecordSetList) {
            let name = header("x-ms-ratelimit-remaining-subscription-resource-entities-read");
            set(&mut reply, name, "59999");
        }
    }
    reply
}

/// The head of an answer whose body never comes: the connection breaks instead.
fn broken_off(reply: Reply) -> Response<Body> {
    let (mut parts, _) = reply.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let cut = futures::stream::once(std::future::ready(Err::<Bytes, _>(io::Error::new(
        io::ErrorKind::ConnectionReset,
        "the emulator broke the answer off",
    ))));
    Response::from_parts(parts, Body::from_stream(cut))
}

fn unread(error: &(dyn std::error::Error + 'static)) -> Reply {
    if error.is::<http_body_util::LengthLimitError>() {
        Failure::wrapped(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestContentTooLarge",
            format!("The request content exceeds {LARGEST_BODY} bytes."),
        )
    } else {
        Failure::wrapped(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContent",
            format!("The request content could not be read: {error}."),
        )
    }
    .into_reply()
}

/// The object of a request as messages call it.
fn object(route: &Route) -> String {
    let Route::Arm(route) = route else {
        return "resource".to_owned();
    };
    match &route.resource {
        Target::RecordSet { name, .. } => format!("Record set {}", name.to_ascii_lowercase()),
        Target::Zone { zone, .. } => format!("Zone {}", zone.to_ascii_lowercase()),
        _ => "resource".to_owned(),
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
