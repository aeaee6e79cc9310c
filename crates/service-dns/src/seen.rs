//! What is written down of a service, so that whoever sees neither its members nor their addresses knows what its names should answer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kfed_dnsprovider::{DnsName, RecordData};
use serde::{Deserialize, Serialize};

use crate::observation::{
    AddressObservation, AddressState, ApiState, HostObservation, MemberObservation, ServiceObservation,
};

/// What was last seen of a service in its members, as far as [`plan`](crate::plan()) goes by it: without where the members are and what
/// the zone holds, which others tell. As JSON it is the annotation `kfed.io/addresses` of a Service.
///
/// ```
/// use kfed_service_dns::Seen;
///
/// let text = r#"{"members":{"fed-east":{"answering":["192.0.2.2"]},"fed-west":{"api":"offline","failing":["192.0.2.1"]}}}"#;
/// let seen: Seen = serde_json::from_str(text)?;
/// assert!(seen.members["fed-west"].addresses.answering.is_empty() && !seen.hold);
/// assert_eq!(serde_json::to_string(&seen)?, text);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// The members that the service belongs to.
    #[serde(default)]
    pub members: BTreeMap<String, SeenMember>,
    /// Whether the names stay for a while although nobody serves and nobody is dead.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hold: bool,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenMember {
    /// Whether its API answers.
    #[serde(default = "answering", skip_serializing_if = "is_answering")]
    pub api: ApiState,
    /// Whether no endpoint is ready.
    #[serde(default, skip_serializing_if = "is_false")]
    pub empty: bool,
    /// Whether nothing is known of its endpoints.
    #[serde(default, skip_serializing_if = "is_false")]
    pub untold: bool,
    /// Whether it is being unjoined.
    #[serde(default, skip_serializing_if = "is_false")]
    pub leaving: bool,
    /// Its addresses.
    #[serde(flatten)]
    pub addresses: SeenAddresses,
    /// Its load balancers that are known by name, and the addresses that they lead to; none where nobody could tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<DnsName, Option<SeenAddresses>>,
}

/// Addresses by how they answer, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeenAddresses {
    /// Those that answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answering: Vec<IpAddr>,
    /// Those that have answered and fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<IpAddr>,
    /// Those that are well again, and not yet for long enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovering: Vec<IpAddr>,
    /// Those that have never answered, or cannot be asked: as good as each other for every decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<IpAddr>,
}

// === impl Seen ===

impl Seen {
    /// What there is to write down of `service`; `hold` as the plan for it says.
    pub fn of(service: &ServiceObservation, hold: bool) -> Self {
        let members = service.members.iter().map(|member| (member.member.clone(), SeenMember::of(member)));
        Self { members: members.collect(), hold }
    }

    /// Whether `ip` of `member` had answered, and if so whether it still did; none where it had not, or cannot be asked.
    pub fn answered(&self, member: &str, ip: IpAddr) -> Option<AddressState> {
        let member = self.members.get(member)?;
        let lists = std::iter::once(&member.addresses).chain(member.hosts.values().flatten());
        lists.filter_map(|seen| seen.answered(ip)).next()
    }
}

// === impl SeenMember ===

impl SeenMember {
    fn of(member: &MemberObservation) -> Self {
        let hosts = member.hosts.iter().map(|host| {
            let addresses = host.addresses.as_ref().map(|addresses| SeenAddresses::of(addresses));
            (host.host.clone(), addresses)
        });
        Self {
            api: member.api,
            empty: member.ready_endpoints == Some(0),
            untold: member.ready_endpoints.is_none(),
            leaving: member.leaving,
            addresses: SeenAddresses::of(&member.addresses),
            hosts: hosts.collect(),
        }
    }

