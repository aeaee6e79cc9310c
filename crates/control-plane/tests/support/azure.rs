//! Azure DNS in this process: the provider as the binary makes it, layers and budget included, with an emulator of the documented
//! limits in place of the network, and a note of every write.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kfed_azure_emulator::dns::lookup;
use kfed_azure_emulator::{AzureEmulator, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Limits, RecordType};
use kfed_control_plane::Clock;
use kfed_dnsprovider::DnsProvider;
use kfed_dnsprovider_azure::transport::{HttpService, http_service, in_process};
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, PUBLIC};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use super::ZONE;

/// Azure, as one federation sees it.
#[derive(Clone)]
pub(crate) struct Azure {
    pub(crate) emulator: AzureEmulator,
    writes: Arc<Mutex<Vec<Write>>>,
}

/// A request that has changed a record set, or was to.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) sent: Instant,
    /// The set's name, without a final dot.
    pub(crate) name: String,
    /// What was answered for the name before.
    pub(crate) before: BTreeSet<IpAddr>,
    pub(crate) after: BTreeSet<IpAddr>,
    pub(crate) status: u16,
}

impl Azure {
    pub(crate) fn new() -> Self {
        let emulator = AzureEmulator::builder().client("kfed", "secret").zone("dns", ZONE);
        Self { emulator: emulator.limits(Limits::documented()).build(), writes: Arc::default() }
    }

    /// The provider, whose requests take so long to arrive and be answered.
    pub(crate) fn provider(&self, clock: Clock, latency: Duration) -> DnsProvider {
        let text = format!(
            "[Global]\nsubscription-id = {DEFAULT_SUBSCRIPTION}\ntenant-id = {DEFAULT_TENANT}\nclient-id = kfed\nsecret = secret\nresourceGroup = dns\n"
        );
        let (config, _) = AzureConfig::parse(&text, Path::new("dns.conf")).unwrap();
        AzureDns::over(&PUBLIC, &config, self.transport(latency), clock).into_provider()
    }

    fn transport(&self, latency: Duration) -> HttpService {
        let (azure, server) = (self.clone(), in_process(self.emulator.clone()));
        http_service(tower::service_fn(move |request: http::Request<_>| {
            let (azure, server) = (azure.clone(), server.clone());
            async move {
                // Given up in the first half it never arrives, in the second half only its answer is lost.
                sleep(latency / 2).await;
                let read = request.method() == http::Method::GET || request.method() == http::Method::POST;
                let name = request.uri().path().rsplit('/').next().map(|name| format!("{name}.{ZONE}"));
                let written = name.filter(|_| !read).map(|name| (azure.answer(&name), name));
                let response = server.oneshot(request).await;
                if let (Some((before, name)), Ok(response)) = (written, &response) {
                    let (sent, after) = (Instant::now(), azure.answer(&name));
                    let write = Write { sent, name, before, after, status: response.status().as_u16() };
                    azure.writes.lock().unwrap().push(write);
                }
                sleep(latency / 2).await;
                response
            }
        }))
    }

    /// The A sets that a federation has made.
    pub(crate) fn names(&self) -> Vec<String> {
        let sets = self.emulator.record_sets(ZONE).into_iter().filter(|set| set.record_type == RecordType::A);
        sets.map(|set| format!("{}.{ZONE}", set.name)).collect()
    }

    /// What is answered for `name` as A.
    pub(crate) fn answer(&self, name: &str) -> BTreeSet<IpAddr> {
        lookup(&self.emulator, name, RecordType::A).addresses().into_iter().collect()
    }

    /// How many writes there have been.
    pub(crate) fn written(&self) -> usize {
        self.writes.lock().unwrap().len()
    }

    /// The writes, without the first so many.
    pub(crate) fn writes_after(&self, first: usize) -> Vec<Write> {
        self.writes.lock().unwrap()[first..].to_vec()
    }
}

impl Write {
    pub(crate) fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
