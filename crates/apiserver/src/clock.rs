//! The server's wall clock, injected.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time that timestamps and ages are made of.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// 2026-01-01T00:00:00Z plus what tokio's clock says has passed: stands still and jumps with a paused runtime.
pub(crate) fn simulated() -> Clock {
    const EPOCH: i64 = 1_767_225_600;
    let start = Instant::now();
    Arc::new(move || {
        let elapsed = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::MAX);
        let epoch = Timestamp::from_second(EPOCH).unwrap_or(Timestamp::UNIX_EPOCH);
        epoch.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    })
}

/// As `metav1.Time` is written: RFC 3339, whole seconds, UTC.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
