//! What clients do with objects, kind by kind where kinds differ.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use kfed_apiserver::ApiServer;
use serde_json::{Value, json};
use support::*;

const SERVICES: &str = "/api/v1/namespaces/default/services";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const TABLE: &str =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|i| i["metadata"]["name"].as_str().unwrap()).collect()
}

fn service(name: &str, spec: &Value) -> Value {
    let mut service = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"app": name}}});
    for (key, value) in spec.as_object().unwrap() {
        service["spec"][key] = value.clone();
    }
    service
}

#[tokio::test]
async fn a_new_server_has_its_namespaces_and_its_own_service() {
    let server = ApiServer::new();
    assert_eq!(server.writes(), 0);
    let namespaces = get(&server, "/api/v1/namespaces").await.json();
    assert_eq!(names(&namespaces), ["default", "kube-node-lease", "kube-public", "kube-system"]);
    let kubernetes = get(&server, &format!("{SERVICES}/kubernetes")).await.json();
    assert_eq!(
        (&kubernetes["spec"]["clusterIP"], &kubernetes["spec"]["type"]),
        (&json!("10.96.0.1"), &json!("ClusterIP"))
    );
    assert_eq!(get(&server, "/api/v1/namespaces/kube-system/serviceaccounts/default").await.code, 200);
    assert_eq!(get(&server, "/version").await.json()["major"], "1");
    for check in ["healthz", "livez", "readyz"] {
        assert_eq!(get(&server, &format!("/{check}")).await.text, "ok");
    }
    assert_eq!(get(&server, "/readyz?verbose").await.text, "[+]ping ok\nreadyz check passed\n");
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_objects() {
    let run = |seed| async move {
        let server = ApiServer::builder().seed(seed).build();
        let made = post(&server, CONFIGMAPS, &json!({"metadata": {"generateName": "a-"}})).await.json();
        (made["metadata"]["name"].as_str().unwrap().to_owned(), made["metadata"]["uid"].clone())
    };
    let (name, uid) = run(7).await;
    assert!(name.starts_with("a-") && name.len() == 7, "{name}");
    assert_eq!(run(7).await, (name.clone(), uid));
    assert_ne!(run(8).await.0, name);
}

#[tokio::test]
async fn only_the_bearer_of_the_token_is_let_in() {
    let server = ApiServer::builder().bearer_token("secret").build();
    for (path, header, code) in [
        (CONFIGMAPS, None, 401),
        (CONFIGMAPS, Some("Bearer wrong"), 401),
        (CONFIGMAPS, Some("Basic secret"), 401),
        (CONFIGMAPS, Some("Bearer secret"), 200),
        ("/apis", None, 401),
        ("/healthz", None, 200),
        ("/version", None, 200),
    ] {
        let headers: Vec<(&str, &str)> = header.map(|h| ("authorization", h)).into_iter().collect();
        let answer = send(&server, "GET", path, &headers, "").await;
        assert_eq!(answer.code, code, "{path} {header:?}");
        if code == 401 {
            assert_eq!(answer.json(), fixture_unauthorized());
        }
    }
    assert!(!format!("{server:?}").contains("secret"));
}

fn fixture_unauthorized() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401})
}

