//! The provider against the emulator, in this process and without a socket.

use std::collections::BTreeMap;
use std::path::Path;

use futures::future::join_all;
use kfed_azure_emulator::{
    AzureEmulator, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Fault, Faults, Limits, Operation, RecordType as EmulatedType,
};
use kfed_dnsprovider::{DnsProvider, ErrorClass, Etag, Precondition, RecordData, RecordSet, RecordType, ZoneId};
use kfed_dnsprovider_azure::transport::in_process;
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, PRIVATE, PUBLIC, ZoneFlavour};

use crate::support::{Hands, SECRET, key, name};

pub(crate) const ZONE: &str = "xtophs.com";

pub(crate) fn emulator() -> AzureEmulator {
    AzureEmulator::builder()
        .client("my-client", SECRET)
        .zone("fed-dns-rg", ZONE)
        .private_zone("fed-dns-rg", "corp.example")
        .build()
}

pub(crate) fn services(flavour: &'static ZoneFlavour, emulator: &AzureEmulator, secret: &str) -> AzureDns {
    let text = format!(
        "[Global]\nsubscription-id = {DEFAULT_SUBSCRIPTION}\ntenant-id = {DEFAULT_TENANT}\nclient-id = my-client\nsecret = {secret}\nresourceGroup = fed-dns-rg\nresource-manager-endpoint = https://localhost:8443\nauthority-host = https://localhost:8443\n"
    );
    let (config, _) = AzureConfig::parse(&text, Path::new("dns.conf")).unwrap();
    AzureDns::over(flavour, &config, in_process(emulator.clone()), Hands::default().clock())
}

/// The services alone, without layers: what Azure says is what is seen.
pub(crate) fn provider(flavour: &'static ZoneFlavour, emulator: &AzureEmulator, secret: &str) -> DnsProvider {
    DnsProvider::new(services(flavour, emulator, secret))
}

pub(crate) async fn azure(emulator: &AzureEmulator) -> (DnsProvider, ZoneId) {
    let provider = provider(&PUBLIC, emulator, SECRET);
    let zone = provider.find_zone(&name(ZONE)).await.unwrap();
    (provider, zone.id)
}

pub(crate) fn set(relative: &str, record_type: RecordType, data: impl IntoIterator<Item = RecordData>) -> RecordSet {
    RecordSet {
        key: key(&format!("{relative}.{ZONE}"), record_type),
        ttl: 30,
        data: data.into_iter().collect(),
        metadata: [("kfed-owner", "myfederation")].into(),
        etag: None,
        alias: false,
        unknown_properties: false,
    }
}

pub(crate) fn address(last: u8) -> RecordData {
    RecordData::A([127, 7, 0, last].into())
}

pub(crate) fn unchanged(set: &RecordSet) -> Precondition {
    Precondition::Unchanged(set.etag.clone().unwrap())
}

#[tokio::test]
async fn every_type_that_is_written_is_read_back() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    let sets = [
        set("a", RecordType::A, [address(1), address(2)]),
        set("*.a", RecordType::A, [address(3)]),
        set("aaaa", RecordType::Aaaa, [RecordData::Aaaa("2001:db8::7".parse().unwrap())]),
        set("cname", RecordType::Cname, [RecordData::Cname(name("a.xtophs.com"))]),
        set("txt", RecordType::Txt, [RecordData::Txt(vec!["heritage=kfed".into(), "two \"words\"".into()])]),
    ];
    for wanted in sets {
        let made = azure.put(&zone, wanted.clone(), Precondition::Absent).await.unwrap();
        assert_eq!(RecordSet { etag: None, ..made.clone() }, wanted);
        assert_eq!(azure.get(&zone, &wanted.key).await.unwrap(), Some(made));
    }
    // With the NS and SOA that every zone has.
    assert_eq!(azure.snapshot(&zone).await.unwrap().len(), 7);
}

