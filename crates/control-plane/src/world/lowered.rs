//! Members that have been told to run fewer replicas than they show.

use std::collections::BTreeMap;

use super::view::told_of;
use crate::kinds::ObjectKey;

/// The fewest replicas that each may run, by workload and member: it may have done as it was told although no watch has shown that, and
/// although no answer has come. What was told before a copy was first shown, or before a larger number was, is not among it.
#[derive(Debug, Default)]
pub(crate) struct Lowered(BTreeMap<(ObjectKey, String), i64>);

// === impl Lowered ===

impl Lowered {
    /// A member is being told to run `replicas`, and shows more.
    pub(crate) fn tell(&mut self, place: &(ObjectKey, String), replicas: i64) {
        let fewest = self.0.get(place).map_or(replicas, |before| replicas.min(*before));
        self.0.insert(place.clone(), fewest);
    }

    /// A member has taken what it was told last: to run as many as it shows or more, or `fewer`.
    pub(crate) fn take(&mut self, place: &(ObjectKey, String), fewer: Option<i64>) {
        match fewer {
            Some(replicas) => drop(self.0.insert(place.clone(), replicas)),
            None => drop(self.0.remove(place)),
        }
    }

    /// What there is of `key`.
    pub(crate) fn of<'a>(&'a self, key: &ObjectKey) -> impl Iterator<Item = (&'a str, i64)> {
        told_of(&self.0, key).map(|(member, replicas)| (member, *replicas))
    }

    /// Forgets what there is of `key` in members that are not `kept`.
    pub(super) fn retain(&mut self, key: &ObjectKey, kept: impl Fn(&str) -> bool) {
        let settled = self.of(key).map(|(member, _)| member).filter(|member| !kept(member));
        for member in settled.map(str::to_owned).collect::<Vec<_>>() {
            self.0.remove(&(key.clone(), member));
        }
    }

    /// Forgets what there is in `member`.
    pub(crate) fn forget(&mut self, member: &str) {
        self.0.retain(|(_, other), _| other != member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::FederatedKind;

    #[test]
    fn the_fewest_count_until_one_of_them_is_taken() {
        let key = ObjectKey {
            kind: FederatedKind::named("ReplicaSet").unwrap(),
            namespace: "default".into(),
            name: "web".into(),
        };
        let place = (key.clone(), "west".to_owned());
        let mut lowered = Lowered::default();
        let fewest = |lowered: &Lowered| lowered.of(&key).map(|(_, replicas)| replicas).next();
        for (told, then) in [(4, 4), (2, 2), (3, 2)] {
            lowered.tell(&place, told);
            assert_eq!(fewest(&lowered), Some(then), "after {told}");
        }
        lowered.take(&place, Some(3));
        assert_eq!(fewest(&lowered), Some(3), "it has answered");
        lowered.take(&place, None);
        assert_eq!(fewest(&lowered), None, "it runs what it shows");
        lowered.tell(&place, 1);
        lowered.retain(&key, |member| member == "west");
        assert_eq!(fewest(&lowered), Some(1));
        lowered.retain(&key, |member| member == "east");
        assert_eq!(fewest(&lowered), None);
    }
}
