//! What every Service is to have in the zone, kept: a Service is looked at when something of it has changed, and not for others' sake.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use kfed_cluster_health::Damping;
use kfed_dnsprovider::plan::PlanHash;
use kfed_dnsprovider::{
    ChangeSet, DnsName, KeptPlan, Owner, Policy, RecordData, RecordSetKey, Resource, Wish, Zone, ZoneSnapshot,
};
use kfed_service_dns::{
    AddressPolicy, ApiState, LeadsTo, Liveness, Naming, Outcome, Rules, Seen, ServiceObservation, ServicePlan,
};
use tokio::time::Instant;

use super::claims::{Claim, Claims};
use super::steady::{Held, Steady};
use crate::Settings;
use crate::controller::changes::Changed;
use crate::controller::lock;
use crate::kinds::ObjectKey;
use crate::plan::priority;
use crate::plan::publish::{self, InZone};
use crate::world::{ApiHealth, ServiceDns, World};

/// What all Services want of one zone.
pub(super) struct Wishes {
    naming: Naming,
    plan: KeptPlan,
    policy: Policy,
    services: BTreeMap<Resource, Service>,
    claims: Claims,
    /// Which addresses have come and gone, and when.
    steady: Steady,
    /// Since when nobody serves a Service although its members are well.
    empty_since: BTreeMap<Resource, Instant>,
    /// When a Service is to be looked at although nothing happens: a hold is over then.
    waits: BTreeMap<ObjectKey, Instant>,
}

/// What Services are looked at by.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) world: &'a Mutex<World>,
    pub(super) settings: &'a Settings,
    pub(super) zone: &'a Zone,
    pub(super) snapshot: &'a ZoneSnapshot,
    /// Now, on both clocks.
    pub(super) now: Instant,
    pub(super) time: Timestamp,
}

/// What annotation `kfed.io/addresses` of Services that have been looked at is to say; none where they are found by no name.
pub(super) type Looked = BTreeMap<Resource, Option<String>>;

/// A Service that is to be found by name.
struct Service {
    /// Without the sets.
    plan: ServicePlan,
    /// Annotations that cannot be read.
    mistakes: Vec<String>,
    /// Where its names lead, whatever becomes of members.
    external: Option<DnsName>,
    /// Addresses that are back and do not count yet.
    held: Vec<Held>,
}

/// The longest annotation that is written: an object has room for 256 KiB of them, and a Service with so many addresses is headless.
const LONGEST: usize = 64 * 1024;

// === impl Wishes ===

impl Wishes {
    /// Nothing has been looked at yet, neither the zone nor any Service.
    pub(super) fn new(settings: &Settings, now: Instant, time: Timestamp) -> Self {
        Self {
            plan: KeptPlan::new(Owner(settings.federation.clone())),
            naming: Naming { federation: settings.federation.clone(), zone: settings.zone.clone() },
            policy: Policy::default(),
            services: BTreeMap::new(),
            claims: Claims::default(),
            steady: Steady::new(Damping::after(settings.return_after), (now, time)),
            empty_since: BTreeMap::new(),
            waits: BTreeMap::new(),
        }
    }

    /// Looks at Services of which something has `changed`, or whose holds are over; and at those that lose or win a name by that.
    pub(super) fn look(&mut self, moment: Moment<'_>, changed: Changed) -> Looked {
        let mut keys = match changed {
            Changed::Services(services) => services,
            Changed::Everything => {
                let known = self.policy.caused.iter().filter_map(ObjectKey::of);
                known.chain(moment.world().published().cloned()).collect()
            }
        };
        keys.extend(self.waits.iter().filter(|(_, at)| **at <= moment.now).map(|(key, _)| key.clone()));
        for key in keys.clone() {
            let claim = self.claim(moment, &key);
            keys.extend(self.claims.set(&key, claim));
        }
        keys.into_iter().map(|key| (key.resource(), self.look_at(moment, &key))).collect()
    }

    /// When to look again although nothing happens.
    pub(super) fn again(&self) -> Option<Instant> {
        self.waits.values().min().copied()
    }

    /// Any set of the zone may be another than it was.
    pub(super) fn see_all(&mut self, snapshot: &ZoneSnapshot) {
        self.plan.see_all(snapshot);
    }

