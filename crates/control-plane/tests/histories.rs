//! Random histories of a federation over Azure, on a paused clock: members hang, refuse, flap, leave and return, endpoints come and
//! go, the zone throttles, loses answers and is away, people edit it, control planes die at any moment. At every write and every
//! second what is answered is held against what is true, from outside; in the end all heals, and nothing may be left over.
//!
//! `KFED_HISTORY_SEEDS=1..=10000` runs these; `KFED_HISTORY_SEED=7` one, and tells what happened; `KFED_HISTORY_STEPS=0,3` with these of its steps.
//! `KFED_HISTORY_MARKS=1` beside them keeps whose a set is in TXT sets.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]
#![allow(clippy::print_stderr, reason = "whoever asks for a history wants to see it")]

#[path = "histories/azure.rs"]
mod azure;
#[path = "histories/claims.rs"]
mod claims;
#[path = "histories/draw.rs"]
mod draw;
#[path = "histories/hand.rs"]
mod hand;
#[path = "histories/history.rs"]
mod history;
#[path = "histories/marks.rs"]
mod marks;
#[path = "histories/names.rs"]
mod names;
#[path = "histories/rest.rs"]
mod rest;
#[path = "histories/rig.rs"]
mod rig;
#[path = "histories/scenarios.rs"]
mod scenarios;
mod support;
#[path = "histories/truth.rs"]
mod truth;
#[path = "histories/watch.rs"]
mod watch;

use history::History;
use rig::Rig;
use tokio::time::Instant;

/// What happened, and what was wrong if anything was.
type Told = (Vec<String>, Result<(), String>);

/// Lets `history` happen.
fn run(history: &History) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut rig = Rig::new(history).await;
        let result = happens(&mut rig, history).await;
        (std::mem::take(&mut rig.watch().log), result)
    })
}

async fn happens(rig: &mut Rig, history: &History) -> Result<(), String> {
    rig.begin().await?;
    goes_on(rig, history).await
}

/// All that happens after the beginning.
async fn goes_on(rig: &mut Rig, history: &History) -> Result<(), String> {
    let start = Instant::now();
    for (at, step) in &history.steps {
        rig.pass((start + *at).saturating_duration_since(Instant::now())).await?;
        rig.step(step).await;
    }
    rig.heal().await;
    rig.rests().await
}

/// How often a failure is looked for anew where parts of a history do not show it: what is ready at the same moment has no fixed order.
const AGAIN: usize = 2;

/// What is left of `history` without the steps that its failure does not need.
fn shrink(history: &History) -> (Vec<usize>, Told) {
    let mut kept: Vec<usize> = (0..history.steps.len()).collect();
    let fails = |kept: &[usize]| (0..AGAIN).map(|_| run(&history.only(kept))).find(|(_, result)| result.is_err());
    let mut failure = None;
    let mut size = kept.len().div_ceil(2);
    while size > 0 {
        let mut n = 0;
        while n < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(n..(n + size).min(kept.len()));
            match fails(&fewer) {
                Some(smaller) => (kept, failure) = (fewer, Some(smaller)),
                None => n += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    let unknown = || (Vec::new(), Err("it does not fail again".to_owned()));
    let failure = failure.or_else(|| fails(&kept)).unwrap_or_else(unknown);
    (kept, failure)
}

/// The history of a seed, as one asks for it.
fn of(seed: u64) -> History {
    let history = History::new(seed);
    if std::env::var_os("KFED_HISTORY_MARKS").is_some() { history.with_marks() } else { history }
}

/// Lets each history happen; tells of the first that fails, as small as it can be made.
fn hold(histories: impl Iterator<Item = History>) {
    for history in histories {
        let seed = history.seed;
        eprintln!("KFED_HISTORY_SEED={seed}");
        let (_, Err(what)) = run(&history) else { continue };
        eprintln!("KFED_HISTORY_SEED={seed}: {what}; looking for less that fails");
        let (kept, (log, result)) = shrink(&history);
        let steps = kept.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        panic!(
            "KFED_HISTORY_SEED={seed} KFED_HISTORY_STEPS={steps}: {}\n{}\n{}",
            result.err().unwrap_or_default(),
            history.only(&kept),
            log.join("\n")
        );
    }
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

/// One that is asked for, and what happened in it, whether it fails or not.
#[test]
fn a_history_by_its_seed() {
    let Ok(seed) = std::env::var("KFED_HISTORY_SEED") else { return };
    let mut history = of(number(&seed));
    if let Ok(steps) = std::env::var("KFED_HISTORY_STEPS") {
        let kept: Vec<_> = steps.split(',').filter(|n| !n.is_empty()).map(|n| number(n) as usize).collect();
        history = history.only(&kept);
    }
    let (log, result) = run(&history);
    eprintln!("{history}\n{}", log.join("\n"));
    result.unwrap();
}

/// As many as one asks for: all are tried, and those that fail are told.
#[test]
fn histories_by_their_seeds() {
    let Ok(seeds) = std::env::var("KFED_HISTORY_SEEDS") else { return };
    let (first, last) = seeds.split_once("..=").expect("seeds as in 1..=10000");
    let mut failed = Vec::new();
    for seed in number(first)..=number(last) {
        if seed.is_multiple_of(100) {
            eprintln!("as far as {seed}");
        }
        if let (_, Err(what)) = run(&of(seed)) {
            eprintln!("KFED_HISTORY_SEED={seed}: {what}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "{} histories failed: {failed:?}", failed.len());
}

/// Three hundred, and some over marks, on as many cores as there are.
mod histories_hold {
    use super::{History, hold};

    macro_rules! hold {
        ($($name:ident: $seeds:expr;)*) => {
            $(#[test]
            fn $name() {
                hold(($seeds).map(History::new));
            })*
        };
    }

    hold! {
        from_1: 1..=25;
        from_26: 26..=50;
        from_51: 51..=75;
        from_76: 76..=100;
        from_101: 101..=125;
        from_126: 126..=150;
        from_151: 151..=175;
        from_176: 176..=200;
        from_201: 201..=225;
        from_226: 226..=250;
        from_251: 251..=275;
        from_276: 276..=300;
    }

    #[test]
    fn over_marks() {
        hold((101..=120).map(|seed| History::new(seed).with_marks()));
    }
}
