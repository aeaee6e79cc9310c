//! What a service's names should answer.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use kfed_dnsprovider::{DesiredRecordSet, InvalidName};
use serde::{Deserialize, Serialize};

use crate::address::{AddressPolicy, AddressProblem};
use crate::liveness::{Liveness, WithdrawnReason, liveness};
use crate::names::Naming;
use crate::observation::{ApiState, MemberObservation, ServiceObservation};
use crate::records::record_sets;

/// What a plan goes by beside the observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Which addresses may be published.
    pub address_policy: AddressPolicy,
    /// How long nobody has had a ready endpoint. None counts as just now.
    pub empty_for: Option<Duration>,
    /// How long the last addresses stay when nobody has a ready endpoint.
    pub empty_hold: Duration,
    /// What a level without addresses of its own answers.
    pub fallback: Fallback,
    /// Whether the zone holds records of the service. There is nothing to keep where there are none.
    pub has_records: bool,
}

/// What a level without addresses of its own answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// Those of the next level up that has some: one write, and no gap when they come back.
    #[default]
    Addresses,
    /// A CNAME to the next level up, as Federation v1 did it.
    Cname,
}

/// What is to become of a service's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// They hold these sets and no others.
    Publish(Vec<DesiredRecordSet>),
    /// They stay as they are: nobody serves because somebody is dead, and a wrong answer is better than none.
    KeepLast {
        /// Who is dead.
        why: LastTarget,
        /// What is to stay where not everything may: addresses of members that leave go all the same. None where all stays.
        sets: Option<Vec<DesiredRecordSet>>,
    },
    /// They stay as they are until the hold is over: everybody is well, and nobody has a ready endpoint.
    EmptyHold,
    /// They go: there is nothing to publish, or the service has no member any more.
    Withdraw,
}

/// Why a service's last addresses stay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LastTarget {
    /// Members that cannot be reached.
    pub members: BTreeSet<String>,
    /// Members that can, and whose addresses have stopped answering.
    pub load_balancers: BTreeSet<String>,
}

/// What is to become of a service's names, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServicePlan {
    /// What is to become of the names.
    pub outcome: Outcome,
    /// Every address of every member, with what is held of it.
    pub addresses: Vec<(String, IpAddr, Liveness)>,
    /// What somebody should know.
    pub findings: Vec<Finding>,
}

/// Something about a service that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Finding {
    /// A level has no name; nothing is published for it.
    InvalidName {
        /// The level, in words.
        level: String,
        /// What is wrong with the name.
        #[serde(serialize_with = "as_text")]
        error: InvalidName,
    },
    /// An address is not published.
    AddressRefused {
        /// The member that gave it.
        member: String,
        /// The address.
        ip: IpAddr,
        /// What is wrong with it.
        problem: AddressProblem,
    },
    /// An address is published that most of those who see it cannot reach.
    PrivateAddressInPublicZone {
        /// The member that gave it.
        member: String,
        /// The address.
        ip: IpAddr,
    },
}

/// What the names of `service` should answer.
///
/// Levels are those of the members that are not leaving, whether they serve or not: a dead member's region keeps its name and
/// answers with what others serve. The last target is protected for the service as a whole: while anybody serves, dead addresses
/// go; when nobody does because somebody is dead (or cannot be heard, and may be serving), everything stays.
pub fn plan(naming: &Naming, service: &ServiceObservation, rules: &Rules) -> ServicePlan {
    let mut findings = Vec::new();
    let mut addresses = Vec::new();
    let mut serving = Vec::new();
    let mut recovering = Vec::new();
    for member in &service.members {
        for address in &member.addresses {
            // An IPv4 address in IPv6 clothes belongs into an A set.
            let ip = address.ip.to_canonical();
            let state = match rules.address_policy.refuses(ip) {
                Some(problem) => {
                    findings.push(Finding::AddressRefused { member: member.member.clone(), ip, problem });
                    Liveness::Withdrawn(WithdrawnReason::AddressRefused)
                }
                None => liveness(member, address),
            };
            if state == Liveness::Serving {
                serving.push((member, ip));
                if rules.address_policy.exposes_private(ip) {
                    findings.push(Finding::PrivateAddressInPublicZone { member: member.member.clone(), ip });
                }
            }
            if state == Liveness::Withdrawn(WithdrawnReason::Recovering) {
                recovering.push((member, ip, address.published));
            }
            addresses.push((member.member.clone(), ip, state));
        }
    }

    if serving.is_empty() {
        // Who may die again in a moment is better than who is dead; and who is in the answers already costs no write.
        let published = recovering.iter().any(|(_, _, published)| *published);
        recovering.retain(|(_, _, is)| *is == published);
        serving.extend(recovering.into_iter().map(|(member, ip, _)| (member, ip)));
    }
    let outcome = if serving.is_empty() {
        nobody_serves(naming, service, rules, &addresses, &mut findings)
    } else {
        let sets = record_sets(naming, service, &serving, rules.fallback, &mut findings);
        if sets.is_empty() { Outcome::Withdraw } else { Outcome::Publish(sets) }
    };
    ServicePlan { outcome, addresses, findings }
}

