//! The members that a request names.

use std::collections::BTreeMap;

use kfed_api::policy::{Taint, TaintEffect};
use kfed_replica_scheduler::{Attributes, Member};

use super::nearest::nearest;
use super::source::{Notes, Sources, Span};
use super::tree::{Entry, Node, Value};
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
}

// === impl Cluster ===

impl Cluster {
    /// As the planner takes it.
    pub(crate) fn member(&self) -> Member<'_> {
        Member { name: &self.name, current: self.current, capacity: self.capacity, attributes: Some(&self.attributes) }
    }

    /// Reads `NAME` or `name=NAME,region=…,zone=…,capacity=…,current=…,capacityAge=…,label.KEY=…,taint=KEY=VALUE:EFFECT`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut cluster = Self::default();
        for part in text.split(',') {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key.trim(), value.trim()),
                None if cluster.name.is_empty() => ("name", part.trim()),
                None => return Err(format!("`{part}` lacks its value; write KEY=VALUE")),
            };
            let number = || value.parse::<i64>().map_err(|_| format!("{key} is a whole number, not `{value}`"));
            match key {
                "name" => value.clone_into(&mut cluster.name),
                "current" => cluster.current = Some(number()?),
                "capacity" => cluster.capacity = Some(number()?),
                "capacityAge" => {
                    let age = duration::parse(value).map_err(|wrong| format!("capacityAge={value}: {wrong}"))?;
                    cluster.attributes.capacity_age = Some(age);
                }
                "region" => cluster.attributes.region = Some(value.to_owned()),
                "zone" => cluster.attributes.zone = Some(value.to_owned()),
                "taint" => cluster.attributes.taints.push(taint(value)?),
                _ => match key.strip_prefix("label.") {
                    Some(label) => drop(cluster.attributes.labels.insert(label.to_owned(), value.to_owned())),
                    None => return Err(unknown_part(key)),
                },
            }
        }
        if cluster.current.is_some_and(|current| current < 0) {
            return Err("current cannot be negative".to_owned());
        }
        if cluster.name.is_empty() { Err("it needs a name, as in name=fed-north".to_owned()) } else { Ok(cluster) }
    }
}

fn unknown_part(key: &str) -> String {
    let known = ["name", "current", "capacity", "capacityAge", "region", "zone", "label.KEY", "taint"];
    match nearest(key, known) {
        Some(meant) => format!("there is no `{key}`; did you mean `{meant}`?"),
        None => format!("there is no `{key}`; there are {}", known.join(", ")),
    }
}

/// Reads `KEY=VALUE:EFFECT` or `KEY:EFFECT`, as `kubectl taint` does.
fn taint(text: &str) -> Result<Taint, String> {
    let wrong = || format!("`{text}` is no taint; write KEY=VALUE:EFFECT, as in dedicated=batch:NoSchedule");
    let (what, effect) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (key, value) = what.split_once('=').unwrap_or((what, ""));
    if key.is_empty() {
        return Err(wrong());
    }
    Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect: taint_effect(effect)? })
}

fn taint_effect(text: &str) -> Result<TaintEffect, String> {
    let found = EFFECTS.into_iter().find(|(name, _)| *name == text);
    found.map(|(_, effect)| effect).ok_or_else(|| {
        let known = EFFECTS.map(|(name, _)| name);
        match nearest(text, known) {
            Some(meant) => format!("`{text}` is no effect of a taint; did you mean {meant}?"),
            None => format!("`{text}` is no effect of a taint; they are {}", known.join(", ")),
        }
    })
}

/// The members in a list, each once.
pub(crate) fn read_all(nodes: &[Node], sources: &Sources, notes: &mut Notes) -> Vec<Cluster> {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut clusters = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some((cluster, at)) = read(node, sources, notes) else { continue };
        if let Some(first) = seen.get(&cluster.name) {
            let line = sources.position(*first).0;
            let message = format!("the member {} stands here a second time", cluster.name);
            notes.error(at, message).help(format!("it is in line {line} already; a member has one entry"));
            continue;
        }
        seen.insert(cluster.name.clone(), at);
        clusters.push(cluster);
    }
    clusters
}

