//! Bodies in protobuf, as kubectl sent them to a kube-apiserver.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kfed_apiserver::ApiServer;
use serde_json::{Value, json};
use support::*;

const PROTOBUF: &[(&str, &str)] = &[
    ("content-type", "application/vnd.kubernetes.protobuf"),
    ("accept", "application/vnd.kubernetes.protobuf,application/json"),
];

/// `DeleteOptions` with these fields, each of less than 128 bytes.
fn delete_options(fields: &[u8]) -> Vec<u8> {
    let mut body = b"k8s\0\x0a\x13\x0a\x02v1\x12\x0dDeleteOptions\x12".to_vec();
    body.push(u8::try_from(fields.len()).unwrap());
    body.extend_from_slice(fields);
    body
}

/// Whether all that was sent is in what came back.
#[track_caller]
fn contains(answer: &Value, sent: &Value, what: &str) {
    match (answer, sent) {
        (Value::Object(answer), Value::Object(sent)) => {
            for (name, value) in sent {
                contains(answer.get(name).unwrap_or(&Value::Null), value, &format!("{what}.{name}"));
            }
        }
        (Value::Array(answer), Value::Array(sent)) => {
            assert_eq!(answer.len(), sent.len(), "{what}");
            answer.iter().zip(sent).for_each(|(a, s)| contains(a, s, what));
        }
        _ => assert_eq!(answer, sent, "{what}"),
    }
}

#[tokio::test]
async fn what_kubectl_builds_from_flags_is_created() {
    let server = ApiServer::new();
    for case in fixture("protobuf_bodies.json").as_array().unwrap() {
        let (command, path) = (case["command"].as_str().unwrap(), case["path"].as_str().unwrap());
        let body = STANDARD.decode(case["body"].as_str().unwrap()).unwrap();
        let strict = format!("{path}?fieldManager=kubectl-create&fieldValidation=Strict");
        let answer = send(&server, "POST", &strict, PROTOBUF, body).await;
        if command == "kubectl create serviceaccount default" {
            // Every namespace comes with it.
            assert_eq!(answer.code, 409, "{}", answer.text);
            continue;
        }
        assert_eq!(answer.code, 201, "{command}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("warning"), "", "{command}");
        contains(&answer.json(), &case["object"], command);
    }
    let settings = get(&server, &format!("{CONFIGMAPS}/settings")).await.json();
    assert_eq!(settings["metadata"]["managedFields"][0]["manager"], "kubectl-create");
}

#[tokio::test]
async fn an_update_may_be_in_protobuf() {
    let server = ApiServer::new();
    config_map(&server, "settings", json!({"old": "1"})).await;
    let cases = fixture("protobuf_bodies.json");
    let case = cases.as_array().unwrap().iter().find(|c| c["object"]["kind"] == "ConfigMap").unwrap();
    let body = STANDARD.decode(case["body"].as_str().unwrap()).unwrap();
    let answer = send(&server, "PUT", &format!("{CONFIGMAPS}/settings"), PROTOBUF, body).await;
    assert_eq!((answer.code, &answer.json()["data"]), (200, &json!({"a": "b", "c": "d"})));
}

#[tokio::test]
async fn delete_options_may_be_in_protobuf() {
    let server = ApiServer::new();
    config_map(&server, "a", json!({})).await;
    let path = format!("{CONFIGMAPS}/a");
    // preconditions { uid: "other" }
    let other = delete_options(b"\x12\x07\x0a\x05other");
    let refused = send(&server, "DELETE", &path, PROTOBUF, other).await;
    assert_eq!((refused.code, &refused.json()["reason"]), (409, &json!("Conflict")), "{}", refused.text);
    let dry = send(&server, "DELETE", &path, PROTOBUF, delete_options(b"\x2a\x03All")).await;
    assert_eq!((dry.code, get(&server, &path).await.code), (200, 200));
    // gracePeriodSeconds: 0, propagationPolicy: Background
    let now = delete_options(b"\x08\x00\x22\x0aBackground");
    let deleted = send(&server, "DELETE", &path, PROTOBUF, now).await;
    assert_eq!((deleted.code, get(&server, &path).await.code), (200, 404), "{}", deleted.text);
}

#[tokio::test]
async fn broken_bodies_are_refused_with_the_place() {
    let server = ApiServer::new();
    let answer = send(
        &server,
        "POST",
        "/api/v1/namespaces",
        PROTOBUF,
        b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x02\x0a\x7f",
    )
    .await;
    assert_eq!((answer.code, &answer.json()["reason"]), (400, &json!("BadRequest")));
    assert_eq!(
        answer.json()["message"],
        "Namespace in the protobuf body cannot be read: a length beyond the end, in Namespace at byte 24"
    );
    let answer = send(&server, "POST", "/api/v1/namespaces", PROTOBUF, "{}").await;
    assert_eq!((answer.code, &answer.json()["kind"]), (400, &json!("Status")), "{}", answer.text);
}

#[tokio::test]
async fn custom_resources_have_no_protobuf() {
    let server = ApiServer::new();
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    post(&server, definitions, &definition("things", "Thing")).await;
    let body = b"k8s\0\x0a\x17\x0a\x0eexample.com/v1\x12\x05Thing\x12\x00";
    let answer = send(&server, "POST", "/apis/example.com/v1/namespaces/default/things", PROTOBUF, body).await;
    assert_eq!((answer.code, &answer.json()["reason"]), (415, &json!("UnsupportedMediaType")));
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("accepted media types include: application/json, application/yaml"), "{message}");
}
