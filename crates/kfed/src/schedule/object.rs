//! Members as objects of an API server.

use kfed_api::conditions::types;
use kfed_replica_scheduler::Attributes;

use super::cluster::{Cluster, labels, named, taints};
use crate::document::{Node, Reader, Value};

/// A `Cluster` of kfed's API or of Federation v1, as `kubectl get clusters -o yaml` prints it.
pub(super) fn read(node: &Node, reader: &mut Reader) -> Option<Cluster> {
    let Some(name) = node.at(&["metadata", "name"]) else {
        reader.error(node.span, "this Cluster has no metadata.name");
        return None;
    };
    let (name, at) = named(name, reader)?;
    let labels = node.at(&["metadata", "labels"]).map(|node| labels(node, reader)).unwrap_or_default();
    let zone = node.at(&["status", "zones"]).and_then(|zones| match &zones.value {
        Value::List(zones) => zones.first(),
        _ => None,
    });
    let attributes = Attributes {
        region: node.at(&["status", "region"]).and_then(|region| reader.text(region, "a region")),
        zone: zone.and_then(|zone| reader.text(zone, "a zone")),
        labels,
        taints: node.at(&["spec", "taints"]).map(|node| taints(node, reader)).unwrap_or_default(),
        ..Attributes::default()
    };
    Some(Cluster { name, current: None, capacity: None, attributes, at })
}

/// Whether it is an object of an API server, and not a member as a request names it.
pub(super) fn is_cluster(node: &Node) -> bool {
    node.get("kind").and_then(Node::as_text) == Some("Cluster")
}

/// Whether a `Cluster` takes no replicas, as its conditions have it.
pub(super) fn is_left_out(node: &Node, cluster: &Cluster, reader: &mut Reader) -> bool {
    if !is_cluster(node) {
        return false;
    }
    let condition = |type_: &str| {
        let Value::List(conditions) = &node.at(&["status", "conditions"])?.value else { return None };
        conditions.iter().find(|condition| condition.get("type").and_then(Node::as_text) == Some(type_))
    };
    let part = |type_, key| condition(type_).and_then(|condition| condition.get(key)).and_then(Node::as_text);
    let is = |type_| part(type_, "status") == Some("True");
    let leaves = node.at(&["metadata", "deletionTimestamp"]).or_else(|| node.at(&["spec", "unjoin"])).is_some();
    let why = if leaves || is(types::DRAINING) {
        "it is about to leave".to_owned()
    } else if is(types::OFFLINE) {
        "it is Offline".to_owned()
    } else if is(types::READY) {
        return false;
    } else {
        let said = part(types::READY, "message").or_else(|| part(types::READY, "reason"));
        said.map_or_else(|| "it is not Ready".to_owned(), |said| format!("it is not Ready: {said}"))
    };
    let name = &cluster.name;
    reader
        .warning(cluster.at, format!("{name} is left out: {why}"))
        .help(format!("what runs there counts as lost; with --add {name} the plan has it nevertheless"));
    true
}
