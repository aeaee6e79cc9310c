//! What hangs below an object's own path.

use http::Method;
use serde_json::{Value, json};

use super::{Call, Part, delete, read, reviews, scale, write};
use crate::clock::rfc3339;
use crate::convert;
use crate::object;
use crate::reply::{self, Reply};
use crate::status::Status;

pub(super) async fn answer(call: &Call<'_>, subresource: &str) -> Result<Reply, Status> {
    let kind = &call.kind;
    let part = match subresource {
        "status" if kind.has_status() => Part::Status,
        "scale" if kind.scale.is_some() => Part::Scale,
        "finalize" if kind.is("", "Namespace") => Part::Finalize,
        "binding" if kind.is("", "Pod") => return post(call, bind),
        "eviction" if kind.is("", "Pod") => return post(call, delete::evict),
        "token" if kind.is("", "ServiceAccount") => return post(call, reviews::token),
        _ if kind.custom.is_some() => return Err(Status::not_found(kind, &call.name)),
        _ => return Err(Status::no_such_resource()),
    };
    match (&call.request.method, part) {
        (&Method::PUT, _) => write::replace(call, part),
        (_, Part::Finalize) => Err(Status::method_not_allowed()),
        (&Method::PATCH, _) => write::patch(call, part),
        (&Method::GET | &Method::HEAD, Part::Scale) => get_scale(call),
        (&Method::GET | &Method::HEAD, _) => read::get(call).await,
        _ => Err(Status::method_not_allowed()),
    }
}

fn post(call: &Call<'_>, run: impl FnOnce(&Call<'_>) -> Result<Reply, Status>) -> Result<Reply, Status> {
    if call.request.method == Method::POST { run(call) } else { Err(Status::method_not_allowed()) }
}

fn get_scale(call: &Call<'_>) -> Result<Reply, Status> {
    let stored = call.server.store().get(&call.kind.storage, &call.key());
    let stored = stored.ok_or_else(|| Status::not_found(&call.kind, &call.name))?;
    Ok(reply::value_reply(200, &scale::of(&call.kind, &convert::from_storage(&call.kind, &stored.object))))
}

/// A scheduler's decision: the Pod's node, once.
fn bind(call: &Call<'_>) -> Result<Reply, Status> {
    let binding = call.request.object()?;
    let node = object::text(&binding, "/target/name").unwrap_or_default().to_owned();
    if node.is_empty() {
        return Err(Status::bad_request("a Binding names its node in target.name"));
    }
    let key = call.key();
    let bound = call.server.transact(|tx| {
        let live = tx.get(&call.kind.storage, &key).cloned().ok_or_else(|| Status::not_found(&call.kind, &call.name))?;
        if let Some(other) = object::text(&live.object, "/spec/nodeName").filter(|n| !n.is_empty()) {
            let why = format!("pod {} is already assigned to node {other:?}", call.name);
            return Err(Status::conflict(&call.kind, &call.name, &why));
        }
        if object::deleting(&live.object) {
            let why = format!("pod {} is being deleted, cannot be assigned to a host", call.name);
            return Err(Status::conflict(&call.kind, &call.name, &why));
        }
        let mut pod = live.object.clone();
        object::section(&mut pod, "spec").insert("nodeName".to_owned(), node.into());
        let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": rfc3339(call.now)});
        let conditions = object::section(&mut pod, "status").entry("conditions").or_insert_with(|| json!([]));
        if let Some(conditions) = conditions.as_array_mut() {
            conditions.retain(|c: &Value| c["type"] != "PodScheduled");
            conditions.push(scheduled);
        }
        Ok(tx.put(&call.kind.storage, &key, pod))
    });
    bound.map(|_| {
        reply::value_reply(
            201,
            &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
        )
    })
}
