//! The table of kinds this server knows, and the registry that custom resource definitions add rows to.
//!
//! Everything that differs between kinds is a column here: there is one generic service over it, never a module a kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::table::CrdColumn;

/// One served kind in one version.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// Where its objects are kept, e.g. `deployments.apps`: versions of one kind, and the two event APIs, share it.
    pub(crate) storage: Arc<str>,
    /// The apiVersion its objects are kept in.
    pub(crate) storage_version: String,
    pub(crate) conversion: Conversion,
    flags: u32,
    pub(crate) scale: Option<ScalePaths>,
    pub(crate) custom: Option<Custom>,
}

/// How a stored object becomes one of the requested version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// Only apiVersion differs, if at all.
    Version,
    /// `events.k8s.io/v1` shows core Events under other names.
    Event,
    /// `autoscaling/v1` shows the CPU metric of `autoscaling/v2` only.
    Autoscaler,
}

/// Where `/scale` finds its numbers, as JSON pointers.
#[derive(Debug, Clone)]
pub(crate) struct ScalePaths {
    pub(crate) spec_replicas: String,
    pub(crate) status_replicas: String,
    pub(crate) selector: Option<String>,
}

/// What only kinds from a CustomResourceDefinition have.
#[derive(Debug, Clone)]
pub(crate) struct Custom {
    pub(crate) schema: Value,
    pub(crate) columns: Vec<CrdColumn>,
    /// JSON paths that field selectors may name besides name and namespace.
    pub(crate) selectable: Vec<String>,
}

impl Kind {
    /// `apps/v1`, or `v1` for the core group.
    pub(crate) fn api_version(&self) -> String {
        group_version(&self.group, &self.version)
    }

    /// The kind's name in messages about resources, e.g. `deployments.apps`.
    pub(crate) fn resource(&self) -> String {
        qualify(&self.plural, &self.group)
    }

    /// The kind's name in messages about kinds, e.g. `Deployment.apps`.
    pub(crate) fn qualified(&self) -> String {
        qualify(&self.kind, &self.group)
    }

    pub(crate) fn namespaced(&self) -> bool {
        self.has(NAMESPACED)
    }

    pub(crate) fn has_status(&self) -> bool {
        self.has(STATUS)
    }

    /// A change of the specification raises `metadata.generation`.
    pub(crate) fn counts_generation(&self) -> bool {
        self.has(GENERATION)
    }

    /// PUT to a name that is not there creates it.
    pub(crate) fn creates_on_update(&self) -> bool {
        self.has(UPSERT)
    }

    /// DELETE answers the object, not a Status.
    pub(crate) fn returns_deleted(&self) -> bool {
        self.has(RETURNS_DELETED)
    }

    /// PUT must say which resourceVersion it replaces.
    pub(crate) fn wants_revision_on_update(&self) -> bool {
        self.has(CONDITIONAL)
    }

    pub(crate) fn deletes_collections(&self) -> bool {
        !self.has(NO_COLLECTION)
    }

    /// Reviews and tokens: POST computes an answer and stores nothing.
    pub(crate) fn virtual_only(&self) -> bool {
        self.has(VIRTUAL)
    }

    /// A client that creates the object may bring its status (a kubelet registers its Node so).
    pub(crate) fn keeps_status_on_create(&self) -> bool {
        self.has(OWN_STATUS)
    }

    /// Names may hold anything that fits into one path segment (RBAC's `system:node`).
    pub(crate) fn names_are_path_segments(&self) -> bool {
        self.group == "rbac.authorization.k8s.io"
    }

    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.kind == kind && self.group == group && self.custom.is_none()
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// The kind of namespaces, for messages about one that is missing.
pub(crate) fn namespace_kind() -> Kind {
    let row = ROWS.iter().find(|r| r.kind == "Namespace");
    row.expect("namespaces are in the table").to_kind()
}

pub(crate) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn qualify(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// All kinds served at one moment. Replaced as a whole when definitions change, so a request sees one state of it.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    rows: Vec<Arc<Kind>>,
    paths: BTreeMap<String, Arc<Kind>>,
}

impl Registry {
    /// The built-in kinds and those of `custom`, the rows of all established definitions.
    pub(crate) fn new(custom: Vec<Kind>) -> Self {
        let rows: Vec<Arc<Kind>> = ROWS.iter().map(Row::to_kind).chain(custom).map(Arc::new).collect();
        let paths = rows.iter().map(|k| (path_key(&k.group, &k.version, &k.plural), Arc::clone(k))).collect();
        Self { rows, paths }
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.paths.get(&path_key(group, version, plural))
    }

    /// The kind objects kept under `storage` are kept in.
    pub(crate) fn stored(&self, storage: &str) -> Option<&Arc<Kind>> {
        let of_storage = || self.rows.iter().filter(|k| &*k.storage == storage);
        of_storage().find(|k| k.api_version() == k.storage_version).or_else(|| of_storage().next())
    }

