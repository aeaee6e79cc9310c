//! Nodes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::age::age;
use super::read::{NONE, list_at, name, or_none, text_at};
use super::{AGE, NAME, Printer, text, wide};

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE_LABEL: &str = "kubernetes.io/role";

pub(super) const NODES: Printer = Printer {
    columns: &[
        NAME,
        text("Status", "Whether the node is ready, and takes pods."),
        text("Roles", "The roles of the node, from its labels."),
        AGE,
        text("Version", "The version of the kubelet."),
        wide("Internal-IP", "The address inside the cluster."),
        wide("External-IP", "The address outside the cluster."),
        wide("OS-Image", "The operating system."),
        wide("Kernel-Version", "The kernel, and what machine it is for."),
        wide("Container-Runtime", "What runs the containers."),
    ],
    cells: |node, now| {
        let info = |member: &str| text_at(node, &format!("/status/nodeInfo/{member}")).to_owned();
        let or_unknown = |text: String| Value::from(if text.is_empty() { "<unknown>".to_owned() } else { text });
        let kernel = match (info("kernelVersion"), info("architecture")) {
            (kernel, architecture) if kernel.is_empty() || architecture.is_empty() => kernel,
            (kernel, architecture) => format!("{kernel} ({architecture})"),
        };
        vec![
            name(node),
            status(node).into(),
            roles(node).into(),
            age(node, now),
            info("kubeletVersion").into(),
            address(node, "InternalIP").into(),
            address(node, "ExternalIP").into(),
            or_unknown(info("osImage")),
            or_unknown(kernel),
            or_unknown(info("containerRuntimeVersion")),
        ]
    },
};

fn status(node: &Value) -> String {
    let ready = list_at(node, "/status/conditions").iter().find(|condition| text_at(condition, "/type") == "Ready");
    let status = match ready.map(|ready| text_at(ready, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let unschedulable = node.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
    if unschedulable { format!("{status},SchedulingDisabled") } else { status.to_owned() }
}

fn roles(node: &Value) -> String {
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object);
    let roles: BTreeSet<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix(ROLE_PREFIX) {
            Some(role) => Some(role),
            None => value.as_str().filter(|_| key == ROLE_LABEL),
        })
        .filter(|role| !role.is_empty())
        .collect();
    or_none(&roles.into_iter().collect::<Vec<_>>().join(",")).to_owned()
}

fn address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let address = list_at(node, "/status/addresses").iter().find(|address| text_at(address, "/type") == kind);
    address.map_or(NONE, |address| text_at(address, "/address"))
}
