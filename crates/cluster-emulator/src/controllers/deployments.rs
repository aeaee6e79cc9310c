//! Deployment → ReplicaSets, one a template, rolled over as `spec.strategy` says.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSet, ReplicaSetSpec},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{ObjectMeta, Time},
        util::intstr::IntOrString,
    },
};
use kube::{Resource as _, ResourceExt as _};

use super::{Write, controlled_by, uid};
use crate::{names, world::Key};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// What to write for a Deployment that controls `sets`.
pub(crate) fn step(deployment: &Deployment, sets: &[Arc<ReplicaSet>], now: Timestamp) -> Vec<Write> {
    let spec = &deployment.spec;
    let hash = template_hash(&spec.template);
    let newest = sets.iter().find(|set| set.labels().get(HASH) == Some(&hash));
    let mut old: Vec<&Arc<ReplicaSet>> = sets.iter().filter(|set| set.labels().get(HASH) != Some(&hash)).collect();
    old.sort_by_key(|set| (revision(&***set), set.name_any()));

    let mut writes = Vec::new();
    if deployment.metadata.deletion_timestamp.is_none() && spec.paused != Some(true) {
        let plan = plan(spec, newest, &old);
        let latest = old.last().map_or(0, |set| revision(&***set));
        let own = newest.map_or(0, |set| revision(&**set));
        // A template that comes back is a new revision too.
        let number = if own > latest { own } else { latest + 1 };
        match newest {
            Some(set) => writes.extend(scale(set, plan.newest, Some(number))),
            None if plan.create => {
                writes.push(Write::CreateReplicaSet(Box::new(new_set(deployment, spec, &hash, plan.newest, number))));
            }
            None => {}
        }
        writes.extend(old.iter().zip(&plan.old).filter_map(|(set, &replicas)| scale(set, replicas, None)));
        writes.extend(expired(spec, &old));
        if (newest.is_some() || plan.create) && revision(deployment) != number {
            let mut deployment = deployment.clone();
            deployment.annotations_mut().insert(REVISION.to_owned(), number.to_string());
            writes.push(Write::ReplaceDeployment(Box::new(deployment)));
            // The status follows from the object as it will be then.
            return writes;
        }
    }
    let status = status(deployment, spec, newest, sets, now);
    if deployment.status.as_ref() != Some(&status) {
        let mut deployment = deployment.clone();
        deployment.status = Some(status);
        writes.push(Write::DeploymentStatus(Box::new(deployment)));
    }
    writes
}

/// How many replicas each set should have now.
#[derive(Debug, PartialEq)]
struct Plan {
    create: bool,
    newest: i32,
    old: Vec<i32>,
}

fn plan(spec: &DeploymentSpec, newest: Option<&Arc<ReplicaSet>>, old: &[&Arc<ReplicaSet>]) -> Plan {
    let wanted = spec.replicas.unwrap_or(1);
    let has = newest.map_or(0, |set| replicas(set));
    let mut left: Vec<i32> = old.iter().map(|set| replicas(set)).collect();
    if spec.strategy.as_ref().is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate")) {
        let gone =
            old.iter().all(|set| replicas(set) == 0 && set.status.as_ref().is_none_or(|status| status.replicas == 0));
        return Plan { create: gone, newest: if gone { wanted } else { has }, old: vec![0; left.len()] };
    }

    let (surge, unavailable) = rolling_limits(spec, wanted);
    let total_old: i32 = left.iter().sum();
    let room = (wanted + surge - total_old - has).max(0);
    let newest_replicas = wanted.min(has + room);

    // kube-controller-manager's order: first old replicas that serve nobody, then as many as availability allows.
    let available = |set: &ReplicaSet| set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    let new_available = newest.map_or(0, |set| available(set));
    let least = wanted - unavailable;
    let mut budget = total_old + has - least - (has - new_available).max(0);
    for (replicas, set) in left.iter_mut().zip(old) {
        let take = (*replicas - available(set)).clamp(0, budget.max(0));
        *replicas -= take;
        budget -= take;
    }
    let total_available = new_available + old.iter().map(|set| available(set)).sum::<i32>();
    let mut budget = budget.min(total_available - least);
    for replicas in &mut left {
        let take = (*replicas).clamp(0, budget.max(0));
        *replicas -= take;
        budget -= take;
    }
    Plan { create: true, newest: newest_replicas, old: left }
}

/// maxSurge rounds up and maxUnavailable down; both zero would never move (API reference, RollingUpdateDeployment).
fn rolling_limits(spec: &DeploymentSpec, wanted: i32) -> (i32, i32) {
    let rolling = spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.clone()).unwrap_or_default();
    let quarter = IntOrString::String("25%".to_owned());
    let share = |limit: Option<IntOrString>, up: bool| match limit.unwrap_or_else(|| quarter.clone()) {
        IntOrString::Int(number) => number,
        IntOrString::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(25);
            let product = i64::from(wanted) * percent;
            i32::try_from(if up { (product + 99) / 100 } else { product / 100 }).unwrap_or(i32::MAX)
        }
    };
    let (surge, unavailable) = (share(rolling.max_surge, true), share(rolling.max_unavailable, false));
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable.min(wanted)) }
}