    /// The member as it was seen, where it is now; `published` tells what the zone holds of it.
    pub fn observation(
        &self,
        member: &str,
        region: Option<String>,
        zones: Vec<String>,
        published: impl Fn(&RecordData) -> bool,
    ) -> MemberObservation {
        let is_here = |ip: IpAddr| published(&RecordData::from(ip));
        let hosts = self.hosts.iter().map(|(host, addresses)| {
            let by_name = published(&RecordData::Cname(host.clone()));
            let addresses = addresses.as_ref().map(|addresses| addresses.observations(|ip| by_name || is_here(ip)));
            HostObservation { host: host.clone(), addresses, problem: None, published: by_name }
        });
        MemberObservation {
            member: member.to_owned(),
            region,
            zones,
            api: self.api,
            // How many there are makes no difference.
            ready_endpoints: (!self.untold).then_some(u32::from(!self.empty)),
            addresses: self.addresses.observations(is_here),
            hosts: hosts.collect(),
            leaving: self.leaving,
        }
    }
}

// === impl SeenAddresses ===

impl SeenAddresses {
    fn of(addresses: &[AddressObservation]) -> Self {
        let mut seen = Self::default();
        for address in addresses {
            let list = match address.probe {
                AddressState::Answering => &mut seen.answering,
                AddressState::Failing if address.ever_answered => &mut seen.failing,
                AddressState::Recovering => &mut seen.recovering,
                AddressState::Failing | AddressState::NeverAnswered | AddressState::NotAskable => &mut seen.unknown,
            };
            list.push(address.ip);
        }
        for list in [&mut seen.answering, &mut seen.failing, &mut seen.recovering, &mut seen.unknown] {
            // What comes in another order is no news.
            list.sort();
            list.dedup();
        }
        seen
    }

    fn answered(&self, ip: IpAddr) -> Option<AddressState> {
        if self.failing.contains(&ip) {
            return Some(AddressState::Failing);
        }
        (self.answering.contains(&ip) || self.recovering.contains(&ip)).then_some(AddressState::Answering)
    }

    fn observations(&self, published: impl Fn(IpAddr) -> bool) -> Vec<AddressObservation> {
        let lists = [
            (AddressState::Answering, &self.answering),
            (AddressState::Failing, &self.failing),
            (AddressState::Recovering, &self.recovering),
            (AddressState::NeverAnswered, &self.unknown),
        ];
        let observation = |probe: AddressState, ip: IpAddr| AddressObservation {
            ip,
            probe,
            ever_answered: probe != AddressState::NeverAnswered,
            published: published(ip),
        };
        lists
            .into_iter()
            .flat_map(|(probe, ips)| ips.iter().map(move |ip| (probe, *ip)))
            .map(|(p, ip)| observation(p, ip))
            .collect()
    }
}

fn answering() -> ApiState {
    ApiState::Answering
}

fn is_answering(api: &ApiState) -> bool {
    *api == ApiState::Answering
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_an_address_had_answered_is_known_of_each_member_by_itself() {
        let text = r#"{"members": {
            "west": {"failing": ["192.0.2.1"], "answering": ["192.0.2.2"], "recovering": ["192.0.2.3"], "unknown": ["192.0.2.4"],
                     "hosts": {"lb.example.net.": {"failing": ["192.0.2.5"]}, "other.example.net.": null}},
            "east": {"unknown": ["192.0.2.1"]}}}"#;
        let seen: Seen = serde_json::from_str(text).unwrap();
        for (member, ip, answered) in [
            ("west", "192.0.2.1", Some(AddressState::Failing)),
            ("west", "192.0.2.2", Some(AddressState::Answering)),
            ("west", "192.0.2.3", Some(AddressState::Answering)),
            ("west", "192.0.2.4", None),
            ("west", "192.0.2.5", Some(AddressState::Failing)),
            ("west", "192.0.2.6", None),
            ("east", "192.0.2.1", None),
            ("north", "192.0.2.1", None),
        ] {
            assert_eq!(seen.answered(member, ip.parse().unwrap()), answered, "{member} {ip}");
        }
    }
}
