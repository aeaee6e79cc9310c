//! Keeps flappers out of the zone: what was withdrawn comes back when it has been well for a while, longer each time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kfed_cluster_health::{Damped, Damper, Damping};
use kfed_dnsprovider::Resource;
use kfed_service_dns::{AddressState, Liveness, ServiceObservation, liveness};
use tokio::time::Instant;

/// Of each Service, the addresses of members that it has been seen with.
#[derive(Clone)]
pub(super) struct Steady {
    damping: Damping,
    /// When this began, on both clocks.
    start: (Instant, Timestamp),
    services: BTreeMap<Resource, BTreeMap<Place, Seen>>,
}

/// A member and one of its addresses.
type Place = (String, IpAddr);

#[derive(Clone)]
struct Seen {
    damper: Damper,
    /// When it was first seen that the address is not there; none while it is.
    gone: Option<Duration>,
}

/// An address that is well again and does not count yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    member: String,
    ip: IpAddr,
    deaths: u32,
    /// Until when it is held.
    pub(super) until: Instant,
    at: Timestamp,
}

// === impl Steady ===

impl Steady {
    pub(super) fn new(damping: Damping, now: (Instant, Timestamp)) -> Self {
        Self { damping, start: now, services: BTreeMap::new() }
    }

    /// Marks in `service` what must not come back yet, and tells of it. Whatever makes an address come and go counts: its member,
    /// its own answers, the endpoints behind it.
    pub(super) fn settle(&mut self, resource: &Resource, service: &mut ServiceObservation, now: Instant) -> Vec<Held> {
        let (start, started) = self.start;
        let now = now.duration_since(start);
        let places = self.services.entry(resource.clone()).or_default();
        let forget = self.damping.forget;
        places.retain(|_, seen| seen.gone.is_none_or(|gone| now.saturating_sub(gone) < forget));
        let mut held = Vec::new();
        let mut there = BTreeSet::new();
        for member in &mut service.members {
            let before = member.clone();
            let led_to = member.hosts.iter_mut().flat_map(|host| host.addresses.iter_mut().flatten());
            for address in member.addresses.iter_mut().chain(led_to) {
                let place = (member.member.clone(), address.ip);
                there.insert(place.clone());
                let new = || Seen { damper: Damper::new(self.damping), gone: None };
                let seen = places.entry(place).or_insert_with(new);
                seen.gone = None;
                let is_well = liveness(&before, address) == Liveness::Serving;
                let Damped::Held { until } = seen.damper.observe(is_well, now) else { continue };
                address.probe = AddressState::Recovering;
                held.push(Held {
                    member: member.member.clone(),
                    ip: address.ip,
                    deaths: seen.damper.deaths(),
                    until: start + until,
                    at: started + SignedDuration::try_from(until).unwrap_or_default(),
                });
            }
        }
        for (_, seen) in places.iter_mut().filter(|(place, _)| !there.contains(*place)) {
            seen.damper.observe(false, now);
            seen.gone.get_or_insert(now);
        }
        held
    }

    /// The Services that have addresses.
    #[cfg(test)]
    pub(super) fn services(&self) -> impl Iterator<Item = &Resource> {
        self.services.keys()
    }

    /// `service` is found by no name.
    pub(super) fn forget(&mut self, service: &Resource) {
        self.services.remove(service);
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times = if self.deaths == 1 { String::new() } else { format!(", the {}th time,", self.deaths) };
        let (ip, member, at) = (self.ip, &self.member, crate::object::seconds(self.at));
        write!(f, "address {ip} of {member} is back{times} and quarantined until {at}")
    }
}

#[cfg(test)]
mod tests {
    use kfed_service_dns::{AddressObservation, ApiState, LeadsTo, MemberObservation};

    use super::*;

    /// A Service with an address that is there and well, there and not, or not there.
    fn service(address: Option<bool>) -> ServiceObservation {
        let address = address.map(|is_well| AddressObservation {
            ip: [192, 0, 2, 1].into(),
            probe: if is_well { AddressState::Answering } else { AddressState::Failing },
            ever_answered: true,
            published: true,
        });
        let member = MemberObservation {
            member: "west".to_owned(),
            region: None,
            zones: Vec::new(),
            api: ApiState::Answering,
            ready_endpoints: Some(1),
            addresses: address.into_iter().collect(),
            hosts: Vec::new(),
            leaving: false,
        };
        ServiceObservation {
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            ttl: 30,
            leads_to: LeadsTo::Members,
            hostnames: Vec::new(),
            members: vec![member],
        }
    }

    /// What is seen at so many seconds: whether the address is held then.
    fn held<const N: usize>(seen: [(u64, Option<bool>); N]) -> [bool; N] {
        let start = Instant::now();
        let mut steady = Steady::new(Damping::default(), (start, "2026-01-01T00:00:00Z".parse().unwrap()));
        let resource = Resource::service("default", "web");
        seen.map(|(at, address)| {
            let now = start + Duration::from_secs(at);
            !steady.settle(&resource, &mut service(address), now).is_empty()
        })
    }

    #[test]
    fn what_comes_back_is_held_until_it_has_been_well_for_a_while() {
        let seen = [(0, Some(true)), (5, Some(false)), (6, Some(true)), (15, Some(true)), (16, Some(true))];
        assert_eq!(held(seen), [false, false, true, true, false]);
        let seen = [(0, Some(true)), (5, None), (6, Some(true)), (16, Some(true))];
        assert_eq!(held(seen), [false, false, true, false], "one that is taken away has gone as well");
    }

    #[test]
    fn what_has_been_away_for_long_has_no_past() {
        let Damping { forget, .. } = Damping::default();
        let long = forget.as_secs();
        assert_eq!(held([(0, Some(true)), (5, None), (4 + long, Some(true))]), [false, false, true]);
        assert_eq!(held([(0, Some(true)), (5, None), (5 + long, Some(true))]), [false, false, false]);
    }

    #[test]
    fn what_has_not_been_looked_at_for_long_was_there_all_the_time() {
        let Damping { forget, .. } = Damping::default();
        let long = 2 * forget.as_secs();
        assert_eq!(held([(0, Some(true)), (long, None), (long + 1, Some(true))]), [false, false, true]);
        let again = [(0, None), (1, Some(true)), (2, None), (3, Some(true)), (long, None), (long + 1, Some(true))];
        assert_eq!(held(again), [false, false, false, true, false, true]);
    }
}
