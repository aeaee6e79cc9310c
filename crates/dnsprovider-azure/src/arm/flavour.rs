//! What differs between public and private zones. All of it is data.

use kfed_dnsprovider::RecordType;

/// A kind of zone in Azure.
#[derive(Debug, PartialEq, Eq)]
pub struct ZoneFlavour {
    /// The name that users choose the provider by.
    pub provider: &'static str,
    /// The last part of the resource type, in `Microsoft.Network/…`.
    pub(crate) resource_type: &'static str,
    pub(crate) api_version: &'static str,
    /// The path segment that lists all record sets.
    pub(crate) list_all: &'static str,
    /// Whether only virtual networks see the zones.
    pub private: bool,
    pub(crate) ttl: &'static str,
    /// The properties that hold the records of the types that are written.
    records: [(RecordType, &'static str); 4],
    /// Documented limits a minute and zone: writes, lists, gets.
    pub limits: Limits,
}

/// How many requests a minute Azure lets through for one zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Record sets created or updated; deletions have a count of their own, equally large.
    pub writes: u32,
    /// Lists of record sets.
    pub lists: u32,
    /// Record sets read one by one.
    pub gets: u32,
}

/// Public zones, `Microsoft.Network/dnsZones`.
pub static PUBLIC: ZoneFlavour = ZoneFlavour {
    provider: "azure-azuredns",
    resource_type: "dnsZones",
    api_version: "2018-05-01",
    list_all: "recordsets",
    private: false,
    ttl: "TTL",
    records: [
        (RecordType::A, "ARecords"),
        (RecordType::Aaaa, "AAAARecords"),
        (RecordType::Cname, "CNAMERecord"),
        (RecordType::Txt, "TXTRecords"),
    ],
    limits: Limits { writes: 200, lists: 60, gets: 2000 },
};

/// Private zones, `Microsoft.Network/privateDnsZones`.
pub static PRIVATE: ZoneFlavour = ZoneFlavour {
    provider: "azure-private-dns",
    resource_type: "privateDnsZones",
    api_version: "2020-06-01",
    list_all: "ALL",
    private: true,
    ttl: "ttl",
    records: [
        (RecordType::A, "aRecords"),
        (RecordType::Aaaa, "aaaaRecords"),
        (RecordType::Cname, "cnameRecord"),
        (RecordType::Txt, "txtRecords"),
    ],
    limits: Limits { writes: 60, lists: 100, gets: 200 },
};

// === impl ZoneFlavour ===

impl ZoneFlavour {
    /// The property for records of a type that is written; none for the others.
    pub(crate) fn records_property(&self, record_type: RecordType) -> Option<&'static str> {
        self.records.iter().find(|(t, _)| *t == record_type).map(|(_, property)| *property)
    }
}
