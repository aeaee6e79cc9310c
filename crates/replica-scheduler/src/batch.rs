//! Thousands of workloads over the capacity that they share, in one call.

use std::cmp::Reverse;
use std::num::NonZeroU32;

use jiff::Timestamp;
use kfed_api::policy::{Mode, PlacementPolicy};

use crate::capacity::{Growth, Ledger};
use crate::federation_v1::{self, Planner, Share, hash_of_member, match_preferences, tie_break_of, unplaced};
use crate::proportional::{Slot, UNLIMITED, divide};
use crate::{Attributes, Member, Plan, Request, Scheduler};

/// Workloads that are planned together.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The members that take replicas now, in any order, each once. What runs there is each workload's own
    /// ([`Workload::current`]); a `capacity` limits every workload there, beside what the ledger knows.
    pub members: &'a [Member<'a>],
    /// The workloads, in any order; of those with one priority the first comes first.
    pub workloads: &'a [Workload<'a>],
    /// The time of the plan.
    pub at: Timestamp,
}

/// One workload of many.
#[derive(Debug, Clone, Copy)]
pub struct Workload<'a> {
    /// `namespace/name`. It breaks ties, and tells the ledger whose replicas are planned.
    pub key: &'a str,
    /// How many replicas to place.
    pub replicas: i64,
    /// Higher ones choose first.
    pub priority: i32,
    /// Units of capacity that one replica takes.
    pub units: NonZeroU32,
    /// What the user asks for.
    pub policy: &'a PlacementPolicy,
    /// Where it runs now.
    pub current: &'a [Running],
}

/// What runs of a workload in one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// The index of the member in [`Batch::members`]; what is beyond them is lost.
    pub member: usize,
    /// How many run there.
    pub replicas: i64,
}

/// What one workload gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// By the index of the member in [`Batch::members`]; members that get nothing are left out.
    pub shares: Vec<(usize, Share)>,
    /// As in [`Plan::unplaced`].
    pub unplaced: i64,
    /// As in [`Plan::postponed`].
    pub postponed: i64,
}

/// A batch on its way: the members as the workload sees them whose turn it is.
struct Run<'a> {
    scheduler: &'a Scheduler,
    batch: &'a Batch<'a>,
    /// Of each member, its account in the ledger.
    accounts: Vec<usize>,
    /// Of each account, its member, if it is one of the batch.
    member_of: Vec<Option<usize>>,
    members: Vec<Member<'a>>,
    /// Of each member, up to how many replicas of the workload are charged for, or run.
    levels: Vec<i64>,
    /// The units that are left in each member, where known.
    free: Vec<Option<i64>>,
    /// Whether a taint may keep a workload off some member.
    tainted: bool,
    planner: Planner,
    /// Of each member, the hash of its name, and how many names come before it.
    names: Vec<(u32, u64)>,
    slots: Vec<Slot>,
    /// Of each slot, its member.
    slotted: Vec<usize>,
    growths: Vec<Growth>,
}

// === impl Scheduler ===

impl Scheduler {
    /// Plans all workloads, those of higher priority first, each on what those before it have left of the members' capacity,
    /// and notes in the ledger what it plans. One assignment a workload, in the order of [`Batch::workloads`].
    ///
    /// A workload may run in a member what runs there already (or is already charged for), and what fits into the units left
    /// free: over the whole batch, no member gets more new replicas than fit. What it gives up there is not given to others
    /// before an observation says that it is free. Overflow takes no units: it waits for new ones.
    ///
    /// Numbers alone; [`explain_in_batch`](Self::explain_in_batch) tells the reasons of one workload.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// use jiff::Timestamp;
    /// use kfed_api::policy::PlacementPolicy;
    /// use kfed_replica_scheduler::{Ages, Batch, Ledger, Member, Scheduler, Workload};
    ///
    /// let at = Timestamp::UNIX_EPOCH;
    /// let mut ledger = Ledger::new(Ages::default());
    /// ledger.observe("fed-west", 5, at);
    /// let members = [Member::new("fed-west"), Member::new("fed-east")];
    /// let policy = PlacementPolicy::default();
    /// let workload = |key, priority| Workload {
    ///     key, priority, replicas: 8, units: NonZeroU32::MIN, policy: &policy, current: &[],
    /// };
    /// let workloads = [workload("default/late", 0), workload("default/early", 9)];
    /// let batch = Batch { members: &members, workloads: &workloads, at };
    /// let assignments = Scheduler::default().schedule_batch(&batch, &mut ledger);
    ///
    /// // The one of priority 9 takes 4 of the 5 units in fed-west; 1 is left for the other.
    /// assert_eq!(assignments[1].planned(0), 4);
    /// assert_eq!(assignments[0].planned(0), 1);
    /// assert_eq!(assignments[0].planned(1), 7);
    /// assert_eq!(ledger.free("fed-west", at), Some(0));
    /// ```
    pub fn schedule_batch(&self, batch: &Batch<'_>, ledger: &mut Ledger) -> Vec<Assignment> {
        let mut assignments = vec![Assignment::default(); batch.workloads.len()];
        let mut run = Run::new(self, batch, ledger);
        for index in batch.turns() {
            assignments[index] = run.plan(&batch.workloads[index], ledger);
        }
        assignments
    }

