//! Get, list and watch.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};

use super::Call;
use crate::reply::{self, Reply, Representation, View};
use crate::selector::{FieldSelector, LabelSelector};
use crate::status::{FieldError, Status};
use crate::store::{From, ObjectKey, Snapshot, Stored};
use crate::watch::{self, Selection, WatchOptions};

/// How long a read waits for a revision that is still to come.
const FUTURE_WAIT: Duration = Duration::from_secs(3);
/// How long a watch lasts that does not say; upstream takes half an hour to an hour.
const WATCH_TIME: Duration = Duration::from_secs(45 * 60);

pub(super) async fn get(call: &Call<'_>) -> Result<Reply, Status> {
    let representation = Representation::negotiate(call.request)?;
    if let Some(revision) = asked_revision(call)? {
        wait_for(call, revision).await?;
    }
    let stored = call.server.store().get(&call.kind.storage, &call.key());
    let stored = stored.ok_or_else(|| Status::not_found(&call.kind, &call.name))?;
    let mut out = Vec::with_capacity(1024);
    View { kind: &call.kind, representation, now: call.now }.object(&stored, &mut out);
    out.push(b'\n');
    Ok(reply::json_reply(200, out))
}

pub(super) async fn list(call: &Call<'_>) -> Result<Reply, Status> {
    let representation = Representation::negotiate(call.request)?;
    let selection = selection(call, None)?;
    let query = &call.request.query;
    let limit = query.number("limit")?.filter(|l| *l > 0).and_then(|l| usize::try_from(l).ok());
    let revision = asked_revision(call)?;
    let matching = query.get("resourceVersionMatch").filter(|m| !m.is_empty());
    let token = query.get("continue").filter(|c| !c.is_empty());
    check_list_options(call, matching, revision, token)?;
    if query.has("sendInitialEvents") {
        let error = FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        return Err(Status::invalid_options("ListOptions", vec![error]));
    }

    let store = call.server.store();
    let namespace = call.namespace.as_deref();
    let mut limit = limit;
    let mut after = None;
    let snapshot: Snapshot = if let Some(token) = token {
        let token = Token::decode(token)?;
        after = Some(token.key(call.kind.namespaced() && namespace.is_none(), namespace));
        match u64::try_from(token.rv) {
            Err(_) => store.snapshot(&call.kind.storage, namespace),
            Ok(revision) => store
                .snapshot_at(&call.kind.storage, namespace, revision)
                .map_err(|_| Status::expired_continue(Token { rv: -1, ..token }.encode()))?,
        }
    } else {
        match revision {
            Some(0) => {
                // Any state will do: all of it, from memory.
                limit = None;
                store.snapshot(&call.kind.storage, namespace)
            }
            Some(revision) => {
                wait_for(call, revision).await?;
                let exact = matching == Some("Exact") || (matching.is_none() && limit.is_some());
                if exact {
                    store.snapshot_at(&call.kind.storage, namespace, revision).map_err(|_| Status::expired_list())?
                } else {
                    store.snapshot(&call.kind.storage, namespace)
                }
            }
            None => store.snapshot(&call.kind.storage, namespace),
        }
    };

    let start = after.map_or(0, |after| snapshot.objects.partition_point(|(key, _)| *key <= after));
    let rest = &snapshot.objects[start..];
    let mut items: Vec<&Stored> = Vec::with_capacity(limit.unwrap_or(rest.len()).min(rest.len()));
    let mut next = None;
    let mut remaining = None;
    for (i, (key, stored)) in rest.iter().enumerate() {
        if !selection.matches(&call.kind, stored) {
            continue;
        }
        items.push(stored);
        if limit == Some(items.len()) {
            let left = rest.len() - i - 1;
            if left > 0 {
                next = Some(Token::after(key, namespace.is_none(), snapshot.revision).encode());
                remaining = selection.is_all().then_some(left);
            }
            break;
        }
    }
    let view = View { kind: &call.kind, representation, now: call.now };
    Ok(reply::json_reply(200, view.list(&items, snapshot.revision, next.as_deref(), remaining)))
}

