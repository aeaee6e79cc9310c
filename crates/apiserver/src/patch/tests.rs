//! Stories recorded from a real server are replayed step by step; laws are checked on generated documents.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const TIME: &str = "2026-11-22T18:24:46Z";

fn golden(name: &str) -> Vec<Value> {
    let path = format!("{}/../../fixtures/kube/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn query<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    path.split_once('?')?
        .1
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

/// Carries over what the server stamps and allocates.
fn stamp(object: &mut Value, from: &Value) {
    for name in ["uid", "resourceVersion", "creationTimestamp", "generation", "namespace"] {
        if let Some(value) = from["metadata"].get(name) {
            object["metadata"][name] = value.clone();
        }
    }
    for name in ["clusterIP", "clusterIPs"] {
        if let Some(value) = from["spec"].get(name) {
            object["spec"][name] = value.clone();
        }
    }
    if object["kind"] == "Cluster" {
        // Defaults of that custom resource's schema.
        for (name, value) in [("replicas", json!(1)), ("weight", json!(1))] {
            object["spec"].as_object_mut().unwrap().entry(name).or_insert(value);
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// One exchange of a story: the object afterwards, or the error.
fn play(kind: &str, live: Option<&Value>, exchange: &Value, default_manager: &str) -> Result<Value, PatchError> {
    let path = exchange["path"].as_str().unwrap();
    let body = &exchange["body"];
    let api_version =
        exchange["response"]["apiVersion"].as_str().filter(|_| exchange["status"] != 409 && exchange["status"] != 500);
    let api_version = live.and_then(|live| live["apiVersion"].as_str()).or(api_version).unwrap();
    let subresource =
        ["status", "scale"].into_iter().find(|name| path.split('?').next().unwrap().ends_with(&format!("/{name}")));
    let manager =
        Manager { name: query(path, "fieldManager").unwrap_or(default_manager), api_version, subresource, time: TIME };
    let mut after = match exchange["contentType"].as_str().unwrap().split_once('/').unwrap().1 {
        "apply-patch+yaml" => {
            let mut after = apply(kind, live, body, &manager, query(path, "force") == Some("true"))?;
            crate::defaults::apply(api_version, kind, &mut after);
            return Ok(after);
        }
        "merge-patch+json" => merge_patch(live.unwrap(), body),
        "strategic-merge-patch+json" => strategic_merge(kind, live.unwrap(), body)?,
        "json-patch+json" => json_patch(live.unwrap(), body)?,
        "json" => body.clone(),
        other => panic!("{other}"),
    };
    crate::defaults::apply(api_version, kind, &mut after);
    track_update(kind, live, &mut after, &manager);
    Ok(after)
}

fn replay(file: &str, kind: &str) {
    let mut live: Option<Value> = None;
    for (step, exchange) in golden(file).iter().enumerate() {
        let (path, wanted, status) =
            (exchange["path"].as_str().unwrap(), &exchange["response"], exchange["status"].as_u64().unwrap());
        let label = format!("{file} step {step}: {} {}", path, exchange["body"]);
        let apply_without_manager =
            exchange["contentType"] == "application/apply-patch+yaml" && query(path, "fieldManager").is_none();
        let wrong_revision = exchange["body"].pointer("/metadata/resourceVersion").is_some();
        if exchange["method"] == "GET" {
            if live.is_none() {
                live = Some(wanted.clone());
            }
            assert_eq!(pretty(live.as_ref().unwrap()), pretty(wanted), "{label}");
            continue;
        }
        if apply_without_manager || wrong_revision {
            continue; // refused before the patch is looked at
        }
        if path.contains("/scale") {
            let manager = Manager {
                name: query(path, "fieldManager").unwrap(),
                api_version: "apps/v1",
                subresource: Some("scale"),
                time: TIME,
            };
            let mut after = merge_patch(live.as_ref().unwrap(), &exchange["body"]);
            track_update(kind, live.as_ref(), &mut after, &manager);
            after["metadata"]["generation"] = json!(3);
            after["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"].clone();
            live = Some(after);
            continue;
        }
        match play(kind, live.as_ref(), exchange, "apiserver-conformance") {
            Ok(mut after) => {
                assert!(status < 300, "{label}: {status} wanted");
                stamp(&mut after, wanted);
                assert_eq!(pretty(&after), pretty(wanted), "{label}");
                live = Some(after);
            }
            Err(PatchError::Conflict(conflicts)) => {
                assert_eq!(status, 409, "{label}");
                let causes: Vec<Value> = conflicts
                    .iter()
                    .map(|conflict| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {}", conflict.manager), "field": conflict.field}))
                    .collect();
                assert_eq!(Value::Array(causes), wanted["details"]["causes"], "{label}");
            }
            Err(PatchError::Schema(message)) => {
                assert_eq!((status, message.as_str()), (500, wanted["message"].as_str().unwrap()), "{label}");
            }
            Err(PatchError::BadRequest(message)) => {
                assert_eq!((status, message.as_str()), (400, wanted["message"].as_str().unwrap()), "{label}");
            }
            Err(PatchError::Invalid(message)) => panic!("{label}: {message}"),
        }
    }
}

#[test]
fn applies_to_a_config_map_go_as_on_a_real_server() {
    replay("ssa_configmap", "ConfigMap");
}

#[test]
fn applies_to_a_deployment_go_as_on_a_real_server() {
    replay("ssa_deployment", "Deployment");
}

#[test]
fn applies_to_a_service_go_as_on_a_real_server() {
    replay("ssa_service", "Service");
}

#[test]
fn strategic_patches_go_as_on_a_real_server() {
    replay("patch_strategic", "Deployment");
}

#[test]
fn other_patches_go_as_on_a_real_server() {
    let before = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "patched", "finalizers": ["example.com/x", "example.com/y"]}, "data": {"a": "1", "b": "2"}});
    let manager = Manager { name: "apiserver-conformance", api_version: "v1", subresource: None, time: TIME };
    let mut live = before;
    track_update("ConfigMap", None, &mut live, &manager);
    for exchange in golden("patch_others") {
        let mut after = play("ConfigMap", Some(&live), &exchange, "apiserver-conformance").unwrap();
        stamp(&mut after, &exchange["response"]);
        assert_eq!(pretty(&after), pretty(&exchange["response"]), "{}", exchange["body"]);
        live = after;
    }
}

#[test]
fn a_creation_is_owned_as_on_a_real_server() {
    for file in ["defaults_deployment", "defaults_replicaset", "defaults_pod", "defaults_service", "defaults_others"] {
        for exchange in golden(file) {
            let wanted = &exchange["response"];
            let (kind, api_version) = (wanted["kind"].as_str().unwrap(), wanted["apiVersion"].as_str().unwrap());
            let wanted_entries = &wanted["metadata"]["managedFields"];
            let mut object = exchange["body"].clone();
            crate::defaults::apply(api_version, kind, &mut object);
            let time = wanted["metadata"]["creationTimestamp"].as_str().unwrap();
            track_update(
                kind,
                None,
                &mut object,
                &Manager { name: "apiserver-conformance", api_version, subresource: None, time },
            );
            // A real server allocates or admits these after ownership has been recorded; here they come with the defaults.
            let late: &[&str] = match (kind, object["spec"]["clusterIP"].as_str()) {
                ("Pod", _) => &["preemptionPolicy", "priority", "serviceAccount", "serviceAccountName", "tolerations"],
                ("Service", Some("None")) => &["clusterIPs", "ipFamilies", "ipFamilyPolicy"],
                ("Service", _) if object["spec"]["type"] != "ExternalName" => &["ipFamilies", "ipFamilyPolicy"],
                _ => &[],
            };
            if kind == "Namespace" {
                let fields =
                    object.pointer_mut("/metadata/managedFields/0/fieldsV1").and_then(Value::as_object_mut).unwrap();
                assert_eq!(fields.remove("f:spec"), Some(json!({"f:finalizers": {}})));
            }
            for name in late {
                let spec = object
                    .pointer_mut("/metadata/managedFields/0/fieldsV1/f:spec")
                    .and_then(Value::as_object_mut)
                    .unwrap();
                assert!(spec.remove(&format!("f:{name}")).is_some(), "{name}");
            }
            assert_eq!(
                pretty(&object["metadata"]["managedFields"]),
                pretty(wanted_entries),
                "{kind} {}",
                exchange["body"]
            );
        }
    }
}

#[test]
fn lists_of_a_custom_resource_are_owned_as_a_whole() {
    let first = &golden("ssa_custom")[0];
    let after = play("Cluster", None, first, "").unwrap();
    assert_eq!(
        after["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {"f:pools": {}, "f:server": {}, "f:zones": {}}})
    );
    let manager =
        Manager { name: "m2", api_version: "federation.example.com/v1", subresource: Some("status"), time: TIME };
    let status = |conditions: Value| json!({"apiVersion": "federation.example.com/v1", "kind": "Cluster", "metadata": {"name": "ssa"}, "status": {"conditions": conditions}});
    let after =
        apply("Cluster", Some(&after), &status(json!([{"type": "Ready", "status": "True"}])), &manager, false).unwrap();
    let third = Manager { name: "m3", ..manager };
    let after = apply("Cluster", Some(&after), &status(json!([{"type": "Offline", "status": "False"}])), &third, false)
        .unwrap();
    assert_eq!(
        after["status"]["conditions"],
        json!([{"type": "Ready", "status": "True"}, {"type": "Offline", "status": "False"}])
    );
    assert_eq!(after["spec"], first["body"]["spec"]);
}

#[test]
fn what_nobody_tracks_stays_untracked_until_somebody_applies() {
    let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}});
    let manager = Manager { name: "m", api_version: "v1", subresource: None, time: TIME };
    let mut after = merge_patch(&live, &json!({"data": {"b": "2"}}));
    track_update("ConfigMap", Some(&live), &mut after, &manager);
    assert_eq!(after["metadata"].get("managedFields"), None);
    let applied = apply(
        "ConfigMap",
        Some(&after),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"b": "2"}}),
        &manager,
        false,
    )
    .unwrap();
    let owners: Vec<&str> = applied["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["manager"].as_str().unwrap())
        .collect();
    assert_eq!(owners, ["m", "before-first-apply"]);
}

