//! What the EndpointSlices of a member show.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::kinds::{FederatedKind, ObjectKey};

/// The endpoints of every Service, by EndpointSlice. A change costs the same however many others there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Endpoints {
    by_service: BTreeMap<ObjectKey, BTreeMap<String, Slice>>,
    /// Of each slice its Service, which may become another.
    service_of: BTreeMap<SliceName, ObjectKey>,
}

/// Namespace and name.
type SliceName = (String, String);

/// What is kept of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    name: SliceName,
    /// None where it belongs to no Service.
    service: Option<ObjectKey>,
    slice: Slice,
}

/// What an EndpointSlice shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Slice {
    /// How many endpoints are ready.
    pub(crate) ready: u32,
    /// Where they are, if the Service is headless: of others nobody is sent to them.
    pub(crate) addresses: Vec<IpAddr>,
}

/// What has come of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Turn {
    /// Services whose endpoints are others now.
    pub(crate) services: BTreeSet<ObjectKey>,
    /// Whether one of them has lost its last ready endpoint.
    pub(crate) emptied: bool,
}

// === impl Endpoints ===

impl Endpoints {
    /// How many endpoints of `service` are ready.
    pub(crate) fn ready(&self, service: &ObjectKey) -> u32 {
        self.slices(service).map(|slice| slice.ready).sum()
    }

    /// Where the ready endpoints of a headless Service are.
    pub(crate) fn addresses(&self, service: &ObjectKey) -> BTreeSet<IpAddr> {
        self.slices(service).flat_map(|slice| slice.addresses.iter().copied()).collect()
    }

    /// Takes in a slice as it is now.
    pub(crate) fn apply(&mut self, shown: Shown) -> Turn {
        let Shown { name, service, slice } = shown;
        let other = self.service_of.get(&name).is_some_and(|before| Some(before) != service.as_ref());
        let left = if other { self.forget(&name) } else { Turn::default() };
        service.map(|service| self.insert(name, service, slice)).unwrap_or_default().and(left)
    }

    /// The slice is gone.
    pub(crate) fn delete(&mut self, shown: &Shown) -> Turn {
        self.forget(&shown.name)
    }

    /// These are all that there are.
    pub(crate) fn replace(&mut self, slices: Vec<Shown>) -> Turn {
        let before = std::mem::take(self);
        for slice in slices {
            self.apply(slice);
        }
        let services: BTreeSet<_> = before.by_service.keys().chain(self.by_service.keys()).collect();
        let changed = services.into_iter().filter(|of| before.by_service.get(of) != self.by_service.get(of));
        changed.map(|service| self.turn(service, before.ready(service))).fold(Turn::default(), Turn::and)
    }

    pub(crate) fn insert(&mut self, name: SliceName, service: ObjectKey, slice: Slice) -> Turn {
        let ready = self.ready(&service);
        let slices = self.by_service.entry(service.clone()).or_default();
        let is_same = slices.get(&name.1) == Some(&slice);
        slices.insert(name.1.clone(), slice);
        let turn = if is_same { Turn::default() } else { self.turn(&service, ready) };
        self.service_of.insert(name, service);
        turn
    }

    fn forget(&mut self, name: &SliceName) -> Turn {
        let Some(service) = self.service_of.remove(name) else { return Turn::default() };
        let ready = self.ready(&service);
        if let Some(slices) = self.by_service.get_mut(&service) {
            slices.remove(&name.1);
            if slices.is_empty() {
                self.by_service.remove(&service);
            }
        }
        self.turn(&service, ready)
    }

    /// The endpoints of `service`, of which so many were `ready`, are others now.
    fn turn(&self, service: &ObjectKey, ready: u32) -> Turn {
        Turn { services: [service.clone()].into(), emptied: ready > 0 && self.ready(service) == 0 }
    }

    fn slices(&self, service: &ObjectKey) -> impl Iterator<Item = &Slice> {
        self.by_service.get(service).into_iter().flat_map(BTreeMap::values)
    }
}

fn service(slice: &EndpointSlice) -> Option<ObjectKey> {
    let kind = FederatedKind::named("Service")?;
    let name = slice.metadata.labels.as_ref()?.get("kubernetes.io/service-name")?.clone();
    Some(ObjectKey { kind, namespace: slice.metadata.namespace.clone()?, name })
}

// === impl Turn ===

