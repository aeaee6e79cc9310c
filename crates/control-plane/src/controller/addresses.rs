//! Asks every address that members publish whether it serves: the second signal beside the member's API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use kfed_cluster_health::monitor::{self, MonitorHandle};
use kfed_cluster_health::{AddressTarget, Health, Observation, ProbeOutcome, ProbeSchedule};
use kfed_service_dns::AddressState;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::Shared;
use crate::world::{Address, AddressKey};

/// The monitors of all addresses, by member and address.
#[derive(Default)]
pub(super) struct Monitors(Mutex<BTreeMap<(String, AddressKey), Monitored>>);

struct Monitored {
    target: AddressTarget,
    monitor: Arc<MonitorHandle>,
    forward: JoinHandle<()>,
}

// === impl Monitors ===

impl Monitors {
    /// Sees to it that exactly `wanted` is probed.
    pub(super) fn adjust(&self, shared: &Arc<Shared>, wanted: &BTreeMap<(String, AddressKey), AddressTarget>) {
        let mut monitors = self.lock();
        monitors.retain(|place, monitored| {
            let stays = wanted.get(place) == Some(&monitored.target);
            if !stays && let Some(member) = shared.world().members.get_mut(&place.0) {
                member.addresses.remove(&place.1);
            }
            stays
        });
        for (place, target) in wanted {
            monitors.entry(place.clone()).or_insert_with(|| start(shared, place, target));
        }
    }

    /// Asks all addresses of `member` now.
    pub(super) fn probe_now(&self, member: &str) {
        for (_, monitored) in self.lock().iter().filter(|((of, _), _)| of == member) {
            monitored.monitor.probe_now();
        }
    }

    pub(super) fn stop_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, AddressKey), Monitored>> {
        self.0.lock().expect("no code panics while it holds the monitors")
    }
}

impl Drop for Monitored {
    fn drop(&mut self) {
        self.forward.abort();
    }
}

fn start(shared: &Arc<Shared>, place: &(String, AddressKey), target: &AddressTarget) -> Monitored {
    // An address that answers wrongly serves nobody: it fails as one that does not answer.
    let probe = shared.parts.address_probe.clone().map_response(|outcome| match outcome {
        ProbeOutcome::Unhealthy { failure } => ProbeOutcome::Unreachable { failure },
        outcome => outcome,
    });
    let settings = shared.settings();
    // A private address may never answer from here: it is not worth asking it more often than others.
    let schedule = ProbeSchedule { until_ready: settings.schedule.period, ..settings.schedule };
    let schedule = schedule.for_target(&format!("{} {}", place.0, place.1.ip));
    let monitor = Arc::new(monitor::spawn(probe, target.clone(), schedule, settings.thresholds));
    let mut observations = monitor.subscribe();
    let forward = tokio::spawn({
        let (shared, (member, address)) = (shared.clone(), place.clone());
        async move {
            loop {
                let mut seen = seen(&observations.borrow_and_update(), shared.now());
                let changed = match shared.world().members.get_mut(&member) {
                    Some(member) => {
                        let before = member.addresses.get(&address).copied();
                        if let Some(before) = before.filter(|before| before.state == seen.state) {
                            seen.since = before.since;
                        }
                        member.addresses.insert(address.clone(), seen);
                        before != Some(seen)
                    }
                    None => false,
                };
                if changed {
                    tracing::info!(member, address = %address.ip, state = ?seen.state, "an address has changed");
                    // A member may have died or come back by it: all that it runs is concerned.
                    shared.look_at_everything();
                }
                if observations.changed().await.is_err() {
                    return;
                }
            }
        }
    });
    Monitored { target: target.clone(), monitor, forward }
}

fn seen(observation: &Observation, now: Timestamp) -> Address {
    let ever_answered = observation.ever_healthy;
    let state = match observation.health {
        Health::Healthy | Health::Degraded => AddressState::Answering,
        Health::Suspect if ever_answered => AddressState::Answering,
        Health::Dead if ever_answered => AddressState::Failing,
        _ => AddressState::NeverAnswered,
    };
    Address { state, ever_answered, since: now }
}
