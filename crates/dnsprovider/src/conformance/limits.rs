//! Whether a provider lets through what its limits say.

use futures::future::join_all;

use super::bench::{Bench, Outcome, full};
use super::report::Report;
use crate::error::{DnsError, ErrorClass};
use crate::layer::{Limits, Metrics, MetricsState};
use crate::operation::OperationKind;
use crate::record::RecordSet;

pub(super) async fn run(bench: &Bench, limits: Option<&Limits>, metrics: &Metrics, report: &mut Report) {
    for (kind, name) in [
        (OperationKind::ListZones, "no list of zones is throttled within the limits"),
        (OperationKind::List, "no list is throttled within the limits"),
        (OperationKind::Get, "no read is throttled within the limits"),
        (OperationKind::Create, "no creation is throttled within the limits"),
        (OperationKind::Update, "no update is throttled within the limits"),
        (OperationKind::Delete, "no deletion is throttled within the limits"),
    ] {
        match limits.map(|limits| limits.get(kind)) {
            None => report.skip(name, "nobody has said what its limits are"),
            Some(None) => report.skip(name, "it has no such limit"),
            Some(Some(limit)) => {
                let requests = limit.requests as usize + limit.requests as usize / 2 + 1;
                report.note(name, exceed(bench, kind, requests).await);
            }
        }
    }
    if limits.is_some() {
        let throttled = |state: &MetricsState| state.outcome == Some(ErrorClass::Throttled);
        let throttled: u64 = metrics.state().iter().filter(|state| throttled(state)).map(|state| state.requests).sum();
        let outcome = if throttled == 0 { Ok(()) } else { Err(format!("{throttled} requests were throttled")) };
        report.note("nothing at all is throttled within the limits", outcome);
    }
}

/// Sends `requests` of `kind` at once; sets that they need are made before.
async fn exceed(b: &Bench, kind: OperationKind, requests: usize) -> Outcome {
    let sets = |n| (0..requests).map(move |i| b.a(&format!("limit-{i}"), n));
    let fresh: Vec<RecordSet> = sets(1).collect::<Result<_, _>>()?;
    match kind {
        OperationKind::Create => {
            all(fresh.iter().map(|set| b.create(set))).await?;
            b.clean().await
        }
        OperationKind::Update => {
            let read = all(fresh.iter().map(|set| b.create(set))).await?;
            let changed: Vec<RecordSet> = sets(2).collect::<Result<_, _>>()?;
            all(read.iter().zip(&changed).map(|(read, set)| b.update(read, set))).await?;
            b.clean().await
        }
        OperationKind::Delete => {
            let read = all(fresh.iter().map(|set| b.create(set))).await?;
            all(read.iter().map(|set| b.delete(set))).await.map(drop)
        }
        OperationKind::Get => all(fresh.iter().map(|set| b.get(&set.key))).await.map(drop),
        OperationKind::List => {
            let list = |_| async {
                let page = b.provider.list_record_sets(&b.zone.id, None, None).await;
                page.map_err(|error: DnsError| full(&error))
            };
            all((0..requests).map(list)).await.map(drop)
        }
        OperationKind::ListZones => {
            let list = |_| async { b.provider.list_zones(None).await.map_err(|error| full(&error)) };
            all((0..requests).map(list)).await.map(drop)
        }
    }
}

async fn all<T>(work: impl Iterator<Item = impl Future<Output = Result<T, String>>>) -> Result<Vec<T>, String> {
    join_all(work).await.into_iter().collect()
}
