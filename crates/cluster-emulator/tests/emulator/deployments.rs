use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kfed_cluster_emulator::ClusterEmulator;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{builder, create, deployment, member, pod_names, pods, sets, template, until};

fn deployments(member: &ClusterEmulator) -> Api<Deployment> {
    Api::namespaced(member.client(), "default")
}

async fn patch(member: &ClusterEmulator, name: &str, patch: Value) {
    deployments(member).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

async fn until_rolled_out(member: &ClusterEmulator, name: &str, replicas: i32) -> Deployment {
    let api = deployments(member);
    let api = &api;
    until(&format!("{name} with {replicas} replicas rolled out"), || async move {
        let deployment = api.get(name).await.unwrap();
        let status = deployment.status.clone().unwrap_or_default();
        let counts = [status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas];
        let whole = counts.iter().all(|count| count.unwrap_or(0) == replicas) && status.unavailable_replicas.is_none();
        (whole && status.observed_generation == deployment.metadata.generation).then_some(deployment)
    })
    .await
}

fn image(image: &str) -> Value {
    let mut template = template("web");
    template["spec"]["containers"][0]["image"] = json!(image);
    json!({ "spec": { "template": template } })
}

async fn image_counts(member: &ClusterEmulator) -> (usize, usize) {
    let list = pods(member).list(&ListParams::default()).await.unwrap();
    let of = |wanted: &str| {
        list.iter().filter(|pod| pod.spec.as_ref().unwrap().containers[0].image.as_deref() == Some(wanted)).count()
    };
    (of("web:1"), of("web:2"))
}

#[tokio::test(start_paused = true)]
async fn a_deployment_runs_its_replicas_through_one_set() {
    let member = member().await;
    create(&deployments(&member), &deployment("web", 3)).await;
    let deployment = until_rolled_out(&member, "web", 3).await;
    assert_eq!(deployment.annotations()["deployment.kubernetes.io/revision"], "1");
    let conditions = deployment.status.unwrap().conditions.unwrap();
    let reasons: Vec<_> = conditions.iter().map(|c| c.reason.clone().unwrap()).collect();
    assert_eq!(reasons, ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]);
    let list = sets(&member).list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    assert_eq!(list.items[0].owner_references()[0].kind, "Deployment");
}

#[tokio::test(start_paused = true)]
async fn a_new_template_is_rolled_out_without_falling_below_what_must_be_available() {
    let member = builder("m").startup(Duration::from_secs(2)).start().await.unwrap();
    create(&deployments(&member), &deployment("web", 8)).await;
    until_rolled_out(&member, "web", 8).await;
    patch(&member, "web", image("web:2")).await;
    let api = pods(&member);
    loop {
        let list = api.list(&ListParams::default()).await.unwrap();
        let ready = |pod: &&k8s_openapi::api::core::v1::Pod| {
            let conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
            conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
        };
        // A quarter of 8: two more at most, two fewer at least.
        assert!(list.items.len() <= 10, "{} pods", list.items.len());
        assert!(list.iter().filter(ready).count() >= 6);
        if image_counts(&member).await == (0, 8) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let deployment = until_rolled_out(&member, "web", 8).await;
    assert_eq!(deployment.annotations()["deployment.kubernetes.io/revision"], "2");

    patch(&member, "web", image("web:1")).await;
    let member = &member;
    until("the first template again", || async move { (image_counts(member).await == (8, 0)).then_some(()) }).await;
    let deployment = until_rolled_out(member, "web", 8).await;
    assert_eq!(deployment.annotations()["deployment.kubernetes.io/revision"], "3");
    assert_eq!(sets(member).list(&ListParams::default()).await.unwrap().items.len(), 2, "a set per template");
}

#[tokio::test(start_paused = true)]
async fn recreate_ends_all_old_pods_before_the_first_new_one() {
    let member = member().await;
    let mut web = deployment("web", 3);
    web.spec.strategy = Some(serde_json::from_value(json!({ "type": "Recreate" })).unwrap());
    create(&deployments(&member), &web).await;
    until_rolled_out(&member, "web", 3).await;
    patch(&member, "web", image("web:2")).await;
    loop {
        let (old, new) = image_counts(&member).await;
        assert!(old == 0 || new == 0, "{old} old and {new} new");
        if new == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until_rolled_out(&member, "web", 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_scales_and_its_deletion_takes_everything_along() {
    let member = member().await;
    create(&deployments(&member), &deployment("web", 2)).await;
    until_rolled_out(&member, "web", 2).await;
    for replicas in [6, 1, 0, 4] {
        patch(&member, "web", json!({ "spec": { "replicas": replicas } })).await;
        until_rolled_out(&member, "web", replicas).await;
    }
    deployments(&member).delete("web", &DeleteParams::default()).await.unwrap();
    let (member, api) = (&member, Api::<ReplicaSet>::namespaced(member.client(), "default"));
    let api = &api;
    until("nothing left", || async move {
        let sets = api.list(&ListParams::default()).await.unwrap();
        (sets.items.is_empty() && pod_names(member).await.is_empty()).then_some(())
    })
    .await;
}
