use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Outcome;
use super::change::{Changes, Replicas};
use super::cluster::Cluster;
use super::request::{Supplies, Workload};
use super::{answer, argument, cluster, request, table};
use crate::document::Reader;

/// What a file of this name and text holds, and what is said of it as `KIND PLACE: MESSAGE; HELP`.
fn read(name: &str, text: &str) -> (Vec<Workload>, Vec<String>) {
    read_with(name, text, &[])
}

/// The same, with what `--replicas` says.
fn read_with(name: &str, text: &str, replicas: &[Replicas]) -> (Vec<Workload>, Vec<String>) {
    let mut reader = Reader::default();
    let documents = reader.parse(name, text.as_bytes().to_vec()).unwrap_or_default();
    let workloads = request::read_all(documents, Supplies { clusters: None, replicas }, &mut reader);
    (workloads, reader.told())
}

/// The members in a file.
fn members(text: &str) -> (Vec<Cluster>, Vec<String>) {
    let mut reader = Reader::default();
    let mut nodes = Vec::new();
    reader.parse("in.json", text.into()).unwrap().into_iter().for_each(|node| request::flatten(node, &mut nodes));
    (cluster::read_all(&nodes, &mut reader), reader.told())
}

/// The member that an argument describes.
fn added(text: &str) -> Cluster {
    argument::read("--add", text, &mut Reader::default()).unwrap()
}

/// The only workload in a text of which there is nothing to say.
fn one(text: &str) -> Workload {
    let (mut workloads, said) = read("in.yaml", text);
    assert_eq!((workloads.len(), said), (1, Vec::<String>::new()), "{text}");
    workloads.remove(0)
}

fn outcome(workload: &Workload) -> Outcome {
    answer::plan(workload, false).0.into()
}

fn plan(workload: &Workload) -> Vec<(String, i64)> {
    outcome(workload).plan.into_iter().collect()
}

fn numbers(numbers: &[(&str, i64)]) -> Vec<(String, i64)> {
    numbers.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
}

#[derive(Deserialize)]
struct Case {
    name: String,
    preferences: Value,
    replicas: i64,
    clusters: Vec<String>,
    existing: BTreeMap<String, i64>,
    capacity: BTreeMap<String, i64>,
    key: String,
    expected: BTreeMap<String, i64>,
    expected_overflow: BTreeMap<String, i64>,
}

/// Preferences as a map, as an annotation's text, and in a manifest: each gives what v1 gave.
#[test]
fn every_case_of_v1_comes_out_as_it_did_from_a_file() {
    let cases = include_str!("../../../../fixtures/cases/planner_v1_cases.json");
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    assert_eq!(cases.len(), 40);
    for case in cases {
        let member = |name: &String| json!({"name": name, "current": case.existing.get(name), "capacity": case.capacity.get(name)});
        let clusters: Vec<_> = case.clusters.iter().map(member).collect();
        let text = case.preferences.to_string();
        let request = |preferences: &Value| {
            json!({"key": case.key, "replicas": case.replicas, "mode": "federation-v1",
                   "preferences": preferences, "clusters": clusters})
        };
        let annotations = json!({"federation.kubernetes.io/replica-set-preferences": text});
        let workload = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"replicas": case.replicas},
                              "metadata": {"name": "x", "annotations": annotations}});
        let requests = json!([
            request(&case.preferences),
            request(&json!(text)),
            {"workload": workload, "key": case.key, "clusters": clusters},
        ]);
        for (name, text) in
            [("in.json", requests.to_string()), ("in.yaml", serde_saphyr::to_string(&requests).unwrap())]
        {
            let (workloads, said) = read(name, &text);
            assert_eq!(workloads.len(), 3, "{}: {said:?}", case.name);
            for workload in &workloads {
                let Outcome { plan, overflow, unplaced, postponed, reasons } = outcome(workload);
                assert_eq!((&plan, &overflow), (&case.expected, &case.expected_overflow), "{}", case.name);
                assert_eq!(unplaced, case.replicas - plan.values().sum::<i64>(), "{}", case.name);
                assert_eq!(postponed, 0, "{}", case.name);
                assert!(reasons.keys().eq(plan.keys()) && reasons.values().all(|why| !why.is_empty()), "{}", case.name);
            }
        }
    }
}

