//! What is asked of members: metadata where that is enough, and of all else only what kfed made.

use std::collections::BTreeSet;

use serde_json::json;

use crate::objects::one_of_each;
use crate::support::tap::Tap;
use crate::support::{Fleet, MINUTE};

#[tokio::test(start_paused = true)]
async fn members_are_asked_for_metadata_where_that_is_enough_and_for_what_kfed_made() {
    let mut fleet = Fleet::idle().await;
    let tap = Tap::new();
    fleet.run_as(fleet.tapped(&tap));
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    for (kind, object) in one_of_each() {
        fleet.apply(kind, object).await;
        fleet.is_in(kind, "one", &["fed-west", "fed-east"]).await;
    }
    let looks = tap.looks();
    // Whole lists: a single object has a name behind its kind, and what is in one namespace is about one workload.
    let lists: Vec<_> =
        looks.iter().filter(|look| look.at == "fed-west" && !look.path.contains("/namespaces/")).collect();
    let (metadata, whole): (BTreeSet<_>, Vec<_>) = {
        let (metadata, whole): (Vec<_>, Vec<_>) = lists.into_iter().partition(|look| look.metadata);
        (metadata.iter().map(|look| look.path.clone()).collect(), whole)
    };
    assert_eq!(metadata, ["/api/v1/namespaces", "/api/v1/nodes"].map(str::to_owned).into());
    let unfiltered = whole.iter().filter(|look| look.labels.is_empty()).map(|look| look.path.as_str());
    let unfiltered: BTreeSet<_> = unfiltered.collect();
    // EndpointSlices are made by the member; the others are no lists.
    assert_eq!(unfiltered, ["/apis/discovery.k8s.io/v1/endpointslices", "/readyz", "/version"].into());
    let all = whole.iter().filter(|look| look.labels.contains("kfed.io%2Fmanaged-by%3Dfed")).count();
    assert!(all >= one_of_each().len(), "{whole:#?}");
}

/// A namespace of which kfed knows the metadata alone is kept up like any other object.
#[tokio::test(start_paused = true)]
async fn a_namespace_is_kept_up_by_its_metadata() {
    let fleet = Fleet::of_two().await;
    let shop = |tier: &str| json!({"metadata": {"name": "shop", "labels": {"tier": tier}}});
    fleet.apply("Namespace", shop("gold")).await;
    fleet.is_told("Namespace", "shop", "Propagated", "True InSync").await;
    let tier = async || fleet.copy("fed-west", "Namespace", "shop").await["metadata"]["labels"]["tier"].clone();
    fleet.apply("Namespace", shop("tin")).await;
    fleet.eventually("the change arrives", async || tier().await == "tin").await;
    let drift = json!({"metadata": {"name": "shop", "labels": {"tier": "lead"}}});
    crate::objects::apply(&fleet.in_member("fed-west", "Namespace"), "Namespace", drift).await;
    fleet.eventually("drift is mended", async || tier().await == "tin").await;
    let writes = || fleet.member("fed-west").writes();
    tokio::time::sleep(MINUTE).await;
    let before = writes();
    tokio::time::sleep(20 * MINUTE).await;
    assert_eq!(writes(), before, "it is as it should be");
}

/// A watch lasts five minutes and is then begun anew.
#[tokio::test(start_paused = true)]
async fn pods_are_looked_at_while_a_workload_is_short_of_them_and_no_longer() {
    let mut fleet = Fleet::idle().await;
    let tap = Tap::new();
    fleet.run_as(fleet.tapped(&tap));
    fleet.join_small("fed-west").await;
    let looks = || tap.reads("/pods");
    fleet.replica_set("hostname", 3, None).await;
    fleet.eventually("its pods are looked at", async || looks() > 0).await;
    fleet.replica_sets().delete("hostname", &Default::default()).await.unwrap();
    let sets = fleet.in_member("fed-west", "ReplicaSet");
    fleet.eventually("it is gone", async || sets.get_opt("hostname").await.unwrap().is_none()).await;
    tap.rests(MINUTE).await;
    let (before, others) = (looks(), tap.reads("/configmaps"));
    fleet.eventually("others are watched anew, twice", async || tap.reads("/configmaps") >= others + 4).await;
    assert_eq!(looks(), before, "there is nothing to look at");
}
