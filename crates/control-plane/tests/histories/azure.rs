//! Azure in this process, and the way to it: requests take their time and arrive whoever still waits for the answer.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::poll;
use http::Request;
use hyper::body::Bytes;
use kfed_azure_emulator::{
    AzureEmulator, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Fault, FaultRule, Faults, Limits, Operation,
};
use kfed_control_plane::Clock;
use kfed_dnsprovider::{DnsProvider, TxtNames};
use kfed_dnsprovider_azure::transport::{HttpService, http_service, in_process};
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, PUBLIC};
use tower::ServiceExt;

use crate::draw::Draw;
use crate::history::{ServiceSpec, ZoneFault};
use crate::support::ZONE;
use crate::watch::Watch;

const WRITES: [Operation; 2] = [Operation::RecordSetWrite, Operation::RecordSetDelete];

/// The way to Azure.
pub(crate) struct Way {
    draw: Draw,
    /// What a request takes to arrive, beside what it always does.
    pub(crate) slow: Duration,
    /// How many writes there are before the one that its sender does not survive: it is carried out.
    pub(crate) fatal: Option<usize>,
    /// Tells of that one.
    pub(crate) died: Arc<tokio::sync::Notify>,
}

pub(crate) fn emulator(seed: u64) -> AzureEmulator {
    let emulator = AzureEmulator::builder().seed(seed).client("kfed", "secret").zone("dns", ZONE);
    emulator.limits(Limits::documented()).build()
}

/// The provider as the binary makes it, layers and budget included. Whatever arrives is watched.
pub(crate) fn provider(watch: &Arc<Mutex<Watch>>, way: &Arc<Mutex<Way>>, clock: Clock) -> DnsProvider {
    let text = format!(
        "[Global]\nsubscription-id = {DEFAULT_SUBSCRIPTION}\ntenant-id = {DEFAULT_TENANT}\nclient-id = kfed\nsecret = secret\nresourceGroup = dns\n"
    );
    let (config, _) = AzureConfig::parse(&text, Path::new("dns.conf")).unwrap();
    let (emulator, marks) = {
        let watch = watch.lock().unwrap();
        (watch.emulator.clone(), watch.history.marks)
    };
    let azure = AzureDns::over(&PUBLIC, &config, transport(in_process(emulator), watch, way), clock).into_provider();
    // The registry neither writes metadata nor reads any.
    if marks { azure.without_metadata().with_txt_registry(TxtNames::default()) } else { azure }
}

fn transport(azure: HttpService, watch: &Arc<Mutex<Watch>>, way: &Arc<Mutex<Way>>) -> HttpService {
    let (watch, way) = (watch.clone(), way.clone());
    http_service(tower::service_fn(move |request: Request<Bytes>| {
        let (azure, watch) = (azure.clone(), watch.clone());
        let writes = matches!(*request.method(), http::Method::PUT | http::Method::DELETE);
        let (takes, died) = way.lock().unwrap().takes(writes);
        let arrives = tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            let mut answer = std::pin::pin!(azure.oneshot(request));
            let first = poll!(&mut answer);
            if writes {
                watch.lock().unwrap().look_at_zone();
            }
            if let Some(died) = died {
                died.notify_one();
                std::future::pending::<()>().await;
            }
            match first {
                std::task::Poll::Ready(answer) => answer,
                std::task::Poll::Pending => answer.await,
            }
        });
        async move { arrives.await.expect("a request is not cancelled") }
    }))
}

/// What goes wrong at Azure.
pub(crate) fn faults(fault: ZoneFault, services: &[ServiceSpec]) -> Faults {
    let rule = |fault, operations: &[Operation]| FaultRule {
        fault,
        operations: operations.to_vec(),
        path_contains: None,
        count: None,
        chance: 1.0,
    };
    let share = |percent: u8| f64::from(percent) / 100.0;
    let rules = match fault {
        ZoneFault::Throttles { percent, retry_after } => {
            vec![FaultRule { chance: share(percent), ..rule(Fault::Throttle { retry_after }, &WRITES) }]
        }
        ZoneFault::LosesAnswers { percent } => {
            vec![FaultRule { chance: share(percent), ..rule(Fault::LoseAnswer, &WRITES) }]
        }
        ZoneFault::Away => vec![rule(Fault::ServiceUnavailable, &[])],
        ZoneFault::Hangs { afterwards: true } => vec![rule(Fault::HangAfterwards, &WRITES)],
        ZoneFault::Hangs { afterwards: false } => vec![rule(Fault::Hang, &[])],
        ZoneFault::Forbids(service) => {
            let service = &services[service];
            let names = format!("/{}.{}.", service.name, service.namespace);
            vec![FaultRule { path_contains: Some(names), ..rule(Fault::Forbidden, &WRITES) }]
        }
        ZoneFault::Slow(_) => Vec::new(),
    };
    let mut faults = Faults::none();
    faults.rules = rules;
    faults
}

// === impl Way ===

impl Way {
    pub(crate) fn new(seed: u64) -> Self {
        Self { draw: Draw::new(seed), slow: Duration::ZERO, fatal: None, died: Arc::default() }
    }

    /// How long the next request takes to arrive, and whom to tell if its sender does not live to see the answer.
    fn takes(&mut self, writes: bool) -> (Duration, Option<Arc<tokio::sync::Notify>>) {
        let takes = self.draw.time(Duration::from_millis(5)..=Duration::from_millis(80)) + self.slow;
        let mut died = None;
        if writes && let Some(left) = &mut self.fatal {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => died = Some(self.died.clone()),
            }
        }
        if died.is_some() {
            self.fatal = None;
        }
        (takes, died)
    }
}