    /// The plan of one workload of a batch, with its reasons. `ledger` is what it was before the batch. None if the batch has
    /// no workload of that index.
    ///
    /// As what comes before it decides what it finds, the batch is planned again up to it.
    pub fn explain_in_batch(&self, batch: &Batch<'_>, ledger: &Ledger, workload: usize) -> Option<Plan> {
        let explained = batch.workloads.get(workload)?;
        let mut ledger = ledger.clone();
        let mut run = Run::new(self, batch, &mut ledger);
        for index in batch.turns().into_iter().take_while(|index| *index != workload) {
            run.plan(&batch.workloads[index], &mut ledger);
        }
        run.show(explained, &ledger);

        let aged = |member: &Member<'_>| Attributes {
            capacity_age: ledger.age(member.name, batch.at),
            ..member.attributes.cloned().unwrap_or_default()
        };
        let attributes: Vec<_> = run.members.iter().map(aged).collect();
        let with_age = |(member, attributes)| Member { attributes: Some(attributes), ..member };
        let members: Vec<Member<'_>> = run.members.iter().copied().zip(&attributes).map(with_age).collect();
        Some(self.schedule(&Request { members: &members, ..explained.request(&[]) }))
    }
}

// === impl Batch ===

impl Batch<'_> {
    /// The indices of the workloads, in the order in which they choose.
    fn turns(&self) -> Vec<usize> {
        let mut turns: Vec<usize> = (0..self.workloads.len()).collect();
        turns.sort_by_key(|&index| Reverse(self.workloads[index].priority));
        turns
    }
}

// === impl Workload ===

impl<'a> Workload<'a> {
    fn request<'b>(&self, members: &'b [Member<'b>]) -> Request<'b>
    where
        'a: 'b,
    {
        Request { key: self.key, replicas: self.replicas, policy: self.policy, members }
    }
}

// === impl Assignment ===

impl Assignment {
    /// What is planned in the member of this index in [`Batch::members`].
    pub fn planned(&self, member: usize) -> i64 {
        let found = self.shares.binary_search_by_key(&member, |(index, _)| *index);
        found.map_or(0, |at| self.shares[at].1.planned)
    }
}

// === impl Run ===

impl<'a> Run<'a> {
    fn new(scheduler: &'a Scheduler, batch: &'a Batch<'a>, ledger: &mut Ledger) -> Self {
        let accounts: Vec<usize> = batch.members.iter().map(|member| ledger.account(member.name)).collect();
        let mut member_of = vec![None; accounts.iter().max().map_or(0, |last| last + 1)];
        for (member, account) in accounts.iter().enumerate() {
            member_of[*account] = Some(member);
        }
        Self {
            scheduler,
            batch,
            free: accounts.iter().map(|account| ledger.free_in(*account, batch.at)).collect(),
            levels: vec![0; accounts.len()],
            accounts,
            member_of,
            members: batch.members.to_vec(),
            tainted: batch.members.iter().any(|member| !member.taints().is_empty()),
            planner: Planner::default(),
            names: by_name(batch.members),
            slots: Vec::new(),
            slotted: Vec::new(),
            growths: Vec::new(),
        }
    }

    /// Sets the members to what the workload finds there.
    fn show(&mut self, workload: &Workload<'_>, ledger: &Ledger) {
        self.members.iter_mut().for_each(|member| member.current = None);
        for running in workload.current {
            if let Some(member) = self.members.get_mut(running.member) {
                member.current = Some(running.replicas);
            }
        }
        for (member, level) in self.members.iter().zip(&mut self.levels) {
            *level = member.current.unwrap_or(0).max(0);
        }
        ledger.levels(workload.key, |account, charged| {
            if let Some(member) = self.member_of.get(account).copied().flatten() {
                self.levels[member] = self.levels[member].max(charged);
            }
        });
        let units = i64::from(workload.units.get());
        for (at, member) in self.members.iter_mut().enumerate() {
            let fits = |free: i64| self.levels[at].saturating_add(if units == 1 { free } else { free / units });
            let limit = self.batch.members[at].capacity;
            member.capacity = match (self.free[at].map(fits), limit) {
                (Some(fits), Some(limit)) => Some(fits.min(limit)),
                (fits, limit) => fits.or(limit),
            };
        }
    }

