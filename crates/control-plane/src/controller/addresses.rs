//! Asks every address that members publish whether it serves: the second signal beside the member's API. It needs no zone: what
//! members tell is enough.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use kfed_cluster_health::monitor::{self, MonitorHandle};
use kfed_cluster_health::{AddressTarget, Health, Observation, ProbeOutcome, ProbeSchedule};
use kfed_service_dns::AddressState;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::changes::Changed;
use super::{Shared, ever, lock, rest_after};
use crate::kinds::ObjectKey;
use crate::plan::publish;
use crate::world::{Address, AddressKey};

/// What comes together within this time is taken in together.
const COALESCE: Duration = Duration::from_millis(20);

/// An address of a member.
type Place = (String, AddressKey);

/// The monitors of all addresses, by Service; without Services that have none.
#[derive(Default)]
pub(super) struct Monitors(Mutex<BTreeMap<ObjectKey, BTreeMap<Place, Monitored>>>);

struct Monitored {
    target: AddressTarget,
    /// How it had answered before this control plane started.
    before: Option<AddressState>,
    monitor: Arc<MonitorHandle>,
    forward: JoinHandle<()>,
    /// Set under the lock of the world: nothing is told of the address after that.
    stopped: CancellationToken,
}

/// Keeps probing what there is to probe until the task ends.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut not_before = Instant::now();
    // A run that has panicked may have taken some, and done nothing about it.
    shared.probed.note(Changed::Everything);
    shared.probed.wake();
    loop {
        shared.probed.woken().await;
        tokio::time::sleep_until(not_before.max(Instant::now() + COALESCE)).await;
        let begin = Instant::now();
        let changed = shared.probed.take();
        let services = match &changed {
            Changed::Services(services) => services.clone(),
            Changed::Everything => {
                let mut services: BTreeSet<ObjectKey> = shared.world().published().cloned().collect();
                services.extend(shared.addresses.services());
                services.extend(shared.hosts.services());
                services
            }
        };
        // One Service at a time: nobody waits for the world until all are done.
        for service in &services {
            let hosts = publish::hosts(&shared.world(), service, shared.settings());
            shared.hosts.adjust(&shared, service, hosts);
            let targets = publish::targets(&shared.world(), service, shared.settings());
            shared.addresses.adjust(&shared, service, &targets.into_iter().collect());
        }
        shared.zone.note(changed);
        shared.zone.wake();
        not_before = Instant::now() + rest_after(begin.elapsed());
    }
}

// === impl Monitors ===

impl Monitors {
    /// Sees to it that of `service` exactly `wanted` is probed and known.
    fn adjust(&self, shared: &Arc<Shared>, service: &ObjectKey, wanted: &BTreeMap<Place, AddressTarget>) {
        let mut turned = false;
        let mut services = self.lock();
        if wanted.is_empty() && !services.contains_key(service) {
            return;
        }
        let monitors = services.entry(service.clone()).or_default();
        monitors.retain(|place, monitored| {
            let stays = wanted.get(place) == Some(&monitored.target);
            if !stays {
                let mut world = shared.world();
                monitored.stopped.cancel();
                world.members.change_known(&place.0, |member| {
                    let was_dead = member.dead_since().is_some();
                    member.addresses.remove(&place.1);
                    turned |= was_dead != member.dead_since().is_some();
                });
            }
            stays
        });
        for (place, target) in wanted {
            let monitored = monitors.entry(place.clone()).or_insert_with(|| start(shared, place, target));
            // A member may have been forgotten and have come again meanwhile.
            shared.world().members.change_known(&place.0, |member| {
                let address = || seen(&monitored.monitor.latest(), monitored.before, shared.now());
                member.addresses.entry(place.1.clone()).or_insert_with(address);
            });
        }
        if wanted.is_empty() {
            services.remove(service);
        }
        drop(services);
        if turned {
            shared.look_at_everything();
        }
    }

    /// The Services whose addresses are probed.
    fn services(&self) -> Vec<ObjectKey> {
        self.lock().keys().cloned().collect()
    }

    /// Asks all addresses of `member` now, and one time after the other without a break: when it is certain that its API is
    /// gone, it is to be certain of its addresses too.
    pub(super) fn hurry(&self, member: &str, shared: &Shared) {
        let ProbeSchedule { deadline, .. } = shared.settings().schedule;
        for (place, monitored) in of_member(&self.lock(), member) {
            monitored.monitor.set_schedule(ProbeSchedule { period: deadline, jitter: 0.0, ..schedule(shared, place) });
            monitored.monitor.probe_now();
        }
    }

