//! Real sockets, so no paused clock.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, TcpListener},
    time::Duration,
};

use kfed_cluster_emulator::{ApiFault, ClusterEmulator, Faults, LbAnswer, LbFault, LoadBalancers, Serving};
use kube::Api;
use serde_json::{Value, json};

use crate::support::{create, pod_names, pods, replica_set, service, services, sets, until, until_ready};

async fn listening(name: &str) -> ClusterEmulator {
    let member = ClusterEmulator::builder(name).load_balancers(LoadBalancers::Listening { range: None });
    member.startup(Duration::ZERO).start().await.unwrap()
}

fn plain() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn serving(member: &ClusterEmulator) -> Serving {
    member.serve(TcpListener::bind("127.0.0.1:0").unwrap()).await.unwrap()
}

fn trusting(serving: &Serving) -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = reqwest::Certificate::from_pem(serving.certificate_authority().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).no_proxy()
}

async fn address(member: &ClusterEmulator, name: &str) -> IpAddr {
    let api = services(member);
    let api = &api;
    until("an address", || async move {
        let status = api.get(name).await.unwrap().status?;
        status.load_balancer?.ingress?.first()?.ip.clone()
    })
    .await
    .parse()
    .unwrap()
}

fn lb(fault: LbFault) -> Faults {
    Faults { api: ApiFault::Ok, lb: fault }
}

async fn body(answer: reqwest::Response) -> Value {
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Long enough for an answer, had there been one.
async fn nothing_comes(request: impl Future<Output = reqwest::Result<reqwest::Response>>) -> bool {
    tokio::time::timeout(Duration::from_millis(300), request).await.is_err()
}

#[tokio::test]
async fn a_load_balancer_listens_and_answers_with_ready_pods_in_turn() {
    let member = listening("sockets-answer").await;
    create(&services(&member), &service("web", "LoadBalancer", 8000)).await;
    let ip = address(&member, "web").await;
    assert!(ip.is_loopback() && ip.to_string() != "127.0.0.1");
    let (http, url) = (plain(), format!("http://{ip}:8000/any/path?x=1"));
    let none = http.get(&url).send().await.unwrap();
    assert_eq!(none.status(), 503);

    create(&sets(&member), &replica_set("web", 3)).await;
    until_ready(&member.client(), "web", 3).await;
    let (http, url) = (&http, url.as_str());
    until("all three pods answer", || async move {
        let mut answers = BTreeSet::new();
        for _ in 0..3 {
            let answer = http.post(url).body("a body").send().await.unwrap();
            if answer.status() != 200 {
                return None;
            }
            assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
            let served_by = answer.headers()["x-served-by"].to_str().unwrap().to_owned();
            assert_eq!(answer.text().await.unwrap(), served_by);
            answers.insert(served_by);
        }
        (answers.len() == 3).then_some(answers)
    })
    .await;
    let pods = pod_names(&member).await;
    let LbAnswer::Answers(pod) = member.load_balancers().probe(SocketAddr::new(ip, 8000)) else { panic!() };
    assert!(pods.contains(&pod));

    services(&member).delete("web", &Default::default()).await.unwrap();
    until("the port is closed", || async move { http.get(url).send().await.is_err().then_some(()) }).await;
}

#[tokio::test]
async fn load_balancers_hang_refuse_and_come_back() {
    let member = listening("sockets-faults").await;
    create(&services(&member), &service("web", "LoadBalancer", 8000)).await;
    create(&sets(&member), &replica_set("web", 1)).await;
    let ip = address(&member, "web").await;
    let (http, url) = (plain(), format!("http://{ip}:8000/"));
    let (http, url) = (&http, url.as_str());
    let answers = || until("200", || async move { (http.get(url).send().await.ok()?.status() == 200).then_some(()) });
    answers().await;

    member.set_faults(lb(LbFault::Hang));
    assert!(nothing_comes(http.get(url).send()).await, "on a connection that was open");
    assert!(nothing_comes(plain().get(url).send()).await, "on a new one");
    member.set_faults(lb(LbFault::Refuse));
    until("refused", || async move {
        let error = http.get(url).send().await.err()?;
        error.is_connect().then_some(())
    })
    .await;
    member.set_faults(lb(LbFault::Ok));
    answers().await;

    member.stop().await;
    until("closed", || async move { http.get(url).send().await.is_err().then_some(()) }).await;
}

#[tokio::test]
async fn a_service_may_change_its_ports_and_keeps_its_address() {
    let member = listening("sockets-ports").await;
    create(&services(&member), &service("web", "LoadBalancer", 8000)).await;
    let ip = address(&member, "web").await;
    let ports = json!({ "spec": { "ports": [{ "name": "http", "port": 9000, "targetPort": "http" }] } });
    services(&member).patch("web", &Default::default(), &kube::api::Patch::Merge(ports)).await.unwrap();
    let http = &plain();
    until("the new port answers and the old one does not", || async move {
        let new = http.get(format!("http://{ip}:9000/")).send().await;
        let old = http.get(format!("http://{ip}:8000/")).send().await;
        (new.is_ok() && old.is_err()).then_some(())
    })
    .await;
    assert_eq!(address(&member, "web").await, ip);
}

#[tokio::test]
async fn a_kubeconfig_named_after_the_member_leads_to_it() {
    let member = ClusterEmulator::builder("sockets-kubeconfig").bearer_token("sesame").startup(Duration::ZERO);
    let member = member.start().await.unwrap();
    let serving = serving(&member).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&serving.kubeconfig()).unwrap();
    assert_eq!(kubeconfig.current_context.as_deref(), Some("sockets-kubeconfig"));
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let api = Api::namespaced(client.clone(), "default");
    create(&api, &replica_set("web", 2)).await;
    until_ready(&client, "web", 2).await;
    serving.shutdown().await;
}

