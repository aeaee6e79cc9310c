//! `kfed schedule` as people and pipelines run it.

#![allow(clippy::unwrap_used, reason = "a test that finds nothing to work with is to end there")]

mod support;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use support::{kfed, outcome, run, words};

/// A file of the cases beside this one.
fn case(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schedule").join(name).to_str().unwrap().to_owned()
}

/// Whether `said` is in a text that is broken where the terminal ends, long words too.
fn says_so(text: &str, said: &str) -> bool {
    let joined = |text: &str| words(text).replace(' ', "");
    joined(text).contains(&joined(said))
}

fn schedule(file: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let file = case(file);
    outcome(["schedule", "-f", &file].into_iter().chain(more.iter().copied()))
}

#[test]
fn a_plan_is_a_table_for_people() {
    let (code, stdout, stderr) = schedule("hostname.yaml", &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, fs::read_to_string(case("hostname.table")).unwrap());
}

#[test]
fn a_plan_is_json_or_yaml_for_programs() {
    let (code, stdout, stderr) = schedule("hostname.yaml", &["-o", "json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let plans: Value = serde_json::from_str(&stdout).unwrap();
    let weight = |replicas: i64| json!({"reason": "weight", "weight": 1, "of": 2, "replicas": replicas});
    let (minimum, cut) = (json!({"reason": "minimum", "replicas": 2}), json!({"reason": "cut-to-maximum", "max": 4}));
    let expected = json!([{
        "key": "default/hostname",
        "plan": {"fed-east": 5, "fed-west": 4},
        "overflow": {},
        "unplaced": 0,
        "reasons": {"fed-east": [weight(5)], "fed-west": [minimum, weight(2), cut]},
    }]);
    assert_eq!(plans, expected);
    let (code, stdout, _) = schedule("hostname.yaml", &["-o", "yaml"]);
    assert_eq!(code, Some(0));
    assert_eq!(serde_saphyr::from_str::<Value>(&stdout).unwrap(), expected);
}

#[test]
fn an_explanation_is_told_for_every_request_in_at_most_20_lines() {
    let members = case("members.yaml");
    let (code, stdout, _) = schedule("workloads.yaml", &["--clusters", &members, "--explain"]);
    assert_eq!(code, Some(0));
    let texts: Vec<_> = stdout.split("\n\n").collect();
    assert_eq!(texts.len(), 3, "{stdout}");
    for (text, key) in texts.iter().zip(["default/hostname", "shop/web", "default/once"]) {
        assert!(text.contains(key) && text.lines().count() <= 20, "{text}");
        assert!(text.contains("fed-west"), "{text}");
    }
    let (_, stdout, _) = schedule("workloads.yaml", &["--clusters", &members, "--explain", "-o", "json"]);
    let plans: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    let lines: Vec<Vec<String>> =
        plans.iter().map(|plan| serde_json::from_value(plan["explanation"].clone()).unwrap()).collect();
    let told = lines.iter().map(|lines| lines.join("\n")).collect::<Vec<_>>().join("\n\n");
    assert_eq!(told, texts.join("\n\n").trim_end(), "the same in both");
}

#[test]
fn what_if_is_a_difference_with_the_exit_codes_of_diff() {
    let (code, stdout, _) = schedule("hostname.yaml", &["--remove", "fed-west"]);
    assert_eq!(code, Some(1));
    assert_eq!(stdout, fs::read_to_string(case("hostname.removed.table")).unwrap());

    let (code, stdout, _) = schedule("hostname.yaml", &["--add", "name=fed-north,capacity=2", "-o", "json"]);
    assert_eq!(code, Some(1));
    let differences: Value = serde_json::from_str(&stdout).unwrap();
    let difference = &differences[0];
    assert_eq!(difference["changes"], json!({"fed-east": -2, "fed-north": 2}));
    assert_eq!(difference["before"]["plan"], json!({"fed-east": 5, "fed-west": 4}));
    assert_eq!(difference["after"]["plan"], json!({"fed-east": 3, "fed-north": 2, "fed-west": 4}));

    let (code, stdout, _) = schedule("hostname.yaml", &["--replicas", "9"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "no change\n"));
    let (code, _, _) = schedule("hostname.yaml", &["--replicas", "default/hostname=10"]);
    assert_eq!(code, Some(1));

    for (file, more, says) in [
        ("hostname.yaml", ["--remove", "fed-wst"], "there is no member fed-wst to remove; did you mean `fed-west`?"),
        ("hostname.yaml", ["--replicas", "default/hostnam=1"], "did you mean `default/hostname`?"),
        ("hostname.yaml", ["--add", "fed-west"], "default/hostname has a member fed-west already"),
        ("mistakes.yaml", ["--remove", "fed-west"], "did you mean `clusters`?"),
        ("none.yaml", ["--remove", "fed-west"], "cannot read"),
        ("hostname.yaml", ["--add", "fed-north,current=-1"], "--add:1:19: replicas that run cannot be negative"),
        ("hostname.yaml", ["--add", "fed-north,capcity=1"], "--add:1:11: a member has no key `capcity`"),
    ] {
        let (code, stdout, stderr) = schedule(file, &more);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{file} {more:?}");
        assert!(says_so(&stderr, says), "{more:?}: {stderr}");
    }
}

#[test]
fn manifests_take_their_members_from_a_file_or_the_command_line() {
    let members = case("members.yaml");
    let (code, stdout, stderr) = schedule("workloads.yaml", &["--clusters", &members, "-o", "json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let plans: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(plans[0]["plan"], json!({"fed-east": 3, "fed-west": 6}));
    assert_eq!(plans[2]["plan"], json!({"fed-east": 4, "fed-west": 0}));

    let (code, stdout, _) = schedule("workloads.yaml", &["--add", "fed-east", "--add", "fed-west", "-o", "json"]);
    assert_eq!(code, Some(0), "with nothing to compare it is a plan");
    let plans: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(plans[0]["plan"], json!({"fed-east": 3, "fed-west": 6}));

    let (code, stdout, stderr) = schedule("workloads.yaml", &[]);
    assert_eq!(code, Some(0), "unplaced is no error");
    assert!(stdout.contains("9 unplaced") && words(&stderr).contains("there are no members"), "{stdout}{stderr}");
}

#[test]
fn a_mistake_ends_with_2_an_excerpt_on_stderr_and_nothing_on_stdout() {
    let members = case("members.yaml");
    let directory = tempfile::tempdir().unwrap();
    let written = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases: Vec<(String, &[&str])> = vec![
        (
            case("mistakes.yaml"),
            &["mistakes.yaml:2:11: a whole number", "mistakes.yaml:8:1", "clustrs", "did you mean `clusters`?"],
        ),
        (case("annotation.yaml"), &["annotation.yaml:6:55: annotation federation", "line 1, column 60"]),
        (case("none.yaml"), &["cannot read", "No such file"]),
        (case(""), &["cannot read", "directory"]),
        (written("empty.yaml", b""), &["empty.yaml holds no request", "--help"]),
        (written("latin.yaml", b"key: a\xff\n"), &["latin.yaml:1:7: this is no text in UTF-8"]),
        (written("program", b"\x7fELF\0\xff\x1b[2J"), &["program: this is no text in UTF-8"]),
        (written("escapes.yaml", b"\x1b[2Jkey: a\n"), &["escapes.yaml:1:", "no YAML"]),
        (written("names.json", br#"{"\u001b[2J": 1}"#), &["a request has no key `?[2J`"]),
        (written("utf16.yaml", b"\xff\xfek\0"), &["it looks like UTF-16"]),
        (written("bad.json", b"{\n\t\"key\": 'a'\n}"), &["bad.json:2:9: this is no JSON"]),
    ];
    for (file, says) in cases {
        let (code, stdout, stderr) = outcome(["schedule", "-f", &file, "--clusters", &members, "-o", "json"]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{file}: {stderr}");
        assert!(!stderr.contains('\u{1b}'), "{file}: a terminal would obey {stderr:?}");
        for say in says {
            assert!(says_so(&stderr, say), "{file}: {say} in {stderr}");
        }
    }
}

#[test]
fn members_that_take_no_replicas_are_left_out_with_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clusters.json");
    let cluster = |name: &str, ready: &str, offline: &str| {
        let conditions = json!([{"type": "Ready", "status": ready}, {"type": "Offline", "status": offline}]);
        json!({"apiVersion": "kfed.io/v1beta1", "kind": "Cluster", "metadata": {"name": name}, "status": {"conditions": conditions}})
    };
    let items = [cluster("fed-west", "False", "True"), cluster("fed-east", "True", "False")];
    fs::write(&path, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).unwrap();
    let clusters = path.to_str().unwrap();
    let (code, stdout, stderr) = schedule("workloads.yaml", &["--clusters", clusters, "-o", "json"]);
    let plans: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &plans[0]["plan"]), (Some(0), &json!({"fed-east": 9})));
    assert!(says_so(&stderr, "fed-west is left out: it is Offline"), "{stderr}");

    let (code, stdout, _) = schedule("workloads.yaml", &["--clusters", clusters, "--add", "fed-west", "-o", "json"]);
    let differences: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(1), "what if it came back?");
    assert_eq!(differences[0]["after"]["plan"], json!({"fed-east": 3, "fed-west": 6}));
}

#[test]
fn a_list_without_requests_is_no_mistake_and_has_no_plans() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in
        [("a.json", "[]"), ("b.yaml", "apiVersion: v1\nkind: List\nitems: []\n"), ("c.yaml", "kind: List\nitems:\n")]
    {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        for (more, expected) in [(&["-o", "json"][..], "[]\n"), (&[], ""), (&["--replicas", "3"], "no change\n")] {
            let outcome = outcome([&["schedule", "-f", path.to_str().unwrap()], more].concat());
            assert_eq!(outcome, (Some(0), expected.to_owned(), String::new()), "{name} {more:?}");
        }
    }
}

#[test]
fn what_a_file_does_not_say_the_command_line_does() {
    let directory = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let preferences = r#"{"rebalance": true, "clusters": {"*": {"weight": 1}, "a": {"maxReplicas": 2, "weight": 1}}}"#;
    let manifest = written("rs.yaml", "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web}\n");
    let members = ["--add", "a", "--add", "b", "-o", "json"];
    for (file, replicas, plan) in [
        (written("map.json", preferences), "default/web=9", json!({"a": 2, "b": 7})),
        (written("text.json", &json!(preferences).to_string()), "default/web=9", json!({"a": 2, "b": 7})),
        (
            written("beyond.yaml", "mode: proportional\nclusters: {b: {weight: 1}}\n"),
            "default/web=4",
            json!({"a": 0, "b": 4}),
        ),
        (manifest.clone(), "4", json!({"a": 2, "b": 2})),
        (written("request.yaml", "key: default/web\n"), "4", json!({"a": 2, "b": 2})),
    ] {
        let args = [&["schedule", "-f", &file, "--replicas", replicas], &members[..]].concat();
        let (code, stdout, stderr) = outcome(args);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{file}: a plan, with nothing to compare it with");
        let plans: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((&plans[0]["key"], &plans[0]["plan"]), (&json!("default/web"), &plan), "{file}");
    }
    let (code, stdout, _) = outcome([&["schedule", "-f", &manifest], &members[..]].concat());
    let plans: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &plans[0]["plan"]), (Some(0), &json!({"a": 1, "b": 0})), "one, as Kubernetes has it");

    let map = written("map.json", preferences);
    for (args, code, says) in [
        (vec!["-f", "-", "--clusters", "-"], 2, "stdin is named more than once"),
        (vec!["-f", &map, "--add", "a"], 2, "preferences alone do not say how many replicas"),
        (vec!["-f", &map, "--replicas", "x/y=4"], 0, "there are no members: nothing is placed"),
        (vec!["-f", &map, "--replicas", "4", "--add", "a"], 0, "preferences alone have no key"),
    ] {
        let (ended, _, stderr) = outcome([&["schedule"], &args[..]].concat());
        assert!(ended == Some(code) && says_so(&stderr, says), "{args:?}: {ended:?} {stderr}");
    }
}

