//! Flappers: however a target flaps, how often it comes and goes in the end is bounded, and what is well stays in.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

use std::time::Duration;

use kfed_cluster_health::{Damped, Damper, Damping};
use proptest::prelude::*;

const HOUR: u64 = 3600;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// When a target that is well at second `n` if `well(n)` says so goes, and when it comes back.
fn changes(length: u64, well: impl Fn(u64) -> bool) -> (Vec<u64>, Vec<u64>) {
    let mut damper = Damper::new(Damping::default());
    let mut counts = damper.observe(true, Duration::ZERO) == Damped::Up;
    let (mut goes, mut comes) = (Vec::new(), Vec::new());
    for n in 1..length {
        let now = damper.observe(well(n), seconds(n)) == Damped::Up;
        match (counts, now) {
            (true, false) => goes.push(n),
            (false, true) => comes.push(n),
            _ => {}
        }
        counts = now;
    }
    (goes, comes)
}

/// The most of `times` that fall into any span of `length`.
fn most_in(times: &[u64], length: u64) -> usize {
    let within = |start: &u64| times.iter().filter(|time| (*start..start + length).contains(time)).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[test]
fn ten_flaps_in_a_minute_are_one_withdrawal_and_one_return() {
    for down in 1..6 {
        let (goes, comes) = changes(HOUR, |n| n >= 60 || n % 6 >= down);
        assert!(goes.len() == 1 && goes[0] <= 6, "down for {down} of 6 s: {goes:?}");
        assert_eq!(comes.len(), 1, "down for {down} of 6 s");
        assert!(comes[0] <= 60 + 10 + down, "it is back soon after: {comes:?}");
    }
}

#[test]
fn every_period_from_a_second_to_ten_minutes_is_bounded() {
    for period in 1..=600u64 {
        for down in [1, period / 4, period / 2, period * 3 / 4, period - 1] {
            if down == 0 || down >= period {
                continue;
            }
            let (goes, comes) = changes(2 * HOUR, |n| n % period >= down);
            let what = format!("period {period} s, down {down} s: goes {goes:?}, comes {comes:?}");
            // 10 + 20 s of holds fit into a minute, 10 + 20 + 40 + 80 + 160 s into ten.
            assert!(most_in(&goes, 60) <= 3 && most_in(&comes, 60) <= 3, "{what}");
            assert!(most_in(&goes, 600) <= 6 && most_in(&comes, 600) <= 6, "{what}");
            assert!(most_in(&goes, HOUR) <= 16, "{what}");
            if period <= 10 {
                assert!(goes.len() <= 1, "{what}");
            }
        }
    }
}

#[test]
fn a_first_return_is_soon_and_later_ones_take_longer() {
    let mut damper = Damper::new(Damping::default());
    let mut now = 0;
    damper.observe(true, seconds(now));
    let mut holds = Vec::new();
    for _ in 0..8 {
        now += 30;
        assert_eq!(damper.observe(false, seconds(now)), Damped::Down);
        now += 1;
        let Damped::Held { until } = damper.observe(true, seconds(now)) else { panic!("it has just died") };
        holds.push(until.as_secs() - now);
        now = until.as_secs();
        assert_eq!(damper.observe(true, until), Damped::Up);
    }
    assert_eq!(holds, [10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(damper.deaths(), 8);
    now += 600;
    assert!(!damper.has_past(seconds(now)));
    damper.observe(false, seconds(now));
    assert_eq!(damper.observe(true, seconds(now)), Damped::Held { until: seconds(now + 10) }, "all is forgiven");
}

#[test]
fn what_was_never_well_comes_in_at_once() {
    let mut damper = Damper::new(Damping::default());
    assert_eq!(damper.observe(false, seconds(0)), Damped::Down);
    assert_eq!(damper.observe(true, seconds(1)), Damped::Up);
    let mut free = Damper::new(Damping::after(Duration::ZERO));
    for n in 0..100 {
        let well = n % 2 == 0;
        assert_eq!(free.observe(well, seconds(n)), if well { Damped::Up } else { Damped::Down }, "0 s hold nothing");
    }
}

proptest! {
    /// Any history: what is well for the hold that its past asks for returns, at that moment and not before.
    #[test]
    fn whoever_is_stable_for_the_hold_returns(spans in prop::collection::vec((1..900u64, 1..900u64), 1..30)) {
        let damping = Damping::default();
        let mut damper = Damper::new(damping);
        let mut now = 0;
        damper.observe(true, seconds(now));
        for (up, down) in spans {
            now += up;
            prop_assert_eq!(damper.observe(false, seconds(now)), Damped::Down);
            now += down;
            let hold = damping.hold(damper.deaths());
            prop_assert!(hold <= damping.longest);
            prop_assert_eq!(damper.observe(true, seconds(now)), Damped::Held { until: seconds(now) + hold });
            let before = seconds(now) + hold - Duration::from_millis(1);
            let is_held = matches!(damper.observe(true, before), Damped::Held { .. });
            prop_assert!(is_held);
            prop_assert_eq!(damper.clone().observe(true, seconds(now) + hold), Damped::Up);
        }
    }

    /// Any history, second by second: never more than the holds leave room for.
    #[test]
    fn no_history_comes_and_goes_more_often(spans in prop::collection::vec(1..120u64, 1..200)) {
        let mut history = Vec::new();
        for (n, span) in spans.into_iter().enumerate() {
            history.extend(std::iter::repeat_n(n % 2 == 0, span as usize));
        }
        let end = history.len() as u64;
        let (goes, comes) = changes(end + 400, |n| history.get(n as usize).copied().unwrap_or(true));
        prop_assert!(most_in(&goes, 60) <= 3 && most_in(&comes, 60) <= 3, "{goes:?} {comes:?}");
        prop_assert!(most_in(&goes, 600) <= 6 && most_in(&comes, 600) <= 6, "{goes:?} {comes:?}");
        prop_assert_eq!(goes.len(), comes.len(), "in the end it is in");
    }
}
