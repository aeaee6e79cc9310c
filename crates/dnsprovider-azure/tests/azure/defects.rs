//! What Federation v1's Azure backend did wrong, each defect with a test that fails if it returns. The README tells which test holds down
//! which; those that others of these files hold down already are not repeated here.

use std::collections::BTreeMap;

use kfed_azure_emulator::{
    AzureEmulator, DEFAULT_SUBSCRIPTION, Fault, Faults, Operation, RecordType as EmulatedType, dns,
};
use kfed_dnsprovider::{
    ConflictReason, Desired, DesiredRecordSet, DnsName, ErrorClass, Owner, Policy, Precondition, RecordData,
    RecordType, Resource, ZoneSnapshot, apply, plan,
};
use kfed_dnsprovider_azure::PUBLIC;

use crate::emulator::{ZONE, address, azure, emulator, provider, set, unchanged};
use crate::support::{SECRET, key, name, reply, scripted};

fn owner() -> Owner {
    Owner("myfederation".into())
}

/// `www` with these addresses, wanted by a service.
fn wanted(addresses: &[u8]) -> Desired {
    let data = addresses.iter().map(|last| (address(*last), ["fed-west".to_owned()].into())).collect();
    let key = key(&format!("www.{ZONE}"), RecordType::A);
    let set = DesiredRecordSet { key, ttl: 30, data, resource: Resource::service("default", "www") };
    Desired { sets: vec![set], ..Desired::default() }
}

fn put(emulator: &AzureEmulator, name: &str, record_type: EmulatedType, data: &[&str]) {
    emulator.put_record_set(ZONE, name, record_type, 300, data, BTreeMap::new()).unwrap();
}

/// Defects 1 and 7: an update was a deletion and a creation, with no answer between them and none at all if the creation failed.
#[tokio::test]
async fn an_existing_set_is_updated_in_one_request_and_answers_all_the_while() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    let mut snapshot = ZoneSnapshot::default();
    let changes = plan(&snapshot, &wanted(&[1, 2]), &owner(), &Policy::default());
    apply(&azure, &zone, &changes, &mut snapshot).await;

    emulator.take_requests();
    let changes = plan(&snapshot, &wanted(&[2, 3]), &owner(), &Policy::default());
    emulator.set_faults(Faults::next(1, Operation::RecordSetWrite, Fault::Throttle { retry_after: 1 }));
    let applied = apply(&azure, &zone, &changes, &mut snapshot).await;
    assert_eq!((applied.done, applied.failed.len()), (0, 1));
    let heard = || dns::lookup(&emulator, &format!("www.{ZONE}"), EmulatedType::A).addresses().len();
    assert_eq!(heard(), 2, "a write that failed has taken nothing away");

    emulator.take_requests();
    assert_eq!(apply(&azure, &zone, &changes, &mut snapshot).await.done, 1);
    assert_eq!((heard(), emulator.requests().to_arm()), (2, 1));
    assert_eq!(emulator.requests().by("PUT", Operation::RecordSetWrite), 1);
    assert_eq!(emulator.record_set(ZONE, "www", EmulatedType::A).unwrap().data, ["127.7.0.2", "127.7.0.3"]);
}

/// Defect 2: a failed list of zones was a nil dereference, and the controller manager's end.
#[tokio::test]
async fn a_failed_list_of_zones_is_an_error_and_the_next_one_works() {
    let emulator = emulator();
    let azure = provider(&PUBLIC, &emulator, SECRET);
    for operation in [Operation::ZoneGet, Operation::ZoneList] {
        emulator.set_faults(Faults::next(1, operation, Fault::ServiceUnavailable));
        let zone = (operation == Operation::ZoneGet).then(|| name(ZONE));
        let error = azure.list_zones(zone.clone()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unavailable, "{error}");
        assert_eq!(azure.list_zones(zone).await.unwrap().len(), 1);
    }
}

