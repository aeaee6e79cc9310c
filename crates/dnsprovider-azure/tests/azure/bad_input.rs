//! What goes wrong because somebody, or something, gave the wrong thing: its class, whether another attempt helps, and the words.

use std::path::Path;
use std::time::Duration;

use kfed_azure_emulator::{
    AzureEmulator, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Fault, Faults, Operation, RecordType as EmulatedType,
};
use kfed_dnsprovider::{DnsError, DnsProvider, ErrorClass, Precondition, RecordSet, RecordType, ZoneId};
use kfed_dnsprovider_azure::transport::in_process;
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, PRIVATE, PUBLIC, ZoneFlavour};

use crate::emulator::{ZONE, address, set};
use crate::support::{Hands, SECRET, config, key, name, reply, scripted};

fn builder() -> kfed_azure_emulator::AzureEmulatorBuilder {
    AzureEmulator::builder()
        .tenant(DEFAULT_TENANT)
        .client("my-client", SECRET)
        .zone("fed-dns-rg", ZONE)
        .private_zone("fed-dns-rg", "corp.example")
}

/// A provider whose file says `key = value` in place of what would be right.
fn provider(flavour: &'static ZoneFlavour, emulator: &AzureEmulator, wrong: &str) -> DnsProvider {
    let text = format!(
        "[Global]\nsubscription-id = {DEFAULT_SUBSCRIPTION}\ntenant-id = {DEFAULT_TENANT}\nclient-id = my-client\nsecret = {SECRET}\nresourceGroup = fed-dns-rg\nresource-manager-endpoint = https://localhost:8443\nauthority-host = https://localhost:8443\n{wrong}\n"
    );
    let (config, _) = AzureConfig::parse(&text, Path::new("dns.conf")).unwrap();
    DnsProvider::new(AzureDns::over(flavour, &config, in_process(emulator.clone()), Hands::default().clock()))
}

fn zone_id() -> ZoneId {
    ZoneId(format!(
        "/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/fed-dns-rg/providers/Microsoft.Network/dnszones/{ZONE}"
    ))
}

fn www() -> RecordSet {
    set("www", RecordType::A, [address(1)])
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Find(&'static str),
    List,
    Put,
    Delete,
}

async fn ask(azure: &DnsProvider, what: Ask) -> Result<(), DnsError> {
    match what {
        Ask::Find(zone) => azure.find_zone(&name(zone)).await.map(drop),
        Ask::List => azure.snapshot(&zone_id()).await.map(drop),
        Ask::Put => azure.put(&zone_id(), www(), Precondition::Absent).await.map(drop),
        Ask::Delete => azure.delete(&zone_id(), &www().key, kfed_dnsprovider::Etag("e".into())).await,
    }
}

/// What is wrong: a line of the file, or a fault of the service.
enum Wrong {
    Line(&'static str),
    Fault(Operation, Fault),
}

/// What is wrong, what is asked, the class of the error, and the words that say where it was and what it was.
type Row = (Wrong, Ask, ErrorClass, &'static [&'static str], &'static [&'static str]);

