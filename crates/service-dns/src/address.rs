//! Which addresses may be published: a member can put anything into a Service's status.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// What may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AddressPolicy {
    /// Whether loopback addresses are published: only where the zone's own endpoint is on loopback.
    pub allow_loopback: bool,
    /// Whether the zone is a private one, where private addresses belong.
    pub private_zone: bool,
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AddressProblem {
    /// `0.0.0.0/8`, `::` (RFC 1122 § 3.2.1.3).
    Unspecified,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `169.254.0.0/16`, `fe80::/10` (RFC 3927, RFC 4291): cloud metadata services live here.
    LinkLocal,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
}

impl AddressPolicy {
    /// Why `address` is not published, if it is not.
    pub fn refuses(&self, address: IpAddr) -> Option<AddressProblem> {
        let address = address.to_canonical();
        let link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let this_network = matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 0);
        if address.is_unspecified() || this_network {
            Some(AddressProblem::Unspecified)
        } else if address.is_multicast() {
            Some(AddressProblem::Multicast)
        } else if address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            Some(AddressProblem::Broadcast)
        } else if link_local {
            Some(AddressProblem::LinkLocal)
        } else if address.is_loopback() && !self.allow_loopback {
            Some(AddressProblem::Loopback)
        } else {
            None
        }
    }

    /// Whether `address` is reachable from a private network only, while everybody sees the zone.
    pub fn exposes_private(&self, address: IpAddr) -> bool {
        !self.private_zone && is_private(address.to_canonical())
    }
}

/// RFC 1918, RFC 6598 (carrier-grade NAT), RFC 4193.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => Ipv6Addr::is_unique_local(&v6),
    }
}

impl fmt::Display for AddressProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_lead_nowhere_are_refused() {
        let strict = AddressPolicy::default();
        let lenient = AddressPolicy { allow_loopback: true, private_zone: true };
        // Address, whether refused, whether refused where loopback is allowed.
        for (address, refused, still) in [
            ("192.0.2.1", None, None),
            ("2001:db8::1", None, None),
            ("10.0.0.1", None, None),
            ("0.0.0.0", Some(AddressProblem::Unspecified), Some(AddressProblem::Unspecified)),
            ("0.1.2.3", Some(AddressProblem::Unspecified), Some(AddressProblem::Unspecified)),
            ("::", Some(AddressProblem::Unspecified), Some(AddressProblem::Unspecified)),
            ("224.0.0.1", Some(AddressProblem::Multicast), Some(AddressProblem::Multicast)),
            ("ff02::1", Some(AddressProblem::Multicast), Some(AddressProblem::Multicast)),
            ("255.255.255.255", Some(AddressProblem::Broadcast), Some(AddressProblem::Broadcast)),
            ("169.254.169.254", Some(AddressProblem::LinkLocal), Some(AddressProblem::LinkLocal)),
            ("::ffff:169.254.169.254", Some(AddressProblem::LinkLocal), Some(AddressProblem::LinkLocal)),
            ("fe80::1", Some(AddressProblem::LinkLocal), Some(AddressProblem::LinkLocal)),
            ("127.0.0.1", Some(AddressProblem::Loopback), None),
            ("::1", Some(AddressProblem::Loopback), None),
        ] {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(strict.refuses(ip), refused, "{address}");
            assert_eq!(lenient.refuses(ip), still, "{address} where loopback is allowed");
        }
    }

    #[test]
    fn private_addresses_are_told_in_public_zones_only() {
        let public = AddressPolicy::default();
        let private = AddressPolicy { private_zone: true, ..public };
        let cases = [
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("fd00::1", true),
            ("192.0.2.1", false),
        ];
        for (address, exposes) in cases {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(public.exposes_private(ip), exposes, "{address}");
            assert!(!private.exposes_private(ip), "{address}");
        }
    }
}
