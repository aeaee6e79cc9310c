//! The pods of workloads that are not fully ready: watched for as long as they are not, in the members where they are not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{ApiResource, DynamicObject, Selector};
use kube::runtime::watcher;
use kube::{Api, Client};

use super::watch::follow;
use super::writes::Place;
use super::{AbortOnDrop, Key, Shared, lock};
use crate::kinds::ObjectKey;
use crate::object::at;
use crate::world::{Change, ObjectView, Pod, Pods};

/// How long a workload must have been so before anybody looks at its pods: most are ready sooner, and what has no room counts only
/// after a minute.
const DELAY: Duration = Duration::from_secs(20);

/// The watches, by workload and member; each ends with its handle.
#[derive(Default)]
pub(super) struct PodWatches(Mutex<BTreeMap<Place, AbortOnDrop<()>>>);

// === impl PodWatches ===

impl PodWatches {
    /// Sees to it that pods of the workload in `view` are watched just where that is not fully ready.
    pub(super) fn ensure(&self, shared: &Arc<Shared>, view: &ObjectView) {
        let Some(replicas) = view.key.kind.replicas else { return };
        let Some(path) = replicas.pods else { return };
        let federated = view.federated.is_some();
        let shown = view.members.iter().filter(|(_, member)| federated && member.state.shows_itself());
        let copies = shown.filter_map(|(name, member)| Some((name, member.copy.as_deref()?)));
        let short: BTreeMap<_, _> = copies.filter(|(_, copy)| replicas.serving(copy) < replicas.asked(copy)).collect();
        for place in self.watched(&view.key).into_iter().filter(|(_, name)| !short.contains_key(name)) {
            lock(&self.0).remove(&place);
            shared.world().members.change_known(&place.1, |member| member.pods.remove(&view.key));
        }
        for (name, copy) in short {
            let place = (view.key.clone(), name.clone());
            let (Some(selector), Some(client)) = (selector(copy, path), shared.client(name)) else { continue };
            let start = || AbortOnDrop(tokio::spawn(watch(Arc::downgrade(shared), place.clone(), client, selector)));
            lock(&self.0).entry(place.clone()).or_insert_with(start);
        }
    }

    /// Where pods of `key` are watched.
    fn watched(&self, key: &ObjectKey) -> Vec<Place> {
        let watches = lock(&self.0);
        let places = watches.range((key.clone(), String::new())..).map(|(place, _)| place);
        places.take_while(|(of, _)| of == key).cloned().collect()
    }

    pub(super) fn stop_all(&self) {
        lock(&self.0).clear();
    }

    /// Ends those in `member`.
    pub(super) fn stop(&self, member: &str) {
        lock(&self.0).retain(|(_, other), _| other != member);
    }
}

fn selector(copy: &DynamicObject, path: &str) -> Option<String> {
    let selector: LabelSelector = serde_json::from_value(at(copy, path)?.clone()).ok()?;
    let selector = Selector::try_from(selector).ok()?.to_string();
    // One that selects everything says nothing of this workload.
    (!selector.is_empty()).then_some(selector)
}

async fn watch(shared: std::sync::Weak<Shared>, (key, member): Place, client: Client, selector: String) {
    tokio::time::sleep(DELAY).await;
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    let pods = Api::<Pod>::namespaced_with(client, &key.namespace, &resource);
    follow(pods, watcher::Config::default().labels(&selector), move |change| {
        let Some(shared) = shared.upgrade() else { return };
        // What was known of them is old, and a list follows.
        if matches!(change, Change::Interrupted | Change::Forbidden(_) | Change::NotServed) {
            return;
        }
        shared.world().members.change_known(&member, |member| {
            let known = member.pods.entry(key.clone()).or_default();
            match change {
                Change::Apply(pod) => known.insert(&pod),
                Change::Delete(pod) => known.remove(&pod),
                Change::Reset(pods) => {
                    *known = Pods::default();
                    pods.iter().for_each(|pod| known.insert(pod));
                }
                Change::Interrupted | Change::Forbidden(_) | Change::NotServed => {}
            }
        });
        shared.queue.add(Key::Object(key.clone()), Duration::ZERO);
    })
    .await;
}
