//! The steps of a plan: seats, minimums, kept replicas, weighted rounds, overflow.

use kfed_api::preferences::ClusterPreferences;

use crate::federation_v1::matching::match_preferences;
use crate::federation_v1::order::{Order, Place};
use crate::federation_v1::reasons::{BeforeWeights, reasons};
use crate::federation_v1::seat::{Seat, bounded};
use crate::federation_v1::{Request, Share};
use crate::{Member, Reason};

/// Up to this many members are planned without memory from the heap.
const FEW: usize = 8;

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
    if request.members.len() > FEW {
        let mut planner = Planner::default();
        return planner.table(request).seats.iter().map(Share::of).collect();
    }
    // A few seats need no memory but the answer's.
    let mut seats = [Seat::EMPTY; FEW];
    let mut rest = seats.iter_mut();
    let totals = take_seats(request, |seat| {
        if let Some(place) = rest.next() {
            *place = seat;
        }
    });
    let (mut places, mut words) = ([Place::EMPTY; FEW], Vec::new());
    let order = Order::new(&mut places, &mut words);
    let mut table = Table { request, seats: &mut seats[..request.members.len()], order, totals };
    table.give_what_comes_before_weights();
    table.give_by_weight();
    table.seats.iter().map(Share::of).collect()
}

/// [`distribute`] for many workloads: one planner plans them one after the other, and keeps its memory between them.
///
/// What it answers depends on the request alone.
#[derive(Debug, Default)]
pub struct Planner {
    seats: Vec<Seat>,
    places: Vec<Place>,
    words: Vec<u64>,
    shares: Vec<Share>,
}

/// [`distribute`], and how each number came about; several times slower.
pub(crate) fn distribute_with_reasons(request: &Request<'_>) -> Vec<(Share, Vec<Reason>)> {
    let mut planner = Planner::default();
    let mut table = planner.table_before_weights(request);
    let before: Vec<_> = table.seats.iter().map(BeforeWeights::of).collect();
    table.give_by_weight();
    let explain = |(seat, before)| (Share::of(seat), reasons(seat, before, table.totals.weights));
    table.seats.iter().zip(before).map(explain).collect()
}

/// A plan in the making.
pub(super) struct Table<'a> {
    pub(super) request: &'a Request<'a>,
    /// One a member, in the order of the request.
    pub(super) seats: &'a mut [Seat],
    /// Made when a step needs it.
    pub(super) order: Order<'a>,
    pub(super) totals: Totals,
}

/// What is known of all seats together.
#[derive(Debug)]
pub(super) struct Totals {
    /// The replicas not given yet.
    pub(super) remaining: i64,
    /// The sum of all weights.
    weights: i64,
    /// The sum of the minimums that are positive.
    minimums: i64,
    /// Whether a minimum is above its maximum.
    pub(super) above_maximum: bool,
}

/// Tells `each` the members' seats, filled as if replicas were enough for everybody's minimum and current replicas.
fn take_seats(request: &Request<'_>, mut each: impl FnMut(Seat)) -> Totals {
    let mut totals = Totals { remaining: bounded(request.replicas), weights: 0, minimums: 0, above_maximum: false };
    let take_seat = |member: &Member<'_>, preferences: Option<&ClusterPreferences>| {
        let seat = Seat::new(member, preferences, request.preferences.rebalance);
        totals.weights += seat.weight;
        totals.minimums += seat.minimum.max(0);
        totals.above_maximum |= seat.minimum > seat.max;
        totals.remaining -= seat.planned;
        each(seat);
    };

    match_preferences(request.preferences, request.members, take_seat);
    totals
}

// === impl Planner ===

impl Planner {
    /// One share a member, in the order of [`Request::members`].
    pub fn distribute(&mut self, request: &Request<'_>) -> &[Share] {
        let mut shares = std::mem::take(&mut self.shares);
        shares.clear();
        shares.extend(self.table(request).seats.iter().map(Share::of));
        self.shares = shares;
        &self.shares
    }

    fn table<'a>(&'a mut self, request: &'a Request<'a>) -> Table<'a> {
        let mut table = self.table_before_weights(request);
        table.give_by_weight();
        table
    }

    fn table_before_weights<'a>(&'a mut self, request: &'a Request<'a>) -> Table<'a> {
        self.seats.clear();
        self.seats.reserve(request.members.len());
        let totals = take_seats(request, |seat| self.seats.push(seat));
        if totals.need_order(request) && self.places.len() < self.seats.len() {
            self.places.resize(self.seats.len(), Place::EMPTY);
        }
        let order = Order::new(&mut self.places, &mut self.words);
        let mut table = Table { request, seats: &mut self.seats, order, totals };
        table.give_what_comes_before_weights();
        table
    }
}

// === impl Totals ===

impl Totals {
    /// Whether replicas are enough for everybody's minimum and current replicas, whoever comes first. (Negative minimums,
    /// which v1 accepted, add replicas, but too late for whom they do not precede.)
    fn suffice(&self, request: &Request<'_>) -> bool {
        self.minimums <= bounded(request.replicas) && self.remaining >= 0
    }

    /// Whether any step will ask who comes first.
    fn need_order(&self, request: &Request<'_>) -> bool {
        !self.suffice(request) || (self.remaining > 0 && self.weights > 0)
    }
}

// === impl Table ===

impl Table<'_> {
    /// The minimum pass and the keep pass.
    fn give_what_comes_before_weights(&mut self) {
        if self.totals.suffice(self.request) {
            return;
        }
        self.totals.remaining = bounded(self.request.replicas);
        self.order.by_weight(self.seats);
        self.pass(
            |seat| seat.minimum,
            |seat, remaining| {
                seat.planned = seat.minimum.min(remaining);
                seat.planned
            },
        );
        self.pass(|seat| seat.keep - seat.planned, Seat::fill);
    }

    /// Gives each seat what it wants while replicas remain.
    fn pass(&mut self, want: fn(&Seat) -> i64, give: fn(&mut Seat, i64) -> i64) {
        let remaining = &mut self.totals.remaining;
        let mut rest = 0;
        while let Some(class) = self.order.class_at(rest) {
            rest = class.end;
            let wants = || self.order.places()[class.clone()].iter().map(|place| want(&self.seats[place.seat()]));
            // Who comes first matters only where there is something, but not enough for all.
            let enough = wants().map(|want| want.max(0)).sum::<i64>() <= *remaining;
            let nothing = *remaining == 0 && wants().all(|want| want >= 0);
            if !enough && !nothing {
                self.order.sort(class.clone(), self.request);
            }
            for place in &self.order.places()[class] {
                *remaining -= give(&mut self.seats[place.seat()], *remaining);
            }
        }
    }

    /// The weighted rounds, and the overflow that results.
    fn give_by_weight(&mut self) {
        if self.totals.remaining > 0 && self.totals.weights > 0 {
            if self.order.places().is_empty() {
                self.order.by_weight(self.seats);
            }
            self.rounds(self.totals.weights);
        }
        if !self.request.preferences.rebalance {
            // Without rebalancing, members ask for no more capacity than is needed for what could not be placed.
            for seat in self.seats.iter_mut() {
                seat.overflow = seat.overflow.min(self.totals.remaining).max(0);
            }
        }
    }
}

// === impl Share ===

impl Share {
    fn of(seat: &Seat) -> Self {
        Self { planned: seat.planned, overflow: seat.overflow }
    }
}
