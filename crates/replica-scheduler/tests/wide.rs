//! The fast planner is the slow one, over anything: 0 to 500 members, negative numbers, minimums above maximums, capacities
//! of nothing and less, numbers of all sizes that 64 bits hold, replicas where no capacity is known.
//!
//! `PROPTEST_CASES` sets how many cases are drawn and `PROPTEST_RNG_SEED` from which seed. A release build draws half a million in a
//! minute and a half: `PROPTEST_CASES=500000 PROPTEST_RNG_SEED=20261121 cargo test --release -p kfed-replica-scheduler --test wide any_request`.
//! Cases that have failed once are kept in `wide.regressions`.

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;

use kfed_api::preferences::{ClusterPreferences, ReplicaPreferences};
use kfed_replica_scheduler::federation_v1::{self, Planner};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{Case, Numbers};

/// After how many weighted rounds the book may give up: some requests take billions of them, as they did in v1.
const ROUNDS: usize = 1_500;
/// After how many offers it may, which few members are not worth giving up for sooner.
const BOOK: usize = 150_000;

/// What a request is made of.
#[derive(Debug, Clone, Copy)]
struct Shape {
    members: usize,
    numbers: Range,
    weights: Weights,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
enum Range {
    /// As people write them.
    Sensible,
    /// Anything v1 accepted.
    Odd,
    /// Members that run many and have a few more to place: where rounds repeat.
    Crowded,
    /// At the edge of what sums of 64 bits hold.
    Vast,
    /// Of all lengths up to 40 bits: a heavy member that keeps much makes thousands of rounds, each of which gives less than the last.
    Uneven,
    /// Small ones, huge ones of either sign, and the first and last that there are, side by side.
    Any,
}

#[derive(Debug, Clone, Copy)]
enum Weights {
    One,
    Few,
    Many,
}

/// SplitMix64: a case is drawn from one number, so that a million of them take minutes.
struct Draw(u64);

fn shape() -> impl Strategy<Value = Shape> {
    let members = prop_oneof![4 => 0..=12usize, 2 => 0..=60usize, 1 => 0..=500usize];
    let numbers = prop_oneof![
        4 => Just(Range::Sensible),
        4 => Just(Range::Odd),
        2 => Just(Range::Crowded),
        1 => Just(Range::Vast),
        1 => Just(Range::Uneven),
        2 => Just(Range::Any)
    ];
    let weights = prop_oneof![1 => Just(Weights::One), 2 => Just(Weights::Few), 1 => Just(Weights::Many)];
    let shape = |(members, numbers, weights, seed)| Shape { members, numbers, weights, seed };
    (members, numbers, weights, any::<u64>()).prop_map(shape)
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 400 };
    let persistence = Box::new(FileFailurePersistence::WithSource("regressions"));
    ProptestConfig { cases, failure_persistence: Some(persistence), ..default }
}

thread_local! {
    static KEPT: RefCell<Planner> = RefCell::default();
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_request_is_planned_by_the_book_anew_and_by_a_kept_planner_and_with_reasons(shape in shape()) {
        let case = shape.case();
        let planned = case.planned();
        let book = case.by_the_book_within(ROUNDS.max(BOOK / (shape.members + 1)));
        prop_assert!(book.is_some() || matches!(shape.numbers, Range::Any | Range::Uneven), "the book is too slow");
        let book = book.unwrap_or_else(|| planned.clone());
        prop_assert_eq!(&planned, &book);
        let numbers = |shares: &[federation_v1::Share]| {
            let named = || case.members.iter().map(|(name, ..)| name.clone()).zip(shares);
            Numbers {
                planned: named().map(|(name, share)| (name, share.planned)).collect(),
                overflow: named().filter(|(_, s)| s.overflow != 0).map(|(name, share)| (name, share.overflow)).collect(),
            }
        };
        prop_assert_eq!(&numbers(&case.ask(federation_v1::distribute)), &book);
        let kept = KEPT.with_borrow_mut(|planner| case.ask(|request| numbers(planner.distribute(request))));
        prop_assert_eq!(&kept, &book);
    }

    #[test]
    fn a_number_that_is_too_large_for_64_bits_changes_nothing_else(shape in shape()) {
        // It makes all be counted in 128 bits. Below 0 the first in order takes all, which it must not become.
        let mut case = shape.case();
        case.replicas = case.replicas.max(0);
        let mut wide = case.clone();
        let vast = ClusterPreferences { max_replicas: Some(i64::MAX), ..ClusterPreferences::default() };
        wide.preferences.clusters.insert("vast".to_owned(), vast);
        wide.members.push(("vast".to_owned(), None, None));
        let mut planned = wide.planned();
        prop_assert_eq!(planned.planned.remove("vast"), Some(0));
        prop_assert_eq!(planned, case.planned());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10 * config().cases, ..config() })]

    /// Where rounds are done many at once: each gives less than the one before, or as much, for thousands of rounds.
    #[test]
    fn rounds_that_shrink_are_planned_by_the_book(members in 2..=8usize, seed in any::<u64>()) {
        let case = Shape { members, numbers: Range::Uneven, weights: Weights::Many, seed }.case();
        let book = case.by_the_book_within(ROUNDS);
        prop_assert!(book.is_none_or(|book| case.planned() == book));
    }
}