#[tokio::test]
async fn faults_are_set_over_tls_without_credentials_whatever_is_broken() {
    let member = ClusterEmulator::builder("sockets-switch").bearer_token("sesame").startup(Duration::ZERO);
    let member = member.start().await.unwrap();
    let serving = serving(&member).await;
    let switch = format!("{}/emulator/faults", serving.url());
    let version = format!("{}/version", serving.url());
    for http1 in [false, true] {
        let client = || {
            let client = trusting(&serving);
            if http1 { client.http1_only() } else { client }.build().unwrap()
        };
        let http = client();
        let set = async |faults: Value| http.put(&switch).body(faults.to_string()).send().await.unwrap();
        let read = async || body(http.get(&switch).send().await.unwrap()).await;
        assert_eq!(read().await, json!({ "api": "ok", "lb": "ok" }));
        assert_eq!(http.get(&version).send().await.unwrap().status(), 200);

        let answer = set(json!({ "api": "hang", "lb": "refuse" })).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(body(answer).await, json!({ "api": "hang", "lb": "refuse" }));
        assert_eq!(member.faults(), Faults { api: ApiFault::Hang, lb: LbFault::Refuse });
        assert!(nothing_comes(client().get(&version).send()).await);

        set(json!({ "api": "refuse" })).await;
        assert_eq!(read().await, json!({ "api": "refuse", "lb": "refuse" }), "what is not named stays");
        let error = client().get(&version).send().await.unwrap_err();
        assert!(!error.is_timeout() && !error.is_status(), "{error:?}");

        set(json!({ "api": "401", "lb": "ok" })).await;
        let answer = client().get(&version).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(body(answer).await["kind"], "Status");

        for wrong in [json!({ "api": "crash" }), json!({ "dns": "ok" }), json!([])] {
            let answer = set(wrong).await;
            assert_eq!(answer.status(), 400);
            assert!(body(answer).await["message"].is_string());
        }
        assert_eq!(http.delete(&switch).send().await.unwrap().status(), 405);
        set(json!({ "api": "ok", "lb": "ok" })).await;
        assert_eq!(client().get(&version).send().await.unwrap().status(), 200);
    }
    serving.shutdown().await;
}

#[tokio::test]
async fn a_served_member_can_be_shut_down_while_it_hangs() {
    let member = ClusterEmulator::builder("sockets-shutdown").start().await.unwrap();
    let serving = serving(&member).await;
    let http = trusting(&serving).build().unwrap();
    member.set_faults(Faults::DEAD);
    let url = format!("{}/version", serving.url());
    let held = tokio::spawn(http.get(url).send());
    tokio::time::sleep(Duration::from_millis(50)).await;
    serving.shutdown().await;
    assert!(held.await.unwrap().is_err());
    assert!(pods(&member).list(&Default::default()).await.is_ok(), "the inside lives");
}
