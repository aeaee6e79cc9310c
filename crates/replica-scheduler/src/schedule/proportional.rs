//! Mode proportional: a request's members as slots to divide over, and the reasons for what comes out.

use std::collections::BTreeMap;

use kfed_api::policy::{Spread, Topology};

use super::{Entry, Given};
use crate::federation_v1::tie_break;
use crate::proportional::{Held, Share, Slot, SpreadRule, UNLIMITED, divide, shares};
use crate::reason::Reason;
use crate::request::Request;

/// Divides over the members that may run replicas.
pub(super) fn by_proportion(request: &Request<'_>, open: &[&Entry<'_>]) -> Vec<Given> {
    let slots: Vec<Slot> = (0u64..).zip(open).map(|(at, entry)| slot(request, entry, at)).collect();
    let rules: Vec<Rule<'_>> = request.policy.spread.iter().map(|spread| Rule::of(spread, open)).collect();
    let spread: Vec<SpreadRule> = rules.iter().map(Rule::to_spread).collect();
    let rebalance = request.policy.preferences.rebalance;
    let numbers = divide(request.replicas, &slots, rebalance, &spread).numbers;
    let shares = shares(request.replicas, &slots, rebalance, &spread, &numbers);
    let leads = rules.iter().map(|rule| rule.leads(&numbers)).collect();
    let mut weights = BTreeMap::new();
    for slot in &slots {
        let sum = weights.entry(slot.group).or_insert(0i64);
        *sum = sum.saturating_add(slot.weight);
    }
    let has_room = |(slot, number): &(&Slot, &i64)| slot.weight > 0 && **number < slot.max;
    let first_with_room = slots.iter().zip(&numbers).filter(has_room).map(|(slot, _)| slot.group).min();
    let numbers = &numbers;
    let told = Told { request, open, slots: &slots, rules: &rules, leads, weights, first_with_room, numbers };
    let given = |(at, share)| Given { planned: numbers[at], overflow: 0, reasons: told.reasons(at, share) };
    shares.into_iter().enumerate().map(given).collect()
}

fn slot(request: &Request<'_>, entry: &Entry<'_>, at: u64) -> Slot {
    let group = request.policy.group_of(entry.member.name, entry.member.labels());
    Slot {
        weight: entry.preferences.weight.max(0),
        min: entry.preferences.min_replicas.max(0),
        max: entry.most().clamp(0, UNLIMITED),
        current: entry.current().max(0),
        // Equal hashes are told apart by name, as the members are sorted.
        rank: u64::from(tie_break(entry.member.name, request.key)) << 32 | at,
        group: group.unwrap_or(request.policy.groups.len()) as u32,
    }
}

/// A spread over the domains there are.
struct Rule<'a> {
    spread: &'a Spread,
    domains: Vec<(&'a str, &'a str)>,
    domain_of: Vec<u32>,
}

/// A division, with what its reasons need.
struct Told<'a> {
    request: &'a Request<'a>,
    open: &'a [&'a Entry<'a>],
    slots: &'a [Slot],
    rules: &'a [Rule<'a>],
    /// For each rule, by how many each domain exceeds the fewest.
    leads: Vec<Vec<i64>>,
    /// The sum of each group's weights.
    weights: BTreeMap<u32, i64>,
    /// The first group that could take more.
    first_with_room: Option<u32>,
    numbers: &'a [i64],
}

// === impl Rule ===

impl<'a> Rule<'a> {
    fn of(spread: &'a Spread, open: &[&Entry<'a>]) -> Self {
        // Members that do not say where they are have been filtered.
        let of_entry: Vec<_> = open.iter().map(|entry| entry.member.domain(spread.by).unwrap_or_default()).collect();
        let mut domains = of_entry.clone();
        domains.sort_unstable();
        domains.dedup();
        let domain_of = of_entry.iter().map(|domain| domains.partition_point(|known| known < domain) as u32).collect();
        Self { spread, domains, domain_of }
    }

    fn to_spread(&self) -> SpreadRule {
        SpreadRule {
            max_skew: i64::from(self.spread.max_skew),
            min_domains: self.spread.min_domains.unwrap_or(0) as usize,
            domain_of: self.domain_of.clone(),
        }
    }

    /// By how many each domain exceeds the one with the fewest.
    fn leads(&self, numbers: &[i64]) -> Vec<i64> {
        let mut totals = vec![0; self.domains.len()];
        for (domain, number) in self.domain_of.iter().zip(numbers) {
            totals[*domain as usize] += number;
        }
        let few = self.domains.len() < self.spread.min_domains.unwrap_or(0) as usize;
        let fewest = if few { 0 } else { totals.iter().copied().min().unwrap_or(0) };
        totals.into_iter().map(|total| total - fewest).collect()
    }

    fn name(&self, domain: u32) -> String {
        let (region, zone) = self.domains[domain as usize];
        match self.spread.by {
            Topology::Region => region.to_owned(),
            Topology::Zone => format!("{region}/{zone}"),
        }
    }
}

