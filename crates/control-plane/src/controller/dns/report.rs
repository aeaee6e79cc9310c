//! What the Federation says of its zone and of its members as a whole, and what somebody has approved there.

use std::sync::Arc;
use std::time::Duration;

use kfed_api::conditions::{reasons, types};
use kfed_api::{Awaiting, FIELD_MANAGER, Federation, MASS_FAILOVER, RecordSettings};
use kfed_dnsprovider::plan::{GuardedPlan, PlanHash};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Standing;
use crate::controller::Shared;
use crate::effect::{EffectError, manager, within};
use crate::object::{WantedCondition, conditions};
use crate::plan::approval::{Approved, Waiting, approved};
use crate::plan::load::{Gauge, Told};

/// How often it is looked how things stand; while something waits for an approval, one is looked for as often.
const POLL: Duration = Duration::from_secs(5);

/// All there is to say.
#[derive(Debug, Clone, PartialEq, Default)]
struct Said {
    /// None while the zone has not been looked at.
    zone: Option<Standing>,
    /// Members that are dead, where they are so many that nothing is evicted for it.
    mass_failure: Option<Vec<String>>,
    /// How much waits.
    load: Told,
}

/// Reports whenever things stand otherwise; passes on what is approved.
pub(super) async fn run(
    shared: &Arc<Shared>,
    mut standing: watch::Receiver<Option<Standing>>,
    approve: watch::Sender<Option<PlanHash>>,
) {
    let mut reported = None;
    let mut due = Instant::now();
    let mut gauge = Gauge::default();
    loop {
        let said = Said {
            zone: standing.borrow_and_update().clone(),
            mass_failure: mass_failure(shared),
            load: gauge.see(&shared.load(), shared.now()).clone(),
        };
        let waits = said.mass_failure.is_some() || said.zone.as_ref().is_some_and(|zone| zone.held.is_some());
        let known = said.zone.is_some() || said.mass_failure.is_some();
        if known && (waits || reported.as_ref() != Some(&said) || due <= Instant::now()) {
            match report(shared, &said).await {
                Ok(approved) => {
                    let plan = approved.plan;
                    approve.send_if_modified(|before| {
                        let modified = *before != plan;
                        *before = plan;
                        modified
                    });
                    let changed = std::mem::replace(&mut shared.world().mass_failover, approved.mass_failover)
                        != approved.mass_failover;
                    if changed {
                        shared.look_at_everything();
                    }
                    (reported, due) = (Some(said), Instant::now() + shared.settings().resync);
                }
                Err(error) => {
                    tracing::debug!(%error, "could not report to the Federation");
                    reported = None;
                }
            }
        }
        tokio::select! {
            Ok(()) = standing.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

fn mass_failure(shared: &Shared) -> Option<Vec<String>> {
    let world = shared.world();
    let settings = shared.settings();
    world.mass_failure(settings).then(|| world.dead_members(settings).map(str::to_owned).collect())
}

/// Says how things stand and what waits for approval; returns what is approved.
async fn report(shared: &Shared, said: &Said) -> Result<Approved, EffectError> {
    let federations = Api::<Federation>::all(shared.parts.federation.clone());
    let name = &shared.settings().federation;
    let deadline = shared.settings().deadline;
    let Some(federation) = within(deadline, federations.get_opt(name)).await? else { return Ok(Approved::default()) };

    let held = said.zone.as_ref().and_then(|zone| zone.held.as_ref());
    let waiting = Waiting { plan: held.map(|plan| plan.hash.clone()), mass_failover: said.mass_failure.is_some() };
    let annotations = federation.metadata.annotations.clone().unwrap_or_default();
    let approved = approved(&annotations, &waiting, shared.now());
    if !approved.annotations.is_empty() {
        let version = &federation.metadata.resource_version;
        let metadata = json!({"resourceVersion": version, "annotations": approved.annotations});
        let patch = Patch::Merge(json!({"metadata": metadata}));
        within(deadline, federations.patch(name, &manager(), &patch)).await?;
    }

    let mut wanted = vec![of_members(said.mass_failure.as_deref(), approved.mass_failover)];
    if let Some(zone) = &said.zone {
        wanted.extend(of_zone(shared, zone));
    }
    let mut awaiting = Vec::new();
    if let Some(plan) = held {
        awaiting.push(Awaiting { approval: plan.hash.to_string(), what: deletions(plan) });
    }
    if let Some(dead) = said.mass_failure.as_ref().filter(|_| !approved.mass_failover) {
        let what = format!(
            "the replicas of {}, more than half of the members, would be started on the others",
            dead.join(", ")
        );
        awaiting.push(Awaiting { approval: MASS_FAILOVER.to_owned(), what });
    }
    let (ttl, fallback) = (shared.settings().dns_ttl, shared.settings().dns_fallback.as_str().to_owned());
    let records = RecordSettings { ttl, fallback };
    let status = federation.status.unwrap_or_default();
    let before = serde_json::to_value(&status.conditions).unwrap_or_default();
    let after = conditions(Some(&before), &wanted, shared.now());
    let Told { queue, dns } = &said.load;
    let stands = before.as_array() == Some(&after)
        && status.awaiting == awaiting
        && status.records.as_ref() == Some(&records)
        && status.queue.as_ref() == Some(queue)
        && status.dns.as_ref() == Some(dns);
    if !stands {
        let status = json!({"conditions": after, "awaiting": awaiting, "records": records, "queue": queue, "dns": dns});
        let patch = Patch::Merge(json!({"status": status}));
        let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        within(deadline, federations.patch_status(name, &how, &patch)).await?;
    }
    Ok(approved)
}

fn of_zone(shared: &Shared, zone: &Standing) -> [WantedCondition; 2] {
    let name = shared.settings().zone.without_dot();
    let (reason, message) = match &zone.error {
        None => (reasons::RECORDS_CURRENT, format!("zone {name} is kept")),
        Some(error) => (reasons::PROVIDER_FAILED, error.clone()),
    };
    let holds = zone.error.is_none();
    let ready = WantedCondition { type_: types::DNS_READY, holds, reason: reason.to_owned(), message };
    let (reason, message) = match &zone.held {
        None => (reasons::NOTHING_HELD, "no deletion waits for approval".to_owned()),
        Some(plan) => {
            let (what, hash) = (deletions(plan), &plan.hash);
            (reasons::MASS_CHANGE, format!("{what}; `kfed approve {hash}` lets them"))
        }
    };
    let holds = zone.held.is_some();
    [ready, WantedCondition { type_: types::DNS_DELETIONS_HELD, holds, reason: reason.to_owned(), message }]
}

fn deletions(plan: &GuardedPlan) -> String {
    format!("{} of {} names would go without a cause in the API", plan.names, plan.owned)
}

fn of_members(dead: Option<&[String]>, approved: bool) -> WantedCondition {
    let (reason, message) = match dead.map(|dead| dead.join(", ")) {
        None => (reasons::MOST_MEMBERS_LIVE, "at most half of the members are dead".to_owned()),
        Some(dead) if approved => (
            reasons::MASS_FAILOVER_APPROVED,
            format!("{dead} are dead, more than half; their replicas move, as was approved"),
        ),
        Some(dead) => (
            reasons::OWN_NETWORK,
            format!(
                "{dead} are dead, more than half: rather kfed's own network. Nothing is evicted; `kfed approve {MASS_FAILOVER}` \
                 lets their replicas move"
            ),
        ),
    };
    WantedCondition { type_: types::MASS_FAILURE, holds: dead.is_some(), reason: reason.to_owned(), message }
}
