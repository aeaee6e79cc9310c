//! What is to be planned: requests in our own form, and workloads in Kubernetes'.

use std::collections::BTreeMap;
use std::sync::Arc;

use kfed_api::keys;
use kfed_api::policy::{Mode, PlacementPolicy};
use kfed_replica_scheduler::{Member, Request};
use serde::Deserialize;

use super::change::Replicas;
use super::cluster::{self, Cluster};
use super::policy;
use crate::document::{Entry, Node, Reader, Span, Value};

/// Keys of a policy that may stand beside `preferences`, where they win over those inside.
const POLICY: [&str; 7] = ["mode", "clusterSelector", "tolerations", "groups", "spread", "maxMoves", "maxClusters"];
const OWN: [&str; 5] = ["key", "replicas", "preferences", "clusters", "workload"];
/// Kinds with replicas: where they say how many, and which annotation holds their preferences.
const KINDS: [(&str, &str, &str); 3] = [
    ("ReplicaSet", "replicas", keys::REPLICA_SET_PREFERENCES),
    ("Deployment", "replicas", keys::DEPLOYMENT_PREFERENCES),
    ("Job", "parallelism", keys::JOB_PREFERENCES),
];

/// A workload, its policy and the members that may run it.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) key: String,
    pub(crate) replicas: i64,
    /// Whether the number is the command line's, as the file has none.
    pub(crate) is_supplied: bool,
    pub(crate) policy: PlacementPolicy,
    pub(crate) clusters: Arc<Vec<Cluster>>,
    /// Where its replicas run, as kfed notes it on what it federates; what is said of the members themselves comes first.
    placement: BTreeMap<String, i64>,
}

/// What the command line supplies where a request does not say it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Supplies<'a> {
    pub(crate) clusters: Option<&'a Arc<Vec<Cluster>>>,
    pub(crate) replicas: &'a [Replicas],
}

/// A value of the input before its members are known.
#[derive(Debug, Default)]
struct Draft {
    key: Option<String>,
    replicas: Option<(i64, Span)>,
    /// How many there are where nobody says it.
    usual: Option<i64>,
    /// The policy's entries, those that win behind the others.
    policy: Vec<Entry>,
    has_preferences: bool,
    /// Whether there is a mistake in the text of the preferences, so that nothing can be said of what they hold.
    is_unread: bool,
    /// Whether it is the text of an annotation and nothing else.
    is_bare: bool,
    clusters: Option<Vec<Cluster>>,
    placement: BTreeMap<String, i64>,
    span: Span,
}

/// What annotation `kfed.io/placement` says of a member.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Noted {
    /// None where it is told of only for why it runs nothing.
    replicas: Option<i64>,
}

// === impl Workload ===

impl Workload {
    pub(crate) fn members(&self) -> Vec<Member<'_>> {
        self.clusters.iter().map(|cluster| Member { current: self.current(cluster), ..cluster.member() }).collect()
    }

    /// What runs on a member, as far as it is known.
    pub(crate) fn current(&self, cluster: &Cluster) -> Option<i64> {
        cluster.current.or_else(|| self.placement.get(&cluster.name).copied())
    }

    /// What the planner is asked.
    pub(crate) fn request<'a>(&'a self, members: &'a [Member<'a>]) -> Request<'a> {
        Request { key: &self.key, replicas: self.replicas, policy: &self.policy, members }
    }
}

