use serde_json::json;

use super::*;

const NOW: &str = "2026-11-22T18:24:42.9Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// The cells of one object.
fn cells(api_version: &str, kind: &str, object: &Value) -> Vec<Value> {
    let mut table = table(api_version, kind, None, &[object], now(), IncludeObject::None);
    let cells = table["rows"][0]["cells"].take();
    assert_eq!(
        cells.as_array().unwrap().len(),
        table["columnDefinitions"].as_array().unwrap().len(),
        "a cell for each column"
    );
    serde_json::from_value(cells).unwrap()
}

fn pod(spec: &Value, status: &Value) -> Vec<Value> {
    cells("v1", "Pod", &json!({"metadata": {"name": "p", "creationTimestamp": NOW}, "spec": spec, "status": status}))
        [1..4]
        .to_vec()
}

#[test]
fn tables_are_those_of_a_real_server_cell_for_cell() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/kube/tables.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let (api_version, kind) = (case["apiVersion"].as_str().unwrap(), case["kind"].as_str().unwrap());
        let columns: Option<Vec<CrdColumn>> = case["crdColumns"].as_array().map(|columns| {
            let column = |column: &Value| CrdColumn {
                name: column[0].as_str().unwrap().to_owned(),
                type_: column[1].as_str().unwrap().to_owned(),
                format: String::new(),
                description: String::new(),
                json_path: column[2].as_str().unwrap().to_owned(),
                priority: column[3].as_i64().unwrap(),
            };
            columns.iter().map(column).collect()
        });
        let objects: Vec<&Value> = case["objects"].as_array().unwrap().iter().collect();
        let now = case["now"].as_str().unwrap().parse().unwrap();
        let table = table(api_version, kind, columns.as_deref(), &objects, now, IncludeObject::Metadata);
        let definitions: Vec<Value> = table["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| {
                assert!(!column["description"].as_str().unwrap().is_empty());
                json!([column["name"], column["type"], column["format"], column["priority"]])
            })
            .collect();
        assert_eq!(Value::Array(definitions), case["columns"], "{kind}");
        for ((row, object), wanted) in
            table["rows"].as_array().unwrap().iter().zip(objects).zip(case["cells"].as_array().unwrap())
        {
            assert_eq!(&row["cells"], wanted, "{kind} {}", object["metadata"]["name"]);
            assert_eq!(
                row["object"],
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
            );
        }
        assert_eq!(table["rows"].as_array().unwrap().len(), case["cells"].as_array().unwrap().len());
    }
}

#[test]
fn a_row_carries_what_was_asked_for() {
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": {"a": "b"}});
    let carried = |include| table("v1", "ConfigMap", None, &[&object], now(), include)["rows"][0]["object"].clone();
    assert_eq!(carried(IncludeObject::None), Value::Null);
    assert_eq!(carried(IncludeObject::Object), object);
    let empty = table("v1", "ConfigMap", None, &[], now(), IncludeObject::Metadata);
    assert_eq!((empty["rows"].clone(), empty["columnDefinitions"].as_array().unwrap().len()), (json!([]), 3));
    assert_eq!((empty["kind"].clone(), empty["apiVersion"].clone()), (json!("Table"), json!("meta.k8s.io/v1")));
}

