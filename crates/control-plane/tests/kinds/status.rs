//! What the user is told: `kubectl rollout status` and `kubectl wait` look at just these fields.

use std::time::Duration;

use kube::api::DynamicObject;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::objects::workload;
use crate::support::tap::{FEDERATION, Tap};
use crate::support::{Fleet, MINUTE, SECOND};

/// What `kubectl rollout status deployment` makes of the object.
fn is_rolled_out(deployment: &Value) -> bool {
    let number = |path: &str| deployment.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    number("/status/observedGeneration") >= number("/metadata/generation")
        && number("/status/updatedReplicas") >= number("/spec/replicas")
        && number("/status/replicas") <= number("/status/updatedReplicas")
        && number("/status/availableReplicas") >= number("/status/updatedReplicas")
}

/// What the members really run: every ready pod has this image.
async fn runs(fleet: &Fleet, image: &str, replicas: usize) -> bool {
    let mut found = Vec::new();
    for member in ["fed-west", "fed-east"] {
        let pods = kube::Api::<k8s_openapi::api::core::v1::Pod>::all(fleet.member(member).client());
        for pod in pods.list(&Default::default()).await.unwrap() {
            let ready = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            if ready.into_iter().any(|c| c.type_ == "Ready" && c.status == "True") {
                found.push(pod.spec.unwrap().containers[0].image.clone().unwrap());
            }
        }
    }
    found.len() == replicas && found.iter().all(|found| found == image)
}

