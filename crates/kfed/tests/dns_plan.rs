//! `kfed dns plan -f`, as a process: what it prints, and which code it ends with.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};
use support::{kfed, outcome, words};

/// Two clusters that serve `hostname`, in an empty zone.
const FLEET: &str = r#"
federation: myfederation
zone: example.com
ttl: 180
clusters:
- {name: c1, region: westus, zones: ["1"], ready: true}
- {name: c2, region: eastus, zones: [1, 2]}
services:
- name: hostname
  namespace: default
  type: LoadBalancer
  clusters:
    c1: {ingress: [{ip: 192.0.2.1}], readyEndpoints: 3}
    c2: {ingress: [{ip: 192.0.2.2}], readyEndpoints: 1}
records: []
"#;

const NAME: &str = "hostname.default.myfederation.svc";

/// Exit code, stdout and stderr for a file of this content.
fn plan(content: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fleet.yaml");
    std::fs::write(&file, content).unwrap();
    outcome([&["dns", "plan", "-f", file.to_str().unwrap()], more].concat())
}

/// Exit code and what is printed as JSON.
fn json_plan(content: &str) -> (Option<i32>, Value) {
    let (code, stdout, stderr) = plan(content, &["-o", "json"]);
    assert_eq!(stderr, "");
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}")))
}

/// The file as a value, to be changed.
fn fleet() -> Value {
    json!({
        "federation": "myfederation", "zone": "example.com", "ttl": 180,
        "clusters": [
            {"name": "c1", "region": "westus", "zones": ["1"]}, {"name": "c2", "region": "eastus", "zones": ["1"]}
        ],
        "services": [{
            "name": "hostname", "namespace": "default", "type": "LoadBalancer",
            "clusters": {
                "c1": {"ingress": [{"ip": "192.0.2.1"}], "readyEndpoints": 3},
                "c2": {"ingress": [{"ip": "192.0.2.2"}], "readyEndpoints": 1}
            }
        }]
    })
}

/// The zone as `desired` of a plan leaves it.
fn records(plan: &Value) -> Value {
    let mut records = plan["desired"].clone();
    for record in records.as_array_mut().unwrap() {
        record["owner"] = json!("myfederation");
    }
    records
}

/// `TYPE data` by name without zone.
fn answers(plan: &Value) -> BTreeMap<String, String> {
    let text = |set: &Value| {
        let data: Vec<_> = set["data"].as_array().unwrap().iter().map(|datum| datum.as_str().unwrap()).collect();
        let name = set["name"].as_str().unwrap().trim_end_matches(".example.com.").to_owned();
        (name, format!("{} {}", set["type"].as_str().unwrap(), data.join(" ")))
    };
    plan["desired"].as_array().unwrap().iter().map(text).collect()
}

/// `op name: why` without zone.
fn changes(plan: &Value) -> Vec<String> {
    let text = |change: &Value| {
        let field = |key: &str| change[key].as_str().unwrap().trim_end_matches(".example.com.").to_owned();
        format!("{} {} {}: {}", field("op"), field("type"), field("name"), field("why"))
    };
    plan["changes"].as_array().unwrap().iter().map(text).collect()
}

/// What the plan is once the zone holds what `before` leads to.
fn then(before: &Value, after: &Value) -> (Option<i32>, Value) {
    let (_, plan) = json_plan(&before.to_string());
    let mut file = after.clone();
    file["records"] = records(&plan);
    json_plan(&file.to_string())
}

