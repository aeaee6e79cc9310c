//! The network itself: TLS with an authority of one's own, and connections that fail. Real sockets, real time.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use kfed_dnsprovider::registry::RegistryError;
use kfed_dnsprovider::{ErrorClass, Precondition, RecordSet, RecordType, Registry};
use kfed_dnsprovider_azure::transport::{Leaf, LeafOptions, TransportError};
use kfed_dnsprovider_azure::{AzureConfig, ConfigError, ConnectError, PRIVATE, PUBLIC, connect, factory};
use tower::ServiceExt;

use crate::support::{Hands, SECRET, fixture, key, zone};

fn azure() -> Router {
    let json = [("content-type", "application/json")];
    Router::new()
        .route("/my-tenant/oauth2/v2.0/token", post(move || async move { (json, fixture("token.json")) }))
        .route(
            "/other/oauth2/v2.0/token",
            post(move || async move { (http::StatusCode::UNAUTHORIZED, json, fixture("token-error.json")) }),
        )
        .fallback(get(move || async move { (json, fixture("zones-page-2.json")) }))
}

fn conf(folder: &Path, port: u16, tenant: &str, ca: Option<&str>) -> AzureConfig {
    let conf = folder.join("dns.conf");
    let ca_line = ca.map(|_| "ca-file = ca.pem").unwrap_or_default();
    std::fs::write(folder.join("ca.pem"), ca.unwrap_or_default()).unwrap();
    std::fs::write(&conf, format!(
        "[Global]\nsubscription-id = s\ntenant-id = {tenant}\nclient-id = c\nsecret = {SECRET}\nresourceGroup = r\nresource-manager-endpoint = https://127.0.0.1:{port}\nauthority-host = https://localhost:{port}\n{ca_line}\n"
    )).unwrap();
    AzureConfig::read(&conf).unwrap().0
}

#[tokio::test]
async fn an_authority_named_in_dns_conf_is_trusted_and_no_other() {
    let ca = kfed_tls::CertificateAuthority::generate("a test").unwrap();
    let certificate = ca.issue(&["127.0.0.1", "localhost"]).unwrap();
    let server = kfed_tls::serve(TcpListener::bind("127.0.0.1:0").unwrap(), &certificate, azure()).await.unwrap();
    let port = server.addr().port();
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::default().clock();

    let provider = connect(&conf(folder.path(), port, "my-tenant", Some(ca.pem())), clock.clone()).await.unwrap();
    let zones = provider.list_zones(None).await.unwrap();
    assert_eq!(zones[0].name.as_str(), "example.org.");
    assert!(zones[0].loopback, "the endpoint is on this machine");

    let error = connect(&conf(folder.path(), port, "other", Some(ca.pem())), clock.clone()).await.unwrap_err();
    let ConnectError::Authenticate(cause) = &error else { panic!("{error:?}") };
    assert!(cause.to_string().contains("AADSTS7000215"), "{cause}");
    assert!(!format!("{error:?}").contains(SECRET));

    // Another authority. That Azure cannot be reached is known only by trying, and does not keep anybody from starting.
    let stranger = kfed_tls::CertificateAuthority::generate("another").unwrap();
    let provider = connect(&conf(folder.path(), port, "my-tenant", Some(stranger.pem())), clock).await.unwrap();
    let error = provider.list_zones(None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unavailable);
    assert!(error.to_string().contains("cannot connect to localhost"), "{error}");
    assert!(error.to_string().to_lowercase().contains("certificate"), "the cause is not hidden: {error}");
}

fn leaf(timeout: Duration) -> Leaf {
    Leaf::new(&LeafOptions { proxy: false, timeout, ..LeafOptions::default() }).unwrap()
}

async fn fails(leaf: Leaf, url: &str) -> TransportError {
    leaf.oneshot(http::Request::get(url).body(bytes::Bytes::new()).unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_known_not_to_have_got_anything() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = fails(leaf(Duration::from_secs(10)), &format!("http://127.0.0.1:{port}/")).await;
    assert!(matches!(&error, TransportError::Connect { host, .. } if *host == format!("127.0.0.1:{port}")), "{error}");
    let error = fails(leaf(Duration::from_secs(10)), "http://nowhere.invalid/").await;
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_cut_or_hangs_may_have_got_everything() {
    // Both take the request and say nothing; one hangs up, the other never does.
    for hangs in [false, true] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.readable().await.unwrap();
                let mut buffer = [0; 4096];
                let _ = stream.try_read(&mut buffer);
                if hangs {
                    held.push(stream);
                }
            }
        });
        let error = fails(leaf(Duration::from_millis(300)), &url).await;
        assert!(matches!(error, TransportError::Lost { .. }), "{error}");
        server.abort();
    }
}

#[tokio::test]
async fn a_write_without_an_answer_is_unknown() {
    use crate::support::{config, reply, scripted};
    let http = scripted(|request| async move {
        if request.uri().path().ends_with("/token") {
            return Ok(reply(200, fixture("token.json")));
        }
        Err(TransportError::Lost { host: "h".into(), source: "the connection was reset".into() })
    });
    let azure = kfed_dnsprovider_azure::AzureDns::over(&PUBLIC, &config(""), http, Hands::default().clock());
    let provider = kfed_dnsprovider::DnsProvider::new(azure);
    let set = RecordSet {
        key: key("www.example.com", RecordType::A),
        ttl: 30,
        data: Default::default(),
        metadata: Default::default(),
        etag: None,
        alias: false,
        unknown_properties: false,
    };
    let error = provider.put(&zone(), set, Precondition::Absent).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unknown);
    assert!(!error.is_retryable());
    assert_eq!(provider.list_zones(None).await.unwrap_err().class, ErrorClass::Unavailable);
}

#[tokio::test]
async fn the_registry_makes_the_provider_from_its_file() {
    let ca = kfed_tls::CertificateAuthority::generate("a test").unwrap();
    let certificate = ca.issue(&["127.0.0.1", "localhost"]).unwrap();
    let server = kfed_tls::serve(TcpListener::bind("127.0.0.1:0").unwrap(), &certificate, azure()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::default();
    for flavour in [&PUBLIC, &PRIVATE] {
        registry.register(flavour.provider, factory(flavour, Hands::default().clock())).unwrap();
    }
    assert_eq!(registry.names().collect::<Vec<_>>(), ["azure-azuredns", "azure-private-dns"]);

    conf(folder.path(), server.addr().port(), "my-tenant", Some(ca.pem()));
    let file = folder.path().join("dns.conf");
    let azure = registry.create("azure-azuredns", Some(&file)).await.unwrap();
    assert_eq!(azure.list_zones(None).await.unwrap().len(), 1);
    assert!(
        registry.create("azure-private-dns", Some(&file)).await.unwrap().list_zones(None).await.unwrap()[0].private
    );

    let cause = |error: RegistryError| {
        let RegistryError::Setup { source, .. } = error else { panic!("{error}") };
        source
    };
    std::fs::write(&file, "[Global]\nsecret = half\n").unwrap();
    let error = cause(registry.create("azure-azuredns", Some(&file)).await.unwrap_err());
    assert!(
        matches!(error.downcast_ref(), Some(ConfigError::Missing { missing, .. }) if missing.len() == 4),
        "{error}"
    );
    let error = cause(registry.create("azure-azuredns", None).await.unwrap_err());
    assert_eq!(error.to_string(), "DNS provider `azure-azuredns` needs a configuration file");
}
