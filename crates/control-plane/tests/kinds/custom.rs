//! Kinds that are not built in, by one entry each.

use kfed_api::{FederatedKind, FederatedKindSpec, MergeRule, ReplicaPaths, StatusPath};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::support::{Fleet, MINUTE, SPREAD};

fn rollouts(client: Client) -> Api<DynamicObject> {
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("example.com", "v1", "Rollout"), "rollouts");
    Api::namespaced_with(client, "default", &resource)
}

async fn define(client: Client) {
    let definition = json!({
        "metadata": {"name": "rollouts.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Rollout", "plural": "rollouts", "singular": "rollout", "listKind": "RolloutList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}]
        }
    });
    let definitions =
        Api::<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>::all(
            client,
        );
    definitions.create(&PostParams::default(), &serde_json::from_value(definition).unwrap()).await.unwrap();
}

async fn enter(fleet: &Fleet, name: &str, spec: FederatedKindSpec) {
    Api::<FederatedKind>::all(fleet.client.clone())
        .create(&PostParams::default(), &FederatedKind::new(name, spec))
        .await
        .unwrap();
}

fn rollout() -> FederatedKindSpec {
    FederatedKindSpec {
        group: "example.com".into(),
        kind: "Rollout".into(),
        replicas: Some(ReplicaPaths::default()),
        status: vec![StatusPath { path: "/status/readyReplicas".into(), merge: MergeRule::Sum }],
        never_sent: vec!["/spec/assigned".into()],
        ..FederatedKindSpec::default()
    }
}

async fn entry(fleet: &Fleet, name: &str, words: &str) {
    fleet
        .eventually(&format!("entry {name} says `{words}`"), async || {
            let entry = Api::<FederatedKind>::all(fleet.client.clone()).get(name).await.unwrap();
            let conditions = entry.status.map(|status| status.conditions).unwrap_or_default();
            conditions.iter().any(|c| format!("{} {}: {}", c.status, c.reason, c.message).contains(words))
        })
        .await;
}

async fn create(fleet: &Fleet) {
    let object = json!({
        "apiVersion": "example.com/v1", "kind": "Rollout",
        "metadata": {"name": "one", "annotations": {"kfed.io/preferences": SPREAD}},
        "spec": {"replicas": 4, "assigned": "here", "x": 1}
    });
    rollouts(fleet.client.clone())
        .create(&PostParams::default(), &serde_json::from_value(object).unwrap())
        .await
        .unwrap();
}

