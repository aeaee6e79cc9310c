//! Taking records over that are somebody else's, or nobody's.

use std::collections::BTreeSet;
use std::fmt;

use kfed_dnsprovider::ownership::OWNER_KEY;
use kfed_dnsprovider::plan::Stage;
use kfed_dnsprovider::{
    Change, ChangeSet, DataSources, DesiredRecordSet, DnsName, Owner, RecordSet, RecordSetKey, RecordType, Registered,
    Registration, Resource, Urgency, ZoneSnapshot,
};
use serde::Serialize;

use crate::audit::is_unmarked;
use crate::federation::{Decision, FederationView, decide};

/// The writes that make record sets the federation's. Their data and their TTL stay.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Adoption {
    /// What is taken over.
    pub taken: Vec<Taken>,
    /// First the marks are written …
    pub marks: ChangeSet,
    /// … then the entries of external-dns' registry go: until then the sets are still its.
    pub registrations: ChangeSet,
}

/// A set that is taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Name and type.
    #[serde(flatten)]
    pub key: RecordSetKey,
    /// Who had it, as far as that is told.
    pub owner: Option<String>,
    /// The service that it is for from now on.
    #[serde(serialize_with = "crate::federation::as_text")]
    pub service: Resource,
}

/// Why a set is not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The name is not in the zone.
    NotInZone,
    /// No set that answers is there.
    Nothing {
        /// The types that are there.
        types: Vec<RecordType>,
    },
    /// The federation never writes sets of the type.
    Type(RecordType),
    /// The sets are the federation's already.
    Ours,
    /// No service of the federation wants the name.
    NotWanted {
        /// Whether it is a name that the federation gives by rule.
        by_rule: bool,
    },
    /// A write would break the set.
    Fixed(RecordType),
    /// external-dns owns the name as a whole, and only one type was asked for.
    WholeName {
        /// external-dns' owner.
        owner: String,
    },
}

/// Takes over what answers at `name`, of one type or of all; with `force` also at a name that the federation gives by rule and that
/// no service of it wants.
pub fn adopt(
    zone: &ZoneSnapshot,
    view: &FederationView,
    name: &DnsName,
    record_type: Option<RecordType>,
    force: bool,
) -> Result<Adoption, Refusal> {
    if !name.is_in(&view.naming.zone) {
        return Err(Refusal::NotInZone);
    }
    if let Some(other) = record_type.filter(|record_type| !record_type.answers()) {
        return Err(Refusal::Type(other));
    }
    let is_asked_for = |set: &&RecordSet| match record_type {
        Some(record_type) => set.key.record_type == record_type,
        None => set.key.record_type.answers(),
    };
    let sets: Vec<_> = zone.at(name).filter(is_asked_for).collect();
    if sets.is_empty() {
        return Err(Refusal::Nothing { types: zone.at(name).map(|set| set.key.record_type).collect() });
    }
    let owner = view.owner();
    let registered = Registered::of(zone, &owner);
    let foreign = |set: &&RecordSet| !owner.owns(set) || registered.owner(&set.key).is_some();
    let sets: Vec<_> = sets.into_iter().filter(foreign).collect();
    if sets.is_empty() {
        return Err(Refusal::Ours);
    }
    if let Some(fixed) = sets.iter().find(|set| set.is_fixed()) {
        return Err(Refusal::Fixed(fixed.key.record_type));
    }
    let whole = sets.iter().flat_map(|set| registered.at(&set.key)).find(|registration| registration.whole_name);
    let others = zone.at(name).any(|set| set.key.record_type.answers() && !is_asked_for(&set));
    if let Some(registration) = whole.filter(|_| others) {
        return Err(Refusal::WholeName { owner: registration.owner.clone() });
    }
    let decision = decide(view);
    let by_rule = || view.naming.service_of(name).map(|(namespace, name)| Resource::service(namespace, name));
    let resource = wanted_by(view, &decision, name).or_else(|| by_rule().filter(|_| force));
    let resource = resource.ok_or_else(|| Refusal::NotWanted { by_rule: by_rule().is_some() })?;
    Ok(Adoption::of(zone, &owner, &decision, &registered, sets.into_iter().map(|set| (set, resource.clone()))))
}

