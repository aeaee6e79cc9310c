//! Which members matter for an object: to look at it costs as much as there are of these.

use std::collections::BTreeSet;

use kfed_api::policy::PlacementPolicy;
use kfed_api::preferences::ANY_CLUSTER;
use kube::core::DynamicObject;

use super::World;
use super::view::{Sight, of_key, told_of};
use crate::kinds::ObjectKey;
use crate::object::annotation;
use crate::plan::selector_of;

/// Of how many members at most that have nothing of an object it is told why: it has room for so many words.
pub(crate) const MOST_LEFT_OUT: usize = 32;

/// What is asked of members.
pub(super) struct Asked<'a> {
    pub(super) key: &'a ObjectKey,
    /// As the federation has it.
    pub(super) federated: Option<&'a DynamicObject>,
    /// The namespace that it lives in, as the federation has it.
    pub(super) namespace: Option<&'a DynamicObject>,
    /// Whether an autoscaler says where it runs.
    pub(super) scaled: bool,
    /// Members that it has been said to run in.
    pub(super) placed: BTreeSet<&'a str>,
}

// === impl Asked ===

impl Asked<'_> {
    /// Those that may be given the object, and those that have something of it, or may; beside them those in `sight`.
    pub(super) fn related<'a>(&self, world: &'a World, sight: &Sight<'a>) -> BTreeSet<&'a str> {
        let Some(mut related) = self.candidates(world) else { return world.members.names().collect() };
        related.extend(&sight.beside);
        related.extend(world.members.holders(self.key));
        related.extend(world.members.veiled().map(|(name, _)| name));
        related.extend(of_key(&world.unseen, self.key));
        related.extend(told_of(&world.refusals, self.key).map(|(name, _)| name));
        related.extend(self.placed.iter().filter_map(|name| world.members.name(name)));
        let others = world.members.names().filter(|name| !related.contains(name)).take(sight.others);
        let others: Vec<_> = others.collect();
        related.extend(others);
        related
    }

    /// Those that its annotations, and its namespace's, let it go to, and maybe others; none where that may be nearly all, or nobody
    /// can tell.
    fn candidates<'a>(&self, world: &'a World) -> Option<BTreeSet<&'a str>> {
        let Some(federated) = self.federated else { return Some(BTreeSet::new()) };
        let mut selector = selector_of(&self.key.namespace, self.federated, self.namespace).ok()?;
        let replicas = self.key.kind.replicas;
        if let Some(json) = replicas.and_then(|replicas| annotation(federated, replicas.preferences)) {
            let policy: PlacementPolicy = json.parse().ok()?;
            let clusters = policy.preferences.clusters;
            if !self.scaled && !clusters.contains_key(ANY_CLUSTER) {
                return Some(clusters.keys().filter_map(|name| world.members.name(name)).collect());
            }
            selector.extend(policy.cluster_selector);
        }
        world.clusters.selected(&selector)
    }
}
