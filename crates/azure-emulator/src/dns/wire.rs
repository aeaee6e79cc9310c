//! From our records to those of the DNS library.

use hickory_proto::rr::{
    Name, RData, Record, RecordType as WireType,
    rdata::{A, AAAA, CNAME, MX, NS, NULL, PTR, SOA, SRV, TXT},
};

use super::lookup::{Found, Wanted};
use crate::{RecordType, model::rdata::Rdata};

/// Which of our types a question's type is.
pub(super) fn wanted(wire: WireType) -> Wanted {
    if wire == WireType::ANY {
        return Wanted::Any;
    }
    match RecordType::from_number(u16::from(wire)) {
        Some(kind) => Wanted::Type(kind),
        None => Wanted::Unknown,
    }
}

/// Leaves out what cannot stand in a DNS message, such as an exchange name that is too long.
pub(super) fn records<'a>(found: impl IntoIterator<Item = &'a Found>) -> Vec<Record> {
    found
        .into_iter()
        .filter_map(|found| {
            let owner = absolute(&found.name)?;
            Some(Record::from_rdata(owner, found.ttl, rdata(&found.data)?))
        })
        .collect()
}

fn rdata(data: &Rdata) -> Option<RData> {
    Some(match data {
        Rdata::A(address) => RData::A(A(*address)),
        Rdata::Aaaa(address) => RData::AAAA(AAAA(*address)),
        Rdata::Ns(name) => RData::NS(NS(absolute(name)?)),
        Rdata::Cname(name) => RData::CNAME(CNAME(absolute(name)?)),
        Rdata::Ptr(name) => RData::PTR(PTR(absolute(name)?)),
        Rdata::Mx { preference, exchange } => RData::MX(MX::new(*preference, absolute(exchange)?)),
        Rdata::Srv { priority, weight, port, target } => {
            RData::SRV(SRV::new(*priority, *weight, *port, absolute(target)?))
        }
        Rdata::Txt(strings) => RData::TXT(TXT::new(strings.clone())),
        // The library models known tags only; Azure takes any.
        Rdata::Caa { flags, tag, value } => {
            RData::Unknown { code: WireType::CAA, rdata: NULL::with(caa(*flags, tag, value)?) }
        }
        Rdata::Soa(soa) => RData::SOA(SOA::new(
            absolute(&soa.host)?,
            absolute(&soa.email)?,
            soa.serial,
            i32::try_from(soa.refresh).ok()?,
            i32::try_from(soa.retry).ok()?,
            i32::try_from(soa.expire).ok()?,
            soa.minimum,
        )),
    })
}

/// RFC 8659 § 4.1.1.
fn caa(flags: u8, tag: &str, value: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![flags, u8::try_from(tag.len()).ok()?];
    bytes.extend_from_slice(tag.as_bytes());
    bytes.extend_from_slice(value.as_bytes());
    Some(bytes)
}

fn absolute(name: &str) -> Option<Name> {
    Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()
}
