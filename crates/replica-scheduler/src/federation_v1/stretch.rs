//! A stretch of weighted rounds in which no seat meets anything new: counted by weights, not by seats.

use crate::federation_v1::distribute::Table;
use crate::federation_v1::number::Number;
use crate::federation_v1::portion::Portion;

/// The open seats of one weight, over a stretch of rounds.
///
/// Each round offers them the same portion. It either comes wholly out of what a seat keeps (nothing is given, nothing else
/// moves), or, where nothing is kept any more, is given to it.
#[derive(Debug, Clone, Copy)]
struct Class<N> {
    weight: i64,
    /// How many are given theirs.
    takers: usize,
    /// The least that one of the others keeps; none if there are no others.
    kept: Option<N>,
    /// How much the taker may be given that may be given least.
    room: N,
    /// What each is offered in this round.
    portion: N,
    /// What each taker has been given in the stretch so far.
    given: N,
    /// What each of the others has used of what it keeps.
    used: N,
}

/// A stretch on its way.
#[derive(Debug)]
struct Stretch<N> {
    /// The heaviest first. A weight that is not positive is offered nothing.
    classes: Vec<Class<N>>,
    remaining: N,
    /// The sum of the weights of all open seats.
    weights: N,
    heaviest: i64,
}

// === impl Table ===

impl<N: Number> Table<'_, N> {
    /// Does the rounds up to the next one in which a seat runs out of kept replicas, meets a limit, or has its portion cut to
    /// what remains.
    ///
    /// Without this, one replica more over members that run 1,000 each takes 1,001 rounds over all members. Needs that no open
    /// seat is above a limit: true after the first round.
    pub(super) fn do_stretch(&mut self, weights: N) {
        let Some(mut stretch) = self.stretch(weights) else { return };
        stretch.run();
        self.totals.remaining = stretch.remaining;
        let mut rest = 0;
        for done in &stretch.classes {
            let Some(class) = self.order.class_at(rest) else { break };
            rest = class.end;
            for place in &self.order.places()[class] {
                let seat = &mut self.seats[place.seat()];
                if seat.preallocated > N::ZERO {
                    seat.preallocated -= done.used;
                } else {
                    seat.planned += done.given;
                }
            }
        }
    }

    /// The stretch that begins here; none if its first round is the last.
    fn stretch(&self, weights: N) -> Option<Stretch<N>> {
        let (remaining, heaviest) = (self.totals.remaining, self.order.heaviest());
        let portion = Portion::new(remaining, weights, heaviest);
        let mut classes = Vec::new();
        let (mut given, mut rest) = (N::ZERO, 0);
        while let Some(places) = self.order.class_at(rest) {
            rest = places.end;
            let weight = self.order.places()[places.start].weight;
            if weight <= 0 {
                break;
            }
            // Beside negative weights one can be above the sum of all: its portion is cut to what remains, round after round as long
            // as it comes out of what is kept. The sum's own portion is just that.
            let weight = weights.narrow().map_or(weight, |weights| weight.min(weights));
            let portion = portion.of(weight);
            let mut class = Class::new(weight, portion);
            for place in &self.order.places()[places] {
                let seat = &self.seats[place.seat()];
                if seat.preallocated > N::ZERO {
                    class.kept = Some(class.kept.unwrap_or(seat.preallocated).min(seat.preallocated));
                } else {
                    class.takers += 1;
                    class.room = class.room.min(seat.max.min(seat.capacity) - seat.planned);
                }
            }
            given = class.after_round(given, remaining)?;
            classes.push(class);
        }
        Some(Stretch { classes, remaining, weights, heaviest })
    }
}

// === impl Stretch ===

impl<N: Number> Stretch<N> {
    fn run(&mut self) {
        let mut last = None;
        while self.remaining > N::ZERO {
            let portion = Portion::new(self.remaining, self.weights, self.heaviest);
            let Some(given) = self.offer(portion) else { return };
            // As long as each round gives less than the one before, to look how many are alike would cost more than it saves.
            let rounds = if last == Some(given) { self.rounds_alike(portion, given) } else { N::ONE };
            for class in &mut self.classes {
                class.given += class.portion * rounds;
                class.used += match rounds == N::ONE {
                    true => class.portion,
                    false => portion.sum_over(rounds, given, class.weight).unwrap_or(class.portion * rounds),
                };
            }
            self.remaining -= given * rounds;
            last = Some(given);
        }
    }

    /// Offers all their portions and tells what that gives away, if the stretch has this round.
    fn offer(&mut self, portion: Portion<N>) -> Option<N> {
        let remaining = self.remaining;
        self.classes.iter_mut().try_fold(N::ZERO, |given, class| {
            class.portion = portion.of(class.weight);
            class.after_round(given, remaining)
        })
    }

    /// How many rounds from this one on give the same, which is `given`.
    ///
    /// Each leaves so much less, so portions of those who are given theirs must not shrink with what remains. Those of the
    /// others may, where nobody of their weight is given any.
    fn rounds_alike(&self, portion: Portion<N>, given: N) -> N {
        let mut alike = N::UNLIMITED;
        // The smallest remainder at a round's start with which the round is still like the first.
        let mut least = N::ONE;
        let mut before = N::ZERO;
        for class in &self.classes {
            let after = before + class.given_in_round();
            if let Some(kept) = class.kept {
                alike = alike.min((kept - class.used) / class.portion);
            }
            if class.takers > 0 {
                alike = alike.min((class.room - class.given) / class.portion);
            }
            let shrinks = class.takers == 0 && portion.sum_over(N::ONE, N::ZERO, class.weight).is_some();
            least = match shrinks {
                true if before == N::ZERO => least,
                true => least.max(portion.least_beside(before, class.weight)),
                false => least.max(class.needed(after)).max(portion.least_with(class.portion, class.weight)),
            };
            before = after;
        }
        if given > N::ZERO {
            alike = alike.min((self.remaining - least) / given + N::ONE);
        }
        alike
    }
}

// === impl Class ===

impl<N: Number> Class<N> {
    fn new(weight: i64, portion: N) -> Self {
        Self { weight, takers: 0, kept: None, room: N::UNLIMITED, portion, given: N::ZERO, used: N::ZERO }
    }

    fn given_in_round(&self) -> N {
        self.portion.saturating_mul(self.takers)
    }

    /// What must remain at a round's start for the last of this class to get its portion, whoever that is, if `after` is given
    /// away when all have theirs.
    fn needed(&self, after: N) -> N {
        if self.kept.is_some() { after + self.portion } else { after }
    }

    /// What has been given away in a round when all of this class have their portion, if before it was `given`. None if one of
    /// them meets something new.
    #[inline]
    fn after_round(&self, given: N, remaining: N) -> Option<N> {
        let short = self.kept.is_some_and(|kept| kept - self.used < self.portion)
            || (self.takers > 0 && self.room - self.given < self.portion)
            || self.portion > remaining - given;
        let after = if short { given } else { given + self.given_in_round() };
        (!short && self.needed(after) <= remaining).then_some(after)
    }
}
