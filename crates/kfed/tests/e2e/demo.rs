//! The walk-through with real kubectl and dig, against a demo in a process of its own.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Running, kfed, run, words};
use crate::tools::{Tools, kubectl, table};
use crate::zone::eventually;

/// A demo that stays up, with kubectl and dig that know where it is.
struct Demo {
    running: Running,
    tools: Tools,
    directory: PathBuf,
    home: PathBuf,
}

impl Demo {
    fn start(home: &Path) -> Self {
        let directory = home.join("demo");
        let mut command = kfed(["demo", "--probe-period", "1s", "--dir"]);
        let mut running = Running::start(command.arg(&directory));
        running.line(|line| line.starts_with("ready"));
        let said = running.stdout();
        assert_eq!(said.matches('✓').count(), 6, "{said}");
        assert!(said.contains("--evict-after 10s"), "{said}");
        let dig_line = said.lines().find(|line| line.trim_start().starts_with("dig @")).unwrap();
        let parts: Vec<_> = dig_line.split_whitespace().collect();
        let dns = format!("{}:{}", parts[1].trim_start_matches('@'), parts[3]).parse().unwrap();
        let tools = Tools::new(home, directory.join("kubeconfig"), dns);
        Self { running, tools, directory, home: home.to_owned() }
    }

    fn federation(&self, args: &[&str]) -> String {
        self.kubectl("myfederation", args).unwrap()
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }
}

impl Deref for Demo {
    type Target = Tools;

    fn deref(&self) -> &Tools {
        &self.tools
    }
}

