use serde_json::{Value, json};

use super::*;

fn golden(name: &str) -> Vec<Value> {
    let path = format!("{}/../../fixtures/kube/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What a server allocates or stamps, and what its admission adds from knowledge of other objects.
fn forget_allocated(object: &mut Value) {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for name in ["uid", "resourceVersion", "creationTimestamp", "generation", "namespace", "managedFields"] {
        metadata.remove(name);
    }
    if object["kind"] == "Node" {
        object["spec"].as_object_mut().unwrap().remove("taints");
    }
    if object["kind"] == "Service" && object["spec"]["clusterIP"] != "None" {
        let spec = object["spec"].as_object_mut().unwrap();
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().unwrap().remove("nodePort");
        }
    }
}

#[test]
fn objects_come_out_as_a_real_server_makes_them() {
    let mut seen = 0;
    for file in ["defaults_deployment", "defaults_replicaset", "defaults_pod", "defaults_service", "defaults_others"] {
        for exchange in golden(file) {
            let mut object = exchange["body"].clone();
            let (version, kind) =
                (object["apiVersion"].as_str().unwrap().to_owned(), object["kind"].as_str().unwrap().to_owned());
            apply(&version, &kind, &mut object);
            let mut wanted = exchange["response"].clone();
            forget_allocated(&mut wanted);
            assert_eq!(
                serde_json::to_string_pretty(&object).unwrap(),
                serde_json::to_string_pretty(&wanted).unwrap(),
                "{file} {kind}"
            );
            let again = object.clone();
            apply(&version, &kind, &mut object);
            assert_eq!(object, again, "{kind}: defaulting twice is defaulting once");
            seen += 1;
        }
    }
    assert_eq!(seen, 17);
}

#[test]
fn a_job_is_of_one_pod_unless_it_says_otherwise() {
    let mut job = json!({"metadata": {"name": "j"}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i@sha256:0"}], "restartPolicy": "Never"}}}});
    apply("batch/v1", "Job", &mut job);
    assert_eq!(job["spec"]["completions"], 1);
    assert_eq!(job["spec"]["parallelism"], 1);
    assert_eq!(job["spec"]["backoffLimit"], 6);
    assert_eq!(job["metadata"]["labels"], json!({"a": "b"}));
    assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(job["spec"]["template"]["spec"]["restartPolicy"], "Never");

    let mut queue =
        json!({"metadata": {"name": "q"}, "spec": {"parallelism": 3, "template": {"spec": {"containers": []}}}});
    apply("batch/v1", "Job", &mut queue);
    assert_eq!(queue["spec"].get("completions"), None);
}

#[test]
fn a_namespace_that_is_being_deleted_does_not_get_its_finalizer_back() {
    let mut namespace = json!({"metadata": {"name": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}, "status": {"phase": "Terminating"}});
    apply("v1", "Namespace", &mut namespace);
    assert_eq!(namespace["spec"], json!({}));
}

#[test]
fn a_headless_service_without_a_selector_takes_both_families() {
    let mut service = json!({"spec": {"clusterIP": "None", "ports": [{"port": 53, "protocol": "UDP"}]}});
    apply("v1", "Service", &mut service);
    assert_eq!(service["spec"]["ipFamilyPolicy"], "RequireDualStack");
    assert_eq!(service["spec"]["ports"][0], json!({"port": 53, "protocol": "UDP", "targetPort": 53}));
}

#[test]
fn nulls_and_empty_maps_of_metadata_are_as_if_absent() {
    let mut object = json!({"metadata": {"name": "c", "creationTimestamp": null, "labels": {}, "finalizers": []}, "data": {}, "immutable": null});
    apply("v1", "ConfigMap", &mut object);
    assert_eq!(object, json!({"metadata": {"name": "c"}}));
    let mut custom = json!({"metadata": {"name": "c", "annotations": {}}, "spec": {"a": null, "b": {}}});
    apply("example.com/v1", "Custom", &mut custom);
    assert_eq!(custom, json!({"metadata": {"name": "c"}, "spec": {"a": null, "b": {}}}));
}

#[test]
fn custom_kinds_and_odd_shapes_stay_as_they_are() {
    for (version, kind, object) in [
        ("example.com/v1", "Service", json!({"spec": {}})),
        ("v1", "ConfigMap", json!({"data": {"a": "b"}})),
        ("v1", "Pod", json!("no object")),
    ] {
        let mut after = object.clone();
        apply(version, kind, &mut after);
        assert_eq!(after, object);
    }
    let mut odd = json!({"spec": "no object", "status": 3});
    apply("apps/v1", "Deployment", &mut odd);
    assert_eq!(odd, json!({"spec": "no object", "status": 3}));
}