#[tokio::test]
async fn status_is_written_through_its_subresource_alone() {
    let server = ApiServer::new();
    let mut web = deployment("web");
    web["status"] = json!({"readyReplicas": 9});
    let made = post(&server, DEPLOYMENTS, &web).await.json();
    assert_eq!(made["status"].get("readyReplicas"), None, "a creation brings no status");
    let path = format!("{DEPLOYMENTS}/web");
    let through_main = patch(&server, "merge", &path, &json!({"status": {"readyReplicas": 1}})).await.json();
    assert_eq!(revision(&through_main), revision(&made));
    let change = json!({"status": {"readyReplicas": 1}, "spec": {"replicas": 7}});
    let through_status = patch(&server, "merge", &format!("{path}/status"), &change).await.json();
    assert_eq!(
        (&through_status["status"]["readyReplicas"], &through_status["spec"]["replicas"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(through_status["metadata"]["generation"], 1, "status counts no generation");
    let mut replaced = through_status.clone();
    replaced["spec"]["replicas"] = json!(5);
    replaced["status"] = json!({});
    let replaced = put(&server, &path, &replaced).await.json();
    assert_eq!((&replaced["status"]["readyReplicas"], &replaced["metadata"]["generation"]), (&json!(1), &json!(2)));
    assert_eq!(
        get(&server, &format!("{CONFIGMAPS}/kube-root-ca.crt/status")).await.code,
        404,
        "a kind without status has none"
    );
}

#[tokio::test]
async fn a_node_may_register_with_its_status() {
    let server = ApiServer::new();
    let node = json!({"metadata": {"name": "n"}, "status": {"capacity": {"pods": "110"}}});
    assert_eq!(post(&server, "/api/v1/nodes", &node).await.json()["status"]["capacity"]["pods"], "110");
}

#[tokio::test]
async fn scale_changes_replicas_and_nothing_else() {
    let server = ApiServer::new();
    post(&server, DEPLOYMENTS, &deployment("web")).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scale = get(&server, &path).await.json();
    assert_eq!(
        (&scale["kind"], &scale["apiVersion"], &scale["spec"]["replicas"]),
        (&json!("Scale"), &json!("autoscaling/v1"), &json!(3))
    );
    assert_eq!(scale["status"]["selector"], "app=web");
    let scaled = patch(&server, "merge", &path, &json!({"spec": {"replicas": 5}})).await;
    assert_eq!(
        (scaled.code, &scaled.json()["kind"], &scaled.json()["spec"]["replicas"]),
        (200, &json!("Scale"), &json!(5))
    );
    let mut again = scaled.json();
    again["spec"]["replicas"] = json!(0);
    assert_eq!(put(&server, &path, &again).await.json()["spec"], json!({}));
    assert_eq!(put(&server, &path, &again).await.code, 409, "the Scale is of an older revision");
    let applied = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 2}});
    assert_eq!(
        patch(&server, "apply", &format!("{path}?fieldManager=m&force=true"), &applied).await.json()["spec"]["replicas"],
        2
    );
    let web = get(&server, &format!("{DEPLOYMENTS}/web")).await.json();
    assert_eq!((&web["spec"]["replicas"], &web["metadata"]["generation"]), (&json!(2), &json!(4)));
    let negative = patch(&server, "merge", &path, &json!({"spec": {"replicas": -1}})).await;
    assert_eq!(negative.code, 422);
}

#[tokio::test]
async fn services_get_addresses_and_ports_and_keep_them() {
    let server = ApiServer::new();
    let first = post(&server, SERVICES, &service("first", &json!({}))).await.json();
    assert_eq!(
        (&first["spec"]["clusterIP"], &first["spec"]["clusterIPs"]),
        (&json!("10.96.0.10"), &json!(["10.96.0.10"]))
    );
    let balanced = post(&server, SERVICES, &service("balanced", &json!({"type": "LoadBalancer"}))).await.json();
    assert_eq!(
        (&balanced["spec"]["clusterIP"], &balanced["spec"]["ports"][0]["nodePort"]),
        (&json!("10.96.0.11"), &json!(30000))
    );
    // An update that does not name what was allocated keeps it.
    let mut replaced = service("balanced", &json!({"type": "LoadBalancer"}));
    replaced["spec"]["ports"][0]["targetPort"] = json!(8080);
    let replaced = put(&server, &format!("{SERVICES}/balanced"), &replaced).await.json();
    assert_eq!(replaced["spec"]["clusterIP"], balanced["spec"]["clusterIP"]);
    assert_eq!(replaced["spec"]["ports"][0]["nodePort"], 30000);
    let headless = post(&server, SERVICES, &service("headless", &json!({"clusterIP": "None"}))).await.json();
    assert_eq!(
        (&headless["spec"]["clusterIPs"], headless["spec"]["ports"][0].get("nodePort")),
        (&json!(["None"]), None)
    );
    let external =
        json!({"metadata": {"name": "external"}, "spec": {"type": "ExternalName", "externalName": "x.example.com"}});
    assert_eq!(post(&server, SERVICES, &external).await.json()["spec"].get("clusterIP"), None);
    for (name, spec, why) in [
        ("taken", json!({"clusterIP": "10.96.0.10"}), "already allocated"),
        ("outside", json!({"clusterIP": "192.0.2.1"}), "not in the valid range"),
        ("port", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}]}), "already allocated"),
    ] {
        let refused = post(&server, SERVICES, &service(name, &spec)).await;
        assert_eq!(refused.code, 422, "{name}");
        assert!(refused.text.contains(why), "{}", refused.text);
    }
    let moved =
        patch(&server, "merge", &format!("{SERVICES}/first"), &json!({"spec": {"clusterIP": "10.96.0.99"}})).await;
    assert_eq!(moved.code, 422, "an address does not change");
    // What is given back is given out again.
    assert_eq!(delete(&server, &format!("{SERVICES}/first"), &json!({})).await.json()["kind"], "Service");
    assert_eq!(post(&server, SERVICES, &service("next", &json!({}))).await.json()["spec"]["clusterIP"], "10.96.0.10");
    // No longer balanced: the port goes, the address stays.
    let plain =
        patch(&server, "merge", &format!("{SERVICES}/balanced"), &json!({"spec": {"type": "ClusterIP"}})).await.json();
    assert_eq!((plain["spec"]["ports"][0].get("nodePort"), &plain["spec"]["clusterIP"]), (None, &json!("10.96.0.11")));
}

