//! Requests and answers, byte by byte, over real HTTP. Nothing here runs under a paused clock.

use std::time::Duration;

use kfed_dnsprovider::{DnsError, DnsProvider, ErrorClass, Etag, Precondition, RecordData, RecordSet, RecordType};
use kfed_dnsprovider_azure::{AzureDns, PRIVATE, PUBLIC};
use wiremock::matchers::{body_json, body_string_contains, header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Hands, SECRET, SUBSCRIPTION, config, fixture, key, name, rewritten, zone};

const BEARER: &str = "Bearer eyJhbGciOiJub25lIn0.eyJvaWQiOiJrZmVkIn0.c2ln";

fn zones_path() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/fed-dns-rg/providers/Microsoft.Network/dnsZones")
}

fn www_path() -> String {
    format!("{}/example.com/A/www", zones_path())
}

fn json(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_owned(), "application/json; charset=utf-8")
}

async fn server_with_token() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/my-tenant/oauth2/v2.0/token"))
        .and(body_string_contains("grant_type=client_credentials"))
        .and(body_string_contains("client_id=my-client"))
        .and(body_string_contains("client_secret=s3cr3t%7EValue.9"))
        .and(body_string_contains("scope=https%3A%2F%2Fmanagement.azure.com%2F.default"))
        .respond_with(json(&fixture("token.json")))
        .expect(1)
        .mount(&server)
        .await;
    server
}

fn azure(server: &MockServer) -> DnsProvider {
    DnsProvider::new(AzureDns::over(&PUBLIC, &config(""), rewritten(&server.uri()), Hands::default().clock()))
}

fn www(addresses: &[[u8; 4]]) -> RecordSet {
    RecordSet {
        key: key("www.example.com", RecordType::A),
        ttl: 30,
        data: addresses.iter().map(|address| RecordData::A((*address).into())).collect(),
        metadata: [("kfed-owner", "myfederation")].into(),
        etag: None,
        alias: false,
        unknown_properties: false,
    }
}

fn www_answer(addresses: &[[u8; 4]], etag: &str) -> String {
    let records: Vec<_> =
        addresses.iter().map(|a| serde_json::json!({"ipv4Address": std::net::Ipv4Addr::from(*a)})).collect();
    serde_json::json!({
        "id": format!("{}/A/www", zone().0), "name": "www", "type": "Microsoft.Network/dnszones/A", "etag": etag,
        "properties": {"metadata": {"kfed-owner": "myfederation"}, "fqdn": "www.example.com.", "TTL": 30, "ARecords": records,
            "targetResource": {}, "provisioningState": "Succeeded"}
    })
    .to_string()
}

#[tokio::test]
async fn zones_are_listed_over_all_pages_with_one_token() {
    let server = server_with_token().await;
    Mock::given(method("GET"))
        .and(path(zones_path()))
        .and(query_param("api-version", "2018-05-01"))
        .and(query_param_is_missing("$skipToken"))
        .and(header("authorization", BEARER))
        .respond_with(json(&fixture("zones-page-1.json")))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(zones_path()))
        .and(query_param("$skipToken", "ZXhhbXBsZS5jb20vMQ=="))
        .and(header("authorization", BEARER))
        .respond_with(json(&fixture("zones-page-2.json")))
        .expect(1)
        .mount(&server)
        .await;
    let zones = azure(&server).list_zones(None).await.unwrap();
    let names: Vec<_> = zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(names, ["example.com.", "example.org."]);
    assert_eq!(zones[0].id, zone());
    assert!(!zones[0].private && !zones[0].loopback);
}

#[tokio::test]
async fn a_zone_is_found_by_its_name_without_a_list() {
    let server = server_with_token().await;
    Mock::given(method("GET"))
        .and(path(format!("{}/example.com", zones_path())))
        .respond_with(json(&fixture("zone.json")))
        .expect(1)
        .mount(&server)
        .await;
    let missing = r#"{"error":{"code":"ResourceNotFound","message":"The Resource 'Microsoft.Network/dnszones/example.net' was not found."}}"#;
    Mock::given(method("GET"))
        .and(path(format!("{}/example.net", zones_path())))
        .respond_with(ResponseTemplate::new(404).set_body_raw(missing, "application/json"))
        .mount(&server)
        .await;
    let azure = azure(&server);
    assert_eq!(azure.find_zone(&name("Example.com")).await.unwrap().id, zone());
    assert_eq!(azure.list_zones(Some(name("example.net"))).await.unwrap(), []);
}

