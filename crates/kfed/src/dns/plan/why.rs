//! Why a set changes, in a word that programs can go by.

use std::collections::BTreeSet;

use kfed_dnsprovider::{Change as Write, RecordData, RecordSet, RecordType, Resource, ZoneSnapshot};
use kfed_service_dns::{Liveness, Outcome, ServicePlan, WithdrawnReason};

use super::decide::{Change, Plans};
use super::input::Input;

/// `write` with its cause: one of the words below, or several joined by commas where data go for different causes.
///
/// `new-name`, `address-added`, `type-changed`, `target-changed`, `ttl-changed`, `marks-changed`; `member-dead`,
/// `load-balancer-dead`, `no-ready-endpoints`, `member-leaving`, `address-refused`, `address-gone` (the member no longer has it),
/// `address-of-others` (it stood in for addresses of this level); `no-address`, `no-member`, `level-gone`, `hostname-gone`,
/// `not-published`, `service-gone`.
pub(super) fn explain(write: &Write, input: &Input, plans: &Plans, zone: &ZoneSnapshot, all: &[Write]) -> Change {
    let key = write.key().clone();
    let beside = || all.iter().filter(|other| other.key().name == key.name && *other.key() != key);
    let (from, to, why) = match write {
        Write::Create { set } => {
            let turned = beside().any(|other| matches!(other, Write::Delete { .. }) && clash(other, write));
            let others = zone.at(&key.name).any(|other| is_address(other.key.record_type) && input.owner.owns(other));
            let why = match (turned, others) {
                (true, _) => "type-changed",
                (false, true) => "address-added",
                (false, false) => "new-name",
            };
            (None, Some(set.clone()), why.to_owned())
        }
        Write::Update { from, to, .. } => {
            let plan = Resource::of(to).and_then(|resource| plans.get(&resource));
            (Some(RecordSet::clone(from)), Some(to.clone()), update(from, to, plan))
        }
        Write::Delete { set } => {
            let turned = beside().any(|other| matches!(other, Write::Create { .. }) && clash(other, write));
            let why = if turned { "type-changed".to_owned() } else { delete(set, input, plans) };
            (Some(RecordSet::clone(set)), None, why)
        }
    };
    Change { key, from, to, why, message: write.why() }
}

fn update(from: &RecordSet, to: &RecordSet, plan: Option<&ServicePlan>) -> String {
    let gone: Vec<_> = from.data.difference(&to.data).collect();
    if from.key.record_type == RecordType::Cname && !gone.is_empty() {
        return "target-changed".to_owned();
    }
    if !gone.is_empty() {
        return withdrawn(gone.into_iter(), plan);
    }
    let word = if from.data != to.data {
        "address-added"
    } else if from.ttl != to.ttl {
        "ttl-changed"
    } else {
        "marks-changed"
    };
    word.to_owned()
}

fn delete(set: &RecordSet, input: &Input, plans: &Plans) -> String {
    let Some(resource) = Resource::of(set) else { return "service-gone".to_owned() };
    let Some(service) = input.services.get(&resource) else { return "service-gone".to_owned() };
    let Some(plan) = plans.get(&resource).filter(|_| service.published) else { return "not-published".to_owned() };
    let word = match &plan.outcome {
        Outcome::Publish(sets) if sets.iter().any(|wanted| wanted.key.name == set.key.name) => {
            return withdrawn(set.data.iter(), Some(plan));
        }
        Outcome::Publish(_) if input.naming.service_of(&set.key.name).is_none() => "hostname-gone",
        Outcome::Publish(_) => "level-gone",
        _ if service.observation.members.is_empty() => "no-member",
        _ => {
            let states =
                plan.addresses.iter().map(|(.., state)| state).chain(plan.hosts.iter().map(|(.., state)| state));
            let causes = words(states.copied().map(word));
            return if causes.is_empty() { "no-address".to_owned() } else { causes };
        }
    };
    word.to_owned()
}

/// Why `data` are no longer answered with.
fn withdrawn<'a>(data: impl Iterator<Item = &'a RecordData>, plan: Option<&ServicePlan>) -> String {
    let addresses = || plan.into_iter().flat_map(|plan| &plan.addresses);
    words(data.flat_map(|datum| {
        let of = addresses().filter(|(_, ip, _)| RecordData::from(*ip) == *datum).map(|(.., state)| word(*state));
        let mut of = of.collect::<BTreeSet<_>>();
        if of.is_empty() {
            of.insert("address-gone");
        }
        of
    }))
}

fn word(state: Liveness) -> &'static str {
    match state {
        Liveness::Serving => "address-of-others",
        Liveness::Withdrawn(reason) => match reason {
            WithdrawnReason::NoReadyEndpoints => "no-ready-endpoints",
            WithdrawnReason::MemberDead => "member-dead",
            WithdrawnReason::LoadBalancerDead => "load-balancer-dead",
            WithdrawnReason::AddressRefused => "address-refused",
            WithdrawnReason::MemberLeaving => "member-leaving",
            WithdrawnReason::Recovering => "recovering",
        },
    }
}

fn words(words: impl Iterator<Item = &'static str>) -> String {
    words.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(",")
}

/// RFC 1034 § 3.6.2: one of them has to go for the other.
fn clash(a: &Write, b: &Write) -> bool {
    [a, b].iter().any(|write| write.key().record_type == RecordType::Cname)
}

fn is_address(record_type: RecordType) -> bool {
    matches!(record_type, RecordType::A | RecordType::Aaaa)
}
