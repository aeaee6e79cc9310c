use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// Tells the time of day; shared by everything that stamps tokens and answers.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// 2026-01-01T00:00:00Z, where a simulated clock starts.
const EPOCH_SECONDS: i64 = 1_767_225_600;

/// A clock that starts at a fixed date and advances with `tokio::time`, hence stands still while that is paused.
pub(crate) fn simulated() -> Clock {
    let epoch = Timestamp::from_second(EPOCH_SECONDS).expect("the constant is a valid timestamp");
    let start = tokio::time::Instant::now();
    Arc::new(move || plus(epoch, start.elapsed()))
}

/// `at` moved on by `by`, and the last moment of the calendar where that would overflow.
pub(crate) fn plus(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
