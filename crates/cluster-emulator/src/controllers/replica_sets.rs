//! ReplicaSet → Pods, and the ReplicaSet's status.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::{
        apps::v1::{ReplicaSet, ReplicaSetStatus},
        core::v1::{Pod, PodStatus},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Resource, ResourceExt as _};

use super::{Write, controlled_by, count, matches, pods, some_count, uid};
use crate::world::{Key, controller_of, selects};

/// A pod that the set controls, and for how long it has been ready.
#[derive(Debug, Clone)]
pub(crate) struct OwnedPod {
    pub(crate) pod: Arc<Pod>,
    pub(crate) ready_for: Option<Duration>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    pub(crate) writes: Vec<Write>,
    /// A ready pod becomes available then (`minReadySeconds`).
    pub(crate) again_in: Option<Duration>,
}

/// What to write. `strays` are pods of the namespace without a controller; `new_name` gives names not used yet.
pub(crate) fn step(
    set: &ReplicaSet,
    owned: &[OwnedPod],
    strays: &[Arc<Pod>],
    mut new_name: impl FnMut() -> String,
) -> Step {
    let spec = &set.spec;
    let active: Vec<&OwnedPod> = owned.iter().filter(|owned| pods::active(&owned.pod)).collect();
    let mut writes = Vec::new();

    // A set on its way out manages no pods any more; who deletes them is up to garbage collection.
    if set.metadata.deletion_timestamp.is_none() {
        let adopted: Vec<Write> = strays.iter().filter_map(|pod| adopt(set, pod)).collect();
        let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
        let present = active.len() + adopted.len();
        // With adoptions under way the count is taken anew once they are written.
        if !adopted.is_empty() {
            writes.extend(adopted);
        } else if present < wanted {
            writes.extend((present..wanted).map(|_| Write::CreatePod(Box::new(new_pod(set, new_name())))));
        } else if present > wanted {
            let mut ranked = active.clone();
            ranked.sort_by_cached_key(|owned| deletion_rank(owned));
            writes.extend(
                ranked
                    .into_iter()
                    .take(present - wanted)
                    .map(|victim| Write::DeletePod { pod: Key::of(&*victim.pod), uid: uid(&*victim.pod).to_owned() }),
            );
        }
    }

    let minimum = Duration::from_secs(u64::try_from(spec.min_ready_seconds.unwrap_or(0)).unwrap_or(0));
    let status = status(set, owned, &active, minimum);
    if set.status.as_ref() != Some(&status) {
        let mut set = set.clone();
        set.status = Some(status);
        writes.push(Write::ReplicaSetStatus(Box::new(set)));
    }
    let waiting = active.iter().filter_map(|owned| owned.ready_for).filter(|ready_for| *ready_for < minimum);
    Step { writes, again_in: waiting.map(|ready_for| minimum - ready_for).min() }
}

/// Unbound first, then not ready, then the youngest; then by name, so that the choice is always the same.
fn deletion_rank(owned: &OwnedPod) -> impl Ord + use<> {
    let pod = &owned.pod;
    let born = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (pods::node(pod).is_some(), pods::ready(pod), std::cmp::Reverse(born), std::cmp::Reverse(pod.name_any()))
}

fn status(set: &ReplicaSet, owned: &[OwnedPod], active: &[&OwnedPod], minimum: Duration) -> ReplicaSetStatus {
    let template = set.spec.template.as_ref();
    let labels = template.and_then(|template| template.metadata.as_ref()?.labels.clone()).unwrap_or_default();
    let counted = |holds: &dyn Fn(&OwnedPod) -> bool| active.iter().filter(|owned| holds(owned)).count();
    let terminating =
        owned.iter().filter(|o| o.pod.metadata.deletion_timestamp.is_some() && !pods::ended(&o.pod)).count();
    let old = set.status.as_ref();
    ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: some_count(counted(&|owned| selects(&labels, owned.pod.labels()))),
        ready_replicas: some_count(counted(&|owned| pods::ready(&owned.pod))),
        available_replicas: some_count(counted(&|owned| owned.ready_for.is_some_and(|ready_for| ready_for >= minimum))),
        terminating_replicas: some_count(terminating),
        observed_generation: set.metadata.generation,
        conditions: old.and_then(|old| old.conditions.clone()),
    }
}

fn adopt(set: &ReplicaSet, pod: &Arc<Pod>) -> Option<Write> {
    let selector = &set.spec.selector;
    let free = controller_of(&**pod).is_none() && pods::active(pod) && matches(selector, pod.labels());
    free.then(|| {
        let mut pod = Pod::clone(pod);
        pod.owner_references_mut().push(controlled_by(set));
        Write::ReplacePod(Box::new(pod))
    })
}

fn new_pod(set: &ReplicaSet, name: String) -> Pod {
    let template = set.spec.template.clone().unwrap_or_default();
    let template_metadata = template.metadata.unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            name: Some(name),
            generate_name: Some(format!("{}-", set.name_any())),
            namespace: set.meta().namespace.clone(),
            labels: template_metadata.labels,
            annotations: template_metadata.annotations,
            finalizers: template_metadata.finalizers,
            owner_references: Some(vec![controlled_by(set)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: Some(PodStatus { phase: Some("Pending".to_owned()), ..PodStatus::default() }),
    }
}
