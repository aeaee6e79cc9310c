//! The order in which members are served: the heavier first, equals by a hash that differs from workload to workload.
//!
//! Most plans never need all of it. While there is enough for all of one weight, it does not matter who of them is first; so
//! only weights are sorted at once, and hashes are made where replicas run out.

use std::cmp::{Ordering, Reverse};
use std::ops::Range;

use crate::federation_v1::Request;
use crate::federation_v1::seat::Seat;

const OFFSET_BASIS: u32 = 2_166_136_261;
const PRIME: u32 = 16_777_619;

/// How many hashes are carried on side by side. One FNV is a chain of dependent multiplications; several at once keep the
/// processor's multipliers busy.
const LANES: usize = 16;

/// Weights below this are counted, which is quicker than sorting them, where there are as many seats.
const COUNTED: usize = 64;

/// The open seats in the order in which they are served.
pub(super) struct Order<'a> {
    places: &'a mut [Place],
    /// Where they will be, until they are made.
    room: &'a mut [Place],
    /// Hash and seat of places being sorted.
    words: &'a mut Vec<u64>,
}

/// A seat's place in the order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) weight: i64,
    seat: u32,
    known: Known,
}

/// What is known of the order among the places of one weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    /// Those that came first were found once.
    Selected,
    Sorted,
}

// === impl Order ===

impl<'a> Order<'a> {
    /// An order without seats so far. There must be a place for every preferred seat.
    pub(super) fn new(room: &'a mut [Place], words: &'a mut Vec<u64>) -> Self {
        Self { places: &mut [], room, words }
    }

    pub(super) fn places(&self) -> &[Place] {
        self.places
    }

    /// The largest weight.
    pub(super) fn heaviest(&self) -> i64 {
        self.places().first().map_or(0, |place| place.weight)
    }

    /// The places from `start` on that have one weight; none at the end.
    pub(super) fn class_at(&self, start: usize) -> Option<Range<usize>> {
        let places = self.places();
        let weight = places.get(start)?.weight;
        let more = places[start + 1..].iter().take_while(|place| place.weight == weight).count();
        Some(start..start + 1 + more)
    }

    /// The places from `start` on, which begins a class, that each have a weight of their own. Often there are none, or all are.
    pub(super) fn singles_at(&self, start: usize) -> Range<usize> {
        let rest = &self.places()[start..];
        let followed = rest.windows(2).take_while(|pair| pair[0].weight != pair[1].weight).count();
        let all = followed + 1 >= rest.len();
        start..start + if all { rest.len() } else { followed }
    }

    pub(super) fn places_mut(&mut self) -> &mut [Place] {
        self.places
    }

    pub(super) fn truncate(&mut self, kept: usize) {
        self.places = &mut std::mem::take(&mut self.places)[..kept];
    }

    /// The preferred seats, the heaviest first.
    pub(super) fn by_weight<N>(&mut self, seats: &[Seat<N>]) {
        let place = |(seat, index): (&Seat<N>, u32)| {
            seat.preferred.then_some(Place { weight: seat.weight, seat: index, known: Known::Nothing })
        };
        let places = || seats.iter().zip(0u32..).filter_map(place);
        debug_assert!(places().count() <= self.room.len(), "a place for every preferred seat");
        if seats.len() < COUNTED || !self.count_weights(seats) {
            let room = std::mem::take(&mut self.room);
            let mut open = 0;
            let mut descending = true;
            let mut last = i64::MAX;
            for (to, place) in room.iter_mut().zip(places()) {
                descending &= place.weight <= last;
                last = place.weight;
                *to = place;
                open += 1;
            }
            self.places = &mut room[..open];
            if !descending {
                self.places.sort_by_key(|place| Reverse(place.weight));
            }
        }
    }

    /// [`by_weight`](Self::by_weight), if that is quicker than sorting.
    fn count_weights<N>(&mut self, seats: &[Seat<N>]) -> bool {
        let (mut counts, mut bits, mut last) = ([0u32; COUNTED], 0, i64::MAX);
        let mut descending = true;
        for seat in seats.iter().filter(|seat| seat.preferred) {
            counts[seat.weight as usize % COUNTED] += 1;
            bits |= seat.weight;
            descending &= seat.weight <= last;
            last = seat.weight;
        }
        if descending || bits as u64 >= COUNTED as u64 {
            return false;
        }
        let mut open = 0;
        for count in counts.iter_mut().rev() {
            open += std::mem::replace(count, open);
        }
        let places = &mut std::mem::take(&mut self.room)[..open as usize];
        for (seat, index) in seats.iter().zip(0u32..).filter(|(seat, _)| seat.preferred) {
            let at = &mut counts[seat.weight as usize % COUNTED];
            places[*at as usize] = Place { weight: seat.weight, seat: index, known: Known::Nothing };
            *at += 1;
        }
        self.places = places;
        true
    }

