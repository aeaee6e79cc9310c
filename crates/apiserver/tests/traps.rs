//! What has cost authors of controllers, and of servers for them, a day each: T1 to T14, one test or more each.
//! (T5, T7 and T8 are tested on the store too, where they are decided.)

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use kfed_apiserver::ApiServer;
use serde_json::{Value, json};
use support::*;

#[tokio::test]
async fn t1_a_json_patch_test_for_null_passes_on_a_missing_member() {
    let server = ApiServer::new();
    config_map(&server, "a", json!({})).await;
    let ops = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/a"]},
    ]);
    let answer = patch(&server, "json", &format!("{CONFIGMAPS}/a"), &ops).await;
    assert_eq!((answer.code, &answer.json()["metadata"]["finalizers"]), (200, &json!(["example.com/a"])));
    let again = patch(&server, "json", &format!("{CONFIGMAPS}/a"), &ops).await;
    assert_eq!((again.code, &again.json()["reason"]), (422, &json!("Invalid")));
}

#[tokio::test]
async fn t2_a_watch_from_too_long_ago_begins_and_says_so_in_band() {
    let server = ApiServer::builder().event_history(2).build();
    for name in ["a", "b", "c"] {
        config_map(&server, name, json!({})).await;
    }
    let answer = get(&server, &format!("{CONFIGMAPS}?watch=true&resourceVersion=1")).await;
    assert_eq!(answer.code, 200);
    let [line] = answer.lines().try_into().unwrap();
    assert_eq!(line["type"], "ERROR");
    assert_eq!(
        (&line["object"]["code"], &line["object"]["reason"], &line["object"]["kind"]),
        (&json!(410), &json!("Expired"), &json!("Status"))
    );
}

#[tokio::test]
async fn t3_a_write_that_changes_nothing_keeps_the_revision_and_sends_no_event() {
    let server = ApiServer::new();
    let made = config_map(&server, "a", json!({"k": "v"})).await;
    let path = format!("{CONFIGMAPS}/a");
    let (revision_before, writes) = (server.revision(), server.writes());
    let same = [
        put(&server, &path, &json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).await,
        put(&server, &path, &made).await,
        patch(&server, "merge", &path, &json!({"data": {"k": "v"}})).await,
        patch(&server, "strategic", &path, &json!({"data": {"k": "v"}})).await,
        patch(&server, "json", &path, &json!([{"op": "replace", "path": "/data/k", "value": "v"}])).await,
    ];
    for answer in same {
        assert_eq!((answer.code, revision(&answer.json())), (200, revision(&made)), "{}", answer.text);
    }
    assert_eq!((server.revision(), server.writes()), (revision_before, writes));
}