/// One member, and where its name stands.
fn read(node: &Node, sources: &Sources, notes: &mut Notes) -> Option<(Cluster, Span)> {
    match &node.value {
        Value::Map(_) if node.get("kind").and_then(Node::text) == Some("Cluster") => from_object(node, sources, notes),
        Value::Map(entries) => from_entries(node, entries, sources, notes),
        Value::List(_) | Value::Null => {
            let message = format!("a member belongs here, not {}", node.kind());
            notes.error(node.span, message).help("as in {name: fed-west, current: 4, capacity: 5}");
            None
        }
        _ => {
            let name = scalar(node, sources)?;
            Some((Cluster { name, ..Cluster::default() }, node.span))
        }
    }
}

fn from_entries(node: &Node, entries: &[Entry], sources: &Sources, notes: &mut Notes) -> Option<(Cluster, Span)> {
    let before = notes.errors();
    let mut cluster = Cluster::default();
    let mut named = None;
    for entry in entries {
        let value = &entry.node;
        if value.value == Value::Null && KEYS.contains(&entry.key.as_str()) {
            continue;
        }
        match entry.key.as_str() {
            "name" => {
                cluster.name = text(value, "a name", sources, notes).unwrap_or_default();
                named = Some(value.span);
                if cluster.name.is_empty() && notes.errors() == before {
                    notes.error(value.span, "a member's name cannot be empty");
                }
            }
            "current" => {
                cluster.current = number(value, sources, notes);
                if cluster.current.is_some_and(|current| current < 0) {
                    notes.error(value.span, "replicas that run cannot be negative");
                }
            }
            "capacity" => {
                cluster.capacity = number(value, sources, notes);
                if cluster.capacity.is_some_and(|capacity| capacity < 0) {
                    notes
                        .warning(value.span, "a negative capacity")
                        .help("federation-v1 plans negative numbers for it");
                }
            }
            "capacityAge" => cluster.attributes.capacity_age = age(value, sources, notes),
            "region" => cluster.attributes.region = text(value, "a region", sources, notes),
            "zone" => cluster.attributes.zone = text(value, "a zone", sources, notes),
            "labels" => cluster.attributes.labels = labels(value, sources, notes),
            "taints" => cluster.attributes.taints = taints(value, notes),
            unknown => {
                let note = notes.error(entry.span, format!("a member has no `{unknown}`"));
                note.help(match nearest(unknown, KEYS) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it has {}", KEYS.join(", ")),
                });
            }
        }
    }
    match named {
        Some(at) if notes.errors() == before => Some((cluster, at)),
        Some(_) => None,
        None => {
            notes.error(node.span, "this member has no name").help("as in {name: fed-west}");
            None
        }
    }
}

/// A `Cluster` of kfed's API, as `kubectl get clusters -o yaml` prints it.
fn from_object(node: &Node, sources: &Sources, notes: &mut Notes) -> Option<(Cluster, Span)> {
    let Some(name) = node.at(&["metadata", "name"]) else {
        notes.error(node.span, "this Cluster has no metadata.name");
        return None;
    };
    let labels = node.at(&["metadata", "labels"]).map(|node| labels(node, sources, notes)).unwrap_or_default();
    let zone = node.at(&["status", "zones"]).and_then(|zones| match &zones.value {
        Value::List(zones) => zones.first(),
        _ => None,
    });
    let attributes = Attributes {
        region: node.at(&["status", "region"]).and_then(|region| scalar(region, sources)),
        zone: zone.and_then(|zone| scalar(zone, sources)),
        labels,
        ..Attributes::default()
    };
    let name = Cluster { name: scalar(name, sources)?, current: None, capacity: None, attributes };
    Some((name, node.span))
}

