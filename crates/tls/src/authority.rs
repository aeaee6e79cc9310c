use std::{fmt, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::TlsError;

/// A certificate authority whose key lives in memory only.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A server's certificate chain and private key, ready to serve with. Cloning is cheap and shares TLS session tickets.
#[derive(Clone)]
pub struct ServerCertificate {
    names: Arc<[String]>,
    config: Arc<ServerConfig>,
}

impl CertificateAuthority {
    /// A new authority with a fresh ECDSA P-256 key.
    ///
    /// # Errors
    /// [`TlsError::GenerateAuthority`] when the system gives no randomness or the name cannot be encoded.
    pub fn generate(common_name: &str) -> Result<Self, TlsError> {
        let failed = |source| TlsError::GenerateAuthority { common_name: common_name.to_owned(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self { pem: certificate.pem(), certificate: certificate.der().clone(), issuer: Issuer::new(params, key) })
    }

    /// The authority's own certificate, PEM encoded: what a client has to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate with a fresh key for a server reached under `names`, each a DNS name or an IP address.
    ///
    /// # Errors
    /// [`TlsError::NoNames`], and [`TlsError::IssueCertificate`] for a name that cannot stand in a certificate.
    pub fn issue(&self, names: &[&str]) -> Result<ServerCertificate, TlsError> {
        let owned: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let Some(first) = owned.first() else {
            return Err(TlsError::NoNames);
        };
        let failed = |source| TlsError::IssueCertificate { names: owned.clone(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(owned.clone()).map_err(failed)?;
        params.distinguished_name = distinguished_name(first);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // RFC 5280 § 4.2.1.1: without it strict verifiers (Python 3.13, OpenSSL -x509_strict) refuse the chain.
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;

        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(ServerCertificate { config: Arc::new(server_config(&owned, chain, key)?), names: owned.into() })
    }
}

impl ServerCertificate {
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn server_config(
    names: &[String],
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let failed = |source| TlsError::Configure { names: names.to_vec(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(failed)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").field("pem", &self.pem).field("key", &"[redacted]").finish()
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate").field("names", &self.names).field("key", &"[redacted]").finish()
    }
}
