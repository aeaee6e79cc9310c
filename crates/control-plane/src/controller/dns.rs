//! The zone: one loop that keeps it as the services need it, and beside it one that tells the Federation how it stands. Neither
//! waits for the other: a federation API that hangs delays no failover.

mod claims;
mod keeper;
mod refusals;
mod report;
mod steady;
mod tell;
mod wishes;

use std::sync::Arc;
use std::time::Duration;

use kfed_dnsprovider::plan::{GuardedPlan, PlanHash};
use kfed_dnsprovider::{Backoff, DnsError, Zone};
use tokio::sync::watch;
use tokio::time::Instant;

use self::keeper::Keeper;
use super::federation::CLUSTERS;
use super::itself::{FEDERATION, is_held};
use super::{Shared, rest_after};

/// How often it is looked whether the world is complete before the first pass.
const COMPLETE_POLL: Duration = Duration::from_secs(1);

/// How the zone stands as a whole.
#[derive(Debug, Clone, PartialEq, Default)]
struct Standing {
    /// Why it cannot be found, read or written.
    error: Option<String>,
    /// Deletions that look like lost input and wait for approval.
    held: Option<GuardedPlan>,
}

/// Keeps the zone until the task ends.
pub(super) async fn run(shared: Arc<Shared>) {
    let (standing, told) = watch::channel(None);
    let (approve, approved) = watch::channel(None);
    tokio::join!(keep(&shared, standing, approved), report::run(&shared, told, approve));
}

async fn keep(
    shared: &Arc<Shared>,
    standing: watch::Sender<Option<Standing>>,
    mut approved: watch::Receiver<Option<PlanHash>>,
) {
    let zone = find(shared, &standing).await;
    let mut keeper = Keeper::new(shared.clone(), zone);
    let mut outage = Backoff::default();
    let (mut next, mut not_before) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = shared.zone.woken() => {}
            Ok(()) = approved.changed() => {}
            () = keeper.swept() => {}
            () = tokio::time::sleep_until(next) => {}
        }
        tokio::time::sleep_until(not_before).await;
        if !is_complete(shared) {
            // Names that are missing only because nobody has told us yet must not be withdrawn.
            next = Instant::now() + COMPLETE_POLL;
            continue;
        }
        let approved = approved.borrow_and_update().clone();
        match keeper.keep(approved).await {
            Ok(again) => {
                outage.reset();
                tell(&standing, keeper.trouble(), keeper.held());
                next = again;
                // A plan that was broken off is made anew at once.
                let now = Instant::now();
                not_before = if next > now { now + rest_after(keeper.planned_in()) } else { now };
            }
            Err(error) => {
                tell(&standing, Some(&error), keeper.held());
                let wait = outage.after(&error);
                tracing::warn!(error = crate::effect::chain(&error), ?wait, "the zone could not be kept");
                // Events do not shorten this wait: the provider asked for it, or is away.
                tokio::time::sleep(wait).await;
                next = Instant::now();
            }
        }
    }
}

/// The zone, once the provider tells of it.
async fn find(shared: &Shared, standing: &watch::Sender<Option<Standing>>) -> Zone {
    let mut outage = Backoff::default();
    loop {
        match shared.parts.dns.find_zone(&shared.settings().zone).await {
            Ok(zone) => return zone,
            Err(error) => {
                tell(standing, Some(&error), None);
                let wait = outage.after(&error);
                let zone = &shared.settings().zone;
                tracing::warn!(%zone, error = crate::effect::chain(&error), ?wait, "the zone could not be found");
                tokio::time::sleep(wait).await;
            }
        }
    }
}

fn tell(standing: &watch::Sender<Option<Standing>>, error: Option<&DnsError>, held: Option<&GuardedPlan>) {
    let now = Some(Standing { error: error.map(ToString::to_string), held: held.cloned() });
    standing.send_if_modified(|before| {
        let modified = *before != now;
        *before = now;
        modified
    });
}

fn is_complete(shared: &Shared) -> bool {
    let world = shared.world();
    world.is_complete()
        && world.listed.contains(CLUSTERS)
        && world.listed.contains(FEDERATION)
        && world.itself.as_deref().is_none_or(is_held)
}