    /// Sorts places of one weight: hash ascending, then name.
    pub(super) fn sort(&mut self, class: Range<usize>, request: &Request<'_>) {
        let places = &mut self.places[class];
        if places.len() <= LANES {
            let words = &mut [0; LANES][..places.len()];
            hash_all(places, request, |at, word| words[at] = word);
            sort(words, request);
            write(places, words, Known::Sorted);
            return;
        }
        self.words.clear();
        hash_all(places, request, |_, word| self.words.push(word));
        sort(self.words, request);
        write(places, self.words, Known::Sorted);
    }

    /// Brings the `first` places of a class to its front, in whatever order, and the next one behind them.
    pub(super) fn select(&mut self, class: Range<usize>, first: usize, request: &Request<'_>) {
        let places = &mut self.places[class];
        self.words.clear();
        hash_all(places, request, |_, word| self.words.push(word));
        self.words.select_nth_unstable_by(first, |a, b| compare(*a, *b, request));
        write(places, self.words, Known::Selected);
    }

    /// Sorts the end of the class that was selected from last.
    pub(super) fn sort_rest(&mut self, rest: Range<usize>, request: &Request<'_>) {
        let words = self.words.len() - rest.len();
        let words = &mut self.words[words..];
        sort(words, request);
        write(&mut self.places[rest], words, Known::Selected);
    }
}

// === impl Place ===

impl Place {
    /// A place nobody has.
    pub(super) const EMPTY: Self = Self { weight: 0, seat: 0, known: Known::Nothing };

    /// The index of the seat.
    pub(super) fn seat(self) -> usize {
        self.seat as usize
    }

    pub(super) fn is_sorted(self) -> bool {
        self.known == Known::Sorted
    }

    pub(super) fn is_selected(self) -> bool {
        self.known == Known::Selected
    }
}

fn sort(words: &mut [u64], request: &Request<'_>) {
    words.sort_unstable();
    // Sorting words is what processors are best at. Names decide only in the rare case of equal hashes.
    if words.windows(2).any(|pair| pair[0] >> 32 == pair[1] >> 32) {
        words.sort_unstable_by(|a, b| compare(*a, *b, request));
    }
}

fn compare(a: u64, b: u64, request: &Request<'_>) -> Ordering {
    let name = |word: u64| request.members[word as u32 as usize].name;
    (a >> 32).cmp(&(b >> 32)).then_with(|| name(a).cmp(name(b)))
}

fn write(places: &mut [Place], words: &[u64], known: Known) {
    for (place, word) in places.iter_mut().zip(words) {
        (place.seat, place.known) = (*word as u32, known);
    }
}

