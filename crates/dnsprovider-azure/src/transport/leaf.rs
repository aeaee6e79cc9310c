//! The network.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use tower::Service;

use super::{TransportError, host_of};
use crate::config::CaBundle;

/// A page of a thousand record sets of twenty records each is some megabytes; nothing of Azure DNS is near this.
const MAX_BODY: usize = 64 << 20;

/// How the network is used.
#[derive(Debug, Clone)]
pub struct LeafOptions {
    /// Authorities trusted beside the system's.
    pub ca: Option<CaBundle>,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count.
    pub proxy: bool,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take, its answer's body included. Azure's own gateway gives up after two and a half minutes.
    pub timeout: Duration,
}

/// HTTP over TLS by reqwest. It follows no redirect: neither Azure's management API nor its token endpoint sends any.
#[derive(Clone)]
pub struct Leaf {
    client: reqwest::Client,
}

/// The network cannot be used: mostly certificates that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS")]
pub struct LeafError {
    /// Why.
    #[from]
    source: reqwest::Error,
}

// === impl LeafOptions ===

impl Default for LeafOptions {
    fn default() -> Self {
        Self { ca: None, proxy: true, connect_timeout: Duration::from_secs(5), timeout: Duration::from_secs(60) }
    }
}

// === impl Leaf ===

impl Leaf {
    /// Takes rustls' process-wide provider, and installs `ring` if there is none yet.
    ///
    /// # Errors
    /// [`LeafError`] when certificates are unreadable, or when neither the system nor `ca` has any.
    pub fn new(options: &LeafOptions) -> Result<Self, LeafError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only when another thread was faster, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("kfed/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout);
        if let Some(ca) = &options.ca {
            builder = builder.tls_certs_merge(ca.certificates()?);
        }
        if !options.proxy {
            builder = builder.no_proxy();
        }
        Ok(Self { client: builder.build()? })
    }
}

impl Service<Request<Bytes>> for Leaf {
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future = BoxFuture<'static, Result<Response<Bytes>, TransportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let client = self.client.clone();
        Box::pin(async move {
            let host = host_of(request.uri());
            // The URL in reqwest's own words would repeat the host, and could carry a query.
            let failed = |error: reqwest::Error| {
                let connect = error.is_connect() || error.is_builder();
                let source = error.without_url().into();
                if connect {
                    TransportError::Connect { host: host.clone(), source }
                } else {
                    TransportError::Lost { host: host.clone(), source }
                }
            };
            let request = reqwest::Request::try_from(request).map_err(failed)?;
            let response = client.execute(request).await.map_err(failed)?;
            let (parts, body) = Response::<reqwest::Body>::from(response).into_parts();
            let body = Limited::new(body, MAX_BODY)
                .collect()
                .await
                .map_err(|source| TransportError::Lost { host: host.clone(), source })?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        })
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").finish_non_exhaustive()
    }
}
