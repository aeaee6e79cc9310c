//! Probes over real sockets: at which step each ends, and what is said of it.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use kfed_cluster_health::monitor;
use kfed_cluster_health::{ProbeSchedule, Thresholds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// The first outcome of a probe of the server in `kubeconfig`, which has half a second.
async fn probed(server: &str) -> ProbeOutcome {
    probed_with_clock(server).await.0
}

/// The same, and what was told of the clock.
async fn probed_with_clock(server: &str) -> (ProbeOutcome, Vec<i64>) {
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\nclusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n"
    );
    probed_by(&kubeconfig).await
}

async fn probed_by(kubeconfig: &str) -> (ProbeOutcome, Vec<i64>) {
    let deadline = Duration::from_millis(500);
    let client = crate::connect::client(kubeconfig, Duration::from_secs(10)).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let clock = MemberClock {
        ours: Arc::new(|| "2026-01-01T00:01:00Z".parse().unwrap()),
        tell: Arc::new(move |ahead| tell.lock().unwrap().push(ahead)),
    };
    let schedule = ProbeSchedule { period: Duration::from_secs(60), deadline, ..ProbeSchedule::default() };
    let monitor = monitor::spawn(ApiProbe::new(client, clock), (), schedule, Thresholds::default());
    let mut observations = monitor.subscribe();
    let seen = observations.wait_for(|observation| observation.outcome.is_some()).await.unwrap().clone();
    let told = told.lock().unwrap().clone();
    (seen.outcome.unwrap(), told)
}

/// Answers every request on every connection with `answer`.
async fn answers(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = [0; 4096];
                while stream.read(&mut read).await.is_ok_and(|read| read > 0) {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn every_status_is_an_answer_and_told_apart() {
    for (answer, reason, healthy) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "Healthy", true),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "Unauthorized", false),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "Forbidden", false),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "UnexpectedStatus", false),
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops", "ServerError", false),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "ServerError", false),
    ] {
        let outcome = probed(&format!("http://{}", answers(answer).await)).await;
        assert_eq!((outcome.reason(), outcome.is_healthy()), (reason, healthy), "{outcome:?}");
        assert!(outcome.is_answer(), "whoever answers is alive: {outcome:?}");
    }
}

#[tokio::test]
async fn a_server_without_readyz_is_asked_for_healthz() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for (path, answer) in [("/readyz", "404 Not Found"), ("/healthz", "200 OK")] {
            let mut read = vec![0; 4096];
            let n = stream.read(&mut read).await.unwrap();
            assert!(String::from_utf8_lossy(&read[..n]).starts_with(&format!("GET {path} ")));
            stream.write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
        }
    });
    assert!(probed(&format!("http://{address}")).await.is_healthy(), "on one connection");
}

#[tokio::test]
async fn silence_is_told_by_the_step_at_which_it_came() {
    let refusing = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    // Accepted by the kernel, never by anybody; and accepted, read, and never answered.
    let unaccepted = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = answers("").await;
    let hanging_up = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        address
    };
    let half = answers("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok").await;
    for (server, reason) in [
        ("http://no-such-host.invalid:6443".to_owned(), "DNSFailed"),
        (format!("http://{refusing}"), "ConnectFailed"),
        (format!("http://{hanging_up}"), "ConnectFailed"),
        (format!("http://{}", unaccepted.local_addr().unwrap()), "Timeout"),
        (format!("http://{mute}"), "Timeout"),
        (format!("http://{half}"), "Timeout"),
        (format!("https://{mute}"), "Timeout"),
    ] {
        let outcome = probed(&server).await;
        assert_eq!((outcome.reason(), outcome.is_answer()), (reason, false), "{server}: {outcome:?}");
    }
}

#[tokio::test]
async fn who_speaks_no_tls_or_is_not_trusted_is_told_so() {
    let plain = answers("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let outcome = probed(&format!("https://{plain}")).await;
    assert_eq!((outcome.reason(), outcome.is_answer()), ("TLSFailed", false), "{outcome:?}");

    let serve = async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        kfed_apiserver::serve::serve(kfed_apiserver::ApiServer::new(), listener, Default::default()).await.unwrap()
    };
    let (one, other) = (serve().await, serve().await);
    // The one server's address with the other's authority.
    let misled = other.kubeconfig().replace(&other.url(), &one.url());
    let (outcome, _) = probed_by(&misled).await;
    assert_eq!((outcome.reason(), outcome.is_answer()), ("TLSFailed", false), "{outcome:?}");
    let (outcome, _) = probed_by(&one.kubeconfig()).await;
    assert!(outcome.is_healthy(), "with its own it answers: {outcome:?}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_seen_in_the_date_of_an_answer() {
    for (answer, ahead) in [
        ("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:01:00 GMT\r\nContent-Length: 0\r\n\r\n", vec![0]),
        ("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:01:42 GMT\r\nContent-Length: 0\r\n\r\n", vec![42]),
        ("HTTP/1.1 500 Oops\r\nDate: Thu, 01 Jan 2026 00:00:19 GMT\r\nContent-Length: 0\r\n\r\n", vec![-40]),
        ("HTTP/1.1 200 OK\r\nDate: soon\r\nContent-Length: 0\r\n\r\n", vec![]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", vec![]),
    ] {
        let (_, told) = probed_with_clock(&format!("http://{}", answers(answer).await)).await;
        assert_eq!(told, ahead, "{answer}");
    }
}
