//! The machine, by stories and against a model that recounts the whole history each time.

use kfed_cluster_health::{Failure, Health, HealthMachine, ProbeOutcome, Thresholds};
use proptest::prelude::*;

fn outcome(letter: char) -> ProbeOutcome {
    match letter {
        '+' => ProbeOutcome::Healthy,
        '5' => ProbeOutcome::Unhealthy { failure: Failure::Status(500) },
        '4' => ProbeOutcome::Unhealthy { failure: Failure::Unauthorized(403) },
        _ => ProbeOutcome::Unreachable { failure: Failure::Connect("refused".to_owned()) },
    }
}

/// The states after each outcome of `story`, by their first letters.
fn states(story: &str) -> String {
    let mut machine = HealthMachine::new(Thresholds::default());
    let state = |letter| {
        machine.observe(&outcome(letter));
        match machine.state() {
            Health::Dead => 'X',
            state => state.to_string().chars().next().expect("a name"),
        }
    };
    story.chars().map(state).collect()
}

#[test]
fn a_target_that_was_not_probed_is_unknown() {
    let machine = HealthMachine::new(Thresholds::default());
    assert_eq!((machine.state(), machine.settled(), machine.last()), (Health::Unknown, Health::Unknown, None));
    assert!(!machine.ever_healthy());
}

#[test]
fn stories() {
    for (story, expected, what) in [
        ("+", "H", "a first success is believed at once"),
        ("---+", "SSXH", "even after failures, where there never was one"),
        ("+---", "HSSX", "three failures in a row are a death"),
        ("+--+--+", "HSSHSSH", "two are none, however often"),
        ("+++++++-", "HHHHHHHS", "many successes make one failure count for no more"),
        ("+---+", "HSSXX", "one success does not end a death"),
        ("+---++", "HSSXXH", "two do"),
        ("+---+-+-+", "HSSXXXXXX", "but in a row"),
        ("+---5", "HSSXX", "nor does one answer"),
        ("+---55", "HSSXXD", "two answers do, although it is not well"),
        ("+---5+", "HSSXXD", "whatever they are"),
        ("+---5++", "HSSXXDH", "and two successes make it well"),
        ("+555", "HSSD", "an answer that is not well three times in a row is no blip"),
        ("+5+5+", "HSHSH", "once is"),
        ("+5555555555", "HSSDDDDDDDD", "and it is never a death"),
        ("+4444", "HSSDD", "nor is a refusal"),
        ("+--5", "HSSD", "an answer ends the silence, not the trouble"),
        ("+--5--5--5", "HSSDSSDSSD", "an answer resets what counts towards a death"),
        ("5", "D", "a new target that is not well says so at once"),
        ("5+", "DH", "and is believed at its first success"),
        ("+555+", "HSSDD", "later, one success is not enough"),
        ("+555+-+", "HSSDDSD", "two that are not in a row neither"),
        ("+555++", "HSSDDH", "two in a row are"),
        ("+555---", "HSSDSSX", "a death may follow trouble"),
    ] {
        assert_eq!(states(story), expected, "{story}: {what}");
    }
}

#[test]
fn a_transition_is_told_once() {
    let mut machine = HealthMachine::new(Thresholds::default());
    let told: Vec<_> = "++---++".chars().map(|letter| machine.observe(&outcome(letter))).collect();
    let told: Vec<_> = told.into_iter().map(|t| t.map(|t| (t.from, t.to))).collect();
    assert_eq!(
        told,
        [
            Some((Health::Unknown, Health::Healthy)),
            None,
            Some((Health::Healthy, Health::Suspect)),
            None,
            Some((Health::Suspect, Health::Dead)),
            None,
            Some((Health::Dead, Health::Healthy)),
        ]
    );
}

#[test]
fn a_threshold_of_0_counts_as_1() {
    let mut machine = HealthMachine::new(Thresholds { failures: 0, successes: 0 });
    machine.observe(&outcome('+'));
    machine.observe(&outcome('-'));
    assert_eq!(machine.state(), Health::Dead);
    machine.observe(&outcome('+'));
    assert_eq!(machine.state(), Health::Healthy);
}

/// How many outcomes at the end of `history` are `such`.
fn in_a_row(history: &[char], such: impl Fn(char) -> bool) -> usize {
    history.iter().rev().take_while(|letter| such(**letter)).count()
}

/// Settled state and state after `history`, from the rules alone.
fn model(history: &[char], failures: usize, successes: usize) -> (Health, Health) {
    let Some((&last, before)) = history.split_last() else { return (Health::Unknown, Health::Unknown) };
    let (was, _) = model(before, failures, successes);
    let silent = in_a_row(history, |letter| letter == '-');
    let well = in_a_row(history, |letter| letter == '+');
    let answered = in_a_row(history, |letter| letter != '-');
    let unwell = in_a_row(history, |letter| letter != '+');
    let first_success = last == '+' && !before.contains(&'+');
    let degraded = match was {
        Health::Dead => answered >= successes,
        Health::Healthy => last != '-' && last != '+' && unwell >= failures,
        Health::Unknown => last != '-' && last != '+',
        _ => false,
    };
    let settled = if silent >= failures {
        Health::Dead
    } else if first_success || well >= successes {
        Health::Healthy
    } else if degraded {
        Health::Degraded
    } else {
        was
    };
    let failed = last == '-' || last != '+' && settled == Health::Healthy;
    (settled, if failed && settled != Health::Dead { Health::Suspect } else { settled })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_is_its_model(
        history in proptest::collection::vec(prop_oneof![3 => Just('+'), 3 => Just('-'), 1 => Just('5'), 1 => Just('4')], 0..60),
        failures in 1u32..5, successes in 1u32..4,
    ) {
        let mut machine = HealthMachine::new(Thresholds { failures, successes });
        for end in 1..=history.len() {
            let history = &history[..end];
            let before = machine.state();
            let transition = machine.observe(&outcome(history[end - 1]));
            let (settled, state) = model(history, failures as usize, successes as usize);
            prop_assert_eq!((machine.settled(), machine.state()), (settled, state), "{:?}", history);
            prop_assert_eq!(transition.map(|t| (t.from, t.to)), (before != state).then_some((before, state)));
            prop_assert_eq!(machine.ever_healthy(), history.contains(&'+'));
            prop_assert_eq!(machine.failures_in_a_row() as usize, in_a_row(history, |letter| letter != '+'));
            prop_assert_eq!(machine.unanswered_in_a_row() as usize, in_a_row(history, |letter| letter == '-'));
        }
    }

    #[test]
    fn who_always_answers_never_dies(history in proptest::collection::vec(prop_oneof![Just('+'), Just('5'), Just('4')], 1..100)) {
        let mut machine = HealthMachine::new(Thresholds { failures: 1, successes: 3 });
        for letter in history {
            machine.observe(&outcome(letter));
            prop_assert_ne!(machine.state(), Health::Dead);
        }
    }
}
