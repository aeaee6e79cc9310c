//! Objects in as little memory as they can be kept in.

use std::borrow::Cow;
use std::sync::Arc;

use kube::core::{DynamicObject, ObjectMeta, TypeMeta};
use serde_json::Value;

use super::lean::Lean;
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
    pub(super) fn of(kind: &FederatedKind, object: Lean) -> Self {
        match kind.template.and_then(|_| Text::of(&object)) {
            Some(text) => Self::Text(Box::new(text)),
            None => Self::Whole(Arc::new(object.whole())),
        }
    }

    pub(super) fn object(&self) -> Arc<DynamicObject> {
        match self {
            Self::Whole(object) => object.clone(),
            Self::Text(text) => Arc::new(text.object().expect("it has been read before")),
        }
    }

    pub(super) fn metadata(&self) -> Cow<'_, ObjectMeta> {
        match self {
            Self::Whole(object) => Cow::Borrowed(&object.metadata),
            Self::Text(text) => Cow::Owned(serde_json::from_str(&text.metadata).expect("it has been read before")),
        }
    }
}

// === impl Text ===

impl Text {
    /// None for what would not come back the same.
    fn of(object: &Lean) -> Option<Self> {
        let metadata = serde_json::to_string(&object.metadata).ok()?;
        let back: ObjectMeta = serde_json::from_str(&metadata).ok()?;
        let text =
            || Some(Self { types: object.types.clone(), metadata: metadata.into(), data: object.text()?.into() });
        (back == object.metadata).then(text)?
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
            let packed = Packed::of(FederatedKind::named(kind).unwrap(), object(kind).into());
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
        let packed = Packed::of(FederatedKind::named("ReplicaSet").unwrap(), odd.clone().into());
        assert!(matches!(packed, Packed::Whole(_)));
        assert_eq!(*packed.object(), odd);
    }
}
