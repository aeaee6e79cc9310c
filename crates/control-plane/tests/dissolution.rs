//! The end of a federation, on a paused clock: what becomes of its names when its Federation is deleted.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::collections::BTreeSet;

use kfed_api::{Federation, FederationSpec};
use kfed_control_plane::bootstrap::bootstrap;
use kfed_dnsprovider::{ErrorClass, OperationKind};
use kube::api::{Api, DeleteParams};
use serde_json::json;
use support::{FINE, Fleet, HANG, MINUTE, SECOND, ZONE};

const FED: &str = "fed";

fn federations(fleet: &Fleet) -> Api<Federation> {
    Api::all(fleet.client.clone())
}

async fn is_gone(fleet: &Fleet) -> bool {
    federations(fleet).get_opt(FED).await.unwrap().is_none()
}

/// A federation with more names than the guard lets go without a cause.
async fn with_many_names() -> Fleet {
    let fleet = Fleet::published().await;
    for n in 0..6 {
        fleet.another(&format!("other-{n}"), json!({})).await;
    }
    fleet.eventually("all are published", async || fleet.owned().len() >= 7 * 6).await;
    fleet
}

#[tokio::test(start_paused = true)]
async fn a_federation_that_is_deleted_takes_its_names_along_and_nobody_elses() {
    let fleet = with_many_names().await;
    let foreign = fleet.plant("www.example.com.");
    federations(&fleet).delete(FED, &DeleteParams::default()).await.unwrap();
    fleet.eventually("the Federation is gone", async || is_gone(&fleet).await).await;
    assert_eq!(fleet.owned().len(), 0, "the names went before it");
    assert_eq!(fleet.dns.contents(&fleet.zone).iter().collect::<Vec<_>>(), [&foreign]);
    fleet.says("Service", "hostname", "Published", "False FederationDeleted: Federation fed has been deleted").await;
    // Workloads are the members' and their own objects' affair.
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    fleet.another("late", json!({})).await;
    fleet.always(MINUTE, "nothing is published", async || fleet.owned().is_empty()).await;
    // What is left works: a Service goes, and a member.
    fleet.delete_service().await;
    let service_gone = async || fleet.services().get_opt("hostname").await.unwrap().is_none();
    fleet.eventually("the Service is gone", service_gone).await;
    fleet.clusters().delete("fed-west", &DeleteParams::default()).await.unwrap();
    let member_gone = async || fleet.clusters().get_opt("fed-west").await.unwrap().is_none();
    fleet.eventually("the member is gone", member_gone).await;
}

#[tokio::test(start_paused = true)]
async fn the_names_go_also_when_kfed_is_killed_and_the_zone_refuses_meanwhile() {
    let mut fleet = with_many_names().await;
    fleet.refuse(ErrorClass::Unavailable, |call| call.kind == OperationKind::Delete);
    federations(&fleet).delete(FED, &DeleteParams::default()).await.unwrap();
    fleet.always(MINUTE, "the Federation waits for its names", async || !is_gone(&fleet).await).await;
    fleet.kill().await;
    fleet.heal_zone();
    let spec = FederationSpec { dns_zone_name: ZONE.into(), dns_provider: "memory".into() };
    bootstrap(&fleet.client, FED, spec, 10 * SECOND).await.unwrap();
    fleet.run();
    fleet.eventually("the Federation is gone", async || is_gone(&fleet).await).await;
    assert_eq!(fleet.owned().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_orphaned_federation_leaves_its_names_as_they_are() {
    let fleet = with_many_names().await;
    let before = fleet.owned();
    let orphan = DeleteParams { propagation_policy: Some(kube::api::PropagationPolicy::Orphan), ..Default::default() };
    federations(&fleet).delete(FED, &orphan).await.unwrap();
    fleet.eventually("the Federation is gone", async || is_gone(&fleet).await).await;
    fleet.set("fed-west", HANG);
    fleet.always(MINUTE, "the names stay", async || fleet.owned() == before).await;
    fleet.set("fed-west", FINE);
    fleet.delete_service().await;
    let service_gone = async || fleet.services().get_opt("hostname").await.unwrap().is_none();
    fleet.eventually("the Service is gone", service_gone).await;
    assert_eq!(fleet.owned(), before);
}

#[tokio::test(start_paused = true)]
async fn a_federation_that_is_made_anew_gets_its_names_back() {
    let fleet = Fleet::published().await;
    let before: BTreeSet<_> = fleet.owned().into_keys().collect();
    federations(&fleet).delete(FED, &DeleteParams::default()).await.unwrap();
    fleet.eventually("the Federation is gone", async || is_gone(&fleet).await).await;
    let spec = FederationSpec { dns_zone_name: ZONE.into(), dns_provider: "memory".into() };
    bootstrap(&fleet.client, FED, spec, 10 * SECOND).await.unwrap();
    fleet.eventually("the names are back", async || fleet.owned().into_keys().collect::<BTreeSet<_>>() == before).await;
    let federation = federations(&fleet).get(FED).await.unwrap();
    assert_eq!(federation.metadata.finalizers.unwrap(), ["kfed.io/cascade"]);
}
