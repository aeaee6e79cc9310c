//! Replays exchanges that others recorded with the real Azure DNS, and compares every answer: status, body, etag header.
//!
//! The recordings are no part of the project. They are looked for in `shared/azure-recordings` beside the work tree.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use axum::body::Body;
use http::{Request, Uri};
use http_body_util::BodyExt as _;
use kfed_azure_emulator::AzureEmulator;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// One recorded exchange, from any of the formats.
#[derive(Debug)]
struct Exchange {
    method: String,
    uri: Uri,
    headers: Vec<(String, String)>,
    body: Value,
    status: u64,
    answer: Value,
    answer_headers: BTreeMap<String, String>,
}

/// Types that the emulator does not store.
const UNKNOWN_TYPES: [&str; 3] = ["/DS", "/TLSA", "/NAPTR"];

const DIFFERS_ON_PURPOSE: &[&str] = &[
    // A zone listed there belongs to other tests of the same subscription.
    "/providers/Microsoft.Network/dnsZones?",
    "/providers/Microsoft.Network/privateDnsZones?",
];

#[tokio::test]
async fn recorded_exchanges_come_out_the_same() {
    let Some(folder) = recordings() else {
        eprintln!("skipped: there are no recordings beside the work tree");
        return;
    };
    let mut compared = 0;
    for (file, least) in [
        ("python-sdk/azure-mgmt-dns-8.1.0/test_mgmt_dns.pyTestMgmtDnstest_public_zone.json", 12),
        ("azure-cli-public/test_dns.yaml", 60),
        ("azure-cli-public/test_dns_if_none_match.yaml", 20),
        ("azure-cli-private/test_CrudRecordSet_ARecord_ExpectCrudSuccessful.yaml", 10),
        ("azure-cli-private/test_DeleteZone_ZoneExists_ExpectZoneDeleted.yaml", 5),
        ("azure-cli-private/test_PatchRecordSet_IfMatchSuccess_ExpectRecordSetUpdated.yaml", 5),
        ("azure-cli-private/test_PatchZone_ZoneExistsIfMatchFailure_ExpectError.yaml", 3),
        ("azure-cli-private/test_PutRecordSet_IfNoneMatchFailure_ExpectError.yaml", 4),
        ("azure-cli-private/test_PutRecordSet_ZoneNotExists_ExpectError.yaml", 1),
        ("azure-cli-private/test_PutZone_ZoneExistsIfNoneMatchFailure_ExpectError.yaml", 3),
    ] {
        let exchanges = read(&folder.join(file));
        let replayed = replay(file, &exchanges).await;
        assert!(replayed >= least, "{file}: only {replayed} exchanges were compared");
        compared += replayed;
    }
    eprintln!("{compared} exchanges compared");
}

fn recordings() -> Option<PathBuf> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    let folder = tree.parent()?.join("shared/azure-recordings");
    folder.is_dir().then_some(folder)
}

fn read(file: &Path) -> Vec<Exchange> {
    let text = std::fs::read_to_string(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "json") {
        let recorded: Value = serde_json::from_str(&text).unwrap();
        recorded["Entries"].as_array().unwrap().iter().map(from_json).collect()
    } else {
        let recorded: Value = serde_saphyr::from_str(&text).unwrap();
        recorded["interactions"].as_array().unwrap().iter().map(from_yaml).collect()
    }
}

fn from_json(entry: &Value) -> Exchange {
    let text = |name: &str| entry[name].as_str().unwrap().to_owned();
    let headers = |name: &str| -> Vec<(String, String)> {
        let headers = entry[name].as_object().unwrap().iter();
        headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().unwrap_or_default().to_owned()))
            .collect()
    };
    Exchange {
        method: text("RequestMethod"),
        uri: text("RequestUri").parse().unwrap(),
        headers: headers("RequestHeaders"),
        body: entry["RequestBody"].clone(),
        status: entry["StatusCode"].as_u64().unwrap(),
        answer: entry["ResponseBody"].clone(),
        answer_headers: headers("ResponseHeaders").into_iter().collect(),
    }
}

fn from_yaml(interaction: &Value) -> Exchange {
    let (request, response) = (&interaction["request"], &interaction["response"]);
    let headers = |of: &Value| -> Vec<(String, String)> {
        let headers = of["headers"].as_object().unwrap().iter();
        headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value[0].as_str().unwrap_or_default().to_owned()))
            .collect()
    };
    let parse = |text: &Value| text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    Exchange {
        method: request["method"].as_str().unwrap().to_owned(),
        uri: request["uri"].as_str().unwrap().parse().unwrap(),
        headers: headers(request),
        body: parse(&request["body"]),
        status: response["status"]["code"].as_u64().unwrap(),
        answer: parse(&response["body"]["string"]),
        answer_headers: headers(response).into_iter().collect(),
    }
}

