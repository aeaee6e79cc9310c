//! Why a set changes, in a word that programs can go by.

use std::collections::BTreeSet;

use kfed_dnsprovider::{Change, RecordData, RecordSet, RecordType, Resource, ZoneSnapshot};

use crate::federation::{Decision, FederationView};
use crate::liveness::{Liveness, WithdrawnReason};
use crate::plan::{Outcome, ServicePlan};

/// The cause of `change`, one of `all` that `decision` leads to: one of the words below, or several joined by commas where data go
/// for different causes.
///
/// `new-name`, `address-added`, `type-changed`, `target-changed`, `ttl-changed`, `marks-changed`; `member-dead`,
/// `load-balancer-dead`, `no-ready-endpoints`, `member-leaving`, `address-refused`, `address-gone` (the member no longer has it),
/// `address-of-others` (it stood in for addresses of this level), `recovering`; `no-address`, `no-member`, `level-gone`,
/// `hostname-gone`, `not-published` (its type or annotations ask for no name, or it is being deleted), `service-gone`.
pub fn cause(
    change: &Change,
    all: &[Change],
    zone: &ZoneSnapshot,
    view: &FederationView,
    decision: &Decision,
) -> String {
    let key = change.key();
    let beside = || all.iter().filter(|other| other.key().name == key.name && other.key() != key);
    match change {
        Change::Create { .. } => {
            let turned = beside().any(|other| matches!(other, Change::Delete { .. }) && clash(other, change));
            let owner = view.owner();
            let others = zone.at(&key.name).any(|other| is_address(other.key.record_type) && owner.owns(other));
            let word = match (turned, others) {
                (true, _) => "type-changed",
                (false, true) => "address-added",
                (false, false) => "new-name",
            };
            word.to_owned()
        }
        Change::Update { from, to, .. } => {
            update(from, to, Resource::of(to).and_then(|resource| decision.plans.get(&resource)))
        }
        Change::Delete { set } => {
            let turned = beside().any(|other| matches!(other, Change::Create { .. }) && clash(other, change));
            if turned { "type-changed".to_owned() } else { delete(set, view, decision) }
        }
    }
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

fn delete(set: &RecordSet, view: &FederationView, decision: &Decision) -> String {
    let Some(resource) = Resource::of(set) else { return "service-gone".to_owned() };
    let Some(service) = view.services.get(&resource) else { return "service-gone".to_owned() };
    let plan = decision.plans.get(&resource).filter(|_| service.published);
    let Some(plan) = plan else { return "not-published".to_owned() };
    let word = match &plan.outcome {
        Outcome::Publish(sets) if sets.iter().any(|wanted| wanted.key.name == set.key.name) => {
            return withdrawn(set.data.iter(), Some(plan));
        }
        Outcome::Publish(_) if view.naming.service_of(&set.key.name).is_none() => "hostname-gone",
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
    words(data.flat_map(|datum| of_datum(datum, plan)))
}

/// Why `datum` is no longer answered with.
pub(crate) fn of_datum(datum: &RecordData, plan: Option<&ServicePlan>) -> BTreeSet<&'static str> {
    let plan = plan.into_iter();
    let ips = plan.clone().flat_map(|plan| &plan.addresses).filter(|(_, ip, _)| RecordData::from(*ip) == *datum);
    let hosts = plan.flat_map(|plan| &plan.hosts).filter(|(_, host, _)| RecordData::Cname(host.clone()) == *datum);
    let states = ips.map(|(.., state)| *state).chain(hosts.map(|(.., state)| *state));
    let mut words: BTreeSet<_> = states.map(word).collect();
    if words.is_empty() {
        words.insert("address-gone");
    }
    words
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
            WithdrawnReason::EndpointsUnknown => "endpoints-unknown",
        },
    }
}

fn words(words: impl Iterator<Item = &'static str>) -> String {
    words.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(",")
}

/// RFC 1034 § 3.6.2: one of them has to go for the other.
fn clash(a: &Change, b: &Change) -> bool {
    [a, b].iter().any(|change| change.key().record_type == RecordType::Cname)
}

fn is_address(record_type: RecordType) -> bool {
    matches!(record_type, RecordType::A | RecordType::Aaaa)
}
