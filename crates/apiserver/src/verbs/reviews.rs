//! Reviews and tokens: answers that are computed and not stored. Whoever is let in may do everything.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Call;
use crate::clock::rfc3339;
use crate::reply::{self, Reply};
use crate::status::{FieldError, Status};

const USER: &str = "kubernetes-admin";

pub(super) fn create(call: &Call<'_>) -> Result<Reply, Status> {
    let mut review = call.request.object()?;
    if !review.is_object() {
        return Err(Status::bad_request("a review is a JSON object"));
    }
    let kind = &call.kind;
    let user = json!({"username": USER, "groups": ["system:masters", "system:authenticated"]});
    let status = match kind.kind.as_str() {
        "SelfSubjectReview" => {
            review["metadata"] = json!({"creationTimestamp": rfc3339(call.now)});
            json!({"userInfo": user})
        }
        "TokenReview" => match review.pointer("/spec/token").and_then(Value::as_str) {
            Some(token) if call.server.accepts(token) => json!({"authenticated": true, "user": user}),
            _ => json!({"user": {}, "error": "invalid bearer token"}),
        },
        "SelfSubjectRulesReview" => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        _ => {
            let asked = ["resourceAttributes", "nonResourceAttributes"]
                .iter()
                .filter(|f| !review["spec"][**f].is_null())
                .count();
            if asked != 1 {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                let error = FieldError::invalid("spec.resourceAttributes", "null", why);
                return Err(Status::invalid_named(&kind.group, "", "", vec![error]));
            }
            json!({"allowed": true})
        }
    };
    review["kind"] = kind.kind.clone().into();
    review["apiVersion"] = kind.api_version().into();
    if review.get("metadata").is_none() {
        review["metadata"] = json!({});
    }
    review["status"] = status;
    Ok(reply::value_reply(201, &review))
}

/// POST to a ServiceAccount's `/token`: the one token this server accepts.
pub(super) fn token(call: &Call<'_>) -> Result<Reply, Status> {
    let mut request = if call.request.body.is_empty() { json!({}) } else { call.request.object()? };
    if call.server.store().get(&call.kind.storage, &call.key()).is_none() {
        return Err(Status::not_found(&call.kind, &call.name));
    }
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(3600);
    let expires = call.now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(call.now);
    request["kind"] = "TokenRequest".into();
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["metadata"] =
        json!({"name": call.name, "namespace": call.namespace, "creationTimestamp": rfc3339(call.now)});
    request["status"] =
        json!({"token": call.server.token().unwrap_or("anonymous"), "expirationTimestamp": rfc3339(expires)});
    Ok(reply::value_reply(201, &request))
}
