//! Client certificates: an application proves itself by an assertion that its private key signs (RFC 7523 § 2.2).

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::json;

use crate::Clock;

/// Entra takes assertions that live ten minutes at most.
const LIFE: SignedDuration = SignedDuration::from_mins(10);
/// The tenant of an Azure Stack that signs in by AD FS.
const ADFS: &str = "adfs";

/// A certificate and its RSA key in PEM files. They are read again for each token: whoever renews the files in place need not restart
/// anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate; other certificates may stand beside it.
    pub certificate_file: PathBuf,
    /// The private key, PKCS#8 or PKCS#1; without it, it stands in `certificate_file`.
    pub key_file: Option<PathBuf>,
}

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no PEM, or none that can be read.
    #[error(
        "{} is no PEM file; of PKCS#12, `openssl pkcs12 -in {} -nodes -out {}` makes one",
        path.display(), path.display(), path.with_extension("pem").display()
    )]
    NotPem {
        /// The file.
        path: PathBuf,
    },
    /// A file without a certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file without a private key.
    #[error("{} holds no private key that is not encrypted", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is not RSA, or too short.
    #[error("the key in {} cannot sign: {problem}; Entra asks for RSA of 2048 bits or more", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No certificate is for the key.
    #[error("no certificate in {} belongs to the key in {}", certificate.display(), key.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

/// How an assertion is signed (RFC 7518 § 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// What Entra asks for.
    Ps256,
    /// What AD FS understands.
    Rs256,
}

/// What an assertion says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claims<'a> {
    pub(crate) audience: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) jti: &'a str,
    pub(crate) now: Timestamp,
}

/// A certificate and key that belong together.
pub(crate) struct Signer {
    key: RsaKeyPair,
    /// SHA-256 of the certificate, by which the directory finds it.
    thumbprint: String,
}

/// Makes a new assertion whenever Azure's SDK asks for one.
pub(crate) struct Assertions {
    certificate: ClientCertificate,
    audience: String,
    client_id: String,
    algorithm: Algorithm,
    clock: Clock,
    made: Arc<AtomicU64>,
}

// === impl ClientCertificate ===

impl ClientCertificate {
    /// Reads both, and makes sure that they belong together.
    ///
    /// # Errors
    /// Any [`CertificateError`]. None holds anything of the key.
    pub fn check(&self) -> Result<(), CertificateError> {
        self.signer().map(drop)
    }

    pub(crate) fn signer(&self) -> Result<Signer, CertificateError> {
        let key_file = self.key_file.as_ref().unwrap_or(&self.certificate_file);
        let (certificates, keys) = (read(&self.certificate_file)?, read(key_file)?);
        let not_pem = |_| CertificateError::NotPem { path: self.certificate_file.clone() };
        let certificates: Vec<CertificateDer<'_>> =
            CertificateDer::pem_slice_iter(certificates.expose_secret()).collect::<Result<_, _>>().map_err(not_pem)?;
        if certificates.is_empty() {
            return Err(no_items(&self.certificate_file, |path| CertificateError::NoCertificate { path }));
        }
        let key = PrivateKeyDer::from_pem_slice(keys.expose_secret())
            .map_err(|_| no_items(key_file, |path| CertificateError::NoKey { path }))?;
        let problem =
            |problem: &dyn fmt::Display| CertificateError::Key { path: key_file.clone(), problem: problem.to_string() };
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(problem(&"it is no RSA key")),
        };
        let key = key.map_err(|error| problem(&error))?;
        // A certificate holds its public key in the very form in which ring writes it (RFC 3279 § 2.3.1).
        let public = key.public().as_ref();
        let own = certificates.iter().find(|der| der.windows(public.len()).any(|part| part == public));
        let own = own.ok_or_else(|| CertificateError::Mismatch {
            certificate: self.certificate_file.clone(),
            key: key_file.clone(),
        })?;
        Ok(Signer { thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, own)), key })
    }
}

fn read(path: &Path) -> Result<SecretSlice<u8>, CertificateError> {
    let bytes = std::fs::read(path).map_err(|source| CertificateError::Read { path: path.to_owned(), source })?;
    Ok(bytes.into())
}

/// The error for a file in which nothing was found: `otherwise`, if there is any PEM in it.
fn no_items(path: &Path, otherwise: impl FnOnce(PathBuf) -> CertificateError) -> CertificateError {
    let begins = b"-----BEGIN ";
    let pem = std::fs::read(path).is_ok_and(|bytes| bytes.windows(begins.len()).any(|part| part == begins));
    if pem { otherwise(path.to_owned()) } else { CertificateError::NotPem { path: path.to_owned() } }
}

// === impl Signer ===

impl Signer {
    /// The assertion as a signed JWT.
    pub(crate) fn sign(&self, claims: &Claims<'_>, algorithm: Algorithm) -> String {
        let (name, encoding): (_, &'static dyn RsaEncoding) = match algorithm {
            Algorithm::Ps256 => ("PS256", &RSA_PSS_SHA256),
            Algorithm::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
        };
        let header = json!({ "alg": name, "typ": "JWT", "x5t#S256": self.thumbprint });
        let body = json!({
            "aud": claims.audience,
            "iss": claims.client_id,
            "sub": claims.client_id,
            "jti": claims.jti,
            "iat": claims.now.as_second(),
            "nbf": claims.now.as_second(),
            "exp": (claims.now + LIFE).as_second(),
        });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(body.to_string()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(encoding, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .expect("ring took the key, so it is long enough for SHA-256, and the operating system has randomness");
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        token
    }
}

// === impl Assertions ===

impl Assertions {
    /// `authority` is the origin of the token endpoint; `made` counts the assertions of all that share it, so that no two are alike even
    /// while the clock stands still.
    pub(crate) fn new(
        certificate: ClientCertificate,
        authority: &url::Url,
        tenant_id: &str,
        client_id: &str,
        clock: Clock,
        made: Arc<AtomicU64>,
    ) -> Self {
        let authority = authority.as_str().trim_end_matches('/');
        Self {
            certificate,
            audience: format!("{authority}/{tenant_id}/oauth2/v2.0/token"),
            client_id: client_id.to_owned(),
            algorithm: if tenant_id.eq_ignore_ascii_case(ADFS) { Algorithm::Rs256 } else { Algorithm::Ps256 },
            clock,
            made,
        }
    }

    pub(crate) fn next(&self) -> Result<String, CertificateError> {
        let (signer, now) = (self.certificate.signer()?, (self.clock)());
        // It has to differ from every other, and need not be secret (RFC 7519 § 4.1.7).
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        let seed = format!("{} {} {made} {}", self.client_id, now.as_nanosecond(), signer.thumbprint);
        let jti = URL_SAFE_NO_PAD.encode(&digest(&SHA256, seed.as_bytes()).as_ref()[..16]);
        let claims = Claims { audience: &self.audience, client_id: &self.client_id, jti: &jti, now };
        Ok(signer.sign(&claims, self.algorithm))
    }
}

#[async_trait]
impl ClientAssertion for Assertions {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.next().map_err(|error| azure_core::Error::new(ErrorKind::Credential, error))
    }
}

impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions")
            .field("certificate", &self.certificate)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}
