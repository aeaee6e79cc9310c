//! A control plane that dies at every write in turn, of all that it sends to the federation API, to members and to the zone: just before
//! the write, and when the write has taken effect and its answer is on the way. The next one makes of it what an undisturbed one does.
//!
//! Events are no such writes: nothing depends on them. Steps are repeated in a ring within one federation, since a control plane at
//! rest is as good as a new one for the next death.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod silent;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use kfed_api::keys;
use kfed_cluster_emulator::ClusterEmulator;
use kfed_dnsprovider::ownership::OWNER_KEY;
use kfed_dnsprovider::txt_registry::see;
use kfed_dnsprovider::{MemoryProvider, TxtNames};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use support::tap::{Tap, When};
use support::{Fleet, SPREAD, ZONE};

/// Longer than anything waits that is tried again.
const QUIET: Duration = Duration::from_secs(45);

const MEMBERS: [&str; 2] = ["fed-west", "fed-east"];

/// What there is, of every kind that matters, by where it is and how it is called.
type Picture = BTreeMap<String, Value>;

/// What somebody wants, or what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A cluster joins.
    Join(&'static str),
    /// A member leaves.
    Unjoin(&'static str),
    /// A namespace with objects is created.
    Create,
    /// Replicas, ports and data change.
    Change,
    /// Everything is deleted, the namespace last.
    Delete,
    /// Nobody wants anything; another control plane begins.
    Restart,
}

/// A control plane.
struct Life {
    tap: Tap,
    task: JoinHandle<()>,
}

const OBJECTS: [Step; 4] = [Step::Create, Step::Restart, Step::Change, Step::Delete];
const MEMBERSHIP: [Step; 2] = [Step::Join("fed-west"), Step::Unjoin("fed-west")];

#[tokio::test(start_paused = true)]
async fn deaths_before_each_write_for_objects_do_no_harm() {
    every_write(&[Step::Join("fed-west"), Step::Join("fed-east")], &OBJECTS, When::Before).await;
}

#[tokio::test(start_paused = true)]
async fn deaths_after_each_write_for_objects_do_no_harm() {
    every_write(&[Step::Join("fed-west"), Step::Join("fed-east")], &OBJECTS, When::After).await;
}

#[tokio::test(start_paused = true)]
async fn deaths_before_each_write_for_a_member_do_no_harm() {
    every_write(&[Step::Join("fed-east"), Step::Create], &MEMBERSHIP, When::Before).await;
}

#[tokio::test(start_paused = true)]
async fn deaths_after_each_write_for_a_member_do_no_harm() {
    every_write(&[Step::Join("fed-east"), Step::Create], &MEMBERSHIP, When::After).await;
}

/// Between a mark and its set there is a write more to die at.
#[tokio::test(start_paused = true)]
async fn deaths_at_each_write_to_a_zone_of_marks_do_no_harm() {
    for when in [When::Before, When::After] {
        let fleet = over(MemoryProvider::with_zone(ZONE.parse().unwrap()).without_metadata()).await;
        let first = [Step::Join("fed-west"), Step::Join("fed-east")];
        every_write_in(fleet, &first, &OBJECTS, |tap, n| tap.arm_zone(n, when)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn deaths_in_a_federation_that_has_just_been_made_do_no_harm() {
    let live = async |tap: Tap| {
        let fleet = federation().await;
        let mut life = Life::start(&fleet, tap);
        let died = life.through(&fleet, Step::Join("fed-east")).await;
        life.stop().await;
        (died, picture(&fleet).await)
    };
    let (_, expected) = live(Tap::new()).await;
    for when in [When::Before, When::After] {
        for n in 0.. {
            let (died, seen) = live(Tap::fatal(n, when)).await;
            let Some(died) = died else {
                assert!(n > 5, "there were only {n} writes");
                break;
            };
            same(&expected, &seen, &format!("{when:?} write {n}, {died}"));
        }
    }
}

/// Goes round `ring` in a federation in which `first` has happened, with a death at write number 0 of each step, then at number 1 of
/// each, until no step has so many.
async fn every_write(first: &[Step], ring: &[Step], when: When) {
    every_write_in(federation().await, first, ring, |tap, n| tap.arm(n, when)).await;
}

async fn every_write_in(fleet: Fleet, first: &[Step], ring: &[Step], arm: impl Fn(&Tap, usize)) {
    let mut life = Life::start(&fleet, Tap::new());
    for step in first {
        assert_eq!(life.through(&fleet, *step).await, None);
    }
    let mut expected = Vec::new();
    for step in ring.iter().chain(ring) {
        assert_eq!(life.through(&fleet, *step).await, None);
        expected.push(picture(&fleet).await);
    }
    // What there is from the second round on.
    let expected = expected.split_off(ring.len());
    let mut deaths = 0;
    for n in 0.. {
        let mut died_in = 0;
        for (step, expected) in ring.iter().zip(&expected) {
            arm(&life.tap, n);
            let stays = matches!(step, Step::Restart | Step::Change);
            let before = if stays { copies(&fleet).await } else { BTreeMap::new() };
            if let Some(died) = life.through(&fleet, *step).await {
                died_in += 1;
                same(expected, &picture(&fleet).await, &format!("write {n} of {step:?}, {died}"));
            }
            if stays {
                assert_eq!(copies(&fleet).await, before, "copies are changed, and not made anew");
            }
        }
        deaths += died_in;
        if died_in == 0 {
            break;
        }
    }
    assert!(deaths > 20, "there were only {deaths} writes");
}

// === impl Life ===

impl Life {
    fn start(fleet: &Fleet, tap: Tap) -> Self {
        let task = tokio::spawn(fleet.tapped(&tap).build().run(CancellationToken::new()));
        Self { tap, task }
    }

    /// Dies where it stands.
    async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Lives through `step`, and when it dies of it lets another one do so, until all is at rest. The write that it died of.
    async fn through(&mut self, fleet: &Fleet, step: Step) -> Option<String> {
        if step == Step::Restart {
            self.stop().await;
            *self = Self::start(fleet, self.tap.clone());
        }
        step.begins(fleet).await;
        let died = tokio::select! {
            write = self.tap.died() => Some(write),
            () = self.tap.rests(QUIET) => None,
        };
        if died.is_some() {
            self.stop().await;
            *self = Self::start(fleet, Tap::new());
            self.tap.rests(QUIET).await;
        }
        died.map(|write| format!("{} to {}", write.what, write.to))
    }
}

// === impl Step ===

impl Step {
    async fn begins(self, fleet: &Fleet) {
        let client = &fleet.client;
        match self {
            Self::Join(member) => fleet.join_again(member).await,
            Self::Unjoin(member) => {
                let wish = Patch::Merge(json!({"spec": {"unjoin": {"force": false, "orphan": false}}}));
                fleet.clusters().patch(member, &PatchParams::default(), &wish).await.unwrap();
            }
            Self::Create => {
                apply(client, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
                apply(client, config_map("contested", "ours")).await;
                apply(client, replica_set(4)).await;
                apply(client, service(8000)).await;
            }
            Self::Change => {
                apply(client, replica_set(6)).await;
                apply(client, config_map("contested", "ours alone")).await;
                apply(client, service(8001)).await;
            }
            Self::Delete => {
                delete(client, "v1", "Service", "web").await;
                delete(client, "apps/v1", "ReplicaSet", "web").await;
                delete(client, "v1", "Namespace", "shop").await;
            }
            Self::Restart => {}
        }
    }
}

fn same(expected: &Picture, seen: &Picture, what: &str) {
    let differences = differences(expected, seen);
    assert!(differences.is_empty(), "after a death {what}:\n{}", differences.join("\n"));
}

/// Two clusters, in one of which some of what is to come is there already, and somebody's records in the zone.
async fn federation() -> Fleet {
    over(MemoryProvider::with_zone(ZONE.parse().unwrap())).await
}

/// The same with this zone.
async fn over(dns: MemoryProvider) -> Fleet {
    let mut fleet = Fleet::idle().await;
    fleet.dns = dns;
    for (name, region) in MEMBERS.into_iter().zip(["westus", "eastus"]) {
        fleet.emulate(ClusterEmulator::builder(name).region(region).zones(["1"]).nodes(1)).await;
    }
    let west = fleet.member("fed-west").client();
    apply(&west, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    apply(&west, config_map("contested", "theirs")).await;
    apply(&west, config_map("theirs", "theirs")).await;
    fleet.plant("other.example.com");
    fleet.plant("web.shop.fed.svc.eastus.example.com");
    fleet
}

fn config_map(name: &str, data: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": {"whose": data}
    })
}

fn replica_set(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {keys::REPLICA_SET_PREFERENCES: SPREAD}},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"run": "web"}},
            "template": {
                "metadata": {"labels": {"run": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}
            }
        }
    })
}