#[tokio::test]
async fn writes_happen_only_to_what_was_read() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    let first = azure.put(&zone, set("www", RecordType::A, [address(1)]), Precondition::Absent).await.unwrap();
    let error = azure.put(&zone, set("www", RecordType::A, [address(9)]), Precondition::Absent).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict, "{error}");

    let second = azure.put(&zone, set("www", RecordType::A, [address(2)]), unchanged(&first)).await.unwrap();
    assert_ne!(second.etag, first.etag);
    let error = azure.put(&zone, set("www", RecordType::A, [address(3)]), unchanged(&first)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict, "{error}");
    let error = azure.delete(&zone, &first.key, first.etag.clone().unwrap()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict, "{error}");
    assert_eq!(emulator.record_set(ZONE, "www", EmulatedType::A).unwrap().data, ["127.7.0.2"]);

    azure.delete(&zone, &second.key, second.etag.clone().unwrap()).await.unwrap();
    assert_eq!(azure.get(&zone, &second.key).await.unwrap(), None);
    azure.delete(&zone, &second.key, second.etag.clone().unwrap()).await.unwrap();
    let error = azure.put(&zone, set("www", RecordType::A, [address(3)]), unchanged(&second)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict, "what was read is gone: {error}");
}

#[tokio::test]
async fn a_cname_beside_another_type_will_never_fit() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    azure.put(&zone, set("www", RecordType::A, [address(1)]), Precondition::Absent).await.unwrap();
    let cname = set("www", RecordType::Cname, [RecordData::Cname(name("other.example"))]);
    let error = azure.put(&zone, cname, Precondition::Absent).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid, "{error}");
}

#[tokio::test]
async fn zones_that_are_not_there_are_not_found() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    let error = azure.find_zone(&name("example.com")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
    assert!(error.to_string().contains("there are: xtophs.com"), "{error}");
    let elsewhere = ZoneId(zone.0.replace(ZONE, "example.com"));
    let key = key("www.example.com", RecordType::A);
    assert_eq!(azure.snapshot(&elsewhere).await.unwrap_err().class, ErrorClass::NotFound);
    assert_eq!(azure.get(&elsewhere, &key).await.unwrap_err().class, ErrorClass::NotFound);
    assert_eq!(azure.delete(&elsewhere, &key, Etag("e".into())).await.unwrap_err().class, ErrorClass::NotFound);
}

#[tokio::test]
async fn a_large_zone_is_read_a_thousand_sets_at_a_time() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    for n in 0..1500 {
        emulator.put_record_set(ZONE, &format!("n{n}"), EmulatedType::A, 30, &["127.7.0.1"], BTreeMap::new()).unwrap();
    }
    emulator.take_requests();
    assert_eq!(azure.snapshot(&zone).await.unwrap().len(), 1502);
    assert_eq!(emulator.requests().by("GET", Operation::RecordSetList), 2);
}

