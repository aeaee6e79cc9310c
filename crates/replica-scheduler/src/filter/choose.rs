//! The best members, where a policy limits how many run a workload.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use kfed_api::policy::{Spread, Topology};

use crate::request::Member;

/// A member that may be chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) member: &'a Member<'a>,
    /// Whether it can take or keep a replica at all.
    pub(crate) has_room: bool,
    /// Whether it has a minimum.
    pub(crate) has_minimum: bool,
    /// Whether replicas run there now.
    pub(crate) is_running: bool,
    /// The sum of the callers' scores.
    pub(crate) score: i64,
    /// Whether a taint asks for others first.
    pub(crate) prefer_not: bool,
    pub(crate) weight: i64,
    /// Tells equals apart, differently for each workload.
    pub(crate) hash: u32,
}

/// Chooses at most `limit` of `candidates`: for each its rank from 1, and whether it is chosen.
///
/// Members with a minimum come first; then, where a spread asks for a number of domains, the best members that add one; then
/// the best of the rest.
pub(crate) fn choose<'a>(candidates: &[Candidate<'a>], limit: usize, spread: &[Spread]) -> Vec<(usize, bool)> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&at| {
        let Candidate { member, has_room, has_minimum, is_running, score, prefer_not, weight, hash } = candidates[at];
        let flags = (!has_room, !has_minimum, !is_running);
        (flags, Reverse(score), prefer_not, Reverse(weight), hash, member.name)
    });

    let mut chosen = vec![false; candidates.len()];
    let mut left = limit;
    let mut missing: Vec<Missing<'a>> = spread.iter().filter_map(Missing::of).collect();
    let mut take = |at: usize, missing: &mut [Missing<'a>]| {
        if left > 0 && !chosen[at] {
            left -= 1;
            chosen[at] = true;
            missing.iter_mut().for_each(|missing| missing.add(candidates[at].member));
        }
    };
    for &at in order.iter().filter(|&&at| candidates[at].has_room && candidates[at].has_minimum) {
        take(at, &mut missing);
    }
    for &at in order.iter().filter(|&&at| candidates[at].has_room) {
        if missing.iter().any(|missing| missing.is_helped_by(candidates[at].member)) {
            take(at, &mut missing);
        }
    }
    for &at in &order {
        take(at, &mut missing);
    }

    let mut ranks = vec![(0, false); candidates.len()];
    for (rank, at) in order.into_iter().enumerate() {
        ranks[at] = (rank + 1, chosen[at]);
    }
    ranks
}

/// Domains that are still to come.
struct Missing<'a> {
    by: Topology,
    wanted: usize,
    seen: BTreeSet<(&'a str, &'a str)>,
}

// === impl Missing ===

impl<'a> Missing<'a> {
    fn of(spread: &Spread) -> Option<Self> {
        Some(Self { by: spread.by, wanted: spread.min_domains? as usize, seen: BTreeSet::new() })
    }

    fn add(&mut self, member: &Member<'a>) {
        self.seen.extend(member.domain(self.by));
    }

    fn is_helped_by(&self, member: &Member<'a>) -> bool {
        self.seen.len() < self.wanted && member.domain(self.by).is_some_and(|domain| !self.seen.contains(&domain))
    }
}
