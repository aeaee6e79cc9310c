//! Serving over TLS, with a kubeconfig that leads there.

use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use http::{Request, Response};
use http_body::Body as _;
use kfed_tls::{CertificateAuthority, HttpsServer, TlsError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// How long requests in flight may still take at a shutdown. Watches are ended at once.
const GRACE: Duration = Duration::from_secs(5);

/// What a served API is called, and who may use it.
#[derive(Clone, Default)]
pub struct ServeOptions {
    /// Names cluster, user and context in the kubeconfig.
    pub name: String,
    /// The bearer token that the kubeconfig carries; empty for none.
    pub token: String,
    /// Host names and addresses the certificate is good for, besides `127.0.0.1`, `::1`, `localhost` and the listener's own.
    pub names: Vec<String>,
}

impl std::fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServeOptions").field("name", &self.name).field("names", &self.names).finish_non_exhaustive()
    }
}

/// Why an API cannot be served, or a kubeconfig not be merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No certificate could be made for the names.
    #[error("cannot issue a certificate for {names:?}")]
    IssueCertificate {
        /// What the certificate should have been good for.
        names: Vec<String>,
        /// Why.
        #[source]
        source: TlsError,
    },
    /// The listener cannot be used.
    #[error("cannot serve on the listener")]
    Listen(#[source] TlsError),
    /// The listener has no address.
    #[error("cannot tell the listener's address")]
    Address(#[source] std::io::Error),
    /// One of two kubeconfigs to merge is no kubeconfig.
    #[error("the {which} kubeconfig cannot be read")]
    ReadKubeconfig {
        /// `existing` or `new`.
        which: &'static str,
        /// Why.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// One of two kubeconfigs to merge has the wrong shape.
    #[error("the {which} kubeconfig has no list of {section}")]
    KubeconfigShape {
        /// `existing` or `new`.
        which: &'static str,
        /// The section that is something else.
        section: &'static str,
    },
    /// The kubeconfig cannot be written as YAML.
    #[error("cannot write the kubeconfig as YAML")]
    WriteKubeconfig(#[source] Box<serde_saphyr::ser::Error>),
}

/// A served API. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Serving {
    server: HttpsServer,
    addr: SocketAddr,
    ending: CancellationToken,
    authority: String,
    options: ServeOptions,
}

/// Serves `service` over TLS on `listener`, under a certificate authority made for it.
///
/// # Errors
/// When no certificate can be made for the names, or the listener cannot be used.
pub async fn serve<S>(service: S, listener: TcpListener, options: ServeOptions) -> Result<Serving, ServeError>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let addr = listener.local_addr().map_err(ServeError::Address)?;
    let mut names: Vec<String> =
        ["127.0.0.1", "::1", "localhost", "kubernetes", "kubernetes.default.svc"].map(str::to_owned).to_vec();
    if !addr.ip().is_unspecified() {
        names.push(addr.ip().to_string());
    }
    names.extend(options.names.iter().cloned());
    names.sort();
    names.dedup();
    let issue = || -> Result<_, TlsError> {
        let authority = CertificateAuthority::generate(&format!("{} CA", options.name))?;
        let certificate = authority.issue(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok((authority.pem().to_owned(), certificate))
    };
    let (authority, certificate) =
        issue().map_err(|source| ServeError::IssueCertificate { names: names.clone(), source })?;
    let ending = CancellationToken::new();
    let service = EndWatches { inner: service, ending: ending.clone() };
    let server = kfed_tls::serve(listener, &certificate, service).await.map_err(ServeError::Listen)?;
    Ok(Serving { addr: server.addr(), server, ending, authority, options })
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its address for clients on this machine, e.g. `https://127.0.0.1:6443`.
    #[must_use]
    pub fn url(&self) -> String {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            addr.set_ip(if addr.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        format!("https://{addr}")
    }

    /// The certificate authority to trust, PEM.
    #[must_use]
    pub fn certificate_authority(&self) -> &str {
        &self.authority
    }

    /// A kubeconfig (YAML) whose cluster, user and context bear the name given, with that context current.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let name = &self.options.name;
        let user = if self.options.token.is_empty() { json!({}) } else { json!({"token": self.options.token}) };
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": name,
                "cluster": {"server": self.url(), "certificate-authority-data": STANDARD.encode(&self.authority)},
            }],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        });
        to_yaml(&config).expect("a kubeconfig holds strings, lists and maps only")
    }

    /// Closes the port, ends all watches, and lets other requests in flight finish for a few seconds.
    pub async fn shutdown(self) {
        self.ending.cancel();
        self.server.shutdown(GRACE).await;
    }
}

/// Merges two kubeconfigs as kubectl does, by name; of two entries with one name the new one stays, and so does its current context.
///
/// # Errors
/// When one of them is no kubeconfig. An empty `existing` is one.
pub fn merge_kubeconfig(existing: &str, new: &str) -> Result<String, ServeError> {
    let mut merged = read(existing, "existing")?;
    let new = read(new, "new")?;
    merged.entry("apiVersion").or_insert_with(|| "v1".into());
    merged.entry("kind").or_insert_with(|| "Config".into());
    for section in ["clusters", "users", "contexts"] {
        let additions = entries(&new, "new", section)?;
        let mut all = entries(&merged, "existing", section)?;
        all.retain(|old| !additions.iter().any(|a| a["name"] == old["name"]));
        all.extend(additions);
        merged.insert(section.to_owned(), all.into());
    }
    if let Some(current) = new.get("current-context").filter(|c| *c != "") {
        merged.insert("current-context".to_owned(), current.clone());
    }
    to_yaml(&Value::Object(merged)).map_err(|error| ServeError::WriteKubeconfig(Box::new(error)))
}

fn read(text: &str, which: &'static str) -> Result<serde_json::Map<String, Value>, ServeError> {
    if text.trim().is_empty() {
        return Ok(serde_json::Map::new());
    }
    serde_saphyr::from_str(text).map_err(|source| ServeError::ReadKubeconfig { which, source: Box::new(source) })
}

fn entries(
    config: &serde_json::Map<String, Value>,
    which: &'static str,
    section: &'static str,
) -> Result<Vec<Value>, ServeError> {
    match config.get(section) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list.clone()),
        Some(_) => Err(ServeError::KubeconfigShape { which, section }),
    }
}

fn to_yaml(value: &Value) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(value)
}

/// Ends streaming answers when the server goes: a watch would otherwise hold up every shutdown.
#[derive(Debug, Clone)]
struct EndWatches<S> {
    inner: S,
    ending: CancellationToken,
}

impl<S> Service<Request<Body>> for EndWatches<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.inner.call(request);
        let ending = self.ending.clone();
        Box::pin(async move {
            let answer = answer.await?;
            // What has a known length ends by itself.
            if answer.body().size_hint().exact().is_some() {
                return Ok(answer);
            }
            Ok(answer.map(|body| Body::from_stream(body.into_data_stream().take_until(ending.cancelled_owned()))))
        })
    }
}

#[cfg(test)]
mod tests;
