//! The algorithm: minimums, kept replicas, weighted rounds, overflow.

use std::cmp::Ordering;

use kfed_api::preferences::ANY_CLUSTER;

use crate::Reason;
use crate::federation_v1::order::order;
use crate::federation_v1::portion::Portion;
use crate::federation_v1::reasons::{BeforeWeights, reasons};
use crate::federation_v1::seat::{Seat, bounded};
use crate::federation_v1::{Request, Share};

/// From this weighted round on it is worth looking whether rounds repeat. Most plans are done before.
const ROUNDS_BEFORE_SKIPPING: u32 = 3;

/// Plans one workload as Federation v1 did, numbers alone: one share a member, in the order of [`Request::members`].
///
/// ```
/// use kfed_api::preferences::ReplicaPreferences;
/// use kfed_replica_scheduler::Member;
/// use kfed_replica_scheduler::federation_v1::{Request, distribute};
///
/// let even = ReplicaPreferences::default();
/// let members = [Member::new("fed-west"), Member::new("fed-east")];
/// let shares = distribute(&Request { key: "default/hostname", replicas: 10, preferences: &even, members: &members });
/// assert_eq!(shares.iter().map(|share| share.planned).collect::<Vec<_>>(), [5, 5]);
/// ```
pub fn distribute(request: &Request<'_>) -> Vec<Share> {
    let mut table = Table::new(request);
    table.give_what_comes_before_weights();
    table.give_by_weight();
    let share = |seat: &Seat| Share { planned: seat.planned, overflow: seat.overflow };
    if table.by_name.is_none() {
        return table.seats.iter().map(share).collect();
    }
    let mut shares = vec![Share { planned: 0, overflow: 0 }; table.seats.len()];
    for (at, seat) in table.seats.iter().enumerate() {
        shares[table.member(at)] = share(seat);
    }
    shares
}

/// [`distribute`], and how each number came about; several times slower.
pub(crate) fn distribute_with_reasons(request: &Request<'_>) -> Vec<(Share, Vec<Reason>)> {
    let mut table = Table::new(request);
    table.give_what_comes_before_weights();
    let before: Vec<_> = table.seats.iter().map(BeforeWeights::of).collect();
    table.give_by_weight();
    let mut explained = vec![(Share { planned: 0, overflow: 0 }, Vec::new()); table.seats.len()];
    for (at, (seat, before)) in table.seats.iter().zip(before).enumerate() {
        let share = Share { planned: seat.planned, overflow: seat.overflow };
        explained[table.member(at)] = (share, reasons(seat, before, table.weights));
    }
    explained
}

/// A plan in the making.
pub(super) struct Table<'a> {
    request: &'a Request<'a>,
    /// One a member, sorted by name.
    pub(super) seats: Vec<Seat>,
    /// For each seat the index of its member in the request; none if the request was sorted already.
    by_name: Option<Vec<u32>>,
    /// The sum of all weights.
    pub(super) weights: i64,
    /// The sum of the minimums that are positive.
    minimums: i64,
    /// Whether a minimum is above its maximum.
    above_maximum: bool,
    /// Who is served first; found when a step needs it, as it changes nothing where replicas suffice for the step.
    order: Option<Vec<u64>>,
    remaining: i64,
}

// === impl Table ===

impl<'a> Table<'a> {
    /// Seats for all members, filled as if replicas were enough for everybody's minimum and current replicas.
    pub(super) fn new(request: &'a Request<'a>) -> Self {
        let members = request.members;
        let sorted = members.is_sorted_by(|a, b| a.name < b.name);
        let by_name = (!sorted).then(|| {
            let mut by_name: Vec<u32> = (0u32..).zip(members).map(|(index, _)| index).collect();
            by_name.sort_unstable_by_key(|&index| members[index as usize]);
            by_name
        });
        let mut table = Self {
            request,
            seats: Vec::with_capacity(members.len()),
            by_name,
            weights: 0,
            minimums: 0,
            above_maximum: false,
            order: None,
            remaining: bounded(request.replicas),
        };

        // Members and preferences are both sorted by name: one walk along both finds each member's own entry.
        let clusters = &request.preferences.clusters;
        let any = clusters.get(ANY_CLUSTER);
        let mut own = clusters.iter().peekable();
        for at in 0..members.len() {
            let member = &members[table.member(at)];
            let preferences = loop {
                let Some(&(name, preferences)) = own.peek() else { break any };
                match name.as_str().cmp(member.name) {
                    Ordering::Less => drop(own.next()),
                    Ordering::Equal => break Some(preferences),
                    Ordering::Greater => break any,
                }
            };
            let seat = Seat::new(member, preferences, request.preferences.rebalance);
            table.weights += seat.weight;
            table.minimums += seat.minimum.max(0);
            table.above_maximum |= seat.minimum > seat.max;
            table.remaining -= seat.planned;
            table.seats.push(seat);
        }
        table
    }

    /// The index in the request of the member whose seat is at `at`.
    pub(super) fn member(&self, at: usize) -> usize {
        self.by_name.as_ref().map_or(at, |by_name| by_name[at] as usize)
    }

