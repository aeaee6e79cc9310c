//! Tokens for the management API: one is asked for at a time, kept, and renewed before it ends.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use kfed_dnsprovider::{DnsError, ErrorClass};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tower::ServiceExt;

use crate::Clock;
use crate::certificate::Assertions;
use crate::config::{AzureConfig, Cloud, Credential};
use crate::transport::{Chain, HttpService, TowerHttpClient, TransportError, host_of, http_service};

/// A token is renewed this long before it ends, or after nine tenths of its life if that is later.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(300);
/// While a token is still good and no new one is to be had, the next attempt waits this long.
const RENEW_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Where tokens come from. Cloning is cheap; all clones share one token.
#[derive(Clone)]
pub(crate) struct TokenSource(Arc<Inner>);

struct Inner {
    credential: Credential,
    cloud: Cloud,
    scope: String,
    http: HttpService,
    clock: Clock,
    state: Mutex<State>,
    /// How many assertions a certificate has signed.
    made: Arc<AtomicU64>,
    /// Held by whoever asks for a token.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// How often a token has been asked for, and how the last time went wrong.
    flights: u64,
    failure: Option<TokenError>,
}

#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

/// No token was given. Everybody who waited for it gets the same error.
#[derive(Debug, Clone)]
pub(crate) struct TokenError {
    class: ErrorClass,
    message: String,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

/// The error body of the token endpoint (RFC 6749 § 5.2, with Entra's additions).
#[derive(Deserialize)]
struct EntraError {
    error: Option<String>,
    error_description: Option<String>,
    trace_id: Option<String>,
}

// === impl TokenSource ===

impl TokenSource {
    pub(crate) fn new(config: &AzureConfig, http: HttpService, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            credential: config.credential.clone(),
            cloud: config.cloud.clone(),
            scope: config.cloud.scope(),
            http: refuse_busy(http),
            clock,
            state: Mutex::default(),
            made: Arc::default(),
            flight: tokio::sync::Mutex::default(),
        }))
    }

    /// A token that is still good.
    pub(crate) async fn token(&self) -> Result<Token, TokenError> {
        let (known, seen) = {
            let state = self.state();
            (state.token.clone(), state.flights)
        };
        let now = (self.0.clock)();
        let usable = known.filter(|token| now < token.ends_at);
        if let Some(token) = usable.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.clone());
        }
        let _flight = match (&usable, self.0.flight.try_lock()) {
            (_, Ok(flight)) => flight,
            // Somebody renews it already, and it is good until then.
            (Some(token), Err(_)) => return Ok(token.clone()),
            (None, Err(_)) => self.0.flight.lock().await,
        };
        {
            let mut state = self.state();
            if state.flights != seen {
                match (&state.token, &state.failure) {
                    (Some(token), _) if (self.0.clock)() < token.ends_at => return Ok(token.clone()),
                    (_, Some(failure)) => return Err(failure.clone()),
                    _ => {}
                }
            }
            // Said before asking: an authority that hangs holds up one request per pause, not every one.
            if let Some(token) = &mut state.token {
                token.renew_at = now + RENEW_PAUSE;
            }
        }
        let fetched = self.fetch().await;
        let mut state = self.state();
        state.flights += 1;
        match (fetched, usable) {
            (Ok(token), _) => {
                (state.token, state.failure) = (Some(token.clone()), None);
                Ok(token)
            }
            (Err(error), Some(token)) => {
                tracing::warn!(%error, "cannot renew the token for Azure; the present one goes on");
                Ok(token)
            }
            (Err(error), None) => {
                (state.token, state.failure) = (None, Some(error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets `token`, which Azure did not take.
    pub(crate) fn invalidate(&self, token: &Token) {
        let mut state = self.state();
        if state.token.as_ref().is_some_and(|kept| kept.secret.expose_secret() == token.secret.expose_secret()) {
            state.token = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the SDK dates a token's end by the machine's clock: only that clock tells its length"
    )]
    async fn fetch(&self) -> Result<Token, TokenError> {
        // A credential keeps tokens by the machine's clock and cannot be told that one was refused. So each flight has a new one, and
        // a workload identity's file is read again every time, as its rotation asks for.
        let credential = self.0.build().map_err(|error| self.0.describe(&error))?;
        let given = credential.get_token(&[&self.0.scope], None).await.map_err(|error| self.0.describe(&error))?;
        // The SDK dates the end by the machine's clock; against that same clock it is a length of life, and our clock counts from here.
        let life = (given.expires_on - OffsetDateTime::now_utc()).whole_seconds().clamp(0, 30 * 86_400);
        let (now, life) = ((self.0.clock)(), SignedDuration::from_secs(life));
        let renew_before = RENEW_BEFORE.min(life / 10);
        tracing::debug!(seconds = life.as_secs(), "a new token for Azure");
        Ok(Token { secret: given.token.secret().into(), renew_at: now + (life - renew_before), ends_at: now + life })
    }
}

impl Inner {
    fn build(&self) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let mut authority = CustomConfiguration::default();
        authority.authority_host = self.cloud.authority.to_string();
        let client_options = ClientOptions {
            transport: Some(Transport::new(Arc::new(TowerHttpClient::new(self.http.clone()).without_retries()))),
            // Who asked for an operation decides whether it is tried again.
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::Custom(authority))),
            ..ClientOptions::default()
        };
        Ok(match self.credential.clone() {
            Credential::Secret { tenant_id, client_id, secret } => ClientSecretCredential::new(
                &tenant_id,
                client_id,
                Secret::new(secret.expose_secret().to_owned()),
                Some(ClientSecretCredentialOptions { client_options }),
            )?,
            Credential::Certificate { tenant_id, client_id, certificate } => {
                let assertions = Assertions::new(
                    certificate,
                    &self.cloud.authority,
                    &tenant_id,
                    &client_id,
                    self.clock.clone(),
                    self.made.clone(),
                );
                let options = ClientAssertionCredentialOptions { client_options };
                ClientAssertionCredential::new(tenant_id, client_id, assertions, Some(options))?
            }
            Credential::WorkloadIdentity { tenant_id, client_id, token_file } => {
                WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options },
                    tenant_id,
                    client_id,
                    token_file_path: token_file,
                }))?
            }
            Credential::ManagedIdentity { client_id } => {
                ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                    user_assigned_id: client_id.map(|id| match id.starts_with('/') {
                        true => UserAssignedId::ResourceId(id),
                        false => UserAssignedId::ClientId(id),
                    }),
                    client_options,
                }))?
            }
            Credential::Cli { tenant_id } => AzureCliCredential::new(Some(AzureCliCredentialOptions {
                tenant_id,
                ..AzureCliCredentialOptions::default()
            }))?,
        })
    }

    /// What went wrong, in words that hold no secret. The SDK's error holds the whole answer, so it is not kept.
    fn describe(&self, error: &azure_core::Error) -> TokenError {
        let mut described = TokenError {
            class: ErrorClass::Unauthenticated,
            message: Chain(error).to_string(),
            code: None,
            request_id: None,
            retry_after: None,
        };
        let causes = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source());
        for cause in causes {
            if let Some(transport) = cause.downcast_ref::<TransportError>() {
                described.class = ErrorClass::Unavailable;
                if let TransportError::Busy { status, retry_after, .. } = transport {
                    described.retry_after = *retry_after;
                    if *status == StatusCode::TOO_MANY_REQUESTS {
                        described.class = ErrorClass::Throttled;
                    }
                }
                described.message = transport.to_string();
                break;
            }
            let Some(ErrorKind::HttpResponse { raw_response, .. }) =
                cause.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind)
            else {
                continue;
            };
            described.message = cause.to_string();
            let body = raw_response.as_ref().and_then(|raw| serde_json::from_slice::<EntraError>(raw.body()).ok());
            if let Some(body) = body {
                described.message = body.error_description.unwrap_or(described.message);
                (described.code, described.request_id) = (body.error, body.trace_id);
            }
        }
        described.message = self.scrub(&described.message);
        described
    }

    /// `text` in one line and without the secret, should the server have sent it back.
    fn scrub(&self, text: &str) -> String {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match &self.credential {
            Credential::Secret { secret, .. } if !secret.expose_secret().is_empty() => {
                text.replace(secret.expose_secret(), "[redacted]")
            }
            _ => text,
        }
    }
}

// === impl TokenError ===

impl TokenError {
    pub(crate) fn into_dns(self, operation: &'static str) -> DnsError {
        let mut error = DnsError::new(self.class, operation, self.to_string());
        (error.code, error.request_id, error.retry_after) = (self.code, self.request_id, self.retry_after);
        error
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no token: {}", self.message)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("credential", &self.0.credential)
            .field("scope", &self.0.scope)
            .finish_non_exhaustive()
    }
}

/// Turns 429 and 5xx of a token endpoint into errors: the SDK drops their `Retry-After`, and trips over bodies that are no JSON.
fn refuse_busy(http: HttpService) -> HttpService {
    http_service(tower::service_fn(move |request: http::Request<bytes::Bytes>| {
        let (http, host) = (http.clone(), host_of(request.uri()));
        async move {
            let response = http.oneshot(request).await?;
            let status = response.status();
            if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
                return Ok(response);
            }
            let retry_after = response.headers().get(http::header::RETRY_AFTER);
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            Err(TransportError::Busy { host, status, retry_after: seconds.map(Duration::from_secs) })
        }
    }))
}
