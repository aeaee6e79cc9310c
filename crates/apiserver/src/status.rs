//! The `Status` object every error is answered with, worded and shaped as kube-apiserver does it: clients decide by `reason`.

use bytes::Bytes;
use serde::Serialize;

use crate::kinds::Kind;

/// An error answer: HTTP code and `Status` body in one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Status {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    metadata: ListMeta,
    status: &'static str,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Box<Details>>,
    pub(crate) code: u16,
}

#[derive(Debug, Clone, Default, Serialize)]
struct ListMeta {
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    next: Option<Box<str>>,
}

/// What the error is about.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<Cause>,
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u32>,
}

/// One of several reasons for an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) field: String,
}

/// A violated rule of one field.
pub(crate) type FieldError = Cause;

impl Cause {
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let separator = if detail.is_empty() { "" } else { ": " };
        Self {
            reason: "FieldValueRequired",
            message: format!("Required value{separator}{detail}"),
            field: field.into(),
        }
    }

    /// `value` as JSON would show it.
    pub(crate) fn invalid(field: impl Into<String>, value: impl std::fmt::Display, detail: &str) -> Self {
        Self { reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {detail}"), field: field.into() }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: impl std::fmt::Display, supported: &[&str]) -> Self {
        let supported = supported.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ");
        Self {
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {value}: supported values: {supported}"),
            field: field.into(),
        }
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {detail}"), field: field.into() }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: impl std::fmt::Display) -> Self {
        Self { reason: "FieldValueDuplicate", message: format!("Duplicate value: {value}"), field: field.into() }
    }

    pub(crate) fn wrong_type(field: impl Into<String>, found: &str, detail: &str) -> Self {
        Self {
            reason: "FieldValueTypeInvalid",
            message: format!("Invalid value: {found:?}: {detail}"),
            field: field.into(),
        }
    }
}

impl Details {
    fn of(kind: &Kind, name: &str) -> Self {
        Self { name: name.to_owned(), group: kind.group.clone(), kind: kind.plural.clone(), ..Self::default() }
    }
}

impl Status {
    fn failure(code: u16, reason: &'static str, message: impl Into<String>, details: Option<Details>) -> Self {
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: ListMeta::default(),
            status: "Failure",
            message: message.into(),
            reason,
            details: details.map(Box::new),
            code,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message, None)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized", None)
    }

    pub(crate) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        Self::failure(
            403,
            "Forbidden",
            format!("{} {name:?} is forbidden: {why}", kind.resource()),
            Some(Details::of(kind, name)),
        )
    }

    pub(crate) fn namespace_terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut status = Self::forbidden(kind, name, &why);
        if let Some(details) = &mut status.details {
            details.causes.push(Cause {
                reason: "NamespaceTerminating",
                message: format!("namespace {namespace} is being terminated"),
                field: "metadata.namespace".to_owned(),
            });
        }
        status
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::failure(404, "NotFound", format!("{} {name:?} not found", kind.resource()), Some(Details::of(kind, name)))
    }

    pub(crate) fn no_such_resource() -> Self {
        Self::failure(404, "NotFound", "the server could not find the requested resource", Some(Details::default()))
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::failure(405, "MethodNotAllowed", message, Some(Details::default()))
    }

    pub(crate) fn not_while_terminating() -> Self {
        let message = "create not allowed while custom resource definition is terminating";
        Self::failure(405, "MethodNotAllowed", message, None)
    }

    pub(crate) fn not_acceptable() -> Self {
        let message =
            "406: Not Acceptable\n\nAvailable representations: application/json, application/json;stream=watch";
        Self::failure(406, "NotAcceptable", message, Some(Details::default()))
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::failure(
            409,
            "AlreadyExists",
            format!("{} {name:?} already exists", kind.resource()),
            Some(Details::of(kind, name)),
        )
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.resource());
        Self::failure(409, "Conflict", message, Some(Details::of(kind, name)))
    }

    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// A precondition of DELETE that does not hold: unlike an update's conflict it names the kind.
    pub(crate) fn precondition(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.qualified());
        let details = Details { kind: kind.kind.clone(), ..Details::of(kind, name) };
        Self::failure(409, "Conflict", message, Some(details))
    }

    pub(crate) fn apply_conflict(causes: Vec<Cause>) -> Self {
        let list = causes.iter().map(|c| format!("{}: {}", c.message, c.field)).collect::<Vec<_>>();
        let message = match list.as_slice() {
            [one] => format!("Apply failed with 1 conflict: {one}"),
            many => {
                // Several conflicts are grouped by manager, one line a field.
                let mut text = format!("Apply failed with {} conflicts:", many.len());
                let mut last = None;
                for cause in &causes {
                    if last != Some(&cause.message) {
                        text.push_str(&format!(" {}:", cause.message));
                        last = Some(&cause.message);
                    }
                    text.push_str(&format!("\n- {}", cause.field));
                }
                text
            }
        };
        Self::failure(409, "Conflict", message, Some(Details { causes, ..Details::default() }))
    }

    pub(crate) fn expired_list() -> Self {
        Self::failure(410, "Expired", "The resourceVersion for the provided list is too old.", None)
    }

    /// `next` continues the list without its consistency.
    pub(crate) fn expired_continue(next: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. Start again without it, \
                       or go on with the token in this answer: the rest may then show objects that were created, modified or \
                       deleted since the first part was returned.";
        let mut status = Self::failure(410, "Expired", message, None);
        status.metadata.next = Some(next.into());
        status
    }

    pub(crate) fn expired_watch(asked: u64, oldest: u64) -> Self {
        Self::failure(410, "Expired", format!("too old resource version: {asked} ({oldest})"), None)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::failure(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"), None)
    }

    pub(crate) fn unsupported_body(accepted: &str) -> Self {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::failure(415, "UnsupportedMediaType", message, None)
    }

    pub(crate) fn unsupported_media_type() -> Self {
        Self::failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", Some(Details::default()))
    }

    pub(crate) fn rejected_patch() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::failure(422, "Invalid", message, Some(Details::default()))
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, errors: Vec<FieldError>) -> Self {
        Self::invalid_named(&kind.group, &kind.kind, name, errors)
    }

    pub(crate) fn invalid_options(kind: &str, errors: Vec<FieldError>) -> Self {
        Self::invalid_named("meta.k8s.io", kind, "", errors)
    }

    pub(crate) fn invalid_named(group: &str, kind: &str, name: &str, errors: Vec<FieldError>) -> Self {
        let mut texts: Vec<String> = Vec::with_capacity(errors.len());
        for error in &errors {
            let text = format!("{}: {}", error.field, error.message);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let what = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let dot = if group.is_empty() { "" } else { "." };
        let message = format!("{kind}{dot}{group} {name:?} is invalid: {what}");
        let details = Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes: errors,
            ..Details::default()
        };
        Self::failure(422, "Invalid", message, Some(details))
    }

    /// Errors kube-apiserver answers without a reason.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::failure(500, "", message, None)
    }

    pub(crate) fn future_revision(asked: u64, current: u64) -> Self {
        let details = Details {
            causes: vec![Cause {
                reason: "ResourceVersionTooLarge",
                message: "Too large resource version".to_owned(),
                field: String::new(),
            }],
            retry_after: Some(1),
            ..Details::default()
        };
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        Self::failure(504, "Timeout", message, Some(details))
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut json = serde_json::to_vec(self).expect("a Status holds strings and numbers only");
        json.push(b'\n');
        json.into()
    }
}
