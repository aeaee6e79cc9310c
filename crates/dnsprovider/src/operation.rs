//! What can be asked of a provider: one request type per operation, so that any `tower` layer fits any of them.

use serde::{Deserialize, Serialize};

use crate::name::DnsName;
use crate::record::{Etag, RecordSet, RecordSetKey};
use crate::zone::{Zone, ZoneId};

/// A request to a provider, with the type of its answer.
pub trait Operation: Clone + Send + Sync + std::fmt::Debug + 'static {
    /// The answer.
    type Response: Send + 'static;
    /// The operation's name for logs, metrics and errors: `"put record set"`.
    const NAME: &'static str;
    /// Whether the operation changes the zone. Budgets and retries tell reads from writes by it.
    const WRITES: bool;

    /// What it costs: providers limit each kind by itself.
    fn kind(&self) -> OperationKind;
    /// The zone it is about, if one.
    fn zone(&self) -> Option<&ZoneId>;
    /// The record set it is about, if one.
    fn record_set(&self) -> Option<&RecordSetKey> {
        None
    }
    /// Whether it goes before others that wait for the same budget.
    fn priority(&self) -> Priority {
        Priority::Normal
    }
}

/// Which of several requests that wait for one budget goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Answers are wrong until it is done.
    Urgent,
    /// All else.
    #[default]
    Normal,
}

/// The kinds of requests that providers limit apart from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// Listing zones.
    ListZones,
    /// Listing a page of record sets.
    List,
    /// Reading one record set.
    Get,
    /// Putting a record set where there is none.
    Create,
    /// Putting a record set in another's place.
    Update,
    /// Deleting a record set.
    Delete,
}

/// All zones that can be reached, or those of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListZones {
    /// Only zones of this name.
    pub name: Option<DnsName>,
}

/// One page of a zone's record sets. The first page has no `page`; follow [`Page::next`] to the last, with the same `below`. A page
/// may be empty and not be the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRecordSets {
    /// The zone.
    pub zone: ZoneId,
    /// Only sets whose names lie below this one, itself not among them; all sets if none.
    pub below: Option<DnsName>,
    /// The page, as the page before named it.
    pub page: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// The next page's name; none on the last.
    pub next: Option<String>,
}

/// One record set; the answer is none where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetRecordSet {
    /// The zone.
    pub zone: ZoneId,
    /// Name and type.
    pub key: RecordSetKey,
    /// Whether it goes before others.
    pub priority: Priority,
}

/// What must be true of a record set for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// There is none.
    Absent,
    /// It is still at the version that was read.
    Unchanged(Etag),
}

/// Creates or replaces a record set as a whole, in one step. The answer is the set as it now stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutRecordSet {
    /// The zone.
    pub zone: ZoneId,
    /// The set as it is to be; its `etag` is not sent.
    pub set: RecordSet,
    /// What must be true before.
    pub precondition: Precondition,
    /// Whether it goes before others.
    pub priority: Priority,
}

/// Deletes a record set that is still at the version that was read. A set that is gone already is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRecordSet {
    /// The zone.
    pub zone: ZoneId,
    /// Name and type.
    pub key: RecordSetKey,
    /// The version that was read.
    pub unchanged: Etag,
    /// Whether it goes before others.
    pub priority: Priority,
}

// === impl OperationKind ===

impl OperationKind {
    /// Every kind.
    pub const ALL: [OperationKind; 6] =
        [Self::ListZones, Self::List, Self::Get, Self::Create, Self::Update, Self::Delete];

    /// The kind as metrics and messages name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ListZones => "list-zones",
            Self::List => "list",
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl std::fmt::Display for OperationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl ListRecordSets ===

impl ListRecordSets {
    /// Whether a set of this name is asked for. Providers that cannot tell so filter by it.
    pub fn asks_for(&self, name: &DnsName) -> bool {
        self.below.as_ref().is_none_or(|below| name != below && name.is_in(below))
    }
}

// === impl Operation ===

impl Operation for ListZones {
    type Response = Vec<Zone>;
    const NAME: &'static str = "list zones";
    const WRITES: bool = false;

    fn kind(&self) -> OperationKind {
        OperationKind::ListZones
    }

    fn zone(&self) -> Option<&ZoneId> {
        None
    }
}

impl Operation for ListRecordSets {
    type Response = Page<RecordSet>;
    const NAME: &'static str = "list record sets";
    const WRITES: bool = false;

    fn kind(&self) -> OperationKind {
        OperationKind::List
    }

    fn zone(&self) -> Option<&ZoneId> {
        Some(&self.zone)
    }
}

impl Operation for GetRecordSet {
    type Response = Option<RecordSet>;
    const NAME: &'static str = "get record set";
    const WRITES: bool = false;

    fn kind(&self) -> OperationKind {
        OperationKind::Get
    }

    fn zone(&self) -> Option<&ZoneId> {
        Some(&self.zone)
    }

    fn record_set(&self) -> Option<&RecordSetKey> {
        Some(&self.key)
    }

    fn priority(&self) -> Priority {
        self.priority
    }
}

impl Operation for PutRecordSet {
    type Response = RecordSet;
    const NAME: &'static str = "put record set";
    const WRITES: bool = true;

    fn kind(&self) -> OperationKind {
        match self.precondition {
            Precondition::Absent => OperationKind::Create,
            Precondition::Unchanged(_) => OperationKind::Update,
        }
    }

    fn zone(&self) -> Option<&ZoneId> {
        Some(&self.zone)
    }

    fn record_set(&self) -> Option<&RecordSetKey> {
        Some(&self.set.key)
    }

    fn priority(&self) -> Priority {
        self.priority
    }
}

impl Operation for DeleteRecordSet {
    type Response = ();
    const NAME: &'static str = "delete record set";
    const WRITES: bool = true;

    fn kind(&self) -> OperationKind {
        OperationKind::Delete
    }

    fn zone(&self) -> Option<&ZoneId> {
        Some(&self.zone)
    }

    fn record_set(&self) -> Option<&RecordSetKey> {
        Some(&self.key)
    }

    fn priority(&self) -> Priority {
        self.priority
    }
}
