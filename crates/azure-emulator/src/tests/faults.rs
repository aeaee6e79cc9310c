use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::{a, emulator, get, put, versioned, zone_path};
use crate::{Fault, FaultRule, Faults, Operation, RecordType};

#[tokio::test]
async fn a_burst_of_throttling_ends_after_its_count() {
    let emulator = emulator();
    emulator.set_faults(Faults::next(2, Operation::RecordSetWrite, Fault::Throttle { retry_after: 7 }));
    for _ in 0..2 {
        let got = put(&emulator, "A/www", a("192.0.2.1")).await;
        assert_eq!((got.status.as_u16(), got.header("retry-after")), (429, "7"));
        assert!(got.text.starts_with('"'));
    }
    assert_eq!(put(&emulator, "A/www", a("192.0.2.1")).await.status, StatusCode::CREATED);
    assert_eq!(emulator.requests().by("PUT", Operation::RecordSetWrite), 3);
}

#[tokio::test]
async fn faults_strike_their_operation_only() {
    let emulator = emulator();
    emulator.set_faults(
        Faults::next(1, Operation::ZoneGet, Fault::ServiceUnavailable)
            .and(1, Operation::RecordSetWrite, Fault::PreconditionFailed)
            .and(1, Operation::RecordSetWrite, Fault::OperationPending),
    );
    assert_eq!(get(&emulator, &format!("{}/NS/@", zone_path())).await.status, StatusCode::OK);
    let page = get(&emulator, &zone_path()).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (503, "text/html"));
    assert_eq!(page.header("x-azure-externalerror"), "0x80072ee2,OriginTimeout");
    let stale = put(&emulator, "A/WWW", a("192.0.2.1")).await;
    assert_eq!(stale.error().3, "The Record set www has been modified (etag mismatch).");
    let pending = put(&emulator, "A/www", a("192.0.2.1")).await;
    assert_eq!((pending.error().0, pending.error().2.as_str()), (409, "Conflict"));
    assert_eq!(emulator.record_set("example.com", "www", RecordType::A), None);
}

#[tokio::test(start_paused = true)]
async fn a_hang_does_nothing_and_never_ends_and_one_afterwards_has_done_it() {
    for (fault, written) in [(Fault::Hang, false), (Fault::HangAfterwards, true)] {
        let emulator = emulator();
        emulator.set_faults(Faults::next(1, Operation::RecordSetWrite, fault));
        let request = tokio::time::timeout(Duration::from_secs(3600), put(&emulator, "A/www", a("192.0.2.1")));
        assert!(request.await.is_err());
        let set = emulator.record_set("example.com", "www", RecordType::A);
        assert_eq!(set.is_some(), written);
    }
}

#[tokio::test]
async fn a_lost_answer_has_been_written() {
    let emulator = emulator();
    emulator.set_faults(Faults::next(1, Operation::RecordSetWrite, Fault::LoseAnswer));
    let request = Request::put(versioned(&format!("{}/A/www", zone_path()), "2018-05-01"))
        .header("if-none-match", "*")
        .body(axum::body::Body::from(json!({ "properties": a("192.0.2.1") }).to_string()))
        .unwrap();
    let response = emulator.clone().oneshot(request).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    let set = emulator.record_set("example.com", "www", RecordType::A).unwrap();
    assert_eq!(set.data, ["192.0.2.1"]);
    // The blind retry of a creation finds its own work.
    let again = super::put_if(&emulator, "A/www", &[("if-none-match", "*")], a("192.0.2.1")).await;
    assert_eq!(again.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn a_missing_role_and_a_lock_refuse_and_do_nothing() {
    let emulator = emulator();
    let path = format!("{}/A/www", zone_path());
    let rule = |fault, operation| FaultRule {
        fault,
        operations: vec![operation],
        path_contains: Some("/example.com/".to_owned()),
        count: None,
        chance: 1.0,
    };
    for (fault, status, code, words) in [
        (
            Fault::Forbidden,
            403,
            "AuthorizationFailed",
            format!("perform action 'Microsoft.Network/dnszones/A/write' over scope '{path}'"),
        ),
        (Fault::ScopeLocked, 409, "ScopeLocked", "scope(s) are locked".to_owned()),
    ] {
        emulator.set_faults(Faults { rules: vec![rule(fault, Operation::RecordSetWrite)] });
        for _ in 0..2 {
            let got = put(&emulator, "A/www", a("192.0.2.1")).await.error();
            assert_eq!((got.0, got.1, got.2.as_str()), (status, "wrapped", code));
            assert!(got.3.contains(&words), "{}", got.3);
        }
        assert_eq!(get(&emulator, &zone_path()).await.status, StatusCode::OK, "reading is allowed");
        assert_eq!(emulator.record_set("example.com", "www", RecordType::A), None);
    }
}

#[tokio::test]
async fn a_truncated_answer_is_a_success_that_cannot_be_read() {
    let emulator = emulator();
    emulator.set_faults(Faults::next(1, Operation::RecordSetWrite, Fault::TruncateAnswer));
    let got = put(&emulator, "A/www", a("192.0.2.1")).await;
    assert_eq!(got.status, StatusCode::CREATED);
    assert!(serde_json::from_str::<serde_json::Value>(&got.text).is_err() && got.text.starts_with('{'), "{}", got.text);
    assert!(emulator.record_set("example.com", "www", RecordType::A).is_some());
}

#[tokio::test]
async fn chances_follow_the_seed() {
    let outcomes = async |seed: u64| -> String {
        let emulator =
            crate::AzureEmulator::builder().zone("dns", "example.com").without_authentication().seed(seed).build();
        let rule = FaultRule {
            fault: Fault::ServiceUnavailable,
            operations: Vec::new(),
            path_contains: Some("EXAMPLE".to_owned()),
            count: None,
            chance: 0.5,
        };
        emulator.set_faults(Faults { rules: vec![rule] });
        let mut outcome = String::new();
        for _ in 0..64 {
            let failed = get(&emulator, &zone_path()).await.status == StatusCode::SERVICE_UNAVAILABLE;
            outcome.push(if failed { 'x' } else { '.' });
        }
        outcome
    };
    let first = outcomes(1).await;
    assert_eq!(first, outcomes(1).await);
    assert_ne!(first, outcomes(2).await);
    let struck = first.matches('x').count();
    assert!((16..=48).contains(&struck), "{first}");
}

#[test]
fn faults_are_read_from_json() {
    let text = r#"{"rules": [
        {"fault": {"throttle": {"retryAfter": 5}}, "operations": ["recordSetWrite"], "count": 3},
        {"fault": "hang", "pathContains": "/zone/", "chance": 0.1}
    ]}"#;
    let faults: Faults = serde_json::from_str(text).unwrap();
    assert_eq!(faults.rules[0].fault, Fault::Throttle { retry_after: 5 });
    assert_eq!(faults.rules[0].operations, [Operation::RecordSetWrite]);
    assert_eq!((faults.rules[1].count, faults.rules[1].chance), (None, 0.1));
    assert!(serde_json::from_str::<Faults>(r#"{"rules": [{"fault": "hang", "cuont": 1}]}"#).is_err());
}
