//! What is known of a service and of the members that run it.

use std::net::IpAddr;

use kfed_dnsprovider::DnsName;
use serde::{Deserialize, Serialize};

/// A service as it is seen in the members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceObservation {
    /// The service's namespace.
    pub namespace: String,
    /// The service's name.
    pub name: String,
    /// How long its answers may be cached, in seconds.
    pub ttl: u32,
    /// What its names lead to.
    #[serde(default)]
    pub leads_to: LeadsTo,
    /// Names of its own choice that answer as its global name does: checked, and claimed by no service that comes before it
    /// ([`settle`](crate::settle)).
    #[serde(default)]
    pub hostnames: Vec<DnsName>,
    /// The members that the service belongs to, also those that are leaving. No member is in it twice.
    pub members: Vec<MemberObservation>,
}

/// What the names of a service lead to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeadsTo {
    /// The addresses that its members publish for it.
    #[default]
    Members,
    /// A name outside of the federation (`spec.externalName`), whatever becomes of members.
    External(DnsName),
}

/// One member, as far as one service goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberObservation {
    /// The member's name.
    pub member: String,
    /// The region of its nodes. Without one it is in the global name only.
    #[serde(default)]
    pub region: Option<String>,
    /// All zones of its nodes.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Whether its API answers.
    pub api: ApiState,
    /// How many endpoints of the service are ready, as last seen; none when that is not known, which is not the same as zero.
    #[serde(default)]
    pub ready_endpoints: Option<u32>,
    /// The addresses of the service's load balancer, as last seen; those of the ready endpoints where the service is headless.
    #[serde(default)]
    pub addresses: Vec<AddressObservation>,
    /// The load balancers that are known by name, as Amazon's are.
    #[serde(default)]
    pub hosts: Vec<HostObservation>,
    /// Whether the member is being unjoined: its addresses are withdrawn, and its levels go.
    #[serde(default)]
    pub leaving: bool,
}

/// Whether a member's API answers. An answer of any kind (401, 500) is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApiState {
    /// It answers.
    Answering,
    /// It has begun to fail, not long enough to be called offline.
    Silent,
    /// It has failed long enough.
    Offline,
}

/// One address of a member's load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressObservation {
    /// The address.
    pub ip: IpAddr,
    /// What asking it gave.
    pub probe: AddressState,
    /// Whether it has ever answered from here.
    #[serde(default)]
    pub ever_answered: bool,
    /// Whether the zone holds it for the service now.
    #[serde(default)]
    pub published: bool,
}

/// A member's load balancer that is known by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostObservation {
    /// The name.
    pub host: DnsName,
    /// What it leads to, as far as that has been found out; none where nobody could tell, which is not the same as not yet.
    #[serde(default)]
    pub addresses: Option<Vec<AddressObservation>>,
    /// Why it could not be resolved when that was last tried. Addresses that stand beside it are those from before.
    #[serde(default)]
    pub problem: Option<String>,
    /// Whether the zone leads to it by its name for the service now.
    #[serde(default)]
    pub published: bool,
}

/// What asking an address from here gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressState {
    /// It has not answered yet: not asked so far, or private to its member.
    NeverAnswered,
    /// It answers.
    Answering,
    /// It fails, often enough in a row to be believed.
    Failing,
    /// It was withdrawn, would be in the answers again, and has not been so for long enough to be trusted: a flapper must not come and
    /// go all the time. Nobody serves better than it: where nobody else serves, it does.
    Recovering,
    /// There is no way to ask: UDP.
    NotAskable,
}