#[test]
fn a_new_service_is_created_name_by_name_and_then_nothing_changes() {
    let (code, plan) = json_plan(FLEET);
    assert_eq!(code, Some(1));
    let names: Vec<_> = plan["desired"].as_array().unwrap().iter().map(|set| set["name"].as_str().unwrap()).collect();
    let levels = [".1.eastus", ".1.westus", ".2.eastus", ".eastus", "", ".westus"];
    assert_eq!(names, levels.map(|level| format!("{NAME}{level}.example.com.")));
    let global =
        json!({"name": format!("{NAME}.example.com."), "type": "A", "ttl": 180, "data": ["192.0.2.1", "192.0.2.2"]});
    assert_eq!(plan["desired"][4], global);
    let change = &plan["changes"][4];
    assert_eq!((&change["op"], &change["name"], &change["from"]), (&json!("create"), &global["name"], &Value::Null));
    assert_eq!((&change["to"], &change["why"]), (&json!({"ttl": 180, "data": global["data"]}), &json!("new-name")));
    assert_eq!(plan["conflicts"], json!([]));

    let (code, plan) = then(&fleet(), &fleet());
    assert_eq!((code, &plan["changes"]), (Some(0), &json!([])));
}

#[test]
fn the_text_is_a_diff_that_ends_with_a_sum() {
    let (code, text, _) = plan(FLEET, &[]);
    assert_eq!(code, Some(1));
    let head = format!(
        "# create A {NAME}.1.eastus.example.com. (new-name): adds 192.0.2.2 (c2)\n+{NAME}.1.eastus.example.com. 180 IN A 192.0.2.2\n"
    );
    assert!(text.starts_with(&head), "{text}");
    assert!(text.ends_with("\n6 to create, 0 to update, 0 to delete; 6 record sets then\n"), "{text}");

    let (_, desired) = json_plan(&fleet().to_string());
    let mut dead = fleet();
    dead["clusters"][0]["ready"] = json!(false);
    dead["records"] = records(&desired);
    let (code, text, _) = plan(&dead.to_string(), &["-o", "text"]);
    assert_eq!(code, Some(1));
    let global = format!(
        "# update A {NAME}.example.com. (member-dead): withdraws 192.0.2.1 (c1)\n {NAME}.example.com. 180 IN A 192.0.2.2\n-{NAME}.example.com. 180 IN A 192.0.2.1\n"
    );
    assert!(text.contains(&global), "{text}");
    assert!(text.ends_with("\n0 to create, 3 to update, 0 to delete; 5 record sets then\n"), "{text}");

    let (_, file) = then(&fleet(), &fleet());
    assert_eq!(file["changes"], json!([]));
    let mut same = fleet();
    same["records"] = records(&desired);
    let (code, text, _) = plan(&same.to_string(), &[]);
    assert_eq!((code, text.as_str()), (Some(0), "no change: 5 record sets are as they should be\n"));
}

