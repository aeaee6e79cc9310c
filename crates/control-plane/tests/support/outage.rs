//! One member dies and comes back: what is answered for every name meanwhile, asked ten times a second, and what was written for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kfed_azure_emulator::Requests;
use kfed_cluster_emulator::{AddressRange, ClusterEmulator, Faults, LoadBalancers};
use kfed_cluster_health::{AddressTarget, Probe, ProbeSchedule};
use kfed_control_plane::AddressProbe;
use kfed_dnsprovider::OperationKind;
use kfed_dnsprovider_azure::PUBLIC;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::azure::{Azure, Write};
use super::{FINE, Fleet, HANG, MINUTE, SPREAD, ZONE};

/// How often the zone is asked.
pub(crate) const STEP: Duration = Duration::from_millis(100);
/// What has not come to its end by then never will.
const AT_MOST: Duration = Duration::from_secs(3600);
/// The member that dies.
const DIES: &str = "a";
/// What is known for so long is acted on.
const AT_ONCE: Duration = Duration::from_millis(50);
/// Each so many-th Service is worth more than the others.
const IMPORTANT: usize = 50;

/// Services in members that are each a region and a zone of their own, published in Azure.
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    pub(crate) azure: Azure,
    /// What every name answered while all was well.
    before: BTreeMap<String, BTreeSet<IpAddr>>,
    /// The addresses of the member that dies.
    of_the_dead: BTreeSet<IpAddr>,
    setting: Setting,
    /// When each address was asked since the last turn began.
    asked: Asked,
}

/// When each address was asked.
type Asked = Arc<Mutex<BTreeMap<IpAddr, Vec<Instant>>>>;

/// How big, how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) services: usize,
    pub(crate) members: u8,
    pub(crate) period: Duration,
    /// What a request to Azure takes.
    pub(crate) latency: Duration,
}

/// How many names are answered how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) right: usize,
    pub(crate) wrong: usize,
    pub(crate) none: usize,
}

/// A death, or a return.
pub(crate) struct Turn {
    begun: Instant,
    /// One each [`STEP`], from the beginning on.
    pub(crate) samples: Vec<Sample>,
    /// When the Cluster said so.
    pub(crate) told: Duration,
    /// What was sent from the beginning on.
    writes: Vec<Write>,
    /// When what was sent in the minute before was sent.
    earlier: Vec<Instant>,
    pub(crate) requests: Requests,
    /// Whose address a wrong answer holds; none where answers are wrong because they lack one.
    of_the_dead: Option<BTreeSet<IpAddr>>,
    /// When each address of the dead was known to be so, as far as itself goes.
    known: BTreeMap<IpAddr, Instant>,
    /// What a request to Azure takes.
    latency: Duration,
}

/// When a write has its turn: what is wrong before what is not, wholly wrong before partly, important before others.
type Rank = (u8, Reverse<i32>);

// === impl Scene ===

impl Scene {
    pub(crate) async fn new(setting: Setting) -> Self {
        let mut fleet = Fleet::start().await;
        let names: Vec<String> =
            (b'a'..).take(setting.members.into()).map(|name| char::from(name).to_string()).collect();
        for (name, second) in names.iter().zip(1..) {
            let range = AddressRange::new(Ipv4Addr::new(20, second, 0, 0), 16).unwrap();
            let member = ClusterEmulator::builder(name).region(name).zones(["1"]);
            fleet.join_as(name, member.load_balancers(LoadBalancers::SimulatedIn(range))).await;
        }
        fleet.replica_set("hostname", 4 * i32::from(setting.members), Some(SPREAD)).await;
        let wanted: Vec<_> = names.iter().map(|name| (name.as_str(), 4)).collect();
        fleet.is_spread("hostname", &wanted).await;
        fleet.kill().await;
        for n in 0..setting.services {
            let name = service(n);
            let priority = priority(&name);
            let annotations =
                if priority == 0 { json!({}) } else { json!({kfed_api::keys::PRIORITY: priority.to_string()}) };
            fleet.another(&name, annotations).await;
        }

        // Their names are created under Azure's limits: minutes in which few probes are enough.
        let azure = Azure::new();
        let mut settings = std::mem::replace(&mut fleet.settings.schedule, ProbeSchedule::every(MINUTE));
        fleet.run_as(fleet.builder_with(azure.provider(fleet.clock(), setting.latency), fleet.clock()));
        let all = setting.services * (1 + 2 * usize::from(setting.members));
        let begun = Instant::now();
        while azure.names().len() < all {
            assert!(begun.elapsed() < 2 * AT_MOST, "{} of {all} names are there", azure.names().len());
            sleep(MINUTE / 2).await;
        }
        fleet.kill().await;
        settings = if setting.period == settings.period { settings } else { ProbeSchedule::every(setting.period) };
        fleet.settings.schedule = settings;
        let asked = Asked::default();
        let control_plane = fleet.builder_with(azure.provider(fleet.clock(), setting.latency), fleet.clock());
        fleet.run_as(control_plane.address_probe(noting(fleet.address_probe(), &asked)));
        // Every address is known to answer, and what was spent of the limits is whole again.
        sleep(2 * MINUTE).await;

        let before = azure.names().into_iter().map(|name| (name.clone(), azure.answer(&name))).collect();
        let of_the_dead = fleet.member(DIES).load_balancers().addresses().into_values().map(IpAddr::V4).collect();
        Self { fleet, azure, before, of_the_dead, setting, asked }
    }

