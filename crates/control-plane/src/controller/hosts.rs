//! Keeps what the names of load balancers lead to up to date: each is asked again when its answer is no longer good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kfed_dnsprovider::DnsName;
use tower::ServiceExt;

use super::changes::Changed;
use super::{AbortOnDrop, Shared, ever, lock};
use crate::effect::chain;
use crate::kinds::ObjectKey;
use crate::resolve::{Resolution, ResolveHost};
use crate::world::Host;

/// A name is not asked for more often than this, whatever its TTL says.
const SOONEST: Duration = Duration::from_secs(5);
/// Nor more rarely: load balancers move without asking.
const LATEST: Duration = Duration::from_secs(300);

/// The names that are followed.
#[derive(Default)]
pub(super) struct Hosts(Mutex<Followed>);

#[derive(Default)]
struct Followed {
    /// The names that each Service's load balancers have; without those that have none.
    of: BTreeMap<ObjectKey, BTreeSet<DnsName>>,
    names: BTreeMap<DnsName, Name>,
}

struct Name {
    services: BTreeSet<ObjectKey>,
    /// Ends with its handle.
    _task: AbortOnDrop<()>,
}

// === impl Hosts ===

impl Hosts {
    /// Sees to it that for `service` exactly `wanted` are followed and known.
    pub(super) fn adjust(&self, shared: &Arc<Shared>, service: &ObjectKey, wanted: BTreeSet<DnsName>) {
        let mut followed = lock(&self.0);
        let Followed { of, names } = &mut *followed;
        let before = of.get(service);
        if before.unwrap_or(&BTreeSet::new()) == &wanted {
            return;
        }
        for host in before.into_iter().flatten().filter(|host| !wanted.contains(*host)) {
            let Some(name) = names.get_mut(host) else { continue };
            name.services.remove(service);
            if name.services.is_empty() {
                names.remove(host);
                shared.world().hosts.remove(host);
            }
        }
        for host in &wanted {
            let start = || {
                let (shared, host) = (shared.clone(), host.clone());
                let follows = ever("what follows a load balancer's name", move || follow(shared.clone(), host.clone()));
                Name { services: BTreeSet::new(), _task: AbortOnDrop(tokio::spawn(follows)) }
            };
            names.entry(host.clone()).or_insert_with(start).services.insert(service.clone());
        }
        match wanted.is_empty() {
            true => drop(of.remove(service)),
            false => drop(of.insert(service.clone(), wanted)),
        }
    }

    /// The Services for which names are followed.
    pub(super) fn services(&self) -> Vec<ObjectKey> {
        lock(&self.0).of.keys().cloned().collect()
    }

    pub(super) fn stop_all(&self) {
        *lock(&self.0) = Followed::default();
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
    let services = {
        let followed = lock(&shared.hosts.0);
        // An answer may come when nobody asks any more: it must not stay.
        let Some(Name { services, .. }) = followed.names.get(host) else { return };
        let mut world = shared.world();
        let known = world.hosts.entry(host.clone()).or_default();
        let before = known.clone();
        match answer {
            Ok(resolution) => *known = Host { addresses: Some(resolution.addresses), problem: None },
            Err(problem) => known.problem = Some(problem),
        }
        if *known == before {
            return;
        }
        tracing::info!(%host, ?known, "a load balancer's name leads elsewhere");
        services.clone()
    };
    shared.republish(Changed::Services(services));
}
