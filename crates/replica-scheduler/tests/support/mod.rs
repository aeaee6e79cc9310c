//! The fixtures of Federation v1's planner, and the planner once more, written without any regard to speed.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use kfed_api::preferences::{ClusterPreferences, ReplicaPreferences};
use kfed_replica_scheduler::Member;
use kfed_replica_scheduler::federation_v1::Request;
use serde::Deserialize;

/// A request that owns its parts.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub key: String,
    pub replicas: i64,
    pub preferences: ReplicaPreferences,
    pub members: Vec<(String, Option<i64>, Option<i64>)>,
}

/// Planned replicas and overflow by member; overflow without zeros.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Numbers {
    pub planned: BTreeMap<String, i64>,
    pub overflow: BTreeMap<String, i64>,
}

/// The cases of the upstream test tables.
pub fn v1_cases() -> Vec<(Case, Numbers)> {
    #[derive(Deserialize)]
    struct Row {
        name: String,
        preferences: ReplicaPreferences,
        replicas: i64,
        clusters: Vec<String>,
        existing: BTreeMap<String, i64>,
        capacity: BTreeMap<String, i64>,
        key: String,
        expected: BTreeMap<String, i64>,
        expected_overflow: BTreeMap<String, i64>,
    }
    let rows: Vec<Row> = read("planner_v1_cases.json");
    let case = |row: Row| {
        let state = |name: &String| (name.clone(), row.existing.get(name).copied(), row.capacity.get(name).copied());
        let members = row.clusters.iter().map(state).collect();
        let Row { name, key, replicas, preferences, .. } = row;
        let numbers = Numbers { planned: row.expected, overflow: row.expected_overflow };
        (Case { name, key, replicas, preferences, members }, numbers)
    };
    rows.into_iter().map(case).collect()
}

/// The inputs of the baseline benchmark.
pub fn bench_inputs() -> Vec<(Case, Numbers)> {
    type Number = Option<i64>;
    /// Name, weight, minimum, maximum, existing, capacity, planned, overflow.
    type Row = (String, Number, Number, Number, Number, Number, i64, Number);
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Input>,
    }
    #[derive(Deserialize)]
    struct Input {
        name: String,
        rebalance: bool,
        replicas: i64,
        key: String,
        star_weight: Number,
        rows: Vec<Row>,
    }
    let file: File = read("planner_bench_inputs.json");
    let case = |input: Input| {
        let star =
            input.star_weight.map(|weight| ("*".to_owned(), ClusterPreferences { weight, ..Default::default() }));
        let own = input.rows.iter().filter_map(|(name, weight, min, max, ..)| {
            let (weight, min_replicas) = (Option::zip(*weight, *min))?;
            Some((name.clone(), ClusterPreferences { min_replicas, max_replicas: *max, weight }))
        });
        let preferences = ReplicaPreferences { rebalance: input.rebalance, clusters: own.chain(star).collect() };
        let mut numbers = Numbers::default();
        let mut members = Vec::new();
        for (name, _, _, _, existing, capacity, planned, overflow) in input.rows {
            numbers.planned.insert(name.clone(), planned);
            numbers
                .overflow
                .extend(overflow.filter(|overflow| *overflow != 0).map(|overflow| (name.clone(), overflow)));
            members.push((name, existing, capacity));
        }
        let Input { name, key, replicas, .. } = input;
        (Case { name, key, replicas, preferences, members }, numbers)
    };
    file.cases.into_iter().map(case).collect()
}

