//! Is an address alive? Two signals tell: the member's ready endpoints, and what asking the address gave.

use std::fmt;

use serde::Serialize;

use crate::address::AddressPolicy;
use crate::observation::{AddressObservation, AddressState, ApiState, HostObservation, MemberObservation};

/// Whether an address is to be in the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// It is.
    Serving,
    /// It is not.
    Withdrawn(WithdrawnReason),
}

/// Why an address is not in the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithdrawnReason {
    /// No endpoint of the service is ready in the member, or none was when it was last heard of.
    NoReadyEndpoints,
    /// The member's API is offline, and the address fails or cannot be asked from here.
    MemberDead,
    /// The address has answered from here and fails now.
    LoadBalancerDead,
    /// The address must not be published.
    AddressRefused,
    /// The member is being unjoined.
    MemberLeaving,
    /// It is well again, and not yet for long enough to be trusted.
    Recovering,
    /// Nobody vouches for it: the member does not tell of its endpoints, and the address has not answered from here.
    EndpointsUnknown,
}

/// Whether `address` of `member` is to be in the answers, as far as the member goes; which addresses may be published at all is
/// for [`AddressPolicy`](crate::AddressPolicy).
///
/// | member's API | ready endpoints | address never answered, or cannot be asked | address answers | address answered once, fails now |
/// | --- | --- | --- | --- | --- |
/// | any, and leaving | any | MemberLeaving | MemberLeaving | MemberLeaving |
/// | any | 0 | NoReadyEndpoints | NoReadyEndpoints | NoReadyEndpoints |
/// | answers | some | **Serving** (endpoints alone tell) | **Serving** | LoadBalancerDead |
/// | answers | not known | as the zone has it | **Serving** (the address alone tells) | LoadBalancerDead |
/// | silent | some | **Serving** (too early to tell) | **Serving** | as the zone has it |
/// | silent | not known | as the zone has it | **Serving** | as the zone has it |
/// | offline | some, or not known | MemberDead | **Serving** (the API alone is gone) | MemberDead |
///
/// Not knowing the endpoints is not having none: a member that does not show them keeps its addresses, and gets new ones when they
/// answer from here. What neither signal vouches for is not published: EndpointsUnknown. Zero endpoints stay zero while the API is silent, so that nothing is published on old news. An address that failed from the
/// beginning is one that cannot be reached from here, and is not held to be dead while the API answers.
///
/// An address that [recovers](AddressState::Recovering) is withdrawn whatever else is known of it, unless its member leaves or has no
/// ready endpoint, which says more.
///
/// Silence lasts a few probes, until it is clear whether the member is dead or its load balancer alone. An address that fails
/// meanwhile stays where it is: one that is published is not withdrawn, one that was withdrawn does not come back.
pub fn liveness(member: &MemberObservation, address: &AddressObservation) -> Liveness {
    judge(member, address.probe, address.ever_answered, address.published)
}

/// Whether a load balancer known by name is to be in the answers: as long as one address that it leads to is. Where none is known
/// it is like an address that has never answered. One that leads to an address that recovers does so itself while none serves.
pub fn host_liveness(member: &MemberObservation, host: &HostObservation, policy: &AddressPolicy) -> Liveness {
    let states = host.addresses.iter().flatten().map(|address| address_liveness(member, address, policy));
    let rank = |state: &Liveness| match state {
        Liveness::Serving => (0, *state),
        // It may serve where nobody else does, whatever became of the others.
        Liveness::Withdrawn(WithdrawnReason::Recovering) => (1, *state),
        // In whatever order they come.
        Liveness::Withdrawn(_) => (2, *state),
    };
    states.min_by_key(rank).unwrap_or_else(|| judge(member, AddressState::NeverAnswered, false, host.published))
}

/// The same as [`liveness`], for an address that may be one that must not be published.
pub(crate) fn address_liveness(
    member: &MemberObservation,
    address: &AddressObservation,
    policy: &AddressPolicy,
) -> Liveness {
    match policy.refuses(address.ip) {
        Some(_) => Liveness::Withdrawn(WithdrawnReason::AddressRefused),
        None => liveness(member, address),
    }
}