#[test]
fn no_name_in_a_table_moves_what_a_terminal_shows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("odd.json");
    fs::write(&path, r#"{"key": "a\u001b[2J\nb", "replicas": 1, "clusters": ["x\u202ey", "t\u202dz"]}"#).unwrap();
    for more in [&[][..], &["--explain"], &["--remove", "t\u{202d}z"]] {
        let (_, stdout, _) = outcome([&["schedule", "-f", path.to_str().unwrap()], more].concat());
        assert!(!stdout.contains(['\u{1b}', '\u{202d}', '\u{202e}']) && !stdout.is_empty(), "{stdout:?}");
    }
}

#[test]
fn warnings_go_to_stderr_and_leave_stdout_to_the_plan() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("odd.yaml");
    let odd = "key: a/b\nreplicas: 3\npreferences: {clusters: {x: {minReplicas: 2, maxReplicas: 1}, y: {wieght: 1}}}\nclusters: [x, y]\n";
    fs::write(&path, odd).unwrap();
    let (code, stdout, stderr) = outcome(["schedule", "-o", "json", "-f", path.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    let plans: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&plans[0]["plan"], &plans[0]["unplaced"]), (&json!({"x": 2, "y": 0}), &json!(1)), "as v1 had it");
    assert!(says_so(&stderr, "the minimum of 2 is above") && says_so(&stderr, "did you mean weight?"), "{stderr}");
}

