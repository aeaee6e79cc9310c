use http::StatusCode;
use serde_json::Value;

use super::{emulator, get, no_metadata, send, zone_path};
use crate::{AzureEmulator, RecordType};

fn names(page: &Value) -> Vec<String> {
    let sets = page["value"].as_array().unwrap().iter();
    sets.map(|set| set["name"].as_str().unwrap().to_owned()).collect()
}

fn filled(count: usize) -> AzureEmulator {
    let emulator = emulator();
    for number in 0..count {
        let name = format!("n{number:04}");
        emulator.put_record_set("example.com", &name, RecordType::A, 30, &["192.0.2.1"], no_metadata()).unwrap();
    }
    emulator
}

/// Follows `nextLink` to the end; the number of pages and all names.
async fn walk(emulator: &AzureEmulator, path: &str) -> (usize, Vec<String>) {
    let mut page = get(emulator, path).await.json();
    let mut all = names(&page);
    let mut pages = 1;
    while let Some(link) = page.get("nextLink") {
        let link = link.as_str().unwrap();
        assert!(link.starts_with("https://management.azure.com:443/"), "{link}");
        let request = http::Request::get(link).body(axum::body::Body::empty()).unwrap();
        page = send(emulator, request).await.json();
        all.extend(names(&page));
        pages += 1;
    }
    (pages, all)
}

#[tokio::test]
async fn pages_join_to_the_whole_list() {
    let emulator = filled(250);
    for (path, pages, sets) in [
        ("recordsets", 3, 252),
        ("recordsets?$top=1000", 1, 252),
        ("recordsets?%24top=100", 3, 252),
        ("all?$top=7", 36, 252),
        ("A", 3, 250),
        ("A?$top=125", 2, 250),
        ("A?$top=1", 250, 250),
    ] {
        let (walked, all) = walk(&emulator, &format!("{}/{path}", zone_path())).await;
        assert_eq!((walked, all.len()), (pages, sets), "{path}");
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!(all, sorted, "{path}");
    }
}

#[tokio::test]
async fn a_next_link_keeps_the_question_and_names_the_last_set() {
    let emulator = filled(3);
    let got = get(&emulator, &format!("{}/A?$top=2", zone_path())).await.json();
    let link = got["nextLink"].as_str().unwrap();
    // base64 of "n0001/1": the name and the number of type A
    assert!(link.contains("/A?$top=2&api-version=2018-05-01&$skipToken=bjAwMDEvMQ%3D%3D"), "{link}");
    let last = get(&emulator, &format!("{}/A?$top=3", zone_path())).await.json();
    assert_eq!(last.get("nextLink"), None);
}

#[tokio::test]
async fn paging_goes_by_position_when_sets_come_and_go() {
    let emulator = filled(6);
    let first = get(&emulator, &format!("{}/A?$top=3", zone_path())).await.json();
    emulator.remove_record_set("example.com", "n0002", RecordType::A);
    emulator.put_record_set("example.com", "n0000a", RecordType::A, 30, &[], no_metadata()).unwrap();
    let request = http::Request::get(first["nextLink"].as_str().unwrap()).body(axum::body::Body::empty()).unwrap();
    let second = send(&emulator, request).await.json();
    assert_eq!(names(&second), ["n0003", "n0004", "n0005"]);
}

#[tokio::test]
async fn the_suffix_filter_takes_whole_labels() {
    let emulator = emulator();
    for name in ["a.dev", "b.dev", "dev", "cdev"] {
        emulator.put_record_set("example.com", name, RecordType::A, 30, &["192.0.2.1"], no_metadata()).unwrap();
    }
    let got = get(&emulator, &format!("{}/recordsets?$recordsetnamesuffix=DEV", zone_path())).await;
    assert_eq!(names(&got.json()), ["a.dev", "b.dev"]);
}

#[tokio::test]
async fn nonsense_in_the_query_is_refused() {
    let emulator = emulator();
    for query in ["$top=0", "$top=-1", "$top=many", "$skipToken=!", "$skipToken=YQ%3D%3D"] {
        let got = get(&emulator, &format!("{}/A?{query}", zone_path())).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{query}");
    }
}