/// Text, or what YAML takes for something else although its author meant text: zone 1, or a member named `no`.
fn scalar(node: &Node, sources: &Sources) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Bool(_) | Value::Int(_) | Value::Number(_) => Some(sources.slice(node.span).trim().to_owned()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn text(node: &Node, what: &str, sources: &Sources, notes: &mut Notes) -> Option<String> {
    let read = scalar(node, sources);
    if read.is_none() {
        notes.error(node.span, format!("{what} belongs here, not {}", node.kind()));
    }
    read
}

/// A whole number.
pub(crate) fn number(node: &Node, sources: &Sources, notes: &mut Notes) -> Option<i64> {
    match &node.value {
        Value::Int(number) => Some(*number),
        Value::Number(_) => {
            let shown = sources.slice(node.span).trim();
            let whole = !shown.is_empty() && shown.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
            let message = if whole { "this number is too large" } else { "a whole number belongs here" };
            let note = notes.error(node.span, message);
            if whole {
                note.help(format!("it can be at most {}", i64::MAX));
            }
            None
        }
        Value::Text(text) if text.parse::<i64>().is_ok() => {
            notes.error(node.span, format!("a whole number belongs here, not {}", node.kind())).help("drop its quotes");
            None
        }
        _ => {
            notes.error(node.span, format!("a whole number belongs here, not {}", node.kind()));
            None
        }
    }
}

fn age(node: &Node, sources: &Sources, notes: &mut Notes) -> Option<std::time::Duration> {
    let text = text(node, "a duration", sources, notes)?;
    match duration::parse(&text) {
        Ok(age) => Some(age),
        Err(help) => {
            notes.error(node.span, format!("`{text}` is no duration")).help(help);
            None
        }
    }
}

fn labels(node: &Node, sources: &Sources, notes: &mut Notes) -> BTreeMap<String, String> {
    let Value::Map(entries) = &node.value else {
        notes.error(node.span, format!("a map of labels belongs here, not {}", node.kind()));
        return BTreeMap::new();
    };
    let label = |entry: &Entry| {
        let value = if entry.node.value == Value::Null {
            String::new()
        } else {
            text(&entry.node, "a label's value", sources, notes)?
        };
        Some((entry.key.clone(), value))
    };
    entries.iter().filter_map(label).collect()
}

fn taints(node: &Node, notes: &mut Notes) -> Vec<Taint> {
    let Value::List(items) = &node.value else {
        let note = notes.error(node.span, format!("a list of taints belongs here, not {}", node.kind()));
        note.help("as in [{key: dedicated, value: batch, effect: NoSchedule}]");
        return Vec::new();
    };
    items.iter().filter_map(|item| read_taint(item, notes)).collect()
}

fn read_taint(node: &Node, notes: &mut Notes) -> Option<Taint> {
    let read = match &node.value {
        Value::Text(text) => taint(text),
        Value::Map(entries) => {
            let known = ["key", "value", "effect", "timeAdded"];
            if let Some(entry) = entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
                let note = notes.error(entry.span, format!("a taint has no `{}`", entry.key));
                note.help("it has key, value and effect");
                return None;
            }
            let part = |key| node.get(key).and_then(Node::text);
            match (part("key"), part("effect")) {
                (Some(key), Some(effect)) => taint_effect(effect).map(|effect| Taint {
                    key: key.to_owned(),
                    value: part("value").unwrap_or_default().to_owned(),
                    effect,
                }),
                _ => Err("a taint has key and effect, both text".to_owned()),
            }
        }
        _ => Err(format!("a taint belongs here, not {}", node.kind())),
    };
    match read {
        Ok(taint) => Some(taint),
        Err(message) => {
            notes.error(node.span, message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_from_one_word_of_a_command_line() {
        let all = "name=fed-north,region=northeurope,zone=2,capacity=10,current=0,capacityAge=5m,label.kfed.io/tier=gold,\
                   taint=dedicated=batch:NoSchedule,taint=drained:NoExecute";
        let cluster = Cluster::parse(all).unwrap();
        assert_eq!((cluster.name.as_str(), cluster.current, cluster.capacity), ("fed-north", Some(0), Some(10)));
        let attributes = &cluster.attributes;
        assert_eq!((attributes.region.as_deref(), attributes.zone.as_deref()), (Some("northeurope"), Some("2")));
        assert_eq!(attributes.labels["kfed.io/tier"], "gold");
        assert_eq!(attributes.capacity_age.map(|age| age.as_secs()), Some(300));
        let taints: Vec<_> = attributes.taints.iter().map(|t| (t.key.as_str(), t.value.as_str())).collect();
        assert_eq!(taints, [("dedicated", "batch"), ("drained", "")]);
        assert_eq!(Cluster::parse("fed-north").unwrap().name, "fed-north");
    }

    #[test]
    fn what_is_no_member_is_told_what_it_lacks() {
        for (text, says) in [
            ("", "needs a name"),
            ("region=westus", "needs a name"),
            ("name=a,capcity=3", "did you mean `capacity`?"),
            ("name=a,capacity=many", "capacity is a whole number"),
            ("name=a,current=-1", "cannot be negative"),
            ("name=a,taint=x", "KEY=VALUE:EFFECT"),
            ("name=a,taint=x:NoSchedul", "did you mean NoSchedule?"),
            ("name=a,capacityAge=5", "with its unit"),
            ("name=a,b", "lacks its value"),
        ] {
            let wrong = Cluster::parse(text).unwrap_err();
            assert!(wrong.contains(says), "{text}: {wrong}");
        }
    }
}
