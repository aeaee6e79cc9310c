use std::{fmt, net::Ipv4Addr, str::FromStr};

use crate::names;

/// A range of IPv4 addresses, `127.7.3.0/24`. Load balancers get its addresses but the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    network: Ipv4Addr,
    prefix: u8,
}

/// A text that is no [`AddressRange`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address range: want one like 127.7.3.0/24, with a prefix of at most 30")]
pub struct ParseRangeError {
    text: String,
}

impl AddressRange {
    /// The range of `prefix` bits (at most 30) around `address`.
    pub fn new(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        (prefix <= 30).then(|| Self { network: Ipv4Addr::from_bits(address.to_bits() & mask(prefix)), prefix })
    }

    /// 127.x.y.0/24 for a member of this name, never 127.0.y.0/24.
    pub(crate) fn loopback(name: &str) -> Self {
        let hash = names::hash(0, &["load-balancers", name]);
        let second = u8::try_from(1 + hash % 254).expect("1 to 254");
        let third = hash.to_be_bytes()[0];
        Self { network: Ipv4Addr::new(127, second, third, 0), prefix: 24 }
    }

    /// 20.x.y.0/24 for a member of this name: addresses such as Azure gives, for tests that send nothing to them.
    pub(crate) fn public(name: &str) -> Self {
        let [.., second, third] = names::hash(1, &["load-balancers", name]).to_be_bytes();
        Self { network: Ipv4Addr::new(20, second, third, 0), prefix: 24 }
    }

    /// The next 127.x.y.0/24, going round within what [`Self::loopback`] gives.
    pub(crate) fn next_loopback(self) -> Self {
        let [_, second, third, _] = self.network.octets();
        let (second, third) = match (second, third) {
            (254.., 255) => (1, 0),
            (second, 255) => (second + 1, 0),
            (second, third) => (second, third + 1),
        };
        Self { network: Ipv4Addr::new(127, second, third, 0), prefix: 24 }
    }

    /// Whether sockets of this machine can listen on it.
    pub(crate) fn is_loopback(self) -> bool {
        self.prefix >= 8 && self.network.is_loopback()
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.network.to_bits()
    }

    /// How many addresses load balancers can get.
    pub fn hosts(self) -> u32 {
        u32::try_from((1_u64 << (32 - self.prefix)) - 2).expect("at most 2^32 - 2")
    }

    /// The host of this number, from 1.
    pub(crate) fn host(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() + number)
    }

    /// The last address: no load balancer's, so the emulator holds the range by it.
    pub(crate) fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !mask(self.prefix))
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for AddressRange {
    type Err = ParseRangeError;

    fn from_str(text: &str) -> Result<Self, ParseRangeError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            Self::new(address.parse().ok()?, prefix.parse().ok()?)
        };
        parse().ok_or_else(|| ParseRangeError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_it_is_written_and_starts_at_its_network() {
        let range: AddressRange = "127.7.3.9/24".parse().unwrap();
        assert_eq!(range.to_string(), "127.7.3.0/24");
        assert_eq!(range.hosts(), 254);
        assert_eq!(range.host(1), Ipv4Addr::new(127, 7, 3, 1));
        assert_eq!(range.last(), Ipv4Addr::new(127, 7, 3, 255));
        assert!(range.contains(Ipv4Addr::new(127, 7, 3, 200)));
        assert!(!range.contains(Ipv4Addr::new(127, 7, 4, 1)));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for wrong in ["", "127.0.0.1", "127.0.0.1/31", "127.0.0/24", "127.0.0.1/-1", "::1/64"] {
            assert!(wrong.parse::<AddressRange>().is_err(), "{wrong}");
        }
        assert_eq!("0.0.0.0/0".parse::<AddressRange>().unwrap().hosts(), u32::MAX - 1);
    }

    #[test]
    fn a_members_range_is_on_loopback_but_not_where_everybody_listens() {
        for n in 0..2000 {
            let mut range = AddressRange::loopback(&format!("member-{n}"));
            for _ in 0..300 {
                assert!(range.is_loopback());
                assert_ne!(range.network.octets()[1], 0);
                assert_ne!(range.network.octets()[1], 255);
                range = range.next_loopback();
            }
        }
        assert_eq!(AddressRange::loopback("fed-west"), AddressRange::loopback("fed-west"));
        assert_ne!(AddressRange::loopback("fed-west"), AddressRange::loopback("fed-east"));
    }

    #[test]
    fn the_ranges_after_the_last_begin_anew() {
        let last: AddressRange = "127.254.255.0/24".parse().unwrap();
        assert_eq!(last.next_loopback().to_string(), "127.1.0.0/24");
    }
}