#[test]
fn yaml_and_json_and_stdin_are_one() {
    let mut child = kfed(["dns", "plan", "-f", "-", "-o", "json"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string_pretty(&fleet()).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let by_stdin: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(by_stdin, json_plan(&fleet().to_string()).1);
}

#[test]
fn a_dead_clusters_names_answer_with_the_others() {
    let mut dead = fleet();
    dead["clusters"][0]["ready"] = json!(false);
    let (code, plan) = then(&fleet(), &dead);
    assert_eq!(code, Some(1));
    assert_eq!(
        changes(&plan),
        [
            format!("update A {NAME}.1.westus: member-dead"),
            format!("update A {NAME}: member-dead"),
            format!("update A {NAME}.westus: member-dead")
        ]
    );
    assert!(answers(&plan).values().all(|answer| answer == "A 192.0.2.2"), "{plan}");

    dead["fallback"] = json!("cname");
    let (_, plan) = then(&fleet(), &dead);
    let answers = answers(&plan);
    assert_eq!(answers[&format!("{NAME}.1.westus")], format!("CNAME {NAME}.westus.example.com."));
    assert_eq!(answers[&format!("{NAME}.westus")], format!("CNAME {NAME}.example.com."));
    let ops: Vec<_> = changes(&plan).into_iter().filter(|change| change.contains("type-changed")).collect();
    assert_eq!(ops.len(), 4, "{plan}");
}

#[test]
fn a_cluster_whose_address_answers_is_not_dead_and_one_whose_address_fails_serves_nobody() {
    let mut file = fleet();
    file["clusters"][0]["ready"] = json!(false);
    file["services"][0]["clusters"]["c1"]["address"] = json!("answering");
    file["services"][0]["clusters"]["c2"]["address"] = json!("failing");
    let (_, plan) = then(&fleet(), &file);
    assert!(answers(&plan).values().all(|answer| answer == "A 192.0.2.1"), "{plan}");
    assert!(changes(&plan).iter().all(|change| change.ends_with(": load-balancer-dead")), "{plan}");
}

#[test]
fn the_last_addresses_stay_when_everybody_is_dead_and_go_when_nobody_is_ready() {
    let mut dead = fleet();
    dead["clusters"][0]["ready"] = json!(false);
    dead["clusters"][1]["ready"] = json!(false);
    let (code, plan) = then(&fleet(), &dead);
    assert_eq!((code, &plan["changes"]), (Some(0), &json!([])));
    assert_eq!(plan["desired"].as_array().unwrap().len(), 5);
    assert_eq!(plan["findings"][0]["reason"], "LastTargetKept");
    let (code, plan) = json_plan(&dead.to_string());
    assert_eq!((code, &plan["desired"]), (Some(0), &json!([])), "there is nothing to keep");

    let mut empty = fleet();
    for cluster in ["c1", "c2"] {
        empty["services"][0]["clusters"][cluster]["readyEndpoints"] = json!(0);
    }
    let (code, plan) = then(&fleet(), &empty);
    assert_eq!(code, Some(1));
    assert_eq!((plan["desired"].clone(), plan["changes"].as_array().unwrap().len()), (json!([]), 5));
    assert!(
        changes(&plan).iter().all(|change| change.starts_with("delete") && change.ends_with(": no-ready-endpoints"))
    );
}

#[test]
fn what_is_gone_leaves_nothing_behind_and_says_why() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut file = fleet();
        change(&mut file);
        then(&fleet(), &file).1
    };
    let all = |plan: &Value, why: &str| {
        let changes = changes(plan);
        assert!(
            changes.iter().all(|c| c.starts_with("delete") && c.ends_with(why)) && changes.len() == 5,
            "{changes:?}"
        );
    };
    all(&with(&|file| file["services"] = json!([])), ": service-gone");
    all(&with(&|file| file["services"][0]["type"] = json!("ClusterIP")), ": not-published");
    all(&with(&|file| file["services"][0]["clusters"] = json!({})), ": no-member");
    all(&with(&|file| file["services"][0]["publish"] = json!(false)), ": not-published");
    let unjoined = with(&|file| drop(file["services"][0]["clusters"].as_object_mut().unwrap().remove("c1")));
    assert_eq!(
        changes(&unjoined),
        [
            format!("delete A {NAME}.1.westus: level-gone"),
            format!("update A {NAME}: address-gone"),
            format!("delete A {NAME}.westus: level-gone")
        ]
    );
    let leaving = with(&|file| file["clusters"][0]["leaving"] = json!(true));
    assert!(changes(&leaving).contains(&format!("update A {NAME}: member-leaving")), "{leaving}");
}

