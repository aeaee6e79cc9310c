use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{a, call, delete, emulator, get, no_metadata, put, put_if, zone_path};
use crate::{Operation, RecordType};

#[tokio::test]
async fn a_new_set_is_created_and_a_second_put_updates_it_under_another_etag() {
    let emulator = emulator();
    let first = put(&emulator, "A/www", a("192.0.2.1")).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let second = put(&emulator, "A/www", a("192.0.2.2")).await;
    assert_eq!(second.status, StatusCode::OK);
    assert_ne!(first.json()["etag"], second.json()["etag"]);
    assert_eq!(second.header("etag"), second.json()["etag"].as_str().unwrap());
    assert!(!second.header("etag").contains('"'));
    let read = get(&emulator, &format!("{}/A/www", zone_path())).await;
    assert_eq!(read.json(), second.json());
}

#[tokio::test]
async fn preconditions_decide_as_documented() {
    let mismatch = "The Record set www has been modified (etag mismatch).";
    let exists = "The Record set www exists already and hence cannot be created again.";
    let current = "CURRENT";
    // (exists before, header, value, status, message)
    let table = [
        (false, "if-none-match", "*", 201, ""),
        (true, "if-none-match", "*", 412, exists),
        (true, "if-none-match", "other", 200, ""),
        (true, "if-match", current, 200, ""),
        (true, "if-match", "*", 200, ""),
        (true, "if-match", "dummy", 412, mismatch),
        (false, "if-match", "*", 412, mismatch),
        (false, "if-match", "dummy", 412, mismatch),
    ];
    for (before, header, value, status, message) in table {
        let emulator = emulator();
        let mut etag = String::new();
        if before {
            etag = put(&emulator, "A/www", a("192.0.2.1")).await.header("etag").to_owned();
        }
        let value = if value == current { etag.as_str() } else { value };
        let got = put_if(&emulator, "A/www", &[(header, value)], a("192.0.2.9")).await;
        assert_eq!(got.status.as_u16(), status, "{header}: {value}, before: {before}");
        let stored = emulator.record_set("example.com", "www", RecordType::A);
        if status == 412 {
            let expected = (412, "flat", "PreconditionFailed".to_owned(), message.to_owned());
            assert_eq!(got.error(), expected);
            let kept = stored.map(|set| set.data);
            assert_eq!(kept, before.then(|| vec!["192.0.2.1".to_owned()]));
        } else {
            assert_eq!(stored.unwrap().data, ["192.0.2.9"]);
        }
    }
}

