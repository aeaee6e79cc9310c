//! Switches that break the member as it is seen from outside, at run time.

mod control;
mod outside;

use std::{fmt, str::FromStr, sync::Arc};

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::watch;

pub(crate) use control::ServedApi;
pub use outside::OutsideApi;

/// What is broken. The default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Faults {
    /// The API as the outside sees it; the member's own controllers go on seeing it whole.
    pub api: ApiFault,
    /// Every load balancer.
    pub lb: LbFault,
}

/// How the API is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiFault {
    /// It works.
    #[default]
    Ok,
    /// Requests are accepted and not answered, open watches stall, until the fault ends: then both go on.
    Hang,
    /// In process a request fails with [`std::io::ErrorKind::ConnectionRefused`]; over TLS connections are cut without
    /// an answer. Open watches break.
    Refuse,
    /// Every new request is answered with a Kubernetes Status of this code, 400 to 599. Open watches go on.
    Status(u16),
}

/// How load balancers are broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LbFault {
    /// They work.
    #[default]
    Ok,
    /// Connections are accepted and requests not answered until the fault ends.
    Hang,
    /// Listeners are closed and connections cut.
    Refuse,
}

/// A word or number that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no fault: want {want}")]
pub struct UnknownFault {
    value: String,
    want: &'static str,
}

impl Faults {
    /// A member that answers to nothing any more, as after the loss of its network.
    pub const DEAD: Self = Self { api: ApiFault::Hang, lb: LbFault::Hang };
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Hang => f.write_str("hang"),
            Self::Refuse => f.write_str("refuse"),
            Self::Status(code) => write!(f, "{code}"),
        }
    }
}

impl FromStr for ApiFault {
    type Err = UnknownFault;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "ok" => Ok(Self::Ok),
            "hang" => Ok(Self::Hang),
            "refuse" => Ok(Self::Refuse),
            code => match code.parse() {
                Ok(code @ 400..=599) => Ok(Self::Status(code)),
                _ => Err(UnknownFault { value: word.to_owned(), want: "ok, hang, refuse or a status from 400 to 599" }),
            },
        }
    }
}

impl fmt::Display for LbFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Hang => "hang",
            Self::Refuse => "refuse",
        })
    }
}

impl FromStr for LbFault {
    type Err = UnknownFault;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "ok" => Ok(Self::Ok),
            "hang" => Ok(Self::Hang),
            "refuse" => Ok(Self::Refuse),
            _ => Err(UnknownFault { value: word.to_owned(), want: "ok, hang or refuse" }),
        }
    }
}

impl Serialize for ApiFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for LbFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApiFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A status is as natural to write as a number.
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "want ok, hang, refuse or a status from 400 to 599")]
        enum Written {
            Word(String),
            Code(u16),
        }
        let word = match Written::deserialize(deserializer)? {
            Written::Word(word) => word,
            Written::Code(code) => code.to_string(),
        };
        word.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for LbFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The faults of one member, shared by everything that obeys them.
#[derive(Debug, Clone)]
pub(crate) struct FaultSwitch(Arc<watch::Sender<Faults>>);

impl FaultSwitch {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Faults::default())))
    }

    pub(crate) fn get(&self) -> Faults {
        *self.0.borrow()
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.0.send_if_modified(|current| std::mem::replace(current, faults) != faults);
    }

    pub(crate) fn watch(&self) -> FaultWatch {
        FaultWatch { changes: self.0.subscribe(), _switch: self.clone() }
    }
}

/// One observer of a [`FaultSwitch`]. It keeps the switch alive, so that waiting never ends for another reason than a
/// change: what hangs when its member goes away hangs on, as a dead host would.
#[derive(Debug, Clone)]
pub(crate) struct FaultWatch {
    changes: watch::Receiver<Faults>,
    _switch: FaultSwitch,
}

impl FaultWatch {
    /// The faults of now; a later [`Self::changed`] waits for others.
    pub(crate) fn current(&mut self) -> Faults {
        *self.changes.borrow_and_update()
    }

    pub(crate) async fn changed(&mut self) {
        self.changes.changed().await.expect("the watch holds its own sender");
    }

    /// Waits while the API hangs, and returns its state then.
    pub(crate) async fn api_answers(&mut self) -> ApiFault {
        loop {
            match self.current().api {
                ApiFault::Hang => self.changed().await,
                fault => return fault,
            }
        }
    }
}

/// The `reason` that Kubernetes gives a Status of this code (API conventions, "Response Status Kind").
pub(crate) fn status_reason(code: StatusCode) -> &'static str {
    match code.as_u16() {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        409 => "Conflict",
        410 => "Gone",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_is_written() {
        for fault in [ApiFault::Ok, ApiFault::Hang, ApiFault::Refuse, ApiFault::Status(401), ApiFault::Status(599)] {
            let json = serde_json::to_value(fault).unwrap();
            assert_eq!(serde_json::from_value::<ApiFault>(json).unwrap(), fault);
        }
        for fault in [LbFault::Ok, LbFault::Hang, LbFault::Refuse] {
            let json = serde_json::to_value(fault).unwrap();
            assert_eq!(serde_json::from_value::<LbFault>(json).unwrap(), fault);
        }
    }

    #[test]
    fn a_status_may_be_a_number() {
        assert_eq!(serde_json::from_str::<ApiFault>("500").unwrap(), ApiFault::Status(500));
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_would_be_one() {
        for wrong in ["\"crash\"", "\"200\"", "600", "\"\"", "null"] {
            let error = serde_json::from_str::<ApiFault>(wrong).unwrap_err().to_string();
            assert!(error.contains("ok, hang, refuse or a status from 400 to 599"), "{wrong}: {error}");
        }
        assert!("500".parse::<LbFault>().is_err());
    }
}
