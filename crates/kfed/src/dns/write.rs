//! Writing to a zone on somebody's word.

use std::collections::BTreeSet;

use kfed_dnsprovider::{Applied, ChangeSet, ZoneCache};

use crate::error::Error;

/// Makes `changes` and tells what was not taken. Whether the zone was another than the plan thought: what was not written is to be
/// planned again.
pub(super) async fn write(cache: &mut ZoneCache, changes: &ChangeSet) -> Result<Applied, Error> {
    let applied = cache.apply(changes).await;
    let stale = |error: &kfed_dnsprovider::DnsError| {
        matches!(error.class, kfed_dnsprovider::ErrorClass::Conflict | kfed_dnsprovider::ErrorClass::Unknown)
    };
    let refused: Vec<_> = applied.failed.iter().filter(|(_, error)| !stale(error)).collect();
    if let Some((_, first)) = refused.first() {
        let more: BTreeSet<_> = refused.iter().skip(1).map(|(key, _)| key).chain(&applied.skipped).collect();
        return Err(Error::NotWritten { done: applied.done, first: first.to_string(), more: more.len() });
    }
    Ok(applied)
}
