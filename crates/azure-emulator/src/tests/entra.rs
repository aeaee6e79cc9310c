use std::time::Duration;

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Got, send, versioned, zone_path};
use crate::{AzureEmulator, AzureEmulatorBuilder, Operation};

const SECRET: &str = "correct-horse";

fn builder() -> AzureEmulatorBuilder {
    AzureEmulator::builder().tenant("tenant-1").client("app-1", SECRET).zone("dns", "example.com")
}

async fn token(emulator: &AzureEmulator, path: &str, form: &[(&str, &str)]) -> Got {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form);
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body.finish()))
        .unwrap();
    send(emulator, request).await
}

fn v2<'a>(client: &'a str, secret: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_secret", secret),
        ("scope", "https://management.azure.com/.default"),
    ]
}

async fn with_bearer(emulator: &AzureEmulator, bearer: &str) -> Got {
    let request = Request::get(versioned(&zone_path(), "2018-05-01"))
        .header("authorization", bearer)
        .body(Body::empty())
        .unwrap();
    send(emulator, request).await
}

#[tokio::test]
async fn a_secret_buys_a_token_that_opens_the_api() {
    let emulator = builder().build();
    let got = token(&emulator, "/tenant-1/oauth2/v2.0/token", &v2("app-1", SECRET)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    let body = got.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(86_399)));
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    assert_eq!(with_bearer(&emulator, &bearer).await.status, StatusCode::OK);
    assert_eq!(emulator.requests().count(Operation::Token), 1);

    let claims = bearer.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!((&claims["tid"], &claims["appid"]), (&json!("tenant-1"), &json!("app-1")));
    assert_eq!(claims["aud"], "https://management.azure.com");
}

#[tokio::test]
async fn the_first_version_answers_strings() {
    let emulator = builder().build();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "app-1"),
        ("client_secret", SECRET),
        ("resource", "https://management.azure.com/"),
    ];
    let body = token(&emulator, "/tenant-1/oauth2/token", &form).await.json();
    for name in ["expires_in", "expires_on", "not_before", "resource", "access_token"] {
        assert!(body[name].is_string(), "{name}: {body}");
    }
}