#[test]
fn strangers_records_are_conflicts_and_stay() {
    let mut file = fleet();
    file["records"] = json!([
        {"name": format!("{NAME}.example.com"), "type": "A", "ttl": 300, "data": ["198.51.100.1"]},
        {"name": format!("{NAME}.westus.example.com."), "type": "A", "ttl": 300, "data": ["198.51.100.2"], "owner": "other"},
        {"name": "www.example.com", "type": "TXT", "ttl": 300, "data": ["\"hello\""]},
        {"name": "old.example.com", "type": "A", "ttl": 300, "data": ["198.51.100.3"], "owner": "myfederation"}
    ]);
    let (code, plan) = json_plan(&file.to_string());
    assert_eq!(code, Some(1));
    let conflicts: Vec<_> =
        plan["conflicts"].as_array().unwrap().iter().map(|c| (&c["name"], &c["why"], &c["owner"])).collect();
    let (global, region) = (json!(format!("{NAME}.example.com.")), json!(format!("{NAME}.westus.example.com.")));
    let foreign = json!("foreign-owner");
    assert_eq!(conflicts, [(&global, &foreign, &Value::Null), (&region, &foreign, &json!("other"))]);
    assert!(
        plan["changes"].as_array().unwrap().iter().all(|change| change["name"] != global && change["name"] != region)
    );
    assert!(changes(&plan).contains(&"delete A old: service-gone".to_owned()), "{plan}");
    assert_eq!(plan["desired"].as_array().unwrap().len(), 3, "only what is ours");
}

#[test]
fn a_change_of_ttl_alone_says_so() {
    let mut file = fleet();
    file["services"][0]["ttl"] = json!(20);
    let (_, plan) = then(&fleet(), &file);
    assert!(changes(&plan).iter().all(|change| change.ends_with(": ttl-changed")), "{plan}");
    assert_eq!(plan["changes"][0]["from"]["ttl"], 180);
    assert_eq!(plan["changes"][0]["to"]["ttl"], 20);
}

#[test]
fn every_kind_of_service_has_its_names() {
    let mut file = fleet();
    file["private"] = json!(true);
    file["hosts"] = json!({"lb.example.net": ["198.51.100.9"]});
    file["services"] = json!([
        {"name": "alone", "type": "LoadBalancer", "clusters": {"c1": {"ingress": [{"hostname": "lb.example.net"}]}}},
        {"name": "both", "type": "LoadBalancer", "hostname": "shop.example.com,*.shop.example.com", "clusters": {
            "c1": {"ingress": [{"hostname": "lb.example.net"}]}, "c2": {"ingress": [{"ip": "192.0.2.2"}, {"ip": "2001:db8::2"}]}}},
        {"name": "db", "type": "ExternalName", "externalName": "db.example.net", "clusters": {"c1": {}}},
        {"name": "pods", "type": "ClusterIP", "clusterIP": "None", "clusters": {"c2": {"endpoints": ["10.0.0.5", "10.0.0.6"]}}},
        {"name": "inner", "type": "ClusterIP", "clusters": {"c1": {"readyEndpoints": 2}}}
    ]);
    let (_, plan) = json_plan(&file.to_string());
    let sets = plan["desired"].as_array().unwrap();
    let at = |name: &str| {
        let sets = sets.iter().filter(|set| set["name"] == format!("{name}.example.com."));
        sets.map(|set| format!("{} {}", set["type"], set["data"])).collect::<Vec<_>>().join(" ").replace('"', "")
    };
    let of = |service: &str| at(&format!("{service}.default.myfederation.svc"));
    assert_eq!(of("alone"), "CNAME [lb.example.net.]");
    assert_eq!(of("both"), "A [192.0.2.2,198.51.100.9] AAAA [2001:db8::2]");
    assert_eq!(at("both.default.myfederation.svc.westus"), "A [198.51.100.9]");
    assert_eq!((at("shop"), at("*.shop")), (of("both"), of("both")));
    assert_eq!(of("db"), "CNAME [db.example.net.]");
    assert_eq!(at("db.default.myfederation.svc.1.westus"), "CNAME [db.example.net.]");
    assert_eq!(of("pods"), "A [10.0.0.5,10.0.0.6]");
    assert_eq!(of("inner"), "");
    assert_eq!(plan.get("findings"), None);

    file["hosts"] = json!({});
    file["private"] = json!(false);
    let (_, plan) = json_plan(&file.to_string());
    let sets = plan["desired"].as_array().unwrap();
    assert!(sets.iter().all(|set| !set["name"].as_str().unwrap().starts_with("pods.")), "pods are not the public's");
    assert_eq!(plan["findings"][0]["reason"], "HostNotResolved");
}