#[test]
fn a_write_that_changes_nothing_leaves_the_entries_and_their_times_alone() {
    let manager = |time| Manager { name: "m", api_version: "v1", subresource: None, time };
    let mut live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}});
    track_update("ConfigMap", None, &mut live, &manager(TIME));
    let mut same = live.clone();
    same["metadata"].as_object_mut().unwrap().remove("managedFields");
    track_update("ConfigMap", Some(&live), &mut same, &manager("2027-01-01T00:00:00Z"));
    assert_eq!(same, live);
}

#[test]
fn a_quantity_in_other_words_is_no_change() {
    let manager = |time| Manager { name: "m", api_version: "apps/v1", subresource: None, time };
    let container = json!({"name": "c", "image": "i", "resources": {"limits": {"cpu": "1000m"}}});
    let config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {}, "template": {"spec": {"containers": [container]}}}});
    let mut live = apply("Deployment", None, &config, &manager(TIME), false).unwrap();
    crate::defaults::apply("apps/v1", "Deployment", &mut live);
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"], "1");
    assert_eq!(apply("Deployment", Some(&live), &config, &manager("2027-01-01T00:00:00Z"), false).unwrap(), live);
}

#[test]
fn a_client_may_migrate_ownership_but_not_lose_it_by_ignorance() {
    let manager = Manager { name: "csa", api_version: "v1", subresource: None, time: TIME };
    let mut live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}});
    track_update("ConfigMap", None, &mut live, &manager);
    for ignorant in [json!([]), json!(null), json!([{"manager": "x"}])] {
        let mut after = live.clone();
        after["metadata"]["managedFields"] = ignorant;
        track_update("ConfigMap", Some(&live), &mut after, &manager);
        assert_eq!(after, live);
    }
    let entries = json!([{"manager": "ssa", "operation": "Apply", "apiVersion": "v1", "time": TIME, "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}]);
    let mut after = live.clone();
    after["metadata"]["managedFields"] = entries.clone();
    track_update("ConfigMap", Some(&live), &mut after, &manager);
    assert_eq!(after["metadata"]["managedFields"], entries);
}

#[test]
fn many_updaters_are_folded_into_one() {
    let mut live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}});
    for number in 0..14 {
        let before = live.clone();
        live["data"][format!("k{number}")] = json!("v");
        let (name, time) = (format!("m{number:02}"), format!("2026-01-01T00:00:{number:02}Z"));
        track_update(
            "ConfigMap",
            (number > 0).then_some(&before),
            &mut live,
            &Manager { name: &name, api_version: "v1", subresource: None, time: &time },
        );
    }
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 10);
    assert!(
        entries
            .iter()
            .any(|entry| entry["manager"] == "ancient-changes" && entry["fieldsV1"]["f:data"].get("f:k0").is_some())
    );
}

