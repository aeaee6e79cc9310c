//! Inputs for the replica planner: those that Federation v1's planner was measured with, and the two everyday cases.

use std::collections::BTreeMap;
use std::path::Path;

use kfed_api::preferences::{ClusterPreferences, ReplicaPreferences};
use kfed_replica_scheduler::Member;
use kfed_replica_scheduler::federation_v1::Request;
use serde::Deserialize;

/// A request that owns its parts.
#[derive(Debug, Clone)]
pub struct Input {
    /// What is measured, and over how many members: `rebalance/100`.
    pub name: String,
    key: String,
    replicas: i64,
    preferences: ReplicaPreferences,
    members: Vec<(String, Option<i64>, Option<i64>)>,
}

/// The inputs of v1's baseline, from the fixtures.
///
/// # Panics
/// If the fixture is missing or not as described in its README.
pub fn baseline() -> Vec<Input> {
    /// Member, weight, minimum, maximum, existing, capacity, and v1's answer.
    type Row = (String, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>, i64, Option<i64>);
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        name: String,
        rebalance: bool,
        replicas: i64,
        key: String,
        star_weight: Option<i64>,
        rows: Vec<Row>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cases/planner_bench_inputs.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let input = |case: Case| {
        let star = case.star_weight.map(|weight| ("*".to_owned(), ClusterPreferences { weight, ..Default::default() }));
        let own = case.rows.iter().filter_map(|(name, weight, min, max, ..)| {
            let preferences =
                ClusterPreferences { weight: (*weight)?, min_replicas: min.unwrap_or(0), max_replicas: *max };
            Some((name.clone(), preferences))
        });
        Input {
            preferences: ReplicaPreferences { rebalance: case.rebalance, clusters: own.chain(star).collect() },
            members: case
                .rows
                .into_iter()
                .map(|(name, _, _, _, existing, capacity, ..)| (name, existing, capacity))
                .collect(),
            name: case.name,
            key: case.key,
            replicas: case.replicas,
        }
    };
    file.cases.into_iter().map(input).collect()
}

/// What v1's planner took for an input, in ns.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct V1Speed {
    /// The median.
    pub median: f64,
    /// The least, where it was recorded.
    pub least: Option<f64>,
}

/// v1's figures by [`Input::name`], from the fixtures.
///
/// # Panics
/// If the fixture is missing or not as described in its README.
pub fn v1_speed() -> BTreeMap<String, V1Speed> {
    #[derive(Deserialize)]
    struct File {
        cases: BTreeMap<String, V1Speed>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cases/planner_v1_speed.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.cases
}

/// All inputs: v1's baseline, and the everyday cases over as many members.
pub fn all() -> Vec<Input> {
    let sizes = [2, 10, 100, 1_000, 5_000];
    let mut inputs = baseline();
    inputs.extend(sizes.map(|members| steady_state(members, 100)));
    let existing = [10, 100, 1_000];
    inputs.extend(sizes.into_iter().flat_map(|members| existing.map(|existing| scale_up_by_one(members, existing))));
    inputs
}

/// Nothing to do: `existing` replicas in each of `members`, and as many wanted.
pub fn steady_state(members: usize, existing: i64) -> Input {
    Input { name: format!("steady/{members}"), ..even(members, existing, 0) }
}

/// One replica more than the `existing` ones in each of `members`.
pub fn scale_up_by_one(members: usize, existing: i64) -> Input {
    Input { name: format!("scale-up-by-one/{members}/{existing}"), ..even(members, existing, 1) }
}

fn even(members: usize, existing: i64, more: i64) -> Input {
    let star = ClusterPreferences { weight: 1, ..Default::default() };
    let members: Vec<_> = (0..members).map(|at| (format!("cluster-{at:05}"), Some(existing), None)).collect();
    Input {
        name: String::new(),
        key: "default/hostname".to_owned(),
        replicas: members.len() as i64 * existing + more,
        preferences: ReplicaPreferences { rebalance: false, clusters: BTreeMap::from([("*".to_owned(), star)]) },
        members,
    }
}

impl Input {
    /// The members, borrowed for [`Input::request`].
    pub fn members(&self) -> Vec<Member<'_>> {
        self.members
            .iter()
            .map(|(name, current, capacity)| Member { name, current: *current, capacity: *capacity, attributes: None })
            .collect()
    }

    /// The request over `members`.
    pub fn request<'a>(&'a self, members: &'a [Member<'a>]) -> Request<'a> {
        Request { key: &self.key, replicas: self.replicas, preferences: &self.preferences, members }
    }
}