/// Replays in order; how many answers were compared.
async fn replay(file: &str, exchanges: &[Exchange]) -> usize {
    let mut builder = AzureEmulator::builder().without_authentication();
    for exchange in exchanges {
        let path: Vec<&str> = exchange.uri.path().split('/').collect();
        if let ["", "subscriptions", subscription, "resourceGroups", group, ..] = path[..] {
            builder = builder.subscription(subscription).resource_group(group);
        }
    }
    let emulator = builder.build();
    // What was recorded → what we answered instead, for etags and for the URLs of operations.
    let mut ours: BTreeMap<String, String> = BTreeMap::new();
    let mut compared = 0;
    let mut unknown_sets = 0;
    for exchange in exchanges {
        let target = exchange.uri.to_string();
        let lower = target.to_ascii_lowercase();
        if UNKNOWN_TYPES.iter().any(|kind| target.contains(kind)) {
            match (exchange.method.as_str(), exchange.status) {
                ("PUT", 201) => unknown_sets += 1,
                ("DELETE", 200) => unknown_sets -= 1,
                _ => {}
            }
            continue;
        }
        let is_dns = lower.contains("microsoft.network/dns") || lower.contains("microsoft.network/privatedns");
        if !is_dns || DIFFERS_ON_PURPOSE.iter().any(|part| target.contains(part) && !target.contains("resourceGroups"))
        {
            continue;
        }
        let uri = ours.get(&without_port(&target)).unwrap_or(&target).clone();
        let mut request = Request::builder().method(exchange.method.as_str()).uri(&uri);
        for (name, value) in &exchange.headers {
            if matches!(name.as_str(), "if-match" | "if-none-match") {
                request = request.header(name, ours.get(value).unwrap_or(value));
            }
        }
        let body = match &exchange.body {
            Value::Null => Body::empty(),
            body => Body::from(translated(body, &ours).to_string()),
        };
        let response = emulator.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let mut answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if let Some(count) = answer["properties"]["numberOfRecordSets"].as_i64() {
            answer["properties"]["numberOfRecordSets"] = json!(count + unknown_sets);
        }
        let at = format!("{file}: {} {target}", exchange.method);
        assert_eq!(u64::from(parts.status.as_u16()), exchange.status, "{at}: {answer}");

        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        for name in ["etag", "azure-asyncoperation", "location"] {
            let recorded = exchange.answer_headers.get(name);
            assert_eq!(header(name).is_some(), recorded.is_some(), "{at}: {name}");
            if let (Some(recorded), Some(own)) = (recorded, header(name)) {
                ours.insert(without_port(recorded), own);
            }
        }
        learn(&exchange.answer, &answer, &mut ours);
        assert_eq!(normal(&answer), normal(&exchange.answer), "{at}");
        compared += 1;
    }
    compared
}

/// Recorders write the port of a link, and ask without it.
fn without_port(url: &str) -> String {
    url.replacen(":443/", "/", 1)
}

/// Remembers what the emulator chose where Azure had chosen something else: etags and name servers.
fn learn(recorded: &Value, own: &Value, ours: &mut BTreeMap<String, String>) {
    match (recorded, own) {
        (Value::Object(recorded), Value::Object(own)) => {
            for (name, value) in recorded {
                let Some(other) = own.get(name) else { continue };
                match (value.as_str(), other.as_str()) {
                    (Some(value), Some(other)) if is_chosen(name, value) => {
                        ours.insert(value.to_owned(), other.to_owned());
                    }
                    _ => learn(value, other, ours),
                }
            }
        }
        (Value::Array(recorded), Value::Array(own)) => {
            for (value, other) in recorded.iter().zip(own) {
                match (value.as_str(), other.as_str()) {
                    (Some(value), Some(other)) if value.contains("azure-dns") => {
                        ours.insert(value.to_owned(), other.to_owned());
                    }
                    _ => learn(value, other, ours),
                }
            }
        }
        _ => {}
    }
}

fn is_chosen(name: &str, value: &str) -> bool {
    name == "etag" || value.contains("azure-dns.")
}

/// A recorded body with our etags and name servers.
fn translated(body: &Value, ours: &BTreeMap<String, String>) -> Value {
    match body {
        Value::String(text) => json!(ours.get(text).unwrap_or(text)),
        Value::Array(items) => items.iter().map(|item| translated(item, ours)).collect(),
        Value::Object(entries) => entries.iter().map(|(name, value)| (name.clone(), translated(value, ours))).collect(),
        other => other.clone(),
    }
}

/// What must be equal: everything but what the service draws at random and what recorders blank out.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .iter()
            // Private zones leave empty tags out or not, by age.
            .filter(|(name, value)| !(*name == "tags" && value.as_object().is_some_and(serde_json::Map::is_empty)))
            .map(|(name, value)| {
                let value = match value.as_str() {
                    Some(text) if is_chosen(name, text) => json!("chosen"),
                    Some(text) if name == "message" => json!(message(text)),
                    Some(text) if name == "id" => json!(text.to_ascii_lowercase()),
                    _ => normal(value),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .filter(|item| {
                let kind = item["type"].as_str().unwrap_or_default();
                !UNKNOWN_TYPES.iter().any(|unknown| kind.ends_with(unknown))
            })
            .map(|item| match item.as_str() {
                Some(text) if text.contains("azure-dns.") => json!("chosen"),
                _ => normal(item),
            })
            .collect(),
        other => other.clone(),
    }
}

/// Subscription ids in messages were not replaced by the recorders; the newer 404s end with a link.
fn message(text: &str) -> String {
    let text = text.split(" For more details").next().unwrap_or(text);
    let words = text.split('\'').map(|word| if word.len() == 36 { "subscription" } else { word });
    words.collect::<Vec<_>>().join("'").to_ascii_lowercase()
}
