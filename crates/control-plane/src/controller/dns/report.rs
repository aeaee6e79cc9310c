//! What the Federation says of its zone, and what somebody has approved there.

use std::sync::Arc;
use std::time::Duration;

use kfed_api::conditions::{reasons, types};
use kfed_api::{FIELD_MANAGER, Federation, keys};
use kfed_dnsprovider::plan::PlanHash;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;

use super::Standing;
use crate::controller::Shared;
use crate::effect::{EffectError, within};
use crate::object::{WantedCondition, conditions};

/// How often an approval is looked for while deletions wait for one, and how soon a failed report is tried again.
const POLL: Duration = Duration::from_secs(5);

/// Reports whenever the zone stands otherwise; passes on what is approved.
pub(super) async fn run(
    shared: &Arc<Shared>,
    mut standing: watch::Receiver<Option<Standing>>,
    approve: watch::Sender<Option<PlanHash>>,
) {
    loop {
        let now = standing.borrow_and_update().clone();
        let mut again = shared.settings().resync;
        if let Some(now) = &now {
            match report(shared, now).await {
                Ok(approved) => {
                    approve.send_if_modified(|before| {
                        let modified = *before != approved;
                        *before = approved;
                        modified
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "could not report to the Federation");
                    again = again.min(POLL);
                }
            }
            if now.held.is_some() {
                again = again.min(POLL);
            }
        }
        tokio::select! {
            Ok(()) = standing.changed() => {}
            () = tokio::time::sleep(again) => {}
        }
    }
}

/// Says whether the zone can be read and written, and what waits for approval; returns what is approved.
async fn report(shared: &Shared, standing: &Standing) -> Result<Option<PlanHash>, EffectError> {
    let federations = Api::<Federation>::all(shared.parts.federation.clone());
    let name = &shared.settings().federation;
    let deadline = shared.settings().deadline;
    let Some(federation) = within(deadline, federations.get_opt(name)).await? else { return Ok(None) };
    let zone = shared.settings().zone.without_dot();
    let (reason, message) = match &standing.error {
        None => (reasons::RECORDS_CURRENT, format!("zone {zone} is kept")),
        Some(error) => (reasons::PROVIDER_FAILED, error.clone()),
    };
    let holds = standing.error.is_none();
    let ready = WantedCondition { type_: types::DNS_READY, holds, reason: reason.to_owned(), message };
    let (reason, message) = match &standing.held {
        None => (reasons::NOTHING_HELD, "no deletion waits for approval".to_owned()),
        Some(plan) => {
            let (names, owned, hash, annotation) = (plan.names, plan.owned, &plan.hash, keys::APPROVED);
            let what = format!("{names} of {owned} names would go without a cause in the API");
            (reasons::MASS_CHANGE, format!("{what}; annotation {annotation}: {hash} on this object lets them"))
        }
    };
    let holds = standing.held.is_some();
    let held = WantedCondition { type_: types::DNS_DELETIONS_HELD, holds, reason: reason.to_owned(), message };
    let (reason, message) = match &standing.mass_failure {
        None => (reasons::MOST_MEMBERS_LIVE, "at most half of the members are dead".to_owned()),
        Some(dead) => {
            let dead = dead.join(", ");
            (
                reasons::OWN_NETWORK,
                format!("{dead} are dead, more than half: rather kfed's own network. Nothing is evicted"),
            )
        }
    };
    let holds = standing.mass_failure.is_some();
    let mass = WantedCondition { type_: types::MASS_FAILURE, holds, reason: reason.to_owned(), message };

    let before = serde_json::to_value(federation.status.unwrap_or_default().conditions).unwrap_or_default();
    let after = conditions(Some(&before), &[ready, held, mass], shared.now());
    if before.as_array() != Some(&after) {
        let patch = Patch::Merge(json!({"status": {"conditions": after}}));
        let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        within(deadline, federations.patch_status(name, &how, &patch)).await?;
    }
    Ok(federation.metadata.annotations.and_then(|mut all| all.remove(keys::APPROVED)).map(PlanHash))
}
