//! Seats for contenders within floors and ceilings, in closed form.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::seat::Seat;

/// How often everybody's next seat is looked at before single ones are.
const SLICES: u32 = 3;
/// From this guess on every other one halves the range, so that the search ends whatever the bounds look like.
const GUESSES: u32 = 6;

/// A slot and what it may get here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender {
    pub(super) weight: i64,
    pub(super) rank: u64,
    pub(super) group: u32,
    /// Which slot this is.
    pub(super) index: u32,
    pub(super) floor: i64,
    pub(super) ceiling: i64,
    /// What it gets.
    pub(super) number: i64,
}

// === impl Contender ===

impl Contender {
    /// What it asks for beyond its number.
    pub(super) fn next_seat(&self) -> Seat {
        Seat { weight: self.weight, number: self.number, rank: self.rank }
    }
}

/// The sum of something over all contenders. A number has 64 bits; sums of them may not.
pub(super) fn sum(contenders: &[Contender], what: impl Fn(&Contender) -> i64) -> i128 {
    contenders.iter().map(|contender| i128::from(what(contender))).sum()
}

/// Gives `total` to groups in their order: the floors of all, then to the first group all it takes, then to the next.
///
/// `contenders` are sorted by group. Gives as much as floors and ceilings allow.
pub(super) fn fill_groups(contenders: &mut [Contender], total: i128) {
    let floors = sum(contenders, |contender| contender.floor);
    let mut extra = (total - floors).max(0);
    for group in contenders.chunk_by_mut(|a, b| a.group == b.group) {
        let floors = sum(group, |contender| contender.floor);
        extra -= fill(group, floors + extra) - floors;
    }
}

/// Gives `total` by seats, whatever the groups; returns what was given.
///
/// Those without weight come after all others are at their ceilings.
pub(super) fn fill(contenders: &mut [Contender], total: i128) -> i128 {
    if contenders.iter().all(|contender| contender.weight > 0) {
        return by_weight(contenders, total);
    }
    contenders.sort_unstable_by_key(|contender| contender.weight == 0);
    let weightless = contenders.partition_point(|contender| contender.weight > 0);
    let (weighted, weightless) = contenders.split_at_mut(weightless);
    let floors = sum(weightless, |contender| contender.floor);
    let given = by_weight(weighted, total - floors);
    // Without weight it is the emptiest first, which is what equal weights give.
    weightless.iter_mut().for_each(|contender| contender.weight = 1);
    let given = given + by_weight(weightless, total - given);
    weightless.iter_mut().for_each(|contender| contender.weight = 0);
    given
}

/// The threshold form: with `t` seats a unit of weight everybody holds `weight · t`, rounded, within floor and ceiling. These
/// are the first seats of the sequence for whatever `t`; so one is sought whose sum is near the total, and single seats do
/// the rest.
fn by_weight(contenders: &mut [Contender], total: i128) -> i128 {
    let (mut floors, mut ceilings, mut weights, mut heaviest) = (0i128, 0i128, 0u128, 0i64);
    for contender in &mut *contenders {
        floors += i128::from(contender.floor);
        ceilings += i128::from(contender.ceiling);
        weights += u128::from(contender.weight.unsigned_abs());
        heaviest = heaviest.max(contender.weight);
    }
    if total <= floors {
        contenders.iter_mut().for_each(|contender| contender.number = contender.floor);
        return floors;
    }
    if total >= ceilings {
        contenders.iter_mut().for_each(|contender| contender.number = contender.ceiling);
        return ceilings;
    }

    let rate = Rate::finest(heaviest);
    let near = contenders.len() as i128 / 2 + 1;
    let (mut below, mut above) = (0, rate.beyond(total));
    let mut guess = rate.of(total, weights).min(above - 1);
    let mut guesses = 0;
    let mut missing;
    loop {
        let (mut sum, mut moving) = (0i128, 0u128);
        for contender in &mut *contenders {
            let fair = rate.times(guess, contender.weight);
            contender.number = fair.clamp(contender.floor, contender.ceiling);
            sum += i128::from(contender.number);
            if contender.number == fair {
                moving += u128::from(contender.weight.unsigned_abs());
            }
        }
        missing = total - sum;
        if missing.abs() <= near {
            break;
        }
        // Below: too few. Above: too many. Where both meet at the finest rate, nobody is off by more than one seat.
        if missing > 0 {
            below = guess;
        } else {
            above = guess;
        }
        if above - below <= 1 {
            break;
        }
        guesses += 1;
        let step = if moving == 0 { 0 } else { rate.of(missing.abs(), moving) };
        let next = if missing > 0 { guess.saturating_add(step) } else { guess.saturating_sub(step) };
        let useful = below < next && next < above && (guesses < GUESSES || guesses.is_multiple_of(2));
        guess = if useful { next } else { below + (above - below) / 2 };
    }
    settle(contenders, rate, guess, missing);
    total
}

