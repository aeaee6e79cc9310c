//! The kinds that make pods, and those that scale or guard them.

use jiff::Timestamp;
use serde_json::Value;

use super::age::{age, human, parse, seconds_between, since};
use super::read::{
    containers, has_condition, is_deleted, labels, list_at, name, number_at, or_none, selector, show, text_at,
};
use super::{AGE, Column, NAME, Printer, number, text, wide};

const CONTAINERS: Column = wide("Containers", "The names of the template's containers.");
const IMAGES: Column = wide("Images", "The images of the template's containers.");
const SELECTOR: Column = wide("Selector", "Which pods belong to it.");

pub(super) const REPLICA_SETS: Printer = Printer {
    columns: &[
        NAME,
        number("Desired", "How many pods there should be."),
        number("Current", "How many pods there are."),
        number("Ready", "How many of the pods are ready."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |set, now| {
        let [names, images] = template_containers(set);
        let desired = number_at(set, "/spec/replicas");
        let [current, ready] = ["replicas", "readyReplicas"].map(|name| number_at(set, &format!("/status/{name}")));
        vec![name(set), desired.into(), current.into(), ready.into(), age(set, now), names, images, pod_selector(set)]
    },
};

pub(super) const DEPLOYMENTS: Printer = Printer {
    columns: &[
        NAME,
        text("Ready", "How many of the desired pods are ready."),
        text("Up-to-date", "How many pods are of the latest template."),
        text("Available", "How many pods have been ready for long enough."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |deployment, now| {
        let [names, images] = template_containers(deployment);
        let ready =
            format!("{}/{}", number_at(deployment, "/status/readyReplicas"), number_at(deployment, "/spec/replicas"));
        let [updated, available] =
            ["updatedReplicas", "availableReplicas"].map(|name| number_at(deployment, &format!("/status/{name}")));
        vec![
            name(deployment),
            ready.into(),
            updated.into(),
            available.into(),
            age(deployment, now),
            names,
            images,
            pod_selector(deployment),
        ]
    },
};

pub(super) const DAEMON_SETS: Printer = Printer {
    columns: &[
        NAME,
        number("Desired", "How many nodes should run the pod."),
        number("Current", "How many nodes run the pod."),
        number("Ready", "How many nodes have it ready."),
        number("Up-to-date", "How many nodes run the latest template."),
        number("Available", "How many nodes have had it ready for long enough."),
        text("Node Selector", "Which nodes it runs on."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |set, now| {
        let [names, images] = template_containers(set);
        let counts = [
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        ];
        let mut cells = vec![name(set)];
        cells.extend(counts.map(|name| Value::from(number_at(set, &format!("/status/{name}")))));
        cells.extend([
            labels(set.pointer("/spec/template/spec/nodeSelector")).into(),
            age(set, now),
            names,
            images,
            pod_selector(set),
        ]);
        cells
    },
};

pub(super) const STATEFUL_SETS: Printer = Printer {
    columns: &[NAME, text("Ready", "How many of the desired pods are ready."), AGE, CONTAINERS, IMAGES],
    cells: |set, now| {
        let [names, images] = template_containers(set);
        let ready = format!("{}/{}", number_at(set, "/status/readyReplicas"), number_at(set, "/spec/replicas"));
        vec![name(set), ready.into(), age(set, now), names, images]
    },
};

pub(super) const JOBS: Printer = Printer {
    columns: &[
        NAME,
        text("Status", "Whether it runs, is suspended, or how it ended."),
        text("Completions", "How many pods have succeeded, of how many."),
        text("Duration", "How long it ran, or has been running."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |job, now| {
        let [names, images] = template_containers(job);
        vec![
            name(job),
            job_status(job).into(),
            job_completions(job).into(),
            job_duration(job, now).into(),
            age(job, now),
            names,
            images,
            pod_selector(job),
        ]
    },
};

fn job_status(job: &Value) -> &'static str {
    let is = |condition| has_condition(job, condition, "True");
    if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if is_deleted(job) {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn job_completions(job: &Value) -> String {
    let succeeded = number_at(job, "/status/succeeded");
    match (job.pointer("/spec/completions").and_then(Value::as_i64), number_at(job, "/spec/parallelism")) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism @ 2..) => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn job_duration(job: &Value, now: Timestamp) -> String {
    let Some(start) = parse(text_at(job, "/status/startTime")) else { return String::new() };
    let end = parse(text_at(job, "/status/completionTime")).unwrap_or(now);
    human(seconds_between(start, end))
}

pub(super) const CRON_JOBS: Printer = Printer {
    columns: &[
        NAME,
        text("Schedule", "When it runs, in cron's format."),
        text("Timezone", "The time zone of the schedule."),
        text("Suspend", "Whether further runs are suspended."),
        number("Active", "How many of its jobs run now."),
        text("Last Schedule", "How long ago it last ran."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |job, now| {
        let [names, images] = containers(job, "/spec/jobTemplate/spec/template/spec");
        let suspended = match job.pointer("/spec/suspend") {
            Some(Value::Bool(true)) => "True",
            Some(Value::Bool(false)) => "False",
            _ => "<unset>",
        };
        let last = match text_at(job, "/status/lastScheduleTime") {
            "" => "<none>".to_owned(),
            time => since(time, now),
        };
        vec![
            name(job),
            text_at(job, "/spec/schedule").into(),
            or_none(text_at(job, "/spec/timeZone")).into(),
            suspended.into(),
            list_at(job, "/status/active").len().into(),
            last.into(),
            age(job, now),
            names,
            images,
            selector(job.pointer("/spec/jobTemplate/spec/selector")).into(),
        ]
    },
};

pub(super) const AUTOSCALERS: Printer = Printer {
    columns: &[
        NAME,
        text("Reference", "What it scales."),
        text("Targets", "Each metric as it is, and as it should be."),
        text("MinPods", "The fewest pods."),
        text("MaxPods", "The most pods."),
        text("Replicas", "How many pods there are."),
        AGE,
    ],
    cells: |scaler, now| {
        let reference = format!(
            "{}/{}",
            text_at(scaler, "/spec/scaleTargetRef/kind"),
            text_at(scaler, "/spec/scaleTargetRef/name")
        );
        let least = scaler.pointer("/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), |value| show(Some(value)));
        vec![
            name(scaler),
            reference.into(),
            scaling_targets(scaler).into(),
            least.into(),
            number_at(scaler, "/spec/maxReplicas").into(),
            number_at(scaler, "/status/currentReplicas").into(),
            age(scaler, now),
        ]
    },
};

fn scaling_targets(scaler: &Value) -> String {
    const UNKNOWN: &str = "<unknown>";
    if let Some(target) = scaler.pointer("/spec/targetCPUUtilizationPercentage").and_then(Value::as_i64) {
        let current = scaler.pointer("/status/currentCPUUtilizationPercentage").and_then(Value::as_i64);
        return format!(
            "cpu: {}/{target}%",
            current.map_or_else(|| UNKNOWN.to_owned(), |current| format!("{current}%"))
        );
    }
    let currents = list_at(scaler, "/status/currentMetrics");
    let metrics: Vec<String> = list_at(scaler, "/spec/metrics")
        .iter()
        .enumerate()
        .map(|(index, metric)| {
            let kind = text_at(metric, "/type");
            let source = metric.get(source_of(kind)).unwrap_or(&Value::Null);
            let current = currents
                .get(index)
                .and_then(|current| current.pointer(&format!("/{}/current", source_of(kind))))
                .unwrap_or(&Value::Null);
            let target = source.get("target").unwrap_or(&Value::Null);
            let percent = |value: &Value| {
                value.get("averageUtilization").and_then(Value::as_i64).map(|value| format!("{value}%"))
            };
            let quantity =
                |value: &Value| value.get("averageValue").or_else(|| value.get("value")).map(|value| show(Some(value)));
            let (wanted, seen) = match percent(target) {
                Some(wanted) => (Some(wanted), percent(current)),
                None => (quantity(target), quantity(current)),
            };
            let average = if matches!(kind, "External" | "Object") && target.get("averageValue").is_some() {
                " (avg)"
            } else {
                ""
            };
            let pair = format!(
                "{}/{}{average}",
                seen.unwrap_or_else(|| UNKNOWN.to_owned()),
                wanted.unwrap_or_else(|| "<auto>".to_owned())
            );
            match kind {
                "Resource" | "ContainerResource" => format!("{}: {pair}", text_at(source, "/name")),
                _ => pair,
            }
        })
        .collect();
    match metrics.len() {
        0 => "<none>".to_owned(),
        1 | 2 => metrics.join(", "),
        more => format!("{} + {} more...", metrics[..2].join(", "), more - 2),
    }
}

fn source_of(kind: &str) -> &'static str {
    match kind {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        _ => "external",
    }
}

pub(super) const DISRUPTION_BUDGETS: Printer = Printer {
    columns: &[
        NAME,
        text("Min Available", "How many pods must stay."),
        text("Max Unavailable", "How many pods may be missing."),
        number("Allowed Disruptions", "How many pods may be evicted now."),
        AGE,
    ],
    cells: |budget, now| {
        let limit = |pointer| {
            budget
                .pointer(pointer)
                .filter(|value| !value.is_null())
                .map_or_else(|| "N/A".to_owned(), |value| show(Some(value)))
        };
        vec![
            name(budget),
            limit("/spec/minAvailable").into(),
            limit("/spec/maxUnavailable").into(),
            number_at(budget, "/status/disruptionsAllowed").into(),
            age(budget, now),
        ]
    },
};

fn template_containers(object: &Value) -> [Value; 2] {
    containers(object, "/spec/template/spec")
}

/// A label selector, or the plain map of a ReplicationController.
fn pod_selector(object: &Value) -> Value {
    let of = object.pointer("/spec/selector");
    let plain = of.is_some_and(|of| of.get("matchLabels").is_none() && of.get("matchExpressions").is_none());
    if plain { labels(of) } else { selector(of) }.into()
}
