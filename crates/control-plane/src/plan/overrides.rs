//! What is different in some members, by annotation `kfed.io/overrides`.

use kfed_api::keys;
use kfed_api::overrides::{InvalidOverrides, Operation, Overrides};
use kube::core::DynamicObject;
use serde_json::Value;

use crate::kinds::FederatedKind;
use crate::object::annotation;

/// The overrides of an object of `kind`; or what is wrong with them.
pub(super) fn overrides(kind: &FederatedKind, federated: &DynamicObject) -> Result<Overrides, String> {
    let Some(json) = annotation(federated, keys::OVERRIDES) else { return Ok(Overrides::default()) };
    let in_annotation = |mistake: InvalidOverrides| format!("annotation {}: {mistake}", keys::OVERRIDES);
    let overrides: Overrides = json.parse().map_err(in_annotation)?;
    let planned = kind.replicas.iter().flat_map(|replicas| {
        [Some(replicas.path), replicas.second.map(crate::kinds::Second::path)].into_iter().flatten()
    });
    let planned: Vec<_> = planned.collect();
    for pointer in overrides.operations().flat_map(Operation::changes) {
        if let Some(path) = planned.iter().find(|path| pointer.touches(path)) {
            let (pointer, (line, column)) = (pointer.as_str(), place(json, pointer.as_str()));
            return Err(format!(
                "annotation {}: path `{pointer}` at line {line} column {column}: {path} is planned for each member; \
                 what it is to be there is said by the preferences",
                keys::OVERRIDES
            ));
        }
    }
    Ok(overrides)
}

/// Changes `object` as `operations` say: all of them, or none.
pub(super) fn apply(object: &mut Value, operations: &[Operation]) -> Result<(), String> {
    let read = serde_json::to_value(operations).and_then(serde_json::from_value::<json_patch::Patch>);
    let patch = read.map_err(|error| error.to_string())?;
    json_patch::patch(object, &patch).map_err(|error| format!("annotation {}: {error}", keys::OVERRIDES))
}

/// Line and column of the text `path` in `json`, from 1.
fn place(json: &str, path: &str) -> (usize, usize) {
    let before = json.find(&format!("\"{path}\"")).map_or(json, |at| &json[..at]);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(kind: &str, overrides: &str) -> (&'static FederatedKind, DynamicObject) {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "annotations": {keys::OVERRIDES: overrides}}});
        (FederatedKind::named(kind).unwrap(), serde_json::from_value(object).unwrap())
    }

    #[test]
    fn what_is_planned_is_not_overridden() {
        for (kind, path) in [
            ("Deployment", "/spec/replicas"),
            ("Job", "/spec/completions"),
            ("Job", "/spec"),
            ("HorizontalPodAutoscaler", "/spec/minReplicas"),
        ] {
            let (kind, object) =
                with(kind, &format!("[{{\"patch\": [\n  {{\"op\": \"remove\", \"path\": \"{path}\"}}]}}]"));
            let mistake = overrides(kind, &object).unwrap_err();
            assert!(mistake.contains("at line 2 column 28") && mistake.contains("is planned"), "{mistake}");
        }
        let (kind, object) = with("DaemonSet", r#"[{"patch": [{"op": "remove", "path": "/spec"}]}]"#);
        assert!(overrides(kind, &object).is_ok(), "it has no replicas of its own");
    }

    #[test]
    fn a_patch_that_does_not_fit_changes_nothing() {
        let operations: Overrides =
            r#"[{"patch": [{"op": "add", "path": "/spec/a", "value": 1}, {"op": "remove", "path": "/spec/b"}]}]"#
                .parse()
                .unwrap();
        let operations: Vec<_> = operations.operations().cloned().collect();
        let mut object = json!({"spec": {}});
        let mistake = apply(&mut object, &operations).unwrap_err();
        assert!(mistake.contains("/spec/b"), "{mistake}");
        assert_eq!(object, json!({"spec": {}}));
        let mut fits = json!({"spec": {"b": 2}});
        apply(&mut fits, &operations).unwrap();
        assert_eq!(fits, json!({"spec": {"a": 1}}));
    }
}
