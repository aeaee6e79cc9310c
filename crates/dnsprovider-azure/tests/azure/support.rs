//! What the tests share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use kfed_dnsprovider::{DnsName, RecordSetKey, RecordType, ZoneId};
use kfed_dnsprovider_azure::transport::{HttpService, Leaf, LeafOptions, TransportError, http_service};
use kfed_dnsprovider_azure::{AzureConfig, Clock};
use tower::ServiceExt;

pub(crate) const SECRET: &str = "s3cr3t~Value.9";
pub(crate) const SUBSCRIPTION: &str = "7c1e0f52-3b7d-4a54-9a3e-0d6f1c2b8e10";

pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/azure").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn config(more: &str) -> AzureConfig {
    let text = format!(
        "[Global]\nsubscription-id = {SUBSCRIPTION}\ntenant-id = my-tenant\nclient-id = my-client\nsecret = {SECRET}\nresourceGroup = fed-dns-rg\n{more}\n"
    );
    AzureConfig::parse(&text, Path::new("dns.conf")).unwrap().0
}

/// A clock that stands where it is put, from 2026-11-22T20:00:00Z.
#[derive(Clone, Default)]
pub(crate) struct Hands(Arc<AtomicI64>);

impl Hands {
    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let seconds = self.0.clone();
        let start: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
        Arc::new(move || start + SignedDuration::from_secs(seconds.load(Ordering::SeqCst)))
    }
}

/// The network, but with every host at `server`, over plain HTTP: Azure's SDK refuses to be told so itself.
pub(crate) fn rewritten(server: &str) -> HttpService {
    let leaf = Leaf::new(&LeafOptions { proxy: false, ..LeafOptions::default() }).unwrap();
    let server = server.to_owned();
    http_service(tower::service_fn(move |mut request: Request<Bytes>| {
        let path = request.uri().path_and_query().unwrap().as_str();
        *request.uri_mut() = format!("{server}{path}").parse().unwrap();
        leaf.clone().oneshot(request)
    }))
}

/// A server in this process: `answer` makes a response of a request.
pub(crate) fn scripted<F, Fut>(answer: F) -> HttpService
where
    F: Fn(Request<Bytes>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'static,
{
    http_service(tower::service_fn(answer))
}

pub(crate) fn reply(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).header("content-type", "application/json").body(body.into()).unwrap()
}

pub(crate) fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

pub(crate) fn key(text: &str, record_type: RecordType) -> RecordSetKey {
    RecordSetKey::new(name(text), record_type)
}

pub(crate) fn zone() -> ZoneId {
    ZoneId(format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/fed-dns-rg/providers/Microsoft.Network/dnszones/example.com"
    ))
}