    /// The minimum pass and the keep pass.
    pub(super) fn give_what_comes_before_weights(&mut self) {
        // Enough for all, whoever comes first: the seats are filled right already. (Negative minimums, which v1 accepted,
        // add replicas, but too late for whom they do not precede.)
        if self.minimums <= bounded(self.request.replicas) && self.remaining >= 0 {
            return;
        }
        let order = self.take_order();
        self.remaining = bounded(self.request.replicas);
        for &index in &order {
            let seat = &mut self.seats[index as usize];
            seat.planned = seat.minimum.min(self.remaining);
            self.remaining -= seat.planned;
        }
        for &index in &order {
            self.remaining -= self.seats[index as usize].fill(self.remaining);
        }
        self.order = Some(order);
    }

    /// The weighted rounds, and the overflow that results.
    pub(super) fn give_by_weight(&mut self) {
        if self.remaining > 0 {
            self.rounds();
        }
        if !self.request.preferences.rebalance {
            // Without rebalancing, members ask for no more capacity than is needed for what could not be placed.
            for seat in &mut self.seats {
                seat.overflow = seat.overflow.min(self.remaining).max(0);
            }
        }
    }

    /// Rounds over the members still open, until one changes nothing.
    fn rounds(&mut self) {
        let mut open = self.take_order();
        let mut weights = self.weights;
        let mut rounds = 0;
        while self.remaining > 0 && weights > 0 {
            if rounds >= ROUNDS_BEFORE_SKIPPING {
                self.skip_repeated_rounds(&open, weights);
            }
            let mut portion = Portion::new(self.remaining, weights);
            let mut changed = false;
            let mut still_open = 0;
            for at in 0..open.len() {
                let index = open[at];
                let seat = &mut self.seats[index as usize];
                let extra = portion.of(seat.weight).min(self.remaining);
                let used = extra.min(seat.preallocated);
                seat.preallocated -= used;
                let mut total = seat.planned + extra - used;
                if total > seat.max {
                    total = seat.max;
                    seat.closed = true;
                }
                if total > seat.capacity {
                    seat.overflow = total - seat.capacity;
                    total = seat.capacity;
                    seat.closed = true;
                }
                changed |= used > 0 || total > seat.planned;
                self.remaining -= total - seat.planned;
                seat.planned = total;
                if seat.closed {
                    weights -= seat.weight;
                } else {
                    open[still_open] = index;
                    still_open += 1;
                }
                // Only minimums exceed a maximum, and the first round takes that back, so that replicas may come free in it
                // even after the last was given. Otherwise nothing happens any more once none remain.
                if self.remaining == 0 && !self.above_maximum {
                    return;
                }
            }
            open.truncate(still_open);
            if !changed {
                return;
            }
            self.above_maximum = false;
            rounds += 1;
        }
    }

    /// Does many rounds at once while each would do exactly what the one before did.
    ///
    /// A seat's portion in a round either comes wholly out of what it keeps (nothing is given, nothing else moves), or, once
    /// that is used up, is given to it. So a run of rounds is alike, and leaves `remaining` smaller by the same `given` each
    /// time, as long as no seat runs out of kept replicas, none meets a limit, no portion is cut to what remains, and the
    /// shrinking remainder rounds to the same portions. The number of such rounds is found in one pass, and they are done in
    /// another. Without this, one replica more over members that run 1,000 each takes 1,001 rounds.
    ///
    /// Needs that no open seat is above a limit: true after the first round.
    fn skip_repeated_rounds(&mut self, open: &[u64], weights: i64) {
        let mut portion = Portion::new(self.remaining, weights);
        let mut alike = i64::MAX;
        let mut given = 0;
        // The smallest remainder at a round's start with which the round is still like the first.
        let mut least = 1;
        let mut last_weight = None;
        for &index in open {
            let seat = &self.seats[index as usize];
            let extra = portion.of(seat.weight);
            if extra == 0 {
                continue;
            }
            if extra > self.remaining - given {
                return;
            }
            if last_weight != Some(seat.weight) {
                last_weight = Some(seat.weight);
                least = least.max(portion.least_with(extra, seat.weight));
            }
            least = least.max(given + extra);
            if seat.preallocated > 0 {
                alike = alike.min(seat.preallocated / extra);
            } else {
                alike = alike.min((seat.max.min(seat.capacity) - seat.planned) / extra);
                given += extra;
            }
            if alike == 0 {
                return;
            }
        }
        if given > 0 {
            alike = alike.min((self.remaining - least) / given + 1);
        }
        for &index in open {
            let seat = &mut self.seats[index as usize];
            let extra = portion.of(seat.weight) * alike;
            if seat.preallocated > 0 {
                seat.preallocated -= extra;
            } else {
                seat.planned += extra;
            }
        }
        self.remaining -= given * alike;
    }

    fn take_order(&mut self) -> Vec<u64> {
        let members = self.request.members;
        self.order
            .take()
            .unwrap_or_else(|| order(&self.seats, self.request.key, |at| members[self.member(at)].name.as_bytes()))
    }
}
