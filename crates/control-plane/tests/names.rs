//! What a Service's names lead to beside a load balancer's addresses, on a paused clock: load balancers that are known by name,
//! other names, pods, names of the user's own choice; and what becomes of them when the Service becomes another.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kfed_control_plane::{HostResolver, Resolution, ResolveHost};
use kfed_service_dns::Fallback;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::{BOUNDED, Fleet, HANG, HOSTNAME, MINUTE, SECOND};
use tower::BoxError;
use tower::util::BoxCloneSyncService;

const ELB: &str = "a9.us-west-2.elb.amazonaws.com";

/// What the resolver answers, and how often it was asked.
type Answers = Arc<Mutex<(Result<Vec<&'static str>, &'static str>, u32)>>;

/// Answers good for a minute, or a failure.
fn resolver(answers: &Answers) -> HostResolver {
    let answers = answers.clone();
    BoxCloneSyncService::new(tower::service_fn(move |ResolveHost { host }| {
        let answer = {
            let mut answers = answers.lock().unwrap();
            answers.1 += 1;
            answers.0.clone()
        };
        async move {
            assert_eq!(host.without_dot(), ELB);
            let ips = answer.map_err(BoxError::from)?;
            let addresses = ips.iter().map(|ip| ip.parse().unwrap()).collect();
            Ok(Resolution { addresses, ttl: MINUTE })
        }
    }))
}

/// Two members, `hostname` ready in both, and no Service yet.
async fn ready(answers: &Answers) -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.kill().await;
    fleet.run_as(fleet.builder(fleet.clock()).resolver(resolver(answers)));
    fleet.join("fed-west", "westus", &["1", "2"]).await;
    fleet.join("fed-east", "eastus", &["1"]).await;
    fleet.replica_set("hostname", 8, Some(BOUNDED)).await;
    fleet.is_spread("hostname", &[("fed-west", 4), ("fed-east", 4)]).await;
    fleet
}

/// Creates Service `name`; what selects and ports does not matter to the type is filled in.
async fn create(fleet: &Fleet, name: &str, annotations: Value, mut spec: Value) {
    spec["selector"] = json!({"run": "hostname"});
    spec["ports"] = json!([{"name": "http", "port": 8000}]);
    let service = json!({"metadata": {"name": name, "annotations": annotations}, "spec": spec});
    fleet.services().create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
}

/// A load balancer of somebody else's making: the member's own controller leaves its status alone.
fn others() -> Value {
    json!({"type": "LoadBalancer", "loadBalancerClass": "example.com/other"})
}

/// Says what the load balancer of `hostname` in `member` is.
async fn ingress(fleet: &Fleet, member: &str, ingress: Value) {
    let services = Api::<Service>::namespaced(fleet.member(member).client(), "default");
    let there = async || services.get_opt("hostname").await.unwrap().is_some();
    fleet.eventually("the copy is there", there).await;
    let status = Patch::Merge(json!({"status": {"loadBalancer": {"ingress": [ingress]}}}));
    services.patch_status("hostname", &PatchParams::default(), &status).await.unwrap();
}

