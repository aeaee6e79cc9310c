//! Explanations of situations in which somebody is woken up: `tests/explain/*.txt`.
//!
//! With `UPDATE_EXPLANATIONS=1` the files are written anew; look at what changes.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::Path;
use std::time::Duration;

use kfed_api::policy::{PlacementPolicy, Taint, TaintEffect};
use kfed_replica_scheduler::{Attributes, Member, Request, explain, schedule};

#[derive(Debug, Clone, Default)]
struct Cluster {
    name: String,
    current: Option<i64>,
    capacity: Option<i64>,
    attributes: Attributes,
}

fn cluster(name: impl Into<String>, region: &str) -> Cluster {
    let attributes = Attributes { region: Some(region.to_owned()), ..Attributes::default() };
    Cluster { name: name.into(), attributes, ..Cluster::default() }
}

impl Cluster {
    fn member(&self) -> Member<'_> {
        let Self { name, current, capacity, attributes } = self;
        Member { name, current: *current, capacity: *capacity, attributes: Some(attributes) }
    }

    fn runs(self, current: i64) -> Self {
        Self { current: Some(current), ..self }
    }

    fn fits(mut self, capacity: i64, age: u64) -> Self {
        self.attributes.capacity_age = Some(Duration::from_secs(age));
        Self { capacity: Some(capacity), ..self }
    }

    fn label(mut self, key: &str, value: &str) -> Self {
        self.attributes.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn taint(mut self, key: &str, value: &str, effect: TaintEffect) -> Self {
        self.attributes.taints.push(Taint { key: key.to_owned(), value: value.to_owned(), effect });
        self
    }
}

/// Compares the explanation with the file, and gives it.
fn told(file: &str, replicas: i64, policy: &str, clusters: &[Cluster]) -> String {
    let policy: PlacementPolicy = policy.parse().unwrap();
    assert_eq!(policy.check(None), []);
    let members: Vec<_> = clusters.iter().map(Cluster::member).collect();
    let request = Request { key: "shop/checkout", replicas, policy: &policy, members: &members };
    let text = explain(&schedule(&request), &request);
    assert!(text.lines().count() <= 20, "{text}");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain").join(file);
    if std::env::var_os("UPDATE_EXPLANATIONS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, expected, "{file}");
    text
}

#[test]
fn the_primary_region_is_gone_and_the_backup_is_full() {
    let policy = r#"{
        "mode": "proportional",
        "clusters": {"*": {"weight": 1}, "northeurope": {"weight": 1, "minReplicas": 2},
            "burst-spot": {"weight": 1, "maxReplicas": 4}},
        "groups": [{"name": "primary", "clusters": ["westeurope-1", "westeurope-2"]},
            {"name": "backup", "clusters": ["northeurope"]}, {"name": "burst", "clusters": ["burst-spot"]}]
    }"#;
    let clusters =
        [cluster("northeurope", "northeurope").runs(2).fits(10, 40), cluster("burst-spot", "eastus").fits(30, 900)];
    let text = told("primary-region-gone.txt", 20, policy, &clusters);
    assert!(text.contains("6 replicas found no place"));
}

#[test]
fn the_primary_is_back_and_takes_its_replicas_over_step_by_step() {
    let policy = r#"{
        "mode": "proportional", "maxMoves": 4,
        "clusters": {"*": {"weight": 1}, "northeurope": {"weight": 1, "minReplicas": 2}},
        "groups": [{"name": "primary", "clusters": ["westeurope-1", "westeurope-2"]},
            {"name": "backup", "clusters": ["northeurope"]}]
    }"#;
    let clusters = [
        cluster("northeurope", "northeurope").runs(20),
        cluster("westeurope-1", "westeurope").runs(0),
        cluster("westeurope-2", "westeurope"),
    ];
    let text = told("primary-region-back.txt", 20, policy, &clusters);
    assert!(text.contains("14 moves to go"));
}