/// Defect 4: zones were sought in the whole subscription, their records in one resource group alone.
#[tokio::test]
async fn records_are_written_where_the_zones_identifier_says() {
    let emulator = AzureEmulator::builder()
        .client("my-client", SECRET)
        .zone("fed-dns-rg", ZONE)
        .zone("another-rg", ZONE)
        .zone("another-rg", "example.com")
        .build();
    let (azure, zone) = azure(&emulator).await;
    assert!(zone.0.contains("/resourceGroups/fed-dns-rg/"), "{}", zone.0);
    let elsewhere = kfed_dnsprovider::ZoneId(zone.0.replace("fed-dns-rg", "another-rg").replace(ZONE, "example.com"));
    let mut www = set("www", RecordType::A, [address(1)]);
    www.key = key("www.example.com", RecordType::A);
    azure.put(&elsewhere, www, Precondition::Absent).await.unwrap();
    assert!(emulator.record_set("example.com", "www", EmulatedType::A).is_some());
    assert!(
        zone.0.starts_with(&format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/")),
        "an identifier is more than a name"
    );
}

/// Defect 5: of more than 100 zones the rest was not seen.
#[tokio::test]
async fn the_two_hundred_and_fiftieth_zone_is_found() {
    let mut builder = AzureEmulator::builder().client("my-client", SECRET);
    for n in 0..250 {
        builder = builder.zone("fed-dns-rg", format!("z{n:03}.example"));
    }
    let emulator = builder.build();
    let azure = provider(&PUBLIC, &emulator, SECRET);
    assert_eq!(azure.list_zones(None).await.unwrap().len(), 250);
    assert_eq!(emulator.requests().count(Operation::ZoneList), 3);
    assert_eq!(azure.find_zone(&name("z249.example")).await.unwrap().name, name("z249.example"));
}

/// Defect 6: each look at one name listed the whole zone.
#[tokio::test]
async fn a_name_is_read_by_one_request_and_no_list() {
    let emulator = emulator();
    put(&emulator, "www", EmulatedType::A, &["127.7.0.1"]);
    let (azure, zone) = azure(&emulator).await;
    emulator.take_requests();
    assert!(azure.get(&zone, &key(&format!("www.{ZONE}"), RecordType::A)).await.unwrap().is_some());
    assert_eq!(azure.get(&zone, &key(&format!("none.{ZONE}"), RecordType::A)).await.unwrap(), None);
    assert_eq!(emulator.requests().by("GET", Operation::RecordSetGet), 2);
    assert_eq!(emulator.requests().to_arm(), 2);
}

/// Defect 8: a removal did not look at what it removed.
#[tokio::test]
async fn only_the_set_that_was_read_is_removed() {
    let emulator = emulator();
    put(&emulator, "www", EmulatedType::A, &["127.7.0.1"]);
    let (azure, zone) = azure(&emulator).await;
    let www = key(&format!("www.{ZONE}"), RecordType::A);
    let read = azure.get(&zone, &www).await.unwrap().unwrap();
    put(&emulator, "www", EmulatedType::A, &["127.7.0.9"]);
    let error = azure.delete(&zone, &www, read.etag.unwrap()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(emulator.record_set(ZONE, "www", EmulatedType::A).unwrap().data, ["127.7.0.9"]);
}

/// Defect 9: the zone's own name became an empty one.
#[tokio::test]
async fn the_zones_own_name_is_written_as_at() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    let mut apex = set("x", RecordType::A, [address(1)]);
    apex.key = key(ZONE, RecordType::A);
    let made = azure.put(&zone, apex.clone(), Precondition::Absent).await.unwrap();
    assert_eq!(emulator.record_set(ZONE, "@", EmulatedType::A).unwrap().data, ["127.7.0.1"]);
    assert_eq!(azure.snapshot(&zone).await.unwrap().get(&apex.key), Some(&made));
    azure.delete(&zone, &apex.key, made.etag.unwrap()).await.unwrap();
    assert_eq!(emulator.record_set(ZONE, "@", EmulatedType::A), None);
}

/// Defect 10: a name outside of the zone lost its last dot and was made inside.
#[tokio::test]
async fn a_name_outside_of_the_zone_is_never_made_inside_it() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    let before = (emulator.record_sets(ZONE), emulator.requests().total());
    for outside in ["www.example.com", "xxtophs.com", "www.xtophs.com.example.com", "com"] {
        let mut www = set("x", RecordType::A, [address(1)]);
        www.key = key(outside, RecordType::A);
        let error = azure.put(&zone, www, Precondition::Absent).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Invalid, "{outside}");
        assert!(error.to_string().contains("is not in zone xtophs.com."), "{error}");
    }
    assert_eq!((emulator.record_sets(ZONE), emulator.requests().total()), before);
}

