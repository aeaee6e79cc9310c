//! The emulator over HTTPS, as clients insist on.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use kfed_tls::{CertificateAuthority, HttpsServer};

use crate::{AzureEmulator, EmulatorError};

/// Besides where it listens, the certificate names what clients call the real ones, for those that come through a proxy.
const NAMES: [&str; 5] = ["localhost", "127.0.0.1", "::1", "management.azure.com", "login.microsoftonline.com"];
const GRACE: Duration = Duration::from_secs(5);

/// A served emulator. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Serving {
    server: HttpsServer,
    authority: CertificateAuthority,
}

/// Serves `emulator` on `listener` under a certificate of a new authority: the Resource Manager, the token endpoint and
/// the instance metadata service on one port.
///
/// # Errors
/// [`EmulatorError::Listen`] and [`EmulatorError::Tls`].
pub async fn serve(emulator: AzureEmulator, listener: TcpListener) -> Result<Serving, EmulatorError> {
    let tls = |source| EmulatorError::Tls { source };
    let address = listener
        .local_addr()
        .map_err(|source| EmulatorError::Listen { address: "an unbound socket".to_owned(), source })?
        .ip()
        .to_string();
    let mut names = NAMES.to_vec();
    if !names.contains(&address.as_str()) {
        names.push(&address);
    }
    let authority = CertificateAuthority::generate("kfed Azure emulator").map_err(tls)?;
    let certificate = authority.issue(&names).map_err(tls)?;
    let server = kfed_tls::serve(listener, &certificate, emulator).await.map_err(tls)?;
    Ok(Serving { server, authority })
}

impl Serving {
    /// Where clients find both the Resource Manager and the authority for tokens: `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let addr = self.addr();
        if addr.ip().is_unspecified() {
            format!("https://127.0.0.1:{}", addr.port())
        } else {
            format!("https://{addr}")
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The certificate that clients have to trust, PEM encoded.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// Closes the port and lets requests in flight finish for some seconds.
    pub async fn shutdown(self) {
        self.server.shutdown(GRACE).await;
    }
}
