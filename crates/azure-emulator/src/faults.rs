use serde::{Deserialize, Serialize};

use crate::{
    Operation,
    ids::{Ids, Purpose},
};

/// What goes wrong, how often, and with which requests. Rules are tried in order; the first that applies is used up by one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The rules.
    pub rules: Vec<FaultRule>,
}

/// One fault, its number and the requests it strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    /// What happens.
    pub fault: Fault,
    /// The operations struck; all when empty.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// Only paths that contain this, without letter case: a zone, a record set's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_contains: Option<String>,
    /// How many requests are struck, `null` for no end.
    #[serde(default)]
    pub count: Option<u64>,
    /// The share of matching requests that is struck, from 0 to 1, drawn from the emulator's seed.
    #[serde(default = "always")]
    pub chance: f64,
}

/// How a request goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Fault {
    /// 429, with a JSON string that holds JSON, as the DNS provider throttles.
    #[serde(rename_all = "camelCase")]
    Throttle {
        /// Seconds in `Retry-After`.
        retry_after: u64,
    },
    /// 503 with an HTML page, as the front door answers when the service behind it does not.
    ServiceUnavailable,
    /// Nothing is done and no answer ever comes.
    Hang,
    /// The request is carried out, and the connection breaks off while it is answered.
    LoseAnswer,
    /// The request is carried out, and no answer ever comes.
    HangAfterwards,
    /// 412, as if somebody else had written in between.
    PreconditionFailed,
    /// 409, as if an earlier operation on the same object were still queued.
    OperationPending,
    /// 403, as if the caller had no role that allows the operation. Without a count it is a role that is missing until somebody
    /// assigns it.
    Forbidden,
    /// 409, as if a lock were on the scope.
    ScopeLocked,
    /// The request is carried out, and its answer ends in the middle, as a proxy's does that gives up.
    TruncateAnswer,
    /// 401, as for a token that was revoked before its end.
    RevokedToken,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// One fault for the next `count` requests of one operation.
    pub fn next(count: u64, operation: Operation, fault: Fault) -> Self {
        Self::none().and(count, operation, fault)
    }

    /// As [`next`](Self::next), besides the faults there are.
    #[must_use]
    pub fn and(mut self, count: u64, operation: Operation, fault: Fault) -> Self {
        self.rules.push(FaultRule {
            fault,
            operations: vec![operation],
            path_contains: None,
            count: Some(count),
            chance: 1.0,
        });
        self
    }

    /// The fault that strikes a request, if any.
    pub(crate) fn strike(&mut self, operation: Operation, path: &str, ids: &mut Ids) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.matches(operation, path) && rule.is_drawn(ids))?;
        if let Some(count) = &mut rule.count {
            *count -= 1;
        }
        Some(rule.fault)
    }
}

impl FaultRule {
    fn matches(&self, operation: Operation, path: &str) -> bool {
        self.count != Some(0)
            && (self.operations.is_empty() || self.operations.contains(&operation))
            && self
                .path_contains
                .as_ref()
                .is_none_or(|part| path.to_ascii_lowercase().contains(&part.to_ascii_lowercase()))
    }

    fn is_drawn(&self, ids: &mut Ids) -> bool {
        self.chance >= 1.0 || ids.fraction(Purpose::Fault) < self.chance
    }
}

fn always() -> f64 {
    1.0
}
