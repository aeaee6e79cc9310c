use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = DnsName> {
    "[a-z0-9_]{1,8}(\\.[a-z0-9-]{1,8}){0,3}".prop_filter_map("no name", |text| text.parse().ok())
}

fn host_or_root() -> impl Strategy<Value = DnsName> {
    prop_oneof![4 => name(), 1 => Just(DnsName::root())]
}

fn any_data() -> impl Strategy<Value = RecordData> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(RecordData::A),
        any::<Ipv6Addr>().prop_map(RecordData::Aaaa),
        name().prop_map(RecordData::Cname),
        name().prop_map(RecordData::Ptr),
        name().prop_map(RecordData::Ns),
        proptest::collection::vec("(?s).{0,60}", 1..4).prop_map(RecordData::Txt),
        (any::<u16>(), any::<u16>(), any::<u16>(), host_or_root()).prop_map(|(priority, weight, port, target)| Srv {
            priority,
            weight,
            port,
            target
        }
        .into()),
        (any::<u16>(), host_or_root()).prop_map(|(preference, exchange)| Mx { preference, exchange }.into()),
        (any::<u8>(), "[a-z0-9]{1,15}", "(?s).{0,60}").prop_map(|(flags, tag, value)| Caa { flags, tag, value }.into()),
    ]
}

proptest! {
    #[test]
    fn presentation_format_goes_there_and_back(data in any_data()) {
        let record_type = data.record_type().unwrap();
        prop_assert_eq!(data.check(record_type), Ok(()));
        let text = data.to_string();
        prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
        prop_assert_eq!(RecordData::parse(record_type, &text), Ok(data));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,40}") {
        for record_type in RecordType::ALL {
            let _either = RecordData::parse(record_type, &text);
        }
    }
}

#[test]
fn a_datum_is_as_small_as_it_was_before_it_had_types() {
    assert!(size_of::<RecordData>() <= 32, "{} bytes", size_of::<RecordData>());
}

#[test]
fn what_zone_files_write_is_read() {
    let cases = [
        (RecordType::Txt, "plain words", r#""plain" "words""#),
        (RecordType::Txt, r#""two words"	three"#, r#""two words" "three""#),
        (RecordType::Txt, r#""m\195\188nchen \"\\""#, r#""m\195\188nchen \"\\""#),
        (RecordType::Txt, r#""""#, r#""""#),
        (RecordType::Srv, "0 0 0 .", "0 0 0 ."),
        (RecordType::Mx, "10\tMail.Example.com.", "10 mail.example.com."),
        (RecordType::Caa, "128 Issue letsencrypt.org", r#"128 issue "letsencrypt.org""#),
        (RecordType::Caa, r#"0 issue "ca.example; account=1""#, r#"0 issue "ca.example; account=1""#),
        (
            RecordType::Soa,
            "ns1.example.com. admin.example.com. 1 2 3 4 5",
            "ns1.example.com. admin.example.com. 1 2 3 4 5",
        ),
    ];
    for (record_type, text, expected) in cases {
        assert_eq!(RecordData::parse(record_type, text).unwrap().to_string(), expected);
    }
}

#[test]
fn what_is_no_data_of_the_type_is_refused_and_said() {
    let long = format!("\"{}\"", "x".repeat(256));
    let cases = [
        (RecordType::A, "2001:db8::1", "invalid IPv4 address"),
        (RecordType::Cname, "a..b", "label"),
        (RecordType::Cname, ".", "empty"),
        (RecordType::Txt, "", "no string"),
        (RecordType::Txt, "\"open", "not closed"),
        (RecordType::Txt, "\"a\"b", "goes on"),
        (RecordType::Txt, r"\256", "no octet"),
        (RecordType::Txt, r"\19", "three digits"),
        (RecordType::Txt, r"\255", "UTF-8"),
        (RecordType::Txt, &long, "256 octets"),
        (RecordType::Srv, "1 2 3", "3 fields, not 4"),
        (RecordType::Srv, "1 2 65536 a.example", "port `65536`"),
        (RecordType::Mx, "-1 a.example", "preference `-1`"),
        (RecordType::Caa, "0 issue", "fewer than 3"),
        (RecordType::Caa, "0 is-sue x", "tag `is-sue`"),
        (RecordType::Caa, "256 issue x", "flags `256`"),
        (RecordType::Caa, "0 issue x y", "more than one string"),
    ];
    for (record_type, text, expected) in cases {
        let error = RecordData::parse(record_type, text).unwrap_err();
        assert!(error.problem.contains(expected), "{error}");
    }
}

#[test]
fn data_fit_their_own_type_alone() {
    let a = RecordData::A([192, 0, 2, 1].into());
    assert!(a.check(RecordType::A).is_ok());
    let error = a.check(RecordType::Aaaa).unwrap_err();
    assert_eq!(error.to_string(), "`192.0.2.1` is no data of type AAAA: it is of another type");
    assert!(RecordData::Txt(vec!["x".repeat(256)]).check(RecordType::Txt).is_err());
    assert!(RecordData::Other("anything".into()).check(RecordType::Soa).is_ok());
    assert!(RecordData::Other("192.0.2.256".into()).check(RecordType::A).is_err());
}
