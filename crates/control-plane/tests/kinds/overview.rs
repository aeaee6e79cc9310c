//! What `kfed status` and `kfed explain` read, of a fleet with one sick member.

use std::convert::Infallible;

use http::{Request, Response};
use kfed_apiserver::ApiServer;
use kfed_control_plane::overview::{explain, overview};
use kube::Client;
use kube::client::Body;
use serde_json::json;

use crate::objects::workload;
use crate::support::{Fleet, HANG, SECOND};

#[tokio::test(start_paused = true)]
async fn a_sick_member_shows_at_a_glance_and_at_each_object() {
    let fleet = Fleet::published().await;
    fleet.apply("ConfigMap", json!({"metadata": {"name": "settings"}, "data": {"k": "v"}})).await;
    fleet.is_told("ConfigMap", "settings", "Propagated", "True InSync").await;
    let well = overview(&fleet.client, 5 * SECOND).await.unwrap();
    assert_eq!((well.federation.as_str(), well.troubles.len()), ("fed", 0), "{well:?}");
    let lines: Vec<_> = well.kinds.iter().map(|kind| (kind.resource.as_str(), kind.objects, kind.in_sync)).collect();
    assert_eq!(lines, [("configmaps", 1, 1), ("services", 1, 1), ("replicasets.apps", 1, 1)]);
    let members: Vec<_> =
        well.members.iter().map(|m| (m.name.as_str(), m.phase.as_str(), m.objects, m.troubles)).collect();
    assert_eq!(members, [("fed-east", "Ready", 3, 0), ("fed-west", "Ready", 3, 0)]);

    fleet.member("fed-west").set_faults(HANG);
    fleet.says("ReplicaSet", "hostname", "Scheduled", "fed-west is dead").await;
    let sick = overview(&fleet.client, 5 * SECOND).await.unwrap();
    let west = sick.members.iter().find(|member| member.name == "fed-west").unwrap();
    assert_eq!(west.phase, "Offline");
    assert!(!west.why.is_empty());
    let trouble = sick.troubles.iter().find(|trouble| trouble.object == "ReplicaSet default/hostname").unwrap();
    assert_eq!(trouble.condition.reason, "NoRoom");

    for kind in ["rs", "replicasets", "ReplicaSet", "replicasets.apps", "replicaset"] {
        let explained = explain(&fleet.client, kind, "default", "hostname", 5 * SECOND).await.unwrap().unwrap();
        assert_eq!((explained.object.as_str(), explained.replicas), ("ReplicaSet default/hostname", Some(8)));
        let east = &explained.members["fed-east"];
        assert_eq!((east.replicas, east.ready), (Some(4), Some(4)));
        assert!(east.why.contains("its maximum of 4"), "{}", east.why);
        assert!(explained.conditions.iter().any(|c| c.type_ == "Scheduled" && !c.since.is_empty()));
    }
    assert_eq!(explain(&fleet.client, "rs", "default", "nothing", SECOND).await.unwrap(), None);
    assert_eq!(explain(&fleet.client, "pods", "default", "nothing", SECOND).await.unwrap(), None);
    fleet.apply("Deployment", workload("web", 2, &json!({}))).await;
    fleet.is_told("Deployment", "web", "Scheduled", "True").await;
    let reserved = explain(&fleet.client, "cm", "default", "kube-root-ca.crt", 5 * SECOND).await.unwrap().unwrap();
    assert!(reserved.not_federated.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_no_federations_is_told_from_one_that_fails() {
    let api = Client::new(ApiServer::new(), "default");
    let error = overview(&api, SECOND).await.unwrap_err();
    assert!(error.is_no_federation(), "{error}");
    let error = explain(&api, "cm", "default", "settings", SECOND).await.unwrap_err();
    assert!(error.is_no_federation(), "{error}");
    let failing = tower::service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::builder().status(500).body(Body::empty()).unwrap())
    });
    let error = overview(&Client::new(failing, "default"), SECOND).await.unwrap_err();
    assert!(!error.is_no_federation(), "{error}");
}
