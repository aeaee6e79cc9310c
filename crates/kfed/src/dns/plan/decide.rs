//! From what is known to what would change.

use std::collections::BTreeSet;

use kfed_dnsprovider::ownership::OWNER_KEY;
use kfed_dnsprovider::plan::{Change as Write, GuardedPlan};
use kfed_dnsprovider::{
    ChangeSet, DesiredRecordSet, Metadata, Owner, Policy, RecordData, RecordSet, RecordSetKey, Resource, ZoneSnapshot,
};
use kfed_service_dns::{Decision, FederationView, ServiceFinding, ServicePlan, ServiceView, cause, decide};

use super::input::{Input, Record};

/// What would change, and what the zone would then hold.
#[derive(Debug)]
pub(super) struct Planned {
    /// The sets that are the federation's, by name and type.
    pub(super) desired: Vec<RecordSet>,
    pub(super) changes: Vec<Explained>,
    pub(super) conflicts: Vec<kfed_dnsprovider::Conflict>,
    pub(super) findings: Vec<ServiceFinding>,
    /// Deletions that would wait for approval.
    pub(super) held: Option<GuardedPlan>,
}

/// A set that would be another.
#[derive(Debug)]
pub(in crate::dns) struct Explained {
    pub(super) key: RecordSetKey,
    pub(super) from: Option<RecordSet>,
    pub(super) to: Option<RecordSet>,
    /// The cause, in a word.
    pub(super) why: String,
    /// What it does, for people.
    pub(super) message: String,
}

/// Decides as the control plane does once all holds are over.
pub(super) fn offline(input: &Input) -> Planned {
    let view = view(input);
    let decision = decide(&view);
    let zone: ZoneSnapshot = input.records.iter().map(|record| held(input, record, &decision)).collect();
    // What the file does not tell of is meant to be gone.
    let policy = Policy { caused: zone.iter().filter_map(Resource::of).collect(), ..Policy::default() };
    planned(&view, &zone, decision, &policy)
}

/// Decides as the control plane does now.
pub(super) fn live(view: &FederationView, zone: &ZoneSnapshot) -> Planned {
    let policy = Policy { caused: view.services.keys().cloned().collect(), ..Policy::default() };
    planned(view, zone, decide(view), &policy)
}

/// Each of `changes` with its cause, by name and type.
pub(in crate::dns) fn explain(
    changes: &[Write],
    zone: &ZoneSnapshot,
    view: &FederationView,
    decision: &Decision,
) -> Vec<Explained> {
    let explained = |change: &Write| {
        let (from, to) = match change {
            Write::Create { set } => (None, Some(set.clone())),
            Write::Update { from, to, .. } => (Some(RecordSet::clone(from)), Some(to.clone())),
            Write::Delete { set } => (Some(RecordSet::clone(set)), None),
        };
        let why = cause(change, changes, zone, view, decision);
        Explained { key: change.key().clone(), from, to, why, message: change.why() }
    };
    let mut explained: Vec<_> = changes.iter().map(explained).collect();
    explained.sort_by(|a, b| a.key.cmp(&b.key));
    explained
}

fn planned(view: &FederationView, zone: &ZoneSnapshot, decision: Decision, policy: &Policy) -> Planned {
    let mut changes = kfed_dnsprovider::plan(zone, &decision.desired, &view.owner(), policy);
    let desired = after(&view.owner(), zone, &changes);
    let explained = explain(&changes.changes, zone, view, &decision);
    let mut findings = decision.findings;
    for truncated in &changes.truncated {
        let message = format!(
            "{} holds {} of {} addresses: a set takes no more",
            truncated.key,
            truncated.kept,
            truncated.kept + truncated.dropped.len()
        );
        findings.push(ServiceFinding { service: truncated.resource.clone(), reason: "Truncated", message });
    }
    findings.sort_by(|a, b| a.service.cmp(&b.service));
    let conflicts = std::mem::take(&mut changes.conflicts);
    Planned { desired, changes: explained, conflicts, findings, held: changes.guarded }
}

/// What the zone then holds of the owner's.
fn after(owner: &Owner, zone: &ZoneSnapshot, changes: &ChangeSet) -> Vec<RecordSet> {
    let mut zone = zone.clone();
    for change in &changes.changes {
        match change {
            Write::Create { set } => zone.insert(set.clone()),
            Write::Update { to, .. } => zone.insert(to.clone()),
            Write::Delete { set } => drop(zone.remove(&set.key)),
        }
    }
    zone.iter().filter(|set| owner.owns(set)).cloned().collect()
}

// === a file ===

fn view(input: &Input) -> FederationView {
    let services = input.services.iter().map(|(resource, service)| {
        let mistakes = service.mistakes.iter().map(|mistake| ("InvalidHostname", mistake.clone()));
        let view = ServiceView {
            published: service.published,
            seen: true,
            hold: false,
            has_records: input.records.iter().any(|record| resource_of(input, record).as_ref() == Some(resource)),
            observation: service.observation.clone(),
            hostnames: service.hostnames.clone(),
            created: service.created,
            mistakes: mistakes.collect(),
        };
        (resource.clone(), view)
    });
    FederationView {
        naming: input.naming.clone(),
        address_policy: input.policy,
        fallback: input.fallback,
        services: services.collect(),
    }
}

/// Which of the federation's services a record is for: as it says, by its name, or because the service asks for that name.
fn resource_of(input: &Input, record: &Record) -> Option<Resource> {
    if record.owner.as_ref() != Some(&input.owner.0) {
        return None;
    }
    let name = &record.set.key.name;
    let by_rule = || input.naming.service_of(name).map(|(namespace, name)| Resource::service(namespace, name));
    let by_wish =
        || input.services.iter().find(|(_, service)| service.hostnames.contains(name)).map(|(r, _)| r.clone());
    record.resource.clone().or_else(by_rule).or_else(by_wish)
}

/// A record set with the marks that it has in a zone. The file does not say where data came from: those that are wanted came from
/// where they are to come from, the others from whoever has such an address.
fn held(input: &Input, record: &Record, decision: &Decision) -> RecordSet {
    let mut set = record.set.clone();
    let Some(resource) = resource_of(input, record) else {
        set.metadata = record.owner.iter().map(|owner| (OWNER_KEY, owner)).collect::<Metadata>();
        return set;
    };
    let wanted = decision.desired.sets.iter().find(|wanted| wanted.key == set.key && wanted.resource == resource);
    let sources = |datum: &RecordData| match wanted.and_then(|wanted| wanted.data.get(datum)) {
        Some(members) => members.clone(),
        None => decision.plans.get(&resource).map(|plan| members(plan, datum).into()).unwrap_or_default(),
    };
    let marked = DesiredRecordSet {
        key: set.key.clone(),
        ttl: set.ttl,
        data: set.data.iter().map(|datum| (datum.clone(), sources(datum))).collect(),
        resource,
    };
    set.metadata = marked.to_record_set(&input.owner).metadata;
    set
}

fn members(plan: &ServicePlan, datum: &RecordData) -> BTreeSet<String> {
    let ips = plan.addresses.iter().filter(|(_, ip, _)| RecordData::from(*ip) == *datum).map(|(member, ..)| member);
    let hosts = plan.hosts.iter().filter(|(_, host, _)| RecordData::Cname(host.clone()) == *datum);
    ips.chain(hosts.map(|(member, ..)| member)).cloned().collect()
}
