//! What a service's names should answer.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use kfed_dnsprovider::{DesiredRecordSet, DnsName, InvalidName};
use serde::{Deserialize, Serialize};

use crate::address::{AddressPolicy, AddressProblem};
use crate::liveness::{Liveness, WithdrawnReason, address_liveness, host_liveness};
use crate::names::Naming;
use crate::observation::{AddressObservation, ApiState, LeadsTo, MemberObservation, ServiceObservation};
use crate::records::{Serving, external_sets, record_sets};

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

/// A word that is no [`Fallback`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownFallback(());

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
    /// Members that cannot be reached, or do not tell.
    pub members: BTreeSet<String>,
    /// Members that can, and whose addresses have stopped answering.
    pub load_balancers: BTreeSet<String>,
    /// Members that serve on load balancers whose names are not resolved.
    pub unresolved: BTreeSet<String>,
}

/// What is to become of a service's names, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServicePlan {
    /// What is to become of the names.
    pub outcome: Outcome,
    /// Every address of every member, with what is held of it; also those that load balancers known by name lead to.
    pub addresses: Vec<(String, IpAddr, Liveness)>,
    /// Every load balancer that is known by name.
    pub hosts: Vec<(String, DnsName, Liveness)>,
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
        #[serde(serialize_with = "crate::federation::as_text")]
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
    /// The name of a load balancer could not be resolved.
    HostUnresolved {
        /// The member that gave it.
        member: String,
        /// The name.
        host: DnsName,
        /// Why not, where that was tried.
        problem: Option<String>,
        /// What is made of it.
        instead: Instead,
    },
    /// A CNAME would lead to itself.
    LeadsToItself {
        /// The name.
        name: DnsName,
    },
    /// An address is published that most of those who see it cannot reach.
    PrivateAddressInPublicZone {
        /// The member that gave it.
        member: String,
        /// The address.
        ip: IpAddr,
    },
}

/// What is made of a name that could not be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instead {
    /// The addresses that it led to before are published on.
    LastAddresses,
    /// CNAMEs lead to it, and whoever follows them resolves it.
    Cname,
    /// It is missing where others answer too: a CNAME cannot stand beside them.
    Missing,
}

/// What the names of `service` should answer.
///
/// Levels are those of the members that are not leaving, whether they serve or not: a dead member's region keeps its name and
/// answers with what others serve. The last target is protected for the service as a whole: while anybody serves, dead addresses
/// go; when nobody does because somebody is dead (or cannot be heard, and may be serving), everything stays.
pub fn plan(naming: &Naming, service: &ServiceObservation, rules: &Rules) -> ServicePlan {
    let mut plan =
        ServicePlan { outcome: Outcome::Withdraw, addresses: Vec::new(), hosts: Vec::new(), findings: Vec::new() };
    let sets = match &service.leads_to {
        LeadsTo::External(target) => Some(external_sets(naming, service, target, &mut plan.findings)),
        LeadsTo::Members => {
            let anybody = |serving: &[Serving<'_>]| serving.iter().any(|s| !s.ips.is_empty() || !s.hosts.is_empty());
            let mut serving: Vec<_> = service.members.iter().map(|member| serving(member, rules, &mut plan)).collect();
            if !anybody(&serving) {
                serving = recovering(service, &rules.address_policy);
            }
            anybody(&serving).then(|| record_sets(naming, service, &serving, rules.fallback, &mut plan.findings))
        }
    };
    plan.outcome = match sets {
        None => nobody_serves(naming, service, rules, &mut plan),
        Some(sets) if sets.is_empty() && service.leads_to == LeadsTo::Members => {
            nobody_serves(naming, service, rules, &mut plan)
        }
        Some(sets) if sets.is_empty() => Outcome::Withdraw,
        Some(sets) => Outcome::Publish(sets),
    };
    plan
}

/// What `member` serves on; what is held of all its addresses goes into `plan`.
fn serving<'a>(member: &'a MemberObservation, rules: &Rules, plan: &mut ServicePlan) -> Serving<'a> {
    let policy = &rules.address_policy;
    let mut serving = Serving { member, ips: BTreeSet::new(), hosts: Vec::new() };
    for address in targets(member) {
        // An IPv4 address in IPv6 clothes belongs into an A set.
        let ip = address.ip.to_canonical();
        let state = address_liveness(member, address, policy);
        if let Some(problem) = policy.refuses(ip) {
            plan.findings.push(Finding::AddressRefused { member: member.member.clone(), ip, problem });
        } else if state == Liveness::Serving {
            serving.ips.insert(ip);
            if policy.exposes_private(ip) {
                plan.findings.push(Finding::PrivateAddressInPublicZone { member: member.member.clone(), ip });
            }
        }
        plan.addresses.push((member.member.clone(), ip, state));
    }
    for host in &member.hosts {
        let state = host_liveness(member, host, policy);
        if state == Liveness::Serving {
            serving.hosts.push(host);
        }
        plan.hosts.push((member.member.clone(), host.host.clone(), state));
    }
    serving
}

