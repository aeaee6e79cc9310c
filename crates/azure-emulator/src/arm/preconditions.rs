use super::{call::Call, reply::Failure};

/// `If-Match` and `If-None-Match` of a write. Etags are unquoted and compared as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preconditions {
    if_match: Option<String>,
    /// Values other than `*` are ignored by the service.
    if_none_match_any: bool,
}

impl Preconditions {
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            if_match: call.header("if-match").map(str::to_owned),
            if_none_match_any: call.header("if-none-match") == Some("*"),
        }
    }

    /// `what` is the object as messages call it, like `Record set www`.
    pub(crate) fn check(&self, what: &str, etag: Option<&str>) -> Result<(), Failure> {
        if self.if_none_match_any && etag.is_some() {
            return Err(Failure::precondition(format!("The {what} exists already and hence cannot be created again.")));
        }
        let held = match (self.if_match.as_deref(), etag) {
            (None, _) | (Some("*"), Some(_)) => true,
            (Some(wanted), Some(etag)) => wanted == etag,
            (Some(_), None) => false,
        };
        if held { Ok(()) } else { Err(Failure::precondition(format!("The {what} has been modified (etag mismatch)."))) }
    }
}
