//! The fewest that must leave where groups and spread rules cross, or two rules do: a flow of least cost.
//!
//! ```text
//! group 0 ─┐ cells          ┌─► zone 1 ─┐
//! group 1 ─┴─ (group, zone) ┼─► zone 2 ─┴─► region a ─┐
//! group 2 ─── …             └─► zone 3 ───► region b ─┴─► all
//! ```
//! What flows are replicas: out of each group its total, which is given, and through each domain what its rule allows beside
//! an emptiest domain of some level. Leaving costs much, breaking a rule costs more, and differing from the rebalanced
//! division a little. From any flow with the right totals, cycles of negative cost lead to the cheapest.
//!
//! What levels are best is tried: all combinations up to [`LEVELS`], so that the fewest leave, as long as [`LOOKS`] last. Beyond, levels are searched
//! downhill, one or several at a time; what is cheapest at levels between two floors is convex in them, so that this too finds the fewest where no
//! minimum breaks a rule, as far as such steps lead (one rule always, two in every case that was drawn). Never do
//! more leave than without it. Two rules of which neither's domains lie within the other's, which no policy can ask for, are
//! left as they are.

use std::collections::BTreeMap;

use super::contest::{Contender, fill};
use super::spread::Rule;

/// What it costs when one more leaves, beside one replica's distance from the rebalanced division. No cycle has as many edges.
const LEAVES: i128 = 1 << 30;
/// What it costs when a rule is broken by one more.
const BREAKS: i128 = 1 << 70;
/// How many levels are all tried; of more only those that lead downhill.
const LEVELS: i128 = 256;
/// How many looks at edges are worth it. A few regions and groups take some ten thousand; hundreds of both are left with fewer
/// levels tried, so that a plan never takes longer than some tens of milliseconds.
const LOOKS: usize = 10_000_000;

/// From an even division, which `contenders` hold, to one where the fewest of what they keep leave. Groups keep their totals.
pub(super) fn fewest_leave(contenders: &mut [Contender], kept: &[i64], target: &[i64], rules: &[Rule]) {
    let Some(mut network) = Network::new(contenders, kept, target, rules) else { return };
    let must_leave = network.must_leave();
    if network.cost().1 > must_leave {
        network.search();
    }
    let leaving: i128 = contenders.iter().zip(kept).map(|(one, kept)| i128::from((kept - one.number).max(0))).sum();
    if leaving > must_leave {
        network.hand_out(contenders, kept);
    }
}

/// Where replicas flow, from node to node.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: usize,
    to: usize,
    flow: i128,
    low: i128,
    high: i128,
    /// Where the slope of the cost changes: below `lowest` and above `highest` each costs `outside`, and each away from
    /// `target` costs 1, where there is one.
    lowest: i128,
    highest: i128,
    outside: i128,
    target: Option<i128>,
}

/// A rule's domains as edges.
#[derive(Debug, Clone)]
struct Tier {
    edges: Vec<usize>,
    floors: Vec<i128>,
    skew: i128,
    level: i128,
    top: i128,
}

#[derive(Debug, Clone)]
struct Network {
    nodes: usize,
    /// Cells first.
    edges: Vec<Edge>,
    cells: usize,
    groups: usize,
    /// Of each contender its cell.
    cell_of: Vec<usize>,
    tiers: Vec<Tier>,
    looks: usize,
}

// === impl Network ===

