//! The zone: one loop that keeps it as the services need it, with one snapshot, and writes that carry what was read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kfed_api::conditions::{reasons, types};
use kfed_api::{FIELD_MANAGER, Federation, keys};
use kfed_dnsprovider::plan::{GuardedPlan, PlanHash};
use kfed_dnsprovider::{ChangeSet, Conflict, Desired, DnsError, Owner, Policy, Resource, Zone, ZoneSnapshot, apply};
use kfed_service_dns::{AddressPolicy, Fallback, Naming, Outcome, Rules, ServicePlan};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

use super::cluster::is_held;
use super::federation::CLUSTERS;
use super::{Key, Shared};
use crate::effect::within;
use crate::kinds::ObjectKey;
use crate::object::{WantedCondition, conditions};
use crate::plan::publish::{self, Published};
use crate::world::{DnsState, ServiceDns};

/// What comes together within this time is planned together.
const COALESCE: Duration = Duration::from_millis(20);
/// How long the first failure waits; each further one doubles it.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// How often an approval is looked for while deletions wait for one.
const APPROVAL_POLL: Duration = Duration::from_secs(5);
/// The longest that a failing zone waits.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Keeps the zone until the task ends.
pub(super) async fn run(shared: Arc<Shared>) {
    let zone = find(&shared).await;
    let mut keeper = Keeper::new(shared.clone(), zone);
    let mut failures = 0;
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = shared.dns.notified() => tokio::time::sleep(COALESCE).await,
            () = tokio::time::sleep_until(next) => {}
        }
        if !is_complete(&shared) {
            // Names that are missing only because nobody has told us yet must not be withdrawn.
            next = Instant::now() + FIRST_BACKOFF;
            continue;
        }
        next = match keeper.keep().await {
            Ok(again) => {
                failures = 0;
                let approved = report(&shared, None, keeper.held.as_ref()).await;
                let news = approved.is_some() && approved != keeper.approved && keeper.held.is_some();
                keeper.approved = approved;
                Instant::now()
                    + if news {
                        Duration::ZERO
                    } else {
                        again.min(keeper.held.as_ref().map_or(again, |_| APPROVAL_POLL))
                    }
            }
            Err(error) => {
                let backoff = FIRST_BACKOFF.saturating_mul(1 << failures.min(16)).min(LONGEST_BACKOFF);
                failures += 1;
                let wait = error.retry_after().unwrap_or_default().max(backoff);
                tracing::warn!(zone = %keeper.zone.name, error = crate::effect::chain(&error), ?wait, "the zone could not be kept");
                report(&shared, Some(&error), keeper.held.as_ref()).await;
                // Events do not shorten this wait: the provider asked for it, or is away.
                tokio::time::sleep(wait).await;
                Instant::now()
            }
        };
    }
}

/// The zone, once the provider tells of it.
async fn find(shared: &Shared) -> Zone {
    let mut wait = FIRST_BACKOFF;
    loop {
        match shared.parts.dns.find_zone(&shared.settings().zone).await {
            Ok(zone) => return zone,
            Err(error) => {
                tracing::warn!(zone = %shared.settings().zone, error = crate::effect::chain(&error), "the zone could not be found");
                report(shared, Some(&error), None).await;
                tokio::time::sleep(error.retry_after().unwrap_or_default().max(wait)).await;
                wait = (wait * 2).min(LONGEST_BACKOFF);
            }
        }
    }
}

fn is_complete(shared: &Shared) -> bool {
    let world = shared.world();
    world.is_complete()
        && world.listed.contains(CLUSTERS)
        && world.clusters.iter().all(|(name, cluster)| !is_held(cluster) || world.members.contains_key(name))
}

/// Keeps one zone.
struct Keeper {
    shared: Arc<Shared>,
    zone: Zone,
    owner: Owner,
    naming: Naming,
    /// What the zone holds, kept up with every write; read anew when it may be wrong.
    snapshot: Option<ZoneSnapshot>,
    sweep_at: Instant,
    /// A held-back plan that somebody has approved.
    approved: Option<PlanHash>,
    /// Deletions that look like lost input and wait for approval.
    held: Option<GuardedPlan>,
    /// Since when nobody serves a service although its members are well.
    empty_since: BTreeMap<Resource, Instant>,
}

/// What one pass wants.
struct Wanted {
    desired: Desired,
    plans: BTreeMap<ObjectKey, ServicePlan>,
    policy: Policy,
    /// When a hold is over.
    again_after: Option<Duration>,
}

// === impl Keeper ===

impl Keeper {
    fn new(shared: Arc<Shared>, zone: Zone) -> Self {
        let settings = shared.settings();
        let owner = Owner(settings.federation.clone());
        let naming = Naming { federation: settings.federation.clone(), zone: settings.zone.clone() };
        Self {
            zone,
            owner,
            naming,
            snapshot: None,
            sweep_at: Instant::now(),
            approved: None,
            held: None,
            empty_since: BTreeMap::new(),
            shared,
        }
    }

