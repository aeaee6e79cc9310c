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
pub(super) struct Steady {
    damping: Damping,
    /// When this began, on both clocks.
    start: (Instant, Timestamp),
    services: BTreeMap<Resource, BTreeMap<Place, Seen>>,
}

/// A member and one of its addresses.
type Place = (String, IpAddr);

struct Seen {
    damper: Damper,
    /// When the address was last there.
    last: Duration,
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
    pub(super) fn new(damping: Damping, now: Timestamp) -> Self {
        Self { damping, start: (Instant::now(), now), services: BTreeMap::new() }
    }

    /// Marks in `service` what must not come back yet, and tells of it. Whatever makes an address come and go counts: its member,
    /// its own answers, the endpoints behind it.
    pub(super) fn settle(&mut self, resource: &Resource, service: &mut ServiceObservation) -> Vec<Held> {
        let (start, started) = self.start;
        let now = start.elapsed();
        let places = self.services.entry(resource.clone()).or_default();
        let mut held = Vec::new();
        let mut there = BTreeSet::new();
        for member in &mut service.members {
            let before = member.clone();
            let led_to = member.hosts.iter_mut().flat_map(|host| host.addresses.iter_mut().flatten());
            for address in member.addresses.iter_mut().chain(led_to) {
                let place = (member.member.clone(), address.ip);
                there.insert(place.clone());
                let new = || Seen { damper: Damper::new(self.damping), last: now };
                let seen = places.entry(place).or_insert_with(new);
                seen.last = now;
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
        let forget = self.damping.forget;
        places.retain(|place, seen| {
            there.contains(place) || {
                seen.damper.observe(false, now);
                now.saturating_sub(seen.last) < forget
            }
        });
        held
    }

    /// Forgets all Services but `published`.
    pub(super) fn retain(&mut self, published: impl Fn(&Resource) -> bool) {
        self.services.retain(|resource, _| published(resource));
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times = if self.deaths == 1 { String::new() } else { format!(", the {}th time,", self.deaths) };
        let (ip, member, at) = (self.ip, &self.member, crate::object::seconds(self.at));
        write!(f, "address {ip} of {member} is back{times} and quarantined until {at}")
    }
}
