//! Asking the system from outside: over DNS, over HTTP, again and again until a deadline.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_net::client::{Client, ClientHandle};
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::udp::UdpClientStream;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use tokio::time::{Instant, sleep, timeout};

use super::report::{Reporter, Unmet};

/// From one look to the next.
const POLL: Duration = Duration::from_millis(100);
/// The longest that one look may take: whoever is asked may be dead.
const LOOK: Duration = Duration::from_secs(3);

/// Looks until `check` sees what is expected, and says what was seen last if that does not come `within` a time.
pub(super) async fn eventually<T>(
    reporter: &Reporter,
    expected: &str,
    within: Duration,
    mut check: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Unmet> {
    let start = Instant::now();
    loop {
        let seen = match timeout(LOOK, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => seen,
            Err(_) => format!("no answer within {} s", LOOK.as_secs()),
        };
        if start.elapsed() >= within {
            let seen = format!("{seen} (after {:.0} s)", start.elapsed().as_secs_f64());
            return Err(Unmet { expected: expected.to_owned(), seen });
        }
        reporter.waiting(expected, &seen, start.elapsed());
        sleep(POLL).await;
    }
}

/// Asks one DNS server, over UDP, without any cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver {
    pub(super) server: SocketAddr,
}

// === impl Resolver ===

impl Resolver {
    /// The addresses of `name`; none where there is no such name, or it has none.
    pub(super) async fn addresses(self, name: &str) -> Result<BTreeSet<IpAddr>, String> {
        let mut addresses = BTreeSet::new();
        for record_type in [RecordType::A, RecordType::AAAA] {
            for data in self.ask(name, record_type).await? {
                match data {
                    RData::A(address) => drop(addresses.insert(IpAddr::V4(address.0))),
                    RData::AAAA(address) => drop(addresses.insert(IpAddr::V6(address.0))),
                    _ => {}
                }
            }
        }
        Ok(addresses)
    }

    /// What the server answers for `name`.
    pub(super) async fn ask(self, name: &str, record_type: RecordType) -> Result<Vec<RData>, String> {
        let fqdn = Name::from_ascii(format!("{name}.")).map_err(|error| format!("{name}: {error}"))?;
        let stream = UdpClientStream::builder(self.server, TokioRuntimeProvider::default()).build();
        let (mut client, exchange) = Client::<TokioRuntimeProvider>::from_sender(stream);
        let exchange = tokio::spawn(exchange);
        let answer = client.query(fqdn, DNSClass::IN, record_type).await;
        exchange.abort();
        let answer = answer.map_err(|error| format!("{name} {record_type}: {error}"))?;
        match answer.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {
                Ok(answer.answers.iter().map(|record| record.data.clone()).collect())
            }
            code => Err(format!("{name} {record_type}: the DNS front answers {code}")),
        }
    }
}

/// What `http://name:port/` answers when `name` leads to `address`.
pub(super) async fn http_get(name: &str, port: u16, address: IpAddr) -> Result<String, String> {
    let target = SocketAddr::new(address, port);
    let failed = |error: reqwest::Error| format!("http://{name}:{port}/ at {address}: {}", chain(&error));
    let client = reqwest::Client::builder().no_proxy().resolve(name, target).timeout(LOOK).build().map_err(failed)?;
    let response = client.get(format!("http://{name}:{port}/")).send().await.map_err(failed)?;
    let status = response.status();
    let body = response.text().await.map_err(failed)?;
    if status.is_success() {
        Ok(body)
    } else {
        Err(format!("http://{name}:{port}/ at {address}: {status} {}", body.trim()))
    }
}

/// An error with all its causes, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = words(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = words(cause);
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// An API's own words, without the structure that they came in.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => format!("{} ({} {})", status.message, status.code, status.reason),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Format;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_told_with_what_was_seen_last() {
        let mut looks = 0;
        let reporter = Reporter::new(Format::Json);
        let check = async || -> Result<(), String> {
            looks += 1;
            Err(format!("look {looks}"))
        };
        let unmet = eventually(&reporter, "a miracle", Duration::from_secs(1), check).await.unwrap_err();
        assert_eq!(unmet, Unmet { expected: "a miracle".into(), seen: "look 11 (after 1 s)".into() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_given_up() {
        let reporter = Reporter::new(Format::Json);
        let check = async || std::future::pending::<Result<(), String>>().await;
        let unmet = eventually(&reporter, "an answer", Duration::from_secs(1), check).await.unwrap_err();
        assert!(unmet.seen.starts_with("no answer within 3 s"), "{}", unmet.seen);
    }
}