    pub(crate) fn rows(&self) -> &[Arc<Kind>] {
        &self.rows
    }

    /// Groups and their versions, the preferred one first, in the order they are announced.
    pub(crate) fn groups(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for row in &self.rows {
            let position = groups.iter().position(|(g, _)| *g == row.group).unwrap_or_else(|| {
                groups.push((&row.group, Vec::new()));
                groups.len() - 1
            });
            let versions = &mut groups[position].1;
            if !versions.contains(&row.version.as_str()) {
                versions.push(&row.version);
            }
        }
        groups
    }

    pub(crate) fn serves(&self, group: &str, version: &str) -> bool {
        self.rows.iter().any(|k| k.group == group && k.version == version)
    }

    pub(crate) fn in_version<'a>(&'a self, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Arc<Kind>> {
        self.rows.iter().filter(move |k| k.group == group && k.version == version)
    }
}

fn path_key(group: &str, version: &str, plural: &str) -> String {
    format!("{group}/{version}/{plural}")
}

/// What a definition says of one version, ready to become a row.
#[derive(Debug)]
pub(crate) struct CustomRow {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) storage_version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) status: bool,
    pub(crate) scale: Option<ScalePaths>,
    pub(crate) custom: Custom,
}

impl From<CustomRow> for Kind {
    fn from(row: CustomRow) -> Self {
        let flags = GENERATION
            | CONDITIONAL
            | if row.namespaced { NAMESPACED } else { 0 }
            | if row.status { STATUS } else { 0 };
        Self {
            storage: qualify(&row.plural, &row.group).into(),
            storage_version: group_version(&row.group, &row.storage_version),
            conversion: Conversion::Version,
            flags,
            group: row.group,
            version: row.version,
            kind: row.kind,
            list_kind: row.list_kind,
            plural: row.plural,
            singular: row.singular,
            short_names: row.short_names,
            categories: row.categories,
            scale: row.scale,
            custom: Some(row.custom),
        }
    }
}

const NAMESPACED: u32 = 1;
const STATUS: u32 = 1 << 1;
const SCALE: u32 = 1 << 2;
const GENERATION: u32 = 1 << 3;
const UPSERT: u32 = 1 << 4;
const RETURNS_DELETED: u32 = 1 << 5;
const CONDITIONAL: u32 = 1 << 6;
const NO_COLLECTION: u32 = 1 << 7;
const VIRTUAL: u32 = 1 << 8;
const OWN_STATUS: u32 = 1 << 9;

const ALL: &[&str] = &["all"];
const NONE: &[&str] = &[];

struct Row {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    flags: u32,
}

