//! Whole federations on a paused clock: members die, come back, leave; the control plane is killed; the zone is right throughout.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::time::Duration;

use kfed_api::Unjoin;
use kfed_cluster_emulator::{ApiFault, Faults, LbFault};
use kfed_control_plane::membership::{UnjoinError, unjoin};
use kfed_dnsprovider::OperationKind;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use support::{BOUNDED, FINE, Fleet, HANG, HOSTNAME, MINUTE, SPREAD};

#[tokio::test(start_paused = true)]
async fn a_workload_follows_its_preferences_and_a_service_its_members() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1", "2"]).await;
    fleet.replica_set("hostname", 8, None).await;
    fleet.service().await;
    fleet.is_spread("hostname", &[("fed-west", 8)]).await;
    fleet.eventually("west answers", async || fleet.answer(HOSTNAME).len() == 1).await;
    let names: Vec<_> = fleet.owned().into_keys().collect();
    assert_eq!(
        names,
        [
            "A hostname.default.fed.svc.1.westus.example.com.",
            "A hostname.default.fed.svc.2.westus.example.com.",
            "A hostname.default.fed.svc.example.com.",
            "A hostname.default.fed.svc.westus.example.com.",
        ]
    );
    fleet.join("fed-east", "eastus", &["1"]).await;
    fleet.replica_set("hostname", 8, Some(BOUNDED)).await;
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
    let set = fleet.replica_sets().get("hostname").await.unwrap();
    fleet
        .eventually("the sums are told", async || {
            let set = fleet.replica_sets().get("hostname").await.unwrap();
            set.status.is_some_and(|status| status.ready_replicas == Some(8) && status.replicas == 8)
        })
        .await;
    assert!(set.metadata.finalizers.unwrap().contains(&"kfed.io/cascade".to_owned()));
    fleet.says("Service", "hostname", "Published", "True RecordsCurrent").await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_member_loses_its_names_and_then_its_replicas_and_gets_them_back() {
    let fleet = Fleet::published().await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    let west = fleet.address("fed-west").await;

    fleet.member("fed-west").set_faults(HANG);
    let to_offline = fleet.eventually("it is Offline", async || fleet.phase("fed-west").await == "Offline").await;
    assert!(to_offline <= Duration::from_secs(18), "3 periods and a deadline: {to_offline:?}");
    let to_dns = fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    assert!(to_dns <= Duration::from_secs(2), "{to_dns:?}");
    assert_eq!(fleet.answer("hostname.default.fed.svc.westus.example.com.").len(), 1, "its region falls back");
    let east = |name| {
        let fleet = &fleet;
        async move { fleet.spread(name).await["fed-east"] }
    };
    let to_replicas = fleet.eventually("the other takes over", async || east("roaming").await == (6, 6)).await;
    assert!(to_replicas > Duration::from_secs(55), "--evict-after: {to_replicas:?}");
    assert_eq!(east("hostname").await, (4, 4), "maxReplicas");
    fleet.says("ReplicaSet", "hostname", "Scheduled", "False NoRoom: 4 of 8 replicas find no room").await;

    fleet.member("fed-west").set_faults(FINE);
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    fleet.eventually("it answers again", async || fleet.answer(HOSTNAME).contains(&west)).await;
    fleet.says("ReplicaSet", "hostname", "Scheduled", "True Placed").await;
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_silent_alone_takes_nothing_away() {
    let fleet = Fleet::published().await;
    fleet.member("fed-west").set_faults(Faults { api: ApiFault::Hang, lb: LbFault::Ok });
    fleet.eventually("it is Offline", async || fleet.phase("fed-west").await == "Offline").await;
    fleet.always(5 * MINUTE, "it serves", async || fleet.answer(HOSTNAME).len() == 2).await;
    assert_eq!(fleet.spread("hostname").await["fed-east"], (4, 4));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_bad_is_no_death() {
    for status in [401, 403, 500] {
        let fleet = Fleet::published().await;
        fleet.member("fed-west").set_faults(Faults { api: ApiFault::Status(status), lb: LbFault::Ok });
        fleet.eventually("it is NotReady", async || fleet.phase("fed-west").await == "NotReady").await;
        fleet
            .always(3 * MINUTE, "it serves", async || {
                fleet.answer(HOSTNAME).len() == 2 && fleet.phase("fed-west").await == "NotReady"
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_that_dies_alone_leaves_the_answers() {
    let fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    fleet.member("fed-west").set_faults(Faults { api: ApiFault::Ok, lb: LbFault::Hang });
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    assert_eq!(fleet.phase("fed-west").await, "Ready");
    assert_eq!(fleet.spread("hostname").await["fed-west"], (4, 4));
}

#[tokio::test(start_paused = true)]
async fn the_last_addresses_stay_when_all_members_die() {
    let fleet = Fleet::published().await;
    fleet.member("fed-west").set_faults(HANG);
    fleet.member("fed-east").set_faults(HANG);
    fleet.says("Service", "hostname", "Published", "LastTargetKept").await;
    fleet.says("Federation", "fed", "MassFailure", "True OwnNetworkSuspected: fed-east, fed-west are dead").await;
    fleet.always(5 * MINUTE, "there is an answer", async || !fleet.answer(HOSTNAME).is_empty()).await;
    let spread = fleet.spread("hostname").await;
    assert_eq!(
        (spread["fed-west"], spread["fed-east"]),
        ((4, 4), (4, 4)),
        "more than half are dead: nothing is evicted"
    );
}

#[tokio::test(start_paused = true)]
async fn deleting_a_service_leaves_no_record_of_it_and_every_other() {
    let fleet = Fleet::published().await;
    let foreign = [fleet.plant("www.example.com."), fleet.plant("other.default.fed.svc.example.com.")];
    fleet.delete_service().await;
    fleet
        .eventually("the service is gone", async || fleet.services().get_opt("hostname").await.unwrap().is_none())
        .await;
    assert!(fleet.owned().is_empty(), "{:?}", fleet.owned());
    for record in foreign {
        assert_eq!(fleet.dns.contents(&fleet.zone).get(&record.key), Some(&record));
    }
    for member in ["fed-west", "fed-east"] {
        let services = Api::<k8s_openapi::api::core::v1::Service>::namespaced(fleet.member(member).client(), "default");
        assert!(services.get_opt("hostname").await.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_record_of_our_name_is_a_conflict_and_stays() {
    let fleet = Fleet::start().await;
    let foreign = fleet.plant(HOSTNAME);
    fleet.join("fed-west", "westus", &["1"]).await;
    fleet.replica_set("hostname", 2, None).await;
    fleet.service().await;
    fleet.says("Service", "hostname", "Published", "False ForeignRecord").await;
    assert_eq!(fleet.dns.contents(&fleet.zone).get(&foreign.key), Some(&foreign));
    assert_eq!(fleet.answer("hostname.default.fed.svc.westus.example.com.").len(), 1, "its other names are its own");
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_while_a_member_was_away_is_deleted_on_its_return() {
    let fleet = Fleet::published().await;
    fleet.member("fed-west").set_faults(HANG);
    fleet
        .eventually("it is evicted", async || {
            fleet.condition("ReplicaSet", "hostname", "Scheduled").await.contains("dead")
        })
        .await;
    fleet.replica_sets().delete("hostname", &DeleteParams::default()).await.unwrap();
    fleet.eventually("it is gone", async || fleet.replica_sets().get_opt("hostname").await.unwrap().is_none()).await;
    assert_eq!(fleet.spread("hostname").await["fed-west"], (4, 4), "nobody could tell the dead member");
    fleet.member("fed-west").set_faults(FINE);
    fleet.eventually("the copy is gone", async || fleet.spread("hostname").await.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_leaves_with_its_replicas_placed_elsewhere_first() {
    let fleet = Fleet::published().await;
    fleet.replica_set("roaming", 6, Some(SPREAD)).await;
    fleet.is_spread("roaming", &[("fed-west", 3), ("fed-east", 3)]).await;
    let refused = unjoin(&fleet.client, "fed-east", Unjoin::default(), MINUTE, |_| {}).await.unwrap_err();
    assert!(matches!(&refused, UnjoinError::NoRoom { why, .. } if why.contains("4 of default/hostname")), "{refused}");
    fleet.always(MINUTE, "nothing has changed", async || fleet.spread("hostname").await["fed-east"] == (4, 4)).await;
    assert_eq!(fleet.clusters().get("fed-east").await.unwrap().spec.unjoin, None);

    let forced = Unjoin { force: true, ..Unjoin::default() };
    let mut steps = Vec::new();
    unjoin(&fleet.client, "fed-east", forced, 10 * MINUTE, |step| steps.push(step.to_owned())).await.unwrap();
    assert!(!steps.is_empty());
    fleet.is_spread("roaming", &[("fed-west", 6)]).await;
    fleet.is_spread("hostname", &[("fed-west", 4)]).await;
    assert_eq!(fleet.answer(HOSTNAME).len(), 1);
    let secrets = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(fleet.client.clone(), "federation-system");
    assert!(secrets.get_opt("fed-east-credentials").await.unwrap().is_none());
    assert!(fleet.clusters().get_opt("fed-east").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_just_deleted_leaves_dns_and_keeps_its_workloads() {
    let fleet = Fleet::published().await;
    fleet.clusters().delete("fed-east", &DeleteParams::default()).await.unwrap();
    fleet.eventually("it is gone", async || fleet.clusters().get_opt("fed-east").await.unwrap().is_none()).await;
    assert_eq!(fleet.answer(HOSTNAME).len(), 1);
    assert!(fleet.owned().keys().all(|name| !name.contains("eastus")), "{:?}", fleet.owned());
    assert_eq!(fleet.spread("hostname").await["fed-east"], (4, 4));
    let sets = Api::<k8s_openapi::api::apps::v1::ReplicaSet>::namespaced(fleet.member("fed-east").client(), "default");
    let labels = sets.get("hostname").await.unwrap().metadata.labels.unwrap_or_default();
    assert!(!labels.contains_key("kfed.io/managed-by"), "it is no longer kfed's");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changes_in_a_member_is_put_right_and_what_is_theirs_is_left() {
    let fleet = Fleet::published().await;
    let sets = Api::<k8s_openapi::api::apps::v1::ReplicaSet>::namespaced(fleet.member("fed-west").client(), "default");
    let drift = json!({"metadata": {"annotations": {"example.com/theirs": "1"}}, "spec": {"replicas": 9}});
    sets.patch("hostname", &PatchParams::default(), &Patch::Merge(drift)).await.unwrap();
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    let annotations = sets.get("hostname").await.unwrap().metadata.annotations.unwrap();
    assert_eq!(annotations["example.com/theirs"], "1");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_a_member_already_has_is_not_touched() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    let theirs = json!({
        "metadata": {"name": "hostname"},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"run": "theirs"}},
            "template": {"metadata": {"labels": {"run": "theirs"}}, "spec": {"containers": [{"name": "c", "image": "theirs"}]}}
        }
    });
    let sets = Api::<k8s_openapi::api::apps::v1::ReplicaSet>::namespaced(fleet.member("fed-west").client(), "default");
    sets.create(&PostParams::default(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    fleet.replica_set("hostname", 4, None).await;
    fleet.says("ReplicaSet", "hostname", "Propagated", "NotAdopted: fed-west").await;
    assert_eq!(sets.get("hostname").await.unwrap().spec.replicas, Some(1));
}

#[tokio::test(start_paused = true)]
async fn namespaces_go_before_what_is_in_them_and_come_back_out_clean() {
    let fleet = Fleet::start().await;
    fleet.join("fed-west", "westus", &["1"]).await;
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(fleet.client.clone());
    let shop = json!({"metadata": {"name": "shop"}});
    namespaces.create(&PostParams::default(), &serde_json::from_value(shop).unwrap()).await.unwrap();
    let service = json!({"metadata": {"name": "till"}, "spec": {"ports": [{"port": 80}], "selector": {"run": "till"}}});
    let services = Api::<k8s_openapi::api::core::v1::Service>::namespaced(fleet.client.clone(), "shop");
    services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    let theirs = Api::<k8s_openapi::api::core::v1::Service>::namespaced(fleet.member("fed-west").client(), "shop");
    fleet.eventually("it is in the member", async || theirs.get_opt("till").await.unwrap().is_some()).await;

    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    fleet.eventually("the namespace is gone", async || namespaces.get_opt("shop").await.unwrap().is_none()).await;
    let members = Api::<k8s_openapi::api::core::v1::Namespace>::all(fleet.member("fed-west").client());
    fleet.eventually("in the member too", async || members.get_opt("shop").await.unwrap().is_none()).await;
    assert!(members.get_opt("default").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn at_rest_nothing_is_written() {
    let fleet = Fleet::published().await;
    tokio::time::sleep(5 * MINUTE).await;
    let writes = || {
        let west = fleet.dns.requests(OperationKind::Create) + fleet.dns.requests(OperationKind::Update);
        (fleet.api.writes(), west)
    };
    let before = writes();
    fleet.dns.forget_calls();
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(fleet.api.writes(), before.0, "in the federation API");
    let calls = fleet.dns.calls();
    assert!(calls.len() <= 4, "one sweep in ten minutes: {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_is_killed_anywhere_goes_on_from_what_it_finds() {
    for killed_after in [1, 3, 7, 15, 40, 90, 200, 500, 1200, 3000] {
        let mut fleet = Fleet::start().await;
        fleet.join("fed-west", "westus", &["1"]).await;
        fleet.join("fed-east", "eastus", &["1"]).await;
        fleet.replica_set("hostname", 8, Some(BOUNDED)).await;
        fleet.service().await;
        tokio::time::sleep(Duration::from_millis(killed_after)).await;
        fleet.kill().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.run();
        fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
        fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;

        fleet.delete_service().await;
        tokio::time::sleep(Duration::from_millis(killed_after)).await;
        fleet.kill().await;
        fleet.run();
        fleet.eventually("no record is left", async || fleet.owned().is_empty()).await;
        fleet
            .eventually("the service is gone", async || fleet.services().get_opt("hostname").await.unwrap().is_none())
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_starts_while_a_member_is_dead_withdraws_its_addresses() {
    let mut fleet = Fleet::published().await;
    let west = fleet.address("fed-west").await;
    fleet.kill().await;
    fleet.member("fed-west").set_faults(HANG);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(fleet.answer(HOSTNAME).len(), 2, "nobody was there to see it");
    fleet.run();
    fleet.eventually("its address is gone", async || !fleet.answer(HOSTNAME).contains(&west)).await;
    assert_eq!(fleet.answer(HOSTNAME).len(), 1);
}
