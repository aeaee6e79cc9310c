use super::*;
use crate::ApiServer;

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn options(name: &str) -> ServeOptions {
    ServeOptions { name: name.to_owned(), token: "secret".to_owned(), names: Vec::new() }
}

async fn client(kubeconfig: &str) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

#[tokio::test]
async fn the_kubeconfig_leads_to_the_server() {
    let server = ApiServer::builder().bearer_token("secret").build();
    let serving = serve(server, listener(), options("fed-west")).await.unwrap();
    let client = client(&serving.kubeconfig()).await;
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(client);
    let names: Vec<String> =
        namespaces.list(&Default::default()).await.unwrap().items.into_iter().filter_map(|n| n.metadata.name).collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
    serving.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_ends_open_watches() {
    let server = ApiServer::builder().bearer_token("secret").build();
    let serving = serve(server, listener(), options("fed-west")).await.unwrap();
    let client = client(&serving.kubeconfig()).await;
    let request = Request::get("/api/v1/configmaps?watch=true").body(Vec::new()).unwrap();
    let mut events = client.request_events::<k8s_openapi::api::core::v1::ConfigMap>(request).await.unwrap().boxed();
    for _ in 0..4 {
        events.next().await.unwrap().unwrap();
    }
    let (rest, ()) = tokio::join!(events.collect::<Vec<_>>(), serving.shutdown());
    assert!(rest.iter().all(Result::is_ok), "the stream ends as such: {rest:?}");
}

#[test]
fn kubeconfigs_merge_by_name_and_the_new_one_wins() {
    let entry = |name: &str, server: &str| {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "preferences": {"colors": true},
            "clusters": [{"name": name, "cluster": {"server": server}}],
            "users": [{"name": name, "user": {"token": server}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        });
        to_yaml(&config).unwrap()
    };
    let merged = merge_kubeconfig("", &entry("a", "https://a")).unwrap();
    let merged = merge_kubeconfig(&merged, &entry("b", "https://b")).unwrap();
    let merged = merge_kubeconfig(&merged, &entry("a", "https://c")).unwrap();
    let merged: Value = serde_saphyr::from_str(&merged).unwrap();
    let servers: Vec<_> =
        merged["clusters"].as_array().unwrap().iter().map(|c| c["cluster"]["server"].as_str().unwrap()).collect();
    assert_eq!(servers, ["https://b", "https://c"]);
    assert_eq!(merged["current-context"], "a");
}

#[test]
fn what_is_no_kubeconfig_is_not_merged() {
    assert!(matches!(merge_kubeconfig("[1", "{}"), Err(ServeError::ReadKubeconfig { which: "existing", .. })));
    assert!(matches!(
        merge_kubeconfig("{}", "clusters: 1"),
        Err(ServeError::KubeconfigShape { which: "new", section: "clusters" })
    ));
}
