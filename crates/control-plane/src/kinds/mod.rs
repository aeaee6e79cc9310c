//! The kinds that are federated, one row each. Everything that differs between kinds stands in the table.

mod custom;
mod own;
mod set;
mod table;

use std::cmp::Ordering;
use std::fmt;

use kfed_dnsprovider::Resource;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta};

use crate::object::number;

pub(crate) use custom::{Served, custom, mistake};
pub(crate) use own::controlled;
pub(crate) use set::Kinds;
pub use table::FEDERATED_KINDS;
pub(crate) use table::POD_DEFAULTS;

/// Where a status tells which generation it is about.
pub(crate) const OBSERVED_GENERATION: &str = "/status/observedGeneration";

/// A row of the table.
///
/// Paths are JSON pointers (RFC 6901) from the top of an object; `*` stands for every item of a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FederatedKind {
    /// What the row is known by in messages, lists and tombstones: the kind; for kinds that are not built in, with the group.
    pub id: &'static str,
    /// Where the kind stands among what a member needs: what others depend on is sent first.
    pub rank: u8,
    /// The API group; `""` is core.
    pub group: &'static str,
    /// The version that is read and written.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The kind in the plural, as URLs have it.
    pub plural: &'static str,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// For kinds whose numbers are spread over members: how.
    pub replicas: Option<Replicas>,
    /// Whether the kind's addresses are published in DNS.
    pub published: bool,
    /// Whether it gives permissions: only members whose `Cluster` says `federateRbac` get it.
    pub permits: bool,
    /// Fields that a member's API server allocates, or that mean something in the federation only: never sent.
    pub allocated: &'static [&'static str],
    /// What API servers fill in where the user says nothing: not sent where it is just that.
    pub defaults: &'static [(&'static str, Known)],
    /// Where the kind has the template of a pod.
    pub template: Option<&'static str>,
    /// What of the kind API servers and tools make for themselves: never federated.
    pub own: &'static [Own],
    /// How the members' statuses become one.
    pub status: &'static [StatusField],
    /// Conditions of the members that the federated object has too.
    pub truths: &'static [(&'static str, Truth)],
    /// Conditions with which an object has come to its end: nothing is started for it any more.
    pub ends: &'static [&'static str],
    /// How many seconds after that the object goes, where the user says so.
    pub ttl: Option<&'static str>,
    /// Where kfed's own conditions stand.
    pub conditions: Conditions,
    /// Whether its status tells which generation it is about.
    pub observed: bool,
    /// Whether the kind is on its way out of the federation: its copies are let go.
    pub ending: bool,
}

/// How the replicas of a kind are found and spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replicas {
    /// The annotation that holds the preferences.
    pub preferences: &'static str,
    /// The number that is divided; 1 where it is not there.
    pub path: &'static str,
    /// In a copy: how many there are.
    pub running: &'static str,
    /// In a copy: how many of them serve.
    pub ready: &'static str,
    /// A number that goes with it.
    pub second: Option<Second>,
    /// Where the label selector of its pods stands, if they tell more than the status.
    pub pods: Option<&'static str>,
    /// Whether what a dead member runs is not planned elsewhere: it may still hold its volumes.
    pub stays: bool,
}

/// A number beside the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Second {
    /// Work that is divided among those that work on it, and that nobody can be given more of later: a Job's completions.
    Work(&'static str),
    /// A lower bound, divided as the replicas are, at least 1 wherever the whole is: an autoscaler's minReplicas.
    Least(&'static str),
}

/// A default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Known {
    /// A text.
    Text(&'static str),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
    /// An object without fields.
    Empty,
}

/// By what an object is known that an API server or a tool has made for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Own {
    /// Its name.
    Name(&'static str),
    /// The beginning of its name.
    Prefix(&'static str),
    /// The end of its name.
    Suffix(&'static str),
    /// Its namespace and name.
    At(&'static str, &'static str),
    /// A label with this value.
    Label(&'static str, &'static str),
    /// A field with this value.
    Field(&'static str, &'static str),
}

/// A field of the status and how it is made of the members'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusField {
    /// Where it stands.
    pub path: &'static str,
    /// How the members' values become one.
    pub merge: Merge,
}

/// How values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Merge {
    /// Numbers are added.
    Sum,
    /// The same, of members alone that hold what the user asks for now and have seen it.
    SumCurrent,
    /// The least number.
    Min,
    /// The greatest number.
    Max,
    /// True where all are.
    And,
    /// Every item of every list, each once, sorted.
    Union,
    /// The first of the times.
    Earliest,
    /// The last of the times.
    Latest,
    /// The last of the times, when every member has one.
    LatestOfAll,
    /// The value of the first member that has one.
    First,
    /// The first value that differs from what stands at that path, if one does: the revision of who is behind.
    Behind(&'static str),
}

/// How a condition of the members becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Truth {
    /// True where it is in all.
    All,
    /// True where it is in all, and every replica has a member.
    AllPlaced,
    /// True where it is in one.
    Any,
    /// True where it is in one, and this other one in all the rest.
    AnyBeside(&'static str),
}

/// Where kfed's own conditions of a kind stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conditions {
    /// The kind has none: in annotation `kfed.io/conditions`.
    Annotation,
    /// In its status.
    Plain,
    /// In its status, each with the generation that it is about.
    Generation,
}

/// An object of a federated kind, in the federation and, under the same name, in members.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind.
    pub kind: &'static FederatedKind,
    /// The namespace; `""` for kinds without.
    pub namespace: String,
    /// The name.
    pub name: String,
}

