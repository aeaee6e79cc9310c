use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use k8s_openapi::api::core::v1::ConfigMap;
use kfed_apiserver::ApiServer;
use kfed_apiserver::serve::{ServeOptions, serve};
use kube::Api;
use kube::api::{PostParams, WatchEvent, WatchParams};
use tower::ServiceExt;

use super::*;

const WATCHES: usize = 30;

/// From whom a request came, over which protocol, and with which credentials.
type Asked = Arc<Mutex<BTreeSet<(SocketAddr, String, String)>>>;

async fn connect(kubeconfig: &str, purpose: Purpose) -> Api<ConfigMap> {
    let connect = Connect { member: "west".to_owned(), kubeconfig: kubeconfig.to_owned().into(), purpose };
    Api::namespaced(by_kubeconfig(Duration::from_secs(10)).oneshot(connect).await.unwrap(), "default")
}

/// Begins so many watches at once, writes a ConfigMap through another client, and waits until each watch has told of it.
async fn all_tell(kubeconfig: &str) {
    let watches = connect(kubeconfig, Purpose::Watches).await;
    let begin = || async { watches.watch(&WatchParams::default(), "0").await.unwrap().boxed() };
    let streams = join_all((0..WATCHES).map(|_| begin())).await;
    let note: ConfigMap = serde_json::from_value(serde_json::json!({"metadata": {"name": "note"}})).unwrap();
    connect(kubeconfig, Purpose::Calls).await.create(&PostParams::default(), &note).await.unwrap();
    let tells = |mut stream: futures::stream::BoxStream<'static, kube::Result<WatchEvent<ConfigMap>>>| async move {
        while let Some(event) = stream.try_next().await.unwrap() {
            let WatchEvent::Added(added) = event else { continue };
            if added.metadata.name.as_deref() == Some("note") {
                return;
            }
        }
        panic!("a watch has ended");
    };
    join_all(streams.into_iter().map(tells)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_share_a_connection_and_calls_have_others() {
    let asked = Asked::default();
    let service = ApiServer::builder().build().map_request({
        let asked = asked.clone();
        move |request: Request<Body>| {
            let ConnectInfo(peer) = *request.extensions().get::<ConnectInfo<SocketAddr>>().unwrap();
            let token = request.headers().get("authorization").unwrap().to_str().unwrap();
            asked.lock().unwrap().insert((peer, format!("{:?}", request.version()), token.to_owned()));
            request
        }
    });
    let options = ServeOptions { name: "west".to_owned(), token: "let-me-in".to_owned(), ..ServeOptions::default() };
    let serving = serve(service, TcpListener::bind("127.0.0.1:0").unwrap(), options).await.unwrap();
    all_tell(&serving.kubeconfig()).await;
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|(_, _, token)| token == "Bearer let-me-in"), "{asked:?}");
    let over = |version: Version| asked.iter().filter(|(_, over, _)| *over == format!("{version:?}")).count();
    assert_eq!(over(Version::HTTP_2), 1, "the {WATCHES} watches share a connection: {asked:?}");
    assert_eq!(over(Version::HTTP_11), 1, "the write has its own: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_http_2_is_watched_too() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let api = ApiServer::builder().build().map_request(|request: Request<Incoming>| request.map(Body::new));
    let server = tokio::spawn(async move {
        loop {
            let stream = TokioIo::new(listener.accept().await.unwrap().0);
            let service = TowerToHyperService::new(api.clone());
            tokio::spawn(http1::Builder::new().serve_connection(stream, service));
        }
    });
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "west",
        "clusters": [{"name": "west", "cluster": {"server": format!("http://{addr}")}}],
        "users": [{"name": "west", "user": {}}],
        "contexts": [{"name": "west", "context": {"cluster": "west", "user": "west"}}]
    });
    all_tell(&kubeconfig.to_string()).await;
    server.abort();
}