/// Reads every document, and the items of every list among them, that is a request, a workload with replicas or the text of a
/// preferences annotation.
pub(crate) fn read_all(documents: Vec<Node>, supplies: Supplies<'_>, reader: &mut Reader) -> Vec<Workload> {
    let mut nodes = Vec::new();
    for mut document in documents {
        // What stands twice in an annotation alone is judged as in one that has its object around it.
        if !is_annotation(&document) {
            reader.each_key_once(&mut document);
        }
        flatten(document, &mut nodes);
    }
    let mut workloads = Vec::with_capacity(nodes.len());
    let mut others = Vec::new();
    for node in &nodes {
        let kind = node.get("kind").and_then(Node::as_text);
        // A manifest often holds a Service too.
        if let Some(kind) = kind.filter(|kind| KINDS.iter().all(|(known, ..)| known != kind)) {
            others.push((node.span, kind));
            continue;
        }
        if !matches!(node.value, Value::Map(_)) && !is_annotation(node) {
            let note = reader.error(node.span, format!("a request belongs here, not {}", node.kind()));
            note.help("as in {key: default/web, replicas: 9, clusters: [{name: fed-west}, {name: fed-east}]}");
            continue;
        }
        let mut draft = Draft { span: node.span, ..Draft::default() };
        let before = reader.errors();
        match kind {
            Some(_) => draft.manifest(node, reader),
            None if is_annotation(node) => draft.bare(node, supplies.replicas, reader),
            None => draft.request(node, reader),
        }
        let finished = draft.finish(supplies, reader);
        if reader.errors() == before {
            workloads.extend(finished);
        }
    }
    if workloads.is_empty()
        && reader.errors() == 0
        && let Some((at, kind)) = others.first()
    {
        let known = KINDS.map(|(kind, ..)| kind).join(", ");
        reader.error(*at, format!("no {kind} is planned")).help(format!("of these there is a plan: {known}"));
    }
    workloads
}

/// Lists stand for their items, Kubernetes' `kind: List` too.
pub(crate) fn flatten(node: Node, into: &mut Vec<Node>) {
    let list =
        node.entry("kind").filter(|kind| kind.node.as_text().is_some_and(|kind| kind.ends_with("List"))).cloned();
    match (node.value, list) {
        (Value::List(items), _) => items.into_iter().for_each(|item| flatten(item, into)),
        (Value::Map(entries), Some(list)) => {
            let start = into.len();
            let items = entries.into_iter().filter(|entry| entry.key == "items" && entry.node.value != Value::Null);
            items.for_each(|entry| flatten(entry.node, into));
            into[start..].iter_mut().for_each(|item| name_kind(item, &list));
        }
        (value, _) => into.push(Node { value, span: node.span }),
    }
}

/// API servers leave the kind out of the items of a `DeploymentList`, as the list tells it.
fn name_kind(item: &mut Node, list: &Entry) {
    let kind = list.node.as_text().and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
    if item.get("kind").is_none()
        && let (Some(kind), Value::Map(entries)) = (kind, &mut item.value)
    {
        let node = Node { value: Value::Text(kind.to_owned()), span: list.node.span };
        entries.push(Entry { key: "kind".to_owned(), span: list.span, node });
    }
}

/// Whether it is what a preferences annotation holds, and no request: as a map, or as the text of one.
fn is_annotation(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => text.trim_start().starts_with('{'),
        Value::Map(entries) => {
            let is_request = |entry: &Entry| match entry.key.as_str() {
                "clusters" => !matches!(entry.node.value, Value::Map(_) | Value::Null),
                key => OWN.contains(&key),
            };
            let is_policy = |entry: &Entry| PlacementPolicy::KEYS.iter().any(|key| entry.key.eq_ignore_ascii_case(key));
            !entries.iter().any(is_request) && (entries.is_empty() || entries.iter().any(is_policy))
        }
        _ => false,
    }
}

// === impl Draft ===

