//! Where checks work, and what they are written with.

use std::fmt::Debug;

use crate::error::{DnsError, ErrorClass};
use crate::metadata::Metadata;
use crate::name::DnsName;
use crate::operation::Precondition;
use crate::provider::DnsProvider;
use crate::record::{Etag, RecordData, RecordSet, RecordSetKey, RecordType};
use crate::zone::{Zone, ZoneId, ZoneSnapshot};

/// What came of a check: what the provider did instead.
pub(super) type Outcome = Result<(), String>;

/// A provider and a zone to write in.
pub(super) struct Bench {
    pub(super) provider: DnsProvider,
    pub(super) zone: Zone,
}

// === impl Bench ===

impl Bench {
    /// A place to work in that holds nothing of an earlier run.
    pub(super) async fn new(provider: DnsProvider, zone: ZoneId) -> Result<Self, String> {
        let zones = provider.list_zones(None).await;
        let zones = zones.map_err(|error| format!("the zones could not be listed: {}", full(&error)))?;
        let Some(zone) = zones.into_iter().find(|listed| listed.id == zone) else {
            return Err(format!("zone `{}` is not among those listed", zone.0));
        };
        let bench = Self { provider, zone };
        bench.clean().await?;
        Ok(bench)
    }

    /// The one place that checks write in.
    pub(super) fn place(&self) -> Result<DnsName, String> {
        self.zone.name.child("kfed-conformance").map_err(|error| error.to_string())
    }

    /// The name `label` below it.
    pub(super) fn name(&self, label: &str) -> Result<DnsName, String> {
        self.place()?.child(label).map_err(|error| error.to_string())
    }

    pub(super) fn key(&self, record_type: RecordType, label: &str) -> Result<RecordSetKey, String> {
        Ok(RecordSetKey::new(self.name(label)?, record_type))
    }

    pub(super) async fn snapshot(&self) -> Result<ZoneSnapshot, String> {
        self.provider.snapshot(&self.zone.id).await.map_err(|error| full(&error))
    }

    pub(super) async fn get(&self, key: &RecordSetKey) -> Result<Option<RecordSet>, String> {
        self.provider.get(&self.zone.id, key).await.map_err(|error| full(&error))
    }

    /// A set that must be there, as it is now.
    pub(super) async fn read(&self, key: &RecordSetKey) -> Result<RecordSet, String> {
        self.get(key).await?.ok_or_else(|| format!("{key} is gone"))
    }

    pub(super) async fn create(&self, set: &RecordSet) -> Result<RecordSet, String> {
        let put = self.provider.put(&self.zone.id, set.clone(), Precondition::Absent).await;
        put.map_err(|error| full(&error))
    }

    pub(super) async fn update(&self, read: &RecordSet, set: &RecordSet) -> Result<RecordSet, String> {
        let put = self.provider.put(&self.zone.id, set.clone(), Precondition::Unchanged(etag(read)?)).await;
        put.map_err(|error| full(&error))
    }

    pub(super) async fn delete(&self, set: &RecordSet) -> Result<(), String> {
        let deleted = self.provider.delete(&self.zone.id, &set.key, etag(set)?).await;
        deleted.map_err(|error| full(&error))
    }

    /// Removes what a run has left. Each set is read again before it goes: the last deletion may have made its version old.
    pub(super) async fn clean(&self) -> Outcome {
        let place = self.place()?;
        for set in self.snapshot().await?.iter().filter(|set| set.key.name.is_in(&place)) {
            if let Some(set) = self.get(&set.key).await? {
                self.delete(&set).await?;
            }
        }
        Ok(())
    }

    /// An A set with one address.
    pub(super) fn a(&self, label: &str, n: u8) -> Result<RecordSet, String> {
        self.set(label, RecordType::A, [Ok::<_, String>(RecordData::A([192, 0, 2, n].into()))])
    }

    pub(super) fn set<E: ToString>(
        &self,
        label: &str,
        record_type: RecordType,
        data: impl IntoIterator<Item = Result<RecordData, E>>,
    ) -> Result<RecordSet, String> {
        let data = data.into_iter().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let key = self.key(record_type, label)?;
        Ok(RecordSet {
            key,
            ttl: 30,
            data,
            metadata: Metadata::default(),
            etag: None,
            alias: false,
            unknown_properties: false,
        })
    }
}

pub(super) fn etag(set: &RecordSet) -> Result<Etag, String> {
    set.etag.clone().ok_or_else(|| format!("{} was read without a version", set.key))
}

/// The set without its version.
pub(super) fn content(set: &RecordSet) -> RecordSet {
    RecordSet { etag: None, ..set.clone() }
}

/// What went wrong, with its causes.
pub(super) fn full(error: &DnsError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, seen: &T, expected: &T) -> Outcome {
    if seen == expected { Ok(()) } else { Err(format!("{what} is {seen:?}, not {expected:?}")) }
}

/// Whether it failed, and as it should; the error.
pub(super) fn failed<T: Debug>(
    what: &str,
    result: Result<T, DnsError>,
    classes: &[ErrorClass],
) -> Result<DnsError, String> {
    match result {
        Err(error) if classes.contains(&error.class) => Ok(error),
        Err(error) => Err(format!("{what} failed with {:?}, not {classes:?}: {}", error.class, full(&error))),
        Ok(answer) => Err(format!("{what} was done: {answer:?}")),
    }
}

/// The same where the error itself does not matter.
pub(super) fn fails<T: Debug>(what: &str, result: Result<T, DnsError>, classes: &[ErrorClass]) -> Outcome {
    failed(what, result, classes).map(drop)
}
