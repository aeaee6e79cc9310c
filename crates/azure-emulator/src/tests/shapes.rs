use axum::body::Body;
use http::Request;
use serde_json::json;

use super::{a, emulator, group_path, put, send, versioned, zone_path};
use crate::{AzureEmulator, DEFAULT_SUBSCRIPTION};

async fn read(emulator: &AzureEmulator, path: &str, version: &str) -> super::Got {
    let request = Request::get(versioned(path, version)).body(Body::empty()).unwrap();
    send(emulator, request).await
}

#[tokio::test]
async fn a_record_set_looks_as_the_service_writes_it() {
    let emulator = emulator();
    let mut set = a("192.0.2.1");
    set["metadata"] = json!({ "owner": "kfed" });
    put(&emulator, "A/www", set).await;
    let got = read(&emulator, &format!("{}/A/www", zone_path()), "2018-05-01").await;
    let id = format!(
        "/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/dns/providers/Microsoft.Network/dnszones/example.com/A/www"
    );
    let etag = got.header("etag").to_owned();
    assert_eq!(
        got.json(),
        json!({
            "id": id,
            "name": "www",
            "type": "Microsoft.Network/dnszones/A",
            "etag": etag,
            "properties": {
                "metadata": { "owner": "kfed" },
                "fqdn": "www.example.com.",
                "TTL": 30,
                "ARecords": [{ "ipv4Address": "192.0.2.1" }],
                "targetResource": {},
                "provisioningState": "Succeeded",
            },
        })
    );
    assert!(uuid::Uuid::parse_str(&etag).is_ok());
    assert_eq!(got.header("cache-control"), "private");
    assert_eq!(got.header("content-type"), "application/json; charset=utf-8");
    for header in ["x-ms-request-id", "x-ms-correlation-request-id", "x-ms-routing-request-id"] {
        assert!(!got.header(header).is_empty(), "{header}");
    }
}

#[tokio::test]
async fn older_api_versions_lack_what_came_later() {
    let emulator = emulator();
    put(&emulator, "A/www", a("192.0.2.1")).await;
    for (version, aliases, zone_type, caa) in [
        ("2015-05-04-preview", false, false, false),
        ("2016-04-01", false, false, false),
        ("2017-09-01", false, false, true),
        ("2017-10-01", false, false, true),
        ("2018-03-01-preview", false, true, true),
        ("2018-05-01", true, true, true),
        ("2023-07-01-preview", true, true, true),
    ] {
        let set = read(&emulator, &format!("{}/A/www", zone_path()), version).await.json();
        let properties = &set["properties"];
        assert_eq!(properties["ARecords"], json!([{ "ipv4Address": "192.0.2.1" }]), "{version}");
        assert_eq!(properties.get("targetResource").is_some(), aliases, "{version}");
        assert_eq!(properties.get("provisioningState").is_some(), aliases, "{version}");
        let zone = read(&emulator, &zone_path(), version).await.json();
        assert_eq!(zone["properties"].get("zoneType").is_some(), zone_type, "{version}");
        let list = read(&emulator, &format!("{}/CAA", zone_path()), version).await;
        assert_eq!(list.status.is_success(), caa, "{version}");
    }
}

#[tokio::test]
async fn the_api_version_is_asked_for_and_must_be_known() {
    let emulator = emulator();
    let request = Request::get(zone_path()).body(Body::empty()).unwrap();
    let missing = send(&emulator, request).await.error();
    assert_eq!((missing.0, missing.1, missing.2.as_str()), (400, "wrapped", "MissingApiVersionParameter"));
    let unknown = read(&emulator, &zone_path(), "2019-01-01").await.error();
    assert_eq!((unknown.0, unknown.1, unknown.2.as_str()), (400, "wrapped", "InvalidResourceType"));
    let private = format!("{}/privateDnsZones", group_path());
    assert_eq!(read(&emulator, &private, "2018-05-01").await.status.as_u16(), 400);
    assert_eq!(read(&emulator, &private, "2024-06-01").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_method_that_makes_no_sense_is_refused() {
    let emulator = emulator();
    let request = Request::post(versioned(&zone_path(), "2018-05-01")).body(Body::empty()).unwrap();
    assert_eq!(send(&emulator, request).await.status.as_u16(), 405);
    assert_eq!(emulator.requests().count(crate::Operation::Other), 1);
}

#[tokio::test]
async fn one_seed_gives_one_history() {
    let history = async |seed| {
        let emulator = AzureEmulator::builder().zone("dns", "example.com").without_authentication().seed(seed).build();
        put(&emulator, "A/www", a("192.0.2.1")).await;
        put(&emulator, "A/www", a("192.0.2.2")).await;
        emulator.record_sets("example.com")
    };
    assert_eq!(history(1).await, history(1).await);
    assert_ne!(history(1).await, history(2).await);
}
