//! A fleet of separate processes through a hard day: one test, one fleet, step after step.

use std::fs;
use std::path::Path;

use crate::support::Running;
use crate::tools::Tools;
use crate::zone::{FEDERATION, Fleet, eventually};

const MEMBERS: [&str; 2] = ["east", "west"];
const WEB: &str = "web.default.fed.svc.example.com";
const SPREAD: &str = r#"{"rebalance": true, "clusters": {"*": {"weight": 1}}}"#;

const MANIFESTS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {federation.kubernetes.io/deployment-preferences: '{"rebalance": true, "clusters": {"*": {"weight": 1}}}'}}
spec:
  replicas: 6
  selector: {matchLabels: {run: web}}
  template: {metadata: {labels: {run: web}}, spec: {containers: [{name: web, image: web, ports: [{containerPort: 8000}]}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {run: web}, ports: [{name: http, port: 8000}]}
---
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {type: LoadBalancer, selector: {run: web}, ports: [{name: http, port: 8000}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green}
"#;

struct Day {
    fleet: Fleet,
    tools: Tools,
    control_plane: Running,
}

#[test]
fn a_fleet_of_processes_keeps_its_promises_through_a_hard_day() {
    let mut day = Day::begin();
    day.objects_are_split_and_published();
    day.a_kill_amid_changes_loses_nothing();
    day.a_member_whose_api_hangs_keeps_its_address();
    day.a_dead_member_is_replaced_and_comes_back();
    day.drift_is_mended();
    day.preferences_that_cannot_be_read_change_nothing();
    day.a_deleted_service_leaves_no_names();
    day.a_member_that_leaves_is_left_clean();
}

impl Day {
    fn begin() -> Self {
        let fleet = Fleet::start(&MEMBERS);
        let control_plane = Self::control_plane(&fleet);
        let kubeconfigs = ["kubeconfig"].iter().chain(&MEMBERS).map(|name| fleet.path(name));
        let tools = Tools::new(&fleet.path(""), std::env::join_paths(kubeconfigs).unwrap(), fleet.answers);
        let day = Self { fleet, tools, control_plane };
        MEMBERS.iter().for_each(|member| day.fleet.join(member));
        day.statuses(&["Ready", "Ready"]);
        day
    }

    fn control_plane(fleet: &Fleet) -> Running {
        let timings = ["--evict-after", "3s", "--return-after", "2s", "--dns-empty-hold", "10s"];
        let election = ["lease-duration=3s", "renew-deadline=2s", "retry-period=1s"];
        let election: Vec<_> = election.iter().map(|timing| format!("--leader-elect-{timing}")).collect();
        fleet.control_plane(&timings.into_iter().chain(election.iter().map(String::as_str)).collect::<Vec<_>>())
    }

    fn objects_are_split_and_published(&self) {
        let file = self.fleet.path("manifests.yaml");
        fs::write(&file, MANIFESTS).unwrap();
        self.federation(&["create", "-f", file.to_str().unwrap()]);
        // Neither may end before it is true.
        self.federation(&["rollout", "status", "deployment/web", "--timeout=60s"]);
        assert_eq!(self.replicas("web"), [Some(3), Some(3)]);
        self.federation(&["wait", "deployment/web", "--for=condition=Available", "--timeout=60s"]);
        self.answered(WEB, 2);
        for member in MEMBERS {
            assert_eq!(self.dig(&format!("web.default.fed.svc.{member}us.example.com")).len(), 1, "{member}");
            let colour = || self.tools.kubectl(member, &["get", "cm", "settings", "-o", "jsonpath={.data.colour}"]);
            let _ = eventually("the settings are there", colour, |colour| colour.as_deref() == Ok("green"));
        }
    }

    /// kill -9 right after a change, several times, each at another moment of the work that follows.
    fn a_kill_amid_changes_loses_nothing(&mut self) {
        for (replicas, halves) in [("8", [4, 4]), ("4", [2, 2]), ("6", [3, 3])] {
            self.federation(&["scale", "deployment/web", "--replicas", replicas]);
            self.federation(&["patch", "cm", "settings", "-p", &format!(r#"{{"data": {{"colour": "{replicas}"}}}}"#)]);
            if replicas == "4" {
                self.federation(&["delete", "svc", "other", "--wait=false"]);
            }
            self.control_plane.signal("KILL");
            self.control_plane.wait().unwrap();
            self.control_plane = Self::control_plane(&self.fleet);
            self.spread("web", halves.map(Some));
            for member in MEMBERS {
                let colour = || self.tools.kubectl(member, &["get", "cm", "settings", "-o", "jsonpath={.data.colour}"]);
                let _ = eventually("the settings are there", colour, |colour| colour.as_deref() == Ok(replicas));
            }
        }
        self.answered("other.default.fed.svc.example.com", 0);
        self.answered(WEB, 2);
        let audit = self.fleet.audited("nothing is left in the zone", |audit| audit["clean"] == true);
        assert!(audit["sets"].as_array().unwrap().iter().all(|set| !set["name"].to_string().contains("other")));
    }

    /// Two signals: its load balancer answers.
    fn a_member_whose_api_hangs_keeps_its_address(&self) {
        // What runs is written down by then: of a silent member no more is counted on.
        self.federation(&["rollout", "status", "deployment/web", "--timeout=60s"]);
        self.spread("web", [Some(3), Some(3)]);
        self.faults("west", "hang", "ok");
        self.statuses(&["Ready", "Offline"]);
        assert_eq!(self.dig(WEB).len(), 2, "its address answers");
        let status = self.kfed(&["status"]);
        assert!(status.contains("west") && status.contains("Offline"), "{status}");
        self.federation(&["annotate", "svc", "web", "kfed.io/dns-ttl=31"]);
        let ttl = || self.tools.dig(WEB, &["+noshort", "+noall", "+answer"]).join("\n");
        let answer = eventually("what is changed now is written", ttl, |answer| answer.contains(" 31 IN"));
        assert_eq!(answer.lines().count(), 2, "{answer}");
        self.faults("west", "ok", "ok");
        self.statuses(&["Ready", "Ready"]);
        assert_eq!(self.replicas("web"), [Some(3), Some(3)], "nothing has moved");
    }

    fn a_dead_member_is_replaced_and_comes_back(&self) {
        let east = self.dig("web.default.fed.svc.eastus.example.com");
        self.faults("west", "hang", "hang");
        let seen = eventually("only east is answered", || self.dig(WEB), |seen| *seen == east);
        assert_eq!(self.dig("web.default.fed.svc.westus.example.com"), seen, "its region leads elsewhere");
        eventually("east runs all of it", || self.replicas_in("east", "web"), |east| *east == Some(6));
        let why = self.kfed(&["explain", "deployment", "web"]);
        assert!(why.contains("west") && why.contains("Offline"), "{why}");
        self.faults("west", "ok", "ok");
        self.answered(WEB, 2);
        self.spread("web", [Some(3), Some(3)]);
    }

    fn drift_is_mended(&self) {
        self.member("west", &["scale", "deployment/web", "--replicas=1"]);
        self.member("east", &["delete", "cm", "settings"]);
        self.member("east", &["label", "svc", "web", "theirs=stays"]);
        self.spread("web", [Some(3), Some(3)]);
        let there = || self.tools.kubectl("east", &["get", "cm", "settings"]).is_ok();
        eventually("the settings are back", there, |there| *there);
        self.federation(&["annotate", "svc", "web", "kfed.io/dns-ttl-"]);
        let label = self.member("east", &["get", "svc", "web", "-o", "jsonpath={.metadata.labels.theirs}"]);
        assert_eq!(label, "stays");
    }

    fn preferences_that_cannot_be_read_change_nothing(&self) {
        const KEY: &str = "federation.kubernetes.io/deployment-preferences";
        self.federation(&[
            "annotate",
            "--overwrite",
            "deployment/web",
            &format!(r#"{KEY}={{"clusters": {{"west": {{"weight": oops}}}}}}"#),
        ]);
        let described = || self.federation(&["describe", "deployment/web"]);
        let said = eventually("it is told", described, |said| said.contains("Warning") && said.contains(KEY));
        assert!(said.contains("column"), "{said}");
        assert_eq!(self.replicas("web"), [Some(3), Some(3)]);
        self.federation(&["annotate", "--overwrite", "deployment/web", &format!("{KEY}={SPREAD}")]);
        self.federation(&["scale", "deployment/web", "--replicas=4"]);
        self.spread("web", [Some(2), Some(2)]);
    }

    fn a_deleted_service_leaves_no_names(&self) {
        self.federation(&["delete", "svc", "web"]);
        for name in [WEB, "web.default.fed.svc.westus.example.com", "web.default.fed.svc.1.eastus.example.com"] {
            assert!(self.dig(name).is_empty(), "{name}");
        }
        for member in MEMBERS {
            assert!(self.tools.kubectl(member, &["get", "svc", "web"]).is_err(), "{member}");
        }
        let (_, audit) = self.fleet.json(&["audit"]);
        assert_eq!(audit["sets"].as_array().unwrap().len(), 0, "{audit}");
    }

    fn a_member_that_leaves_is_left_clean(&self) {
        self.member("west", &["create", "cm", "theirs"]);
        let said = self.kfed(&["unjoin", "west", "--yes"]);
        assert!(said.contains("cluster west has left"), "{said}");
        self.spread("web", [Some(4), None]);
        assert!(!self.federation(&["get", "clusters"]).contains("west"));
        let managed =
            self.member("west", &["get", "deploy,svc,cm,secrets", "-A", "-l", "kfed.io/managed-by", "-o", "name"]);
        assert_eq!(managed, "");
        self.member("west", &["get", "cm", "theirs"]);
        let secrets = self.federation(&["get", "secrets", "-n", "federation-system", "-o", "name"]);
        assert!(secrets.contains("east") && !secrets.contains("west"), "{secrets}");
    }

    fn federation(&self, args: &[&str]) -> String {
        self.tools.kubectl(FEDERATION, args).unwrap()
    }

    fn member(&self, member: &str, args: &[&str]) -> String {
        self.tools.kubectl(member, args).unwrap()
    }

    fn dig(&self, name: &str) -> Vec<String> {
        self.tools.dig(name, &[])
    }

    fn kfed(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.fleet.kfed(args, false);
        assert_eq!(code, Some(0), "{args:?}: {stdout}{stderr}");
        stdout
    }

    fn faults(&self, member: &str, api: &str, lb: &str) {
        let file = self.fleet.path("faults.json");
        fs::write(&file, format!(r#"{{"api": "{api}", "lb": "{lb}"}}"#)).unwrap();
        self.member(member, &["replace", "--raw", "/emulator/faults", "-f", Path::to_str(&file).unwrap()]);
    }

    /// What each member is asked to run; none where there is no copy.
    fn replicas(&self, deployment: &str) -> [Option<u32>; 2] {
        MEMBERS.map(|member| self.replicas_in(member, deployment))
    }

    fn replicas_in(&self, member: &str, deployment: &str) -> Option<u32> {
        let asked = ["get", "deployment", deployment, "-o", "jsonpath={.spec.replicas}"];
        self.tools.kubectl(member, &asked).ok()?.parse().ok()
    }

    fn spread(&self, deployment: &str, wanted: [Option<u32>; 2]) {
        eventually("the replicas are spread", || self.replicas(deployment), |seen| *seen == wanted);
    }

    fn answered(&self, name: &str, addresses: usize) {
        eventually(name, || self.dig(name), |seen| seen.len() == addresses);
    }

    fn statuses(&self, wanted: &[&str]) {
        let path = "jsonpath={range .items[*]}{.metadata.name}={.status.phase} {end}";
        let named: String = MEMBERS.iter().zip(wanted).map(|(member, status)| format!("{member}={status} ")).collect();
        let seen = || self.federation(&["get", "clusters", "-o", path]);
        eventually("the members' statuses", seen, |seen| seen.trim() == named.trim());
    }
}