fn judge(member: &MemberObservation, probe: AddressState, ever_answered: bool, published: bool) -> Liveness {
    use WithdrawnReason::{
        EndpointsUnknown, LoadBalancerDead, MemberDead, MemberLeaving, NoReadyEndpoints, Recovering,
    };

    let died = ever_answered && probe == AddressState::Failing;
    match (member.leaving, member.ready_endpoints, member.api, probe) {
        (true, ..) => Liveness::Withdrawn(MemberLeaving),
        (_, Some(0), ..) => Liveness::Withdrawn(NoReadyEndpoints),
        (_, _, _, AddressState::Recovering) => Liveness::Withdrawn(Recovering),
        (_, _, ApiState::Offline, AddressState::Answering) => Liveness::Serving,
        (_, _, ApiState::Offline, _) => Liveness::Withdrawn(MemberDead),
        (_, _, ApiState::Answering, _) if died => Liveness::Withdrawn(LoadBalancerDead),
        (_, _, ApiState::Silent, _) if died && !published => Liveness::Withdrawn(LoadBalancerDead),
        (_, None, _, probe) if probe != AddressState::Answering && !published => Liveness::Withdrawn(EndpointsUnknown),
        (_, _, ApiState::Answering | ApiState::Silent, _) => Liveness::Serving,
    }
}

impl WithdrawnReason {
    /// Whether whoever is sent there now is served by nobody.
    pub fn serves_nobody(self) -> bool {
        matches!(self, Self::NoReadyEndpoints | Self::MemberDead | Self::LoadBalancerDead)
    }
}