#[test]
fn a_json_patch_tests_for_null_where_nothing_is() {
    let object = json!({"metadata": {"name": "x"}, "data": {"a/b": "1"}, "list": [1, 2]});
    let added = json_patch(&object, &json!([{"op": "test", "path": "/metadata/finalizers", "value": null}, {"op": "add", "path": "/metadata/finalizers", "value": ["f"]}])).unwrap();
    assert_eq!(added["metadata"]["finalizers"], json!(["f"]));
    assert_eq!(
        json_patch(&object, &json!([{"op": "replace", "path": "/data/new", "value": 1}])).unwrap()["data"]["new"],
        1
    );
    for refused in [
        json!([{"op": "test", "path": "/metadata/name", "value": null}]),
        json!([{"op": "test", "path": "/no/parent", "value": null}]),
        json!([{"op": "test", "path": "/data/a~1b", "value": "2"}]),
        json!([{"op": "remove", "path": "/data/nosuch"}]),
        json!([{"op": "replace", "path": "/no/parent", "value": 1}]),
        json!([{"op": "replace", "path": "/list/7", "value": 1}]),
    ] {
        assert_eq!(
            json_patch(&object, &refused),
            Err(PatchError::Invalid("the server rejected our request due to an error in our request".to_owned())),
            "{refused}"
        );
    }
    for malformed in
        [json!({"op": "add"}), json!([{"op": "jump", "path": "/a"}]), json!([{"op": "add", "path": "/a"}]), json!([1])]
    {
        assert!(matches!(json_patch(&object, &malformed), Err(PatchError::BadRequest(_))), "{malformed}");
    }
}

