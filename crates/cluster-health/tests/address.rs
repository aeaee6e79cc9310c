//! The probes of addresses, against real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use kfed_cluster_health::{
    AddressKind, AddressProbe, AddressTarget, Failure, Health, Probe, ProbeOutcome, ProbeSchedule, Thresholds, monitor,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::ServiceExt;

async fn probe(target: AddressTarget) -> ProbeOutcome {
    AddressProbe::default().oneshot(Probe { target }).await.expect("the probe never fails")
}

/// Serves every connection with the same bytes, and tells what it was asked first.
async fn serve(answer: &'static str) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let addr = listener.local_addr().expect("bound");
    let (asked, questions) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut buffer = vec![0; 4096];
            let Ok(read) = connection.read(&mut buffer).await else { continue };
            let _ = asked.send(String::from_utf8_lossy(&buffer[..read]).into_owned());
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    });
    (addr, questions)
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    listener.local_addr().expect("bound")
}

#[tokio::test]
async fn who_accepts_a_connection_is_well() {
    let (addr, _) = serve("").await;
    assert_eq!(probe(AddressTarget::tcp(addr)).await, ProbeOutcome::Healthy);
}

#[tokio::test]
async fn who_refuses_a_connection_is_unreachable() {
    let addr = nobody().await;
    for target in [AddressTarget::tcp(addr), AddressTarget::http(addr, "x", "/")] {
        let outcome = probe(target).await;
        assert!(!outcome.is_answer());
        assert_eq!(outcome.reason(), "ConnectFailed");
        assert!(outcome.message().contains(&addr.to_string()) && outcome.message().contains("refused"), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_http_probe_asks_for_the_path_and_the_host() {
    let (addr, mut questions) = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let target = AddressTarget::http(addr, "hostname.example.com", "/healthz?full=1");
    assert_eq!(probe(target).await, ProbeOutcome::Healthy);
    let question = questions.recv().await.expect("asked").to_lowercase();
    assert!(question.starts_with("get /healthz?full=1 http/1.1\r\n"), "{question}");
    assert!(question.contains("host: hostname.example.com\r\n"), "{question}");
}

#[tokio::test]
async fn an_answer_is_judged_by_its_status() {
    for (answer, expected) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "Healthy"),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "Healthy"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "UnexpectedStatus"),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "Unauthorized"),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "ServerError"),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the connection ends", "Healthy"),
        ("SSH-2.0-OpenSSH_9.9\r\n", "UnexpectedProtocol"),
    ] {
        let (addr, _questions) = serve(answer).await;
        let outcome = probe(AddressTarget::http(addr, "x", "/")).await;
        assert_eq!(outcome.reason(), expected, "{outcome:?}");
        assert!(outcome.is_answer(), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_expected_status_is_well_whatever_it_is() {
    let (addr, _questions) = serve("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let kind = AddressKind::Http { host: "x".to_owned(), path: "/".to_owned(), expect: 404..=404 };
    assert_eq!(probe(AddressTarget { addr, kind }).await, ProbeOutcome::Healthy);
}

#[tokio::test]
async fn who_hangs_up_without_an_answer_is_unreachable() {
    let (addr, _questions) = serve("").await;
    let outcome = probe(AddressTarget::http(addr, "x", "/")).await;
    assert!(matches!(outcome, ProbeOutcome::Unreachable { failure: Failure::Connect(_) }), "{outcome:?}");
}

#[tokio::test]
async fn a_request_that_cannot_be_made_says_nothing_about_the_target() {
    let outcome = probe(AddressTarget::http(nobody().await, "x", "no path at all\n")).await;
    assert!(matches!(outcome, ProbeOutcome::Unhealthy { failure: Failure::Other(_) }), "{outcome:?}");
}

#[tokio::test]
async fn a_hung_server_passes_tcp_and_fails_http() {
    // Bound and never accepted: the kernel completes the handshakes.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let addr = listener.local_addr().expect("bound");
    assert_eq!(probe(AddressTarget::tcp(addr)).await, ProbeOutcome::Healthy);

    let schedule = ProbeSchedule { jitter: 0.0, ..ProbeSchedule::every(Duration::from_millis(20)) };
    let target = AddressTarget::http(addr, "x", "/");
    let monitor = monitor::spawn(AddressProbe::default(), target, schedule, Thresholds::default());
    let mut health = monitor.subscribe();
    let dead = health.wait_for(|seen| seen.health == Health::Dead).await.expect("the monitor runs").clone();
    assert_eq!(dead.outcome.expect("probed").reason(), "Timeout");
    drop(listener);
}
