//! The order in which members are served: the heavier first, equals by a hash that differs from workload to workload.

use crate::federation_v1::seat::Seat;

const OFFSET_BASIS: u32 = 2_166_136_261;
const PRIME: u32 = 16_777_619;

/// How many hashes are carried on side by side. One FNV is a chain of dependent multiplications; several at once keep the
/// processor's multipliers busy.
const LANES: usize = 16;

/// Indices of the preferred seats: weight descending, then hash ascending, then index ascending.
///
/// `name` gives the name of the seat at an index; names are sorted.
pub(super) fn order<'a>(seats: &[Seat], key: &str, name: impl Fn(usize) -> &'a [u8]) -> Vec<u64> {
    let preferred = || seats.iter().filter(|seat| seat.preferred);
    let (Some(lightest), Some(heaviest)) = (preferred().map(|s| s.weight).min(), preferred().map(|s| s.weight).max())
    else {
        return Vec::new();
    };

    // Weight, hash and index in one word where they fit, which they do but for absurd weights: sorting words is what
    // processors are best at.
    let index_bits = usize::BITS - seats.len().leading_zeros();
    let span = (heaviest - lightest) as u64;
    if index_bits <= 32 && span >> (32 - index_bits) == 0 {
        let mut words = Vec::with_capacity(seats.len());
        hash_all(seats, key, name, |index, weight, hash| {
            let rank = (heaviest - weight) as u64;
            words.push((rank << 32 | u64::from(hash)) << index_bits | u64::from(index));
        });
        words.sort_unstable();
        let mask = (1u64 << index_bits) - 1;
        words.iter_mut().for_each(|word| *word &= mask);
        words
    } else {
        let mut keys = Vec::with_capacity(seats.len());
        hash_all(seats, key, name, |index, weight, hash| keys.push((heaviest - weight, hash, index)));
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, index)| u64::from(index)).collect()
    }
}

/// Tells `each` the index, the weight and the hash of every preferred seat.
fn hash_all<'a>(seats: &[Seat], key: &str, name: impl Fn(usize) -> &'a [u8], mut each: impl FnMut(u32, i64, u32)) {
    // Members are often called alike, up to their end: what all names begin with is hashed once. As names are sorted, all
    // begin with what the first and the last have in common.
    let (first, last) = (name(0), name(seats.len() - 1));
    let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let start = fnv1(OFFSET_BASIS, &first[..shared]);

    let mut hashes = [0u32; LANES];
    for (chunk, seats) in seats.chunks(LANES).enumerate() {
        let from = chunk * LANES;
        for (lane, hash) in hashes[..seats.len()].iter_mut().enumerate() {
            *hash = fnv1(start, &name(from + lane)[shared..]);
        }
        if seats.len() < LANES / 4 {
            hashes[..seats.len()].iter_mut().for_each(|hash| *hash = fnv1(*hash, key.as_bytes()));
        } else {
            hashes = fnv1_lanes(hashes, key.as_bytes());
        }
        for (lane, (seat, hash)) in seats.iter().zip(hashes).enumerate() {
            if seat.preferred {
                each((from + lane) as u32, seat.weight, hash);
            }
        }
    }
}

/// [`fnv1`] of the same bytes upon many hashes.
fn fnv1_lanes(hashes: [u32; LANES], bytes: &[u8]) -> [u32; LANES] {
    // In 64 bits, as vector units multiply 32 by 32 bits that way, and only that way.
    let mut wide = hashes.map(u64::from);
    for &byte in bytes {
        for hash in &mut wide {
            *hash = ((*hash & 0xFFFF_FFFF) * u64::from(PRIME)) ^ u64::from(byte);
        }
    }
    wide.map(|hash| hash as u32)
}

/// What tells members of equal weight apart for the workload `key`: the lower goes first.
pub(crate) fn tie_break(member: &str, key: &str) -> u32 {
    fnv1(fnv1(OFFSET_BASIS, member.as_bytes()), key.as_bytes())
}

/// FNV-1, 32 bit: multiply, then xor. (FNV-1a, the better known, does it the other way round.)
fn fnv1(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, &byte| hash.wrapping_mul(PRIME) ^ u32::from(byte))
}

#[cfg(test)]
mod tests {
    use kfed_api::preferences::ClusterPreferences;
    use proptest::prelude::*;

    use super::*;
    use crate::Member;

    fn seats(weights: &[i64]) -> Vec<Seat> {
        let preferences = |&weight| ClusterPreferences { weight, ..ClusterPreferences::default() };
        weights.iter().map(|weight| Seat::new(&Member::new(""), Some(&preferences(weight)), true)).collect()
    }

    #[test]
    fn the_hash_is_fnv_1() {
        for (text, hash) in [
            ("", 2_166_136_261),
            ("A", 84_696_414),
            ("B", 84_696_413),
            ("C", 84_696_412),
            ("k8s-1default/job1", 159_320_697),
            ("k8s-2default/job1", 615_878_046),
            ("eastusns/app", 2_713_483_711),
            ("westusns/app", 4_232_897_385),
        ] {
            assert_eq!(fnv1(OFFSET_BASIS, text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn the_heavier_goes_first_and_equals_go_by_hash() {
        let names = ["A", "B", "C", "D"];
        assert_eq!(order(&seats(&[1, 1, 1, 2]), "", |at| names[at].as_bytes()), [3, 2, 1, 0]);
        assert_eq!(order(&seats(&[-1, 0, i64::MAX, i64::MIN]), "", |at| names[at].as_bytes()), [2, 1, 0, 3]);
    }

    #[test]
    fn seats_without_a_preference_are_left_out() {
        let mut seats = seats(&[1, 1]);
        seats[0].preferred = false;
        assert_eq!(order(&seats, "", |_| b"A"), [1]);
        seats[1].preferred = false;
        assert_eq!(order(&seats, "", |_| b"A"), [0u64; 0]);
    }

    proptest! {
        #[test]
        fn hashes_carried_on_side_by_side_are_what_they_are_alone(hashes: [u32; LANES], key in "[a-z/]{0,12}") {
            let alone = hashes.map(|hash| fnv1(hash, key.as_bytes()));
            prop_assert_eq!(fnv1_lanes(hashes, key.as_bytes()), alone);
        }

        #[test]
        fn words_and_tuples_sort_alike(
            mut members in proptest::collection::vec(("(member)?[a-c]{0,2}", -3i64..3), 0..40), key in "[a-b]{0,1}",
        ) {
            members.sort();
            let weights: Vec<i64> = members.iter().map(|(_, weight)| *weight).collect();
            let mut expected: Vec<_> = (0u32..).zip(&members).map(|(index, (name, weight))| {
                (-weight, fnv1(OFFSET_BASIS, format!("{name}{key}").as_bytes()), index)
            }).collect();
            expected.sort();
            let expected: Vec<u64> = expected.into_iter().map(|(_, _, index)| u64::from(index)).collect();
            prop_assert_eq!(order(&seats(&weights), &key, |at| members[at].0.as_bytes()), &expected[..]);
            // A span of weights too wide for a word, and the same order.
            let wide: Vec<i64> = weights.iter().map(|weight| weight << 36).collect();
            prop_assert_eq!(order(&seats(&wide), &key, |at| members[at].0.as_bytes()), expected);
        }
    }
}
