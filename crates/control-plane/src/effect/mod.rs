//! Plans carried out: the only code that writes to anybody.

pub(crate) mod breaker;
pub(crate) mod federation;
pub(crate) mod member;

use std::time::Duration;

use kfed_api::FIELD_MANAGER;
use kfed_api::conditions::reasons;
use kube::api::PatchParams;
use tower::BoxError;

use crate::leader::NotLeading;

/// An effect that did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EffectError {
    /// The object is somebody else's.
    #[error("an object of this name is there that kfed did not make")]
    NotAdopted,
    /// The API server understood, and refused.
    #[error("{message}")]
    Refused { code: u16, message: String },
    /// The object has changed since it was seen: look again.
    #[error("the object has changed meanwhile")]
    Stale,
    /// It was not begun: another control plane may lead before it ends.
    #[error(transparent)]
    NotLeading(NotLeading),
    /// The API server is well, and asks to wait.
    #[error("it asks to wait: {message}")]
    Busy { message: String },
    /// It was not begun: the member's last calls have all failed.
    #[error("it is not asked for a while, since its last calls have all failed")]
    NotAsked,
    /// No answer.
    #[error("no answer: {message}")]
    Unreachable { message: String },
}

// === impl EffectError ===

impl EffectError {
    /// The reason for a condition.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotAdopted => reasons::NOT_ADOPTED,
            Self::Refused { .. } => reasons::MEMBER_REFUSED,
            Self::Stale | Self::NotLeading(_) | Self::NotAsked | Self::Busy { .. } | Self::Unreachable { .. } => {
                reasons::MEMBER_UNREACHABLE
            }
        }
    }
}

impl From<kube::Error> for EffectError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.is_conflict() => Self::Stale,
            kube::Error::Api(status) if status.code == 429 => Self::Busy { message: status.message.clone() },
            // Whose body holds no Status, as a proxy's may not, has been given none: nobody has understood anything.
            kube::Error::Api(status) if status.code == 0 => {
                Self::Unreachable { message: "an error that is no API server's".to_owned() }
            }
            kube::Error::Api(status) if status.code < 500 => {
                Self::Refused { code: status.code, message: status.message.clone() }
            }
            kube::Error::Service(error) => Self::from(error),
            error => Self::Unreachable { message: chain(&error) },
        }
    }
}

/// For what comes out of a stack of layers.
impl From<BoxError> for EffectError {
    fn from(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => match error.downcast::<NotLeading>() {
                Ok(error) => Self::NotLeading(*error),
                Err(error) => Self::Unreachable { message: chain(&*error) },
            },
        }
    }
}

/// How kfed patches what it does not apply.
pub(crate) fn manager() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// An error and its causes, in a line; each said once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// `call`, given up after `deadline`.
pub(crate) async fn within<T, E: Into<EffectError>>(
    deadline: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, EffectError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(EffectError::Unreachable { message: format!("nothing came within {deadline:?}") }),
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use kube::{Api, Client};

    use super::*;

    /// What comes of such an answer.
    async fn answered(status: u16, body: &'static str) -> EffectError {
        let service = tower::service_fn(move |_: Request<Body>| {
            let body = Body::from(body.as_bytes().to_vec());
            std::future::ready(Ok::<_, BoxError>(Response::builder().status(status).body(body).unwrap()))
        });
        let maps = Api::<ConfigMap>::namespaced(Client::new(service, "default"), "default");
        maps.get("settings").await.unwrap_err().into()
    }

    #[tokio::test]
    async fn only_an_api_server_refuses() {
        const NO: &str = r#"{"kind": "Status", "status": "Failure", "code": 422, "message": "no"}"#;
        let refused = answered(422, NO).await;
        assert!(matches!(&refused, EffectError::Refused { code: 422, message } if message == "no"), "{refused:?}");
        let missing = answered(404, "404 page not found").await;
        assert!(matches!(missing, EffectError::Refused { code: 404, .. }), "{missing:?}");
        for (status, body) in [(500, ""), (500, "{}"), (403, "{}"), (502, r#"{"error": "bad gateway"}"#), (200, "{")] {
            let error = answered(status, body).await;
            assert!(matches!(&error, EffectError::Unreachable { message } if !message.is_empty()), "{body}: {error:?}");
        }
    }
}