#[test]
fn only_the_name_of_a_member_is_needed() {
    let workload = one("{key: '', replicas: 5, clusters: [a, {name: b}, {name: c, current: null, taints: null}]}");
    assert_eq!(plan(&workload), numbers(&[("a", 1), ("b", 2), ("c", 2)]), "absent preferences are an even spread");
    let all = one("
key: default/hostname
replicas: 9
clusters:
- {name: no, current: 4, capacity: 5, capacityAge: 1m30s, region: 1, zone: 01, labels: {tier: 1, empty: null}}
- {name: b, taints: [{key: k, value: v, effect: NoExecute}, k=v:NoSchedule, k:PreferNoSchedule]}
");
    let [no, b] = all.clusters.as_slice() else { panic!("{all:?}") };
    assert_eq!((no.name.as_str(), no.current, no.capacity), ("no", Some(4), Some(5)), "YAML takes `no` for false");
    let attributes = &no.attributes;
    assert_eq!((attributes.region.as_deref(), attributes.zone.as_deref()), (Some("1"), Some("01")), "as written");
    assert_eq!(attributes.labels, BTreeMap::from([("tier", "1"), ("empty", "")].map(|(k, v)| (k.into(), v.into()))));
    assert_eq!(attributes.capacity_age.map(|age| age.as_secs()), Some(90));
    let taints: Vec<_> = b.attributes.taints.iter().map(ToString::to_string).collect();
    assert_eq!(taints, ["k=v:NoExecute", "k=v:NoSchedule", "k:PreferNoSchedule"]);
}

#[test]
fn a_policy_stands_in_the_preferences_or_beside_them_and_beside_wins() {
    let policy = |text: &str| one(&format!("key: a/b\nreplicas: 3\nclusters: [x, y]\n{text}")).policy;
    let inside = policy("preferences: {mode: proportional, maxMoves: 2, clusters: {'*': {weight: 1}}}");
    assert_eq!(inside, policy("mode: proportional\nmaxMoves: 2\npreferences: {clusters: {'*': {weight: 1}}}"));
    assert_eq!(
        inside,
        policy("mode: proportional\nmaxMoves: 2"),
        "an even spread is what is taken without preferences"
    );
    let beside = policy("maxMoves: 3\npreferences: {Mode: proportional, MAXMOVES: 2, clusters: {'*': {weight: 1}}}");
    assert_eq!(beside.max_moves, Some(3));
}

#[test]
fn preferences_that_name_nobody_give_nobody_anything_as_in_v1() {
    for preferences in ["{}", "{clusters: {}}", "{rebalance: true}", "'{}'", "'null'"] {
        for mode in ["", "mode: federation-v1\n"] {
            let text = format!("key: a/b\nreplicas: 3\n{mode}clusters: [x, y]\npreferences: {preferences}\n");
            let (workloads, said) = read("in.yaml", &text);
            assert_eq!(plan(&workloads[0]), numbers(&[("x", 0), ("y", 0)]), "{text}");
            assert_eq!(outcome(&workloads[0]).unplaced, 3);
            assert!(said.len() == 1 && said[0].starts_with("warning "), "{text}: {said:?}");
        }
    }
}

#[test]
fn workloads_are_read_as_their_manifests_have_them() {
    let text = include_str!("../../tests/schedule/workloads.yaml");
    let (workloads, said) = read("in.yaml", text);
    assert_eq!(said, Vec::<String>::new());
    let read: Vec<_> = workloads.iter().map(|workload| (workload.key.as_str(), workload.replicas)).collect();
    assert_eq!(read, [("default/hostname", 9), ("shop/web", 1), ("default/once", 4)], "the Service is passed over");
    assert!(workloads[0].policy.preferences.rebalance);
    assert_eq!(workloads[1].policy, kfed_api::policy::PlacementPolicy::default());
    assert_eq!(workloads[2].policy.preferences.clusters.len(), 1);

    let selected = one(r#"
workload:
  apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: web
    annotations:
      federation.alpha.kubernetes.io/cluster-selector: '[{"key": "tier", "operator": "in", "values": ["gold"]}]'
      kfed.io/placement: '{"x":{"ready":1,"replicas":2,"why":"2 for its weight"},"y":{"why":"it is dead"},"z":{"ready":1,"replicas":1}}'
  spec: {replicas: 4}
clusters: [{name: x, labels: {tier: gold}}, {name: y, labels: {tier: tin}}, {name: z, current: 0, labels: {tier: gold}}]
"#);
    let current: Vec<_> = selected.members().iter().map(|member| member.current).collect();
    assert_eq!(current, [Some(2), None, Some(0)], "kfed notes on an object where it runs");
    assert_eq!(plan(&selected), numbers(&[("x", 2), ("y", 0), ("z", 2)]));
}

#[test]
fn lists_documents_and_lines_of_json_are_all_read_in_order() {
    let request = |key: &str| format!(r#"{{"key": "{key}", "replicas": 1, "clusters": ["x"]}}"#);
    let (a, b) = (request("a"), request("b"));
    for (name, text) in [
        ("in.yaml", format!("[{a}, {b}]")),
        ("in.yaml", format!("- {a}\n- {b}\n")),
        ("in.yaml", format!("---\n{a}\n---\n# nothing\n---\n{b}\n...\n")),
        ("in.json", format!("{a}\n{b}\n")),
        ("in.json", format!("\u{feff}[\t{a},\r\n\t[{b}]]")),
        ("in.json", format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{a}, {b}]}}"#)),
        ("stdin", format!("{a}\t{b}")),
    ] {
        let (workloads, said) = read(name, &text);
        assert_eq!(said, Vec::<String>::new(), "{text}");
        let keys: Vec<_> = workloads.iter().map(|workload| workload.key.as_str()).collect();
        assert_eq!(keys, ["a", "b"], "{text}");
    }
}

#[test]
fn members_are_also_read_from_the_federations_clusters_where_they_take_replicas() {
    let object = |name: &str, spec: Value, ready: &str, offline: &str| {
        let conditions = json!([
            {"type": "Offline", "status": offline},
            {"type": "Ready", "status": ready, "reason": "ClusterNotReady", "message": "/readyz answers 500"},
        ]);
        json!({"apiVersion": "kfed.io/v1beta1", "kind": "Cluster", "metadata": {"name": name, "labels": {"tier": "gold"}}, "spec": spec,
               "status": {"region": "westus", "zones": ["1", "2"], "conditions": conditions}})
    };
    let mut silent = object("new", json!({}), "", "");
    silent["status"] = Value::Null;
    let mut deleted = object("gone", json!({}), "True", "False");
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let items = [
        object("fed-west", json!({"taints": [{"key": "edge", "effect": "NoSchedule"}]}), "True", "False"),
        object("dead", json!({}), "False", "True"),
        object("ill", json!({}), "False", "False"),
        object("leaving", json!({"unjoin": {"force": false}}), "True", "False"),
        deleted,
        silent,
    ];
    let (clusters, told) = members(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string());
    let [west] = clusters.as_slice() else { panic!("{clusters:?}") };
    assert_eq!((west.name.as_str(), west.attributes.region.as_deref()), ("fed-west", Some("westus")));
    assert_eq!((west.attributes.zone.as_deref(), west.attributes.labels["tier"].as_str()), (Some("1"), "gold"));
    assert_eq!(west.attributes.taints[0].to_string(), "edge:NoSchedule");
    let expected = [
        "dead is left out: it is Offline;",
        "ill is left out: it is not Ready: /readyz answers 500;",
        "leaving is left out: it is about to leave;",
        "gone is left out: it is about to leave;",
        "new is left out: it is not Ready;",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with("warning in.json:1:") && told.contains(expected), "{told}");
    }
}