#[test]
fn the_status_of_a_pod_says_what_its_containers_do() {
    let one = json!({"containers": [{"name": "a"}]});
    let two = json!({"containers": [{"name": "a"}, {"name": "b"}]});
    let init = json!({"initContainers": [{"name": "i"}, {"name": "j"}], "containers": [{"name": "a"}]});
    let sidecar = json!({"initContainers": [{"name": "s", "restartPolicy": "Always"}], "containers": [{"name": "a"}]});
    let running = json!({"name": "a", "ready": true, "restartCount": 0, "state": {"running": {}}});
    for (spec, status, wanted) in [
        (&one, json!({"phase": "Running", "containerStatuses": [running]}), json!(["1/1", "Running", "0"])),
        (&one, json!({"phase": "Failed", "reason": "Evicted"}), json!(["0/1", "Evicted", "0"])),
        (
            &one,
            json!({"phase": "Running", "containerStatuses": [{"name": "a", "restartCount": 5, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"finishedAt": "2026-11-22T18:22:42Z"}}}]}),
            json!(["0/1", "CrashLoopBackOff", "5 (2m ago)"]),
        ),
        (
            &one,
            json!({"phase": "Succeeded", "containerStatuses": [{"name": "a", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}),
            json!(["0/1", "Completed", "0"]),
        ),
        (
            &one,
            json!({"phase": "Failed", "containerStatuses": [{"name": "a", "restartCount": 0, "state": {"terminated": {"exitCode": 3}}}]}),
            json!(["0/1", "ExitCode:3", "0"]),
        ),
        (
            &one,
            json!({"phase": "Failed", "containerStatuses": [{"name": "a", "restartCount": 0, "state": {"terminated": {"exitCode": 137, "signal": 9}}}]}),
            json!(["0/1", "Signal:9", "0"]),
        ),
        (
            &two,
            json!({"phase": "Running", "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}, running]}),
            json!(["1/2", "NotReady", "0"]),
        ),
        (
            &two,
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}, running]}),
            json!(["1/2", "Running", "0"]),
        ),
        (
            &init,
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}}, {"name": "j", "state": {"running": {}}}]}),
            json!(["0/1", "Init:1/2", "0"]),
        ),
        (
            &init,
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
            json!(["0/1", "Init:CrashLoopBackOff", "2"]),
        ),
        (
            &init,
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
            json!(["0/1", "Init:Error", "0"]),
        ),
        (
            &sidecar,
            json!({"phase": "Running", "initContainerStatuses": [{"name": "s", "started": true, "ready": true, "restartCount": 1, "state": {"running": {}}}], "containerStatuses": [running]}),
            json!(["2/2", "Running", "1"]),
        ),
        (
            &one,
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}),
            json!(["0/1", "SchedulingGated", "0"]),
        ),
    ] {
        assert_eq!(Value::Array(pod(spec, &status)), wanted, "{status}");
    }
}