#[tokio::test]
async fn each_fault_has_its_class() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    for (fault, class, happened) in [
        (Fault::Throttle { retry_after: 10 }, ErrorClass::Throttled, false),
        (Fault::ServiceUnavailable, ErrorClass::Unknown, false),
        (Fault::PreconditionFailed, ErrorClass::Conflict, false),
        (Fault::OperationPending, ErrorClass::Conflict, false),
        (Fault::LoseAnswer, ErrorClass::Unknown, true),
    ] {
        emulator.set_faults(Faults::next(1, Operation::RecordSetWrite, fault));
        let error = azure.put(&zone, set("www", RecordType::A, [address(1)]), Precondition::Absent).await.unwrap_err();
        assert_eq!(error.class, class, "{fault:?}: {error}");
        assert_eq!(emulator.record_set(ZONE, "www", EmulatedType::A).is_some(), happened, "{fault:?}");
    }
    for (fault, class) in
        [(Fault::ServiceUnavailable, ErrorClass::Unavailable), (Fault::LoseAnswer, ErrorClass::Unavailable)]
    {
        emulator.set_faults(Faults::next(1, Operation::RecordSetList, fault));
        assert_eq!(azure.snapshot(&zone).await.unwrap_err().class, class, "{fault:?}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_in_entras_words() {
    let emulator = emulator();
    let error = provider(&PUBLIC, &emulator, "wr0ng~secret").find_zone(&name(ZONE)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unauthenticated);
    assert!(error.to_string().contains("AADSTS7000215"), "{error}");
    assert!(!format!("{error:?}").contains("wr0ng~secret"));
}

#[tokio::test]
async fn a_private_zone_is_written_and_read_alike() {
    let emulator = emulator();
    let azure = provider(&PRIVATE, &emulator, SECRET);
    let zone = azure.find_zone(&name("corp.example")).await.unwrap();
    assert!(zone.private && zone.loopback);
    let wanted = RecordSet { key: key("www.corp.example", RecordType::A), ..set("www", RecordType::A, [address(1)]) };
    let made = azure.put(&zone.id, wanted, Precondition::Absent).await.unwrap();
    let snapshot = azure.snapshot(&zone.id).await.unwrap();
    assert_eq!(snapshot.get(&made.key), Some(&made));
    assert_eq!(snapshot.len(), 2, "and the SOA");
    azure.delete(&zone.id, &made.key, made.etag.clone().unwrap()).await.unwrap();
    assert!(!provider(&PUBLIC, &emulator, SECRET).find_zone(&name(ZONE)).await.unwrap().private);
}

/// In virtual time: the emulator has no sockets here.
#[tokio::test(start_paused = true)]
async fn a_crowd_of_writes_keeps_to_the_documented_limits() {
    for (flavour, zone, minutes) in [(&PUBLIC, ZONE, 2), (&PRIVATE, "corp.example", 8)] {
        let emulator = AzureEmulator::builder()
            .client("my-client", SECRET)
            .zone("fed-dns-rg", ZONE)
            .private_zone("fed-dns-rg", "corp.example")
            .limits(Limits::documented())
            .build();
        let azure = services(flavour, &emulator, SECRET).into_provider();
        let id = azure.find_zone(&name(zone)).await.unwrap().id;
        let started = tokio::time::Instant::now();
        let writes = (0..500).map(|n| {
            let wanted =
                RecordSet { key: key(&format!("n{n}.{zone}"), RecordType::A), ..set("n", RecordType::A, [address(1)]) };
            azure.put(&id, wanted, Precondition::Absent)
        });
        for answer in join_all(writes).await {
            answer.unwrap();
        }
        assert_eq!(started.elapsed().as_secs() / 60, minutes, "{}", flavour.provider);
        assert_eq!(emulator.requests().answered_with(429), 0, "{}", flavour.provider);
        assert_eq!(emulator.requests().count(Operation::RecordSetWrite), 500);
    }
}

/// The layers wait as long as Azure asks and try again what may be tried again.
#[tokio::test(start_paused = true)]
async fn throttling_is_waited_out_and_a_lost_write_is_not_repeated() {
    let emulator = emulator();
    let azure = services(&PUBLIC, &emulator, SECRET).into_provider();
    let zone = azure.find_zone(&name(ZONE)).await.unwrap().id;
    emulator.set_faults(Faults::next(1, Operation::RecordSetWrite, Fault::Throttle { retry_after: 10 }));
    let started = tokio::time::Instant::now();
    azure.put(&zone, set("www", RecordType::A, [address(1)]), Precondition::Absent).await.unwrap();
    assert!(started.elapsed().as_secs() >= 10);

    emulator.take_requests();
    for fault in [Fault::LoseAnswer, Fault::HangAfterwards, Fault::Hang] {
        emulator.set_faults(Faults::next(1, Operation::RecordSetWrite, fault));
        let wanted = set(&format!("{fault:?}"), RecordType::A, [address(1)]);
        let error = azure.put(&zone, wanted, Precondition::Absent).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unknown, "{fault:?}: {error}");
    }
    assert_eq!(emulator.requests().count(Operation::RecordSetWrite), 3);
}
