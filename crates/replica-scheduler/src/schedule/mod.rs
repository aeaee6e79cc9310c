//! From a request to a plan: filter, choose, divide, pace.

mod proportional;

use std::fmt;

use kfed_api::policy::Mode;
use kfed_api::preferences::ClusterPreferences;

use crate::federation_v1::{self, Share, tie_break, unplaced};
use crate::filter::{Candidate, Filter, Judgement, May, NotPreferred, Scorer, Selector, Taints, Topologies};
use crate::filter::{choose, prefer_not};
use crate::pace::pace;
use crate::plan::{Placement, Plan};
use crate::proportional::UNLIMITED;
use crate::reason::Reason;
use crate::request::{Member, Request};

/// Plans workloads by their policies, and by what filters and scorers of the caller's own say.
#[derive(Default)]
pub struct Scheduler {
    filters: Vec<Box<dyn Filter>>,
    scorers: Vec<Box<dyn Scorer>>,
}

/// Plans one workload, with a reason for every number, as its policy alone asks.
///
/// [`federation_v1::distribute`] gives the numbers of v1's preferences alone, several times faster.
pub fn schedule(request: &Request<'_>) -> Plan {
    Scheduler::default().schedule(request)
}

/// A member on its way through the plan.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) member: &'a Member<'a>,
    pub(crate) preferences: ClusterPreferences,
    pub(crate) may: May,
    pub(crate) objections: Vec<Reason>,
}

/// What a member is given, before the pace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Given {
    pub(crate) planned: i64,
    pub(crate) overflow: i64,
    pub(crate) reasons: Vec<Reason>,
}

// === impl Scheduler ===

impl Scheduler {
    /// With one more filter, which every member must pass beside the policy's own.
    #[must_use]
    pub fn filter(mut self, filter: impl Filter + 'static) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// With one more scorer, for where the policy limits the number of members.
    #[must_use]
    pub fn scorer(mut self, scorer: impl Scorer + 'static) -> Self {
        self.scorers.push(Box::new(scorer));
        self
    }

    /// Plans one workload, with a reason for every number.
    pub fn schedule(&self, request: &Request<'_>) -> Plan {
        let mut entries = self.judge(request);
        self.limit(request, &mut entries);
        let open: Vec<&Entry<'_>> = entries.iter().filter(|entry| entry.may != May::RunNone).collect();
        let given = match request.policy.mode {
            Mode::FederationV1 => by_federation_v1(request, &open),
            Mode::Proportional => proportional::by_proportion(request, &open),
        };

        let mut given = given.into_iter();
        let given = |entry: &Entry<'_>| if entry.may == May::RunNone { None } else { given.next() };
        let mut given: Vec<Given> = entries.iter().map(given).map(Option::unwrap_or_default).collect();
        let unplaced = unplaced(request.replicas, given.iter().map(|given| given.planned));
        let postponed = slow_down(request, &entries, &mut given);
        let placements = entries.into_iter().zip(given).map(|(entry, given)| placement(entry, given)).collect();
        Plan { placements, unplaced, postponed }
    }

    /// Whether filters of the caller's own are to be asked.
    pub(crate) fn has_filters(&self) -> bool {
        !self.filters.is_empty()
    }

    /// The members by name, with what the filters say of them.
    fn judge<'a>(&self, request: &'a Request<'a>) -> Vec<Entry<'a>> {
        let builtin: [&dyn Filter; 4] = [&NotPreferred, &Selector, &Taints, &Topologies];
        let filters = || builtin.into_iter().chain(self.filters.iter().map(AsRef::as_ref));
        let judged = |member: &'a Member<'a>| {
            let Judgement { may, objections } = Judgement::of(filters(), request, member);
            let preferences = request.policy.preferences.of(member.name).copied().unwrap_or_default();
            Entry { member, preferences, may, objections }
        };
        let mut entries: Vec<_> = request.members.iter().map(judged).collect();
        entries.sort_by_key(|entry| entry.member.name);
        entries
    }

    /// Leaves out members beyond the number that may run replicas.
    fn limit(&self, request: &Request<'_>, entries: &mut [Entry<'_>]) {
        let Some(limit) = request.policy.max_clusters else { return };
        let open: Vec<usize> = (0..entries.len()).filter(|&at| entries[at].may != May::RunNone).collect();
        if open.len() <= limit as usize {
            return;
        }
        let candidate = |&at: &usize| {
            let entry = &entries[at];
            let scores = self.scorers.iter().map(|scorer| scorer.score(request, entry.member));
            Candidate {
                member: entry.member,
                has_room: entry.most() > 0,
                has_minimum: entry.preferences.min_replicas > 0,
                is_running: entry.current() > 0,
                score: scores.fold(0, i64::saturating_add),
                prefer_not: prefer_not(request, entry.member),
                weight: entry.preferences.weight,
                hash: tie_break(entry.member.name, request.key),
            }
        };
        let candidates: Vec<_> = open.iter().map(candidate).collect();
        let ranks = choose(&candidates, limit as usize, &request.policy.spread);
        for (at, (rank, chosen)) in open.into_iter().zip(ranks) {
            if !chosen {
                entries[at].may = May::RunNone;
                entries[at].objections.insert(0, Reason::NotChosen { limit, rank });
            }
        }
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filters, scorers } = self;
        f.debug_struct("Scheduler").field("filters", &filters.len()).field("scorers", &scorers.len()).finish()
    }
}

