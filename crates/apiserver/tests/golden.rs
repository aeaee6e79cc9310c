//! Answers, compared with those captured from a kube-apiserver.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use kfed_apiserver::ApiServer;
use serde_json::{Value, json};
use support::*;

async fn golden_namespace(server: &ApiServer) {
    assert_eq!(post(server, "/api/v1/namespaces", &json!({"metadata": {"name": "golden"}})).await.code, 201);
}

/// What varies inside a text.
fn mask_text(text: &str) -> String {
    let mut words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    let uid = |w: &str| w.trim_matches(['(', ')', '.', ' ']).len() == 36 && w.matches('-').count() == 4;
    for i in 0..words.len() {
        let word = words[i].clone();
        let core = word.trim_matches(['(', ')', '.', ' ', ',']).to_owned();
        let number = !core.is_empty() && core.bytes().all(|b| b.is_ascii_digit());
        if uid(&word) {
            words[i] = word.replace(&core, "<uid>");
        } else if number && i > 0 && (words[i - 1].ends_with("record ") || words[i - 1] == "current: ") {
            words[i] = word.replace(&core, "<revision>");
        }
    }
    words.concat()
}

#[tokio::test(start_paused = true)]
async fn refusals_are_worded_and_shaped_as_upstream() {
    let server = ApiServer::new();
    golden_namespace(&server).await;
    post(&server, "/api/v1/namespaces/golden/configmaps", &json!({"metadata": {"name": "there"}, "data": {"k": "v"}}))
        .await;
    post(&server, "/apis/apps/v1/namespaces/golden/deployments", &deployment("there")).await;
    let cases = fixture("status_errors.json");
    let mut wrong = Vec::new();
    for case in cases.as_array().unwrap() {
        let body = match &case["body"] {
            Value::Null => String::new(),
            Value::String(raw) => raw.clone(),
            body => body.to_string(),
        };
        let media = case["contentType"].as_str().unwrap_or("application/json");
        let (method, path) = (case["method"].as_str().unwrap(), case["path"].as_str().unwrap());
        let answer =
            send(&server, method, path, &[("content-type", media), ("accept", "application/json")], &body).await;
        let expected = &case["answer"];
        let what = format!("{method} {path} {body}");
        if json!(answer.code) != case["status"] {
            wrong.push(format!("{what}\n  {} in place of {}: {}", answer.code, case["status"], answer.text));
            continue;
        }
        assert_eq!(answer.header("content-type"), case["contentTypeOfAnswer"].as_str().unwrap(), "{what}");
        let Some(text) = expected.as_str() else {
            let mut found = answer.json();
            found["message"] = mask_text(found["message"].as_str().unwrap()).into();
            let mut expected = expected.clone();
            if case["wordingDiffers"] == true {
                found["message"] = Value::Null;
                expected["message"] = Value::Null;
            }
            if found != expected {
                wrong.push(format!("{what}\n  found    {found}\n  expected {expected}"));
            }
            continue;
        };
        assert_eq!(answer.text, text, "{what}");
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.as_array().unwrap().len(), wrong.join("\n"));
}