// === impl Shape ===

impl Shape {
    fn case(self) -> Case {
        let mut draw = Draw(self.seed);
        let (low, high) = match self.numbers {
            Range::Sensible => (0, 30),
            Range::Odd | Range::Any => (-12, 40),
            Range::Crowded => (0, 400),
            Range::Vast => (-(1 << 37), 1 << 37),
            Range::Uneven => (0, 1 << 40),
        };
        let (lightest, heaviest) = match (self.numbers, self.weights) {
            (_, Weights::One) => (1, 1),
            (Range::Vast, _) => (-(1 << 34), 1 << 38),
            (Range::Odd, Weights::Few) => (-2, 5),
            (Range::Odd, Weights::Many) => (-100, 2_000),
            (Range::Uneven, _) => (0, 1 << 20),
            (_, Weights::Few) => (0, 10),
            (_, Weights::Many) => (0, 100_000),
        };
        // Of how many numbers one is of any size.
        let huge = draw.below(3) * 4 + 2;
        let within = |draw: &mut Draw, low, high| match self.numbers {
            Range::Any if draw.one_in(huge) => draw.any(),
            Range::Uneven => draw.within(low, high) >> draw.below(40),
            _ => draw.within(low, high),
        };
        let own = |draw: &mut Draw| ClusterPreferences {
            weight: within(draw, lightest, heaviest),
            min_replicas: match draw.below(4) {
                0 => within(draw, low, high),
                1 => draw.within(0, 3),
                _ => 0,
            },
            max_replicas: draw.one_in(3).then(|| within(draw, low, high)),
        };
        let long = draw.one_in(4);
        let named = draw.below(4);
        let mut clusters = BTreeMap::new();
        let mut members = Vec::with_capacity(self.members);
        for at in 0..self.members {
            let name = match (long, draw.one_in(40)) {
                (_, true) => format!("{}é", "x".repeat(at % 19)) + &at.to_string(),
                (false, _) => format!("member-{at:03}"),
                (true, _) => format!("fed-member-of-a-region-{at}"),
            };
            if draw.below(4) < named {
                clusters.insert(name.clone(), own(&mut draw));
            }
            let current = (!draw.one_in(4)).then(|| within(&mut draw, low, high));
            let capacity = draw.one_in(4).then(|| within(&mut draw, low, high));
            members.push((name, current, capacity));
        }
        if clusters.is_empty() || draw.one_in(2) {
            clusters.insert("*".to_owned(), own(&mut draw));
        }
        match draw.below(3) {
            0 => members.sort(),
            1 => (1..members.len()).for_each(|at| members.swap(at, draw.below(at as u64 + 1) as usize)),
            _ => {}
        }
        let running: i64 = members.iter().filter_map(|(_, current, _)| *current).fold(0, i64::saturating_add);
        let replicas = match draw.below(4) {
            _ if matches!(self.numbers, Range::Uneven) => running.saturating_add(within(&mut draw, 1, high)),
            0 => within(&mut draw, low, high),
            1 => within(&mut draw, low, high).saturating_mul(self.members as i64),
            2 => running.saturating_add(draw.within(-3, 3)),
            _ => running.saturating_add(within(&mut draw, 0, high)),
        };
        // The book takes one round after the other, which never ends where billions are kept.
        let rebalance = match self.numbers {
            Range::Vast => true,
            Range::Uneven => false,
            _ => draw.one_in(2),
        };
        let key = ["default/hostname", "a", "", "a-longer-namespace/with-a-name"][draw.below(4) as usize].to_owned();
        Case {
            name: format!("{self:?}"),
            key,
            replicas,
            preferences: ReplicaPreferences { rebalance, clusters },
            members,
        }
    }
}

// === impl Draw ===

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Each length in bits as often as any other, of either sign; and often an end of what there is.
    fn any(&mut self) -> i64 {
        match self.below(8) {
            0 => i64::MAX - self.below(2) as i64,
            1 => i64::MIN + self.below(2) as i64,
            _ => (self.next() as i64) >> self.below(64),
        }
    }

    /// Both ends included.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }
}
