//! The weighted rounds.

use std::ops::Range;

use crate::federation_v1::distribute::Table;
use crate::federation_v1::number::Number;
use crate::federation_v1::portion::Portion;

/// From this weighted round on it is worth looking whether a stretch of rounds begins. Most plans are done before.
const ROUNDS_BEFORE_STRETCHES: u32 = 3;

/// Below this many seats of one weight, sorting them is as quick as finding those that come first.
const WORTH_SELECTING: usize = 24;

/// A weighted round on its way.
#[derive(Debug, Clone, Copy)]
struct Round<N> {
    /// The replicas not given yet, as in [`Totals`](super::distribute::Totals).
    remaining: N,
    /// The sum of the weights of the seats still open.
    weights: N,
    /// How many of those that were asked are.
    still_open: usize,
    /// Whether it gave or used up anything.
    changed: bool,
}

// === impl Table ===

impl<N: Number> Table<'_, N> {
    /// Rounds over the seats still open, whose weights sum up to `weights`, until one changes nothing.
    pub(super) fn rounds(&mut self, weights: N) {
        let mut round = Round { remaining: self.totals.remaining, weights, still_open: 0, changed: true };
        let mut rounds = 0;
        while round.changed && round.remaining > N::ZERO && round.weights > N::ZERO {
            if rounds >= ROUNDS_BEFORE_STRETCHES {
                self.do_stretch(round.weights);
                round.remaining = self.totals.remaining;
                if round.remaining == N::ZERO {
                    return;
                }
            }
            let portion = Portion::new(round.remaining, round.weights, self.order.heaviest());
            (round.still_open, round.changed) = (0, false);
            let mut rest = 0;
            loop {
                let singles = self.order.singles_at(rest);
                rest = singles.end;
                if self.offer(singles, |weight| portion.of(weight), &mut round) {
                    return;
                }
                let Some(class) = self.order.class_at(rest) else { break };
                rest = class.end;
                let portion = portion.of(self.order.places()[class.start].weight);
                let (mut at, mut settled) = (class.start, self.settle(class, portion));
                loop {
                    if self.offer(at..settled, |_| portion, &mut round) {
                        return;
                    }
                    if settled == rest {
                        break;
                    }
                    self.settle_rest(settled..rest, portion);
                    (at, settled) = (settled, rest);
                }
            }
            self.order.truncate(round.still_open);
            self.totals.above_maximum = false;
            rounds += 1;
        }
    }

    /// Offers each of these the `portion` of its weight, or what remains. Tells whether that was all.
    #[inline(always)]
    fn offer(&mut self, at: Range<usize>, portion: impl Fn(i64) -> N, round: &mut Round<N>) -> bool {
        let places = self.order.places_mut();
        // Variables of its own, which a processor can keep at hand.
        let Round { mut remaining, mut weights, mut still_open, mut changed } = *round;
        let mut done = false;
        for at in at {
            let place = places[at];
            let seat = &mut self.seats[place.seat()];
            let offered = seat.offer(portion(place.weight).min(remaining));
            let given = offered.planned - seat.planned;
            changed |= offered.used > N::ZERO || given > N::ZERO;
            remaining -= given;
            seat.accept(&offered);
            if offered.closed {
                weights -= N::from(place.weight);
            } else {
                places[still_open] = place;
                still_open += 1;
            }
            // Only minimums exceed a maximum, and the first round takes that back, so that replicas may come free in it even
            // after the last was given. Otherwise nothing happens any more once none remain.
            if remaining == N::ZERO && !self.totals.above_maximum {
                done = true;
                break;
            }
        }
        self.totals.remaining = remaining;
        *round = Round { remaining, weights, still_open, changed };
        done
    }

    /// Brings the places of one weight into order, as far as it matters for a round that offers each a `portion`. Tells how
    /// far it has come.
    fn settle(&mut self, class: Range<usize>, portion: N) -> usize {
        let first = self.order.places()[class.start];
        if class.len() == 1 || first.is_sorted() || !self.is_cut(class.clone(), portion) {
            return class.end;
        }
        if first.is_selected() || class.len() < WORTH_SELECTING {
            self.order.sort(class.clone(), self.request);
            return class.end;
        }
        // So many get their whole portion, in whatever order, and the next one gets what then remains.
        let whole = (self.totals.remaining / portion).into();
        let whole = usize::try_from(whole).unwrap_or(usize::MAX).min(class.len() - 1);
        self.order.select(class.clone(), whole, self.request);
        class.start + whole + 1
    }

    /// [`settle`](Self::settle) for those behind, where not all that came first took their portion.
    fn settle_rest(&mut self, rest: Range<usize>, portion: N) {
        if self.is_cut(rest.clone(), portion) {
            self.order.sort_rest(rest, self.request);
        }
    }

    /// Whether one of these places might be offered less than `portion`, so that it matters who comes first. (Yes is a safe
    /// answer.)
    fn is_cut(&self, places: Range<usize>, portion: N) -> bool {
        let remaining = self.totals.remaining;
        if portion > remaining {
            return true;
        }
        if portion.saturating_mul(places.len()) <= remaining {
            return false;
        }
        // The one that takes least may be last: then all others have taken theirs before it.
        let (mut all, mut least) = (N::ZERO, portion);
        for place in &self.order.places()[places] {
            let seat = &self.seats[place.seat()];
            let taken = (seat.offer(portion).planned - seat.planned).max(N::ZERO);
            all += taken;
            least = least.min(taken);
            if all > remaining {
                return true;
            }
        }
        all - least + portion > remaining
    }
}