#[tokio::test]
async fn discovery_lists_resources_as_upstream() {
    let server = ApiServer::new();
    let fixture = fixture("discovery_resources.json");
    let mut compared = 0;
    for (group_version, expected) in fixture.as_object().unwrap() {
        let path = if group_version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{group_version}") };
        let answer = get(&server, &path).await;
        if answer.code == 404 {
            continue;
        }
        let document = answer.json();
        assert_eq!((&document["kind"], &document["groupVersion"]), (&json!("APIResourceList"), &json!(group_version)));
        for resource in document["resources"].as_array().unwrap() {
            let upstream = expected.as_array().unwrap().iter().find(|r| r["name"] == resource["name"]);
            assert_eq!(Some(resource), upstream, "{group_version}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared} resources compared");
}

#[tokio::test]
async fn aggregated_discovery_is_as_upstream_and_not_sent_twice() {
    let server = ApiServer::new();
    let definition = &fixture("custom_resources.json")[0]["body"];
    post(&server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    let answer = send(&server, "GET", "/apis", &[("accept", accept)], "").await;
    assert_eq!(answer.header("content-type"), "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let document = answer.json();
    let fixture = fixture("discovery_aggregated.json");
    for (name, expected) in fixture.as_object().unwrap() {
        let group = document["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == *name);
        assert_eq!(group, Some(expected), "{name}");
    }
    let again =
        send(&server, "GET", "/apis", &[("accept", accept), ("if-none-match", answer.header("etag"))], "").await;
    assert_eq!((again.code, again.text.as_str()), (304, ""));
    assert!(get(&server, "/apis").await.json()["groups"].is_array(), "the classic form is there too");
}

/// Replays recorded requests in their order, and compares code, warnings and answers.
async fn replay(server: &ApiServer, story: &Value, adapt: impl Fn(&mut Value)) {
    let mut wrong = Vec::new();
    for step in story.as_array().unwrap() {
        let (method, path) = (step["method"].as_str().unwrap(), step["path"].as_str().unwrap());
        let mut body = step["body"].clone();
        // Recorded identities are those of that server.
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("uid");
            metadata.remove("resourceVersion");
            metadata.remove("creationTimestamp");
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let media = step["contentType"].as_str().unwrap_or("application/json");
        let accept = step["accept"].as_str().unwrap_or("application/json");
        let answer = send(server, method, path, &[("content-type", media), ("accept", accept)], &body).await;
        let mut found = masked(serde_json::from_str(&answer.text).unwrap_or(json!(answer.text)));
        let mut expected = masked(step["answer"].clone());
        adapt(&mut found);
        adapt(&mut expected);
        let what = format!("{method} {path} {body}");
        if json!(answer.code) != step["status"] {
            wrong.push(format!("{what}\n  {} in place of {}: {}", answer.code, step["status"], answer.text));
        } else if found != expected {
            wrong.push(format!("{what}\n  found    {found}\n  expected {expected}"));
        } else if answer.header("warning") != step["warning"].as_str().unwrap_or_default() {
            wrong.push(format!("{what}\n  warning {:?}", answer.header("warning")));
        }
    }
    assert!(wrong.is_empty(), "{} steps differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn deletion_goes_as_on_a_bare_upstream_server() {
    let server = ApiServer::builder().lifecycle(false).build();
    golden_namespace(&server).await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/a"]}, "data": {"k": "v"}});
    post(&server, "/api/v1/namespaces/golden/configmaps", &held).await;
    replay(&server, &fixture("delete_stories.json"), |answer| {
        // Upstream says one cause twice.
        if let Some(causes) = answer.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
            causes.dedup();
        }
    })
    .await;
}

#[tokio::test]
async fn custom_resources_go_as_upstream() {
    let server = ApiServer::new();
    // CEL rules are not evaluated here; a definition is established at once.
    let story: Vec<Value> = fixture("custom_resources.json")
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .filter(|s| !s["answer"]["message"].as_str().unwrap_or_default().contains("must have a weight"))
        .cloned()
        .collect();
    let definition = fixture("custom_resources.json")[0].clone();
    assert_eq!(post(&server, definition["path"].as_str().unwrap(), &definition["body"]).await.code, 201);
    replay(&server, &Value::Array(story), |answer| {
        if let Some(causes) = answer.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
            causes.sort_by_key(|c| c["field"].to_string());
            if causes.len() > 1 {
                // Errors of several fields come in no order that means anything.
                answer["message"] = Value::Null;
            }
        }
        if let Some(token) = answer.pointer_mut("/metadata/continue")
            && *token != ""
        {
            *token = "<masked>".into();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn watches_show_the_same_events_as_upstream() {
    let server = ApiServer::new();
    golden_namespace(&server).await;
    let maps = "/api/v1/namespaces/golden/configmaps";
    post(&server, maps, &json!({"metadata": {"name": "there"}, "data": {"k": "v"}})).await;
    let start = server.revision();
    post(&server, maps, &json!({"metadata": {"name": "w1", "labels": {"on": "no"}}, "data": {"k": "v"}})).await;
    let w1 = format!("{maps}/w1");
    patch(&server, "merge", &w1, &json!({"metadata": {"labels": {"on": "yes"}}})).await;
    patch(&server, "merge", &w1, &json!({"data": {"k": "2"}})).await;
    patch(&server, "merge", &w1, &json!({"metadata": {"labels": null}})).await;
    delete(&server, &w1, &json!({})).await;
    let fixture = fixture("watch_events.json");
    for (name, accept) in [
        ("from_rv", "application/json"),
        ("label_selector", "application/json"),
        ("initial_events", "application/json"),
        ("partial", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"),
    ] {
        let path =
            fixture[name]["path"].as_str().unwrap().replace("resourceVersion=328", &format!("resourceVersion={start}"));
        let answer = send(&server, "GET", &path, &[("accept", accept)], "").await;
        assert_eq!(masked(answer.lines().into()), masked(fixture[name]["lines"].clone()), "{name}");
    }
}
