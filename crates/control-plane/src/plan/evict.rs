//! When the workloads of a dead member are planned elsewhere: one after the other, so that the members which take over, and the
//! federation API, are not asked for everything in one moment.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::kinds::ObjectKey;

/// How long after the first each of `workloads`, given with its priority, has its turn: at most `per_minute` in a minute, higher
/// priorities first; all at once for 0.
pub(crate) fn pace(
    workloads: impl IntoIterator<Item = (i64, ObjectKey)>,
    per_minute: u32,
) -> BTreeMap<ObjectKey, Duration> {
    let mut workloads: Vec<_> = workloads.into_iter().map(|(priority, key)| (Reverse(priority), key)).collect();
    workloads.sort();
    let step = Duration::from_secs(60).checked_div(per_minute).unwrap_or_default();
    let turn = |n: usize| step.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
    workloads.into_iter().enumerate().map(|(n, (_, key))| (key, turn(n))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::FederatedKind;

    fn key(name: &str) -> ObjectKey {
        let kind = FederatedKind::named("ReplicaSet").unwrap();
        ObjectKey { kind, namespace: "default".into(), name: name.into() }
    }

    #[test]
    fn workloads_have_their_turn_by_priority_and_then_by_name() {
        let workloads = || [(0, key("b")), (0, key("a")), (-1, key("batch")), (7, key("shop"))];
        let turns = pace(workloads(), 30);
        let seconds: Vec<_> = ["shop", "a", "b", "batch"].map(|name| turns[&key(name)].as_secs()).into();
        assert_eq!(seconds, [0, 2, 4, 6]);
        assert!(pace(workloads(), 0).values().all(Duration::is_zero), "0 is no pace");
    }
}
