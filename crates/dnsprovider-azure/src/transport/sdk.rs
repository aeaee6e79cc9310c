//! Azure's SDK over a `tower` service.

use std::fmt;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::request::Body;
use azure_core::http::{AsyncRawResponse, HttpClient, Request as SdkRequest, StatusCode};
use bytes::Bytes;
use futures::AsyncReadExt;
use http::{Request, Response};
use tower::{BoxError, Service, ServiceExt};

use super::TransportError;

/// Gives `azure_core` and all credentials of `azure_identity` a `tower` service for a network: timeouts, faults, or a whole emulator in
/// this process are then layers and services like any other.
///
/// ```
/// use std::sync::Arc;
/// use azure_core::http::{ClientOptions, Transport};
/// use kfed_dnsprovider_azure::transport::TowerHttpClient;
///
/// let teapot = tower::service_fn(|_: http::Request<bytes::Bytes>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::builder().status(418).body(bytes::Bytes::new()).unwrap())
/// });
/// let options = ClientOptions { transport: Some(Transport::new(Arc::new(TowerHttpClient::new(teapot)))), ..Default::default() };
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct TowerHttpClient<S> {
    service: S,
    resend: bool,
}

// === impl TowerHttpClient ===

impl<S> TowerHttpClient<S> {
    /// Sends everything to `service`.
    pub fn new(service: S) -> Self {
        Self { service, resend: true }
    }

    /// Makes every failure one that the SDK does not try again by itself. Its retry options alone do not: the credential for managed
    /// identities puts its own in their place, and waits for more than a minute.
    #[must_use]
    pub fn without_retries(self) -> Self {
        Self { resend: false, ..self }
    }
}

#[async_trait]
impl<S> HttpClient for TowerHttpClient<S>
where
    S: Service<Request<Bytes>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    async fn execute_request(&self, request: &SdkRequest) -> azure_core::Result<AsyncRawResponse> {
        let request = http_request(request).await?;
        let response = self.service.clone().oneshot(request).await.map_err(|error| {
            let error = error.into();
            // The SDK sends again what could not connect or was cut off, if its caller lets it; a server that asks to wait is not
            // to be asked again at once.
            let kind = match error.downcast_ref::<TransportError>() {
                _ if !self.resend => ErrorKind::Other,
                Some(TransportError::Connect { .. }) => ErrorKind::Connection,
                Some(TransportError::Busy { .. }) => ErrorKind::Other,
                _ => ErrorKind::Io,
            };
            azure_core::Error::new(kind, error)
        })?;
        let (parts, body) = response.into_parts();
        let mut headers = Headers::new();
        for (name, value) in &parts.headers {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(parts.status.as_u16()), headers, body))
    }
}

async fn http_request(request: &SdkRequest) -> azure_core::Result<Request<Bytes>> {
    let body = match request.body().clone() {
        Body::Bytes(bytes) => bytes,
        Body::SeekableStream(mut stream) => {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            bytes.into()
        }
    };
    let mut builder = Request::builder().method(request.method().as_str()).uri(request.url().as_str());
    for (name, value) in request.headers().iter() {
        builder = builder.header(name.as_str(), value.as_str());
    }
    builder.body(body).map_err(|error| azure_core::Error::new(ErrorKind::DataConversion, error))
}

impl<S> fmt::Debug for TowerHttpClient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerHttpClient").finish_non_exhaustive()
    }
}