#[tokio::test]
async fn a_resource_group_that_is_not_there_is_no_empty_list() {
    let server = server_with_token().await;
    let missing =
        r#"{"error":{"code":"ResourceGroupNotFound","message":"Resource group 'fed-dns-rg' could not be found."}}"#;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(404).set_body_raw(missing, "application/json"))
        .mount(&server)
        .await;
    let azure = azure(&server);
    for name in [None, Some(name("example.com"))] {
        let error = azure.list_zones(name).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::NotFound);
        assert!(error.to_string().contains("Resource group 'fed-dns-rg' could not be found."), "{error}");
    }
}

#[tokio::test]
async fn a_snapshot_holds_every_page() {
    let server = server_with_token().await;
    let sets = format!("{}/example.com/recordsets", zones_path());
    Mock::given(path(sets.as_str()))
        .and(query_param("$top", "1000"))
        .and(query_param_is_missing("$skipToken"))
        .respond_with(json(&fixture("record-sets-page-1.json")))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path(sets.as_str()))
        .and(query_param("$skipToken", "d3d3LW93bmVyLzE2"))
        .respond_with(json(&fixture("record-sets-page-2.json")))
        .expect(1)
        .mount(&server)
        .await;
    let snapshot = azure(&server).snapshot(&zone()).await.unwrap();
    assert_eq!(snapshot.len(), 14);
    let wild = snapshot.get(&key("*.wild.example.com", RecordType::A)).unwrap();
    assert_eq!(wild.data.len(), 2);
}

#[tokio::test]
async fn the_token_is_sent_to_no_other_server() {
    let server = server_with_token().await;
    let page = r#"{"value":[],"nextLink":"https://evil.example/subscriptions?$skipToken=x"}"#;
    Mock::given(method("GET")).respond_with(json(page)).expect(2).mount(&server).await;
    let azure = azure(&server);
    for error in [azure.list_zones(None).await.unwrap_err(), azure.snapshot(&zone()).await.unwrap_err()] {
        assert_eq!(error.class, ErrorClass::Invalid);
        assert!(error.to_string().contains("elsewhere than on https://management.azure.com/"), "{error}");
    }
}

#[tokio::test]
async fn a_set_is_created_only_where_there_is_none() {
    let server = server_with_token().await;
    Mock::given(method("PUT"))
        .and(path(www_path()))
        .and(query_param("api-version", "2018-05-01"))
        .and(header("if-none-match", "*"))
        .and(header("content-type", "application/json"))
        .and(body_json(serde_json::json!({"properties": {
            "TTL": 30, "metadata": {"kfed-owner": "myfederation"}, "ARecords": [{"ipv4Address": "203.0.113.7"}]
        }})))
        .respond_with(
            ResponseTemplate::new(201).set_body_raw(www_answer(&[[203, 0, 113, 7]], "etag-1"), "application/json"),
        )
        .expect(1)
        .mount(&server)
        .await;
    let made = azure(&server).put(&zone(), www(&[[203, 0, 113, 7]]), Precondition::Absent).await.unwrap();
    assert_eq!(made, RecordSet { etag: Some(Etag("etag-1".into())), ..www(&[[203, 0, 113, 7]]) });
}