#[test]
fn a_region_is_full_and_skew_holds_the_others_back() {
    let policy = r#"{
        "mode": "proportional", "rebalance": true, "clusters": {"*": {"weight": 1}},
        "spread": [{"by": "region", "maxSkew": 2}]
    }"#;
    let clusters = [
        cluster("eastus-1", "eastus").runs(5),
        cluster("eastus-2", "eastus").runs(5),
        cluster("westeurope-1", "westeurope").runs(3).fits(3, 7_500),
        cluster("westus-1", "westus").runs(7),
        Cluster { attributes: Attributes::default(), ..cluster("lab", "") },
    ];
    let text = told("skew-holds-back.txt", 24, policy, &clusters);
    assert!(text.contains("maxSkew"));
}

#[test]
fn maintenance_empties_one_member_and_fills_the_others() {
    let policy = r#"{
        "rebalance": false, "maxMoves": 3,
        "clusters": {"*": {"weight": 1, "maxReplicas": 8}, "fed-west": {"weight": 2}}
    }"#;
    let clusters = [
        cluster("fed-east", "eastus").runs(6),
        cluster("fed-north", "northcentralus").runs(6).taint("certificate", "expiring", TaintEffect::NoSchedule),
        cluster("fed-south", "southcentralus").runs(4).fits(5, 75),
        cluster("fed-west", "westus").runs(12).taint("maintenance", "tonight", TaintEffect::NoExecute),
    ];
    let text = told("maintenance.txt", 28, policy, &clusters);
    assert!(text.contains("maintenance=tonight:NoExecute"));
}

#[test]
fn five_hundred_members_fit_on_one_screen() {
    let policy = r#"{
        "mode": "proportional", "rebalance": true,
        "clusterSelector": [{"key": "environment", "operator": "In", "values": ["prod"]}],
        "clusters": {"*": {"weight": 1}, "edge-007": {"weight": 40, "maxReplicas": 25}, "edge-042": {"weight": 9}}
    }"#;
    let clusters: Vec<_> = (0..500)
        .map(|at| {
            let cluster = cluster(format!("edge-{at:03}"), "anywhere").runs(at % 5);
            let cluster = cluster.label("environment", if at % 10 == 3 { "test" } else { "prod" });
            match at {
                ..100 => cluster,
                100..120 => cluster.fits(at % 7, 120),
                120..123 => cluster.taint("disk", "full", TaintEffect::NoSchedule),
                _ => cluster,
            }
        })
        .collect();
    let text = told("five-hundred-members.txt", 3_000, policy, &clusters);
    assert!(text.contains("edge-007"));
}

#[test]
fn no_member_at_all_is_a_sentence_too() {
    let policy = PlacementPolicy::default();
    let request = Request { key: "shop/checkout", replicas: 3, policy: &policy, members: &[] };
    assert_eq!(
        explain(&schedule(&request), &request),
        "shop/checkout: 3 replicas over 0 members, mode federation-v1, without rebalancing\n\
         none run now; 0 planned in 0 members, 3 without a place\n\
         3 replicas found no place. No member takes replicas: see whether members are Ready.\n"
    );
}

#[test]
fn the_limit_behind_the_first_one_is_told_where_replicas_are_left() {
    let help = |policy: &str, clusters: &[Cluster]| {
        let policy: PlacementPolicy = policy.parse().unwrap();
        let members: Vec<_> = clusters.iter().map(Cluster::member).collect();
        let request = Request { key: "shop/checkout", replicas: 20, policy: &policy, members: &members };
        let text = explain(&schedule(&request), &request);
        text.split_once("What would help:\n").unwrap().1.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    for mode in ["federation-v1", "proportional"] {
        let at_most_4 = &format!(r#"{{"mode": "{mode}", "clusters": {{"*": {{"weight": 1, "maxReplicas": 4}}}}}}"#);
        let full = [cluster("x", "r").fits(5, 1), cluster("y", "r").fits(4, 1)];
        assert_eq!(help(at_most_4, &full), ["raise maxReplicas of x, y", "then add nodes to x, y"], "{mode}");
        let roomy = [cluster("x", "r"), cluster("y", "r").fits(4, 1)];
        assert_eq!(help(at_most_4, &roomy), ["raise maxReplicas of x, y"], "{mode}");
        let at_most_8 = &at_most_4.replace('4', "8");
        assert_eq!(help(at_most_8, &full), ["add nodes to x, y", "then raise maxReplicas of x, y"], "{mode}");
    }
}
