//! What is to be planned: requests in our own form, and workloads in Kubernetes'.

use std::collections::BTreeMap;
use std::sync::Arc;

use kfed_api::keys;
use kfed_api::policy::{Mode, PlacementPolicy};
use kfed_replica_scheduler::{Member, Request};

use super::cluster::{self, Cluster};
use super::nearest::nearest;
use super::source::{Notes, Sources, Span};
use super::tree::{Entry, Node, Value};
use super::{json, policy};

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
    pub(crate) policy: PlacementPolicy,
    pub(crate) clusters: Arc<Vec<Cluster>>,
}

/// A value of the input before its members are known.
#[derive(Debug, Default)]
struct Draft {
    key: Option<String>,
    replicas: Option<(i64, Span)>,
    /// The policy's entries, those that win behind the others.
    policy: Vec<Entry>,
    has_preferences: bool,
    /// Whether there is a mistake in the text of the preferences, so that nothing can be said of what they hold.
    is_unread: bool,
    clusters: Option<Vec<Cluster>>,
    /// Where its replicas run, as kfed notes it on what it federates.
    placement: BTreeMap<String, i64>,
    span: Span,
}

// === impl Workload ===

impl Workload {
    pub(crate) fn members(&self) -> Vec<Member<'_>> {
        self.clusters.iter().map(Cluster::member).collect()
    }

    /// What the planner is asked.
    pub(crate) fn request<'a>(&'a self, members: &'a [Member<'a>]) -> Request<'a> {
        Request { key: &self.key, replicas: self.replicas, policy: &self.policy, members }
    }
}

/// Reads every value that is a request or a workload with replicas; `common` has the members of those that name none.
pub(crate) fn read_all(
    nodes: &[Node],
    common: Option<&Arc<Vec<Cluster>>>,
    sources: &mut Sources,
    notes: &mut Notes,
) -> Vec<Workload> {
    let mut workloads = Vec::with_capacity(nodes.len());
    let mut others = Vec::new();
    for node in nodes {
        let kind = node.get("kind").and_then(Node::text).filter(|_| node.get("apiVersion").is_some());
        // A manifest often holds a Service too.
        if let Some(kind) = kind.filter(|kind| KINDS.iter().all(|(known, ..)| known != kind)) {
            others.push((node.span, kind));
            continue;
        }
        let mut draft = Draft { span: node.span, ..Draft::default() };
        let before = notes.errors();
        match kind {
            Some(_) => draft.manifest(node, sources, notes),
            None => draft.request(node, sources, notes),
        }
        let finished = draft.finish(common, notes);
        if notes.errors() == before {
            workloads.extend(finished);
        }
    }
    if workloads.is_empty()
        && notes.errors() == 0
        && let Some((at, kind)) = others.first()
    {
        let known = KINDS.map(|(kind, ..)| kind).join(", ");
        notes
            .error(*at, format!("a {kind} has no replicas to place"))
            .help(format!("of these there is a plan: {known}"));
    }
    workloads
}

// === impl Draft ===

