//! Unbound pods → nodes with room.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, PodCondition, Taint, Toleration};
use kube::ResourceExt as _;

use super::{Write, pods, uid};
use crate::world::{Key, selects};

/// A node, and how many pods take room on it.
#[derive(Debug, Clone)]
pub(crate) struct Occupied {
    pub(crate) node: Arc<Node>,
    pub(crate) pods: usize,
}

/// Why a node cannot take a pod, in kube-scheduler's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unfit {
    Selector,
    Taint,
    NotReady,
    Cordoned,
    Full,
}

/// Binds the oldest pods first, each to the node with the fewest pods; says of those that fit nowhere why.
pub(crate) fn step(mut unbound: Vec<Arc<Pod>>, mut nodes: Vec<Occupied>, now: Timestamp) -> Vec<Write> {
    let born = |pod: &Pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    unbound.sort_by(|a, b| (born(a), Key::of(&**a)).cmp(&(born(b), Key::of(&**b))));
    nodes.sort_by_key(|occupied| occupied.node.name_any());
    unbound.iter().filter_map(|pod| place(pod, &mut nodes, now)).collect()
}

fn place(pod: &Arc<Pod>, nodes: &mut [Occupied], now: Timestamp) -> Option<Write> {
    let mut reasons: BTreeMap<Unfit, usize> = BTreeMap::new();
    let mut best: Option<&mut Occupied> = None;
    let total = nodes.len();
    for node in nodes {
        match unfit(pod, node) {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None if best.as_ref().is_none_or(|best| node.pods < best.pods) => best = Some(node),
            None => {}
        }
    }
    let Some(node) = best else {
        return unschedulable(pod, total, &reasons, now);
    };
    node.pods += 1;
    Some(Write::BindPod { pod: Key::of(&**pod), uid: uid(&**pod).to_owned(), node: node.node.name_any() })
}

fn unfit(pod: &Pod, occupied: &Occupied) -> Option<Unfit> {
    let node = &occupied.node;
    let spec = node.spec.clone().unwrap_or_default();
    let pod_spec = pod.spec.as_ref();
    if pod_spec.and_then(|spec| spec.node_selector.as_ref()).is_some_and(|selector| !selects(selector, node.labels())) {
        return Some(Unfit::Selector);
    }
    if spec.unschedulable == Some(true) {
        return Some(Unfit::Cordoned);
    }
    let tolerations = pod_spec.and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let bars = |taint: &Taint| taint.effect != "PreferNoSchedule" && !tolerations.iter().any(|t| tolerates(t, taint));
    if spec.taints.iter().flatten().any(bars) {
        return Some(Unfit::Taint);
    }
    if !ready(node) {
        return Some(Unfit::NotReady);
    }
    (occupied.pods >= capacity(node)).then_some(Unfit::Full)
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (key, effect) = (text(&toleration.key), text(&toleration.effect));
    let exists = toleration.operator.as_deref() == Some("Exists");
    // An empty key with Exists tolerates everything, an empty effect all effects of the key.
    let same_key = key == taint.key || key.is_empty() && exists;
    let same_value = exists || text(&toleration.value) == text(&taint.value);
    same_key && same_value && (effect.is_empty() || effect == taint.effect)
}

fn ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn capacity(node: &Node) -> usize {
    let status = node.status.as_ref();
    let allocatable = status.and_then(|status| status.allocatable.as_ref()).and_then(|all| all.get("pods"));
    allocatable.and_then(|quantity| quantity.0.parse().ok()).unwrap_or(0)
}

fn unschedulable(pod: &Pod, total: usize, reasons: &BTreeMap<Unfit, usize>, now: Timestamp) -> Option<Write> {
    let word = |unfit: &Unfit| match unfit {
        Unfit::Selector => "node(s) didn't match Pod's node affinity/selector",
        Unfit::Taint => "node(s) had untolerated taint(s)",
        Unfit::NotReady => "node(s) were not ready",
        Unfit::Cordoned => "node(s) were unschedulable",
        Unfit::Full => "Too many pods",
    };
    let mut listed: Vec<String> = reasons.iter().map(|(unfit, nodes)| format!("{nodes} {}", word(unfit))).collect();
    listed.sort();
    let message = match total {
        0 => "no nodes available to schedule pods".to_owned(),
        _ => format!("0/{total} nodes are available: {}.", listed.join(", ")),
    };
    let known = pods::condition(pod, pods::SCHEDULED);
    if known.is_some_and(|known| known.status == "False" && known.message.as_ref() == Some(&message)) {
        return None;
    }
    let mut pod = pod.clone();
    let status = pod.status.get_or_insert_default();
    status.phase = Some("Pending".to_owned());
    let condition = PodCondition {
        type_: pods::SCHEDULED.to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some(message),
        ..PodCondition::default()
    };
    pods::set_condition(status.conditions.get_or_insert_default(), condition, now);
    Some(Write::PodStatus(Box::new(pod)))
}
