use crate::RecordType;

/// Whether a zone answers the internet or virtual networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneKind {
    /// `Microsoft.Network/dnsZones`.
    Public,
    /// `Microsoft.Network/privateDnsZones`.
    Private,
}

/// Everything in which the two resource types differ: one row a kind, and no other code asks which kind it has.
#[derive(Debug)]
pub(crate) struct ZoneProfile {
    /// The type's name in ids and `type` properties. Public zones answer in lower case whatever the caller wrote.
    pub(crate) segment: &'static str,
    /// Oldest first.
    pub(crate) api_versions: &'static [&'static str],
    pub(crate) record_types: &'static [RecordType],
    /// Segments below a zone that list all its record sets, lower case.
    pub(crate) list_all: &'static [&'static str],
    pub(crate) ttl_property: &'static str,
    pub(crate) soa_minimum_property: &'static str,
    pub(crate) soa_email: &'static str,
    pub(crate) soa_minimum: u32,
    pub(crate) has_name_servers: bool,
    pub(crate) max_record_sets: usize,
    pub(crate) max_txt_records: usize,
    /// Zone writes answer 202 and check their preconditions later; else only a deletion does, with preconditions first.
    pub(crate) writes_are_asynchronous: bool,
    /// Zone writes are limited per subscription rather than per zone.
    pub(crate) writes_share_a_limit: bool,
    /// Prefix of `…OperationStatuses` and `…OperationResults`.
    pub(crate) operations: &'static str,
    /// Seconds until the first poll of an asynchronous operation.
    pub(crate) poll_after: u64,
}

/// Records in a set of any type but TXT. Raisable by support in public zones; fixed in private ones.
pub(crate) const MAX_RECORDS: usize = 20;

static PUBLIC: ZoneProfile = ZoneProfile {
    segment: "dnszones",
    api_versions: &[
        "2015-05-04-preview",
        "2016-04-01",
        "2017-09-01",
        "2017-10-01",
        "2018-03-01-preview",
        "2018-05-01",
        "2023-07-01-preview",
    ],
    record_types: &RecordType::ALL,
    list_all: &["recordsets", "all"],
    ttl_property: "TTL",
    soa_minimum_property: "minimumTTL",
    soa_email: "azuredns-hostmaster.microsoft.com",
    soa_minimum: 300,
    has_name_servers: true,
    max_record_sets: 10_000,
    max_txt_records: 400,
    writes_are_asynchronous: false,
    writes_share_a_limit: false,
    operations: "dnsOperation",
    poll_after: 3,
};

static PRIVATE: ZoneProfile = ZoneProfile {
    segment: "privateDnsZones",
    api_versions: &["2018-09-01", "2020-01-01", "2020-06-01", "2024-06-01"],
    record_types: &[
        RecordType::A,
        RecordType::Cname,
        RecordType::Soa,
        RecordType::Ptr,
        RecordType::Mx,
        RecordType::Txt,
        RecordType::Aaaa,
        RecordType::Srv,
    ],
    list_all: &["all"],
    ttl_property: "ttl",
    soa_minimum_property: "minimumTtl",
    soa_email: "azureprivatedns-host.microsoft.com",
    soa_minimum: 10,
    has_name_servers: false,
    max_record_sets: 25_000,
    max_txt_records: MAX_RECORDS,
    writes_are_asynchronous: true,
    writes_share_a_limit: true,
    operations: "privateDnsOperation",
    poll_after: 10,
};

impl ZoneKind {
    pub(crate) const ALL: [Self; 2] = [Self::Public, Self::Private];

    pub(crate) fn profile(self) -> &'static ZoneProfile {
        match self {
            Self::Public => &PUBLIC,
            Self::Private => &PRIVATE,
        }
    }

    /// Path segments are compared without letter case.
    pub(crate) fn from_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.profile().segment.eq_ignore_ascii_case(segment))
    }
}