#[test]
fn of_two_services_that_ask_for_one_name_the_older_has_it() {
    let mut file = fleet();
    let mut second = file["services"][0].clone();
    file["services"][0]["hostname"] = json!("shop.example.com");
    second["name"] = json!("another");
    second["hostname"] = json!("shop.example.com, shop.example.org");
    second["clusters"]["c1"]["ingress"][0]["ip"] = json!("192.0.2.77");
    second["created"] = json!("2026-01-02T00:00:00Z");
    file["services"][0]["created"] = json!("2026-01-01T00:00:00Z");
    file["services"].as_array_mut().unwrap().push(second);
    let (_, plan) = json_plan(&file.to_string());
    assert_eq!(answers(&plan)["shop"], "A 192.0.2.1 192.0.2.2");
    let findings: Vec<_> =
        plan["findings"].as_array().unwrap().iter().map(|f| f["message"].as_str().unwrap()).collect();
    assert_eq!(
        findings,
        [
            "hostname `shop.example.com` is service/default/hostname's, which comes first",
            "hostname `shop.example.org`: it is not in zone example.com"
        ]
    );
}

#[test]
fn more_addresses_than_a_set_takes_are_told() {
    let mut file = fleet();
    let many: Vec<_> = (1..=30).map(|n| json!({"ip": format!("192.0.2.{n}")})).collect();
    file["services"][0]["clusters"]["c1"]["ingress"] = json!(many);
    let (_, plan) = json_plan(&file.to_string());
    let global =
        plan["desired"].as_array().unwrap().iter().find(|set| set["name"] == format!("{NAME}.example.com.")).unwrap();
    assert_eq!(global["data"].as_array().unwrap().len(), 20);
    assert_eq!(plan["findings"][0]["reason"], "Truncated");
    let mut same = file.clone();
    same["records"] = records(&plan);
    assert_eq!(json_plan(&same.to_string()).0, Some(0));
}