async fn change(fleet: &Fleet, name: &str, patch: Value) {
    fleet.services().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

/// All that the zone holds for `name`: `TYPE datum …`.
fn held(fleet: &Fleet, name: &str) -> String {
    let sets = fleet.dns.contents(&fleet.zone);
    let at = sets.iter().filter(|set| set.key.name.as_str() == name);
    let text = |set: &kfed_dnsprovider::RecordSet| {
        let data: Vec<_> = set.data.iter().map(ToString::to_string).collect();
        format!("{} {}", set.key.record_type, data.join(" "))
    };
    at.map(text).collect::<Vec<_>>().join("; ")
}

async fn holds(fleet: &Fleet, name: &str, wanted: &str) -> Duration {
    fleet.eventually(&format!("{name} is {wanted}"), async || held(fleet, name) == wanted).await
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_that_is_alone_is_led_to_by_its_name() {
    let answers = Answers::new(Mutex::new((Ok(vec!["198.51.100.1"]), 0)));
    let fleet = ready(&answers).await;
    create(&fleet, "hostname", json!({}), others()).await;
    ingress(&fleet, "fed-west", json!({"hostname": ELB})).await;
    holds(&fleet, HOSTNAME, &format!("CNAME {ELB}.")).await;
    fleet
        .says(
            "Service",
            "hostname",
            "Published",
            &format!("True RecordsCurrent: 6 record sets point to fed-west ({ELB})"),
        )
        .await;
    fleet.delete_service().await;
    fleet.eventually("nothing is left", async || fleet.owned().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_beside_others_is_resolved_again_when_its_ttl_is_over() {
    let answers = Answers::new(Mutex::new((Ok(vec!["198.51.100.1", "2001:db8::1"]), 0)));
    let fleet = ready(&answers).await;
    create(&fleet, "hostname", json!({}), others()).await;
    ingress(&fleet, "fed-east", json!({"ip": "198.51.100.2"})).await;
    ingress(&fleet, "fed-west", json!({"hostname": ELB})).await;
    holds(&fleet, HOSTNAME, "A 198.51.100.1 198.51.100.2; AAAA 2001:db8::1").await;
    let west = "hostname.default.fed.svc.2.westus.example.com.";
    assert_eq!(held(&fleet, west), "A 198.51.100.1; AAAA 2001:db8::1");

    answers.lock().unwrap().0 = Ok(vec!["198.51.100.7"]);
    let after = holds(&fleet, HOSTNAME, "A 198.51.100.2 198.51.100.7").await;
    assert!(after <= MINUTE + 2 * SECOND, "{after:?}");

    answers.lock().unwrap().0 = Err("no such name");
    let asked = answers.lock().unwrap().1;
    let stays = async || held(&fleet, HOSTNAME) == "A 198.51.100.2 198.51.100.7";
    fleet.always(10 * MINUTE, "the last good answer stays", stays).await;
    fleet.says("Service", "hostname", "Published", "True RecordsCurrent").await;
    fleet.says("Service", "hostname", "Published", "not resolved (no such name): its last addresses stay").await;
    let asked = answers.lock().unwrap().1 - asked;
    assert!((5..=12).contains(&asked), "asked {asked} times");
}

#[tokio::test(start_paused = true)]
async fn a_restart_takes_nothing_away_while_names_are_not_resolved_yet() {
    let answers = Answers::new(Mutex::new((Ok(vec!["198.51.100.1"]), 0)));
    let mut fleet = ready(&answers).await;
    create(&fleet, "hostname", json!({}), others()).await;
    ingress(&fleet, "fed-east", json!({"ip": "198.51.100.2"})).await;
    ingress(&fleet, "fed-west", json!({"hostname": ELB})).await;
    holds(&fleet, HOSTNAME, "A 198.51.100.1 198.51.100.2").await;
    fleet.kill().await;
    answers.lock().unwrap().0 = Err("no answer");
    fleet.run_as(fleet.builder(fleet.clock()).resolver(resolver(&answers)));
    let stays = async || held(&fleet, HOSTNAME) == "A 198.51.100.1 198.51.100.2";
    fleet.always(5 * MINUTE, "it answers as before", stays).await;
    answers.lock().unwrap().0 = Ok(vec!["198.51.100.9"]);
    holds(&fleet, HOSTNAME, "A 198.51.100.2 198.51.100.9").await;
}

#[tokio::test(start_paused = true)]
async fn another_name_is_published_without_a_member_that_serves_it() {
    let fleet = Fleet::published().await;
    create(&fleet, "db", json!({}), json!({"type": "ExternalName", "externalName": "db.example.net"})).await;
    holds(&fleet, "db.default.fed.svc.example.com.", "CNAME db.example.net.").await;
    holds(&fleet, "db.default.fed.svc.1.westus.example.com.", "CNAME db.example.net.").await;
    fleet.says("Service", "db", "Published", "True RecordsCurrent: 6 record sets point to db.example.net").await;
    change(&fleet, "db", json!({"spec": {"externalName": "db2.example.net"}})).await;
    holds(&fleet, "db.default.fed.svc.example.com.", "CNAME db2.example.net.").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_becomes_another_leaves_nothing_of_what_it_was() {
    let fleet = Fleet::published().await;
    change(&fleet, "hostname", json!({"spec": {"type": "ExternalName", "externalName": "old.example.net"}})).await;
    holds(&fleet, HOSTNAME, "CNAME old.example.net.").await;
    assert!(fleet.owned().keys().all(|key| key.starts_with("CNAME ")), "{:?}", fleet.owned());
    change(&fleet, "hostname", json!({"spec": {"type": "NodePort", "externalName": null}})).await;
    fleet.eventually("no names", async || fleet.owned().is_empty()).await;
    change(&fleet, "hostname", json!({"spec": {"type": "LoadBalancer"}})).await;
    fleet.eventually("both answer", async || fleet.answer(HOSTNAME).len() == 2).await;
    change(&fleet, "hostname", json!({"spec": {"type": "ClusterIP"}})).await;
    fleet.eventually("no names", async || fleet.owned().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn pods_are_published_where_it_is_asked_for_and_go_with_their_member() {
    let fleet = Fleet::published().await;
    let name = "pods.default.fed.svc.example.com.";
    create(&fleet, "pods", json!({}), json!({"clusterIP": "None"})).await;
    fleet.always(MINUTE, "pods are nobody's business", async || fleet.answer(name).is_empty()).await;
    change(&fleet, "pods", json!({"metadata": {"annotations": {"kfed.io/publish": "true"}}})).await;
    fleet.eventually("all pods answer", async || fleet.answer(name).len() == 8).await;
    let west = fleet.answer("pods.default.fed.svc.westus.example.com.");
    assert_eq!(west.len(), 4);
    fleet.member("fed-west").set_faults(HANG);
    fleet.eventually("they are gone", async || fleet.answer(name).is_disjoint(&west)).await;
    assert_eq!(fleet.answer(name).len(), 4);
    change(&fleet, "pods", json!({"metadata": {"annotations": {"kfed.io/publish": "maybe"}}})).await;
    fleet.eventually("no names", async || fleet.answer(name).is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_of_its_own_choice_is_the_older_services() {
    let fleet = Fleet::published().await;
    let shop = "shop.example.com.";
    let names = json!({"metadata": {"annotations": {"kfed.io/hostname": "shop.example.com, *.shop.example.com"}}});
    change(&fleet, "hostname", names.clone()).await;
    fleet.eventually("it answers", async || fleet.answer(shop).len() == 2).await;
    assert_eq!(fleet.answer(shop), fleet.answer(HOSTNAME));
    assert_eq!(fleet.answer("*.shop.example.com."), fleet.answer(HOSTNAME));

    tokio::time::sleep(2 * SECOND).await;
    create(&fleet, "another", names["metadata"]["annotations"].clone(), json!({"type": "LoadBalancer"})).await;
    let theirs = "annotation kfed.io/hostname: `shop.example.com` is Service default/hostname's, which is older";
    fleet.says("Service", "another", "Published", "False InvalidAnnotation").await;
    fleet.says("Service", "another", "Published", theirs).await;
    let ours: BTreeSet<_> = fleet.answer(HOSTNAME);
    fleet.always(MINUTE, "it is the older one's", async || fleet.answer(shop) == ours).await;

    fleet.delete_service().await;
    let another = "another.default.fed.svc.example.com.";
    fleet.eventually("it is the other's", async || fleet.answer(shop) == fleet.answer(another)).await;
    fleet.says("Service", "another", "Published", "True RecordsCurrent").await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_had_is_told_and_the_others_are_published() {
    let fleet = Fleet::published().await;
    let planted = fleet.plant("mine.example.com");
    let names = "shop.example.org, svc.ns.fed.svc.example.com, good.example.com, mine.example.com";
    change(&fleet, "hostname", json!({"metadata": {"annotations": {"kfed.io/hostname": names}}})).await;
    fleet.eventually("one is published", async || fleet.answer("good.example.com.").len() == 2).await;
    fleet.says("Service", "hostname", "Published", "False ForeignRecord: A mine.example.com.").await;
    fleet.says("Service", "hostname", "Published", "`shop.example.org`: it is not in zone example.com").await;
    fleet
        .says("Service", "hostname", "Published", "`svc.ns.fed.svc.example.com`: names below fed.svc.example.com")
        .await;
    assert_eq!(fleet.dns.contents(&fleet.zone).get(&planted.key), Some(&planted));
    change(&fleet, "hostname", json!({"metadata": {"annotations": {"kfed.io/hostname": null}}})).await;
    fleet.eventually("it is gone", async || fleet.answer("good.example.com.").is_empty()).await;
    fleet.says("Service", "hostname", "Published", "True RecordsCurrent").await;
}

#[tokio::test(start_paused = true)]
async fn with_cnames_a_dead_members_levels_lead_upwards() {
    let mut fleet = Fleet::published().await;
    fleet.kill().await;
    fleet.settings.dns_fallback = Fallback::Cname;
    fleet.run();
    tokio::time::sleep(15 * SECOND).await;
    fleet.member("fed-west").set_faults(HANG);
    let zone = "hostname.default.fed.svc.2.westus.example.com.";
    holds(&fleet, zone, "CNAME hostname.default.fed.svc.westus.example.com.").await;
    holds(&fleet, "hostname.default.fed.svc.westus.example.com.", &format!("CNAME {HOSTNAME}")).await;
    assert_eq!(fleet.answer(HOSTNAME).len(), 1);
}
