//! What goes wrong because somebody, or something, gave the wrong thing: its class, whether another attempt helps, and the words.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kfed_azure_emulator::Operation::{RecordSetDelete, RecordSetList, RecordSetWrite, ZoneGet};
use kfed_azure_emulator::{
    AzureEmulator, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Fault, Faults, Operation, RecordType as EmulatedType,
};
use kfed_dnsprovider::ErrorClass::{Conflict, Forbidden, NotFound, Throttled, Unauthenticated, Unavailable, Unknown};
use kfed_dnsprovider::{DnsError, DnsProvider, ErrorClass, Precondition, RecordSet, RecordType, ZoneId};
use kfed_dnsprovider_azure::transport::in_process;
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, PRIVATE, PUBLIC, ZoneFlavour};
use tower::ServiceExt;

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
    provider_at(flavour, emulator, wrong, &Hands::default())
}

fn provider_at(flavour: &'static ZoneFlavour, emulator: &AzureEmulator, wrong: &str, hands: &Hands) -> DnsProvider {
    DnsProvider::new(AzureDns::over(flavour, &emulated(wrong), in_process(emulator.clone()), hands.clock()))
}

fn emulated(wrong: &str) -> AzureConfig {
    let text = format!(
        "[Global]\nsubscription-id = {DEFAULT_SUBSCRIPTION}\ntenant-id = {DEFAULT_TENANT}\nclient-id = my-client\nsecret = {SECRET}\nresourceGroup = fed-dns-rg\nresource-manager-endpoint = https://localhost:8443\nauthority-host = https://localhost:8443\n{wrong}\n"
    );
    AzureConfig::parse(&text, Path::new("dns.conf")).unwrap().0
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

const IN_ZONE: &[&str] = &["zone xtophs.com in fed-dns-rg: "];
const OF_WWW: &[&str] = &["put record set A www.xtophs.com.", "zone xtophs.com in fed-dns-rg: "];
const GROUP: &[&str] = &["list zones", "/fed-dns-rg: "];

/// Whether each has its class, says where it was and what, asks for another attempt only where that helps, and gives no secret away.
async fn check(rows: Vec<Row>) {
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

#[tokio::test]
async fn a_wrong_tenant_secret_or_client_is_refused_in_entras_words() {
    check(vec![
        (
            Wrong::Line("tenant-id = another"),
            Ask::Find(ZONE),
            Unauthenticated,
            GROUP,
            &["no token: AADSTS90002", "Tenant 'another' not found", "invalid_request, request "],
        ),
        (
            Wrong::Line("secret = wrong"),
            Ask::Put,
            Unauthenticated,
            OF_WWW,
            &["no token: AADSTS7000215", "invalid_client, request "],
        ),
        (
            Wrong::Line("client-id = another"),
            Ask::List,
            Unauthenticated,
            IN_ZONE,
            &["no token: AADSTS700016", "'another'", "unauthorized_client, request "],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_wrong_zone_group_or_subscription_is_not_found_and_named() {
    check(vec![
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
    ])
    .await;
}

#[tokio::test]
async fn missing_permissions_and_locks_are_forbidden_and_name_the_action() {
    check(vec![
        (
            Wrong::Fault(ZoneGet, Fault::Forbidden),
            Ask::Find(ZONE),
            Forbidden,
            GROUP,
            &["'Microsoft.Network/dnszones/read'", "AuthorizationFailed, request "],
        ),
        (
            Wrong::Fault(RecordSetList, Fault::Forbidden),
            Ask::List,
            Forbidden,
            IN_ZONE,
            &["list record sets", "AuthorizationFailed, request "],
        ),
        (
            Wrong::Fault(RecordSetWrite, Fault::Forbidden),
            Ask::Put,
            Forbidden,
            OF_WWW,
            &["'Microsoft.Network/dnszones/A/write'", "AuthorizationFailed, request "],
        ),
        (
            Wrong::Fault(RecordSetDelete, Fault::Forbidden),
            Ask::Delete,
            Forbidden,
            IN_ZONE,
            &["delete record set A www.xtophs.com.", "'Microsoft.Network/dnszones/A/delete'"],
        ),
        (Wrong::Fault(RecordSetWrite, Fault::ScopeLocked), Ask::Put, Forbidden, OF_WWW, &["ScopeLocked, request "]),
    ])
    .await;
}

#[tokio::test]
async fn a_write_of_somebody_else_is_a_conflict_and_no_refusal() {
    check(vec![
        (
            Wrong::Fault(RecordSetWrite, Fault::PreconditionFailed),
            Ask::Put,
            Conflict,
            OF_WWW,
            &["PreconditionFailed, request "],
        ),
        (
            Wrong::Fault(RecordSetWrite, Fault::OperationPending),
            Ask::Put,
            Conflict,
            OF_WWW,
            &["Another operation is pending", "Conflict, request "],
        ),
    ])
    .await;
}

#[tokio::test]
async fn throttling_says_how_long_to_wait() {
    check(vec![(
        Wrong::Fault(RecordSetWrite, Fault::Throttle { retry_after: 7 }),
        Ask::Put,
        Throttled,
        OF_WWW,
        &["Throttled, request "],
    )])
    .await;
}

#[tokio::test]
async fn truncated_bodies_are_unknown_after_a_write_and_another_try_for_a_read() {
    check(vec![
        (
            Wrong::Fault(RecordSetWrite, Fault::TruncateAnswer),
            Ask::Put,
            Unknown,
            OF_WWW,
            &["the answer (201) cannot be read: EOF while parsing", "request "],
        ),
        (
            Wrong::Fault(RecordSetList, Fault::TruncateAnswer),
            Ask::List,
            Unavailable,
            IN_ZONE,
            &["the answer (200) cannot be read: EOF while parsing", "request "],
        ),
        (
            Wrong::Fault(ZoneGet, Fault::TruncateAnswer),
            Ask::Find(ZONE),
            Unavailable,
            GROUP,
            &["the answer (200) cannot be read", "request "],
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_html_page_or_no_answer_is_unknown_after_a_write_and_another_try_for_a_read() {
    check(vec![
        (
            Wrong::Fault(RecordSetWrite, Fault::ServiceUnavailable),
            Ask::Put,
            Unknown,
            OF_WWW,
            &["503 Service Unavailable, as an HTML page", "request "],
        ),
        (Wrong::Fault(RecordSetList, Fault::ServiceUnavailable), Ask::List, Unavailable, IN_ZONE, &["503", "request "]),
        (
            Wrong::Fault(RecordSetWrite, Fault::LoseAnswer),
            Ask::Put,
            Unknown,
            OF_WWW,
            &["no answer from localhost:8443"],
        ),
        (Wrong::Fault(RecordSetList, Fault::LoseAnswer), Ask::List, Unavailable, IN_ZONE, &["no answer from "]),
    ])
    .await;
}

/// A token that ends, or is taken back, in the middle of a run costs one more token and one more attempt, and nobody notices.
#[tokio::test(start_paused = true)]
async fn a_token_that_expires_in_the_middle_of_a_run_is_replaced() {
    // The emulator's clock goes on while ours stands still: ours is behind, and does not see the end coming.
    let emulator = builder().token_lifetime(Duration::from_secs(600)).build();
    let azure = provider(&PUBLIC, &emulator, "");
    for n in 0..5 {
        azure.put(&zone_id(), set(&format!("n{n}"), RecordType::A, [address(1)]), Precondition::Absent).await.unwrap();
        tokio::time::sleep(Duration::from_secs(200)).await;
    }
    assert_eq!(emulator.requests().count(Operation::Token), 2);
    assert_eq!(emulator.requests().answered_with(401), 1);

    emulator.set_faults(Faults::next(1, RecordSetWrite, Fault::RevokedToken));
    azure.put(&zone_id(), www(), Precondition::Absent).await.unwrap();
    assert_eq!(emulator.requests().count(Operation::Token), 3);
    // Twice in a row is no accident.
    emulator.set_faults(Faults::next(2, RecordSetList, Fault::RevokedToken));
    let error = ask(&azure, Ask::List).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (Unauthenticated, Some("InvalidAuthenticationToken")));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn malformed_json_is_never_taken_for_an_empty_zone() {
    for body in
        ["", "null", "[]", "{\"value\":", "{\"value\": 5}", "{\"value\": [{\"name\": 5}]}", "<html>", "\u{0}\u{1}"]
    {
        let http = scripted(move |request| async move {
            let token = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
            Ok(reply(200, if request.uri().path().ends_with("/token") { token } else { body }))
        });
        let azure = DnsProvider::new(AzureDns::over(&PUBLIC, &config(""), http, Hands::default().clock()));
        let error = azure.snapshot(&crate::support::zone()).await.unwrap_err();
        assert_eq!(error.class, Unavailable, "{body:?}: {error}");
        let error = azure.list_zones(None).await.unwrap_err();
        assert_eq!(error.class, Unavailable, "{body:?}: {error}");
    }
}

#[tokio::test]
async fn names_of_63_and_253_are_written_and_longer_ones_are_refused() {
    let emulator = builder().build();
    let azure = provider(&PUBLIC, &emulator, "");
    let label = "x".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "y".repeat(253 - 3 * 64 - ".xtophs.com".len()));
    for relative in [label.as_str(), longest.as_str(), "*.wild", "_sip._tcp"] {
        let wanted = set(relative, RecordType::A, [address(1)]);
        let made = azure.put(&zone_id(), wanted, Precondition::Absent).await.unwrap();
        assert_eq!(azure.get(&zone_id(), &made.key).await.unwrap().as_ref(), Some(&made));
        assert_eq!(azure.snapshot(&zone_id()).await.unwrap().get(&made.key), Some(&made));
    }
    for (wrong, words) in [
        (format!("{label}x.{ZONE}"), "64 characters; 1 to 63 fit"),
        (format!("{longest}y.{ZONE}"), "254 characters; at most 253 fit"),
    ] {
        let error = wrong.parse::<kfed_dnsprovider::DnsName>().unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn unicode_names_are_refused_with_what_to_write_and_punycode_is_kept() {
    for wrong in ["münchen", "日本", "a.faß", "e\u{301}"] {
        let error = format!("{wrong}.{ZONE}").parse::<kfed_dnsprovider::DnsName>().unwrap_err();
        assert!(error.to_string().contains("punycode"), "{error}");
    }
    let emulator = builder().build();
    let azure = provider(&PUBLIC, &emulator, "");
    let wanted = set("xn--mnchen-3ya", RecordType::A, [address(1)]);
    let made = azure.put(&zone_id(), wanted, Precondition::Absent).await.unwrap();
    assert_eq!(azure.snapshot(&zone_id()).await.unwrap().get(&made.key), Some(&made));
}

#[tokio::test]
async fn of_21_addresses_none_is_written_and_20_fit() {
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

#[test]
fn a_half_filled_file_is_refused_with_all_that_is_missing() {
    let keys = ["subscription-id", "tenant-id", "client-id", "secret", "resourceGroup"];
    // Every choice of keys that are there; the others are missing, or stand there empty.
    for (there, empty) in (0..1u32 << keys.len()).flat_map(|there| [(there, false), (there, true)]) {
        let is_there = |n: usize| there & (1 << n) != 0;
        let line = |(n, key): (usize, &&str)| match (is_there(n), empty) {
            (true, _) => format!("{key} = x\n"),
            (false, true) => format!("{key} =\n"),
            (false, false) => String::new(),
        };
        let text = format!("[Global]\n{}", keys.iter().enumerate().map(line).collect::<String>());
        let read = AzureConfig::parse(&text, Path::new("dns.conf"));
        if there + 1 == 1 << keys.len() {
            assert!(read.is_ok(), "{text}");
            continue;
        }
        let error = read.map(|(config, _)| config).unwrap_err().to_string();
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(error.contains(key), !is_there(n), "{key}: {text}{error}");
        }
    }
}

/// How long a token lives is counted from when it came, by one clock: what that clock shows does not matter.
#[tokio::test]
async fn clock_skew_of_hours_costs_at_most_a_token() {
    for hours in [-100, -3, 3, 100] {
        let emulator = builder().token_lifetime(Duration::from_secs(3600)).build();
        let hands = Hands::default();
        let azure = provider_at(&PUBLIC, &emulator, "", &hands);
        let mut n = 0;
        for (jump, tokens) in [(hours, 1), (2, 2), (-5, 2)] {
            hands.forward(jump * 3600);
            for _ in 0..3 {
                n += 1;
                let wanted = set(&format!("n{n}"), RecordType::A, [address(1)]);
                azure.put(&zone_id(), wanted, Precondition::Absent).await.unwrap();
            }
            assert_eq!(emulator.requests().count(Operation::Token), tokens, "{hours} h, then {jump} h");
        }
        assert_eq!(emulator.requests().count(RecordSetWrite), 9);
    }
}

/// Half a zone would look like deletions.
#[tokio::test]
async fn of_a_10_000_set_zone_whose_last_page_breaks_off_nothing_is_taken() {
    let emulator = builder().build();
    for n in 0..9_998 {
        emulator.put_record_set(ZONE, &format!("n{n}"), EmulatedType::A, 30, &["127.7.0.1"], BTreeMap::new()).unwrap();
    }
    let (whole, pages) = (in_process(emulator.clone()), Arc::new(AtomicUsize::new(0)));
    let counted = pages.clone();
    let http = scripted(move |request| {
        let is_page = request.uri().path().ends_with("/recordsets");
        let cut = is_page && counted.fetch_add(1, Ordering::SeqCst) == 9;
        let whole = whole.clone();
        async move {
            let mut response = whole.oneshot(request).await?;
            if cut {
                let half = response.body().len() / 2;
                response.body_mut().truncate(half);
            }
            Ok(response)
        }
    });
    let azure = DnsProvider::new(AzureDns::over(&PUBLIC, &emulated(""), http, Hands::default().clock()));
    let error = azure.snapshot(&zone_id()).await.unwrap_err();
    assert_eq!((error.class, error.is_retryable()), (Unavailable, true), "{error}");
    assert_eq!(pages.load(Ordering::SeqCst), 10);
    assert_eq!(azure.snapshot(&zone_id()).await.unwrap().len(), 10_000);
}
