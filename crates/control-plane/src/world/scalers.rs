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