/// Defect 11: sets of other types than A, AAAA and CNAME were read without data.
#[tokio::test]
async fn every_type_is_read_with_its_data_and_written() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    let texts = [
        (RecordType::A, "127.7.0.1"),
        (RecordType::Aaaa, "2001:db8::7"),
        (RecordType::Cname, "www.xtophs.com."),
        (RecordType::Txt, "\"one\" \"two\""),
        (RecordType::Srv, "10 5 5060 sip.xtophs.com."),
        (RecordType::Mx, "10 mail.xtophs.com."),
        (RecordType::Ptr, "www.xtophs.com."),
        (RecordType::Ns, "ns.elsewhere.example."),
        (RecordType::Caa, "0 issue \"ca.example.net\""),
    ];
    for (record_type, text) in texts {
        let datum = RecordData::parse(record_type, text).unwrap();
        let one = set(&format!("t-{record_type}"), record_type, [datum]);
        azure.put(&zone, one, Precondition::Absent).await.unwrap();
    }
    let snapshot = azure.snapshot(&zone).await.unwrap();
    assert_eq!(snapshot.len(), texts.len() + 2);
    assert!(snapshot.iter().all(|set| !set.data.is_empty()));
    for (record_type, text) in texts {
        let read = snapshot.get(&key(&format!("t-{record_type}.{ZONE}"), record_type)).unwrap();
        assert_eq!(read.data.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
    }
}

/// Defect 12: AAAA records that were there twice stayed so.
#[tokio::test]
async fn an_address_counts_once_however_it_is_written() {
    let answer = r#"{"value": [{"name": "www", "type": "Microsoft.Network/dnszones/AAAA", "etag": "e", "properties": {"TTL": 30,
        "AAAARecords": [{"ipv6Address": "2001:db8::7"}, {"ipv6Address": "2001:0DB8:0:0:0:0:0:7"}]}}]}"#;
    let http = scripted(move |request| async move {
        let token = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
        Ok(reply(200, if request.uri().path().ends_with("/token") { token } else { answer }))
    });
    let azure = kfed_dnsprovider_azure::AzureDns::over(
        &PUBLIC,
        &crate::support::config(""),
        http,
        crate::support::Hands::default().clock(),
    );
    let snapshot = kfed_dnsprovider::DnsProvider::new(azure).snapshot(&crate::support::zone()).await.unwrap();
    let read = snapshot.get(&key("www.example.com", RecordType::Aaaa)).unwrap();
    assert_eq!(read.data.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2001:db8::7"]);
}

/// Defect 15: its stand-in deleted all records of a zone with any of them, so that tests could not fail.
#[tokio::test]
async fn a_deletion_deletes_one_set() {
    let emulator = emulator();
    let (azure, zone) = azure(&emulator).await;
    let mut made = Vec::new();
    for (relative, record_type, datum) in [
        ("www", RecordType::A, address(1)),
        ("www", RecordType::Txt, RecordData::Txt(vec!["text".into()])),
        ("www.www", RecordType::A, address(2)),
        ("ww", RecordType::A, address(3)),
    ] {
        made.push(azure.put(&zone, set(relative, record_type, [datum]), Precondition::Absent).await.unwrap());
    }
    azure.delete(&zone, &made[0].key, made[0].etag.clone().unwrap()).await.unwrap();
    let snapshot = azure.snapshot(&zone).await.unwrap();
    assert_eq!(snapshot.get(&made[0].key), None);
    for kept in &made[1..] {
        assert_eq!(snapshot.get(&kept.key), Some(kept));
    }
    assert_eq!(snapshot.len(), 3 + 2);
}

