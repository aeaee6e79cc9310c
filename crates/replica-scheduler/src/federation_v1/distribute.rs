//! The steps of a plan: seats, minimums, kept replicas, weighted rounds, overflow.

use kfed_api::preferences::ClusterPreferences;

use crate::federation_v1::matching::match_preferences;
use crate::federation_v1::number::Number;
use crate::federation_v1::order::{Order, Place};
use crate::federation_v1::reasons::{BeforeWeights, reasons};
use crate::federation_v1::seat::Seat;
use crate::federation_v1::{Request, Share};
use crate::{Member, Reason};

/// Up to this many members are planned without memory from the heap.
const FEW: usize = 4;

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
    distribute_few(request).unwrap_or_else(|| {
        let mut planner = Planner::default();
        planner.distribute(request);
        planner.shares
    })
}

/// A few seats with small numbers need no memory but the answer's.
fn distribute_few(request: &Request<'_>) -> Option<Vec<Share>> {
    let mut seats = [Seat::<i64>::EMPTY; FEW];
    let seats = seats.get_mut(..request.members.len())?;
    let mut rest = seats.iter_mut();
    let totals = take_seats(request, |seat| {
        if let Some(place) = rest.next() {
            *place = seat;
        }
    })?;
    let (mut places, mut words) = ([Place::EMPTY; FEW], Vec::new());
    let mut table = Table { request, seats, order: Order::new(&mut places, &mut words), totals };
    table.give_what_comes_before_weights();
    table.give_by_weight();
    Some(table.seats.iter().map(Share::of).collect())
}

/// [`distribute`] for many workloads: one planner plans them one after the other, and keeps its memory between them.
///
/// What it answers depends on the request alone.
#[derive(Debug, Default)]
pub struct Planner {
    memory: Memory<i64>,
    wide: Memory<i128>,
    shares: Vec<Share>,
}

/// What plans are made in.
#[derive(Debug)]
struct Memory<N> {
    seats: Vec<Seat<N>>,
    places: Vec<Place>,
    words: Vec<u64>,
}

/// [`distribute`], and how each number came about; several times slower.
pub(crate) fn distribute_with_reasons(request: &Request<'_>) -> Vec<(Share, Vec<Reason>)> {
    explained::<i64>(request).or_else(|| explained::<i128>(request)).unwrap_or_default()
}

fn explained<N: Number>(request: &Request<'_>) -> Option<Vec<(Share, Vec<Reason>)>> {
    let mut memory = Memory::<N>::default();
    let mut table = memory.table(request)?;
    let before: Vec<_> = table.seats.iter().map(BeforeWeights::of).collect();
    table.give_by_weight();
    let mut seats = table.seats.iter().zip(before);
    let mut explained = Vec::with_capacity(request.members.len());
    match_preferences(request.preferences, request.members, |member, preferences| {
        if let Some((seat, before)) = seats.next() {
            let reasons = reasons(member, preferences, seat, before, table.totals.weights);
            explained.push((Share::of(seat), reasons));
        }
    });
    Some(explained)
}

/// A plan in the making.
pub(super) struct Table<'a, N> {
    pub(super) request: &'a Request<'a>,
    /// One a member, in the order of the request.
    pub(super) seats: &'a mut [Seat<N>],
    /// Made when a step needs it.
    pub(super) order: Order<'a>,
    pub(super) totals: Totals<N>,
}

/// What is known of all seats together.
#[derive(Debug)]
pub(super) struct Totals<N> {
    /// The replicas not given yet.
    pub(super) remaining: N,
    /// The sum of all weights.
    weights: N,
    /// The sum of the minimums that are positive.
    minimums: N,
    /// Whether a minimum is above its maximum.
    pub(super) above_maximum: bool,
}

/// Tells `each` the members' seats, filled as if replicas were enough for everybody's minimum and current replicas. None if
/// the numbers are too large to add up.
fn take_seats<N: Number>(request: &Request<'_>, mut each: impl FnMut(Seat<N>)) -> Option<Totals<N>> {
    let rebalance = request.preferences.rebalance;
    let mut fits = N::holds([request.replicas, 0, 0, 0, 0]) && N::holds_members(request.members.len());
    let mut totals = Totals {
        remaining: if fits { N::from(request.replicas) } else { N::ZERO },
        weights: N::ZERO,
        minimums: N::ZERO,
        above_maximum: false,
    };
    let take_seat = |member: &Member<'_>, preferences: Option<&ClusterPreferences>| {
        let seat: Seat<N> = match preferences {
            Some(preferences) if Seat::<N>::holds(member, preferences) => Seat::new(member, preferences, rebalance),
            preferences => {
                fits &= preferences.is_none();
                Seat::EMPTY
            }
        };
        totals.weights += N::from(seat.weight);
        totals.minimums += seat.minimum.max(N::ZERO);
        totals.above_maximum |= seat.minimum > seat.max;
        totals.remaining -= seat.planned;
        each(seat);
    };

    match_preferences(request.preferences, request.members, take_seat);
    fits.then_some(totals)
}

