//! The kinds that are federated, one row each. Everything that differs between kinds stands in the table.

use std::cmp::Ordering;
use std::fmt;

use kfed_api::keys;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};

/// A row of the table.
#[derive(Debug)]
#[non_exhaustive]
pub struct FederatedKind {
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
    /// For kinds whose replicas are spread over members: the annotation that holds the preferences.
    pub preferences: Option<&'static str>,
    /// Whether the kind's addresses are published in DNS.
    pub published: bool,
    /// Fields that a member's API server allocates: never sent.
    pub allocated: &'static [&'static str],
}

/// Every federated kind, in the order in which a member needs them.
pub static FEDERATED_KINDS: [FederatedKind; 3] = [
    FederatedKind {
        group: "",
        version: "v1",
        kind: "Namespace",
        plural: "namespaces",
        namespaced: false,
        preferences: None,
        published: false,
        allocated: &["spec"],
    },
    FederatedKind {
        group: "apps",
        version: "v1",
        kind: "ReplicaSet",
        plural: "replicasets",
        namespaced: true,
        preferences: Some(keys::REPLICA_SET_PREFERENCES),
        published: false,
        allocated: &[],
    },
    FederatedKind {
        group: "",
        version: "v1",
        kind: "Service",
        plural: "services",
        namespaced: true,
        preferences: None,
        published: true,
        allocated: &[
            "spec.clusterIP",
            "spec.clusterIPs",
            "spec.ipFamilies",
            "spec.ipFamilyPolicy",
            "spec.healthCheckNodePort",
            "spec.ports[].nodePort",
        ],
    },
];

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

    /// The key of `object`, which is of this kind.
    pub fn key(&'static self, object: &DynamicObject) -> ObjectKey {
        ObjectKey {
            kind: self,
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// The row of `kind`.
    pub fn named(kind: &str) -> Option<&'static Self> {
        FEDERATED_KINDS.iter().find(|row| row.kind == kind)
    }
}

// Rows are the same where group and kind are: the table holds each once.

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
        (self.group, self.kind).cmp(&(other.group, other.kind))
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
        let namespace = if self.kind.kind == "Namespace" { &self.name } else { &self.namespace };
        namespace == kfed_api::SYSTEM_NAMESPACE
            || namespace.starts_with("kube-")
            || (self.kind.kind == "Namespace" && self.name == "default")
            || (self.kind.kind == "Service" && self.namespace == "default" && self.name == "kubernetes")
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
        write!(f, "{} {}", self.kind.kind, self.path())
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_api_server_makes_for_itself_is_never_federated() {
        let service = FederatedKind::named("Service").unwrap();
        let namespace = FederatedKind::named("Namespace").unwrap();
        let key =
            |kind, namespace: &str, name: &str| ObjectKey { kind, namespace: namespace.into(), name: name.into() };
        for (key, reserved) in [
            (key(service, "default", "kubernetes"), true),
            (key(service, "kube-system", "kube-dns"), true),
            (key(service, "federation-system", "x"), true),
            (key(namespace, "", "kube-public"), true),
            (key(namespace, "", "federation-system"), true),
            (key(service, "default", "hostname"), false),
            (key(service, "shop", "kubernetes"), false),
            (key(namespace, "", "default"), true),
            (key(namespace, "", "shop"), false),
        ] {
            assert_eq!(key.is_reserved(), reserved, "{key}");
        }
    }
}