#[tokio::test]
async fn whatever_is_wrong_has_its_class_and_words_that_say_where() {
    use ErrorClass::{Conflict, Forbidden, NotFound, Throttled, Unauthenticated, Unavailable, Unknown};
    use Operation::{RecordSetDelete, RecordSetList, RecordSetWrite, ZoneGet};
    let in_zone: &'static [&'static str] = &["zone xtophs.com in fed-dns-rg: "];
    let of_www: &'static [&'static str] = &["put record set A www.xtophs.com.", "zone xtophs.com in fed-dns-rg: "];
    let group: &'static [&'static str] = &["list zones", "/fed-dns-rg: "];
    let rows: Vec<Row> = vec![
        (
            Wrong::Line("tenant-id = another"),
            Ask::Find(ZONE),
            Unauthenticated,
            group,
            &["no token: AADSTS90002", "Tenant 'another' not found", "invalid_request, request "],
        ),
        (
            Wrong::Line("secret = wrong"),
            Ask::Put,
            Unauthenticated,
            of_www,
            &["no token: AADSTS7000215", "invalid_client, request "],
        ),
        (
            Wrong::Line("client-id = another"),
            Ask::List,
            Unauthenticated,
            in_zone,
            &["no token: AADSTS700016", "'another'", "unauthorized_client, request "],
        ),
        (
            Wrong::Line(""),
            Ask::Find("example.com"),
            NotFound,
            &["list zones"],
            &["`example.com`", "there are: xtophs.com"],
        ),
        (
            Wrong::Line("resourceGroup = gone"),
            Ask::Find(ZONE),
            NotFound,
            &["list zones", "/gone: "],
            &["Resource group 'gone' could not be found", "ResourceGroupNotFound, request "],
        ),
        (
            Wrong::Line("subscription-id = gone"),
            Ask::Find(ZONE),
            NotFound,
            &["list zones", "gone/fed-dns-rg: "],
            &["SubscriptionNotFound, request "],
        ),
        (
            Wrong::Fault(ZoneGet, Fault::Forbidden),
            Ask::Find(ZONE),
            Forbidden,
            group,
            &["'Microsoft.Network/dnszones/read'", "AuthorizationFailed, request "],
        ),
        (
            Wrong::Fault(RecordSetList, Fault::Forbidden),
            Ask::List,
            Forbidden,
            in_zone,
            &["list record sets", "AuthorizationFailed, request "],
        ),
        (
            Wrong::Fault(RecordSetWrite, Fault::Forbidden),
            Ask::Put,
            Forbidden,
            of_www,
            &["'Microsoft.Network/dnszones/A/write'", "AuthorizationFailed, request "],
        ),
        (
            Wrong::Fault(RecordSetDelete, Fault::Forbidden),
            Ask::Delete,
            Forbidden,
            in_zone,
            &["delete record set A www.xtophs.com.", "'Microsoft.Network/dnszones/A/delete'"],
        ),
        (Wrong::Fault(RecordSetWrite, Fault::ScopeLocked), Ask::Put, Forbidden, of_www, &["ScopeLocked, request "]),
        (
            Wrong::Fault(RecordSetWrite, Fault::PreconditionFailed),
            Ask::Put,
            Conflict,
            of_www,
            &["PreconditionFailed, request "],
        ),
        (
            Wrong::Fault(RecordSetWrite, Fault::OperationPending),
            Ask::Put,
            Conflict,
            of_www,
            &["Another operation is pending", "Conflict, request "],
        ),
        (
            Wrong::Fault(RecordSetWrite, Fault::Throttle { retry_after: 7 }),
            Ask::Put,
            Throttled,
            of_www,
            &["Throttled, request "],
        ),
        (
            Wrong::Fault(RecordSetWrite, Fault::ServiceUnavailable),
            Ask::Put,
            Unknown,
            of_www,
            &["503 Service Unavailable, as an HTML page", "request "],
        ),
        (Wrong::Fault(RecordSetList, Fault::ServiceUnavailable), Ask::List, Unavailable, in_zone, &["503", "request "]),
        (
            Wrong::Fault(RecordSetWrite, Fault::TruncateAnswer),
            Ask::Put,
            Unknown,
            of_www,
            &["the answer (201) cannot be read: EOF while parsing", "request "],
        ),
        (
            Wrong::Fault(RecordSetList, Fault::TruncateAnswer),
            Ask::List,
            Unavailable,
            in_zone,
            &["the answer (200) cannot be read: EOF while parsing", "request "],
        ),
        (
            Wrong::Fault(ZoneGet, Fault::TruncateAnswer),
            Ask::Find(ZONE),
            Unavailable,
            group,
            &["the answer (200) cannot be read", "request "],
        ),
        (
            Wrong::Fault(RecordSetWrite, Fault::LoseAnswer),
            Ask::Put,
            Unknown,
            of_www,
            &["no answer from localhost:8443"],
        ),
        (Wrong::Fault(RecordSetList, Fault::LoseAnswer), Ask::List, Unavailable, in_zone, &["no answer from "]),
    ];
    for (wrong, what, class, place, words) in rows {
        let emulator = builder().build();
        let line = match &wrong {
            Wrong::Line(line) => *line,
            Wrong::Fault(operation, fault) => {
                emulator.set_faults(Faults::next(1, *operation, *fault));
                ""
            }
        };
        let azure = provider(&PUBLIC, &emulator, line);
        let error = ask(&azure, what).await.unwrap_err();
        let said = error.to_string();
        let row = format!("{line} {:?} {what:?}: {said}", emulator.requests());
        assert_eq!(error.class, class, "{row}");
        assert_eq!(error.is_retryable(), matches!(class, Throttled | Unavailable), "{row}");
        assert!(place.iter().chain(words).all(|word| said.contains(word)), "{row}");
        assert!(!format!("{said} {error:?}").contains(SECRET) && !said.contains('\n'), "{row}");
        let seven = matches!(wrong, Wrong::Fault(_, Fault::Throttle { .. })).then_some(Duration::from_secs(7));
        assert_eq!(error.retry_after(), seven, "{row}");
    }
}