pub(super) fn watch(call: &Call<'_>, name: Option<&str>) -> Result<Reply, Status> {
    let representation = Representation::negotiate(call.request)?;
    let selection = selection(call, name)?;
    let query = &call.request.query;
    let matching = query.get("resourceVersionMatch").filter(|m| !m.is_empty());
    let with_state = query.has("sendInitialEvents").then(|| query.flag("sendInitialEvents"));
    let error = match (with_state, matching) {
        (Some(_), Some("NotOlderThan")) | (None, None) => None,
        (Some(_), _) => Some("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        (None, Some(_)) => Some("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
    };
    if let Some(why) = error {
        return Err(Status::invalid_options("ListOptions", vec![FieldError::forbidden("resourceVersionMatch", why)]));
    }
    let revision = match query.get("resourceVersion").unwrap_or_default() {
        "" | "0" => None,
        text => Some(text.parse::<u64>().map_err(|_| {
            let detail = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
            Status::internal(format!("resourceVersion: Invalid value: {text:?}: {detail}"))
        })?),
    };
    let from = match (with_state, revision) {
        (Some(true), _) | (None, None) => From::State,
        (Some(false), None) => From::Now,
        (_, Some(revision)) => From::After(revision),
    };
    let timeout = query.number("timeoutSeconds")?.filter(|s| *s > 0).map_or(WATCH_TIME, Duration::from_secs);
    let store = call.server.store();
    let body = match store.subscribe(&call.kind.storage, call.namespace.as_deref(), from) {
        Err(compacted) => watch::failed(&Status::expired_watch(revision.unwrap_or(0), compacted.oldest)),
        Ok(subscription) => {
            let options = WatchOptions {
                kind: call.kind.clone(),
                representation,
                selection,
                bookmarks: query.flag("allowWatchBookmarks"),
                mark_state: with_state == Some(true),
                timeout,
            };
            watch::body(store, call.server.clock(), subscription, options)
        }
    };
    Ok(stream(body))
}

fn stream(body: Body) -> Reply {
    let mut reply = Response::new(body);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    reply
}

/// What the selectors of a request select; `name` narrows it to one object.
pub(super) fn selection(call: &Call<'_>, name: Option<&str>) -> Result<Selection, Status> {
    let query = &call.request.query;
    let given = |parameter: &str| query.get(parameter).filter(|s| !s.trim().is_empty());
    let labels = given("labelSelector").map(LabelSelector::parse).transpose().map_err(Status::bad_request)?;
    let mut text = given("fieldSelector").unwrap_or_default().to_owned();
    if let Some(name) = name {
        text = format!("metadata.name={name}{}{text}", if text.is_empty() { "" } else { "," });
    }
    if text.is_empty() {
        return Ok(Selection { labels, fields: None });
    }
    let fields = FieldSelector::parse(&text).map_err(Status::bad_request)?;
    for path in fields.paths() {
        check_field(call, path)?;
    }
    Ok(Selection { labels, fields: Some(fields) })
}

/// Only some fields of each kind can be selected by.
fn check_field(call: &Call<'_>, field: &str) -> Result<(), Status> {
    if matches!(field, "metadata.name" | "metadata.namespace") {
        return Ok(());
    }
    let kind = &call.kind;
    if let Some(custom) = &kind.custom {
        let known = custom.selectable.iter().any(|s| s == field);
        return if known { Ok(()) } else { Err(Status::bad_request(format!("field label not supported: {field}"))) };
    }
    let known: &[&str] = match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "Event") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "Namespace") => &["status.phase"],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("", "ReplicationController") | ("apps", "ReplicaSet") => &["status.replicas"],
        ("batch", "Job") => &["status.successful"],
        _ => &[],
    };
    if known.contains(&field) {
        return Ok(());
    }
    let names = "only \"metadata.name\", \"metadata.namespace\"";
    Err(Status::bad_request(format!("{field:?} is not a known field selector: {names}")))
}

