//! What the zone holds, as far as other decisions need it.

use std::collections::BTreeMap;

use kfed_dnsprovider::Resource;

use super::member::Target;
use crate::object::WantedCondition;

/// How the record sets of every Service stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DnsState {
    services: BTreeMap<Resource, ServiceDns>,
    /// For how many Services the zone leads to a member; none that it does not lead to.
    members: BTreeMap<String, usize>,
    /// Whether it is known to hold nothing of ours, and nothing is to come.
    pub(crate) is_withdrawn: bool,
}

/// How a Service's records stand in the zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ServiceDns {
    /// How many record sets of it are in the zone.
    pub(crate) records: usize,
    /// The members' addresses that the zone holds for it.
    pub(crate) addresses: BTreeMap<String, Vec<Target>>,
    /// What its condition is to say.
    pub(crate) condition: Option<WantedCondition>,
    /// What its annotation `kfed.io/addresses` is to say; none while it is found by no name.
    pub(crate) seen: Option<String>,
}

// === impl DnsState ===

impl DnsState {
    /// Of a zone that holds nothing of ours as far as is known; whether that is certain, and nothing is to come.
    pub(crate) fn new(is_withdrawn: bool) -> Self {
        Self { is_withdrawn, ..Self::default() }
    }

    /// How `service` stands; none where nothing is to be told of it.
    pub(crate) fn get(&self, service: &Resource) -> Option<&ServiceDns> {
        self.services.get(service)
    }

    /// Every Service that there is something to tell of.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Resource> {
        self.services.keys()
    }

    /// `service` stands so now. How it stood before.
    pub(crate) fn set(&mut self, service: &Resource, now: ServiceDns) -> ServiceDns {
        for member in now.addresses.keys() {
            *self.members.entry(member.clone()).or_default() += 1;
        }
        let before = match now == ServiceDns::default() {
            true => self.services.remove(service),
            false => self.services.insert(service.clone(), now),
        };
        let before = before.unwrap_or_default();
        for member in before.addresses.keys() {
            if let Some(services) = self.members.get_mut(member) {
                *services -= 1;
                if *services == 0 {
                    self.members.remove(member);
                }
            }
        }
        before
    }

    /// The annotation of `service` is to say this. Whether that is new.
    pub(crate) fn set_seen(&mut self, service: &Resource, seen: Option<&String>) -> bool {
        let before = self.services.get(service).and_then(|dns| dns.seen.as_ref());
        let is_new = before != seen;
        if is_new {
            self.services.entry(service.clone()).or_default().seen = seen.cloned();
        }
        is_new
    }

    /// Whether any record set of ours holds an address of `member`.
    pub(crate) fn leads_to(&self, member: &str) -> bool {
        self.members.contains_key(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_members_the_zone_leads_to_follows_its_services() {
        let dns = |members: &[&str]| {
            let target = || vec![Target::Ip("192.0.2.1".parse().unwrap())];
            let addresses = members.iter().map(|member| ((*member).to_owned(), target())).collect();
            ServiceDns { addresses, ..ServiceDns::default() }
        };
        let [a, b] = ["a", "b"].map(|name| Resource::service("default", name));
        let mut state = DnsState::default();
        let led_to = |state: &DnsState| ["east", "west"].map(|member| state.leads_to(member));
        assert_eq!(state.set(&a, dns(&["west"])), ServiceDns::default());
        state.set(&b, dns(&["east", "west"]));
        assert_eq!(led_to(&state), [true, true]);
        assert_eq!(state.set(&a, dns(&["east"])), dns(&["west"]));
        assert_eq!(state.set(&b, ServiceDns::default()), dns(&["east", "west"]));
        assert_eq!(led_to(&state), [true, false]);
        assert_eq!(state.services().collect::<Vec<_>>(), [&a]);
        state.set(&a, ServiceDns::default());
        assert_eq!(state, DnsState::default());
    }
}