#[tokio::test]
async fn put_creates_the_kinds_that_allow_it() {
    let server = ApiServer::new();
    let made = put(&server, &format!("{SERVICES}/s"), &service("s", &json!({}))).await;
    assert_eq!((made.code, &made.json()["spec"]["clusterIP"]), (201, &json!("10.96.0.10")));
    assert_eq!(put(&server, &format!("{CONFIGMAPS}/a"), &json!({"metadata": {"name": "a"}})).await.code, 404);
}

#[tokio::test]
async fn a_dry_run_answers_and_changes_nothing() {
    let server = ApiServer::new();
    config_map(&server, "there", json!({"k": "v"})).await;
    let before = (server.revision(), server.writes());
    let made = post(&server, &format!("{CONFIGMAPS}?dryRun=All"), &json!({"metadata": {"name": "a"}})).await;
    assert_eq!((made.code, &made.json()["metadata"]["name"]), (201, &json!("a")));
    let changed =
        patch(&server, "merge", &format!("{CONFIGMAPS}/there?dryRun=All"), &json!({"data": {"k": "w"}})).await;
    assert_eq!((changed.code, &changed.json()["data"]["k"]), (200, &json!("w")));
    assert_eq!(delete(&server, &format!("{CONFIGMAPS}/there"), &json!({"dryRun": ["All"]})).await.code, 200);
    assert_eq!(send(&server, "DELETE", &format!("{CONFIGMAPS}?dryRun=All"), &[], "").await.code, 200);
    let refused = post(&server, &format!("{CONFIGMAPS}?dryRun=All"), &json!({"metadata": {"name": "there"}})).await;
    assert_eq!(refused.code, 409, "what would be refused is");
    assert_eq!((server.revision(), server.writes()), before);
    assert_eq!(get(&server, &format!("{CONFIGMAPS}/there")).await.json()["data"]["k"], "v");
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let server = ApiServer::new();
    for (name, col) in [("a", "1"), ("b", "2"), ("c", "1")] {
        post(&server, CONFIGMAPS, &json!({"metadata": {"name": name, "labels": {"col": col}}})).await;
    }
    let deleted = send(&server, "DELETE", &format!("{CONFIGMAPS}?labelSelector=col%3D1"), &[], "").await.json();
    assert_eq!((&deleted["kind"], names(&deleted)), (&json!("ConfigMapList"), vec!["a", "c"]));
    assert_eq!(names(&get(&server, CONFIGMAPS).await.json()), ["b", "kube-root-ca.crt"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_node_gets_its_time_to_end() {
    let server = ApiServer::new();
    let pods = "/api/v1/namespaces/default/pods";
    let pod =
        |name: &str| json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "x"}]}});
    post(&server, pods, &pod("a")).await;
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n"}});
    assert_eq!(post(&server, &format!("{pods}/a/binding"), &binding).await.code, 201);
    assert_eq!(post(&server, &format!("{pods}/a/binding"), &binding).await.code, 409, "a Pod is placed once");
    let on_n = get(&server, &format!("{pods}?fieldSelector=spec.nodeName%3Dn")).await.json();
    assert_eq!(names(&on_n), ["a"]);
    let marked = delete(&server, &format!("{pods}/a"), &json!({})).await.json();
    assert_eq!(
        (&marked["metadata"]["deletionTimestamp"], &marked["metadata"]["deletionGracePeriodSeconds"]),
        (&json!("2026-01-01T00:00:30Z"), &json!(30))
    );
    assert_eq!(marked["metadata"]["generation"], 2);
    assert_eq!(delete(&server, &format!("{pods}/a"), &json!({"gracePeriodSeconds": 0})).await.code, 200);
    assert_eq!(get(&server, &format!("{pods}/a")).await.code, 404);
    // One without a node has nothing to wait for.
    post(&server, pods, &pod("b")).await;
    assert_eq!(post(&server, &format!("{pods}/b/eviction"), &json!({"metadata": {"name": "b"}})).await.code, 201);
    assert_eq!(get(&server, &format!("{pods}/b")).await.code, 404);
    let mut c = post(&server, pods, &pod("c")).await.json();
    c["spec"]["restartPolicy"] = json!("Never");
    assert_eq!(put(&server, &format!("{pods}/c"), &c).await.code, 422, "most of a Pod does not change");
}

