use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::assertion::{Assertion, Certificate};
use crate::{
    arm::{
        call::Call,
        reply::{Failure, Reply, json_reply, set},
    },
    clock::{Clock, plus},
    ids::{Ids, Purpose},
};

/// How far a client's clock may be ahead, in seconds.
const SKEW: i64 = 300;
/// How long an assertion may live, in seconds.
const LONGEST_ASSERTION: i64 = 600;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application that may ask for tokens.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secrets: Vec<String>,
    pub(crate) certificates: Vec<Certificate>,
}

impl Client {
    pub(crate) fn named(id: String) -> Self {
        Self { id, secrets: Vec::new(), certificates: Vec::new() }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("secrets", &"[redacted]")
            .field("certificates", &self.certificates)
            .finish()
    }
}

/// The directory: whom it knows, and which tokens it has given out.
pub(crate) struct Entra {
    /// Lower case. Any tenant is known while there is none.
    pub(crate) tenants: Vec<String>,
    /// Any client with any secret is known while there is none.
    pub(crate) clients: Vec<Client>,
    pub(crate) lifetime: Duration,
    pub(crate) checks_bearers: bool,
    pub(crate) clock: Clock,
    issued: BTreeMap<String, Timestamp>,
}

/// An error in OAuth's words, with Entra's number.
struct Denial {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

impl Entra {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            tenants: Vec::new(),
            clients: Vec::new(),
            lifetime: Duration::from_secs(86_399),
            checks_bearers: true,
            clock,
            issued: BTreeMap::new(),
        }
    }

    /// The tenant that subscriptions belong to.
    pub(crate) fn tenant(&self) -> &str {
        self.tenants.first().map_or(crate::DEFAULT_TENANT, String::as_str)
    }

    /// Answers a token request of either version.
    pub(crate) fn token(&mut self, call: &Call, tenant: &str, v2: bool, ids: &mut Ids) -> Reply {
        match self.grant(call, tenant, v2) {
            Ok(client) => {
                let resource = self.audience(call, v2);
                self.grant_reply(&client, tenant, &resource, v2, ids)
            }
            Err(denial) => self.denial_reply(call, &denial, ids),
        }
    }

    /// Answers the instance metadata service's token request: all values are strings.
    pub(crate) fn managed_identity(&mut self, call: &Call, ids: &mut Ids) -> Reply {
        if call.header("metadata") != Some("true") {
            let body = json!({
                "error": "invalid_request",
                "error_description": "Required metadata header not specified",
            });
            return json_reply(StatusCode::BAD_REQUEST, &body);
        }
        let Some(resource) = call.parameter("resource").map(str::to_owned) else {
            let body = json!({
                "error": "invalid_request",
                "error_description": "Required query variable 'resource' is missing",
            });
            return json_reply(StatusCode::BAD_REQUEST, &body);
        };
        let client = call.parameter("client_id").unwrap_or(crate::DEFAULT_CLIENT).to_owned();
        let tenant = self.tenant().to_owned();
        let (token, issued, expires) = self.issue(&client, &tenant, &resource, ids);
        let body = json!({
            "access_token": token,
            "client_id": client,
            "expires_in": (expires.as_second() - issued.as_second()).to_string(),
            "expires_on": expires.as_second().to_string(),
            "ext_expires_in": (expires.as_second() - issued.as_second()).to_string(),
            "not_before": issued.as_second().to_string(),
            "resource": resource,
            "token_type": "Bearer",
        });
        json_reply(StatusCode::OK, &body)
    }

    /// Checks the bearer of a request to ARM.
    pub(crate) fn authorize(&self, call: &Call) -> Result<(), Failure> {
        if !self.checks_bearers {
            return Ok(());
        }
        let Some(given) = call.header("authorization") else {
            return Err(self.unauthorized(
                call,
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            ));
        };
        let token = given
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
            .map(|(_, token)| token.trim());
        match token.and_then(|token| self.issued.get(token)) {
            None => Err(self.unauthorized(call, "InvalidAuthenticationToken", "The access token is invalid.")),
            Some(expiry) if *expiry <= (self.clock)() => Err(self.unauthorized(
                call,
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than the current UTC time.",
            )),
            Some(_) => Ok(()),
        }
    }

    fn unauthorized(&self, call: &Call, code: &'static str, message: &str) -> Failure {
        let challenge = format!(
            "Bearer authorization_uri=\"{}/{}\", error=\"invalid_token\", error_description=\"{message}\"",
            call.origin,
            self.tenant()
        );
        Failure::wrapped(StatusCode::UNAUTHORIZED, code, message).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The client that a request proves to be.
    fn grant(&self, call: &Call, tenant: &str, v2: bool) -> Result<String, Denial> {
        let known = self.tenants.is_empty() || self.tenants.iter().any(|known| known.eq_ignore_ascii_case(tenant));
        if !known {
            return Err(Denial::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                90002,
                format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."),
            ));
        }
        let form = Form::read(call);
        let grant_type = form.required("grant_type")?;
        if grant_type != "client_credentials" {
            return Err(Denial::new(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                70003,
                format!("The app requested an unsupported grant type '{grant_type}'."),
            ));
        }
        let id = form.required("client_id")?;
        if v2 {
            let scope = form.required("scope")?;
            if !scope.ends_with("/.default") {
                return Err(Denial::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_scope",
                    1_002_012,
                    format!(
                        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
                    ),
                ));
            }
        } else {
            form.required("resource")?;
        }
        let client = self.clients.iter().find(|client| client.id == id);
        if client.is_none() && !self.clients.is_empty() {
            return Err(Denial::new(
                StatusCode::BAD_REQUEST,
                "unauthorized_client",
                700_016,
                format!("Application with identifier '{id}' was not found in the directory '{tenant}'."),
            ));
        }
        match (form.get("client_secret"), form.get("client_assertion")) {
            (Some(secret), _) => {
                let right =
                    client.map_or(!secret.is_empty(), |client| client.secrets.iter().any(|known| known == secret));
                if !right {
                    return Err(Denial::new(
                        StatusCode::UNAUTHORIZED,
                        "invalid_client",
                        7_000_215,
                        format!(
                            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{id}'."
                        ),
                    ));
                }
            }
            (None, Some(assertion)) => self.check_assertion(call, &form, assertion, client)?,
            (None, None) => {
                return Err(Denial::new(
                    StatusCode::UNAUTHORIZED,
                    "invalid_client",
                    7_000_216,
                    "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.".to_owned(),
                ));
            }
        }
        Ok(id.to_owned())
    }

    /// A certificate's or a cluster's assertion. An application with certificates has to have signed it with the key of one; the
    /// emulator knows no cluster's keys, so for others the signature is not checked.
    fn check_assertion(
        &self,
        call: &Call,
        form: &Form,
        assertion: &str,
        client: Option<&Client>,
    ) -> Result<(), Denial> {
        let denied = |code, text: String| Denial::new(StatusCode::UNAUTHORIZED, "invalid_client", code, text);
        let malformed = |why: &str| denied(50_027, format!("JWT token is invalid or malformed: {why}."));
        if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(malformed("the assertion type is not jwt-bearer"));
        }
        let assertion = Assertion::read(assertion).map_err(malformed)?;
        let now = (self.clock)().as_second();
        match assertion.time("exp") {
            None => return Err(malformed("it has no expiry")),
            Some(expiry) if expiry <= now => {
                return Err(denied(700_024, "Client assertion is not within its valid time range.".to_owned()));
            }
            Some(_) => {}
        }
        let Some(client) = client.filter(|client| !client.certificates.is_empty()) else {
            return Ok(());
        };
        if assertion.text("iss") != Some(&client.id) || assertion.text("sub") != Some(&client.id) {
            return Err(denied(
                700_021,
                format!("Client assertion application identifier doesn't match 'client_id' parameter '{}'.", client.id),
            ));
        }
        let audience = format!("{}{}", call.origin, call.path);
        if assertion.text("aud") != Some(&audience) {
            return Err(denied(
                700_023,
                format!("Client assertion audience claim does not match Realm issuer. Expected '{audience}'."),
            ));
        }
        if assertion.text("jti").is_none_or(str::is_empty) {
            return Err(malformed("it has no jti"));
        }
        // Clocks may differ by five minutes.
        let begins = assertion.time("nbf").ok_or_else(|| malformed("it has no nbf"))?;
        let ends = assertion.time("exp").unwrap_or(begins);
        if begins > now + SKEW || ends - begins > LONGEST_ASSERTION {
            return Err(denied(700_024, "Client assertion is not within its valid time range.".to_owned()));
        }
        let thumbprint = assertion.thumbprint().unwrap_or_default();
        let Some(certificate) = client.certificates.iter().find(|known| known.thumbprint() == thumbprint) else {
            return Err(denied(
                700_027,
                format!(
                    "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}']"
                ),
            ));
        };
        if !certificate.has_signed(&assertion) {
            return Err(denied(
                700_027,
                "Client assertion failed signature validation. [Reason - The key was found but the signature is wrong.]"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// The answer to a token that is taken back.
    pub(crate) fn revoked(&mut self, call: &Call) -> Failure {
        let given = call.header("authorization").and_then(|given| given.split_once(' '));
        if let Some((_, token)) = given {
            self.issued.remove(token.trim());
        }
        self.unauthorized(call, "InvalidAuthenticationToken", "The access token has been revoked.")
    }

    fn audience(&self, call: &Call, v2: bool) -> String {
        let form = Form::read(call);
        if v2 {
            let scope = form.get("scope").unwrap_or_default();
            scope.trim_end_matches("/.default").to_owned()
        } else {
            form.get("resource").unwrap_or_default().to_owned()
        }
    }

    fn grant_reply(&mut self, client: &str, tenant: &str, resource: &str, v2: bool, ids: &mut Ids) -> Reply {
        let (token, issued, expires) = self.issue(client, tenant, resource, ids);
        let lifetime = expires.as_second() - issued.as_second();
        let body = if v2 {
            let mut body = json!({
                "token_type": "Bearer",
                "expires_in": lifetime,
                "ext_expires_in": lifetime,
                "access_token": token,
            });
            // Only tokens of two hours and more are to be refreshed early.
            if lifetime >= 7200 {
                body["refresh_in"] = json!(lifetime / 2);
            }
            body
        } else {
            json!({
                "token_type": "Bearer",
                "expires_in": lifetime.to_string(),
                "ext_expires_in": lifetime.to_string(),
                "expires_on": expires.as_second().to_string(),
                "not_before": issued.as_second().to_string(),
                "resource": resource,
                "access_token": token,
            })
        };
        let mut reply = json_reply(StatusCode::OK, &body);
        set(&mut reply, header::CACHE_CONTROL, "no-store, no-cache");
        reply
    }

    fn denial_reply(&self, call: &Call, denial: &Denial, ids: &mut Ids) -> Reply {
        let trace = ids.guid(Purpose::Request).to_string();
        let correlation = ids.guid(Purpose::Request).to_string();
        let timestamp = (self.clock)().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let body = json!({
            "error": denial.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}",
                denial.code, denial.text
            ),
            "error_codes": [denial.code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{}/error?code={}", call.origin, denial.code),
        });
        json_reply(denial.status, &body)
    }

    /// A token that looks like a JWT, because clients read its claims. Its last part is random, not a signature.
    fn issue(&mut self, client: &str, tenant: &str, resource: &str, ids: &mut Ids) -> (String, Timestamp, Timestamp) {
        let issued = (self.clock)();
        let expires = plus(issued, self.lifetime);
        self.issued.retain(|_, expiry| *expiry > issued);
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "emulator" });
        let claims = json!({
            "aud": resource,
            "iss": format!("https://sts.windows.net/{tenant}/"),
            "iat": issued.as_second(),
            "nbf": issued.as_second(),
            "exp": expires.as_second(),
            "appid": client,
            "idtyp": "app",
            "oid": client,
            "sub": client,
            "tid": tenant,
            "uti": ids.guid(Purpose::Token).to_string(),
            "ver": "1.0",
        });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let random = ids.guid(Purpose::Token).into_bytes();
        let token = format!("{}.{}.{}", encode(&header), encode(&claims), URL_SAFE_NO_PAD.encode(random));
        self.issued.insert(token.clone(), expires);
        (token, issued, expires)
    }
}

impl fmt::Debug for Entra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entra")
            .field("tenants", &self.tenants)
            .field("clients", &self.clients)
            .field("issued", &self.issued.len())
            .finish_non_exhaustive()
    }
}

impl Denial {
    fn new(status: StatusCode, error: &'static str, code: u32, text: String) -> Self {
        Self { status, error, code, text }
    }
}

struct Form(BTreeMap<String, String>);

impl Form {
    fn read(call: &Call) -> Self {
        Self(form_urlencoded::parse(&call.body).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn required(&self, name: &str) -> Result<&str, Denial> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            Denial::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                900_144,
                format!("The request body must contain the following parameter: '{name}'."),
            )
        })
    }
}