/// A token that ends, or is taken back, in the middle of a run costs one more token and one more attempt, and nobody notices.
#[tokio::test(start_paused = true)]
async fn a_token_that_ends_in_the_middle_of_a_run_is_replaced() {
    // The emulator's clock goes on while ours stands still: ours is behind, and does not see the end coming.
    let emulator = builder().token_lifetime(Duration::from_secs(600)).build();
    let azure = provider(&PUBLIC, &emulator, "");
    for n in 0..5 {
        azure.put(&zone_id(), set(&format!("n{n}"), RecordType::A, [address(1)]), Precondition::Absent).await.unwrap();
        tokio::time::sleep(Duration::from_secs(200)).await;
    }
    assert_eq!(emulator.requests().count(Operation::Token), 2);
    assert_eq!(emulator.requests().answered_with(401), 1);

    emulator.set_faults(Faults::next(1, Operation::RecordSetWrite, Fault::RevokedToken));
    azure.put(&zone_id(), www(), Precondition::Absent).await.unwrap();
    assert_eq!(emulator.requests().count(Operation::Token), 3);
    // Twice in a row is no accident.
    emulator.set_faults(Faults::next(2, Operation::RecordSetList, Fault::RevokedToken));
    let error = ask(&azure, Ask::List).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Unauthenticated, Some("InvalidAuthenticationToken")));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn answers_that_are_no_json_or_no_record_sets_are_not_taken_for_an_empty_zone() {
    for body in
        ["", "null", "[]", "{\"value\":", "{\"value\": 5}", "{\"value\": [{\"name\": 5}]}", "<html>", "\u{0}\u{1}"]
    {
        let http = scripted(move |request| async move {
            let token = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
            Ok(reply(200, if request.uri().path().ends_with("/token") { token } else { body }))
        });
        let azure = DnsProvider::new(AzureDns::over(&PUBLIC, &config(""), http, Hands::default().clock()));
        let error = azure.snapshot(&crate::support::zone()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unavailable, "{body:?}: {error}");
        let error = azure.list_zones(None).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unavailable, "{body:?}: {error}");
    }
}

#[tokio::test]
async fn names_at_their_limits_are_written_and_read_and_longer_ones_are_refused() {
    let emulator = builder().build();
    let azure = provider(&PUBLIC, &emulator, "");
    let label = "x".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "y".repeat(253 - 3 * 64 - ".xtophs.com".len()));
    for relative in [label.as_str(), longest.as_str(), "xn--mnchen-3ya", "*.wild", "_sip._tcp"] {
        let wanted = set(relative, RecordType::A, [address(1)]);
        let made = azure.put(&zone_id(), wanted, Precondition::Absent).await.unwrap();
        assert_eq!(azure.get(&zone_id(), &made.key).await.unwrap().as_ref(), Some(&made));
        assert_eq!(azure.snapshot(&zone_id()).await.unwrap().get(&made.key), Some(&made));
    }
    for (wrong, words) in [
        (format!("{label}x.{ZONE}"), "64 characters; 1 to 63 fit"),
        (format!("{longest}y.{ZONE}"), "254 characters; at most 253 fit"),
        (format!("münchen.{ZONE}"), "punycode"),
        (format!("日本.{ZONE}"), "punycode"),
    ] {
        let error = wrong.parse::<kfed_dnsprovider::DnsName>().unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn the_twenty_first_address_is_refused_for_good() {
    let emulator = builder().build();
    let many = |zone: &str, n: u8| RecordSet {
        key: key(&format!("www.{zone}"), RecordType::A),
        ..set("www", RecordType::A, (1..=n).map(address))
    };
    for (flavour, zone) in [(&PUBLIC, ZONE), (&PRIVATE, "corp.example")] {
        let azure = provider(flavour, &emulator, "");
        let id = azure.find_zone(&name(zone)).await.unwrap().id;
        let error = azure.put(&id, many(zone, 21), Precondition::Absent).await.unwrap_err();
        assert_eq!((error.class, error.is_retryable()), (ErrorClass::Invalid, false), "{error}");
        let said = error.to_string();
        assert!(
            said.contains(&format!("A www.{zone}.")) && said.contains(&format!("zone {zone} in fed-dns-rg: ")),
            "{said}"
        );
        assert_eq!(emulator.record_set(zone, "www", EmulatedType::A), None);
        azure.put(&id, many(zone, 20), Precondition::Absent).await.unwrap();
    }
}