#[tokio::test]
async fn a_deleted_namespace_takes_what_it_holds_along() {
    let server = ApiServer::new();
    post(&server, "/api/v1/namespaces", &json!({"metadata": {"name": "doomed"}})).await;
    let maps = "/api/v1/namespaces/doomed/configmaps";
    post(&server, maps, &json!({"metadata": {"name": "free"}})).await;
    post(&server, maps, &json!({"metadata": {"name": "held", "finalizers": ["example.com/a"]}})).await;
    let marked = delete(&server, "/api/v1/namespaces/doomed", &json!({})).await.json();
    assert_eq!((&marked["kind"], &marked["status"]["phase"]), (&json!("Namespace"), &json!("Terminating")));
    assert_eq!(names(&get(&server, maps).await.json()), ["held"]);
    let condition = get(&server, "/api/v1/namespaces/doomed").await.json()["status"]["conditions"][0].clone();
    assert_eq!((&condition["type"], &condition["status"]), (&json!("NamespaceContentRemaining"), &json!("True")));
    let late = post(&server, maps, &json!({"metadata": {"name": "late"}})).await;
    assert_eq!((late.code, &late.json()["details"]["causes"][0]["reason"]), (403, &json!("NamespaceTerminating")));
    patch(&server, "merge", &format!("{maps}/held"), &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(get(&server, "/api/v1/namespaces/doomed").await.code, 404);
    assert_eq!(
        post(&server, "/api/v1/namespaces", &json!({"metadata": {"name": "doomed"}})).await.code,
        201,
        "the name is free again"
    );
}

#[tokio::test]
async fn garbage_goes_with_the_last_owner_that_is_left() {
    let server = ApiServer::new();
    let owner = |o: &Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]});
    let a = config_map(&server, "a", json!({})).await;
    let b = config_map(&server, "b", json!({})).await;
    let owned = |name: &str, owners: Vec<Value>| json!({"metadata": {"name": name, "ownerReferences": owners}});
    post(&server, CONFIGMAPS, &owned("of-both", vec![owner(&a), owner(&b)])).await;
    let child = post(&server, CONFIGMAPS, &owned("child", vec![owner(&a)])).await.json();
    post(&server, CONFIGMAPS, &owned("grandchild", vec![owner(&child)])).await;
    delete(&server, &format!("{CONFIGMAPS}/a"), &json!({"propagationPolicy": "Background"})).await;
    let left = get(&server, CONFIGMAPS).await.json();
    assert_eq!(names(&left), ["b", "kube-root-ca.crt", "of-both"]);
    let references = get(&server, &format!("{CONFIGMAPS}/of-both")).await.json()["metadata"]["ownerReferences"].clone();
    assert_eq!(references, json!([owner(&b)]));
    delete(&server, &format!("{CONFIGMAPS}/b"), &json!({"propagationPolicy": "Orphan"})).await;
    let orphan = get(&server, &format!("{CONFIGMAPS}/of-both")).await.json();
    assert_eq!(orphan["metadata"].get("ownerReferences"), None);
    post(&server, CONFIGMAPS, &owned("late", vec![owner(&a)])).await;
    assert_eq!(get(&server, &format!("{CONFIGMAPS}/late")).await.code, 404, "an owner that never was keeps nothing");
}

