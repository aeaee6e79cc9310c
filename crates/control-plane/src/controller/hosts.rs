//! Keeps what the names of load balancers lead to up to date: each is asked again when its answer is no longer good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kfed_dnsprovider::DnsName;
use tower::ServiceExt;

use super::{AbortOnDrop, Shared, ever, lock};
use crate::effect::chain;
use crate::resolve::{Resolution, ResolveHost};
use crate::world::Host;

/// A name is not asked for more often than this, whatever its TTL says.
const SOONEST: Duration = Duration::from_secs(5);
/// Nor more rarely: load balancers move without asking.
const LATEST: Duration = Duration::from_secs(300);

/// The tasks of all names, each of which ends with its handle.
#[derive(Default)]
pub(super) struct Hosts(Mutex<BTreeMap<DnsName, AbortOnDrop<()>>>);

// === impl Hosts ===

impl Hosts {
    /// Sees to it that exactly `wanted` are followed and known.
    pub(super) fn adjust(&self, shared: &Arc<Shared>, wanted: &BTreeSet<DnsName>) {
        let mut tasks = lock(&self.0);
        tasks.retain(|host, _| wanted.contains(host));
        shared.world().hosts.retain(|host, _| wanted.contains(host));
        for host in wanted {
            tasks.entry(host.clone()).or_insert_with(|| {
                let (shared, host) = (shared.clone(), host.clone());
                AbortOnDrop(tokio::spawn(ever("what follows a load balancer's name", move || {
                    follow(shared.clone(), host.clone())
                })))
            });
        }
    }

    pub(super) fn stop_all(&self) {
        lock(&self.0).clear();
    }
}

async fn follow(shared: Arc<Shared>, host: DnsName) {
    let mut failures = 0_u32;
    loop {
        let answer = resolve(&shared, &host).await;
        let wait = match &answer {
            Ok(resolution) => resolution.ttl.clamp(SOONEST, LATEST),
            Err(_) => SOONEST.saturating_mul(1 << failures.min(8)).min(LATEST),
        };
        failures = if answer.is_err() { failures + 1 } else { 0 };
        take_in(&shared, &host, answer);
        tokio::time::sleep(wait).await;
    }
}

async fn resolve(shared: &Shared, host: &DnsName) -> Result<Resolution, String> {
    let deadline = shared.settings().deadline;
    let asking = shared.parts.resolver.clone().oneshot(ResolveHost { host: host.clone() });
    match tokio::time::timeout(deadline, asking).await {
        Ok(Ok(resolution)) if resolution.addresses.is_empty() => Err("it has no address".to_owned()),
        Ok(Ok(resolution)) => Ok(resolution),
        Ok(Err(error)) => Err(chain(&*error)),
        Err(_) => Err(format!("no answer within {deadline:?}")),
    }
}

/// Puts an answer into the world. One that is none takes nothing away: a wrong answer is better than no answer, and probes tell
/// whether it is wrong.
fn take_in(shared: &Shared, host: &DnsName, answer: Result<Resolution, String>) {
    let changed = {
        let mut world = shared.world();
        let known = world.hosts.entry(host.clone()).or_default();
        let before = known.clone();
        match answer {
            Ok(resolution) => *known = Host { addresses: Some(resolution.addresses), problem: None },
            Err(problem) => known.problem = Some(problem),
        }
        if *known != before {
            tracing::info!(%host, ?known, "a load balancer's name leads elsewhere");
        }
        *known != before
    };
    if changed {
        shared.dns.notify_one();
    }
}
