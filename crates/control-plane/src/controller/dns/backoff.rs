//! How long what failed waits.

use std::time::Duration;

use kfed_dnsprovider::{DnsError, ErrorClass};

/// The first wait where the zone was not as it was thought to be: what was read again may be right.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// The first wait after any other failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// The longest wait that nobody asked for.
const LONGEST: Duration = Duration::from_secs(60);

/// Failures in a row of one thing; each doubles the wait.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

// === impl Backoff ===

impl Backoff {
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after another failure.
    pub(super) fn after(&mut self, error: &DnsError) -> Duration {
        let first = match error.class {
            ErrorClass::Conflict | ErrorClass::Unknown => AFTER_CONFLICT,
            _ => AFTER_FAILURE,
        };
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        error.retry_after().unwrap_or_default().max(wait)
    }
}

/// Whether nothing else is to be sent either: the provider asks for it, or does not know us, or has `ended` a run by refusing or
/// failing whatever was asked.
pub(super) fn concerns_the_zone(error: &DnsError, ended: bool) -> bool {
    error.retry_after().is_some()
        || matches!(error.class, ErrorClass::Throttled | ErrorClass::Unauthenticated)
        || (ended && may_concern_the_zone(error))
}

/// Whether a whole zone may fail so, and a single set as well.
pub(super) fn may_concern_the_zone(error: &DnsError) -> bool {
    matches!(error.class, ErrorClass::Unavailable | ErrorClass::Forbidden | ErrorClass::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_or_as_the_provider_asks() {
        let conflict = DnsError::new(ErrorClass::Conflict, "put", "no");
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..11).map(|_| backoff.after(&conflict).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000]);
        backoff.reset();
        let mut throttled = DnsError::new(ErrorClass::Throttled, "put", "no");
        assert_eq!(backoff.after(&throttled).as_secs(), 1);
        throttled.retry_after = Some(Duration::from_secs(300));
        assert_eq!(backoff.after(&throttled).as_secs(), 300);
    }
}