#[tokio::test]
async fn without_the_lifecycle_nobody_cleans_up() {
    let server = ApiServer::builder().lifecycle(false).build();
    let a = config_map(&server, "a", json!({})).await;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": a["metadata"]["uid"]}]);
    post(&server, CONFIGMAPS, &json!({"metadata": {"name": "child", "ownerReferences": owner}})).await;
    delete(&server, &format!("{CONFIGMAPS}/a"), &json!({})).await;
    assert_eq!(names(&get(&server, CONFIGMAPS).await.json()), ["child"]);
    post(&server, "/api/v1/namespaces", &json!({"metadata": {"name": "doomed"}})).await;
    delete(&server, "/api/v1/namespaces/doomed", &json!({})).await;
    let stuck = get(&server, "/api/v1/namespaces/doomed").await.json();
    assert_eq!(
        (&stuck["status"]["phase"], &stuck["spec"]["finalizers"]),
        (&json!("Terminating"), &json!(["kubernetes"]))
    );
}

#[tokio::test]
async fn definitions_add_kinds_and_take_their_objects_along() {
    let server = ApiServer::new();
    let things = "/apis/example.com/v1/namespaces/default/things";
    assert_eq!(get(&server, things).await.text, "404 page not found\n");
    let made = post(&server, DEFINITIONS, &definition("things", "Thing")).await.json();
    let conditions: Vec<_> = made["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["type"].clone(), c["status"].clone()))
        .collect();
    assert_eq!(conditions, [(json!("NamesAccepted"), json!("True")), (json!("Established"), json!("True"))]);
    let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "finalizers": ["example.com/a"]}, "spec": {"size": 1}});
    assert_eq!(post(&server, things, &thing).await.code, 201);
    let mut rival = definition("others", "Thing");
    rival["spec"]["names"]["singular"] = json!("other");
    let rival = post(&server, DEFINITIONS, &rival).await.json();
    assert_eq!(
        (&rival["status"]["conditions"][0]["reason"], &rival["status"]["conditions"][1]["status"]),
        (&json!("ListKindConflict"), &json!("False"))
    );
    assert_eq!(
        delete(&server, &format!("{DEFINITIONS}/things.example.com"), &json!({})).await.json()["kind"],
        "CustomResourceDefinition"
    );
    assert_eq!(get(&server, &format!("{DEFINITIONS}/things.example.com")).await.code, 200, "held by its last object");
    let late = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "late"}});
    assert_eq!(post(&server, things, &late).await.code, 405, "no new objects while it goes");
    patch(&server, "merge", &format!("{things}/a"), &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(get(&server, &format!("{DEFINITIONS}/things.example.com")).await.code, 404);
    assert_eq!(get(&server, things).await.code, 404);
}

#[tokio::test]
async fn all_versions_of_a_custom_kind_show_the_same_objects() {
    let server = ApiServer::new();
    let mut definition = definition("things", "Thing");
    let mut older = definition["spec"]["versions"][0].clone();
    older["name"] = json!("v1beta1");
    older["storage"] = json!(false);
    definition["spec"]["versions"].as_array_mut().unwrap().push(older);
    post(&server, DEFINITIONS, &definition).await;
    let thing =
        json!({"apiVersion": "example.com/v1beta1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"size": 1}});
    assert_eq!(post(&server, "/apis/example.com/v1beta1/namespaces/default/things", &thing).await.code, 201);
    let shown = get(&server, "/apis/example.com/v1/namespaces/default/things/a").await.json();
    assert_eq!((&shown["apiVersion"], &shown["spec"]["size"]), (&json!("example.com/v1"), &json!(1)));
    let group = get(&server, "/apis/example.com").await.json();
    assert_eq!(group["preferredVersion"]["version"], "v1");
}

#[tokio::test(start_paused = true)]
async fn events_written_in_one_api_are_read_in_the_other() {
    let server = ApiServer::new();
    let event = json!({"metadata": {"name": "e"}, "regarding": {"kind": "ConfigMap", "name": "a"}, "note": "hello", "reason": "Made", "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Making", "reportingController": "c", "reportingInstance": "c-1"});
    let grouped = "/apis/events.k8s.io/v1/namespaces/default/events";
    assert_eq!(post(&server, grouped, &event).await.code, 201);
    let core = get(
        &server,
        "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Da%2CinvolvedObject.kind%3DConfigMap",
    )
    .await
    .json();
    assert_eq!((names(&core), &core["items"][0]["message"]), (vec!["e"], &json!("hello")));
    let repeated = patch(
        &server,
        "merge",
        &format!("{grouped}/e"),
        &json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}}),
    )
    .await;
    assert_eq!((repeated.code, &repeated.json()["note"]), (200, &json!("hello")));
    let watch = get(&server, &format!("{grouped}?watch=1&timeoutSeconds=1")).await;
    assert_eq!(
        (&watch.lines()[0]["object"]["apiVersion"], &watch.lines()[0]["object"]["regarding"]["name"]),
        (&json!("events.k8s.io/v1"), &json!("a"))
    );
}

