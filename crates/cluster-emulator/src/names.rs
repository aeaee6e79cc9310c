//! Names, addresses and delays derived from a seed: the same inputs give the same cluster in every run.

use std::{net::Ipv4Addr, time::Duration};

/// The characters Kubernetes generates names from: no vowels, so that no words appear, and none that look alike.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// FNV-1a over the length-delimited parts, finished as in SplitMix64 so that every bit of the result is usable.
pub(crate) fn hash(seed: u64, parts: &[&str]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ mix(seed);
    let mut absorb = |byte: u8| state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    for part in parts {
        part.len().to_le_bytes().into_iter().for_each(&mut absorb);
        part.bytes().for_each(&mut absorb);
    }
    mix(state)
}

fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// `length` (at most 13) characters of a generated name.
pub(crate) fn suffix(mut hash: u64, length: usize) -> String {
    let base = ALPHABET.len() as u64;
    (0..length)
        .map(|_| {
            let character = ALPHABET[usize::try_from(hash % base).expect("an index below 27")];
            hash /= base;
            char::from(character)
        })
        .collect()
}

/// `<prefix>-<suffix>`, the prefix cut where the whole would pass 63 characters (RFC 1123 § 2.1: a label).
pub(crate) fn generated(prefix: &str, hash: u64, length: usize) -> String {
    let room = 63 - 1 - length;
    let prefix = prefix.get(..room.min(prefix.len())).unwrap_or(prefix).trim_end_matches(['-', '.']);
    format!("{prefix}-{}", suffix(hash, length))
}

/// An address in 10.X.0.0/16, X from the cluster's name. 10.X.255.0/24 is left to nodes.
pub(crate) fn pod_ip(cluster_octet: u8, hash: u64) -> Ipv4Addr {
    let third = u8::try_from(hash % 255).expect("below 255");
    let fourth = u8::try_from(1 + (hash >> 32) % 254).expect("1 to 254");
    Ipv4Addr::new(10, cluster_octet, third, fourth)
}

/// A duration between `low` and `high`, both included.
pub(crate) fn between(low: Duration, high: Duration, hash: u64) -> Duration {
    let span = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX - 1);
    low + Duration::from_micros(hash % (span + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_uses_only_characters_that_kubernetes_generates() {
        for n in 0..1000 {
            let suffix = suffix(hash(7, &["web", &n.to_string()]), 5);
            assert_eq!(suffix.len(), 5);
            assert!(suffix.bytes().all(|b| ALPHABET.contains(&b)), "{suffix}");
        }
    }

    #[test]
    fn parts_are_delimited() {
        assert_ne!(hash(1, &["ab", "c"]), hash(1, &["a", "bc"]));
        assert_ne!(hash(1, &["a"]), hash(2, &["a"]));
    }

    #[test]
    fn a_generated_name_is_a_label_however_long_its_prefix() {
        let name = generated(&"x".repeat(80), 5, 5);
        assert_eq!(name.len(), 63);
        let name = generated(&format!("{}-tail", "x".repeat(56)), 5, 5);
        assert!(!name.contains("--"), "{name}");
    }

    #[test]
    fn pod_addresses_keep_off_the_nodes_and_off_network_and_broadcast_addresses() {
        for n in 0..5000 {
            let [ten, octet, third, fourth] = pod_ip(9, hash(0, &[&n.to_string()])).octets();
            assert_eq!((ten, octet), (10, 9));
            assert!(third < 255 && (1..255).contains(&fourth));
        }
    }

    #[test]
    fn a_delay_stays_in_its_range() {
        let (low, high) = (Duration::from_millis(300), Duration::from_millis(800));
        for n in 0..1000 {
            let delay = between(low, high, hash(3, &[&n.to_string()]));
            assert!((low..=high).contains(&delay));
        }
        assert_eq!(between(Duration::ZERO, Duration::ZERO, 12345), Duration::ZERO);
    }
}
