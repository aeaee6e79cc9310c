//! The cap on moves a round.

use crate::proportional::fill_evenly;

/// Numbers for this round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paced {
    /// One a slot, each between what runs and the target. Their sum is the target's.
    pub(crate) numbers: Vec<i64>,
    /// Moves left for later rounds.
    pub(crate) postponed: i64,
}

/// The way from `current` towards `target` with at most `max_moves` moves.
///
/// A move is a replica that leaves a slot and is made up for in another. What the total grows or shrinks by is no move and
/// is done at once. What is left undone is kept even: the widest gaps close first, equal ones in the order of the slots,
/// which callers keep the same from round to round. Neither argument has negative numbers.
pub(crate) fn pace(current: &[i64], target: &[i64], max_moves: Option<u32>) -> Paced {
    let gaps = |from: &[i64], to: &[i64]| from.iter().zip(to).map(|(from, to)| (to - from).max(0)).collect::<Vec<_>>();
    let (up, down) = (gaps(current, target), gaps(target, current));
    let sum = |gaps: &[i64]| gaps.iter().map(|gap| i128::from(*gap)).sum::<i128>();
    let moves = sum(&up).min(sum(&down));
    let postponed = max_moves.map_or(0, |most| (moves - i128::from(most)).max(0));
    if postponed == 0 {
        return Paced { numbers: target.to_vec(), postponed: 0 };
    }
    let (not_up, not_down) = (fill_evenly(&up, postponed), fill_evenly(&down, postponed));
    let numbers = target.iter().zip(not_up.iter().zip(&not_down)).map(|(target, (up, down))| target - up + down);
    Paced { numbers: numbers.collect(), postponed: postponed.min(i64::MAX.into()) as i64 }
}

#[cfg(test)]
#[path = "pace/tests.rs"]
mod tests;