#[tokio::test(start_paused = true)]
async fn tables_and_metadata_are_shown_to_those_who_accept_them() {
    let server = ApiServer::new();
    config_map(&server, "a", json!({"k": "v"})).await;
    let headers = [("accept", TABLE)];
    let list = send(&server, "GET", &format!("{CONFIGMAPS}?limit=500"), &headers, "").await.json();
    assert_eq!((&list["kind"], &list["rows"][0]["cells"]), (&json!("Table"), &json!(["a", 1, "0s"])));
    assert_eq!(list["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(list["metadata"]["resourceVersion"], json!(server.revision().to_string()));
    let watch = send(&server, "GET", &format!("{CONFIGMAPS}?watch=1&timeoutSeconds=1"), &headers, "").await.lines();
    assert!(watch[0]["object"]["columnDefinitions"].is_array());
    assert_eq!(watch[1]["object"]["columnDefinitions"], Value::Null, "the columns are said once");
    let accept = [("accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")];
    let partial = send(&server, "GET", CONFIGMAPS, &accept, "").await.json();
    assert_eq!((&partial["kind"], partial["items"][0].get("data")), (&json!("PartialObjectMetadataList"), None));
    let refused = send(&server, "GET", CONFIGMAPS, &[("accept", "text/html")], "").await;
    assert_eq!((refused.code, &refused.json()["reason"]), (406, &json!("NotAcceptable")));
}

#[tokio::test]
async fn openapi_lets_kubectl_leave_validation_to_the_server() {
    let server = ApiServer::new();
    post(&server, DEFINITIONS, &definition("things", "Thing")).await;
    let index = get(&server, "/openapi/v3").await;
    let url = index.json()["paths"]["apis/example.com/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    let document = get(&server, &url).await.json();
    let patch = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/things/{name}"]["patch"];
    assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation"));
    assert_eq!(get(&server, "/openapi/v3/apis/nosuch/v1").await.code, 404);
    assert_eq!(get(&server, "/openapi/v2").await.code, 404);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let server = ApiServer::new();
    let answer =
        post(&server, CONFIGMAPS, &json!({"metadata": {"name": "a"}, "data": {"k": "x".repeat(3 << 20)}})).await;
    assert_eq!((answer.code, &answer.json()["reason"]), (413, &json!("RequestEntityTooLarge")));
}

#[tokio::test]
async fn yaml_is_read_where_it_is_said() {
    let server = ApiServer::new();
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n";
    let made = send(&server, "POST", CONFIGMAPS, &[("content-type", "application/yaml")], yaml).await;
    assert_eq!((made.code, &made.json()["data"]["k"]), (201, &json!("v")));
    let applied = send(
        &server,
        "PATCH",
        &format!("{CONFIGMAPS}/b?fieldManager=m"),
        &[("content-type", "application/apply-patch+yaml")],
        &yaml.replace("name: a", "name: b"),
    )
    .await;
    assert_eq!(applied.code, 201, "{}", applied.text);
}

#[tokio::test]
async fn reviews_allow_whoever_was_let_in() {
    let server = ApiServer::new();
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}});
    let answer = post(&server, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).await;
    assert_eq!((answer.code, &answer.json()["status"]["allowed"]), (201, &json!(true)));
    let who = post(&server, "/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await.json();
    assert!(who["status"]["userInfo"]["groups"].as_array().unwrap().contains(&json!("system:masters")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_patches_all_arrive() {
    let server = ApiServer::new();
    config_map(&server, "a", json!({})).await;
    let patches: Vec<_> = (0..50)
        .map(|i| {
            let server = server.clone();
            tokio::spawn(async move {
                patch(&server, "merge", &format!("{CONFIGMAPS}/a"), &json!({"data": {format!("k{i}"): "v"}})).await.code
            })
        })
        .collect();
    for patch in patches {
        assert_eq!(patch.await.unwrap(), 200);
    }
    assert_eq!(get(&server, &format!("{CONFIGMAPS}/a")).await.json()["data"].as_object().unwrap().len(), 50);
}