// === impl FederatedKind ===

impl FederatedKind {
    /// What kube calls an API resource.
    pub fn api_resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group, self.version, self.kind), self.plural)
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `services` or `deployments.apps`.
    pub fn resource(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// The key of `object`, which is of this kind.
    pub fn key(&'static self, object: &DynamicObject) -> ObjectKey {
        self.key_of(&object.metadata)
    }

    /// The key of the object of `metadata`, which is of this kind.
    pub(crate) fn key_of(&'static self, metadata: &ObjectMeta) -> ObjectKey {
        let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
        ObjectKey { kind: self, namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default() }
    }

    /// The built-in row of `kind`.
    pub fn named(kind: &str) -> Option<&'static Self> {
        FEDERATED_KINDS.iter().find(|row| row.kind == kind)
    }

    /// Whether this is the row of namespaces.
    pub(crate) fn is_namespace(&self) -> bool {
        self.id == "Namespace"
    }

    fn place(&self) -> (u8, &str, &str) {
        (self.rank, self.group, self.kind)
    }
}

// Rows are the same where group and kind are, since a set holds each once, and are ordered by what a member needs first.

impl PartialEq for FederatedKind {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for FederatedKind {}

impl PartialOrd for FederatedKind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FederatedKind {
    fn cmp(&self, other: &Self) -> Ordering {
        // Nearly always the same row.
        if std::ptr::eq(self, other) {
            return Ordering::Equal;
        }
        self.place().cmp(&other.place())
    }
}

// === impl Replicas ===

impl Replicas {
    /// How many `object` asks for.
    pub(crate) fn asked(&self, object: &DynamicObject) -> i64 {
        number(object, self.path).unwrap_or(1)
    }

    /// How many serve by what a copy shows. A status from before a scale-down may still count what is being stopped.
    pub(crate) fn serving(&self, copy: &DynamicObject) -> i64 {
        number(copy, self.ready).unwrap_or(0).min(self.asked(copy))
    }

    /// Whether a member without any has no copy either.
    pub(crate) fn vanishes(&self) -> bool {
        matches!(self.second, Some(Second::Least(_)))
    }
}

// === impl ObjectKey ===

impl ObjectKey {
    /// The key of the namespace that the object lives in.
    pub fn namespace_key(&self) -> Option<Self> {
        let kind = FederatedKind::named("Namespace")?;
        self.kind.namespaced.then(|| Self { kind, namespace: String::new(), name: self.namespace.clone() })
    }

    /// Whether objects of this key are never federated: they belong to an API server itself, or to kfed.
    pub fn is_reserved(&self) -> bool {
        let namespace = if self.kind.is_namespace() { &self.name } else { &self.namespace };
        namespace == kfed_api::SYSTEM_NAMESPACE
            || namespace.starts_with("kube-")
            || self.kind.own.iter().any(|own| own.names(&self.namespace, &self.name))
    }

    /// The Service that `resource` is; none of another kind.
    pub(crate) fn of(resource: &Resource) -> Option<Self> {
        let kind = FederatedKind::named("Service")?;
        let Resource { kind: told, namespace, name } = resource;
        (told == "service").then(|| Self { kind, namespace: namespace.clone(), name: name.clone() })
    }

    /// What a Service is called in a zone.
    pub(crate) fn resource(&self) -> Resource {
        Resource::service(&self.namespace, &self.name)
    }

    /// `namespace/name`, or the name alone.
    pub fn path(&self) -> String {
        match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{namespace}/{}", self.name),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.id, self.path())
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