impl Draft {
    /// A request in our own form.
    fn request(&mut self, node: &Node, reader: &mut Reader) {
        let entries = node.entries();
        if let Some(workload) = node.get("workload") {
            self.workload(workload, reader);
        }
        let mut beside = Vec::new();
        for entry in entries {
            let value = &entry.node;
            match entry.key.as_str() {
                known if value.value == Value::Null && (OWN.contains(&known) || POLICY.contains(&known)) => {}
                "key" => self.key = reader.text(value, "a key, as in default/hostname,"),
                "replicas" => self.replicas = count(value, reader),
                "preferences" => {
                    self.policy.clear();
                    self.preferences(value, "preferences", reader);
                }
                "clusters" => self.clusters = Some(clusters(value, reader)),
                "workload" => {}
                known if POLICY.contains(&known) => beside.push(entry.clone()),
                "rebalance" | "minReplicas" | "maxReplicas" | "weight" => {
                    reader
                        .error(entry.span, format!("a request has no key `{}`", entry.key))
                        .help("it stands in `preferences`");
                }
                unknown => reader.unknown(entry.span, "a request", unknown, &[&OWN[..], &POLICY].concat()),
            }
        }
        self.nobody_where_v1_named_nobody(&beside);
        self.policy.retain(|inside| beside.iter().all(|entry| !inside.key.eq_ignore_ascii_case(&entry.key)));
        self.policy.extend(beside);
        if node.get("key").is_none() && self.key.is_none() {
            let note = reader.warning(node.span, "this request has no `key`: ties are broken as for an empty one");
            note.help("with key: NAMESPACE/NAME of the workload it is planned as the federation would");
        }
    }

    /// Preferences without `clusters` gave nobody anything in v1. A policy's reader takes them so only where v1's keys stand
    /// alone, and is told so here where `mode: federation-v1` stands beside them.
    fn nobody_where_v1_named_nobody(&mut self, beside: &[Entry]) {
        let is = |entry: &Entry, key: &str| entry.key.eq_ignore_ascii_case(key);
        let inside = &self.policy;
        let is_v1 =
            beside.iter().all(|entry| entry.key != "mode" || entry.node.as_text() == Some(Mode::FederationV1.as_str()))
                && !inside.iter().any(|entry| is(entry, "clusters") || POLICY.iter().any(|key| is(entry, key)));
        if self.has_preferences && is_v1 && !beside.is_empty() {
            let node = Node { value: Value::Map(Vec::new()), span: self.span };
            self.policy.push(Entry { key: "clusters".to_owned(), span: self.span, node });
        }
    }

    fn workload(&mut self, node: &Node, reader: &mut Reader) {
        let kind = node.get("kind").and_then(Node::as_text);
        if kind.is_some_and(|kind| KINDS.iter().any(|(known, ..)| *known == kind)) {
            return self.manifest(node, reader);
        }
        let known = KINDS.map(|(kind, ..)| kind).join(", ");
        reader.error(node.span, "this is no manifest of a workload").help(format!("its kind is one of {known}"));
    }

    /// A workload as its manifest has it.
    fn manifest(&mut self, node: &Node, reader: &mut Reader) {
        let kind = node.get("kind").and_then(Node::as_text).unwrap_or_default();
        let Some((_, count_key, annotation)) = KINDS.iter().find(|(known, ..)| *known == kind) else { return };
        let metadata = |key| node.at(&["metadata", key]).and_then(Node::as_text);
        match metadata("name") {
            Some(name) => self.key = Some(format!("{}/{name}", metadata("namespace").unwrap_or("default"))),
            None => drop(reader.error(node.span, format!("this {kind} has no metadata.name"))),
        }
        self.replicas = match node.at(&["spec", count_key]) {
            Some(replicas) => count(replicas, reader),
            None => None,
        };
        self.usual = Some(1);
        let annotated = |key| node.at(&["metadata", "annotations"]).and_then(|node| node.get(key));
        if let Some(preferences) = annotated(annotation) {
            self.preferences(preferences, &format!("annotation {annotation}"), reader);
        }
        if let Some(selector) = annotated(keys::CLUSTER_SELECTOR)
            && let Some(node) = reader.json_inside(selector, keys::CLUSTER_SELECTOR)
        {
            self.policy.push(Entry { key: "clusterSelector".to_owned(), span: selector.span, node });
        }
        if let Some(placement) = annotated(keys::PLACEMENT) {
            let without = "it is taken to run nowhere";
            let noted: Option<BTreeMap<String, Noted>> = reader.optional_inside(placement, keys::PLACEMENT, without);
            let runs = noted.unwrap_or_default().into_iter().filter_map(|(name, noted)| Some((name, noted.replicas?)));
            self.placement = runs.collect();
        }
    }

