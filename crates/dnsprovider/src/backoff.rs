//! How long what failed waits.

use std::time::Duration;

use crate::error::{DnsError, ErrorClass};

/// The first wait where the zone was not as it was thought to be: what was read again may be right.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// The first wait after any other failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// The longest wait that nobody asked for.
const LONGEST: Duration = Duration::from_secs(60);

/// Failures in a row of one thing: of a record set, of a zone. Each doubles the wait, from 0.1 s after a conflict and 1 s after all
/// else, up to a minute; what the provider asks for is waited at least.
///
/// The waits of [`RetryLayer`](crate::layer::RetryLayer) are within a request; these are between attempts that begin with a new plan.
///
/// ```
/// use std::time::Duration;
/// use kfed_dnsprovider::{Backoff, DnsError, ErrorClass};
///
/// let away = DnsError::new(ErrorClass::Unavailable, "put record set", "away");
/// let mut backoff = Backoff::default();
/// assert_eq!([backoff.after(&away), backoff.after(&away)], [Duration::from_secs(1), Duration::from_secs(2)]);
/// backoff.reset();
/// assert_eq!(backoff.after(&away), Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

// === impl Backoff ===

impl Backoff {
    /// It has worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after another failure.
    pub fn after(&mut self, error: &DnsError) -> Duration {
        let first = match error.class {
            ErrorClass::Conflict | ErrorClass::Unknown => AFTER_CONFLICT,
            _ => AFTER_FAILURE,
        };
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        error.retry_after().unwrap_or_default().max(wait)
    }
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
