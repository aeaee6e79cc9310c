use std::net::IpAddr;

use super::{a, emulator, no_metadata, put};
use crate::{
    AzureEmulator, RecordType,
    dns::{Rcode, lookup},
};

fn plant(emulator: &AzureEmulator, name: &str, kind: RecordType, data: &[&str]) {
    emulator.put_record_set("example.com", name, kind, 30, data, no_metadata()).unwrap();
}

/// The response code and `name TYPE data` of every record.
fn ask(emulator: &AzureEmulator, name: &str, kind: RecordType) -> (Rcode, Vec<String>) {
    let answer = lookup(emulator, name, kind);
    let shown = answer.records.iter().map(|record| format!("{} {} {}", record.name, record.record_type, record.data));
    (answer.rcode, shown.collect())
}

#[tokio::test]
async fn what_the_api_took_is_answered_at_once() {
    let emulator = emulator();
    let question = || ask(&emulator, "www.example.com", RecordType::A);
    assert_eq!(question(), (Rcode::NxDomain, vec![]));
    put(&emulator, "A/www", a("192.0.2.1")).await;
    assert_eq!(question(), (Rcode::NoError, vec!["www.example.com A 192.0.2.1".to_owned()]));
    put(&emulator, "A/www", a("192.0.2.2")).await;
    assert_eq!(question().1, ["www.example.com A 192.0.2.2"]);
    let answer = lookup(&emulator, "WWW.Example.COM.", RecordType::A);
    assert_eq!(answer.addresses(), ["192.0.2.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(answer.records[0].ttl, 30);
    assert!(answer.authoritative);
}

#[test]
fn names_exist_or_not_as_the_standards_say() {
    use Rcode::{NoError, NxDomain, Refused};
    use RecordType::{A, Aaaa, Cname, Mx, Txt};

    let emulator = emulator();
    plant(&emulator, "www", A, &["192.0.2.1", "192.0.2.2"]);
    plant(&emulator, "deep.down.below", A, &["192.0.2.3"]);
    plant(&emulator, "empty", A, &[]);
    plant(&emulator, "alias", Cname, &["WWW.example.com."]);
    plant(&emulator, "chain", Cname, &["alias.example.com"]);
    plant(&emulator, "dangling", Cname, &["gone.example.com"]);
    plant(&emulator, "away", Cname, &["www.example.net"]);
    plant(&emulator, "loop", Cname, &["loop.example.com"]);
    plant(&emulator, "*.wild", Txt, &["any"]);
    plant(&emulator, "there.wild", A, &["192.0.2.4"]);
    plant(&emulator, "*.aliases", Cname, &["www.example.com"]);
    plant(&emulator, "@", Txt, &["apex"]);
    let www = ["www.example.com A 192.0.2.1", "www.example.com A 192.0.2.2"];
    let table: Vec<(&str, RecordType, Rcode, Vec<&str>)> = vec![
        ("www.example.com", A, NoError, www.to_vec()),
        ("www.example.com", Aaaa, NoError, vec![]),
        ("no.example.com", A, NxDomain, vec![]),
        ("below.example.com", A, NoError, vec![]),
        ("down.below.example.com", A, NoError, vec![]),
        ("elow.example.com", A, NxDomain, vec![]),
        ("empty.example.com", A, NxDomain, vec![]),
        ("example.com", Txt, NoError, vec!["example.com TXT apex"]),
        ("example.com", Mx, NoError, vec![]),
        ("alias.example.com", Cname, NoError, vec!["alias.example.com CNAME WWW.example.com."]),
        ("alias.example.com", A, NoError, vec!["alias.example.com CNAME WWW.example.com.", www[0], www[1]]),
        (
            "chain.example.com",
            A,
            NoError,
            vec![
                "chain.example.com CNAME alias.example.com",
                "alias.example.com CNAME WWW.example.com.",
                www[0],
                www[1],
            ],
        ),
        ("alias.example.com", Aaaa, NoError, vec!["alias.example.com CNAME WWW.example.com."]),
        ("dangling.example.com", A, NxDomain, vec!["dangling.example.com CNAME gone.example.com"]),
        ("away.example.com", A, NoError, vec!["away.example.com CNAME www.example.net"]),
        ("loop.example.com", A, NoError, vec!["loop.example.com CNAME loop.example.com"; 8]),
        ("x.wild.example.com", Txt, NoError, vec!["x.wild.example.com TXT any"]),
        ("x.y.wild.example.com", Txt, NoError, vec!["x.y.wild.example.com TXT any"]),
        ("x.wild.example.com", A, NoError, vec![]),
        // RFC 4592: what exists is not covered, nor is what lies below it.
        ("there.wild.example.com", Txt, NoError, vec![]),
        ("x.there.wild.example.com", Txt, NxDomain, vec![]),
        ("wild.example.com", Txt, NoError, vec![]),
        ("x.aliases.example.com", A, NoError, vec!["x.aliases.example.com CNAME www.example.com", www[0], www[1]]),
        ("www.example.net", A, Refused, vec![]),
        ("notexample.com", A, Refused, vec![]),
        ("com", A, Refused, vec![]),
    ];
    for (name, kind, rcode, records) in table {
        let expected = records.into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(ask(&emulator, name, kind), (rcode, expected), "{name} {kind}");
    }
}

#[test]
fn a_delegation_is_referred_and_a_zone_of_ours_below_it_answers_itself() {
    let emulator = AzureEmulator::builder().zone("dns", "example.com").zone("dns", "ours.example.com").build();
    plant(&emulator, "theirs", RecordType::Ns, &["ns.theirs.example.com."]);
    plant(&emulator, "ns.theirs", RecordType::A, &["192.0.2.53"]);
    plant(&emulator, "www.ours", RecordType::A, &["192.0.2.1"]);
    let referral = lookup(&emulator, "www.theirs.example.com", RecordType::A);
    assert_eq!((referral.rcode, referral.authoritative), (Rcode::NoError, false));
    assert!(referral.records.is_empty());
    assert_eq!(lookup(&emulator, "www.ours.example.com", RecordType::A).rcode, Rcode::NxDomain);
}
