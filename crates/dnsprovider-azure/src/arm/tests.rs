use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use http::Response;
use jiff::Timestamp;
use kfed_dnsprovider::{DnsName, Etag, RecordData, RecordSet, RecordSetKey, RecordType, ZoneId};
use proptest::prelude::*;
use serde::Deserialize;

use super::error::{refused, unanswered};
use super::path::{Urls, ZoneResource};
use super::wire::{WirePage, WireRecordSet, WireZone, put_body};
use super::*;
use crate::transport::TransportError;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/azure").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn key(name: &str, record_type: RecordType) -> RecordSetKey {
    RecordSetKey::new(name.parse().unwrap(), record_type)
}

fn read(file: &str, zone: &str) -> BTreeMap<RecordSetKey, RecordSet> {
    let page: WirePage<WireRecordSet> = serde_json::from_str(&fixture(file)).unwrap();
    let sets = page.value.into_iter().filter_map(|set| set.into_record_set(&name(zone)));
    sets.map(|set| (set.key.clone(), set)).collect()
}

fn shown(sets: &BTreeMap<RecordSetKey, RecordSet>) -> Vec<String> {
    let data = |set: &RecordSet| set.data.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    sets.values().map(|set| format!("{} {} {}", set.key, set.ttl, data(set))).collect()
}

#[test]
fn every_type_of_a_public_zone_is_read() {
    let sets = read("record-sets-page-1.json", "example.com");
    assert_eq!(
        shown(&sets),
        [
            "MX example.com. 3600 10 mail.example.com.",
            "NS example.com. 172800 ns1-07.azure-dns.com. | ns2-07.azure-dns.net.",
            "CAA example.com. 3600 0 issue \"ca.example.net\"",
            "SOA example.com. 3600 ns1-07.azure-dns.com. azuredns-hostmaster.microsoft.com 1 3600 300 2419200 300",
            "A hostname.default.myfederation.svc.example.com. 30 203.0.113.7",
            "AAAA hostname.default.myfederation.svc.example.com. 30 2001:db8::7 | 2001:db8::8",
            "TXT www-owner.example.com. 300 \"heritage=external-dns,external-dns/owner=shop\" \"a second string\" | \"v=spf1 -all\"",
            "CNAME www.example.com. 300 example.com.",
        ]
    );
    let owned = &sets[&key("hostname.default.myfederation.svc.example.com", RecordType::A)];
    assert_eq!(owned.metadata.get("kfed-owner"), Some("myfederation"));
    assert_eq!(owned.etag, Some(Etag("9f3c2a61-5d0e-4c1b-9b7a-000000000101".into())));
    assert!(!owned.alias, "an empty targetResource is no alias");
}

#[test]
fn emptied_sets_aliases_and_unknown_types_are_told_apart() {
    let sets = read("record-sets-page-2.json", "example.com");
    assert_eq!(
        shown(&sets),
        [
            "A *.wild.example.com. 300 198.51.100.1 | 198.51.100.2",
            "PTR 7.example.com. 300 hostname.example.com.",
            "SRV _sip._tcp.example.com. 300 10 5 5060 sip.example.com.",
            "A alias.example.com. 60 ",
            "A emptied.example.com. 300 ",
            "CNAME nothing.example.com. 300 ",
        ]
    );
    let aliases: Vec<_> = sets.values().filter(|set| set.alias).map(|set| set.key.to_string()).collect();
    assert_eq!(aliases, ["A alias.example.com."]);
}

#[test]
fn a_private_zone_is_read_in_its_own_letter_case() {
    let sets = read("private-record-sets.json", "corp.example");
    assert_eq!(
        shown(&sets),
        [
            "PTR 3.corp.example. 300 hostname.corp.example.",
            "SRV _ldap._tcp.corp.example. 300 0 0 389 dc.corp.example.",
            "MX corp.example. 300 5 mail.corp.example.",
            "SOA corp.example. 3600 azureprivatedns.net azureprivatedns-host.microsoft.com 1 3600 300 2419200 10",
            "A hostname.corp.example. 30 10.1.2.3",
            "AAAA hostname.corp.example. 30 fd00::3",
            "TXT note.corp.example. 300 \"hello\"",
            "CNAME www.corp.example. 300 hostname.corp.example.",
        ]
    );
}