// === impl Entry ===

impl Entry<'_> {
    /// What runs there.
    pub(crate) fn current(&self) -> i64 {
        self.member.current.unwrap_or(0)
    }

    /// The capacity, as far as new replicas may use it.
    pub(crate) fn capacity(&self) -> Option<i64> {
        match self.may {
            May::RunAny => self.member.capacity,
            May::Keep => Some(self.member.capacity.map_or(self.current(), |capacity| capacity.min(self.current()))),
            May::RunNone => Some(0),
        }
    }

    /// The most that it can run.
    pub(crate) fn most(&self) -> i64 {
        let max = self.preferences.max_replicas.unwrap_or(UNLIMITED);
        self.capacity().map_or(max, |capacity| capacity.min(max))
    }
}

/// As Federation v1 did, over the members that may run replicas.
fn by_federation_v1(request: &Request<'_>, open: &[&Entry<'_>]) -> Vec<Given> {
    let members: Vec<_> = open.iter().map(|entry| Member { capacity: entry.capacity(), ..*entry.member }).collect();
    let explained = federation_v1::distribute_with_reasons(&federation_v1::Request {
        key: request.key,
        replicas: request.replicas,
        preferences: &request.policy.preferences,
        members: &members,
    });
    let given = |(entry, (share, mut reasons)): (&&Entry<'_>, (Share, Vec<Reason>))| {
        let Share { planned, mut overflow } = share;
        if entry.may == May::Keep {
            // Pending replicas ask for capacity, of which a member that takes no new ones may have enough.
            overflow = 0;
            let own = entry.member.capacity.filter(|capacity| *capacity <= entry.current());
            reasons.retain(|reason| match reason {
                Reason::Overflow { .. } => false,
                Reason::CutToCapacity { .. } => own.is_some(),
                _ => true,
            });
        }
        Given { planned, overflow, reasons }
    };
    open.iter().zip(explained).map(given).collect()
}

/// Moves no more than the policy allows; tells how many moves that leaves for later rounds.
fn slow_down(request: &Request<'_>, entries: &[Entry<'_>], given: &mut [Given]) -> i64 {
    if request.policy.max_moves.is_none() {
        return 0;
    }
    let current: Vec<_> = entries.iter().map(|entry| entry.current().max(0)).collect();
    let target: Vec<_> = given.iter().map(|given| given.planned.max(0)).collect();
    let paced = pace(&current, &target, request.policy.max_moves);
    for (given, (now, target)) in given.iter_mut().zip(paced.numbers.iter().zip(target)) {
        if *now != target {
            // What v1 planned below 0 counts as 0 while anything moves.
            given.reasons.push(Reason::Postponed { replicas: now.saturating_sub(given.planned) });
            given.planned = *now;
        }
    }
    paced.postponed
}

fn placement(entry: Entry<'_>, given: Given) -> Placement {
    let current = entry.current();
    let age = entry.member.attributes.and_then(|attributes| attributes.capacity_age).map(|age| age.as_secs());
    let mut reasons = entry.objections;
    reasons.extend(given.reasons);
    // With an objection, "none for its weight" says nothing more.
    let nothing = |reason: &Reason| matches!(reason, Reason::Weight { replicas: 0, .. });
    if reasons.len() > 1 {
        reasons.retain(|reason| !nothing(reason));
    }
    for reason in &mut reasons {
        if let Reason::CutToCapacity { age_seconds, .. } = reason {
            *age_seconds = age;
        }
    }
    let leaving = current.saturating_sub(given.planned.max(0));
    if leaving > 0 {
        reasons.push(Reason::Leaving { replicas: leaving });
    }
    Placement { member: entry.member.name.to_owned(), planned: given.planned, overflow: given.overflow, reasons }
}