fn service(port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "selector": {"run": "web"}, "ports": [{"name": "http", "port": port}]}
    })
}

fn objects(client: &Client, api_version: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

async fn apply(client: &Client, object: Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let objects = objects(client, &api_version, &kind, object["metadata"]["namespace"].as_str());
    let name = text(&object["metadata"]["name"]);
    objects.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(object)).await.unwrap();
}

async fn delete(client: &Client, api_version: &str, kind: &str, name: &str) {
    let namespace = (kind != "Namespace").then_some("shop");
    objects(client, api_version, kind, namespace).delete(name, &DeleteParams::default()).await.unwrap();
}

/// All there is, as far as it does not tell of time, of how often something was written, and of how many addresses there were before.
async fn picture(fleet: &Fleet) -> Picture {
    let mut addresses = Vec::new();
    for name in MEMBERS {
        let services = objects(&fleet.member(name).client(), "v1", "Service", None);
        for service in services.list(&Default::default()).await.unwrap() {
            let ip = service.data["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned);
            addresses.extend(ip.map(|ip| (ip, format!("<{name}>"))));
        }
    }
    let named = |text: String| addresses.iter().fold(text, |text, (ip, name)| text.replace(ip, name));
    let mut picture = Picture::new();
    let both = [("v1", "Namespace"), ("v1", "ConfigMap"), ("v1", "Service"), ("apps/v1", "ReplicaSet")];
    let federation = [("v1", "Secret"), ("kfed.io/v1beta1", "Cluster"), ("kfed.io/v1beta1", "Federation")];
    let mut places = vec![("federation".to_owned(), fleet.client.clone())];
    places.extend(MEMBERS.map(|name| (name.to_owned(), fleet.member(name).client())));
    for (place, client) in places {
        let more = if place == "federation" { &federation[..] } else { &[][..] };
        for (api_version, kind) in both.iter().chain(more) {
            for object in objects(&client, api_version, kind, None).list(&Default::default()).await.unwrap() {
                let key = format!("{place} {kind} {}/{}", object.namespace().unwrap_or_default(), object.name_any());
                let text = named(serde_json::to_string(&object).unwrap());
                picture.insert(key, timeless(serde_json::from_str(&text).unwrap()));
            }
        }
    }
    let zone = fleet.dns.contents(&fleet.zone);
    let mut seen: Vec<_> = zone.iter().cloned().collect();
    if !fleet.dns.provider().keeps_metadata() {
        seen = see(&TxtNames::default(), seen);
        // A mark may remember more or less, but each set of ours has one, and there is none beside.
        let ours = seen.iter().filter(|set| set.metadata.get(OWNER_KEY).is_some()).count();
        picture.insert("zone marks".to_owned(), json!([ours, zone.len() - seen.len()]));
    }
    for mut set in seen {
        set.etag = None;
        picture.insert(format!("zone {}", set.key), json!(named(format!("{set:?}"))));
    }
    picture
}

/// The uids of what members hold.
async fn copies(fleet: &Fleet) -> BTreeMap<String, Option<String>> {
    let mut copies = BTreeMap::new();
    for name in MEMBERS {
        for (api_version, kind) in
            [("v1", "Namespace"), ("v1", "ConfigMap"), ("v1", "Service"), ("apps/v1", "ReplicaSet")]
        {
            let objects = objects(&fleet.member(name).client(), api_version, kind, None);
            let list = objects.list(&Default::default()).await.unwrap();
            copies
                .extend(list.into_iter().map(|object| (format!("{name} {kind} {}", object.name_any()), object.uid())));
        }
    }
    copies
}

fn timeless(value: Value) -> Value {
    const TOLD: [&str; 9] = [
        "uid",
        "resourceVersion",
        "generation",
        "observedGeneration",
        "creationTimestamp",
        "lastTransitionTime",
        "managedFields",
        "startTime",
        "since",
    ];
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(key, _)| !TOLD.contains(&key.as_str()));
            Value::Object(fields.map(|(key, value)| (key, timeless(value))).collect())
        }
        // Annotations tell of the same, as text.
        Value::String(text) if text.starts_with(['[', '{']) => {
            serde_json::from_str(&text).map_or(Value::String(text), timeless)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(timeless).collect()),
        other => other,
    }
}

fn differences(expected: &Picture, seen: &Picture) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = expected.keys().chain(seen.keys()).collect();
    let differing = keys.into_iter().filter(|key| expected.get(*key) != seen.get(*key));
    let text =
        |picture: &Picture, key: &String| picture.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
    differing.map(|key| format!("{key}\n  is     {}\n  not    {}", text(seen, key), text(expected, key))).collect()
}
