//! One pass after the other: what the zone holds, what it is to hold, and writes that carry what was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kfed_api::conditions::{reasons, types};
use kfed_api::keys;
use kfed_cluster_health::Damping;
use kfed_dnsprovider::plan::{Change, GuardedPlan, PlanHash};
use kfed_dnsprovider::{
    Applied, Backoff, ChangeSet, Desired, DnsError, DnsName, ErrorClass, Guard, Owner, Policy, RecordData,
    RecordSetKey, Resource, Zone, ZoneCache,
};
use kfed_service_dns::{
    AddressPolicy, ApiState, LeadsTo, Liveness, Naming, Outcome, Rules, Seen, ServiceObservation, ServicePlan,
};
use tokio::time::Instant;

use super::steady::{Held, Steady};
use crate::controller::{Key, Shared};
use crate::kinds::ObjectKey;
use crate::object::WantedCondition;
use crate::plan::publish::{self, InZone};
use crate::plan::{Names, priority};
use crate::world::{ApiHealth, DnsState, World};

/// Keeps one zone.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    cache: ZoneCache,
    owner: Owner,
    naming: Naming,
    /// Sets that the provider did not take. They wait by themselves: nobody else does for them.
    refused: BTreeMap<RecordSetKey, Refusal>,
    /// Deletions that look like lost input and wait for approval.
    held: Option<GuardedPlan>,
    /// Since when nobody serves a service although its members are well.
    empty_since: BTreeMap<Resource, Instant>,
    /// Which addresses have come and gone, and when.
    steady: Steady,
    /// Deletions that somebody has approved and that are under way: what is left of them needs no second approval.
    let_go: BTreeSet<RecordSetKey>,
    /// Why the last writes failed, while none succeed.
    ailing: Option<DnsError>,
    /// How long the last plan has taken, without its writes.
    planned_in: Duration,
}

struct Refusal {
    resource: Option<Resource>,
    why: String,
    backoff: Backoff,
    until: Instant,
}

/// What one pass wants.
#[derive(Default)]
struct Wanted {
    desired: Desired,
    services: BTreeMap<Resource, Service>,
    policy: Policy,
    /// When a hold is over.
    again: Option<Instant>,
}

/// A Service that is to be found by name.
struct Service {
    plan: ServicePlan,
    /// Annotations that cannot be read.
    mistakes: Vec<String>,
    /// Where its names lead, whatever becomes of members.
    external: Option<DnsName>,
    /// Addresses that are back and do not count yet.
    held: Vec<Held>,
    /// What annotation `kfed.io/addresses` is to say; none where that would be too long for one.
    seen: Option<String>,
}

/// The names of its own choice that a Service asks for.
struct Claim {
    /// When the Service was created, in seconds.
    created: i64,
    names: Vec<DnsName>,
    /// What is wrong with those that it cannot have.
    mistakes: Vec<String>,
}

/// The longest annotation that is written: an object has room for 256 KiB of them, and a Service with so many addresses is headless.
const LONGEST: usize = 64 * 1024;

// === impl Wanted ===

impl Wanted {
    /// A pass is needed at `at`.
    fn wake(&mut self, at: Option<Instant>) {
        self.again = [self.again, at].into_iter().flatten().min();
    }

