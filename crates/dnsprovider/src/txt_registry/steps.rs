//! What a write takes: the mark before the set, the set before the mark's end.

use super::mark::Mark;
use super::names::TxtNames;
use super::version::{Place, Version};
use crate::error::ErrorClass;
use crate::metadata::Metadata;
use crate::operation::{OperationKind, Precondition};
use crate::plan::Change;
use crate::record::{Etag, RecordSet, RecordSetKey, RecordType};

/// One write to the provider, of the set or of its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    PutMark(RecordSet, Precondition),
    PutSet(RecordSet, Precondition),
    DeleteSet(Etag),
    DeleteMark(RecordSetKey, Etag),
}

/// Why there is nothing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) class: ErrorClass,
    pub(super) message: String,
}

/// What is read, and the steps of a write that is done if that is still so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) read: Version,
    pub(super) steps: Vec<Step>,
}

/// The requests that `change`, planned on what was seen through the marks, costs of each kind's budget when all goes well: an update or a
/// withdrawal one, a set that comes or goes two, and a datum that is new to its mark one more. Nothing where it is refused.
///
/// ```
/// use kfed_dnsprovider::txt_registry::{TxtNames, requests};
/// use kfed_dnsprovider::{Change, DesiredRecordSet, OperationKind, Owner, RecordData, RecordSetKey, RecordType, Resource};
///
/// let wanted = DesiredRecordSet {
///     key: RecordSetKey::new("web.example.com".parse()?, RecordType::A),
///     ttl: 30,
///     data: [(RecordData::A([192, 0, 2, 1].into()), ["fed-west"].into())].into(),
///     resource: Resource::service("default", "web"),
/// };
/// let create = Change::Create { set: wanted.to_record_set(&Owner("fed".into())) };
/// assert_eq!(requests(&TxtNames::default(), &create), [OperationKind::Create, OperationKind::Create]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn requests(names: &TxtNames, change: &Change) -> Vec<OperationKind> {
    let steps = match (change, change.precondition()) {
        (Change::Create { set } | Change::Update { to: set, .. }, precondition) => put(names, set, &precondition),
        (Change::Delete { set }, Precondition::Unchanged(etag)) => Ok(delete(names, &set.key, &etag)),
        (Change::Delete { .. }, Precondition::Absent) => return Vec::new(),
    };
    steps.map(|steps| steps.steps.iter().map(Step::kind).collect()).unwrap_or_default()
}

/// The steps that put `set`.
pub(super) fn put(names: &TxtNames, set: &RecordSet, precondition: &Precondition) -> Result<Steps, Refusal> {
    let read = match precondition {
        Precondition::Absent => Version::default(),
        Precondition::Unchanged(etag) => Version::of(etag),
    };
    let invalid = |message| Refusal { class: ErrorClass::Invalid, message };
    // A mark that stands alone may become another owner's, and stand alone still.
    let alone = set.data.is_empty() && read.set.is_none() && read.place.mark().is_some();
    if !alone {
        set.check().map_err(invalid)?;
    }
    let mut steps = Vec::new();
    if !set.metadata.is_empty() {
        let wanted = Mark::new(&set.metadata, &set.data).map_err(invalid)?.with_wildcard(names.replaces(&set.key.name));
        let name = names.mark(&set.key).map_err(|error| invalid(format!("its mark has no place: {error}")))?;
        let put = |mark: Mark, precondition| Step::PutMark(mark.to_record_set(name.clone()), precondition);
        match (&read.place, read.place.mark()) {
            (Place::Taken, _) => {
                let message = format!("where its mark belongs, at {name}, is a TXT set that says something else");
                return Err(Refusal { class: ErrorClass::Conflict, message });
            }
            (Place::Free, _) => steps.push(put(wanted.after(None, &read.content.data), Precondition::Absent)),
            (Place::Held { .. }, Some(old)) if old.covers(&wanted) => {}
            (Place::Held { version, .. }, old) => {
                let old = old.filter(|old| read.is_marked_by(old));
                let mark = wanted.after(old.as_ref(), &read.content.data);
                steps.push(put(mark, Precondition::Unchanged(version.clone())));
            }
        }
    }
    if !alone {
        let bare = RecordSet { metadata: Metadata::default(), etag: None, ..set.clone() };
        let precondition = read.set.clone().map_or(Precondition::Absent, Precondition::Unchanged);
        steps.push(Step::PutSet(bare, precondition));
    }
    if set.metadata.is_empty() {
        steps.extend(unmark(names, &set.key, &read));
    }
    Ok(Steps { read, steps })
}

/// The steps that delete the set at `key`.
pub(super) fn delete(names: &TxtNames, key: &RecordSetKey, unchanged: &Etag) -> Steps {
    let read = Version::of(unchanged);
    let steps = read.set.clone().map(Step::DeleteSet).into_iter().chain(unmark(names, key, &read)).collect();
    Steps { read, steps }
}

/// The end of the mark that counts for what was read.
fn unmark(names: &TxtNames, key: &RecordSetKey, read: &Version) -> Option<Step> {
    let Place::Held { version, .. } = &read.place else { return None };
    read.place.mark().filter(|mark| read.is_marked_by(mark))?;
    let name = names.mark(key).ok()?;
    Some(Step::DeleteMark(RecordSetKey::new(name, RecordType::Txt), version.clone()))
}

// === impl Step ===

impl Step {
    fn kind(&self) -> OperationKind {
        match self {
            Self::PutMark(_, Precondition::Absent) | Self::PutSet(_, Precondition::Absent) => OperationKind::Create,
            Self::PutMark(..) | Self::PutSet(..) => OperationKind::Update,
            Self::DeleteSet(_) | Self::DeleteMark(..) => OperationKind::Delete,
        }
    }
}

// === impl Version ===

impl Version {
    /// Whether `mark`, which stands in the place, is that of what was read: a set that holds what it names, or no set.
    fn is_marked_by(&self, mark: &Mark) -> bool {
        self.set.is_none() || mark.counts_for(&self.content.data)
    }
}
