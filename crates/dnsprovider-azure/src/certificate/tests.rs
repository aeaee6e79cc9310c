use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/azure").join(name)
}

fn certificate(key: &str) -> ClientCertificate {
    ClientCertificate { certificate_file: fixture("client-certificate.pem"), key_file: Some(fixture(key)) }
}

fn part(token: &str, n: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap()
}

#[test]
fn an_assertion_says_who_asks_whom_and_until_when() {
    let now = "2026-11-22T20:00:00Z".parse().unwrap();
    let claims = Claims { audience: "https://login.test/t/oauth2/v2.0/token", client_id: "app", jti: "one", now };
    for (key, algorithm, name) in
        [("client-key-pkcs8.pem", Algorithm::Ps256, "PS256"), ("client-key-pkcs1.pem", Algorithm::Rs256, "RS256")]
    {
        let signer = certificate(key).signer().unwrap();
        let token = signer.sign(&claims, algorithm);
        assert_eq!(part(&token, 0), json!({ "alg": name, "typ": "JWT", "x5t#S256": signer.thumbprint }));
        assert_eq!(
            part(&token, 1),
            json!({
                "aud": "https://login.test/t/oauth2/v2.0/token", "iss": "app", "sub": "app", "jti": "one",
                "iat": now.as_second(), "nbf": now.as_second(), "exp": now.as_second() + 600,
            })
        );
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let verification: &'static dyn ring::signature::VerificationAlgorithm = match algorithm {
            Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        let public = UnparsedPublicKey::new(verification, signer.key.public().as_ref().to_vec());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        public.verify(signed.as_bytes(), &signature).unwrap();
        assert!(public.verify(b"something else", &signature).is_err());
    }
}

#[test]
fn no_two_assertions_share_an_identifier() {
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let authority = "https://login.test".parse().unwrap();
    for (tenant, algorithm) in [("my-tenant", "PS256"), ("adfs", "RS256")] {
        let made = Arc::default();
        let next = || {
            let clock: Clock = Arc::new(move || noon);
            let certificate = certificate("client-key-pkcs8.pem");
            Assertions::new(certificate, &authority, tenant, "app", clock, Arc::clone(&made)).next().unwrap()
        };
        let (first, second) = (next(), next());
        assert_ne!(part(&first, 1)["jti"], part(&second, 1)["jti"], "the clock stands still");
        assert_eq!(part(&first, 0)["alg"], algorithm);
        assert_eq!(part(&first, 1)["aud"], format!("https://login.test/{tenant}/oauth2/v2.0/token"));
    }
}

#[test]
fn one_file_may_hold_certificate_and_key_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(fixture(name)).unwrap();
    let (cert, key) = (read("client-certificate.pem"), read("client-key-pkcs8.pem"));
    let stranger = kfed_tls::CertificateAuthority::generate("somebody else").unwrap();
    let expected = certificate("client-key-pkcs8.pem").signer().unwrap().thumbprint;
    for content in [format!("{cert}{key}"), format!("{key}{}{cert}", stranger.pem())] {
        let path = folder.path().join("both.pem");
        std::fs::write(&path, content).unwrap();
        let signer = ClientCertificate { certificate_file: path, key_file: None }.signer().unwrap();
        assert_eq!(signer.thumbprint, expected);
    }
}

#[test]
fn what_cannot_sign_is_told_without_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let pfx = write("client.pfx", &[0x30, 0x82, 0x0a, 0xff]);
    let encrypted =
        write("encrypted.pem", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let ec = write("ec.pem", b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n");
    let broken = write("broken.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let good = fixture("client-certificate.pem");
    for (certificate_file, key_file, expected) in [
        (folder.path().join("nothing.pem"), None, "cannot read "),
        (
            pfx.clone(),
            None,
            &format!("`openssl pkcs12 -in {} -nodes -out {}`", pfx.display(), pfx.with_extension("pem").display()),
        ),
        (encrypted.clone(), None, "encrypted.pem holds no certificate"),
        (good.clone(), None, "client-certificate.pem holds no private key that is not encrypted"),
        (good.clone(), Some(encrypted), "encrypted.pem holds no private key that is not encrypted"),
        (good.clone(), Some(ec), "ec.pem cannot sign: it is no RSA key"),
        (good.clone(), Some(broken), "broken.pem cannot sign: "),
        (good, Some(fixture("other-key.pem")), "other-key.pem"),
    ] {
        let error = ClientCertificate { certificate_file, key_file }.check().unwrap_err();
        assert!(error.to_string().contains(expected), "{error} / {expected}");
        assert!(!format!("{error} {error:?}").contains("AAAA"));
    }
}
