//! Members that the cluster selectors of a Service, or of its namespace, leave out: they lose the Service as members do that leave.

use std::collections::{BTreeMap, BTreeSet};

use kfed_api::policy::SelectorRequirement;
use kube::core::DynamicObject;

use super::InZone;
use crate::kinds::ObjectKey;
use crate::plan::select::selector_of;
use crate::world::World;

/// The members whose addresses are to leave the names of `service`, since it does not belong there any more. As long as the zone leads
/// to none of those where it belongs they stay: adding comes before removing.
pub(crate) fn left_out(
    world: &World,
    key: &ObjectKey,
    service: &DynamicObject,
    in_zone: Option<&InZone>,
) -> BTreeSet<String> {
    let namespace = key.namespace_key().and_then(|key| world.federation.get(&key));
    // What cannot be read changes nothing.
    let selector = selector_of(&key.namespace, Some(service), namespace.as_deref()).unwrap_or_default();
    if selector.is_empty() {
        return BTreeSet::new();
    }
    let belongs = |name: &str| super::stays(world, name) && is_selected(world, &selector, name);
    let led_to = || in_zone.into_iter().flat_map(BTreeMap::keys).map(String::as_str);
    let belongs_nowhere = || match world.clusters.selected(&selector) {
        Some(selected) => !selected.into_iter().any(belongs),
        None => !world.members.names().any(belongs),
    };
    if !led_to().any(belongs) && !belongs_nowhere() {
        return BTreeSet::new();
    }
    let have = world.members.holders(key).chain(world.members.veiled().map(|(name, _)| name));
    have.filter(|name| super::stays(world, name) && !belongs(name)).map(str::to_owned).collect()
}

fn is_selected(world: &World, selector: &[SelectorRequirement], member: &str) -> bool {
    let labels = world.clusters.get(member).and_then(|cluster| cluster.metadata.labels.clone()).unwrap_or_default();
    selector.iter().all(|requirement| requirement.matches(&labels))
}