impl Draft {
    /// A request in our own form.
    fn request(&mut self, node: &Node, sources: &mut Sources, notes: &mut Notes) {
        let Value::Map(entries) = &node.value else {
            let note = notes.error(node.span, format!("a request belongs here, not {}", node.kind()));
            note.help("as in {key: default/web, replicas: 9, clusters: [{name: fed-west}, {name: fed-east}]}");
            return;
        };
        if let Some(workload) = node.get("workload") {
            self.workload(workload, sources, notes);
        }
        let mut beside = Vec::new();
        for entry in entries {
            let value = &entry.node;
            match entry.key.as_str() {
                known if value.value == Value::Null && (OWN.contains(&known) || POLICY.contains(&known)) => {}
                "key" => match value.text() {
                    Some(key) => self.key = Some(key.to_owned()),
                    None => {
                        let note = notes.error(value.span, format!("a key is text, not {}", value.kind()));
                        note.help("namespace/name of the workload, as in default/hostname");
                    }
                },
                "replicas" => self.replicas = count(value, sources, notes),
                "preferences" => {
                    self.policy.clear();
                    self.preferences(value, "preferences", sources, notes);
                }
                "clusters" => self.clusters = Some(clusters(value, sources, notes)),
                "workload" => {}
                known if POLICY.contains(&known) => beside.push(entry.clone()),
                unknown => {
                    let note = notes.error(entry.span, format!("a request has no `{unknown}`"));
                    note.help(match (unknown, nearest(unknown, OWN.into_iter().chain(POLICY))) {
                        ("rebalance" | "minReplicas" | "maxReplicas" | "weight", _) => {
                            "it stands in `preferences`".to_owned()
                        }
                        (_, Some(meant)) => format!("did you mean `{meant}`?"),
                        _ => format!("it has {}, {}", OWN.join(", "), POLICY.join(", ")),
                    });
                }
            }
        }
        self.nobody_where_v1_named_nobody(&beside);
        self.policy.retain(|inside| beside.iter().all(|entry| !inside.key.eq_ignore_ascii_case(&entry.key)));
        self.policy.extend(beside);
        if self.replicas.is_none() {
            notes.error(node.span, "this request does not say how many `replicas`");
        }
        if self.key.is_none() {
            let note = notes.warning(node.span, "this request has no `key`: ties are broken as for an empty one");
            note.help("with key: NAMESPACE/NAME of the workload it is planned as the federation would");
        }
    }

    /// Preferences without `clusters` gave nobody anything in v1. A policy's reader takes them so only where v1's keys stand
    /// alone, and is told so here where `mode: federation-v1` stands beside them.
    fn nobody_where_v1_named_nobody(&mut self, beside: &[Entry]) {
        let is = |entry: &Entry, key: &str| entry.key.eq_ignore_ascii_case(key);
        let inside = &self.policy;
        let is_v1 =
            beside.iter().all(|entry| entry.key != "mode" || entry.node.text() == Some(Mode::FederationV1.as_str()))
                && !inside.iter().any(|entry| is(entry, "clusters") || POLICY.iter().any(|key| is(entry, key)));
        if self.has_preferences && is_v1 && !beside.is_empty() {
            let node = Node { value: Value::Map(Vec::new()), span: self.span };
            self.policy.push(Entry { key: "clusters".to_owned(), span: self.span, node });
        }
    }

    fn workload(&mut self, node: &Node, sources: &mut Sources, notes: &mut Notes) {
        let kind = node.get("kind").and_then(Node::text);
        if kind.is_some_and(|kind| KINDS.iter().any(|(known, ..)| *known == kind)) {
            return self.manifest(node, sources, notes);
        }
        let known = KINDS.map(|(kind, ..)| kind).join(", ");
        notes.error(node.span, "this is no manifest of a workload").help(format!("its kind is one of {known}"));
    }

    /// A workload as its manifest has it.
    fn manifest(&mut self, node: &Node, sources: &mut Sources, notes: &mut Notes) {
        let kind = node.get("kind").and_then(Node::text).unwrap_or_default();
        let Some((_, count_key, annotation)) = KINDS.iter().find(|(known, ..)| *known == kind) else { return };
        let metadata = |key| node.at(&["metadata", key]).and_then(Node::text);
        match metadata("name") {
            Some(name) => self.key = Some(format!("{}/{name}", metadata("namespace").unwrap_or("default"))),
            None => drop(notes.error(node.span, format!("this {kind} has no metadata.name"))),
        }
        self.replicas = match node.at(&["spec", count_key]) {
            Some(replicas) => count(replicas, sources, notes),
            None => Some((1, node.span)),
        };
        let annotated = |key| node.at(&["metadata", "annotations"]).and_then(|node| node.get(key));
        if let Some(preferences) = annotated(annotation) {
            self.preferences(preferences, &format!("annotation {annotation}"), sources, notes);
        }
        if let Some(selector) = annotated(keys::CLUSTER_SELECTOR)
            && let Some(node) = annotation_json(selector, keys::CLUSTER_SELECTOR, sources, notes)
        {
            self.policy.push(Entry { key: "clusterSelector".to_owned(), span: selector.span, node });
        }
        if let Some(placement) = annotated(keys::PLACEMENT).and_then(Node::text) {
            self.placement = serde_json::from_str(placement).unwrap_or_default();
        }
    }