#[tokio::test]
async fn every_refusal_has_its_number_and_never_the_secret() {
    let wrong = "battery-staple";
    let scope = ("scope", "https://management.azure.com/.default");
    let grant = ("grant_type", "client_credentials");
    let table = [
        ("tenant-1", v2("app-1", wrong).to_vec(), 401, "invalid_client", 7_000_215),
        ("tenant-1", v2("app-9", SECRET).to_vec(), 400, "unauthorized_client", 700_016),
        ("tenant-9", v2("app-1", SECRET).to_vec(), 400, "invalid_request", 90_002),
        ("tenant-1", vec![grant, ("client_id", "app-1"), scope], 401, "invalid_client", 7_000_216),
        ("tenant-1", vec![("client_id", "app-1"), scope], 400, "invalid_request", 900_144),
        (
            "tenant-1",
            vec![("grant_type", "password"), ("client_id", "app-1"), scope],
            400,
            "unsupported_grant_type",
            70_003,
        ),
        (
            "tenant-1",
            vec![grant, ("client_id", "app-1"), ("client_secret", SECRET), ("scope", "openid")],
            400,
            "invalid_scope",
            1_002_012,
        ),
        (
            "tenant-1",
            vec![grant, ("client_id", "app-1"), scope, ("client_assertion", "x")],
            401,
            "invalid_client",
            50_027,
        ),
    ];
    for (tenant, form, status, error, code) in table {
        let emulator = builder().build();
        let got = token(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &form).await;
        let body = got.json();
        assert_eq!(got.status.as_u16(), status, "{code}");
        assert_eq!((&body["error"], &body["error_codes"]), (&json!(error), &json!([code])));
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
        assert!(!got.text.contains(SECRET) && !got.text.contains(wrong));
        assert!(body["correlation_id"].is_string() && body["timestamp"].is_string());
    }
    let shown = format!("{:?} {:?}", builder(), builder().build().lock());
    assert!(shown.contains("[redacted]") && !shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn an_assertion_is_taken_while_it_is_valid() {
    let emulator = builder().build();
    let now = (emulator.lock().entra.clock)().as_second();
    for (expiry, status) in [(now + 60, 200), (now - 60, 401)] {
        let claims = URL_SAFE_NO_PAD.encode(json!({ "sub": "app-1", "exp": expiry }).to_string());
        let assertion = format!("e30.{claims}.c2ln");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "app-1"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
            ("scope", "https://management.azure.com/.default"),
        ];
        let got = token(&emulator, "/tenant-1/oauth2/v2.0/token", &form).await;
        assert_eq!(got.status.as_u16(), status, "{}", got.text);
    }
}

fn fixture(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/azure").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A JWT signed by the key in a PEM file.
fn signed(header: &Value, claims: &Value, key: &str) -> String {
    use base64::engine::general_purpose::STANDARD;
    let pem = fixture(key);
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with("--")).collect::<String>()).unwrap();
    let key = ring::signature::RsaKeyPair::from_pkcs8(&der).unwrap();
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(&ring::signature::RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_certificates_assertion_is_checked_in_all_its_parts() {
    use base64::engine::general_purpose::STANDARD;
    let pem = fixture("client-certificate.pem");
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with("--")).collect::<String>()).unwrap();
    let x5t = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &der));
    let now = (AzureEmulator::builder().build().lock().entra.clock)().as_second();
    let audience = "https://login.test/tenant-1/oauth2/v2.0/token";
    let header = json!({ "alg": "RS256", "typ": "JWT", "x5t#S256": x5t });
    let claims = json!({ "aud": audience, "iss": "app-1", "sub": "app-1", "jti": "1", "nbf": now, "exp": now + 600 });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let key = "client-key-pkcs8.pem";
    for (header, claims, key, code) in [
        (header.clone(), claims.clone(), key, 0),
        (header.clone(), with("nbf", json!(now + 299)), key, 0),
        (header.clone(), with("nbf", json!(now + 301)), key, 700_024),
        (header.clone(), with("exp", json!(now + 601)), key, 700_024),
        (header.clone(), with("exp", json!(now - 1)), key, 700_024),
        (header.clone(), with("nbf", Value::Null), key, 50_027),
        (header.clone(), with("jti", Value::Null), key, 50_027),
        (header.clone(), with("aud", json!("https://login.test/other/oauth2/v2.0/token")), key, 700_023),
        (header.clone(), with("iss", json!("app-2")), key, 700_021),
        (header.clone(), with("sub", json!("app-2")), key, 700_021),
        (header.clone(), claims.clone(), "other-key.pem", 700_027),
        (json!({ "alg": "RS256", "x5t#S256": "another" }), claims.clone(), key, 700_027),
        (json!({ "alg": "none", "x5t#S256": x5t }), claims.clone(), key, 700_027),
        (json!({ "alg": "PS256", "x5t#S256": x5t }), claims.clone(), key, 700_027),
    ] {
        let emulator = AzureEmulator::builder().client_certificate("app-1", &pem).unwrap().build();
        let assertion = signed(&header, &claims, key);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "app-1"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
            ("scope", "https://management.azure.com/.default"),
        ];
        let got = token(&emulator, audience, &form).await;
        match code {
            0 => assert_eq!(got.status, StatusCode::OK, "{}", got.text),
            code => assert_eq!(got.json()["error_codes"], json!([code]), "{header} {claims} {}", got.text),
        }
        let got = token(&emulator, audience, &v2("app-1", "a secret")).await;
        assert_eq!(got.json()["error_codes"], json!([7_000_215]), "it has no secret");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let key = fixture("client-key-pkcs8.pem");
    let wrong = "-----BEGIN CERTIFICATE-----\nMAAwAA==\n-----END CERTIFICATE-----\n";
    for (pem, expected) in [
        (key.as_str(), "there is no PEM certificate"),
        (&wrong[..40], "the PEM has no end"),
        (&wrong.replace('M', "?"), "the PEM is no base64"),
        (wrong, "it is no X.509 certificate"),
    ] {
        let error = AzureEmulator::builder().client_certificate("app-1", pem).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn without_tenants_and_clients_named_any_may_come() {
    let emulator = AzureEmulator::builder().build();
    let got = token(&emulator, "/anybody/oauth2/v2.0/token", &v2("any", "thing")).await;
    assert_eq!(got.status, StatusCode::OK);
    let got = token(&emulator, "/anybody/oauth2/v2.0/token", &v2("any", "")).await;
    assert_eq!(got.json()["error_codes"], json!([7_000_215]));
}

#[tokio::test(start_paused = true)]
async fn bearers_are_checked() {
    let emulator = builder().token_lifetime(Duration::from_secs(600)).build();
    let missing = super::get(&emulator, &zone_path()).await;
    assert_eq!((missing.error().0, missing.error().2.as_str()), (401, "AuthenticationFailed"));
    assert!(missing.header("www-authenticate").starts_with("Bearer authorization_uri=\"https://"));

    let forged = with_bearer(&emulator, "Bearer a.b.c").await;
    assert_eq!((forged.error().0, forged.error().2.as_str()), (401, "InvalidAuthenticationToken"));
    assert!(forged.header("www-authenticate").contains("error=\"invalid_token\""));

    let body = token(&emulator, "/tenant-1/oauth2/v2.0/token", &v2("app-1", SECRET)).await.json();
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    tokio::time::advance(Duration::from_secs(599)).await;
    assert_eq!(with_bearer(&emulator, &bearer).await.status, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(2)).await;
    let expired = with_bearer(&emulator, &bearer).await;
    assert_eq!((expired.error().0, expired.error().2.as_str()), (401, "ExpiredAuthenticationToken"));
}

#[tokio::test]
async fn a_managed_identity_gets_a_token_from_the_metadata_service() {
    let emulator = builder().build();
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com";
    let bare = send(&emulator, Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(bare.status, StatusCode::BAD_REQUEST);
    let request = Request::get(path).header("Metadata", "true").body(Body::empty()).unwrap();
    let body = send(&emulator, request).await.json();
    assert!(body["expires_on"].is_string());
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    assert_eq!(with_bearer(&emulator, &bearer).await.status, StatusCode::OK);
}

#[tokio::test]
async fn discovery_points_back_to_the_emulator() {
    let emulator = builder().build();
    let read = async |path: &str| {
        let request = Request::get(path).header("host", "localhost:8443").body(Body::empty()).unwrap();
        send(&emulator, request).await.json()
    };
    let configuration = read("/tenant-1/v2.0/.well-known/openid-configuration").await;
    assert_eq!(configuration["token_endpoint"], "https://localhost:8443/tenant-1/oauth2/v2.0/token");
    let older = read("/tenant-1/.well-known/openid-configuration").await;
    assert_eq!(older["token_endpoint"], "https://localhost:8443/tenant-1/oauth2/token");
    let instance = read("/common/discovery/instance?api-version=1.1").await;
    assert_eq!(instance["metadata"][0]["preferred_network"], "localhost:8443");
    let cloud = read("/metadata/endpoints?api-version=2022-09-01").await;
    assert_eq!(cloud["resourceManager"], "https://localhost:8443/");
    let list = read("/metadata/endpoints?api-version=2019-05-01").await;
    assert_eq!(list[0]["authentication"]["loginEndpoint"], "https://localhost:8443/");
    assert_eq!(emulator.requests().count(Operation::Discovery), 5);
    assert_eq!(emulator.requests().to_arm(), 0);
}

#[tokio::test]
async fn subscriptions_are_listed_under_their_tenant() {
    let emulator = builder().without_authentication().build();
    let list = super::get(&emulator, "/subscriptions").await.json();
    assert_eq!(list["value"][0]["subscriptionId"], crate::DEFAULT_SUBSCRIPTION);
    assert_eq!(list["value"][0]["tenantId"], "tenant-1");
    let groups = format!("/subscriptions/{}/resourcegroups", crate::DEFAULT_SUBSCRIPTION);
    assert_eq!(super::get(&emulator, &groups).await.json()["value"][0]["name"], "dns");
    assert_eq!(super::get(&emulator, "/tenants").await.json()["value"][0]["tenantId"], "tenant-1");
}
