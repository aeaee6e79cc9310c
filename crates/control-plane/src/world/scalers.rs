//! Which autoscalers scale what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::core::DynamicObject;

use crate::kinds::ObjectKey;
use crate::object::at;

/// The kind that scales others.
const SCALER: &str = "HorizontalPodAutoscaler";

/// Autoscalers by what they scale: a workload is not asked for among all of its namespace.
#[derive(Debug, Default)]
pub(super) struct Scalers {
    of: BTreeMap<Target, BTreeSet<ObjectKey>>,
    targets: BTreeMap<ObjectKey, Target>,
}

/// Namespace, kind and name.
type Target = (String, String, String);

// === impl Scalers ===

impl Scalers {
    /// The object of `key` is as it is now; none where it is gone.
    pub(super) fn change(&mut self, key: &ObjectKey, object: impl FnOnce() -> Option<Arc<DynamicObject>>) {
        if key.kind.id != SCALER {
            return;
        }
        if let Some(before) = self.targets.remove(key)
            && let Some(scalers) = self.of.get_mut(&before)
        {
            scalers.remove(key);
            if scalers.is_empty() {
                self.of.remove(&before);
            }
        }
        let target = object().and_then(|object| {
            let target = at(&object, "/spec/scaleTargetRef")?;
            Some((key.namespace.clone(), target["kind"].as_str()?.to_owned(), target["name"].as_str()?.to_owned()))
        });
        if let Some(target) = target {
            self.of.entry(target.clone()).or_default().insert(key.clone());
            self.targets.insert(key.clone(), target);
        }
    }

    /// Those that scale `key`, by name.
    pub(super) fn of(&self, key: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        let target = (key.namespace.clone(), key.kind.kind.to_owned(), key.name.clone());
        self.of.get(&target).into_iter().flatten()
    }

    /// Kind and name of what `key` scales, if it is an autoscaler.
    pub(super) fn target(&self, key: &ObjectKey) -> Option<(&str, &str)> {
        self.targets.get(key).map(|(_, kind, name)| (kind.as_str(), name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::FederatedKind;

    fn key(kind: &str, name: &str) -> ObjectKey {
        ObjectKey { kind: FederatedKind::named(kind).unwrap(), namespace: "default".into(), name: name.into() }
    }

    /// An autoscaler of the Deployment `target`.
    fn of(target: &str) -> Option<Arc<DynamicObject>> {
        let spec = json!({"scaleTargetRef": {"kind": "Deployment", "name": target}});
        Some(Arc::new(serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap()))
    }

    #[test]
    fn what_is_scaled_is_known_from_both_ends() {
        let mut scalers = Scalers::default();
        let (first, second) = (key("HorizontalPodAutoscaler", "a"), key("HorizontalPodAutoscaler", "b"));
        scalers.change(&second, || of("web"));
        scalers.change(&first, || of("web"));
        scalers.change(&key("ConfigMap", "c"), || of("web"));
        assert_eq!(scalers.of(&key("Deployment", "web")).collect::<Vec<_>>(), [&first, &second]);
        assert_eq!(scalers.of(&key("StatefulSet", "web")).count(), 0, "it is another kind");
        assert_eq!(scalers.target(&first), Some(("Deployment", "web")));
        scalers.change(&first, || of("other"));
        assert_eq!(scalers.of(&key("Deployment", "web")).collect::<Vec<_>>(), [&second]);
        scalers.change(&second, || None);
        scalers.change(&first, || None);
        assert_eq!((scalers.of.len(), scalers.targets.len(), scalers.target(&first)), (0, 0, None));
    }
}