    /// Preferences as a map, or as the JSON that an annotation holds.
    fn preferences(&mut self, node: &Node, what: &str, reader: &mut Reader) {
        self.has_preferences = true;
        match &node.value {
            Value::Map(entries) => self.policy.extend(entries.iter().cloned()),
            Value::Text(_) => match reader.json_inside(node, what) {
                Some(Node { value: Value::Map(entries), .. }) => self.policy.extend(entries),
                // To v1 these were preferences that name nobody.
                Some(Node { value: Value::Null, .. }) => {}
                Some(other) => {
                    self.is_unread = true;
                    reader.error(other.span, format!("preferences are a map, not {}", other.kind()));
                }
                None => self.is_unread = true,
            },
            _ => {
                self.is_unread = true;
                let note = reader.error(node.span, format!("preferences are a map, not {}", node.kind()));
                note.help(r#"as in {clusters: {"*": {weight: 1}}}"#);
            }
        }
    }

    /// The text of a preferences annotation: what it does not say, the command line does.
    fn bare(&mut self, node: &Node, replicas: &[Replicas], reader: &mut Reader) {
        self.is_bare = true;
        self.key = Replicas::only_key(replicas).map(str::to_owned);
        self.preferences(node, "preferences", reader);
        if self.key.is_none() {
            let note = reader.warning(node.span, "preferences alone have no key: ties are broken as for an empty one");
            note.help("with --replicas NAMESPACE/NAME=N they are planned as the federation would");
        }
    }

    fn finish(mut self, supplies: Supplies<'_>, reader: &mut Reader) -> Option<Workload> {
        let key = self.key.take().unwrap_or_default();
        let supplied = Replicas::of(supplies.replicas, &key);
        let is_supplied = self.replicas.is_none() && supplied.is_some();
        let replicas = self.replicas.or_else(|| Some((supplied.or(self.usual)?, self.span)));
        if replicas.is_none() {
            let (message, help) = if self.is_bare {
                ("preferences alone do not say how many replicas", "pass --replicas NAMESPACE/NAME=N, or --replicas N")
            } else {
                ("this request does not say how many `replicas`", "write replicas: N, or pass --replicas N")
            };
            reader.error(self.span, message).help(help);
        }
        if self.is_unread {
            return None;
        }
        if !self.has_preferences {
            self.policy.insert(0, even(self.span));
        }
        let clusters = self.clusters.map(Arc::new).or_else(|| supplies.clusters.cloned()).unwrap_or_default();
        let asked = policy::Asked { entries: self.policy, at: self.span, clusters: &clusters };
        let policy = asked.read(reader)?;
        let (replicas, at) = replicas?;
        policy::check_replicas(&policy, replicas, at, reader);
        policy::check_capacities(&policy, &clusters, reader);
        Some(Workload { key, replicas, is_supplied, policy, clusters, placement: self.placement })
    }
}

/// How many replicas, and where that is said.
fn count(node: &Node, reader: &mut Reader) -> Option<(i64, Span)> {
    // What is no number is noted, and is not missing.
    Some((reader.number(node).unwrap_or_default(), node.span))
}

/// A request's members.
fn clusters(node: &Node, reader: &mut Reader) -> Vec<Cluster> {
    match &node.value {
        Value::List(items) => cluster::read_all(items, reader),
        _ => {
            let note =
                reader.error(node.span, format!("a list of the available members belongs here, not {}", node.kind()));
            note.help("as in clusters: [{name: fed-west, current: 4}]; what is asked of them stands in `preferences`");
            Vec::new()
        }
    }
}

/// `clusters: {"*": {weight: 1}}`, which is what Federation v1 took where there were no preferences.
fn even(at: Span) -> Entry {
    let entry = |key: &str, value| Entry { key: key.to_owned(), span: at, node: Node { value, span: at } };
    let star = entry("*", Value::Map(vec![entry("weight", Value::Int(1))]));
    entry("clusters", Value::Map(vec![star]))
}
