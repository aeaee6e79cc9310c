//! Which objects come first where not all can.

use kfed_api::keys;
use kube::core::DynamicObject;

use crate::object::annotation;

/// What annotation `kfed.io/priority` says; or what is wrong with it. Without one an object is as one of priority 0.
pub(crate) fn priority(object: &DynamicObject) -> Result<Option<i64>, String> {
    let Some(text) = annotation(object, keys::PRIORITY) else { return Ok(None) };
    let priority = text.parse::<i32>().map(|priority| Some(i64::from(priority)));
    priority.map_err(|_| {
        let (least, most) = (i32::MIN, i32::MAX);
        format!(
            "annotation {}: `{text}` is no priority: a whole number from {least} to {most}, higher first",
            keys::PRIORITY
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_priority_is_a_whole_number() {
        let of = |text: &str| {
            let object = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "annotations": {"kfed.io/priority": text}}
            });
            priority(&serde_json::from_value(object).unwrap())
        };
        assert_eq!((of("10"), of("-3"), of("+2")), (Ok(Some(10)), Ok(Some(-3)), Ok(Some(2))));
        for text in ["high", "", "1.5", "3000000000", " 1"] {
            let said = of(text).unwrap_err();
            assert!(said.contains("kfed.io/priority") && said.contains(text), "{said}");
        }
    }
}