    /// The member dies: nothing of it answers any more.
    pub(crate) async fn death(&self) -> Turn {
        let of_the_dead = self.of_the_dead.clone();
        self.turn(HANG, "Offline", Some(of_the_dead)).await
    }

    /// It comes back.
    pub(crate) async fn back(&self) -> Turn {
        self.turn(FINE, "Ready", None).await
    }

    /// Gives all records another TTL: as many writes as there are names.
    pub(crate) async fn change_ttl(&self) {
        let ttl = json!({"metadata": {"annotations": {kfed_api::keys::DNS_TTL: "77"}}});
        for service in self.fleet.services().list(&Default::default()).await.unwrap() {
            let patch = Patch::Merge(&ttl);
            self.fleet.services().patch(&service.name_any(), &PatchParams::default(), &patch).await.unwrap();
        }
    }

    /// How many names there are.
    pub(crate) fn names(&self) -> usize {
        self.before.len()
    }

    /// How many requests list the zone.
    pub(crate) fn pages(&self) -> u64 {
        self.azure.emulator.record_sets(ZONE).len().div_ceil(1000) as u64
    }

    /// What it costs when nothing happens for `time`, which begins when all has come to rest.
    pub(crate) async fn rest(&self, time: Duration) -> Requests {
        sleep(10 * MINUTE).await;
        self.azure.emulator.take_requests();
        sleep(time).await;
        self.azure.emulator.requests()
    }

    async fn turn(&self, faults: Faults, phase: &str, of_the_dead: Option<BTreeSet<IpAddr>>) -> Turn {
        self.azure.emulator.take_requests();
        let before = self.azure.written();
        self.asked.lock().unwrap().clear();
        let begun = Instant::now();
        let earlier = self.azure.writes_after(0).into_iter().map(|write| write.sent);
        let earlier = earlier.filter(|sent| begun - *sent < MINUTE).collect();
        self.fleet.set(DIES, faults);

        let (mut samples, mut told) = (Vec::new(), None);
        let (mut sample, mut seen) = (self.sample(of_the_dead.as_ref()), before);
        let told = loop {
            // Answers change by writes alone.
            if seen != self.azure.written() {
                seen = self.azure.written();
                sample = self.sample(of_the_dead.as_ref());
            }
            samples.push(sample);
            if told.is_none() && self.fleet.phase(DIES).await == phase {
                told = Some(begun.elapsed());
            }
            match told {
                Some(told) if sample.wrong == 0 => break told,
                _ => assert!(begun.elapsed() < AT_MOST, "it does not end: {sample:?}, {told:?}"),
            }
            sleep(STEP).await;
        };
        let requests = self.azure.emulator.take_requests();
        let (writes, latency) = (self.azure.writes_after(before), self.setting.latency);
        Turn { begun, samples, told, writes, earlier, requests, of_the_dead, known: self.known(), latency }
    }

    /// When each address that answers nothing had failed often enough.
    fn known(&self) -> BTreeMap<IpAddr, Instant> {
        let settings = &self.fleet.settings;
        let failures = settings.thresholds.failures as usize;
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter_map(|(ip, asked)| Some((*ip, *asked.get(failures - 1)? + settings.schedule.deadline())))
            .collect()
    }

    fn sample(&self, of_the_dead: Option<&BTreeSet<IpAddr>>) -> Sample {
        let mut sample = Sample { right: 0, wrong: 0, none: 0 };
        for (name, before) in &self.before {
            let answer = self.azure.answer(name);
            let is_right = of_the_dead.map_or_else(|| answer == *before, |dead| answer.is_disjoint(dead));
            match (answer.is_empty(), is_right) {
                (true, _) => sample.none += 1,
                (false, true) => sample.right += 1,
                (false, false) => sample.wrong += 1,
            }
        }
        sample
    }
}

