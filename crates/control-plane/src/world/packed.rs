//! Objects in as little memory as they can be kept in.

use std::sync::Arc;

use kube::core::{DynamicObject, ObjectMeta, TypeMeta};
use serde_json::Value;

use crate::kinds::FederatedKind;

/// An object that is kept. A pod template as a tree takes some 28 KB, since each of its many small maps has room for eleven entries,
/// and as text some 2 KB: objects that have one are text until somebody asks for them.
#[derive(Debug)]
pub(super) enum Packed {
    Whole(Arc<DynamicObject>),
    Text(Box<Text>),
}

#[derive(Debug)]
pub(super) struct Text {
    types: Option<TypeMeta>,
    metadata: Box<str>,
    data: Box<str>,
}

// === impl Packed ===

impl Packed {
    pub(super) fn of(kind: &FederatedKind, object: DynamicObject) -> Self {
        let text = kind.template.and_then(|_| Text::of(&object));
        text.map_or_else(|| Self::Whole(Arc::new(object)), |text| Self::Text(Box::new(text)))
    }

    pub(super) fn object(&self) -> Arc<DynamicObject> {
        match self {
            Self::Whole(object) => object.clone(),
            Self::Text(text) => Arc::new(text.object().expect("it has been read before")),
        }
    }
}

// === impl Text ===

impl Text {
    /// None for what would not come back the same, as numbers that have no exact text might not.
    fn of(object: &DynamicObject) -> Option<Self> {
        let DynamicObject { types, metadata, data } = object;
        let text = Self {
            types: types.clone(),
            metadata: serde_json::to_string(metadata).ok()?.into(),
            data: serde_json::to_string(data).ok()?.into(),
        };
        (text.object().as_ref() == Some(object)).then_some(text)
    }

    fn object(&self) -> Option<DynamicObject> {
        let metadata: ObjectMeta = serde_json::from_str(&self.metadata).ok()?;
        let data: Value = serde_json::from_str(&self.data).ok()?;
        Some(DynamicObject { types: self.types.clone(), metadata, data })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": {
                "name": "web", "namespace": "default", "uid": "u", "resourceVersion": "7", "generation": 2, "labels": {"app": "web"},
                "annotations": {"note": "\"quoted\" \u{1F680}"}, "finalizers": ["kfed.io/cascade"],
                "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-01T00:00:01Z"
            },
            "spec": {"replicas": 3, "limit": u64::MAX, "share": 0.1, "empty": {}, "nothing": null},
            "status": {"readyReplicas": -1}
        }))
        .unwrap()
    }

    #[test]
    fn what_has_a_pod_template_is_kept_as_text_and_comes_back_the_same() {
        for (kind, is_text) in [("ReplicaSet", true), ("CronJob", true), ("ConfigMap", false), ("Service", false)] {
            let packed = Packed::of(FederatedKind::named(kind).unwrap(), object(kind));
            assert_eq!(matches!(packed, Packed::Text(_)), is_text, "{kind}");
            assert_eq!(*packed.object(), object(kind), "{kind}");
        }
    }

    #[test]
    fn what_would_come_back_otherwise_is_kept_whole() {
        let mut odd = object("ReplicaSet");
        // The API writes whole seconds.
        let time = "2026-01-01T00:00:00.5Z".parse().unwrap();
        odd.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time));
        let packed = Packed::of(FederatedKind::named("ReplicaSet").unwrap(), odd.clone());
        assert!(matches!(packed, Packed::Whole(_)));
        assert_eq!(*packed.object(), odd);
    }
}
