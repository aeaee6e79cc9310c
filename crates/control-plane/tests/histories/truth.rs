//! What is true of members and services, and since when: by the emulated clusters themselves, and not by what kfed thinks of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kfed_cluster_emulator::{ApiFault, ClusterEmulator, LbAnswer};
use tokio::time::Instant;

use crate::history::{History, ServiceSpec};

/// The port of every service.
pub(crate) const PORT: u16 = 8000;

/// What a member's API has said for so long has been heard: a watch that failed has begun anew.
pub(crate) const KNOWN: Duration = Duration::from_secs(40);

/// Since when something has been so without a break.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lasting(Option<Instant>);

/// Whether a member belongs to the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    In,
    /// It is on its way out, or may be.
    Leaving,
    Out,
}

/// How a member's API is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Fine,
    /// It answers, and is not well.
    Unwell,
    Silent,
}

/// What is true of a member.
pub(crate) struct Member {
    pub(crate) cluster: Arc<ClusterEmulator>,
    pub(crate) belongs: Belongs,
    pub(crate) joined: Lasting,
    pub(crate) api: Api,
    pub(crate) api_fine: Lasting,
    /// When the API last fell silent, or spoke again.
    pub(crate) api_turned: Instant,
    /// How many endpoints are ready, by namespace and name, as the member's own API says.
    pub(crate) endpoints: BTreeMap<(String, String), usize>,
    /// By service.
    pub(crate) places: Vec<Place>,
}

/// What is true of a service in a member.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) address: Option<Ipv4Addr>,
    /// Its address answers.
    pub(crate) serves: Lasting,
    /// It does not.
    pub(crate) fails: Lasting,
    /// It has an address, as far as who asks the member can know.
    pub(crate) held: Lasting,
    /// It has ready endpoints, as far as who asks the member can know.
    pub(crate) ready: Lasting,
    /// It has none, and who asks can know that.
    pub(crate) empty: Lasting,
    /// When its address had last answered for so long that it has been noticed.
    pub(crate) answered: Option<Instant>,
}

// === impl Lasting ===

impl Lasting {
    pub(crate) fn set(&mut self, holds: bool, now: Instant) {
        match holds {
            true => drop(self.0.get_or_insert(now)),
            false => self.0 = None,
        }
    }

    pub(crate) fn since(self) -> Option<Instant> {
        self.0
    }

    fn if_lasts(self, time: Duration, now: Instant) -> Self {
        if self.lasts(time, now) { self } else { Self(None) }
    }

    pub(crate) fn lasts(self, time: Duration, now: Instant) -> bool {
        self.0.is_some_and(|since| now.saturating_duration_since(since) >= time)
    }
}

// === impl Member ===

impl Member {
    pub(crate) fn new(cluster: Arc<ClusterEmulator>, services: usize, now: Instant) -> Self {
        Self {
            cluster,
            belongs: Belongs::Out,
            joined: Lasting::default(),
            api: Api::Fine,
            api_fine: Lasting::default(),
            api_turned: now,
            endpoints: BTreeMap::new(),
            places: (0..services).map(|_| Place::default()).collect(),
        }
    }

    /// Looks at the member as it is now. An address that answers for `noticed` is noticed.
    pub(crate) fn look(&mut self, history: &History, noticed: Duration, now: Instant) {
        let was_fine = self.api == Api::Fine;
        let api = match self.cluster.faults().api {
            ApiFault::Ok => Api::Fine,
            ApiFault::Status(_) => Api::Unwell,
            ApiFault::Hang | ApiFault::Refuse => Api::Silent,
        };
        if (api == Api::Silent) != (self.api == Api::Silent) {
            self.api_turned = now;
        }
        self.api = api;
        self.api_fine.set(api == Api::Fine, now);
        self.joined.set(self.belongs == Belongs::In, now);
        let addresses = self.cluster.load_balancers().addresses();
        for (spec, place) in history.services.iter().zip(&mut self.places) {
            let key = spec.key();
            let address = addresses.get(&key).copied();
            let answer = address.map(|ip| self.cluster.load_balancers().probe(SocketAddr::new(IpAddr::V4(ip), PORT)));
            let serves = matches!(answer, Some(LbAnswer::Answers(_))) && address == place.address;
            if address != place.address {
                *place = Place { address, held: place.held, ready: place.ready, ..Place::default() };
            }
            place.serves.set(serves, now);
            place.fails.set(address.is_some() && !serves, now);
            if place.serves.lasts(noticed, now) {
                place.answered = Some(now);
            }
            let ready = self.endpoints.get(&key).is_some_and(|ready| *ready > 0);
            if was_fine && api != Api::Fine {
                // What was not to be seen for long may not have been seen.
                place.held = place.held.if_lasts(KNOWN, now);
                place.ready = place.ready.if_lasts(KNOWN, now);
            }
            // Who is silent is remembered as it was; who answers only that it is unwell may have been heard of by a watch, or not.
            match api {
                Api::Fine => {
                    place.held.set(address.is_some(), now);
                    place.ready.set(ready, now);
                }
                Api::Unwell => {
                    place.held.set(address.is_some() && place.held.since().is_some(), now);
                    place.ready.set(ready && place.ready.since().is_some(), now);
                }
                Api::Silent => {}
            }
            if self.belongs == Belongs::Out {
                // Whoever joins is heard of anew.
                (place.held, place.ready) = (Lasting::default(), Lasting::default());
            }
            place.empty.set(api == Api::Fine && address.is_some() && !ready, now);
        }
    }
}

// === impl ServiceSpec ===

impl ServiceSpec {
    pub(crate) fn key(&self) -> (String, String) {
        (self.namespace.to_owned(), self.name.clone())
    }
}
