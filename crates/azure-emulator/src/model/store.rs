use std::collections::BTreeMap;

use super::zone::{Zone, ZoneKey};
use crate::ZoneKind;

/// Everything that ARM keeps for us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    /// By lower-case id.
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) zones: BTreeMap<ZoneKey, Zone>,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// By lower-case name.
    pub(crate) groups: BTreeMap<String, ResourceGroup>,
}

#[derive(Clone, Debug)]
pub(crate) struct ResourceGroup {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Store {
    pub(crate) fn add_subscription(&mut self, id: &str) -> &mut Subscription {
        self.subscriptions
            .entry(id.to_ascii_lowercase())
            .or_insert_with(|| Subscription { id: id.to_owned(), groups: BTreeMap::new() })
    }

    /// The first zone of that name, public ones first; the same name may live in several resource groups.
    pub(crate) fn zone_named(&self, name: &str) -> Option<&Zone> {
        self.zones.values().find(|zone| zone.key.name == name)
    }

    pub(crate) fn zone_named_mut(&mut self, name: &str) -> Option<&mut Zone> {
        self.zones.values_mut().find(|zone| zone.key.name == name)
    }

    /// The zones of a subscription, of one resource group if given, in order of their names.
    pub(crate) fn zones_of<'a>(&'a self, kind: ZoneKind, subscription: &str, group: Option<&str>) -> Vec<&'a Zone> {
        let mut zones: Vec<&Zone> = self
            .zones
            .values()
            .filter(|zone| {
                zone.key.kind == kind
                    && zone.key.subscription == subscription
                    && group.is_none_or(|group| zone.key.group == group)
            })
            .collect();
        zones.sort_by_key(|zone| (&zone.key.name, &zone.key.group));
        zones
    }
}

impl Subscription {
    pub(crate) fn add_group(
        &mut self,
        name: &str,
        location: &str,
        tags: BTreeMap<String, String>,
    ) -> &mut ResourceGroup {
        self.groups.entry(name.to_ascii_lowercase()).or_insert_with(|| ResourceGroup {
            name: name.to_owned(),
            location: location.to_owned(),
            tags,
        })
    }
}
