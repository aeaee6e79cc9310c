//! The mass-change guard: deletions without a cause that look like lost input wait for somebody to look.

use std::sync::Arc;

use crate::ownership::Owner;
use crate::plan::{Change, GuardedPlan, PlanHash, Policy};
use crate::record::{RecordSet, RecordSetKey};

/// Splits `deletions`, which are by name, into those that may go and, if too many of the `owned` names go without a cause, those that
/// wait.
pub(super) fn guard(
    deletions: Vec<Arc<RecordSet>>,
    owned: usize,
    owner: &Owner,
    policy: &Policy,
) -> (Vec<Change>, Option<GuardedPlan>) {
    let delete = |sets: Vec<Arc<RecordSet>>| sets.into_iter().map(|set| Change::Delete { set }).collect();

    let of_a_name = deletions.chunk_by(|a, b| a.key.name == b.key.name);
    let names = of_a_name.filter(|sets| sets.iter().any(|set| !policy.is_caused(set))).count();
    let too_many = names > policy.guard.at_least && names as f64 > policy.guard.share * owned as f64;
    if too_many {
        let keys: Vec<RecordSetKey> =
            deletions.iter().filter(|set| !policy.is_caused(set)).map(|set| set.key.clone()).collect();
        let hash = hash(owner, &keys);
        if policy.approved.as_ref() != Some(&hash) {
            let caused = deletions.into_iter().filter(|set| policy.is_caused(set)).collect();
            return (delete(caused), Some(GuardedPlan { hash, deletions: keys, names, owned }));
        }
    }
    (delete(deletions), None)
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