/// Keep, hold or withdraw.
fn nobody_serves(
    naming: &Naming,
    service: &ServiceObservation,
    rules: &Rules,
    addresses: &[(String, IpAddr, Liveness)],
    findings: &mut Vec<Finding>,
) -> Outcome {
    let mut members = service.members.iter().filter(|member| !member.leaving).peekable();
    if !rules.has_records || members.peek().is_none() {
        return Outcome::Withdraw;
    }
    let is = |member: &MemberObservation, reason| {
        addresses.iter().any(|(name, _, state)| *name == member.member && *state == Liveness::Withdrawn(reason))
    };
    let mut why = LastTarget::default();
    for member in members {
        // Not heard of and not known to be empty: it may be serving on addresses that are not known here any more.
        let unheard = member.api != ApiState::Answering
            && member.ready_endpoints != Some(0)
            && !is(member, WithdrawnReason::AddressRefused);
        if unheard || is(member, WithdrawnReason::MemberDead) {
            why.members.insert(member.member.clone());
        } else if is(member, WithdrawnReason::LoadBalancerDead) {
            why.load_balancers.insert(member.member.clone());
        }
    }
    if why != LastTarget::default() {
        return keep_last(naming, service, rules, why, findings);
    }
    if rules.empty_for.unwrap_or_default() < rules.empty_hold { Outcome::EmptyHold } else { Outcome::Withdraw }
}

/// Somebody is dead. All stays, but for the addresses of members that leave: a name must not point to who is gone. When nothing else
/// is in the answers, the names go with them.
fn keep_last(
    naming: &Naming,
    service: &ServiceObservation,
    rules: &Rules,
    why: LastTarget,
    findings: &mut Vec<Finding>,
) -> Outcome {
    let is_published = |member: &MemberObservation| member.addresses.iter().any(|address| address.published);
    if !service.members.iter().any(|member| member.leaving && is_published(member)) {
        return Outcome::KeepLast { why, sets: None };
    }
    let stays = service.members.iter().filter(|member| !member.leaving);
    let published = stays.flat_map(|member| {
        let ips = member.addresses.iter().filter(|address| address.published).map(|address| address.ip.to_canonical());
        ips.filter(|ip| rules.address_policy.refuses(*ip).is_none()).map(move |ip| (member, ip))
    });
    let published: Vec<_> = published.collect();
    let sets = record_sets(naming, service, &published, rules.fallback, findings);
    if sets.is_empty() { Outcome::Withdraw } else { Outcome::KeepLast { why, sets: Some(sets) } }
}

// === impl Rules ===

impl Default for Rules {
    fn default() -> Self {
        Self {
            address_policy: AddressPolicy::default(),
            empty_for: None,
            empty_hold: Duration::from_secs(300),
            fallback: Fallback::Addresses,
            has_records: false,
        }
    }
}

// === sentences ===

impl fmt::Display for LastTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        f.write_str("the last addresses stay because nobody serves the service: ")?;
        match (self.members.is_empty(), self.load_balancers.is_empty()) {
            (false, true) => write!(f, "no answer from {}", list(&self.members)),
            (true, _) => write!(f, "the addresses of {} have stopped answering", list(&self.load_balancers)),
            (false, false) => write!(
                f,
                "no answer from {}; the addresses of {} have stopped answering",
                list(&self.members),
                list(&self.load_balancers)
            ),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName { level, error } => write!(f, "nothing is published for {level}: {error}"),
            Self::AddressRefused { member, ip, problem } => {
                write!(f, "address {ip} of {member} is not published: it is a {problem} address")
            }
            Self::PrivateAddressInPublicZone { member, ip } => {
                write!(f, "address {ip} of {member} is private, and the zone is public")
            }
        }
    }
}

impl Finding {
    /// Whether something that was asked for is missing, not merely odd.
    pub fn is_error(&self) -> bool {
        !matches!(self, Self::PrivateAddressInPublicZone { .. })
    }

    /// The finding in one word, as conditions and events name their reasons.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "InvalidName",
            Self::AddressRefused { .. } => "AddressRefused",
            Self::PrivateAddressInPublicZone { .. } => "PrivateAddressInPublicZone",
        }
    }
}

fn as_text<S: serde::Serializer>(error: &InvalidName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}
