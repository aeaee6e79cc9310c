//! What `kfed status` reads of how much waits: in the zone, for members, for the control plane itself; and that telling it costs nothing
//! at rest.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kfed_api::{Backlog, BudgetStatus, DnsStatus, Federation, QueueStatus};
use kfed_control_plane::overview::{Overview, overview};
use kfed_dnsprovider::DnsProvider;
use kfed_dnsprovider::OperationKind;
use kfed_dnsprovider::layer::{Budget, Limits};
use kfed_replica_scheduler::{Member, Request as Placement, Scheduler, Verdict};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use support::tap::Tap;
use support::{Fleet, MINUTE, SECOND};

async fn status(fleet: &Fleet) -> Overview {
    overview(&fleet.client, 5 * SECOND).await.unwrap()
}

async fn queue(fleet: &Fleet) -> QueueStatus {
    status(fleet).await.queue.unwrap_or_default()
}

async fn dns(fleet: &Fleet) -> DnsStatus {
    status(fleet).await.dns.unwrap_or_default()
}

async fn config_map(objects: &Api<ConfigMap>, name: &str, value: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}});
    objects.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(map)).await.unwrap();
}

fn creates(left: u32) -> BudgetStatus {
    BudgetStatus { kind: "create".into(), requests: 12, per_seconds: 60, left }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_zone_shows_what_waits_and_what_is_left_of_the_budget_until_it_rests() {
    let mut fleet = Fleet::start().await;
    fleet.kill().await;
    let limits = Limits::default().with(OperationKind::Create, 12, MINUTE).with(OperationKind::List, 60, MINUTE);
    fleet.limits = limits;
    fleet.run();
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.replica_set("hostname", 1, None).await;
    fleet.is_spread("hostname", &[("fed-west", 1)]).await;
    for n in 0..16 {
        fleet.another(&format!("s{n}"), json!({})).await;
    }
    // Three names each: four minutes' worth of what may be created.
    fleet.eventually("what waits is told", async || dns(&fleet).await.changes.waiting >= 24).await;
    let told = dns(&fleet).await;
    assert_eq!(told.budget, [creates(0)]);
    assert!(told.changes.since.is_some());
    fleet.eventually("all is created", async || fleet.owned().len() == 48).await;
    let rest = DnsStatus { changes: Backlog::default(), budget: vec![creates(12)] };
    fleet.eventually("nothing waits", async || dns(&fleet).await == rest).await;
    assert_eq!(queue(&fleet).await, QueueStatus::default());

    let federations = Api::<Federation>::all(fleet.client.clone());
    let version = async || federations.get("fed").await.unwrap().resource_version();
    let before = version().await;
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(version().await, before, "at rest nothing is told");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_a_member_does_not_take_waits_until_it_does() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    let theirs = Api::<ConfigMap>::namespaced(fleet.member("fed-west").client(), "default");
    config_map(&theirs, "settings", "theirs").await;
    let ours = Api::<ConfigMap>::namespaced(fleet.client.clone(), "default");
    config_map(&ours, "settings", "ours").await;
    fleet.eventually("it is told", async || queue(&fleet).await.writes.waiting == 1).await;
    assert!(queue(&fleet).await.writes.since.is_some());
    assert_eq!(queue(&fleet).await.objects, Backlog::default());
    theirs.delete("settings", &Default::default()).await.unwrap();
    fleet.eventually("nothing waits", async || status(&fleet).await.queue == Some(QueueStatus::default())).await;
}

/// A federation API that takes two seconds for each ConfigMap, and a control plane with one worker.
#[tokio::test(start_paused = true)]
async fn objects_that_nobody_has_looked_at_yet_are_told_and_no_more_than_that() {
    let mut fleet = Fleet::start().await;
    fleet.kill().await;
    fleet.settings.workers = 1;
    let inner = fleet.client.clone();
    let slow = tower::service_fn(move |request: Request<kube::client::Body>| {
        let inner = inner.clone();
        async move {
            if *request.method() == Method::PATCH && request.uri().path().contains("/configmaps/") {
                tokio::time::sleep(2 * SECOND).await;
            }
            inner.send(request).await
        }
    });
    let dns = DnsProvider::new(fleet.dns.clone()).within(&Budget::new(Limits::default()));
    fleet.run_as(fleet.builder_of(Client::new(slow, "default"), dns, fleet.clock()));
    fleet.join("fed-west", "westus", &["1"]).await;
    let objects = Api::<ConfigMap>::namespaced(fleet.client.clone(), "default");
    for n in 0..40 {
        let map = json!({"metadata": {"name": format!("m{n}")}});
        objects.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
    }
    fleet.eventually("what waits is told", async || queue(&fleet).await.objects.waiting >= 20).await;
    let told = queue(&fleet).await.objects;
    assert!(told.waiting <= 40 && told.since.is_some(), "{told:?}");
    fleet.eventually("nothing waits", async || queue(&fleet).await == QueueStatus::default()).await;
}

/// Each look costs as much as there are members that hold the object.
#[tokio::test(start_paused = true)]
async fn what_members_tell_of_an_object_at_about_the_same_time_is_looked_at_together() {
    const MEMBERS: usize = 8;
    let mut fleet = Fleet::start().await;
    fleet.kill().await;
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    let count = move |request: &Placement<'_>, member: &Member<'_>| {
        let first = member.name == request.members[0].name;
        counted.fetch_add(usize::from(first), Ordering::Relaxed);
        Verdict::Allow
    };
    fleet.settings.scheduler = Arc::new(Scheduler::default().filter(count));
    let tap = Tap::new();
    fleet.run_as(fleet.tapped(&tap));
    let names: Vec<_> = (0..MEMBERS).map(|n| format!("fed-{n}")).collect();
    for name in &names {
        fleet.join(name, "westus", &["1"]).await;
    }
    fleet.replica_set("hostname", 8, None).await;
    let spread: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    fleet.is_spread("hostname", &spread).await;
    tap.rests(MINUTE).await;
    looks.store(0, Ordering::Relaxed);
    for name in &names {
        let copies = Api::<ReplicaSet>::namespaced(fleet.member(name).client(), "default");
        let label = Patch::Merge(json!({"metadata": {"labels": {"theirs": "yes"}}}));
        copies.patch("hostname", &PatchParams::default(), &label).await.unwrap();
        tokio::time::sleep(SECOND / 100).await;
    }
    let seen = || looks.load(Ordering::Relaxed);
    fleet.eventually("it is looked at", async || seen() > 0).await;
    tap.rests(MINUTE).await;
    assert!(seen() <= 2, "{} looks", seen());
}