    /// Preferences as a map, or as the JSON that an annotation holds.
    fn preferences(&mut self, node: &Node, what: &str, sources: &mut Sources, notes: &mut Notes) {
        self.has_preferences = true;
        match &node.value {
            Value::Map(entries) => self.policy.extend(entries.iter().cloned()),
            Value::Text(_) => match annotation_json(node, what, sources, notes) {
                Some(Node { value: Value::Map(entries), .. }) => self.policy.extend(entries),
                Some(other) => {
                    self.is_unread = true;
                    notes.error(other.span, format!("preferences are a map, not {}", other.kind()));
                }
                None => self.is_unread = true,
            },
            _ => {
                self.is_unread = true;
                let note = notes.error(node.span, format!("preferences are a map, not {}", node.kind()));
                note.help(r#"as in {clusters: {"*": {weight: 1}}}"#);
            }
        }
    }

    fn finish(mut self, common: Option<&Arc<Vec<Cluster>>>, notes: &mut Notes) -> Option<Workload> {
        if self.is_unread {
            return None;
        }
        if !self.has_preferences {
            self.policy.insert(0, even(self.span));
        }
        let mut clusters = self.clusters.map(Arc::new).or_else(|| common.cloned()).unwrap_or_default();
        let runs = |cluster: &Cluster| cluster.current.is_none() && self.placement.contains_key(&cluster.name);
        if clusters.iter().any(runs) {
            for cluster in Arc::make_mut(&mut clusters) {
                cluster.current = cluster.current.or(self.placement.get(&cluster.name).copied());
            }
        }
        let asked = policy::Asked { entries: self.policy, at: self.span, clusters: &clusters };
        let policy = asked.read(notes)?;
        let (replicas, at) = self.replicas?;
        policy::check_replicas(&policy, replicas, at, notes);
        Some(Workload { key: self.key.unwrap_or_default(), replicas, policy, clusters })
    }
}

/// How many replicas, and where that is said.
fn count(node: &Node, sources: &Sources, notes: &mut Notes) -> Option<(i64, Span)> {
    // What is no number is noted, and is not missing.
    Some((cluster::number(node, sources, notes).unwrap_or_default(), node.span))
}

/// A request's members.
fn clusters(node: &Node, sources: &Sources, notes: &mut Notes) -> Vec<Cluster> {
    match &node.value {
        Value::List(items) => cluster::read_all(items, sources, notes),
        _ => {
            let note =
                notes.error(node.span, format!("a list of the available members belongs here, not {}", node.kind()));
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

/// The JSON in an annotation's text, with places in that text.
fn annotation_json(node: &Node, what: &str, sources: &mut Sources, notes: &mut Notes) -> Option<Node> {
    let Some(text) = node.text() else {
        notes.error(node.span, format!("an annotation is text, not {}", node.kind())).help("quote its JSON with '…'");
        return None;
    };
    let source = sources.add_inside(node.span, what, text);
    match json::read(source, text) {
        Ok(json) => {
            for (key, at) in &json.repeated {
                notes.warning(*at, format!("`{key}` stands here a second time")).help("the last one counts");
            }
            let mut values = json.values.into_iter();
            match (values.next(), values.next()) {
                (Some(value), None) => Some(value),
                (None, _) => {
                    notes.error(node.span, format!("{what} is empty")).help("leave it out, or write {}");
                    None
                }
                (_, Some(second)) => {
                    notes.error(second.span, "this stands behind the end of the JSON");
                    None
                }
            }
        }
        Err(wrong) => {
            notes.push(wrong);
            None
        }
    }
}
