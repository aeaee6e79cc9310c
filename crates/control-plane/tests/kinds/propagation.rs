//! What reaches members, and what never does.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::objects::{api, apply, names, one_of_each, permissions};
use crate::support::{Fleet, MINUTE, SECOND};

#[tokio::test(start_paused = true)]
async fn every_kind_reaches_every_member_and_goes_again() {
    let fleet = Fleet::of_two().await;
    for (kind, object) in one_of_each() {
        fleet.apply(kind, object).await;
    }
    for (kind, _) in one_of_each() {
        fleet.is_in(kind, "one", &["fed-west", "fed-east"]).await;
        fleet.is_told(kind, "one", "Propagated", "True InSync").await;
        let placement = fleet.get(kind, "one").await["metadata"]["annotations"]["kfed.io/placement"].clone();
        let placement: Value = serde_json::from_str(placement.as_str().unwrap()).unwrap();
        assert!(placement.get("fed-west").is_some() && placement.get("fed-east").is_some(), "{kind}: {placement}");
    }
    assert_eq!(fleet.copy("fed-west", "Secret", "one").await["data"]["key"], "dmFsdWU=");
    // At rest nothing is written to anybody.
    tokio::time::sleep(MINUTE).await;
    let writes = || {
        let members = ["fed-west", "fed-east"].map(|member| fleet.member(member).writes());
        (fleet.api.writes(), members)
    };
    let before = writes();
    tokio::time::sleep(20 * MINUTE).await;
    assert_eq!(writes(), before);
    for (kind, _) in one_of_each() {
        fleet.delete(kind, "one").await;
        fleet.is_in(kind, "one", &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn permissions_reach_only_members_that_want_them_and_leave_with_the_wish() {
    let fleet = Fleet::of_two().await;
    fleet.change_cluster("fed-west", json!({"spec": {"federateRbac": true}})).await;
    for (kind, object) in permissions() {
        fleet.apply(kind, object).await;
    }
    for (kind, _) in permissions() {
        fleet.is_in(kind, "one", &["fed-west"]).await;
    }
    assert!(fleet.clusters().get("fed-west").await.unwrap().status.unwrap().holds_rbac);
    let defaults = names(&api(fleet.member("fed-east").client(), "ClusterRole", "")).await;
    assert!(!defaults.contains(&"one".to_owned()));
    fleet.change_cluster("fed-west", json!({"spec": {"federateRbac": null}})).await;
    for (kind, _) in permissions() {
        fleet.is_in(kind, "one", &[]).await;
    }
    let holds_rbac = async || fleet.clusters().get("fed-west").await.unwrap().status.unwrap_or_default().holds_rbac;
    let took = fleet.eventually("nothing is left to watch", async || !holds_rbac().await).await;
    assert!(took < MINUTE, "the last of them tells of it, and no resync is waited for: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn credentials_and_what_servers_and_tools_make_never_reach_a_member() {
    let fleet = Fleet::of_two().await;
    let system = |kind| api(fleet.client.clone(), kind, "federation-system");
    apply(&system("Secret"), "Secret", json!({"metadata": {"name": "x"}, "stringData": {"key": "xyzzy"}})).await;
    apply(&system("ConfigMap"), "ConfigMap", json!({"metadata": {"name": "x"}, "data": {"key": "xyzzy"}})).await;
    apply(
        &system("Service"),
        "Service",
        json!({"metadata": {"name": "x", "labels": {"l": "xyzzy"}}, "spec": {"ports": [{"port": 80}]}}),
    )
    .await;
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "xyzzy", "uid": "u", "controller": true}]);
    let mut owned = crate::objects::workload("owned", 1, &json!({}));
    owned["metadata"]["ownerReferences"] = owner;
    // Garbage collection would take away what has an owner that is not there.
    fleet.apply("Deployment", crate::objects::workload("xyzzy", 1, &json!({"kfed.io/preferences": ""}))).await;
    let uid = fleet.get("Deployment", "xyzzy").await["metadata"]["uid"].clone();
    owned["metadata"]["ownerReferences"][0]["uid"] = uid;
    fleet.apply("ReplicaSet", owned).await;
    for (name, type_) in [("token", "kubernetes.io/service-account-token"), ("release", "helm.sh/release.v1")] {
        let metadata = json!({"name": name, "annotations": {"kubernetes.io/service-account.name": "default"}});
        fleet.apply("Secret", json!({"metadata": metadata, "type": type_, "stringData": {"key": "xyzzy"}})).await;
    }
    fleet.apply("ConfigMap", json!({"metadata": {"name": "last"}, "data": {"key": "value"}})).await;
    fleet.is_in("ConfigMap", "last", &["fed-west", "fed-east"]).await;
    tokio::time::sleep(MINUTE).await;
    for member in ["fed-west", "fed-east"] {
        for object in fleet.everything_in(member).await {
            let is_ours = !object["metadata"]["labels"]["kfed.io/managed-by"].is_null();
            let path = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            assert!(!is_ours || [("ConfigMap", "last"), ("Deployment", "xyzzy")].contains(&path), "{object}");
            assert_ne!(object["metadata"]["namespace"], "federation-system");
            assert_ne!(path, ("Namespace", "federation-system"));
            let text = object.to_string();
            for secret in ["xyzzy", "eHl6enk=", "in process", "aW4gcHJvY2Vzcw=="] {
                assert!(!text.contains(secret) || path.1.starts_with("xyzzy"), "{secret}: {object}");
            }
        }
    }
    assert!(fleet.get("ReplicaSet", "owned").await["metadata"]["finalizers"].is_null(), "kfed has not touched it");
}

#[tokio::test(start_paused = true)]
async fn an_object_goes_where_its_selector_and_that_of_its_namespace_let_it() {
    let fleet = Fleet::of_two().await;
    fleet.label("fed-west", json!({"region": "us", "tier": "1"})).await;
    fleet.label("fed-east", json!({"region": "eu", "tier": "2"})).await;
    let selects = |key: &str, value: &str| format!(r#"[{{"key": "{key}", "operator": "in", "values": ["{value}"]}}]"#);
    let map = |annotation: &str| json!({"metadata": {"name": "one", "annotations": {"federation.alpha.kubernetes.io/cluster-selector": annotation}}, "data": {"k": "v"}});
    fleet.apply("ConfigMap", map(&selects("region", "us"))).await;
    fleet.is_in("ConfigMap", "one", &["fed-west"]).await;
    fleet.is_told("ConfigMap", "one", "Scheduled", "True Placed: it belongs in fed-west").await;
    fleet.apply("ConfigMap", map(&selects("region", "eu"))).await;
    fleet.is_in("ConfigMap", "one", &["fed-east"]).await;
    // The Cluster's labels change.
    fleet.label("fed-west", json!({"region": "eu"})).await;
    fleet.is_in("ConfigMap", "one", &["fed-west", "fed-east"]).await;
    // What cannot be read changes nothing.
    fleet.apply("ConfigMap", map("[{\"key\": }]")).await;
    fleet.is_told("ConfigMap", "one", "Scheduled", "False InvalidAnnotation: annotation federation.alpha").await;
    fleet.is_told("ConfigMap", "one", "Scheduled", "line 1 column 10").await;
    fleet.is_in("ConfigMap", "one", &["fed-west", "fed-east"]).await;
    assert!(fleet.events("one").await.iter().any(|event| event.starts_with("Warning InvalidAnnotation")));
    fleet.apply("ConfigMap", map(&selects("region", "nowhere"))).await;
    fleet.is_in("ConfigMap", "one", &[]).await;
    fleet.is_told("ConfigMap", "one", "Scheduled", "False NoMember").await;

    // A namespace bounds what is in it.
    let namespaces = Api::<Namespace>::all(fleet.client.clone());
    let shop = json!({"metadata": {"name": "shop", "annotations": {"federation.alpha.kubernetes.io/cluster-selector": selects("tier", "1")}}});
    namespaces.create(&PostParams::default(), &serde_json::from_value(shop).unwrap()).await.unwrap();
    let set = |name: &str| crate::objects::workload(name, 4, &json!({}));
    apply(&api(fleet.client.clone(), "Deployment", "shop"), "Deployment", set("till")).await;
    let in_shop = |member: &str| api(fleet.member(member).client(), "Deployment", "shop");
    let replicas = async |member: &str| {
        let copy = in_shop(member).get_opt("till").await.unwrap();
        copy.map_or(-1, |copy| copy.data["spec"]["replicas"].as_i64().unwrap())
    };
    fleet.eventually("all is in west", async || replicas("fed-west").await == 4).await;
    let east = Api::<Namespace>::all(fleet.member("fed-east").client());
    assert!(east.get_opt("shop").await.unwrap().is_none(), "not even the namespace");
    fleet.label("fed-east", json!({"tier": "1"})).await;
    fleet.eventually("the other may have it", async || east.get_opt("shop").await.unwrap().is_some()).await;
    fleet.label("fed-west", json!({"tier": "2"})).await;
    fleet
        .eventually("all is in east", async || replicas("fed-east").await == 4 && replicas("fed-west").await == -1)
        .await;
    let west = Api::<Namespace>::all(fleet.member("fed-west").client());
    fleet.eventually("the namespace too", async || west.get_opt("shop").await.unwrap().is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn overrides_make_members_different_and_a_mistake_in_them_changes_nothing() {
    let fleet = Fleet::of_two().await;
    let map = |overrides: &str, value: &str| json!({"metadata": {"name": "one", "annotations": {"kfed.io/overrides": overrides}}, "data": {"where": value}});
    let west = r#"[{"clusters": ["fed-west"], "patch": [{"op": "replace", "path": "/data/where", "value": "west"}]}]"#;
    let where_ = "/data/where";
    fleet.apply("ConfigMap", map(west, "anywhere")).await;
    fleet.has("ConfigMap", "one", where_, json!("west"), json!("anywhere")).await;
    fleet
        .apply("ConfigMap", map("[{\"patch\": [\n  {\"op\": \"remove\", \"path\": \"/metadata/name\"}]}]", "changed"))
        .await;
    fleet.is_told("ConfigMap", "one", "Propagated", "False InvalidOverrides: annotation kfed.io/overrides").await;
    fleet.is_told("ConfigMap", "one", "Propagated", "line 2 column").await;
    assert!(fleet.events("one").await.iter().any(|event| event.starts_with("Warning InvalidOverrides")));
    fleet.has("ConfigMap", "one", where_, json!("west"), json!("anywhere")).await;
    // What does not fit one member does not hold up the others.
    let unfit = r#"[{"clusters": ["fed-west"], "patch": [{"op": "remove", "path": "/data/nothing"}]}]"#;
    fleet.apply("ConfigMap", map(unfit, "changed")).await;
    fleet.has("ConfigMap", "one", where_, json!("west"), json!("changed")).await;
    fleet.is_told("ConfigMap", "one", "Propagated", "False InvalidOverrides: fed-west: ").await;
    fleet.apply("ConfigMap", map("[]", "same")).await;
    fleet.has("ConfigMap", "one", where_, json!("same"), json!("same")).await;
    fleet.is_told("ConfigMap", "one", "Propagated", "True InSync").await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_away_leaves_the_others_their_node_ports() {
    let fleet = Fleet::of_two().await;
    let service = |ports: &[(&str, u16)]| {
        let ports: Vec<_> = ports.iter().map(|(name, port)| json!({"name": name, "port": port})).collect();
        json!({"metadata": {"name": "one"}, "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": ports}})
    };
    let node_ports = async |member: &str| -> Vec<(String, Value)> {
        let copy = fleet.copy(member, "Service", "one").await;
        let ports = copy["spec"]["ports"].as_array().cloned().unwrap_or_default();
        ports.iter().map(|port| (port["name"].to_string(), port["nodePort"].clone())).collect()
    };
    fleet.apply("Service", service(&[("a", 1), ("b", 2), ("c", 3)])).await;
    fleet.eventually("all are there", async || node_ports("fed-west").await.len() == 3).await;
    let before = node_ports("fed-west").await;
    fleet.apply("Service", service(&[("c", 3), ("a", 1)])).await;
    fleet.eventually("one is gone", async || node_ports("fed-west").await.len() == 2).await;
    for port in node_ports("fed-west").await {
        assert!(before.contains(&port), "{port:?} of {before:?}");
    }
}

const OBJECTS: usize = 1000;
const MEMBERS: usize = 10;

#[tokio::test(start_paused = true)]
async fn a_thousand_objects_in_ten_members_are_looked_at_again_without_a_write() {
    let fleet = Fleet::start().await;
    let members: Vec<_> = (0..MEMBERS).map(|n| format!("m{n}")).collect();
    for member in &members {
        fleet.join(member, "westus", &["1"]).await;
    }
    let maps = Api::<ConfigMap>::namespaced(fleet.client.clone(), "default");
    for n in 0..OBJECTS {
        let map = json!({"metadata": {"name": format!("c{n}")}, "data": {"key": n.to_string()}});
        maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
    }
    let copies = async |member: &str| names(&fleet.in_member(member, "ConfigMap")).await.len();
    for member in &members {
        fleet.eventually("they are there", async || copies(member).await == OBJECTS + 1).await;
    }
    tokio::time::sleep(10 * SECOND).await;
    let writes = || {
        let members: Vec<_> = members.iter().map(|member| fleet.member(member).writes()).collect();
        (fleet.api.writes(), members)
    };
    let before = writes();
    tokio::time::sleep(2 * fleet.settings.resync).await;
    assert_eq!(writes(), before);
    // Something is looked at: what is changed is put right, and that alone.
    let drift = Patch::Merge(json!({"data": {"key": "drift"}}));
    fleet.in_member("m3", "ConfigMap").patch("c7", &PatchParams::default(), &drift).await.unwrap();
    fleet.eventually("it is put right", async || fleet.copy("m3", "ConfigMap", "c7").await["data"]["key"] == "7").await;
    fleet.in_member("m4", "ConfigMap").delete("c8", &DeleteParams::default()).await.unwrap();
    fleet.eventually("it is there again", async || !fleet.copy("m4", "ConfigMap", "c8").await.is_null()).await;
}

/// A Service moves from member to member by its selector: nobody is ever sent where it is not, and somebody always answers.
#[tokio::test(start_paused = true)]
async fn a_service_leaves_a_member_after_its_address_and_that_after_another_has_come() {
    let fleet = Fleet::published().await;
    fleet.label("fed-west", json!({"tier": "1"})).await;
    fleet.label("fed-east", json!({"tier": "2"})).await;
    let addresses = [fleet.address("fed-west").await, fleet.address("fed-east").await];
    let selects = |tier: &str| {
        let selector = format!(r#"[{{"key": "tier", "operator": "in", "values": ["{tier}"]}}]"#);
        json!({"metadata": {"annotations": {"federation.alpha.kubernetes.io/cluster-selector": selector}}})
    };
    let mut gaps = 0;
    for (tier, members) in [("2", &["fed-east"][..]), ("1", &["fed-west"]), ("3", &[])] {
        let patch = Patch::Merge(selects(tier));
        fleet.services().patch("hostname", &Default::default(), &patch).await.unwrap();
        for _ in 0..1200 {
            let answer = fleet.answer(crate::support::HOSTNAME);
            for (member, address) in ["fed-west", "fed-east"].iter().zip(&addresses) {
                let copy = fleet.in_member(member, "Service").get_opt("hostname").await.unwrap();
                // Another copy may be given another address; the old one is nobody's then.
                assert!(copy.is_some() || !answer.contains(address), "{member} is led to, and has it no more");
            }
            gaps += usize::from(answer.is_empty() && tier != "3");
            tokio::time::sleep(SECOND / 20).await;
        }
        fleet.is_in("Service", "hostname", members).await;
        assert_eq!(fleet.answer(crate::support::HOSTNAME).len(), members.len(), "tier {tier}");
    }
    assert_eq!(gaps, 0, "there was a time without an answer");
}
