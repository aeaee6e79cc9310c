//! What differs between public and private zones. All of it is data.

use std::time::Duration;

use kfed_dnsprovider::layer::Limits;
use kfed_dnsprovider::{OperationKind, RecordType};

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
    records: &'static [(RecordType, &'static str)],
    /// How many records a set may hold, where that is the same for everybody.
    pub(crate) max_records: Option<usize>,
    /// The documented limits: how many requests of a kind Azure lets through in a minute, for each zone.
    limits: [(OperationKind, u32); 6],
}

/// Public zones, `Microsoft.Network/dnsZones`.
pub static PUBLIC: ZoneFlavour = ZoneFlavour {
    provider: "azure-azuredns",
    resource_type: "dnsZones",
    api_version: "2018-05-01",
    list_all: "recordsets",
    private: false,
    ttl: "TTL",
    records: &[
        (RecordType::A, "ARecords"),
        (RecordType::Aaaa, "AAAARecords"),
        (RecordType::Cname, "CNAMERecord"),
        (RecordType::Txt, "TXTRecords"),
        (RecordType::Srv, "SRVRecords"),
        (RecordType::Mx, "MXRecords"),
        (RecordType::Ptr, "PTRRecords"),
        (RecordType::Ns, "NSRecords"),
        // In lower case here too.
        (RecordType::Caa, "caaRecords"),
    ],
    // 20, and more for subscriptions that asked for more.
    max_records: None,
    limits: [
        (OperationKind::ListZones, 60),
        (OperationKind::List, 60),
        (OperationKind::Get, 2000),
        (OperationKind::Create, 200),
        (OperationKind::Update, 200),
        (OperationKind::Delete, 200),
    ],
};

/// Private zones, `Microsoft.Network/privateDnsZones`.
pub static PRIVATE: ZoneFlavour = ZoneFlavour {
    provider: "azure-private-dns",
    resource_type: "privateDnsZones",
    api_version: "2020-06-01",
    list_all: "ALL",
    private: true,
    ttl: "ttl",
    records: &[
        (RecordType::A, "aRecords"),
        (RecordType::Aaaa, "aaaaRecords"),
        (RecordType::Cname, "cnameRecord"),
        (RecordType::Txt, "txtRecords"),
        (RecordType::Srv, "srvRecords"),
        (RecordType::Mx, "mxRecords"),
        (RecordType::Ptr, "ptrRecords"),
    ],
    // One more is answered by a 409, which would look like somebody else's write.
    max_records: Some(20),
    limits: [
        (OperationKind::ListZones, 100),
        (OperationKind::List, 100),
        (OperationKind::Get, 200),
        (OperationKind::Create, 60),
        (OperationKind::Update, 60),
        (OperationKind::Delete, 60),
    ],
};

// === impl ZoneFlavour ===

impl ZoneFlavour {
    /// Azure's documented limits, for a budget.
    pub fn limits(&self) -> Limits {
        const MINUTE: Duration = Duration::from_secs(60);
        self.limits.iter().fold(Limits::default(), |limits, (kind, requests)| limits.with(*kind, *requests, MINUTE))
    }

    /// The types of record sets that are written.
    pub fn types(&self) -> impl Iterator<Item = RecordType> {
        self.records.iter().map(|(record_type, _)| *record_type)
    }

    /// The property for records of a type that is written; none for the others.
    pub(crate) fn records_property(&self, record_type: RecordType) -> Option<&'static str> {
        self.records.iter().find(|(t, _)| *t == record_type).map(|(_, property)| *property)
    }
}
