//! The weighted rounds.

use std::ops::Range;

use crate::federation_v1::distribute::Table;
use crate::federation_v1::number::Number;
use crate::federation_v1::portion::Portion;

/// From this weighted round on it is worth looking whether rounds repeat. Most plans are done before.
const ROUNDS_BEFORE_SKIPPING: u32 = 3;

/// After so many rounds that did not repeat, what is left stays without a place. Numbers that people write take less than a tenth of them;
/// some that only fit into 64 bits would take billions, and nobody is to wait for those.
const MOST_ROUNDS: u32 = 1 << 14;

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
        while round.changed && round.remaining > N::ZERO && round.weights > N::ZERO && rounds < MOST_ROUNDS {
            if rounds >= ROUNDS_BEFORE_SKIPPING {
                self.skip_repeated_rounds(round.weights);
                round.remaining = self.totals.remaining;
            }
            let portion = Portion::new(round.remaining, round.weights, self.order.heaviest());
            (round.still_open, round.changed) = (0, false);
            let mut rest = 0;
            while let Some(class) = self.order.class_at(rest) {
                rest = class.end;
                let portion = portion.of(self.order.places()[class.start].weight);
                let (mut at, mut settled) = (class.start, self.settle(class, portion));
                loop {
                    if self.offer(at..settled, portion, &mut round) {
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

    /// Offers each of these a `portion`, or what remains. Tells whether that was all.
    #[inline(always)]
    fn offer(&mut self, at: Range<usize>, portion: N, round: &mut Round<N>) -> bool {
        let places = self.order.places_mut();
        // Variables of its own, which a processor can keep at hand.
        let Round { mut remaining, mut weights, mut still_open, mut changed } = *round;
        let mut done = false;
        for at in at {
            let place = places[at];
            let seat = &mut self.seats[place.seat()];
            let offered = seat.offer(portion.min(remaining));
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

    /// Does many rounds at once while each would do what the one before did.
    ///
    /// A seat's portion in a round either comes wholly out of what it keeps (nothing is given, nothing else moves), or, once
    /// that is used up, is given to it. So a run of rounds leaves `remaining` smaller by the same `given` each time, as long as
    /// no seat runs out of kept replicas, none meets a limit, no portion is cut to what remains, and the shrinking remainder
    /// rounds to the same portions for those who are given theirs. (What the others use of what they keep may shrink with it.)
    /// The number of such rounds is found in one pass, and they are done in another. Without this, one replica more over
    /// members that run 1,000 each takes 1,001 rounds.
    ///
    /// Needs that no open seat is above a limit: true after the first round.
    fn skip_repeated_rounds(&mut self, weights: N) {
        let remaining = self.totals.remaining;
        let portion = Portion::new(remaining, weights, self.order.heaviest());
        let mut alike = N::UNLIMITED;
        let mut given = N::ZERO;
        // The smallest remainder at a round's start with which the round is still like the first.
        let mut least = N::ONE;
        let mut rest = 0;
        while let Some(class) = self.order.class_at(rest) {
            rest = class.end;
            let weight = self.order.places()[class.start].weight;
            let extra = portion.of(weight);
            if extra == N::ZERO {
                continue;
            }
            if extra > remaining - given {
                return;
            }
            let (before, mut keeps) = (given, false);
            for place in &self.order.places()[class] {
                let seat = &self.seats[place.seat()];
                if seat.preallocated > N::ZERO {
                    alike = alike.min(seat.preallocated / extra);
                    keeps = true;
                } else {
                    alike = alike.min((seat.max.min(seat.capacity) - seat.planned) / extra);
                    given += extra;
                }
                if alike == N::ZERO || given > remaining {
                    return;
                }
            }
            // What must be there for the last of this weight to get its portion, whoever that is.
            let needed = if keeps { given + extra } else { given };
            if needed > remaining {
                return;
            }
            let shrinks = given == before && portion.sum_over(N::ONE, N::ZERO, weight).is_some();
            least = match shrinks {
                true if before == N::ZERO => least,
                true => least.max(portion.least_beside(before, weight)),
                false => least.max(needed).max(portion.least_with(extra, weight)),
            };
        }
        if given > N::ZERO {
            alike = alike.min((remaining - least) / given + N::ONE);
        }
        let mut rest = 0;
        while let Some(class) = self.order.class_at(rest) {
            rest = class.end;
            let weight = self.order.places()[class.start].weight.max(0);
            let extra = portion.of(weight) * alike;
            let mut used = None;
            for place in &self.order.places()[class] {
                let seat = &mut self.seats[place.seat()];
                if seat.preallocated > N::ZERO {
                    seat.preallocated -=
                        *used.get_or_insert_with(|| portion.sum_over(alike, given, weight).unwrap_or(extra));
                } else {
                    seat.planned += extra;
                }
            }
        }
        self.totals.remaining -= given * alike;
    }
}