/// Who is back and does not count yet serves where nobody else does: who may die again in a moment is better than who is dead. Who is
/// in the answers already costs no write.
fn recovering<'a>(service: &'a ServiceObservation, policy: &AddressPolicy) -> Vec<Serving<'a>> {
    let is_back = |member: &MemberObservation, address: &AddressObservation| {
        address_liveness(member, address, policy) == Liveness::Withdrawn(WithdrawnReason::Recovering)
    };
    let published = service.members.iter().any(|m| targets(m).any(|address| address.published && is_back(m, address)));
    let back = |member| those(member, policy, |address| address.published == published && is_back(member, address));
    service.members.iter().map(back).collect()
}

/// All addresses of `member`, also those that its hosts lead to.
fn targets(member: &MemberObservation) -> impl Iterator<Item = &AddressObservation> {
    member.addresses.iter().chain(member.hosts.iter().flat_map(|host| host.addresses.iter().flatten()))
}

/// What `member` serves on if `chosen` addresses do, and the hosts that lead to any of them.
fn those<'a>(
    member: &'a MemberObservation,
    policy: &AddressPolicy,
    chosen: impl Fn(&AddressObservation) -> bool,
) -> Serving<'a> {
    let is_chosen =
        |address: &&AddressObservation| policy.refuses(address.ip.to_canonical()).is_none() && chosen(address);
    Serving {
        member,
        ips: targets(member).filter(is_chosen).map(|address| address.ip.to_canonical()).collect(),
        hosts: member.hosts.iter().filter(|host| host.addresses.iter().flatten().any(|a| is_chosen(&a))).collect(),
    }
}

