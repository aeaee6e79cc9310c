//! What is never federated: what API servers and tools make for themselves.

use kube::core::DynamicObject;

use super::{FederatedKind, Own};
use crate::object::{at, label};

// === impl Own ===

impl Own {
    /// Whether namespace and name alone tell.
    pub(super) fn names(self, namespace: &str, name: &str) -> bool {
        match self {
            Self::Name(own) => name == own,
            Self::Prefix(prefix) => name.starts_with(prefix),
            Self::Suffix(suffix) => name.ends_with(suffix),
            Self::At(own_namespace, own_name) => namespace == own_namespace && name == own_name,
            Self::Label(..) | Self::Field(..) => false,
        }
    }

    fn shows(self, object: &DynamicObject) -> bool {
        match self {
            Self::Label(key, value) => label(object, key) == Some(value),
            Self::Field(path, value) => at(object, path).and_then(serde_json::Value::as_str) == Some(value),
            Self::Name(_) | Self::Prefix(_) | Self::Suffix(_) | Self::At(..) => false,
        }
    }
}

/// Whether somebody else than its user makes `object`: an API server, a tool, or a controller, which makes it in each member anew.
pub(crate) fn controlled(kind: &FederatedKind, object: &DynamicObject) -> bool {
    let owners = object.metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().any(|owner| owner.controller == Some(true)) || kind.own.iter().any(|own| own.shows(object))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::ObjectKey;

    #[test]
    fn what_an_api_server_makes_for_itself_is_never_federated() {
        for (kind, namespace, name, reserved) in [
            ("Service", "default", "kubernetes", true),
            ("Service", "kube-system", "kube-dns", true),
            ("Service", "federation-system", "x", true),
            ("Service", "default", "hostname", false),
            ("Service", "shop", "kubernetes", false),
            ("Namespace", "", "kube-public", true),
            ("Namespace", "", "federation-system", true),
            ("Namespace", "", "default", true),
            ("Namespace", "", "shop", false),
            ("Secret", "federation-system", "fed-west-credentials", true),
            ("ConfigMap", "federation-system", "tombstones-fed-west", true),
            ("ConfigMap", "shop", "kube-root-ca.crt", true),
            ("ConfigMap", "shop", "settings", false),
            ("ServiceAccount", "shop", "default", true),
            ("ServiceAccount", "shop", "till", false),
            ("ClusterRole", "", "system:node", true),
            ("ClusterRoleBinding", "", "cluster-admin", true),
            ("ClusterRole", "", "shop-admin", false),
        ] {
            let kind = FederatedKind::named(kind).unwrap();
            let key = ObjectKey { kind, namespace: namespace.into(), name: name.into() };
            assert_eq!(key.is_reserved(), reserved, "{key}");
        }
    }

    #[test]
    fn what_tools_and_controllers_make_is_told_by_what_it_holds() {
        let controller =
            json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "u", "controller": true}]);
        let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}]);
        for (kind, fields, is_own) in [
            ("Secret", json!({"type": "kubernetes.io/service-account-token"}), true),
            ("Secret", json!({"type": "helm.sh/release.v1"}), true),
            ("Secret", json!({"type": "Opaque"}), false),
            ("Secret", json!({"type": "kubernetes.io/tls"}), false),
            ("ConfigMap", json!({"metadata": {"labels": {"owner": "helm"}}}), true),
            ("ClusterRole", json!({"metadata": {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}}), true),
            ("ReplicaSet", json!({"metadata": {"ownerReferences": controller}}), true),
            ("Job", json!({"metadata": {"ownerReferences": controller}}), true),
            ("ReplicaSet", json!({"metadata": {"ownerReferences": owner}}), false),
        ] {
            let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}});
            json_patch::merge(&mut object, &fields);
            let object = serde_json::from_value(object).unwrap();
            assert_eq!(controlled(FederatedKind::named(kind).unwrap(), &object), is_own, "{kind} {fields}");
        }
    }
}
