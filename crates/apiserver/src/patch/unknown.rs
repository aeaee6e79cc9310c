//! Fields that a kind does not have, in what a client sends.

use serde_json::Value;

use super::schema::{self, Field, Shape};

/// Takes out of an object of a built-in kind what its type does not declare, and names it: `spec.bogus`, `spec.ports[0].bogus`.
pub(crate) fn drop_unknown(api_version: &str, kind: &str, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    walk(schema::root(api_version, kind), object, "", true, &mut unknown);
    unknown
}

fn walk(of: &Field, value: &mut Value, path: &str, at_root: bool, unknown: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            // The struct that is atomic, not its fields, was named.
            let of = if matches!(of.shape, Shape::Atomic(Some(_))) { of.element() } else { of };
            members.retain(|name, below| {
                let at = if at_root { name.clone() } else { format!("{path}.{name}") };
                if matches!(of.shape, Shape::Struct(_)) && !of.declares(name, at_root) {
                    unknown.push(at);
                    return false;
                }
                walk(of.child(name), below, &at, false, unknown);
                true
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(of.element(), item, &format!("{path}[{index}]"), false, unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_nobody_declared_go_and_are_named() {
        let mut deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": {"any": "thing"}}, "bogus": 1,
            "spec": {"replicas": 1, "bogus": 2, "template": {"spec": {"containers": [{"name": "c", "image": "i", "bogus": 3}], "tolerations": [{"key": "k", "bogus": 4}]}}}});
        let unknown = drop_unknown("apps/v1", "Deployment", &mut deployment);
        assert_eq!(
            unknown,
            [
                "bogus",
                "spec.bogus",
                "spec.template.spec.containers[0].bogus",
                "spec.template.spec.tolerations[0].bogus"
            ]
        );
        assert!(!deployment.to_string().contains("bogus"));
        assert!(drop_unknown("apps/v1", "Deployment", &mut deployment).is_empty());
        assert_eq!(deployment["metadata"]["labels"]["any"], "thing");
    }
}
