use futures::FutureExt;

use super::*;
use crate::error::ErrorClass;
use crate::operation::Precondition;
use crate::provider::DnsProvider;
use crate::record::Etag;
use crate::testing::{bare, key, ours, zone_id};

fn memory() -> (MemoryProvider, DnsProvider) {
    let memory = MemoryProvider::with_zone("example.com".parse().unwrap());
    (memory.clone(), DnsProvider::new(memory))
}

#[tokio::test]
async fn every_write_gives_a_new_version_and_needs_the_one_that_was_read() {
    let (_, provider) = memory();
    let zone = zone_id();
    let first = provider.put(&zone, ours("A", "web", &["192.0.2.1"]), Precondition::Absent).await.unwrap();
    let etag = first.etag.clone().unwrap();
    let second =
        provider.put(&zone, ours("A", "web", &["192.0.2.2"]), Precondition::Unchanged(etag.clone())).await.unwrap();
    assert_ne!(second.etag, first.etag);

    let late = provider.put(&zone, ours("A", "web", &["192.0.2.3"]), Precondition::Unchanged(etag.clone())).await;
    assert_eq!(late.unwrap_err().class, ErrorClass::Conflict);
    assert_eq!(provider.delete(&zone, &first.key, etag).await.unwrap_err().class, ErrorClass::Conflict);
    assert_eq!(provider.get(&zone, &first.key).await.unwrap(), Some(second));
}

#[tokio::test]
async fn pages_follow_each_other_and_a_bad_one_is_refused() {
    let (memory, provider) = memory();
    let zone = zone_id();
    let memory = memory.page_size(3);
    for n in 0..7 {
        memory.insert(&zone, bare("A", &format!("n{n}"), &["192.0.2.1"]));
    }
    assert_eq!(provider.snapshot(&zone).await.unwrap().len(), 7);
    assert_eq!(memory.requests(OperationKind::List), 3);
    let error = provider.list_record_sets(&zone, None, Some("nonsense".into())).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
}

#[tokio::test]
async fn an_error_on_any_page_is_an_error() {
    let (memory, provider) = memory();
    let memory = memory.page_size(1);
    memory.insert(&zone_id(), bare("A", "a", &["192.0.2.1"]));
    memory.insert(&zone_id(), bare("A", "b", &["192.0.2.1"]));
    memory.on_request(|call| {
        (call.number == 2).then(|| Fault::Fail(DnsError::new(ErrorClass::Unavailable, call.operation, "down")))
    });
    assert_eq!(provider.snapshot(&zone_id()).await.unwrap_err().class, ErrorClass::Unavailable);
}

#[tokio::test]
async fn a_lost_answer_is_a_write_that_happened() {
    let (memory, provider) = memory();
    memory.on_request(|call| (call.number == 1).then_some(Fault::LoseAnswer));
    let lost = provider.put(&zone_id(), ours("A", "web", &["192.0.2.1"]), Precondition::Absent).await;
    assert_eq!(lost.unwrap_err().class, ErrorClass::Unknown);
    assert!(provider.get(&zone_id(), &key("A", "web")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_hanging_request_does_nothing() {
    let (memory, provider) = memory();
    memory.on_request(|_| Some(Fault::Hang));
    let zone = zone_id();
    let put = provider.put(&zone, ours("A", "web", &["192.0.2.1"]), Precondition::Absent);
    assert!(put.now_or_never().is_none());
    assert!(memory.contents(&zone_id()).is_empty());
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let (_, provider) = memory();
    let outside = RecordSet {
        key: RecordSetKey::new("www.example.org".parse().unwrap(), crate::RecordType::A),
        ..ours("A", "web", &["192.0.2.1"])
    };
    let misfit = RecordSet { key: key("AAAA", "web"), ..ours("A", "web", &["192.0.2.1"]) };
    let two = ours("CNAME", "web", &["a.example.com", "b.example.com"]);
    let endless = RecordSet { ttl: u32::MAX, ..ours("A", "web", &["192.0.2.1"]) };
    for set in [outside, misfit, two, endless, ours("A", "web", &[])] {
        let error = provider.put(&zone_id(), set.clone(), Precondition::Absent).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Invalid, "{set:?}");
    }
    let nowhere = ZoneId("nowhere".into());
    assert_eq!(provider.snapshot(&nowhere).await.unwrap_err().class, ErrorClass::NotFound);
}

#[tokio::test]
async fn a_zone_is_found_by_its_name_only() {
    let (_, provider) = memory();
    assert_eq!(provider.find_zone(&"Example.COM.".parse().unwrap()).await.unwrap().id, zone_id());
    let error = provider.find_zone(&"example.org".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
    assert!(error.to_string().contains("there are: example.com"), "{error}");

    let twins = ["rg1", "rg2"].map(|group| Zone {
        id: ZoneId(format!("{group}/example.com")),
        name: "example.com".parse().unwrap(),
        private: false,
        loopback: true,
    });
    let error = DnsProvider::new(MemoryProvider::new(twins)).find_zone(&"example.com".parse().unwrap()).await;
    let error = error.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.to_string().contains("rg1/example.com, rg2/example.com"), "{error}");
    let none = DnsProvider::new(MemoryProvider::new([])).find_zone(&"example.com".parse().unwrap()).await;
    assert!(none.unwrap_err().to_string().contains("no zone can be seen"));
}

#[test]
fn a_set_that_somebody_else_put_there_has_a_version() {
    let (memory, _) = memory();
    let set = memory.insert(&zone_id(), bare("A", "web", &["192.0.2.1"]));
    assert_eq!(set.etag, Some(Etag("v1".into())));
    assert_eq!(memory.remove(&zone_id(), &set.key), Some(set));
}
