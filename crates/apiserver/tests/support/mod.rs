//! Raw requests to a server in process, and the fixtures.
#![allow(dead_code, reason = "each test binary uses its part")]

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use kfed_apiserver::ApiServer;
use serde_json::{Value, json};
use tower::Service;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// A watch's events.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// Sends a request with headers (`name: value`) and a body.
pub(crate) async fn send(
    server: &ApiServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_ref()))).unwrap();
    let answer = server.clone().call(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { code: head.status.as_u16(), headers: head.headers, text }
}

pub(crate) async fn get(server: &ApiServer, path: &str) -> Answer {
    send(server, "GET", path, &[], "").await
}

pub(crate) async fn post(server: &ApiServer, path: &str, body: &Value) -> Answer {
    send(server, "POST", path, &[("content-type", "application/json")], &body.to_string()).await
}

pub(crate) async fn put(server: &ApiServer, path: &str, body: &Value) -> Answer {
    send(server, "PUT", path, &[("content-type", "application/json")], &body.to_string()).await
}

pub(crate) async fn delete(server: &ApiServer, path: &str, body: &Value) -> Answer {
    send(server, "DELETE", path, &[("content-type", "application/json")], &body.to_string()).await
}

/// `kind` is `merge`, `json`, `strategic-merge` or `apply`.
pub(crate) async fn patch(server: &ApiServer, kind: &str, path: &str, body: &Value) -> Answer {
    let media = match kind {
        "apply" => "application/apply-patch+yaml",
        "json" => "application/json-patch+json",
        "merge" => "application/merge-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        other => panic!("no patch type {other}"),
    };
    send(server, "PATCH", path, &[("content-type", media)], &body.to_string()).await
}

pub(crate) const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Creates a ConfigMap in the namespace `default` and returns it as stored.
pub(crate) async fn config_map(server: &ApiServer, name: &str, data: Value) -> Value {
    let answer = post(server, CONFIGMAPS, &json!({"metadata": {"name": name}, "data": data})).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    answer.json()
}

pub(crate) fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": "registry.example.com/app:1.0"}]}}}})
}

pub(crate) fn definition(plural: &str, kind: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.example.com")},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {
                    "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}})
}

#[track_caller]
pub(crate) fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn fixture(name: &str) -> Value {
    let path = format!("{}/../../fixtures/kube/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Takes out what varies from run to run: identities, times, revisions.
pub(crate) fn masked(mut value: Value) -> Value {
    mask(&mut value);
    value
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("managedFields");
            // Answers of typed kinds have it only when it counts.
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "uid" | "resourceVersion" | "creationTimestamp" | "deletionTimestamp" | "lastTransitionTime"
                        if field.is_string() =>
                    {
                        *field = "<masked>".into();
                    }
                    _ => mask(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}
