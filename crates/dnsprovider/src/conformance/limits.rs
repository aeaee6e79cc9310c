//! Whether a provider lets through what its limits say.

use futures::future::join_all;

use super::checks::{a, create, update};
use super::{Bench, Check, Report, full};
use crate::error::{DnsError, ErrorClass};
use crate::layer::{Budget, Limits, Metrics};
use crate::operation::OperationKind;
use crate::provider::DnsProvider;
use crate::record::RecordSet;
use crate::zone::ZoneId;

pub(super) async fn run(provider: DnsProvider, zone: ZoneId, limits: &Limits) -> Report {
    let metrics = Metrics::default();
    let provider = provider.layer(&metrics.layer()).layer(&Budget::new(limits.clone()).layer());
    let bench = match Bench::new(provider, zone).await {
        Ok(bench) => bench,
        Err(failure) => return Report::failed(failure),
    };
    let mut checks = Vec::new();
    for (kind, name) in [
        (OperationKind::List, "no list is throttled within the limits"),
        (OperationKind::Get, "no read is throttled within the limits"),
        (OperationKind::Create, "no creation is throttled within the limits"),
        (OperationKind::Update, "no update is throttled within the limits"),
        (OperationKind::Delete, "no deletion is throttled within the limits"),
    ] {
        let Some(limit) = limits.get(kind) else { continue };
        let requests = limit.requests as usize + limit.requests as usize / 2 + 1;
        checks.push(Check { name, failure: exceed(&bench, kind, requests).await.err() });
    }
    checks.push(Check { name: "what was written can be removed", failure: bench.clean().await.err() });
    let throttled = |state: &crate::layer::MetricsState| state.outcome == Some(ErrorClass::Throttled);
    let throttled: u64 = metrics.state().iter().filter(|state| throttled(state)).map(|state| state.requests).sum();
    let failure = (throttled > 0).then(|| format!("{throttled} requests were throttled"));
    checks.push(Check { name: "nothing at all is throttled within the limits", failure });
    Report { checks }
}

/// Sends `requests` of `kind` at once; sets that they need are made before.
async fn exceed(b: &Bench, kind: OperationKind, requests: usize) -> Result<(), String> {
    let sets = |n| (0..requests).map(move |i| a(b, &format!("limit-{i}"), n));
    let fresh: Vec<RecordSet> = sets(1).collect::<Result<_, _>>()?;
    match kind {
        OperationKind::Create => {
            all(fresh.iter().map(|set| create(b, set))).await?;
            b.clean().await
        }
        OperationKind::Update => {
            let read = all(fresh.iter().map(|set| create(b, set))).await?;
            let changed: Vec<RecordSet> = sets(2).collect::<Result<_, _>>()?;
            all(read.iter().zip(&changed).map(|(read, set)| update(b, read, set))).await?;
            b.clean().await
        }
        OperationKind::Delete => {
            let read = all(fresh.iter().map(|set| create(b, set))).await?;
            all(read.iter().map(|set| b.delete(set))).await.map(drop)
        }
        OperationKind::Get => all(fresh.iter().map(|set| b.get(&set.key))).await.map(drop),
        OperationKind::List | OperationKind::ListZones => {
            let list = |_| async {
                let page = b.provider.list_record_sets(&b.zone.id, None).await;
                page.map_err(|error: DnsError| full(&error))
            };
            all((0..requests).map(list)).await.map(drop)
        }
    }
}

async fn all<T>(work: impl Iterator<Item = impl Future<Output = Result<T, String>>>) -> Result<Vec<T>, String> {
    join_all(work).await.into_iter().collect()
}
