//! How long a token lives, and who asks for the next one. No sockets, so time may stand still.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use kfed_dnsprovider::{DnsProvider, ErrorClass};
use kfed_dnsprovider_azure::transport::TransportError;
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, Credential, PUBLIC};

use crate::support::{Hands, SECRET, config, fixture, reply, scripted};

/// An Azure that counts its tokens; it fails to give one while `failing` is not 0, and takes a second for each.
#[derive(Clone, Default)]
struct Counting {
    tokens: Arc<AtomicUsize>,
    failing: Arc<AtomicUsize>,
    lists: Arc<AtomicUsize>,
    hands: Hands,
}

impl Counting {
    fn provider(&self) -> DnsProvider {
        let this = self.clone();
        let http = scripted(move |request| {
            let this = this.clone();
            async move {
                if request.uri().path().ends_with("/token") {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    this.tokens.fetch_add(1, Ordering::SeqCst);
                    return match this.failing.load(Ordering::SeqCst) {
                        0 => Ok(reply(200, fixture("token.json"))),
                        status => Ok(reply(u16::try_from(status).unwrap(), fixture("token-error.json"))),
                    };
                }
                this.lists.fetch_add(1, Ordering::SeqCst);
                Ok::<_, TransportError>(reply(200, r#"{"value":[]}"#))
            }
        });
        DnsProvider::new(AzureDns::over(&PUBLIC, &config(""), http, self.hands.clock()))
    }

    fn tokens(&self) -> usize {
        self.tokens.load(Ordering::SeqCst)
    }
}

// The fixture's token lives 3599 s, so it is renewed 300 s before its end: after about 3299 s.

#[tokio::test(start_paused = true)]
async fn a_token_serves_until_it_is_time_to_renew_it() {
    let azure = Counting::default();
    let provider = azure.provider();
    for (forward, tokens) in [(0, 1), (0, 1), (3290, 1), (20, 2), (3290, 2), (20, 3)] {
        azure.hands.forward(forward);
        provider.list_zones(None).await.unwrap();
        assert_eq!(azure.tokens(), tokens);
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_asks_for_one_token() {
    let azure = Counting::default();
    let provider = azure.provider();
    let answers = join_all((0..50).map(|_| provider.list_zones(None))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((azure.tokens(), azure.lists.load(Ordering::SeqCst)), (1, 50));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_shares_one_refusal() {
    let azure = Counting::default();
    azure.failing.store(401, Ordering::SeqCst);
    let provider = azure.provider();
    let answers = join_all((0..50).map(|_| provider.list_zones(None))).await;
    assert!(
        answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.class == ErrorClass::Unauthenticated))
    );
    assert_eq!(azure.tokens(), 1);
    // Whoever comes later asks again: somebody may have put it right.
    azure.failing.store(0, Ordering::SeqCst);
    provider.list_zones(None).await.unwrap();
    assert_eq!(azure.tokens(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_good_token_outlives_an_authority_that_is_down() {
    let azure = Counting::default();
    let provider = azure.provider();
    provider.list_zones(None).await.unwrap();
    azure.failing.store(503, Ordering::SeqCst);
    // Due for renewal, 289 s before its end.
    azure.hands.forward(3310);
    provider.list_zones(None).await.unwrap();
    assert_eq!(azure.tokens(), 2);
    // The next attempt waits for half a minute.
    provider.list_zones(None).await.unwrap();
    assert_eq!(azure.tokens(), 2);
    azure.hands.forward(31);
    provider.list_zones(None).await.unwrap();
    assert_eq!(azure.tokens(), 3);
    // Past its end it is not sent any more.
    azure.hands.forward(300);
    let lists = azure.lists.load(Ordering::SeqCst);
    let error = provider.list_zones(None).await.unwrap_err();
    assert_eq!((error.class, azure.lists.load(Ordering::SeqCst)), (ErrorClass::Unavailable, lists));
}

#[tokio::test(start_paused = true)]
async fn while_one_renews_the_others_go_on_with_the_old_token() {
    let azure = Counting::default();
    let provider = azure.provider();
    provider.list_zones(None).await.unwrap();
    azure.hands.forward(3310);
    let started = tokio::time::Instant::now();
    let mut took = join_all((0..10).map(|_| async {
        provider.list_zones(None).await.unwrap();
        started.elapsed().as_secs()
    }))
    .await;
    took.sort_unstable();
    assert_eq!(took, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "one waited for the new token, nobody else");
    assert_eq!(azure.tokens(), 2);
}

/// Every request for a token that `credential` makes, as `METHOD URL body`, with a list of zones for each.
async fn asked_with(credential: Credential, lists: usize) -> Vec<String> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let http = scripted(move |request| {
        let log = log.clone();
        async move {
            let answer = match request.uri().host() {
                Some("management.azure.com") => r#"{"value":[]}"#,
                // A machine's own endpoint writes numbers as strings.
                Some("169.254.169.254") => {
                    r#"{"access_token":"t","expires_on":"4102444800","expires_in":"3599","token_type":"Bearer","resource":"r"}"#
                }
                // It has no life left, so each list asks for another.
                _ => r#"{"token_type":"Bearer","expires_in":0,"access_token":"t"}"#,
            };
            if request.uri().host() != Some("management.azure.com") {
                let body = String::from_utf8(request.body().to_vec()).unwrap();
                log.lock().unwrap().push(format!("{} {} {body}", request.method(), request.uri()));
            }
            Ok::<_, TransportError>(reply(200, answer))
        }
    });
    let config = AzureConfig { credential, ..config("") };
    let provider = DnsProvider::new(AzureDns::over(&PUBLIC, &config, http, Hands::default().clock()));
    for _ in 0..lists {
        provider.list_zones(None).await.unwrap();
    }
    let asked = asked.lock().unwrap();
    asked.clone()
}

#[tokio::test]
async fn a_workload_identity_shows_the_token_that_its_file_holds_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let credential = || Credential::WorkloadIdentity {
        tenant_id: Some("my-tenant".into()),
        client_id: Some("my-client".into()),
        token_file: Some(file.clone()),
    };
    for assertion in ["first", "second"] {
        std::fs::write(&file, assertion).unwrap();
        let asked = asked_with(credential(), 2).await;
        assert_eq!(asked.len(), 2);
        for request in asked {
            assert!(
                request.starts_with("POST https://login.microsoftonline.com/my-tenant/oauth2/v2.0/token "),
                "{request}"
            );
            assert!(request.contains(&format!("client_assertion={assertion}")), "{request}");
            assert!(request.contains("client_id=my-client"), "{request}");
        }
    }
}

#[tokio::test]
async fn a_managed_identity_asks_its_machine() {
    let asked = asked_with(Credential::ManagedIdentity { client_id: Some("my-client".into()) }, 3).await;
    assert_eq!(asked.len(), 1, "its token lives on");
    assert!(asked[0].starts_with("GET http://169.254.169.254/metadata/identity/oauth2/token?"), "{}", asked[0]);
    assert!(asked[0].contains("resource=https%3A%2F%2Fmanagement.azure.com&client_id=my-client"), "{}", asked[0]);
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_an_identity_is_asked_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let http = scripted(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Err(TransportError::Connect { host: "169.254.169.254".into(), source: "no route to host".into() }) }
    });
    let config = AzureConfig { credential: Credential::ManagedIdentity { client_id: None }, ..config("") };
    let provider = DnsProvider::new(AzureDns::over(&PUBLIC, &config, http, Hands::default().clock()));
    let error = provider.list_zones(None).await.unwrap_err();
    assert_eq!((error.class, asked.load(Ordering::SeqCst)), (ErrorClass::Unavailable, 1), "{error}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_loudest_log_holds_neither_secret_nor_token() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let azure = Counting::default();
    let provider = azure.provider();
    provider.list_zones(None).await.unwrap();
    azure.failing.store(401, Ordering::SeqCst);
    azure.hands.forward(3310);
    provider.list_zones(None).await.unwrap();
    azure.hands.forward(3310);
    provider.list_zones(None).await.unwrap_err();
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("Azure answered") && log.contains("cannot renew the token"), "{log}");
    assert!(!log.contains(SECRET) && !log.contains("s3cr3t%7EValue") && !log.contains("eyJhbGci"), "{log}");
}
