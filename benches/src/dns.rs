//! Zones of any size, as a federation fills them.

use kfed_dnsprovider::{
    Desired, DesiredRecordSet, Etag, Owner, RecordData, RecordSet, RecordSetKey, RecordType, Resource, ZoneSnapshot,
};

/// Whose the records are.
pub fn owner() -> Owner {
    Owner("myfederation".into())
}

/// `sets` wanted A sets, each with an address of two members; every `nth` (if any) with another address than before.
pub fn desired(sets: usize, changed_every: Option<usize>) -> Desired {
    let set = |n: usize| {
        let (namespace, service) = (format!("team-{}", n % 50), format!("service-{n}"));
        let name = format!("{service}.{namespace}.myfederation.svc.example.com");
        let [.., a, b, c] = (n as u64).to_be_bytes();
        let last = if changed_every.is_some_and(|every| n.is_multiple_of(every)) { c ^ 0xff } else { c };
        DesiredRecordSet {
            key: RecordSetKey::new(name.parse().expect("the name is well formed"), RecordType::A),
            ttl: 30,
            data: [
                (RecordData::A([10, a, b, last].into()), ["fed-west".to_owned()].into()),
                (RecordData::A([11, a, b, c].into()), ["fed-east".to_owned()].into()),
            ]
            .into(),
            resource: Resource::service(namespace, service),
        }
    };
    Desired { sets: (0..sets).map(set).collect(), ..Desired::default() }
}

/// A set as Azure would list it.
pub fn listed(want: &DesiredRecordSet, n: usize) -> RecordSet {
    let etag = Etag(format!("{n:08x}-0000-0000-0000-{n:012x}"));
    RecordSet { etag: Some(etag), ..want.to_record_set(&owner()) }
}

/// A zone that holds what is wanted, read as providers list: by name.
pub fn zone(desired: &Desired) -> ZoneSnapshot {
    let mut sets: Vec<&DesiredRecordSet> = desired.sets.iter().collect();
    sets.sort_by(|a, b| a.key.cmp(&b.key));
    sets.into_iter().enumerate().map(|(n, want)| listed(want, n)).collect()
}
