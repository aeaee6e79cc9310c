//! Client assertions: signed JWTs (RFC 7523 § 3), and the certificates that they are checked by.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest::{SHA256, digest},
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm},
};
use serde_json::Value;

use crate::EmulatorError;

/// An application's certificate, as far as it is needed to check a signature.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    thumbprint: String,
    /// `RSAPublicKey` (RFC 8017 § A.1.1).
    public_key: Vec<u8>,
}

/// A JWT, taken apart.
pub(crate) struct Assertion {
    header: Value,
    claims: Value,
    signed: String,
    signature: Vec<u8>,
}

impl Certificate {
    /// The first certificate in a PEM file.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, EmulatorError> {
        let broken = |problem| EmulatorError::ClientCertificate { problem };
        let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----").ok_or(broken("there is no PEM certificate"))?;
        let (body, _) = rest.split_once("-----END CERTIFICATE-----").ok_or(broken("the PEM has no end"))?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| broken("the PEM is no base64"))?;
        let public_key = public_key(&der).ok_or(broken("it is no X.509 certificate"))?.to_vec();
        Ok(Self { thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)), public_key })
    }

    /// SHA-256 of the certificate, as `x5t#S256` writes it.
    pub(crate) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    pub(crate) fn has_signed(&self, assertion: &Assertion) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match assertion.header.get("alg").and_then(Value::as_str) {
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        let key = UnparsedPublicKey::new(algorithm, &self.public_key);
        key.verify(assertion.signed.as_bytes(), &assertion.signature).is_ok()
    }
}

impl Assertion {
    /// The error is what is wrong, in a few words.
    pub(crate) fn read(token: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = token.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return Err("it does not have three parts");
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok();
        let json = |part: &str| decode(part).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self {
            header: json(header).unwrap_or_default(),
            claims: json(claims).ok_or("its claims are not JSON")?,
            signed: format!("{header}.{claims}"),
            signature: decode(signature).unwrap_or_default(),
        })
    }

    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    pub(crate) fn time(&self, claim: &str) -> Option<i64> {
        self.claims.get(claim)?.as_i64()
    }

    pub(crate) fn thumbprint(&self) -> Option<&str> {
        self.header.get("x5t#S256")?.as_str()
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The key in a certificate (RFC 5280 § 4.1): version, serial number, signature, issuer, validity and subject stand before it.
fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        fields = element(fields, tag)?.1;
    }
    let (info, _) = element(fields, SEQUENCE)?;
    let (_algorithm, rest) = element(info, SEQUENCE)?;
    // The first byte says how many bits of the last are unused: none.
    element(rest, BIT_STRING)?.0.strip_prefix(&[0])
}

/// The content of the element of type `tag` that `der` begins with, and what follows it (X.690 § 8.1).
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