    /// What is known of the Service that says when its changes have their turn.
    fn rank(&mut self, resource: &Resource, plan: &ServicePlan, priority: Option<i64>) {
        let is_dead = |state: &Liveness| matches!(state, Liveness::Withdrawn(why) if why.serves_nobody());
        let ips = plan.addresses.iter().filter(|(.., state)| is_dead(state)).map(|(_, ip, _)| RecordData::from(*ip));
        let hosts = plan.hosts.iter().filter(|(.., state)| is_dead(state));
        let dead: BTreeSet<RecordData> = ips.chain(hosts.map(|(_, host, _)| RecordData::Cname(host.clone()))).collect();
        if !dead.is_empty() {
            self.policy.dead.insert(resource.clone(), dead);
        }
        self.policy.priorities.extend(priority.map(|priority| (resource.clone(), priority)));
    }
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, zone: Zone) -> Self {
        let settings = shared.settings();
        Self {
            owner: Owner(settings.federation.clone()),
            naming: Naming { federation: settings.federation.clone(), zone: settings.zone.clone() },
            cache: ZoneCache::new(shared.parts.dns.clone(), zone, settings.dns_sweep)
                .counting(shared.unchanged.clone()),
            refused: BTreeMap::new(),
            held: None,
            empty_since: BTreeMap::new(),
            steady: Steady::new(Damping::after(settings.return_after), shared.now()),
            let_go: BTreeSet::new(),
            ailing: None,
            planned_in: Duration::ZERO,
            shared,
        }
    }

    /// Why the zone could not be read or written when it was last tried.
    pub(super) fn trouble(&self) -> Option<&DnsError> {
        self.cache.failed().or(self.ailing.as_ref())
    }

    /// Waits until the zone has been read anew; for ever if it is not being read.
    pub(super) async fn swept(&mut self) {
        self.cache.swept().await;
    }

    /// How long the last plan has taken, without its writes.
    pub(super) fn planned_in(&self) -> Duration {
        self.planned_in
    }

    /// Deletions that wait for approval.
    pub(super) fn held(&self) -> Option<&GuardedPlan> {
        self.held.as_ref()
    }

    /// One pass: read where needed, plan, write, tell. When to come again although nothing happens; an error where nothing more
    /// is to be sent to the zone for a while.
    pub(super) async fn keep(&mut self, approved: Option<PlanHash>) -> Result<Instant, DnsError> {
        let shared = self.shared.clone();
        if shared.world().names == Names::Left {
            self.share(DnsState::default());
            shared.unchanged.store(0, Ordering::Relaxed);
            return Ok(Instant::now() + shared.settings().dns_sweep);
        }
        self.cache.refresh().await?;
        // Before anything is looked at: what becomes known after that ends the writes of a plan that did not know it.
        let alarm = shared.alarm.notified();
        let begin = Instant::now();
        let names = shared.world().names;
        let mut wanted = match names {
            Names::Withdrawn => self.want_nothing(),
            Names::Kept | Names::Left => self.want(approved),
        };
        self.tell_seen(&wanted);
        let mut changes = kfed_dnsprovider::plan(self.cache.snapshot(), &wanted.desired, &self.owner, &wanted.policy);
        if self.is_let_go(changes.guarded.as_ref(), wanted.policy.approved.as_ref()) {
            wanted.policy.approved = changes.guarded.map(|plan| plan.hash);
            changes = kfed_dnsprovider::plan(self.cache.snapshot(), &wanted.desired, &self.owner, &wanted.policy);
        }
        if !changes.is_empty() {
            tracing::debug!(zone = %self.cache.zone().name, ?changes, "planned");
        }
        self.held.clone_from(&changes.guarded);
        shared.unchanged.store(changes.changes.len(), Ordering::Relaxed);
        self.leave_out_refused(&mut changes);
        self.planned_in = begin.elapsed();
        let applied = self.cache.apply_until(&changes, alarm).await;
        let interrupted = applied.interrupted;
        let (outage, mut failed) = self.judge(&changes, applied);
        failed
            .extend(self.refused.values().filter_map(|refusal| Some((refusal.resource.clone()?, refusal.why.clone()))));
        self.tell(names, &wanted, &changes, &failed);
        match outage {
            Some(error) => Err(error),
            None if interrupted => Ok(Instant::now()),
            None => {
                let refused = self.refused.values().map(|refusal| refusal.until).min();
                Ok([wanted.again, refused]
                    .into_iter()
                    .flatten()
                    .fold(Instant::now() + self.cache.until_sweep(), Instant::min))
            }
        }
    }

    /// Whether what is held back is the rest of what somebody has approved: an outage may come in between.
    fn is_let_go(&mut self, guarded: Option<&GuardedPlan>, approved: Option<&PlanHash>) -> bool {
        if let (Some(held), Some(approved)) = (&self.held, approved)
            && held.hash == *approved
        {
            self.let_go = held.deletions.iter().cloned().collect();
        }
        if approved.is_none() && guarded.is_none() {
            self.let_go.clear();
        }
        let rest = |plan: &GuardedPlan| plan.deletions.iter().all(|key| self.let_go.contains(key));
        !self.let_go.is_empty() && guarded.is_some_and(rest)
    }

    /// The zone is to hold nothing, and that has its cause.
    fn want_nothing(&mut self) -> Wanted {
        self.empty_since.clear();
        let guard = Guard { share: 1.0, at_least: usize::MAX };
        Wanted { policy: Policy { guard, ..Policy::default() }, ..Wanted::default() }
    }

    /// What the zone is to hold.
    fn want(&mut self, approved: Option<PlanHash>) -> Wanted {
        let (settings, zone) = (self.shared.settings(), self.cache.zone());
        let in_zone = publish::published(self.cache.snapshot(), &self.owner);
        let nothing = InZone::new();
        let empty_before = std::mem::take(&mut self.empty_since);
        let mut wanted = Wanted { policy: Policy { approved, ..Policy::default() }, ..Wanted::default() };
        let keys: Vec<ObjectKey> = self.shared.world().published().cloned().collect();
        let mut claimed = self.claimed(&keys);
        let owners = kfed_service_dns::settle(
            claimed.iter().map(|(key, claim)| (claim.created, key.clone(), claim.names.clone())),
        );
        let now = Instant::now();
        for key in keys {
            let resource = Resource::service(&key.namespace, &key.name);
            // One Service at a time: nobody waits for the world while all are planned.
            let in_zone = in_zone.get(&resource);
            let (service, mut observation, has_records) = {
                let world = self.shared.world();
                let Some(service) = world.federation.get(&key) else { continue };
                // What is there to be seen is the cause of all that becomes of its names, however many: what the user wants of
                // it, where members are, which of them leave. Lost input looks like Services that are not there.
                wanted.policy.caused.insert(resource.clone());
                if !publish::is_published(&service, zone.private) {
                    continue;
                }
                let left_out = publish::left_out(&world, &key, &service, in_zone);
                let here = in_zone.unwrap_or(&nothing);
                let mut observation = publish::observe(&world, &key, &service, here, &left_out, settings);
                if let Some(claim) = claimed.get_mut(&key) {
                    let names = claim.names.iter().filter(|name| owners.get(*name) == Some(&key));
                    observation.hostnames = names.cloned().collect();
                    let others = claim.names.iter().filter_map(|name| Some((name, owners.get(name)?)));
                    claim.mistakes.extend(others.filter(|(_, owner)| **owner != key).map(|(name, owner)| {
                        let name = name.without_dot();
                        format!("annotation {}: `{name}` is {owner}'s, which is older", keys::HOSTNAME)
                    }));
                }
                wanted.wake(self.hold_on(&world, &mut observation));
                (service.clone(), observation, publish::is_held(in_zone, |member| publish::stays(&world, member)))
            };
            let held = self.steady.settle(&resource, &mut observation);
            wanted.wake(held.iter().map(|held| held.until).min());
            let empty_since = empty_before.get(&resource).copied();
            let rules = Rules {
                address_policy: AddressPolicy { allow_loopback: zone.loopback, private_zone: zone.private },
                empty_for: empty_since.map(|since| now - since),
                empty_hold: settings.dns_empty_hold,
                fallback: settings.dns_fallback,
                has_records,
            };
            let plan = kfed_service_dns::plan(&self.naming, &observation, &rules);
            wanted.rank(&resource, &plan, priority(&service).ok().flatten());
            match &plan.outcome {
                Outcome::Publish(sets) => wanted.desired.sets.extend(sets.iter().cloned()),
                Outcome::KeepLast { sets: None, .. } => drop(wanted.desired.keep.insert(resource.clone())),
                Outcome::KeepLast { sets: Some(sets), .. } => wanted.desired.sets.extend(sets.iter().cloned()),
                Outcome::EmptyHold => {
                    let since = empty_since.unwrap_or(now);
                    let over = since + settings.dns_empty_hold;
                    wanted.wake(Some(over));
                    wanted.desired.keep.insert(resource.clone());
                    self.empty_since.insert(resource.clone(), since);
                }
                // The hold is over, until the records are gone.
                Outcome::Withdraw if has_records => {
                    self.empty_since.extend(empty_since.map(|since| (resource.clone(), since)));
                }
                Outcome::Withdraw => {}
            }
            let mut mistakes = publish::mistakes(&service);
            mistakes.extend(claimed.remove(&key).into_iter().flat_map(|claim| claim.mistakes));
            let external = match &observation.leads_to {
                LeadsTo::External(name) => Some(name.clone()),
                LeadsTo::Members => None,
            };
            let seen = Seen::of(&observation, plan.outcome == Outcome::EmptyHold);
            let seen = serde_json::to_string(&seen).ok().filter(|text| text.len() <= LONGEST);
            wanted.services.insert(resource, Service { plan, mistakes, external, held, seen });
        }
        self.steady.retain(|resource| wanted.services.contains_key(resource));
        wanted
    }

    /// The names of their own choice that published Services ask for.
    fn claimed(&self, services: &[ObjectKey]) -> BTreeMap<ObjectKey, Claim> {
        let world = self.shared.world();
        let claim = |key: &ObjectKey| {
            let service = world.federation.get(key).filter(|s| publish::is_published(s, self.cache.zone().private))?;
            let (names, mistakes) = publish::hostnames(&service, &self.naming);
            let asks = !names.is_empty() || !mistakes.is_empty();
            asks.then(|| (key.clone(), Claim { created: publish::created(&service), names, mistakes }))
        };
        services.iter().filter_map(claim).collect()
    }

    /// A member that has just become Offline is only silent as far as its names go while `--dns-hold` lasts. When that is over.
    fn hold_on(&self, world: &World, observation: &mut ServiceObservation) -> Option<Instant> {
        let hold = self.shared.settings().dns_hold;
        if hold.is_zero() {
            return None;
        }
        let now = self.shared.now();
        let offline = observation.members.iter_mut().filter(|member| member.api == ApiState::Offline);
        let over = offline.filter_map(|member| {
            let ApiHealth::Offline { since, .. } = world.members.get(&member.member)?.api else { return None };
            let left = hold.checked_sub(Duration::try_from(now.duration_since(since)).unwrap_or_default());
            let left = left.filter(|left| !left.is_zero())?;
            member.api = ApiState::Silent;
            Some(Instant::now() + left)
        });
        over.min()
    }

    /// Takes out what the provider has refused and is not to be asked for yet.
    fn leave_out_refused(&mut self, changes: &mut ChangeSet) {
        let planned: BTreeSet<_> = changes.changes.iter().map(Change::key).collect();
        self.refused.retain(|key, _| planned.contains(key));
        let now = Instant::now();
        let waiting: BTreeSet<_> =
            self.refused.iter().filter(|(_, refusal)| refusal.until > now).map(|(key, _)| key).collect();
        let waits = |change: &Change| {
            // What comes and goes at one name depends on each other.
            let beside = || waiting.iter().any(|key| key.name == change.key().name);
            waiting.contains(change.key()) || (!matches!(change, Change::Update { .. }) && beside())
        };
        changes.retain(|change| !waits(change));
    }

    /// What the failures mean: the zone is away, and what each Service is told; what was refused waits.
    fn judge(&mut self, changes: &ChangeSet, applied: Applied) -> (Option<DnsError>, BTreeMap<Resource, String>) {
        let resources: BTreeMap<_, _> =
            changes.changes.iter().map(|change| (change.key(), change.resource())).collect();
        let resource = |key: &RecordSetKey| resources.get(key).cloned().flatten();
        let mut failed = BTreeMap::new();
        let mut outage: Option<DnsError> = None;
        let (ended, took) = (applied.ended, applied.done > 0);
        let mut refused = BTreeSet::new();
        let mut ailing = None;
        for (key, error) in applied.failed {
            if concerns_the_zone(&error, ended) {
                failed.extend(resource(&key).map(|resource| (resource, error.to_string())));
                // The longest wait that was asked for.
                if outage.as_ref().is_none_or(|other| other.retry_after() < error.retry_after()) {
                    outage = Some(error);
                }
                continue;
            }
            tracing::info!(error = crate::effect::chain(&error), "a record set was not taken");
            let refusal = self.refused.entry(key.clone()).or_insert_with(|| Refusal {
                resource: resource(&key),
                why: String::new(),
                backoff: Backoff::default(),
                until: Instant::now(),
            });
            refusal.why = error.to_string();
            refusal.until = Instant::now() + refusal.backoff.after(&error);
            refused.insert(key);
            if may_concern_the_zone(&error) {
                ailing = Some(error);
            }
        }
        if let Some(error) = &outage {
            let skipped = applied.skipped.iter().filter_map(resource);
            failed.extend(skipped.map(|resource| (resource, error.to_string())));
        }
        // What was tried now and is in neither list was taken.
        let skipped: BTreeSet<_> = applied.skipped.iter().collect();
        let taken = |key: &RecordSetKey| {
            resources.contains_key(key) && !refused.contains(key) && !skipped.contains(key) && outage.is_none()
        };
        self.refused.retain(|key, _| !taken(key));
        // One that is refused for its own sake says nothing of the zone while others are taken.
        if took || self.refused.is_empty() {
            self.ailing = None;
        } else if ailing.is_some() {
            self.ailing = ailing;
        }
        (outage, failed)
    }

    /// Lets it be written down what the plan goes by before it is carried out, which may take long: others judge the zone by that.
    fn tell_seen(&self, wanted: &Wanted) {
        let mut world = self.shared.world();
        let keys: Vec<ObjectKey> = world.published().cloned().collect();
        let Some(dns) = &mut world.dns else { return };
        let changed = keys.into_iter().filter(|key| {
            let resource = Resource::service(&key.namespace, &key.name);
            let Some(Service { seen, .. }) = wanted.services.get(&resource) else { return false };
            let before = &mut dns.services.entry(resource).or_default().seen;
            std::mem::replace(before, seen.clone()) != *seen
        });
        let changed: Vec<_> = changed.map(Key::Object).collect();
        drop(world);
        self.shared.queue.add_all(changed);
    }

    /// Lets other decisions know how the zone stands, and brings those back that depend on it.
    fn tell(&self, names: Names, wanted: &Wanted, changes: &ChangeSet, failed: &BTreeMap<Resource, String>) {
        let snapshot = self.cache.snapshot();
        let is_empty = !snapshot.iter().any(|set| self.owner.owns(set));
        let mut state = DnsState { is_withdrawn: names == Names::Withdrawn && is_empty, ..DnsState::default() };
        for set in snapshot.iter().filter(|set| self.owner.owns(set)) {
            if let Some(resource) = Resource::of(set) {
                state.services.entry(resource).or_default().records += 1;
            }
        }
        for (resource, members) in publish::published(snapshot, &self.owner) {
            state.members.extend(members.keys().cloned());
            state.services.entry(resource).or_default().addresses = members;
        }
        for (resource, Service { plan, mistakes, external, held, seen }) in &wanted.services {
            let dns = state.services.entry(resource.clone()).or_default();
            let refused = failed.get(resource).cloned();
            let external = external.as_ref();
            let standing = publish::Standing { resource, plan, mistakes, changes, refused, dns, external };
            let mut condition = publish::condition(&standing);
            for held in held {
                condition.message.push_str(&format!("; {held}"));
            }
            dns.condition = Some(condition);
            dns.seen.clone_from(seen);
        }
        self.share(state);
    }

    /// Lets other decisions know of `state`, and brings those back that depend on it.
    fn share(&self, mut state: DnsState) {
        let names = self.shared.world().names;
        if names != Names::Kept {
            let keys: Vec<_> = self.shared.world().published().cloned().collect();
            for key in keys {
                let dns = state.services.entry(Resource::service(&key.namespace, &key.name)).or_default();
                dns.condition = Some(given_up(&self.owner.0, names));
            }
        }
        let (first, changed): (_, Vec<_>) = {
            let mut world = self.shared.world();
            let before = world.dns.replace(state);
            let first = before.is_none();
            let before = before.unwrap_or_default();
            let now = world.dns.as_ref();
            let differs = |key: &&ObjectKey| {
                let resource = Resource::service(&key.namespace, &key.name);
                before.services.get(&resource) != now.and_then(|state| state.services.get(&resource))
                    || world.federation.get(key).is_some_and(|service| crate::object::is_deleted(&service))
            };
            let services = world.published().filter(differs).cloned().map(Key::Object);
            let leaving = world.members.iter().filter(|(_, member)| member.leaving.is_some());
            (first, services.chain(leaving.map(|(name, _)| Key::Cluster(name.to_owned()))).collect())
        };
        self.shared.queue.add_all(changed);
        if first {
            // What a silent member publishes is known only now.
            self.shared.dns.notify_one();
        }
    }
}

/// What a Service is told whose federation has gone.
fn given_up(federation: &str, names: Names) -> WantedCondition {
    let what = match names {
        Names::Left => "its names are left as they are",
        Names::Kept | Names::Withdrawn => "its names go",
    };
    let message = format!("Federation {federation} has been deleted: {what}");
    WantedCondition { type_: types::PUBLISHED, holds: false, reason: reasons::FEDERATION_DELETED.to_owned(), message }
}

/// Whether nothing else is to be sent either: the provider asks for it, or does not know us, or has `ended` a run by refusing or
/// failing whatever was asked.
fn concerns_the_zone(error: &DnsError, ended: bool) -> bool {
    error.retry_after().is_some()
        || matches!(error.class, ErrorClass::Throttled | ErrorClass::Unauthenticated)
        || (ended && may_concern_the_zone(error))
}

/// Whether a whole zone may fail so, and a single set as well.
fn may_concern_the_zone(error: &DnsError) -> bool {
    matches!(error.class, ErrorClass::Unavailable | ErrorClass::Forbidden | ErrorClass::NotFound)
}