#[tokio::test]
async fn the_header_decides_and_not_the_etag_in_the_body() {
    let emulator = emulator();
    let etag = put(&emulator, "A/www", a("192.0.2.1")).await.header("etag").to_owned();
    let body = json!({ "etag": etag, "properties": a("192.0.2.2") });
    let path = format!("{}/A/www", zone_path());
    let got = call(&emulator, Method::PUT, &path, &[("if-match", "dummy")], &body).await;
    assert_eq!(got.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn deleting_is_conditional_and_deleting_nothing_is_fine() {
    let emulator = emulator();
    let path = format!("{}/A/www", zone_path());
    assert_eq!(delete(&emulator, &path).await.status, StatusCode::NO_CONTENT);
    let etag = put(&emulator, "A/www", a("192.0.2.1")).await.header("etag").to_owned();
    let stale = call(&emulator, Method::DELETE, &path, &[("if-match", "dummy")], &Value::Null).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let right = call(&emulator, Method::DELETE, &path, &[("if-match", &etag)], &Value::Null).await;
    assert_eq!((right.status, right.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(get(&emulator, &path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_a_put_resets_the_rest() {
    let emulator = emulator();
    let path = format!("{}/A/www", zone_path());
    let mut set = a("192.0.2.1");
    set["metadata"] = json!({ "owner": "kfed", "dropped key": "x" });
    put(&emulator, "A/www", set).await;
    let patch = json!({ "properties": { "ARecords": [{ "ipv4Address": "192.0.2.5" }] } });
    let patched = call(&emulator, Method::PATCH, &path, &[], &patch).await;
    assert_eq!(patched.status, StatusCode::OK);
    let properties = &patched.json()["properties"];
    assert_eq!(properties["TTL"], 30);
    assert_eq!(properties["metadata"], json!({ "owner": "kfed" }));
    assert_eq!(properties["ARecords"], json!([{ "ipv4Address": "192.0.2.5" }]));
    let put_again = put(&emulator, "A/www", json!({ "TTL": 60 })).await;
    let properties = &put_again.json()["properties"];
    assert_eq!(properties["ARecords"], json!([]));
    assert_eq!(properties.get("metadata"), None);

    let absent = call(&emulator, Method::PATCH, &format!("{}/A/no", zone_path()), &[], &patch).await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_cname_lives_alone() {
    let emulator = emulator();
    let cname = json!({ "TTL": 30, "CNAMERecord": { "cname": "other.example.com" } });
    put(&emulator, "TXT/www", json!({ "TTL": 30, "TXTRecords": [{ "value": ["x"] }] })).await;
    let (status, shape, code, message) = put(&emulator, "CNAME/www", cname.clone()).await.error();
    assert_eq!((status, shape, code.as_str()), (409, "flat", "Conflict"));
    assert_eq!(
        message,
        "The CNAME record could not be created because another record with the same name already exists in this zone."
    );
    assert_eq!(put(&emulator, "CNAME/alone", cname.clone()).await.status, StatusCode::CREATED);
    assert_eq!(put(&emulator, "CNAME/alone", cname.clone()).await.status, StatusCode::OK);
    assert_eq!(put(&emulator, "A/alone", a("192.0.2.1")).await.status, StatusCode::CONFLICT);
    // NS and SOA are at the apex.
    assert_eq!(put(&emulator, "CNAME/@", cname).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn names_are_lower_cased_and_found_in_any_case() {
    let emulator = emulator();
    let got = put(&emulator, "a/RecordA", a("192.0.2.1")).await;
    let set = got.json();
    assert_eq!(set["name"], "recorda");
    assert_eq!(set["properties"]["fqdn"], "recorda.example.com.");
    assert_eq!(set["type"], "Microsoft.Network/dnszones/A");
    assert!(set["id"].as_str().unwrap().ends_with("/dnszones/example.com/A/recorda"));
    let path = zone_path().replace("dnsZones", "DNSZONES").replace("example.com", "EXAMPLE.com");
    assert_eq!(get(&emulator, &format!("{path}/A/RECORDA")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_invalid_is_refused_and_changes_nothing() {
    let many: Vec<Value> = (0..21).map(|n| json!({ "ipv4Address": format!("192.0.2.{n}") })).collect();
    let long = "x".repeat(256);
    let label = "x".repeat(64);
    let deep = ["x".repeat(63).as_str(); 4].join(".");
    let wide: Vec<Value> = (0..17).map(|_| json!({ "value": ["y".repeat(250)] })).collect();
    let table = [
        ("A/www", json!({ "ARecords": [] }), "The request was invalid."),
        ("A/www", json!({ "TTL": 0, "ARecords": [] }), "time to live"),
        ("A/www", json!({ "TTL": 2_147_483_648_u64 }), "time to live"),
        ("A/www", json!({ "TTL": "30" }), "time to live"),
        ("A/www", json!({ "TTL": 30, "ARecords": many }), "maximum number of records"),
        ("A/www", json!({ "TTL": 30, "ARecords": [{ "ipv4Address": "192.0.2.256" }] }), "192.0.2.256"),
        ("A/www", json!({ "TTL": 30, "ARecords": [{}] }), "ipv4Address"),
        ("A/www", json!({ "TTL": 30, "ARecords": { "ipv4Address": "192.0.2.1" } }), "The request was invalid."),
        (
            "A/www",
            json!({ "TTL": 30, "ARecords": [{ "ipv4Address": "192.0.2.1" }, { "ipv4Address": "192.0.2.1" }] }),
            "more than once",
        ),
        ("AAAA/www", json!({ "TTL": 30, "AAAARecords": [{ "ipv6Address": "192.0.2.1" }] }), "192.0.2.1"),
        ("CNAME/www", json!({ "TTL": 30, "CNAMERecord": { "cname": "a..b" } }), "The domain name 'a..b' is invalid."),
        ("MX/www", json!({ "TTL": 30, "MXRecords": [{ "preference": 65536, "exchange": "m." }] }), "out of range"),
        ("TXT/www", json!({ "TTL": 30, "TXTRecords": [{ "value": [long] }] }), "255"),
        ("TXT/www", json!({ "TTL": 30, "TXTRecords": wide }), "4096"),
        ("A/w%20w", a("192.0.2.1"), "The domain name 'w w.example.com' is invalid."),
        ("A/a..b", a("192.0.2.1"), "is invalid"),
        ("A/a.*.b", a("192.0.2.1"), "is invalid"),
        (&format!("A/{label}"), a("192.0.2.1"), "is invalid"),
        (&format!("A/{deep}"), a("192.0.2.1"), "is invalid"),
        ("NS/*", json!({ "TTL": 30, "NSRecords": [{ "nsdname": "ns.other." }] }), "wildcard"),
        ("SOA/www", json!({ "TTL": 30 }), "apex"),
        ("NS/@", json!({ "TTL": 30, "NSRecords": [{ "nsdname": "ns.other." }] }), "cannot be removed"),
        ("A/www", json!({ "TTL": 30, "metadata": { "k": 1 } }), "The request was invalid."),
        ("TXT/www", json!({ "TTL": 30, "targetResource": { "id": "/x" } }), "target resource"),
    ];
    for (set, properties, expected) in table {
        let emulator = emulator();
        let before = emulator.record_sets("example.com");
        let got = put(&emulator, set, properties.clone()).await;
        let (status, shape, code, message) = got.error();
        assert_eq!((status, shape, code.as_str()), (400, "flat", "BadRequest"), "{set} {properties}");
        assert!(message.contains(expected), "{set}: {message}");
        assert_eq!(emulator.record_sets("example.com"), before, "{set}");
    }
}

#[tokio::test]
async fn what_is_unusual_but_legal_is_taken() {
    let table = [
        ("A/empty", json!({ "TTL": 30 })),
        ("CNAME/empty", json!({ "TTL": 30 })),
        ("A/*", a("192.0.2.1")),
        ("A/*.dev", a("192.0.2.1")),
        ("A/a.b.c", a("192.0.2.1")),
        ("A/@", a("192.0.2.1")),
        (
            "SRV/_sip._tcp",
            json!({ "TTL": 30, "SRVRecords": [{ "priority": 1, "weight": 2, "port": 3, "target": "t." }] }),
        ),
        ("A/long-lived", json!({ "TTL": 2_147_483_647 })),
        ("A/case", json!({ "ttl": 30, "arecords": [{ "IPv4Address": "192.0.2.1" }] })),
        ("CAA/caa", json!({ "TTL": 30, "caaRecords": [{ "flags": 0, "tag": "foo", "value": "my value" }] })),
        ("MX/mx", json!({ "TTL": 30, "MXRecords": [{ "preference": 10, "exchange": "mail" }] })),
        ("NS/sub", json!({ "TTL": 30, "NSRecords": [{ "nsdname": "ns.other." }] })),
        ("PTR/1", json!({ "TTL": 30, "PTRRecords": [{ "ptrdname": "host." }] })),
    ];
    for (set, properties) in table {
        let got = put(&emulator(), set, properties).await;
        assert_eq!(got.status, StatusCode::CREATED, "{set}: {}", got.text);
    }
}

#[tokio::test]
async fn the_apex_sets_can_be_edited_but_not_deleted_or_robbed() {
    let emulator = emulator();
    for kind in ["NS", "SOA"] {
        let path = format!("{}/{kind}/@", zone_path());
        assert_eq!(delete(&emulator, &path).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(get(&emulator, &path).await.status, StatusCode::OK);
    }
    let path = format!("{}/NS/@", zone_path());
    let mut servers = get(&emulator, &path).await.json()["properties"]["NSRecords"].clone();
    servers.as_array_mut().unwrap().push(json!({ "nsdname": "ns.other.example." }));
    let more = put(&emulator, "NS/@", json!({ "TTL": 60, "NSRecords": servers })).await;
    assert_eq!(more.status, StatusCode::OK);

    let path = format!("{}/SOA/@", zone_path());
    let mut soa = get(&emulator, &path).await.json()["properties"]["SOARecord"].clone();
    soa["email"] = json!("me.example.com");
    let edited = put(&emulator, "SOA/@", json!({ "TTL": 60, "SOARecord": soa })).await;
    assert_eq!(edited.status, StatusCode::OK);
    soa["host"] = json!("ns.mine.");
    let robbed = put(&emulator, "SOA/@", json!({ "TTL": 60, "SOARecord": soa })).await;
    assert_eq!(robbed.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_alias_follows_its_target() {
    let emulator = emulator();
    let target = put(&emulator, "A/target", a("192.0.2.1")).await.json()["id"].clone();
    let alias = json!({ "TTL": 3600, "targetResource": { "id": target } });
    let got = put(&emulator, "A/alias", alias).await.json();
    assert_eq!(got["properties"]["TTL"], 30);
    assert_eq!(got["properties"].get("ARecords"), None);
    assert_eq!(got["properties"]["targetResource"]["id"], target);
    let view = |name| emulator.record_set("example.com", name, RecordType::A).unwrap();
    assert_eq!(view("alias").data, ["192.0.2.1"]);

    let path =
        format!("/subscriptions/{}/providers/Microsoft.Network/getDnsResourceReference", crate::DEFAULT_SUBSCRIPTION);
    let body = json!({ "properties": { "targetResources": [{ "id": target }] } });
    let references = call(&emulator, Method::POST, &path, &[], &body).await.json();
    let found = &references["properties"]["dnsResourceReferences"][0]["dnsResources"];
    assert_eq!(*found, json!([{ "id": got["id"] }]));

    delete(&emulator, &format!("{}/A/target", zone_path())).await;
    assert!(view("alias").data.is_empty());
    let plain = put(&emulator, "A/alias", json!({ "TTL": 30, "targetResource": {} })).await.json();
    assert_eq!(plain["properties"]["ARecords"], json!([]));
    assert_eq!(plain["properties"]["targetResource"], json!({}));
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let emulator = emulator();
    let subscription = crate::DEFAULT_SUBSCRIPTION;
    let zone = zone_path();
    let table = [
        (format!("{zone}/A/nope"), "flat", "NotFound",
         format!("The resource record 'nope' does not exist in resource group 'dns' of subscription '{subscription}'.")),
        (format!("{}/A/www", zone.replace("example.com", "other.com")), "wrapped", "ParentResourceNotFound",
         "Can not perform requested operation on nested resource. Parent resource 'other.com' not found.".to_owned()),
        (zone.replace("example.com", "other.com"), "wrapped", "ResourceNotFound",
         "The Resource 'Microsoft.Network/dnszones/other.com' under resource group 'dns' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix".to_owned()),
        (zone.replace("/dns/", "/other/"), "wrapped", "ResourceGroupNotFound",
         "Resource group 'other' could not be found.".to_owned()),
        (zone.replace(subscription, "other"), "wrapped", "SubscriptionNotFound",
         "The subscription 'other' could not be found.".to_owned()),
        (zone.replace("dnsZones", "networkCards"), "wrapped", "InvalidResourceType",
         "The resource type 'networkCards' could not be found in the namespace 'Microsoft.Network' for api version '2018-05-01'.".to_owned()),
    ];
    for (path, shape, code, message) in table {
        let got = get(&emulator, &path).await;
        assert_eq!(got.error(), (404, shape, code.to_owned(), message), "{path}");
        assert_eq!(got.header("x-ms-failure-cause") == "gateway", shape == "wrapped");
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_by_the_gateway() {
    let emulator = emulator();
    let request = http::Request::put(super::versioned(&format!("{}/A/www", zone_path()), "2018-05-01"))
        .body(axum::body::Body::from("{\"properties\":"))
        .unwrap();
    let (status, shape, code, _) = super::send(&emulator, request).await.error();
    assert_eq!((status, shape, code.as_str()), (400, "wrapped", "InvalidRequestContent"));
}

#[tokio::test]
async fn requests_are_counted_by_method_and_operation() {
    let emulator = emulator();
    put(&emulator, "A/www", a("192.0.2.1")).await;
    put(&emulator, "A/www", a("192.0.2.2")).await;
    get(&emulator, &format!("{}/A/www", zone_path())).await;
    get(&emulator, &format!("{}/recordsets", zone_path())).await;
    get(&emulator, &zone_path()).await;
    get(&emulator, "/nothing/here").await;
    let requests = emulator.take_requests();
    assert_eq!(requests.by("PUT", Operation::RecordSetWrite), 2);
    assert_eq!(requests.count(Operation::RecordSetGet), 1);
    assert_eq!(requests.count(Operation::RecordSetList), 1);
    assert_eq!(requests.count(Operation::ZoneGet), 1);
    assert_eq!(requests.count(Operation::Other), 1);
    assert_eq!((requests.total(), requests.to_arm()), (6, 6));
    assert_eq!(requests.answered_with(201), 1);
    assert_eq!(requests.answered_with(200), 4);
    assert_eq!(requests.answered_with(404), 1);
    assert_eq!(emulator.requests().total(), 0);
}

#[tokio::test]
async fn a_planted_set_is_there_under_a_new_etag_and_obeys_the_rules() {
    let emulator = emulator();
    let plant =
        |name: &str, kind, data: &[&str]| emulator.put_record_set("example.com", name, kind, 60, data, no_metadata());
    plant("www", RecordType::A, &["192.0.2.1", "192.0.2.2"]).unwrap();
    let before = emulator.record_set("example.com", "www", RecordType::A).unwrap();
    plant("WWW", RecordType::A, &["192.0.2.3"]).unwrap();
    let after = emulator.record_set("example.com", "www", RecordType::A).unwrap();
    assert_ne!(before.etag, after.etag);
    assert_eq!(after.data, ["192.0.2.3"]);
    let stale = put_if(&emulator, "A/www", &[("if-match", &before.etag)], a("192.0.2.4")).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);

    assert!(plant("www", RecordType::Cname, &["x."]).is_err());
    assert!(plant("bad", RecordType::A, &["nonsense"]).is_err());
    let unknown = emulator.put_record_set("no.zone", "a", RecordType::A, 60, &[], no_metadata());
    assert!(matches!(unknown, Err(crate::EmulatorError::UnknownZone { .. })));
    assert!(emulator.remove_record_set("example.com", "www", RecordType::A));
    assert!(!emulator.remove_record_set("example.com", "www", RecordType::A));
}

#[tokio::test]
async fn planted_text_reads_back_as_it_was_written() {
    let emulator = emulator();
    let long = "é".repeat(300);
    let table = [
        (RecordType::A, "192.0.2.1"),
        (RecordType::Aaaa, "2001:db8::1"),
        (RecordType::Cname, "a.b."),
        (RecordType::Mx, "10 mail.example.net"),
        (RecordType::Ns, "ns.example.net."),
        (RecordType::Ptr, "host.example.net."),
        (RecordType::Srv, "1 2 3 target.example.net."),
        (RecordType::Txt, "heritage=external-dns,external-dns/owner=me"),
        (RecordType::Txt, &long),
        (RecordType::Caa, "0 issue \"ca.example.net; policy=x\""),
    ];
    for (number, (kind, text)) in table.into_iter().enumerate() {
        let name = format!("n{number}");
        emulator.put_record_set("example.com", &name, kind, 60, &[text], no_metadata()).unwrap();
        assert_eq!(emulator.record_set("example.com", &name, kind).unwrap().data, [text]);
    }
}
