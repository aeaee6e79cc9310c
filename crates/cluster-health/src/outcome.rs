//! What one probe found.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
#[non_exhaustive]
pub enum ProbeOutcome {
    /// It answered, and is well.
    Healthy,
    /// It answered, and is not well. Somebody is there: this is no death.
    Unhealthy {
        /// What was wrong with the answer.
        failure: Failure,
    },
    /// It did not answer.
    Unreachable {
        /// At which step the probe ended.
        failure: Failure,
    },
}

/// Why a probe did not find its target well. Display gives a sentence, [`reason`](Failure::reason) a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Failure {
    /// The name could not be resolved.
    #[error("its name does not resolve: {0}")]
    Dns(String),
    /// No connection came about, or it was lost before an answer.
    #[error("no connection: {0}")]
    Connect(String),
    /// The TLS handshake failed, or one side does not trust the other.
    #[error("no TLS session: {0}")]
    Tls(String),
    /// Nothing came in time.
    #[error("no answer within {}", Seconds(*after))]
    Timeout {
        /// The time it was given.
        #[serde(serialize_with = "seconds")]
        after: Duration,
    },
    /// It refused the probe's credentials: 401 or 403.
    #[error("answered {0}: it does not accept the credentials")]
    Unauthorized(u16),
    /// It answered that it cannot: 5xx.
    #[error("answered {0}")]
    Status(u16),
    /// It answered with a status other than the expected ones.
    #[error("answered {status} instead of {least}-{most}")]
    UnexpectedStatus {
        /// The status.
        status: u16,
        /// The lowest expected status.
        least: u16,
        /// The highest expected status.
        most: u16,
    },
    /// The status was right and what came with it was not.
    #[error("answered with an unexpected body: {0}")]
    UnexpectedBody(String),
    /// It answered in another protocol.
    #[error("answered in another protocol: {0}")]
    Protocol(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Seconds as people write them: `3s`, `0.5s`.
struct Seconds(Duration);

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

// === impl ProbeOutcome ===

impl ProbeOutcome {
    /// What an HTTP answer's status means where those in `expect` are good. Whatever it is, somebody answered.
    ///
    /// ```
    /// use kfed_cluster_health::{Failure, ProbeOutcome};
    /// assert_eq!(ProbeOutcome::of_status(204, &(200..=399)), ProbeOutcome::Healthy);
    /// let unwell = ProbeOutcome::of_status(503, &(200..=399));
    /// assert_eq!(unwell, ProbeOutcome::Unhealthy { failure: Failure::Status(503) });
    /// assert_eq!((unwell.reason(), unwell.message().as_str()), ("ServerError", "answered 503"));
    /// ```
    pub fn of_status(status: u16, expect: &RangeInclusive<u16>) -> Self {
        if expect.contains(&status) {
            return Self::Healthy;
        }
        let failure = match status {
            401 | 403 => Failure::Unauthorized(status),
            500..=599 => Failure::Status(status),
            _ => Failure::UnexpectedStatus { status, least: *expect.start(), most: *expect.end() },
        };
        Self::Unhealthy { failure }
    }

    /// Whether the target is well.
    pub fn is_healthy(&self) -> bool {
        *self == Self::Healthy
    }

    /// Whether anybody answered, well or not.
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }

    /// What went wrong, if anything did.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Healthy => None,
            Self::Unhealthy { failure } | Self::Unreachable { failure } => Some(failure),
        }
    }

    /// One word in CamelCase, as conditions and events want it.
    pub fn reason(&self) -> &'static str {
        self.failure().map_or("Healthy", Failure::reason)
    }

    /// One sentence for people.
    pub fn message(&self) -> String {
        self.failure().map_or_else(|| "answered that it is well".to_owned(), ToString::to_string)
    }
}

// === impl Failure ===

impl Failure {
    /// One word in CamelCase, as conditions and events want it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dns(_) => "DNSFailed",
            Self::Connect(_) => "ConnectFailed",
            Self::Tls(_) => "TLSFailed",
            Self::Timeout { .. } => "Timeout",
            Self::Unauthorized(401) => "Unauthorized",
            Self::Unauthorized(_) => "Forbidden",
            Self::Status(_) => "ServerError",
            Self::UnexpectedStatus { .. } => "UnexpectedStatus",
            Self::UnexpectedBody(_) => "UnexpectedBody",
            Self::Protocol(_) => "UnexpectedProtocol",
            Self::Other(_) => "ProbeFailed",
        }
    }
}

// === impl Seconds ===

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_one_word_and_one_sentence() {
        let text = || "x".to_owned();
        let failures = [
            (Failure::Dns(text()), "DNSFailed: its name does not resolve: x"),
            (Failure::Connect(text()), "ConnectFailed: no connection: x"),
            (Failure::Tls(text()), "TLSFailed: no TLS session: x"),
            (Failure::Timeout { after: Duration::from_millis(1500) }, "Timeout: no answer within 1.5s"),
            (Failure::Unauthorized(401), "Unauthorized: answered 401: it does not accept the credentials"),
            (Failure::Unauthorized(403), "Forbidden: answered 403: it does not accept the credentials"),
            (Failure::Status(500), "ServerError: answered 500"),
            (
                Failure::UnexpectedStatus { status: 404, least: 200, most: 399 },
                "UnexpectedStatus: answered 404 instead of 200-399",
            ),
            (Failure::UnexpectedBody(text()), "UnexpectedBody: answered with an unexpected body: x"),
            (Failure::Protocol(text()), "UnexpectedProtocol: answered in another protocol: x"),
            (Failure::Other(text()), "ProbeFailed: x"),
        ];
        for (failure, expected) in failures {
            let outcome = ProbeOutcome::Unreachable { failure };
            assert_eq!(format!("{}: {}", outcome.reason(), outcome.message()), expected);
        }
        assert_eq!(ProbeOutcome::Healthy.reason(), "Healthy");
    }

    #[test]
    fn a_status_is_judged_by_what_is_expected() {
        let of = |status| ProbeOutcome::of_status(status, &(200..=399));
        assert!(of(200).is_healthy() && of(399).is_healthy());
        assert_eq!(of(401).reason(), "Unauthorized");
        assert_eq!(of(403).reason(), "Forbidden");
        assert_eq!(of(404).reason(), "UnexpectedStatus");
        assert_eq!(of(599).reason(), "ServerError");
        assert!([100, 199, 400, 404, 500].into_iter().all(|status| of(status).is_answer()));
        assert!(ProbeOutcome::of_status(401, &(401..=401)).is_healthy(), "who expects a refusal is content with it");
    }

    #[test]
    fn outcomes_are_readable_as_json() {
        let timeout = ProbeOutcome::Unreachable { failure: Failure::Timeout { after: Duration::from_millis(1500) } };
        let expected = serde_json::json!({"outcome": "unreachable", "failure": {"timeout": {"after": 1.5}}});
        assert_eq!(serde_json::to_value(timeout).unwrap(), expected);
        assert_eq!(serde_json::to_value(ProbeOutcome::Healthy).unwrap(), serde_json::json!({"outcome": "healthy"}));
    }
}