/// Tells `each` the number of each place, and its hash and seat in one word.
fn hash_all(places: &[Place], request: &Request<'_>, mut each: impl FnMut(usize, u64)) {
    let (key, name) = (request.key.as_bytes(), |place: &Place| request.members[place.seat()].name.as_bytes());
    for (chunk, places) in places.chunks(LANES).enumerate() {
        let mut hashes = [0u32; LANES];
        for (place, hash) in places.iter().zip(&mut hashes) {
            *hash = fnv1(OFFSET_BASIS, name(place));
        }
        if places.len() < LANES / 4 {
            hashes[..places.len()].iter_mut().for_each(|hash| *hash = fnv1(*hash, key));
        } else {
            hashes = fnv1_lanes(hashes, key);
        }
        for (lane, (place, hash)) in places.iter().zip(hashes).enumerate() {
            each(chunk * LANES + lane, u64::from(hash) << 32 | u64::from(place.seat));
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
    tie_break_of(hash_of_member(member), key)
}

/// The part of [`tie_break`] that is the same for all workloads.
pub(crate) fn hash_of_member(member: &str) -> u32 {
    fnv1(OFFSET_BASIS, member.as_bytes())
}

/// [`tie_break`] of the member with this hash.
pub(crate) fn tie_break_of(hash: u32, key: &str) -> u32 {
    fnv1(hash, key.as_bytes())
}

/// FNV-1, 32 bit: multiply, then xor. (FNV-1a, the better known, does it the other way round.)
fn fnv1(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, &byte| hash.wrapping_mul(PRIME) ^ u32::from(byte))
}

#[cfg(test)]
mod tests {
    use kfed_api::preferences::{ClusterPreferences, ReplicaPreferences};
    use proptest::prelude::*;

    use super::*;
    use crate::Member;

    fn by_the_book(names: &[String], weights: &[i64], key: &str) -> Vec<usize> {
        let mut expected: Vec<_> = (0..names.len())
            .map(|at| {
                (Reverse(weights[at]), fnv1(OFFSET_BASIS, format!("{}{key}", names[at]).as_bytes()), &names[at], at)
            })
            .collect();
        expected.sort();
        expected.into_iter().map(|(.., at)| at).collect()
    }

    fn ordered(names: &[String], weights: &[i64], key: &str) -> (Vec<usize>, Vec<usize>) {
        let members: Vec<_> = names.iter().map(|name| Member::new(name)).collect();
        let preferences = ReplicaPreferences::default();
        let request = Request { key, replicas: 0, preferences: &preferences, members: &members };
        let own = |&weight| ClusterPreferences { weight, ..ClusterPreferences::default() };
        let seats: Vec<_> = weights.iter().map(|w| Seat::<i128>::new(&Member::new(""), &own(w), true)).collect();
        let seats_of = |order: &Order<'_>| order.places().iter().map(|place| place.seat()).collect();

        let (mut places, mut other_places) = (vec![Place::EMPTY; names.len()], vec![Place::EMPTY; names.len()]);
        let (mut words, mut other_words) = (Vec::new(), Vec::new());
        let mut sorted = Order::new(&mut places, &mut words);
        let mut selected = Order::new(&mut other_places, &mut other_words);
        sorted.by_weight(&seats);
        selected.by_weight(&seats);
        let mut rest = 0;
        while let Some(class) = sorted.class_at(rest) {
            rest = class.end;
            sorted.sort(class.clone(), &request);
            // One by one, each the first of what is left.
            for at in class.clone() {
                selected.select(at..class.end, 0, &request);
            }
        }
        (seats_of(&sorted), seats_of(&selected))
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
        let names = ["A", "B", "C", "D"].map(str::to_owned);
        assert_eq!(ordered(&names, &[1, 1, 1, 2], "").0, [3, 2, 1, 0]);
        assert_eq!(ordered(&names, &[-1, 0, i64::MAX, i64::MIN], "").0, [2, 1, 0, 3]);
    }

    #[test]
    fn equal_hashes_go_by_name_whatever_the_order_of_members() {
        assert_eq!(fnv1(OFFSET_BASIS, b"creamwove"), fnv1(OFFSET_BASIS, b"quists"));
        assert_eq!(ordered(&["creamwove", "quists"].map(str::to_owned), &[1, 1], "key").0, [0, 1]);
        assert_eq!(ordered(&["quists", "creamwove"].map(str::to_owned), &[1, 1], "key").0, [1, 0]);
        assert_eq!(ordered(&["quists", "creamwove"].map(str::to_owned), &[1, 1], "key").1, [1, 0]);
    }

    proptest! {
        #[test]
        fn hashes_carried_on_side_by_side_are_what_they_are_alone(hashes: [u32; LANES], key in "[a-z/]{0,12}") {
            let alone = hashes.map(|hash| fnv1(hash, key.as_bytes()));
            prop_assert_eq!(fnv1_lanes(hashes, key.as_bytes()), alone);
        }

        #[test]
        fn the_order_is_by_the_book(
            members in proptest::collection::btree_map("(member)?[a-c]{0,3}", -3i64..3, 0..90), key in "[a-b]{0,1}",
            reverse in any::<bool>(), spread in prop_oneof![Just(0), Just(4), Just(36)],
        ) {
            let (mut names, mut weights): (Vec<_>, Vec<_>) = members.into_iter().map(|(n, w)| (n, w << spread)).unzip();
            if reverse {
                names.reverse();
                weights.reverse();
            }
            let expected = by_the_book(&names, &weights, &key);
            let (sorted, selected) = ordered(&names, &weights, &key);
            prop_assert_eq!(&sorted, &expected);
            prop_assert_eq!(&selected, &expected);
        }
    }
}
