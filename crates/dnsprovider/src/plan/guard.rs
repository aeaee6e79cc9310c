//! The mass-change guard: deletions without a cause that look like lost input wait for somebody to look.

use std::collections::BTreeSet;

use crate::name::DnsName;
use crate::ownership::{Owner, Resource};
use crate::plan::{Change, GuardedPlan, PlanHash, Policy};
use crate::record::{RecordSet, RecordSetKey};

/// Splits `deletions` (of whole names) into those that may go and, if there are too many without a cause, those that wait.
pub(super) fn guard(
    deletions: Vec<RecordSet>,
    owned: usize,
    owner: &Owner,
    policy: &Policy,
) -> (Vec<Change>, Option<GuardedPlan>) {
    let caused = |set: &RecordSet| Resource::of(set).is_some_and(|resource| policy.caused.contains(&resource));
    let (caused, suspect): (Vec<_>, Vec<_>) = deletions.into_iter().partition(caused);
    let names = suspect.iter().map(|set| &set.key.name).collect::<BTreeSet<&DnsName>>().len();
    let delete = |sets: Vec<RecordSet>| sets.into_iter().map(|set| Change::Delete { set });

    let too_many = names > policy.guard.at_least && names as f64 > policy.guard.share * owned as f64;
    if too_many {
        let keys: Vec<RecordSetKey> = suspect.iter().map(|set| set.key.clone()).collect();
        let hash = hash(owner, &keys);
        if policy.approved.as_ref() != Some(&hash) {
            return (delete(caused).collect(), Some(GuardedPlan { hash, deletions: keys, names, owned }));
        }
    }
    let mut all: Vec<Change> = delete(caused).chain(delete(suspect)).collect();
    all.sort_by(|a, b| a.key().cmp(b.key()));
    (all, None)
}

/// Of what would go and whose it is; nothing else, so that an approval outlives unrelated changes.
fn hash(owner: &Owner, keys: &[RecordSetKey]) -> PlanHash {
    let mut hash = super::diff::Fnv::default();
    hash.write(owner.0.as_bytes());
    for key in keys {
        hash.write(b"\n");
        hash.write(key.record_type.as_str().as_bytes());
        hash.write(b" ");
        hash.write(key.name.as_str().as_bytes());
    }
    PlanHash(format!("{:016x}", hash.finish()))
}
