//! Asynchronous operations: 202 with two URLs to poll.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    call::Call,
    reply::{Failure, Reply, empty_reply, json_reply, set},
};
use crate::{
    ids::{Ids, Purpose},
    model::zone::ZoneKey,
};

/// Operations that were started, by id.
#[derive(Debug)]
pub(crate) struct Operations {
    takes: Duration,
    started: BTreeMap<String, Started>,
}

#[derive(Debug)]
struct Started {
    done_at: Instant,
    poll_after: u64,
    /// The resource that it made, if any.
    outcome: Result<Option<Value>, Failure>,
}

impl Operations {
    /// `takes` is how long each one stays `InProgress`; its effect is there from the start.
    pub(crate) fn new(takes: Duration) -> Self {
        Self { takes, started: BTreeMap::new() }
    }

    /// Records what an operation will have come to, and answers 202. `verb` is like `Upsert` or `Delete`.
    pub(crate) fn start(
        &mut self,
        call: &Call,
        zone: &ZoneKey,
        group: &str,
        verb: &str,
        outcome: Result<Option<Value>, Failure>,
        ids: &mut Ids,
    ) -> Reply {
        let profile = zone.kind.profile();
        let guid = ids.guid(Purpose::Operation);
        let id = if profile.writes_are_asynchronous {
            STANDARD.encode(format!("FrontEndAsyncOperation;{verb}PrivateDnsZone;{guid}"))
        } else {
            let number = ids.number(Purpose::Operation) % 10_000_000;
            format!("{guid};{number};{};Regular", zone.name)
        };
        let mut reply = if profile.writes_are_asynchronous && verb != "Delete" {
            json_reply(StatusCode::ACCEPTED, &json!({}))
        } else {
            empty_reply(StatusCode::ACCEPTED)
        };
        let url = |origin: &str, what: &str| {
            format!(
                "{origin}/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.Network/{}{what}/{id}?api-version={}",
                zone.subscription,
                profile.operations,
                call.api_version()
            )
        };
        let status = url(&call.origin_with_port(), "Statuses");
        set(&mut reply, HeaderName::from_static("azure-asyncoperation"), &status);
        set(&mut reply, header::LOCATION, &url(&call.origin, "Results"));
        set(&mut reply, header::RETRY_AFTER, &profile.poll_after.to_string());
        self.started.insert(id, Started { done_at: call.now + self.takes, poll_after: profile.poll_after, outcome });
        reply
    }

    /// Answers a poll of the status or of the result.
    pub(crate) fn poll(&self, call: &Call, id: &str, result: bool) -> Result<Reply, Failure> {
        let started = self.started.get(id).ok_or_else(|| {
            Failure::flat(StatusCode::NOT_FOUND, "NotFound", format!("The operation '{id}' does not exist."))
        })?;
        if call.now < started.done_at {
            let mut reply = json_reply(StatusCode::ACCEPTED, &json!({ "status": "InProgress" }));
            let url = format!("{}{}?api-version={}", call.origin_with_port(), call.path, call.api_version());
            set(&mut reply, HeaderName::from_static("azure-asyncoperation"), &url);
            set(&mut reply, header::LOCATION, &url);
            set(&mut reply, header::RETRY_AFTER, &started.poll_after.to_string());
            return Ok(reply);
        }
        Ok(match (&started.outcome, result) {
            (Ok(_), false) => json_reply(StatusCode::OK, &json!({ "status": "Succeeded" })),
            (Ok(Some(resource)), true) => json_reply(StatusCode::OK, resource),
            (Ok(None), true) => empty_reply(StatusCode::OK),
            (Err(failure), false) => json_reply(StatusCode::OK, &failure.as_operation()),
            (Err(failure), true) => failure.clone().into_reply(),
        })
    }
}