#[test]
fn bad_directives_are_refused() {
    let service = json!({"spec": {"ports": [{"port": 80, "name": "a"}]}});
    for bad in [
        json!({"spec": {"$patch": "explode"}}),
        json!({"spec": {"$retainKeys": ["type"], "clusterIP": "None"}}),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}}),
        json!({"spec": {"$setElementOrder/selector": []}}),
        json!([]),
    ] {
        assert!(matches!(strategic_merge("Service", &service, &bad), Err(PatchError::BadRequest(_))), "{bad}");
    }
    assert!(matches!(
        strategic_merge("Service", &service, &json!({"spec": {"ports": [{"name": "b"}]}})),
        Err(PatchError::Schema(_))
    ));
    let merged =
        strategic_merge("Service", &service, &json!({"spec": {"ports": [{"port": 80, "name": "b"}, {"port": 81}]}}))
            .unwrap();
    assert_eq!(merged["spec"]["ports"], json!([{"port": 80, "name": "b"}, {"port": 81}]));
    let replaced =
        strategic_merge("Service", &service, &json!({"spec": {"$patch": "replace", "type": "NodePort"}})).unwrap();
    assert_eq!(replaced, json!({"spec": {"type": "NodePort"}}));
}

#[test]
fn an_apply_that_does_not_fit_the_schema_is_refused() {
    let manager = Manager { name: "m", api_version: "v1", subresource: None, time: TIME };
    let service = |spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"}, "spec": spec});
    for (spec, cause) in [
        (json!({"ports": [{"name": "a"}]}), "omits key field \"port\""),
        (json!({"ports": [{"port": 80}, {"port": 80, "protocol": "TCP"}]}), "duplicate entries"),
        (json!({"ports": {}}), ".spec.ports: expected list, got map"),
        (json!({"ports": [{"port": 80, "bogus": 1}]}), ".bogus: field not declared in schema"),
        (json!("x"), ".spec: expected map, got string"),
    ] {
        let Err(PatchError::Schema(message)) = apply("Service", None, &service(spec), &manager, false) else {
            panic!("{cause}")
        };
        assert!(
            message.starts_with("failed to create typed patch object (n/s; /v1, Kind=Service): ")
                && message.contains(cause),
            "{message}"
        );
    }
}