/// What `http://name:8000/` at `address` answers.
fn http_get(name: &str, address: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect((address, 8000)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {name}:8000\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.rsplit("\r\n\r\n").next().unwrap().trim().to_owned()
}

#[test]
fn kubectl_and_dig_work_against_a_demo_that_stays_up() {
    let home = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(home.path());
    let name = "hostname.default.myfederation.svc.xtophs.com";

    let clusters = demo.federation(&["get", "clusters"]);
    let rows = table(&clusters);
    assert_eq!(rows[0], ["NAME", "STATUS", "AGE"], "{clusters}");
    let ready: Vec<_> = rows[1..].iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(ready, [["fed-east", "Ready"], ["fed-west", "Ready"]], "{clusters}");
    let wide = demo.federation(&["get", "clusters", "-o", "wide"]);
    assert_eq!(table(&wide)[0], ["NAME", "STATUS", "AGE", "REGION", "ZONES", "VERSION"], "{wide}");
    assert!(wide.contains("westus"), "{wide}");

    let sets = demo.federation(&["get", "rs"]);
    let rows = table(&sets);
    assert_eq!(rows[0], ["NAME", "DESIRED", "CURRENT", "READY", "AGE"], "{sets}");
    assert_eq!(rows[1][..4], ["hostname", "8", "8", "8"], "{sets}");
    let services = demo.federation(&["get", "svc"]);
    let row = services.lines().find(|line| line.starts_with("hostname ")).unwrap();
    let addresses = demo.dig(name, &[]);
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    assert!(row.contains("LoadBalancer") && addresses.iter().all(|address| row.contains(address)), "{services}");
    assert_eq!(demo.dig(name, &["+tcp"]), addresses);
    assert_eq!(demo.dig("hostname.default.myfederation.svc.westus.xtophs.com", &[]).len(), 1);

    let pods = demo.kubectl("fed-west", &["get", "pods", "-l", "run=hostname"]).unwrap();
    let rows = table(&pods);
    assert_eq!(rows[0], ["NAME", "READY", "STATUS", "RESTARTS", "AGE"], "{pods}");
    assert_eq!(rows.len(), 5, "{pods}");
    assert!(rows[1..].iter().all(|row| row[1..3] == ["1/1", "Running"]), "{pods}");
    let served: Vec<_> = addresses.iter().map(|address| http_get(name, address)).collect();
    let west: Vec<_> = rows[1..].iter().map(|row| row[0]).collect();
    assert_eq!(served.iter().filter(|pod| west.contains(&pod.as_str())).count(), 1, "{served:?} {west:?}");

    replace_and_back(&demo);
    create_and_delete(&demo, name, &addresses);
    unjoin(&demo);

    demo.running.signal("INT");
    let status = demo.running.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{}", demo.running.said());
    assert!(!demo.directory.exists(), "the directory that the demo made is gone");
}

/// `replace -f` with a plain ReplicaSet, and with preferences again.
fn replace_and_back(demo: &Demo) {
    let west = || demo.kubectl("fed-west", &["get", "rs", "hostname", "-o", "jsonpath={.spec.replicas}"]);
    let said = demo.federation(&["replace", "-f", &demo.file("hostname-replicaset.yaml")]);
    assert_eq!(said, "replicaset.apps/hostname replaced");
    demo.federation(&["scale", "rs", "hostname", "--replicas=6"]);
    let ready = || demo.federation(&["get", "rs", "hostname", "-o", "jsonpath={.status.readyReplicas}"]);
    eventually("6 replicas are ready", ready, |ready| ready == "6");
    demo.federation(&["replace", "-f", &demo.file("hostname-replicaset-preferences.yaml")]);
    eventually("8 replicas are ready", ready, |ready| ready == "8");
    let _ = eventually("fed-west has 4 again", west, |west| west.as_deref() == Ok("4"));
}

/// `delete` and `create -f` of the Service: its names go and come.
fn create_and_delete(demo: &Demo, name: &str, addresses: &[String]) {
    let said = demo.federation(&["delete", "svc", "hostname"]);
    assert!(said.contains("service \"hostname\" deleted"), "{said}");
    assert!(demo.dig(name, &[]).is_empty(), "a deleted Service has no names");
    let said = demo.federation(&["create", "-f", &demo.file("hostname-service.yaml")]);
    assert_eq!(said, "service/hostname created");
    let back = eventually("both addresses are back", || demo.dig(name, &[]), |seen| seen.len() == addresses.len());
    assert_eq!(back.len(), 2);
    let refused = demo.kubectl("myfederation", &["create", "-f", &demo.file("hostname-service.yaml")]).unwrap_err();
    assert!(refused.contains("AlreadyExists"), "{refused}");
    let shop = demo.home.join("namespace.yaml");
    fs::write(&shop, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n").unwrap();
    let said = demo.federation(&["create", "-f", shop.to_str().unwrap()]);
    assert_eq!(said, "namespace/shop created");
    eventually(
        "the namespace is in both members",
        || ["fed-west", "fed-east"].map(|member| demo.kubectl(member, &["get", "namespace", "shop"]).is_ok()),
        |there| *there == [true, true],
    );
    demo.federation(&["delete", "namespace", "shop"]);
}

/// `kfed unjoin` is refused for want of room, and says so.
fn unjoin(demo: &Demo) {
    let kubeconfig = demo.file("kubeconfig");
    let output = run(&mut kfed(["unjoin", "fed-east", "--context", "myfederation", "--kubeconfig", &kubeconfig]));
    let said = words(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("member fed-east stays") && said.contains("default/hostname"), "{said}");
    let clusters = demo.federation(&["get", "clusters", "-o", "name"]);
    assert_eq!(clusters, "cluster.kfed.io/fed-east\ncluster.kfed.io/fed-west");
}

#[test]
fn every_step_holds_and_is_told_as_json() {
    let home = tempfile::tempdir().unwrap();
    let output = run(kfed(["demo", "--once", "--format", "json"]).env("TMPDIR", home.path()));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    let steps: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(steps.len(), 10, "{stdout}");
    for (index, step) in steps.iter().enumerate() {
        assert_eq!(step["step"], index + 1, "{step}");
        assert_eq!(step["ok"], true, "{step}");
        assert!(step["name"].is_string() && step["seconds"].is_number() && step["observed"].is_object(), "{step}");
    }
    let failover = &steps[6]["observed"];
    for time in ["kill_to_offline_seconds", "kill_to_dns_seconds", "kill_to_replicas_seconds"] {
        assert!(failover[time].is_number(), "{time} in {failover}");
    }
    assert_eq!(failover["roaming"]["fed-east"], 6);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_step_that_does_not_hold_is_told_and_ends_the_demo_with_1() {
    let home = tempfile::tempdir().unwrap();
    let kubectl = kubectl();
    let mut command = kfed(["demo", "--once"]);
    let mut running = Running::start(command.env("TMPDIR", home.path()));
    let line = running.line(|line| line.trim_start().starts_with("kubeconfig "));
    let kubeconfig = line.split_whitespace().last().unwrap().to_owned();
    running.line(|line| line.contains("5/10 ✓"));
    // Somebody takes the workload away under the walk-through.
    let cache = home.path().join("cache");
    let mut delete = Command::new(kubectl);
    delete.args(["--kubeconfig", &kubeconfig, "--context", "myfederation", "--cache-dir"]).arg(&cache);
    let deleted = run(delete.args(["delete", "rs", "hostname", "--wait=false"]));
    assert!(deleted.status.success(), "{deleted:?}: {}", running.said());
    assert_eq!(running.wait().unwrap().code(), Some(1), "{}", running.said());
    let said = running.stdout();
    for part in ["6/10 ✗", "expected", "last seen"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!Path::new(&kubeconfig).exists(), "nothing is left behind");
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut command = kfed(["demo", "--once"]);
    let mut running = Running::start(command.env("TMPDIR", home.path()));
    running.line(|line| line.contains("3/10 ✓"));
    running.signal("TERM");
    assert_eq!(running.wait().unwrap().code(), Some(130), "{}", running.said());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}
