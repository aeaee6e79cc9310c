//! What is read, and what is found wrong with it.

use super::*;

fn policy(json: &str) -> PlacementPolicy {
    json.parse().unwrap()
}

/// Findings as people read them.
fn findings(json: &str) -> Vec<String> {
    policy(json).check(None).iter().map(ToString::to_string).collect()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_policy_is_read_in_full() {
    let read = policy(
        r#"{"mode": "proportional", "rebalance": true, "clusters": {"fed-west": {"minReplicas": 2, "weight": 1}},
            "maxMoves": 3, "clusterSelector": [{"key": "environment", "operator": "In", "values": ["prod"]}],
            "tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoSchedule"}],
            "groups": [{"name": "primary", "clusters": ["fed-west"]},
                {"name": "backup", "selector": [{"key": "role", "operator": "=", "values": ["backup"]}]}],
            "spread": [{"by": "zone", "maxSkew": 2, "minDomains": 3}, {"by": "region"}], "maxClusters": 4}"#,
    );
    assert_eq!(read.mode, Mode::Proportional);
    assert!(read.preferences.rebalance);
    assert_eq!(read.preferences.clusters["fed-west"].min_replicas, 2);
    assert_eq!((read.max_moves, read.max_clusters), (Some(3), Some(4)));
    assert_eq!(read.cluster_selector[0].to_string(), "environment in (prod)");
    assert_eq!(read.tolerations[0].effect, Some(TaintEffect::NoSchedule));
    assert_eq!(read.spread[0], Spread { by: Topology::Zone, max_skew: 2, min_domains: Some(3) });
    assert_eq!(read.spread[1], Spread { by: Topology::Region, max_skew: 1, min_domains: None });
    assert_eq!(read.group_of("fed-west", &BTreeMap::new()), Some(0));
    assert_eq!(read.group_of("fed-east", &labels(&[("role", "backup")])), Some(1));
    assert_eq!(read.group_of("fed-east", &BTreeMap::new()), None);
    assert_eq!(read.check(Some(&["fed-west"])), []);
}

#[test]
fn what_is_written_is_read_again_as_it_was() {
    for json in [
        "{}",
        r#"{"rebalance": true, "clusters": {"a": {"weight": 1, "maxReplicas": 3}}}"#,
        r#"{"mode": "proportional", "groups": [{"name": "g", "clusters": ["a"]}], "spread": [{"by": "region"}],
            "maxMoves": 1, "maxClusters": 2, "tolerations": [{"operator": "Exists"}],
            "clusterSelector": [{"key": "a", "operator": "!=", "values": ["b"]}, {"key": "c", "operator": "!"}]}"#,
    ] {
        let read = policy(json);
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(policy(&written), read, "{written}");
    }
}

#[test]
fn v1_preferences_are_a_policy_and_keys_match_whatever_their_case() {
    let read = policy(r#"{"Rebalance": null, "CLUSTERS": {"a": {"MinReplicas": 1, "Weight": 3}, "b": null}}"#);
    assert_eq!(read.mode, Mode::FederationV1);
    assert_eq!(read.preferences.of("a").map(|a| (a.min_replicas, a.weight)), Some((1, 3)));
    assert_eq!(read.preferences.of("b"), Some(&crate::preferences::ClusterPreferences::default()));
    let nulls = policy(
        r#"{"mode": null, "clusters": null, "maxMoves": null, "clusterSelector": null, "tolerations": null,
            "groups": null, "spread": null, "maxClusters": null}"#,
    );
    assert_eq!(nulls, PlacementPolicy::default());
}

