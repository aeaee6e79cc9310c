//! DELETE of one object and of a collection, and eviction.

use serde_json::{Value, json};

use super::{Call, read};
use crate::kinds::Kind;
use crate::lifecycle::{self, Deleted, Deletion, Next, Propagation};
use crate::object;
use crate::reply::{self, Reply, Representation, View};
use crate::request::dry_run;
use crate::status::{FieldError, Status};
use crate::store::{ObjectKey, Stored, Tx};

/// Namespaces the server itself lives in.
const ETERNAL: [&str; 3] = ["default", "kube-public", "kube-system"];

#[derive(Debug, Default)]
struct Options {
    how: Deletion,
    uid: Option<String>,
    revision: Option<String>,
    dry_run: bool,
}

impl Options {
    /// From the body, else from the query.
    fn of(call: &Call<'_>) -> Result<Self, Status> {
        let body = if call.request.body.is_empty() { json!({}) } else { call.request.object()? };
        Self::parse(call, &body)
    }

    fn parse(call: &Call<'_>, body: &Value) -> Result<Self, Status> {
        let query = &call.request.query;
        let propagation = body["propagationPolicy"].as_str().or_else(|| query.get("propagationPolicy"));
        let propagation = match propagation {
            None | Some("") => None,
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                let error = FieldError::unsupported("propagationPolicy", format!("{other:?}"), &known);
                return Err(Status::invalid_options("DeleteOptions", vec![error]));
            }
        };
        // The older way to say it.
        let orphan = body["orphanDependents"].as_bool().or_else(|| query.get("orphanDependents").map(|o| o == "true"));
        let propagation = propagation.or(orphan.map(|o| if o { Propagation::Orphan } else { Propagation::Background }));
        let grace_seconds = match body["gracePeriodSeconds"].as_i64() {
            Some(seconds) => Some(seconds),
            None => query.number("gracePeriodSeconds")?.map(|s| i64::try_from(s).unwrap_or(i64::MAX)),
        };
        let asked: Vec<&str> = match body["dryRun"].as_array() {
            Some(list) => list.iter().map(|d| d.as_str().unwrap_or_default()).collect(),
            None => query.all("dryRun").filter(|d| !d.is_empty()).collect(),
        };
        let text = |pointer: &str| object::text(body, pointer).map(str::to_owned);
        Ok(Self {
            how: Deletion { propagation, grace_seconds },
            uid: text("/preconditions/uid"),
            revision: text("/preconditions/resourceVersion"),
            dry_run: dry_run(&asked, "DeleteOptions")?,
        })
    }

    fn check(&self, kind: &Kind, name: &str, live: &Stored) -> Result<(), Status> {
        let uid = object::uid(&live.object).unwrap_or_default();
        if let Some(asked) = self.uid.as_ref().filter(|u| *u != uid) {
            let why = format!(
                "the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            );
            return Err(Status::precondition(kind, name, &why));
        }
        let revision = live.revision.to_string();
        if let Some(asked) = self.revision.as_ref().filter(|r| **r != revision) {
            let why = format!(
                "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({revision}). The object might have been modified"
            );
            return Err(Status::precondition(kind, name, &why));
        }
        Ok(())
    }
}

pub(super) fn one(call: &Call<'_>) -> Result<Reply, Status> {
    let representation = Representation::negotiate(call.request)?;
    let options = Options::of(call)?;
    remove(call, representation, &options)
}

fn remove(call: &Call<'_>, representation: Representation, options: &Options) -> Result<Reply, Status> {
    let kind = &call.kind;
    if kind.is("", "Namespace") && ETERNAL.contains(&call.name.as_str()) {
        return Err(Status::forbidden(kind, &call.name, "this namespace may not be deleted"));
    }
    let key = call.key();
    let deleted = call.server.transact(|tx| -> Result<Deleted, Status> {
        let live = tx.get(&kind.storage, &key).cloned().ok_or_else(|| Status::not_found(kind, &call.name))?;
        options.check(kind, &call.name, &live)?;
        run(tx, call, &key, options)
    })?;
    Ok(match deleted {
        Deleted::Gone(last) if !kind.returns_deleted() => {
            let mut details = json!({"name": call.name, "kind": kind.plural, "uid": object::uid(&last.object)});
            if !kind.group.is_empty() {
                details["group"] = kind.group.clone().into();
            }
            let status =
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
            reply::value_reply(200, &status)
        }
        Deleted::Gone(object) | Deleted::Marked(object) => {
            let mut out = Vec::with_capacity(512);
            View { kind, representation, now: call.now }.object(&object, &mut out);
            out.push(b'\n');
            reply::json_reply(200, out)
        }
    })
}

fn run(tx: &mut Tx<'_>, call: &Call<'_>, key: &ObjectKey, options: &Options) -> Result<Deleted, Status> {
    let gone = || Status::not_found(&call.kind, &key.name);
    if !options.dry_run {
        return lifecycle::delete(tx, &call.kind, key, options.how, call.now).ok_or_else(gone);
    }
    let live = tx.get(&call.kind.storage, key).cloned().ok_or_else(gone)?;
    Ok(match lifecycle::next_state(&call.kind, &live.object, options.how, call.now) {
        Next::Keep => Deleted::Marked(live),
        Next::Mark(object) => Deleted::Marked(Stored::at(object, live.revision)),
        Next::Remove(object) => Deleted::Gone(Stored::at(object, live.revision)),
    })
}

/// Deletes what a list with the same query would show, and answers that list.
pub(super) fn collection(call: &Call<'_>) -> Result<Reply, Status> {
    let representation = Representation::negotiate(call.request)?;
    let options = Options::of(call)?;
    let selection = read::selection(call, None)?;
    let (deleted, revision) = call.server.transact(|tx| -> Result<_, Status> {
        let mut deleted = Vec::new();
        for (key, stored) in tx.range(&call.kind.storage, call.namespace.as_deref()) {
            if !selection.matches(&call.kind, &stored) {
                continue;
            }
            options.check(&call.kind, &key.name, &stored)?;
            match run(tx, call, &key, &options)? {
                Deleted::Gone(object) | Deleted::Marked(object) => deleted.push(object),
            }
        }
        Ok((deleted, tx.revision()))
    })?;
    let items: Vec<&Stored> = deleted.iter().map(|s| &**s).collect();
    let view = View { kind: &call.kind, representation, now: call.now };
    Ok(reply::json_reply(200, view.list(&items, revision, None, None)))
}

/// POST to a Pod's `/eviction`: its deletion. Disruption budgets are not counted.
pub(super) fn evict(call: &Call<'_>) -> Result<Reply, Status> {
    let eviction = call.request.object()?;
    let empty = json!({});
    let options = Options::parse(call, eviction.get("deleteOptions").filter(|o| o.is_object()).unwrap_or(&empty))?;
    remove(call, Representation::Object, &options)?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(reply::value_reply(201, &status))
}