#[test]
fn a_name_that_kfed_cannot_write_is_left_alone() {
    let set = r#"{"name":"a b/c","type":"Microsoft.Network/dnszones/A","properties":{"TTL":1}}"#;
    let set: WireRecordSet = serde_json::from_str(set).unwrap();
    assert_eq!(set.into_record_set(&name("example.com")), None);
}

fn set(record_type: RecordType, data: impl IntoIterator<Item = RecordData>) -> RecordSet {
    RecordSet {
        key: RecordSetKey::new(name("a.example.com"), record_type),
        ttl: 30,
        data: data.into_iter().collect(),
        metadata: [("kfed-owner", "f")].into(),
        etag: Some(Etag("not sent".into())),
        alias: false,
        unknown_properties: false,
    }
}

#[test]
fn each_flavour_writes_its_own_letter_case() {
    let a = RecordData::A([203, 0, 113, 7].into());
    let aaaa = RecordData::Aaaa("2001:db8::7".parse().unwrap());
    let cname = RecordData::Cname(name("b.example.com"));
    let txt = RecordData::Txt(vec!["one".into(), "two".into()]);
    let cases = [
        (&PUBLIC, set(RecordType::A, [a.clone()]), r#""ARecords":[{"ipv4Address":"203.0.113.7"}],"TTL":30,"#),
        (&PUBLIC, set(RecordType::Aaaa, [aaaa.clone()]), r#""AAAARecords":[{"ipv6Address":"2001:db8::7"}],"TTL":30,"#),
        (&PUBLIC, set(RecordType::Cname, [cname.clone()]), r#""CNAMERecord":{"cname":"b.example.com"},"TTL":30,"#),
        (&PUBLIC, set(RecordType::Txt, [txt.clone()]), r#""TTL":30,"TXTRecords":[{"value":["one","two"]}],"#),
        (&PRIVATE, set(RecordType::A, [a]), r#""aRecords":[{"ipv4Address":"203.0.113.7"}],"ttl":30"#),
        (&PRIVATE, set(RecordType::Aaaa, [aaaa]), r#""aaaaRecords":[{"ipv6Address":"2001:db8::7"}],"ttl":30"#),
        (&PRIVATE, set(RecordType::Cname, [cname]), r#""cnameRecord":{"cname":"b.example.com"},"ttl":30"#),
        (&PRIVATE, set(RecordType::Txt, [txt]), r#""ttl":30,"txtRecords":[{"value":["one","two"]}]"#),
    ];
    for (flavour, set, expected) in cases {
        let body = put_body(&set, flavour).unwrap();
        let sorted: BTreeMap<String, serde_json::Value> = serde_json::from_value(body["properties"].clone()).unwrap();
        let mut without_metadata = sorted.clone();
        assert_eq!(without_metadata.remove("metadata").unwrap(), serde_json::json!({"kfed-owner": "f"}));
        let text = serde_json::to_string(&without_metadata).unwrap();
        assert_eq!(text, format!("{{{}}}", expected.trim_end_matches(',')), "{}", flavour.provider);
        assert_eq!(body.as_object().unwrap().len(), 1, "nothing but properties is sent");
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_it_is_sent() {
    let a = RecordData::A([203, 0, 113, 7].into());
    let cnames = [RecordData::Cname(name("b.example.com")), RecordData::Cname(name("c.example.com"))];
    let cases = [
        (RecordSet { alias: true, ..set(RecordType::A, [a.clone()]) }, "alias"),
        (set(RecordType::Soa, []), "type SOA"),
        (set(RecordType::Mx, [RecordData::Other("ten mail".into())]), "`ten mail` does not belong"),
        (set(RecordType::Aaaa, [a]), "`203.0.113.7` does not belong"),
        (set(RecordType::Cname, []), "not 0"),
        (set(RecordType::Cname, cnames), "not 2"),
    ];
    for (set, expected) in cases {
        let problem = put_body(&set, &PUBLIC).unwrap_err().0;
        assert!(problem.contains(expected), "{problem}");
    }
}

fn any_writable_set() -> impl Strategy<Value = RecordSet> {
    let label = "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?";
    let target = proptest::string::string_regex(&format!("{label}\\.{label}\\.example\\.com")).unwrap();
    let data = prop_oneof![
        prop::collection::btree_set(any::<[u8; 4]>().prop_map(|a| RecordData::A(a.into())), 0..20)
            .prop_map(|data| (RecordType::A, data)),
        prop::collection::btree_set(any::<[u8; 16]>().prop_map(|a| RecordData::Aaaa(a.into())), 0..20)
            .prop_map(|data| (RecordType::Aaaa, data)),
        target.prop_map(|t| (RecordType::Cname, BTreeSet::from([RecordData::Cname(name(&t))]))),
        prop::collection::btree_set(prop::collection::vec(".{0,60}", 1..4).prop_map(RecordData::Txt), 0..5)
            .prop_map(|data| (RecordType::Txt, data)),
    ];
    let metadata = prop::collection::btree_map("[a-z-]{1,20}", ".{0,40}", 0..4);
    ("(@|\\*|[a-z0-9_]{1,20}(\\.[a-z0-9]{1,20}){0,3})", 1..=i32::MAX.unsigned_abs(), data, metadata).prop_map(
        |(relative, ttl, (record_type, data), metadata)| RecordSet {
            key: RecordSetKey::new(name("example.com").child(&relative).unwrap(), record_type),
            ttl,
            data: data.into(),
            metadata: metadata.into(),
            etag: None,
            alias: false,
            unknown_properties: false,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(set in any_writable_set(), private in any::<bool>()) {
        let flavour = if private { &PRIVATE } else { &PUBLIC };
        let mut body = put_body(&set, flavour).unwrap();
        let zone = name("example.com");
        body["name"] = set.key.name.relative_to(&zone).unwrap().into();
        body["type"] = format!("Microsoft.Network/{}/{}", flavour.resource_type, set.key.record_type).into();
        let wire: WireRecordSet = serde_json::from_str(&body.to_string()).unwrap();
        prop_assert_eq!(wire.into_record_set(&zone), Some(set));
    }
}

// --- identifiers and URLs ---

fn urls(endpoint: &str) -> Urls {
    Urls { endpoint: Url::parse(endpoint).unwrap(), flavour: &PUBLIC }
}

fn resource(id: &str) -> Result<ZoneResource, NotAZone> {
    ZoneResource::parse(&ZoneId(id.into()), &PUBLIC)
}

#[test]
fn a_zones_identifier_is_read_whatever_its_case() {
    let zone = resource("/subscriptions/s/resourcegroups/RG/providers/microsoft.network/dnszones/Example.com").unwrap();
    assert_eq!((&*zone.subscription, &*zone.resource_group, zone.name), ("s", "RG", name("example.com")));
    for wrong in [
        "example.com",
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/example.com",
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/dnsZones/",
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/dnsZones/example.com/A/www",
        "/subscriptions/s/resourceGroups//providers/Microsoft.Network/dnsZones/example.com",
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/dnsZones/a%2Fb",
    ] {
        assert!(resource(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_name_is_one_segment_of_the_path() {
    let zone =
        resource("/subscriptions/s/resourceGroups/r(1)/providers/Microsoft.Network/dnszones/example.com").unwrap();
    let url = |n: &str| urls("https://127.0.0.1:8443").record_set(&zone, &key(n, RecordType::A)).map(String::from);
    let base = "https://127.0.0.1:8443/subscriptions/s/resourceGroups/r%281%29/providers/Microsoft.Network/dnsZones/example.com/A";
    for (full, segment) in [("example.com", "%40"), ("*.a.example.com", "%2A.a"), ("_x.y.example.com", "_x.y")] {
        assert_eq!(url(full).unwrap(), format!("{base}/{segment}?api-version=2018-05-01"));
    }
    assert_eq!(url("example.org"), None);
    assert_eq!(url("notexample.com"), None);
}

#[test]
fn lists_ask_for_the_largest_page_and_for_no_more_than_is_asked_for() {
    let zone = resource("/subscriptions/s/resourceGroups/r/providers/Microsoft.Network/dnszones/example.com").unwrap();
    let base = "https://management.azure.com/subscriptions/s/resourceGroups/r/providers/Microsoft.Network";
    let public = urls("https://management.azure.com");
    let private = Urls { flavour: &PRIVATE, ..public.clone() };
    let name = |text: &str| text.parse::<DnsName>().unwrap();
    let listed =
        |urls: &Urls, below: Option<&str>| urls.record_sets(&zone, below.map(name).as_ref(), 1000).map(String::from);
    let all = format!("{base}/dnsZones/example.com/recordsets?api-version=2018-05-01&$top=1000");
    assert_eq!(listed(&public, None), Some(all.clone()));
    assert_eq!(
        listed(&private, None),
        Some(format!("{base}/privateDnsZones/example.com/ALL?api-version=2020-06-01&$top=1000"))
    );
    assert_eq!(listed(&public, Some("a_b.west.example.com")), Some(format!("{all}&$recordsetnamesuffix=a_b.west")));
    assert_eq!(listed(&public, Some("example.com")), Some(all));
    assert_eq!(listed(&public, Some("example.org")), None);
}

#[test]
fn a_next_page_is_followed_on_the_same_server_only() {
    for (endpoint, link, followed) in [
        ("https://management.azure.com", "https://management.azure.com:443/a?$skipToken=x", true),
        ("https://management.azure.com", "https://MANAGEMENT.azure.com/a", true),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443/a", true),
        ("https://127.0.0.1:8443", "/subscriptions/s?$skipToken=x", true),
        ("https://management.azure.com", "http://management.azure.com/a", false),
        ("https://management.azure.com", "https://management.azure.com.example.net/a", false),
        ("https://management.azure.com", "//example.net/a", false),
        ("https://management.azure.com", "https://management.azure.com:444/a", false),
        ("https://management.azure.com", "https://management.azure.com@example.net/", false),
        ("https://management.azure.com", "https://user@management.azure.com/", false),
        ("https://127.0.0.1:8443", "https://127.0.0.1/a", false),
    ] {
        assert_eq!(urls(endpoint).page(link).is_some(), followed, "{endpoint} {link}");
    }
}

// --- errors ---

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorCase {
    name: String,
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
    code: Option<String>,
    read: String,
    write: String,
    message: String,
    retry_after: Option<u64>,
}

#[test]
fn every_shape_of_error_has_its_class() {
    let now: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
    let cases: Vec<ErrorCase> = serde_json::from_str(&fixture("errors.json")).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let mut response = Response::builder().status(case.status).header("x-ms-request-id", "r-1");
        for (name, value) in &case.headers {
            response = response.header(name, value);
        }
        let response = response.body(case.body.clone().into()).unwrap();
        for (writes, class) in [(false, &case.read), (true, &case.write)] {
            let error = refused(&response, "put record set", writes, now);
            assert_eq!(format!("{:?}", error.class), *class, "{} (writes: {writes})", case.name);
            assert_eq!(error.code, case.code, "{}", case.name);
            assert_eq!(error.retry_after.map(|d| d.as_secs()), case.retry_after, "{}", case.name);
            assert_eq!(error.request_id.as_deref(), Some("r-1"), "{}", case.name);
            assert!(error.message.contains(&case.message), "{}: {}", case.name, error.message);
            assert!(!error.message.contains('<'), "{}: {}", case.name, error.message);
        }
    }
}

#[test]
fn a_record_set_that_is_missing_is_not_a_zone_that_is_missing() {
    let flat = br#"{"code":"NotFound","message":"The resource record 'x' does not exist in resource group 'g' of subscription 's'."}"#;
    let wrapped = br#"{"error":{"code":"ParentResourceNotFound","message":"no zone"}}"#;
    assert_eq!(Fault::read(flat, StatusCode::NOT_FOUND).absent(), Absent::RecordSet);
    assert_eq!(Fault::read(wrapped, StatusCode::NOT_FOUND).absent(), Absent::Zone);
    assert_eq!(Fault::read(b"<html></html>", StatusCode::NOT_FOUND).absent(), Absent::Zone);
}

#[test]
fn a_long_page_of_words_is_cut() {
    let fault = Fault::read("ä ".repeat(5000).as_bytes(), StatusCode::BAD_GATEWAY);
    assert!(fault.message.chars().count() <= 601, "{}", fault.message.len());
    assert!(fault.message.ends_with('…'));
}

#[test]
fn a_write_that_was_never_sent_is_known_not_to_have_happened() {
    let connect = || TransportError::Connect { host: "h".into(), source: "refused".into() };
    let lost = || TransportError::Lost { host: "h".into(), source: "timed out".into() };
    for (error, writes, class) in [
        (connect(), false, ErrorClass::Unavailable),
        (connect(), true, ErrorClass::Unavailable),
        (lost(), false, ErrorClass::Unavailable),
        (lost(), true, ErrorClass::Unknown),
    ] {
        let said = error.to_string();
        assert_eq!(unanswered(&error, "put record set", writes).class, class, "{said}, writes: {writes}");
    }
}

// --- what Azure really sent, where recordings of it are at hand ---

/// Every JSON body in `value`, however it is wrapped: recorders keep them as strings.
fn bodies(value: &serde_json::Value, found: &mut Vec<serde_json::Value>) {
    match value {
        serde_json::Value::String(text) => {
            if let Ok(json @ serde_json::Value::Object(_)) = serde_json::from_str(text) {
                bodies(&json, found);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| bodies(item, found)),
        serde_json::Value::Object(object) => {
            found.push(value.clone());
            object.values().for_each(|value| bodies(value, found));
        }
        _ => {}
    }
}

fn recordings(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            recordings(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json" || extension == "yaml") {
            files.push(path);
        }
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "who runs it is told that the originals are not here")]
fn every_recorded_record_set_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/azure-recordings");
    if !folder.is_dir() {
        eprintln!("skipped: there are no recordings of Azure beside the workspace");
        return;
    }
    let mut files = Vec::new();
    recordings(&folder, &mut files);
    let (mut sets, mut zones, mut pages, mut types) = (0, 0, 0, BTreeSet::new());
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let recording: serde_json::Value = match file.extension().unwrap().to_str() {
            Some("json") => serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap(),
            _ => serde_saphyr::from_str(&text).unwrap(),
        };
        let mut found = Vec::new();
        bodies(&recording, &mut found);
        for body in found {
            if body["nextLink"].is_string() {
                let page: WirePage<serde_json::Value> = serde_json::from_value(body.clone()).unwrap();
                let endpoint = urls("https://management.azure.com");
                assert!(endpoint.page(&page.next_link.unwrap()).is_some(), "{}: {body}", file.display());
                pages += 1;
            }
            let Some((Some(id), Some(resource_type))) = Some((body["id"].as_str(), body["type"].as_str())) else {
                continue;
            };
            let parts: Vec<&str> = resource_type.split('/').collect();
            let flavour = match parts.get(1).map(|part| part.to_ascii_lowercase()).as_deref() {
                Some("dnszones") => &PUBLIC,
                Some("privatednszones") => &PRIVATE,
                _ => continue,
            };
            let zone = id.split('/').take(9).collect::<Vec<_>>().join("/");
            let zone =
                ZoneResource::parse(&ZoneId(zone), flavour).unwrap_or_else(|e| panic!("{}: {e:?}", file.display()));
            match parts.len() {
                2 => {
                    let wire: WireZone = serde_json::from_value(body.clone()).unwrap();
                    assert_eq!(name(&wire.name), zone.name);
                    zones += 1;
                }
                3 if parts[2].eq_ignore_ascii_case("virtualNetworkLinks") => {}
                3 => {
                    let wire: WireRecordSet = serde_json::from_value(body.clone())
                        .unwrap_or_else(|e| panic!("{}: {e}: {body}", file.display()));
                    let expected = ["A", "AAAA", "CNAME", "TXT", "MX", "NS", "PTR", "SRV", "SOA", "CAA"];
                    let known = expected.contains(&parts[2]);
                    let read = wire.into_record_set(&zone.name);
                    assert_eq!(read.is_some(), known, "{}: {body}", file.display());
                    let Some(read) = read else { continue };
                    check_against_json(&read, &body);
                    types.insert((flavour.provider, read.key.record_type.as_str()));
                    sets += 1;
                }
                _ => {}
            }
        }
    }
    eprintln!(
        "{sets} record sets, {zones} zones and {pages} links to further pages of {} recordings; {types:?}",
        files.len()
    );
    assert!(sets >= 400 && zones >= 70 && pages >= 1 && types.len() >= 13, "{sets} sets, {zones} zones, {pages} pages");
}

/// What was read holds as many records as the body, counted without the types that read it.
fn check_against_json(read: &RecordSet, body: &serde_json::Value) {
    let properties = body["properties"].as_object().unwrap();
    let field = |name: &str| properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    assert_eq!(Some(u64::from(read.ttl)), field("ttl").and_then(serde_json::Value::as_u64), "{body}");
    assert_eq!(read.etag.as_ref().map(|etag| etag.0.as_str()), body["etag"].as_str(), "{body}");
    assert_eq!(
        read.alias,
        body.pointer("/properties/targetResource/id").is_some()
            || body.pointer("/properties/trafficManagementProfile/id").is_some(),
        "{body}"
    );
    let t = read.key.record_type.as_str();
    let held: BTreeSet<String> = match field(&format!("{t}Records")).or_else(|| field(&format!("{t}Record"))) {
        Some(serde_json::Value::Array(records)) => records.iter().map(ToString::to_string).collect(),
        Some(serde_json::Value::Object(record)) if !record.is_empty() => BTreeSet::from(["one".to_owned()]),
        _ => BTreeSet::new(),
    };
    assert_eq!(read.data.len(), held.len(), "{body}");
    if matches!(read.key.record_type, RecordType::A | RecordType::Aaaa | RecordType::Cname | RecordType::Txt) {
        assert!(!read.data.iter().any(|datum| matches!(datum, RecordData::Other(_))), "{body}");
    }
}

#[test]
fn a_set_with_a_property_that_a_put_would_drop_is_left_alone() {
    for (more, left_alone) in [
        (r#""provisioningState": "Succeeded", "fqdn": "www.example.com.""#, false),
        (r#""targetResource": {}, "trafficManagementProfile": {}"#, false),
        (r#""isAutoRegistered": false"#, false),
        (r#""later": null, "later2": [], "later3": {}, "later4": """#, false),
        (r#""targetResource": {"id": "/subscriptions/s"}"#, true),
        (r#""trafficManagementProfile": {"id": "/subscriptions/s"}"#, true),
        (r#""isAutoRegistered": true"#, true),
        (r#""routing": {"policy": "weighted"}"#, true),
        (r#""weight": 5"#, true),
    ] {
        let json = format!(
            r#"{{"name": "www", "type": "Microsoft.Network/dnszones/A", "etag": "e",
                "properties": {{"TTL": 30, "ARecords": [{{"ipv4Address": "192.0.2.1"}}], {more}}}}}"#
        );
        let set: WireRecordSet = serde_json::from_str(&json).unwrap();
        let set = set.into_record_set(&name("example.com")).unwrap();
        assert_eq!(set.is_fixed(), left_alone, "{more}");
        assert_eq!((set.ttl, set.data.len()), (30, 1), "{more}");
        assert_eq!(put_body(&set, &PUBLIC).is_err(), left_alone, "{more}");
    }
}

#[test]
fn a_private_zone_holds_twenty_records_a_set_and_no_caa() {
    let many = |n: u8| set(RecordType::A, (1..=n).map(|last| RecordData::A([203, 0, 113, last].into())));
    assert!(put_body(&many(20), &PRIVATE).is_ok() && put_body(&many(21), &PUBLIC).is_ok());
    assert!(put_body(&many(21), &PRIVATE).unwrap_err().0.contains("at most 20 records, not 21"));
    assert!(put_body(&set(RecordType::Caa, []), &PRIVATE).unwrap_err().0.contains("type CAA"));
}

#[test]
fn names_in_records_are_written_as_azures_own_tools_do() {
    let cases = [
        (
            RecordType::Srv,
            "10 5 5060 sip.example.com.",
            r#"[{"port":5060,"priority":10,"target":"sip.example.com","weight":5}]"#,
        ),
        (RecordType::Srv, "0 0 0 .", r#"[{"port":0,"priority":0,"target":".","weight":0}]"#),
        (RecordType::Mx, "10 mail.example.com.", r#"[{"exchange":"mail.example.com","preference":10}]"#),
        (RecordType::Mx, "0 .", r#"[{"exchange":".","preference":0}]"#),
        (RecordType::Ptr, "a.example.com.", r#"[{"ptrdname":"a.example.com"}]"#),
        (RecordType::Ns, "ns.example.com.", r#"[{"nsdname":"ns.example.com"}]"#),
        (RecordType::Caa, "128 issue \"ca.example.net\"", r#"[{"flags":128,"tag":"issue","value":"ca.example.net"}]"#),
    ];
    for (record_type, text, expected) in cases {
        let body = put_body(&set(record_type, [RecordData::parse(record_type, text).unwrap()]), &PUBLIC).unwrap();
        let property = PUBLIC.records_property(record_type).unwrap();
        let sorted: Vec<BTreeMap<String, serde_json::Value>> =
            serde_json::from_value(body["properties"][property].clone()).unwrap();
        assert_eq!(serde_json::to_string(&sorted).unwrap(), expected, "{text}");
    }
}
