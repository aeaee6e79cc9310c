use std::{collections::BTreeMap, fmt};

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

/// What a request asks for, whatever its method: a write is a PUT or a PATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Operation {
    /// An access token, from Entra or from the instance metadata service.
    Token,
    /// What clients read before they ask for a token: OpenID configuration, instances, cloud endpoints.
    Discovery,
    /// Tenants, subscriptions and resource groups.
    Directory,
    /// One zone.
    ZoneGet,
    /// The zones of a resource group or subscription.
    ZoneList,
    /// A zone created or updated.
    ZoneWrite,
    /// A zone deleted.
    ZoneDelete,
    /// One record set.
    RecordSetGet,
    /// One page of the record sets of a zone, or of one type in it.
    RecordSetList,
    /// A record set created or updated.
    RecordSetWrite,
    /// A record set deleted.
    RecordSetDelete,
    /// The record sets that are aliases of given resources.
    ResourceReference,
    /// The state of an asynchronous operation.
    OperationStatus,
    /// Anything else, answered with an error.
    Other,
}

/// How many requests have arrived, those that were throttled or failed on purpose included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    arrived: BTreeMap<(&'static str, Operation), u64>,
    answered: BTreeMap<u16, u64>,
}

impl Requests {
    /// All requests to ARM: tokens and discovery not counted.
    pub fn to_arm(&self) -> u64 {
        self.iter()
            .filter(|(_, operation, _)| !matches!(operation, Operation::Token | Operation::Discovery))
            .map(|(_, _, count)| count)
            .sum()
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.arrived.values().sum()
    }

    /// Requests for an operation, by any method.
    pub fn count(&self, operation: Operation) -> u64 {
        self.iter().filter(|(_, counted, _)| *counted == operation).map(|(_, _, count)| count).sum()
    }

    /// Requests for an operation by one method, as in `by("PUT", Operation::RecordSetWrite)`.
    pub fn by(&self, method: &str, operation: Operation) -> u64 {
        self.iter()
            .filter(|(counted, kind, _)| *counted == method && *kind == operation)
            .map(|(_, _, count)| count)
            .sum()
    }

    /// Answers given with a status code. A request that is never answered counts nowhere.
    pub fn answered_with(&self, status: u16) -> u64 {
        self.answered.get(&status).copied().unwrap_or_default()
    }

    /// Method, operation and count, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Operation, u64)> {
        self.arrived.iter().map(|(&(method, operation), &count)| (method, operation, count))
    }

    pub(crate) fn arrive(&mut self, method: &Method, operation: Operation) {
        *self.arrived.entry((name(method), operation)).or_default() += 1;
    }

    pub(crate) fn answer(&mut self, status: StatusCode) {
        *self.answered.entry(status.as_u16()).or_default() += 1;
    }
}

impl fmt::Display for Requests {
    /// One line an operation: `PUT RecordSetWrite 3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(method, operation, count)| writeln!(f, "{method} {operation:?} {count}"))
    }
}

/// A closed set, so that nobody fills the counters with made-up methods.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}
