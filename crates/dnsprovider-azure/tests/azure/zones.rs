//! Several zones, resource groups and subscriptions in one process, public and private side by side.

use std::path::Path;

use kfed_azure_emulator::{
    AzureEmulator, DEFAULT_TENANT, Fault, FaultRule, Faults, Operation, RecordType as EmulatedType,
};
use kfed_dnsprovider::{DnsProvider, ErrorClass, Precondition, RecordData, RecordType};
use kfed_dnsprovider_azure::transport::in_process;
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, PRIVATE, PUBLIC, ZoneFlavour};

use crate::emulator::{address, set};
use crate::support::{Hands, SECRET, key, name};

const FIRST: &str = "00000000-0000-4000-8000-0000000000a1";
const SECOND: &str = "00000000-0000-4000-8000-0000000000a2";

fn emulator() -> AzureEmulator {
    AzureEmulator::builder()
        .client("my-client", SECRET)
        .subscription(FIRST)
        .zone("web", "example.com")
        .zone("web", "example.org")
        .zone("shared", "example.net")
        .private_zone("web", "example.com")
        .private_zone("web", "corp.example")
        .subscription(SECOND)
        .zone("shared", "example.com")
        .zone("shared", "example.edu")
        .resource_group("empty")
        .build()
}

fn provider(flavour: &'static ZoneFlavour, emulator: &AzureEmulator, groups: &str) -> DnsProvider {
    let text = format!(
        "[Global]\nsubscription-id = {FIRST}\ntenant-id = {DEFAULT_TENANT}\nclient-id = my-client\nsecret = {SECRET}\nresourceGroup = {groups}\nresource-manager-endpoint = https://localhost:8443\nauthority-host = https://localhost:8443\n"
    );
    let (config, _) = AzureConfig::parse(&text, Path::new("dns.conf")).unwrap();
    DnsProvider::new(AzureDns::over(flavour, &config, in_process(emulator.clone()), Hands::default().clock()))
}

fn everywhere() -> String {
    format!("web, shared, {SECOND}/shared, {SECOND}/empty")
}

#[tokio::test]
async fn zones_are_found_by_name_in_every_group_and_subscription() {
    let emulator = emulator();
    let azure = provider(&PUBLIC, &emulator, &everywhere());
    let names: Vec<_> =
        azure.list_zones(None).await.unwrap().iter().map(|zone| zone.name.without_dot().to_owned()).collect();
    assert_eq!(names, ["example.com", "example.org", "example.net", "example.com", "example.edu"]);
    for (zone, subscription, group) in
        [("example.org", FIRST, "web"), ("example.net", FIRST, "shared"), ("example.edu", SECOND, "shared")]
    {
        let found = azure.find_zone(&name(zone)).await.unwrap();
        let expected =
            format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/dnszones/{zone}");
        assert_eq!(found.id.0.to_lowercase(), expected.to_lowercase());
        // Records go where the zone is, and nowhere else.
        let mut www = set("www", RecordType::A, [address(1)]);
        www.key = key(&format!("www.{zone}"), RecordType::A);
        azure.put(&found.id, www.clone(), Precondition::Absent).await.unwrap();
        assert_eq!(emulator.record_set(zone, "www", EmulatedType::A).unwrap().data, ["127.7.0.1"]);
        assert!(azure.get(&found.id, &www.key).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn two_zones_of_one_name_are_an_error_that_lists_both() {
    let azure = provider(&PUBLIC, &emulator(), &everywhere());
    let error = azure.find_zone(&name("example.com")).await.unwrap_err();
    assert_eq!((error.class, error.is_retryable()), (ErrorClass::Invalid, false));
    let said = error.to_string();
    for part in [
        "2 zones are called `example.com`",
        &format!("{FIRST}/resourceGroups/web"),
        &format!("{SECOND}/resourceGroups/shared"),
    ] {
        assert!(said.contains(part), "{said}");
    }
    // Named apart, they can be told apart.
    let one = provider(&PUBLIC, &emulator(), &format!("{SECOND}/shared"));
    assert!(one.find_zone(&name("example.com")).await.unwrap().id.0.contains(SECOND));
}

#[tokio::test]
async fn a_group_that_cannot_be_looked_into_is_an_error_though_the_zone_is_in_another() {
    let emulator = emulator();
    let azure = provider(&PUBLIC, &emulator, "web, gone");
    for zone in [None, Some(name("example.org"))] {
        let error = azure.list_zones(zone).await.unwrap_err();
        assert_eq!((error.class, error.code.as_deref()), (ErrorClass::NotFound, Some("ResourceGroupNotFound")));
        assert!(error.to_string().contains(&format!("resource group {FIRST}/gone: ")), "{error}");
    }
    let rule = FaultRule {
        fault: Fault::Forbidden,
        operations: vec![Operation::ZoneGet],
        path_contains: Some(SECOND.to_owned()),
        count: None,
        chance: 1.0,
    };
    emulator.set_faults(Faults { rules: vec![rule] });
    let azure = provider(&PUBLIC, &emulator, &everywhere());
    let error = azure.find_zone(&name("example.org")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Forbidden);
    assert!(error.to_string().contains(&format!("resource group {SECOND}/shared: ")), "{error}");
}

/// The same name in public and in private, as split-horizon zones are: each provider sees its own, and both write at once.
#[tokio::test]
async fn public_and_private_zones_live_side_by_side() {
    let emulator = emulator();
    let (public, private) = (provider(&PUBLIC, &emulator, "web"), provider(&PRIVATE, &emulator, "web"));
    let zone = name("example.com");
    let (outside, inside) = futures::join!(public.find_zone(&zone), private.find_zone(&zone));
    let (outside, inside) = (outside.unwrap(), inside.unwrap());
    assert_ne!(outside.id, inside.id);
    assert_eq!((outside.private, inside.private), (false, true));
    let www = |last: u8| {
        let mut www = set("www", RecordType::A, [address(last)]);
        www.key = key("www.example.com", RecordType::A);
        www
    };
    let (one, two) = futures::join!(
        public.put(&outside.id, www(1), Precondition::Absent),
        private.put(&inside.id, www(2), Precondition::Absent)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(public.get(&outside.id, &one.key).await.unwrap(), Some(one));
    assert_eq!(
        private.get(&inside.id, &two.key).await.unwrap().unwrap().data,
        [RecordData::A([127, 7, 0, 2].into())].into()
    );
    // A zone of the other kind is refused before anything is sent.
    let before = emulator.requests().total();
    let error = public.put(&inside.id, www(3), Precondition::Absent).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert_eq!(emulator.requests().total(), before);
}