#[test]
fn clusters_that_are_not_said_are_nobody_for_v1_and_everybody_beside_newer_keys() {
    assert_eq!(policy(r#"{"rebalance": true}"#).preferences.of("a"), None);
    assert_eq!(policy("{}").preferences.of("a"), None);
    assert_eq!(policy("null").preferences.of("a"), None);
    assert_eq!(policy(r#"{"maxClusters": 2}"#).preferences.of("a").map(|a| a.weight), Some(1));
    assert_eq!(policy(r#"{"maxClusters": 2, "clusters": {}}"#).preferences.of("a"), None);
    assert_eq!(PlacementPolicy::default().preferences.of("a").map(|a| a.weight), Some(1));
}

#[test]
fn mistakes_are_told_with_their_position() {
    for (json, line, column, message) in [
        ("{\"clusters\":\n {\"a\": {\"weight\": \"much\"}}}", 2, 24, "invalid type: string \"much\", expected i64"),
        ("{\"mode\": \"fair\"}", 1, 15, "unknown variant `fair`, expected `federation-v1` or `proportional`"),
        ("{\"maxMoves\": -1}", 1, 15, "invalid value: integer `-1`, expected u32"),
        ("{\"groups\": [\n1]}", 2, 1, "expected an object with `name`, `clusters` and `selector`"),
        ("{\"spread\": [{\"by\": \"rack\"}]}", 1, 25, "unknown variant `rack`, expected `region` or `zone`"),
        ("{\"clusters\": {}", 1, 15, "EOF"),
        ("[]", 1, 0, "expected an object with `rebalance`, `clusters` and other keys"),
    ] {
        let mistake = json.parse::<PlacementPolicy>().unwrap_err();
        assert!(mistake.to_string().contains(message), "{mistake}");
        assert_eq!((mistake.line(), mistake.column()), (line, column), "{mistake}");
    }
}

#[test]
fn unknown_keys_are_remembered_with_their_place_and_the_nearest_known_one() {
    let read = policy(
        r#"{"rebalanced": true, "note": 1, "clusters": {"a": {"wieght": 1, "weight": 2}},
            "Groups": [{"name": "g", "cluster": []}, {"selector": [{"operators": "In"}]}]}"#,
    );
    let told: Vec<_> = read.unknown_keys.iter().map(|key| (key.path.to_string(), key.nearest)).collect();
    let expected = [
        ("rebalanced", Some("rebalance")),
        ("note", None),
        ("clusters.a.wieght", Some("weight")),
        ("Groups[0].cluster", Some("clusters")),
        ("Groups[1].selector[0].operators", Some("operator")),
    ];
    assert_eq!(told, expected.map(|(path, nearest)| (path.to_owned(), nearest)));
}

#[test]
fn what_v1_accepted_is_a_warning_in_its_mode_and_an_error_beyond_it() {
    for (rest, path, message) in [
        (r#""clusters": {"a": {"minReplicas": -1, "weight": 1}}"#, "clusters.a.minReplicas", "-1 is negative"),
        (r#""clusters": {"a": {"maxReplicas": -2, "weight": 1}}"#, "clusters.a.maxReplicas", "-2 is negative"),
        (r#""clusters": {"a": {"weight": -3}, "b": {"weight": 1}}"#, "clusters.a.weight", "-3 is negative"),
        (
            r#""clusters": {"a": {"minReplicas": 4, "maxReplicas": 2, "weight": 1}}"#,
            "clusters.a.minReplicas",
            "the minimum of 4 is above the maximum of 2",
        ),
        (r#""clusters": {"a": {}}"#, "clusters", "no weight is above 0, and no minimum: nobody gets a replica"),
        (r#""clusters": {}"#, "clusters", "nobody gets a replica"),
        (r#""clusters": {"*": {"weight": 1}}, "Clutsers": {}"#, "Clutsers", "this key means nothing here"),
    ] {
        for (mode, severity) in [("federation-v1", Severity::Warning), ("proportional", Severity::Error)] {
            let found = policy(&format!(r#"{{"mode": "{mode}", {rest}}}"#)).check(None);
            let [finding] = found.as_slice() else { panic!("{rest}: {found:?}") };
            assert_eq!((finding.severity, finding.path.to_string().as_str()), (severity, path));
            assert!(finding.message.contains(message), "{finding}");
            assert!(!finding.remedy.is_empty());
        }
    }
}

#[test]
fn minimums_without_any_weight_are_a_warning_everywhere() {
    for mode in ["federation-v1", "proportional"] {
        let found = policy(&format!(r#"{{"mode": "{mode}", "clusters": {{"a": {{"minReplicas": 1}}}}}}"#)).check(None);
        assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Warning], "{mode}");
    }
}

#[test]
fn nonsense_that_v1_did_not_know_is_an_error_in_both_modes() {
    for (rest, finding) in [
        (
            r#""maxMoves": 0"#,
            "error: maxMoves: with 0 no replica ever moves, not even from a member that may not run it; \
             write 1 or more, or leave it out for no limit",
        ),
        (
            r#""maxClusters": 0"#,
            "error: maxClusters: with 0 no member may run a replica; write 1 or more, or leave it out for no limit",
        ),
        (
            r#""clusterSelector": [{"key": "a", "operator": "In"}]"#,
            "error: clusterSelector[0].values: operator In compares with values, and there are none; list them",
        ),
        (
            r#""clusterSelector": [{"key": "a", "operator": "=="}]"#,
            "error: clusterSelector[0].values: operators = and != compare with one value, and there are 0; \
             write one value, or operator In or NotIn",
        ),
        (
            r#""clusterSelector": [{"key": "a", "operator": "exists", "values": ["b"]}]"#,
            "error: clusterSelector[0].values: operator Exists compares with no values; leave them out",
        ),
        (
            r#""clusterSelector": [{"key": "a", "operator": ">", "values": ["b"]}]"#,
            "error: clusterSelector[0].values: operator Gt compares with one integer, and this is [b]; \
             write one, as text: [\"15\"]",
        ),
        (
            r#""clusterSelector": [{"operator": "!"}]"#,
            "error: clusterSelector[0].key: no label has an empty key; name a label of the members",
        ),
        (
            r#""tolerations": [{"value": "x"}]"#,
            "error: tolerations[0].operator: without a key it covers every taint, for which the operator must be Exists; \
             name the taint's key, or write operator Exists",
        ),
        (
            r#""tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]"#,
            "error: tolerations[0].value: operator Exists looks at no value; leave it out, or write operator Equal",
        ),
    ] {
        for mode in ["federation-v1", "proportional"] {
            assert_eq!(findings(&format!(r#"{{"mode": "{mode}", {rest}}}"#)), [finding], "{mode}");
        }
    }
}

#[test]
fn groups_and_spread_need_mode_proportional() {
    assert_eq!(
        findings(r#"{"groups": [{"name": "g", "clusters": ["a"]}], "spread": [{"by": "region"}]}"#),
        [
            "error: groups: mode federation-v1 knows no groups; write \"mode\": \"proportional\"",
            "error: spread: mode federation-v1 knows no spread; write \"mode\": \"proportional\"",
        ]
    );
}

#[test]
fn groups_and_spread_are_looked_into() {
    let json = r#"{"mode": "proportional",
        "groups": [{"name": "g", "clusters": ["a", "b"]}, {"name": "g", "clusters": ["b"]}, {},
            {"name": "h", "selector": [{"key": "", "operator": "Exists"}]}],
        "spread": [{"by": "region", "maxSkew": 0}, {"by": "region", "minDomains": 0}, {"by": "zone", "minDomains": 3}],
        "maxClusters": 2}"#;
    let paths: Vec<_> = policy(json).check(None).iter().map(|f| format!("{} {}", f.severity, f.path)).collect();
    assert_eq!(
        paths,
        [
            "error groups[1].name",
            "warning groups[1].clusters[0]",
            "error groups[2].name",
            "error groups[2]",
            "error groups[3].selector[0].key",
            "error spread[0].maxSkew",
            "error spread[1].by",
            "error spread[1].minDomains",
            "error spread[2].minDomains",
        ]
    );
}

#[test]
fn members_that_do_not_exist_may_join_later() {
    let json = r#"{"clusters": {"*": {"weight": 1}, "fed-wset": {"weight": 1}, "new": {"weight": 1}}}"#;
    let found = policy(json).check(Some(&["fed-west", "fed-east"]));
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "warning: clusters.fed-wset: no member is called fed-wset; did you mean fed-west?",
            "warning: clusters.new: no member is called new; it counts once a member of this name joins",
        ]
    );
    assert_eq!(policy(json).check(None), []);
}

#[test]
fn more_minimums_than_members_allowed_is_told() {
    let json = r#"{"maxClusters": 1, "clusters": {"a": {"minReplicas": 1, "weight": 1},
        "b": {"minReplicas": 1, "weight": 1}, "*": {"minReplicas": 1, "weight": 1}}}"#;
    assert_eq!(
        findings(json),
        ["warning: maxClusters: 2 members have a minimum, and only 1 may run replicas; write 2 or more",]
    );
}

/// The upstream table of v1's cluster selector, with every way to write an operator.
#[test]
fn the_selector_is_v1s() {
    let cluster = labels(&[("location", "europe"), ("environment", "prod"), ("version", "15"), ("text", "x")]);
    for (json, matches) in [
        (r#"[{"key": "location", "operator": "in", "values": ["europe"]}]"#, true),
        (
            r#"[{"key": "location", "operator": "in", "values": ["europe"]},
                {"key": "environment", "operator": "==", "values": ["prod"]}]"#,
            true,
        ),
        (
            r#"[{"key": "location", "operator": "in", "values": ["europe"]},
                {"key": "environment", "operator": "==", "values": ["test"]}]"#,
            false,
        ),
        (
            r#"[{"key": "location", "operator": "!=", "values": ["usa"]},
                {"key": "environment", "operator": "in", "values": ["prod"]}]"#,
            true,
        ),
        (r#"[{"key": "version", "operator": ">", "values": ["14"]}]"#, true),
        (r#"[{"key": "version", "operator": ">", "values": ["15"]}]"#, false),
        (r#"[{"key": "version", "operator": "gt", "values": ["14"]}]"#, true),
        (r#"[{"key": "version", "operator": "Gt", "values": ["15"]}]"#, false),
        (r#"[{"key": "version", "operator": "<", "values": ["16"]}]"#, true),
        (r#"[{"key": "version", "operator": "lt", "values": ["15"]}]"#, false),
        (r#"[{"key": "version", "operator": "Lt", "values": ["9"]}]"#, false),
        (r#"[{"key": "text", "operator": "Gt", "values": ["1"]}]"#, false),
        (r#"[{"key": "none", "operator": "Lt", "values": ["1"]}]"#, false),
        (r#"[{"key": "location", "operator": "In", "values": ["usa", "europe"]}]"#, true),
        (r#"[{"key": "location", "operator": "notin", "values": ["usa"]}]"#, true),
        (r#"[{"key": "location", "operator": "NotIn", "values": ["europe"]}]"#, false),
        (r#"[{"key": "none", "operator": "NotIn", "values": ["europe"]}]"#, true),
        (r#"[{"key": "none", "operator": "!=", "values": ["europe"]}]"#, true),
        (r#"[{"key": "location", "operator": "=", "values": ["europe"]}]"#, true),
        (r#"[{"key": "none", "operator": "=", "values": [""]}]"#, false),
        (r#"[{"key": "location", "operator": "exists"}]"#, true),
        (r#"[{"key": "none", "operator": "Exists"}]"#, false),
        (r#"[{"key": "none", "operator": "!"}]"#, true),
        (r#"[{"key": "location", "operator": "DoesNotExist"}]"#, false),
        ("[]", true),
    ] {
        let selector = parse_selector(json).unwrap();
        assert_eq!(selector.iter().all(|requirement| requirement.matches(&cluster)), matches, "{json}");
    }
    assert!(parse_selector(r#"[{"not able to parse",}]"#).is_err());
    let unknown = parse_selector(r#"[{"key": "a", "operator": "near", "values": []}]"#).unwrap_err();
    assert!(unknown.to_string().contains("unknown variant `near`"), "{unknown}");
}

#[test]
fn tolerations_cover_taints_as_in_kubernetes() {
    let taint = |key: &str, value: &str, effect| Taint { key: key.to_owned(), value: value.to_owned(), effect };
    let taint = taint("edge", "small", TaintEffect::NoSchedule);
    assert_eq!(taint.to_string(), "edge=small:NoSchedule");
    for (json, tolerated) in [
        (r#"{"key": "edge", "value": "small"}"#, true),
        (r#"{"key": "edge", "operator": "Equal", "value": "small", "effect": "NoSchedule"}"#, true),
        (r#"{"key": "edge", "value": "large"}"#, false),
        (r#"{"key": "edge"}"#, false),
        (r#"{"key": "edge", "operator": "Exists"}"#, true),
        (r#"{"key": "edge", "operator": "Exists", "effect": "NoExecute"}"#, false),
        (r#"{"key": "other", "operator": "Exists"}"#, false),
        (r#"{"operator": "Exists"}"#, true),
        (r#"{"operator": "Exists", "effect": "PreferNoSchedule"}"#, false),
    ] {
        let read = policy(&format!(r#"{{"tolerations": [{json}]}}"#));
        assert_eq!(read.tolerations[0].tolerates(&taint), tolerated, "{json}");
    }
}

#[test]
fn keys_that_stand_twice_are_told_with_the_severity_of_the_mode() {
    let json = |mode: &str| {
        format!(
            r#"{{{mode}"rebalance": false, "clusters": {{"x": {{"weight": 1, "Weight": 2}}, "y": {{}}, "x": {{"weight": 3}}}}, "rebalance": true,
                "tolerations": [{{"key": "a", "key": "b", "operator": "Exists"}}]}}"#
        )
    };
    for (mode, severity) in [("", Severity::Warning), (r#""mode": "proportional", "#, Severity::Error)] {
        let policy: PlacementPolicy = json(mode).parse().unwrap();
        assert!(policy.preferences.rebalance && policy.preferences.clusters["x"].weight == 3, "the last one counts");
        assert_eq!(policy.tolerations[0].key, "b");
        let findings = policy.check(None);
        let twice = findings.iter().filter(|finding| finding.message.contains("a second time"));
        let told: Vec<_> = twice.map(|finding| (finding.severity, finding.path.to_string())).collect();
        let paths = ["clusters.x.Weight", "clusters.x", "rebalance", "tolerations[0].key"];
        assert_eq!(told, paths.map(|path| (severity, path.to_owned())));
    }
}
