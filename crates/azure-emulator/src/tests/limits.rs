use std::time::Duration;

use http::StatusCode;

use super::{a, delete, get, put, zone_path};
use crate::{AzureEmulator, Limits};

fn limited(limits: Limits) -> AzureEmulator {
    AzureEmulator::builder()
        .zone("dns", "example.com")
        .zone("dns", "other.com")
        .without_authentication()
        .limits(limits)
        .build()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_creations_a_minute_pass_and_the_next_is_throttled() {
    let emulator = limited(Limits::documented());
    for number in 0..200 {
        let got = put(&emulator, &format!("A/n{number}"), a("192.0.2.1")).await;
        assert_eq!(got.status, StatusCode::CREATED, "{number}");
    }
    let refused = put(&emulator, "A/more", a("192.0.2.1")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), "10");
    // A JSON string that holds JSON.
    let inner: String = serde_json::from_str(&refused.text).unwrap();
    let inner: serde_json::Value = serde_json::from_str(&inner).unwrap();
    assert_eq!(inner["code"], "Throttled");
    assert_eq!(inner["message"], "Too many operations are requested. Current operation is throttled.");

    // Updates, deletions and reads have buckets of their own.
    assert_eq!(put(&emulator, "A/n0", a("192.0.2.2")).await.status, StatusCode::OK);
    assert_eq!(delete(&emulator, &format!("{}/A/n1", zone_path())).await.status, StatusCode::OK);
    assert_eq!(get(&emulator, &format!("{}/A/n0", zone_path())).await.status, StatusCode::OK);

    // Ten seconds fill a sixth of a minute's worth.
    tokio::time::advance(Duration::from_secs(10)).await;
    let mut passed = 0;
    while put(&emulator, &format!("A/m{passed}"), a("192.0.2.1")).await.status == StatusCode::CREATED {
        passed += 1;
    }
    assert_eq!(passed, 33);
    assert_eq!(emulator.requests().answered_with(429), 2);
}

#[tokio::test(start_paused = true)]
async fn lists_are_scarcer_and_each_zone_has_its_own() {
    let emulator = limited(Limits::documented());
    let list = format!("{}/recordsets", zone_path());
    for _ in 0..60 {
        assert_eq!(get(&emulator, &list).await.status, StatusCode::OK);
    }
    // By type or whole: one bucket.
    assert_eq!(get(&emulator, &format!("{}/A", zone_path())).await.status, StatusCode::TOO_MANY_REQUESTS);
    let other = list.replace("example.com", "other.com");
    assert_eq!(get(&emulator, &other).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_rate_of_nought_refuses_and_none_lets_everything_pass() {
    let mut limits = Limits::none();
    limits.public.record_set_get = Some(0);
    let emulator = limited(limits);
    let path = format!("{}/NS/@", zone_path());
    assert_eq!(get(&emulator, &path).await.status, StatusCode::TOO_MANY_REQUESTS);
    for _ in 0..1000 {
        assert_eq!(get(&emulator, &format!("{}/NS", zone_path())).await.status, StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn the_remaining_quota_is_told_and_counts_down() {
    let emulator = limited(Limits::none());
    let remaining = "x-ms-ratelimit-remaining-subscription-resource-requests";
    assert_eq!(get(&emulator, &zone_path()).await.header(remaining), "499");
    assert_eq!(get(&emulator, &zone_path()).await.header(remaining), "498");
    assert_eq!(put(&emulator, "A/a", a("192.0.2.1")).await.header(remaining), "11999");
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(get(&emulator, &zone_path()).await.header(remaining), "499");
}
