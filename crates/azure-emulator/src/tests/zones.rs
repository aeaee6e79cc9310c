use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{a, call, delete, emulator, get, group_path, put, zone_path};
use crate::{AzureEmulator, DEFAULT_SUBSCRIPTION};

fn path(zone: &str) -> String {
    format!("{}/dnsZones/{zone}", group_path())
}

async fn create(emulator: &AzureEmulator, zone: &str, headers: &[(&str, &str)]) -> super::Got {
    let body = json!({ "location": "global", "tags": { "team": "a" } });
    call(emulator, Method::PUT, &path(zone), headers, &body).await
}

#[tokio::test]
async fn a_new_zone_has_four_servers_and_two_record_sets() {
    let emulator = emulator();
    let got = create(&emulator, "New.example", &[("if-none-match", "*")]).await;
    assert_eq!(got.status, StatusCode::CREATED);
    let zone = got.json();
    assert_eq!(zone["name"], "new.example");
    assert_eq!(zone["type"], "Microsoft.Network/dnszones");
    assert_eq!(zone["tags"], json!({ "team": "a" }));
    let properties = &zone["properties"];
    assert_eq!(properties["numberOfRecordSets"], 2);
    assert_eq!(properties["maxNumberOfRecordSets"], 10_000);
    assert_eq!(properties["zoneType"], "Public");
    let servers = properties["nameServers"].as_array().unwrap();
    assert_eq!(servers.len(), 4);
    let sets = get(&emulator, &format!("{}/all", path("new.example"))).await.json();
    let types: Vec<&str> = sets["value"].as_array().unwrap().iter().map(|set| set["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["Microsoft.Network/dnszones/NS", "Microsoft.Network/dnszones/SOA"]);
    let soa = &sets["value"][1]["properties"];
    assert_eq!(soa["SOARecord"]["host"], servers[0]);
    assert_eq!(soa["SOARecord"]["email"], "azuredns-hostmaster.microsoft.com");
    assert_eq!(soa["TTL"], 3600);
}

#[tokio::test]
async fn an_update_keeps_servers_and_sets_and_a_write_of_a_set_keeps_the_zones_etag() {
    let emulator = emulator();
    let created = get(&emulator, &zone_path()).await.json();
    put(&emulator, "A/www", a("192.0.2.1")).await;
    let after = get(&emulator, &zone_path()).await.json();
    assert_eq!(after["etag"], created["etag"]);
    assert_eq!(after["properties"]["numberOfRecordSets"], 3);
    let updated = create(&emulator, "example.com", &[]).await;
    assert_eq!(updated.status, StatusCode::OK);
    let updated = updated.json();
    assert_ne!(updated["etag"], created["etag"]);
    assert_eq!(updated["properties"]["nameServers"], created["properties"]["nameServers"]);
    assert_eq!(updated["properties"]["numberOfRecordSets"], 3);
    let body = json!({ "tags": { "team": "b" } });
    let patched = call(&emulator, Method::PATCH, &zone_path(), &[], &body).await;
    assert_eq!((patched.status, &patched.json()["tags"]["team"]), (StatusCode::OK, &json!("b")));
}

#[tokio::test]
async fn zone_preconditions_speak_of_the_zone() {
    let emulator = emulator();
    let exists = create(&emulator, "example.com", &[("if-none-match", "*")]).await.error();
    assert_eq!(exists.3, "The Zone example.com exists already and hence cannot be created again.");
    let stale = create(&emulator, "example.com", &[("if-match", "dummy")]).await.error();
    assert_eq!(
        stale,
        (
            412,
            "flat",
            "PreconditionFailed".to_owned(),
            "The Zone example.com has been modified (etag mismatch).".to_owned()
        )
    );
    let stale = call(&emulator, Method::DELETE, &zone_path(), &[("if-match", "dummy")], &Value::Null).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn deleting_a_zone_is_polled() {
    let emulator = emulator();
    let got = delete(&emulator, &zone_path()).await;
    assert_eq!((got.status, got.text.as_str()), (StatusCode::ACCEPTED, ""));
    assert_eq!(got.header("retry-after"), "3");
    let status = got.header("azure-asyncoperation");
    assert!(status.starts_with(&format!(
        "https://management.azure.com:443/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/dns/providers/Microsoft.Network/dnsOperationStatuses/"
    )), "{status}");
    assert!(status.contains(";example.com;Regular?api-version=2018-05-01"));
    let poll = |url: &str| http::Request::get(url).body(axum::body::Body::empty()).unwrap();
    let answer = super::send(&emulator, poll(status)).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "status": "Succeeded" })));
    let answer = super::send(&emulator, poll(got.header("location"))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(get(&emulator, &zone_path()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(delete(&emulator, &zone_path()).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_takes_time_is_in_progress_first() {
    let emulator = AzureEmulator::builder()
        .zone("dns", "example.com")
        .without_authentication()
        .operation_time(std::time::Duration::from_secs(20))
        .build();
    let started = delete(&emulator, &zone_path()).await;
    let poll = || http::Request::get(started.header("azure-asyncoperation")).body(axum::body::Body::empty()).unwrap();
    let early = super::send(&emulator, poll()).await;
    assert_eq!((early.status, early.json()), (StatusCode::ACCEPTED, json!({ "status": "InProgress" })));
    assert!(!early.header("azure-asyncoperation").is_empty());
    tokio::time::advance(std::time::Duration::from_secs(20)).await;
    let late = super::send(&emulator, poll()).await;
    assert_eq!(late.json(), json!({ "status": "Succeeded" }));
}

#[tokio::test]
async fn bad_zone_requests_are_refused() {
    let emulator = emulator();
    let table = [
        ("x.example", json!({}), "LocationRequired"),
        ("x.example", json!({ "location": "westus" }), "LocationNotAvailableForResourceType"),
        ("x.example", json!({ "location": "global", "properties": { "zoneType": "Private" } }), "BadRequest"),
        ("single", json!({ "location": "global" }), "BadRequest"),
        ("a..b", json!({ "location": "global" }), "BadRequest"),
    ];
    for (zone, body, code) in table {
        let got = call(&emulator, Method::PUT, &path(zone), &[], &body).await.error();
        assert_eq!((got.0, got.2.as_str()), (400, code), "{zone} {body}");
    }
    assert_eq!(emulator.zones(), ["example.com"]);
}

#[tokio::test]
async fn zones_are_listed_by_group_and_by_subscription() {
    let emulator = AzureEmulator::builder()
        .zone("one", "b.example")
        .zone("one", "a.example")
        .zone("Two", "c.example")
        .private_zone("one", "p.example")
        .subscription("11111111-1111-1111-1111-111111111111")
        .zone("one", "other.example")
        .without_authentication()
        .build();
    let list = async |path: &str| -> Vec<String> {
        let got = get(&emulator, path).await.json();
        got["value"].as_array().unwrap().iter().map(|zone| zone["name"].as_str().unwrap().to_owned()).collect()
    };
    let subscription = "/subscriptions/11111111-1111-1111-1111-111111111111";
    assert_eq!(list(&format!("{subscription}/providers/Microsoft.Network/dnszones")).await, ["other.example"]);
    let emulator_subscription = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}");
    // Zones named before the first subscription belong to the default one.
    assert_eq!(
        list(&format!("{emulator_subscription}/providers/Microsoft.Network/dnszones")).await,
        ["a.example", "b.example", "c.example"]
    );
    assert_eq!(
        list(&format!("{emulator_subscription}/resourcegroups/ONE/providers/microsoft.network/dnsZones")).await,
        ["a.example", "b.example"]
    );
}

#[tokio::test]
async fn resource_groups_can_be_made_and_take_their_zones_with_them() {
    let emulator = emulator();
    let path = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourcegroups/fresh");
    assert_eq!(get(&emulator, &path).await.status, StatusCode::NOT_FOUND);
    let body = json!({ "location": "westus", "tags": { "a": "b" } });
    let made = call(&emulator, Method::PUT, &path, &[], &body).await;
    assert_eq!((made.status, &made.json()["name"]), (StatusCode::CREATED, &json!("fresh")));
    assert_eq!(get(&emulator, &path).await.json()["location"], "westus");
    assert_eq!(call(&emulator, Method::HEAD, &path, &[], &Value::Null).await.status, StatusCode::NO_CONTENT);
    delete(&emulator, &path.replace("fresh", "dns")).await;
    assert!(emulator.zones().is_empty());
}
