//! From what the file says to what would change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kfed_dnsprovider::ownership::OWNER_KEY;
use kfed_dnsprovider::{
    ChangeSet, Desired, DesiredRecordSet, Metadata, Policy, RecordData, RecordSet, RecordSetKey, Resource, ZoneSnapshot,
};
use kfed_service_dns::{Outcome, Rules, ServicePlan, settle};

use super::input::{Input, Record};
use super::why;

/// What would change, and what the zone would then hold.
#[derive(Debug)]
pub(super) struct Decision {
    /// The sets that are the federation's, by name and type.
    pub(super) desired: Vec<RecordSet>,
    pub(super) changes: Vec<Change>,
    pub(super) conflicts: Vec<kfed_dnsprovider::Conflict>,
    pub(super) findings: Vec<Finding>,
}

/// A set that would be another.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: RecordSetKey,
    pub(super) from: Option<RecordSet>,
    pub(super) to: Option<RecordSet>,
    /// The cause, in a word.
    pub(super) why: String,
    /// What it does, for people.
    pub(super) message: String,
}

/// Something about a service that somebody should know.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) service: Resource,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What is known of each published service.
pub(super) type Plans = BTreeMap<Resource, ServicePlan>;

/// Decides as the control plane does once all holds are over.
pub(super) fn decide(input: &Input) -> Decision {
    let mut findings = Vec::new();
    let plans = plans(input, &mut findings);
    let mut desired = Desired::default();
    for (resource, plan) in &plans {
        match &plan.outcome {
            Outcome::Publish(sets) => desired.sets.extend(sets.iter().cloned()),
            Outcome::KeepLast { why, sets } => {
                match sets {
                    Some(sets) => desired.sets.extend(sets.iter().cloned()),
                    None => drop(desired.keep.insert(resource.clone())),
                }
                let message = why.to_string();
                findings.push(Finding { service: resource.clone(), reason: "LastTargetKept", message });
            }
            Outcome::EmptyHold | Outcome::Withdraw => {}
        }
    }
    let zone: ZoneSnapshot = input.records.iter().map(|record| held(input, record, &desired, &plans)).collect();
    // What the file does not tell of is meant to be gone.
    let policy = Policy { caused: zone.iter().filter_map(Resource::of).collect(), ..Policy::default() };
    let mut changes = kfed_dnsprovider::plan(&zone, &desired, &input.owner, &policy);
    for truncated in &changes.truncated {
        let message = format!(
            "{} holds {} of {} addresses: a set takes no more",
            truncated.key,
            truncated.kept,
            truncated.kept + truncated.dropped.len()
        );
        findings.push(Finding { service: truncated.resource.clone(), reason: "Truncated", message });
    }
    let conflicts = std::mem::take(&mut changes.conflicts);
    let after = after(input, &zone, &changes);
    let mut changes: Vec<_> =
        changes.changes.iter().map(|change| why::explain(change, input, &plans, &zone, &changes.changes)).collect();
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    findings.sort_by(|a, b| a.service.cmp(&b.service));
    Decision { desired: after, changes, conflicts, findings }
}

fn plans(input: &Input, findings: &mut Vec<Finding>) -> Plans {
    let published = || input.services.iter().filter(|(_, service)| service.published);
    let claims = published().map(|(resource, service)| (service.created, resource.clone(), service.hostnames.clone()));
    let claimed = settle(claims);
    let mut plans = Plans::new();
    for (resource, service) in published() {
        let mut observation = service.observation.clone();
        let mut tell = |reason, message| findings.push(Finding { service: resource.clone(), reason, message });
        for hostname in &service.hostnames {
            match &claimed[hostname] {
                owner if owner == resource => observation.hostnames.push(hostname.clone()),
                owner => {
                    let hostname = hostname.without_dot();
                    tell("HostnameTaken", format!("hostname `{hostname}` is {owner}'s, which comes first"));
                }
            }
        }
        let rules = Rules {
            address_policy: input.policy,
            empty_for: Some(Duration::MAX),
            fallback: input.fallback,
            has_records: input.records.iter().any(|record| resource_of(input, record).as_ref() == Some(resource)),
            ..Rules::default()
        };
        let plan = kfed_service_dns::plan(&input.naming, &observation, &rules);
        service.mistakes.iter().for_each(|mistake| tell("InvalidHostname", mistake.clone()));
        plan.findings.iter().for_each(|finding| tell(finding.reason(), finding.to_string()));
        plans.insert(resource.clone(), plan);
    }
    plans
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
fn held(input: &Input, record: &Record, desired: &Desired, plans: &Plans) -> RecordSet {
    let mut set = record.set.clone();
    let Some(resource) = resource_of(input, record) else {
        set.metadata = record.owner.iter().map(|owner| (OWNER_KEY, owner)).collect::<Metadata>();
        return set;
    };
    let wanted = desired.sets.iter().find(|wanted| wanted.key == set.key && wanted.resource == resource);
    let sources = |datum: &RecordData| match wanted.and_then(|wanted| wanted.data.get(datum)) {
        Some(members) => members.clone(),
        None => plans.get(&resource).map(|plan| members(plan, datum).into()).unwrap_or_default(),
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

/// What the zone then holds of the federation's.
fn after(input: &Input, zone: &ZoneSnapshot, changes: &ChangeSet) -> Vec<RecordSet> {
    let mut zone = zone.clone();
    for change in &changes.changes {
        match change {
            kfed_dnsprovider::Change::Create { set } => zone.insert(set.clone()),
            kfed_dnsprovider::Change::Update { to, .. } => zone.insert(to.clone()),
            kfed_dnsprovider::Change::Delete { set } => drop(zone.remove(&set.key)),
        }
    }
    zone.iter().filter(|set| input.owner.owns(set)).cloned().collect()
}
