//! Members that the cluster selectors of a Service, or of its namespace, leave out: they lose the Service as members do that leave.

use std::collections::BTreeSet;

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
    let members = || world.members.keys().filter(|name| super::stays(world, name));
    let belongs = |name: &str| is_selected(world, &selector, name);
    let served = members().any(|name| belongs(name) && in_zone.is_some_and(|in_zone| in_zone.contains_key(name)));
    match served || !members().any(|name| belongs(name)) {
        true => members().filter(|name| !belongs(name)).cloned().collect(),
        false => BTreeSet::new(),
    }
}

fn is_selected(world: &World, selector: &[SelectorRequirement], member: &str) -> bool {
    let labels = world.clusters.get(member).and_then(|cluster| cluster.metadata.labels.clone()).unwrap_or_default();
    selector.iter().all(|requirement| requirement.matches(&labels))
}
