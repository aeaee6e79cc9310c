use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::ConnectInfo, routing::get};
use tokio::sync::Notify;

use crate::{CertificateAuthority, HttpsServer, ServerCertificate, TlsError, serve};

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn certificate() -> (CertificateAuthority, ServerCertificate) {
    let authority = CertificateAuthority::generate("test authority").unwrap();
    let certificate = authority.issue(&["127.0.0.1", "localhost"]).unwrap();
    (authority, certificate)
}

fn client(authority: &CertificateAuthority) -> reqwest::ClientBuilder {
    // reqwest takes the process-wide provider; another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).no_proxy().timeout(Duration::from_secs(30))
}

fn url(server: &HttpsServer, path: &str) -> String {
    format!("https://{}{path}", server.addr())
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// A service that holds every request for ever, and counts those that it holds.
fn hanging() -> (Router, Arc<Notify>, Arc<AtomicUsize>) {
    struct Held(Arc<AtomicUsize>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let arrived = Arc::new(Notify::new());
    let held = Arc::new(AtomicUsize::new(0));
    let (notify, count) = (Arc::clone(&arrived), Arc::clone(&held));
    let router = Router::new().route(
        "/",
        get(move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            let _held = Held(Arc::clone(&count));
            notify.notify_one();
            std::future::pending::<&'static str>().await
        }),
    );
    (router, arrived, held)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_served_by_address_and_by_name() {
    let (authority, certificate) = certificate();
    let server = serve(listener(), &certificate, hello()).await.unwrap();
    let client = client(&authority).build().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{}/", server.addr().port());
        let answer = client.get(url).send().await.unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_2);
        assert_eq!(answer.text().await.unwrap(), "hello");
    }
}

#[tokio::test]
async fn a_client_without_http2_is_served_by_http1() {
    let (authority, certificate) = certificate();
    let server = serve(listener(), &certificate, hello()).await.unwrap();
    let client = client(&authority).http1_only().build().unwrap();
    let answer = client.get(url(&server, "/")).send().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_11);
    assert_eq!(answer.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_refuses() {
    let (_, certificate) = certificate();
    let server = serve(listener(), &certificate, hello()).await.unwrap();
    let stranger = CertificateAuthority::generate("test authority").unwrap();
    let client = client(&stranger).build().unwrap();
    assert!(client.get(url(&server, "/")).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_name_that_was_not_issued_is_refused() {
    let authority = CertificateAuthority::generate("test authority").unwrap();
    let certificate = authority.issue(&["localhost"]).unwrap();
    let server = serve(listener(), &certificate, hello()).await.unwrap();
    let client = client(&authority).build().unwrap();
    assert!(client.get(url(&server, "/")).send().await.is_err());
}

#[tokio::test]
async fn the_service_learns_its_peer() {
    let (authority, certificate) = certificate();
    let service = Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<std::net::SocketAddr>| async move { peer.ip().to_string() }));
    let server = serve(listener(), &certificate, service).await.unwrap();
    let client = client(&authority).build().unwrap();
    let answer = client.get(url(&server, "/")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "127.0.0.1");
}

#[tokio::test]
async fn dropping_the_server_cuts_requests_in_flight_and_frees_the_port() {
    for http1 in [false, true] {
        let (authority, certificate) = certificate();
        let (service, arrived, held) = hanging();
        let server = serve(listener(), &certificate, service).await.unwrap();
        let addr = server.addr();
        let client = if http1 { client(&authority).http1_only() } else { client(&authority) };
        let request = client.build().unwrap().get(url(&server, "/")).send();
        let request = tokio::spawn(request);
        arrived.notified().await;
        assert_eq!(held.load(Ordering::SeqCst), 1);

        drop(server);
        let error = request.await.unwrap().unwrap_err();
        assert!(!error.is_timeout(), "{error}");
        until(|| held.load(Ordering::SeqCst) == 0).await;
        until(|| TcpListener::bind(addr).is_ok()).await;
    }
}

#[tokio::test]
async fn shutdown_lets_a_request_in_flight_finish() {
    let (authority, certificate) = certificate();
    let arrived = Arc::new(Notify::new());
    let release = Arc::new(Notify::new());
    let (notify, wait) = (Arc::clone(&arrived), Arc::clone(&release));
    let service = Router::new().route(
        "/",
        get(move || async move {
            notify.notify_one();
            wait.notified().await;
            "finished"
        }),
    );
    let server = serve(listener(), &certificate, service).await.unwrap();
    let client = client(&authority).build().unwrap();
    let request = tokio::spawn(client.get(url(&server, "/")).send());
    arrived.notified().await;

    let addr = server.addr();
    let shutdown = tokio::spawn(server.shutdown(Duration::from_secs(30)));
    until(|| std::net::TcpStream::connect(addr).is_err()).await;
    assert!(!shutdown.is_finished(), "it waits for the request in flight");
    release.notify_one();
    let answer = request.await.unwrap().unwrap();
    assert_eq!(answer.text().await.unwrap(), "finished");
    shutdown.await.unwrap();
}

#[tokio::test]
async fn shutdown_without_grace_has_cut_everything_when_it_returns() {
    let (authority, certificate) = certificate();
    let (service, arrived, _) = hanging();
    let server = serve(listener(), &certificate, service).await.unwrap();
    let addr = server.addr();
    let client = client(&authority).build().unwrap();
    let request = tokio::spawn(client.get(url(&server, "/")).send());
    arrived.notified().await;
    server.shutdown(Duration::ZERO).await;
    assert!(std::net::TcpStream::connect(addr).is_err());
    assert!(request.await.unwrap().is_err());
}

#[test]
fn a_certificate_needs_names_that_can_stand_in_it() {
    let authority = CertificateAuthority::generate("test authority").unwrap();
    assert!(matches!(authority.issue(&[]), Err(TlsError::NoNames)));
    assert!(matches!(authority.issue(&["münchen.example"]), Err(TlsError::IssueCertificate { .. })));
}

#[test]
fn debug_shows_no_key() {
    let (authority, certificate) = certificate();
    assert!(format!("{authority:?}").contains("[redacted]"));
    let shown = format!("{certificate:?}");
    assert!(shown.contains("localhost") && shown.contains("[redacted]"), "{shown}");
    assert!(!shown.contains("PRIVATE KEY"));
}