// === impl Planner ===

impl Planner {
    /// One share a member, in the order of [`Request::members`].
    pub fn distribute(&mut self, request: &Request<'_>) -> &[Share] {
        self.shares.clear();
        if !self.memory.distribute(request, &mut self.shares) {
            self.wide.distribute(request, &mut self.shares);
        }
        &self.shares
    }
}

// === impl Memory ===

impl<N: Number> Memory<N> {
    /// Adds a share for each member, or tells that the numbers are too large.
    fn distribute(&mut self, request: &Request<'_>, shares: &mut Vec<Share>) -> bool {
        let Some(mut table) = self.table(request) else { return false };
        table.give_by_weight();
        shares.extend(table.seats.iter().map(Share::of));
        true
    }

    /// All but the weighted rounds.
    fn table<'a>(&'a mut self, request: &'a Request<'a>) -> Option<Table<'a, N>> {
        self.seats.clear();
        self.seats.reserve(request.members.len());
        let totals = take_seats(request, |seat| self.seats.push(seat))?;
        if totals.need_order(request) && self.places.len() < self.seats.len() {
            self.places.resize(self.seats.len(), Place::EMPTY);
        }
        let order = Order::new(&mut self.places, &mut self.words);
        let mut table = Table { request, seats: &mut self.seats, order, totals };
        table.give_what_comes_before_weights();
        Some(table)
    }
}

impl<N> Default for Memory<N> {
    fn default() -> Self {
        Self { seats: Vec::new(), places: Vec::new(), words: Vec::new() }
    }
}

// === impl Totals ===

impl<N: Number> Totals<N> {
    /// Whether replicas are enough for everybody's minimum and current replicas, whoever comes first. (Negative minimums,
    /// which v1 accepted, add replicas, but too late for whom they do not precede.)
    fn suffice(&self, request: &Request<'_>) -> bool {
        self.minimums <= N::from(request.replicas) && self.remaining >= N::ZERO
    }

    /// Whether any step will ask who comes first.
    fn need_order(&self, request: &Request<'_>) -> bool {
        !self.suffice(request) || (self.remaining > N::ZERO && self.weights > N::ZERO)
    }
}

// === impl Table ===

impl<N: Number> Table<'_, N> {
    /// The minimum pass and the keep pass.
    fn give_what_comes_before_weights(&mut self) {
        if self.totals.suffice(self.request) {
            return;
        }
        self.totals.remaining = N::from(self.request.replicas);
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
    fn pass(&mut self, want: fn(&Seat<N>) -> N, give: fn(&mut Seat<N>, N) -> N) {
        let remaining = &mut self.totals.remaining;
        let mut rest = 0;
        while let Some(class) = self.order.class_at(rest) {
            rest = class.end;
            let wants = || self.order.places()[class.clone()].iter().map(|place| want(&self.seats[place.seat()]));
            // Who comes first matters only where there is something, but not enough for all.
            let enough = wants().map(|want| want.max(N::ZERO)).sum::<N>() <= *remaining;
            let nothing = *remaining == N::ZERO && wants().all(|want| want >= N::ZERO);
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
        if self.totals.remaining > N::ZERO && self.totals.weights > N::ZERO {
            if self.order.places().is_empty() {
                self.order.by_weight(self.seats);
            }
            self.rounds(self.totals.weights);
        }
        if !self.request.preferences.rebalance {
            // Without rebalancing, members ask for no more capacity than is needed for what could not be placed.
            for seat in self.seats.iter_mut() {
                seat.overflow = seat.overflow.min(self.totals.remaining).max(N::ZERO);
            }
        }
    }
}

// === impl Share ===

impl Share {
    fn of<N: Number>(seat: &Seat<N>) -> Self {
        Self { planned: seat.planned.told(), overflow: seat.overflow.told() }
    }
}
