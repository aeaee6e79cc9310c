//! Why a provider did not do what it was asked.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::record::RecordSetKey;

/// What an error means for whoever asked, told apart by the provider and never guessed from texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Somebody else has changed the set, or another operation is under way: read again and plan again.
    Conflict,
    /// Too many requests: wait.
    Throttled,
    /// The credentials do not allow it.
    Forbidden,
    /// The credentials are wrong or could not be had.
    Unauthenticated,
    /// The zone is not there.
    NotFound,
    /// The request itself is wrong; asking again does not help.
    Invalid,
    /// The service could not be reached or failed before it did anything.
    Unavailable,
    /// No answer, or one that tells nothing: the write may have happened. Read before trying again.
    Unknown,
}

/// A failed operation. As small as a pointer, because every result has room for it; its [details](ErrorDetails) are read and
/// written as if they were its own.
///
/// ```
/// use kfed_dnsprovider::{DnsError, ErrorClass};
///
/// let mut error = DnsError::new(ErrorClass::Throttled, "put record set", "too many requests");
/// error.zone = Some("example.com in dns-rg".to_owned());
/// assert!(error.is_retryable());
/// assert_eq!(error.to_string(), "could not put record set: zone example.com in dns-rg: too many requests");
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DnsError(Box<ErrorDetails>);

/// What there is to tell of a failed operation.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation}{}: {}{message}{}", Of(.record_set), In(.zone), Hint(.code, .request_id))]
#[non_exhaustive]
pub struct ErrorDetails {
    /// What the error means.
    pub class: ErrorClass,
    /// The operation's name.
    pub operation: &'static str,
    /// The record set it was about.
    pub record_set: Option<RecordSetKey>,
    /// The zone, in the words that tell it from others of its name. None where the zone was not known yet, or the provider has one.
    pub zone: Option<String>,
    /// The provider's own words. Never holds a secret.
    pub message: String,
    /// The provider's own code.
    pub code: Option<String>,
    /// The provider's name for the request, for its support.
    pub request_id: Option<String>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

struct Of<'a>(&'a Option<RecordSetKey>);
struct In<'a>(&'a Option<String>);
struct Hint<'a>(&'a Option<String>, &'a Option<String>);

// === impl ErrorClass ===

impl ErrorClass {
    /// The class as metrics and messages name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Throttled => "throttled",
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::NotFound => "not-found",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl DnsError ===

impl DnsError {
    /// An error of `class` in `operation`, in the provider's words.
    pub fn new(class: ErrorClass, operation: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorDetails {
            class,
            operation,
            record_set: None,
            zone: None,
            message: message.into(),
            code: None,
            request_id: None,
            retry_after: None,
            source: None,
        }))
    }

    /// The same about `key`.
    #[must_use]
    pub fn about(mut self, key: Option<&RecordSetKey>) -> Self {
        self.record_set = key.cloned();
        self
    }

    /// Whether the same request may be sent again as it is. After [`ErrorClass::Conflict`] and [`ErrorClass::Unknown`] it may
    /// not: what was read is no longer true.
    pub fn is_retryable(&self) -> bool {
        matches!(self.class, ErrorClass::Throttled | ErrorClass::Unavailable)
    }

    /// How long the provider asks to wait before anything else is sent to the zone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl Deref for DnsError {
    type Target = ErrorDetails;

    fn deref(&self) -> &ErrorDetails {
        &self.0
    }
}

impl DerefMut for DnsError {
    fn deref_mut(&mut self) -> &mut ErrorDetails {
        &mut self.0
    }
}

// === the parts of its words ===

impl std::fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(key) => write!(f, " {key}"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for In<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(zone) => write!(f, "zone {zone}: "),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, self.1) {
            (None, None) => Ok(()),
            (Some(code), None) => write!(f, " ({code})"),
            (None, Some(id)) => write!(f, " (request {id})"),
            (Some(code), Some(id)) => write!(f, " ({code}, request {id})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_no_larger_than_a_pointer_and_tells_all_of_itself() {
        assert_eq!(size_of::<DnsError>(), size_of::<usize>());
        let key = crate::testing::key("A", "web");
        let mut error = DnsError::new(ErrorClass::Conflict, "put record set", "it has changed").about(Some(&key));
        error.zone = Some("example.com in dns-rg".to_owned());
        error.code = Some("PreconditionFailed".to_owned());
        error.request_id = Some("r-9".to_owned());
        error.source = Some("the cause".into());
        assert_eq!(
            error.to_string(),
            "could not put record set A web.example.com.: zone example.com in dns-rg: it has changed \
             (PreconditionFailed, request r-9)"
        );
        assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("the cause"));
    }
}