fn read<T: serde::de::DeserializeOwned>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Case {
    /// Hands the request to `ask`.
    pub fn ask<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let member = |(name, current, capacity): &(String, _, _)| (name.clone(), *current, *capacity);
        let members: Vec<_> = self.members.iter().map(member).collect();
        let members: Vec<Member<'_>> = members
            .iter()
            .map(|(name, current, capacity)| Member { name, current: *current, capacity: *capacity, attributes: None })
            .collect();
        ask(&Request { key: &self.key, replicas: self.replicas, preferences: &self.preferences, members: &members })
    }

    /// What the planner answers.
    pub fn planned(&self) -> Numbers {
        let plan = self.ask(kfed_replica_scheduler::federation_v1::plan);
        let planned = plan.placements.iter().map(|placement| (placement.member.clone(), placement.planned)).collect();
        let overflow = plan.placements.iter().map(|placement| (placement.member.clone(), placement.overflow));
        Numbers { planned, overflow: overflow.filter(|(_, overflow)| *overflow != 0).collect() }
    }

    /// What the description of the algorithm gives, taken literally: maps, one step after the other, every round. Numbers of
    /// any size, as they are; only an answer beyond 64 bits is told as the last that 64 bits hold.
    pub fn by_the_book(&self) -> Numbers {
        self.by_the_book_within(usize::MAX).unwrap()
    }

    /// [`by_the_book`](Self::by_the_book), if it takes no more weighted rounds than so many.
    pub fn by_the_book_within(&self, mut rounds: usize) -> Option<Numbers> {
        let mut planned: BTreeMap<&str, i128> = BTreeMap::new();
        let mut overflow: BTreeMap<&str, i128> = BTreeMap::new();
        let mut game: Vec<(&str, ClusterPreferences)> = Vec::new();
        for (name, ..) in &self.members {
            planned.insert(name, 0);
            if let Some(preferences) = self.preferences.clusters.get(name).or(self.preferences.clusters.get("*")) {
                game.push((name, *preferences));
            }
        }
        let known = |(name, number): (&'_ String, Option<i64>)| Some((name.clone(), i128::from(number?)));
        let current: BTreeMap<String, i128> =
            self.members.iter().filter_map(|(name, current, _)| known((name, *current))).collect();
        let capacity: BTreeMap<String, i128> =
            self.members.iter().filter_map(|(name, _, capacity)| known((name, *capacity))).collect();
        let hash = |name: &str| {
            let bytes = name.bytes().chain(self.key.bytes());
            bytes.fold(2_166_136_261u32, |hash, byte| hash.wrapping_mul(16_777_619) ^ u32::from(byte))
        };
        game.sort_by_key(|(name, preferences)| (Reverse(preferences.weight), hash(name), *name));

        let mut remaining = i128::from(self.replicas);
        for (name, preferences) in &game {
            let mut give = i128::from(preferences.min_replicas).min(remaining);
            if let Some(capacity) = capacity.get(*name) {
                give = give.min(*capacity);
            }
            remaining -= give;
            planned.insert(name, give);
        }

        let mut preallocated: BTreeMap<&str, i128> = BTreeMap::new();
        if !self.preferences.rebalance {
            for (name, preferences) in &game {
                let planned = planned.get_mut(*name).unwrap();
                let Some(count) = current.get(*name).filter(|count| **count > *planned) else { continue };
                let mut target = *count;
                if let Some(max) = preferences.max_replicas {
                    target = target.min(max.into());
                }
                if let Some(capacity) = capacity.get(*name) {
                    target = target.min(*capacity);
                }
                let extra = (target - *planned).clamp(0, remaining);
                *planned += extra;
                remaining -= extra;
                preallocated.insert(name, extra);
            }
        }

        let mut changed = true;
        while changed && remaining > 0 {
            rounds = rounds.checked_sub(1)?;
            changed = false;
            let weights: i128 = game.iter().map(|(_, preferences)| i128::from(preferences.weight)).sum();
            if weights <= 0 {
                break;
            }
            let distributed = remaining;
            let mut open = Vec::new();
            for (name, preferences) in &game {
                let start = planned[*name];
                let mut extra = portion(distributed, preferences.weight, weights).min(remaining);
                let before = preallocated.entry(name).or_default();
                let used = extra.min(*before);
                *before = before.saturating_sub(used);
                extra -= used;
                changed |= used > 0;
                let mut total = start + extra;
                let mut full = false;
                if let Some(max) = preferences.max_replicas.map(i128::from).filter(|max| total > *max) {
                    total = max;
                    full = true;
                }
                if let Some(capacity) = capacity.get(*name).filter(|capacity| total > **capacity) {
                    overflow.insert(name, total - capacity);
                    total = *capacity;
                    full = true;
                }
                remaining -= total - start;
                changed |= total > start;
                planned.insert(name, total);
                if !full {
                    open.push((*name, *preferences));
                }
            }
            game = open;
        }
        if !self.preferences.rebalance {
            overflow.values_mut().for_each(|overflow| *overflow = (*overflow).min(remaining));
        }
        overflow.retain(|_, overflow| *overflow > 0);

        let told = |numbers: BTreeMap<&str, i128>| {
            let told = |number: i128| number.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            numbers.into_iter().map(|(name, number)| (name.to_owned(), told(number))).collect()
        };
        Some(Numbers { planned: told(planned), overflow: told(overflow) })
    }
}

/// (distributed · weight + weights - 1) / weights with truncating division, as v1 had it; that differs from rounding up for
/// negative weights only.
fn portion(distributed: i128, weight: i64, weights: i128) -> i128 {
    // A weight has 64 bits; in halves of 32 no product needs more than 128. What is saturated is more than ever remains.
    let (high, low) = (i128::from(weight.unsigned_abs() >> 32), i128::from(weight.unsigned_abs() & 0xFFFF_FFFF));
    let (whole, rest) = (distributed * high / weights, distributed * high % weights);
    let lower = (rest << 32) + distributed * low;
    let (whole, rest) = (whole.saturating_mul(1 << 32).saturating_add(lower / weights), lower % weights);
    if weight >= 0 { whole.saturating_add((rest > 0).into()) } else { -(whole - 1 + (rest + 1) / weights).max(0) }
}