    /// Asks the addresses of `member` as often as all others again.
    pub(super) fn relax(&self, member: &str, shared: &Shared) {
        for (place, monitored) in of_member(&self.lock(), member) {
            monitored.monitor.set_schedule(schedule(shared, place));
        }
    }

    pub(super) fn stop_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, BTreeMap<Place, Monitored>>> {
        lock(&self.0)
    }
}

fn of_member<'a>(
    services: &'a BTreeMap<ObjectKey, BTreeMap<Place, Monitored>>,
    member: &'a str,
) -> impl Iterator<Item = (&'a Place, &'a Monitored)> {
    services.values().flatten().filter(move |((of, _), _)| of == member)
}

impl Drop for Monitored {
    fn drop(&mut self) {
        self.forward.abort();
    }
}

fn start(shared: &Arc<Shared>, place: &Place, target: &AddressTarget) -> Monitored {
    // An address that answers wrongly serves nobody: it fails as one that does not answer.
    let probe = shared.parts.address_probe.clone().map_response(|outcome| match outcome {
        ProbeOutcome::Unhealthy { failure } => ProbeOutcome::Unreachable { failure },
        outcome => outcome,
    });
    let thresholds = shared.settings().thresholds;
    let monitor = Arc::new(monitor::spawn(probe, target.clone(), schedule(shared, place), thresholds));
    let before = remembered(shared, place);
    let stopped = CancellationToken::new();
    let forward = tokio::spawn({
        let (shared, place, stopped) = (shared.clone(), place.clone(), stopped.clone());
        let observations = monitor.subscribe();
        ever("what follows an address", move || {
            let (shared, place, stopped) = (shared.clone(), place.clone(), stopped.clone());
            let mut observations = observations.clone();
            async move {
                loop {
                    let seen = seen(&observations.borrow_and_update(), before, shared.now());
                    take_in(&shared, &place, seen, &stopped);
                    if observations.changed().await.is_err() {
                        // The monitor has ended; so does this, with its handle.
                        std::future::pending::<()>().await;
                    }
                }
            }
        })
    });
    Monitored { target: target.clone(), before, monitor, forward, stopped }
}

/// When the address is asked in quiet times.
fn schedule(shared: &Shared, (member, address): &Place) -> ProbeSchedule {
    let schedule = shared.settings().schedule;
    // A private address may never answer from here: it is not worth asking it more often than others.
    let schedule = ProbeSchedule { until_ready: schedule.period, ..schedule };
    schedule.for_target(&format!("{member} {}", address.ip))
}

/// Puts what is seen of an address into the world, and has looked at what depends on it: its Service, and everything when its
/// member dies or comes back by it.
fn take_in(shared: &Arc<Shared>, (name, address): &Place, mut seen: Address, stopped: &CancellationToken) {
    let (changed, turned, alarming) = {
        let mut world = shared.world();
        if stopped.is_cancelled() {
            return;
        }
        let taken = world.members.change_known(name, |member| {
            let was_dead = member.dead_since().is_some();
            let before = member.addresses.get(address).copied();
            if let Some(before) = before.filter(|before| before.state == seen.state) {
                seen.since = before.since;
            }
            member.addresses.insert(address.clone(), seen);
            let changed = before != Some(seen);
            let fails = |address: &Address| address.state == AddressState::Failing;
            let alarming = before.as_ref().is_some_and(fails) != fails(&seen);
            (changed, was_dead != member.dead_since().is_some(), alarming)
        });
        let Some(taken) = taken else { return };
        taken
    };
    if changed {
        tracing::info!(member = name, address = %address.ip, state = ?seen.state, "an address has changed");
    }
    if turned {
        shared.look_at_everything();
    } else if changed {
        shared.look_at(vec![address.service.clone()]);
    }
    if alarming {
        shared.alarm();
    }
}

/// How the address had answered when that was last written down: a dead one must not look private after a restart.
fn remembered(shared: &Shared, (member, address): &Place) -> Option<AddressState> {
    let service = shared.world().federation.get(&address.service)?;
    publish::answered_before(&service, member, address.ip)
}

fn seen(observation: &Observation, before: Option<AddressState>, now: Timestamp) -> Address {
    let ever_answered = observation.ever_healthy || before.is_some();
    let state = match observation.health {
        Health::Healthy | Health::Degraded => AddressState::Answering,
        Health::Suspect if observation.ever_healthy => AddressState::Answering,
        Health::Dead if ever_answered => AddressState::Failing,
        // Not certain yet: what was so before still is.
        _ => before.unwrap_or(AddressState::NeverAnswered),
    };
    Address { state, ever_answered, since: now }
}