    /// The sets at `keys` may be others than they were. Whose they were, and are.
    pub(super) fn see<'k>(
        &mut self,
        snapshot: &ZoneSnapshot,
        keys: impl IntoIterator<Item = &'k RecordSetKey>,
    ) -> BTreeSet<Resource> {
        self.plan.see(snapshot, keys)
    }

    /// What makes of the zone what the Services want, with those deletions that somebody has approved.
    pub(super) fn changes(&mut self, snapshot: &ZoneSnapshot, approved: Option<PlanHash>) -> ChangeSet {
        self.policy.approved = approved;
        self.plan.plan(snapshot, &self.policy)
    }

    /// All that there is something to tell of: who is to be found by name, and who has something in the zone.
    pub(super) fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.services.keys().chain(self.plan.resources())
    }

    /// Whether the Service is to be found by name.
    pub(super) fn publishes(&self, resource: &Resource) -> bool {
        self.services.contains_key(resource)
    }

    /// How `resource` stands, but for what its annotation is to say.
    pub(super) fn standing(
        &self,
        resource: &Resource,
        snapshot: &ZoneSnapshot,
        changes: &ChangeSet,
        refused: Option<String>,
    ) -> ServiceDns {
        let mut dns = ServiceDns {
            records: self.plan.held(resource).count(),
            addresses: self.in_zone(snapshot, resource).unwrap_or_default(),
            ..ServiceDns::default()
        };
        if let Some(Service { plan, mistakes, external, held }) = self.services.get(resource) {
            let external = external.as_ref();
            let standing = publish::Standing { resource, plan, mistakes, changes, refused, dns: &dns, external };
            let mut condition = publish::condition(&standing);
            for held in held {
                condition.message.push_str(&format!("; {held}"));
            }
            dns.condition = Some(condition);
        }
        dns
    }

    fn in_zone(&self, snapshot: &ZoneSnapshot, resource: &Resource) -> Option<InZone> {
        publish::in_zone(self.plan.held(resource).filter_map(|key| snapshot.get(key)))
    }

    /// The names of its own choice that the Service asks for.
    fn claim(&self, moment: Moment<'_>, key: &ObjectKey) -> Option<Claim> {
        let world = moment.world();
        let service = world.federation.get(key)?;
        if !publish::is_published(&service, moment.zone.private) {
            return None;
        }
        let (names, mistakes) = publish::hostnames(&service, &self.naming);
        let asks = !names.is_empty() || !mistakes.is_empty();
        asks.then(|| Claim { created: publish::created(&service), names, mistakes })
    }

    fn look_at(&mut self, moment: Moment<'_>, key: &ObjectKey) -> Option<String> {
        let Moment { settings, zone, snapshot, now, .. } = moment;
        let resource = key.resource();
        let in_zone = self.in_zone(snapshot, &resource);
        // One Service at a time: nobody waits for the world while many are looked at.
        let (service, mut observation, has_records, hold) = {
            let world = moment.world();
            let Some(service) = world.federation.get(key) else {
                drop(world);
                self.policy.caused.remove(&resource);
                self.forget(key, &resource);
                return None;
            };
            // What is there to be seen is the cause of all that becomes of its names, however many: what the user wants of it, where
            // members are, which of them leave. Lost input looks like Services that are not there.
            self.policy.caused.insert(resource.clone());
            if !publish::is_published(&service, zone.private) {
                drop(world);
                self.forget(key, &resource);
                return None;
            }
            let left_out = publish::left_out(&world, key, &service, in_zone.as_ref());
            let nothing = InZone::new();
            let here = in_zone.as_ref().unwrap_or(&nothing);
            let mut observation = publish::observe(&world, key, &service, here, &left_out, settings);
            let hold = hold_on(moment, &world, &mut observation);
            let has_records = publish::is_held(in_zone.as_ref(), |member| publish::stays(&world, member));
            (service, observation, has_records, hold)
        };
        let mut mistakes = publish::mistakes(&service);
        let (hostnames, others) = self.claims.settled(key);
        observation.hostnames = hostnames;
        mistakes.extend(others);
        let held = self.steady.settle(&resource, &mut observation, now);
        let empty_since = self.empty_since.remove(&resource);
        let rules = Rules {
            address_policy: AddressPolicy { allow_loopback: zone.loopback, private_zone: zone.private },
            empty_for: empty_since.map(|since| now - since),
            empty_hold: settings.dns_empty_hold,
            fallback: settings.dns_fallback,
            has_records,
        };
        let mut plan = kfed_service_dns::plan(&self.naming, &observation, &rules);
        self.rank(&resource, &plan, priority(&service).ok().flatten());
        let seen = Seen::of(&observation, plan.outcome == Outcome::EmptyHold);
        let mut empty_until = None;
        let wish = match &mut plan.outcome {
            Outcome::Publish(sets) | Outcome::KeepLast { sets: Some(sets), .. } => Wish::Sets(std::mem::take(sets)),
            Outcome::KeepLast { sets: None, .. } => Wish::Stay,
            Outcome::EmptyHold => {
                let since = empty_since.unwrap_or(now);
                empty_until = Some(since + settings.dns_empty_hold);
                self.empty_since.insert(resource.clone(), since);
                Wish::Stay
            }
            Outcome::Withdraw => {
                // The hold is over, until the records are gone.
                let since = empty_since.filter(|_| has_records);
                self.empty_since.extend(since.map(|since| (resource.clone(), since)));
                Wish::Sets(Vec::new())
            }
        };
        self.plan.want(&resource, wish);
        let quarantine = held.iter().map(|held| held.until).min();
        match [hold, quarantine, empty_until].into_iter().flatten().min() {
            Some(at) => drop(self.waits.insert(key.clone(), at)),
            None => drop(self.waits.remove(key)),
        }
        let external = match &observation.leads_to {
            LeadsTo::External(name) => Some(name.clone()),
            LeadsTo::Members => None,
        };
        self.services.insert(resource, Service { plan, mistakes, external, held });
        serde_json::to_string(&seen).ok().filter(|text| text.len() <= LONGEST)
    }

    /// The Service is found by no name: what is known of it goes, but for whether it is there at all.
    fn forget(&mut self, key: &ObjectKey, resource: &Resource) {
        self.plan.forget(resource);
        self.policy.dead.remove(resource);
        self.policy.priorities.remove(resource);
        self.services.remove(resource);
        self.steady.forget(resource);
        self.empty_since.remove(resource);
        self.waits.remove(key);
    }

    /// What is known of the Service that says when its changes have their turn.
    fn rank(&mut self, resource: &Resource, plan: &ServicePlan, priority: Option<i64>) {
        let is_dead = |state: &Liveness| matches!(state, Liveness::Withdrawn(why) if why.serves_nobody());
        let ips = plan.addresses.iter().filter(|(.., state)| is_dead(state)).map(|(_, ip, _)| RecordData::from(*ip));
        let hosts = plan.hosts.iter().filter(|(.., state)| is_dead(state));
        let dead: BTreeSet<RecordData> = ips.chain(hosts.map(|(_, host, _)| RecordData::Cname(host.clone()))).collect();
        match dead.is_empty() {
            true => drop(self.policy.dead.remove(resource)),
            false => drop(self.policy.dead.insert(resource.clone(), dead)),
        }
        match priority {
            Some(priority) => drop(self.policy.priorities.insert(resource.clone(), priority)),
            None => drop(self.policy.priorities.remove(resource)),
        }
    }
}

// === impl Moment ===

impl<'a> Moment<'a> {
    fn world(self) -> MutexGuard<'a, World> {
        lock(self.world)
    }
}

/// A member that has just become Offline is only silent as far as its names go while `--dns-hold` lasts. When that is over.
fn hold_on(moment: Moment<'_>, world: &World, observation: &mut ServiceObservation) -> Option<Instant> {
    let Moment { settings: Settings { dns_hold: hold, .. }, now, time, .. } = moment;
    if hold.is_zero() {
        return None;
    }
    let offline = observation.members.iter_mut().filter(|member| member.api == ApiState::Offline);
    let over = offline.filter_map(|member| {
        let ApiHealth::Offline { since, .. } = world.members.get(&member.member)?.api else { return None };
        let left = hold.checked_sub(Duration::try_from(time.duration_since(since)).unwrap_or_default());
        let left = left.filter(|left| !left.is_zero())?;
        member.api = ApiState::Silent;
        Some(now + left)
    });
    over.min()
}
