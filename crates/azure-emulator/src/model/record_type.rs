use std::{fmt, str::FromStr};

use crate::{EmulatorError, ZoneKind};

/// A record type that Azure DNS stores. Ordered by its DNS number, which is also how Azure orders the sets of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum RecordType {
    /// IPv4 addresses.
    A = 1,
    /// Name servers.
    Ns = 2,
    /// An alias name.
    Cname = 5,
    /// The zone's start of authority.
    Soa = 6,
    /// Names of an address.
    Ptr = 12,
    /// Mail exchangers.
    Mx = 15,
    /// Free text.
    Txt = 16,
    /// IPv6 addresses.
    Aaaa = 28,
    /// Locations of a service.
    Srv = 33,
    /// Authorities that may issue certificates (public zones, from api-version 2017-09-01 on).
    Caa = 257,
}

impl RecordType {
    /// Every type, in order.
    pub const ALL: [Self; 10] =
        [Self::A, Self::Ns, Self::Cname, Self::Soa, Self::Ptr, Self::Mx, Self::Txt, Self::Aaaa, Self::Srv, Self::Caa];

    /// The number of the type in DNS messages.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The type as Azure and zone files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Ns => "NS",
            Self::Cname => "CNAME",
            Self::Soa => "SOA",
            Self::Ptr => "PTR",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
            Self::Caa => "CAA",
        }
    }

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The property that holds the records. Public and private zones differ in its letter case; CAA is the odd one out.
    pub(crate) fn property(self, zone: ZoneKind) -> &'static str {
        let (public, private) = match self {
            Self::A => ("ARecords", "aRecords"),
            Self::Ns => ("NSRecords", "nsRecords"),
            Self::Cname => ("CNAMERecord", "cnameRecord"),
            Self::Soa => ("SOARecord", "soaRecord"),
            Self::Ptr => ("PTRRecords", "ptrRecords"),
            Self::Mx => ("MXRecords", "mxRecords"),
            Self::Txt => ("TXTRecords", "txtRecords"),
            Self::Aaaa => ("AAAARecords", "aaaaRecords"),
            Self::Srv => ("SRVRecords", "srvRecords"),
            Self::Caa => ("caaRecords", "caaRecords"),
        };
        match zone {
            ZoneKind::Public => public,
            ZoneKind::Private => private,
        }
    }

    /// Whether the property is one object rather than an array of them.
    pub(crate) fn is_single(self) -> bool {
        matches!(self, Self::Cname | Self::Soa)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RecordType {
    type Err = EmulatorError;

    /// Letter case does not matter.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| EmulatorError::UnknownRecordType { word: word.to_owned() })
    }
}