#[tokio::test]
async fn a_set_is_replaced_only_as_it_was_read() {
    let server = server_with_token().await;
    Mock::given(method("PUT"))
        .and(header("if-match", "etag-1"))
        .respond_with(json(&www_answer(&[[203, 0, 113, 8]], "etag-2")))
        .expect(1)
        .mount(&server)
        .await;
    let stale = r#"{"code":"PreconditionFailed","message":"The Record set www has been modified (etag mismatch)."}"#;
    Mock::given(method("PUT"))
        .and(header("if-match", "etag-0"))
        .respond_with(
            ResponseTemplate::new(412).insert_header("x-ms-request-id", "r-9").set_body_raw(stale, "application/json"),
        )
        .mount(&server)
        .await;
    let azure = azure(&server);
    let unchanged = |etag: &str| Precondition::Unchanged(Etag(etag.into()));
    let replaced = azure.put(&zone(), www(&[[203, 0, 113, 8]]), unchanged("etag-1")).await.unwrap();
    assert_eq!(replaced.etag, Some(Etag("etag-2".into())));
    let error = azure.put(&zone(), www(&[[203, 0, 113, 8]]), unchanged("etag-0")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(
        error.to_string(),
        "could not put record set A www.example.com.: zone example.com in fed-dns-rg: The Record set www has been modified (etag mismatch). (PreconditionFailed, request r-9)"
    );
}

#[tokio::test]
async fn deleting_what_is_gone_is_no_error() {
    let gone = r#"{"code":"NotFound","message":"The resource record 'www' does not exist in resource group 'fed-dns-rg' of subscription 's'."}"#;
    let no_zone = r#"{"error":{"code":"ParentResourceNotFound","message":"Parent resource 'example.com' not found."}}"#;
    let stale = r#"{"code":"PreconditionFailed","message":"The Record set www has been modified (etag mismatch)."}"#;
    for (status, body, expected) in [
        (200, "", None),
        (204, "", None),
        (404, gone, None),
        (404, no_zone, Some(ErrorClass::NotFound)),
        (412, stale, Some(ErrorClass::Conflict)),
    ] {
        let server = server_with_token().await;
        Mock::given(method("DELETE"))
            .and(path(www_path()))
            .and(header("if-match", "etag-1"))
            .respond_with(ResponseTemplate::new(status).set_body_raw(body, "application/json"))
            .expect(1)
            .mount(&server)
            .await;
        let answer =
            azure(&server).delete(&zone(), &key("www.example.com", RecordType::A), Etag("etag-1".into())).await;
        assert_eq!(answer.err().map(|error| error.class), expected, "{status} {body}");
    }
}

#[tokio::test]
async fn a_set_that_is_not_there_is_none_but_a_zone_that_is_not_there_is_an_error() {
    let server = server_with_token().await;
    let www = key("www.example.com", RecordType::A);
    let gone = r#"{"code":"NotFound","message":"The resource record 'www' does not exist."}"#;
    Mock::given(method("GET"))
        .and(path(www_path()))
        .respond_with(ResponseTemplate::new(404).set_body_raw(gone, "application/json"))
        .mount(&server)
        .await;
    let no_zone = r#"{"error":{"code":"ParentResourceNotFound","message":"Parent resource 'example.com' not found."}}"#;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(404).set_body_raw(no_zone, "application/json"))
        .with_priority(9)
        .mount(&server)
        .await;
    let azure = azure(&server);
    assert_eq!(azure.get(&zone(), &www).await.unwrap(), None);
    let error = azure.get(&zone(), &key("other.example.com", RecordType::A)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
}

#[tokio::test]
async fn a_name_outside_of_the_zone_is_refused_before_anything_is_sent() {
    let server = MockServer::start().await;
    let azure = azure(&server);
    let outside = RecordSet { key: key("www.example.org", RecordType::A), ..www(&[]) };
    let error = azure.put(&zone(), outside, Precondition::Absent).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.to_string().ends_with("www.example.org. is not in zone example.com."), "{error}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn throttling_says_how_long() {
    let server = server_with_token().await;
    let body = r#""{\"code\":\"Throttled\",\"message\":\"Too many operations are requested. Current operation is throttled.\"}""#;
    Mock::given(method("PUT"))
        .respond_with(
            ResponseTemplate::new(429).insert_header("retry-after", "10").set_body_raw(body, "application/json"),
        )
        .expect(1)
        .mount(&server)
        .await;
    let error = azure(&server).put(&zone(), www(&[]), Precondition::Absent).await.unwrap_err();
    assert_eq!((error.class, error.retry_after()), (ErrorClass::Throttled, Some(Duration::from_secs(10))));
    assert_eq!(error.code.as_deref(), Some("Throttled"));
}

#[tokio::test]
async fn a_success_that_cannot_be_read_may_have_been_a_write() {
    let server = server_with_token().await;
    Mock::given(method("GET")).respond_with(json("<html>hello</html>")).mount(&server).await;
    Mock::given(method("PUT")).respond_with(json("{\"name\":")).mount(&server).await;
    let azure = azure(&server);
    assert_eq!(azure.snapshot(&zone()).await.unwrap_err().class, ErrorClass::Unavailable);
    assert_eq!(azure.put(&zone(), www(&[]), Precondition::Absent).await.unwrap_err().class, ErrorClass::Unknown);
}

#[tokio::test]
async fn private_zones_differ_by_data_alone() {
    let server = server_with_token().await;
    let sets = zones_path().replace("dnsZones", "privateDnsZones/corp.example/ALL");
    Mock::given(method("GET"))
        .and(path(sets))
        .and(query_param("api-version", "2020-06-01"))
        .respond_with(json(&fixture("private-record-sets.json")))
        .expect(1)
        .mount(&server)
        .await;
    let azure = AzureDns::over(&PRIVATE, &config(""), rewritten(&server.uri()), Hands::default().clock());
    let id = zone().0.replace("dnszones/example.com", "privateDnsZones/corp.example");
    let snapshot = DnsProvider::new(azure).snapshot(&kfed_dnsprovider::ZoneId(id)).await.unwrap();
    let hostname = snapshot.get(&key("hostname.corp.example", RecordType::A)).unwrap();
    assert_eq!(hostname.data, [RecordData::A([10, 1, 2, 3].into())].into());
    assert_eq!(hostname.metadata.get("kfed-owner"), Some("myfederation"));
}

/// A token that was refused is renewed once; a second refusal is an error. Nothing was done either time, so a write may be sent again.
#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let refused = r#"{"error":{"code":"ExpiredAuthenticationToken","message":"The access token expiry UTC time is earlier than now."}}"#;
    for (refusals, expected) in [(1, Ok(())), (2, Err(ErrorClass::Unauthenticated))] {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(json(&fixture("token.json"))).expect(2).mount(&server).await;
        Mock::given(method("PUT"))
            .respond_with(ResponseTemplate::new(401).set_body_raw(refused, "application/json"))
            .up_to_n_times(refusals)
            .expect(refusals)
            .mount(&server)
            .await;
        Mock::given(method("PUT")).respond_with(json(&www_answer(&[], "e"))).mount(&server).await;
        let answer = azure(&server).put(&zone(), www(&[]), Precondition::Absent).await;
        assert_eq!(answer.map(drop).map_err(|error| error.class), expected);
    }
}

fn everything(error: &DnsError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let causes: Vec<_> = causes.map(|cause| format!("{cause} {cause:?}")).collect();
    causes.join(" ")
}

#[tokio::test]
async fn entras_words_are_shown_and_the_secret_is_not() {
    let echoed = format!(
        r#"{{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret {SECRET} provided.","trace_id":"t-1"}}"#
    );
    for (status, body) in [(401, fixture("token-error.json")), (400, echoed.clone())] {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(status).set_body_raw(body, "application/json"))
            .expect(1)
            .mount(&server)
            .await;
        let error = azure(&server).list_zones(None).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unauthenticated);
        assert_eq!(error.code.as_deref(), Some("invalid_client"));
        assert!(error.request_id.is_some());
        assert!(error.message.contains("AADSTS7000215: Invalid client secret"), "{error}");
        assert!(!everything(&error).contains(SECRET), "{}", everything(&error));
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn an_authority_without_time_is_not_a_refusal() {
    for (status, class) in
        [(503, ErrorClass::Unavailable), (429, ErrorClass::Throttled), (500, ErrorClass::Unavailable)]
    {
        let server = MockServer::start().await;
        let busy = ResponseTemplate::new(status)
            .insert_header("retry-after", "7")
            .set_body_raw("<html>busy</html>", "text/html");
        Mock::given(method("POST")).respond_with(busy).expect(1).mount(&server).await;
        let error = azure(&server).list_zones(None).await.unwrap_err();
        assert_eq!((error.class, error.retry_after()), (class, Some(Duration::from_secs(7))));
        assert!(error.to_string().contains(&format!("login.microsoftonline.com answered {status}")), "{error}");
    }
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_the_secret_or_the_token() {
    let server = server_with_token().await;
    Mock::given(method("GET")).respond_with(json(r#"{"value":[]}"#)).mount(&server).await;
    let azure = AzureDns::over(&PUBLIC, &config(""), rewritten(&server.uri()), Hands::default().clock());
    azure.authenticate().await.unwrap();
    let printed = format!("{:?} {azure:?} {:?}", config(""), DnsProvider::new(azure.clone()));
    assert!(printed.contains("fed-dns-rg"), "{printed}");
    assert!(!printed.contains(SECRET) && !printed.contains("eyJhbGci"), "{printed}");
}