#[tokio::test]
async fn t3_an_apply_or_a_definition_sent_again_changes_nothing() {
    let server = ApiServer::new();
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    let path = format!("{CONFIGMAPS}/a?fieldManager=m&force=true");
    assert_eq!(patch(&server, "apply", &path, &config).await.code, 201);
    let definition = definition("things", "Thing");
    let definitions =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com?fieldManager=m&force=true";
    assert_eq!(patch(&server, "apply", definitions, &definition).await.code, 201);
    let deployments = "/apis/apps/v1/namespaces/default/deployments/web?fieldManager=m&force=true";
    assert_eq!(patch(&server, "apply", deployments, &deployment("web")).await.code, 201);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "web"}}});
    let services = "/api/v1/namespaces/default/services/s?fieldManager=m&force=true";
    assert_eq!(patch(&server, "apply", services, &service).await.code, 201);
    let writes = server.writes();
    assert_eq!(patch(&server, "apply", &path, &config).await.code, 200);
    assert_eq!(patch(&server, "apply", definitions, &definition).await.code, 200);
    assert_eq!(patch(&server, "apply", deployments, &deployment("web")).await.code, 200);
    assert_eq!(patch(&server, "apply", services, &service).await.code, 200);
    assert_eq!(server.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn t4_the_watch_shows_what_the_server_filled_in() {
    let server = ApiServer::new();
    let start = server.revision();
    let mut bare = deployment("web");
    bare["metadata"] = json!({"name": "web"});
    post(&server, "/apis/apps/v1/namespaces/default/deployments", &bare).await;
    let watch =
        get(&server, &format!("/apis/apps/v1/deployments?watch=1&timeoutSeconds=1&resourceVersion={start}")).await;
    let object = &watch.lines()[0]["object"];
    assert_eq!((&object["metadata"]["namespace"], &object["metadata"]["generation"]), (&json!("default"), &json!(1)));
    assert_eq!((&object["kind"], &object["apiVersion"]), (&json!("Deployment"), &json!("apps/v1")));
    assert_eq!(object["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(object["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn t5_a_list_and_a_watch_from_it_have_no_gap_and_nothing_twice() {
    let server = ApiServer::new();
    config_map(&server, "a", json!({})).await;
    let list = get(&server, CONFIGMAPS).await.json();
    let watch = format!("{CONFIGMAPS}?watch=1&timeoutSeconds=5&resourceVersion={}", revision(&list));
    let (watch, ()) = tokio::join!(get(&server, &watch), async {
        config_map(&server, "b", json!({})).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        delete(&server, &format!("{CONFIGMAPS}/a"), &json!({})).await;
        // Other kinds take revisions of the same sequence.
        post(&server, "/apis/apps/v1/namespaces/default/deployments", &deployment("web")).await;
        config_map(&server, "c", json!({})).await;
    });
    let seen: Vec<(String, String, u64)> = watch
        .lines()
        .iter()
        .map(|l| {
            (
                l["type"].as_str().unwrap().to_owned(),
                l["object"]["metadata"]["name"].as_str().unwrap().to_owned(),
                revision(&l["object"]),
            )
        })
        .collect();
    let names: Vec<(&str, &str)> = seen.iter().map(|(t, n, _)| (t.as_str(), n.as_str())).collect();
    assert_eq!(names, [("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]);
    let first = revision(&list);
    assert_eq!(seen.iter().map(|s| s.2).collect::<Vec<_>>(), [first + 1, first + 2, first + 4]);
}

#[tokio::test(start_paused = true)]
async fn t6_objects_enter_and_leave_a_selection_at_the_revision_of_the_change() {
    let server = ApiServer::new();
    let start = server.revision();
    let labels = |on: &str| json!({"metadata": {"labels": {"on": on}}});
    let path = format!("{CONFIGMAPS}/w");
    config_map(&server, "w", json!({"k": "1"})).await;
    patch(&server, "merge", &path, &labels("yes")).await;
    patch(&server, "merge", &path, &json!({"data": {"k": "2"}})).await;
    let out = patch(&server, "merge", &path, &labels("no")).await.json();
    patch(&server, "merge", &path, &json!({"data": {"k": "3"}})).await;
    let watch =
        get(&server, &format!("{CONFIGMAPS}?watch=1&timeoutSeconds=1&resourceVersion={start}&labelSelector=on%3Dyes"))
            .await;
    let events: Vec<(Value, Value)> =
        watch.lines().iter().map(|l| (l["type"].clone(), l["object"]["data"]["k"].clone())).collect();
    assert_eq!(events, [(json!("ADDED"), json!("1")), (json!("MODIFIED"), json!("2")), (json!("DELETED"), json!("2"))]);
    let last = &watch.lines()[2]["object"];
    assert_eq!(revision(last), revision(&out));
    assert_eq!(last["metadata"]["labels"]["on"], "yes", "the state it was selected in");
}

#[tokio::test(start_paused = true)]
async fn t7_a_deletion_event_has_a_new_revision_and_the_last_state() {
    let server = ApiServer::new();
    let made = config_map(&server, "a", json!({"k": "v"})).await;
    delete(&server, &format!("{CONFIGMAPS}/a"), &json!({})).await;
    let watch =
        get(&server, &format!("{CONFIGMAPS}?watch=1&timeoutSeconds=1&resourceVersion={}", revision(&made))).await;
    let [event] = watch.lines().try_into().unwrap();
    assert_eq!((&event["type"], &event["object"]["data"]["k"]), (&json!("DELETED"), &json!("v")));
    assert_eq!(revision(&event["object"]), revision(&made) + 1);
    assert_eq!(revision(&event["object"]), server.revision());
}

#[tokio::test(start_paused = true)]
async fn t8_a_slow_watcher_loses_its_connection_and_never_an_event() {
    use tower::Service as _;
    let server = ApiServer::builder().watch_buffer(2).build();
    let start = server.revision();
    let watch = |from: u64| {
        http::Request::get(format!("{CONFIGMAPS}?watch=1&timeoutSeconds=60&resourceVersion={from}"))
            .body(String::new())
            .unwrap()
    };
    let slow = server.clone().call(watch(start)).await.unwrap();
    for name in ["a", "b", "c", "d"] {
        config_map(&server, name, json!({})).await;
    }
    assert_eq!(server.dropped_watches(), 1);
    let text = String::from_utf8(axum::body::to_bytes(slow.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
    let seen: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(seen.iter().map(|e| e["object"]["metadata"]["name"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    let resumed = get(
        &server,
        &format!("{CONFIGMAPS}?watch=1&timeoutSeconds=1&resourceVersion={}", revision(&seen[1]["object"])),
    )
    .await;
    assert_eq!(resumed.lines().iter().map(|e| e["object"]["metadata"]["name"].clone()).collect::<Vec<_>>(), ["c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn t9_a_watch_from_nowhere_begins_with_what_there_is() {
    let server = ApiServer::new();
    config_map(&server, "a", json!({})).await;
    for from in ["", "&resourceVersion=0"] {
        let watch = get(&server, &format!("{CONFIGMAPS}?watch=true&timeoutSeconds=1{from}")).await;
        let names: Vec<_> =
            watch.lines().iter().map(|l| (l["type"].clone(), l["object"]["metadata"]["name"].clone())).collect();
        assert_eq!(names, [(json!("ADDED"), json!("a")), (json!("ADDED"), json!("kube-root-ca.crt"))], "{from:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t9_a_streaming_list_marks_where_the_state_ends() {
    let server = ApiServer::new();
    config_map(&server, "a", json!({})).await;
    let options = "watch=true&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0";
    let watch = get(&server, &format!("{CONFIGMAPS}?{options}")).await;
    let [.., mark] = &watch.lines()[..] else { panic!("no events") };
    assert_eq!(
        (&mark["type"], &mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"]),
        (&json!("BOOKMARK"), &json!("true"))
    );
    assert_eq!(revision(&mark["object"]), server.revision());
    for half in ["sendInitialEvents=true", "resourceVersionMatch=NotOlderThan&resourceVersion=0"] {
        let refused = get(&server, &format!("{CONFIGMAPS}?watch=true&{half}")).await;
        assert_eq!((refused.code, &refused.json()["reason"]), (422, &json!("Invalid")), "{half}");
    }
}

#[tokio::test]
async fn t10_pages_show_one_revision_and_an_old_token_is_gone_over_http() {
    let server = ApiServer::builder().event_history(4).build();
    let names = |page: &Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for name in ["a", "b", "c", "d"] {
        config_map(&server, name, json!({})).await;
    }
    let first = get(&server, &format!("{CONFIGMAPS}?&limit=2")).await.json();
    assert_eq!(
        (names(&first), &first["metadata"]["remainingItemCount"]),
        (vec!["a".to_owned(), "b".to_owned()], &json!(3))
    );
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    // What happens between two pages does not show in the second.
    delete(&server, &format!("{CONFIGMAPS}/c"), &json!({})).await;
    config_map(&server, "bb", json!({})).await;
    let second = get(&server, &format!("{CONFIGMAPS}?limit=2&continue={token}")).await.json();
    assert_eq!((names(&second), revision(&second)), (vec!["c".to_owned(), "d".to_owned()], revision(&first)));
    for i in 0..5 {
        config_map(&server, &format!("z{i}"), json!({})).await;
    }
    let late = get(&server, &format!("{CONFIGMAPS}?limit=2&continue={token}")).await;
    assert_eq!((late.code, &late.json()["reason"]), (410, &json!("Expired")));
    let offered = late.json()["metadata"]["continue"].as_str().unwrap().to_owned();
    let rest = get(&server, &format!("{CONFIGMAPS}?limit=2&continue={offered}")).await.json();
    assert_eq!(names(&rest), ["bb", "d"]);
}

#[tokio::test]
async fn t11_absolute_uris_are_routed_by_their_path() {
    let server = ApiServer::new();
    let answer = get(&server, &format!("https://127.0.0.1:6443{CONFIGMAPS}?limit=1")).await;
    assert_eq!((answer.code, &answer.json()["kind"]), (200, &json!("ConfigMapList")));
}

#[tokio::test]
async fn t12_finalizers_hold_an_object_until_a_write_takes_the_last_one_off() {
    let server = ApiServer::new();
    let mut web = deployment("web");
    web["metadata"]["finalizers"] = json!(["example.com/a"]);
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let made = post(&server, deployments, &web).await.json();
    let marked = delete(&server, &format!("{deployments}/web"), &json!({})).await.json();
    assert_eq!((&marked["kind"], &marked["metadata"]["deletionGracePeriodSeconds"]), (&json!("Deployment"), &json!(0)));
    assert_eq!((&made["metadata"]["generation"], &marked["metadata"]["generation"]), (&json!(1), &json!(2)));
    let again = delete(&server, &format!("{deployments}/web"), &json!({})).await.json();
    assert_eq!(revision(&again), revision(&marked), "deleting twice changes nothing");
    let freed = patch(
        &server,
        "json",
        &format!("{deployments}/web"),
        &json!([{"op": "remove", "path": "/metadata/finalizers/0"}]),
    )
    .await;
    assert_eq!((freed.code, &freed.json()["metadata"]["name"]), (200, &json!("web")));
    assert_eq!(get(&server, &format!("{deployments}/web")).await.code, 404);
}

#[tokio::test]
async fn t12_foreground_deletion_waits_for_the_dependents() {
    let server = ApiServer::new();
    let owner = config_map(&server, "owner", json!({})).await;
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true}]);
    let dependent =
        json!({"metadata": {"name": "dependent", "ownerReferences": reference, "finalizers": ["example.com/a"]}});
    post(&server, CONFIGMAPS, &dependent).await;
    let marked =
        delete(&server, &format!("{CONFIGMAPS}/owner"), &json!({"propagationPolicy": "Foreground"})).await.json();
    assert_eq!(marked["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert!(get(&server, &format!("{CONFIGMAPS}/dependent")).await.json()["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(get(&server, &format!("{CONFIGMAPS}/owner")).await.code, 200, "still held by its dependent");
    patch(&server, "merge", &format!("{CONFIGMAPS}/dependent"), &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(get(&server, &format!("{CONFIGMAPS}/dependent")).await.code, 404);
    assert_eq!(get(&server, &format!("{CONFIGMAPS}/owner")).await.code, 404);
}

#[tokio::test]
async fn t13_unknown_parameters_are_ignored_and_unknown_fields_warned_about() {
    let server = ApiServer::new();
    assert_eq!(get(&server, &format!("{CONFIGMAPS}?&pretty=true&what=ever")).await.code, 200);
    let mut definition = definition("things", "Thing");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
        json!({"type": "object", "properties": {"size": {"type": "integer"}}});
    post(&server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).await;
    let things = "/apis/example.com/v1/namespaces/default/things";
    let thing = |name: &str| json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, "spec": {"size": 1, "bogus": 2}});
    let warned = post(&server, things, &thing("a")).await;
    assert_eq!((warned.code, warned.header("warning")), (201, "299 - \"unknown field \\\"spec.bogus\\\"\""));
    assert_eq!(warned.json()["spec"], json!({"size": 1}));
    let strict = post(&server, &format!("{things}?fieldValidation=Strict"), &thing("b")).await;
    assert_eq!((strict.code, &strict.json()["reason"]), (400, &json!("BadRequest")));
    let ignored = post(&server, &format!("{things}?fieldValidation=Ignore"), &thing("c")).await;
    assert_eq!((ignored.code, ignored.header("warning")), (201, ""));
}

#[tokio::test]
async fn t14_clients_recognise_errors_by_their_reason() {
    use kube::ResourceExt as _;
    use kube::api::{Api, DeleteParams, PostParams};
    type Map = k8s_openapi::api::core::v1::ConfigMap;
    let client = kube::Client::new(ApiServer::new(), "default");
    let maps: Api<Map> = Api::default_namespaced(client.clone());
    let map: Map = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    assert!(maps.get_opt("b").await.unwrap().is_none());
    let error = |e: kube::Error| match e {
        kube::Error::Api(status) => status,
        other => panic!("{other}"),
    };
    assert!(error(maps.create(&PostParams::default(), &map).await.unwrap_err()).is_already_exists());
    assert!(error(maps.get("b").await.unwrap_err()).is_not_found());
    let mut stale = made.clone();
    stale.labels_mut().insert("a".to_owned(), "b".to_owned());
    maps.replace("a", &PostParams::default(), &stale).await.unwrap();
    assert!(error(maps.replace("a", &PostParams::default(), &stale).await.unwrap_err()).is_conflict());
    let bad: Map = serde_json::from_value(json!({"metadata": {"name": "A_B"}})).unwrap();
    assert!(error(maps.create(&PostParams::default(), &bad).await.unwrap_err()).is_invalid());
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client);
    assert!(error(namespaces.delete("default", &DeleteParams::default()).await.unwrap_err()).is_forbidden());
}
