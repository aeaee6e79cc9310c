//! Bound pods → running pods, on every node of the member.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus, HostIP, Node, Pod,
        PodCondition, PodIP,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use tokio::time::Instant;

use super::{Write, pods, uid};
use crate::{
    names,
    world::{Cache, Key},
};

/// When pods are up, and which addresses they have: what a kubelet knows that the API does not tell.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    by_pod: BTreeMap<Key, Start>,
    agenda: BTreeSet<(Instant, Key)>,
    addresses: BTreeMap<Ipv4Addr, Key>,
}

#[derive(Debug, Clone)]
struct Start {
    uid: String,
    up_at: Instant,
    ip: Ipv4Addr,
}

/// How pods start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Startup {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
    pub(crate) seed: u64,
    /// The second octet of pod addresses.
    pub(crate) octet: u8,
}

/// What a kubelet does about one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stage {
    /// The start-up delay is over.
    pub(crate) up: bool,
    pub(crate) ip: Ipv4Addr,
}

impl Starts {
    /// How far the pod has come, from the moment it was first seen bound.
    pub(crate) fn stage(&mut self, key: &Key, pod: &Pod, how: Startup, now: Instant) -> Stage {
        let start = match self.by_pod.get(key).filter(|start| start.uid == uid(pod)) {
            Some(start) => start.clone(),
            None => {
                self.forget(key);
                self.begin(key, pod, how, now)
            }
        };
        Stage { up: start.up_at <= now, ip: start.ip }
    }

    fn begin(&mut self, key: &Key, pod: &Pod, how: Startup, now: Instant) -> Start {
        let hash = |what: &str, n: u32| names::hash(how.seed, &[what, &key.namespace, &key.name, &n.to_string()]);
        let known = pods::ip(pod).and_then(|ip| ip.parse().ok());
        let free = |ip: &Ipv4Addr| !self.addresses.contains_key(ip);
        let ip = known.or_else(|| (0..1000).map(|n| names::pod_ip(how.octet, hash("ip", n))).find(free));
        let ip = ip.unwrap_or_else(|| names::pod_ip(how.octet, hash("ip", 0)));
        let up_at = now + names::between(how.shortest, how.longest, hash("start", 0));
        let start = Start { uid: uid(pod).to_owned(), up_at, ip };
        self.by_pod.insert(key.clone(), start.clone());
        self.agenda.insert((up_at, key.clone()));
        self.addresses.insert(ip, key.clone());
        start
    }

    /// The pod is gone.
    pub(crate) fn forget(&mut self, key: &Key) {
        if let Some(start) = self.by_pod.remove(key) {
            self.agenda.remove(&(start.up_at, key.clone()));
            self.addresses.remove(&start.ip);
        }
    }

    /// Takes out the pods that came up until now.
    pub(crate) fn take_up(&mut self, now: Instant) -> Vec<Key> {
        let mut up = Vec::new();
        while let Some((at, key)) = self.agenda.pop_first() {
            if at > now {
                self.agenda.insert((at, key));
                break;
            }
            up.push(key);
        }
        up
    }

    pub(crate) fn next_up(&self) -> Option<Instant> {
        self.agenda.first().map(|(at, _)| *at)
    }
}

/// What to write about a pod that is bound to a node.
pub(crate) fn step(pod: &Pod, nodes: &Cache<Node>, stage: impl FnOnce() -> Stage, now: Timestamp) -> Option<Write> {
    let node = pods::node(pod)?;
    let node = nodes.get(&Key::new("", node));
    // A terminating pod ends at once, and one whose node was removed is collected, as by the pod garbage collector.
    if pod.metadata.deletion_timestamp.is_some() || node.is_none() {
        // Where only a finalizer is left to wait for, its owner has to act.
        let waits = pod.metadata.deletion_timestamp.is_some()
            && pod.metadata.deletion_grace_period_seconds.unwrap_or(0) == 0
            && pod.metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty());
        return (!waits).then(|| Write::DeletePod { pod: Key::of(pod), uid: uid(pod).to_owned() });
    }
    if !matches!(pods::phase(pod), None | Some("Pending")) {
        return None;
    }
    let stage = stage();
    let accepted = pod.status.as_ref().is_some_and(|status| status.start_time.is_some());
    if !stage.up && accepted {
        return None;
    }
    let mut pod = pod.clone();
    observe(&mut pod, node, stage, now);
    Some(Write::PodStatus(Box::new(pod)))
}

fn observe(pod: &mut Pod, node: Option<&Arc<Node>>, stage: Stage, now: Timestamp) {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.clone()).unwrap_or_default();
    let host = node.and_then(|node| {
        let addresses = node.status.as_ref()?.addresses.as_ref()?;
        addresses.iter().find(|address| address.type_ == "InternalIP").map(|address| address.address.clone())
    });
    let status = pod.status.get_or_insert_default();
    status.phase = Some(if stage.up { "Running" } else { "Pending" }.to_owned());
    status.start_time.get_or_insert(Time(now));
    status.host_ip.clone_from(&host);
    status.host_ips = host.map(|ip| vec![HostIP { ip }]);
    if stage.up {
        status.pod_ip = Some(stage.ip.to_string());
        status.pod_ips = Some(vec![PodIP { ip: stage.ip.to_string() }]);
    }
    status.container_statuses =
        Some(containers.iter().map(|container| observe_container(container, stage, now)).collect());
    let conditions = status.conditions.get_or_insert_default();
    for (type_, holds) in [
        (pods::SCHEDULED, true),
        ("PodReadyToStartContainers", stage.up),
        ("Initialized", true),
        ("ContainersReady", stage.up),
        (pods::READY, stage.up),
    ] {
        let waits = !holds && matches!(type_, "ContainersReady" | pods::READY);
        let condition = PodCondition {
            type_: type_.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: waits.then(|| "ContainersNotReady".to_owned()),
            ..PodCondition::default()
        };
        pods::set_condition(conditions, condition, now);
    }
}

fn observe_container(container: &Container, stage: Stage, now: Timestamp) -> ContainerStatus {
    let state = if stage.up {
        ContainerState {
            running: Some(ContainerStateRunning { started_at: Some(Time(now)) }),
            ..ContainerState::default()
        }
    } else {
        let waiting = ContainerStateWaiting { reason: Some("ContainerCreating".to_owned()), message: None };
        ContainerState { waiting: Some(waiting), ..ContainerState::default() }
    };
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        ready: stage.up,
        started: Some(stage.up),
        state: Some(state),
        ..ContainerStatus::default()
    }
}