impl Network {
    /// None where domains of one rule do not lie within those of another.
    fn new(contenders: &[Contender], kept: &[i64], target: &[i64], rules: &[Rule]) -> Option<Self> {
        let mut rules: Vec<&Rule> = rules.iter().collect();
        rules.sort_by_key(|rule| rule.domains);
        let finest = rules.last()?;
        let mut groups: Vec<u32> = contenders.iter().map(|contender| contender.group).collect();
        groups.dedup();

        // Nodes: the groups, each rule's domains, all.
        let mut firsts = vec![groups.len()];
        firsts.extend(rules.iter().scan(groups.len(), |first, rule| {
            *first += rule.domains;
            Some(*first)
        }));
        let (all, nodes) = (firsts[rules.len()], firsts[rules.len()] + 1);
        let mut cells: BTreeMap<(usize, usize), Edge> = BTreeMap::new();
        let key = |contender: &Contender| {
            let group = groups.partition_point(|group| *group < contender.group);
            (group, firsts[rules.len() - 1] + finest.of(contender) as usize)
        };
        for (contender, (kept, target)) in contenders.iter().zip(kept.iter().zip(target)) {
            let (from, to) = key(contender);
            let cell =
                cells.entry((from, to)).or_insert(Edge { target: Some(0), outside: LEAVES, ..Edge::new(from, to) });
            cell.flow += i128::from(contender.number);
            cell.low += i128::from(contender.floor);
            cell.high += i128::from(contender.ceiling);
            cell.lowest += i128::from(*kept);
            cell.target = cell.target.map(|sum| sum + i128::from(*target));
        }
        let order: BTreeMap<_, usize> = cells.keys().copied().zip(0..).collect();
        let cell_of = contenders.iter().map(|contender| order[&key(contender)]).collect();
        let mut edges: Vec<Edge> = cells.into_values().map(|cell| Edge { highest: cell.high, ..cell }).collect();

        let cells = edges.len();
        let mut tiers = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let mut parents = vec![None; rule.domains];
            for contender in contenders {
                let parent = at.checked_sub(1).map_or(all, |up| firsts[up] + rules[up].of(contender) as usize);
                if *parents[rule.of(contender) as usize].get_or_insert(parent) != parent {
                    return None;
                }
            }
            let totals = rule.totals(contenders, |contender| contender.number);
            let total: i128 = totals.iter().sum();
            let start = edges.len();
            for (domain, (parent, &flow)) in parents.into_iter().zip(&totals).enumerate() {
                let edge = Edge::new(firsts[at] + domain, parent.unwrap_or(all));
                edges.push(Edge { flow, high: total, highest: total, outside: BREAKS, ..edge });
            }
            tiers.push(Tier {
                edges: (start..edges.len()).collect(),
                floors: rule.totals(contenders, |contender| contender.floor),
                skew: rule.skew,
                level: if rule.from_zero { 0 } else { totals.iter().copied().min().unwrap_or(0) },
                top: if rule.from_zero { 0 } else { total / rule.domains.max(1) as i128 },
            });
        }
        Some(Self { nodes, edges, cells, groups: groups.len(), cell_of, tiers, looks: 0 })
    }

    /// How many leave even without rules, as the groups' totals are smaller than what they keep.
    fn must_leave(&self) -> i128 {
        let mut over = vec![0; self.groups];
        self.edges[..self.cells].iter().for_each(|cell| over[cell.from] += cell.lowest - cell.flow);
        over.into_iter().map(|over| over.max(0)).sum()
    }

    /// What flows beyond the rules, what leaves, and how far all is from the rebalanced division.
    fn cost(&self) -> (i128, i128, i128) {
        let (cells, domains) = self.edges.split_at(self.cells);
        let sum = |edges: &[Edge], what: fn(&Edge) -> i128| edges.iter().map(what).sum();
        (sum(domains, Edge::beyond), sum(cells, Edge::beyond), sum(cells, Edge::distance))
    }

    /// To the levels at which the fewest leave.
    fn search(&mut self) {
        self.settle();
        let combinations = self.tiers.iter().fold(1i128, |product, tier| product.saturating_mul(tier.top + 1));
        if combinations <= LEVELS {
            for combination in 0..combinations {
                let mut rest = combination;
                let levels = self.tiers.iter().map(|tier| {
                    let level = rest % (tier.top + 1);
                    rest /= tier.top + 1;
                    level
                });
                let levels: Vec<i128> = levels.collect();
                if self.looks >= LOOKS {
                    return;
                }
                self.consider(&levels);
            }
            return;
        }
        let widest = self.tiers.iter().map(|tier| tier.top).max().unwrap_or(0);
        let mut step = 1 << (i128::BITS - widest.leading_zeros());
        while step > 0 && self.looks < LOOKS {
            let mut better = false;
            for direction in directions(self.tiers.len()) {
                let moved = |(tier, way): (&Tier, i128)| (tier.level + way * step).clamp(0, tier.top);
                let levels: Vec<i128> = self.tiers.iter().zip(direction).map(moved).collect();
                better |= self.consider(&levels);
            }
            if !better {
                step /= 2;
            }
        }
    }

    /// Goes on from these levels if they are better.
    fn consider(&mut self, levels: &[i128]) -> bool {
        let mut other = self.clone();
        other.tiers.iter_mut().zip(levels).for_each(|(tier, level)| tier.level = *level);
        other.settle();
        let better = other.cost() < self.cost();
        self.looks = other.looks;
        if better {
            *self = other;
        }
        better
    }

    /// To the cheapest flow at the levels as they are.
    fn settle(&mut self) {
        for tier in &self.tiers {
            for (edge, floor) in tier.edges.iter().zip(&tier.floors) {
                let edge = &mut self.edges[*edge];
                edge.lowest = tier.level;
                edge.highest = (tier.level + tier.skew).max(*floor);
            }
        }
        while self.looks < LOOKS
            && let Some(cycle) = self.negative_cycle()
        {
            let step = cycle.iter().map(|&(edge, up)| self.edges[edge].reach(up)).min().unwrap_or(0);
            for (edge, up) in cycle {
                self.edges[edge].flow += if up { step } else { -step };
            }
        }
    }

    /// A cycle along which one more costs less than nothing: edges, and whether they carry more or less. (Bellman and Ford.)
    fn negative_cycle(&mut self) -> Option<Vec<(usize, bool)>> {
        let mut costs = vec![0i128; self.nodes];
        let mut via: Vec<Option<(usize, bool)>> = vec![None; self.nodes];
        let mut last = None;
        for _ in 0..self.nodes {
            last = None;
            self.looks += self.edges.len();
            for (at, edge) in self.edges.iter().enumerate() {
                for (up, from, to) in [(true, edge.from, edge.to), (false, edge.to, edge.from)] {
                    if edge.reach(up) > 0 && costs[from] + edge.slope(up) < costs[to] {
                        costs[to] = costs[from] + edge.slope(up);
                        via[to] = Some((at, up));
                        last = Some(to);
                    }
                }
            }
            last?;
        }
        // So many steps back one is on the cycle.
        let before =
            |node: usize| via[node].map(|(at, up)| (at, up, if up { self.edges[at].from } else { self.edges[at].to }));
        let mut start = last?;
        for _ in 0..self.nodes {
            start = before(start)?.2;
        }
        let (mut cycle, mut node) = (Vec::new(), start);
        loop {
            let (at, up, from) = before(node)?;
            cycle.push((at, up));
            node = from;
            if node == start {
                return Some(cycle);
            }
        }
    }

    /// By seats within each cell.
    fn hand_out(&self, contenders: &mut [Contender], kept: &[i64]) {
        for (at, cell) in self.edges[..self.cells].iter().enumerate() {
            let here: Vec<usize> = (0..contenders.len()).filter(|&one| self.cell_of[one] == at).collect();
            let bounded = |(index, &one): (u32, &usize)| {
                let contender = Contender { index, ..contenders[one] };
                match cell.flow >= cell.lowest {
                    true => Contender { floor: kept[one], ..contender },
                    false => Contender { ceiling: kept[one], ..contender },
                }
            };
            let mut filled: Vec<Contender> = (0..).zip(&here).map(bounded).collect();
            fill(&mut filled, cell.flow);
            for contender in filled {
                contenders[here[contender.index as usize]].number = contender.number;
            }
        }
    }
}