impl Row {
    fn to_kind(&self) -> Kind {
        let owned = |names: &[&str]| names.iter().map(|&s| s.to_owned()).collect();
        let (storage, storage_version, conversion) = match (self.group, self.version, self.plural) {
            ("events.k8s.io", _, "events") => ("events".to_owned(), "v1".to_owned(), Conversion::Event),
            ("autoscaling", "v1", plural) => {
                (qualify(plural, self.group), "autoscaling/v2".to_owned(), Conversion::Autoscaler)
            }
            (group, version, plural) => (qualify(plural, group), group_version(group, version), Conversion::Version),
        };
        let scale = (self.flags & SCALE != 0).then(|| ScalePaths {
            spec_replicas: "/spec/replicas".to_owned(),
            status_replicas: "/status/replicas".to_owned(),
            selector: None,
        });
        Kind {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            kind: self.kind.to_owned(),
            list_kind: format!("{}List", self.kind),
            plural: self.plural.to_owned(),
            singular: self.singular.to_owned(),
            short_names: owned(self.short_names),
            categories: owned(self.categories),
            storage: storage.into(),
            storage_version,
            conversion,
            flags: self.flags,
            scale,
            custom: None,
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "one line a kind is the point of a table")]
const fn row(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    flags: u32,
) -> Row {
    Row { group, version, kind, plural, singular, short_names, categories, flags }
}

/// In the order of discovery.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("", "v1", "ConfigMap", "configmaps", "configmap", &["cm"], NONE, NAMESPACED),
    row("", "v1", "Endpoints", "endpoints", "endpoints", &["ep"], NONE, NAMESPACED | UPSERT),
    row("", "v1", "Event", "events", "event", &["ev"], NONE, NAMESPACED | UPSERT),
    row("", "v1", "LimitRange", "limitranges", "limitrange", &["limits"], NONE, NAMESPACED | UPSERT),
    row("", "v1", "Namespace", "namespaces", "namespace", &["ns"], NONE, STATUS | RETURNS_DELETED | NO_COLLECTION),
    row("", "v1", "Node", "nodes", "node", &["no"], NONE, STATUS | OWN_STATUS),
    row("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", &["pvc"], NONE, NAMESPACED | STATUS | RETURNS_DELETED),
    row("", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume", &["pv"], NONE, STATUS | RETURNS_DELETED),
    row("", "v1", "Pod", "pods", "pod", &["po"], ALL, NAMESPACED | STATUS | GENERATION | RETURNS_DELETED),
    row("", "v1", "ReplicationController", "replicationcontrollers", "replicationcontroller", &["rc"], ALL, NAMESPACED | STATUS | SCALE | GENERATION),
    row("", "v1", "ResourceQuota", "resourcequotas", "resourcequota", &["quota"], NONE, NAMESPACED | STATUS | RETURNS_DELETED),
    row("", "v1", "Secret", "secrets", "secret", NONE, NONE, NAMESPACED),
    row("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", &["sa"], NONE, NAMESPACED | RETURNS_DELETED),
    row("", "v1", "Service", "services", "service", &["svc"], ALL, NAMESPACED | STATUS | UPSERT | RETURNS_DELETED),
    row("apps", "v1", "ControllerRevision", "controllerrevisions", "controllerrevision", NONE, NONE, NAMESPACED),
    row("apps", "v1", "DaemonSet", "daemonsets", "daemonset", &["ds"], ALL, NAMESPACED | STATUS | GENERATION),
    row("apps", "v1", "Deployment", "deployments", "deployment", &["deploy"], ALL, NAMESPACED | STATUS | SCALE | GENERATION),
    row("apps", "v1", "ReplicaSet", "replicasets", "replicaset", &["rs"], ALL, NAMESPACED | STATUS | SCALE | GENERATION),
    row("apps", "v1", "StatefulSet", "statefulsets", "statefulset", &["sts"], ALL, NAMESPACED | STATUS | SCALE | GENERATION),
    row("events.k8s.io", "v1", "Event", "events", "event", &["ev"], NONE, NAMESPACED | UPSERT),
    row("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview", NONE, NONE, VIRTUAL),
    row("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", "tokenreview", NONE, NONE, VIRTUAL),
    row("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview", NONE, NONE, VIRTUAL | NAMESPACED),
    row("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview", NONE, NONE, VIRTUAL),
    row("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview", NONE, NONE, VIRTUAL),
    row("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview", NONE, NONE, VIRTUAL),
    row("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler", &["hpa"], ALL, NAMESPACED | STATUS),
    row("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler", &["hpa"], ALL, NAMESPACED | STATUS),
    row("batch", "v1", "CronJob", "cronjobs", "cronjob", &["cj"], ALL, NAMESPACED | STATUS | GENERATION),
    row("batch", "v1", "Job", "jobs", "job", NONE, ALL, NAMESPACED | STATUS | GENERATION),
    row("networking.k8s.io", "v1", "IngressClass", "ingressclasses", "ingressclass", NONE, NONE, GENERATION),
    row("networking.k8s.io", "v1", "Ingress", "ingresses", "ingress", &["ing"], NONE, NAMESPACED | STATUS | GENERATION),
    row("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", &["netpol"], NONE, NAMESPACED | GENERATION),
    row("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", &["pdb"], NONE, NAMESPACED | STATUS | GENERATION),
    row("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", NONE, NONE, UPSERT),
    row("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "clusterrole", NONE, NONE, UPSERT),
    row("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "rolebinding", NONE, NONE, NAMESPACED | UPSERT),
    row("rbac.authorization.k8s.io", "v1", "Role", "roles", "role", NONE, NONE, NAMESPACED | UPSERT),
    row("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "customresourcedefinition", &["crd", "crds"], &["api-extensions"], STATUS | GENERATION | RETURNS_DELETED | CONDITIONAL),
    row("coordination.k8s.io", "v1", "Lease", "leases", "lease", NONE, NONE, NAMESPACED | UPSERT | CONDITIONAL),
    row("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", NONE, NONE, NAMESPACED | GENERATION),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_event_apis_share_their_objects() {
        let registry = Registry::new(Vec::new());
        let core = registry.find("", "v1", "events").unwrap();
        let grouped = registry.find("events.k8s.io", "v1", "events").unwrap();
        assert_eq!(core.storage, grouped.storage);
        assert_eq!(registry.stored("events").unwrap().api_version(), "v1");
    }

    #[test]
    fn no_two_rows_answer_one_path() {
        let registry = Registry::new(Vec::new());
        assert_eq!(registry.paths.len(), registry.rows.len());
    }

    #[test]
    fn the_newest_version_of_a_group_is_preferred() {
        let registry = Registry::new(Vec::new());
        let autoscaling = registry.groups().into_iter().find(|(g, _)| *g == "autoscaling").unwrap();
        assert_eq!(autoscaling.1, ["v2", "v1"]);
    }
}