/// Takes over all that is nobody's at names that the federation gives by rule: what Federation v1 left behind, and sets that have lost
/// their marks. What no service wants of it is an orphan from then on.
pub fn adopt_leftovers(zone: &ZoneSnapshot, view: &FederationView) -> Adoption {
    let (owner, decision) = (view.owner(), decide(view));
    let registered = Registered::of(zone, &owner);
    let sets = zone.iter().filter(|set| is_unmarked(set, &view.naming, &registered) && !set.is_fixed());
    let sets = sets.filter_map(|set| {
        let (namespace, name) = view.naming.service_of(&set.key.name)?;
        Some((set, Resource::service(namespace, name)))
    });
    Adoption::of(zone, &owner, &decision, &registered, sets)
}

/// The service that has `name`, or has it still.
fn wanted_by(view: &FederationView, decision: &Decision, name: &DnsName) -> Option<Resource> {
    let desired = decision.desired.sets.iter().find(|set| set.key.name == *name).map(|set| set.resource.clone());
    let kept = || {
        let by_rule = view.naming.service_of(name).map(|(namespace, name)| Resource::service(namespace, name));
        let by_wish =
            view.services.iter().find(|(_, service)| service.hostnames.contains(name)).map(|(r, _)| r.clone());
        by_rule.or(by_wish).filter(|resource| decision.desired.keep.contains(resource))
    };
    desired.or_else(kept)
}

// === impl Adoption ===

impl Adoption {
    fn of<'a>(
        zone: &ZoneSnapshot,
        owner: &Owner,
        decision: &Decision,
        registered: &Registered,
        sets: impl Iterator<Item = (&'a RecordSet, Resource)>,
    ) -> Self {
        let mut adoption = Self::default();
        let (mut marks, mut registrations) = (Vec::new(), BTreeSet::new());
        for (set, service) in sets {
            registrations.extend(registered.at(&set.key).map(|registration| registration.txt.clone()));
            let told = registered.owner(&set.key).cloned();
            let told =
                told.or_else(|| set.metadata.get(OWNER_KEY).filter(|other| *other != owner.0).map(str::to_owned));
            adoption.taken.push(Taken { key: set.key.clone(), owner: told, service: service.clone() });
            if !owner.owns(set) {
                let to = marked(set, service, decision).in_place_of(set, owner);
                marks.push(Change::Update { from: set.clone().into(), to, urgency: Urgency::Tidies });
            }
        }
        let texts = registrations.iter().filter_map(|key| zone.get(key));
        let registrations = texts.map(|set| match Registration::without(set) {
            Some(to) => Change::Update { from: set.clone().into(), to, urgency: Urgency::Tidies },
            None => Change::Delete { set: set.clone().into() },
        });
        adoption.registrations = at_once(registrations.collect());
        adoption.marks = at_once(marks);
        adoption
    }
}

/// `set` as it is. What is known to be wanted of it is known to come from where it is wanted.
fn marked(set: &RecordSet, resource: Resource, decision: &Decision) -> DesiredRecordSet {
    let wanted = decision.desired.sets.iter().find(|wanted| wanted.key == set.key);
    let data: DataSources = set
        .data
        .iter()
        .map(|datum| {
            let members = wanted.and_then(|wanted| wanted.data.get(datum));
            (datum.clone(), members.cloned().unwrap_or_default())
        })
        .collect();
    DesiredRecordSet { key: set.key.clone(), ttl: set.ttl, data, resource }
}

/// Changes none of which waits for another.
fn at_once(changes: Vec<Change>) -> ChangeSet {
    let stage = Stage { urgency: Urgency::Tidies, changes: changes.len() };
    ChangeSet { stages: vec![stage], changes, ..ChangeSet::default() }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInZone => f.write_str("it is not in the zone"),
            Self::Nothing { types } if types.is_empty() => f.write_str("nothing is there"),
            Self::Nothing { types } => {
                let types: Vec<_> = types.iter().map(|record_type| record_type.as_str()).collect();
                write!(f, "no such set is there; what is there is {}", types.join(", "))
            }
            Self::Type(record_type) => write!(f, "a federation has A, AAAA and CNAME sets, and never {record_type}"),
            Self::Ours => f.write_str("it is the federation's already"),
            Self::NotWanted { by_rule: false } => f.write_str("no Service of the federation asks for that name"),
            Self::NotWanted { by_rule: true } => f.write_str("no Service of the federation has that name now"),
            Self::Fixed(record_type) => {
                write!(f, "the {record_type} set is an alias or has properties that a write would drop")
            }
            Self::WholeName { owner } => {
                write!(f, "external-dns (`{owner}`) owns the name with all its types: one alone cannot be taken over")
            }
        }
    }
}

impl std::error::Error for Refusal {}