/// All ways for each of so many levels to go down, stay, or go up. One may lead nowhere before another goes along.
fn directions(levels: usize) -> impl Iterator<Item = Vec<i128>> {
    let ways = move |number: usize| (0..levels as u32).map(|at| (number / 3usize.pow(at) % 3) as i128 - 1).collect();
    (0..3usize.pow(levels as u32)).map(ways).filter(|ways: &Vec<i128>| ways.iter().any(|way| *way != 0))
}

// === impl Edge ===

impl Edge {
    fn new(from: usize, to: usize) -> Self {
        Self { from, to, flow: 0, low: 0, high: 0, lowest: 0, highest: 0, outside: 0, target: None }
    }

    /// By how much it is outside of its bounds.
    fn beyond(&self) -> i128 {
        (self.lowest - self.flow).max(0) + (self.flow - self.highest).max(0)
    }

    fn distance(&self) -> i128 {
        self.target.map_or(0, |target| (target - self.flow).abs())
    }

    /// What one more, or one less, costs.
    fn slope(&self, up: bool) -> i128 {
        let flow = if up { self.flow + 1 } else { self.flow - 1 };
        let then = Self { flow, ..*self };
        (then.beyond() - self.beyond()) * self.outside + then.distance() - self.distance()
    }

    /// How many more, or less, cost alike and fit.
    fn reach(&self, up: bool) -> i128 {
        let bends = [self.lowest, self.highest, self.target.unwrap_or(self.high)];
        match up {
            true => bends.into_iter().filter(|bend| *bend > self.flow).fold(self.high, i128::min) - self.flow,
            false => self.flow - bends.into_iter().filter(|bend| *bend < self.flow).fold(self.low, i128::max),
        }
    }
}