/// A request with `line` in place of what is usual.
fn with(line: &str) -> String {
    format!("key: a/b\nreplicas: 3\nclusters: [x, y]\n{line}\n")
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_would_be_right() {
    let annotated = |json: &str| {
        format!(
            "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: x\n  annotations:\n    federation.kubernetes.io/replica-set-preferences: '{json}'\n"
        )
    };
    let annotation = "annotation federation.kubernetes.io/replica-set-preferences";
    let cases = [
        (with("replcas: 4"), "error in.yaml:4:1: a request has no key `replcas`; did you mean `replicas`?"),
        (with("rebalance: true"), "error in.yaml:4:1: a request has no key `rebalance`; it stands in `preferences`"),
        (with("replicas: 4"), "error in.yaml:4:1: `replicas` stands here a second time"),
        (with("preferences: [1]"), "error in.yaml:4:14: preferences are a map, not a list"),
        (
            with("preferences: {rebalance: maybe}"),
            r#"error in.yaml:4:26: true or false belongs here, not the text "maybe""#,
        ),
        (
            with("preferences: {clusters: {x: {weight: 1.5}}}"),
            "error in.yaml:4:38: a whole number belongs here, not the number 1.5",
        ),
        (
            with("preferences: {clusters: {x: {weight: 99999999999999999999}}}"),
            "error in.yaml:4:38: a whole number belongs here",
        ),
        (with("mode: federation-v2"), "error in.yaml:4:7: `federation-v2` is none of federation-v1, proportional"),
        (with("maxMoves: -1"), "error in.yaml:4:11: a whole number from 0 on belongs here, not the number -1"),
        (
            with("preferences: {clusters: {*: {weight: 1}}}"),
            "this is no YAML: alias references unknown anchor; `*` has a meaning",
        ),
        (with("\tmode: x"), "never with tabs"),
        ("key: a/b\nclusters: [x]\n".to_owned(), "error in.yaml:1:1: this request does not say how many `replicas`"),
        ("replicas: 3\nclusters: [x]\n".to_owned(), "warning in.yaml:1:1: this request has no `key`"),
        (
            "{key: a/b, replicas: many, clusters: [x]}".to_owned(),
            r#"error in.yaml:1:22: a whole number belongs here, not the text "many""#,
        ),
        ("{key: a/b, replicas: '3', clusters: [x]}".to_owned(), "drop its quotes"),
        (
            "{key: a/b, replicas: 99999999999999999999, clusters: [x]}".to_owned(),
            "error in.yaml:1:22: this number is too large",
        ),
        (
            "{key: a/b, replicas: 3, clusters: {x: {current: 1}}}".to_owned(),
            "error in.yaml:1:35: a list of the available members belongs here",
        ),
        (
            "{key: a/b, replicas: 3, clusters: [x,\n {name: x}]}".to_owned(),
            "error in.yaml:2:9: the member x stands here a second time; it is in line 1",
        ),
        ("{key: a/b, replicas: 3, clusters: [{current: 1}]}".to_owned(), "error in.yaml:1:36: this member has no name"),
        (
            "{key: a/b, replicas: 3, clusters: [x y]}".to_owned(),
            r#"error in.yaml:1:36: the text "x y" is no member's name; it has no blanks or slashes"#,
        ),
        (
            "{key: a/b, replicas: 3, clusters: [{name: cluster.kfed.io/x}]}".to_owned(),
            r#"error in.yaml:1:43: the text "cluster.kfed.io/x" is no member's name"#,
        ),
        (
            "{key: a/b, replicas: 3, clusters: [{name: x, capcity: 1}]}".to_owned(),
            "a member has no key `capcity`; did you mean `capacity`?",
        ),
        (
            "{key: a/b, replicas: 3, clusters: [{name: x, current: -1}]}".to_owned(),
            "error in.yaml:1:55: replicas that run cannot be negative",
        ),
        (
            "{key: a/b, replicas: 3, clusters: [{name: x, capacityAge: 5}]}".to_owned(),
            "error in.yaml:1:59: `5` is no duration; write a number with its unit",
        ),
        (
            "{key: a/b, replicas: 3, clusters: [{name: x, taints: ['k:NoSched']}]}".to_owned(),
            "did you mean `NoSchedule`?",
        ),
        ("just text".to_owned(), r#"error in.yaml:1:1: a request belongs here, not the text "just text""#),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: x}}".to_owned(),
            "no Service is planned; of these there is a plan",
        ),
        ("{key: a/b, workload: {kind: Service}, clusters: []}".to_owned(), "this is no manifest of a workload"),
        (
            annotated(r#"{"rebalance": yes}"#),
            &format!("error in.yaml:6:55: {annotation}, line 1, column 15: this is no JSON: `yes` is no value"),
        ),
        (
            annotated(r#"{"clusters": {"x": {"weight": "1"}}}"#),
            &format!("error in.yaml:6:55: {annotation}, line 1, column 31: a whole number belongs here"),
        ),
        (
            annotated(r#"{"clusters": {},}"#),
            "line 1, column 17: this is no JSON: there is a comma too many before this",
        ),
        (annotated("{} {}"), "line 1, column 4: this stands behind the end of the JSON"),
        (annotated(""), "is empty"),
        ("[null, 3]".to_owned(), "error in.yaml:1:8: a request belongs here, not the number 3"),
        (
            annotated("{}").replace("federation.kubernetes.io/replica-set-preferences: '{}'", "kfed.io/placement: x=3"),
            "warning in.yaml:6:24",
        ),
    ];
    for (text, expected) in &cases {
        let (_, said) = read("in.yaml", text);
        assert!(said.iter().any(|said| said.contains(expected)), "{text}\n{expected}\n{said:#?}");
    }
}

#[test]
fn what_v1_accepted_is_a_warning_in_its_mode_and_an_error_beyond() {
    for (preferences, expected) in [
        ("{clusters: {x: {weight: -1}, y: {weight: 1}}}", "4:30: clusters.x.weight: -1 is negative"),
        (
            "{clusters: {x: {minReplicas: 4, maxReplicas: 2, weight: 1}}}",
            "4:30: clusters.x.minReplicas: the minimum of 4",
        ),
        (
            "{clusters: {x: {wieght: 1}, y: {weight: 1}}}",
            "4:30: clusters.x.wieght: this key means nothing here; did you mean weight?",
        ),
        ("{clusters: {x: {weight: 0}}}", "4:15: clusters: no weight is above 0"),
        (
            "'{\"clusters\": {\"x\": {\"weight\": 1}, \"x\": {\"weight\": 2}}}'",
            "column 35: clusters.x: this key stands here a second time; the last one counts",
        ),
    ] {
        let (workloads, said) = read("in.yaml", &with(&format!("preferences: {preferences}")));
        assert_eq!(workloads.len(), 1, "{preferences}: {said:?}");
        assert!(said.iter().all(|said| said.starts_with("warning ")), "{said:?}");
        assert!(said.iter().any(|said| said.contains(expected)), "{expected}\n{said:#?}");
    }
    let (workloads, said) =
        read("in.yaml", &with("preferences: {mode: proportional, clusters: {x: {wieght: 1}, y: {weight: 1}}}"));
    assert!(workloads.is_empty() && said[0].starts_with("error in.yaml:4:50: clusters.x.wieght"), "{said:?}");
    let negative = |mode: &str| format!("{{key: a/b, replicas: 3, {mode}clusters: [{{name: x, capacity: -2}}, y]}}");
    let (workloads, said) = read("in.yaml", &negative(""));
    assert_eq!(plan(&workloads[0]), numbers(&[("x", -2), ("y", 5)]), "as v1 had it");
    assert!(said.len() == 1 && said[0].starts_with("warning in.yaml:1:56: a negative capacity"), "{said:?}");
    let (_, said) = read("in.yaml", &negative("mode: proportional, "));
    assert!(said[0].starts_with("error in.yaml:1:76: a capacity cannot be negative; write 0 or more"), "{said:?}");
    let (workloads, said) = read("in.yaml", "{key: a/b, replicas: -3, clusters: [x]}");
    assert!(workloads.len() == 1 && said[0].starts_with("warning in.yaml:1:22"), "{said:?}");
    let (workloads, said) = read("in.yaml", "{key: a/b, replicas: -3, mode: proportional, clusters: [x]}");
    assert!(workloads.is_empty() && said[0].starts_with("error in.yaml:1:22"), "{said:?}");
}

#[test]
fn a_key_that_stands_twice_in_preferences_alone_is_what_it_is_in_an_annotation() {
    let replicas: [Replicas; 1] = ["a/b=3".parse().unwrap()];
    let twice = |mode: &str| {
        format!(r#"{{"rebalance": false, {mode}"clusters": {{"x": {{"weight": 1, "weight": 2}}}}, "rebalance": true}}"#)
    };
    let (workloads, said) = read_with("in.json", &twice(""), &replicas);
    let preferences = &workloads[0].policy.preferences;
    assert!(preferences.rebalance && preferences.clusters["x"].weight == 2, "the last one counts, as in v1");
    assert!(said.len() == 2 && said.iter().all(|said| said.starts_with("warning ")), "{said:?}");
    let (workloads, said) = read_with("in.json", &twice(r#""mode": "proportional", "#), &replicas);
    assert!(workloads.is_empty() && said.iter().all(|said| said.starts_with("error ")), "{said:?}");
}

#[test]
fn the_items_of_a_list_of_one_kind_need_not_say_it() {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    let clusters = json!({"kind": "ClusterList", "items": [{"metadata": {"name": "x"}, "status": ready}]});
    let (members, said) = members(&clusters.to_string());
    assert_eq!((members.len(), members[0].name.as_str(), said), (1, "x", Vec::new()));
    let deployment = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": 4}});
    let workload = one(&json!({"kind": "DeploymentList", "items": [deployment]}).to_string());
    assert_eq!((workload.key.as_str(), workload.replicas), ("shop/web", 4));
    let (_, said) = read("in.json", r#"{"kind": "ServiceList", "items": [{"metadata": {"name": "web"}}]}"#);
    assert!(said[0].contains("no Service is planned"), "{said:?}");
}

#[test]
fn numbers_at_the_end_of_64_bits_are_added_up_and_compared() {
    let (most, least) = (i64::MAX, i64::MIN);
    let cluster = |name: &str| format!("{{name: {name}, current: {most}}}");
    let clusters = [cluster("x"), cluster("y"), format!("{{name: z, current: {most}, capacity: {least}}}")].join(", ");
    let (workloads, _) = read("in.yaml", &format!("{{key: a/b, replicas: {most}, clusters: [{clusters}]}}"));
    let text = |out: Vec<u8>| String::from_utf8(out).unwrap();

    let (plan, explanation) = answer::plan(&workloads[0], true);
    let mut out = Vec::new();
    table::Plans::begin(&workloads, &mut out).and_then(|table| table.write(&workloads[0], &plan, &mut out)).unwrap();
    let (table, runs) = (text(out), (3 * i128::from(most)).to_string());
    assert!(table.contains(&runs) && table.contains(" -18446744073709551615 "), "{table}");
    assert!(explanation.unwrap().contains(&format!("{runs} run now")));

    let (remove, add) = (["z".to_owned()], [added("z")]);
    let changes = Changes { remove: &remove, add: &add, ..Changes::default() };
    let (difference, changed) = answer::differences(&workloads, &changes, false).next().unwrap();
    assert_eq!(difference.changes["z"], most, "the nearest that 64 bits hold");
    let (mut table, mut out) = (table::Differences::default(), Vec::new());
    table.add(&difference, &changed);
    table.write(&mut out).unwrap();
    assert!(text(out).contains(" +9223372036854775808 "));
}

#[test]
fn what_is_wrong_with_a_policy_is_told_in_the_order_of_the_file() {
    let text = with(
        "mode: proportional
groups: [{name: a, clusters: [x, z]}, {name: a}]
tolerations: [{key: k, operater: Exists}]
preferences: {clusters: {x: {minReplicas: 2, maxReplicas: 1, weight: 1}}}",
    );
    let (workloads, said) = read("in.yaml", &text);
    assert!(workloads.is_empty());
    let places: Vec<_> = said.iter().filter_map(|said| said.split(": ").next()).collect();
    let expected = [
        "warning in.yaml:5:34",
        "error in.yaml:5:39",
        "error in.yaml:5:40",
        "error in.yaml:6:24",
        "error in.yaml:7:30",
    ];
    assert_eq!(places, expected, "{said:#?}");
}

#[test]
fn what_runs_on_a_removed_member_is_lost_and_on_the_others_kept() {
    let workload = one("
key: default/hostname
replicas: 9
clusters: [{name: west, current: 5}, {name: east, current: 4}, {name: north, current: 0, capacity: 2}]
");
    let change =
        |changes: Changes<'_>| changes.check(std::slice::from_ref(&workload)).map(|()| plan(&changes.apply(&workload)));
    assert_eq!(plan(&workload), numbers(&[("east", 4), ("north", 0), ("west", 5)]));
    let remove = ["west".to_owned()];
    let removed = change(Changes { remove: &remove, ..Changes::default() }).unwrap();
    assert_eq!(removed, numbers(&[("east", 7), ("north", 2)]));
    let add = [added("south,capacity=1")];
    let replicas: [Replicas; 1] = ["default/hostname=10".parse().unwrap()];
    let grown = change(Changes { remove: &[], add: &add, replicas: &replicas }).unwrap();
    assert_eq!(grown.iter().map(|(_, number)| number).sum::<i64>(), 10);
    assert!(grown.iter().any(|(name, _)| name == "south"), "{grown:?}");
    let again = [added("west,capacity=1")];
    let replaced = change(Changes { remove: &remove, add: &again, ..Changes::default() }).unwrap();
    assert_eq!(replaced, numbers(&[("east", 6), ("north", 2), ("west", 1)]), "a member may be replaced");

    let west = [added("west")];
    let twice = [added("south"), added("south")];
    let (wst, far) = (["wst".to_owned()], ["paris".to_owned()]);
    let other: [Replicas; 1] = ["default/hostnam=10".parse().unwrap()];
    for (changes, says) in [
        (Changes { remove: &wst, ..Changes::default() }, "there is no member wst to remove; did you mean `west`?"),
        (Changes { remove: &far, ..Changes::default() }, "no member paris to remove; there are east, north, west"),
        (Changes { add: &west, ..Changes::default() }, "default/hostname has a member west already"),
        (Changes { add: &twice, ..Changes::default() }, "--add names south twice"),
        (
            Changes { replicas: &other, ..Changes::default() },
            "no request default/hostnam to scale; did you mean `default/hostname`?",
        ),
    ] {
        let wrong = change(changes).unwrap_err().to_string();
        assert!(wrong.contains(says), "{wrong}");
    }
    for wrong in ["-1", "a=-1", "many", "a=", ""] {
        assert!(wrong.parse::<Replicas>().is_err(), "{wrong}");
    }
}