async fn spec(fleet: &Fleet, member: &str) -> Value {
    let copy = rollouts(fleet.member(member).client()).get_opt("one").await.ok().flatten();
    copy.map_or(Value::Null, |copy| copy.data["spec"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_kind_of_ones_own_is_spread_and_leaves_as_it_came() {
    let fleet = Fleet::of_two().await;
    define(fleet.client.clone()).await;
    define(fleet.member("fed-west").client()).await;
    enter(&fleet, "rollouts", rollout()).await;
    entry(&fleet, "rollouts", "True Accepted: rollouts.example.com of example.com/v1 are federated").await;
    create(&fleet).await;
    // A member that does not know the kind is told of, and holds up nobody.
    fleet.eventually("west has all", async || spec(&fleet, "fed-west").await == json!({"replicas": 4, "x": 1})).await;
    let told = async || {
        let object = rollouts(fleet.client.clone()).get("one").await.unwrap();
        object.annotations().get("kfed.io/conditions").cloned().unwrap_or_default()
    };
    fleet.eventually("it is told", async || told().await.contains("KindNotServed")).await;
    assert!(fleet.events("one").await.iter().any(|event| event.starts_with("Warning KindNotServed: fed-east")));
    fleet.replica_set("hostname", 4, None).await;
    fleet.is_spread("hostname", &[("fed-west", 2), ("fed-east", 2)]).await;
    // It comes to know it.
    define(fleet.member("fed-east").client()).await;
    fleet.eventually("both have half", async || spec(&fleet, "fed-east").await["replicas"] == 2).await;
    let status = Patch::Merge(json!({"status": {"replicas": 2, "readyReplicas": 2}}));
    for member in ["fed-west", "fed-east"] {
        let copies = rollouts(fleet.member(member).client());
        copies.patch_status("one", &PatchParams::default(), &status).await.unwrap();
    }
    let ready =
        async || rollouts(fleet.client.clone()).get("one").await.unwrap().data["status"]["readyReplicas"].clone();
    fleet.eventually("the sum is told", async || ready().await == 4).await;
    fleet.eventually("all is well", async || told().await.contains("InSync")).await;

    // The entry goes: the copies stay, and nobody holds the object back any more.
    let entries = Api::<FederatedKind>::all(fleet.client.clone());
    entries.delete("rollouts", &DeleteParams::default()).await.unwrap();
    fleet.eventually("the entry is gone", async || entries.get_opt("rollouts").await.unwrap().is_none()).await;
    let object = rollouts(fleet.client.clone()).get("one").await.unwrap();
    assert!(object.finalizers().is_empty());
    for member in ["fed-west", "fed-east"] {
        let copy = rollouts(fleet.member(member).client()).get("one").await.unwrap();
        assert!(!copy.labels().contains_key("kfed.io/managed-by"), "{member}: it is no longer kfed's");
    }
    rollouts(fleet.client.clone()).delete("one", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert!(rollouts(fleet.client.clone()).get_opt("one").await.unwrap().is_none());
    assert!(spec(&fleet, "fed-west").await.is_object());
}

/// `kubectl rollout status` and the like wait until the status is about what was asked for last.
#[tokio::test(start_paused = true)]
async fn a_status_says_which_generation_it_is_about_where_the_entry_says_that_it_does() {
    let fleet = Fleet::of_two().await;
    define(fleet.client.clone()).await;
    let members = ["fed-west", "fed-east"];
    for member in members {
        define(fleet.member(member).client()).await;
    }
    let merged = StatusPath { path: "/status/observedGeneration".into(), merge: MergeRule::Min };
    enter(&fleet, "merged", FederatedKindSpec { status: vec![merged], ..rollout() }).await;
    entry(&fleet, "merged", "False InvalidEntry: spec.status[].path: `/status/observedGeneration`").await;
    enter(&fleet, "rollouts", FederatedKindSpec { observed_generation: true, ..rollout() }).await;
    entry(&fleet, "rollouts", "True Accepted").await;
    create(&fleet).await;
    let objects = rollouts(fleet.client.clone());
    let object = async || objects.get("one").await.unwrap();
    let observed = async || object().await.data["status"]["observedGeneration"].clone();
    // What the controller of the kind does in a member: it has seen what is there now. Some write the number as text.
    let see = async |member: &str, as_text: bool| {
        let copies = rollouts(fleet.member(member).client());
        let generation = copies.get("one").await.unwrap().metadata.generation.unwrap();
        let seen = if as_text { json!(generation.to_string()) } else { json!(generation) };
        let status = Patch::Merge(json!({"status": {"observedGeneration": seen, "readyReplicas": 2}}));
        copies.patch_status("one", &PatchParams::default(), &status).await.unwrap();
    };
    let holds = async |x: i64| {
        let mut both = true;
        for member in members {
            let spec = spec(&fleet, member).await;
            both &= spec["replicas"] == 2 && spec["x"] == x;
        }
        both
    };
    fleet.eventually("both hold it", async || holds(1).await).await;
    for (x, as_text) in [(2, false), (3, false), (4, true)] {
        let change = json!({"spec": {"x": x}});
        objects.patch("one", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
        fleet.eventually("both hold it", async || holds(x).await).await;
        let before = observed().await;
        let generation = object().await.metadata.generation.unwrap();
        see("fed-west", as_text).await;
        fleet.always(MINUTE, "east has not seen it", async || observed().await == before).await;
        assert_ne!(before, generation, "so nobody takes it to be done");
        see("fed-east", as_text).await;
        let wanted = if as_text { json!(generation.to_string()) } else { json!(generation) };
        fleet.eventually("all have seen it", async || observed().await == wanted).await;
    }
}

#[tokio::test(start_paused = true)]
async fn entries_that_cannot_be_say_why_and_hurt_nobody() {
    let fleet = Fleet::of_two().await;
    let spec = |group: &str, kind: &str| FederatedKindSpec {
        group: group.into(),
        kind: kind.into(),
        ..FederatedKindSpec::default()
    };
    enter(&fleet, "a", spec("apps", "Deployment")).await;
    enter(&fleet, "b", spec("", "Event")).await;
    enter(&fleet, "c", spec("example.com", "Rollout")).await;
    entry(&fleet, "a", "False InvalidEntry: Deployment is built in").await;
    entry(&fleet, "b", "False InvalidEntry: spec.kind: Event").await;
    entry(&fleet, "c", "False KindNotServed: the federation API serves no Rollout of example.com").await;
    fleet.replica_set("hostname", 4, None).await;
    fleet.is_spread("hostname", &[("fed-west", 2), ("fed-east", 2)]).await;
    define(fleet.client.clone()).await;
    entry(&fleet, "c", "True Accepted").await;
    enter(&fleet, "d", spec("example.com", "Rollout")).await;
    entry(&fleet, "d", "False AlreadyFederated").await;
    let entries = Api::<FederatedKind>::all(fleet.client.clone());
    for name in ["a", "b", "c", "d"] {
        entries.delete(name, &DeleteParams::default()).await.unwrap();
        fleet.eventually("it is gone", async || entries.get_opt(name).await.unwrap().is_none()).await;
    }
}
