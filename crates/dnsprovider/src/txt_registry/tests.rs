//! The registry over a zone in memory that keeps no metadata.

mod crash;
mod reads;
mod suite;

use super::*;
use crate::memory::MemoryProvider;
use crate::plan::{ChangeSet, Desired, Policy, plan};
use crate::provider::DnsProvider;
use crate::record::{RecordData, RecordSet};
use crate::testing::{bare, key, owner, zone_id};
use crate::zone::ZoneSnapshot;

fn memory() -> MemoryProvider {
    MemoryProvider::with_zone("example.com".parse().unwrap()).without_metadata()
}

fn registry(memory: &MemoryProvider) -> DnsProvider {
    memory.provider().with_txt_registry(TxtNames::default())
}

/// What is seen through the registry of `memory`.
async fn seen(memory: &MemoryProvider) -> ZoneSnapshot {
    registry(memory).snapshot(&zone_id()).await.unwrap()
}

/// The keys of all that is in the zone, as servers answer it.
fn held(memory: &MemoryProvider) -> Vec<String> {
    memory.contents(&zone_id()).iter().map(|set| set.key.to_string().replace(".example.com.", "")).collect()
}

/// Plans and applies until nothing is to do, as a control plane that has just started does.
async fn settle(memory: &MemoryProvider, wish: &Desired) -> ChangeSet {
    for _ in 0..5 {
        let mut snapshot = seen(memory).await;
        let changes = plan(&snapshot, wish, &owner(), &Policy::default());
        if changes.is_empty() {
            return changes;
        }
        crate::apply::apply(&registry(memory), &zone_id(), &changes, &mut snapshot).await;
    }
    panic!("it does not come to rest: {:?}", held(memory));
}

/// The text of the mark at `name`.
fn text(memory: &MemoryProvider, name: &str) -> String {
    let mark = memory.contents(&zone_id()).get(&key("TXT", name)).cloned().unwrap();
    let [RecordData::Txt(strings)] = &mark.data[..] else { panic!("{mark:?}") };
    strings.concat()
}

/// A set as somebody puts it there by hand.
fn by_hand(memory: &MemoryProvider, set: RecordSet) -> RecordSet {
    memory.insert(&zone_id(), set)
}

fn entry(name: &str) -> RecordSet {
    bare("TXT", name, &["heritage=external-dns,external-dns/owner=other,external-dns/resource=service/a/b"])
}
