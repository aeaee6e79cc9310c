//! Objects as they come out of the parser.

use std::borrow::Cow;
use std::fmt;

use kube::Resource;
use kube::core::{ApiResource, DynamicObject, DynamicResourceScope, ObjectMeta, PartialObjectMeta, TypeMeta};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// `kubectl apply` writes a whole object into it.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object as a watch tells it: all but its metadata is text as soon as it has been read. A list comes by hundreds of objects, and a
/// pod template as a tree takes some 28 KB: so no more than a field of one of them is a tree at any time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lean {
    pub(super) types: Option<TypeMeta>,
    /// Without what nobody here asks for.
    pub(crate) metadata: ObjectMeta,
    fields: Vec<(String, Field)>,
}

#[derive(Debug, Clone)]
enum Field {
    Text(Box<str>),
    /// What would not come back the same from its text, as numbers that have no exact one might not.
    Tree(Value),
}

// === impl Lean ===

impl Lean {
    /// An object of which only the metadata is known.
    pub(crate) fn of_metadata(PartialObjectMeta { types, metadata, .. }: PartialObjectMeta) -> Self {
        Self::bare(types, pruned(metadata))
    }

    pub(super) fn bare(types: Option<TypeMeta>, metadata: ObjectMeta) -> Self {
        Self { types, metadata, fields: Vec::new() }
    }

    /// Changes what stands at the top under `name`, if anything does.
    pub(super) fn update(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        if let Some((_, field)) = self.fields.iter_mut().find(|(field, _)| field == name) {
            let mut value = field.value();
            change(&mut value);
            *field = Field::of(value);
        }
    }

    /// All but the types and the metadata as one text; none where that would not come back the same.
    pub(super) fn text(&self) -> Option<String> {
        let mut text = String::from("{");
        for (name, field) in &self.fields {
            let Field::Text(field) = field else { return None };
            let comma = if text.len() > 1 { "," } else { "" };
            text.extend([comma, &serde_json::to_string(name).ok()?, ":", field]);
        }
        text.push('}');
        Some(text)
    }

    /// The object as a tree.
    pub(super) fn whole(self) -> DynamicObject {
        let data: Map<_, _> = self.fields.into_iter().map(|(name, field)| (name, field.value())).collect();
        DynamicObject { types: self.types, metadata: self.metadata, data: Value::Object(data) }
    }
}

impl Resource for Lean {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::kind(resource)
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::group(resource)
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::version(resource)
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::plural(resource)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl<'de> Deserialize<'de> for Lean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reads)
    }
}

/// Reads an object field by field.
struct Reads;

impl<'de> Visitor<'de> for Reads {
    type Value = Lean;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lean, A::Error> {
        let (mut api_version, mut kind, mut lean) = (None, None, Lean::default());
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "apiVersion" => api_version = map.next_value()?,
                "kind" => kind = map.next_value()?,
                "metadata" => lean.metadata = pruned(map.next_value()?),
                _ => lean.fields.push((name, Field::of(map.next_value()?))),
            }
        }
        // Items of a list need not say what they are.
        lean.types = Option::zip(api_version, kind).map(|(api_version, kind)| TypeMeta { api_version, kind });
        Ok(lean)
    }
}

/// Nobody here asks who wrote what, and both are a large part of many objects.
fn pruned(mut metadata: ObjectMeta) -> ObjectMeta {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    metadata
}

// === impl Field ===

impl Field {
    fn of(value: Value) -> Self {
        let text = value.to_string();
        let comes_back = || serde_json::from_str::<Value>(&text).is_ok_and(|back| back == value);
        match !has_fraction(&value) || comes_back() {
            true => Self::Text(text.into()),
            false => Self::Tree(value),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Text(text) => serde_json::from_str(text).expect("it has been read before"),
            Self::Tree(value) => value.clone(),
        }
    }
}

/// Whether a number in it is no integer: only such a one may have no exact text.
fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => !(number.is_i64() || number.is_u64()),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}