fn asked_revision(call: &Call<'_>) -> Result<Option<u64>, Status> {
    let Some(text) = call.request.query.get("resourceVersion").filter(|r| !r.is_empty()) else { return Ok(None) };
    let parsed = text.parse::<u64>();
    parsed.map(Some).map_err(|_| {
        let detail =
            format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
        Status::bad_request(format!("invalid resource version: {detail}"))
    })
}

fn check_list_options(
    call: &Call<'_>,
    matching: Option<&str>,
    revision: Option<u64>,
    token: Option<&str>,
) -> Result<(), Status> {
    let forbidden = |why: &str| {
        Err(Status::invalid_options("ListOptions", vec![FieldError::forbidden("resourceVersionMatch", why)]))
    };
    if token.is_some() && revision.is_some_and(|r| r != 0) {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    match matching {
        None => Ok(()),
        Some(_) if revision.is_none() => {
            forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
        }
        Some(_) if token.is_some() => forbidden("resourceVersionMatch is forbidden when continue is provided"),
        Some("Exact") if call.request.query.get("resourceVersion") == Some("0") => {
            forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
        }
        Some("Exact" | "NotOlderThan") => Ok(()),
        Some(other) => {
            let known = ["Exact", "NotOlderThan", ""];
            let error = FieldError::unsupported("resourceVersionMatch", format!("{other:?}"), &known);
            Err(Status::invalid_options("ListOptions", vec![error]))
        }
    }
}

async fn wait_for(call: &Call<'_>, revision: u64) -> Result<(), Status> {
    let store = call.server.store();
    if store.revision() >= revision {
        return Ok(());
    }
    let reached = tokio::time::timeout(FUTURE_WAIT, store.reached(revision)).await;
    reached.map_err(|_| Status::future_revision(revision, store.revision()))
}

/// Where a list goes on: after a key, in the state of a revision.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    v: String,
    /// -1 goes on in whatever state there is.
    rv: i64,
    start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

impl Token {
    fn after(key: &ObjectKey, with_namespace: bool, revision: u64) -> Self {
        let start = if with_namespace && !key.namespace.is_empty() {
            format!("/{}/{}\0", key.namespace, key.name)
        } else {
            format!("/{}\0", key.name)
        };
        Self { v: TOKEN_VERSION.to_owned(), rv: i64::try_from(revision).unwrap_or(i64::MAX), start }
    }

    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("a token holds strings and a number"))
    }

    fn decode(text: &str) -> Result<Self, Status> {
        let bad =
            |why: String| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|e| bad(e.to_string()))?;
        let token: Self = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        if token.v != TOKEN_VERSION || token.start.is_empty() {
            return Err(bad(format!("server does not recognize this encoded version {:?}", token.v)));
        }
        Ok(token)
    }

    fn key(&self, with_namespace: bool, namespace: Option<&str>) -> ObjectKey {
        let start = self.start.trim_start_matches('/').trim_end_matches('\0');
        match start.split_once('/') {
            Some((namespace, name)) if with_namespace => ObjectKey::new(namespace, name),
            _ => ObjectKey::new(namespace.unwrap_or_default(), start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_key() {
        for (key, all) in
            [(ObjectKey::new("a", "b"), true), (ObjectKey::new("a", "b"), false), (ObjectKey::new("", "b"), true)]
        {
            let token = Token::decode(&Token::after(&key, all, 7).encode()).unwrap();
            assert_eq!(token.rv, 7);
            let namespace = (!all).then_some("a");
            assert_eq!(token.key(!key.namespace.is_empty() && all, namespace), key);
        }
    }

    #[test]
    fn a_token_of_ours_is_read_as_upstream_writes_it() {
        let token =
            Token::decode("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MzYxLCJzdGFydCI6Ii9wYXRjaGVkXHUwMDAwIn0").unwrap();
        assert_eq!((token.rv, token.key(false, Some("golden"))), (361, ObjectKey::new("golden", "patched")));
    }
}