/// Keep, hold or withdraw.
fn nobody_serves(naming: &Naming, service: &ServiceObservation, rules: &Rules, plan: &mut ServicePlan) -> Outcome {
    let mut members = service.members.iter().filter(|member| !member.leaving).peekable();
    if !rules.has_records || members.peek().is_none() {
        return Outcome::Withdraw;
    }
    let addresses = plan.addresses.iter().map(|(name, _, state)| (name, state));
    let held: BTreeSet<_> = addresses.chain(plan.hosts.iter().map(|(name, _, state)| (name, state))).collect();
    let is = |member: &MemberObservation, reason| held.contains(&(&member.member, &Liveness::Withdrawn(reason)));
    let mut why = LastTarget::default();
    for member in members {
        // Not heard of and not known to be empty: it may be serving on addresses that are not known here any more. One that lets
        // nobody in has told nothing either; one that does not tell of its endpoints alone has told its addresses.
        let untold = member.ready_endpoints.is_none() && !is(member, WithdrawnReason::EndpointsUnknown);
        let unheard = (member.api != ApiState::Answering || untold)
            && member.ready_endpoints != Some(0)
            && !is(member, WithdrawnReason::AddressRefused);
        if unheard || is(member, WithdrawnReason::MemberDead) {
            why.members.insert(member.member.clone());
        } else if is(member, WithdrawnReason::LoadBalancerDead) {
            why.load_balancers.insert(member.member.clone());
        } else if plan.hosts.iter().any(|(name, _, state)| *name == member.member && *state == Liveness::Serving) {
            why.unresolved.insert(member.member.clone());
        }
    }
    if why != LastTarget::default() {
        return keep_last(naming, service, rules, why, &mut plan.findings);
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
    let is_published = |member: &MemberObservation| targets(member).any(|address| address.published);
    if !service.members.iter().any(|member| member.leaving && is_published(member)) {
        return Outcome::KeepLast { why, sets: None };
    }
    let stays = service.members.iter().filter(|member| !member.leaving);
    let published: Vec<_> =
        stays.map(|member| those(member, &rules.address_policy, |address| address.published)).collect();
    let sets = record_sets(naming, service, &published, rules.fallback, findings);
    if sets.is_empty() { Outcome::Withdraw } else { Outcome::KeepLast { why, sets: Some(sets) } }
}

// === impl Fallback ===

impl Fallback {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Addresses, Self::Cname];

    /// The way as flags and files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Cname => "cname",
        }
    }
}

impl FromStr for Fallback {
    type Err = UnknownFallback;

    fn from_str(text: &str) -> Result<Self, UnknownFallback> {
        Self::ALL.into_iter().find(|fallback| fallback.as_str() == text).ok_or(UnknownFallback(()))
    }
}

impl fmt::Display for UnknownFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is addresses or cname")
    }
}

impl std::error::Error for UnknownFallback {}

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
        let parts = [
            (&self.members, "no answer from ", ""),
            (&self.load_balancers, "the addresses of ", " have stopped answering"),
            (&self.unresolved, "the load balancers of ", " are not resolved"),
        ];
        let parts = parts.iter().filter(|(names, ..)| !names.is_empty());
        let parts: Vec<_> = parts.map(|(names, before, after)| format!("{before}{}{after}", list(names))).collect();
        write!(f, "the last addresses stay because nobody serves the service: {}", parts.join("; "))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName { level, error } => write!(f, "nothing is published for {level}: {error}"),
            Self::AddressRefused { member, ip, problem } => {
                write!(f, "address {ip} of {member} is not published: it is a {problem} address")
            }
            Self::HostUnresolved { member, host, problem, instead } => {
                write!(f, "load balancer {host} of {member} is not resolved")?;
                if let Some(problem) = problem {
                    write!(f, " ({problem})")?;
                }
                f.write_str(match instead {
                    Instead::LastAddresses => ": its last addresses stay",
                    Instead::Cname => ": whoever follows the CNAME resolves it",
                    Instead::Missing => ": it is missing where other addresses answer",
                })
            }
            Self::LeadsToItself { name } => write!(f, "nothing is published for {name}: it would lead to itself"),
            Self::PrivateAddressInPublicZone { member, ip } => {
                write!(f, "address {ip} of {member} is private, and the zone is public")
            }
        }
    }
}

impl Finding {
    /// Whether something that was asked for is missing, not merely odd.
    pub fn is_error(&self) -> bool {
        match self {
            Self::PrivateAddressInPublicZone { .. } => false,
            Self::HostUnresolved { instead, .. } => *instead == Instead::Missing,
            Self::InvalidName { .. } | Self::AddressRefused { .. } | Self::LeadsToItself { .. } => true,
        }
    }

    /// The finding in one word, as conditions and events name their reasons.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "InvalidName",
            Self::AddressRefused { .. } => "AddressRefused",
            Self::HostUnresolved { .. } => "HostNotResolved",
            Self::LeadsToItself { .. } => "InvalidName",
            Self::PrivateAddressInPublicZone { .. } => "PrivateAddressInPublicZone",
        }
    }
}
