use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::{Got, group_path, send, versioned};
use crate::{AzureEmulator, RecordType, dns};

const VERSION: &str = "2020-06-01";

fn zone_path() -> String {
    format!("{}/privateDnsZones/corp.internal", group_path())
}

fn emulator() -> AzureEmulator {
    AzureEmulator::builder().private_zone("dns", "corp.internal").without_authentication().build()
}

async fn call(emulator: &AzureEmulator, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Got {
    let mut request = Request::builder().method(method).uri(versioned(path, VERSION));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(emulator, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn poll(emulator: &AzureEmulator, started: &Got) -> Got {
    let url = started.header("azure-asyncoperation");
    assert!(url.contains("/privateDnsOperationStatuses/"), "{url}");
    send(emulator, Request::get(url).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn record_sets_are_synchronous_and_spelt_in_camel_case() {
    let emulator = emulator();
    let body = json!({ "properties": { "ttl": 30, "aRecords": [{ "ipv4Address": "10.0.0.1" }] } });
    let got = call(&emulator, Method::PUT, &format!("{}/a/App", zone_path()), &[], body).await;
    assert_eq!(got.status, StatusCode::CREATED);
    let set = got.json();
    assert_eq!(set["type"], "Microsoft.Network/privateDnsZones/A");
    assert_eq!(
        set["properties"],
        json!({
            "fqdn": "app.corp.internal.",
            "ttl": 30,
            "aRecords": [{ "ipv4Address": "10.0.0.1" }],
            "isAutoRegistered": false,
        })
    );
    let all = call(&emulator, Method::GET, &format!("{}/ALL", zone_path()), &[], Value::Null).await.json();
    let names: Vec<&str> = all["value"].as_array().unwrap().iter().map(|set| set["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["@", "app"]);
    assert_eq!(all["value"][0]["properties"]["soaRecord"]["minimumTtl"], 10);
    assert_eq!(dns::lookup(&emulator, "app.corp.internal", RecordType::A).records[0].data, "10.0.0.1");
}

#[tokio::test]
async fn there_are_no_name_servers_and_no_recordsets_collection() {
    let emulator = emulator();
    for below in ["NS", "CAA", "recordsets"] {
        let got = call(&emulator, Method::GET, &format!("{}/{below}", zone_path()), &[], Value::Null).await;
        assert_eq!(got.error().2, "InvalidResourceType", "{below}");
    }
}

#[tokio::test]
async fn zones_are_written_asynchronously_and_refused_late() {
    let emulator = emulator();
    let body = json!({ "location": "global" });
    let path = zone_path().replace("corp", "new");
    let started = call(&emulator, Method::PUT, &path, &[("if-none-match", "*")], body.clone()).await;
    assert_eq!((started.status, started.json()), (StatusCode::ACCEPTED, json!({})));
    assert_eq!(started.header("retry-after"), "10");
    assert_eq!(poll(&emulator, &started).await.json(), json!({ "status": "Succeeded" }));
    let zone = call(&emulator, Method::GET, &path, &[], Value::Null).await.json();
    assert_eq!(zone["properties"]["maxNumberOfRecordSets"], 25_000);
    assert_eq!(zone["properties"]["numberOfRecordSets"], 1);

    let again = call(&emulator, Method::PUT, &path, &[("if-none-match", "*")], body).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    let failed = poll(&emulator, &again).await;
    assert_eq!(failed.status, StatusCode::OK);
    assert_eq!(failed.json()["status"], "Failed");
    assert_eq!(failed.json()["error"]["code"], "PreconditionFailed");

    let deleted = call(&emulator, Method::DELETE, &path, &[], Value::Null).await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert_eq!(poll(&emulator, &deleted).await.json(), json!({ "status": "Succeeded" }));
    assert_eq!(emulator.zones(), ["corp.internal"]);
}