    fn plan(&mut self, workload: &Workload<'_>, ledger: &mut Ledger) -> Assignment {
        self.show(workload, ledger);
        let assignment = match workload.policy.mode {
            _ if !self.is_plain(workload.policy) => self.plan_by_the_pipeline(workload),
            Mode::FederationV1 => self.plan_by_federation_v1(workload),
            Mode::Proportional => self.plan_by_proportion(workload),
        };
        self.growths.clear();
        let units = i64::from(workload.units.get());
        for &(at, share) in &assignment.shares {
            let growth = share.planned.saturating_sub(self.levels[at]);
            if growth > 0 {
                self.growths.push(Growth { account: self.accounts[at], from: self.levels[at], replicas: growth });
                self.free[at] = self.free[at].map(|free| free.saturating_sub(growth.saturating_mul(units)));
            }
        }
        ledger.charge(workload.key, units, self.batch.at, &self.growths);
        assignment
    }

    /// Whether the mode's division alone makes the plan: nothing is filtered, chosen or paced.
    fn is_plain(&self, policy: &PlacementPolicy) -> bool {
        policy.cluster_selector.is_empty()
            && policy.groups.is_empty()
            && policy.spread.is_empty()
            && policy.max_clusters.is_none()
            && policy.max_moves.is_none()
            && !self.tainted
            && !self.scheduler.has_filters()
    }

    fn plan_by_federation_v1(&mut self, workload: &Workload<'_>) -> Assignment {
        let shares = self.planner.distribute(&federation_v1::Request {
            key: workload.key,
            replicas: workload.replicas,
            preferences: &workload.policy.preferences,
            members: &self.members,
        });
        let unplaced = unplaced(workload.replicas, shares.iter().map(|share| share.planned));
        let some = shares.iter().copied().enumerate().filter(|(_, share)| *share != Share::default());
        Assignment { shares: some.collect(), unplaced, postponed: 0 }
    }

    fn plan_by_proportion(&mut self, workload: &Workload<'_>) -> Assignment {
        self.slots.clear();
        self.slotted.clear();
        let preferences = &workload.policy.preferences;
        let mut at = 0;
        match_preferences(preferences, &self.members, |member, matching| {
            if let Some(matching) = matching {
                let max = matching.max_replicas.unwrap_or(UNLIMITED);
                let (hash, before) = self.names[at];
                self.slots.push(Slot {
                    weight: matching.weight.max(0),
                    min: matching.min_replicas.max(0),
                    max: member.capacity.map_or(max, |capacity| capacity.min(max)).clamp(0, UNLIMITED),
                    current: member.current.unwrap_or(0).max(0),
                    rank: u64::from(tie_break_of(hash, workload.key)) << 32 | before,
                    group: 0,
                });
                self.slotted.push(at);
            }
            at += 1;
        });
        let numbers = divide(workload.replicas, &self.slots, preferences.rebalance, &[]).numbers;
        let unplaced = unplaced(workload.replicas, numbers.iter().copied());
        let some = self.slotted.iter().zip(numbers).filter(|(_, planned)| *planned != 0);
        Assignment {
            shares: some.map(|(member, planned)| (*member, Share { planned, overflow: 0 })).collect(),
            unplaced,
            postponed: 0,
        }
    }

    fn plan_by_the_pipeline(&mut self, workload: &Workload<'_>) -> Assignment {
        let plan = self.scheduler.schedule(&workload.request(&self.members));
        let share = |(at, member): (usize, &Member<'_>)| {
            let placement = plan.of(member.name)?;
            let share = Share { planned: placement.planned, overflow: placement.overflow };
            (share != Share::default()).then_some((at, share))
        };
        Assignment {
            shares: self.members.iter().enumerate().filter_map(share).collect(),
            unplaced: plan.unplaced,
            postponed: plan.postponed,
        }
    }
}

/// Of each member, the hash of its name, and how many names come before it.
fn by_name(members: &[Member<'_>]) -> Vec<(u32, u64)> {
    let mut sorted: Vec<usize> = (0..members.len()).collect();
    sorted.sort_by_key(|&at| members[at].name);
    let mut names = vec![(0, 0); members.len()];
    for (before, at) in (0..).zip(sorted) {
        names[at] = (hash_of_member(members[at].name), before);
    }
    names
}
