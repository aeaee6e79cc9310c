//! How many of each go where.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::objects::{template, workload};
use crate::support::{Fleet, MINUTE};

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_in_a_member_is_given_to_another() {
    let fleet = Fleet::start().await;
    fleet.join_small("fed-west").await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    fleet.replica_set("hostname", 6, None).await;
    fleet.has("ReplicaSet", "hostname", "/spec/replicas", json!(3), json!(3)).await;
    let took = fleet
        .eventually("east has what finds no room in west", async || fleet.held("hostname", "fed-east").await == (5, 5))
        .await;
    assert!(took > Duration::from_secs(30), "a scheduler is given time: {took:?}");
    let total = async || {
        let spread = fleet.spread("hostname").await;
        spread.values().map(|(_, ready)| ready).sum::<i32>()
    };
    fleet.always(10 * MINUTE, "all are ready", async || total().await == 6).await;
    fleet.says("ReplicaSet", "hostname", "Scheduled", "True Placed").await;
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_is_divided_and_what_it_scales_is_left_to_it() {
    let fleet = Fleet::of_two().await;
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let scaler = json!({"metadata": {"name": "scaler"}, "spec": {"minReplicas": 2, "maxReplicas": 10, "scaleTargetRef": target}});
    fleet.apply("Deployment", workload("web", 3, &json!({}))).await;
    fleet
        .eventually("it is placed", async || fleet.told("Deployment", "web", "Scheduled").await.contains("all 3"))
        .await;
    fleet.apply("HorizontalPodAutoscaler", scaler).await;
    let scaler = "HorizontalPodAutoscaler";
    fleet.has(scaler, "scaler", "/spec/maxReplicas", json!(5), json!(5)).await;
    fleet.has(scaler, "scaler", "/spec/minReplicas", json!(1), json!(1)).await;
    fleet.is_told("Deployment", "web", "Scheduled", "HorizontalPodAutoscaler scaler scales it").await;
    let scale = Patch::Merge(json!({"spec": {"replicas": 4}}));
    fleet.in_member("fed-west", "Deployment").patch_scale("web", &PatchParams::default(), &scale).await.unwrap();
    let at = async || fleet.copy("fed-west", "Deployment", "web").await["spec"]["replicas"].clone();
    fleet.always(10 * MINUTE, "it is left alone", async || at().await == 4).await;
    fleet.delete(scaler, "scaler").await;
    fleet.is_told("Deployment", "web", "Scheduled", "all 3 replicas are placed").await;
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_once_and_its_end_is_told() {
    let fleet = Fleet::of_two().await;
    let mut pods = template("web:1");
    pods["spec"]["restartPolicy"] = json!("Never");
    let spec = json!({"parallelism": 2, "completions": 4, "ttlSecondsAfterFinished": 900, "template": pods});
    fleet.apply("Job", json!({"metadata": {"name": "one"}, "spec": spec})).await;
    fleet.has("Job", "one", "/spec/completions", json!(2), json!(2)).await;
    fleet.has("Job", "one", "/spec/parallelism", json!(1), json!(1)).await;
    fleet.has("Job", "one", "/spec/ttlSecondsAfterFinished", json!(null), json!(null)).await;
    let done = |start: &str, end: &str| {
        json!({
            "startTime": start, "completionTime": end, "succeeded": 2,
            "conditions": [{"type": "Complete", "status": "True", "reason": "CompletionsReached"}]
        })
    };
    fleet.report("fed-west", "Job", "one", done("2026-01-01T00:00:02Z", "2026-01-01T00:00:09Z")).await;
    fleet.tells("Job", "one", "/status/succeeded", json!(2)).await;
    fleet.is_told("Job", "one", "Complete", "False").await;
    fleet.tells("Job", "one", "/status/completionTime", json!(null)).await;
    fleet.report("fed-east", "Job", "one", done("2026-01-01T00:00:01Z", "2026-01-01T00:00:07Z")).await;
    fleet.is_told("Job", "one", "Complete", "True CompletionsReached").await;
    fleet.tells("Job", "one", "/status/succeeded", json!(4)).await;
    fleet.tells("Job", "one", "/status/startTime", json!("2026-01-01T00:00:01Z")).await;
    fleet.tells("Job", "one", "/status/completionTime", json!("2026-01-01T00:00:09Z")).await;
    // Somebody tidies up.
    fleet.in_member("fed-west", "Job").delete("one", &Default::default()).await.unwrap();
    fleet
        .always(10 * MINUTE, "it does not run again", async || fleet.copy("fed-west", "Job", "one").await.is_null())
        .await;
    fleet.tells("Job", "one", "/status/succeeded", json!(4)).await;
    let gone = async || fleet.get("Job", "one").await.is_null() && fleet.copy("fed-east", "Job", "one").await.is_null();
    fleet.eventually("its time is over, and it goes", gone).await;
}
