//! The members that a request names.

use std::collections::BTreeMap;

use kfed_api::policy::{Taint, TaintEffect};
use kfed_replica_scheduler::{Attributes, Member};

use super::object;
use crate::document::{Node, Reader, Span, Value};
use crate::duration;

const KEYS: [&str; 8] = ["name", "current", "capacity", "capacityAge", "region", "zone", "labels", "taints"];
const EFFECTS: [(&str, TaintEffect); 3] = [
    ("NoSchedule", TaintEffect::NoSchedule),
    ("PreferNoSchedule", TaintEffect::PreferNoSchedule),
    ("NoExecute", TaintEffect::NoExecute),
];

/// A member cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) current: Option<i64>,
    pub(crate) capacity: Option<i64>,
    pub(crate) attributes: Attributes,
    /// Where it stands.
    pub(crate) at: Span,
}

// === impl Cluster ===

impl Cluster {
    /// As the planner takes it.
    pub(crate) fn member(&self) -> Member<'_> {
        Member { name: &self.name, current: self.current, capacity: self.capacity, attributes: Some(&self.attributes) }
    }
}

/// The members in a list, each once; those that take no replicas are left out, and that is told.
pub(crate) fn read_all(nodes: &[Node], reader: &mut Reader) -> Vec<Cluster> {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut clusters = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some(cluster) = read(node, reader) else { continue };
        if let Some(first) = seen.get(&cluster.name) {
            let line = reader.sources.position(*first).0;
            let message = format!("the member {} stands here a second time", cluster.name);
            reader.error(cluster.at, message).help(format!("it is in line {line} already; a member has one entry"));
            continue;
        }
        seen.insert(cluster.name.clone(), cluster.at);
        if !object::is_left_out(node, &cluster, reader) {
            clusters.push(cluster);
        }
    }
    clusters
}

fn read(node: &Node, reader: &mut Reader) -> Option<Cluster> {
    match &node.value {
        Value::Map(_) if object::is_cluster(node) => object::read(node, reader),
        Value::Map(_) => from_entries(node, reader),
        Value::List(_) | Value::Null => {
            let note = reader.error(node.span, format!("a member belongs here, not {}", node.kind()));
            note.help("as in {name: fed-west, current: 4, capacity: 5}");
            None
        }
        _ => named(node, reader).map(|(name, at)| Cluster { name, at, ..Cluster::default() }),
    }
}

/// A member's name, and where it stands.
pub(super) fn named(node: &Node, reader: &mut Reader) -> Option<(String, Span)> {
    let name = reader.text(node, "a name")?;
    if name.is_empty() {
        reader.error(node.span, "a member's name cannot be empty");
        return None;
    }
    // A table, or `kubectl get -o name`, is one long text to YAML.
    if name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
        let note = reader.error(node.span, format!("{} is no member's name", node.kind()));
        note.help("it has no blanks or slashes; of `kubectl get clusters`, the output of -o yaml or -o json is read");
        return None;
    }
    Some((name, node.span))
}

pub(super) fn from_entries(node: &Node, reader: &mut Reader) -> Option<Cluster> {
    let before = reader.errors();
    let fields = reader.fields(node, "a member", &KEYS)?;
    let Some(name) = fields.get("name") else {
        reader.error(node.span, "this member has no name").help("as in {name: fed-west}");
        return None;
    };
    let (name, at) = named(name, reader)?;
    let current = fields.get("current").and_then(|node| {
        let current = reader.number(node)?;
        if current < 0 {
            reader.error(node.span, "replicas that run cannot be negative").help("write 0 or more");
        }
        Some(current)
    });
    let capacity = fields.get("capacity");
    let attributes = Attributes {
        region: fields.get("region").and_then(|node| reader.text(node, "a region")),
        zone: fields.get("zone").and_then(|node| reader.text(node, "a zone")),
        labels: fields.get("labels").map(|node| labels(node, reader)).unwrap_or_default(),
        taints: fields.get("taints").map(|node| taints(node, reader)).unwrap_or_default(),
        capacity_age: fields.get("capacityAge").and_then(|node| age(node, reader)),
    };
    // What is said of the member most likely is about its capacity.
    let at = capacity.map_or(at, |node| node.span);
    let capacity = capacity.and_then(|node| reader.number(node));
    (reader.errors() == before).then_some(Cluster { name, current, capacity, attributes, at })
}

fn age(node: &Node, reader: &mut Reader) -> Option<std::time::Duration> {
    let text = reader.text(node, "a duration")?;
    match duration::parse(&text) {
        Ok(age) => Some(age),
        Err(help) => {
            reader.error(node.span, format!("`{text}` is no duration")).help(help);
            None
        }
    }
}

pub(super) fn labels(node: &Node, reader: &mut Reader) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for entry in reader.entries(node, "a map of labels") {
        let value = match entry.node.value {
            Value::Null => Some(String::new()),
            _ => reader.text(&entry.node, "a label's value"),
        };
        labels.extend(value.map(|value| (entry.key.clone(), value)));
    }
    labels
}

pub(super) fn taints(node: &Node, reader: &mut Reader) -> Vec<Taint> {
    let Value::List(items) = &node.value else {
        let note = reader.error(node.span, format!("a list of taints belongs here, not {}", node.kind()));
        note.help("as in [{key: dedicated, value: batch, effect: NoSchedule}]");
        return Vec::new();
    };
    items.iter().filter_map(|item| taint(item, reader)).collect()
}

/// A taint as Kubernetes has it, or `KEY=VALUE:EFFECT` or `KEY:EFFECT` as `kubectl taint` takes it.
fn taint(node: &Node, reader: &mut Reader) -> Option<Taint> {
    if let Some(text) = node.as_text() {
        let parts = text.rsplit_once(':').map(|(what, effect)| (what.split_once('=').unwrap_or((what, "")), effect));
        let Some(((key, value), effect)) = parts.filter(|((key, _), _)| !key.is_empty()) else {
            let note = reader.error(node.span, format!("`{text}` is no taint"));
            note.help("write KEY=VALUE:EFFECT, as in dedicated=batch:NoSchedule");
            return None;
        };
        let effect = Node { value: Value::Text(effect.to_owned()), span: node.span };
        let effect = reader.word(&effect, "an effect of a taint", &EFFECTS)?;
        return Some(Taint { key: key.to_owned(), value: value.to_owned(), effect });
    }
    let fields = reader.fields(node, "a taint", &["key", "value", "effect", "timeAdded"])?;
    let key = fields.required("key", reader).and_then(|node| reader.text(node, "a key"));
    let value = fields.get("value").and_then(|node| reader.text(node, "a value"));
    let effect = fields.required("effect", reader);
    let effect = effect.and_then(|node| reader.word(node, "an effect of a taint", &EFFECTS));
    Some(Taint { key: key?, value: value.unwrap_or_default(), effect: effect? })
}