#[test]
fn kinds_without_a_recorded_table_print_what_kubectl_users_know() {
    let object = |spec: Value, status: Value| json!({"metadata": {"name": "x", "creationTimestamp": "2026-11-22T18:24:32Z"}, "spec": spec, "status": status});
    let template = json!({"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "i:2"}], "nodeSelector": {"disk": "ssd"}}});
    let selector =
        json!({"matchLabels": {"b": "2"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]});
    for (api_version, kind, object, wanted) in [
        (
            "apps/v1",
            "DaemonSet",
            object(
                json!({"selector": selector, "template": template}),
                json!({"desiredNumberScheduled": 3, "currentNumberScheduled": 2, "numberReady": 1, "updatedNumberScheduled": 2, "numberAvailable": 1}),
            ),
            json!(["x", 3, 2, 1, 2, 1, "disk=ssd", "10s", "a,b", "i:1,i:2", "a in (x,y),b=2"]),
        ),
        (
            "apps/v1",
            "StatefulSet",
            object(json!({"replicas": 3, "template": template}), json!({"readyReplicas": 2})),
            json!(["x", "2/3", "10s", "a,b", "i:1,i:2"]),
        ),
        (
            "batch/v1",
            "Job",
            object(
                json!({"completions": 4, "selector": selector, "template": template}),
                json!({"succeeded": 4, "startTime": "2026-11-22T18:20:00Z", "completionTime": "2026-11-22T18:21:00Z", "conditions": [{"type": "Complete", "status": "True"}]}),
            ),
            json!(["x", "Complete", "4/4", "60s", "10s", "a,b", "i:1,i:2", "a in (x,y),b=2"]),
        ),
        (
            "batch/v1",
            "CronJob",
            object(
                json!({"schedule": "* * * * *", "suspend": false, "jobTemplate": {"spec": {"template": template}}}),
                json!({}),
            ),
            json!(["x", "* * * * *", "<none>", "False", 0, "<none>", "10s", "a,b", "i:1,i:2", "<none>"]),
        ),
        (
            "networking.k8s.io/v1",
            "Ingress",
            object(
                json!({"ingressClassName": "nginx", "rules": [{"host": "a"}, {"host": "b"}, {"host": "c"}, {"host": "d"}], "tls": [{}]}),
                json!({"loadBalancer": {"ingress": [{"hostname": "lb"}]}}),
            ),
            json!(["x", "nginx", "a,b,c + 1 more...", "lb", "80, 443", "10s"]),
        ),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            object(
                json!({"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web"}, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}),
                json!({"currentReplicas": 2, "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40}}}]}),
            ),
            json!(["x", "Deployment/web", "cpu: 40%/80%", "1", 3, 2, "10s"]),
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            object(json!({"minAvailable": "50%"}), json!({"disruptionsAllowed": 1})),
            json!(["x", "50%", "N/A", 1, "10s"]),
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            object(
                json!({"volumeName": "v", "volumeMode": "Filesystem"}),
                json!({"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}),
            ),
            json!(["x", "Bound", "v", "1Gi", "RWO", "", "<unset>", "10s", "Filesystem"]),
        ),
        ("example.com/v1", "Unheard", object(json!({}), json!({})), json!(["x", "10s"])),
    ] {
        assert_eq!(Value::Array(cells(api_version, kind, &object)), wanted, "{kind}");
    }
    let slice = json!({"metadata": {"name": "s"}, "addressType": "IPv4", "ports": [{"port": 80}, {}], "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}]});
    assert_eq!(
        Value::Array(cells("discovery.k8s.io/v1", "EndpointSlice", &slice)),
        json!(["s", "IPv4", "80,*", "10.0.0.1,10.0.0.2", "<unknown>"])
    );
    let endpoints = json!({"metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "::1"}], "ports": [{"port": 80}]}]});
    assert_eq!(cells("v1", "Endpoints", &endpoints)[1], "10.0.0.1:80,[::1]:80");
    let event = json!({"metadata": {"name": "e"}, "eventTime": "2026-11-22T18:24:40.000000Z", "regarding": {"kind": "Pod", "name": "p"}, "note": "hi", "reportingController": "c", "series": {"count": 7, "lastObservedTime": "2026-11-22T18:24:41.000000Z"}});
    let cells = cells("events.k8s.io/v1", "Event", &event);
    assert_eq!(
        (&cells[0], &cells[3], &cells[5], &cells[6], &cells[7], &cells[8]),
        (&json!("1s"), &json!("pod/p"), &json!("c"), &json!("hi"), &json!("2s"), &json!(7))
    );
}

#[test]
fn a_custom_cell_is_empty_where_the_value_is_not_of_the_columns_type() {
    let column = |type_: &str, path: &str| CrdColumn {
        name: "C".to_owned(),
        type_: type_.to_owned(),
        format: String::new(),
        description: "own".to_owned(),
        json_path: path.to_owned(),
        priority: 0,
    };
    let columns = [
        column("integer", ".spec.n"),
        column("integer", ".spec.text"),
        column("string", ".spec.n"),
        column("string", ".spec.list"),
        column("boolean", ".spec.yes"),
        column("number", ".spec.half"),
        column("integer", ".spec.half"),
        column("date", ".spec.text"),
        column("string", ".nosuch"),
        column("string", "["),
    ];
    let object =
        json!({"metadata": {"name": "x"}, "spec": {"n": 3, "text": "t", "list": [1, 2], "yes": true, "half": 2.5}});
    let table = table("example.com/v1", "X", Some(&columns), &[&object], now(), IncludeObject::None);
    assert_eq!(table["rows"][0]["cells"], json!(["x", 3, null, "3", "[1,2]", true, 2.5, 2, "<invalid>", null, null]));
    assert_eq!(table["columnDefinitions"][1]["description"], "own");
}