#[tokio::test(start_paused = true)]
async fn a_rollout_is_over_when_it_is_over_in_every_member() {
    let fleet = Fleet::of_two().await;
    fleet.apply("Deployment", workload("web", 6, &json!({}))).await;
    fleet.has("Deployment", "web", "/spec/replicas", json!(3), json!(3)).await;
    fleet.eventually("it is rolled out", async || is_rolled_out(&fleet.get("Deployment", "web").await)).await;
    assert!(runs(&fleet, "web:1", 6).await);
    fleet.is_told("Deployment", "web", "Available", "True").await;
    fleet.is_told("Deployment", "web", "Progressing", "True").await;

    let mut next = workload("web", 6, &json!({}));
    next["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
    fleet.apply("Deployment", next).await;
    assert!(!is_rolled_out(&fleet.get("Deployment", "web").await), "the old generation is no answer");
    // Never before it is so: at the first word of it.
    let over = |web: Option<&DynamicObject>| web.is_some_and(|web| is_rolled_out(&serde_json::to_value(web).unwrap()));
    let said = await_condition(fleet.all("Deployment"), "web", over);
    tokio::time::timeout(10 * MINUTE, said).await.unwrap().unwrap();
    assert!(runs(&fleet, "web:2", 6).await, "{}", fleet.get("Deployment", "web").await);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_refuses_is_named_and_holds_the_rollout_back() {
    let fleet = Fleet::of_two().await;
    let theirs = workload("web", 1, &json!({}));
    crate::objects::apply(&fleet.in_member("fed-east", "Deployment"), "Deployment", theirs).await;
    fleet.apply("Deployment", workload("web", 4, &json!({}))).await;
    fleet.is_told("Deployment", "web", "Propagated", "False NotAdopted: fed-east: ").await;
    assert!(!is_rolled_out(&fleet.get("Deployment", "web").await));
    let placement = fleet.get("Deployment", "web").await["metadata"]["annotations"]["kfed.io/placement"].clone();
    let placement: Value = serde_json::from_str(placement.as_str().unwrap()).unwrap();
    assert_eq!(placement["fed-east"]["reason"], "NotAdopted", "{placement}");
    assert_eq!(placement["fed-west"]["replicas"], 2, "{placement}");
    fleet.apply("Deployment", workload("web", 4, &json!({"kfed.io/adopt": "true"}))).await;
    fleet.is_told("Deployment", "web", "Propagated", "True InSync").await;
}

#[tokio::test(start_paused = true)]
async fn the_members_numbers_and_addresses_come_together() {
    let fleet = Fleet::of_two().await;
    for (kind, object) in crate::objects::one_of_each() {
        fleet.apply(kind, object).await;
    }
    for (kind, _) in crate::objects::one_of_each() {
        fleet.is_in(kind, "one", &["fed-west", "fed-east"]).await;
    }
    let reports = |n: i64| {
        [
            (
                "DaemonSet",
                json!({"desiredNumberScheduled": n, "currentNumberScheduled": n, "numberReady": n, "numberMisscheduled": 0, "observedGeneration": 1}),
            ),
            (
                "StatefulSet",
                json!({"replicas": n, "readyReplicas": n, "updatedReplicas": n, "observedGeneration": 1, "updateRevision": "r2", "currentRevision": format!("r{n}")}),
            ),
            ("CronJob", json!({"lastScheduleTime": format!("2026-01-0{n}T03:00:00Z")})),
            ("Ingress", json!({"loadBalancer": {"ingress": [{"ip": format!("192.0.2.{n}")}]}})),
            (
                "PodDisruptionBudget",
                json!({"currentHealthy": n, "desiredHealthy": 1, "disruptionsAllowed": n - 1, "expectedPods": n, "observedGeneration": 1}),
            ),
            (
                "HorizontalPodAutoscaler",
                json!({"currentReplicas": n, "desiredReplicas": n, "conditions": [
                {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "m"}]}),
            ),
        ]
    };
    for (member, n) in [("fed-west", 1), ("fed-east", 2)] {
        for (kind, status) in reports(n) {
            fleet.report(member, kind, "one", status).await;
        }
    }
    for (kind, path, value) in [
        ("DaemonSet", "/status/desiredNumberScheduled", json!(3)),
        ("DaemonSet", "/status/numberReady", json!(3)),
        ("StatefulSet", "/status/readyReplicas", json!(3)),
        ("StatefulSet", "/status/updateRevision", json!("r2")),
        ("StatefulSet", "/status/currentRevision", json!("r1")),
        ("CronJob", "/status/lastScheduleTime", json!("2026-01-02T03:00:00Z")),
        ("Ingress", "/status/loadBalancer/ingress", json!([{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}])),
        ("PodDisruptionBudget", "/status/disruptionsAllowed", json!(1)),
        ("HorizontalPodAutoscaler", "/status/currentReplicas", json!(3)),
    ] {
        fleet.tells(kind, "one", path, value).await;
    }
    fleet.is_told("HorizontalPodAutoscaler", "one", "AbleToScale", "True ReadyForNewScale: m").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_an_object_is_not_said_again_before_the_watch_shows_it() {
    let mut fleet = Fleet::of_two().await;
    fleet.kill().await;
    let tap = Tap::new();
    let lag = SECOND / 4;
    tap.delay_watches(lag);
    fleet.run_as(fleet.tapped(&tap));
    tap.rests(MINUTE).await;
    let before = tap.writes().len();
    fleet.apply("Deployment", workload("web", 4, &json!({}))).await;
    tap.rests(MINUTE).await;
    fleet.is_told("Deployment", "web", "Propagated", "True InSync").await;
    let writes = tap.writes().into_iter().skip(before).filter(|write| write.to == FEDERATION);
    let writes: Vec<_> = writes.map(|write| (write.what, write.at)).collect();
    let first = writes[0].1;
    let writes: Vec<_> = writes.iter().map(|(what, at)| (what.as_str(), *at - first)).collect();
    let object = "PATCH /apis/apps/v1/namespaces/default/deployments/web";
    let status = format!("{object}/status");
    // The finalizer; as soon as that has come, where it is placed; and when both words of that have come and members have had a moment, what
    // they have come to by then, and in the end.
    let said = |at| [(object, at), (status.as_str(), at)];
    let (placed, both_and_a_moment) = (lag, 2 * lag + SECOND / 10);
    let told = [placed, placed + both_and_a_moment, placed + 2 * both_and_a_moment].map(said).concat();
    assert_eq!(writes[0], (object, Duration::ZERO));
    assert_eq!(writes[1..], told);
}