// === impl Told ===

impl Told<'_> {
    fn reasons(&self, at: usize, share: Share) -> Vec<Reason> {
        let (slot, number, entry) = (self.slots[at], self.numbers[at], self.open[at]);
        let weights = self.weights[&slot.group];
        let mut reasons = Vec::with_capacity(2);

        let kept = if self.request.policy.preferences.rebalance { 0 } else { number.min(slot.current) };
        let rest = number - kept;
        if kept > 0 {
            reasons.push(Reason::Kept { replicas: kept });
        }
        let owed = matches!(share.held, Held::Minimum | Held::Scarce | Held::NoWeight | Held::Standby);
        if rest > 0 && number <= slot.min && (owed || share.by_weight < number) {
            reasons.push(Reason::Minimum { replicas: rest });
        } else if rest > 0 {
            reasons.push(Reason::Weight { weight: slot.weight, of: weights, replicas: rest });
        }
        // Groups are meant to differ from what weights ask for.
        let says_more = !matches!(share.held, Held::ByWeight | Held::NoWeight | Held::Standby);
        if share.by_weight != number && says_more && self.request.policy.groups.is_empty() {
            reasons.push(Reason::Wanted { replicas: share.by_weight });
        }

        if number == slot.max && (share.held == Held::Maximum || slot.min > slot.max) {
            let max = entry.preferences.max_replicas.filter(|max| number >= *max);
            let capacity = entry.member.capacity.map(|capacity| capacity.max(0)).filter(|capacity| number >= *capacity);
            reasons.extend(max.map(|max| Reason::CutToMaximum { max }));
            reasons.extend(capacity.map(|capacity| Reason::CutToCapacity { capacity, age_seconds: None }));
        }
        self.skew(at, share, &mut reasons);
        reasons.extend(self.turn(at, share));
        let missing = slot.min.min(slot.max) - number;
        if missing > 0 {
            reasons.push(Reason::Scarce { missing });
        }
        if reasons.is_empty() {
            reasons.push(Reason::Weight { weight: slot.weight, of: weights, replicas: 0 });
        }
        reasons
    }

    fn skew(&self, at: usize, share: Share, reasons: &mut Vec<Reason>) {
        for (index, (rule, leads)) in self.rules.iter().zip(&self.leads).enumerate() {
            let domain = rule.domain_of[at];
            let (by, max_skew, name) = (rule.spread.by, rule.spread.max_skew, || rule.name(domain));
            if leads[domain as usize] > i64::from(max_skew) && self.numbers[at] > 0 {
                reasons.push(Reason::SkewedByMinimum { by, domain: name(), max_skew });
            } else if share.held == Held::Skew(index) {
                reasons.push(Reason::CutBySkew { by, domain: name(), max_skew });
            }
        }
    }

    /// What its group does to it.
    fn turn(&self, at: usize, share: Share) -> Option<Reason> {
        let slot = self.slots[at];
        let name = |group: u32| {
            self.request.policy.groups.get(group as usize).map_or_else(String::new, |group| group.name.clone())
        };
        let before = slot.group.checked_sub(1)?;
        if share.held == Held::Standby {
            let ahead = self.first_with_room.filter(|ahead| *ahead < slot.group).unwrap_or(before);
            return Some(Reason::Standby { group: name(slot.group), behind: name(ahead) });
        }
        let takes = slot.weight > 0 && self.numbers[at] > slot.min;
        takes.then(|| Reason::Fallback { group: name(slot.group), behind: name(before) })
    }
}
