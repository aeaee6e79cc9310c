//! Sets of each type, with data of every form that the type has.

use std::collections::BTreeSet;

use super::bench::{Bench, Outcome, content, same};
use super::report::Report;
use crate::record::{RecordData, RecordType};

pub(super) async fn run(bench: &Bench, types: &BTreeSet<RecordType>, report: &mut Report) {
    for record_type in RecordType::ALL {
        let Some((name, data)) = example(record_type) else { continue };
        if types.contains(&record_type) {
            report.note(name, kept(bench, record_type, data).await);
        } else {
            report.skip(name, "it is not among the types that it writes");
        }
    }
}

/// What is checked of a type, and data of it.
fn example(record_type: RecordType) -> Option<(&'static str, &'static [&'static str])> {
    Some(match record_type {
        RecordType::A => ("A sets are kept as they are", &["192.0.2.1", "192.0.2.2"]),
        RecordType::Aaaa => ("AAAA sets are kept as they are", &["2001:db8::1", "2001:db8::2"]),
        RecordType::Cname => ("CNAME sets are kept as they are", &["target.example.net"]),
        RecordType::Txt => ("TXT sets are kept as they are", &["\"one\"", "\"two words\" \"and more\""]),
        RecordType::Srv => ("SRV sets are kept as they are", &["1 2 5060 a.example.net", "1 3 5061 b.example.net"]),
        RecordType::Mx => ("MX sets are kept as they are", &["10 a.example.net", "20 b.example.net"]),
        RecordType::Ptr => ("PTR sets are kept as they are", &["a.example.net", "b.example.net"]),
        RecordType::Ns => ("NS sets are kept as they are", &["ns1.example.net", "ns2.example.net"]),
        RecordType::Caa => (
            "CAA sets are kept as they are",
            &["0 issue \"ca.example.net; account=1\"", "128 iodef \"mailto:security@example.net\""],
        ),
        // The zone's own.
        RecordType::Soa => return None,
    })
}

async fn kept(b: &Bench, record_type: RecordType, data: &[&str]) -> Outcome {
    let label = format!("type-{}", record_type.as_str().to_ascii_lowercase());
    let wanted = b.set(&label, record_type, data.iter().map(|text| RecordData::parse(record_type, text)))?;
    let put = b.create(&wanted).await?;
    same("what was put", &content(&put), &wanted)?;
    same("what was read", &content(&b.read(&wanted.key).await?), &wanted)?;
    let listed = b.snapshot().await?;
    same("what was listed", &listed.get(&wanted.key).map(content), &Some(wanted))
}