impl fmt::Display for WithdrawnReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoReadyEndpoints => "no endpoint is ready",
            Self::MemberDead => "the member is offline and the address does not answer",
            Self::LoadBalancerDead => "the address has stopped answering",
            Self::AddressRefused => "the address must not be published",
            Self::MemberLeaving => "the member is being unjoined",
            Self::Recovering => "it is well again, and not yet for long enough",
            Self::EndpointsUnknown => "the member does not tell of its endpoints, and the address has not answered",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use AddressState::{Answering, Failing, NeverAnswered, NotAskable};
    use Liveness::{Serving, Withdrawn};
    use WithdrawnReason::{EndpointsUnknown, LoadBalancerDead, MemberDead, MemberLeaving, NoReadyEndpoints};

    fn of(api: ApiState, ready: Option<u32>, probe: AddressState, ever_answered: bool, leaving: bool) -> Liveness {
        within(api, ready, probe, ever_answered, leaving, false)
    }

    fn within(
        api: ApiState,
        ready: Option<u32>,
        probe: AddressState,
        ever_answered: bool,
        leaving: bool,
        published: bool,
    ) -> Liveness {
        let address = AddressObservation { ip: "192.0.2.1".parse().unwrap(), probe, ever_answered, published };
        let member = MemberObservation {
            member: "west".into(),
            region: None,
            zones: vec![],
            api,
            ready_endpoints: ready,
            addresses: vec![address],
            hosts: vec![],
            leaving,
        };
        liveness(&member, &address)
    }

    /// Every combination, against the table in words.
    #[test]
    fn the_table_holds_in_every_cell() {
        let columns = [
            (NeverAnswered, false),
            (NotAskable, false),
            (NotAskable, true),
            (Failing, false),
            (NeverAnswered, true),
            (Answering, true),
            (Answering, false),
            (Failing, true),
        ];
        for api in [ApiState::Answering, ApiState::Silent, ApiState::Offline] {
            for (probe, ever) in columns {
                let cell = format!("{api:?} {probe:?} {ever}");
                for ready in [None, Some(0), Some(3)] {
                    assert_eq!(of(api, ready, probe, ever, true), Withdrawn(MemberLeaving), "{cell} {ready:?}");
                }
                assert_eq!(of(api, Some(0), probe, ever, false), Withdrawn(NoReadyEndpoints), "{cell}");
                let expected = match (api, probe, ever) {
                    (_, Answering, _) => Serving,
                    (ApiState::Offline, ..) => Withdrawn(MemberDead),
                    (_, Failing, true) => Withdrawn(LoadBalancerDead),
                    _ => Serving,
                };
                assert_eq!(of(api, Some(3), probe, ever, false), expected, "{cell}");
                let vouched =
                    if probe == Answering || expected != Serving { expected } else { Withdrawn(EndpointsUnknown) };
                assert_eq!(of(api, None, probe, ever, false), vouched, "{cell} endpoints not known");
                let stays = api == ApiState::Silent && expected == Withdrawn(LoadBalancerDead);
                for ready in [None, Some(3)] {
                    let published = within(api, ready, probe, ever, false, true);
                    assert_eq!(published, if stays { Serving } else { expected }, "{cell} {ready:?} in the zone");
                }
            }
        }
    }

    #[test]
    fn a_member_whose_api_alone_is_gone_keeps_serving() {
        assert_eq!(of(ApiState::Offline, Some(3), Answering, true, false), Serving);
    }

    #[test]
    fn what_cannot_be_asked_is_withdrawn_only_when_the_member_is_offline() {
        assert_eq!(of(ApiState::Silent, Some(3), NotAskable, false, false), Serving);
        assert_eq!(of(ApiState::Offline, Some(3), NotAskable, false, false), Withdrawn(MemberDead));
    }

    #[test]
    fn an_address_that_dies_with_its_member_waits_for_the_members_death() {
        assert_eq!(within(ApiState::Silent, Some(3), Failing, true, false, true), Serving);
        assert_eq!(within(ApiState::Offline, Some(3), Failing, true, false, true), Withdrawn(MemberDead));
    }

    #[test]
    fn going_silent_never_brings_an_address_back() {
        for (ready, probe, ever) in [(Some(0), Answering, true), (Some(3), Failing, true), (None, Failing, true)] {
            assert_ne!(of(ApiState::Answering, ready, probe, ever, false), Serving);
            assert_ne!(of(ApiState::Silent, ready, probe, ever, false), Serving);
            assert_ne!(of(ApiState::Offline, ready, probe, ever, false), Serving);
        }
    }

    #[test]
    fn a_host_serves_while_one_of_its_addresses_does() {
        let address = |ip: &str, probe| AddressObservation {
            ip: ip.parse().unwrap(),
            probe,
            ever_answered: true,
            published: false,
        };
        let told = |api, ready_endpoints, published, addresses: Option<Vec<AddressObservation>>| {
            let host = HostObservation { host: "lb.example.net".parse().unwrap(), addresses, problem: None, published };
            let member = MemberObservation {
                member: "west".into(),
                region: None,
                zones: vec![],
                api,
                ready_endpoints,
                addresses: vec![],
                hosts: vec![host.clone()],
                leaving: false,
            };
            host_liveness(&member, &host, &AddressPolicy::default())
        };
        let state = |api, addresses| told(api, Some(1), false, addresses);
        let (good, bad) = (address("192.0.2.1", Answering), address("192.0.2.2", Failing));
        let metadata = address("169.254.169.254", Answering);
        assert_eq!(state(ApiState::Offline, Some(vec![bad, good])), Serving);
        assert_eq!(state(ApiState::Answering, Some(vec![bad])), Withdrawn(LoadBalancerDead));
        assert_eq!(state(ApiState::Answering, Some(vec![metadata])), Withdrawn(WithdrawnReason::AddressRefused));
        assert_eq!(state(ApiState::Answering, None), Serving);
        assert_eq!(state(ApiState::Offline, None), Withdrawn(MemberDead));
        assert_eq!(state(ApiState::Offline, Some(vec![])), Withdrawn(MemberDead));
        assert_eq!(told(ApiState::Answering, None, false, None), Withdrawn(EndpointsUnknown), "nobody vouches for it");
        assert_eq!(told(ApiState::Answering, None, true, None), Serving, "and it is in the zone");
    }
}
