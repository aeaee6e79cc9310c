//! Carries a change set out, and keeps what is known of the zone true meanwhile.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::error::{DnsError, ErrorClass};
use crate::name::DnsName;
use crate::operation::Precondition;
use crate::plan::{Change, ChangeSet};
use crate::provider::DnsProvider;
use crate::record::RecordSetKey;
use crate::zone::{ZoneId, ZoneSnapshot};

/// What became of a change set.
#[derive(Debug, Default)]
pub struct Applied {
    /// How many changes were made.
    pub done: usize,
    /// The changes that failed, and why.
    pub failed: Vec<(RecordSetKey, DnsError)>,
    /// The changes that were not tried: the provider wants no more requests now, or the half before them failed.
    pub skipped: Vec<RecordSetKey>,
    /// Whether the zone was not as the plan thought: plan again on the snapshot, which now holds what was read.
    pub stale: bool,
}

/// Makes `changes` in their order, each under its precondition, and brings `snapshot` up to date by every answer.
///
/// After [`ErrorClass::Conflict`] and [`ErrorClass::Unknown`] the set is read again into the snapshot and the result is `stale`.
/// [`ErrorClass::Throttled`], [`ErrorClass::Forbidden`] and [`ErrorClass::Unauthenticated`] end the run; after any other error it
/// goes on with other names. What makes room and what then fills it (or what comes and what then goes) depend on each other:
/// when a change fails, nothing more is created or deleted at its name.
pub async fn apply(provider: &DnsProvider, zone: &ZoneId, changes: &ChangeSet, snapshot: &mut ZoneSnapshot) -> Applied {
    let mut applied = Applied::default();
    let mut broken: BTreeSet<&DnsName> = BTreeSet::new();
    let mut stopped = false;
    for change in &changes.changes {
        let key = change.key();
        if stopped || (broken.contains(&key.name) && !matches!(change, Change::Update { .. })) {
            applied.skipped.push(key.clone());
            continue;
        }
        let Err(error) = one(provider, zone, change, snapshot).await else {
            applied.done += 1;
            continue;
        };
        broken.insert(&key.name);
        match error.class {
            ErrorClass::Conflict | ErrorClass::Unknown => {
                applied.stale = true;
                if let Err(unread) = read_again(provider, zone, key, snapshot).await {
                    stopped |= ends_the_run(unread.class);
                }
            }
            class => stopped |= ends_the_run(class),
        }
        applied.failed.push((key.clone(), error));
    }
    applied
}

async fn one(
    provider: &DnsProvider,
    zone: &ZoneId,
    change: &Change,
    snapshot: &mut ZoneSnapshot,
) -> Result<(), DnsError> {
    match change {
        Change::Create { set } | Change::Update { to: set, .. } => {
            let set = provider.put(zone, set.clone(), change.precondition()).await?;
            snapshot.insert(set);
        }
        Change::Delete { set } => {
            if let Precondition::Unchanged(etag) = change.precondition() {
                provider.delete(zone, &set.key, etag).await?;
            }
            snapshot.remove(&set.key);
        }
    }
    Ok(())
}

async fn read_again(
    provider: &DnsProvider,
    zone: &ZoneId,
    key: &RecordSetKey,
    snapshot: &mut ZoneSnapshot,
) -> Result<(), DnsError> {
    match provider.get(zone, key).await? {
        Some(set) => snapshot.insert(set),
        None => drop(snapshot.remove(key)),
    }
    Ok(())
}

fn ends_the_run(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Throttled | ErrorClass::Forbidden | ErrorClass::Unauthenticated)
}