#[cfg(test)]
impl From<DynamicObject> for Lean {
    fn from(DynamicObject { types, metadata, data }: DynamicObject) -> Self {
        let fields = data.as_object().cloned().unwrap_or_default();
        let fields = fields.into_iter().map(|(name, value)| (name, Field::of(value))).collect();
        Self { types, metadata: pruned(metadata), fields }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};
    use serde_json::json;

    use super::*;

    fn replica_set() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": "web", "namespace": "shop", "resourceVersion": "7", "annotations": {LAST_APPLIED: "{…}", "note": "keep"},
                "managedFields": [{"manager": "kfed", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]
            },
            "spec": {"replicas": 3, "limit": u64::MAX, "share": 0.1, "empty": {}, "nothing": null, "note": "\"quoted\" \u{1F680}"},
            "status": {"readyReplicas": -1},
            "\"odd\"": [1.5, "x"]
        })
    }

    /// What [`replica_set`] is to come back as.
    fn kept() -> DynamicObject {
        let mut object: DynamicObject = serde_json::from_value(replica_set()).unwrap();
        object.metadata.managed_fields = None;
        object.metadata.annotations.as_mut().unwrap().remove(LAST_APPLIED);
        object
    }

    #[test]
    fn an_object_comes_back_from_whatever_told_it() {
        let text = replica_set().to_string();
        let event = |event: &str| match serde_json::from_str(event).unwrap() {
            WatchEvent::<Lean>::Added(lean) => lean,
            other => panic!("{other:?}"),
        };
        let list: ObjectList<Lean> =
            serde_json::from_str(&format!(r#"{{"items":[{text}],"metadata":{{"resourceVersion":"9"}}}}"#)).unwrap();
        for lean in [
            serde_json::from_str(&text).unwrap(),
            serde_json::from_value(replica_set()).unwrap(),
            event(&format!(r#"{{"type":"ADDED","object":{text}}}"#)),
            // What it is comes last, so that kube sets the object aside.
            event(&format!(r#"{{"object":{text},"type":"ADDED"}}"#)),
            list.items[0].clone(),
        ] {
            assert!(lean.fields.iter().all(|(_, field)| matches!(field, Field::Text(_))));
            let data: Value = serde_json::from_str(&lean.text().unwrap()).unwrap();
            assert_eq!(data, kept().data);
            assert_eq!(lean.whole(), kept());
        }
    }

    #[test]
    fn an_object_need_not_say_what_it_is_nor_hold_anything() {
        for object in [json!({"metadata": {"name": "web"}}), json!({"metadata": {}, "spec": 1}), json!({})] {
            let lean: Lean = serde_json::from_value(object.clone()).unwrap();
            assert_eq!(lean.whole(), serde_json::from_value(object).unwrap());
        }
        assert_eq!(Lean::default().text().unwrap(), "{}");
        assert!(serde_json::from_str::<Lean>("[]").is_err());
    }

    #[test]
    fn one_field_changes_and_the_others_stay() {
        let mut lean: Lean = serde_json::from_value(replica_set()).unwrap();
        lean.update("status", |status| status["readyReplicas"] = json!(2));
        lean.update("absent", |_| unreachable!());
        let mut expected = kept();
        expected.data["status"]["readyReplicas"] = json!(2);
        assert_eq!(lean.whole(), expected);
    }

    #[test]
    fn what_would_come_back_otherwise_stays_a_tree() {
        // The text of many a fraction is read back as its neighbour.
        let is_odd = |share: &Value| serde_json::from_str::<Value>(&share.to_string()).unwrap() != *share;
        let odd = (1..10_000).map(|n| Value::from(1.0 / f64::from(n))).find(is_odd).unwrap();
        let mut object = kept();
        object.data["spec"]["share"] = odd;
        let lean = Lean::from(object.clone());
        assert_eq!(lean.text(), None);
        assert_eq!(lean.whole(), object);
    }
}
