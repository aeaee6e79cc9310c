//! The rules of the API as tables of requests and answers, without sockets.

mod dns;
mod entra;
mod faults;
mod limits;
mod paging;
mod private;
mod record_sets;
mod shapes;
mod sockets;
mod zones;

use std::collections::BTreeMap;

use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{AzureEmulator, DEFAULT_SUBSCRIPTION};

const STABLE: &str = "2018-05-01";

/// An answer, read to its end.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status, code and message of an error, flat or wrapped as it says.
    fn error(&self) -> (u16, &'static str, String, String) {
        let body = self.json();
        let (shape, error) = match body.get("error") {
            Some(error) => ("wrapped", error),
            None => ("flat", &body),
        };
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), shape, text("code"), text("message"))
    }
}

/// An open emulator with one zone, `example.com` in group `dns`.
fn emulator() -> AzureEmulator {
    AzureEmulator::builder().zone("dns", "example.com").without_authentication().build()
}

fn group_path() -> String {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/dns/providers/Microsoft.Network")
}

fn zone_path() -> String {
    format!("{}/dnsZones/example.com", group_path())
}

fn versioned(path: &str, version: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}api-version={version}")
}

async fn send(emulator: &AzureEmulator, request: Request<Body>) -> Got {
    let response = emulator.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Got { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

/// A request with the stable api-version, headers and a body of JSON unless it is null.
async fn call(emulator: &AzureEmulator, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Got {
    let mut request = Request::builder().method(method).uri(versioned(path, STABLE));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    send(emulator, request.body(body).unwrap()).await
}

async fn get(emulator: &AzureEmulator, path: &str) -> Got {
    call(emulator, Method::GET, path, &[], &Value::Null).await
}

async fn delete(emulator: &AzureEmulator, path: &str) -> Got {
    call(emulator, Method::DELETE, path, &[], &Value::Null).await
}

/// PUTs a record set given by its path in the zone, like `A/www`.
async fn put(emulator: &AzureEmulator, set: &str, properties: Value) -> Got {
    put_if(emulator, set, &[], properties).await
}

async fn put_if(emulator: &AzureEmulator, set: &str, headers: &[(&str, &str)], properties: Value) -> Got {
    let path = format!("{}/{set}", zone_path());
    let body = json!({ "properties": properties });
    call(emulator, Method::PUT, &path, headers, &body).await
}

fn a(address: &str) -> Value {
    json!({ "TTL": 30, "ARecords": [{ "ipv4Address": address }] })
}

fn no_metadata() -> BTreeMap<String, String> {
    BTreeMap::new()
}