#[test]
fn a_mistake_in_an_endless_line_is_shown_with_its_surroundings_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long.json");
    let requests: Vec<_> = (0..2_000)
        .map(|n| json!({"key": format!("ns/{n}"), "replicas": if n == 1_000 { json!("five") } else { json!(n) }}))
        .collect();
    let text = json!(requests).to_string();
    fs::write(&path, &text).unwrap();
    let column = text.find("\"five\"").unwrap() + 1;
    let (code, stdout, stderr) =
        outcome(["schedule", "-f", path.to_str().unwrap(), "--clusters", &case("members.yaml")]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(says_so(&stderr, &format!("long.json:1:{column}: a whole number belongs here")), "{stderr}");
    assert!(says_so(&stderr, r#""key":"ns/1000","replicas":"five""#) && stderr.len() < 2_000, "{stderr}");
}

#[test]
fn ten_thousand_requests_pass_through_a_pipe_in_their_order() {
    let request =
        |n: usize| format!("{{\"key\": \"ns/{n}\", \"replicas\": {}, \"clusters\": [\"x\", \"y\"]}}\n", n % 7);
    let requests: String = (0..10_000).map(request).collect();
    let mut command = kfed(["schedule", "-f", "-", "-o", "json"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("requests");
    fs::File::create(&path).unwrap().write_all(requests.as_bytes()).unwrap();
    let output = run(command.stdin(Stdio::from(fs::File::open(&path).unwrap())));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let plans: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plans.len(), 10_000);
    for (n, plan) in plans.iter().enumerate() {
        assert_eq!(plan["key"], format!("ns/{n}"));
        let placed: i64 = plan["plan"].as_object().unwrap().values().map(|number| number.as_i64().unwrap()).sum();
        assert_eq!(placed, i64::try_from(n % 7).unwrap());
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let file = case("hostname.yaml");
    let mut child = kfed(["schedule", "-f", &file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