// === impl Turn ===

impl Turn {
    /// When the first write that it called for was sent.
    pub(crate) fn first_write(&self) -> Duration {
        self.called_for().map(|write| write.sent - self.begun).min().unwrap_or_default()
    }

    /// When no answer was wrong any more.
    pub(crate) fn over(&self) -> Duration {
        let wrong = self.samples.iter().rposition(|sample| sample.wrong > 0);
        STEP * wrong.map_or(0, |last| u32::try_from(last).unwrap() + 1)
    }

    /// How many sets had to change.
    pub(crate) fn changed(&self) -> usize {
        self.called_for().map(|write| &write.name).collect::<BTreeSet<_>>().len()
    }

    /// How many writes were sent.
    pub(crate) fn written(&self) -> usize {
        self.writes.len()
    }

    /// The most names that had no answer at the same time.
    pub(crate) fn without_answer(&self) -> usize {
        self.samples.iter().map(|sample| sample.none).max().unwrap_or(0)
    }

    /// How long the limits make the last of those sets wait at best, if all are known `since` then.
    pub(crate) fn floor(&self, since: Duration) -> Duration {
        let limit = PUBLIC.limits().get(OperationKind::Update).unwrap();
        let known = self.begun + since;
        let before = self.writes.iter().map(|write| write.sent).filter(|sent| *sent < known);
        let mut sent: Vec<Instant> = self.earlier.iter().copied().chain(before).collect();
        for _ in 0..self.changed() {
            let full = sent.len().checked_sub(limit.requests as usize).map(|n| sent[n] + limit.per);
            sent.push(full.map_or(known, |free| free.max(known)));
        }
        sent.last().map_or(Duration::ZERO, |last| last.saturating_duration_since(known))
    }

    /// Writes that were sent before one that should have come first, from the first one on that the death called for. What was not
    /// yet known to be wrong could not come first.
    pub(crate) fn out_of_order(&self) -> Vec<&Write> {
        let first = self.begun + self.first_write();
        let writes: Vec<_> = self.writes.iter().filter(|write| write.is_taken() && write.sent >= first).collect();
        let is_late = |write: &Write, later: &Write| {
            let begun = write.sent - self.latency / 2;
            self.rank(later) < self.rank(write) && self.known_wrong(later).is_none_or(|known| known + AT_ONCE <= begun)
        };
        let is_out_of_order = |n: &usize| writes[n + 1..].iter().any(|later| is_late(writes[*n], later));
        (0..writes.len()).filter(is_out_of_order).map(|n| writes[n]).collect()
    }

    /// When all that `write` withdraws was known to be dead.
    fn known_wrong(&self, write: &Write) -> Option<Instant> {
        write.before.iter().filter_map(|ip| self.known.get(ip)).max().copied()
    }

    fn called_for(&self) -> impl Iterator<Item = &Write> {
        self.writes.iter().filter(|write| write.is_taken() && self.rights(write))
    }

    /// Whether it puts an answer right.
    fn rights(&self, write: &Write) -> bool {
        let withdraws = |dead| !write.before.is_disjoint(dead) && write.after.is_disjoint(dead);
        self.of_the_dead.as_ref().is_none_or(withdraws)
    }

    fn rank(&self, write: &Write) -> Rank {
        let wholly = self.of_the_dead.as_ref().is_some_and(|dead| write.before.is_subset(dead));
        let turn = match (self.rights(write), wholly) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        };
        (turn, Reverse(priority(&write.name)))
    }
}

/// `probe`, noting when each address is asked.
fn noting(probe: AddressProbe, asked: &Asked) -> AddressProbe {
    let asked = asked.clone();
    BoxCloneSyncService::new(tower::service_fn(move |request: Probe<AddressTarget>| {
        asked.lock().unwrap().entry(request.target.addr.ip()).or_default().push(Instant::now());
        probe.clone().oneshot(request)
    }))
}

fn service(n: usize) -> String {
    format!("s{n:04}")
}

/// That of the Service of this name, or that this name leads to.
fn priority(name: &str) -> i32 {
    let n = name[1..].split('.').next().and_then(|n| n.parse::<usize>().ok());
    if n.is_some_and(|n| n % IMPORTANT == IMPORTANT - 1) { 10 } else { 0 }
}