#[test]
fn mistakes_are_shown_in_the_file_with_what_was_meant() {
    for (from, to, place, says) in [
        ("federation:", "fedration:", "2:1", "the file has no key `fedration`|help: did you mean `federation`?"),
        ("zone: example.com", "zone: exa mple", "3:7", "is not a domain name"),
        ("ttl: 180", "ttl: soon", "4:6", "a whole number belongs here, not the text \"soon\""),
        ("ttl: 180", "ttl: 0", "4:6", "0 is too small|help: a number from 1 to 2147483647 belongs here"),
        ("region: westus", "regoin: westus", "6:14", "a cluster has no key `regoin`|help: did you mean `region`?"),
        ("ready: true", "ready: yes please", "6:51", "true or false belongs here, not the text \"yes please\""),
        ("type: LoadBalancer", "type: Loadbalancer", "11:9", "help: did you mean `LoadBalancer`?"),
        ("    c1: {", "    c3: {", "13:5", "there is no cluster `c3` in `clusters`|help: did you mean `c1`?"),
        ("192.0.2.1", "192.0.2.256", "13:25", "`192.0.2.256` is no IP address"),
        (
            "records: []",
            "records: [{name: www, type: A, ttl: 1, data: []}]",
            "15:18",
            "names are written in full: www.example.com",
        ),
        (
            "records: []",
            "records: [{name: a.example.com, type: B, ttl: 1, data: []}]",
            "15:39",
            "`B` is not a type of record",
        ),
        ("records: []", "records: [", "1", "this is no YAML"),
    ] {
        let (code, stdout, stderr) = plan(&FLEET.replacen(from, to, 1), &[]);
        let said = words(&stderr);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{to}: {said}");
        let told = says.split('|').all(|part| said.contains(part));
        assert!(said.contains(&format!("fleet.yaml:{place}")) && told, "{to}: {said}");
    }
    let many = [("ttl: 180", "ttl: soon"), ("region: westus", "regoin: westus"), ("192.0.2.1", "192.0.2.256")];
    let file = many.iter().fold(FLEET.to_owned(), |file, (from, to)| file.replacen(from, to, 1)) + "records: []\n";
    let (code, stdout, stderr) = plan(&file, &[]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    let places =
        ["4:6: a whole", "6:14: a cluster", "13:25: `192.0.2.256`", "16:1: `records` stands here a second time"];
    let said = words(&stderr);
    let mut rest = said.as_str();
    for place in places {
        let at = rest.find(&format!("fleet.yaml:{place}")).unwrap_or_else(|| panic!("{place}: {said}"));
        rest = &rest[at..];
    }
    let (code, _, stderr) = plan("federation: a\n---\nzone: b\n", &[]);
    assert!(code == Some(2) && words(&stderr).contains("fleet.yaml:3:1: this is a second document"), "{stderr}");
    let (code, _, stderr) = plan("# nothing\n", &[]);
    assert!(code == Some(2) && words(&stderr).contains("fleet.yaml is empty"), "{stderr}");
    let (code, _, stderr) = outcome(["dns", "plan", "-f", "/nowhere/fleet.yaml"]);
    assert_eq!(code, Some(2));
    assert!(words(&stderr).contains("cannot read /nowhere/fleet.yaml"), "{stderr}");
    assert_eq!(outcome(["dns", "plan"]).0, Some(2));
}

/// v1's cases through the file: what v1 answered, but where it left CNAMEs to names that were not there.
#[test]
fn federation_v1s_answers_are_ours_with_cnames() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cases/service_dns_v1_cases.json");
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut same, mut better) = (0, 0);
    for case in cases["cases"].as_array().unwrap() {
        let mut zone = json!([]);
        for step in case["steps"].as_array().unwrap() {
            let deleted = step["deleting"] == true || step["op"] == "DELETE";
            let mut clusters = json!({});
            for item in step["ingress"]["items"].as_array().into_iter().flatten() {
                let ready = item["items"].as_array().unwrap().len();
                clusters[item["cluster"].as_str().unwrap()] =
                    json!({"ingress": item["items"], "readyEndpoints": ready});
            }
            let of_case = case["clusters"].as_object().unwrap();
            let all = of_case.iter().map(|(name, c)| json!({"name": name, "region": c["region"], "zones": c["zones"]}));
            let service = json!({
                "name": case["service"], "namespace": case["namespace"], "type": "LoadBalancer", "clusters": clusters
            });
            let file = json!({
                "federation": case["federation"], "zone": case["suffix"], "ttl": cases["ttl"], "fallback": "cname",
                "clusters": all.collect::<Vec<_>>(), "services": if deleted { json!([]) } else { json!([service]) },
                "hosts": cases["hosts"], "records": zone
            });
            let (_, plan) = json_plan(&file.to_string());
            let record = |set: &Value, data: &str| {
                let text = |value: &Value| value.as_str().unwrap().trim_end_matches('.').to_owned();
                let data: Vec<_> = set[data].as_array().unwrap().iter().map(text).collect();
                format!("{} {} {} {}", text(&set["name"]), set["type"], set["ttl"], data.join(" "))
            };
            let ours: BTreeSet<_> = plan["desired"].as_array().unwrap().iter().map(|set| record(set, "data")).collect();
            let v1s: BTreeSet<_> =
                step["expected"].as_array().unwrap().iter().map(|set| record(set, "rrdatas")).collect();
            if ours == v1s {
                same += 1;
            } else {
                assert!(ours.is_empty() && v1s.iter().all(|record| record.contains("\"CNAME\"")), "{case}: {ours:?}");
                better += 1;
            }
            // The next step finds what this one has left.
            zone = plan["desired"].clone();
            for record in zone.as_array_mut().unwrap() {
                record["owner"] = case["federation"].clone();
            }
        }
    }
    assert_eq!((same, better), (17, 6));
}