    /// One pass: read where needed, plan, write, tell. When to come again although nothing happens.
    async fn keep(&mut self) -> Result<Duration, DnsError> {
        let dns = self.shared.parts.dns.clone();
        let sweep = self.shared.settings().dns_sweep;
        if self.snapshot.is_none() || self.sweep_at <= Instant::now() {
            self.snapshot = Some(dns.snapshot(&self.zone.id).await?);
            self.sweep_at = Instant::now() + sweep;
        }
        let mut snapshot = self.snapshot.take().unwrap_or_default();
        let published = publish::published(&snapshot, &self.owner);
        let wanted = self.want(&published);
        let changes = kfed_dnsprovider::plan(&snapshot, &wanted.desired, &self.owner, &wanted.policy);
        if !changes.is_empty() {
            tracing::debug!(zone = %self.zone.name, ?changes, "planned");
        }
        self.held.clone_from(&changes.guarded);
        let applied = apply(&dns, &self.zone.id, &changes, &mut snapshot).await;
        let error = applied.failed.into_iter().map(|(_, error)| error).next();
        self.tell(&snapshot, &wanted, &changes, error.as_ref());
        self.snapshot = Some(snapshot);
        match error {
            // The set has been read again; the next plan knows better.
            Some(error) if applied.stale && error.retry_after().is_none() => {
                tracing::info!(
                    error = crate::effect::chain(&error),
                    "somebody else has written to the zone, or an answer was lost"
                );
                Ok(Duration::from_millis(100))
            }
            Some(error) => Err(error),
            None => {
                let until_sweep = self.sweep_at.saturating_duration_since(Instant::now());
                Ok(wanted.again_after.map_or(until_sweep, |again| again.min(until_sweep)))
            }
        }
    }

    /// What the zone is to hold, and which addresses are to be probed for it.
    fn want(&mut self, published: &Published) -> Wanted {
        let world = self.shared.world();
        let settings = self.shared.settings();
        let mut wanted = Wanted {
            desired: Desired::default(),
            plans: BTreeMap::new(),
            policy: Policy { approved: self.approved.clone(), ..Policy::default() },
            again_after: None,
        };
        for key in world.published() {
            let Some(service) = world.federation.get(key) else { continue };
            let resource = Resource::service(&key.namespace, &key.name);
            if !publish::is_published(service) {
                // The user's own doing: its records may go however many they are.
                wanted.policy.caused.insert(resource);
                continue;
            }
            let observation = publish::observe(&world, key, service, published, settings);
            let address_policy = AddressPolicy { allow_loopback: self.zone.loopback, private_zone: self.zone.private };
            let now = Instant::now();
            let rules = Rules {
                address_policy,
                empty_for: self.empty_since.get(&resource).map(|since| now - *since),
                empty_hold: settings.dns_empty_hold,
                fallback: Fallback::Addresses,
                has_records: publish::is_held(&world, published, &resource),
            };
            let plan = kfed_service_dns::plan(&self.naming, &observation, &rules);
            match &plan.outcome {
                Outcome::Publish(sets) => {
                    self.empty_since.remove(&resource);
                    wanted.desired.sets.extend(sets.iter().cloned());
                }
                Outcome::KeepLast { .. } => {
                    self.empty_since.remove(&resource);
                    wanted.desired.keep.insert(resource);
                }
                Outcome::EmptyHold => {
                    let since = *self.empty_since.entry(resource.clone()).or_insert(now);
                    let left = settings.dns_empty_hold.saturating_sub(now - since);
                    wanted.again_after = Some(wanted.again_after.map_or(left, |again| again.min(left)));
                    wanted.desired.keep.insert(resource);
                }
                Outcome::Withdraw => {
                    wanted.policy.caused.insert(resource);
                }
            }
            wanted.plans.insert(key.clone(), plan);
        }
        let targets = publish::targets(&world, published, settings);
        drop(world);
        self.shared.addresses.adjust(&self.shared, &targets);
        wanted
    }