fn scale(set: &Arc<ReplicaSet>, wanted: i32, number: Option<i64>) -> Option<Write> {
    let renumber = number.filter(|&number| revision(&**set) != number);
    if replicas(set) == wanted && renumber.is_none() || set.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let mut set = ReplicaSet::clone(set);
    set.spec.replicas = Some(wanted);
    if let Some(number) = renumber {
        set.annotations_mut().insert(REVISION.to_owned(), number.to_string());
    }
    Some(Write::ReplaceReplicaSet(Box::new(set)))
}

/// Sets without pods beyond `revisionHistoryLimit`, the oldest first.
fn expired(spec: &DeploymentSpec, old: &[&Arc<ReplicaSet>]) -> Vec<Write> {
    let keep = usize::try_from(spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    let idle = |set: &&&Arc<ReplicaSet>| {
        replicas(set) == 0
            && set.status.as_ref().is_some_and(|status| status.replicas == 0)
            && set.metadata.deletion_timestamp.is_none()
    };
    let idle: Vec<_> = old.iter().filter(idle).collect();
    let many = idle.len().saturating_sub(keep);
    let expired = idle.into_iter().take(many);
    expired.map(|set| Write::DeleteReplicaSet { set: Key::of(&***set), uid: uid(&***set).to_owned() }).collect()
}

fn new_set(deployment: &Deployment, spec: &DeploymentSpec, hash: &str, replicas: i32, number: i64) -> ReplicaSet {
    let mut template = spec.template.clone();
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(HASH.to_owned(), hash.to_owned());
    let labels = labels.clone();
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(HASH.to_owned(), hash.to_owned());
    let name = deployment.name_any();
    let room = 253 - 1 - hash.len();
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", name.get(..room.min(name.len())).unwrap_or(&name))),
            namespace: deployment.meta().namespace.clone(),
            labels: Some(labels),
            annotations: Some([(REVISION.to_owned(), number.to_string())].into()),
            owner_references: Some(vec![controlled_by(deployment)]),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec {
            replicas: Some(replicas),
            selector,
            template: Some(template),
            min_ready_seconds: spec.min_ready_seconds,
        },
        status: None,
    }
}

fn status(
    deployment: &Deployment,
    spec: &DeploymentSpec,
    newest: Option<&Arc<ReplicaSet>>,
    sets: &[Arc<ReplicaSet>],
    now: Timestamp,
) -> DeploymentStatus {
    let statuses = || sets.iter().filter_map(|set| set.status.as_ref());
    let total: i32 = statuses().map(|status| status.replicas).sum();
    let ready: i32 = statuses().filter_map(|status| status.ready_replicas).sum();
    let available: i32 = statuses().filter_map(|status| status.available_replicas).sum();
    let terminating: i32 = statuses().filter_map(|status| status.terminating_replicas).sum();
    let updated = newest.and_then(|set| set.status.as_ref()).map_or(0, |status| status.replicas);
    let wanted = spec.replicas.unwrap_or(1);
    let some = |count: i32| (count > 0).then_some(count);

    let (_, unavailable) = rolling_limits(spec, wanted);
    let complete = updated == wanted && total == wanted && available >= wanted;
    let enough = available >= wanted - unavailable;
    let name = newest.map_or_else(|| deployment.name_any(), |set| set.name_any());
    let mut conditions = deployment.status.as_ref().and_then(|old| old.conditions.clone()).unwrap_or_default();
    let available_condition = if enough {
        ("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned())
    } else {
        ("Available", false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.".to_owned())
    };
    let progressing = if complete {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        ("Progressing", true, "NewReplicaSetAvailable", message)
    } else {
        ("Progressing", true, "ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing."))
    };
    for (type_, holds, reason, message) in [available_condition, progressing] {
        set_condition(&mut conditions, type_, if holds { "True" } else { "False" }, reason, message, now);
    }
    DeploymentStatus {
        replicas: some(total),
        updated_replicas: some(updated),
        ready_replicas: some(ready),
        available_replicas: some(available),
        unavailable_replicas: some((total.max(wanted) - available).max(0)),
        terminating_replicas: some(terminating),
        observed_generation: deployment.metadata.generation,
        collision_count: deployment.status.as_ref().and_then(|old| old.collision_count),
        conditions: Some(conditions),
    }
}

fn set_condition(
    conditions: &mut Vec<DeploymentCondition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: String,
    now: Timestamp,
) {
    let old = conditions.iter().position(|old| old.type_.as_deref() == Some(type_)).map(|at| conditions.remove(at));
    let same = |old: &DeploymentCondition| old.status.as_deref() == Some(status);
    let kept = old.filter(same);
    let unchanged = kept
        .as_ref()
        .is_some_and(|old| old.reason.as_deref() == Some(reason) && old.message.as_ref() == Some(&message));
    let updated = if unchanged { kept.as_ref().and_then(|old| old.last_update_time.clone()) } else { Some(Time(now)) };
    conditions.push(DeploymentCondition {
        type_: Some(type_.to_owned()),
        status: Some(status.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: updated,
        last_transition_time: kept.and_then(|old| old.last_transition_time).or(Some(Time(now))),
    });
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
}

fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(1)
}

fn revision<K: kube::Resource>(object: &K) -> i64 {
    object.annotations().get(REVISION).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn template_hash(template: &PodTemplateSpec) -> String {
    // Every field of a template becomes JSON; maps of k8s-openapi are sorted.
    let json = serde_json::to_string(template).unwrap_or_default();
    names::suffix(names::hash(0, &[&json]), 10)
}