/// Documents without nulls and without lists: there a merge patch can say everything.
fn document(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0i64..4).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| members(inner).prop_map(Value::Object))
}

fn members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[a-d]", inner, 0..4).prop_map(|members| members.into_iter().collect())
}

fn object() -> impl Strategy<Value = Value> {
    members(document(3)).prop_map(Value::Object)
}

/// The merge patch that turns one into the other.
fn merge_diff(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in after {
        match before.get(name) {
            Some(same) if same == value => {}
            Some(other) if other.is_object() && value.is_object() => {
                patch.insert(name.clone(), merge_diff(other, value));
            }
            _ => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

fn config_map(
    data: &std::collections::BTreeMap<String, String>,
    labels: &std::collections::BTreeMap<String, String>,
) -> Value {
    let mut object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": labels}, "data": data});
    crate::defaults::apply("v1", "ConfigMap", &mut object);
    object
}

fn strings() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    proptest::collection::btree_map("[a-e]", "[xy]", 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_patch_carries_one_document_into_another(from in object(), to in object()) {
        prop_assert_eq!(merge_patch(&from, &merge_diff(&from, &to)), to);
    }

    #[test]
    fn a_merge_patch_of_nothing_changes_nothing_and_twice_is_once(from in object(), patch in object()) {
        prop_assert_eq!(&merge_patch(&from, &json!({})), &from);
        let once = merge_patch(&from, &patch);
        prop_assert_eq!(merge_patch(&once, &patch), once);
    }

    #[test]
    fn without_lists_a_strategic_patch_is_a_merge_patch(from in object(), to in object()) {
        let patch = merge_diff(&from, &to);
        let custom = strategic_merge("NoSuchKind", &json!({"spec": from}), &json!({"spec": patch})).unwrap();
        prop_assert_eq!(custom, json!({"spec": to}));
    }

    #[test]
    fn removing_what_a_json_patch_added_gives_the_document_back(from in object(), value in document(2)) {
        let added = json_patch(&from, &json!([{"op": "add", "path": "/new", "value": value}, {"op": "test", "path": "/new", "value": value}])).unwrap();
        prop_assert_eq!(&added["new"], &value);
        let removed = json_patch(&added, &json!([{"op": "remove", "path": "/new"}, {"op": "test", "path": "/new", "value": null}])).unwrap();
        prop_assert_eq!(removed, from);
    }

    #[test]
    fn an_apply_is_idempotent(data in strings(), labels in strings(), others in strings()) {
        let manager = |name, time| Manager { name, api_version: "v1", subresource: None, time };
        let mut live = config_map(&others, &others);
        track_update("ConfigMap", None, &mut live, &manager("other", TIME));
        let config = config_map(&data, &labels);
        let once = apply("ConfigMap", Some(&live), &config, &manager("m", TIME), true).unwrap();
        let twice = apply("ConfigMap", Some(&once), &config, &manager("m", "2027-01-01T00:00:00Z"), false).unwrap();
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn applying_nothing_removes_exactly_what_was_owned(ours in strings(), theirs in strings()) {
        let manager = |name| Manager { name, api_version: "v1", subresource: None, time: TIME };
        let nothing = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
        let none = std::collections::BTreeMap::new();
        let live = apply("ConfigMap", None, &config_map(&theirs, &none), &manager("them"), false).unwrap();
        // Where the values agree both own the field; where they do not, force takes it away.
        let both = apply("ConfigMap", Some(&live), &config_map(&ours, &none), &manager("us"), true).unwrap();
        let left = apply("ConfigMap", Some(&both), &nothing, &manager("us"), false).unwrap();
        let expected: std::collections::BTreeMap<_, _> = theirs.iter().filter(|(key, value)| ours.get(*key).is_none_or(|our| our == *value)).collect();
        let actual: Value = left.get("data").cloned().unwrap_or_else(|| json!({}));
        prop_assert_eq!(actual, json!(expected));
        let owners = left["metadata"]["managedFields"].as_array().map_or(0, Vec::len);
        prop_assert_eq!(owners, usize::from(!expected.is_empty()));
    }
}