/// From the numbers at a rate, gives so many more seats, best first, or takes so many back, worst first.
fn settle(contenders: &mut [Contender], rate: Rate, mut at: u128, mut missing: i128) {
    let step = rate.slice(contenders);
    let mut slice: Vec<(Seat, u32)> = Vec::with_capacity(contenders.len());
    for _ in 0..SLICES {
        if missing == 0 {
            return;
        }
        // All seats between two rates so near that nobody has more than one there.
        let gives = missing > 0;
        at = if gives { at + step } else { at.saturating_sub(step) };
        slice.clear();
        for (index, contender) in (0..).zip(&*contenders) {
            let number = rate.times(at, contender.weight).clamp(contender.floor, contender.ceiling);
            if number != contender.number {
                let number = contender.number.min(number);
                slice.push((Seat { weight: contender.weight, number, rank: contender.rank }, index));
            }
        }
        let count = usize::try_from(missing.unsigned_abs()).map_or(slice.len(), |missing| missing.min(slice.len()));
        if 0 < count && count < slice.len() {
            slice.select_nth_unstable_by(count - 1, |a, b| if gives { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) });
        }
        let step = if gives { 1 } else { -1 };
        for (_, index) in &slice[..count] {
            contenders[*index as usize].number += step;
        }
        missing -= i128::from(step) * count as i128;
    }
    single_seats(contenders, missing);
}

/// Gives so many more seats, best first, or takes so many back, worst first.
fn single_seats(contenders: &mut [Contender], missing: i128) {
    if missing > 0 {
        let open = |(at, contender): (usize, &Contender)| {
            (contender.number < contender.ceiling).then(|| (contender.next_seat(), at))
        };
        let mut next: BinaryHeap<_> = contenders.iter().enumerate().filter_map(open).collect();
        for _ in 0..missing {
            let Some((_, at)) = next.pop() else { return };
            contenders[at].number += 1;
            next.extend(open((at, &contenders[at])));
        }
    } else if missing < 0 {
        let open = |(at, contender): (usize, &Contender)| {
            let last = Contender { number: contender.number - 1, ..*contender };
            (contender.number > contender.floor).then(|| Reverse((last.next_seat(), at)))
        };
        let mut next: BinaryHeap<_> = contenders.iter().enumerate().filter_map(open).collect();
        for _ in missing..0 {
            let Some(Reverse((_, at))) = next.pop() else { return };
            contenders[at].number -= 1;
            next.extend(open((at, &contenders[at])));
        }
    }
}

/// Seats a unit of weight, as a whole number of parts so small that one part more is at most one seat more for anybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    bits: u32,
}

// === impl Rate ===

impl Rate {
    pub(super) fn finest(heaviest: i64) -> Self {
        Self { bits: i64::BITS - heaviest.leading_zeros() }
    }

    /// How much the rate may change so that nobody's number changes by more than one.
    fn slice(self, contenders: &[Contender]) -> u128 {
        let heaviest = contenders.iter().map(|contender| contender.weight).max().unwrap_or(1).max(1);
        (1 << self.bits) / u128::from(heaviest.unsigned_abs())
    }

    /// The rate at which `weights` together get `seats`, as far as one slot may have so many.
    fn of(self, seats: i128, weights: u128) -> u128 {
        (seats.unsigned_abs().min(1 << 63) << self.bits) / weights
    }

    /// A rate at which even a weight of one gets more than `seats`, or all that there can be.
    pub(super) fn beyond(self, seats: i128) -> u128 {
        (seats.unsigned_abs().min(1 << 63) + 2) << self.bits
    }

    /// What `weight` gets, halves rounded up: all seats whose weight / (2 · number + 1) is at least 1 / (2 · rate).
    pub(super) fn times(self, rate: u128, weight: i64) -> i64 {
        let parts = u128::from(weight.unsigned_abs()).checked_mul(rate);
        let parts = parts.and_then(|parts| parts.checked_add(1 << self.bits >> 1));
        // What does not fit is beyond all ceilings.
        parts.and_then(|parts| i64::try_from(parts >> self.bits).ok()).unwrap_or(i64::MAX)
    }
}