    /// Lets other decisions know how the zone stands, and brings those back that depend on it.
    fn tell(&self, snapshot: &ZoneSnapshot, wanted: &Wanted, changes: &ChangeSet, error: Option<&DnsError>) {
        let published = publish::published(snapshot, &self.owner);
        let mut state = DnsState::default();
        for set in snapshot.iter().filter(|set| self.owner.owns(set)) {
            if let Some(resource) = Resource::of(set) {
                state.services.entry(resource).or_default().records += 1;
            }
        }
        for (resource, members) in published {
            state.members.extend(members.keys().cloned());
            state.services.entry(resource).or_default().addresses = members;
        }
        for (key, plan) in &wanted.plans {
            let resource = Resource::service(&key.namespace, &key.name);
            let service = state.services.entry(resource.clone()).or_default();
            let conflicts = changes.conflicts.iter().filter(|conflict| conflict.resource == resource);
            service.condition = Some(condition(plan, conflicts, service, error));
        }
        let changed: Vec<_> = {
            let mut world = self.shared.world();
            let before = world.dns.replace(state);
            let before = before.unwrap_or_default();
            let now = world.dns.as_ref();
            let differs = |key: &&ObjectKey| {
                let resource = Resource::service(&key.namespace, &key.name);
                before.services.get(&resource) != now.and_then(|state| state.services.get(&resource))
                    || world.federation.get(key).is_some_and(|service| crate::object::is_deleted(service))
            };
            let services = world.published().filter(differs).cloned().map(Key::Object);
            let leaving = world.members.iter().filter(|(_, member)| member.leaving.is_some());
            services.chain(leaving.map(|(name, _)| Key::Cluster(name.clone()))).collect()
        };
        self.shared.queue.add_all(changed);
    }
}

/// What a Service's condition `Published` is to say.
fn condition<'a>(
    plan: &ServicePlan,
    mut conflicts: impl Iterator<Item = &'a Conflict>,
    dns: &ServiceDns,
    error: Option<&DnsError>,
) -> WantedCondition {
    let (holds, reason, message) = if let Some(conflict) = conflicts.next() {
        (false, reasons::FOREIGN_RECORD, conflict.to_string())
    } else if let Some(error) = error {
        (false, reasons::PROVIDER_FAILED, error.to_string())
    } else {
        match &plan.outcome {
            Outcome::KeepLast { why } => (false, reasons::LAST_TARGET_KEPT, why.to_string()),
            Outcome::EmptyHold => (
                false,
                reasons::NO_HEALTHY_ADDRESS,
                "no member has a ready endpoint; the names stay for a while".to_owned(),
            ),
            Outcome::Withdraw => {
                (false, reasons::NO_HEALTHY_ADDRESS, "no member serves it: its names are not in the zone".to_owned())
            }
            Outcome::Publish(_) => {
                let members = dns.addresses.iter().map(|(member, ips)| {
                    let ips: Vec<_> = ips.iter().map(ToString::to_string).collect();
                    format!("{member} ({})", ips.join(", "))
                });
                let members = members.collect::<Vec<_>>().join(", ");
                (true, reasons::RECORDS_CURRENT, format!("{} record sets point to {members}", dns.records))
            }
        }
    };
    let findings = plan.findings.iter().map(ToString::to_string);
    let message = std::iter::once(message).chain(findings).collect::<Vec<_>>().join("; ");
    WantedCondition { type_: types::PUBLISHED, holds, reason: reason.to_owned(), message }
}

/// Says on the Federation whether its zone can be read and written, and what waits for approval; returns what is approved.
async fn report(shared: &Shared, error: Option<&DnsError>, held: Option<&GuardedPlan>) -> Option<PlanHash> {
    let federations = Api::<Federation>::all(shared.parts.federation.clone());
    let name = &shared.settings().federation;
    let deadline = shared.settings().deadline;
    let federation = within(deadline, federations.get_opt(name)).await.ok().flatten()?;
    let mut wanted = vec![WantedCondition {
        type_: types::DNS_READY,
        holds: error.is_none(),
        reason: error.map_or(reasons::RECORDS_CURRENT, |_| reasons::PROVIDER_FAILED).to_owned(),
        message: error
            .map_or_else(|| format!("zone {} is kept", shared.settings().zone.without_dot()), ToString::to_string),
    }];
    wanted.push(match held {
        None => WantedCondition {
            type_: types::DNS_DELETIONS_HELD,
            holds: false,
            reason: reasons::NOTHING_HELD.to_owned(),
            message: "no deletion waits for approval".to_owned(),
        },
        Some(plan) => WantedCondition {
            type_: types::DNS_DELETIONS_HELD,
            holds: true,
            reason: reasons::MASS_CHANGE.to_owned(),
            message: format!(
                "{} of {} names would go without a cause in the API; annotation {}: {} on this object lets them",
                plan.names,
                plan.owned,
                keys::APPROVED,
                plan.hash.0
            ),
        },
    });
    let before = serde_json::to_value(federation.status.unwrap_or_default().conditions).unwrap_or_default();
    let after = conditions(Some(&before), &wanted, shared.now());
    if before.as_array() != Some(&after) {
        let patch = Patch::Merge(json!({"status": {"conditions": after}}));
        let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        if let Err(error) = within(deadline, federations.patch_status(name, &how, &patch)).await {
            tracing::debug!(%error, "could not write to the Federation");
        }
    }
    federation.metadata.annotations?.remove(keys::APPROVED).map(PlanHash)
}
