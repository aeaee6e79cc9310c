//! kube's own runtime on the server, on a paused clock.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kfed_apiserver::ApiServer;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::{finalizer, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"k": "v"}})).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_watcher_whose_history_is_gone_lists_again() {
    let server = ApiServer::builder().event_history(8).watch_buffer(1).build();
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(server.clone(), "default"));
    let mut events = watcher(maps.clone(), watcher::Config::default()).boxed();
    while !matches!(events.try_next().await.unwrap().unwrap(), watcher::Event::InitDone) {}
    // More than both buffer and history hold, before the watcher gets to read any of it.
    for i in 0..30 {
        support::config_map(&server, &format!("m{i:02}"), json!({})).await;
    }
    let mut relisted = 0;
    let mut errors = 0;
    let mut last = None;
    while last.as_deref() != Some("m29") {
        match events.next().await.unwrap() {
            Ok(watcher::Event::Init) => relisted += 1,
            Ok(watcher::Event::InitApply(m) | watcher::Event::Apply(m)) => last = m.metadata.name,
            Ok(_) => {}
            Err(_) => errors += 1,
        }
    }
    assert_eq!(relisted, 1);
    assert!(errors <= 2, "{errors} errors");
}

#[tokio::test(start_paused = true)]
async fn a_streaming_watcher_sees_the_state_then_changes() {
    let server = ApiServer::new();
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(server.clone(), "default"));
    maps.create(&PostParams::default(), &map("a")).await.unwrap();
    let mut events = watcher(maps.clone(), watcher::Config::default().streaming_lists()).boxed();
    let mut initial = Vec::new();
    loop {
        match events.try_next().await.unwrap().unwrap() {
            watcher::Event::InitApply(m) => initial.push(m.name_any()),
            watcher::Event::InitDone => break,
            _ => {}
        }
    }
    assert_eq!(initial, ["a", "kube-root-ca.crt"]);
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(matches!(events.try_next().await.unwrap().unwrap(), watcher::Event::Delete(m) if m.name_any() == "a"));
}

#[derive(Debug, thiserror::Error)]
#[error("reconciling failed")]
struct Failed(#[source] kube::Error);

struct Context {
    client: Client,
    reconciled: AtomicUsize,
    cleaned: AtomicUsize,
}

/// Marks every map, and on its deletion removes what belongs to it.
async fn reconcile(map: Arc<ConfigMap>, context: Arc<Context>) -> Result<Action, finalizer::Error<Failed>> {
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &map.namespace().unwrap());
    finalizer(&maps, "example.com/cleanup", map, |event| async {
        match event {
            finalizer::Event::Apply(map) => {
                context.reconciled.fetch_add(1, Ordering::Relaxed);
                let mark = json!({"metadata": {"labels": {"marked": "yes"}}});
                maps.patch(&map.name_any(), &PatchParams::default(), &Patch::Merge(mark)).await.map_err(Failed)?;
                Ok(Action::requeue(Duration::from_secs(3600)))
            }
            finalizer::Event::Cleanup(_) => {
                context.cleaned.fetch_add(1, Ordering::Relaxed);
                Ok(Action::await_change())
            }
        }
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_controller_with_finalizers_runs_for_hours_in_no_time() {
    let server = ApiServer::new();
    let client = Client::new(server.clone(), "default");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let context = Arc::new(Context { client, reconciled: AtomicUsize::new(0), cleaned: AtomicUsize::new(0) });
    let selected = watcher::Config::default().labels("mine=yes");
    let controller = Controller::new(maps.clone(), selected)
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(5)), Arc::clone(&context))
        .for_each(|_| async {});
    let run = tokio::spawn(controller);

    let mut mine = map("mine");
    mine.labels_mut().insert("mine".to_owned(), "yes".to_owned());
    maps.create(&PostParams::default(), &mine).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let live = maps.get("mine").await.unwrap();
    assert_eq!(live.finalizers(), ["example.com/cleanup"]);
    assert_eq!(live.labels()["marked"], "yes");

    let settled = (server.writes(), context.reconciled.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    assert_eq!(server.writes(), settled.0, "an idle controller writes nothing");
    let woken = context.reconciled.load(Ordering::Relaxed) - settled.1;
    assert!((2..=4).contains(&woken), "once an hour, not {woken} times");

    maps.delete("mine", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(maps.get_opt("mine").await.unwrap().is_none());
    assert_eq!(context.cleaned.load(Ordering::Relaxed), 1);
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_is_told_how_far_it_has_come() {
    let server = ApiServer::new();
    let start = server.revision();
    let watch = format!(
        "/apis/apps/v1/deployments?watch=1&allowWatchBookmarks=true&timeoutSeconds=200&resourceVersion={start}"
    );
    let (watch, ()) = tokio::join!(support::get(&server, &watch), async {
        tokio::time::sleep(Duration::from_secs(90)).await;
        support::config_map(&server, "other", json!({})).await;
    });
    let told: Vec<(String, u64)> = watch
        .lines()
        .iter()
        .map(|l| (l["type"].as_str().unwrap().to_owned(), support::revision(&l["object"])))
        .collect();
    assert_eq!(told, [("BOOKMARK".to_owned(), start + 1)], "once, for there is nothing new afterwards");
}