/// Defect 17: nothing told the federation's records from those made by hand, and both were overwritten and deleted.
#[tokio::test]
async fn what_somebody_else_has_made_is_neither_changed_nor_deleted() {
    let emulator = emulator();
    put(&emulator, "www", EmulatedType::A, &["192.0.2.1"]);
    put(&emulator, "other", EmulatedType::Txt, &["by hand"]);
    let (azure, zone) = azure(&emulator).await;
    let before = emulator.record_sets(ZONE);
    let mut snapshot = azure.snapshot(&zone).await.unwrap();
    for desired in [wanted(&[1]), Desired::default()] {
        let changes = plan(&snapshot, &desired, &owner(), &Policy::default());
        assert!(changes.changes.is_empty(), "{:?}", changes.changes);
        let conflicts: Vec<_> = changes.conflicts.iter().map(|conflict| &conflict.why).collect();
        assert_eq!(conflicts.len(), desired.sets.len());
        assert!(
            conflicts.iter().all(|why| matches!(why, ConflictReason::ForeignOwner { owner: None })),
            "{conflicts:?}"
        );
        apply(&azure, &zone, &changes, &mut snapshot).await;
    }
    assert_eq!(emulator.record_sets(ZONE), before);

    // Its own sets say whose they are, and where each value comes from.
    let marked = wanted(&[1]).sets[0].to_record_set(&owner());
    let mut marked = kfed_dnsprovider::RecordSet { key: key(&format!("own.{ZONE}"), RecordType::A), ..marked };
    marked = azure.put(&zone, marked, Precondition::Absent).await.unwrap();
    assert_eq!(emulator.record_set(ZONE, "own", EmulatedType::A).unwrap().metadata["kfed-owner"], "myfederation");
    marked.ttl = 60;
    azure.put(&zone, marked.clone(), unchanged(&marked)).await.unwrap();
    assert_eq!(emulator.record_set(ZONE, "own", EmulatedType::A).unwrap().metadata["kfed-owner"], "myfederation");
}

/// Aliases, and sets with properties of later api-versions, are left as they are: a PUT would drop what it does not name.
#[tokio::test]
async fn an_alias_or_a_set_with_unknown_properties_is_left_alone() {
    for (property, why) in [
        (r#""targetResource": {"id": "/subscriptions/s/x"}"#, ConflictReason::Alias),
        (r#""routingPolicy": {"weighted": true}"#, ConflictReason::UnknownProperties),
        (r#""weight": 3"#, ConflictReason::UnknownProperties),
    ] {
        let answer = format!(
            r#"{{"value": [{{"name": "www", "type": "Microsoft.Network/dnszones/A", "etag": "e", "properties": {{"TTL": 30,
                "metadata": {{"kfed-owner": "myfederation", "kfed-resource": "service/default/www"}},
                "ARecords": [{{"ipv4Address": "127.7.0.9"}}], {property}}}}}]}}"#
        );
        let http = scripted(move |request| {
            let answer = answer.clone();
            async move {
                assert!(request.method() == http::Method::GET || request.uri().path().ends_with("/token"));
                let token = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
                Ok(reply(200, if request.uri().path().ends_with("/token") { token.to_owned() } else { answer }))
            }
        });
        let clock = crate::support::Hands::default().clock();
        let azure = kfed_dnsprovider_azure::AzureDns::over(&PUBLIC, &crate::support::config(""), http, clock);
        let azure = kfed_dnsprovider::DnsProvider::new(azure);
        let mut snapshot = azure.snapshot(&crate::support::zone()).await.unwrap();
        let mut desired = wanted(&[1]);
        desired.sets[0].key.name = "www.example.com".parse::<DnsName>().unwrap();
        for desired in [desired, Desired::default()] {
            let changes = plan(&snapshot, &desired, &owner(), &Policy::default());
            assert!(changes.changes.is_empty(), "{property}: {:?}", changes.changes);
            assert!(changes.conflicts.iter().all(|conflict| conflict.why == why), "{property}");
            assert_eq!(changes.conflicts.len(), desired.sets.len());
            apply(&azure, &crate::support::zone(), &changes, &mut snapshot).await;
        }
    }
}