impl Turn {
    fn and(mut self, other: Self) -> Self {
        self.services.extend(other.services);
        self.emptied |= other.emptied;
        self
    }
}

// === impl Shown ===

impl Shown {
    pub(crate) fn of(slice: EndpointSlice) -> Self {
        let (service, shown) = (service(&slice), Slice::of(&slice));
        let name = (slice.metadata.namespace.unwrap_or_default(), slice.metadata.name.unwrap_or_default());
        Self { name, service, slice: shown }
    }
}

// === impl Slice ===

impl Slice {
    fn of(slice: &EndpointSlice) -> Self {
        // An endpoint whose readiness is not told counts as ready (EndpointConditions in discovery.k8s.io/v1).
        let is_ready = |e: &Endpoint| e.conditions.as_ref().and_then(|c| c.ready) != Some(false);
        let endpoints = || slice.endpoints.iter().flatten().filter(|endpoint| is_ready(endpoint));
        // Placed by the endpoint slice controller of every member.
        let labels = slice.metadata.labels.as_ref();
        let headless = labels.is_some_and(|labels| labels.contains_key("service.kubernetes.io/headless"));
        let addresses = endpoints().filter(|_| headless).flat_map(|endpoint| &endpoint.addresses);
        Self {
            ready: endpoints().map(|endpoint| u32::try_from(endpoint.addresses.len()).unwrap_or(u32::MAX)).sum(),
            addresses: addresses.filter_map(|address| address.parse().ok()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slice(name: &str, service: &str, ready: &[bool]) -> Shown {
        let endpoint = |(at, ready): (usize, &bool)| json!({"addresses": [format!("10.0.0.{at}")], "conditions": {"ready": ready}});
        let endpoints: Vec<_> = ready.iter().enumerate().map(endpoint).collect();
        let labels = json!({"kubernetes.io/service-name": service});
        let metadata = json!({"name": name, "namespace": "default", "labels": labels});
        let slice = json!({"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints});
        Shown::of(serde_json::from_value(slice).unwrap())
    }

    fn key(service: &str) -> ObjectKey {
        let kind = FederatedKind::named("Service").unwrap();
        ObjectKey { kind, namespace: "default".into(), name: service.into() }
    }

    #[test]
    fn the_loss_of_a_last_ready_endpoint_is_told_once() {
        let mut endpoints = Endpoints::default();
        let turn = |emptied| Turn { services: [key("web")].into(), emptied };
        assert_eq!(endpoints.apply(slice("a", "web", &[true, false, true])), turn(false));
        assert_eq!(endpoints.apply(slice("b", "web", &[true])), turn(false));
        assert_eq!(endpoints.apply(slice("b", "web", &[true])), Turn::default(), "nothing is new");
        assert_eq!(endpoints.ready(&key("web")), 3);
        assert_eq!(endpoints.apply(slice("a", "web", &[false])), turn(false), "b has one");
        assert_eq!(endpoints.delete(&slice("b", "web", &[])), turn(true));
        assert_eq!(endpoints.delete(&slice("b", "web", &[])), Turn::default(), "it is gone already");
        assert_eq!(endpoints.ready(&key("web")), 0);
    }

    #[test]
    fn a_slice_that_becomes_another_services_leaves_the_first() {
        let mut endpoints = Endpoints::default();
        endpoints.apply(slice("a", "web", &[true]));
        let turn = endpoints.apply(slice("a", "other", &[true]));
        assert_eq!(turn, Turn { services: [key("web"), key("other")].into(), emptied: true }, "web has none left");
        assert_eq!((endpoints.ready(&key("web")), endpoints.ready(&key("other"))), (0, 1));
        assert_eq!(endpoints.by_service.len(), 1);
    }

    #[test]
    fn a_whole_list_replaces_what_was_known() {
        let mut endpoints = Endpoints::default();
        endpoints.apply(slice("a", "web", &[true]));
        endpoints.apply(slice("b", "other", &[true]));
        let turn = endpoints.replace(vec![slice("c", "web", &[true]), slice("b", "other", &[true])]);
        assert_eq!(turn, Turn { services: [key("web")].into(), emptied: false });
        let turn = endpoints.replace(vec![slice("c", "web", &[true])]);
        assert_eq!(turn, Turn { services: [key("other")].into(), emptied: true }, "other is gone");
        assert_eq!((endpoints.ready(&key("web")), endpoints.ready(&key("other"))), (1, 0));
    }
}
