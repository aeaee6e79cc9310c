//! Pods.

use jiff::Timestamp;
use serde_json::Value;

use super::age::{age, parse, since};
use super::read::{is_deleted, list_at, name, number_at, or_none, text_at};
use super::{AGE, NAME, Printer, text, wide};

pub(super) const PODS: Printer = Printer {
    columns: &[
        NAME,
        text("Ready", "How many of the containers are ready."),
        text("Status", "What the containers are doing, in one word."),
        text("Restarts", "How often containers were restarted, and when last."),
        AGE,
        wide("IP", "The address of the pod."),
        wide("Node", "The node that runs the pod."),
        wide("Nominated Node", "The node on which pods are preempted for this one."),
        wide("Readiness Gates", "How many of the pod's own readiness conditions hold."),
    ],
    cells,
};

fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = Summary::of(pod);
    let total = list_at(pod, "/spec/containers").len() + summary.sidecars;
    let restarts = match summary.last_restart {
        Some(at) if summary.restarts > 0 => format!("{} ({} ago)", summary.restarts, since(at, now)),
        _ => summary.restarts.to_string(),
    };
    vec![
        name(pod),
        format!("{}/{total}", summary.ready).into(),
        summary.status.into(),
        restarts.into(),
        age(pod, now),
        or_none(
            list_at(pod, "/status/podIPs")
                .first()
                .map_or_else(|| text_at(pod, "/status/podIP"), |ip| text_at(ip, "/ip")),
        )
        .into(),
        or_none(text_at(pod, "/spec/nodeName")).into(),
        or_none(text_at(pod, "/status/nominatedNodeName")).into(),
        readiness_gates(pod).into(),
    ]
}

struct Summary<'a> {
    ready: usize,
    /// Init containers that keep running count as containers.
    sidecars: usize,
    restarts: i64,
    last_restart: Option<&'a str>,
    status: String,
}

impl<'a> Summary<'a> {
    fn of(pod: &'a Value) -> Self {
        let mut status = match text_at(pod, "/status/reason") {
            "" => text_at(pod, "/status/phase").to_owned(),
            reason => reason.to_owned(),
        };
        let gated = list_at(pod, "/status/conditions").iter().any(|condition| {
            text_at(condition, "/type") == "PodScheduled" && text_at(condition, "/reason") == "SchedulingGated"
        });
        if gated {
            status = "SchedulingGated".to_owned();
        }
        let sidecar_names: Vec<&str> = list_at(pod, "/spec/initContainers")
            .iter()
            .filter(|container| text_at(container, "/restartPolicy") == "Always")
            .map(|container| text_at(container, "/name"))
            .collect();
        let mut summary = Self { ready: 0, sidecars: sidecar_names.len(), restarts: 0, last_restart: None, status };
        let initializing = summary.read_init_containers(pod, &sidecar_names);
        if !initializing || list_at(pod, "/status/conditions").iter().any(is_initialized) {
            summary.read_containers(pod, &sidecar_names);
        }
        if is_deleted(pod) {
            let lost = text_at(pod, "/status/reason") == "NodeLost";
            let ended = matches!(text_at(pod, "/status/phase"), "Succeeded" | "Failed");
            if lost {
                summary.status = "Unknown".to_owned();
            } else if !ended {
                summary.status = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Whether an init container still has to end.
    fn read_init_containers(&mut self, pod: &'a Value, sidecars: &[&str]) -> bool {
        let total = list_at(pod, "/spec/initContainers").len();
        for (index, container) in list_at(pod, "/status/initContainerStatuses").iter().enumerate() {
            self.count_restarts(container);
            let is_sidecar = sidecars.contains(&text_at(container, "/name"));
            if let Some(ended) = container.pointer("/state/terminated") {
                if number_at(ended, "/exitCode") == 0 {
                    continue;
                }
                self.status = format!("Init:{}", how_it_ended(ended));
            } else if is_sidecar && container.get("started") == Some(&Value::Bool(true)) {
                self.ready += usize::from(is_ready(container));
                continue;
            } else {
                let waiting = text_at(container, "/state/waiting/reason");
                self.status = match waiting {
                    "" | "PodInitializing" => format!("Init:{index}/{total}"),
                    reason => format!("Init:{reason}"),
                };
            }
            return true;
        }
        false
    }

    fn read_containers(&mut self, pod: &'a Value, sidecars: &[&str]) {
        // Restarts of init containers that are done are history.
        (self.restarts, self.last_restart) = (0, None);
        let statuses = list_at(pod, "/status/initContainerStatuses").iter();
        statuses
            .filter(|container| sidecars.contains(&text_at(container, "/name")))
            .for_each(|container| self.count_restarts(container));
        let mut any_running = false;
        for container in list_at(pod, "/status/containerStatuses").iter().rev() {
            self.count_restarts(container);
            let waiting = text_at(container, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.status = waiting.to_owned();
            } else if let Some(ended) = container.pointer("/state/terminated") {
                self.status = how_it_ended(ended);
            } else if is_ready(container) && container.pointer("/state/running").is_some() {
                any_running = true;
                self.ready += 1;
            }
        }
        // One container is done while another still runs.
        if self.status == "Completed" && any_running {
            let ready = list_at(pod, "/status/conditions")
                .iter()
                .any(|condition| text_at(condition, "/type") == "Ready" && text_at(condition, "/status") == "True");
            self.status = if ready { "Running" } else { "NotReady" }.to_owned();
        }
    }

    fn count_restarts(&mut self, container: &'a Value) {
        self.restarts += number_at(container, "/restartCount");
        let finished = text_at(container, "/lastState/terminated/finishedAt");
        let is_later = |than: &str| parse(finished) > parse(than);
        if !finished.is_empty() && self.last_restart.is_none_or(is_later) {
            self.last_restart = Some(finished);
        }
    }
}

fn is_initialized(condition: &Value) -> bool {
    text_at(condition, "/type") == "Initialized" && text_at(condition, "/status") == "True"
}

fn is_ready(container: &Value) -> bool {
    container.get("ready") == Some(&Value::Bool(true))
}

fn how_it_ended(ended: &Value) -> String {
    match (text_at(ended, "/reason"), number_at(ended, "/signal")) {
        ("", 0) => format!("ExitCode:{}", number_at(ended, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn readiness_gates(pod: &Value) -> String {
    let gates = list_at(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return super::read::NONE.to_owned();
    }
    let holding =
        gates.iter().filter(|gate| super::read::has_condition(pod, text_at(gate, "/conditionType"), "True")).count();
    format!("{holding}/{}", gates.len())
}
